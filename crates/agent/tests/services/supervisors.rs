//! The supervisor service in front of supervisors in this process, all etcd-only: they answer their own paths and 503 to the rest.
//! They are stand-ins: what a real one does with a tunnel is not played, only that it holds a connection.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use jackline_agent::status::{Health, NodeState, ServiceStatus, Status};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet, block_in_place};
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::jackline::Jackline;
use crate::service;
use crate::stand::{PATIENCE, Pki};

/// Answers on connections that stay open, and tells which server it is.
struct Supervisor {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Supervisor {
    async fn start(pki: &Pki, address: SocketAddr) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(pki.server_config(&pki.identity())));
        let listener = TcpListener::bind(address).await.expect("a free address");
        let address = listener.local_addr().expect("an address");
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                connections.spawn(async move {
                    if let Ok(mut stream) = acceptor.accept(stream).await {
                        while let Some(path) = request(&mut stream).await {
                            let (status, body) = match path.as_str() {
                                "/ping" => ("200 OK", "pong".to_owned()),
                                "/v1-rke2/who" => ("200 OK", address.ip().to_string()),
                                _ => ("503 Service Unavailable", "apiserver disabled".to_owned()),
                            };
                            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
                            if stream.write_all((head + &body).as_bytes()).await.is_err() {
                                break;
                            }
                        }
                    }
                });
            }
        });
        Self { address, task }
    }

    /// As a process that is killed: its listener and its connections go.
    async fn kill(self) -> SocketAddr {
        self.task.abort();
        let _ = self.task.await;
        self.address
    }
}

/// The path of the next request; `None`: there is none any more.
async fn request(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Option<String> {
    const HEAD_MAX: usize = 4096;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok().filter(|_| head.len() < HEAD_MAX)?);
    }
    let head = String::from_utf8(head).ok()?;
    head.split(' ').nth(1).map(str::to_owned)
}

/// A client's connection through jackline.
struct Tunnel(TlsStream<TcpStream>);

impl Tunnel {
    async fn open(pki: &Pki, listener: SocketAddr) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(pki.ca()).expect("a CA");
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(listener).await.expect("accepted");
        let name = ServerName::try_from("kubernetes").expect("a name");
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        Self(stream.expect("a supervisor's handshake"))
    }

    /// Which server it leads to.
    async fn who(&mut self) -> IpAddr {
        let asking = async {
            let request = b"GET /v1-rke2/who HTTP/1.1\r\nHost: kubernetes\r\n\r\n";
            self.0.write_all(request).await.expect("it stands");
            let mut answer = vec![0; 512];
            let read = self.0.read(&mut answer).await.expect("it stands");
            answer.truncate(read);
            String::from_utf8(answer).expect("text")
        };
        let answer = timeout(PATIENCE, asking).await.expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        body.parse().expect("an address")
    }
}

/// Loopback addresses of this process alone.
fn ip(last: u8) -> IpAddr {
    let process = std::process::id().to_be_bytes();
    IpAddr::from(Ipv4Addr::new(127, 192 + (process[2] & 0x3f), process[3], last))
}

/// Three supervisors at one port, known by the registration address and by another balancer's memory of apiservers.
async fn stage(pki: &Pki, dir: &tempfile::TempDir, first: u8) -> (Vec<Supervisor>, Jackline) {
    let one = Supervisor::start(pki, SocketAddr::new(ip(first), 0)).await;
    let port = one.address.port();
    let mut all = vec![one];
    for last in [first + 1, first + 2] {
        all.push(Supervisor::start(pki, SocketAddr::new(ip(last), port)).await);
    }
    let import = dir.path().join("rke2-api-server-agent-load-balancer.json");
    let memory = format!(
        "{{\"ServerURL\":\"https://{0}:6443\",\"ServerAddresses\":[\"{1}:6443\",\"{2}:6443\"]}}",
        ip(first),
        ip(first + 1),
        ip(first + 2)
    );
    std::fs::write(&import, memory).expect("written");
    let more = format!(
        "allow-loopback-upstreams: true\ncluster: {{ ca-file: {} }}\nkubernetes: {{ enabled: false }}\n\
         servers: [\"https://{}:6443\"]\nimport: [{}]\n\
         timing: {{ probe-used: 300ms, probe-idle: 300ms, settling-time: 1s, drain-time: 1s, hold: 5s }}\n\
         services: {{ supervisor: {{ listen: [\"127.0.0.1:0\"], port: {port} }} }}\n",
        pki.file("ca.crt", pki.pem()).display(),
        ip(first),
        import.display()
    );
    let jackline = Jackline::start(dir.path(), 0, &more);
    (all, jackline)
}

fn until(jackline: &Jackline, wanted: impl Fn(&ServiceStatus) -> bool) -> Status {
    block_in_place(|| jackline.status_with(|status| status.services.first().is_some_and(&wanted)))
}

fn ready(service: &ServiceStatus) -> Vec<IpAddr> {
    let ready = service
        .endpoints
        .iter()
        .filter(|endpoint| endpoint.health == Health::Ready);
    ready.map(|endpoint| endpoint.address.ip()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_stay_while_a_better_server_returns_and_new_ones_go_to_the_living() {
    let (pki, dir) = (Pki::new(), tempfile::tempdir().expect("a folder"));
    let (mut supervisors, jackline) = stage(&pki, &dir, 1).await;
    let status = until(&jackline, |service| ready(service).len() == 3);
    let supervisor = service(&status);
    assert_eq!(supervisor.state, NodeState::Attached);
    assert_eq!(
        status.state,
        NodeState::Isolated,
        "nobody serves the API: the two are apart"
    );
    let listener = supervisor.listen[0];
    let best = supervisor.endpoints[0].address.ip();
    let mut to_best = Tunnel::open(&pki, listener).await;
    assert_eq!(to_best.who().await, best);

    let at = supervisors
        .iter()
        .position(|supervisor| supervisor.address.ip() == best)
        .expect("one");
    let address = supervisors.swap_remove(at).kill().await;
    let mut moved = Tunnel::open(&pki, listener).await;
    let second = moved.who().await;
    assert_ne!(second, best, "new sessions go to the living");
    until(&jackline, |service| ready(service).len() == 2);

    supervisors.push(Supervisor::start(&pki, address).await);
    // Back in the first place, for longer than it takes to settle and to move whatever is to be moved.
    let status = until(&jackline, |service| {
        ready(service).first() == Some(&best)
            && service.endpoints[0]
                .last_probe
                .is_some_and(|probe| probe.as_second() - service.endpoints[0].health_since.as_second() > 4)
    });
    let closed = service(&status).sessions.closed_total;
    assert!(
        closed <= 1,
        "only the dead server's session has ended, not {closed}"
    );
    assert_eq!(moved.who().await, second, "it stays where it was opened to");
    assert_eq!(Tunnel::open(&pki, listener).await.who().await, best);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_tunnels_of_one_client_are_sessions_of_their_own() {
    let (pki, dir) = (Pki::new(), tempfile::tempdir().expect("a folder"));
    let (_supervisors, jackline) = stage(&pki, &dir, 11).await;
    let status = until(&jackline, |service| ready(service).len() == 3);
    let listener = service(&status).listen[0];
    let mut tunnels = Vec::new();
    for _ in 0..5 {
        tunnels.push(Tunnel::open(&pki, listener).await);
    }
    until(&jackline, |service| service.sessions.open == 5);
    for tunnel in &mut tunnels {
        tunnel.who().await;
    }
}
