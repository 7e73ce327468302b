//! What a service manager is told, and by what it finds that the process hangs: systemd's protocol of notifications, which
//! others speak too. Listeners that it hands over are [`handed`]'s. Without a service manager nothing here does anything.
//!
//! A notification is a datagram of lines `KEY=VALUE` to the socket that `NOTIFY_SOCKET` names (sd_notify(3)).

pub(crate) mod handed;

use std::env;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jackline_core::{NodeState, Snapshot};
use jackline_proxy::DataPlane;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::lines;
use crate::queue::Queue;

/// What `systemctl status` shows changes at most this often.
const TELL_PERIOD: Duration = Duration::from_secs(1);
/// A sign of life comes so many times in the time after which the service manager gives us up.
const SIGNS: u32 = 3;
/// The driver takes a look at its queue once a second at the least; one that has not for so long hangs.
const DRIVER_TIME: Duration = Duration::from_secs(5);
/// Longer reasons are cut: `systemctl status` has one line for it.
const STATUS_MAX: usize = 200;

/// Whom to tell.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: UnixDatagram,
    /// Within this time it wants signs of life.
    watchdog: Option<Duration>,
}

/// What is alive as long as it answers.
pub(crate) struct Pulse {
    pub(crate) published: Arc<ArcSwap<Snapshot>>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) plane: Arc<DataPlane>,
}

impl Listener {
    /// The service manager of this process, if it has one that wants to hear.
    pub(crate) fn of_process() -> Option<Self> {
        let path = env::var_os("NOTIFY_SOCKET").filter(|path| !path.is_empty())?;
        let listener = connect(path.as_encoded_bytes());
        let socket = listener
            .inspect_err(|error| {
                tracing::warn!(target: "jackline", event = lines::NOT_NOTIFIED, %error, "the service manager's socket (NOTIFY_SOCKET) cannot be used; it may hold this start for a failed one");
            })
            .ok()?;
        Some(Self {
            socket,
            watchdog: watchdog(
                env::var("WATCHDOG_USEC").ok().as_deref(),
                env::var("WATCHDOG_PID").ok().as_deref(),
            ),
        })
    }

    /// Sends these lines. A service manager that does not take them is no reason to stop.
    fn tell(&self, lines: &str) {
        if let Err(error) = self.socket.send(lines.as_bytes()) {
            tracing::debug!(target: "jackline", %error, "the service manager takes no notification");
        }
    }

    /// Says that this process takes our place.
    pub(crate) fn tell_successor(&self, process: u32) {
        self.tell(&format!("MAINPID={process}"));
    }

    /// Says that clients are served, and from then on how the node fares and that `pulse` beats; that it ends, once `stop` is told.
    pub(crate) async fn keep_informed(self, pulse: Pulse, stop: CancellationToken) {
        self.tell(&format!("READY=1\n{}", status(&pulse.published.load())));
        if let Some(within) = self.watchdog {
            tracing::debug!(target: "jackline", ?within, "the service manager wants signs of life");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.tell_status(&pulse.published) => {}
            () = self.show_life(&pulse) => {}
        }
        self.tell("STOPPING=1\nSTATUS=ends: no new sessions, those that are open may finish");
    }

    async fn tell_status(&self, published: &ArcSwap<Snapshot>) {
        let mut told = String::new();
        loop {
            let now = status(&published.load());
            if now != told {
                self.tell(&now);
                told = now;
            }
            sleep(TELL_PERIOD).await;
        }
    }

    /// Signs of life, as long as the driver takes events and every thread of the data plane takes orders: one that hangs is
    /// worse than one that is started again, for nobody would see it.
    async fn show_life(&self, pulse: &Pulse) {
        let Some(within) = self.watchdog else {
            return std::future::pending().await;
        };
        let period = within / SIGNS;
        let (mut asked, mut seen) = (pulse.queue.asked(), Instant::now());
        loop {
            let data_plane = timeout(period, pulse.plane.answered()).await.is_ok();
            let now = pulse.queue.asked();
            if now != asked {
                (asked, seen) = (now, Instant::now());
            }
            let driver = seen.elapsed() < DRIVER_TIME;
            if data_plane && driver {
                self.tell("WATCHDOG=1");
            } else {
                tracing::error!(target: "jackline", event = lines::UNRESPONSIVE, data_plane, driver, "a part of jackline does not answer: it will be started again");
            }
            sleep(period).await;
        }
    }
}

/// A name that begins with `@` is abstract.
fn connect(name: &[u8]) -> io::Result<UnixDatagram> {
    use std::os::unix::ffi::OsStrExt;
    let address = match name {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        path => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path))?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect_addr(&address)?;
    Ok(socket)
}

/// After how long without a sign of life we are given up; `None`: never, or it is another process that is meant.
fn watchdog(microseconds: Option<&str>, process: Option<&str>) -> Option<Duration> {
    let ours = process.is_none_or(|process| process == std::process::id().to_string());
    let microseconds: u64 = microseconds.filter(|_| ours)?.parse().ok()?;
    (microseconds > 0).then(|| Duration::from_micros(microseconds))
}

/// How the node fares, as the line of `systemctl status`.
fn status(snapshot: &Snapshot) -> String {
    let state = match snapshot.state {
        NodeState::Attached => "attached",
        NodeState::Degraded => "degraded",
        NodeState::Isolated => "isolated",
    };
    let reason: String = snapshot
        .state_reason
        .chars()
        .filter(|c| !c.is_control())
        .take(STATUS_MAX)
        .collect();
    format!("STATUS={state}: {reason}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdogs_time_is_ours_or_none() {
        let own = std::process::id().to_string();
        let half = Some(Duration::from_micros(500_000));
        assert_eq!(watchdog(Some("500000"), Some(&own)), half);
        assert_eq!(watchdog(Some("500000"), None), half);
        assert_eq!(watchdog(Some("500000"), Some("1")), None, "another process's");
        assert_eq!(watchdog(Some("0"), None), None);
        assert_eq!(watchdog(Some("soon"), None), None);
        assert_eq!(watchdog(None, Some(&own)), None);
    }

    #[test]
    fn notifications_reach_a_path_and_an_abstract_name() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("notify");
        let heard = UnixDatagram::bind(&path).expect("bound");
        let socket = connect(path.as_os_str().as_encoded_bytes()).expect("a path");
        socket.send(b"READY=1").expect("sent");
        let mut bytes = [0; 16];
        assert_eq!(heard.recv(&mut bytes).expect("heard"), 7);
        let name = format!("jackline-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        let heard = UnixDatagram::bind_addr(&address).expect("bound");
        let socket = connect(format!("@{name}").as_bytes()).expect("a name");
        socket.send(b"READY=1").expect("sent");
        assert_eq!(heard.recv(&mut bytes).expect("heard"), 7);
        assert!(connect(b"/nowhere/at/all").is_err());
    }
}
