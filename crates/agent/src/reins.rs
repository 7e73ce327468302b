//! Holds a driver: lets it run, lays it to rest with all that it knows on disk, and lets it go on as if nothing had been. While
//! it rests events wait in its queue.

use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use crate::driver::Driver;
use crate::effects::Shell;
use crate::engine::WRITE_TIME;

/// The reins of one driver.
pub(crate) struct Reins {
    /// Ends it for good.
    stop: CancellationToken,
    span: Span,
    state: Mutex<State>,
}

enum State {
    Runs(CancellationToken, JoinHandle<Driver<Shell>>),
    Rests(Box<Driver<Shell>>),
    Gone,
}

impl Reins {
    /// Sets it going, until `stop`.
    pub(crate) fn start(driver: Driver<Shell>, stop: &CancellationToken, span: Span) -> Self {
        let reins = Self {
            stop: stop.clone(),
            span,
            state: Mutex::new(State::Gone),
        };
        let runs = reins.run(driver);
        Self {
            state: Mutex::new(runs),
            ..reins
        }
    }

    fn run(&self, driver: Driver<Shell>) -> State {
        let rest = self.stop.child_token();
        let running = driver.run(rest.clone()).instrument(self.span.clone());
        State::Runs(rest, tokio::spawn(running))
    }

    /// Lays it to rest, and gives state file and journal the time of [`WRITE_TIME`] to be written; a disk that takes longer has
    /// an older state. `false`: it died.
    pub(crate) async fn rest(&self) -> bool {
        let mut state = self.state.lock().await;
        if let State::Runs(rest, running) = &mut *state {
            rest.cancel();
            *state = match running.await {
                Ok(driver) => State::Rests(Box::new(driver)),
                Err(_) => State::Gone,
            };
        }
        let State::Rests(driver) = &mut *state else {
            return false;
        };
        driver.effects.persist(driver.policy.records());
        let now = (driver.clock)();
        driver.journal.flush(now);
        let saver = Arc::clone(&driver.effects.saver);
        let settled = tokio::task::spawn_blocking(move || saver.settle(WRITE_TIME)).await;
        if !settled.unwrap_or(false) {
            tracing::debug!("the state file is not written yet");
        }
        true
    }

    /// Lets it go on from where it rests.
    pub(crate) async fn go_on(&self) {
        let mut state = self.state.lock().await;
        *state = match std::mem::replace(&mut *state, State::Gone) {
            State::Rests(driver) => self.run(*driver),
            other => other,
        };
    }

    /// Gives it back, once it was stopped for good; `None`: it died.
    pub(crate) async fn end(&self) -> Option<Driver<Shell>> {
        let mut state = self.state.lock().await;
        match std::mem::replace(&mut *state, State::Gone) {
            State::Runs(_, running) => running.await.ok(),
            State::Rests(driver) => Some(*driver),
            State::Gone => None,
        }
    }
}
