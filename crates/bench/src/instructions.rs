//! How many instructions a connection, a request and a session cost, counted by callgrind and compared with the committed
//! figures: a change that makes one of them dearer by more than a twentieth fails. A noisy machine does not change a count.
//!
//! Each is counted as the difference between a run with a few and one with many, so that start, end and idling fall out. The
//! operations come one after the other: what several at once save is the other measurements' to show.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use tokio::io::AsyncWriteExt;

use crate::origin::{Origin, Raw};
use crate::target::{Sort, Target, Tools};
use crate::work::http::{ask_whom, connect_to};
use crate::work::raw;

/// The committed figures; they hold for the release profile.
const COMMITTED: &str = "crates/bench/instructions.json";
/// What a figure may be above the committed one, as a factor.
const ALLOWED: f64 = 1.05;
/// How many of each operation the shorter run has; the longer has three times as many.
const FEW: u32 = 400;

/// What is counted.
#[derive(Clone, Copy, Debug)]
enum Operation {
    /// A connection with a TLS handshake, one request, and its end.
    Connection,
    /// A request on a connection that is kept.
    Request,
    /// A raw session with one byte each way, which then stays open.
    Session,
}

const OPERATIONS: [Operation; 3] = [Operation::Connection, Operation::Request, Operation::Session];

impl Operation {
    fn word(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Request => "request",
            Self::Session => "session",
        }
    }

    async fn repeat(self, times: u32, target: &Target, origin: &Origin) -> anyhow::Result<()> {
        let mut buffer = Vec::new();
        let mut open = Vec::new();
        let mut kept = connect_to(target.address, &origin.tls).await?;
        for _ in 0..times {
            match self {
                Self::Connection => {
                    let mut stream = connect_to(target.address, &origin.tls).await?;
                    ask_whom(&mut stream, "/bytes/1024", &mut buffer).await?;
                    stream.shutdown().await?;
                }
                Self::Request => {
                    ask_whom(&mut kept, "/bytes/1024", &mut buffer).await?;
                }
                Self::Session => open.push(raw(target, Raw::Quiet).await?),
            }
        }
        Ok(())
    }
}

/// Counts, shows, and compares. `true`: nothing has become dearer than is allowed.
pub(crate) async fn run(tools: &Tools, write: bool) -> anyhow::Result<bool> {
    let found = Command::new("valgrind").arg("--version").output();
    found
        .context("valgrind counts the instructions, and is not on this machine (apt-get install valgrind)")?;
    let origin = Origin::start().await?;
    let committed = committed()?;
    let (mut counted, mut good) = (BTreeMap::new(), true);
    for operation in OPERATIONS {
        let few = count(operation, FEW, tools, &origin).await?;
        let many = count(operation, 3 * FEW, tools, &origin).await?;
        let each = (many - few) / f64::from(2 * FEW);
        let before = committed.get(operation.word()).copied();
        let ratio = before.map(|before| each / before);
        let dearer = ratio.is_some_and(|ratio| ratio > ALLOWED);
        good &= !dearer && (before.is_some() || write);
        let told = ratio.map_or("no committed figure".to_owned(), |ratio| {
            format!("{ratio:.3} × the committed")
        });
        println!("{:<12} {each:>12.0} instructions, {told}", operation.word());
        counted.insert(operation.word(), each.round());
    }
    if write {
        fs::write(COMMITTED, serde_json::to_string_pretty(&counted)? + "\n")?;
    }
    Ok(good || write)
}

fn committed() -> anyhow::Result<BTreeMap<String, f64>> {
    match fs::read_to_string(COMMITTED) {
        Ok(text) => Ok(serde_json::from_str(&text).context(COMMITTED)?),
        Err(_) => Ok(BTreeMap::new()),
    }
}

/// The instructions of a whole run with so many operations.
async fn count(operation: Operation, times: u32, tools: &Tools, origin: &Origin) -> anyhow::Result<f64> {
    let target = tools.start_counted(&Sort::Jackline, &[origin.address]).await?;
    let done = operation.repeat(times, &target, origin).await;
    let folder = target.leave().await?;
    done?;
    total(folder.path())
}

fn total(folder: &Path) -> anyhow::Result<f64> {
    let text = fs::read_to_string(folder.join("callgrind")).context("callgrind left no counts")?;
    let line = text.lines().find_map(|line| {
        line.strip_prefix("totals: ")
            .or_else(|| line.strip_prefix("summary: "))
    });
    match line {
        Some(count) => Ok(count.trim().parse()?),
        None => bail!("callgrind's file has no total"),
    }
}
