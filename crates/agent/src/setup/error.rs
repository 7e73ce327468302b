//! Why a node is not set up, or not put back. Each ends in what to do.

use std::io;

use crate::config::ConfigError;

/// Why.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// What was asked for, or jackline's own file, is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Something on the node is in the way; nothing was changed.
    #[error("nothing was changed, for this is in the way:\n{}", lines(.0))]
    Blocked(Vec<String>),
    /// Files that setup wrote were changed by somebody else since; nothing was changed.
    #[error(
        "nothing was put back, for these were changed since setup wrote them:\n{}\n\
         put each back from its backup, then undo again; or keep them and remove /etc/jackline/setup",
        lines(.0)
    )]
    Changed(Vec<String>),
    /// The record of what was changed cannot be used.
    #[error(
        "{path} cannot be used: {what}; if nothing of jackline's setup is left on this node, remove /etc/jackline/setup"
    )]
    Ledger {
        /// The file.
        path: String,
        /// What is wrong with it.
        what: String,
    },
    /// A file could not be read, written or removed. What was done before it stays done, and is known: undo takes it back.
    #[error(
        "{path} cannot be {action}: {source}; run it as root on a disk that can be written, again to go on or with --undo to go back"
    )]
    File {
        /// The file, as the node names it.
        path: String,
        /// Read, written or removed.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

fn lines(all: &[String]) -> String {
    let lines: Vec<String> = all.iter().map(|line| format!("  - {line}")).collect();
    lines.join("\n")
}
