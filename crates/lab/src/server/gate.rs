//! The gate that freezes a process: while it is shut, nothing of the process reads, writes, accepts or renews.

use tokio::sync::watch;

/// Why a gate is shut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shut {
    /// The process is frozen.
    pub(crate) frozen: bool,
    /// The machine is cut off from the network.
    pub(crate) cut_off: bool,
}

impl Shut {
    pub(crate) fn any(self) -> bool {
        self.frozen || self.cut_off
    }
}

pub(crate) struct Gate {
    shut: watch::Sender<Shut>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self {
            shut: watch::Sender::new(Shut::default()),
        }
    }

    pub(crate) fn state(&self) -> Shut {
        *self.shut.borrow()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Shut)) {
        self.shut.send_modify(change);
    }

    /// Waits until nothing shuts it.
    pub(crate) async fn open(&self) {
        self.until(|shut| !shut.any()).await;
    }

    /// Waits until this holds.
    pub(crate) async fn until(&self, mut holds: impl FnMut(Shut) -> bool) {
        // The sender is our own: it cannot have gone.
        let _ = self.shut.subscribe().wait_for(|shut| holds(*shut)).await;
    }
}
