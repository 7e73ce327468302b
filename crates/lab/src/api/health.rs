//! `/readyz`, `/livez`, `/healthz`: in the words of a real apiserver.

use hyper::{Response, StatusCode};

use crate::api::answer::{Body, text};
use crate::server::process::{Phase, Process};

/// What a server that is still starting says of itself.
const STARTING: [&str; 2] = [
    "poststarthook/bootstrap-controller",
    "poststarthook/rbac/bootstrap-roles",
];
/// Checks that are named when they are good.
const USUAL: [&str; 4] = ["ping", "log", "etcd", "informer-sync"];

pub(crate) fn is_health(path: &str) -> bool {
    matches!(path, "/readyz" | "/livez" | "/healthz")
}

pub(crate) fn answer(process: &Process, path: &str) -> Response<Body> {
    let failed = if path == "/readyz" {
        failed(process)
    } else {
        Vec::new()
    };
    if failed.is_empty() {
        return text(StatusCode::OK, "ok");
    }
    let mut body = String::new();
    for check in USUAL
        .iter()
        .filter(|check| !failed.iter().any(|failed| failed == *check))
    {
        body.push_str(&format!("[+]{check} ok\n"));
    }
    for check in &failed {
        body.push_str(&format!("[-]{check} failed: reason withheld\n"));
    }
    body.push_str("readyz check failed\n");
    text(StatusCode::INTERNAL_SERVER_ERROR, body)
}

fn failed(process: &Process) -> Vec<String> {
    let mut failed = process.machine.condition.borrow().failing.clone();
    if process.phase() < Phase::Ready {
        failed.extend(STARTING.map(str::to_owned));
    }
    if process.stopping.is_cancelled() {
        failed.push("shutdown".to_owned());
    }
    failed
}
