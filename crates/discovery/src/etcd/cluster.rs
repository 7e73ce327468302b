//! Which etcd cluster is ours, and who belongs to it.
//!
//! The first answer with quorum tells our cluster's id. A member of another cluster is refused. But a snapshot that was
//! restored makes a new cluster with a new id at the old addresses: an address that was once verified as ours and
//! now speaks for another cluster is a *rival*. While anybody of the old cluster answers, it is refused like any
//! other; when nobody does, its answers add, and take nothing away (M6); and when nobody has for [`SILENCE`],
//! it is our cluster from then on.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::messages::MemberListResponse;
use crate::config::{Place, RegistrationAddress};

/// So many members that etcd itself tells are asked beside the configured ones.
pub(super) const MEMBERS_MAX: usize = 16;

/// So many addresses are remembered to have been our cluster's.
const OURS_MAX: usize = 64;

/// So long the old cluster must be silent until a rival takes its place: as long as an absence must last (M3).
const SILENCE: Duration = Duration::from_secs(600);

/// What is known of the cluster.
#[derive(Debug, Default)]
pub(super) struct Cluster {
    id: Option<u64>,
    members: Vec<RegistrationAddress>,
    /// Addresses that answered for our cluster, or that it told as members; latest last.
    ours: Vec<SocketAddr>,
    rival: Option<Rival>,
}

/// Another cluster at an address of ours.
#[derive(Clone, Copy, Debug)]
struct Rival {
    id: u64,
    /// Its first answer since the old cluster's last one.
    since: Instant,
}

/// Whose an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allegiance {
    /// Our cluster's, or that of nobody else as far as is known.
    Ours,
    /// Another one's, at an address of ours. It counts only if ours is silent.
    Rival {
        /// Our cluster's id.
        ours: u64,
    },
    /// Another one's.
    Foreign {
        /// Our cluster's id.
        ours: u64,
    },
}

impl Cluster {
    pub(super) fn members(&self) -> &[RegistrationAddress] {
        &self.members
    }

    /// Whose the answer of the member at `from` is, which says that its cluster's id is `id`.
    pub(super) fn allegiance(&self, id: u64, from: SocketAddr) -> Allegiance {
        match self.id {
            Some(ours) if ours != id && self.ours.contains(&from) => Allegiance::Rival { ours },
            Some(ours) if ours != id => Allegiance::Foreign { ours },
            _ => Allegiance::Ours,
        }
    }

    /// Our cluster answered, if only without quorum: no rival takes its place.
    pub(super) fn heard(&mut self) {
        self.rival = None;
    }

    /// Our cluster answered with quorum, and told its members.
    pub(super) fn confirm(&mut self, id: u64, from: SocketAddr, members: Option<&MemberListResponse>) {
        self.id = Some(id);
        self.rival = None;
        self.remember(from);
        let Some(list) = members else { return };
        let voters = list.members.iter().filter(|member| !member.is_learner);
        self.members = voters
            .flat_map(|member| &member.client_urls)
            .filter_map(|url| url.parse().ok())
            .filter(|member: &RegistrationAddress| !matches!(member.place(), Place::Service(_)))
            .take(MEMBERS_MAX)
            .collect();
        let addresses: Vec<SocketAddr> = self
            .members
            .iter()
            .filter_map(RegistrationAddress::address)
            .collect();
        addresses.into_iter().for_each(|address| self.remember(address));
    }

    /// A rival answered with quorum, and nobody of our cluster did at all. `true`: it is our cluster from now on.
    pub(super) fn rival_alone(&mut self, id: u64, now: Instant) -> bool {
        match self.rival {
            Some(rival) if rival.id == id => now.saturating_duration_since(rival.since) >= SILENCE,
            _ => {
                self.rival = Some(Rival { id, since: now });
                false
            }
        }
    }

