//! Jackline and its rivals on the same seeds, in one table.
//!
//! Each seed is the swarm's story of that seed, with nodes and clients that are the same for all: a kubelet, two watchers, and
//! a caller each second; every contestant has the sources that it learns from. `/readyz` is open to the anonymous, as
//! on stock Kubernetes: where it is not, HAProxy's checks take all servers down. All is judged from outside, by what clients
//! saw. Besides, each plays one rolling upgrade of three servers under many nodes, and an outage of all after it.

mod table;
mod upgrade;

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jackline_core::{Settings, Timestamp};
use serde::Serialize;

use super::{Contestant, contestants};
use crate::node::Node;
use crate::plane::{Role, ServerId};
use crate::spec::{ClientKind, NodeSpec, WorldSpec};
use crate::swarm::{Progress, Story};
use crate::timeline::Telling;
use crate::world::World;

/// What is known of everybody is looked at this often.
const LOOK: Duration = Duration::from_millis(500);
/// Servers take 2 s to start, and etcd elects.
const WHOLE_WITHIN: Duration = Duration::from_secs(40);
/// A node is stuck if at the end no request has been answered for so long, or its Lease not renewed.
const STUCK_AFTER: Duration = Duration::from_secs(60);

/// How much is played.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Nodes of each seed's world.
    pub nodes: u32,
    /// How long each world lasts after it was healed.
    pub healed: Duration,
    /// Nodes of the rolling upgrade.
    pub fleet: u32,
}

impl Default for Size {
    fn default() -> Self {
        Self {
            nodes: 4,
            healed: Duration::from_secs(300),
            fleet: 60,
        }
    }
}

/// What came of one contestant.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Nodes that were played.
    pub nodes: u64,
    /// Nodes that were not served again within [`Size::healed`] after everything was well.
    pub stuck: u64,
    /// Time in which a node's requests failed though a server was ready and reachable, all nodes together.
    pub isolated_ms: u64,
    /// Requests of callers and kubelets.
    pub requests: u64,
    /// Those that got no good answer though a server was ready and reachable when they began.
    pub failed: u64,
    /// Servers with an API, at their present address, that a node knew and gave up.
    pub wrong_removals: u64,
    /// Sessions that were reset while their server was ready and reachable.
    pub cut: u64,
    /// Sessions that were ended at a quiet moment while their server was ready and reachable (rebalancing).
    pub moved: u64,
    /// The most TLS handshakes of clients on one server within one second, in the rolling upgrade and the outage after it.
    pub herd: u32,
    /// Lasting sessions on the busiest server after a rolling upgrade, to the mean.
    pub busiest_per_mean: f64,
}

/// What came of all.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Comparison {
    /// Seeds that everybody played.
    pub seeds: u64,
    /// Jackline first.
    pub rows: Vec<Row>,
    /// Where a rival does better than jackline, in words.
    pub better: Vec<String>,
    /// Somebody lacks a part: it was stopped before its end.
    pub stopped: bool,
}

/// Plays `seeds` with everybody, on `threads` threads. `stop` ends it early, after the seeds under way.
pub fn compare(
    seeds: Range<u64>,
    size: Size,
    threads: usize,
    stop: &AtomicBool,
    progress: &(dyn Fn(Progress) + Sync),
) -> Comparison {
    let names: Vec<String> = contestants().iter().map(|one| one.name().to_owned()).collect();
    let rows = names.iter().map(|name| Row {
        name: name.clone(),
        ..Row::default()
    });
    let comparison = Mutex::new(Comparison {
        rows: rows.collect(),
        ..Comparison::default()
    });
    // The rolling upgrades first: one each.
    let seeds_of = usize::try_from(seeds.end.saturating_sub(seeds.start)).unwrap_or(usize::MAX);
    let of = seeds_of.saturating_add(names.len());
    let next = AtomicUsize::new(0);
    let done = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                let all = contestants();
                while !stop.load(Ordering::Relaxed) {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    if place >= of {
                        return;
                    }
                    let (seed, came) = match place.checked_sub(all.len()) {
                        None => (false, vec![upgrade::play(&all[place], size)]),
                        Some(place) => {
                            let seed = seeds.start + u64::try_from(place).unwrap_or(0);
                            (true, all.iter().map(|one| play(one, seed, size)).collect())
                        }
                    };
                    let mut comparison = comparison.lock().unwrap_or_else(PoisonError::into_inner);
                    comparison.seeds += u64::from(seed);
                    came.iter().for_each(|row| comparison.add(row));
                    drop(comparison);
                    let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                    progress(Progress {
                        done: u64::try_from(done).unwrap_or(u64::MAX),
                        of: u64::try_from(of).unwrap_or(u64::MAX),
                        failed: 0,
                    });
                }
            });
        }
    });
    let mut comparison = comparison.into_inner().unwrap_or_else(PoisonError::into_inner);
    comparison.stopped = done.into_inner() < of;
    comparison.better = table::better(&comparison.rows);
    comparison
}

