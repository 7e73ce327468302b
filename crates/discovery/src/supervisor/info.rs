//! `/db/info`: etcd's members, as a supervisor's etcd client told them. JSON of etcd's own `MemberList`, by its `json` names:
//! `{"members":[{"ID":…,"name":"…","peerURLs":[…],"clientURLs":["https://ip:2379"],"isLearner":true}]}`.

use serde::Deserialize;

use super::{Known, known};
use crate::ask_error::{AskError, foreign_words};

#[derive(Deserialize)]
struct Info {
    /// `null` where there is none.
    members: Option<Vec<Member>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Member {
    /// Absent: it was added and has never been started.
    #[serde(rename = "clientURLs", default)]
    client_urls: Option<Vec<String>>,
    /// It has no vote yet, and refuses most of what clients ask.
    #[serde(default)]
    is_learner: bool,
}

/// The addresses of members with a vote. K3s and RKE2 give their members addresses, never names.
pub(super) fn read_members(body: &[u8]) -> Result<Known, AskError> {
    let info: Info = serde_json::from_slice(body).map_err(|error| {
        AskError::Nonsense(format!(
            "not a list of etcd's members: {}",
            foreign_words(&error.to_string())
        ))
    })?;
    let urls: Vec<String> = info
        .members
        .unwrap_or_default()
        .into_iter()
        .filter(|member| !member.is_learner)
        .flat_map(|member| member.client_urls.unwrap_or_default())
        .collect();
    let addresses: Vec<&str> = urls
        .iter()
        .map(|url| url.strip_prefix("https://").unwrap_or(url).trim_end_matches('/'))
        .collect();
    known(&addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_with_a_vote_are_read() {
        let body = br#"{"members":[
            {"ID":1,"name":"a","peerURLs":["https://10.0.0.1:2380"],"clientURLs":["https://10.0.0.1:2379"]},
            {"ID":2,"name":"b","peerURLs":["https://10.0.0.2:2380"],"clientURLs":["https://[fd00::2]:2379/"]},
            {"ID":3,"name":"c","clientURLs":["https://10.0.0.3:2379"],"isLearner":true},
            {"ID":4,"peerURLs":["https://10.0.0.4:2380"]}]}"#;
        let known = read_members(body).expect("a list");
        let endpoints: Vec<String> = known.endpoints.iter().map(ToString::to_string).collect();
        assert_eq!(endpoints, ["10.0.0.1:2379", "[fd00::2]:2379"]);
        assert_eq!(known.odd, 0);
    }

    #[test]
    fn nobody_is_nobody_and_rubbish_is_refused() {
        for empty in [&br#"{"members":null}"#[..], br#"{"members":[]}"#, b"{}"] {
            assert!(read_members(empty).expect("a list").endpoints.is_empty());
        }
        for bad in [
            &b"[]"[..],
            b"null",
            b"",
            b"{\"members\":7}",
            br#"{"members":[{"clientURLs":["unix:///x"]}]}"#,
            br#"{"members":[{"clientURLs":"https://10.0.0.1:2379"}]}"#,
        ] {
            assert!(read_members(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }
}
