//! The supervisor of K3s and RKE2, on the same port as the API: what an agent asks before it has anything else.

use hyper::header::{HeaderValue, RETRY_AFTER};
use hyper::{HeaderMap, Response, StatusCode};
use serde_json::json;

use crate::api::answer::{self, Body, failure, text};
use crate::api::auth::{Caller, is_agent, unauthorized};
use crate::locked::lock;
use crate::server::process::{Phase, Process};

/// Agents' requests at a time; the next gets 429.
pub(crate) const AGENTS_MAX: usize = 20;

/// A question to the supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// `/cacerts`: open to all.
    CaCerts,
    /// `/ping`: open to all.
    Ping,
    /// `/v1-k3s/apiservers`.
    ApiServers,
    /// `/v1-k3s/readyz`.
    Ready,
    /// A path that only a real one serves.
    Other,
}

impl Asked {
    pub(crate) fn of(path: &str) -> Option<Self> {
        match path {
            "/cacerts" => return Some(Self::CaCerts),
            "/ping" => return Some(Self::Ping),
            _ => {}
        }
        let own = path
            .strip_prefix("/v1-k3s/")
            .or_else(|| path.strip_prefix("/v1-rke2/"))?;
        Some(match own {
            "apiservers" => Self::ApiServers,
            "readyz" => Self::Ready,
            _ => Self::Other,
        })
    }
}

pub(crate) async fn answer(
    process: &Process,
    caller: &Caller,
    asked: &Asked,
    headers: &HeaderMap,
) -> Response<Body> {
    match asked {
        Asked::CaCerts => {
            process.pause(|slow| &slow.request).await;
            let pem = lock(&process.identity).ca_pem.clone();
            return text(StatusCode::OK, pem);
        }
        Asked::Ping => {
            process.pause(|slow| &slow.request).await;
            return text(StatusCode::OK, "pong");
        }
        Asked::ApiServers | Asked::Ready | Asked::Other => {}
    }
    if !is_agent(&process.cluster, caller, headers) {
        return *unauthorized();
    }
    let Ok(_place) = process.agents.try_acquire() else {
        return too_many();
    };
    process.pause(|slow| &slow.request).await;
    match asked {
        Asked::ApiServers => {
            let servers: Vec<String> = process.list().iter().map(ToString::to_string).collect();
            answer::json(StatusCode::OK, &json!(servers))
        }
        Asked::Ready if process.phase() == Phase::Ready => text(StatusCode::OK, "ok"),
        Asked::Ready => failure(
            StatusCode::SERVICE_UNAVAILABLE,
            "ServiceUnavailable",
            "apiserver not ready",
        ),
        _ => failure(
            StatusCode::NOT_IMPLEMENTED,
            "NotImplemented",
            "the lab's supervisor does not do this",
        ),
    }
}

fn too_many() -> Response<Body> {
    let mut answer = failure(
        StatusCode::TOO_MANY_REQUESTS,
        "TooManyRequests",
        "Too many requests, please try again later.",
    );
    answer
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    answer
}
