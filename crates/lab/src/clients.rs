//! The clients of a node: what kubelet, kube-proxy, kubectl and a controller do through the balancer, ten times a second.
//!
//! Each goes to its node's listener with TLS to the cluster's CA for the name `kubernetes`, asks for the list of
//! apiservers under an `id` of its own, and waits 5 s at most. A client retries nothing, with the one exception that
//! HTTP itself makes and every client library follows: a request on a kept connection that was closed before the
//! request reached any server is sent once more on a new one (RFC 9112 §9.3.1, RFC 9113 §8.7), and counted.

mod identity;
pub(crate) mod judge;
pub(crate) mod ledger;
mod transport;
mod watch;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::ControlPlane;
use crate::place::Place;
pub(crate) use identity::Identity;
use ledger::Ledger;
use transport::{Failure, Transport};

/// A client waits this long for an answer.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// A kept connection counts as "closed while idle" when the request that found out had waited no longer than this.
const CLOSED_WHILE_IDLE: Duration = Duration::from_millis(500);

/// Requests of one client under way at a time; more are not begun.
const UNDER_WAY_MAX: u32 = 512;

/// How a client uses its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// HTTP/2: all requests on one connection, with client-go's pings (kubelet).
    Http2,
    /// HTTP/1.1: kept connections (an older controller).
    Http1,
    /// A new connection for each request (kubectl, probes).
    Fresh,
    /// A watch that is opened again whenever it ends (kube-proxy).
    Watch,
    /// HTTP/2, once a second: the node's Lease is renewed (a kubelet's every 10 s, compressed).
    Kubelet,
}

impl Kind {
    /// The usual clients of a node.
    pub(crate) const ALL: [Self; 4] = [Self::Http2, Self::Http1, Self::Fresh, Self::Watch];

    /// Whether all requests share one HTTP/2 connection.
    fn shares(self) -> bool {
        matches!(self, Self::Http2 | Self::Kubelet)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http2 => "HTTP/2",
            Self::Http1 => "HTTP/1.1",
            Self::Fresh => "new connections",
            Self::Watch => "a watch",
            Self::Kubelet => "a kubelet's Lease",
        })
    }
}

/// What a client needs to know.
#[derive(Clone)]
pub(crate) struct Setting {
    pub(crate) node: usize,
    /// The node's name.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) listener: SocketAddr,
    pub(crate) place: Place,
    pub(crate) identity: Arc<Identity>,
    pub(crate) plane: ControlPlane,
    pub(crate) ledger: Arc<Ledger>,
    /// Requests a second.
    pub(crate) rate: u32,
}

/// A running client; it stops at once when this is dropped.
pub(crate) struct Client {
    finish: CancellationToken,
    task: JoinHandle<()>,
    _stop: DropGuard,
}

impl Client {
    /// Called within a tokio runtime.
    pub(crate) fn start(setting: Setting) -> Self {
        let (stop, finish) = (CancellationToken::new(), CancellationToken::new());
        let guard = stop.clone().drop_guard();
        let finishing = finish.clone();
        let task = tokio::spawn(async move {
            let run = async {
                match setting.kind {
                    Kind::Watch => {
                        finishing.run_until_cancelled(watch::run(&setting)).await;
                    }
                    _ => run(&setting, &stop, &finishing).await,
                }
            };
            tokio::select! {
                () = run => {}
                () = stop.cancelled() => {}
            }
        });
        Self {
            finish,
            task,
            _stop: guard,
        }
    }

    /// Begins no more requests and returns once those under way have ended.
    pub(crate) async fn finish(self) {
        self.finish.cancel();
        let _ = timeout(REQUEST_TIMEOUT + CLOSED_WHILE_IDLE, self.task).await;
    }
}

/// A request at each tick, whether the earlier ones are answered or not.
async fn run(setting: &Setting, stop: &CancellationToken, finish: &CancellationToken) {
    let transport = Arc::new(Transport::new(setting.clone()));
    let under_way = Arc::new(Semaphore::new(UNDER_WAY_MAX as usize));
    let rate = match setting.kind {
        Kind::Kubelet => 1,
        _ => setting.rate.clamp(1, 1000),
    };
    let mut ticks = interval(Duration::from_secs(1) / rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while finish.run_until_cancelled(ticks.tick()).await.is_some() {
        let Ok(permit) = Arc::clone(&under_way).try_acquire_owned() else {
            continue;
        };
        let Some(id) = setting.ledger.begin(setting.node, setting.kind) else {
            break;
        };
        let (transport, setting, stop) = (Arc::clone(&transport), setting.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                failure = request(&transport, &setting, id) => {
                    setting.ledger.end(id, failure, setting.plane.ready_since());
                }
                () = stop.cancelled() => {}
            }
            drop(permit);
        });
    }
    // All permits are back when the last request has ended.
    let _ = under_way.acquire_many(UNDER_WAY_MAX).await;
}

