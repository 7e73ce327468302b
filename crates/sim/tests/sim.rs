//! Tests of the simulated world.

#[path = "sim/calm.rs"]
mod calm;

#[path = "sim/fleet.rs"]
mod fleet;

#[path = "sim/rivals.rs"]
mod rivals;

#[path = "sim/swarm.rs"]
mod swarm;

#[path = "sim/scenarios.rs"]
mod scenarios;
