//! The bytes of the state file: JSON with a version and a checksum. Knows nothing of disks.
//!
//! ```json
//! {"format":"jackline-state","version":1,"crc32":"89abcdef","body":{ … }}
//! ```
//!
//! The checksum is of the body's very bytes. Described in `docs/decisions/0005-journal-and-state-formats.md`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use jackline_core::{Record, Timestamp};
use jiff::Timestamp as Time;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::clock::{calendar, wall_of};

/// A larger file is not ours.
pub(crate) const FILE_MAX: u64 = 4 << 20;
/// The version that is written, and the newest that is read.
pub(crate) const VERSION: u32 = 1;
const FORMAT: &str = "jackline-state";

/// What the file holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Memory {
    /// When it was written, for people.
    pub(crate) written: Option<Time>,
    /// By which program.
    pub(crate) writer: String,
    /// SHA-256 of each of the cluster's CA keys, in hex.
    pub(crate) cluster: Vec<String>,
    /// The endpoints.
    pub(crate) endpoints: Vec<Entry>,
}

/// One endpoint. Ages add up attached running time and decide; times are for people (P5).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    pub(crate) address: SocketAddr,
    pub(crate) archived: bool,
    pub(crate) seen_by: Vec<String>,
    pub(crate) node: Option<String>,
    pub(crate) zone: Option<String>,
    /// It came from another cluster's file (P2), and neither a source nor a test has spoken for it since.
    pub(crate) unverified: bool,
    pub(crate) unlisted_for_ms: Option<u64>,
    pub(crate) node_gone_for_ms: Option<u64>,
    pub(crate) archived_for_ms: Option<u64>,
    pub(crate) last_seen: Option<Time>,
    pub(crate) last_ready: Option<Time>,
}

/// What is known of an endpoint besides its record: from this run or an earlier one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Earlier {
    pub(crate) seen: Option<Time>,
    pub(crate) ready: Option<Time>,
    pub(crate) unverified: bool,
}

/// Why a file cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unusable {
    /// The disk does not give it.
    #[error("the state file cannot be read ({0}) and is not used")]
    Unreadable(String),
    /// It is not what was once written.
    #[error("the state file is damaged ({0}) and is not used")]
    Damaged(String),
    /// A newer jackline wrote it.
    #[error(
        "the state file was written by a newer jackline (format {0}, this one reads {VERSION}) and is not used"
    )]
    Future(u32),
}

#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    format: String,
    version: u32,
    crc32: String,
    #[serde(borrow)]
    body: &'a RawValue,
}

/// The bytes of a file with `memory`. An error is a defect of ours, or a memory larger than [`FILE_MAX`].
pub(crate) fn encode(memory: &Memory) -> Result<Vec<u8>, serde_json::Error> {
    let body = serde_json::to_string_pretty(memory)?;
    let body = RawValue::from_string(body)?;
    let envelope = Envelope {
        format: FORMAT.to_owned(),
        version: VERSION,
        crc32: checksum(body.get()),
        body: &body,
    };
    let mut bytes = serde_json::to_vec(&envelope)?;
    bytes.push(b'\n');
    if bytes.len() as u64 > FILE_MAX {
        return Err(serde::ser::Error::custom("more than 4 MiB"));
    }
    Ok(bytes)
}

/// What a file holds.
pub(crate) fn decode(bytes: &[u8]) -> Result<Memory, Unusable> {
    let damaged = |why: &dyn ToString| Unusable::Damaged(why.to_string());
    if bytes.len() as u64 > FILE_MAX {
        return Err(damaged(&"larger than 4 MiB"));
    }
    let head: Head = serde_json::from_slice(bytes).map_err(|error| damaged(&error))?;
    if head.format != FORMAT {
        return Err(damaged(&"it is no state file"));
    }
    if head.version > VERSION {
        return Err(Unusable::Future(head.version));
    }
    let envelope: Envelope<'_> = serde_json::from_slice(bytes).map_err(|error| damaged(&error))?;
    if envelope.version != VERSION || envelope.crc32 != checksum(envelope.body.get()) {
        return Err(damaged(&"the checksum does not match"));
    }
    serde_json::from_str(envelope.body.get()).map_err(|error| damaged(&error))
}

