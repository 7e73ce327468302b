//! What is asked of the servers of each service, and what their answers say. Pure.

use hyper::StatusCode;
use jackline_core::{Answer, Depth, Service};

use crate::judge::{Reply, asks_for_more, judge, plain};

/// What etcd's `/health` fails with, as the name of a failed check. Whatever it is – no leader, no quorum, an alarm –, it is the
/// cluster's and not only this member's: the cause may be shared (H2), so nothing moves while all say so (S5).
const ETCD_UNHEALTHY: &str = "etcd";
/// Bytes of etcd's own reason that are told.
const REASON_MAX: usize = 64;

/// The path that is asked for.
pub(crate) const fn path(service: Service) -> &'static str {
    match service {
        Service::Api => "/readyz",
        Service::Etcd => "/health",
        Service::Supervisor => "/ping",
    }
}

/// How deep an answer reaches.
pub(crate) const fn depth(service: Service) -> Depth {
    match service {
        Service::Api => Depth::Readyz,
        Service::Etcd => Depth::Health,
        Service::Supervisor => Depth::Ping,
    }
}

/// Whether the anonymous are asked at all: etcd, where it wants client certificates, ends their connections.
pub(crate) const fn takes_anonymous(service: Service) -> bool {
    !matches!(service, Service::Etcd)
}

/// What a server of `service` says of itself; the error is why the answer is none of such a server's.
pub(crate) fn said(service: Service, reply: &Reply) -> Result<Answer, String> {
    match service {
        Service::Api => judge(reply),
        Service::Etcd => etcd(reply),
        Service::Supervisor => supervisor(reply),
    }
}

/// `{"health":"true"}`, since 3.5 with a `reason`; 200 or 503.
fn etcd(reply: &Reply) -> Result<Answer, String> {
    #[derive(serde::Deserialize)]
    struct Health {
        health: String,
        #[serde(default)]
        reason: String,
    }
    if asks_for_more(reply) {
        return Ok(Answer::Alive);
    }
    plain(reply)?;
    let status = reply.status.as_u16();
    let Ok(said) = serde_json::from_slice::<Health>(&reply.body) else {
        return Err(format!(
            "answered {status} to GET /health with something else than etcd does"
        ));
    };
    match (said.health.as_str(), reply.status) {
        ("true", StatusCode::OK) => Ok(Answer::Ready),
        ("false", StatusCode::OK | StatusCode::SERVICE_UNAVAILABLE) => Ok(Answer::NotReady {
            status,
            failed: vec![unhealthy(&said.reason)],
        }),
        _ => Err(format!("answered {status} to GET /health, which etcd does not")),
    }
}

/// The name of what failed: `etcd`, with etcd's own words where it has some.
fn unhealthy(reason: &str) -> String {
    let words: String = reason
        .chars()
        .filter(|c| c.is_ascii_graphic() || *c == ' ')
        .take(REASON_MAX)
        .collect();
    match words.trim() {
        "" => ETCD_UNHEALTHY.to_owned(),
        words => format!("{ETCD_UNHEALTHY} ({words})"),
    }
}

/// `pong`, open to all and also from servers without an apiserver.
fn supervisor(reply: &Reply) -> Result<Answer, String> {
    if asks_for_more(reply) {
        return Ok(Answer::Alive);
    }
    plain(reply)?;
    let status = reply.status;
    if status == StatusCode::OK && reply.body.trim_ascii() == b"pong" {
        return Ok(Answer::Ready);
    }
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return Ok(Answer::NotReady {
            status: status.as_u16(),
            failed: Vec::new(),
        });
    }
    Err(format!(
        "answered {} to GET /ping, which a supervisor does not",
        status.as_u16()
    ))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn reply(status: u16, body: &str) -> Reply {
        Reply {
            status: StatusCode::from_u16(status).unwrap(),
            content_type: String::new(),
            encoding: String::new(),
            body: Bytes::from(body.to_owned()),
        }
    }

    #[test]
    fn etcd_is_healthy_or_says_what_it_lacks() {
        let healthy = |status, body: &str| said(Service::Etcd, &reply(status, body));
        assert_eq!(healthy(200, r#"{"health":"true"}"#), Ok(Answer::Ready));
        assert_eq!(
            healthy(200, r#"{"health":"true","reason":""}"#),
            Ok(Answer::Ready)
        );
        for (body, check) in [
            (r#"{"health":"false"}"#, "etcd"),
            (
                r#"{"health":"false","reason":"RAFT NO LEADER"}"#,
                "etcd (RAFT NO LEADER)",
            ),
            (
                "{\"health\":\"false\",\"reason\":\"a\\u001b[2J b\"}",
                "etcd (a[2J b)",
            ),
        ] {
            let failed = vec![check.to_owned()];
            assert_eq!(healthy(503, body), Ok(Answer::NotReady { status: 503, failed }));
        }
        let long = format!(r#"{{"health":"false","reason":"{}"}}"#, "x".repeat(10_000));
        let Ok(Answer::NotReady { failed, .. }) = healthy(503, &long) else {
            panic!("unhealthy")
        };
        assert!(failed[0].len() < 100);
        assert_eq!(healthy(401, ""), Ok(Answer::Alive));
        for (status, body) in [
            (200, "ok"),
            (200, "{}"),
            (200, r#"{"health":true}"#),
            (200, r#"{"health":"maybe"}"#),
            (503, r#"{"health":"true"}"#),
            (404, "404 page not found"),
            (302, ""),
        ] {
            assert!(healthy(status, body).is_err(), "{status} {body}");
        }
    }

    #[test]
    fn a_supervisor_says_pong() {
        let says = |status, body: &str| said(Service::Supervisor, &reply(status, body));
        assert_eq!(says(200, "pong"), Ok(Answer::Ready));
        assert_eq!(says(200, "pong\n"), Ok(Answer::Ready));
        assert_eq!(says(403, ""), Ok(Answer::Alive));
        assert_eq!(
            says(503, "starting"),
            Ok(Answer::NotReady {
                status: 503,
                failed: vec![]
            })
        );
        for (status, body) in [(200, "ok"), (200, ""), (404, "pong"), (307, "pong")] {
            assert!(says(status, body).is_err(), "{status} {body}");
        }
        let packed = Reply {
            encoding: "gzip".to_owned(),
            ..reply(200, "pong")
        };
        assert!(said(Service::Supervisor, &packed).is_err());
    }
}
