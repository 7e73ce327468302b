//! The Node source (M3a): control-plane Nodes by label at start, later one Node by name; and the own Node, for its zone (S1).
//!
//! The list comes from the watch cache and costs the cluster nothing; it only ties endpoints to Nodes. What one Node's
//! absence proves is asked by a consistent read, and believed only in Kubernetes's own words from a verified server.

use std::net::SocketAddr;
use std::sync::Arc;

use jackline_core::{Mode, NodeListing, Report, SourceFailure};
use jackline_trust::Trust;
use jackline_way::Ways;
use tokio::time::Instant;

use crate::NodesConfig;
use crate::address::is_node_name;
use crate::ask_error::AskError;
use crate::attempt::{Answer, Attempts, relay};
use crate::dial::Access;
use crate::http::{Connection, Media, Want};
use crate::refresh::{Voice, failure};
use crate::refusals::{Form, Refusals};
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
    /// The own Node's name.
    own: Option<String>,
    trust: Arc<Trust>,
    ways: Arc<Ways>,
    refusals: Refusals,
}

/// What one server answered.
struct Listed {
    nodes: Vec<NodeListing>,
    /// It says nothing of those that are not among them.
    partial: bool,
    note: String,
}

impl Nodes {
    pub(crate) fn new(config: NodesConfig, trust: Arc<Trust>, ways: Arc<Ways>) -> Self {
        let own = config.own.filter(|name| is_node_name(name));
        Self {
            own,
            trust,
            ways,
            refusals: Refusals::default(),
        }
    }

    /// All control-plane Nodes, and the own one for its zone.
    pub(crate) async fn ask_all(&self, question: &Question, voice: &Voice) -> Result<(), SourceFailure> {
        let access = Access::of_node(&self.trust, &self.ways).map_err(failure)?;
        let attempts = Attempts::new(&question.targets, question.deadline, |target, until| {
            list(self.own.as_deref(), target, &access, &self.refusals, until)
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
        if !is_node_name(name) {
            return Err(failure(format!("{name:?} is no Node's name")));
        }
        let access = Access::of_node(&self.trust, &self.ways).map_err(failure)?;
        let mut attempts = Attempts::new(&question.targets, question.deadline, |target, until| {
            find(name, target, &access, &self.refusals, until)
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

/// Lists at one server. Where that is refused, the own Node is all that there is (a kubelet's credential).
async fn list(
    own: Option<&str>,
    target: SocketAddr,
    access: &Access,
    refusals: &Refusals,
    until: Instant,
) -> Result<Listed, AskError> {
    let listed = match refusals.of(Form::NodeList, access) {
        Some(refused) => Err(refused),
        None => control_plane(target, access, until).await,
    };
    let (mut nodes, refused) = match listed {
        Ok(nodes) => (nodes, None),
        Err(error) if error.status() == Some(403) && own.is_some() => (Vec::new(), Some(error)),
        Err(error) => return Err(error),
    };
    // M2: a list without a control-plane Node knows nothing, and the own Node makes it no wiser.
    let partial = nodes.is_empty();
    let mut notes = Vec::new();
    let wanted = own.filter(|own| nodes.iter().all(|node| node.name != *own));
    let found = match wanted {
        Some(own) => find(own, target, access, refusals, until).await,
        None => Ok(None),
    };
    match (found, refused) {
        (Ok(Some(node)), refused) => {
            nodes.push(node);
            if let Some(refused) = &refused {
                refusals.remember(Form::NodeList, access, refused);
            }
            notes.extend(refused.map(|error| format!("only the own Node may be read; the list: {error}")));
        }
        (found, Some(refused)) => {
            if let Err(error) = found {
                refusals.forget_if_refused(&error);
            }
            return Err(refused);
        }
        (Ok(None), None) => {}
        (Err(error), None) => notes.push(format!("the own Node, for its zone: {error}")),
    }
    Ok(Listed {
        nodes,
        partial,
        note: notes.join("; "),
    })
}

/// The control-plane Nodes of one server; by the older label where the present one finds none.
async fn control_plane(
    target: SocketAddr,
    access: &Access,
    until: Instant,
) -> Result<Vec<NodeListing>, AskError> {
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
    Ok(nodes)
}

/// Looks one Node up at one server: by GET, or by a list of one where only lists are allowed (kube-proxy's credential).
async fn find(
    name: &str,
    target: SocketAddr,
    access: &Access,
    refusals: &Refusals,
    until: Instant,
) -> Result<Option<NodeListing>, AskError> {
    let mut connection = Connection::new(target, access);
    let path = format!("/api/v1/nodes/{name}");
    let read = match refusals.of(Form::NodeByName, access) {
        Some(refused) => Err(refused),
        None => connection.get(want(&path), until).await,
    };
    match read {
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
        Err(refused) if refused.status() == Some(403) => {
            let path = format!("/api/v1/nodes?fieldSelector=metadata.name%3D{name}");
            let body = connection
                .get(want(&path), until)
                .await
                .inspect_err(|error| refusals.forget_if_refused(error))?;
            refusals.remember(Form::NodeByName, access, &refused);
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
        self.nodes.is_empty()
    }

    fn report(&self, answered_by: SocketAddr) -> Report {
        Report {
            nodes: self.nodes.clone(),
            partial: self.partial,
            note: self.note.clone(),
            mode: Mode::Poll,
            answered_by: Some(answered_by),
            verified: true,
            ..Report::default()
        }
    }
}
