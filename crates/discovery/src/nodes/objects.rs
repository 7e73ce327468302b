//! The few fields of a Node that matter here.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jackline_core::NodeListing;
use serde::Deserialize;

use crate::address::ip_address;
use crate::ask_error::foreign_words;

/// Addresses of one Node that are kept.
const ADDRESSES_MAX: usize = 64;

/// Control-plane Nodes in one list.
const NODES_MAX: usize = 1_000;

/// Labels that make a Node a control-plane one; etcd-only Nodes carry neither.
const ROLES: [&str; 2] = [
    "node-role.kubernetes.io/control-plane",
    "node-role.kubernetes.io/master",
];

/// Labels that tell the zone, the present one first.
const ZONES: [&str; 2] = [
    "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/zone",
];

/// The kinds of address that can be dialled, in the order in which they are told.
const ADDRESS_KINDS: [&str; 2] = ["InternalIP", "ExternalIP"];

#[derive(Debug, Deserialize)]
pub(super) struct Node {
    #[serde(default)]
    kind: String,
    metadata: Metadata,
    #[serde(default)]
    status: Status,
}

#[derive(Debug, Deserialize)]
pub(super) struct NodeList {
    kind: String,
    items: Option<Vec<Node>>,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    name: String,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
    #[serde(rename = "deletionTimestamp", default)]
    deleted: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Status {
    #[serde(default)]
    addresses: Option<Vec<Address>>,
    #[serde(default)]
    conditions: Option<Vec<Condition>>,
}

#[derive(Debug, Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

#[derive(Debug, Deserialize)]
struct Address {
    #[serde(rename = "type")]
    kind: String,
    address: String,
}

impl Node {
    /// Reads a GET's body.
    pub(super) fn read(body: &[u8]) -> Result<Self, String> {
        let node: Self = parse(body)?;
        if node.kind != "Node" {
            return Err(format!(
                "a Node was asked for, it is a {:?}",
                foreign_words(&node.kind)
            ));
        }
        Ok(node)
    }

    pub(super) fn name(&self) -> &str {
        &self.metadata.name
    }

    pub(super) fn into_listing(self) -> NodeListing {
        let labels = self.metadata.labels.unwrap_or_default();
        let told = self.status.addresses.unwrap_or_default();
        let mut addresses: Vec<IpAddr> = Vec::new();
        for kind in ADDRESS_KINDS {
            for ip in told
                .iter()
                .filter(|address| address.kind == kind)
                .filter_map(|address| ip_address(&address.address))
            {
                if addresses.len() < ADDRESSES_MAX && !addresses.contains(&ip) {
                    addresses.push(ip);
                }
            }
        }
        NodeListing {
            name: self.metadata.name,
            addresses,
            control_plane: ROLES.iter().any(|role| labels.contains_key(*role)),
            zone: ZONES
                .iter()
                .find_map(|label| labels.get(*label))
                .filter(|zone| !zone.is_empty())
                .cloned(),
            // `Unknown` is what the cluster writes when the kubelet has been silent.
            ready: self
                .status
                .conditions
                .unwrap_or_default()
                .iter()
                .find(|condition| condition.kind == "Ready")
                .map(|condition| condition.status == "True"),
            leaving: self.metadata.deleted.is_some(),
        }
    }
}

impl NodeList {
    /// Reads a list's body.
    pub(super) fn read(body: &[u8]) -> Result<Self, String> {
        let list: Self = parse(body)?;
        if list.kind != "NodeList" {
            return Err(format!(
                "a NodeList was asked for, it is a {:?}",
                foreign_words(&list.kind)
            ));
        }
        if list.items.as_ref().is_some_and(|items| items.len() > NODES_MAX) {
            return Err(format!(
                "more than {NODES_MAX} control-plane Nodes: no cluster has so many"
            ));
        }
        Ok(list)
    }

    pub(super) fn into_listings(self) -> Vec<NodeListing> {
        self.items
            .unwrap_or_default()
            .into_iter()
            .map(Node::into_listing)
            .collect()
    }
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| foreign_words(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: &str = r#"{"kind":"Node","metadata":{"name":"cp-1","labels":{"node-role.kubernetes.io/master":"","topology.kubernetes.io/zone":"a"}},
        "status":{"addresses":[{"type":"ExternalIP","address":"192.0.2.1"},{"type":"Hostname","address":"10.9.9.9"},
        {"type":"InternalIP","address":"10.0.0.1"},{"type":"InternalIP","address":"fd00::1"},{"type":"InternalIP","address":"cp-1.example"}]}}"#;

    #[test]
    fn internal_addresses_come_first_and_names_are_no_addresses() {
        let node = Node::read(NODE.as_bytes()).expect("a node").into_listing();
        let addresses: Vec<String> = node.addresses.iter().map(IpAddr::to_string).collect();
        assert_eq!(addresses, ["10.0.0.1", "fd00::1", "192.0.2.1"]);
        assert!(node.control_plane);
        assert_eq!(node.zone.as_deref(), Some("a"));
    }

    #[test]
    fn an_etcd_only_node_is_no_control_plane_node() {
        let node = Node::read(NODE.replace("/master", "/etcd").as_bytes())
            .expect("a node")
            .into_listing();
        assert!(!node.control_plane);
    }

    #[test]
    fn ready_and_the_deletion_timestamp_are_told() {
        let with = |condition: &str, deleted: &str| {
            let text = NODE
                .replace(
                    r#""status":{"#,
                    &format!(r#""status":{{"conditions":[{condition}],"#),
                )
                .replace(r#""name":"cp-1","#, &format!(r#""name":"cp-1",{deleted}"#));
            let node = Node::read(text.as_bytes()).expect("a node").into_listing();
            (node.ready, node.leaving)
        };
        assert_eq!(with("", ""), (None, false));
        let other = r#"{"type":"DiskPressure","status":"True"}"#;
        assert_eq!(with(other, ""), (None, false));
        for (status, ready) in [("True", true), ("False", false), ("Unknown", false)] {
            let condition = format!(r#"{other},{{"type":"Ready","status":"{status}"}}"#);
            assert_eq!(with(&condition, ""), (Some(ready), false));
        }
        let deleted = r#""deletionTimestamp":"2026-01-01T00:00:00Z","#;
        assert_eq!(with("", deleted), (None, true));
    }

    #[test]
    fn other_objects_are_refused() {
        assert!(Node::read(br#"{"kind":"Pod","metadata":{"name":"cp-1"}}"#).is_err());
        assert!(NodeList::read(br#"{"kind":"PodList","items":[]}"#).is_err());
        assert!(NodeList::read(b"[]").is_err());
    }
}
