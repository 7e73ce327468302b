//! What a server says when it is asked (field-notes §3, §4), and how long that takes.

use std::net::SocketAddr;
use std::time::Duration;

use jackline_core::{Ask, Timestamp};

use crate::chance::Chance;
use crate::network::NodeId;
use crate::plane::{Plane, Process, Role, ServerId};

/// A question put to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// `GET /readyz`.
    Readyz,
    /// The Endpoints of `default/kubernetes`, as a consistent list.
    Endpoints,
    /// Control-plane Nodes.
    Nodes(Ask),
    /// A node's own Lease, as a consistent read.
    Lease(NodeId),
    /// A supervisor's list.
    Supervisor,
    /// Etcd's own keys.
    Etcd,
    /// A client's request; a kubelet's renews its node's Lease.
    Request(Option<NodeId>),
}

/// A Node as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeTold {
    pub(crate) name: String,
    pub(crate) ip: std::net::Ipv4Addr,
    pub(crate) control_plane: bool,
    pub(crate) zone: Option<String>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// 200 without anything to tell.
    Good,
    /// 5xx of `/readyz`, with the names of the failed checks.
    NotReady(Vec<String>),
    /// 503 "apiserver disabled".
    NoApi,
    /// 401 or 403.
    Refused,
    /// 429: the supervisor has no place for this request.
    Busy,
    /// 503 for another reason.
    Unavailable(&'static str),
    /// Endpoints, and whether they were read with quorum.
    List(Vec<SocketAddr>, bool),
    Nodes(Vec<NodeTold>),
    Lease(Timestamp),
    /// Nothing: it waits for etcd.
    Nothing,
}

impl Plane {
    /// The answer of a server whose process runs. `known`: whether a node's credential is shown.
    pub(crate) fn answer(&self, id: ServerId, question: &Question, known: bool, now: Timestamp) -> Said {
        let server = &self[id];
        if server.foreign {
            // Nobody who verifies gets this far; a client that does not would be refused.
            return if *question == Question::Readyz {
                Said::Good
            } else {
                Said::Refused
            };
        }
        match question {
            Question::Readyz => self.readyz(id, known, now),
            Question::Supervisor => self.supervisor(id, known, now),
            Question::Etcd => self.etcd_keys(now),
            _ if server.role == Role::EtcdOnly => Said::NoApi,
            _ if !known && !matches!(question, Question::Request(_)) => Said::Refused,
            _ if server.process == Process::Booting => Said::Unavailable("apiserver not ready"),
            Question::Nodes(Ask::Everything) => {
                // From the watch cache: needs no etcd.
                Said::Nodes(self.nodes().collect())
            }
            _ if !self.reaches_etcd(server, now) => Said::Nothing,
            Question::Nodes(Ask::Node(name)) => {
                Said::Nodes(self.nodes().filter(|node| node.name == *name).collect())
            }
            Question::Endpoints => {
                let said = server.says_instead.as_ref().unwrap_or(&server.seen);
                Said::List(said.clone(), true)
            }
            Question::Lease(node) => Said::Lease(self.renewals.get(node.0).copied().unwrap_or_default()),
            Question::Request(_) if server.process == Process::Accepting => Said::Unavailable("starting"),
            Question::Request(_) => Said::Good,
        }
    }

    fn readyz(&self, id: ServerId, known: bool, now: Timestamp) -> Said {
        let server = &self[id];
        if server.role == Role::EtcdOnly {
            return Said::NoApi;
        }
        if !known && !self.anonymous {
            return Said::Refused;
        }
        let mut failed = server.failing.clone();
        match server.process {
            Process::Accepting | Process::Booting => failed.push("poststarthook/rbac/bootstrap-roles".into()),
            Process::Leaving | Process::Closing => failed.push("shutdown".into()),
            Process::Ready | Process::Dead => {}
        }
        if !self.reaches_etcd(server, now) {
            failed.push("etcd".into());
        }
        match failed.is_empty() {
            true => Said::Good,
            false => Said::NotReady(failed),
        }
    }

    fn supervisor(&self, id: ServerId, known: bool, now: Timestamp) -> Said {
        let server = &self[id];
        if !known {
            return Said::Refused;
        }
        if let Some(said) = &server.says_instead {
            return Said::List(said.clone(), true);
        }
        match (server.role, server.process) {
            (Role::EtcdOnly, _) if !self.reaches_etcd(server, now) => Said::Nothing,
            (Role::EtcdOnly, _) => Said::List(self.addresses.clone(), true),
            (_, Process::Ready | Process::Leaving) => Said::List(server.seen.clone(), true),
            _ => Said::Unavailable("apiserver not ready"),
        }
    }

    fn etcd_keys(&self, now: Timestamp) -> Said {
        let leased = self
            .servers
            .iter()
            .filter(|server| server.lease != crate::plane::Lease::None)
            .map(crate::plane::Server::address);
        let mut told: Vec<SocketAddr> = leased.chain(self.addresses.iter().copied()).collect();
        told.sort();
        told.dedup();
        Said::List(told, self.has_quorum(now))
    }

    fn nodes(&self) -> impl Iterator<Item = NodeTold> {
        self.servers
            .iter()
            .filter(|server| !server.foreign)
            .filter_map(|server| {
                Some(NodeTold {
                    name: server.name.clone(),
                    ip: server.node?,
                    control_plane: server.has_api(),
                    zone: server.zone.clone(),
                })
            })
    }

    /// How long a server takes for this answer, the way not counted.
    pub(crate) fn takes(&self, id: ServerId, question: &Question, chance: &mut Chance) -> Duration {
        let around = |usual: Duration, chance: &mut Chance| {
            let millis = u64::try_from(usual.as_millis()).unwrap_or(u64::MAX);
            chance.millis(millis / 2, millis + millis / 2)
        };
        match (self[id].slow, question) {
            (Some((readyz, _)), Question::Readyz) => around(readyz, chance),
            (Some((_, request)), _) => around(request, chance),
            (None, _) => chance.millis(1, 5),
        }
    }
}
