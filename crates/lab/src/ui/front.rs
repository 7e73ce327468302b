//! Answers browsers: the node's page, what the board tells as server-sent events, and the buttons.
//!
//! A browser talks to loopback on behalf of whatever page is open in it. So a request must name this very address (DNS
//! rebinding brings another name), and a deed must carry the token of this run, which only a page of ours can read: it comes
//! in the stream of events, and no other origin's script may read that.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::stream::{Stream, unfold};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::board::{Board, Told};
use super::desk::{Deed, Desk, Refused};
use super::relay::File;

/// So many connections at a time; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 32;
/// A request's head: hyper takes no less.
const HEAD_MAX: usize = 8 * 1024;
/// A request's head is complete by then.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// What a button sends.
const BODY_MAX: usize = 1_024;
/// The pause after an accept that failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Bytes of chance in a token.
const TOKEN_BYTES: usize = 16;
/// Where a button says the token.
const TOKEN: &str = "x-jackline-token";

/// What every answer goes by.
struct Front {
    /// What `Host` may be.
    hosts: [String; 2],
    token: String,
    files: Vec<File>,
    desk: Arc<Desk>,
    board: Board,
}

/// Serves the page. Only a broken source of chance ends it.
pub(super) async fn serve(
    listener: TcpListener,
    address: SocketAddr,
    files: Vec<File>,
    desk: Arc<Desk>,
    board: Board,
) {
    let mut chance = [0; TOKEN_BYTES];
    if getrandom::fill(&mut chance).is_err() {
        return;
    }
    let front = Arc::new(Front {
        hosts: [address.to_string(), format!("localhost:{}", address.port())],
        token: chance.iter().map(|byte| format!("{byte:02x}")).collect(),
        files,
        desk,
        board,
    });
    let router = router(&front);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    // With this all connections end, too.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let router = router.clone();
        connections.spawn(async move {
            // A browser that went away is no error of anybody's.
            let _ = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIME)
                .max_buf_size(HEAD_MAX)
                .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
                .await;
            drop(place);
        });
    }
}

fn router(front: &Arc<Front>) -> Router {
    let mut router = Router::new();
    for file in &front.files {
        let file = file.clone();
        router = router.route(
            file.path,
            get(move || async move { (file.headers, Body::from(file.bytes)) }),
        );
    }
    router
        .route("/events", get(events))
        .route("/act", post(act).layer(DefaultBodyLimit::max(BODY_MAX)))
        .fallback(|| async { sentence(StatusCode::NOT_FOUND, "there is no such path; the page is at /") })
        .layer(middleware::from_fn_with_state(Arc::clone(front), guard))
        .with_state(Arc::clone(front))
}

fn sentence(status: StatusCode, text: &str) -> Response {
    (status, format!("{text}\n")).into_response()
}

/// Refuses who came by another name, or from another origin, and gives every answer the node's own security headers.
async fn guard(State(front): State<Arc<Front>>, request: Request, next: Next) -> Response {
    let mut response = match front.refusal(request.headers()) {
        None => next.run(request).await,
        Some(why) => sentence(StatusCode::MISDIRECTED_REQUEST, why),
    };
    let own = front.files.iter().find(|file| file.path == "/");
    for (name, value) in own.iter().flat_map(|file| &file.headers) {
        let of_the_file = [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::DATE].contains(name);
        if !of_the_file {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

impl Front {
    fn refusal(&self, headers: &HeaderMap) -> Option<&'static str> {
        let one = |name| {
            let mut values = headers.get_all(name).iter();
            values.next().filter(|_| values.next().is_none())
        };
        let host = one(header::HOST).and_then(|host| host.to_str().ok());
        let Some(host) = host.filter(|host| self.hosts.iter().any(|own| own == host)) else {
            return Some(
                "ask by the address that the lab has printed: a page of another name may not look here",
            );
        };
        let foreign = headers
            .get_all(header::ORIGIN)
            .iter()
            .any(|origin| origin.to_str().ok() != Some(format!("http://{host}").as_str()));
        foreign.then_some("a page of another origin may not ask here")
    }
}

/// What a button asks for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    server: String,
    deed: Deed,
}

async fn act(State(front): State<Arc<Front>>, headers: HeaderMap, wish: String) -> Response {
    let token = headers.get(TOKEN).and_then(|token| token.to_str().ok());
    if token != Some(front.token.as_str()) {
        return sentence(
            StatusCode::FORBIDDEN,
            "this button is of another page, or of an earlier lab: load the page anew",
        );
    }
    let wish: Wish = match serde_json::from_str(&wish) {
        Ok(wish) => wish,
        Err(error) => return sentence(StatusCode::BAD_REQUEST, &format!("that is no button: {error}")),
    };
    match front.desk.act(&wish.server, wish.deed) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(refused) => {
            let status = match refused {
                Refused::NoServer(_) => StatusCode::NOT_FOUND,
                Refused::NotNow(_) => StatusCode::CONFLICT,
                Refused::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
            };
            sentence(status, &refused.to_string())
        }
    }
}

/// What stands now, then whatever changes. A browser that comes back says which line it saw last.
async fn events(
    State(front): State<Arc<Front>>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let seen = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok()?.parse().ok());
    let reader = Reader {
        board: front.board.read(),
        token: front.token.clone(),
        shown: Told::default(),
        seen: seen.unwrap_or(0),
        waiting: Vec::new(),
        begun: false,
    };
    Sse::new(unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok(event), reader))
    }))
    .keep_alive(KeepAlive::default())
}

/// One browser's place in what is told.
struct Reader {
    board: watch::Receiver<Told>,
    token: String,
    /// What it was told last.
    shown: Told,
    /// The number of the last line that it was told.
    seen: u64,
    /// What is to be sent, the last one first.
    waiting: Vec<Event>,
    begun: bool,
}

impl Reader {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.pop() {
                return Some(event);
            }
            if self.begun {
                self.board.changed().await.ok()?;
            }
            self.begun = true;
            let now = self.board.borrow_and_update().clone();
            if self.seen > now.count {
                // It was told so by an earlier lab at the same address.
                self.seen = 0;
            }
            let fresh = now.lines.iter().filter(|(number, _)| *number > self.seen);
            let lines: Vec<_> = fresh.cloned().collect();
            for (number, line) in lines.iter().rev() {
                let data = serde_json::to_string(&**line).unwrap_or_default();
                let event = Event::default().event("change").id(number.to_string());
                self.waiting.push(event.data(data));
            }
            self.seen = lines.last().map_or(self.seen, |(number, _)| *number);
            for (name, status) in now.nodes.iter().rev() {
                if self.shown.nodes.get(name) != Some(status) {
                    self.waiting.push(Event::default().event("node").data(&**status));
                }
            }
            if self.shown.servers != now.servers {
                let told = json!({ "token": self.token, "servers": now.servers });
                self.waiting
                    .push(Event::default().event("servers").data(told.to_string()));
            }
            self.shown = now;
        }
    }
}
