//! A Kubernetes control plane in miniature on loopback, and the scenarios that are played on it.
//!
//! Two halves. The **control plane** answers on real TLS sockets as apiservers, supervisors and a name server do. The
//! **nodes** run the real `jackline` as child processes, each with clients of its own; a **scenario** breaks the control
//! plane in its own way, and the **verdict** says what became of the nodes and of the clients' requests.
//!
//! # What the control plane does not do
//! It is a stand-in, true where a node's way to its servers depends on it, and nothing more:
//! - **etcd** is one store in memory that never fails: no quorum, no elections, no snapshots; stopping an etcd member
//!   takes nothing from the others. Only a frozen or cut off server loses sight of it. Where a play wants real etcd, its members run beside
//!   the store, and the stand-in apiservers write their leases and K3s's list into them as well; they go on answering from the store.
//! - **Controllers and kubelets** do not exist: a Node is what was written of it and never turns NotReady (heartbeats are
//!   recorded, see [`ControlPlane::heartbeat`]); Services and ConfigMaps are there to be asked for, and empty. A Pod that is
//!   created runs at once, on no machine: its log has a line every 250 ms, `exec` knows `cat`, `echo` and `exit` and runs
//!   nothing, every port of it gives back what it is sent. kubectl is answered over SPDY/3.1 alone, as by servers before
//!   Kubernetes 1.30 (it tries WebSockets first, is refused, and falls back); there are no terminals.
//! - **The API** speaks JSON only: no protobuf, no Tables, no compression, no pages. There is no OpenAPI (`kubectl apply` needs
//!   `--validate=false`) and no server-side apply. Selectors are by equality and by name; a patch is a merge patch; what is written is not validated; a list is always the newest.
//! - **Rights** are the few of RBAC that matter to a node, and fixed. There is no flow control but the supervisor's.
//! - **The supervisor** is on the API's port, for RKE2's paths too, and knows `/cacerts`, `/ping`, `apiservers` and
//!   `readyz`; it hands out no certificates and has no tunnels. Nothing sends a server's own join traffic.
//! - **Servers are tasks of one process** and share its CPU. A killed one has its sockets closed as its kernel would; a
//!   frozen one stops at its sockets and its lease, and a request that it had already read is still carried out.
//! - **A black hole** swallows what is sent to the server. What its kernel had already sent, or sends again because nobody
//!   acknowledged it, still gets out, for about a quarter of an hour.
//! - **Loopback** has no distance, no loss and no routers (what comes of those is played between [`hosts`]); every server
//!   has one IPv4 address, and no zone.

mod api;
mod clients;
mod credentials;
mod dns;
mod etcd;
pub mod hosts;
mod locked;
mod naive;
mod node;
mod objects;
mod options;
mod pki;
mod place;
mod plan;
mod plane;
mod pods;
pub mod recovery;
mod runner;
mod scenario;
mod scenarios;
mod server;
mod spdy;
mod store;
mod supervisor;
mod timeline;
mod ui;
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
pub use ui::ui;
pub use verdict::{Check, Figure, NodeLog, Outcome, Recovery, Requests, summary};
