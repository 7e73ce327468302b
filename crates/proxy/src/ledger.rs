//! What all threads share about one endpoint: how many sessions it has, and when the core was last told what of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How many endpoints are kept account of before those without sessions are forgotten.
const LEDGERS_MAX: usize = 1024;

/// Lets something through at most once in a while, whatever the thread.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// Milliseconds on the data plane's clock before which nothing gets through.
    next: AtomicU64,
}

impl Pace {
    /// Whether it may be now (`now` in milliseconds); then not again for `gap`.
    pub(crate) fn admit(&self, now: u64, gap: Duration) -> bool {
        let next = self.next.load(Ordering::Relaxed);
        if now < next {
            return false;
        }
        let gap = u64::try_from(gap.as_millis()).unwrap_or(u64::MAX);
        self.next
            .compare_exchange(
                next,
                now.saturating_add(gap),
                Ordering::Relaxed,
                Ordering::Relaxed,
            )
            .is_ok()
    }
}

/// The account of one endpoint.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) endpoint: SocketAddr,
    pub(crate) open: AtomicU64,
    pub(crate) progressed: Pace,
    pub(crate) stalled: Pace,
    pub(crate) stalled_again: Pace,
    pub(crate) refused: Pace,
    pub(crate) failed: Pace,
    pub(crate) full: Pace,
}

/// The accounts of all endpoints that were dialled.
#[derive(Debug, Default)]
pub(crate) struct Ledgers(Mutex<BTreeMap<SocketAddr, Arc<Ledger>>>);

impl Ledgers {
    pub(crate) fn of(&self, endpoint: SocketAddr) -> Arc<Ledger> {
        let mut ledgers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ledgers.len() >= LEDGERS_MAX && !ledgers.contains_key(&endpoint) {
            // Whoever holds one goes on using it; a new account only tells the core a little sooner than it must.
            ledgers.retain(|_, ledger| ledger.open.load(Ordering::Relaxed) > 0);
        }
        let ledger = ledgers.entry(endpoint).or_insert_with(|| {
            Arc::new(Ledger {
                endpoint,
                open: AtomicU64::new(0),
                progressed: Pace::default(),
                stalled: Pace::default(),
                stalled_again: Pace::default(),
                refused: Pace::default(),
                failed: Pace::default(),
                full: Pace::default(),
            })
        });
        Arc::clone(ledger)
    }

    /// Open sessions by endpoint, those without one left out.
    pub(crate) fn open(&self) -> BTreeMap<SocketAddr, u64> {
        let ledgers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let open = ledgers
            .iter()
            .map(|(endpoint, ledger)| (*endpoint, ledger.open.load(Ordering::Relaxed)));
        open.filter(|(_, open)| *open > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_lets_one_through_and_then_waits() {
        let pace = Pace::default();
        let admitted: Vec<u64> = (0..1000)
            .filter(|now| pace.admit(*now, Duration::from_millis(250)))
            .collect();
        assert_eq!(admitted, [0, 250, 500, 750]);
    }

    #[test]
    fn accounts_without_sessions_are_forgotten_when_there_are_too_many() {
        let ledgers = Ledgers::default();
        let address = |port| SocketAddr::from(([10, 0, 0, 1], port));
        ledgers.of(address(1)).open.store(3, Ordering::Relaxed);
        for port in 2..=5000 {
            ledgers.of(address(port));
            assert!(ledgers.0.lock().unwrap().len() <= LEDGERS_MAX);
        }
        assert_eq!(ledgers.open(), BTreeMap::from([(address(1), 3)]));
    }
}
