//! The page to look at: one node, live, in a browser on the node itself. Off unless configured; read-only.
//!
//! All of it is in the program: three files and a stream of events, no request to anywhere else. A browser talks to loopback on
//! behalf of whatever page is open in it, so a request must name an address and no host name (DNS rebinding needs one), and
//! the answers let nobody frame or embed them.

mod timeline;

use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream::{Stream, unfold};
use jackline_core::NodeState;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::project;
use crate::server::{ACCEPT_PAUSE, answer, sentence};
use crate::status::Status;
use crate::view::{Reading, View};
use timeline::{Line, Timeline};

/// So many connections at a time, a browser's stream of events among them; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 32;
/// A connection ends by then; a browser's stream of events begins anew by itself.
const CONNECTION_TIME: Duration = Duration::from_secs(600);
/// How often is looked whether anything has changed.
const LOOK_PERIOD: Duration = Duration::from_millis(250);
/// Counts that change all the time are told after so many looks.
const LOOKS_QUIET: u32 = 8;

/// Nothing but what this server gives, no script and no style in the markup, no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What goes with every answer.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// What is shown at one moment.
#[derive(Clone)]
struct Shown {
    /// The whole status, as `GET /status` has it.
    status: Arc<str>,
    state: NodeState,
    lines: Arc<[Arc<Line>]>,
}

/// Serves the page on `listener` until `shutdown` completes. Nothing else ends it.
pub async fn serve_page(
    listener: TcpListener,
    view: Arc<dyn View>,
    shutdown: impl Future<Output = ()> + Send,
) {
    let first = project::status(&Reading::take(&*view));
    let mut timeline = Timeline::default();
    timeline.observe(&first);
    let (tell, shown) = watch::channel(shown(&first, &timeline));
    let router = router(shown);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    let looking = look(view, timeline, tell);
    tokio::pin!(looking);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => return,
            () = &mut looking => return,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = accept(&listener, &places) => accepted,
        };
        match accepted {
            Ok((stream, place)) => {
                let router = router.clone();
                connections.spawn(async move {
                    answer(stream, router, CONNECTION_TIME).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "status page: a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(tokio::net::TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await;
    let place = place.map_err(std::io::Error::other)?;
    Ok((listener.accept().await?.0, place))
}

/// Looks again and again; tells when something has changed, and now and then what changes all the time.
async fn look(view: Arc<dyn View>, mut timeline: Timeline, tell: watch::Sender<Shown>) {
    let (mut generation, mut quiet) = (view.snapshot().generation, 0);
    loop {
        sleep(LOOK_PERIOD).await;
        let now = view.snapshot().generation;
        quiet += 1;
        if now == generation && quiet < LOOKS_QUIET {
            continue;
        }
        (generation, quiet) = (now, 0);
        let status = project::status(&Reading::take(&*view));
        timeline.observe(&status);
        tell.send_replace(shown(&status, &timeline));
    }
}

fn shown(status: &Status, timeline: &Timeline) -> Shown {
    Shown {
        status: serde_json::to_string(status).unwrap_or_default().into(),
        state: status.state,
        lines: timeline.lines(),
    }
}

fn router(shown: watch::Receiver<Shown>) -> Router {
    const HTML: &str = "text/html; charset=utf-8";
    let file = |kind: &'static str, text: &'static str| {
        get(move || async move { ([(header::CONTENT_TYPE, kind)], text) })
    };
    Router::new()
        .route("/", file(HTML, include_str!("page/assets/index.html")))
        .route(
            "/page.js",
            file(
                "text/javascript; charset=utf-8",
                include_str!("page/assets/page.js"),
            ),
        )
        .route(
            "/page.css",
            file("text/css; charset=utf-8", include_str!("page/assets/page.css")),
        )
        .route(
            "/icon.svg",
            file("image/svg+xml", include_str!("page/assets/icon.svg")),
        )
        .route("/events", get(events))
        .route("/status", get(status))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .fallback(|| async { sentence(StatusCode::NOT_FOUND, "there is no such path; the page is at /") })
        .method_not_allowed_fallback(|| async {
            sentence(
                StatusCode::METHOD_NOT_ALLOWED,
                "this page is only to look at: GET",
            )
        })
        .layer(middleware::from_fn(guard))
        .with_state(shown)
}

/// Refuses who came by a name that is not this machine's, and shuts the answer in.
async fn guard(request: Request, next: Next) -> Response {
    let mut response = if names_an_address(request.headers()) {
        next.run(request).await
    } else {
        sentence(
            StatusCode::MISDIRECTED_REQUEST,
            "ask by address or as localhost: a page of another name may not look here",
        )
    };
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Whether `Host` is an address or `localhost`, with or without a port. A page that has its own name resolve to this machine is
/// stopped by it: its requests carry that name.
fn names_an_address(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return false;
    };
    let Ok(host) = host.to_str() else { return false };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

async fn status(State(shown): State<watch::Receiver<Shown>>) -> Response {
    let status = Arc::clone(&shown.borrow().status);
    ([(header::CONTENT_TYPE, "application/json")], status.to_string()).into_response()
}

/// For probes that decide who gets traffic: 200 while some apiserver is ready.
async fn readyz(State(shown): State<watch::Receiver<Shown>>) -> Response {
    match shown.borrow().state {
        NodeState::Attached => "attached\n".into_response(),
        NodeState::Degraded => sentence(StatusCode::SERVICE_UNAVAILABLE, "degraded: no apiserver is ready"),
        NodeState::Isolated => sentence(StatusCode::SERVICE_UNAVAILABLE, "isolated: no apiserver answers"),
    }
}

/// What stands now, then whatever changes. A browser that comes back says which line it saw last.
async fn events(
    State(shown): State<watch::Receiver<Shown>>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let seen = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok()?.parse().ok());
    let start = Reader {
        shown,
        waiting: Vec::new(),
        told: seen.unwrap_or(0),
        begun: false,
    };
    Sse::new(unfold(start, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok(event), reader))
    }))
    .keep_alive(KeepAlive::default())
}

