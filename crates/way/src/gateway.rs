//! One CONNECT proxy: its addresses, dialled one beside the other (RFC 8305), and the ways it opens.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jackline_core::{LocalFault, ProxyFailure};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::connect;
use crate::fault::{WayError, local_fault};
use crate::proxy_url::{ProxyHost, ProxyUrl};

/// So many addresses of one proxy's name are used.
const ADDRESSES_MAX: usize = 8;
/// After this silence its next address is dialled too: RFC 8305's delay.
const SILENCE: Duration = Duration::from_millis(250);

/// What is known of a proxy's addresses.
#[derive(Clone, Debug)]
enum Known {
    /// Its name is being resolved for the first time.
    Nothing,
    /// Its name has none. Kept apart from nothing, for nobody waits for what has failed.
    None,
    Addresses(Vec<SocketAddr>),
}

/// A proxy.
#[derive(Debug)]
pub(crate) struct Gateway {
    url: ProxyUrl,
    known: watch::Sender<Known>,
    /// The address that took the last connection is dialled first.
    good: AtomicUsize,
}

impl Gateway {
    pub(crate) fn new(url: ProxyUrl) -> Self {
        let known = match url.host() {
            ProxyHost::Address(ip) => Known::Addresses(vec![SocketAddr::new(*ip, url.port())]),
            ProxyHost::Name(_) => Known::Nothing,
        };
        Self {
            url,
            known: watch::Sender::new(known),
            good: AtomicUsize::new(0),
        }
    }

    pub(crate) fn url(&self) -> &ProxyUrl {
        &self.url
    }

    /// Its name, where it has one that must be resolved.
    pub(crate) fn name(&self) -> Option<&str> {
        match self.url.host() {
            ProxyHost::Name(name) => Some(name),
            ProxyHost::Address(_) => None,
        }
    }

    /// What its name leads to now. None at all takes nothing away that was known (M2).
    pub(crate) fn learn(&self, addresses: &[IpAddr]) {
        let mut found: Vec<SocketAddr> = addresses
            .iter()
            .take(ADDRESSES_MAX)
            .map(|ip| SocketAddr::new(*ip, self.url.port()))
            .collect();
        found.sort_unstable();
        self.known
            .send_if_modified(|known| match (&*known, found.is_empty()) {
                (Known::Addresses(before), _) if *before == found => false,
                (Known::Addresses(_), true) => false,
                (_, true) => {
                    *known = Known::None;
                    true
                }
                (_, false) => {
                    self.good.store(0, Ordering::Relaxed);
                    *known = Known::Addresses(found);
                    true
                }
            });
    }

    /// Opens a way to `server`.
    pub(crate) async fn open(&self, server: SocketAddr, until: Instant) -> Result<TcpStream, WayError> {
        let (at, mut stream) = self.reach(until).await?;
        let of_proxy = |how| WayError::of_proxy(Some(at), how);
        match timeout_at(until, connect::ask(&mut stream, server, self.url.authorization())).await {
            Err(_) => Err(of_proxy(ProxyFailure::Silent)),
            Ok(Err(how)) => Err(of_proxy(how)),
            Ok(Ok(())) => Ok(stream),
        }
    }

    /// Connects to the proxy itself, at the first of its addresses that takes the connection.
    async fn reach(&self, until: Instant) -> Result<(SocketAddr, TcpStream), WayError> {
        let addresses = self.addresses(until).await?;
        let first = self.good.load(Ordering::Relaxed) % addresses.len();
        let mut waiting = (0..addresses.len()).map(|turn| (first + turn) % addresses.len());
        let mut under_way = FuturesUnordered::new();
        let mut failed: Option<(usize, WayError)> = None;
        let mut next = Instant::now();
        loop {
            let now = Instant::now();
            if now >= next
                && let Some(index) = waiting.next()
            {
                let address = addresses[index];
                under_way.push(async move { (index, TcpStream::connect(address).await) });
                next = now + SILENCE;
            }
            let more = waiting.len() > 0;
            tokio::select! {
                biased;
                Some((index, outcome)) = under_way.next() => match outcome {
                    Ok(stream) => {
                        self.good.store(index, Ordering::Relaxed);
                        return Ok((addresses[index], stream));
                    }
                    Err(error) => {
                        let error = refusal(addresses[index], &error);
                        // Always of the same one, so that the same fault is told in the same words.
                        if failed.as_ref().is_none_or(|(before, _)| index < *before) {
                            failed = Some((index, error));
                        }
                        next = now;
                        if under_way.is_empty() && !more {
                            return Err(failed.map_or(WayError::TimedOut, |(_, error)| error));
                        }
                    }
                },
                () = sleep_until(until) => {
                    return Err(WayError::of_proxy(addresses.first().copied(), ProxyFailure::TimedOut));
                }
                () = sleep_until(next), if more => {}
            }
        }
    }

    async fn addresses(&self, until: Instant) -> Result<Vec<SocketAddr>, WayError> {
        let mut known = self.known.subscribe();
        let told = timeout_at(until, known.wait_for(|known| !matches!(known, Known::Nothing))).await;
        match told.map(|told| told.map(|known| known.clone())) {
            Ok(Ok(Known::Addresses(addresses))) => Ok(addresses),
            _ => Err(WayError::of_proxy(None, ProxyFailure::Unresolved)),
        }
    }
}

/// Why the proxy itself could not be connected to.
fn refusal(at: SocketAddr, error: &std::io::Error) -> WayError {
    use std::io::ErrorKind::{ConnectionRefused, ConnectionReset, TimedOut};
    if let Some(fault) = local_fault(error) {
        return WayError::Local(match fault {
            // It is the proxy that no route leads to.
            LocalFault::NoRoute => return WayError::of_proxy(Some(at), ProxyFailure::Unreachable),
            fault => fault,
        });
    }
    let how = match error.kind() {
        ConnectionRefused | ConnectionReset => ProxyFailure::Refused,
        TimedOut => ProxyFailure::TimedOut,
        _ => ProxyFailure::Unreachable,
    };
    WayError::of_proxy(Some(at), how)
}
