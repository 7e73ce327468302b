//! What is done to a drawn world: kinds of fault on and off, each with its end, at a rate of the seed's own.

use std::net::Ipv4Addr;
use std::time::Duration;

use jackline_core::{LocalFault, Timestamp};

use crate::chance::Chance;
use crate::fault::Fault;
use crate::network::{NodeId, Place};
use crate::plane::ServerId;
use crate::spec::{Registration, WorldSpec, address_of};

/// Faults start once the world has settled.
const FIRST: Duration = Duration::from_secs(15);
/// For how long they go on.
const SPAN: (u64, u64) = (30_000, 300_000);
/// Faults of one story at the most.
const FAULTS_MAX: usize = 120;

/// A kind of fault.
type Draw = fn(&mut Chance, &Scope) -> Option<(Fault, Option<Fault>)>;

/// Kinds of fault: a fault and what ends it, if anything but the healing does.
const KINDS: [Draw; 22] = [
    kill,
    kill,
    stop,
    freeze,
    power,
    silence,
    slow,
    check,
    say,
    writes,
    etcd,
    shift,
    stranger,
    node_object,
    cut,
    partition,
    packets,
    name,
    authority,
    disk,
    jackline,
    machine,
];

/// What may be hit.
struct Scope {
    servers: usize,
    nodes: usize,
    /// Servers from this one on may move: nodes are joined to the address of the first.
    movable_from: usize,
}

pub(crate) fn draw_faults(chance: &mut Chance, world: &WorldSpec) -> (Vec<(Timestamp, Fault)>, Timestamp) {
    let by_address = world
        .nodes
        .iter()
        .any(|node| node.registration != Registration::Name);
    let scope = Scope {
        servers: world.servers.len(),
        nodes: world.nodes.len(),
        movable_from: usize::from(by_address),
    };
    let density = *chance.pick(&[150, 300, 500]).unwrap_or(&300);
    let mut kinds: Vec<Draw> = KINDS.into_iter().filter(|_| chance.happens(density)).collect();
    if kinds.is_empty() {
        kinds.push(kill);
    }
    if chance.happens(300) {
        kinds.push(drain);
    }
    let gap = *chance.pick(&[1_500, 5_000, 15_000, 40_000]).unwrap_or(&5_000);
    let longest = *chance.pick(&[3_000, 30_000, 90_000]).unwrap_or(&30_000);
    let end = Timestamp::ZERO + FIRST + chance.millis(SPAN.0, SPAN.1);
    let mut faults = Vec::new();
    let mut at = Timestamp::ZERO + FIRST;
    while at < end && faults.len() < FAULTS_MAX {
        if let Some(kind) = chance.pick(&kinds).copied()
            && let Some((fault, undo)) = kind(chance, &scope)
        {
            let until = at + chance.millis(200, longest);
            faults.push((at, fault));
            if let Some(undo) = undo.filter(|_| chance.happens(800)) {
                faults.push((until.min(end), undo));
            }
        }
        at = at + chance.millis(0, gap * 2);
    }
    faults.sort_by_key(|(at, _)| *at);
    (faults, end)
}

fn server(chance: &mut Chance, scope: &Scope) -> ServerId {
    ServerId(chance.below(scope.servers))
}

fn node(chance: &mut Chance, scope: &Scope) -> NodeId {
    NodeId(chance.below(scope.nodes))
}

fn kill(chance: &mut Chance, scope: &Scope) -> Option<(Fault, Option<Fault>)> {
    let id = server(chance, scope);
    Some((Fault::Kill(id), Some(Fault::Start(id))))
}

fn stop(chance: &mut Chance, scope: &Scope) -> Option<(Fault, Option<Fault>)> {
    let id = server(chance, scope);
    let delay = Duration::from_secs(*chance.pick(&[0, 0, 5, 20])?);
    Some((Fault::Stop(id, delay), Some(Fault::Start(id))))
}

fn freeze(chance: &mut Chance, scope: &Scope) -> Option<(Fault, Option<Fault>)> {
    let id = server(chance, scope);
    Some((Fault::Freeze(id), Some(Fault::Thaw(id))))
}

fn power(chance: &mut Chance, scope: &Scope) -> Option<(Fault, Option<Fault>)> {
    let id = server(chance, scope);
    Some((Fault::PowerOff(id), Some(Fault::Return(id))))
}

fn silence(chance: &mut Chance, scope: &Scope) -> Option<(Fault, Option<Fault>)> {
    let id = server(chance, scope);
    Some((Fault::Silence(id), Some(Fault::Return(id))))
}

fn slow(chance: &mut Chance, scope: &Scope) -> Option<(Fault, Option<Fault>)> {
    let id = server(chance, scope);
    let readyz = chance.millis(100, 8_000);
    let request = chance.millis(50, 4_000);
    Some((Fault::Slow(id, readyz, request), Some(Fault::Fast(id))))
}

fn check(chance: &mut Chance, scope: &Scope) -> Option<(Fault, Option<Fault>)> {
    let id = server(chance, scope);
    let check = *chance.pick(&[
        "etcd",
        "etcd-readiness",
        "kms-provider-0",
        "poststarthook/x",
        "informer-sync",
    ])?;
    Some((Fault::Fail(id, check.to_owned()), Some(Fault::Pass(id))))
}

/// An empty list, a short one, one of dead servers.
fn say(chance: &mut Chance, scope: &Scope) -> Option<(Fault, Option<Fault>)> {
    let id = server(chance, scope);
    let said = (0..scope.servers).map(ServerId).filter(|_| chance.happens(350));
    Some((Fault::Say(id, said.collect()), Some(Fault::SayTruth(id))))
}

