//! Bad input from a server: each kind costs that one report, is told clearly, and a good server beside it is heard.

use jackline_core::Event;
use jackline_discovery::{
    Distribution, NodesConfig, SourceConfig, SupervisorConfig, SupervisorList, TokenOrigin,
};
use rcgen::date_time_ymd;

use crate::server::{Reply, Seen, Server, slices, status};
use crate::stand::{Identity, Pki, Stand, listed, order};

const OK_JSON: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";

/// Every source that asks servers.
fn sources() -> [SourceConfig; 3] {
    [
        SourceConfig::Kubernetes,
        SourceConfig::Nodes(NodesConfig::default()),
        supervisor(),
    ]
}

fn supervisor() -> SourceConfig {
    SourceConfig::Supervisor(SupervisorConfig {
        distribution: Distribution::K3s,
        token: Some(TokenOrigin::Inline("secret".to_owned())),
        port: None,
        list: SupervisorList::Apiservers,
    })
}

/// What a good server of any kind would answer.
fn good(seen: &Seen) -> Reply {
    match seen.path.as_str() {
        path if path.contains("watch=true") => status(403, "Forbidden", "no"),
        path if path.contains("endpointslices") => Reply::Json(200, slices(&["10.0.0.1"])),
        path if path.contains("/nodes") => Reply::Json(
            200,
            r#"{"kind":"NodeList","metadata":{},"items":[{"metadata":{"name":"cp-1"}}]}"#.to_owned(),
        ),
        _ => Reply::Json(200, r#"["10.0.0.1:6443"]"#.to_owned()),
    }
}

/// The bad server alone is a failure with these words, and is no obstacle beside a good one; for every source.
async fn costs_one_report(words: &str, bad: impl Fn(&Seen) -> Reply + Clone + Send + Sync + 'static) {
    let pki = Pki::new();
    costs_one_report_as(&pki, &pki.identity(), words, bad).await;
}

async fn costs_one_report_as(
    pki: &Pki,
    identity: &Identity,
    words: &str,
    bad: impl Fn(&Seen) -> Reply + Clone + Send + Sync + 'static,
) {
    let beside = Server::start(pki, good).await;
    for source in sources() {
        let server = Server::start_as(pki, identity, bad.clone()).await;
        let mut stand = Stand::new(source.clone(), pki.trust());
        let failure = stand.refused(1, &[server.address]).await;
        assert!(
            failure.reason.contains(words),
            "{source:?}: {:?} lacks {words:?}",
            failure.reason
        );
        assert_eq!((failure.tried.len(), failure.local), (1, None));
        stand.order(2, &[server.address, beside.address]);
        let (refresh, _, report) = stand.report().await;
        assert_eq!((refresh, report.answered_by), (2, Some(beside.address)));
        assert_eq!(
            report.endpoints.len() + report.nodes.len(),
            1,
            "{:?}",
            listed(&report)
        );
    }
}

#[tokio::test]
async fn rubbish_instead_of_json() {
    costs_one_report("makes no sense", |_| {
        Reply::Json(200, "\u{0}\u{1}rubbish{{{".to_owned())
    })
    .await;
}

#[tokio::test]
async fn json_of_another_kind() {
    costs_one_report("makes no sense", |_| {
        Reply::Json(200, r#"{"kind":"Secret","items":[{}],"metadata":{}}"#.to_owned())
    })
    .await;
}

#[tokio::test]
async fn json_nested_without_end() {
    costs_one_report("makes no sense", |_| Reply::Json(200, "[".repeat(60_000))).await;
}

#[tokio::test]
async fn rubbish_instead_of_http() {
    costs_one_report("does not speak HTTP/1.1", |_| {
        Reply::Raw(b"\x16\x03\x01SSH-2.0-hello\r\n\r\n".to_vec())
    })
    .await;
}

#[tokio::test]
async fn a_head_without_end() {
    costs_one_report("head of its answer is longer than 64 KiB", |_| {
        Reply::Endless(
            b"HTTP/1.1 200 OK\r\n".to_vec(),
            b"X-Filler: 0123456789012345678901234567890123456789\r\n".repeat(20),
        )
    })
    .await;
}

#[tokio::test]
async fn a_body_that_announces_100_mib() {
    costs_one_report("larger than", |_| {
        Reply::Endless(
            format!("{OK_JSON}Content-Length: 104857600\r\n\r\n").into_bytes(),
            vec![b' '; 64 * 1024],
        )
    })
    .await;
}

#[tokio::test]
async fn a_body_that_never_ends() {
    costs_one_report("larger than", |_| {
        Reply::Endless(format!("{OK_JSON}\r\n").into_bytes(), vec![b' '; 64 * 1024])
    })
    .await;
}

#[tokio::test]
async fn a_truncated_body() {
    costs_one_report("cut off", |_| {
        Reply::Raw(format!("{OK_JSON}Content-Length: 1000\r\n\r\n[\"10.0").into_bytes())
    })
    .await;
}

#[tokio::test]
async fn a_connection_closed_instead_of_an_answer() {
    costs_one_report("cut off", |_| Reply::Raw(Vec::new())).await;
}

#[tokio::test]
async fn another_content_type() {
    costs_one_report("is \"text/html; charset=utf-8\", not application/json", |_| {
        Reply::With(
            200,
            "Content-Type: text/html; charset=utf-8\r\n".to_owned(),
            b"<html>log in here</html>".to_vec(),
        )
    })
    .await;
    costs_one_report("not application/json", |_| {
        Reply::With(200, String::new(), b"[]".to_vec())
    })
    .await;
}

#[tokio::test]
async fn a_coding_that_nobody_asked_for() {
    costs_one_report("encoded as \"gzip\"", |_| {
        Reply::With(
            200,
            "Content-Type: application/json\r\nContent-Encoding: gzip\r\n".to_owned(),
            vec![0x1f, 0x8b, 8, 0],
        )
    })
    .await;
}

#[tokio::test]
async fn a_redirect() {
    costs_one_report("redirects to \"https://elsewhere.example/login\"", |_| {
        Reply::With(
            302,
            "Location: https://elsewhere.example/login\r\n".to_owned(),
            Vec::new(),
        )
    })
    .await;
}

#[tokio::test]
async fn a_refused_credential() {
    costs_one_report(
        "401 (Unauthorized); the credential is missing, expired or of another cluster",
        |_| status(401, "Unauthorized", "Unauthorized"),
    )
    .await;
}

#[tokio::test]
async fn a_disabled_apiserver() {
    costs_one_report("503 (apiserver disabled)", |_| {
        status(503, "ServiceUnavailable", "apiserver disabled")
    })
    .await;
}

#[tokio::test]
async fn an_expired_certificate() {
    let pki = Pki::new();
    let expired = pki.identity_as("kubernetes", |params| {
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
    });
    costs_one_report_as(
        &pki,
        &expired,
        "not valid after 2002-01-01T00:00:00Z, our clock says",
        good,
    )
    .await;
}

#[tokio::test]
async fn a_certificate_that_is_not_valid_yet() {
    let pki = Pki::new();
    let early = pki.identity_as("kubernetes", |params| {
        params.not_before = date_time_ymd(2090, 1, 1);
        params.not_after = date_time_ymd(2091, 1, 1);
    });
    costs_one_report_as(
        &pki,
        &early,
        "not valid before 2090-01-01T00:00:00Z, our clock says",
        good,
    )
    .await;
}

#[tokio::test]
async fn a_certificate_for_another_name() {
    let pki = Pki::new();
    let other = pki.identity_as("somebody.example", |_| {});
    costs_one_report_as(&pki, &other, "not for kubernetes", good).await;
}

#[tokio::test]
async fn a_certificate_of_another_cluster() {
    let (pki, foreign) = (Pki::new(), Pki::new());
    costs_one_report_as(&pki, &foreign.identity(), "not issued by the cluster's CA", good).await;
}

#[tokio::test]
async fn a_server_that_speaks_no_tls() {
    let pki = Pki::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let _task = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ =
                tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    }));
    for source in sources() {
        let failure = Stand::new(source, pki.trust()).refused(1, &[address]).await;
        assert!(
            failure.reason.contains("TLS handshake failed"),
            "{}",
            failure.reason
        );
    }
}

#[tokio::test]
async fn a_server_that_is_silent_after_the_request_ends_at_the_deadline() {
    ends_at_the_deadline("").await;
}

#[tokio::test]
async fn a_server_that_is_silent_in_its_answer_ends_at_the_deadline() {
    ends_at_the_deadline(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n[",
    )
    .await;
}

async fn ends_at_the_deadline(begun: &'static str) {
    let pki = Pki::new();
    let server = Server::start(&pki, move |_| Reply::Hang(begun.as_bytes().to_vec())).await;
    let mut stands = sources().map(|source| Stand::new(source, pki.trust()));
    for stand in &stands {
        let mut short = order(1, &[server.address]);
        short.timeout = std::time::Duration::from_secs(2);
        stand.discovery.refresh(short);
    }
    for stand in &mut stands {
        let Event::SourceFailed { failure, .. } = stand.next().await else {
            panic!("it answered")
        };
        assert!(
            failure.reason.contains("nothing came in time"),
            "{}",
            failure.reason
        );
        assert_eq!(failure.tried.len(), 1, "it is told who was silent");
    }
    assert_eq!(
        server.seen().len(),
        4,
        "each did ask, the Endpoints source for slices and for the fleet's drain"
    );
}
