//! What stands for etcd: all objects under one growing version, a bounded history for watches, and the apiservers' leases.
//!
//! One store is shared by all servers of a control plane and is always there: no quorum, no elections, no disk.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::{Value, json};
use tokio::sync::watch;

use crate::locked::lock;
use crate::objects::{Key, Resource, server_list, told_by};

/// Changes remembered for each kind; a watch from before them gets 410.
const HISTORY_MAX: usize = 1_000;
/// Objects kept at most; more are refused.
const OBJECTS_MAX: usize = 10_000;

pub(crate) struct Store {
    inner: Mutex<Inner>,
    version: watch::Sender<u64>,
}

struct Inner {
    version: u64,
    objects: BTreeMap<Key, Arc<Value>>,
    histories: BTreeMap<Resource, History>,
    /// When each apiserver's lease runs out.
    leases: BTreeMap<SocketAddr, Instant>,
    /// K3s's `k3s/apiaddresses`: the last list that was not empty.
    api_addresses: Vec<SocketAddr>,
}

#[derive(Default)]
struct History {
    changes: VecDeque<Change>,
    /// Changes up to this version are forgotten.
    forgotten: u64,
}

/// One change of one object.
#[derive(Clone)]
pub(crate) struct Change {
    pub(crate) version: u64,
    pub(crate) key: Key,
    pub(crate) before: Option<Arc<Value>>,
    /// The object afterwards; of a deleted one its last form under the deletion's version.
    pub(crate) object: Arc<Value>,
    pub(crate) deleted: bool,
}

/// The history does not go back that far.
#[derive(Debug)]
pub(crate) struct Gone;

/// Why a write was refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The object is not what the writer believes.
    Conflict,
    /// There is no such object.
    NotFound,
    /// There are too many objects.
    Full,
}

impl Store {
    pub(crate) fn new() -> Self {
        let inner = Inner {
            version: 1,
            objects: BTreeMap::new(),
            histories: BTreeMap::new(),
            leases: BTreeMap::new(),
            api_addresses: Vec::new(),
        };
        Self {
            inner: Mutex::new(inner),
            version: watch::Sender::new(1),
        }
    }

    /// Tells each new version.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    pub(crate) fn version(&self) -> u64 {
        lock(&self.inner).version
    }

    pub(crate) fn object(&self, key: &Key) -> Option<Arc<Value>> {
        lock(&self.inner).objects.get(key).cloned()
    }

    /// All objects of a kind (and of a namespace, if one is given), and the version at which they are this.
    pub(crate) fn list(&self, resource: Resource, namespace: Option<&str>) -> (u64, Vec<(Key, Arc<Value>)>) {
        let inner = lock(&self.inner);
        let of_kind = inner.objects.iter().filter(|(key, _)| key.resource == resource);
        let wanted = of_kind.filter(|(key, _)| namespace.is_none_or(|namespace| key.namespace == namespace));
        (
            inner.version,
            wanted
                .map(|(key, object)| (key.clone(), Arc::clone(object)))
                .collect(),
        )
    }

    /// The changes of a kind after this version, and the version up to which they are complete.
    pub(crate) fn since(&self, resource: Resource, version: u64) -> Result<(u64, Vec<Change>), Gone> {
        let inner = lock(&self.inner);
        let Some(history) = inner.histories.get(&resource) else {
            return Ok((inner.version, Vec::new()));
        };
        if version < history.forgotten {
            return Err(Gone);
        }
        let changes = history
            .changes
            .iter()
            .filter(|change| change.version > version)
            .cloned()
            .collect();
        Ok((inner.version, changes))
    }

    /// Creates or replaces an object. Where it carries a resourceVersion, that must be the present one.
    pub(crate) fn put(&self, key: &Key, object: Value) -> Result<Arc<Value>, Refused> {
        let written = {
            let mut inner = lock(&self.inner);
            let present = inner.objects.get(key);
            if let Some(expected) = object["metadata"]["resourceVersion"].as_str()
                && present.is_none_or(|present| present["metadata"]["resourceVersion"] != expected)
            {
                return Err(if present.is_some() {
                    Refused::Conflict
                } else {
                    Refused::NotFound
                });
            }
            inner.write(key, object)?
        };
        self.announce();
        Ok(written)
    }

    pub(crate) fn delete(&self, key: &Key) -> Option<Arc<Value>> {
        let deleted = lock(&self.inner).delete(key);
        self.announce();
        deleted
    }

    /// Forgets the history, as etcd's compaction does: older watches get 410.
    pub(crate) fn compact(&self) {
        let mut inner = lock(&self.inner);
        let version = inner.version;
        for resource in Resource::ALL {
            let history = inner.histories.entry(resource).or_default();
            history.changes.clear();
            history.forgotten = version;
        }
    }

    // --- the apiservers' leases, and the list that follows from them ---

    /// An apiserver renews its lease and, on the same occasion, rewrites the list from the leases that live.
    pub(crate) fn reconcile(&self, server: SocketAddr, now: Instant, until: Instant) {
        let mut inner = lock(&self.inner);
        inner.leases.insert(server, until);
        inner.write_server_list(now);
        drop(inner);
        self.announce();
    }

    /// An apiserver that stops cleanly gives up its lease and rewrites the list without itself, empty if it was the last.
    pub(crate) fn leave(&self, server: SocketAddr, now: Instant) {
        let mut inner = lock(&self.inner);
        inner.leases.remove(&server);
        inner.write_server_list(now);
        drop(inner);
        self.announce();
    }

    /// The list of apiservers.
    pub(crate) fn servers(&self) -> Vec<SocketAddr> {
        self.object(&Key::new(Resource::Endpoints, "default", "kubernetes"))
            .map(|object| told_by(&object))
            .unwrap_or_default()
    }

    /// What an etcd-only server's supervisor tells: the last list that was not empty.
    pub(crate) fn api_addresses(&self) -> Vec<SocketAddr> {
        lock(&self.inner).api_addresses.clone()
    }

    fn announce(&self) {
        let version = self.version();
        self.version
            .send_if_modified(|told| std::mem::replace(told, version) != version);
    }
}

