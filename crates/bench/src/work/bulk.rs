//! Streams at full speed: throughput, and processor time for each gigabyte carried.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Figures, Meter, raw};
use crate::origin::{PIECE, Raw};
use crate::process::as_f64;
use crate::target::Target;

/// What passes before it counts: windows open, pipes are taken.
const WARM_UP: Duration = Duration::from_millis(300);

pub(super) async fn run(
    target: &Target,
    streams: usize,
    way: Raw,
    time: Duration,
) -> anyhow::Result<Figures> {
    let carried = Arc::new(AtomicU64::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..streams {
        let stream = raw(target, way).await?;
        let (mut from, mut to) = stream.into_split();
        if way != Raw::Up {
            let carried = Arc::clone(&carried);
            tasks.spawn(async move {
                let mut piece = vec![0; PIECE];
                while let Ok(length @ 1..) = from.read(&mut piece).await {
                    count(&carried, length);
                }
                drop(from);
            });
        } else {
            // Dropped, it would be read from no more, which is not what is measured.
            tasks.spawn(async move {
                let _ = from.read_u8().await;
            });
        }
        if way != Raw::Down {
            let carried = Arc::clone(&carried);
            tasks.spawn(async move {
                let piece = vec![3; PIECE];
                while let Ok(length) = to.write(&piece).await {
                    count(&carried, length);
                }
            });
        } else {
            tasks.spawn(async move {
                std::future::pending::<()>().await;
                drop(to);
            });
        }
    }
    tokio::time::sleep(WARM_UP).await;
    let (meter, before) = (Meter::start(target), carried.load(Ordering::Relaxed));
    let half = time / 2;
    tokio::time::sleep(half).await;
    let pipes = target.pipes();
    tokio::time::sleep(half).await;
    let bytes = as_f64(carried.load(Ordering::Relaxed) - before);
    let (seconds, cpu) = meter.read();
    tasks.shutdown().await;
    anyhow::ensure!(bytes > 0.0, "nothing was carried");
    let name = |unit: &str| format!("bulk.{streams}.{}.{unit}", word(way));
    let mut figures = vec![(name("gbit_s"), bytes * 8.0 / 1e9 / seconds)];
    if let Some(cpu) = cpu {
        let gigabytes = bytes / 1e9;
        figures.push((name("cpu_s_per_gb"), cpu.total() / gigabytes));
        figures.push((name("user_s_per_gb"), cpu.user.as_secs_f64() / gigabytes));
    }
    figures.extend(pipes.map(|pipes| (name("pipes"), as_f64(pipes))));
    Ok(figures)
}

fn word(way: Raw) -> &'static str {
    match way {
        Raw::Up => "up",
        Raw::Both => "both",
        Raw::Down | Raw::Quiet => "down",
    }
}

fn count(carried: &AtomicU64, length: usize) {
    carried.fetch_add(u64::try_from(length).unwrap_or(0), Ordering::Relaxed);
}
