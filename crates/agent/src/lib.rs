//! WIRE: the running jackline. Configuration, the one loop that owns the core, effects, journal, memory, shutdown.
//!
//! | file | what it is for |
//! |---|---|
//! | [`config`] | what the operator says: flags, environment, file, profile, defaults |
//! | [`profile`] | what is found on a node of a known distribution, so that nobody has to say it |
//! | [`hand_over`](fn@hand_over) | gives jackline's own user what only root may read |
//! | [`setup`] | points the node's own programs at jackline, and takes it back |
//! | [`run`](fn@run) | from a configuration to a running jackline, and to its end |
//! | [`doctor`] | a look at a node, findings and remedies; preflight; support bundle |
//! | `engine` | one service, running; the API's is the first |
//! | `berth` | the place of a further service, whatever keeps it from starting |
//! | `driver` | the one loop: it owns the core and is the only one to step it |
//! | `reins` | lays the driver to rest, and lets it go on |
//! | `upgrade` | hands listeners and sessions over to a new process |
//! | `queue` | where everything that happened waits for the driver |
//! | `own` | keeps forwarding loops out of what is learnt |
//! | `effects` | carries out what the core wants done |
//! | [`journal`] | every event, in a ring of segments that replay by themselves |
//! | `state` | what is remembered across restarts |
//! | `files` | the few things done with files, behind a trait |
//! | `wiring` | what the other crates are told, made from the configuration |
//! | `proxy_names` | where CONNECT proxies are that have a name |
//! | `claim` | what only one jackline may have: the admin socket, the state folder |
//! | `view` | what the admin socket shows of all this |
//! | `operator` | what an operator may have done over the admin socket |
//! | [`lines`] | what the agent itself tells in its log |
//! | `tally` | how often each kind of announcement was told |
//! | `clock`, `signals`, `logging` | the process's clock, its signals, its log |
//! | `systemd` | what a service manager is told, and the listeners that it hands over |
//!
//! ```text
//! discovery, probe, proxy ──events──► own ► queue ──► driver ──► the core
//!            ▲                                          │ │ │
//!            └───────────── actions ◄── effects ◄───────┘ │ └► journal
//!                                          │              └──► snapshot (proxy, admin)
//!                                          └► state
//! ```
#![forbid(unsafe_code)]

mod berth;
mod claim;
mod clock;
pub mod config;
pub mod doctor;
mod driver;
mod effects;
mod engine;
mod files;
mod hand_over;
pub mod journal;
pub mod lines;
mod logging;
mod operator;
mod own;
pub mod profile;
mod proxy_names;
mod queue;
mod reins;
mod run;
pub mod setup;
mod signals;
mod state;
mod systemd;
mod tally;
mod upgrade;
mod view;
mod wiring;

pub use claim::ClaimError;
pub use hand_over::{HANDED_OVER, HandOverError, HandedOver, hand_over, take_back};
pub use jackline_admin::{operate, status};
pub use run::{Exit, StartError, run};
pub use upgrade::successor::refuse_to_take_over;
