//! From a state: some servers are healed, nothing else goes wrong, and the client must be served in time.

use std::time::Duration;

use jackline_core::Jitter;

use super::cast::{SERVERS, address};
use super::subject::Subject;
use super::world::{Life, World};

/// After so long without a served client the state is stuck, not slow.
const STUCK_AFTER: Duration = Duration::from_secs(300);

/// Which servers are healed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Heal {
    /// All that are down.
    All,
    /// One control plane; the others stay as they are.
    One(usize),
}

/// How a heal ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ended {
    /// The client was served after so long.
    Served(Duration),
    /// It was, but later than the subject's own caps allow.
    TooLate(Duration),
    /// It was not, for the subject does not know the healed server any more.
    Forgotten,
    /// It was not, though the subject knows the healed server.
    NotUsed,
}

impl<S: Subject> World<'_, S> {
    /// The heals that make a difference here.
    pub(super) fn heals(&self) -> Vec<Heal> {
        let down = |server: &usize| self.servers[*server].life != Life::Up;
        let ones = self.setting.cast.control_planes().filter(down);
        let mut heals: Vec<Heal> = ones.map(Heal::One).collect();
        let all_down = (0..SERVERS).filter(down).count();
        // One heal that is the same as healing all need not be played twice.
        if heals.len() != 1 || all_down != 1 {
            heals.push(Heal::All);
        }
        heals
    }

    /// Plays a heal, with all draws of chance at their latest.
    /// Also the first law that was broken on the way.
    pub(super) fn healed(&self, heal: Heal) -> (Ended, Option<String>) {
        self.clone().heal(heal)
    }

    pub(super) fn heal(&mut self, heal: Heal) -> (Ended, Option<String>) {
        let world = self;
        world.node.choose_jitter(Jitter::Late);
        let meant: Vec<usize> = match heal {
            Heal::One(server) => vec![server],
            Heal::All => (0..SERVERS).collect(),
        };
        for &server in &meant {
            if world.servers[server].life != Life::Up {
                world.bring_up(server);
            }
        }
        let planes: Vec<usize> = meant
            .into_iter()
            .filter(|&server| world.setting.cast.serves_api(server))
            .collect();
        let caps = planes.iter().map(|&server| world.node.cap(address(server)));
        let cap = caps.min().unwrap_or_default();
        let start = world.now;
        let served = world.run_until(start + STUCK_AFTER, |world| {
            world.node.believes_attached() && world.is_served()
        });
        let took = world.now.since(start);
        let ended = match served {
            true if took <= cap => Ended::Served(took),
            true => Ended::TooLate(took),
            false => {
                let candidates = world.node.candidates();
                let known = planes.iter().any(|&server| candidates.contains(&address(server)));
                if known { Ended::NotUsed } else { Ended::Forgotten }
            }
        };
        let breach = world.breach.take().or_else(|| world.node.breach_at_rest());
        (ended, breach)
    }
}
