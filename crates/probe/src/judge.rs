//! What an answer to `GET /readyz` says of an apiserver. Pure: bytes in, judgement out.

use bytes::Bytes;
use hyper::StatusCode;
use jackline_core::Answer;

/// Names of failed checks that are told at the most (H2).
const FAILED_MAX: usize = 32;
/// Bytes of such a name at the most; the rest is cut off.
const FAILED_NAME_MAX: usize = 128;
/// What K3s and RKE2 say in the Status of a server without an apiserver (H6).
const API_DISABLED: &str = "apiserver disabled";

/// An answer that arrived whole.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    /// `Content-Type`, lower case; empty: none.
    pub(crate) content_type: String,
    /// `Content-Encoding`; empty: none.
    pub(crate) encoding: String,
    pub(crate) body: Bytes,
}

/// What the server says of itself; the error is why it is no apiserver's answer.
pub(crate) fn judge(reply: &Reply) -> Result<Answer, String> {
    let status = reply.status;
    if asks_for_more(reply) {
        return Ok(Answer::Alive);
    }
    plain(reply)?;
    if status == StatusCode::OK {
        return ready(reply);
    }
    if status == StatusCode::SERVICE_UNAVAILABLE && says_disabled(reply) {
        return Ok(Answer::NoApi);
    }
    // 429 comes from an apiserver that has too much to do: it is not ready, and no stranger.
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return Ok(Answer::NotReady {
            status: status.as_u16(),
            failed: failed_checks(&reply.body),
        });
    }
    if status.is_redirection() {
        return Err(format!(
            "redirects ({}): an apiserver does not, and it is not followed",
            status.as_u16()
        ));
    }
    Err(format!(
        "answered {} to GET /readyz, which an apiserver does not",
        status.as_u16()
    ))
}

/// Whether the server asks for more than was shown.
pub(crate) fn asks_for_more(reply: &Reply) -> bool {
    matches!(reply.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

/// Refuses an answer in an encoding that was not asked for.
pub(crate) fn plain(reply: &Reply) -> Result<(), String> {
    if matches!(reply.encoding.as_str(), "" | "identity") {
        return Ok(());
    }
    Err(format!(
        "answered {} in the encoding {:?}, which was not asked for",
        reply.status.as_u16(),
        reply.encoding
    ))
}

fn ready(reply: &Reply) -> Result<Answer, String> {
    if !reply.content_type.is_empty() && !reply.content_type.starts_with("text/plain") {
        return Err(format!(
            "answered 200 with the content type {:?}: an apiserver says text/plain",
            reply.content_type
        ));
    }
    if reply.body.trim_ascii() != b"ok" {
        return Err(format!(
            "answered 200 with {} bytes that are not \"ok\": it is no apiserver",
            reply.body.len()
        ));
    }
    Ok(Answer::Ready)
}

fn says_disabled(reply: &Reply) -> bool {
    #[derive(serde::Deserialize)]
    struct Status {
        kind: String,
        message: String,
    }
    serde_json::from_slice::<Status>(&reply.body)
        .is_ok_and(|status| status.kind == "Status" && status.message.contains(API_DISABLED))
}

/// The names in lines such as `[-]etcd failed: reason withheld`. Names that are not visible ASCII are not a check's.
fn failed_checks(body: &[u8]) -> Vec<String> {
    let names = body.split(|byte| *byte == b'\n').filter_map(|line| {
        let rest = str::from_utf8(line.strip_prefix(b"[-]")?).ok()?;
        let (name, _) = rest.split_once(" failed")?;
        let name = name.get(..FAILED_NAME_MAX).unwrap_or(name);
        (!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic())).then(|| name.to_owned())
    });
    names.take(FAILED_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, content_type: &str, body: &str) -> Reply {
        Reply {
            status: StatusCode::from_u16(status).unwrap(),
            content_type: content_type.to_owned(),
            encoding: String::new(),
            body: Bytes::from(body.to_owned()),
        }
    }

    fn not_ready(status: u16, failed: &[&str]) -> Result<Answer, String> {
        Ok(Answer::NotReady {
            status,
            failed: failed.iter().map(|name| (*name).to_owned()).collect(),
        })
    }

    #[test]
    fn ready_is_two_hundred_and_ok() {
        assert_eq!(
            judge(&reply(200, "text/plain; charset=utf-8", "ok")),
            Ok(Answer::Ready)
        );
        assert_eq!(judge(&reply(200, "", "ok\n")), Ok(Answer::Ready));
        for bad in [
            reply(200, "text/html", "ok"),
            reply(200, "text/plain", "<html>ok"),
            reply(200, "", ""),
        ] {
            assert!(judge(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn who_asks_for_more_is_alive() {
        for status in [401, 403] {
            assert_eq!(judge(&reply(status, "application/json", "{}")), Ok(Answer::Alive));
        }
    }

    #[test]
    fn the_names_of_failed_checks_are_read() {
        let body = "[+]ping ok\n[-]etcd failed: reason withheld\n[+]log ok\n[-]poststarthook/rbac/bootstrap-roles failed: \
                    reason withheld\nreadyz check failed\n";
        let expected = not_ready(500, &["etcd", "poststarthook/rbac/bootstrap-roles"]);
        assert_eq!(judge(&reply(500, "text/plain", body)), expected);
    }

    #[test]
    fn names_are_bounded_and_never_hold_control_characters() {
        let long = format!("[-]{} failed\n", "x".repeat(1000));
        let many: String = (0..100).map(|n| format!("[-]check-{n} failed: y\n")).collect();
        let Ok(Answer::NotReady { failed, .. }) = judge(&reply(500, "", &(long + &many))) else {
            panic!()
        };
        assert_eq!(failed.len(), FAILED_MAX);
        assert_eq!(failed[0].len(), FAILED_NAME_MAX);
        let odd = "[-]\u{1b}[31m failed\n[-] failed\n[-]ä failed\n[-]\n[-]never ends";
        assert_eq!(judge(&reply(500, "", odd)), not_ready(500, &[]));
    }

    #[test]
    fn an_etcd_only_server_has_no_api_and_a_starting_one_is_not_ready() {
        let status = |message: &str| {
            format!(
                r#"{{"kind":"Status","apiVersion":"v1","status":"Failure","message":"{message}","code":503}}"#
            )
        };
        assert_eq!(
            judge(&reply(503, "application/json", &status("apiserver disabled"))),
            Ok(Answer::NoApi)
        );
        assert_eq!(
            judge(&reply(503, "application/json", &status("apiserver not ready"))),
            not_ready(503, &[])
        );
        assert_eq!(
            judge(&reply(503, "text/html", "apiserver disabled")),
            not_ready(503, &[])
        );
        assert_eq!(
            judge(&reply(500, "application/json", &status("apiserver disabled"))),
            not_ready(500, &[])
        );
    }

    #[test]
    fn other_statuses_are_no_apiservers() {
        for status in [201, 204, 206, 301, 302, 307, 400, 404, 418] {
            assert!(judge(&reply(status, "text/plain", "ok")).is_err(), "{status}");
        }
        assert_eq!(
            judge(&reply(429, "text/plain", "too many requests")),
            not_ready(429, &[])
        );
    }

    #[test]
    fn what_is_packed_is_not_unpacked() {
        let packed = Reply {
            encoding: "gzip".to_owned(),
            ..reply(200, "text/plain", "ok")
        };
        assert!(judge(&packed).unwrap_err().contains("gzip"));
    }
}
