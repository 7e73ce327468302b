//! The paths of the admin socket that order something, and the one that asks the data plane's threads. Arguments come in
//! the query, for no request has a body: `POST /drain?endpoint=10.0.0.2:6443&seconds=1800`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::operate::{DRAIN_MAX, Done, Operate, Order, Refusal, Replacement};
use crate::server::sentence;

/// Who carries orders out.
#[derive(Clone)]
pub(crate) struct Desk(pub(crate) Arc<dyn Operate>);

pub(crate) async fn sessions(State(desk): State<Desk>) -> Response {
    Json(desk.0.sessions().await).into_response()
}

pub(crate) async fn drain(State(desk): State<Desk>, RawQuery(query): RawQuery) -> Response {
    match drain_order(query.as_deref().unwrap_or_default()) {
        Ok(order) => carry_out(&desk, order).await,
        Err(words) => sentence(StatusCode::BAD_REQUEST, &words),
    }
}

pub(crate) async fn undrain(State(desk): State<Desk>, RawQuery(query): RawQuery) -> Response {
    match endpoint(query.as_deref().unwrap_or_default()) {
        Ok(endpoint) => carry_out(&desk, Order::Undrain { endpoint }).await,
        Err(words) => sentence(StatusCode::BAD_REQUEST, &words),
    }
}

pub(crate) async fn refresh(State(desk): State<Desk>) -> Response {
    carry_out(&desk, Order::Refresh).await
}

pub(crate) async fn reset_state(State(desk): State<Desk>) -> Response {
    carry_out(&desk, Order::ResetState).await
}

pub(crate) async fn reload(State(desk): State<Desk>) -> Response {
    told(desk.0.replace(Replacement::SameProgram).await)
}

pub(crate) async fn upgrade(State(desk): State<Desk>, RawQuery(query): RawQuery) -> Response {
    match replacement(query.as_deref().unwrap_or_default()) {
        Ok(replacement) => told(desk.0.replace(replacement).await),
        Err(words) => sentence(StatusCode::BAD_REQUEST, &words),
    }
}

fn replacement(query: &str) -> Result<Replacement, String> {
    let Some(program) = value(query, "program") else {
        return Ok(Replacement::ProgramOnDisk);
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+~@,:".contains(c);
    if program.starts_with('/') && program.chars().all(plain) {
        Ok(Replacement::Program(program.into()))
    } else {
        Err("the program is no absolute path of letters, digits and /._-+~@,:".to_owned())
    }
}

async fn carry_out(desk: &Desk, order: Order) -> Response {
    told(desk.0.order(order).await)
}

fn told(done: Result<Done, Refusal>) -> Response {
    match done {
        Ok(done) => Json(done).into_response(),
        Err(Refusal::Unknown(words)) => sentence(StatusCode::NOT_FOUND, &words),
        Err(Refusal::Harmful(words)) => sentence(StatusCode::CONFLICT, &words),
        Err(Refusal::Failed(words)) => sentence(StatusCode::INTERNAL_SERVER_ERROR, &words),
    }
}

fn drain_order(query: &str) -> Result<Order, String> {
    let seconds = value(query, "seconds").ok_or("seconds=N is missing: a drain ends by itself")?;
    let lasts = seconds.parse().map(Duration::from_secs).ok();
    let lasts = lasts
        .filter(|lasts| !lasts.is_zero() && *lasts <= DRAIN_MAX)
        .ok_or_else(|| {
            format!(
                "seconds={seconds} is no time of 1 s to {} days",
                DRAIN_MAX.as_secs() / 86_400
            )
        })?;
    Ok(Order::Drain {
        endpoint: endpoint(query)?,
        lasts,
        force: value(query, "force") == Some("true"),
    })
}

fn endpoint(query: &str) -> Result<SocketAddr, String> {
    let text = value(query, "endpoint").ok_or("endpoint=IP:PORT is missing")?;
    text.parse()
        .map_err(|_| "the endpoint is no IP:PORT, as `jackline status` shows it".to_owned())
}

/// The value of the first `name=` in `query`.
fn value<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .into_iter()
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replacement_is_a_plain_absolute_path_or_what_is_on_disk() {
        assert_eq!(replacement(""), Ok(Replacement::ProgramOnDisk));
        let path = Replacement::Program("/opt/jackline-2.0/bin/jackline".into());
        assert_eq!(replacement("program=/opt/jackline-2.0/bin/jackline"), Ok(path));
        for bad in ["program=", "program=jackline", "program=/a%20b", "program=/a b"] {
            assert!(replacement(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_drain_has_an_endpoint_and_an_end() {
        let order = drain_order("endpoint=[fd00::1]:6443&seconds=60&force=true");
        assert_eq!(
            order,
            Ok(Order::Drain {
                endpoint: "[fd00::1]:6443".parse().expect("an address"),
                lasts: Duration::from_secs(60),
                force: true
            })
        );
        for bad in [
            "",
            "endpoint=10.0.0.1:6443",
            "seconds=60",
            "endpoint=10.0.0.1&seconds=60",
            "endpoint=10.0.0.1:6443&seconds=0",
            "endpoint=10.0.0.1:6443&seconds=-1",
            "endpoint=10.0.0.1:6443&seconds=99999999",
        ] {
            assert!(drain_order(bad).is_err(), "{bad}");
        }
    }
}