/// One browser's place in what is told.
struct Reader {
    shown: watch::Receiver<Shown>,
    /// What is to be sent, the last one first.
    waiting: Vec<Event>,
    /// The number of the last line that was sent.
    told: u64,
    begun: bool,
}

impl Reader {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.pop() {
                return Some(event);
            }
            if self.begun {
                self.shown.changed().await.ok()?;
            }
            self.begun = true;
            let now = self.shown.borrow_and_update().clone();
            let told = self.told;
            for line in now.lines.iter().rev().take_while(|line| line.number > told) {
                self.told = self.told.max(line.number);
                let event = Event::default().event("change").id(line.number.to_string());
                self.waiting.push(event.data(line.json()));
            }
            self.waiting
                .push(Event::default().event("node").data(&*now.status));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_by_a_name_is_turned_away() {
        let asked = |hosts: &[&str]| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(header::HOST, HeaderValue::from_str(host).expect("a header"));
            }
            names_an_address(&headers)
        };
        for host in [
            "127.0.0.1:6442",
            "127.0.0.1",
            "localhost:6442",
            "LOCALHOST",
            "[::1]:6442",
            "10.0.0.5:6442",
        ] {
            assert!(asked(&[host]), "{host}");
        }
        for host in [
            "evil.example:6442",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "",
            "[::1.evil",
        ] {
            assert!(!asked(&[host]), "{host}");
        }
        assert!(!asked(&[]), "nobody says where to");
        assert!(!asked(&["127.0.0.1", "evil.example"]), "two");
    }

    #[test]
    fn the_page_asks_nobody_else_for_anything() {
        let files = [
            include_str!("page/assets/index.html"),
            include_str!("page/assets/page.js"),
            include_str!("page/assets/page.css"),
        ];
        for text in files {
            assert!(
                !text.contains("http:") && !text.contains("https:") && !text.contains("//cdn"),
                "{text}"
            );
            assert!(
                !text.contains("innerHTML") && !text.contains("eval("),
                "markup from outside"
            );
        }
        let html = files[0];
        assert!(
            !html.contains("<style") && !html.contains("style=") && !html.contains("onclick"),
            "inline"
        );
    }
}
