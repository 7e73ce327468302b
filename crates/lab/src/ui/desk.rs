//! What can be done to a server by a button, and how each server is.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::board::Board;
use crate::locked::lock;
use crate::timeline::Timeline;
use crate::{Role, Server, Shutdown, StartAs};

/// A stopped server fails its `/readyz` for this long before it goes, as `--shutdown-delay-duration` has it.
const SHUTDOWN_DELAY: Duration = Duration::from_secs(2);

/// A button.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Deed {
    /// SIGKILL.
    Kill,
    /// A clean stop.
    Stop,
    /// As SIGSTOP does.
    Freeze,
    /// Cut off from the network.
    BlackHole,
    /// Started, let go on, or connected again: whatever brings it back.
    Start,
}

/// What was done to a server last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    Running,
    Stopping,
    Stopped,
    Killed,
    Frozen,
    BlackHoled,
}

impl Condition {
    /// What makes sense now: each bad end is ended by `start`, and a machine that hangs can still be killed.
    const fn deeds(self) -> &'static [Deed] {
        match self {
            Self::Running => &[Deed::Kill, Deed::Stop, Deed::Freeze, Deed::BlackHole],
            Self::Stopping => &[Deed::Kill],
            Self::Stopped | Self::Killed => &[Deed::Start],
            Self::Frozen | Self::BlackHoled => &[Deed::Kill, Deed::Start],
        }
    }
}

/// Why a deed was not done, for the person who asked for it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    /// There is no such server.
    #[error("there is no server {0}")]
    NoServer(String),
    /// It makes no sense now.
    #[error("{0} cannot be treated so as it is now")]
    NotNow(String),
    /// The lab could not do it.
    #[error("the lab could not do it: {0}")]
    Failed(#[from] crate::PlaneError),
}

/// The servers, and what was done to each.
pub(super) struct Desk {
    servers: Vec<(Server, Arc<Mutex<Condition>>)>,
    board: Board,
    timeline: Timeline,
}

impl Desk {
    pub(super) fn new(servers: &[Server], board: Board, timeline: Timeline) -> Self {
        let running = |server: &Server| (server.clone(), Arc::new(Mutex::new(Condition::Running)));
        Self {
            servers: servers.iter().map(running).collect(),
            board,
            timeline,
        }
    }

    /// As the page shows them.
    pub(super) fn servers(&self) -> Value {
        let one = |(server, condition): &(Server, Arc<Mutex<Condition>>)| {
            let condition = *lock(condition);
            let word = match condition {
                Condition::Running if !server.is_answering() => "starting",
                Condition::Running if server.role().serves_api() && !server.is_ready() => "starting",
                Condition::Running => "running",
                Condition::Stopping => "stopping",
                Condition::Stopped => "stopped",
                Condition::Killed => "killed",
                Condition::Frozen => "frozen",
                Condition::BlackHoled => "black-holed",
            };
            let role = match server.role() {
                Role::Server => "server",
                Role::EtcdOnly => "etcd only, serves no API",
                Role::ControlPlaneOnly => "control plane",
            };
            json!({
                "name": server.name(), "address": server.address(), "role": role,
                "condition": word, "deeds": condition.deeds(),
            })
        };
        self.servers.iter().map(one).collect()
    }

    /// Does it, and tells it. Called within a tokio runtime.
    ///
    /// # Errors
    /// When it cannot be done; nothing is changed then.
    pub(super) fn act(&self, name: &str, deed: Deed) -> Result<(), Refused> {
        let found = self.servers.iter().find(|(server, _)| server.name() == name);
        let (server, condition) = found.ok_or_else(|| Refused::NoServer(name.to_owned()))?;
        // Held until it is done: two clicks at the same time are one after the other.
        let mut now = lock(condition);
        if !now.deeds().contains(&deed) {
            return Err(Refused::NotNow(name.to_owned()));
        }
        let (after, grade, told) = match deed {
            Deed::Kill => {
                server.kill();
                (Condition::Killed, "bad", "is killed")
            }
            Deed::Stop => {
                self.stop(server.clone(), Arc::clone(condition));
                (Condition::Stopping, "fair", "is being stopped cleanly")
            }
            Deed::Freeze => {
                server.freeze();
                (
                    Condition::Frozen,
                    "bad",
                    "freezes: it accepts, and answers nothing",
                )
            }
            Deed::BlackHole => {
                server.black_hole()?;
                (
                    Condition::BlackHoled,
                    "bad",
                    "is in a black hole: every packet to it vanishes",
                )
            }
            Deed::Start => {
                let told = match *now {
                    Condition::Frozen => {
                        server.thaw();
                        "goes on where it froze"
                    }
                    Condition::BlackHoled => {
                        server.restore();
                        "is connected again"
                    }
                    _ => {
                        server.start(StartAs::Fresh)?;
                        "starts"
                    }
                };
                (Condition::Running, "good", told)
            }
        };
        *now = after;
        drop(now);
        self.tell(grade, &format!("{name} {told}"));
        Ok(())
    }

    fn stop(&self, server: Server, condition: Arc<Mutex<Condition>>) {
        let (board, timeline) = (self.board.clone(), self.timeline.clone());
        tokio::spawn(async move {
            server.stop(Shutdown::Delayed(SHUTDOWN_DELAY)).await;
            let mut now = lock(&condition);
            // It may have been killed meanwhile, and even started again.
            if *now == Condition::Stopping && !server.is_running() {
                *now = Condition::Stopped;
                let told = format!("{} has stopped", server.name());
                timeline.say(told.clone());
                board.say("bad", &told);
            }
        });
    }

    fn tell(&self, grade: &str, text: &str) {
        self.timeline.say(text);
        self.board.say(grade, text);
    }
}
