//! A kubelet's day in a few seconds: watches with bursts, one list of 100 MB after the other, and short requests at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::http::{ask, connect};
use super::{Figures, Meter, requests};
use crate::origin::{Origin, PIECE};
use crate::target::Target;

/// A long list, in bytes.
const LIST: usize = 100_000_000;
const WATCHES: usize = 20;
/// Connections with short requests, each with a pause between them.
const SHORT: usize = 8;
const PAUSE: Duration = Duration::from_millis(1);

pub(super) async fn run(target: &Target, origin: &Origin, time: Duration) -> anyhow::Result<Figures> {
    let over = Arc::new(AtomicBool::new(false));
    let mut watches = tokio::task::JoinSet::new();
    for _ in 0..WATCHES {
        let mut stream = connect(target, origin).await?;
        stream
            .write_all(b"GET /watch HTTP/1.1\r\nhost: kubernetes\r\n\r\n")
            .await?;
        watches.spawn(async move {
            let mut piece = vec![0; PIECE / 16];
            while let Ok(1..) = stream.read(&mut piece).await {}
        });
    }
    let mut list = connect(target, origin).await?;
    let lists = Arc::clone(&over);
    let listing = tokio::spawn(async move {
        let (mut buffer, mut bytes) = (Vec::new(), 0);
        while !lists.load(Ordering::Relaxed) {
            bytes += ask(&mut list, &format!("/bytes/{LIST}"), &mut buffer).await?;
        }
        anyhow::Ok(bytes)
    });
    let meter = Meter::start(target);
    let end = Instant::now() + time;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..SHORT {
        let mut stream = connect(target, origin).await?;
        tasks.spawn(async move {
            let (mut times, mut buffer) = (Vec::new(), Vec::new());
            while Instant::now() < end {
                let start = Instant::now();
                ask(&mut stream, &requests::path(), &mut buffer).await?;
                times.push(start.elapsed().as_secs_f64());
                tokio::time::sleep(PAUSE).await;
            }
            anyhow::Ok(times)
        });
    }
    let mut times = Vec::new();
    while let Some(done) = tasks.join_next().await {
        times.extend(done??);
    }
    let (seconds, cpu) = meter.read();
    over.store(true, Ordering::Relaxed);
    let bytes = crate::process::as_f64(u64::try_from(listing.await??)?);
    let all = meter.read().0;
    watches.shutdown().await;
    let mut figures = requests::figures("mixed", times, seconds, cpu);
    // The processor time of the mix is not that of the short requests alone.
    figures.retain(|(name, _)| !name.ends_with("cpu_us") && !name.ends_with("user_us"));
    figures.extend(cpu.map(|cpu| ("mixed.cpu_percent".to_owned(), cpu.total() * 100.0 / seconds)));
    figures.push(("mixed.list_gbit_s".to_owned(), bytes * 8.0 / 1e9 / all));
    Ok(figures)
}
