//! What ends a run or changes it: signals, and for whoever is another program's child the end of its standard input.

use std::fs::File;
use std::io;
use std::thread;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// What a signal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// The run is to end, by the signal of this name.
    End(&'static str),
    /// The configuration is to be read anew: SIGHUP.
    Reload,
}

/// SIGTERM, SIGINT and SIGHUP, heard from now on.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// Told when the standard input ends; `None`: that is nobody's business.
    input: Option<oneshot::Receiver<()>>,
}

impl Signals {
    /// Takes them over from their defaults, which would kill. `input`: its end ends the run too.
    pub(crate) fn listen(input: Option<File>) -> io::Result<Self> {
        Ok(Self {
            input: input.map(input_ends).transpose()?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) -> Sign {
        let ended = async {
            match &mut self.input {
                Some(input) => drop(input.await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = ended => Sign::End("the standard input has ended"),
            _ = self.terminate.recv() => Sign::End("SIGTERM"),
            _ = self.interrupt.recv() => Sign::End("SIGINT"),
            _ = self.hangup.recv() => Sign::Reload,
        }
    }

    /// Waits for a SIGINT: somebody does not want to wait.
    pub(crate) async fn interrupted(&mut self) {
        self.interrupt.recv().await;
    }
}

/// Reads the input to its end. The kernel closes it when whoever holds the other end is gone, be it by SIGKILL: a
/// parent's death signal would not do, for it comes when the thread dies that started the child.
fn input_ends(mut input: File) -> io::Result<oneshot::Receiver<()>> {
    let (sender, ended) = oneshot::channel();
    let read = move || {
        // An input that cannot be read has ended as well.
        let _ = io::copy(&mut input, &mut io::sink());
        let _ = sender.send(());
    };
    thread::Builder::new()
        .name("jackline-input".to_owned())
        .spawn(read)?;
    Ok(ended)
}
