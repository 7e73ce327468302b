//! What a search found, and how it is told.

use std::fmt;
use std::time::Duration;

use jackline_core::Jitter;

use super::Limits;
use super::cast::{Cast, name};
use super::heal::{Ended, Heal};
use super::moves::Move;

/// One level of the search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Moves from the start.
    pub depth: u32,
    /// States that were not come to with fewer moves.
    pub states: usize,
    /// Time from the start of the search to the end of the level.
    pub took: Duration,
}

/// A shortest way into a state, and the heal that shows what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The moves, from a calm cluster on.
    pub moves: Vec<Move>,
    /// Where the draws of chance fell in each.
    pub draws: Vec<Jitter>,
    /// The heal that did not help.
    pub heal: Option<Heal>,
}

/// What a search found.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Who played.
    pub cast: Cast,
    /// How far it was to go.
    pub limits: Limits,
    /// States, all different by their key.
    pub states: usize,
    /// Moves that were played.
    pub moves: u64,
    /// Heals that were played.
    pub heals: u64,
    /// States from which some heal never led to a served client.
    pub stuck: usize,
    /// States from which some heal led to it later than the caps allow.
    pub late: usize,
    /// States in which one of the subject's laws was broken on the way.
    pub breaches: usize,
    /// The longest time from a heal to a served client.
    pub slowest: Duration,
    /// The levels.
    pub levels: Vec<Level>,
    /// First states from which a heal led nowhere, for the healed server was forgotten.
    pub forgotten: Vec<(Ended, Way)>,
    /// … though the healed server was known.
    pub not_used: Vec<(Ended, Way)>,
    /// First states from which a heal led to a served client too late.
    pub too_late: Vec<(Ended, Way)>,
    /// First states in which a law was broken, and the law.
    pub broken: Vec<(String, Way)>,
    /// The bound that ended the search before its depth.
    pub cut_short: Option<&'static str>,
    /// How long it took.
    pub took: Duration,
}

impl Outcome {
    pub(super) fn new(cast: Cast, limits: Limits) -> Self {
        Self {
            cast,
            limits,
            states: 0,
            moves: 0,
            heals: 0,
            stuck: 0,
            late: 0,
            breaches: 0,
            slowest: Duration::ZERO,
            levels: Vec::new(),
            forgotten: Vec::new(),
            not_used: Vec::new(),
            too_late: Vec::new(),
            broken: Vec::new(),
            cut_short: None,
            took: Duration::ZERO,
        }
    }

    pub(super) fn count(&mut self, ended: Ended) {
        match ended {
            Ended::Forgotten | Ended::NotUsed => self.stuck += 1,
            Ended::TooLate(_) => self.late += 1,
            Ended::Served(_) => {}
        }
    }

    /// Whether nothing is wrong with any state, and all were seen.
    pub fn is_good(&self) -> bool {
        self.stuck == 0 && self.late == 0 && self.breaches == 0 && self.cut_short.is_none()
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, chosen) in self.moves.iter().enumerate() {
            writeln!(f, "    {}. {chosen}", index + 1)?;
        }
        match self.heal {
            Some(Heal::All) => writeln!(f, "    then all servers are healed"),
            Some(Heal::One(server)) => writeln!(f, "    then {} is healed", name(server)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}: depth {}: {} states by {} moves, {} heals played, in {:.1} s on {} threads",
            self.cast.name,
            self.limits.depth,
            self.states,
            self.moves,
            self.heals,
            self.took.as_secs_f64(),
            self.limits.threads
        )?;
        if let Some(bound) = self.cut_short {
            writeln!(f, "  cut short by {bound}: deeper states were not seen")?;
        }
        writeln!(
            f,
            "  {} from which a heal does not lead to a served client, {} from which it comes too late, {} with a broken law; \
             slowest recovery {:.2} s",
            self.stuck,
            self.late,
            self.breaches,
            self.slowest.as_secs_f64()
        )?;
        if let Some((_, way)) = self.forgotten.first() {
            write!(
                f,
                "  shortest way to where the healed server is forgotten:\n{way}"
            )?;
        }
        if let Some((_, way)) = self.not_used.first() {
            write!(
                f,
                "  shortest way to where the healed server is known and not used:\n{way}"
            )?;
        }
        if let Some((Ended::TooLate(took), way)) = self.too_late.first() {
            let took = took.as_secs_f64();
            write!(f, "  shortest way to where it takes {took:.2} s:\n{way}")?;
        }
        if let Some((law, way)) = self.broken.first() {
            write!(f, "  shortest way to a broken law ({law}):\n{way}")?;
        }
        Ok(())
    }
}
