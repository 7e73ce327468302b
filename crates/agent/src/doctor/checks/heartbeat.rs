//! The node's own Lease, as the cluster has it.

use super::certificates::span;
use crate::doctor::facts::Facts;
use crate::doctor::finding::{Finding, Severity};

/// A kubelet renews every 10 s; from here on it is late.
const LATE: i64 = 20;
/// From here on the node is NotReady.
const NOT_READY: i64 = 40;

/// A Lease that is late.
pub(super) fn lease(facts: &Facts) -> Vec<Finding> {
    let Some(heartbeat) = facts.heartbeat.filter(|heartbeat| heartbeat.age >= LATE) else {
        return Vec::new();
    };
    let (severity, end) = match heartbeat.age >= NOT_READY {
        true => (Severity::Critical, "the node is NotReady"),
        false => (Severity::Warning, "it is late"),
    };
    vec![
        Finding::new(
            "heartbeat",
            severity,
            format!("the node's Lease was renewed {} ago: {end}", span(heartbeat.age)),
        )
        .seen(format!(
            "kube-node-lease/{}, by this machine's clock",
            facts.node.name
        )),
    ]
}
