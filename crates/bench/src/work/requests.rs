//! Short requests on connections that are kept: processor time for each, and how long they take.

use std::time::{Duration, Instant};

use super::http::{SHORT, ask, connect};
use super::{Figures, Meter};
use crate::origin::Origin;
use crate::samples::quantile;
use crate::target::Target;

pub(super) async fn run(
    target: &Target,
    origin: &Origin,
    connections: usize,
    time: Duration,
) -> anyhow::Result<Figures> {
    let mut streams = Vec::new();
    for _ in 0..connections {
        streams.push(connect(target, origin).await?);
    }
    let meter = Meter::start(target);
    let end = Instant::now() + time;
    let mut tasks = tokio::task::JoinSet::new();
    for mut stream in streams {
        tasks.spawn(async move {
            let (mut times, mut buffer) = (Vec::new(), Vec::new());
            while Instant::now() < end {
                let start = Instant::now();
                ask(&mut stream, &path(), &mut buffer).await?;
                times.push(start.elapsed().as_secs_f64());
            }
            anyhow::Ok(times)
        });
    }
    let mut times = Vec::new();
    while let Some(done) = tasks.join_next().await {
        times.extend(done??);
    }
    let (seconds, cpu) = meter.read();
    Ok(figures(&format!("requests.{connections}"), times, seconds, cpu))
}

/// The path of a short request.
pub(super) fn path() -> String {
    format!("/bytes/{SHORT}")
}

/// What is told of requests that took so long, in seconds each.
pub(super) fn figures(
    name: &str,
    mut times: Vec<f64>,
    seconds: f64,
    cpu: Option<crate::process::Cpu>,
) -> Figures {
    times.sort_by(f64::total_cmp);
    let count = crate::process::as_f64(u64::try_from(times.len().max(1)).unwrap_or(1));
    let mut figures = vec![(format!("{name}.per_s"), count / seconds)];
    for (unit, share) in [("p50_us", 0.5), ("p99_us", 0.99), ("p999_us", 0.999)] {
        figures.extend(quantile(&times, share).map(|time| (format!("{name}.{unit}"), time * 1e6)));
    }
    if let Some(cpu) = cpu {
        figures.push((format!("{name}.cpu_us"), cpu.total() * 1e6 / count));
        figures.push((format!("{name}.user_us"), cpu.user.as_secs_f64() * 1e6 / count));
    }
    figures
}
