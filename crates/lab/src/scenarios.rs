//! All scenarios, a file each: what goes wrong, as prose, and what must hold.

mod all_down_start;
mod all_replaced;
mod alternating_outage;
mod blackhole;
mod cold_start;
mod empty_list;
mod fail_back;
mod foreign_server;
mod frozen;
mod lost_writes;
mod new_ca;
mod overloaded;
mod registration_single;
mod rolling_upgrade;
mod shared_cause;
mod slander;

use crate::runner::Playable;

/// In the order of the run. The first is the default.
pub(crate) static ALL: [&dyn Playable; 16] = [
    &alternating_outage::SCENARIO,
    &rolling_upgrade::SCENARIO,
    &blackhole::SCENARIO,
    &frozen::SCENARIO,
    &overloaded::SCENARIO,
    &shared_cause::SCENARIO,
    &lost_writes::SCENARIO,
    &slander::SCENARIO,
    &registration_single::SCENARIO,
    &all_replaced::SCENARIO,
    &empty_list::SCENARIO,
    &fail_back::SCENARIO,
    &cold_start::SCENARIO,
    &foreign_server::SCENARIO,
    &new_ca::SCENARIO,
    &all_down_start::SCENARIO,
];