    fn remember(&mut self, address: SocketAddr) {
        self.ours.retain(|known| *known != address);
        self.ours.push(address);
        let excess = self.ours.len().saturating_sub(OURS_MAX);
        self.ours.drain(..excess);
    }
}

#[cfg(test)]
mod tests {
    use super::super::messages::Member;
    use super::*;

    fn at(last: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, last], 2379))
    }

    fn list(urls: &[&str]) -> MemberListResponse {
        let members = urls.iter().map(|url| Member {
            client_urls: vec![(*url).to_owned()],
            is_learner: false,
        });
        MemberListResponse {
            members: members.collect(),
        }
    }

    #[test]
    fn the_first_answer_with_quorum_tells_the_cluster_and_others_are_foreign() {
        let mut cluster = Cluster::default();
        assert_eq!(
            cluster.allegiance(1, at(1)),
            Allegiance::Ours,
            "nobody is known yet"
        );
        cluster.confirm(1, at(1), Some(&list(&["https://10.0.0.2:2379"])));
        assert_eq!(cluster.allegiance(1, at(9)), Allegiance::Ours);
        assert_eq!(cluster.allegiance(2, at(9)), Allegiance::Foreign { ours: 1 });
        for once_ours in [at(1), at(2)] {
            assert_eq!(cluster.allegiance(2, once_ours), Allegiance::Rival { ours: 1 });
        }
    }

    #[test]
    fn a_rival_takes_the_place_of_a_cluster_that_has_long_been_silent_and_no_sooner() {
        let mut cluster = Cluster::default();
        cluster.confirm(1, at(1), None);
        let start = Instant::now();
        assert!(!cluster.rival_alone(2, start));
        assert!(!cluster.rival_alone(2, start + SILENCE / 2));
        // A sign of life of the old cluster, or another rival, begins it anew.
        cluster.heard();
        assert!(!cluster.rival_alone(2, start + SILENCE));
        assert!(!cluster.rival_alone(3, start + 2 * SILENCE));
        assert!(!cluster.rival_alone(2, start + 2 * SILENCE));
        assert!(!cluster.rival_alone(2, start + 3 * SILENCE - Duration::from_secs(1)));
        assert!(cluster.rival_alone(2, start + 3 * SILENCE));
        cluster.confirm(2, at(1), None);
        assert_eq!(cluster.allegiance(1, at(1)), Allegiance::Rival { ours: 2 });
    }

    #[test]
    fn members_are_those_of_the_last_list_that_can_be_asked_and_bounded() {
        let mut cluster = Cluster::default();
        let shown = |cluster: &Cluster| -> Vec<String> {
            cluster.members().iter().map(ToString::to_string).collect()
        };
        cluster.confirm(
            1,
            at(1),
            Some(&list(&[
                "https://10.0.0.1:2379",
                "http://10.0.0.2:2379",
                "unix:///x",
                "srv://_etcd-client-ssl._tcp.example",
                "nonsense",
            ])),
        );
        assert_eq!(shown(&cluster), ["10.0.0.1:2379"]);
        let learner = Member {
            client_urls: vec!["https://10.0.0.8:2379".to_owned()],
            is_learner: true,
        };
        cluster.confirm(
            1,
            at(1),
            Some(&MemberListResponse {
                members: vec![learner],
            }),
        );
        assert!(
            cluster.members().is_empty(),
            "a learner answers no read with quorum"
        );
        let urls: Vec<String> = (0..100).map(|n| format!("https://10.0.1.{n}:2379")).collect();
        let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
        cluster.confirm(1, at(1), Some(&list(&urls)));
        assert_eq!(shown(&cluster).len(), MEMBERS_MAX);
        cluster.confirm(1, at(1), None);
        assert_eq!(
            shown(&cluster).len(),
            MEMBERS_MAX,
            "a list that could not be had changes nothing"
        );
        for n in 0..=255 {
            cluster.confirm(1, at(n), None);
        }
        assert_eq!(cluster.ours.len(), OURS_MAX);
    }
}
