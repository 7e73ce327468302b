//! What the command's exit status says. A promise to scripts: documented in `--help` and held by the end-to-end tests.

use std::process::ExitCode;

use jackline_agent::status::NodeState;

/// An exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// All is well; of `status`: attached.
    Well = 0,
    /// It failed; of `status`: degraded.
    Failed = 1,
    /// Of `status`: isolated; of `lab`: it could not be played.
    Isolated = 2,
    /// Of `status`: jackline is not running.
    NotRunning = 3,
    /// Of `status`: jackline could not be asked.
    Unknown = 4,
    /// The command line was wrong (`EX_USAGE`).
    Usage = 64,
    /// The configuration was refused (`EX_CONFIG`): starting again will not help.
    Config = 78,
    /// Of `run`: interrupted twice, so it ended at once.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<NodeState> for Exit {
    fn from(state: NodeState) -> Self {
        match state {
            NodeState::Attached => Self::Well,
            NodeState::Degraded => Self::Failed,
            NodeState::Isolated => Self::Isolated,
        }
    }
}
