//! Etcd's members as endpoints: the client URLs of those with a vote, names resolved.

use std::net::SocketAddr;

use jackline_core::{Listing, Mode, Report};
use tokio::time::Instant;

use super::messages::MemberListResponse;
use super::targets;
use super::watch::Standpoint;
use crate::config::{Place, RegistrationAddress, SystemFiles};

/// So many client URLs are looked at: etcd itself knows no cluster of more than some ten members.
const URLS_MAX: usize = 64;

/// All that one answer tells of members, as a whole report; what cannot be resolved makes it a part.
pub(super) async fn report(
    standpoint: Standpoint,
    dns_servers: &[SocketAddr],
    system: &SystemFiles,
    deadline: Instant,
) -> Report {
    let Standpoint {
        members,
        answered_by,
        counts_fully,
        mut notes,
        ..
    } = standpoint;
    let (members, odd) = voters(&members.unwrap_or_default());
    if odd > 0 {
        notes.push(format!(
            "{odd} client URLs of members are no https://host:port and are left out"
        ));
    }
    let resolved = targets::resolve(&members, dns_servers, system, deadline, &mut notes).await;
    let unresolved = resolved.iter().any(Vec::is_empty);
    let mut addresses: Vec<SocketAddr> = resolved.into_iter().flatten().collect();
    addresses.sort_unstable();
    addresses.dedup();
    Report {
        endpoints: addresses.into_iter().map(Listing::from).collect(),
        mode: Mode::Poll,
        answered_by: Some(answered_by),
        verified: counts_fully,
        partial: unresolved || odd > 0,
        note: notes.join("; "),
        ..Report::default()
    }
}

/// Where members with a vote say that clients reach them, and how many of their URLs cannot be used. One without a vote
/// refuses most of what clients ask.
fn voters(list: &MemberListResponse) -> (Vec<RegistrationAddress>, usize) {
    let urls = list
        .members
        .iter()
        .filter(|member| !member.is_learner)
        .flat_map(|member| &member.client_urls)
        .take(URLS_MAX);
    let mut odd = 0;
    let mut voters = Vec::new();
    for url in urls {
        match url.parse::<RegistrationAddress>() {
            Ok(address) if !matches!(address.place(), Place::Service(_)) => voters.push(address),
            _ => odd += 1,
        }
    }
    (voters, odd)
}

#[cfg(test)]
mod tests {
    use super::super::messages::Member;
    use super::*;

    fn member(urls: &[&str], is_learner: bool) -> Member {
        Member {
            client_urls: urls.iter().map(|url| (*url).to_owned()).collect(),
            is_learner,
        }
    }

    #[test]
    fn members_with_a_vote_are_endpoints_and_what_cannot_be_used_is_counted() {
        let list = MemberListResponse {
            members: vec![
                member(&["https://10.0.0.1:2379", "https://[fd00::1]:2379"], false),
                member(&["https://etcd-2.example:2379"], false),
                member(&["https://10.0.0.9:2379"], true),
                // Added and never started.
                member(&[], false),
                member(
                    &[
                        "http://10.0.0.4:2379",
                        "unix:///x",
                        "srv://_etcd._tcp.example",
                        "\u{0}",
                    ],
                    false,
                ),
            ],
        };
        let (voters, odd) = voters(&list);
        let voters: Vec<String> = voters.iter().map(ToString::to_string).collect();
        assert_eq!(voters, ["10.0.0.1:2379", "[fd00::1]:2379", "etcd-2.example:2379"]);
        assert_eq!(odd, 4);
    }

    #[test]
    fn a_flood_of_urls_is_bounded() {
        let urls: Vec<String> = (0..10_000).map(|n| format!("https://h{n}:2379")).collect();
        let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
        let list = MemberListResponse {
            members: vec![member(&urls, false)],
        };
        assert_eq!(voters(&list).0.len(), URLS_MAX);
    }
}
