//! The status in one line, for prompts and login banners.

use jackline_agent::status::{Health, NodeState, StateFileStatus, Status, TrustState, word};

use super::words::{clean, span};
use crate::client::ClientError;

/// Of a jackline that answers.
pub(super) fn attached(status: &Status) -> String {
    let ready = |health: Health| health == Health::Ready;
    let known = status.endpoints.len();
    let good = status.endpoints.iter().filter(|one| ready(one.health)).count();
    let mut line = format!(
        "jackline: {} for {}, {good} of {known} apiservers ready",
        word(&status.state),
        span(status.since, status.now)
    );
    if status.trust.state == TrustState::Lost {
        line.push_str(", TRUST LOST");
    }
    if status.heartbeat.is_some_and(|heartbeat| heartbeat.late) {
        line.push_str(", HEARTBEAT LATE");
    }
    if status.state_file.status == StateFileStatus::MemoryOnly {
        line.push_str(", state not saved");
    }
    if status.state != NodeState::Attached {
        line.push_str(" (jackline explain isolation)");
    }
    clean(&line) + "\n"
}

/// Of one that does not.
pub(super) fn unasked(error: &ClientError) -> String {
    let why = match error {
        ClientError::NotRunning { .. } => "not running",
        ClientError::Denied { .. } => "may not be asked by this user",
        ClientError::Refused { .. } | ClientError::Odd { .. } => "does not answer",
    };
    format!("jackline: {why}\n")
}
