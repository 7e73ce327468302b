//! What must hold once all is well again: every node attached, sessions where they belong, and rest.
//!
//! The times count from the moment when every server of the healed world is ready. A node that is isolated then must be
//! attached within 3 s (times the factor by which R1's caps are wider in a large fleet). One that is degraded forwards
//! its clients all the while, and is attached within the usual pace of probes: S5 says that a shared cause hastens nothing.

use std::time::Duration;

use jackline_core::{NodeState, SourceKind, Timestamp};

use crate::node::Node;
use crate::swarm::story::Failure;
use crate::world::World;

/// Servers take 2 s to start, and etcd elects; more would be the simulation's own fault.
const WHOLE_WITHIN: Duration = Duration::from_secs(40);
/// An isolated node is attached by then.
const ATTACHED_WITHIN: Duration = Duration::from_secs(3);
/// A node that knows no present address of a server with an API has to be told one first: a question under way is given up
/// after 4 s, and the next one is asked 5 s later at the latest (R1). That is room, too, for one that has read another CA than
/// today's and has to see that nobody verifies (H8), and for one whose every known address has fallen silent unseen: two short
/// tests and two usual ones, 7 s, and until then it takes itself for attached (decision 0006).
const TOLD_WITHIN: Duration = Duration::from_secs(9);
/// The usual pace of probes with its jitter (H7), and what a probe takes.
const USUAL_PACE: Duration = Duration::from_secs(34);
/// The longest that a flapping endpoint is held back (H4), and room for probes and lists under way.
const HELD_BACK: Duration = Duration::from_secs(60);
const ROOM: Duration = Duration::from_secs(40);
/// A server that lost writes is avoided for so long, with its jitter, after the Lease is renewed again.
const AVOIDED: Duration = Duration::from_secs(720);
/// Sessions are looked at this often.
const LOOK: Duration = Duration::from_secs(5);
/// For how long rest is watched.
const REST: Duration = Duration::from_secs(60);

/// The breach that the world has come to, if any.
pub(crate) fn breach_of(world: &World) -> Result<(), Failure> {
    match world.breach() {
        None => Ok(()),
        Some(breach) => Err(Failure {
            at_ms: breach.at.as_millis(),
            node: breach.node.clone(),
            what: breach.what.clone(),
        }),
    }
}

/// Heals the world and watches it come to rest.
pub(crate) fn heal(world: &mut World) -> Result<(), Failure> {
    world.heal();
    let limit = world.after(WHOLE_WITHIN);
    let whole = world.run_while(limit, World::is_whole);
    breach_of(world)?;
    let Some(whole) = whole else {
        return Err(failure(
            world,
            "",
            "simulation: the healed world is not whole".to_owned(),
        ));
    };
    attach(world, whole)?;
    settle(world, whole)?;
    rest(world)
}

fn attach(world: &mut World, whole: Timestamp) -> Result<(), Failure> {
    let wider = wider(world);
    let untold: Vec<String> = world
        .nodes
        .iter()
        .filter(|node| !knows_somebody(world, node) || node.distrusts(world.scene.plane.authority))
        .map(|node| node.spec.name.clone())
        .collect();
    world.run_until(whole + ATTACHED_WITHIN * wider);
    isolated(world, &untold)?;
    world.run_until(whole + ATTACHED_WITHIN * wider + TOLD_WITHIN);
    isolated(world, &[])?;
    world.run_until(whole + ATTACHED_WITHIN * wider + USUAL_PACE * if wider > 1 { 2 } else { 1 });
    breach_of(world)?;
    for node in &world.nodes {
        let state = node.state();
        if state != Some(hope(world, node)) {
            let what =
                format!("S5: {state:?} although every server has been ready for the usual pace of probes");
            return Err(failure(world, &node.spec.name, what));
        }
    }
    Ok(())
}

/// Who is isolated although it need not be, `but` for some.
fn isolated(world: &World, but: &[String]) -> Result<(), Failure> {
    breach_of(world)?;
    for node in &world.nodes {
        let isolated = matches!(node.state(), None | Some(NodeState::Isolated));
        if isolated && !but.contains(&node.spec.name) {
            let what = "R1: isolated although every server has been ready for long enough".to_owned();
            return Err(failure(world, &node.spec.name, what));
        }
    }
    Ok(())
}

/// Whether a node knows the present address of some server with an API, and has not given it up (M5).
fn knows_somebody(world: &World, node: &Node) -> bool {
    let known = node.mind.as_ref().map(|mind| mind.known()).unwrap_or_default();
    let servers = world.scene.plane.servers.iter();
    let mut useful = servers.filter(|server| server.has_api() && !server.foreign);
    useful.any(|server| known.contains(&(server.address(), false)))
}

