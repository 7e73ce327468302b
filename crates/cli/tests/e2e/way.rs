//! The way to servers: the whole jackline behind a CONNECT proxy that works, fails in each of its manners, and comes back;
//! and in front of servers that want a PROXY protocol header.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jackline_agent::status::{Endpoint, Health, NodeState, Status};
use tokio::net::{TcpListener, TcpStream};

use crate::apiserver::{Cluster, Server};
use crate::caller::Caller;
use crate::node::Node;
use crate::program::{run, until, within};
use crate::proxy::{Act, Proxy, refusal};
use crate::receiver::{Header, receive};

/// What nobody but the proxy may ever see, as it is written and as it is sent.
const SECRETS: [&str; 3] = ["hunter2", "am86aHVudGVyMg", "jo:"];

fn behind(proxy: &Proxy, server: &Server) -> String {
    format!(
        "servers: [\"{}\"]\nway: {{ routes: [\"*=http://jo:hunter2@{}\"] }}\nlog: {{ level: debug }}\n",
        server.url(),
        proxy.address
    )
}

async fn answers(cluster: &Cluster, status: &Status) {
    let mut caller = Caller::connect(cluster, status.listen[0])
        .await
        .expect("a connection");
    let answer = within("an answer", caller.read("/readyz")).await;
    assert_eq!(answer.expect("an answer"), "ok");
}

/// Every file below `folder`, as text.
fn written(folder: &Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            all += &written(&path);
        } else if let Ok(bytes) = std::fs::read(&path) {
            all += &String::from_utf8_lossy(&bytes);
        }
    }
    all
}

#[tokio::test]
async fn behind_a_proxy_everything_goes_through_it_and_its_password_is_nowhere() {
    let cluster = Cluster::new();
    let (joined, other) = (cluster.server().await, cluster.server().await);
    cluster.tell(&[joined.address, other.address]);
    let proxy = Proxy::start(Act::Open).await;
    let node = Node::start(&cluster, &behind(&proxy, &joined));
    let status = node
        .status_when("both ready", |status| {
            status
                .endpoints
                .iter()
                .filter(|endpoint| endpoint.health == Health::Ready)
                .count()
                == 2
        })
        .await;
    answers(&cluster, &status).await;
    for server in [&joined, &other] {
        assert!(
            proxy.asked_for(server.address) > 0,
            "probes and sources go through it"
        );
    }
    assert!(
        proxy
            .asked()
            .iter()
            .all(|head| head.contains("Proxy-Authorization: Basic am86aHVudGVyMg=="))
    );

    let config = node.path("config.yaml");
    let shown = run(["config", "show", "--config", &config.to_string_lossy()]).await;
    assert!(shown.out.contains("http://(hidden)@"), "{}", shown.out);
    let status = node.status_command("json").await.out;
    let table = node.status_command("table").await.out;
    std::fs::remove_file(config).expect("it was there");
    for (place, text) in [
        ("config show", shown.out + &shown.err),
        ("status", status + &table),
        (
            "log and journal and state",
            node.log() + &written(&node.path("state")),
        ),
    ] {
        assert!(text.len() > 50, "{place}: {text}");
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret} is in {place}");
        }
    }
}

#[tokio::test]
async fn a_proxy_that_fails_is_told_as_its_own_fault_and_the_node_is_back_with_it() {
    let cluster = Cluster::new();
    let (joined, other) = (cluster.server().await, cluster.server().await);
    cluster.tell(&[joined.address, other.address]);
    let proxy = Proxy::start(Act::Open).await;
    let node = Node::start(&cluster, &behind(&proxy, &joined));
    // Ready, and found so since the proxy is back.
    let both_ready = |status: &Status| {
        let found = |endpoint: &&Endpoint| {
            endpoint.health == Health::Ready && !endpoint.suspected && !endpoint.reason.contains("proxy")
        };
        status.state == NodeState::Attached && status.endpoints.iter().filter(found).count() == 2
    };
    let status = node.status_when("both ready", both_ready).await;
    let slow = b"HTTP/1.1 200 Connection established\r\n\r\n".to_vec();
    let huge = [b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'x'; 1 << 20]].concat();
    for (act, words) in [
        (refusal(407), "wants another user and password (407)"),
        (refusal(403), "opens no way to there (403)"),
        (refusal(502), "says that it cannot reach the server (502)"),
        (refusal(504), "says that it cannot reach the server (504)"),
        (
            Act::Say(b"SSH-2.0-OpenSSH\r\n".to_vec()),
            "does not answer as an HTTP proxy",
        ),
        (Act::Say(huge), "does not answer as an HTTP proxy"),
        (
            Act::SayAndEnd(Vec::new()),
            "took the request and ended the connection",
        ),
        (Act::Nothing, "took the request and said nothing in time"),
        (
            Act::Drip(slow, Duration::from_secs(2)),
            "took the request and said nothing in time",
        ),
    ] {
        proxy.does(act.clone());
        // A client notices first: its dial is what starts the probes.
        drop(Caller::connect(&cluster, status.listen[0]).await);
        let told = node
            .status_when("isolated, and why", |status| {
                status.state == NodeState::Isolated && status.state_reason.contains(words)
            })
            .await;
        for endpoint in &told.endpoints {
            assert_eq!(
                endpoint.health,
                Health::Ready,
                "{act:?} judges nobody: {}",
                endpoint.reason
            );
        }
        proxy.does(Act::Open);
        let back = node.status_when("attached again", both_ready).await;
        assert!(!back.state_reason.contains("proxy"), "{}", back.state_reason);
        answers(&cluster, &back).await;
    }
    // Dead, and alive again at the same address.
    let address = proxy.address;
    proxy.die().await;
    drop(Caller::connect(&cluster, status.listen[0]).await);
    node.status_when("isolated, and why", |status| {
        status.state == NodeState::Isolated
            && status
                .state_reason
                .contains("refuses the connection; is it running?")
    })
    .await;
    let listener = until("the port is free again", || async {
        TcpListener::bind(address).await.ok()
    })
    .await;
    let _again = Proxy::on(listener, Act::Open);
    let back = node.status_when("attached again", both_ready).await;
    answers(&cluster, &back).await;
}

