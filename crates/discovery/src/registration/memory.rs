//! What each name told last, so that an answer that fails or is empty removes nothing (M2): a report replaces the
//! earlier one whole, and must therefore still hold what a silent name server told before.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use jackline_core::LocalFault;

use super::RECORDS_MAX;
use super::resolve::{Found, Outcome, Target};

/// The last good answer for each name.
#[derive(Default)]
pub(super) struct Memory {
    hosts: BTreeMap<String, Addresses>,
    services: BTreeMap<String, Vec<Target>>,
}

/// A host's addresses, each family as last told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Addresses {
    v4: Vec<IpAddr>,
    v6: Vec<IpAddr>,
}

/// What is held of one name after this refresh.
#[derive(Debug)]
pub(super) struct Learned<T> {
    /// At most `RECORDS_MAX`.
    pub(super) records: Vec<T>,
    /// Whether any of them was told just now.
    pub(super) fresh: bool,
    /// How long what was told holds, where it says so.
    pub(super) ttl: Option<Duration>,
    pub(super) complaint: Option<String>,
    pub(super) local: Option<LocalFault>,
}

impl Memory {
    /// Merges what was found of a host with what was known.
    pub(super) fn learn_host(&mut self, name: &str, found: Found) -> Learned<IpAddr> {
        let fresh = found.v4.has_records() || found.v6.has_records();
        let local = if fresh {
            None
        } else {
            found.v4.local().or(found.v6.local())
        };
        let ttl = [found.v4.ttl(), found.v6.ttl()].into_iter().flatten().min();
        let complaint = found.complaint(name);
        let known = self.hosts.entry(name.to_owned()).or_default();
        if fresh {
            // A family without records is believed only beside one that has some.
            merge(&mut known.v4, found.v4);
            merge(&mut known.v6, found.v6);
        }
        let mut records: Vec<IpAddr> = known.v4.iter().chain(&known.v6).copied().collect();
        records.sort_unstable();
        records.dedup();
        let learned = Learned {
            records,
            fresh,
            ttl,
            complaint,
            local,
        };
        learned.bounded(name, "addresses")
    }

    /// Merges what was found of a service with what was known.
    pub(super) fn learn_service(&mut self, name: &str, found: Outcome<Target>) -> Learned<Target> {
        let (fresh, ttl, local) = (found.has_records(), found.ttl(), found.local());
        let complaint = found.complaint(name);
        let known = self.services.entry(name.to_owned()).or_default();
        if let Outcome::Told(targets, _) = found {
            *known = targets;
        }
        let learned = Learned {
            records: known.clone(),
            fresh,
            ttl,
            complaint,
            local,
        };
        learned.bounded(name, "SRV records")
    }

    /// Forgets hosts that no registration address leads to any more.
    pub(super) fn keep_hosts(&mut self, needed: &BTreeSet<String>) {
        self.hosts.retain(|name, _| needed.contains(name));
    }
}

impl<T> Learned<T> {
    /// M4, and what people should know of it.
    fn bounded(mut self, name: &str, what: &str) -> Self {
        if !self.fresh && !self.records.is_empty() {
            self.complaint = self
                .complaint
                .map(|words| format!("{words}; what it told before is kept"));
        }
        if self.records.len() > RECORDS_MAX {
            let more = format!("{name} has more than {RECORDS_MAX} {what}, the first {RECORDS_MAX} are used");
            self.complaint = Some(match self.complaint {
                Some(earlier) => format!("{earlier}; {more}"),
                None => more,
            });
            self.records.truncate(RECORDS_MAX);
        }
        self
    }
}

