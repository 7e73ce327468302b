//! What is read of etcd, and what it says: two keys that each hold a list of addresses, and the apiservers' lease keys, whose
//! last part is an address.
//!
//! A value that cannot be understood spoils only itself, but what it may have listed is then unknown: the answer as
//! a whole adds, and takes nothing away (M6). Lease keys tell no port; none is invented here (M7).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use jackline_core::Listing;

use super::messages::{Event, EventKind, KeyValue};
use crate::address::{ip_address, socket_address};
use crate::ask_error::foreign_words;

/// Where K3s and RKE2 keep the apiservers' addresses, as a JSON array of `ip:port`.
const LISTS: [&str; 2] = ["k3s/apiaddresses", "rke2/apiaddresses"];

/// So many lease keys, and addresses of one list, are taken.
pub(super) const ENTRIES_MAX: usize = 512;

/// Which keys are ours to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Keys {
    /// All lease keys begin so.
    leases: String,
}

impl Keys {
    /// `prefix` as an apiserver takes it with `--etcd-prefix`: `/registry`, `registry` and `/registry/` are the same.
    pub(super) fn new(prefix: &str) -> Self {
        let parts = prefix.split('/').filter(|part| !part.is_empty());
        let leases = parts
            .chain(["masterleases", ""])
            .fold(String::new(), |path, part| path + "/" + part);
        Self { leases }
    }

    pub(super) fn lists(&self) -> [&'static str; 2] {
        LISTS
    }

    /// From the first lease key to the first key beyond them.
    pub(super) fn leases(&self) -> (Bytes, Bytes) {
        let mut end = self.leases.clone().into_bytes();
        // It ends in a slash, and so is not the last byte that there is.
        if let Some(last) = end.last_mut() {
            *last += 1;
        }
        (Bytes::from(self.leases.clone()), Bytes::from(end))
    }

    /// What a lease key says; `None`: it is none of ours.
    fn leased(&self, key: &[u8]) -> Option<Leased> {
        let suffix = key.strip_prefix(self.leases.as_bytes())?;
        let address = str::from_utf8(suffix).ok().and_then(ip_address);
        Some(address.map_or(Leased::Odd, Leased::To))
    }
}

/// Whom a lease key is for.
enum Leased {
    To(IpAddr),
    /// Its last part is no address.
    Odd,
}

/// What the keys hold, as far as it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Contents {
    keys: Keys,
    lists: BTreeMap<&'static str, List>,
    leases: BTreeSet<IpAddr>,
    /// There were lease keys beyond [`ENTRIES_MAX`].
    more: bool,
    odd_leases: bool,
}

/// What one list says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct List {
    addresses: Vec<SocketAddr>,
    /// Why that may not be all of it.
    complaint: Option<String>,
}

impl Contents {
    pub(super) fn new(keys: Keys) -> Self {
        Self {
            keys,
            lists: BTreeMap::new(),
            leases: BTreeSet::new(),
            more: false,
            odd_leases: false,
        }
    }

    /// Takes what is under a key.
    pub(super) fn put(&mut self, kv: &KeyValue) {
        if let Some(list) = LISTS.into_iter().find(|list| list.as_bytes() == kv.key) {
            self.lists.insert(list, List::read(&kv.value));
            return;
        }
        match self.keys.leased(&kv.key) {
            Some(Leased::To(ip)) if self.leases.len() < ENTRIES_MAX || self.leases.contains(&ip) => {
                self.leases.insert(ip);
            }
            Some(Leased::To(_)) => self.more = true,
            Some(Leased::Odd) => self.odd_leases = true,
            None => {}
        }
    }

    fn delete(&mut self, key: &[u8]) {
        if let Some(list) = LISTS.into_iter().find(|list| list.as_bytes() == key) {
            self.lists.remove(list);
        } else if let Some(Leased::To(ip)) = self.keys.leased(key) {
            self.leases.remove(&ip);
        }
    }

    pub(super) fn apply(&mut self, event: &Event) {
        let Some(kv) = &event.kv else { return };
        match event.kind() {
            EventKind::Put => self.put(kv),
            EventKind::Delete => self.delete(&kv.key),
        }
    }

