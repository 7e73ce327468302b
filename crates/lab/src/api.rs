//! What a server answers: who is asked first, and which part of the program answers which path.

pub(crate) mod answer;
pub(crate) mod auth;
mod catalog;
mod echo;
mod health;
pub(crate) mod query;
pub(crate) mod resources;
pub(crate) mod rights;

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};

pub(crate) use answer::Body;

use crate::api::answer::failure;
use crate::api::auth::{Caller, authenticate};
use crate::api::query::Query;
use crate::api::resources::Target;
use crate::server::process::Process;
use crate::{pods, supervisor};

/// Answers one request.
pub(crate) async fn answer(
    process: &Arc<Process>,
    caller: &Caller,
    request: Request<Incoming>,
) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let query = Query::parse(request.uri().query().unwrap_or_default());
    if let Some(asked) = supervisor::Asked::of(&path) {
        return supervisor::answer(process, caller, &asked, request.headers()).await;
    }
    if !process.machine.role.serves_api() {
        return failure(
            StatusCode::SERVICE_UNAVAILABLE,
            "ServiceUnavailable",
            "apiserver disabled",
        );
    }
    let user = match authenticate(&process.cluster, caller, request.headers()) {
        Ok(user) => user,
        Err(answer) => return *answer,
    };
    if health::is_health(&path) {
        process.pause(|slow| &slow.readyz).await;
        return if rights::may_read_public(&user) {
            health::answer(process, &path)
        } else {
            rights::forbidden(&user, &path)
        };
    }
    if let Some(id) = query.value("id") {
        process.cluster.ledger.received(id, &process.machine.name);
    }
    process.pause(|slow| &slow.request).await;
    let answer = match path.as_str() {
        "/version" if rights::may_read_public(&user) => catalog::version(),
        _ if user.is_anonymous() => rights::forbidden(&user, &path),
        "/lab/echo" => echo::echo(process, &query, request).await,
        "/lab/watch" => echo::events(process),
        _ => match (catalog::answer(&path), pods::Asked::of(&path)) {
            (Some(answer), _) => answer,
            (None, Some(asked)) => pods::answer(process, &user, &asked, &query, request),
            (None, None) => match Target::of(&path) {
                Some(target) => resources::answer(process, &user, &target, &query, request).await,
                None => failure(
                    StatusCode::NOT_FOUND,
                    "NotFound",
                    "the server could not find the requested resource",
                ),
            },
        },
    };
    if let Some(id) = query.value("id") {
        process.cluster.ledger.answered(id);
    }
    answer
}
