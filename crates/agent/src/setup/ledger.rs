//! The record of what setup changed: which files, with their bytes from before and after. It is written before anything is
//! changed, so that whatever happens in between can be taken back.
//!
//! It lies in `/etc/jackline/setup`, with the bytes in files beside it. Each writing has files of its own; those of the last
//! one are removed when the new record stands.

use std::io;

use serde::{Deserialize, Serialize};

use super::disk::{self, Stamp};
use super::{Mode, SetupError};
use crate::profile::host::{Host, Reading};

/// The folder of the record.
pub(crate) const FOLDER: &str = "/etc/jackline/setup";
const FILE: &str = "/etc/jackline/setup/ledger.json";
const FORMAT: &str = "jackline-setup";
const VERSION: u32 = 1;
/// So many files a setup may change.
const ENTRIES_MAX: usize = 16;

/// A file that setup changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Where.
    pub(crate) path: String,
    /// As it was; `None`: it was not there.
    pub(crate) before: Option<(Vec<u8>, Stamp)>,
    /// As setup wrote it.
    pub(crate) after: Vec<u8>,
}

/// What has become of an entry's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Now {
    /// As it was before.
    Before,
    /// As setup wrote it.
    After,
    /// Somebody else changed it.
    Changed,
}

impl Entry {
    /// What has become of it.
    pub(crate) fn now(&self, disk: &Host) -> Now {
        let before = self.before.as_ref().map(|(bytes, _)| bytes);
        match disk.read(&self.path) {
            Reading::Bytes(bytes) if bytes == self.after => Now::After,
            Reading::Bytes(bytes) if Some(&bytes) == before => Now::Before,
            Reading::Missing if before.is_none() => Now::Before,
            _ => Now::Changed,
        }
    }
}

/// The record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ledger {
    pub(crate) generation: u64,
    pub(crate) mode: Mode,
    /// What is to be done when the files have changed, in either direction.
    pub(crate) afterwards: Option<String>,
    pub(crate) entries: Vec<Entry>,
    /// Folders that setup made, the topmost first.
    pub(crate) folders: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    format: String,
    version: u32,
    generation: u64,
    mode: Mode,
    afterwards: Option<String>,
    entries: Vec<WrittenEntry>,
    folders: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenEntry {
    path: String,
    before: Option<Stamp>,
}

impl Ledger {
    /// Reads the record; `None`: nothing is set up.
    pub(crate) fn read(disk: &Host) -> Result<Option<Self>, SetupError> {
        let Some(bytes) = part(disk, FILE)? else {
            return Ok(None);
        };
        let written: Written =
            serde_json::from_slice(&bytes).map_err(|error| damaged(FILE, error.to_string()))?;
        if written.format != FORMAT || written.version != VERSION || written.entries.len() > ENTRIES_MAX {
            return Err(damaged(FILE, "another version of jackline wrote it".to_owned()));
        }
        let mut entries = Vec::new();
        for (index, entry) in written.entries.into_iter().enumerate() {
            let needed =
                |path: String| part(disk, &path)?.ok_or_else(|| damaged(&path, "it is not there".to_owned()));
            let before = match entry.before {
                Some(stamp) => Some((needed(backup(written.generation, index, "before"))?, stamp)),
                None => None,
            };
            let after = needed(backup(written.generation, index, "after"))?;
            entries.push(Entry {
                path: entry.path,
                before,
                after,
            });
        }
        Ok(Some(Self {
            generation: written.generation,
            mode: written.mode,
            afterwards: written.afterwards,
            entries,
            folders: written.folders,
        }))
    }

    /// The entry of `path`.
    pub(crate) fn entry(&self, path: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.path == path)
    }

    /// Where the bytes from before are kept, for people.
    pub(crate) fn backup_of(&self, path: &str) -> Option<String> {
        let index = self.entries.iter().position(|entry| entry.path == path)?;
        let entry = &self.entries[index];
        entry
            .before
            .as_ref()
            .map(|_| backup(self.generation, index, "before"))
    }

    /// Writes the record, after everything that it refers to.
    pub(crate) fn write(&self, disk: &Host) -> Result<(), SetupError> {
        for folder in disk::missing_folders(disk, FILE) {
            disk::make_folder(disk, &folder)?;
        }
        for (index, entry) in self.entries.iter().enumerate() {
            if let Some((bytes, _)) = &entry.before {
                disk::put(disk, &backup(self.generation, index, "before"), bytes, None)?;
            }
            disk::put(disk, &backup(self.generation, index, "after"), &entry.after, None)?;
        }
        let written = Written {
            format: FORMAT.to_owned(),
            version: VERSION,
            generation: self.generation,
            mode: self.mode,
            afterwards: self.afterwards.clone(),
            entries: self
                .entries
                .iter()
                .map(|entry| WrittenEntry {
                    path: entry.path.clone(),
                    before: entry.before.as_ref().map(|(_, stamp)| *stamp),
                })
                .collect(),
            folders: self.folders.clone(),
        };
        let mut text = serde_json::to_vec_pretty(&written)
            .map_err(|error| disk::failed(FILE, "written", io::Error::other(error)))?;
        text.push(b'\n');
        disk::put(disk, FILE, &text, None)?;
        self.sweep(disk)
    }

    /// Removes the files of other writings.
    fn sweep(&self, disk: &Host) -> Result<(), SetupError> {
        let mine = format!("{}-", self.generation);
        for name in disk.names(FOLDER).unwrap_or_default() {
            let is_backup = name.ends_with(".before") || name.ends_with(".after");
            if is_backup && !name.starts_with(&mine) {
                disk::remove(disk, &format!("{FOLDER}/{name}"))?;
            }
        }
        Ok(())
    }

    /// Removes the record, itself first, so that a rest of it means nothing; then the folders that setup made.
    pub(crate) fn remove(&self, disk: &Host) -> Result<(), SetupError> {
        disk::remove(disk, FILE)?;
        for name in disk.names(FOLDER).unwrap_or_default() {
            if name.ends_with(".before") || name.ends_with(".after") {
                disk::remove(disk, &format!("{FOLDER}/{name}"))?;
            }
        }
        disk::remove_empty(disk, FOLDER);
        for folder in self.folders.iter().rev() {
            disk::remove_empty(disk, folder);
        }
        Ok(())
    }
}

fn backup(generation: u64, index: usize, what: &str) -> String {
    format!("{FOLDER}/{generation}-{index}.{what}")
}

fn part(disk: &Host, path: &str) -> Result<Option<Vec<u8>>, SetupError> {
    match disk.read(path) {
        Reading::Bytes(bytes) => Ok(Some(bytes)),
        Reading::Missing => Ok(None),
        Reading::Unreadable(words) => Err(damaged(path, words)),
    }
}

fn damaged(path: &str, what: String) -> SetupError {
    SetupError::Ledger {
        path: path.to_owned(),
        what,
    }
}
