//! Binding: all that can fail at start fails here, with the remedy. Accepting is left to the threads.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use jackline_core::{Sink, Snapshot};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::runtime::{Builder, Runtime};

use crate::accept::Door;
use crate::carrier;
use crate::config::ProxyConfig;
use crate::loops::Loops;
use crate::plane::DataPlane;
use crate::shared::{Limits, Shared};
use crate::socket;
use crate::worker::{self, Sockets, Start};

/// How many connections may wait to be accepted; the kernel may allow fewer.
pub(crate) const BACKLOG: i32 = 1024;
/// Descriptors that sessions leave to the rest of the process: a quarter of all, this many at most.
const DESCRIPTORS_SPARED: u64 = 256;
/// What one session takes.
const DESCRIPTORS_PER_SESSION: u64 = 2;

/// Why the data plane cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another socket has the port.
    #[error("{address} is taken by another process: see who with `ss -ltnp 'sport = :{}'`, then stop it or listen elsewhere (--listen)", address.port())]
    Taken {
        /// Where we wanted to listen.
        address: SocketAddr,
    },
    /// The port is below 1024 and we may not.
    #[error("this user may not listen on {address}: choose a port from 1024 up (--listen)")]
    Denied {
        /// Where we wanted to listen.
        address: SocketAddr,
    },
    /// The address is none of this machine's.
    #[error("{address} is no address of this machine: listen on one that it has (--listen)")]
    Elsewhere {
        /// Where we wanted to listen.
        address: SocketAddr,
    },
    /// Nothing to listen on was configured.
    #[error("no address to listen on: give at least one (--listen)")]
    Nowhere,
    /// Anything else that the kernel said to a listener.
    #[error("cannot listen on {address}")]
    Listener {
        /// Where we wanted to listen.
        address: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
    /// A listener that was handed over is none that can be served.
    #[error(
        "a listener that the service manager has handed over cannot be used: {source}; see the socket unit (ListenStream=, Accept=no)"
    )]
    Given {
        /// What the kernel said.
        source: io::Error,
    },
    /// A data plane thread cannot be had.
    #[error(
        "cannot start a data plane thread: raise the limits on threads and descriptors (LimitNOFILE, TasksMax)"
    )]
    Thread {
        /// What the kernel said.
        source: io::Error,
    },
}

/// Listeners that are bound, and threads that wait to serve them. Dropped, it frees the ports.
#[derive(Debug)]
pub struct Bound {
    config: ProxyConfig,
    addresses: Vec<SocketAddr>,
    warnings: Vec<String>,
    threads: Vec<Waiting>,
    descriptors: u64,
    at_rest: bool,
}

/// A thread with its listeners that waits for what it needs to start; dropped, it ends.
#[derive(Debug)]
struct Waiting {
    start: SyncSender<Start>,
    thread: JoinHandle<()>,
}

/// Binds every configured listener. From now on clients wait in the backlog until [`Bound::run`].
///
/// Raises this process's soft limit on descriptors to the hard one.
///
/// # Errors
/// [`BindError`], in words that say what to do. A loopback of one family that is missing is none: see [`Bound::warnings`].
pub fn bind(config: &ProxyConfig) -> Result<Bound, BindError> {
    bind_beside(config, Vec::new())
}

/// The same beside listeners that somebody has bound for us, a service manager for one: all of them are served, and of those
/// that are configured only what is not among them is bound.
///
/// # Errors
/// As [`bind`].
pub fn bind_beside(config: &ProxyConfig, given: Vec<std::net::TcpListener>) -> Result<Bound, BindError> {
    let mut warnings = Vec::new();
    let descriptors = raise_descriptor_limit(&mut warnings);
    let mut sockets = given;
    let mut taken_over = Vec::new();
    for socket in &sockets {
        taken_over.push(take_over(socket).map_err(|source| BindError::Given { source })?);
    }
    let mut missing = None;
    let others = |address: &&SocketAddr| !taken_over.contains(*address);
    for address in config.listen.iter().filter(others) {
        match listen(*address) {
            Ok(socket) => sockets.push(socket),
            Err(error) if address.ip().is_loopback() && is_missing(&error) => {
                let family = if address.is_ipv6() { "IPv6" } else { "IPv4" };
                warnings.push(format!(
                    "not listening on {address}: this machine has no {family} loopback"
                ));
                missing = Some(refusal(*address, error));
            }
            Err(error) => return Err(refusal(*address, error)),
        }
    }
    if sockets.is_empty() {
        return Err(missing.unwrap_or(BindError::Nowhere));
    }
    let addresses = sockets
        .iter()
        .map(std::net::TcpListener::local_addr)
        .collect::<io::Result<Vec<SocketAddr>>>()
        .map_err(|source| BindError::Thread { source })?;
    let threads = (0..config.threads.clamp(1, ProxyConfig::THREADS_MAX))
        .map(|index| thread(index, &sockets))
        .collect::<io::Result<Vec<Waiting>>>()
        .map_err(|source| BindError::Thread { source })?;
    Ok(Bound {
        config: config.clone(),
        addresses,
        warnings,
        threads,
        descriptors,
        at_rest: false,
    })
}

impl Bound {
    /// Where we listen; with the true port where 0 was asked for.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What is missing but does not keep us from serving, each in a sentence.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Where [`Self::run`] is to begin at rest: nobody is accepted before [`DataPlane::go_on`].
    #[must_use]
    pub fn at_rest(mut self) -> Self {
        self.at_rest = true;
        self
    }

