//! What `kubectl logs`, `exec` and `port-forward` find at a pod of the lab: something that answers, and no container.
//!
//! A pod exists in the store alone, is Running from its creation on, and is the same on every server. Its log has a line
//! every 250 ms; `exec` knows a few commands of the lab's own, for nothing is to be run on this machine; every port gives
//! back what it is sent. kubectl speaks SPDY/3.1 to all of it: its newer WebSocket protocols are refused, as by servers
//! before Kubernetes 1.30, and it falls back by itself. There are no terminals (`-t`).

mod exec;
mod forward;
mod log;

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue, UPGRADE};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::api::answer::{Body, failure, text};
use crate::api::auth::User;
use crate::api::query::Query;
use crate::api::rights;
use crate::objects::{Key, Resource};
use crate::server::process::Process;
use crate::spdy::{self, Stream, WAITING_MAX};

/// How a client and a server name the version of what they speak on the streams.
const PROTOCOL: &str = "x-stream-protocol-version";
/// A client that has all that it came for is given so long to close the connection.
const LINGER: Duration = Duration::from_secs(10);

/// What is asked of which pod.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    namespace: String,
    pod: String,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Log,
    Exec,
    PortForward,
}

impl Asked {
    /// `None`: the path is another's.
    pub(crate) fn of(path: &str) -> Option<Self> {
        let parts: Vec<&str> = path.split('/').collect();
        let ["", "api", "v1", "namespaces", namespace, "pods", pod, what] = parts.as_slice() else {
            return None;
        };
        let what = match *what {
            "log" => What::Log,
            "exec" => What::Exec,
            "portforward" => What::PortForward,
            _ => return None,
        };
        Some(Self {
            namespace: (*namespace).to_owned(),
            pod: (*pod).to_owned(),
            what,
        })
    }
}

/// Answers one request to a pod.
pub(crate) fn answer(
    process: &Arc<Process>,
    user: &User,
    asked: &Asked,
    query: &Query,
    request: Request<Incoming>,
) -> Response<Body> {
    // Whoever may enter a pod owns what is in it: administrators only.
    if !user.is_in("system:masters") {
        return rights::forbidden(user, request.uri().path());
    }
    let key = Key::new(Resource::Pods, &asked.namespace, &asked.pod);
    let Some(pod) = process.cluster.store.object(&key) else {
        let message = format!("pods \"{}\" not found", asked.pod);
        return failure(StatusCode::NOT_FOUND, "NotFound", &message);
    };
    match asked.what {
        What::Log if request.method() == Method::GET => log::answer(process, key, &pod, query),
        What::Log => refused("the log can only be read"),
        What::Exec if query.is_set("tty") => refused("there are no terminals here: leave -t away"),
        What::Exec => {
            let order = exec::Order::of(query);
            upgrade(process, request, exec::PROTOCOL, |streams| {
                exec::run(order, streams)
            })
        }
        What::PortForward => upgrade(process, request, forward::PROTOCOL, forward::run),
    }
}

/// Turns the connection into one of SPDY streams, of which `serve` makes something.
fn upgrade<F>(
    process: &Arc<Process>,
    mut request: Request<Incoming>,
    protocol: &'static str,
    serve: impl FnOnce(mpsc::Receiver<Stream>) -> F,
) -> Response<Body>
where
    F: Future<Output = ()> + Send + 'static,
{
    let offered = |name, wanted: &str| {
        let values = request.headers().get_all(name).iter();
        values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|value| value.trim().eq_ignore_ascii_case(wanted))
    };
    if !offered(UPGRADE.as_str(), "SPDY/3.1") {
        return refused("this server upgrades to SPDY/3.1 and to nothing else");
    }
    if !offered(PROTOCOL, protocol) {
        return refused(&format!(
            "this server speaks {protocol} on the streams and nothing else"
        ));
    }
    let (opened, streams) = mpsc::channel(WAITING_MAX);
    let serving = serve(streams);
    let upgraded = hyper::upgrade::on(&mut request);
    let server = Arc::clone(&process.machine.name);
    process.attend(async move {
        let io = match upgraded.await {
            Ok(io) => TokioIo::new(io),
            Err(error) => return tracing::debug!(%server, %error, "no upgrade"),
        };
        let served = async {
            serving.await;
            sleep(LINGER).await;
        };
        tokio::select! {
            ended = spdy::serve(io, opened) => tracing::debug!(%server, ?ended, "the client has ended its streams"),
            () = served => {}
        }
    });
    let mut answer = text(StatusCode::SWITCHING_PROTOCOLS, "");
    let headers = answer.headers_mut();
    headers.clear();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("SPDY/3.1"));
    headers.insert(PROTOCOL, HeaderValue::from_static(protocol));
    answer
}

fn refused(message: &str) -> Response<Body> {
    failure(StatusCode::BAD_REQUEST, "BadRequest", message)
}

/// What a kubelet would write into a pod that is new: it runs.
pub(crate) fn started(pod: &mut Value) {
    let ready = ["Initialized", "Ready", "ContainersReady", "PodScheduled"]
        .map(|kind| json!({ "type": kind, "status": "True" }));
    let containers = pod["spec"]["containers"].as_array();
    let statuses: Vec<Value> = containers
        .into_iter()
        .flatten()
        .map(|container| {
            json!({
                "name": container["name"], "image": container["image"], "ready": true, "restartCount": 0,
                "state": { "running": {} },
            })
        })
        .collect();
    pod["status"] = json!({ "phase": "Running", "conditions": ready, "containerStatuses": statuses });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_below_a_pod_is_asked_of_it() {
        let asked = |what| {
            Some(Asked {
                namespace: "n".into(),
                pod: "p".into(),
                what,
            })
        };
        assert_eq!(Asked::of("/api/v1/namespaces/n/pods/p/log"), asked(What::Log));
        assert_eq!(Asked::of("/api/v1/namespaces/n/pods/p/exec"), asked(What::Exec));
        assert_eq!(
            Asked::of("/api/v1/namespaces/n/pods/p/portforward"),
            asked(What::PortForward)
        );
        for other in [
            "/api/v1/namespaces/n/pods/p",
            "/api/v1/namespaces/n/pods/p/eviction",
            "/log",
        ] {
            assert_eq!(Asked::of(other), None, "{other}");
        }
    }

    #[test]
    fn a_new_pod_runs_with_all_its_containers() {
        let mut pod = json!({ "spec": { "containers": [{ "name": "a", "image": "b" }, { "name": "c" }] } });
        started(&mut pod);
        assert_eq!(pod["status"]["phase"], "Running");
        assert_eq!(
            pod["status"]["containerStatuses"].as_array().map(Vec::len),
            Some(2)
        );
    }
}
