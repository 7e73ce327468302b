//! The signals that end a run, and the one that must not.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM, SIGINT and SIGHUP, heard from now on.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Takes them over from their defaults, which would kill.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the first one that ends the run, and gives its name.
    pub(crate) async fn end(&mut self) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.hangup.recv() => tracing::info!(target: "jackline", "SIGHUP is ignored: a changed configuration takes effect at a restart"),
            }
        }
    }

    /// Waits for a SIGINT: somebody does not want to wait.
    pub(crate) async fn interrupted(&mut self) {
        self.interrupt.recv().await;
    }
}