fn merge(known: &mut Vec<IpAddr>, outcome: Outcome<IpAddr>) {
    match outcome {
        Outcome::Told(addresses, _) => *known = addresses,
        Outcome::NoRecord => known.clear(),
        Outcome::Failed(..) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(texts: &[&str]) -> Outcome<IpAddr> {
        Outcome::Told(ips(texts), None)
    }

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts
            .iter()
            .map(|text| text.parse().expect("an address"))
            .collect()
    }

    fn failed<T>() -> Outcome<T> {
        Outcome::Failed("timed out".to_owned(), None)
    }

    fn targets(ports: std::ops::RangeInclusive<u16>) -> Vec<Target> {
        let target = |port| Target {
            host: "a.example.".to_owned(),
            port,
        };
        ports.map(target).collect()
    }

    #[test]
    fn a_family_that_fails_keeps_what_it_had_and_one_without_records_does_not() {
        let mut memory = Memory::default();
        let both = Found {
            v4: told(&["10.0.0.1"]),
            v6: told(&["fd00::1"]),
        };
        assert_eq!(
            memory.learn_host("cp", both).records,
            ips(&["10.0.0.1", "fd00::1"])
        );
        let half = memory.learn_host(
            "cp",
            Found {
                v4: told(&["10.0.0.2"]),
                v6: failed(),
            },
        );
        assert_eq!(half.records, ips(&["10.0.0.2", "fd00::1"]));
        assert!(half.complaint.expect("a complaint").contains("AAAA"));
        let only_v4 = Found {
            v4: told(&["10.0.0.2"]),
            v6: Outcome::NoRecord,
        };
        let learned = memory.learn_host("cp", only_v4);
        assert_eq!((learned.records, learned.complaint), (ips(&["10.0.0.2"]), None));
    }

    #[test]
    fn an_empty_answer_removes_nothing() {
        let mut memory = Memory::default();
        let one = Found {
            v4: told(&["10.0.0.1"]),
            v6: Outcome::NoRecord,
        };
        memory.learn_host("cp", one);
        let empty = Found {
            v4: Outcome::NoRecord,
            v6: Outcome::NoRecord,
        };
        let empty = memory.learn_host("cp", empty);
        assert!(!empty.fresh);
        assert_eq!(empty.records, ips(&["10.0.0.1"]));
        assert!(empty.complaint.expect("a complaint").contains("kept"));
    }

    #[test]
    fn a_service_keeps_its_servers_until_others_are_told() {
        let mut memory = Memory::default();
        memory.learn_service("s", Outcome::Told(targets(1..=2), Some(Duration::from_secs(9))));
        for bad in [failed(), Outcome::NoRecord] {
            let learned = memory.learn_service("s", bad);
            assert_eq!(
                (learned.records, learned.fresh, learned.ttl),
                (targets(1..=2), false, None)
            );
            assert!(learned.complaint.expect("a complaint").contains("kept"));
        }
        let learned = memory.learn_service("s", Outcome::Told(targets(2..=3), None));
        assert_eq!((learned.records, learned.complaint), (targets(2..=3), None));
    }

    #[test]
    fn an_answer_holds_for_as_long_as_its_shortest_part() {
        let found = |v4, v6| Found {
            v4: Outcome::Told(ips(&["10.0.0.1"]), v4),
            v6: Outcome::Told(ips(&["fd00::1"]), v6),
        };
        let seconds = |n| Some(Duration::from_secs(n));
        let mut memory = Memory::default();
        assert_eq!(
            memory.learn_host("a", found(seconds(30), seconds(20))).ttl,
            seconds(20)
        );
        assert_eq!(memory.learn_host("a", found(None, seconds(20))).ttl, seconds(20));
        assert_eq!(memory.learn_host("a", found(None, None)).ttl, None);
    }

    #[test]
    fn a_name_gives_64_addresses_and_64_servers_at_most() {
        let mut memory = Memory::default();
        let many: Vec<IpAddr> = (0..100).map(|i| IpAddr::from([10, 0, 1, i])).collect();
        let found = Found {
            v4: Outcome::Told(many, None),
            v6: Outcome::NoRecord,
        };
        let learned = memory.learn_host("cp", found);
        assert_eq!(learned.records.len(), RECORDS_MAX);
        assert!(
            learned
                .complaint
                .expect("a complaint")
                .contains("more than 64 addresses")
        );
        let learned = memory.learn_service("s", Outcome::Told(targets(1..=65), None));
        assert_eq!(learned.records, targets(1..=64));
        assert!(
            learned
                .complaint
                .expect("a complaint")
                .contains("more than 64 SRV records")
        );
    }

    #[test]
    fn hosts_that_nothing_leads_to_are_forgotten() {
        let mut memory = Memory::default();
        for name in ["a", "b"] {
            let found = Found {
                v4: told(&["10.0.0.1"]),
                v6: Outcome::NoRecord,
            };
            memory.learn_host(name, found);
        }
        memory.keep_hosts(&BTreeSet::from(["b".to_owned()]));
        assert_eq!(memory.hosts.keys().collect::<Vec<_>>(), ["b"]);
    }
}
