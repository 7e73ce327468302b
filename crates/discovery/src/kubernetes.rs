//! The Endpoints source: every EndpointSlice of `default/kubernetes`, or its Endpoints where slices are refused.
//!
//! List, then watch from the list's own resourceVersion over the same connection. The list is a consistent read: an answer from a
//! server that lost etcd's quorum would prove nothing (M6). The Endpoints object tells the fleet's drain besides, and is
//! read and watched whichever object tells the endpoints. What one server is asked is `ask.rs`'s; how the watches go on,
//! `watch.rs`'s; what the objects look like, `objects.rs`'s; what the drain's annotation says, `drain.rs`'s.

use std::net::SocketAddr;
use std::sync::Arc;

use jackline_core::{Mode, Report, SourceFailure};
use jackline_trust::Trust;
use jackline_way::Ways;

use crate::attempt::{Answer, Attempts, relay};
use crate::dial::Access;
use crate::http::Lines;
use crate::refresh::{Voice, failure};
use crate::refusals::Refusals;
use crate::source::Question;

mod ask;
mod drain;
mod objects;
mod watch;

use drain::Annotation;
use objects::Membership;
pub(crate) use watch::Watch;

/// The source.
pub(crate) struct Kubernetes {
    trust: Arc<Trust>,
    ways: Arc<Ways>,
    refusals: Refusals,
}

/// Which objects tell the endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// EndpointSlices, one or more for each address family.
    Slices,
    /// The older object, for its annotation only.
    Drain,
    /// The one older object, which tells the fleet's drain besides.
    Endpoints,
}

/// What one server answered.
struct Listed {
    membership: Membership,
    /// Absent: the Endpoints object could not be read.
    drain: Option<Annotation>,
    /// Absent: not to be had, for the reason in `note`.
    lines: Option<Lines>,
    /// The watch of the Endpoints object, where slices tell the endpoints.
    drain_lines: Option<Lines>,
    flavour: Flavour,
    note: String,
    answered_by: SocketAddr,
}

impl Kubernetes {
    pub(crate) fn new(trust: Arc<Trust>, ways: Arc<Ways>) -> Self {
        Self {
            trust,
            ways,
            refusals: Refusals::default(),
        }
    }

    pub(crate) async fn ask(
        &self,
        question: &Question,
        voice: &Voice,
    ) -> Result<Option<Watch>, SourceFailure> {
        let access = Access::of_node(&self.trust, &self.ways).map_err(failure)?;
        let attempts = Attempts::new(&question.targets, question.deadline, |target, until| {
            ask::list(target, &access, &self.refusals, until)
        });
        let listed = relay(
            attempts,
            question.breadth,
            voice,
            "the endpoints of default/kubernetes",
        )
        .await?;
        let Listed {
            membership,
            drain,
            lines,
            drain_lines,
            flavour,
            note,
            answered_by,
        } = listed;
        Ok(lines.map(|lines| Watch {
            lines,
            drain_lines,
            membership,
            drain,
            flavour,
            note,
            answered_by,
        }))
    }
}

impl Answer for Listed {
    fn is_empty(&self) -> bool {
        self.membership.is_empty()
    }

    fn report(&self, answered_by: SocketAddr) -> Report {
        let mode = if self.lines.is_some() {
            Mode::Watch
        } else {
            Mode::Poll
        };
        report(
            &self.membership,
            self.drain.as_ref(),
            mode,
            answered_by,
            &self.note,
        )
    }
}

/// All that is known now, as a whole report.
fn report(
    membership: &Membership,
    drain: Option<&Annotation>,
    mode: Mode,
    answered_by: SocketAddr,
    note: &str,
) -> Report {
    let remark = drain.and_then(Annotation::remark);
    let notes: Vec<&str> = [Some(note), remark.as_deref()]
        .into_iter()
        .flatten()
        .filter(|note| !note.is_empty())
        .collect();
    Report {
        endpoints: membership.listings(),
        draining: drain.and_then(|drain| drain.draining(jiff::Timestamp::now())),
        mode,
        answered_by: Some(answered_by),
        verified: true,
        note: notes.join("; "),
        ..Report::default()
    }
}