/// The best that a node can hope for: without a credential that servers ask for it can only see that they live.
fn hope(world: &World, node: &Node) -> NodeState {
    match node.spec.credential || world.scene.plane.anonymous {
        true => NodeState::Attached,
        false => NodeState::Degraded,
    }
}

fn wider(world: &World) -> u32 {
    let fleet = world
        .nodes
        .first()
        .map_or(0, |node| node.spec.settings.fleet_size);
    1 + fleet / 1000
}

/// Sessions are on the right servers within the drain time, once the first choice has settled.
fn settle(world: &mut World, whole: Timestamp) -> Result<(), Failure> {
    let Some(settings) = world.nodes.first().map(|node| node.spec.settings.clone()) else {
        return Ok(());
    };
    let heartbeat = world
        .nodes
        .iter()
        .any(|node| node.spec.sources.contains(&SourceKind::Heartbeat));
    let due = whole
        + USUAL_PACE * 2
        + HELD_BACK
        + settings.settling_time
        + settings.drain_time * wider(world)
        + ROOM;
    let last = if heartbeat { due + AVOIDED } else { due };
    let mut misplaced = None;
    while world.now() < last {
        let next = world.after(LOOK);
        world.run_until(next);
        breach_of(world)?;
        // D2: sessions go back to a first choice that is ready; who can only see that servers live has none.
        let mut hopeful = world
            .nodes
            .iter()
            .filter(|node| hope(world, node) == NodeState::Attached);
        misplaced = hopeful.find_map(misplaced_session);
        if misplaced.is_none() {
            break;
        }
    }
    if let Some((node, what)) = misplaced {
        return Err(failure(world, &node, what));
    }
    for node in &world.nodes {
        let began = node.tally.failed_began;
        if began > whole + ATTACHED_WITHIN * wider(world) + TOLD_WITHIN {
            let what = format!("S6: a request that began at {began} failed although every server was ready");
            return Err(failure(world, &node.spec.name, what));
        }
    }
    Ok(())
}

/// A lasting session that is not on the node's first choice.
fn misplaced_session(node: &Node) -> Option<(String, String)> {
    let first = node.mind.as_ref()?.candidates().first()?.endpoint;
    let lasting = node
        .sessions
        .values()
        .filter(|session| node.is_lasting(session.client));
    let misplaced = lasting
        .map(|session| session.endpoint)
        .find(|endpoint| *endpoint != first)?;
    let what = format!("D2: a session stays with {misplaced}, the first choice is {first}");
    Some((node.spec.name.clone(), what))
}

/// Nothing is left behind: tests and questions have their usual pace again.
fn rest(world: &mut World) -> Result<(), Failure> {
    let before: Vec<(u64, u64)> = counts(world);
    let end = world.after(REST);
    world.run_until(end);
    breach_of(world)?;
    let pairs = before.into_iter().zip(counts(world));
    for (node, ((probes, refreshes), (probes_now, refreshes_now))) in world.nodes.iter().zip(pairs) {
        let known = node.mind.as_ref().map_or(0, |mind| mind.known().len());
        let sources = node.spec.sources.len();
        // In use 13.5 s at the least; callers' sessions come and go, and each end of one may ask a question (H3).
        let probes_most = u64::try_from(known * 6 + 6).unwrap_or(u64::MAX);
        // A name that holds for 30 s and an import that tells nothing each 10 s are the busiest.
        let refreshes_most = u64::try_from(sources * 8).unwrap_or(u64::MAX);
        if probes_now - probes > probes_most || refreshes_now - refreshes > refreshes_most {
            let what = format!(
                "rest: {} probes of {known} endpoints and {} refreshes of {sources} sources in a minute",
                probes_now - probes,
                refreshes_now - refreshes
            );
            return Err(failure(world, &node.spec.name, what));
        }
        if node.under_way() > UNDER_WAY_MAX {
            let what = format!("rest: {} pieces of work are under way", node.under_way());
            return Err(failure(world, &node.spec.name, what));
        }
    }
    Ok(())
}

/// What may be under way in a world at rest: a probe, a question, a caller's dial or two.
const UNDER_WAY_MAX: usize = 8;

fn counts(world: &World) -> Vec<(u64, u64)> {
    let count = |node: &Node| (node.tally.probes, node.tally.refreshes);
    world.nodes.iter().map(count).collect()
}

fn failure(world: &World, node: &str, what: String) -> Failure {
    Failure {
        at_ms: world.now().as_millis(),
        node: node.to_owned(),
        what,
    }
}
