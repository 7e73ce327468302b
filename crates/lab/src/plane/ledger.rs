//! Which requests have reached a server: so that a client can tell one that never arrived from one that was under way.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::locked::lock;
use crate::plane::Sighting;

/// Requests remembered; the oldest are forgotten first.
const SIGHTINGS_MAX: usize = 200_000;
/// Longer names, in bytes, are not taken.
const ID_MAX: usize = 64;

#[derive(Default)]
pub(crate) struct Ledger {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    seen: HashMap<Arc<str>, Sighting>,
    order: VecDeque<Arc<str>>,
}

impl Ledger {
    /// A server received the request of this name.
    pub(crate) fn received(&self, id: &str, server: &str) {
        if id.len() > ID_MAX {
            return;
        }
        let mut inner = lock(&self.inner);
        let sighting = Sighting {
            server: server.to_owned(),
            received: Instant::now(),
            answered: None,
        };
        let id: Arc<str> = id.into();
        if inner.seen.insert(Arc::clone(&id), sighting).is_none() {
            inner.order.push_back(id);
        }
        while inner.order.len() > SIGHTINGS_MAX {
            if let Some(oldest) = inner.order.pop_front() {
                inner.seen.remove(&oldest);
            }
        }
    }

    /// Its answer was handed to the connection.
    pub(crate) fn answered(&self, id: &str) {
        if let Some(sighting) = lock(&self.inner).seen.get_mut(id) {
            sighting.answered = Some(Instant::now());
        }
    }

    pub(crate) fn sighting(&self, id: &str) -> Option<Sighting> {
        lock(&self.inner).seen.get(id).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten_first_and_a_repeated_one_counts_once() {
        let ledger = Ledger::default();
        ledger.received("first", "a");
        ledger.received("first", "b");
        assert_eq!(ledger.sighting("first").expect("remembered").server, "b");
        for number in 1..SIGHTINGS_MAX {
            ledger.received(&number.to_string(), "a");
        }
        assert!(
            ledger.sighting("first").is_some(),
            "exactly as many as are remembered"
        );
        ledger.received("last", "a");
        assert!(ledger.sighting("first").is_none());
        ledger.answered("last");
        assert!(ledger.sighting("last").expect("remembered").answered.is_some());
        assert!(ledger.sighting("1").expect("remembered").answered.is_none());
    }
}
