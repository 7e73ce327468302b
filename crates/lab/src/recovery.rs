//! How soon a node is back, what it forgets, and what it costs: plays whose figures have targets.
//!
//! They are played as scenarios are, with real etcd where etcd has a part; `cargo xtask recovery` makes a page of their figures
//! and of those between [`hosts`](crate::hosts).

mod etcd_member;
mod idle;
mod only_told;
mod removed;
mod wrong_lists;

use crate::hosts::Lack;
use crate::options::LabOptions;
use crate::runner::{self, Playable};
use crate::verdict::Outcome;

/// In the order of the run.
static ALL: [&dyn Playable; 9] = [
    &only_told::BY_ETCD,
    &only_told::BY_DNS,
    &only_told::BY_SUPERVISOR,
    &etcd_member::SCENARIO,
    &wrong_lists::SCENARIO,
    &removed::SCENARIO,
    &idle::AGENT,
    &idle::ETCD_MEMBER,
    &idle::POLLING,
];

/// Those that need no real etcd.
const WITHOUT_ETCD: [&str; 4] = [
    only_told::BY_DNS.name,
    only_told::BY_SUPERVISOR.name,
    idle::AGENT.name,
    idle::POLLING.name,
];

/// Plays these, as [`run`](crate::run) does.
///
/// # Errors
/// As [`run`](crate::run).
pub fn run(options: LabOptions) -> anyhow::Result<Vec<Outcome>> {
    runner::run_of(&ALL, options)
}

/// The names of all plays and what happens in each, in the order of the run.
#[must_use]
pub fn catalogue() -> Vec<(&'static str, &'static str)> {
    runner::catalogue_of(&ALL)
}

/// The plays that cannot be played here, and why. Where real etcd is not on this machine, this fetches it.
#[must_use]
pub fn lacking() -> Vec<(&'static str, Lack)> {
    let Err(lack) = real_etcd() else {
        return Vec::new();
    };
    let needs_etcd = ALL
        .iter()
        .map(|scenario| scenario.name())
        .filter(|name| !WITHOUT_ETCD.contains(name));
    needs_etcd.map(|name| (name, lack.clone())).collect()
}

/// Sees to it that real etcd is there.
///
/// # Errors
/// When it cannot be had.
pub(crate) fn real_etcd() -> Result<(), Lack> {
    match jackline_borrowed::etcd() {
        Ok(_) => Ok(()),
        Err(why) => Err(Lack::of(
            format!("there is no etcd: {why}"),
            jackline_borrowed::BRING_ETCD,
        )),
    }
}
