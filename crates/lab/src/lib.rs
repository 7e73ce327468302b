//! A Kubernetes control plane in miniature on loopback, and the scenarios that are played on it.
//!
//! Two halves. The **control plane** answers on real TLS sockets as apiservers, supervisors and a name server do. The
//! **nodes** run the real `jackline` as child processes, each with clients of its own; a **scenario** breaks the control
//! plane in its own way, and the **verdict** says what became of the nodes and of the clients' requests.

mod options;
mod runner;
mod timeline;
mod verdict;

pub use options::{Balancer, LabOptions, Naive, Output};
pub use runner::run;
pub use timeline::Entry;
pub use verdict::{Check, NodeLog, Outcome, Recovery, Requests, summary};
