//! What one server is asked: the slices with their watch, and beside them, over a connection of its own, the one Endpoints object
//! with its watch. The object tells the fleet's drain, and the endpoints too where slices are refused.
//!
//! What the credential may do is found by trying: a list of one by field selector (all that kube-proxy's may), else a GET by
//! name (all that a kubelet's may). What it was refused is remembered for a while, and not asked for each time.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::objects::{Membership, Object, one_of_list, single};
use super::{Flavour, Listed};
use crate::ask_error::{AskError, Phase};
use crate::dial::Access;
use crate::http::{Connection, Lines, Media, Want};
use crate::refusals::{Form, Refusals};

/// The largest list: 10,000 entries fit.
const LIST_MAX: usize = 4 * 1024 * 1024;

/// A server that takes longer to open a watch, or half of what time is left, is asked again and again instead.
const WATCH_OPENS_WITHIN: Duration = Duration::from_secs(4);

/// Asked for in `timeoutSeconds`: longer than any pace of refreshes, each of which replaces the watch.
const WATCH_SECONDS: u32 = 600;

/// So long the endpoints, once told, wait for the fleet's drain.
const DRAIN_WAITS: Duration = Duration::from_millis(500);

const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dkubernetes";
const ENDPOINTS: &str = "/api/v1/namespaces/default/endpoints?fieldSelector=metadata.name%3Dkubernetes";
const ENDPOINTS_BY_NAME: &str = "/api/v1/namespaces/default/endpoints/kubernetes";

/// The slices of one server.
struct Slices {
    membership: Membership,
    watch: Result<Lines, AskError>,
}

/// The Endpoints object of one server; absent where a list holds none.
struct OneObject {
    object: Option<Object>,
    version: String,
    watch: Result<Lines, AskError>,
}

/// Asks one server for everything.
pub(super) async fn list(
    target: SocketAddr,
    access: &Access,
    refusals: &Refusals,
    until: Instant,
) -> Result<Listed, AskError> {
    let object = object(target, access, refusals, until);
    if let Some(refused) = refusals.of(Form::Slices, access) {
        return from_object(object.await?, &refused, target);
    }
    let slices = slices(target, access, refusals, until);
    tokio::pin!(slices, object);
    let mut told = None;
    let slices = loop {
        tokio::select! {
            slices = &mut slices => break slices,
            object = &mut object, if told.is_none() => told = Some(object),
        }
    };
    match slices {
        Ok(slices) => {
            let object = match told {
                Some(object) => object,
                None => timeout(DRAIN_WAITS, object)
                    .await
                    .unwrap_or(Err(AskError::TimedOut(Phase::Deadline))),
            };
            Ok(from_slices(slices, object, target))
        }
        Err(refused) if matches!(refused.status(), Some(403 | 404)) => {
            let object = match told {
                Some(object) => object,
                None => object.await,
            }?;
            refusals.remember(Form::Slices, access, &refused);
            from_object(object, &refused, target)
        }
        Err(error) => Err(error),
    }
}

fn from_slices(slices: Slices, object: Result<OneObject, AskError>, answered_by: SocketAddr) -> Listed {
    let Slices { membership, watch } = slices;
    let mut notes: Vec<String> = membership.remark().into_iter().collect();
    let lines = opened(watch, &mut notes);
    let mut drain = None;
    let mut drain_lines = None;
    match object {
        Ok(OneObject { object, watch, .. }) => {
            drain = object.as_ref().map(Object::annotation);
            match watch {
                // Without the slices' own watch the whole source is polled, and this with it.
                Ok(watch) => drain_lines = lines.is_some().then_some(watch),
                Err(error) if lines.is_some() => {
                    notes.push(format!(
                        "the fleet's drain is read now and then, not watched: {error}"
                    ));
                }
                Err(_) => {}
            }
        }
        Err(error) => notes.push(format!("the fleet's drain cannot be read: {error}")),
    }
    Listed {
        membership,
        drain,
        lines,
        drain_lines,
        flavour: Flavour::Slices,
        note: notes.join("; "),
        answered_by,
    }
}

fn from_object(object: OneObject, refused: &AskError, answered_by: SocketAddr) -> Result<Listed, AskError> {
    let mut notes = vec![format!(
        "Endpoints are read, for EndpointSlices are not to be had: {refused}"
    )];
    let OneObject {
        object,
        version,
        watch,
    } = object;
    let membership = Membership::from_endpoints(object.as_ref(), version).map_err(AskError::Nonsense)?;
    notes.extend(membership.remark());
    Ok(Listed {
        membership,
        drain: object.as_ref().map(Object::annotation),
        lines: opened(watch, &mut notes),
        drain_lines: None,
        flavour: Flavour::Endpoints,
        note: notes.join("; "),
        answered_by,
    })
}

/// An open watch, or a remark why there is none.
fn opened(watch: Result<Lines, AskError>, notes: &mut Vec<String>) -> Option<Lines> {
    watch
        .map_err(|error| notes.push(format!("no watch: {error}")))
        .ok()
}

async fn slices(
    target: SocketAddr,
    access: &Access,
    refusals: &Refusals,
    until: Instant,
) -> Result<Slices, AskError> {
    let mut connection = Connection::new(target, access);
    let body = connection.get(want(SLICES), until).await?;
    let membership = Membership::from_slices(&body).map_err(AskError::Nonsense)?;
    let watch = match refusals.of(Form::SlicesWatch, access) {
        Some(refused) => Err(refused),
        None => watch(connection, SLICES, membership.version(), until).await,
    };
    if let Err(error) = &watch {
        refusals.remember(Form::SlicesWatch, access, error);
    }
    Ok(Slices { membership, watch })
}

async fn object(
    target: SocketAddr,
    access: &Access,
    refusals: &Refusals,
    until: Instant,
) -> Result<OneObject, AskError> {
    let mut connection = Connection::new(target, access);
    let listed = match refusals.of(Form::Endpoints, access) {
        Some(refused) => Err(refused),
        None => connection.get(want(ENDPOINTS), until).await,
    };
    let (object, version) = match listed {
        Ok(body) => one_of_list(&body).map_err(AskError::Nonsense)?,
        Err(refused) if matches!(refused.status(), Some(403 | 404)) => {
            let body = connection
                .get(want(ENDPOINTS_BY_NAME), until)
                .await
                .inspect_err(|error| refusals.forget_if_refused(error))?;
            refusals.remember(Form::Endpoints, access, &refused);
            single(&body).map_err(AskError::Nonsense)?
        }
        Err(error) => return Err(error),
    };
    let watch = match refusals.of(Form::EndpointsWatch, access) {
        Some(refused) => Err(refused),
        None => watch(connection, ENDPOINTS, &version, until).await,
    };
    if let Err(error) = &watch {
        refusals.remember(Form::EndpointsWatch, access, error);
    }
    Ok(OneObject {
        object,
        version,
        watch,
    })
}

async fn watch(
    connection: Connection<'_>,
    list: &str,
    version: &str,
    until: Instant,
) -> Result<Lines, AskError> {
    let path = format!(
        "{list}&watch=true&allowWatchBookmarks=true&timeoutSeconds={WATCH_SECONDS}&resourceVersion={version}"
    );
    let now = Instant::now();
    let soon = now + WATCH_OPENS_WITHIN.min((until - now) / 2);
    connection.stream(want(&path), soon).await
}

fn want(path: &str) -> Want<'_> {
    Want {
        path,
        media: Media::Json,
        body_max: LIST_MAX,
    }
}