fn writes(chance: &mut Chance, scope: &Scope) -> Option<(Fault, Option<Fault>)> {
    let id = server(chance, scope);
    Some((Fault::LoseWrites(id, true), Some(Fault::LoseWrites(id, false))))
}

fn etcd(chance: &mut Chance, scope: &Scope) -> Option<(Fault, Option<Fault>)> {
    let id = server(chance, scope);
    match chance.happens(400) {
        true => Some((Fault::Elect, None)),
        false => Some((Fault::CutFromEtcd(id, true), Some(Fault::CutFromEtcd(id, false)))),
    }
}

/// A server at another address.
fn shift(chance: &mut Chance, scope: &Scope) -> Option<(Fault, Option<Fault>)> {
    let id = server(chance, scope);
    if id.0 < scope.movable_from {
        return None;
    }
    // No two servers ever have the same one.
    let ip = Ipv4Addr::from(address_of(1000 * (id.0 + 1) + chance.below(500)));
    let told = chance.happens(500).then(|| Fault::NameTells(vec![id]));
    Some((Fault::Move(id, ip), told))
}

/// Another cluster's server at an address of ours.
fn stranger(chance: &mut Chance, scope: &Scope) -> Option<(Fault, Option<Fault>)> {
    let ip = Ipv4Addr::from(address_of(chance.below(scope.servers)));
    Some((Fault::TakeAddress(ip), Some(Fault::GiveBack(ip))))
}

fn node_object(chance: &mut Chance, scope: &Scope) -> Option<(Fault, Option<Fault>)> {
    let id = server(chance, scope);
    Some((Fault::DeleteNode(id), Some(Fault::RegisterNode(id))))
}

/// One way only.
fn cut(chance: &mut Chance, scope: &Scope) -> Option<(Fault, Option<Fault>)> {
    let (node, server) = (
        Place::Node(node(chance, scope)),
        Place::Server(server(chance, scope)),
    );
    let (from, to) = match chance.happens(500) {
        true => (node, server),
        false => (server, node),
    };
    Some((Fault::Cut(from, to), Some(Fault::Mend(from, to))))
}

/// The first of several cuts; all are mended together.
fn partition(chance: &mut Chance, scope: &Scope) -> Option<(Fault, Option<Fault>)> {
    let (node, server) = (
        Place::Node(node(chance, scope)),
        Place::Server(server(chance, scope)),
    );
    Some((Fault::Cut(node, server), Some(Fault::MendAll)))
}

fn packets(chance: &mut Chance, scope: &Scope) -> Option<(Fault, Option<Fault>)> {
    let _ = scope;
    match chance.happens(700) {
        true => Some((
            Fault::Lose(*chance.pick(&[5, 20, 100, 400])?),
            Some(Fault::Lose(0)),
        )),
        false => Some((
            Fault::Delay(chance.millis(0, 150)),
            Some(Fault::Delay(Duration::from_millis(1))),
        )),
    }
}

fn name(chance: &mut Chance, scope: &Scope) -> Option<(Fault, Option<Fault>)> {
    Some(match chance.below(3) {
        0 => (Fault::NameSilent, Some(Fault::NameAnswers)),
        1 => (Fault::NameFails, Some(Fault::NameAnswers)),
        _ => {
            let told = (0..scope.servers).map(ServerId).filter(|_| chance.happens(500));
            (Fault::NameTells(told.collect()), None)
        }
    })
}

fn authority(chance: &mut Chance, scope: &Scope) -> Option<(Fault, Option<Fault>)> {
    match chance.happens(300) {
        true => Some((Fault::ReplaceCa, Some(Fault::RenewCaFile(node(chance, scope))))),
        false => Some((Fault::RenewCaFile(node(chance, scope)), None)),
    }
}

fn disk(chance: &mut Chance, scope: &Scope) -> Option<(Fault, Option<Fault>)> {
    let id = node(chance, scope);
    Some(match chance.below(4) {
        0 => (Fault::DiskFull(id, true), Some(Fault::DiskFull(id, false))),
        1 => (Fault::Spoil(id, chance.happens(500)), None),
        _ => (Fault::DieBeforeRename(id), None),
    })
}

fn jackline(chance: &mut Chance, scope: &Scope) -> Option<(Fault, Option<Fault>)> {
    let id = node(chance, scope);
    Some((Fault::KillJackline(id), Some(Fault::StartJackline(id))))
}

fn machine(chance: &mut Chance, scope: &Scope) -> Option<(Fault, Option<Fault>)> {
    let id = node(chance, scope);
    Some(match chance.below(3) {
        0 => {
            let off = *chance.pick(&[-3600, 3600, 1_600_000_000, -1_600_000_000])?;
            (Fault::Clock(id, off), Some(Fault::Clock(id, 0)))
        }
        1 => (
            Fault::Local(id, Some(LocalFault::NoRoute)),
            Some(Fault::Local(id, None)),
        ),
        _ => (
            Fault::Local(id, Some(LocalFault::Descriptors)),
            Some(Fault::Local(id, None)),
        ),
    })
}

fn drain(chance: &mut Chance, scope: &Scope) -> Option<(Fault, Option<Fault>)> {
    let (node, server) = (node(chance, scope), server(chance, scope));
    Some(match chance.below(3) {
        0 => {
            let drained = vec![WorldSpec::address(server)];
            (Fault::DrainForAll(drained), Some(Fault::DrainForAll(Vec::new())))
        }
        1 => (Fault::Drain(node, server, chance.millis(1_000, 60_000)), None),
        _ => (
            Fault::Drain(node, server, Duration::ZERO),
            Some(Fault::Undrain(node, server)),
        ),
    })
}
