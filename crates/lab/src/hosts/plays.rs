//! What goes wrong between hosts, a file each: what happens, as prose, and what must hold.
//!
//! All faults but that of a pulled cable, and the servers' own of `every_order`, are faults of a path: the server is well,
//! its list says so, and other hosts reach it. Nobody but the agents themselves can find out. What is played on real
//! apiservers is beside it, in `real`.

mod dropped;
mod every_order;
mod far_and_lossy;
mod link_down;
mod moved_address;
mod mtu;
mod own_link_down;
mod partition;

use std::time::{Duration, Instant};

use super::real;
use crate::Server;
use crate::clients::judge::Evidence;
use crate::runner::Playable;
use crate::scenario::Stage;

/// In the order of the run.
pub(super) static ALL: [&dyn Playable; 14] = [
    &dropped::TO_SERVER,
    &dropped::FROM_SERVER,
    &dropped::BOTH_WAYS,
    &link_down::SCENARIO,
    &own_link_down::SCENARIO,
    &moved_address::SCENARIO,
    &mtu::SCENARIO,
    &far_and_lossy::SCENARIO,
    &partition::SCENARIO,
    &every_order::SCENARIO,
    &real::ALTERNATING,
    &real::ANONYMOUS_ALLOWED,
    &real::ANONYMOUS_REFUSED,
    &real::REMOVED,
];

/// Those of a quick run: one that the node must find out by itself, and one that its kernel tells it.
pub(super) const SHORT: [&str; 2] = [dropped::FROM_SERVER.name, link_down::SCENARIO.name];

/// Those that need real apiservers. Whoever has them wants them played in a quick run too.
pub(super) const NEED_APISERVERS: [&str; 4] = [
    real::ALTERNATING.name,
    real::ANONYMOUS_ALLOWED.name,
    real::ANONYMOUS_REFUSED.name,
    real::REMOVED.name,
];

/// Those that need the long cable.
pub(super) const NEED_LONG_CABLE: [&str; 1] = [far_and_lossy::SCENARIO.name];

/// Those that need real etcd.
pub(super) const NEED_ETCD: [&str; 1] = [every_order::SCENARIO.name];

/// The names of all, in the order of the run.
pub(super) fn names_of_all() -> Vec<&'static str> {
    ALL.iter().map(|scenario| scenario.name()).collect()
}

/// A request on a new connection takes at most this much longer than usual.
const SLOWER_BY: Duration = Duration::from_millis(500);

/// How long a fault is watched: sessions must be free after 3 s, requests time out after 5.
const WATCHED: Duration = Duration::from_secs(8);

/// What must hold of every fault on the agents' path to one server, while there are others.
fn check_path(stage: &mut Stage, evidence: &Evidence, victim: &Server, fault: Instant) {
    stage.check_new_not_slower(evidence, fault, SLOWER_BY);
    stage.check_new_requests(evidence, fault);
    stage.check_freed(evidence, victim.name(), fault);
    stage.check_never(fault, &["isolated", "degraded"]);
    stage.check_nothing_restarted();
}

/// Names as the hosts take them.
fn names(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}
