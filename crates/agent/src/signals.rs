//! What ends a run: signals, and for whoever is another program's child the end of its standard input. One signal must not.

use std::io;
use std::thread;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::lines;

/// SIGTERM, SIGINT and SIGHUP, heard from now on.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// Told when the standard input ends; `None`: that is nobody's business.
    input: Option<oneshot::Receiver<()>>,
}

impl Signals {
    /// Takes them over from their defaults, which would kill. `input`: the end of the standard input ends the run too.
    pub(crate) fn listen(input: bool) -> io::Result<Self> {
        Ok(Self {
            input: input.then(input_ends).transpose()?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the first one that ends the run, and gives its name.
    pub(crate) async fn end(&mut self) -> &'static str {
        let input = self.input.take();
        let ended = async {
            match input {
                Some(input) => drop(input.await),
                None => std::future::pending().await,
            }
        };
        tokio::pin!(ended);
        loop {
            tokio::select! {
                () = &mut ended => return "the standard input has ended",
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.hangup.recv() => tracing::info!(target: "jackline", event = lines::HANGUP_IGNORED, "SIGHUP is ignored: a changed configuration takes effect at a restart"),
            }
        }
    }

    /// Waits for a SIGINT: somebody does not want to wait.
    pub(crate) async fn interrupted(&mut self) {
        self.interrupt.recv().await;
    }
}

/// Reads the standard input to its end. The kernel closes it when whoever holds the other end is gone, be it by SIGKILL: a
/// parent's death signal would not do, for it comes when the thread dies that started the child.
fn input_ends() -> io::Result<oneshot::Receiver<()>> {
    let (sender, ended) = oneshot::channel();
    let read = move || {
        // An input that cannot be read has ended as well.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        let _ = sender.send(());
    };
    thread::Builder::new()
        .name("jackline-input".to_owned())
        .spawn(read)?;
    Ok(ended)
}
