//! A data plane, its events, and upstreams of every kind.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use jackline_core::{
    Administration, Capability, Class, CloseSessions, Ending, EndpointView, Event, Health, NodeState, Pace,
    Snapshot, Standing, Timestamp, Trust, Which,
};
use jackline_proxy::{Bound, DataPlane, ProxyConfig, bind, bind_beside};
use socket2::{Domain, SockFilter, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

/// Whatever is awaited comes by then, however loaded the machine is.
const DEADLINE: Duration = Duration::from_secs(40);

/// Awaits what must come.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(DEADLINE, what).await.expect("it did not come")
}

/// Everything that the data plane has told, with the time.
#[derive(Clone)]
pub(crate) struct Events {
    told: Arc<Mutex<Vec<(Instant, Event)>>>,
    count: watch::Sender<usize>,
}

/// A running data plane on a port of its own.
pub(crate) struct Rig {
    pub(crate) plane: DataPlane,
    pub(crate) address: SocketAddr,
    pub(crate) events: Events,
    snapshots: Arc<ArcSwap<Snapshot>>,
}

impl Rig {
    pub(crate) fn start(endpoints: &[SocketAddr]) -> Self {
        Self::with(
            ProxyConfig {
                allow_loopback: true,
                ..config()
            },
            endpoints,
        )
    }

    pub(crate) fn with(config: ProxyConfig, endpoints: &[SocketAddr]) -> Self {
        Self::with_sink(config, endpoints, |_| {})
    }

    /// `then` is called after each event has been noted.
    pub(crate) fn with_sink(
        config: ProxyConfig,
        endpoints: &[SocketAddr],
        then: impl Fn(&Event) + Send + Sync + 'static,
    ) -> Self {
        Self::run(bind(&config).unwrap(), endpoints, then)
    }

    /// One at rest that has these listeners from another.
    pub(crate) fn successor(listeners: Vec<std::net::TcpListener>, endpoints: &[SocketAddr]) -> Self {
        let config = ProxyConfig {
            allow_loopback: true,
            listen: Vec::new(),
            ..config()
        };
        let bound = bind_beside(&config, listeners).unwrap().at_rest();
        Self::run(bound, endpoints, |_| {})
    }

    fn run(bound: Bound, endpoints: &[SocketAddr], then: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        let address = bound.addresses()[0];
        let snapshots = Arc::new(ArcSwap::from_pointee(snapshot(endpoints)));
        let events = Events {
            told: Arc::default(),
            count: watch::Sender::new(0),
        };
        let to = events.clone();
        let plane = bound.run(
            Arc::clone(&snapshots),
            Arc::new(move |event: Event| {
                to.told.lock().unwrap().push((Instant::now(), event.clone()));
                to.count.send_modify(|count| *count += 1);
                then(&event);
            }),
        );
        Self {
            plane,
            address,
            events,
            snapshots,
        }
    }

    pub(crate) fn publish(&self, endpoints: &[SocketAddr]) {
        self.snapshots.store(Arc::new(snapshot(endpoints)));
    }

    pub(crate) async fn client(&self) -> TcpStream {
        soon(TcpStream::connect(self.address)).await.unwrap()
    }

    /// A client whose session is known to work.
    pub(crate) async fn echoed_client(&self) -> TcpStream {
        let mut client = self.client().await;
        echo(&mut client, b"ping").await;
        client
    }

    pub(crate) fn close(&self, endpoint: SocketAddr, which: Which, pace: Pace) {
        self.plane.close_sessions(&CloseSessions {
            endpoint,
            which,
            pace,
            reason: "test".into(),
        });
    }
}

impl Events {
    pub(crate) fn all(&self) -> Vec<Event> {
        self.told
            .lock()
            .unwrap()
            .iter()
            .map(|(_, event)| event.clone())
            .collect()
    }

    pub(crate) fn times(&self, what: impl Fn(&Event) -> bool) -> Vec<Instant> {
        self.told
            .lock()
            .unwrap()
            .iter()
            .filter(|(_, event)| what(event))
            .map(|(at, _)| *at)
            .collect()
    }

    pub(crate) fn count(&self, what: impl Fn(&Event) -> bool) -> usize {
        self.times(what).len()
    }

    /// Waits until so many such events have been told.
    pub(crate) async fn wait(&self, times: usize, what: impl Fn(&Event) -> bool) {
        let mut count = self.count.subscribe();
        let reached = timeout(DEADLINE, count.wait_for(|_| self.count(&what) >= times)).await;
        assert!(reached.is_ok(), "not told {times} times: {:?}", self.all());
    }

    pub(crate) async fn closed(&self, endpoint: SocketAddr, ending: Ending) {
        self.wait(1, |event| *event == Event::SessionClosed { endpoint, ending })
            .await;
    }
}