    /// There are more lease keys than were read.
    pub(super) fn there_are_more(&mut self) {
        self.more = true;
    }

    /// A list that could not be read.
    pub(super) fn unreadable(&mut self, list: &'static str, why: String) {
        let complaint = Some(why);
        let addresses = Vec::new();
        self.lists.insert(list, List { addresses, complaint });
    }

    /// Whether what is listed is all that there is: then what is not listed is absent.
    pub(super) fn is_whole(&self) -> bool {
        !self.more && self.lists.values().all(|list| list.complaint.is_none())
    }

    /// Every address once: with its port where a list tells one.
    pub(super) fn listings(&self) -> Vec<Listing> {
        let listed: BTreeSet<SocketAddr> = self
            .lists
            .values()
            .flat_map(|list| list.addresses.iter().copied())
            .collect();
        let bare = self
            .leases
            .iter()
            .filter(|ip| !listed.iter().any(|address| address.ip() == **ip));
        let bare = bare.map(|&ip| Listing {
            ip,
            port: None,
            zone: None,
        });
        listed.iter().copied().map(Listing::from).chain(bare).collect()
    }

    /// What people should know of it.
    pub(super) fn remarks(&self) -> Vec<String> {
        let mut remarks: Vec<String> = self
            .lists
            .iter()
            .filter_map(|(key, list)| {
                Some(format!(
                    "{key}: {}, so it only adds (M6)",
                    list.complaint.as_ref()?
                ))
            })
            .collect();
        if self.more {
            remarks.push(format!(
                "more than {ENTRIES_MAX} keys under {}: what was read only adds (M6)",
                self.keys.leases
            ));
        }
        if self.odd_leases {
            remarks.push(format!(
                "a key under {} that ends in no address is left out",
                self.keys.leases
            ));
        }
        remarks
    }
}

