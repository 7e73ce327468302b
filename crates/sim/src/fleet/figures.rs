//! What is counted in a fleet's world, and which targets it meets.

use std::time::Duration;

use jackline_core::Timestamp;
use serde::Serialize;

use super::play::Play;
use crate::meter::Meter;
use crate::world::World;

/// Up to so many nodes all are attached within [`SOON`], and of a supervisor's places no more than [`PLACES_MAX`] are ours.
const SMALL: u32 = 1000;
const SOON: u64 = 1200;
/// Beyond, 99 of 100 are within this time, in milliseconds.
const LATER: u64 = 5000;
const PLACES_MAX: u32 = crate::meter::PLACES / 4;
/// Requests of ours a second on one server for each 100 nodes; with `fleet-size` told.
const STEADY: f64 = 5.0;
const STEADY_TOLD: f64 = 2.5;
/// Sessions on the busiest server to the mean, to what perfect hashing gives.
const SPREAD: f64 = 1.05;

/// What came of one play.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Servers with an API.
    pub servers: usize,
    /// What was played, in words.
    pub play: &'static str,
    /// How late nodes that were not attached became so, if any.
    pub attached: Option<Late>,
    /// Nodes that are not attached at the end.
    pub lost: u64,
    /// The most within a second on one server: TLS handshakes of ours, of clients, TCP connections taken and refused.
    pub handshakes_ours: u32,
    /// Of clients' sessions.
    pub handshakes_clients: u32,
    /// Both kinds.
    pub connects: u32,
    /// By the kernel of a server whose process is down.
    pub refused: u32,
    /// Requests of ours a second on the busiest server, on the mean over the play, for each 100 nodes.
    pub requests_per_100: f64,
    /// The most of a supervisor's twenty places that our questions took, and how many questions found none.
    pub places: u32,
    /// Questions that found no place.
    pub turned_away: u64,
    /// Requests of clients that failed though a server was ready and reachable.
    pub failed: u64,
    /// Sessions on the busiest server to the mean, before and after.
    pub busiest_per_mean: (f64, f64),
    /// What was aimed at.
    pub targets: Vec<Target>,
    /// How much happened.
    pub steps: u64,
    /// How much time passed for all nodes together, in seconds of the world.
    pub node_seconds: u64,
}

/// How late nodes were, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Late {
    /// How many.
    pub nodes: usize,
    /// Half were earlier.
    pub median: u64,
    /// 99 of 100 were.
    pub p99: u64,
    /// All were, or then.
    pub last: u64,
}

/// Something that was aimed at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Target {
    /// What.
    pub what: &'static str,
    /// What it came to.
    pub value: f64,
    /// What it may come to at most.
    pub limit: f64,
    /// Whether it does not come to more.
    pub met: bool,
}

impl Target {
    fn at_most(what: &'static str, value: f64, limit: f64) -> Self {
        let met = value <= limit;
        Self {
            what,
            value,
            limit,
            met,
        }
    }
}

/// What a play is measured from.
pub(super) struct Measured {
    pub(super) play: Play,
    pub(super) nodes: u32,
    pub(super) servers: usize,
    /// Since when counts are taken, and from when lateness counts.
    pub(super) since: Timestamp,
    pub(super) due: Timestamp,
    pub(super) spread_before: f64,
}

impl Measured {
    pub(super) fn figures(&self, world: &World) -> Figures {
        let meters = || world.scene.plane.servers.iter().map(|server| &server.meter);
        let peak = |of: fn(&Meter) -> u32| meters().map(of).max().unwrap_or(0);
        let seconds = f64::from(seconds(world.now().since(self.since))).max(1.0);
        let busiest = meters().map(|meter| meter.requests.total).max().unwrap_or(0);
        let busiest = f64::from(u32::try_from(busiest).unwrap_or(u32::MAX));
        let mut figures = Figures {
            servers: self.servers,
            play: self.play.words(),
            attached: self.late(world),
            lost: count(
                world
                    .nodes
                    .iter()
                    .filter(|node| node.tally.attached.is_none())
                    .count(),
            ),
            handshakes_ours: peak(|meter| meter.ours.peak),
            handshakes_clients: peak(|meter| meter.clients.peak),
            connects: peak(|meter| meter.connects.peak),
            refused: peak(|meter| meter.refused.peak),
            requests_per_100: busiest / seconds * 100.0 / f64::from(self.nodes),
            places: peak(|meter| meter.places_peak),
            turned_away: meters().map(|meter| meter.turned_away).sum(),
            failed: world.nodes.iter().map(|node| node.tally.failed).sum(),
            busiest_per_mean: (self.spread_before, world.busiest_per_mean()),
            targets: Vec::new(),
            steps: world.steps(),
            node_seconds: u64::from(self.nodes) * (world.now().as_millis() / 1000),
        };
        figures.targets = self.targets(&figures);
        figures
    }

    /// Those that became attached after the play began.
    fn late(&self, world: &World) -> Option<Late> {
        let attached = world.nodes.iter().filter_map(|node| node.tally.attached);
        let mut late: Vec<u64> = attached
            .filter(|at| *at >= self.since)
            .map(|at| u64::try_from(at.since(self.due).as_millis()).unwrap_or(u64::MAX))
            .collect();
        late.sort_unstable();
        let of = |per_cent: usize| late.get((late.len() * per_cent / 100).min(late.len().wrapping_sub(1)));
        Some(Late {
            nodes: late.len(),
            median: *of(50)?,
            p99: *of(99)?,
            last: *late.last()?,
        })
    }

    fn targets(&self, figures: &Figures) -> Vec<Target> {
        let mut targets = Vec::new();
        let small = self.nodes <= SMALL;
        let millis = |millis: u64| f64::from(u32::try_from(millis).unwrap_or(u32::MAX));
        if self.play.isolates() {
            let late = figures
                .attached
                .map_or((u64::MAX, u64::MAX), |late| (late.last, late.p99));
            targets.push(match small {
                true => Target::at_most("all attached, ms", millis(late.0), millis(SOON)),
                false => Target::at_most("99 % attached, ms", millis(late.1), millis(LATER)),
            });
            if !small {
                let half = f64::from(self.nodes / 2);
                let ours = f64::from(figures.handshakes_ours);
                targets.push(Target::at_most("handshakes of ours in a second", ours, half));
            }
        }
        match self.play {
            Play::Steady => targets.push(Target::at_most(
                "requests per 100 nodes",
                figures.requests_per_100,
                STEADY,
            )),
            Play::SteadyTold => {
                targets.push(Target::at_most(
                    "requests per 100 nodes",
                    figures.requests_per_100,
                    STEADY_TOLD,
                ));
            }
            Play::RollingUpgrade => {
                let (before, after) = figures.busiest_per_mean;
                targets.push(Target::at_most("busiest/mean", after, before * SPREAD));
            }
            _ => {}
        }
        if small {
            let places = f64::from(figures.places);
            targets.push(Target::at_most(
                "supervisor's places",
                places,
                f64::from(PLACES_MAX),
            ));
        }
        targets.push(Target::at_most("nodes lost", millis(figures.lost), 0.0));
        targets
    }
}

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn seconds(span: Duration) -> u32 {
    u32::try_from(span.as_secs()).unwrap_or(u32::MAX)
}
