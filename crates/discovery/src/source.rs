//! What all sources have in common: a question goes in, reports come out, and a watch may stay open.

use std::net::SocketAddr;
use std::sync::Arc;

use jackline_core::{Ask, Breadth, SourceFailure};
use jackline_trust::Trust;
use jackline_way::Ways;
use tokio::time::Instant;

use crate::config::SourceConfig;
use crate::etcd::{self, Etcd, Subject};
use crate::heartbeat::Heartbeat;
use crate::import::Import;
use crate::kubernetes::{self, Kubernetes};
use crate::nodes::Nodes;
use crate::refresh::{Voice, failure};
use crate::registration::Registration;
use crate::service::{self, Service};
use crate::static_list;
use crate::supervisor::Supervisor;

/// One question to one source.
pub(crate) struct Question {
    /// What.
    pub(crate) ask: Ask,
    /// Whom, best first.
    pub(crate) targets: Vec<SocketAddr>,
    /// How many of them.
    pub(crate) breadth: Breadth,
    /// No attempt lasts longer.
    pub(crate) deadline: Instant,
}

/// A configured source.
pub(crate) enum Source {
    Static(Vec<SocketAddr>),
    Registration(Registration),
    Supervisor(Supervisor),
    Kubernetes(Kubernetes),
    Etcd(Etcd),
    Nodes(Nodes),
    Heartbeat(Heartbeat),
    Import(Import),
    Service(Service),
}

/// What an answered question left open.
pub(crate) enum Watch {
    Kubernetes(kubernetes::Watch),
    Etcd(etcd::Watch),
    Service(service::Watch),
}

impl Watch {
    /// Follows the watch to its end, and says in words why it ended.
    pub(crate) async fn follow(self, voice: &Voice) -> String {
        match self {
            Self::Kubernetes(watch) => watch.follow(voice).await,
            Self::Etcd(watch) => watch.follow(voice).await,
            Self::Service(watch) => watch.follow(voice).await,
        }
    }
}

impl Source {
    pub(crate) fn new(config: SourceConfig, trust: Arc<Trust>, ways: &Arc<Ways>) -> Self {
        let ways = Arc::clone(ways);
        match config {
            SourceConfig::Static(config) => Self::Static(config.endpoints),
            SourceConfig::Registration(config) => Self::Registration(Registration::new(config, ways)),
            SourceConfig::Supervisor(config) => Self::Supervisor(Supervisor::new(config, trust, ways)),
            SourceConfig::Kubernetes => Self::Kubernetes(Kubernetes::new(trust, ways)),
            SourceConfig::Etcd(config) => Self::Etcd(Etcd::new(config, Subject::Keys, ways)),
            SourceConfig::Members(config) => Self::Etcd(Etcd::new(config, Subject::Members, ways)),
            SourceConfig::Nodes(config) => Self::Nodes(Nodes::new(config, trust, ways)),
            SourceConfig::Heartbeat(config) => Self::Heartbeat(Heartbeat::new(config, trust, ways)),
            SourceConfig::Import(config) => Self::Import(Import::new(config)),
            SourceConfig::Service(config) => Self::Service(Service::new(config)),
        }
    }

    /// Asks once. Reports leave through `voice`, at least one if this is no failure; a watch is for the caller to follow.
    pub(crate) async fn ask(
        &self,
        question: &Question,
        voice: &Voice,
    ) -> Result<Option<Watch>, SourceFailure> {
        if let (Ask::Node(name), Self::Nodes(nodes)) = (&question.ask, self) {
            nodes.ask_one(name, question, voice).await?;
            return Ok(None);
        }
        if let Ask::Node(_) = question.ask {
            return Err(failure("this source knows no Nodes".to_owned()));
        }
        match self {
            Self::Static(endpoints) => static_list::report(endpoints, voice),
            Self::Registration(registration) => registration.ask(question, voice).await?,
            Self::Supervisor(supervisor) => supervisor.ask(question, voice).await?,
            Self::Kubernetes(kubernetes) => {
                let watch = kubernetes.ask(question, voice).await?;
                return Ok(watch.map(Watch::Kubernetes));
            }
            Self::Etcd(etcd) => return Ok(etcd.ask(question, voice).await?.map(Watch::Etcd)),
            Self::Nodes(nodes) => nodes.ask_all(question, voice).await?,
            Self::Heartbeat(heartbeat) => heartbeat.ask(question, voice).await?,
            Self::Import(import) => import.ask(voice).await?,
            Self::Service(service) => return Ok(Some(Watch::Service(service.ask(voice)))),
        }
        Ok(None)
    }
}