#[tokio::test]
async fn a_server_that_dies_behind_a_proxy_is_told_as_the_servers_fault() {
    let cluster = Cluster::new();
    let (joined, other) = (cluster.server().await, cluster.server().await);
    cluster.tell(&[joined.address, other.address]);
    let proxy = Proxy::start(Act::Open).await;
    let node = Node::start(&cluster, &behind(&proxy, &joined));
    node.status_when("both ready", |status| {
        status
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.health == Health::Ready)
            .count()
            == 2
    })
    .await;
    let dead = other.address;
    drop(other);
    let told = node
        .status_when("unreachable", |status| {
            let endpoint = status.endpoints.iter().find(|endpoint| endpoint.address == dead);
            endpoint.is_some_and(|endpoint| endpoint.health == Health::Unreachable)
        })
        .await;
    assert_eq!(told.state, NodeState::Attached);
    answers(&cluster, &told).await;
}

/// Something in front of `server` that takes only connections that begin with a PROXY protocol header.
async fn strict_front(
    server: &Server,
    headers: Arc<Mutex<Vec<Result<Header, String>>>>,
) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (address, behind) = (listener.local_addr().expect("bound"), server.address);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let headers = Arc::clone(&headers);
            tokio::spawn(async move {
                let header = receive(&mut stream).await;
                let good = header.is_ok();
                headers.lock().expect("whole").push(header);
                if let (true, Ok(mut upstream)) = (good, TcpStream::connect(behind).await) {
                    let _ = tokio::io::copy_bidirectional(&mut stream, &mut upstream).await;
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn servers_that_want_a_proxy_protocol_header_get_one_from_probes_sources_and_sessions() {
    let cluster = Cluster::new();
    let server = cluster.server().await;
    let headers = Arc::new(Mutex::new(Vec::new()));
    let front = strict_front(&server, Arc::clone(&headers)).await;
    let without = Node::start(&cluster, &format!("servers: [\"https://{front}\"]\n"));
    let status = without
        .status_when("refused without a header", |status| {
            status
                .endpoints
                .iter()
                .any(|endpoint| endpoint.health == Health::Unreachable)
        })
        .await;
    assert_eq!(status.state, NodeState::Isolated);
    let headers = Arc::new(Mutex::new(Vec::new()));
    let front = strict_front(&server, Arc::clone(&headers)).await;
    cluster.tell(&[front]);
    let lines = format!("servers: [\"https://{front}\"]\n");
    let node = Node::start(
        &cluster,
        &format!("{lines}way: {{ proxy-protocol: [\"{front}\"] }}\n"),
    );
    let status = node.attached().await;
    let mut caller = Caller::connect(&cluster, status.listen[0])
        .await
        .expect("a connection");
    let answer = within("an answer", caller.read("/readyz")).await;
    assert_eq!(answer.expect("an answer"), "ok");
    let headers = headers.lock().expect("whole").clone();
    let local = headers
        .iter()
        .filter(|header| **header == Ok(Header::Local))
        .count();
    let relayed: Vec<_> = headers
        .iter()
        .filter(|header| {
            matches!(header, Ok(Header::Relayed { client, listener })
            if client.ip().is_loopback() && *listener == status.listen[0])
        })
        .collect();
    assert!(local >= 2, "probe and source: {headers:?}");
    assert_eq!(local + relayed.len(), headers.len(), "{headers:?}");
    assert!(!relayed.is_empty(), "{headers:?}");
}
