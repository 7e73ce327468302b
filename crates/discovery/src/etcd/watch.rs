//! The watch that a read left open: applies events to the set and reports each change, whole. It ends for any reason –
//! also when its history was compacted away – and is never resumed here: the core orders the next refresh (R1, R2).

use std::net::SocketAddr;
use std::time::Duration;

use jackline_core::{Mode, Report};
use tokio::time::Instant;

use super::grpc::{Messages, decoded};
use super::keys::Contents;
use super::messages::{MemberListResponse, WatchResponse};
use crate::ask_error::foreign_words;
use crate::refresh::Voice;

/// The longest message of a watch.
pub(super) const MESSAGE_MAX: usize = 1024 * 1024;

/// Leases are renewed every ten seconds, each a message: no control plane has so many within [`FLOOD_WINDOW`].
const FLOOD_MAX: u32 = 2_000;

/// See [`FLOOD_MAX`].
const FLOOD_WINDOW: Duration = Duration::from_secs(10);

/// An open watch.
pub(crate) struct Watch {
    pub(super) messages: Messages,
    pub(super) standpoint: Standpoint,
}

/// What is known by one member's answer, and what it counts for.
pub(super) struct Standpoint {
    pub(super) contents: Contents,
    /// The members, where they were told.
    pub(super) members: Option<MemberListResponse>,
    pub(super) answered_by: SocketAddr,
    /// Whether it may take something away (M6).
    pub(super) counts_fully: bool,
    /// What people should know beside the contents' own remarks.
    pub(super) notes: Vec<String>,
}

impl Standpoint {
    /// All that is known now, as a whole report.
    pub(super) fn report(&self, mode: Mode) -> Report {
        let mut notes = self.notes.clone();
        notes.extend(self.contents.remarks());
        Report {
            endpoints: self.contents.listings(),
            mode,
            answered_by: Some(self.answered_by),
            verified: self.counts_fully && self.contents.is_whole(),
            note: notes.join("; "),
            ..Report::default()
        }
    }
}

impl Watch {
    /// Follows the watch to its end, and says in words why it ended.
    pub(crate) async fn follow(mut self, voice: &Voice) -> String {
        let mut reported = self.standpoint.report(Mode::Watch);
        let mut window = (Instant::now(), 0_u32);
        let from = self.standpoint.answered_by;
        loop {
            let message = match self.messages.next(MESSAGE_MAX).await {
                Ok(Some(message)) => message,
                Ok(None) => return format!("{from} ended the watch"),
                Err(error) => return format!("the watch at {from} broke: {error}"),
            };
            if window.0.elapsed() > FLOOD_WINDOW {
                window = (Instant::now(), 0);
            }
            window.1 += 1;
            if window.1 > FLOOD_MAX {
                return format!("{from} floods the watch with events");
            }
            let response: WatchResponse = match decoded(message) {
                Ok(response) => response,
                Err(error) => return format!("the watch at {from} ended: {error}"),
            };
            if let Some(reason) = end_of(&response) {
                return format!("the watch at {from} ended: {reason}");
            }
            for event in &response.events {
                self.standpoint.contents.apply(event);
            }
            let now = self.standpoint.report(Mode::Watch);
            if now != reported {
                voice.report(now.clone());
                reported = now;
            }
        }
    }
}

/// Why the member ended one of the watches, if it did.
pub(super) fn end_of(response: &WatchResponse) -> Option<String> {
    let why = foreign_words(&response.cancel_reason);
    match (response.canceled, response.compact_revision) {
        (false, _) => None,
        (true, 0) => Some(format!("it cancelled it ({why})")),
        (true, oldest) => Some(format!(
            "its history before revision {oldest} is gone (compacted)"
        )),
    }
}
