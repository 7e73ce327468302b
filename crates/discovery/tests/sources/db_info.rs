//! What supervisors tell of etcd's members, to those who hold a server's token.

use base64::Engine as _;
use jackline_core::Mode;
use jackline_discovery::{Distribution, SourceConfig, SupervisorConfig, SupervisorList, TokenOrigin};

use crate::server::{Reply, Seen, Server, status};
use crate::stand::{Pki, Stand, listed};

const MEMBERS: &str = r#"{"members":[
    {"ID":1,"name":"a-1","peerURLs":["https://10.0.0.1:2380"],"clientURLs":["https://10.0.0.1:2379"]},
    {"ID":2,"name":"b-2","clientURLs":["https://10.0.0.2:2379"]},
    {"ID":3,"name":"c-3","clientURLs":["https://10.0.0.3:2379"],"isLearner":true}]}"#;

fn config(port: Option<u16>) -> SupervisorConfig {
    SupervisorConfig {
        distribution: Distribution::K3s,
        token: Some(TokenOrigin::Inline("K10::server:secret".to_owned())),
        port,
        list: SupervisorList::Members,
    }
}

/// One that answers servers only, as K3s does.
async fn supervisor(pki: &Pki) -> Server {
    let login = base64::engine::general_purpose::STANDARD.encode("server:secret");
    let server = format!("Basic {login}");
    Server::start(pki, move |seen: &Seen| {
        match (seen.path.as_str(), seen.authorization.as_deref()) {
            ("/db/info", Some(shown)) if shown == server => Reply::Json(200, MEMBERS.to_owned()),
            ("/db/info", _) => status(403, "Forbidden", "servers only"),
            _ => status(503, "ServiceUnavailable", "apiserver disabled"),
        }
    })
    .await
}

#[tokio::test]
async fn members_with_a_vote_are_told_and_asked_for_at_the_supervisors_own_port() {
    let pki = Pki::new();
    let server = supervisor(&pki).await;
    let config = config(Some(server.address.port()));
    let mut stand = Stand::new(SourceConfig::Supervisor(config), pki.anonymous());
    // The endpoint is a member of etcd; the supervisor of that server is at another port.
    let member = std::net::SocketAddr::new(server.address.ip(), 2379);
    stand.order(1, &[member]);
    let (_, _, report) = stand.report().await;
    assert_eq!(listed(&report), ["10.0.0.1:2379", "10.0.0.2:2379"]);
    assert_eq!((report.mode, report.verified), (Mode::Poll, true));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_supervisor_that_refuses_us_costs_that_answer_and_is_told() {
    let pki = Pki::new();
    let server = supervisor(&pki).await;
    let config = SupervisorConfig {
        token: Some(TokenOrigin::Inline("K10::server:wrong".to_owned())),
        ..config(None)
    };
    let mut stand = Stand::new(SourceConfig::Supervisor(config), pki.anonymous());
    let failure = stand.refused(1, &[server.address]).await;
    assert!(failure.reason.contains("403"), "{}", failure.reason);
    assert!(!failure.reason.contains("wrong"), "{}", failure.reason);
}
