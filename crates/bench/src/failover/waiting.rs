//! What it costs to look after many sessions whose data stays unacknowledged (D3): their one server is cut off, so that
//! there is nowhere to move them to, and each has sent something since.

use std::time::{Duration, Instant};

use anyhow::Context;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;

use super::servers::Servers;
use crate::origin::Raw;
use crate::process::as_f64;
use crate::target::{Sort, Tools};
use crate::tls::Tls;
use crate::work::{Figures, raw};

const SESSIONS: usize = 1_000;
/// Until then some are asked for their first silence, which is once and not what is measured.
const SETTLE: Duration = Duration::from_secs(3);
/// How the threads are called that carry sessions.
const THREADS: &str = "jackline-move";

/// Measures jackline: no rival looks.
pub(crate) async fn run(tools: &Tools, time: Duration) -> anyhow::Result<Figures> {
    anyhow::ensure!(
        super::is_in_own_network(),
        "packets can be dropped only in network namespaces of one's own (unshare --net as root)"
    );
    let folder = TempDir::new()?;
    Tls::new_in(folder.path())?;
    let servers = Servers::start(folder.path(), true).await?;
    let server = servers.first().context("no server")?;
    let target = tools.start(&Sort::Jackline, &[server.address()]).await?;
    let mut sessions = Vec::with_capacity(SESSIONS);
    for _ in 0..SESSIONS {
        sessions.push(raw(&target, Raw::Quiet).await?);
    }
    server.cut_off().await?;
    for session in &mut sessions {
        session.write_all(b"?").await?;
    }
    tokio::time::sleep(SETTLE).await;
    let process = target.process().context("no process")?;
    let (start, before) = (Instant::now(), process.ran(THREADS));
    tokio::time::sleep(time).await;
    let ran = process.ran(THREADS).saturating_sub(before);
    let percent = ran.as_secs_f64() * 100.0 / start.elapsed().as_secs_f64();
    drop(sessions);
    target.end().await;
    let name = |unit: &str| format!("waiting.{SESSIONS}.{unit}");
    let samples = as_f64(u64::try_from(SESSIONS)?);
    Ok(vec![
        (name("cpu_percent"), percent),
        (name("cpu_us_per_session_s"), percent * 1e4 / samples),
    ])
}
