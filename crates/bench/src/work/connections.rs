//! A new connection, a TLS handshake and one request, again and again: what a start of many pods is made of.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;

use super::http::{ask, connect};
use super::{Figures, Meter, requests};
use crate::origin::Origin;
use crate::target::Target;

/// How many are under way at once.
const TOGETHER: usize = 8;

pub(super) async fn run(target: &Target, origin: &Origin, time: Duration) -> anyhow::Result<Figures> {
    let meter = Meter::start(target);
    let end = Instant::now() + time;
    let times = Arc::new(std::sync::Mutex::new(Vec::new()));
    let workers = (0..TOGETHER).map(|_| async {
        let mut buffer = Vec::new();
        while Instant::now() < end {
            let start = Instant::now();
            let mut stream = connect(target, origin).await?;
            ask(&mut stream, &requests::path(), &mut buffer).await?;
            let took = start.elapsed().as_secs_f64();
            // A fair end: no reset, and so no port that is free at once.
            stream.shutdown().await?;
            if let Ok(mut times) = times.lock() {
                times.push(took);
            }
        }
        anyhow::Ok(())
    });
    let [a, b, c, d, e, f, g, h] = collect(workers);
    tokio::try_join!(a, b, c, d, e, f, g, h)?;
    let (seconds, cpu) = meter.read();
    let times = times
        .lock()
        .map(|mut times| std::mem::take(&mut *times))
        .unwrap_or_default();
    Ok(requests::figures("connections", times, seconds, cpu))
}

/// As many futures as there are workers, in an array.
fn collect<F>(mut workers: impl Iterator<Item = F>) -> [F; TOGETHER] {
    std::array::from_fn(|_| workers.next().expect("one for each place"))
}