/// One request with its single resend; `Some`: why it failed.
async fn request(transport: &Transport, setting: &Setting, id: usize) -> Option<String> {
    let exchange = async {
        let failure = match transport.send(id, false).await {
            Ok(()) => return None,
            Err(failure) => failure,
        };
        if !may_resend(&failure, &setting.plane, id) {
            return Some(failure.why);
        }
        setting.ledger.resent(id);
        transport.send(id, true).await.err().map(|failure| failure.why)
    };
    match timeout(REQUEST_TIMEOUT, exchange).await {
        Ok(failure) => failure,
        Err(_) => Some(format!("no answer within {} s", REQUEST_TIMEOUT.as_secs())),
    }
}

fn may_resend(failure: &Failure, plane: &ControlPlane, id: usize) -> bool {
    failure
        .written_on_idle
        .is_some_and(|written: Instant| written.elapsed() <= CLOSED_WHILE_IDLE)
        && !plane.requests_seen(&id.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Plan, Role};

    const LIMIT: Duration = Duration::from_secs(20);

    /// A client of this kind straight at a server, until ten requests are answered (or one watch).
    async fn books_of(kind: Kind) -> (Vec<ledger::Request>, Vec<ledger::Connection>) {
        let plane =
            ControlPlane::start(Plan::default().with("server-1", Role::Server)).expect("a control plane");
        plane.start_all().expect("starts");
        let server = plane.server("server-1").expect("exists");
        assert!(
            plane.wait_until(LIMIT, |_| server.is_ready()).await,
            "the server is not ready"
        );
        let credentials = plane
            .credentials("node-1", &format!("https://{}", server.address()))
            .expect("credentials");
        let ledger = Arc::new(Ledger::default());
        let setting = Setting {
            node: 0,
            name: "node-1".into(),
            kind,
            listener: server.address(),
            place: Place::Here,
            identity: Arc::new(Identity::read(&credentials).expect("readable")),
            plane: plane.clone(),
            ledger: Arc::clone(&ledger),
            rate: 50,
        };
        let client = Client::start(setting);
        let wanted = if kind == Kind::Watch { 1 } else { 10 };
        let enough = || {
            ledger
                .requests()
                .iter()
                .filter(|request| request.answered())
                .count()
                >= wanted
        };
        let waiting = async {
            let mut ticks = interval(Duration::from_millis(10));
            while !enough() {
                ticks.tick().await;
            }
        };
        timeout(LIMIT, waiting)
            .await
            .unwrap_or_else(|_| panic!("not answered: {:?}", ledger.requests()));
        client.finish().await;
        let requests = ledger.requests();
        assert!(
            requests
                .iter()
                .all(|request| request.failure.is_none() && !request.resent),
            "{requests:?}"
        );
        let answered = requests.iter().filter(|request| request.answered());
        assert!(
            answered
                .clone()
                .all(|request| plane.requests_seen(&request.id.to_string()) && request.ready_throughout)
        );
        (requests, ledger.connections())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn http2_asks_all_on_one_connection() {
        let (requests, connections) = books_of(Kind::Http2).await;
        assert!(requests.len() >= 10 && connections.len() == 1, "{connections:?}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn http1_keeps_its_connections() {
        let (requests, connections) = books_of(Kind::Http1).await;
        assert!(
            connections.len() < requests.len(),
            "{} for {} requests",
            connections.len(),
            requests.len()
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn fresh_dials_for_each() {
        let (requests, connections) = books_of(Kind::Fresh).await;
        assert_eq!(connections.len(), requests.len());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_watch_is_one_request_while_it_lasts() {
        let (requests, connections) = books_of(Kind::Watch).await;
        assert_eq!((requests.len(), connections.len()), (1, 1));
    }

    #[test]
    fn only_what_reached_nobody_on_an_idle_connection_is_sent_again() {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let plane =
                ControlPlane::start(Plan::default().with("server-1", Role::Server)).expect("a control plane");
            let failure = |written_on_idle| Failure {
                why: "closed".into(),
                written_on_idle,
            };
            let just_now = Some(Instant::now());
            let long_ago = Instant::now().checked_sub(CLOSED_WHILE_IDLE * 2);
            assert!(may_resend(&failure(just_now), &plane, 1));
            assert!(
                !may_resend(&failure(long_ago), &plane, 1),
                "it waited: the connection was not closed while idle"
            );
            assert!(
                !may_resend(&failure(None), &plane, 1),
                "a new connection, or an answer"
            );
        });
    }
}
