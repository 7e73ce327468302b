//! The heartbeat witness: the node's own Lease, `kube-node-lease/<node>`, as the kubelet renewed it last.
//!
//! A consistent read at a server that the core names. That the credential may not read it (only the kubelet's may), or that
//! there is none, is an answer and no failure: then there is no witness. What a late Lease means is the core's business.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jackline_core::{Heartbeat as Renewal, Mode, Report, SourceFailure};
use jackline_trust::Trust;
use jackline_way::Ways;
use jiff::Timestamp;
use serde::Deserialize;
use tokio::time::Instant;

use crate::HeartbeatConfig;
use crate::address::is_node_name;
use crate::ask_error::{AskError, foreign_words};
use crate::attempt::{Answer, Attempts, relay};
use crate::dial::Access;
use crate::http::{Connection, Media, Want};
use crate::refresh::{Voice, failure};
use crate::source::Question;

/// The largest Lease; real ones are below 1 KiB.
const LEASE_MAX: usize = 64 * 1024;
/// Rights are the cluster's and change seldom: a refusal holds for this long.
const REFUSED_FOR: Duration = Duration::from_secs(600);

/// The source.
pub(crate) struct Heartbeat {
    node: String,
    trust: Arc<Trust>,
    ways: Arc<Ways>,
}

/// What one server answered: the Lease, or why there is none to be had.
enum Answered {
    Renewed(Timestamp),
    Nothing(Nothing),
}

/// Why there is none.
struct Nothing {
    note: String,
    /// The credential may not read it. A Lease that is not there may be there the next minute.
    refused: bool,
}

impl Answered {
    fn refused(note: String) -> Self {
        Self::Nothing(Nothing { note, refused: true })
    }

    fn not_there(note: String) -> Self {
        Self::Nothing(Nothing { note, refused: false })
    }
}

#[derive(Deserialize)]
struct Lease {
    #[serde(default)]
    kind: String,
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
}

#[derive(Default, Deserialize)]
struct Spec {
    #[serde(rename = "renewTime", default)]
    renewed: Option<String>,
}

impl Heartbeat {
    pub(crate) fn new(config: HeartbeatConfig, trust: Arc<Trust>, ways: Arc<Ways>) -> Self {
        Self {
            node: config.node,
            trust,
            ways,
        }
    }

    pub(crate) async fn ask(&self, question: &Question, voice: &Voice) -> Result<(), SourceFailure> {
        if !is_node_name(&self.node) {
            return Err(failure(format!(
                "{:?} is no Node's name; configure node.name",
                foreign_words(&self.node)
            )));
        }
        let access = Access::of_node(&self.trust, &self.ways).map_err(failure)?;
        let attempts = Attempts::new(&question.targets, question.deadline, |target, until| {
            read(&self.node, target, &access, until)
        });
        relay(attempts, question.breadth, voice, "the node's own Lease")
            .await
            .map(drop)
    }
}

async fn read(node: &str, target: SocketAddr, access: &Access, until: Instant) -> Result<Answered, AskError> {
    let path = format!("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{node}");
    let want = Want {
        path: &path,
        media: Media::Json,
        body_max: LEASE_MAX,
    };
    match Connection::new(target, access).get(want, until).await {
        Ok(body) => renewal(&body, node).map_err(AskError::Nonsense),
        Err(error) if error.status() == Some(403) => Ok(Answered::refused(format!(
            "no witness: only the kubelet's credential may read the node's Lease; {error}"
        ))),
        Err(AskError::Status {
            code: 404,
            missing: Some(missing),
            ..
        }) if missing.ends_with(&format!("/{node}")) => Ok(Answered::not_there(format!(
            "no witness: there is no Lease of a node {node}"
        ))),
        Err(error) => Err(error),
    }
}

/// The time in a Lease; a kubelet that has not renewed it yet wrote none.
fn renewal(body: &[u8], node: &str) -> Result<Answered, String> {
    let lease: Lease = serde_json::from_slice(body).map_err(|error| foreign_words(&error.to_string()))?;
    if lease.kind != "Lease" || lease.metadata.name != node {
        return Err("it is another object than the node's Lease".to_owned());
    }
    let Some(text) = lease.spec.renewed else {
        return Ok(Answered::not_there(
            "no witness: the Lease was never renewed".to_owned(),
        ));
    };
    let time = text
        .parse()
        .map_err(|_| format!("{:?} is no RFC 3339 time", foreign_words(&text)))?;
    Ok(Answered::Renewed(time))
}

impl Answer for Answered {
    /// Another server would say the same.
    fn is_empty(&self) -> bool {
        false
    }

    fn report(&self, answered_by: SocketAddr) -> Report {
        let (heartbeat, note, valid_for) = match self {
            Self::Renewed(time) => {
                let age = Timestamp::now().duration_since(*time);
                let renewal = Renewal {
                    renewed: u64::try_from(time.as_microsecond()).unwrap_or(0),
                    age: Duration::try_from(age).unwrap_or(Duration::ZERO),
                };
                (Some(renewal), String::new(), None)
            }
            Self::Nothing(Nothing { note, refused }) => (None, note.clone(), refused.then_some(REFUSED_FOR)),
        };
        Report {
            heartbeat,
            mode: Mode::Poll,
            answered_by: Some(answered_by),
            verified: true,
            note,
            valid_for,
            ..Report::default()
        }
    }
}
