//! Sessions that do nothing: what each holds, what the target does meanwhile, and what requests cost beside them.

use std::time::Duration;

use super::{Figures, Meter, raw, requests};
use crate::origin::{Origin, Raw};
use crate::process::{Process, as_f64, descriptors, kernel_memory};
use crate::target::Target;

/// How many are at rest in an agent that has little to do.
const FEW: usize = 10;
/// A session has two descriptors here, its client's and the origin's; the rest is for everything else.
const SPARED: u64 = 500;
/// How long a target is left alone before it is looked at.
const SETTLE: Duration = Duration::from_millis(500);
/// How many connections have requests beside the idle ones.
const BUSY: usize = 32;

pub(super) async fn run(target: &Target, sessions: usize, time: Duration) -> anyhow::Result<Figures> {
    let sessions = at_most(sessions);
    let Some(process) = target.process() else {
        return Ok(Vec::new());
    };
    tokio::time::sleep(SETTLE).await;
    let (before, kernel) = (process.pss()?, kernel_memory());
    let open = open(target, sessions).await?;
    tokio::time::sleep(SETTLE).await;
    let (after, kernel) = (process.pss()?, kernel_memory() - kernel);
    let name = |unit: &str| format!("idle.{sessions}.{unit}");
    let count = as_f64(u64::try_from(sessions)?);
    let mut figures = vec![
        (name("pss_mib"), after / f64::from(1 << 20)),
        (name("bytes_per_session"), (after - before) / count),
        // Of both ends in this process as well: the same for all targets.
        (name("kernel_bytes_per_session"), kernel / count),
    ];
    figures.extend(quiet(process, target, &name("wake_ups_s"), &name("cpu_percent"), time).await);
    drop(open);
    Ok(figures)
}

/// What it costs to be there.
pub(super) async fn rest(target: &Target, time: Duration) -> anyhow::Result<Figures> {
    let Some(process) = target.process() else {
        return Ok(Vec::new());
    };
    let open = open(target, FEW).await?;
    tokio::time::sleep(SETTLE).await;
    let figures = quiet(process, target, "rest.wake_ups_s", "rest.cpu_percent", time * 3).await;
    drop(open);
    Ok(figures)
}

/// Requests beside many idle sessions, for their cost is not to grow with them.
pub(super) async fn growth(
    target: &Target,
    origin: &Origin,
    sessions: usize,
    time: Duration,
) -> anyhow::Result<Figures> {
    let sessions = at_most(sessions);
    let open = open(target, sessions).await?;
    let figures = requests::run(target, origin, BUSY, time).await?;
    drop(open);
    let renamed = figures.into_iter().filter_map(|(name, value)| {
        let unit = name.rsplit('.').next()?;
        (unit == "cpu_us" || unit == "p99_us").then(|| (format!("growth.{sessions}.{unit}"), value))
    });
    Ok(renamed.collect())
}

async fn open(target: &Target, sessions: usize) -> anyhow::Result<Vec<tokio::net::TcpStream>> {
    let mut open = Vec::with_capacity(sessions);
    for _ in 0..sessions {
        open.push(raw(target, Raw::Quiet).await?);
    }
    Ok(open)
}

async fn quiet(process: Process, target: &Target, wake_ups: &str, percent: &str, time: Duration) -> Figures {
    let (before, meter) = (process.wake_ups(), Meter::start(target));
    tokio::time::sleep(time).await;
    let woken = process.wake_ups() - before;
    let (seconds, cpu) = meter.read();
    let mut figures = vec![(wake_ups.to_owned(), woken / seconds)];
    figures.extend(cpu.map(|cpu| (percent.to_owned(), cpu.total() * 100.0 / seconds)));
    figures
}

/// As many as there are descriptors for.
fn at_most(sessions: usize) -> usize {
    let room = descriptors().saturating_sub(SPARED) / 2;
    sessions.min(usize::try_from(room).unwrap_or(usize::MAX))
}
