//! The Endpoints source: every EndpointSlice of `default/kubernetes`, or its Endpoints where slices are refused.
//!
//! List, then watch from the list's own resourceVersion over the same connection. The list is a consistent read: an answer from a
//! server that lost etcd's quorum would prove nothing (M6). How the watch goes on is `watch.rs`'s; what the objects
//! look like is `objects.rs`'s.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jackline_core::{Mode, Report, SourceFailure};
use jackline_trust::Trust;
use tokio::time::Instant;

use crate::ask_error::AskError;
use crate::attempt::{Answer, Attempts, relay};
use crate::dial::Access;
use crate::http::{Connection, Lines, Media, Want};
use crate::refresh::{Voice, failure};
use crate::source::Question;

mod objects;
mod watch;

use objects::Membership;
pub(crate) use watch::Watch;

/// The largest list: 10,000 entries fit.
const LIST_MAX: usize = 4 * 1024 * 1024;

/// A server that takes longer to open a watch, or half of what time is left, is asked again and again instead.
const WATCH_OPENS_WITHIN: Duration = Duration::from_secs(4);

/// Asked for in `timeoutSeconds`: longer than any pace of refreshes, each of which replaces the watch.
const WATCH_SECONDS: u32 = 600;

/// The source.
pub(crate) struct Kubernetes {
    trust: Arc<Trust>,
}

/// Which objects tell the endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// EndpointSlices, one or more for each address family.
    Slices,
    /// The one older object.
    Endpoints,
}

/// What one server answered.
struct Listed {
    membership: Membership,
    /// Absent: not to be had, for the reason in `note`.
    lines: Option<Lines>,
    flavour: Flavour,
    note: String,
    answered_by: SocketAddr,
}

impl Kubernetes {
    pub(crate) fn new(trust: Arc<Trust>) -> Self {
        Self { trust }
    }

    pub(crate) async fn ask(
        &self,
        question: &Question,
        voice: &Voice,
    ) -> Result<Option<Watch>, SourceFailure> {
        let access = Access::of_node(&self.trust).map_err(failure)?;
        let attempts = Attempts::new(&question.targets, question.deadline, |target, until| {
            list(target, &access, until)
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
            lines,
            flavour,
            note,
            answered_by,
        } = listed;
        Ok(lines.map(|lines| Watch {
            lines,
            membership,
            flavour,
            note,
            answered_by,
        }))
    }
}

/// Lists at one server, and opens the watch.
async fn list(target: SocketAddr, access: &Access, until: Instant) -> Result<Listed, AskError> {
    let mut connection = Connection::new(target, access);
    let slices = connection.get(want(&Flavour::Slices.list_path()), until).await;
    let (flavour, body, mut notes) = match slices {
        Ok(body) => (Flavour::Slices, body, Vec::new()),
        Err(refused) if matches!(refused.status(), Some(403 | 404)) => {
            let body = connection
                .get(want(&Flavour::Endpoints.list_path()), until)
                .await?;
            (
                Flavour::Endpoints,
                body,
                vec![format!(
                    "Endpoints are read, for EndpointSlices are not to be had: {refused}"
                )],
            )
        }
        Err(error) => return Err(error),
    };
    let membership = Membership::from_list(flavour, &body).map_err(AskError::Nonsense)?;
    notes.extend(membership.remark());
    let path = flavour.watch_path(membership.version());
    let now = Instant::now();
    let soon = now + WATCH_OPENS_WITHIN.min((until - now) / 2);
    let lines = match connection.stream(want(&path), soon).await {
        Ok(lines) => Some(lines),
        Err(error) => {
            notes.push(format!("no watch: {error}"));
            None
        }
    };
    Ok(Listed {
        membership,
        lines,
        flavour,
        note: notes.join("; "),
        answered_by: target,
    })
}

fn want(path: &str) -> Want<'_> {
    Want {
        path,
        media: Media::Json,
        body_max: LIST_MAX,
    }
}

impl Flavour {
    fn list_path(self) -> String {
        match self {
            Self::Slices => slices_path(""),
            Self::Endpoints => "/api/v1/namespaces/default/endpoints/kubernetes".to_owned(),
        }
    }

    fn watch_path(self, version: &str) -> String {
        let watch = format!(
            "watch=true&allowWatchBookmarks=true&timeoutSeconds={WATCH_SECONDS}&resourceVersion={version}"
        );
        match self {
            Self::Slices => slices_path(&format!("&{watch}")),
            Self::Endpoints => {
                format!(
                    "/api/v1/namespaces/default/endpoints?fieldSelector=metadata.name%3Dkubernetes&{watch}"
                )
            }
        }
    }
}

fn slices_path(more: &str) -> String {
    format!(
        "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices\
         ?labelSelector=kubernetes.io%2Fservice-name%3Dkubernetes{more}"
    )
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
        report(&self.membership, mode, answered_by, &self.note)
    }
}

/// All that is known now, as a whole report.
fn report(membership: &Membership, mode: Mode, answered_by: SocketAddr, note: &str) -> Report {
    Report {
        endpoints: membership.listings(),
        mode,
        answered_by: Some(answered_by),
        verified: true,
        note: note.to_owned(),
        ..Report::default()
    }
}
