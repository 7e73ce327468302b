//! What is remembered across restarts (P1–P5): one file, written whole and at once, read at start as hints.
//!
//! Here are its two halves on disk, reading and replacing. [`format`](mod@format) knows the bytes; [`saver`] decides
//! when it is written and what happens when it cannot be.

pub(crate) mod format;
pub(crate) mod saver;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jackline_core::Record;

use self::format::{FILE_MAX, Kin, Memory, Unusable};
use crate::clock::calendar;
use crate::files::Files;

/// The file's name in the state folder.
const NAME: &str = "state.json";
/// Where the next one is written; what a killed process left there is overwritten.
const TEMPORARY: &str = "state.json.tmp";
/// Files set aside begin so.
const ASIDE: &str = "state.json.";
/// So many files set aside are kept; the oldest go first.
const ASIDE_MAX: usize = 8;

/// What was found at start.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Found {
    /// What it holds, if there was a file that could be used.
    pub(crate) memory: Option<Memory>,
    /// What was wrong, in words.
    pub(crate) note: Option<String>,
    /// The file cannot be used and could not be set aside: it must not be written over before it is.
    pub(crate) in_the_way: Option<&'static str>,
}

impl Found {
    /// Judges whose the file is (P2), today's CA keys being `cluster`, and tells in the note where it is not ours.
    /// Gives the hints for the core, and whether they are trusted.
    pub(crate) fn judge(&mut self, cluster: &[String]) -> Vec<(Vec<Record>, bool)> {
        let Some(memory) = &mut self.memory else {
            return Vec::new();
        };
        let kin = memory.kin(cluster);
        if kin == Kin::Foreign {
            memory
                .endpoints
                .iter_mut()
                .for_each(|entry| entry.unverified = true);
        }
        let why = match kin {
            Kin::Ours => None,
            Kin::Unknown => Some("today's CA is not known, so the state file cannot be compared with it"),
            Kin::Foreign => Some("the state file shares no CA key with today's CA"),
        };
        if let Some(why) = why {
            self.note = Some(format!(
                "{why}: its addresses are unverified hints, tried after all others"
            ));
        }
        let hints = [
            (memory.records(false), kin == Kin::Ours),
            (memory.records(true), false),
        ];
        hints
            .into_iter()
            .filter(|(records, _)| !records.is_empty())
            .collect()
    }
}

/// Reads the file in `dir`. Never fails: what cannot be used is set aside under a new name and told.
pub(crate) fn read(files: &dyn Files, dir: &Path) -> Found {
    let path = path(dir);
    let unusable = match files.read(&path, FILE_MAX + 1) {
        Ok(bytes) => match format::decode(&bytes) {
            Ok(memory) => {
                return Found {
                    memory: Some(memory),
                    ..Found::default()
                };
            }
            Err(unusable) => unusable,
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Found::default(),
        Err(error) => Unusable::Unreadable(error.to_string()),
    };
    let word = match &unusable {
        Unusable::Unreadable(_) => "unreadable",
        Unusable::Damaged(_) => "damaged",
        Unusable::Future(_) => "future",
    };
    match set_aside(files, dir, word) {
        Ok(name) => Found {
            note: Some(format!("{unusable}; it was set aside as {name}")),
            ..Found::default()
        },
        Err(error) => Found {
            note: Some(format!("{unusable}; it could not be set aside: {error}")),
            in_the_way: Some(word),
            ..Found::default()
        },
    }
}

/// Renames the file, so that the next one does not overwrite it. Gives its new name.
pub(crate) fn set_aside(files: &dyn Files, dir: &Path, word: &str) -> io::Result<String> {
    let name = aside_name(word);
    files.rename(&path(dir), &dir.join(&name))?;
    bound_aside(files, dir);
    Ok(name)
}

/// Keeps a copy of the file aside; the file itself stays until the next one replaces it. Gives the copy's path; `None`:
/// there is no file.
pub(crate) fn keep_aside(files: &dyn Files, dir: &Path, word: &str) -> io::Result<Option<PathBuf>> {
    let bytes = match files.read(&path(dir), FILE_MAX + 1) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let copy = dir.join(aside_name(word));
    files.write(&copy, 0, &bytes)?;
    files.sync(&copy)?;
    bound_aside(files, dir);
    Ok(Some(copy))
}

fn aside_name(word: &str) -> String {
    let time = calendar(SystemTime::now()).map_or_else(String::new, |time| {
        time.to_string().chars().filter(|c| *c != ':').collect()
    });
    format!("{ASIDE}{word}-{time}")
}

/// Removes the oldest files set aside, where there are too many. Those that cannot be removed do no harm.
fn bound_aside(files: &dyn Files, dir: &Path) {
    if let Ok(list) = files.list(dir) {
        let mut aside: Vec<String> = list
            .into_iter()
            .map(|(name, _)| name)
            .filter(|name| name.starts_with(ASIDE) && name != TEMPORARY)
            .collect();
        // By their times, not by what was wrong with them.
        aside.sort_by_key(|name| name.split_once('-').map(|(_, time)| time.to_owned()));
        for old in aside.iter().rev().skip(ASIDE_MAX) {
            let _ = files.remove(&dir.join(old));
        }
    }
}

/// Replaces the file: afterwards it is the new one, and on any error, or at a loss of power, the old one or the new one.
pub(crate) fn replace(files: &dyn Files, dir: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = dir.join(TEMPORARY);
    files.make_dir(dir)?;
    files.write(&temporary, 0, bytes)?;
    files.sync(&temporary)?;
    files.rename(&temporary, &path(dir))?;
    files.sync(dir)
}

/// Where the file is.
pub(crate) fn path(dir: &Path) -> PathBuf {
    dir.join(NAME)
}
