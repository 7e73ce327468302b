//! Sources go the way that sessions go; a proxy's failure is no answer, and no server's.

use jackline_core::{Event, LocalFault, ProxyFailure, ProxyFault};
use jackline_discovery::{Config, Distribution, SourceConfig, SupervisorConfig, SupervisorList};
use jackline_way::{WayConfig, Ways};

use self::proxy::{Act, Proxy, refusal};
use crate::server::{Reply, Server, nobody, slices, status};
use crate::stand::{Pki, Stand, listed};

#[allow(dead_code, reason = "shared with other tests")]
#[path = "../../../way/tests/way/proxy.rs"]
mod proxy;

fn stand(source: SourceConfig, pki: &Pki, proxy: &Proxy) -> Stand {
    let way = WayConfig {
        routes: vec![format!("*={}", proxy.url()).parse().unwrap()],
        ..WayConfig::default()
    };
    let config = Config {
        sources: vec![source],
        ways: std::sync::Arc::new(Ways::new(way)),
    };
    Stand::of(config, pki.trust())
}

fn supervisor() -> SourceConfig {
    SourceConfig::Supervisor(SupervisorConfig {
        distribution: Distribution::K3s,
        token: None,
        port: None,
        list: SupervisorList::Apiservers,
    })
}

#[tokio::test]
async fn kubernetes_and_supervisors_are_asked_through_the_proxy() {
    let pki = Pki::new();
    let server = Server::start(&pki, |seen| match seen.path.as_str() {
        path if path.contains("watch=true") => status(403, "Forbidden", "no watching"),
        path if path.starts_with("/apis/") => Reply::Json(200, slices(&["10.0.0.1"])),
        "/v1-k3s/apiservers" => Reply::Json(200, r#"["[fd00::1]:6443","10.0.0.1:6443"]"#.to_owned()),
        _ => status(404, "NotFound", "nothing here"),
    })
    .await;
    let proxy = Proxy::start(Act::Open).await;
    let mut kubernetes = stand(SourceConfig::Kubernetes, &pki, &proxy);
    kubernetes.order(1, &[server.address]);
    assert_eq!(listed(&kubernetes.report().await.2), ["10.0.0.1:6443"]);
    let asked = proxy.asked_for(server.address);
    assert!(asked > 0);
    let mut supervisor = stand(supervisor(), &pki, &proxy);
    supervisor.order(1, &[server.address]);
    let report = supervisor.report().await.2;
    assert_eq!(
        listed(&report),
        ["10.0.0.1:6443", "fd00::1:6443"],
        "both families"
    );
    assert!(proxy.asked_for(server.address) > asked);
}

#[tokio::test]
async fn a_proxy_that_opens_no_way_is_our_own_fault_and_said_so() {
    let pki = Pki::new();
    for (act, how, words) in [
        (
            refusal(407),
            ProxyFailure::Credentials,
            "another user and password (407)",
        ),
        (
            refusal(502),
            ProxyFailure::CannotReach(502),
            "cannot reach the server (502)",
        ),
        (
            Act::Say(b"rubbish\r\n\r\n".to_vec()),
            ProxyFailure::Nonsense,
            "does not answer as an HTTP proxy",
        ),
        (Act::Nothing, ProxyFailure::Silent, "said nothing in time"),
    ] {
        let proxy = Proxy::start(act).await;
        let mut stand = stand(SourceConfig::Kubernetes, &pki, &proxy);
        let failure = stand.refused(1, &[nobody().await]).await;
        let at = Some(proxy.address);
        assert_eq!(failure.local, Some(LocalFault::Proxy(ProxyFault { at, how })));
        assert!(failure.reason.contains(words), "{}", failure.reason);
        let rest = stand.finish().await;
        assert!(
            !rest
                .iter()
                .any(|event| matches!(event, Event::SourceReported { .. })),
            "{rest:?}"
        );
    }
}