impl Inner {
    fn write(&mut self, key: &Key, mut object: Value) -> Result<Arc<Value>, Refused> {
        let before = self.objects.get(key).cloned();
        if before.is_none() && self.objects.len() >= OBJECTS_MAX {
            return Err(Refused::Full);
        }
        self.version += 1;
        let version = self.version;
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        for (field, fresh) in [
            ("creationTimestamp", timestamp()),
            ("uid", format!("00000000-0000-4000-8000-{version:012}")),
        ] {
            let kept = before
                .as_ref()
                .map(|before| before["metadata"][field].clone())
                .filter(Value::is_string);
            object["metadata"][field] = kept.unwrap_or_else(|| json!(fresh));
        }
        let object = Arc::new(object);
        self.objects.insert(key.clone(), Arc::clone(&object));
        self.remember(Change {
            version,
            key: key.clone(),
            before,
            object: Arc::clone(&object),
            deleted: false,
        });
        Ok(object)
    }

    fn delete(&mut self, key: &Key) -> Option<Arc<Value>> {
        let before = self.objects.remove(key)?;
        self.version += 1;
        let mut last = Value::clone(&before);
        last["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let object = Arc::new(last);
        let change = Change {
            version: self.version,
            key: key.clone(),
            before: Some(before),
            object: Arc::clone(&object),
            deleted: true,
        };
        self.remember(change);
        Some(object)
    }

    fn remember(&mut self, change: Change) {
        let history = self.histories.entry(change.key.resource).or_default();
        history.changes.push_back(change);
        while history.changes.len() > HISTORY_MAX {
            history.forgotten = history
                .changes
                .pop_front()
                .map_or(history.forgotten, |change| change.version);
        }
    }

    fn write_server_list(&mut self, now: Instant) {
        self.leases.retain(|_, until| *until > now);
        let live: Vec<SocketAddr> = self.leases.keys().copied().collect();
        if !live.is_empty() {
            self.api_addresses.clone_from(&live);
        }
        for (key, mut object) in server_list(&live) {
            if let Some(present) = self.objects.get(&key) {
                let same = |field: &str| present.get(field) == object.get(field);
                if same("subsets") && same("endpoints") {
                    continue;
                }
                // What others wrote to the Endpoints object's metadata survives; on a slice it is lost (tried on real ones).
                if key.resource == Resource::Endpoints {
                    object["metadata"] = present["metadata"].clone();
                }
            }
            // The list's few objects are never what makes the store full: it was not full when they were first written.
            let _ = self.write(&key, object);
        }
    }
}

fn timestamp() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const A: &str = "127.64.0.1:6443";
    const B: &str = "127.64.0.2:6443";

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_lease_that_runs_out_leaves_the_list_at_the_others_next_turn_and_not_before() {
        let (store, start) = (Store::new(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        store.reconcile(address(A), at(0), at(15));
        store.reconcile(address(B), at(2), at(17));
        assert_eq!(store.servers(), [address(A), address(B)]);
        store.reconcile(address(B), at(12), at(27));
        assert_eq!(store.servers(), [address(A), address(B)], "A's lease still lives");
        store.reconcile(address(B), at(22), at(37));
        assert_eq!(store.servers(), [address(B)]);
    }

    #[test]
    fn the_last_one_to_leave_writes_an_empty_list_but_the_supervisors_key_keeps_it() {
        let (store, now) = (Store::new(), Instant::now());
        let until = now + Duration::from_secs(15);
        store.reconcile(address(A), now, until);
        store.leave(address(A), now);
        assert_eq!(store.servers(), []);
        let (_, slices) = store.list(Resource::EndpointSlices, Some("default"));
        assert_eq!(slices.len(), 1);
        assert_eq!(slices[0].1["endpoints"], json!([]));
        assert_eq!(store.api_addresses(), [address(A)]);
    }

    #[test]
    fn rewriting_the_same_list_is_no_change() {
        let (store, now) = (Store::new(), Instant::now());
        store.reconcile(address(A), now, now + Duration::from_secs(15));
        let version = store.version();
        store.reconcile(address(A), now, now + Duration::from_secs(30));
        assert_eq!(store.version(), version);
    }

    #[test]
    fn an_annotation_on_the_endpoints_object_survives_and_one_on_its_slice_does_not() {
        let (store, now) = (Store::new(), Instant::now());
        let until = now + Duration::from_secs(15);
        store.reconcile(address(A), now, until);
        for resource in [Resource::Endpoints, Resource::EndpointSlices] {
            let key = Key::new(resource, "default", "kubernetes");
            let mut object = Value::clone(&store.object(&key).expect("it is there"));
            object["metadata"]["annotations"] = json!({ "drain": "yes" });
            store.put(&key, object).expect("nobody else wrote");
        }
        store.reconcile(address(B), now, until);
        let annotation = |resource| {
            let object = store
                .object(&Key::new(resource, "default", "kubernetes"))
                .expect("it is there");
            object["metadata"]["annotations"]["drain"].clone()
        };
        assert_eq!(annotation(Resource::Endpoints), json!("yes"));
        assert_eq!(annotation(Resource::EndpointSlices), Value::Null);
    }

    #[test]
    fn the_history_is_bounded_and_says_so() {
        let store = Store::new();
        let key = Key::node("n");
        for _ in 0..HISTORY_MAX + 2 {
            store
                .put(&key, json!({ "metadata": { "name": "n" } }))
                .expect("written");
        }
        assert!(store.since(Resource::Nodes, 2).is_err());
        let (version, changes) = store.since(Resource::Nodes, 3).expect("just remembered");
        assert_eq!((version, changes.len()), (1_003, HISTORY_MAX));
        store.compact();
        assert!(store.since(Resource::Nodes, version - 1).is_err());
        assert!(store.since(Resource::Nodes, version).is_ok());
    }

    #[test]
    fn a_write_with_an_old_version_is_a_conflict() {
        let store = Store::new();
        let key = Key::node_lease("n");
        let first = store.put(&key, crate::objects::node_lease("n")).expect("written");
        store
            .put(&key, Value::clone(&first))
            .expect("the present version");
        assert_eq!(
            store.put(&key, Value::clone(&first)).err(),
            Some(Refused::Conflict)
        );
        store.delete(&key);
        assert_eq!(
            store.put(&key, Value::clone(&first)).err(),
            Some(Refused::NotFound)
        );
    }
}