pub(crate) fn is_opened(event: &Event) -> bool {
    matches!(event, Event::SessionOpened { .. })
}

pub(crate) fn is_closed(event: &Event) -> bool {
    matches!(event, Event::SessionClosed { .. })
}

pub(crate) fn config() -> ProxyConfig {
    ProxyConfig {
        listen: vec![([127, 0, 0, 1], 0).into()],
        seed: 42,
        ..ProxyConfig::default()
    }
}

pub(crate) fn snapshot(endpoints: &[SocketAddr]) -> Snapshot {
    Snapshot {
        generation: 1,
        state: NodeState::Attached,
        state_since: Timestamp::ZERO,
        state_reason: String::new(),
        trust: Trust::Held,
        zone: None,
        heartbeat: None,
        endpoints: endpoints.iter().map(|address| view(*address)).collect(),
        sources: Vec::new(),
    }
}

fn view(address: SocketAddr) -> EndpointView {
    EndpointView {
        address,
        standing: Standing::Listed,
        health: Health::Ready,
        administration: Administration::Enabled,
        drained_by: Vec::new(),
        reason: String::new(),
        health_since: Timestamp::ZERO,
        suspected: false,
        avoided: false,
        api: Capability::Yes,
        discovery: Capability::Unknown,
        sources: Vec::new(),
        depth: None,
        last_probe: None,
        last_ready: None,
        zone: None,
        node: None,
        class: Class::ReadyListed,
        connect_usual: Duration::from_millis(1),
        answer_usual: Duration::from_millis(5),
    }
}

/// An upstream that treats each connection in its own way.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    accepted: Arc<AtomicUsize>,
}

impl Upstream {
    pub(crate) async fn serving<F>(treat: impl Fn(TcpStream) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        // Its backlog is long enough for a test's clients, however late it gets to accepting them.
        Self::accepting(Reserved::new().listen(), treat)
    }

    pub(crate) fn accepting<F>(
        listener: TcpListener,
        treat: impl Fn(TcpStream) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&accepted);
        tokio::spawn(async move {
            loop {
                // It goes on when descriptors run out, as a server should.
                let Ok((stream, _)) = listener.accept().await else {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                };
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(treat(stream));
            }
        });
        Self { address, accepted }
    }

    /// Sends everything back, then its own FIN.
    pub(crate) async fn echo() -> Self {
        Self::serving(|mut stream| async move {
            let (mut from, mut to) = stream.split();
            let _ = tokio::io::copy(&mut from, &mut to).await;
            let _ = to.shutdown().await;
        })
        .await
    }

    /// Reads and never answers.
    pub(crate) async fn mute() -> Self {
        Self::serving(|mut stream| async move {
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        })
        .await
    }

    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

/// An address whose port is taken and where nobody listens (yet): refused, for as long as this lives.
pub(crate) struct Reserved(Socket);

impl Reserved {
    pub(crate) fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket
            .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
            .unwrap();
        Self(socket)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap().as_socket().unwrap()
    }

    /// The kernel accepts and acknowledges, and nobody will ever answer.
    pub(crate) fn frozen() -> Self {
        let reserved = Self::new();
        reserved.0.listen(1024).unwrap();
        reserved
    }

    /// Every packet is dropped.
    pub(crate) fn black_hole() -> Self {
        let reserved = Self::new();
        drop_packets(&reserved.0);
        reserved.0.listen(1024).unwrap();
        reserved
    }

    /// Somebody listens from now on.
    pub(crate) fn listen(self) -> TcpListener {
        self.0.listen(1024).unwrap();
        self.0.set_nonblocking(true).unwrap();
        TcpListener::from_std(self.0.into()).unwrap()
    }
}

/// From now on every packet to this socket is dropped: a filter of its own lets none in.
pub(crate) fn drop_packets(socket: &Socket) {
    const RETURN: u16 = 0x06;
    socket.attach_filter(&[SockFilter::new(RETURN, 0, 0, 0)]).unwrap();
}

pub(crate) async fn echo(client: &mut TcpStream, message: &[u8]) {
    client.write_all(message).await.unwrap();
    let mut answer = vec![0; message.len()];
    soon(client.read_exact(&mut answer)).await.unwrap();
    assert_eq!(answer, message);
}

/// How the peer ended the connection: `true` by a FIN, `false` by a reset. What it sends before is thrown away.
pub(crate) async fn ends_by_fin(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    match soon(stream.read_to_end(&mut rest)).await {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
            false
        }
    }
}

/// Closes with a reset.
pub(crate) fn reset(stream: TcpStream) {
    socket2::SockRef::from(&stream)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
}

/// Numbers that look like chance and are the same in each run.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound).unwrap()).unwrap()
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        let words = (0..length.div_ceil(8)).flat_map(|_| {
            self.below(1);
            self.0.to_le_bytes()
        });
        words.take(length).collect()
    }
}
