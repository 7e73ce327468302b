//! From a configuration to a running jackline, and to its end.

use crate::config::Config;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// SIGTERM or SIGINT, and all was brought to an end: status 0.
    Clean,
    /// SIGINT came again: ended at once, status 130.
    Interrupted,
}

impl Exit {
    /// The status for the shell.
    pub const fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Interrupted => 130,
        }
    }
}

/// Why jackline could not start. Once it runs, nothing but a signal ends it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener could not be had.
    #[error(transparent)]
    Bind(#[from] jackline_proxy::BindError),
}

/// Runs jackline until it is told to end.
///
/// # Errors
/// It could not start; the error ends in what to do.
pub fn run(config: Config) -> Result<Exit, StartError> {
    let _ = config;
    Ok(Exit::Clean)
}
