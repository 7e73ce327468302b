//! Sources of jackline: IO that turns the world into reports.
//!
//! The core says when and whom to ask ([`RefreshSource`]); a source asks once, works around dead servers within that
//! one question (R3), and answers with exactly one ending event. It has no retry loop, no clock of its own and no
//! opinion: what a report counts for is the core's business.
//!
//! | file | what it does |
//! |---|---|
//! | `config` | what can be configured, as plain data |
//! | `refresh` | one refresh's right to speak: exactly one ending, also on panic; a newer refresh supersedes an older one |
//! | `attempt` | hedged attempts over several servers under one deadline |
//! | `host_names` | names of hosts that are no servers: proxies |
//! | `http`, `dial` | one bounded HTTP exchange over verified TLS, every failure a sentence |
//! | `static_list`, `registration`, `supervisor`, `kubernetes`, `nodes`, `heartbeat`, `etcd`, `import`, `service` | a source each |
//!
//! DNS SRV records will be a further file beside these.
//!
//! [`RefreshSource`]: jackline_core::RefreshSource
#![forbid(unsafe_code)]

mod address;
mod ask_error;
mod attempt;
mod config;
mod dial;
mod discovery;
mod etcd;
mod heartbeat;
mod host_names;
mod http;
mod import;
mod kubernetes;
mod nodes;
mod refresh;
mod refusals;
mod registration;
mod service;
mod source;
mod static_list;
mod supervisor;

pub use config::{
    AddressError, Config, Distribution, EtcdConfig, HeartbeatConfig, ImportConfig, NodesConfig,
    RegistrationAddress, RegistrationConfig, ServiceConfig, SourceConfig, StaticConfig, SupervisorConfig,
    SupervisorList, SystemFiles, TokenOrigin,
};
pub use discovery::Discovery;
pub use host_names::HostNames;
pub use import::{BalancerState, read_balancer_state};
