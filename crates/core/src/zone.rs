//! S1: the node's own zone, and how far an endpoint is from it.
//!
//! The zone is the configured one, else the own Node's label as the Node source last told it. It is not remembered
//! across restarts: until the Node is read, all endpoints are equally near, and a rebalance (D2) sets it right.

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use crate::Notice;
use crate::action::{Action, Ask};
use crate::endpoint::Endpoint;
use crate::policy::Policy;
use crate::report::NodeListing;

/// One question in so many goes to the own Node, where its zone is wanted.
const OWN_NODE_EVERY: usize = 8;

/// How far an endpoint is, nearest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Distance {
    /// In the own zone, or nobody knows zones here.
    Near,
    /// Its zone is not known, the own one is.
    Unknown,
    /// In another zone.
    Far,
}

impl Policy {
    /// How far `endpoint` is from this node.
    pub(crate) fn distance(&self, endpoint: &Endpoint) -> Distance {
        match (&self.zone, &endpoint.membership.zone) {
            (None, _) => Distance::Near,
            (Some(_), None) => Distance::Unknown,
            (Some(own), Some(its)) if own == its => Distance::Near,
            (Some(_), Some(_)) => Distance::Far,
        }
    }

    /// Whether `name` is the own Node's, and its zone is to be taken from it: none is configured.
    fn tells_own_zone(&self, name: &str) -> bool {
        self.settings.zone.is_none() && self.settings.node_name.as_deref() == Some(name)
    }

    /// A verified answer about a Node: the own one tells the zone.
    pub(crate) fn learn_zone(&mut self, node: &NodeListing, actions: &mut Vec<Action>) {
        if !self.tells_own_zone(&node.name) || self.zone == node.zone {
            return;
        }
        self.zone = node.zone.clone();
        self.changed = true;
        let text = match &self.zone {
            Some(zone) => format!("in zone {zone}, says the own Node: its apiservers come first (S1)"),
            None => "in no zone any more, says the own Node".to_string(),
        };
        self.announce_node(Notice::ZoneChanged, text, actions);
    }

    /// The own Node's turn to be asked for, where its zone is wanted.
    pub(crate) fn own_node_question(&self, turn: usize) -> Option<Ask> {
        let name = self.settings.node_name.as_ref()?;
        let due = turn % OWN_NODE_EVERY == OWN_NODE_EVERY - 1;
        (due && self.settings.zone.is_none()).then(|| Ask::Node(name.clone()))
    }
}
