//! A client of a node's listener: ten requests a second, each on a new connection, and a book of what became of them.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::task::AbortOnDropHandle;

use super::api::Api;
use crate::locked::lock;

/// It asks this often, whether the earlier requests are answered or not.
const EVERY: Duration = Duration::from_millis(100);

/// Requests under way at a time; more are not begun.
const UNDER_WAY_MAX: usize = 128;

/// A play that lasts longer than this many requests is not booked further.
const CALLS_MAX: usize = 50_000;

/// What every node may read, whoever it is.
const PATH: &str = "/version";

/// One request that has ended.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) began: Instant,
    pub(super) ended: Instant,
    /// Why it got no answer of an apiserver.
    pub(super) failure: Option<String>,
}

/// The book of one or several callers.
#[derive(Clone, Default)]
pub(super) struct Book(Arc<Mutex<Vec<Call>>>);

impl Book {
    fn enter(&self, call: Call) {
        let mut calls = lock(&self.0);
        if calls.len() < CALLS_MAX {
            calls.push(call);
        }
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        lock(&self.0).clone()
    }

    /// When the first request that began at or after this was answered.
    pub(super) fn first_answered(&self, since: Instant) -> Option<Instant> {
        let calls = lock(&self.0);
        let answered = calls
            .iter()
            .filter(|call| call.began >= since && call.failure.is_none());
        answered.map(|call| call.ended).min()
    }
}

/// A running caller; dropped, it stops, and what is under way is booked no more.
pub(super) struct Caller {
    pub(super) book: Book,
    _task: AbortOnDropHandle<()>,
}

impl Caller {
    /// Called within a tokio runtime.
    pub(super) fn start(api: Api) -> Self {
        let book = Book::default();
        let task = tokio::spawn(run(api, book.clone()));
        Self {
            book,
            _task: AbortOnDropHandle::new(task),
        }
    }
}

async fn run(api: Api, book: Book) {
    let places = Arc::new(Semaphore::new(UNDER_WAY_MAX));
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            continue;
        };
        let (api, book) = (api.clone(), book.clone());
        // Each ends by its own limit.
        tokio::spawn(async move {
            let began = Instant::now();
            let failure = match api.get(PATH).await {
                Ok(answer) if answer.status.is_success() => None,
                Ok(answer) => Some(format!("answered {}", answer.status)),
                Err(error) => Some(format!("{error:#}")),
            };
            let ended = Instant::now();
            book.enter(Call {
                began,
                ended,
                failure,
            });
            drop(place);
        });
    }
}