impl Comparison {
    fn add(&mut self, came: &Row) {
        let Some(row) = self.rows.iter_mut().find(|row| row.name == came.name) else {
            return;
        };
        row.nodes += came.nodes;
        row.stuck += came.stuck;
        row.isolated_ms += came.isolated_ms;
        row.requests += came.requests;
        row.failed += came.failed;
        row.wrong_removals += came.wrong_removals;
        row.cut += came.cut;
        row.moved += came.moved;
        row.herd = row.herd.max(came.herd);
        row.busiest_per_mean = row.busiest_per_mean.max(came.busiest_per_mean);
    }
}

/// One seed's story with one contestant.
fn play(contestant: &Contestant, seed: u64, size: Size) -> Row {
    let mut story = Story::of(seed);
    populate(
        &mut story.world,
        contestant,
        size.nodes,
        &[ClientKind::Caller(Duration::from_secs(1))],
    );
    let mut world = World::new(&story.world, &contestant.kind, Telling::Nothing);
    world.plan_all(&story.faults);
    let mut known = Known::default();
    known.watch(&mut world, story.healed_at);
    world.heal();
    let limit = world.after(WHOLE_WITHIN);
    let whole = world.run_while(limit, World::is_whole).unwrap_or(limit);
    known.watch(&mut world, whole + size.healed);
    row_of(contestant, &world, known.wrong)
}

/// Gives a world the nodes that everybody has, joined as those of the world were.
fn populate(world: &mut WorldSpec, contestant: &Contestant, nodes: u32, besides: &[ClientKind]) {
    let Some(registration) = world.nodes.first().map(|node| node.registration) else {
        return;
    };
    let statics: Vec<SocketAddr> = (0..world.servers.len())
        .filter(|place| world.servers[*place].role != Role::EtcdOnly)
        .map(|place| WorldSpec::address(ServerId(place)))
        .collect();
    let mut clients = vec![ClientKind::Kubelet, ClientKind::Watcher, ClientKind::Watcher];
    clients.extend_from_slice(besides);
    let node = |number: u32| NodeSpec {
        sources: contestant.sources.clone(),
        statics: statics.clone(),
        outside: true,
        clients: clients.clone(),
        settings: Settings::default(),
        ..NodeSpec::usual(&format!("n{number}"), number, registration)
    };
    world.nodes = (1..=nodes).map(node).collect();
    world.anonymous = true;
}

/// Who knows whom, looked at again and again.
#[derive(Default)]
struct Known {
    by_node: Vec<Vec<SocketAddr>>,
    wrong: u64,
}

impl Known {
    /// Lets time pass until `end`, and counts servers that are given up though they are there.
    fn watch(&mut self, world: &mut World, end: Timestamp) {
        while world.now() < end && world.breach().is_none() {
            let next = world.after(LOOK).min(end);
            world.run_until(next);
            self.by_node.resize(world.nodes.len(), Vec::new());
            for (node, before) in world.nodes.iter().zip(&mut self.by_node) {
                let Some(mind) = &node.mind else {
                    // What a restart forgets is its own matter.
                    before.clear();
                    continue;
                };
                let known = mind.known().into_iter();
                let now: Vec<SocketAddr> = known
                    .filter(|(_, given_up)| !given_up)
                    .map(|(one, _)| one)
                    .collect();
                let plane = &world.scene.plane;
                let there = |address: &SocketAddr| {
                    let owner = plane.at(address.ip());
                    owner.is_some_and(|id| plane[id].has_api() && !plane[id].foreign)
                };
                let lost = before
                    .iter()
                    .filter(|address| !now.contains(address) && there(address));
                self.wrong += u64::try_from(lost.count()).unwrap_or(0);
                *before = now;
            }
        }
    }
}

fn row_of(contestant: &Contestant, world: &World, wrong_removals: u64) -> Row {
    let tallies = || world.nodes.iter().map(|node| &node.tally);
    let millis: u128 = tallies()
        .map(|tally| tally.out_until(world.now()).as_millis())
        .sum();
    Row {
        name: contestant.name().to_owned(),
        nodes: u64::try_from(world.nodes.len()).unwrap_or(0),
        stuck: u64::try_from(world.nodes.iter().filter(|node| is_stuck(world, node)).count()).unwrap_or(0),
        isolated_ms: u64::try_from(millis).unwrap_or(u64::MAX),
        requests: tallies().map(|tally| tally.requests).sum(),
        failed: tallies().map(|tally| tally.failed).sum(),
        wrong_removals,
        cut: tallies().map(|tally| tally.cut).sum(),
        moved: tallies().map(|tally| tally.moved).sum(),
        herd: 0,
        busiest_per_mean: 0.0,
    }
}

fn is_stuck(world: &World, node: &Node) -> bool {
    let now = world.now();
    let renewed = world
        .scene
        .plane
        .renewals
        .get(node.id.0)
        .copied()
        .unwrap_or_default();
    now.since(renewed) >= STUCK_AFTER || now.since(node.tally.answered) >= STUCK_AFTER
}
