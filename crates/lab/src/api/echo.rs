//! The lab's own paths, for clients that only want to know whether requests get through.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};

use crate::api::answer::{self, Body, failure};
use crate::api::query::Query;
use crate::server::process::Process;

/// A longer body is refused.
const BODY_MAX: usize = 1024 * 1024;
/// How often a stream brings an event.
const EVENT_EVERY: Duration = Duration::from_millis(250);

/// `GET /lab/echo?id=…` tells the id and the server; `POST` gives the body back.
pub(crate) async fn echo(process: &Process, query: &Query, request: Request<Incoming>) -> Response<Body> {
    if request.method() == Method::POST {
        return match Limited::new(request.into_body(), BODY_MAX).collect().await {
            Ok(body) => answer::bytes(StatusCode::OK, "application/octet-stream", body.to_bytes()),
            Err(_) => failure(
                StatusCode::PAYLOAD_TOO_LARGE,
                "RequestEntityTooLarge",
                "the body is longer than 1 MiB, or broke off",
            ),
        };
    }
    answer::json(
        StatusCode::OK,
        &json!({ "id": query.value("id"), "server": &*process.machine.name }),
    )
}

/// `GET /lab/watch`: numbered events from 1 on, four a second, each a line of JSON, until the server closes.
pub(crate) fn events(process: &Arc<Process>) -> Response<Body> {
    let (closing, server) = (process.closing.clone(), Arc::clone(&process.machine.name));
    let mut ticks = interval(EVENT_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let events = stream::unfold((ticks, 1_u64), move |(mut ticks, number)| {
        let (closing, server) = (closing.clone(), Arc::clone(&server));
        async move {
            closing.run_until_cancelled(ticks.tick()).await?;
            let line = format!("{}\n", json!({ "event": number, "server": &*server }));
            Some((Bytes::from(line), (ticks, number + 1)))
        }
    });
    answer::stream("application/json", events)
}
