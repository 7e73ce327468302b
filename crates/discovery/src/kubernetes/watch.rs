//! The watches that a list left open: applies events to the set and reports each change, whole. They end together, for any reason,
//! and are never resumed here: the core orders the next refresh (R1, R2).

use std::future::pending;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use jackline_core::Mode;
use serde::Deserialize;
use tokio::time::Instant;

use super::drain::Annotation;
use super::objects::{Membership, Object, parse};
use super::{Flavour, report};
use crate::ask_error::{AskError, foreign_words};
use crate::http::Lines;
use crate::refresh::Voice;

/// The longest event.
const LINE_MAX: usize = 1024 * 1024;

/// Bookmarks come about once a minute. A watch that says nothing for this long is not believed any more; a peer that
/// died is found by TCP's keep-alive long before.
const SILENCE_MAX: Duration = Duration::from_secs(300);

/// No control plane changes faster than this many events within [`FLOOD_WINDOW`].
const FLOOD_MAX: u32 = 1_000;

/// See [`FLOOD_MAX`].
const FLOOD_WINDOW: Duration = Duration::from_secs(10);

/// An open watch.
pub(crate) struct Watch {
    pub(super) lines: Lines,
    /// The Endpoints object's own watch, where slices tell the endpoints.
    pub(super) drain_lines: Option<Lines>,
    pub(super) membership: Membership,
    pub(super) drain: Option<Annotation>,
    pub(super) flavour: Flavour,
    pub(super) note: String,
    pub(super) answered_by: SocketAddr,
}

#[derive(Deserialize)]
struct EventKind {
    #[serde(rename = "type")]
    kind: String,
}

/// An event's object, whose type its kind tells.
#[derive(Deserialize)]
struct About<T> {
    object: T,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    code: u16,
    #[serde(default)]
    message: String,
}

/// What an event did.
#[derive(Debug, PartialEq, Eq)]
enum Effect {
    /// Perhaps another set.
    Applied,
    /// A sign of life.
    Bookmark,
}

impl Watch {
    /// Follows the watch to its end, and says in words why it ended.
    pub(crate) async fn follow(mut self, voice: &Voice) -> String {
        let mut reported = (self.membership.listings(), self.drain.clone());
        let mut window = (Instant::now(), 0_u32);
        loop {
            let (line, flavour) = tokio::select! {
                line = self.lines.next(LINE_MAX, SILENCE_MAX) => (line, self.flavour),
                line = next_of(&mut self.drain_lines) => (line, Flavour::Drain),
            };
            let line = match line {
                Ok(Some(line)) => line,
                Ok(None) => return format!("{} ended the watch", self.answered_by),
                Err(AskError::TimedOut(_)) => {
                    return format!(
                        "{} said nothing for {} s",
                        self.answered_by,
                        SILENCE_MAX.as_secs()
                    );
                }
                Err(error) => return format!("the watch at {} broke: {error}", self.answered_by),
            };
            if window.0.elapsed() > FLOOD_WINDOW {
                window = (Instant::now(), 0);
            }
            window.1 += 1;
            if window.1 > FLOOD_MAX {
                return format!("{} floods the watch with events", self.answered_by);
            }
            match self.apply(flavour, &line) {
                Ok(Effect::Bookmark) => {}
                Ok(Effect::Applied) => {
                    let now = (self.membership.listings(), self.drain.clone());
                    if now != reported {
                        reported = now;
                        voice.report(report(
                            &self.membership,
                            self.drain.as_ref(),
                            Mode::Watch,
                            self.answered_by,
                            &self.note,
                        ));
                    }
                }
                Err(reason) => return format!("the watch at {} ended: {reason}", self.answered_by),
            }
        }
    }

    /// Applies one event. An error, the server's or ours with what it sent, ends the watch.
    fn apply(&mut self, flavour: Flavour, line: &[u8]) -> Result<Effect, String> {
        let wrong = |error: String| format!("an event makes no sense: {error}");
        let event: EventKind = parse(line).map_err(wrong)?;
        match event.kind.as_str() {
            "ADDED" | "MODIFIED" => {
                let about: About<Object> = parse(line).map_err(wrong)?;
                self.put(flavour, &about.object).map_err(wrong)?;
            }
            "DELETED" => {
                let about: About<Object> = parse(line).map_err(wrong)?;
                // The object gone is the annotation gone; but an apiserver makes it anew at once, and only then is it news (M2).
                if flavour != Flavour::Drain {
                    self.membership.remove(&about.object);
                }
            }
            "BOOKMARK" => return Ok(Effect::Bookmark),
            "ERROR" => {
                let status = parse::<About<Status>>(line).map_err(wrong)?.object;
                return Err(match status.code {
                    410 => format!("410, its history is gone ({})", foreign_words(&status.message)),
                    code => format!("error {code} ({})", foreign_words(&status.message)),
                });
            }
            other => return Err(format!("an event of the unknown type {:?}", foreign_words(other))),
        }
        Ok(Effect::Applied)
    }
    fn put(&mut self, flavour: Flavour, object: &Object) -> Result<(), String> {
        if flavour != Flavour::Slices && object.is_kubernetes() {
            self.drain = Some(object.annotation());
        }
        self.membership.put(flavour, object)
    }
}

/// The next line of a watch that may not be there.
async fn next_of(lines: &mut Option<Lines>) -> Result<Option<BytesMut>, AskError> {
    match lines {
        Some(lines) => lines.next(LINE_MAX, SILENCE_MAX).await,
        None => pending().await,
    }
}
