//! A Kubernetes control plane in miniature on loopback, and the scenarios that are played on it.
//!
//! Two halves. The **control plane** answers on real TLS sockets as apiservers, supervisors and a name server do. The
//! **nodes** run the real `jackline` as child processes, each with clients of its own; a **scenario** breaks the control
//! plane in its own way, and the **verdict** says what became of the nodes and of the clients' requests.

mod api;
mod clients;
mod credentials;
mod dns;
mod locked;
mod naive;
mod node;
mod objects;
mod options;
mod pki;
mod plan;
mod plane;
mod runner;
mod scenario;
mod scenarios;
mod server;
mod store;
mod supervisor;
mod timeline;
mod verdict;
mod watch;

pub use credentials::Credentials;
pub use dns::NameServer;
pub use options::{Balancer, LabOptions, Naive, Output};
pub use pki::{Authority, Issued};
pub use plan::{Anonymous, Boot, Plan, PlannedServer, Role, SERVERS_MAX};
pub use plane::{ControlPlane, PlaneError, Sighting};
pub use runner::{catalogue, run};
pub use server::{Server, Shutdown, SlowSpec, StartAs};
pub use timeline::Entry;
pub use verdict::{Check, NodeLog, Outcome, Recovery, Requests, summary};
