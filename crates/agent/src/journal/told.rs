//! What people were told, read back from a journal: the announcements of its segments, with their times by the wall clock.
//!
//! The journal holds facts; what was told follows from them, so a segment is played on a copy of its checkpoint. A segment
//! that cannot be played (another version's, a damaged one) is a remark, and the next one goes on.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jackline_core::{Action, Announcement, Level, Subject, Timestamp};
use serde::{Deserialize, Serialize};

use super::replay::{Replay, replay, segments};
use crate::clock::wall_of;

/// So many of a journal's newest announcements are given at most.
pub const TOLD_MAX: usize = 100_000;

/// An announcement. Its fields are a promise, as those of `status` are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// When, by the wall clock as it was when the segment was begun; `null`: that clock showed a time that no calendar has.
    pub at: Option<jiff::Timestamp>,
    /// Which kind, as in `docs/events.md`.
    pub event: String,
    /// `debug`, `info`, `warn` or `error`.
    pub level: String,
    /// The endpoint that it is about.
    pub endpoint: Option<std::net::SocketAddr>,
    /// The source that it is about.
    pub source: Option<String>,
    /// What changed and why, without the subject.
    pub text: String,
}

/// What was read.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// The announcements, the oldest first.
    pub told: Vec<Told>,
    /// What could not be read, a sentence each.
    pub remarks: Vec<String>,
}

/// A reader of one journal, which can look again for what came since.
#[derive(Debug)]
pub struct Reader {
    dir: PathBuf,
    /// The newest segment that was looked at, its size then, and how many announcements of it were given.
    seen: Option<(PathBuf, u64, usize)>,
}

impl Reader {
    /// Of the journal in the state folder `dir`.
    pub fn new(state_dir: &Path) -> Self {
        Self {
            dir: state_dir.join("journal"),
            seen: None,
        }
    }

    /// What is in the journal that was not given before.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn read(&mut self) -> io::Result<Account> {
        let mut account = Account::default();
        let all = segments(&self.dir)?;
        let from = match &self.seen {
            Some((path, _, _)) => all.iter().position(|one| one == path).unwrap_or(0),
            None => 0,
        };
        for path in all.get(from..).unwrap_or_default() {
            self.look(path, &mut account);
        }
        let excess = account.told.len().saturating_sub(TOLD_MAX);
        account.told.drain(..excess);
        Ok(account)
    }

    fn look(&mut self, path: &Path, account: &mut Account) {
        let size = std::fs::metadata(path).map_or(0, |found| found.len());
        let given = match &self.seen {
            Some((seen, before, given)) if seen == path => match *before == size {
                true => return,
                false => *given,
            },
            _ => 0,
        };
        let (told, fault) = play(path);
        self.seen = Some((path.to_owned(), size, told.len()));
        account.told.extend(told.into_iter().skip(given));
        account.remarks.extend(fault);
    }
}

/// All that one segment tells, and why it ends early, if it does.
fn play(path: &Path) -> (Vec<Told>, Option<String>) {
    let remark = |error: &dyn std::error::Error| Some(format!("{}: {error}", path.display()));
    let segment = match replay(path) {
        Ok(segment) => segment,
        // It has just been begun, or was removed to make room.
        Err(super::replay::ReplayError::Read(_)) => return (Vec::new(), None),
        Err(error) => return (Vec::new(), remark(&error)),
    };
    let mut told = Vec::new();
    let fault = tell_all(segment, &mut told).err();
    (told, fault.and_then(|error| remark(&error)))
}

fn tell_all<R: io::BufRead>(
    segment: Replay<R>,
    told: &mut Vec<Told>,
) -> Result<(), super::replay::ReplayError> {
    let (began, wall) = (segment.header.at, segment.header.wall.map(SystemTime::from));
    let names: Vec<String> = segment
        .header
        .settings
        .sources
        .iter()
        .map(|spec| spec.name.clone())
        .collect();
    let time = |at: Timestamp| wall.and_then(|wall| wall_of(at, began, wall));
    segment.play(|line, _, actions| {
        let announcements = actions.iter().filter_map(|action| match action {
            Action::Announce(announcement) => Some(announcement),
            _ => None,
        });
        told.extend(announcements.map(|announcement| one(announcement, time(line.at), &names)));
    })?;
    Ok(())
}

fn one(announcement: &Announcement, at: Option<jiff::Timestamp>, names: &[String]) -> Told {
    let (endpoint, source) = match &announcement.subject {
        Subject::Node => (None, None),
        Subject::Endpoint(address) => (Some(*address), None),
        Subject::Source(id) => (None, names.get(usize::from(id.0)).cloned()),
    };
    let level = match announcement.level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    };
    Told {
        at,
        event: announcement.notice.name().to_owned(),
        level: level.to_owned(),
        endpoint,
        source,
        text: announcement.text.clone(),
    }
}

#[cfg(test)]
mod tests;
