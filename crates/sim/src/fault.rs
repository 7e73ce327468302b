//! What can be done to a world. Scenarios and the swarm do nothing else to it; what each sounds like as a sentence is
//! in [`sentence`].

pub mod sentence;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use jackline_core::LocalFault;

use crate::network::{NodeId, Place};
use crate::plane::ServerId;

/// Something done to the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Its process starts (on a machine that was without power: with the machine).
    Start(ServerId),
    /// Its process is stopped cleanly, with this shutdown delay.
    Stop(ServerId, Duration),
    /// Its process is killed.
    Kill(ServerId),
    /// Its process is stopped as by SIGSTOP.
    Freeze(ServerId),
    /// … and goes on.
    Thaw(ServerId),
    /// Its machine loses its power.
    PowerOff(ServerId),
    /// Its machine falls silent and keeps its state: a cable, a paused virtual machine.
    Silence(ServerId),
    /// Its machine is back.
    Return(ServerId),
    /// It is overloaded: `/readyz` and requests take about so long.
    Slow(ServerId, Duration, Duration),
    /// … no more.
    Fast(ServerId),
    /// A check of its `/readyz` fails.
    Fail(ServerId, String),
    /// All pass again.
    Pass(ServerId),
    /// It tells these endpoints, whatever is true.
    Say(ServerId, Vec<ServerId>),
    /// It tells the truth again.
    SayTruth(ServerId),
    /// It answers writes and stores none, or does again.
    LoseWrites(ServerId, bool),
    /// It is cut off from etcd, or is not any more.
    CutFromEtcd(ServerId, bool),
    /// It is at another address from now on.
    Move(ServerId, Ipv4Addr),
    /// Another cluster's server takes this address.
    TakeAddress(Ipv4Addr),
    /// … and gives it back to whom it belonged.
    GiveBack(Ipv4Addr),
    /// Its Node object is deleted.
    DeleteNode(ServerId),
    /// Its Node object is there again, at its address.
    RegisterNode(ServerId),
    /// Packets on this way are dropped.
    Cut(Place, Place),
    /// … no more.
    Mend(Place, Place),
    /// No way is cut and nothing is lost.
    MendAll,
    /// Of a thousand packets so many are lost.
    Lose(u64),
    /// One way through the network takes so long.
    Delay(Duration),
    /// The registration name tells these servers.
    NameTells(Vec<ServerId>),
    /// The resolver answers nothing.
    NameSilent,
    /// The resolver says SERVFAIL.
    NameFails,
    /// The resolver answers.
    NameAnswers,
    /// The cluster's CA is replaced, and every server's certificate.
    ReplaceCa,
    /// The CA's file on a node is brought up to date.
    RenewCaFile(NodeId),
    /// An election of etcd's.
    Elect,
    /// A node's disk is full, or has room again.
    DiskFull(NodeId, bool),
    /// A node's state file is damaged; `true`: it is gone.
    Spoil(NodeId, bool),
    /// A node's clock is off by so many seconds from now on.
    Clock(NodeId, i64),
    /// A node's jackline is killed.
    KillJackline(NodeId),
    /// … or dies when it stands between writing and renaming its state file, and is started again.
    DieBeforeRename(NodeId),
    /// … and is started.
    StartJackline(NodeId),
    /// Something fails on a node; `None`: no more.
    Local(NodeId, Option<LocalFault>),
    /// The operator of a node drains a server there, for so long.
    Drain(NodeId, ServerId, Duration),
    /// … takes that back.
    Undrain(NodeId, ServerId),
    /// These are drained for the whole fleet, and nobody else.
    DrainForAll(Vec<SocketAddr>),
}

impl Fault {
    /// The same in a world of which only these nodes are left; `None`: it bears on another one.
    pub(crate) fn among(&self, nodes: &[usize]) -> Option<Self> {
        let place = |node: NodeId| nodes.iter().position(|kept| *kept == node.0).map(NodeId);
        let end = |end: Place| match end {
            Place::Node(node) => Some(Place::Node(place(node)?)),
            Place::Server(_) => Some(end),
        };
        let mut fault = self.clone();
        match &mut fault {
            Self::Cut(from, to) | Self::Mend(from, to) => {
                *from = end(*from)?;
                *to = end(*to)?;
            }
            Self::RenewCaFile(node)
            | Self::DiskFull(node, _)
            | Self::Spoil(node, _)
            | Self::Clock(node, _)
            | Self::KillJackline(node)
            | Self::DieBeforeRename(node)
            | Self::StartJackline(node)
            | Self::Local(node, _)
            | Self::Drain(node, ..)
            | Self::Undrain(node, _) => *node = place(*node)?,
            _ => {}
        }
        Some(fault)
    }
}