fn checksum(body: &str) -> String {
    format!("{:08x}", crc32fast::hash(body.as_bytes()))
}

impl Memory {
    /// What is to be written: `records` at `now`, when the wall clock shows `wall`. Times of earlier runs are taken
    /// from `known`, where this run has none.
    pub(crate) fn of(
        records: &[Record],
        cluster: Vec<String>,
        known: &BTreeMap<SocketAddr, Earlier>,
        now: Timestamp,
        wall: SystemTime,
    ) -> Self {
        let told = |at: Option<Timestamp>| at.and_then(|at| wall_of(at, now, wall));
        let millis =
            |age: Option<Duration>| age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
        let entry = |record: &Record| {
            let earlier = known.get(&record.address).copied().unwrap_or_default();
            Entry {
                address: record.address,
                archived: record.archived,
                seen_by: record.seen_by.clone(),
                node: record.node.clone(),
                zone: record.zone.clone(),
                unverified: earlier.unverified && record.last_seen.is_none() && record.last_ready.is_none(),
                unlisted_for_ms: millis(record.unlisted_for),
                node_gone_for_ms: millis(record.node_gone_for),
                archived_for_ms: millis(record.archived_for),
                last_seen: told(record.last_seen).or(earlier.seen),
                last_ready: told(record.last_ready).or(earlier.ready),
            }
        };
        Self {
            written: calendar(wall),
            writer: concat!("jackline ", env!("CARGO_PKG_VERSION")).to_owned(),
            cluster,
            endpoints: records.iter().map(entry).collect(),
        }
    }

    /// The hints of the file, for the core: those that are `unverified`, or the others. Wall-clock times are left out:
    /// they decide nothing (P5).
    pub(crate) fn records(&self, unverified: bool) -> Vec<Record> {
        let age = |millis: Option<u64>| millis.map(Duration::from_millis);
        let record = |entry: &Entry| Record {
            address: entry.address,
            archived: entry.archived,
            seen_by: entry.seen_by.clone(),
            node: entry.node.clone(),
            zone: entry.zone.clone(),
            unlisted_for: age(entry.unlisted_for_ms),
            node_gone_for: age(entry.node_gone_for_ms),
            archived_for: age(entry.archived_for_ms),
            last_seen: None,
            last_ready: None,
        };
        self.endpoints
            .iter()
            .filter(|entry| entry.unverified == unverified)
            .map(record)
            .collect()
    }

    /// What is known of each endpoint besides its record.
    pub(crate) fn earlier(&self) -> BTreeMap<SocketAddr, Earlier> {
        let earlier = |entry: &Entry| Earlier {
            seen: entry.last_seen,
            ready: entry.last_ready,
            unverified: entry.unverified,
        };
        self.endpoints
            .iter()
            .map(|entry| (entry.address, earlier(entry)))
            .collect()
    }

    /// Whose the file is, today's CA keys being `cluster` (P2).
    pub(crate) fn kin(&self, cluster: &[String]) -> Kin {
        if self.cluster.iter().any(|key| cluster.contains(key)) {
            return Kin::Ours;
        }
        match (self.cluster.is_empty(), cluster.is_empty()) {
            // Neither knows a CA: nothing speaks against it.
            (true, true) => Kin::Ours,
            (false, true) => Kin::Unknown,
            (_, false) => Kin::Foreign,
        }
    }
}

/// Whose a state file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kin {
    /// This cluster's: a CA key in common.
    Ours,
    /// Today's CA is not known, so it cannot be compared.
    Unknown,
    /// Another's, or of a CA that was replaced since.
    Foreign,
}
