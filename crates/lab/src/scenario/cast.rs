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

    fn of(plan: Plan) -> Self {
        Self {
            plan,
            agents: 2,
            etcd_nodes: 0,
            joins: Joins::FirstServer,
            access: Access::KubeProxy,
            clients: Kind::ALL.to_vec(),
        }
    }
}