impl List {
    /// A JSON array of `ip:port`; `null` is an empty one.
    fn read(value: &[u8]) -> Self {
        let complain = |why: String| Self {
            addresses: Vec::new(),
            complaint: Some(why),
        };
        if value.is_empty() {
            return complain("an empty value".to_owned());
        }
        let entries: Vec<String> = match serde_json::from_slice::<Option<Vec<String>>>(value) {
            Ok(entries) => entries.unwrap_or_default(),
            Err(error) => {
                let words = foreign_words(&error.to_string());
                return complain(format!("no list of addresses ({words})"));
            }
        };
        let mut addresses: Vec<SocketAddr> = entries
            .iter()
            .take(ENTRIES_MAX)
            .filter_map(|entry| socket_address(entry))
            .collect();
        let odd = entries.len() - addresses.len();
        addresses.sort_unstable();
        addresses.dedup();
        Self {
            addresses,
            complaint: (odd > 0).then(|| format!("{odd} of its {} entries are left out", entries.len())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(pairs: &[(&str, &str)]) -> Contents {
        let mut contents = Contents::new(Keys::new("/registry"));
        pairs
            .iter()
            .for_each(|(key, value)| contents.put(&pair(key, value)));
        contents
    }

    fn pair(key: &str, value: &str) -> KeyValue {
        KeyValue {
            key: Bytes::from(key.to_owned()),
            value: Bytes::from(value.to_owned()),
        }
    }

    fn told(contents: &Contents) -> Vec<String> {
        let port = |port: Option<u16>| port.map_or(String::new(), |port| format!(":{port}"));
        let listings = contents.listings();
        listings
            .iter()
            .map(|listing| format!("{}{}", listing.ip, port(listing.port)))
            .collect()
    }

    #[test]
    fn a_prefix_is_taken_as_an_apiserver_takes_it() {
        for prefix in ["/registry", "registry", "/registry/", "//registry//"] {
            let (from, to) = Keys::new(prefix).leases();
            assert_eq!(
                (&from[..], &to[..]),
                (&b"/registry/masterleases/"[..], &b"/registry/masterleases0"[..])
            );
        }
        assert_eq!(Keys::new("/").leases().0, &b"/masterleases/"[..]);
        assert_eq!(Keys::new("a/b").leases().0, &b"/a/b/masterleases/"[..]);
    }

    #[test]
    fn a_lease_tells_no_port_and_a_list_does() {
        let contents = contents(&[
            ("/registry/masterleases/10.0.0.1", "anything"),
            ("/registry/masterleases/10.0.0.2", ""),
            ("/registry/masterleases/fd00::1", ""),
            ("k3s/apiaddresses", "[\"10.0.0.1:6443\"]\n"),
        ]);
        assert_eq!(told(&contents), ["10.0.0.1:6443", "10.0.0.2", "fd00::1"]);
        assert!(contents.is_whole() && contents.remarks().is_empty());
    }

    #[test]
    fn what_cannot_be_understood_spoils_only_itself_and_makes_the_answer_add_only() {
        let good = ("/registry/masterleases/10.0.0.1", "");
        for (value, words) in [
            ("", "empty value"),
            ("{}", "no list of addresses"),
            ("[\"10.0.0.2:6443\"", "no list of addresses"),
            ("\u{0}\u{1}", "no list of addresses"),
            ("[\"cp1.example:6443\"]", "1 of its 1 entries"),
            ("[\"10.0.0.9\"]", "1 of its 1 entries"),
        ] {
            let contents = contents(&[good, ("rke2/apiaddresses", value)]);
            assert_eq!(told(&contents), ["10.0.0.1"], "{value:?}");
            assert!(!contents.is_whole(), "{value:?}");
            let remarks = contents.remarks().join("; ");
            assert!(
                remarks.contains(words) && remarks.contains("rke2/apiaddresses"),
                "{remarks}"
            );
        }
        for value in ["[]", "null"] {
            assert!(
                contents(&[good, ("rke2/apiaddresses", value)]).is_whole(),
                "{value}"
            );
        }
    }

    #[test]
    fn odd_lease_keys_and_foreign_keys_are_no_addresses() {
        let contents = contents(&[
            ("/registry/masterleases/10.0.0.1", ""),
            ("/registry/masterleases/", ""),
            ("/registry/masterleases/10.0.0.1/x", ""),
            ("/registry/masterleasesx/10.0.0.2", ""),
            ("/registry/pods/10.0.0.3", ""),
        ]);
        assert_eq!(told(&contents), ["10.0.0.1"]);
        assert!(contents.is_whole());
        assert_eq!(contents.remarks().len(), 1);
    }

    #[test]
    fn events_change_the_set_and_heal_what_was_spoilt() {
        let mut contents = contents(&[
            ("/registry/masterleases/10.0.0.1", ""),
            ("k3s/apiaddresses", "rubbish"),
        ]);
        let mut apply = |kind: EventKind, key: &str, value: &str| {
            contents.apply(&Event {
                kind: kind.into(),
                kv: Some(pair(key, value)),
            });
            (told(&contents).join(" "), contents.is_whole())
        };
        let deleted = apply(EventKind::Delete, "/registry/masterleases/10.0.0.1", "");
        assert_eq!(deleted, (String::new(), false));
        let healed = apply(EventKind::Put, "k3s/apiaddresses", "[\"10.0.0.2:6443\"]");
        assert_eq!(healed, ("10.0.0.2:6443".to_owned(), true));
        let gone = apply(EventKind::Delete, "k3s/apiaddresses", "");
        assert_eq!(gone, (String::new(), true));
    }

    #[test]
    fn what_grows_is_bounded() {
        let mut contents = Contents::new(Keys::new("/registry"));
        for n in 0..=u16::MAX {
            let [high, low] = n.to_be_bytes();
            contents.put(&pair(&format!("/registry/masterleases/10.0.{high}.{low}"), ""));
        }
        assert_eq!(contents.listings().len(), ENTRIES_MAX);
        assert!(!contents.is_whole());
        let many: Vec<String> = (0..=u16::MAX).map(|n| format!("\"10.1.0.1:{n}\"")).collect();
        contents.put(&pair("k3s/apiaddresses", &format!("[{}]", many.join(","))));
        assert!(contents.listings().len() <= 2 * ENTRIES_MAX);
    }
}
