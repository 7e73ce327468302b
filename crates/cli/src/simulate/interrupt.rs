//! Ctrl-C in a long run: the first one has what is known so far told, a second one ends the program at once.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

use crate::exit::Exit;
use crate::output::complain;

/// Set by Ctrl-C: the run ends early.
pub(crate) static STOP: AtomicBool = AtomicBool::new(false);

/// Sets [`STOP`] at the first Ctrl-C.
pub(crate) fn listen() {
    listen_and(|| {});
}

/// Besides does `act`: for a run that does not look at [`STOP`].
pub(crate) fn listen_and(act: impl FnOnce() + Send + 'static) {
    let listen = move || -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("no runtime for signals")?;
        runtime.block_on(async {
            tokio::signal::ctrl_c().await?;
            STOP.store(true, Ordering::Relaxed);
            act();
            tokio::signal::ctrl_c().await?;
            std::process::exit(i32::from(Exit::Interrupted as u8));
        })
    };
    std::thread::spawn(move || {
        if let Err(error) = listen() {
            complain(&format!("Ctrl-C will lose what is known so far: {error:#}"));
        }
    });
}