    /// Starts serving: candidates come from `snapshots`, what happens goes to `sink`.
    pub fn run(self, snapshots: Arc<ArcSwap<Snapshot>>, sink: Sink) -> DataPlane {
        let Self {
            config,
            addresses,
            threads,
            descriptors,
            at_rest,
            ..
        } = self;
        let most = sessions_max(descriptors);
        let limits = Limits {
            // More than there are descriptors for would only fail later, and less clearly.
            sessions: config.sessions_max.map_or(most, |wanted| wanted.min(most)),
            endpoint_sessions: config.endpoint_sessions_max,
        };
        let doors = addresses.len();
        let loops = Loops::new(addresses, config.allow_loopback);
        let shared = Shared::new(
            snapshots,
            sink,
            (loops, config.ways),
            config.hold,
            limits,
            (threads.len(), doors),
        );
        let threads = threads
            .into_iter()
            .map(|Waiting { start, thread }| (start, thread));
        DataPlane::start(Arc::new(shared), config.seed, (config.copy, at_rest), threads)
    }
}

/// A listening socket that nobody shares: without SO_REUSEPORT the kernel refuses a port that anybody else has, also one
/// who would share it, and nobody can join later. SO_REUSEADDR only forgives what is left of our own last run.
fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket::prepare(&socket)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Gives a listener that is another's the options of our own, and tells where it listens.
fn take_over(socket: &std::net::TcpListener) -> io::Result<SocketAddr> {
    socket::prepare(socket)?;
    socket.set_nonblocking(true)?;
    socket.local_addr()
}

/// Whether the address, or its whole family, does not exist here.
fn is_missing(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT)
    )
}

fn refusal(address: SocketAddr, source: io::Error) -> BindError {
    match source.kind() {
        io::ErrorKind::AddrInUse => BindError::Taken { address },
        io::ErrorKind::PermissionDenied => BindError::Denied { address },
        _ if is_missing(&source) => BindError::Elsewhere { address },
        _ => BindError::Listener { address, source },
    }
}

/// A thread with a runtime of its own. All threads accept from the same sockets, through descriptors of their own, one at a
/// time ([`crate::baton`]).
fn thread(index: usize, sockets: &[std::net::TcpListener]) -> io::Result<Waiting> {
    let runtime: Runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
    let sockets = {
        let _inside = runtime.enter();
        let own = sockets.iter().enumerate().map(|(number, socket)| {
            let listener = socket.try_clone()?;
            Ok(Door { number, listener })
        });
        Sockets {
            doors: own.collect::<io::Result<Vec<Door>>>()?,
            watch: carrier::watch()?,
        }
    };
    let (start, started) = sync_channel::<Start>(1);
    let thread = std::thread::Builder::new()
        .name(format!("jackline-move-{index}"))
        .spawn(move || {
            if let Ok(start) = started.recv() {
                worker::run(&runtime, sockets, start);
            }
        })?;
    Ok(Waiting { start, thread })
}

/// Gives the soft limit on descriptors as it is afterwards.
fn raise_descriptor_limit(warnings: &mut Vec<String>) -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return current.unwrap_or(u64::MAX);
    }
    match setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    ) {
        Ok(()) => maximum.unwrap_or(u64::MAX),
        Err(error) => {
            warnings.push(format!(
                "the limit on descriptors could not be raised ({error}): set LimitNOFILE if sessions are refused"
            ));
            current.unwrap_or(u64::MAX)
        }
    }
}

/// How many sessions a limit on descriptors allows.
fn sessions_max(descriptors: u64) -> usize {
    let spared = DESCRIPTORS_SPARED.min(descriptors / 4);
    usize::try_from((descriptors - spared) / DESCRIPTORS_PER_SESSION)
        .unwrap_or(usize::MAX)
        .max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_accepted_has_the_listeners_options() {
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        listener.set_nonblocking(false).unwrap();
        let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        let socket = socket2::SockRef::from(&accepted);
        assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap().as_secs(), 5);
        assert_eq!(socket.tcp_keepalive_interval().unwrap().as_secs(), 2);
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 3);
    }

    #[test]
    fn what_is_given_is_taken_over_and_only_the_rest_is_bound() {
        let given = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = given.local_addr().unwrap();
        let config = ProxyConfig {
            listen: vec![at, SocketAddr::from(([127, 0, 0, 1], 0))],
            ..ProxyConfig::default()
        };
        assert!(
            matches!(bind(&config), Err(BindError::Taken { address }) if address == at),
            "without being given it the port is another's"
        );
        let ours = given.try_clone().unwrap();
        let bound = bind_beside(&config, vec![ours]).unwrap();
        assert_eq!((bound.addresses()[0], bound.addresses().len()), (at, 2));
        assert!(socket2::SockRef::from(&given).tcp_nodelay().unwrap(), "prepared");
        let nowhere = ProxyConfig {
            listen: Vec::new(),
            ..config
        };
        bind_beside(&nowhere, vec![given.try_clone().unwrap()]).unwrap();
    }

    #[test]
    fn sessions_leave_descriptors_to_the_rest() {
        assert_eq!(sessions_max(20_000), 9_872);
        assert_eq!(sessions_max(64), 24);
        assert_eq!(sessions_max(0), 1);
        assert!(sessions_max(u64::MAX) > 1 << 60);
    }
}
