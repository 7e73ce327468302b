//! Who takes part in a scenario: plain data.

use crate::clients::Kind;
use crate::node::Access;
use crate::{Plan, Role};

/// The cast of a scenario.
pub(crate) struct Cast {
    /// The control plane.
    pub(crate) plan: Plan,
    pub(crate) agents: usize,
    pub(crate) etcd_nodes: usize,
    pub(crate) joins: Joins,
    pub(crate) access: Access,
    /// Whether nodes ask supervisors, and apiservers for Endpoints and Nodes.
    pub(crate) supervisor: bool,
    pub(crate) kubernetes: bool,
    /// Real etcd: a member for each server that has one. The nodes of etcd members read it.
    pub(crate) etcd: RealEtcd,
    /// Whether each server and each node has a host of its own. The servers' hosts have a node each besides, without
    /// clients.
    pub(crate) hosts: bool,
    /// Whether each node serves its page, on its listener's address.
    pub(crate) pages: bool,
    /// The clients of each node.
    pub(crate) clients: Vec<Kind>,
}

/// The registration address that the nodes were joined with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joins {
    /// The address of the plan's first server.
    FirstServer,
    /// A name, which the lab's own name server resolves to every server of the plan.
    Name(&'static str),
    /// None: the node knows its etcd member and nothing else.
    Nothing,
}

/// Whether real etcd runs beside the stand-ins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RealEtcd {
    /// The play has nothing to do with it.
    No,
    /// Where this machine has it.
    WhereThere,
    /// The play is about it.
    Needed,
}

impl Cast {
    /// Split roles as in k3s#11349: an etcd-only registration server and two control planes.
    pub(crate) fn split() -> Self {
        Self::of(
            Plan::default()
                .with("etcd-1", Role::EtcdOnly)
                .with("cp-a", Role::ControlPlaneOnly)
                .with("cp-b", Role::ControlPlaneOnly),
        )
    }

    /// Three servers that are all of it.
    pub(crate) fn three_servers() -> Self {
        Self::of(
            Plan::default()
                .with("server-1", Role::Server)
                .with("server-2", Role::Server)
                .with("server-3", Role::Server),
        )
    }

    /// An etcd-only registration server, three control planes and two agents, each on a host of its own.
    pub(crate) fn six_hosts() -> Self {
        let plan = Plan::default()
            .with("etcd-1", Role::EtcdOnly)
            .with("cp-1", Role::ControlPlaneOnly)
            .with("cp-2", Role::ControlPlaneOnly)
            .with("cp-3", Role::ControlPlaneOnly);
        Self {
            hosts: true,
            etcd: RealEtcd::WhereThere,
            ..Self::of(plan)
        }
    }

    pub(crate) fn of(plan: Plan) -> Self {
        Self {
            plan,
            agents: 2,
            etcd_nodes: 0,
            joins: Joins::FirstServer,
            access: Access::KubeProxy,
            supervisor: true,
            kubernetes: true,
            etcd: RealEtcd::No,
            hosts: false,
            pages: false,
            clients: Kind::ALL.to_vec(),
        }
    }
}
