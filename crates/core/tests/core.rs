//! The core, played in virtual time: a family of rules a file.

#[path = "core/administration.rs"]
mod administration;
#[path = "core/archive.rs"]
mod archive;
#[path = "core/checked.rs"]
mod checked;
#[path = "core/determinism.rs"]
mod determinism;
#[path = "core/etcd.rs"]
mod etcd;
#[path = "core/health.rs"]
mod health;
#[path = "core/heartbeat.rs"]
mod heartbeat;
#[path = "core/membership.rs"]
mod membership;
#[path = "core/moving.rs"]
mod moving;
#[path = "core/nodes.rs"]
mod nodes;
#[path = "core/pace.rs"]
mod pace;
#[path = "core/property.rs"]
mod property;
#[path = "core/recovery.rs"]
mod recovery;
#[path = "core/reset.rs"]
mod reset;
#[path = "core/selection.rs"]
mod selection;
#[path = "core/services.rs"]
mod services;
#[path = "core/simulated.rs"]
mod simulated;
#[path = "core/way.rs"]
mod way;
#[path = "core/world.rs"]
mod world;
