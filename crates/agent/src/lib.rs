//! WIRE: the running jackline. Configuration, the one loop that owns the core, effects, journal, memory, shutdown.
//!
//! | file | what it is for |
//! |---|---|
//! | [`config`] | what the operator says: flags, environment, file, defaults |
//! | `clock` | the process's clock, and the wall's, which is for people |
//! | `files` | the few things done with files, behind a trait |
//! | `state` | what is remembered across restarts |
//! | [`run`](fn@run) | from a configuration to a running jackline, and to its end |
//! | [`journal`] | every event, in a ring of segments that replay by themselves |
#![forbid(unsafe_code)]

mod clock;
pub mod config;
mod files;
pub mod journal;
mod run;
mod state;

pub use jackline_admin::status;
pub use run::{Exit, StartError, run};
