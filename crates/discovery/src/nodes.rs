//! The Node source (M3a): control-plane Nodes by label at start, later one Node by name.
//!
//! The list comes from the watch cache and costs the cluster nothing; it only ties endpoints to Nodes. What one Node's
//! absence proves is asked by a consistent read, and believed only in Kubernetes's own words from a verified server.

use std::net::SocketAddr;
use std::sync::Arc;

use jackline_core::{Mode, NodeListing, Report, SourceFailure};
use jackline_trust::Trust;
use tokio::time::Instant;

use crate::ask_error::AskError;
use crate::attempt::{Answer, Attempts, relay};
use crate::dial::Access;
use crate::http::{Connection, Media, Want};
use crate::refresh::{Voice, failure};
use crate::source::Question;

mod objects;

use objects::{Node, NodeList};

/// The largest list: Nodes are some 10 KiB each.
const LIST_MAX: usize = 4 * 1024 * 1024;

/// The labels of control-plane Nodes, the present one first.
const LABELS: [&str; 2] = [
    "node-role.kubernetes.io%2Fcontrol-plane",
    "node-role.kubernetes.io%2Fmaster",
];

/// The source.
pub(crate) struct Nodes {
    trust: Arc<Trust>,
}

struct Listed(Vec<NodeListing>);

impl Nodes {
    pub(crate) fn new(trust: Arc<Trust>) -> Self {
        Self { trust }
    }

    /// All control-plane Nodes.
    pub(crate) async fn ask_all(&self, question: &Question, voice: &Voice) -> Result<(), SourceFailure> {
        let access = Access::of_node(&self.trust).map_err(failure)?;
        let attempts = Attempts::new(&question.targets, question.deadline, |target, until| {
            list(target, &access, until)
        });
        relay(attempts, question.breadth, voice, "the control-plane Nodes")
            .await
            .map(drop)
    }

    /// The Node called `name`, or that there is none.
    pub(crate) async fn ask_one(
        &self,
        name: &str,
        question: &Question,
        voice: &Voice,
    ) -> Result<(), SourceFailure> {
        if !objects::is_node_name(name) {
            return Err(failure(format!("{name:?} is no Node's name")));
        }
        let access = Access::of_node(&self.trust).map_err(failure)?;
        let mut attempts = Attempts::new(&question.targets, question.deadline, |target, until| {
            find(name, target, &access, until)
        });
        match attempts.next().await {
            Some((target, node)) => {
                voice.report_node(name.to_owned(), node, Some(target));
                Ok(())
            }
            None => Err(attempts.into_failure(&format!("the Node {name}"))),
        }
    }
}

/// Lists at one server; by the older label where the present one finds none.
async fn list(target: SocketAddr, access: &Access, until: Instant) -> Result<Listed, AskError> {
    let mut connection = Connection::new(target, access);
    let mut nodes = Vec::new();
    for label in LABELS {
        let path = format!("/api/v1/nodes?labelSelector={label}&resourceVersion=0");
        let body = connection.get(want(&path), until).await?;
        nodes = NodeList::read(&body).map_err(AskError::Nonsense)?.into_listings();
        if !nodes.is_empty() {
            break;
        }
    }
    Ok(Listed(nodes))
}

/// Looks one Node up at one server: by GET, or by a list of one where only lists are allowed (kube-proxy's credential).
async fn find(
    name: &str,
    target: SocketAddr,
    access: &Access,
    until: Instant,
) -> Result<Option<NodeListing>, AskError> {
    let mut connection = Connection::new(target, access);
    let path = format!("/api/v1/nodes/{name}");
    match connection.get(want(&path), until).await {
        Ok(body) => {
            let node = Node::read(&body).map_err(AskError::Nonsense)?;
            if node.name() != name {
                return Err(AskError::Nonsense(format!("another Node than {name}")));
            }
            Ok(Some(node.into_listing()))
        }
        // A server that merely knows no such path says 404 too: only this Node's absence in so many words is proof.
        Err(AskError::Status {
            code: 404,
            missing: Some(missing),
            ..
        }) if missing == format!("nodes/{name}") => Ok(None),
        Err(error) if error.status() == Some(403) => {
            let path = format!("/api/v1/nodes?fieldSelector=metadata.name%3D{name}");
            let body = connection.get(want(&path), until).await?;
            let nodes = NodeList::read(&body).map_err(AskError::Nonsense)?.into_listings();
            match nodes.iter().any(|node| node.name != name) {
                true => Err(AskError::Nonsense(format!("other Nodes than {name}"))),
                false => Ok(nodes.into_iter().next()),
            }
        }
        Err(error) => Err(error),
    }
}

fn want(path: &str) -> Want<'_> {
    Want {
        path,
        media: Media::Json,
        body_max: LIST_MAX,
    }
}

impl Answer for Listed {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn report(&self, answered_by: SocketAddr) -> Report {
        Report {
            nodes: self.0.clone(),
            mode: Mode::Poll,
            answered_by: Some(answered_by),
            verified: true,
            ..Report::default()
        }
    }
}
