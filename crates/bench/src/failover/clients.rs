//! Clients that never give up, and note what they notice: new connections again and again, one that is kept, and a watch.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::process::as_f64;
use crate::tls::Tls;
use crate::work::http::{ask_whom, connect_to};

/// How long a request may take, from its connect on.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between the starts of new requests, and between the requests of the connection that is kept.
const PAUSE: Duration = Duration::from_millis(20);
/// Before a client that failed tries again.
const AGAIN: Duration = Duration::from_millis(20);
const PATH: &str = "/bytes/1024";

/// What was noticed after the fault, in seconds and numbers of requests.
#[derive(Debug, Default)]
pub(crate) struct Noticed {
    /// New requests begun after the fault.
    pub(crate) begun: f64,
    /// Of them, those that failed.
    pub(crate) failed: f64,
    /// Those that were under way when it began, and failed.
    pub(crate) failed_in_flight: f64,
    /// The slowest of the new ones.
    pub(crate) slowest: f64,
    /// The longest time without an answer on the connection that is kept, made anew when it fails.
    pub(crate) gap: f64,
    /// The longest time without an event of the watch.
    pub(crate) watch_gap: f64,
}

/// Running clients.
pub(crate) struct Clients {
    tasks: JoinSet<()>,
    notes: Arc<Mutex<Notes>>,
}

#[derive(Debug, Default)]
struct Notes {
    fault: Option<Instant>,
    served_by: Option<String>,
    /// When each began, and how long it took; `None`: it failed.
    requests: Vec<(Instant, Option<Duration>)>,
    answers: Vec<Instant>,
    events: Vec<Instant>,
}

impl Clients {
    pub(crate) fn start(address: SocketAddr, tls: &Tls) -> Self {
        let notes = Arc::<Mutex<Notes>>::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(begin_anew(address, tls.clone(), Arc::clone(&notes)));
        tasks.spawn(keep(address, tls.clone(), Arc::clone(&notes)));
        tasks.spawn(watch(address, tls.clone(), Arc::clone(&notes)));
        Self { tasks, notes }
    }

    /// Who answered last on the connection that is kept.
    pub(crate) fn served_by(&self) -> Option<String> {
        lock(&self.notes).served_by.clone()
    }

    pub(crate) fn fault_begins(&self) {
        lock(&self.notes).fault = Some(Instant::now());
    }

    /// Stops them; what is still under way has not failed, but is as slow as it is.
    pub(crate) async fn end(mut self) -> Noticed {
        let end = Instant::now();
        self.tasks.shutdown().await;
        lock(&self.notes).noticed(end)
    }
}

impl Notes {
    fn answer(&mut self, whom: String) {
        self.answers.push(Instant::now());
        self.served_by = Some(whom);
    }

    fn noticed(&self, end: Instant) -> Noticed {
        let Some(fault) = self.fault else {
            return Noticed::default();
        };
        let new: Vec<_> = self
            .requests
            .iter()
            .filter(|(begun, _)| *begun >= fault)
            .collect();
        let failed = |requests: usize| as_f64(u64::try_from(requests).unwrap_or(0));
        let slowest = new.iter().filter_map(|(_, took)| *took).max();
        Noticed {
            begun: failed(new.len()),
            failed: failed(new.iter().filter(|(_, took)| took.is_none()).count()),
            failed_in_flight: failed(
                self.requests
                    .iter()
                    .filter(|(begun, took)| *begun < fault && took.is_none())
                    .count(),
            ),
            slowest: slowest.unwrap_or_default().as_secs_f64(),
            gap: longest_gap(&self.answers, fault, end),
            watch_gap: longest_gap(&self.events, fault, end),
        }
    }
}

/// The longest time between two of these moments that ends after `from`; nothing later than `end` counts.
fn longest_gap(moments: &[Instant], from: Instant, end: Instant) -> f64 {
    let all: Vec<Instant> = moments.iter().copied().chain([end]).collect();
    let gaps = all.windows(2).filter(|pair| pair[1] >= from);
    let longest = gaps.map(|pair| pair[1].saturating_duration_since(pair[0])).max();
    longest.unwrap_or_default().as_secs_f64()
}

async fn begin_anew(address: SocketAddr, tls: Tls, notes: Arc<Mutex<Notes>>) {
    let mut requests = JoinSet::new();
    loop {
        let (tls, notes) = (tls.clone(), Arc::clone(&notes));
        requests.spawn(async move {
            let begun = Instant::now();
            let exchange = async {
                let mut stream = connect_to(address, &tls).await?;
                ask_whom(&mut stream, PATH, &mut Vec::new()).await
            };
            let good = matches!(timeout(PATIENCE, exchange).await, Ok(Ok(_)));
            lock(&notes).requests.push((begun, good.then(|| begun.elapsed())));
        });
        while requests.try_join_next().is_some() {}
        tokio::time::sleep(PAUSE).await;
    }
}

async fn keep(address: SocketAddr, tls: Tls, notes: Arc<Mutex<Notes>>) {
    loop {
        let talk = async {
            let mut stream = timeout(PATIENCE, connect_to(address, &tls)).await??;
            let mut buffer = Vec::new();
            loop {
                let (_, whom) = timeout(PATIENCE, ask_whom(&mut stream, PATH, &mut buffer)).await??;
                lock(&notes).answer(whom);
                tokio::time::sleep(PAUSE).await;
            }
        };
        // It ends only by failing, and begins anew.
        let _: anyhow::Result<()> = talk.await;
        tokio::time::sleep(AGAIN).await;
    }
}

async fn watch(address: SocketAddr, tls: Tls, notes: Arc<Mutex<Notes>>) {
    loop {
        let talk = async {
            let mut stream = timeout(PATIENCE, connect_to(address, &tls)).await??;
            stream
                .write_all(b"GET /watch HTTP/1.1\r\nhost: kubernetes\r\n\r\n")
                .await?;
            let mut piece = vec![0; 16 * 1024];
            while stream.read(&mut piece).await? > 0 {
                lock(&notes).events.push(Instant::now());
            }
            anyhow::Ok(())
        };
        let _ = talk.await;
        tokio::time::sleep(AGAIN).await;
    }
}

fn lock(notes: &Mutex<Notes>) -> MutexGuard<'_, Notes> {
    notes.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_that_lasts_to_the_end_counts_and_one_before_the_fault_does_not() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let moments = [at(0), at(50), at(60), at(61)];
        let near = |gap: f64, seconds: f64| (gap - seconds).abs() < 1e-9;
        assert!(near(longest_gap(&moments, at(55), at(62)), 10.0));
        assert!(near(longest_gap(&moments, at(55), at(99)), 38.0));
        assert!(
            near(longest_gap(&[], at(55), at(99)), 0.0),
            "it never had anything"
        );
    }
}
