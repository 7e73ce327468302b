//! What all servers of a control plane share: the store, the secrets, the clocks, and what is known of servers and requests.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::etcd::Access;
use crate::locked::lock;
use crate::pki::Authority;
use crate::plan::{Anonymous, Timing};
use crate::plane::ledger::Ledger;
use crate::store::Store;

/// Nodes whose heartbeats are remembered.
const HEARTBEATS_MAX: usize = 10_000;
/// Authorities whose client certificates are good.
const AUTHORITIES_MAX: usize = 64;

pub(crate) struct Cluster {
    pub(crate) store: Store,
    pub(crate) timing: Timing,
    pub(crate) anonymous: Anonymous,
    /// The password of the node token.
    pub(crate) node_password: String,
    /// The ServiceAccount's bearer token, and those that follow it.
    pub(crate) bearer_token: Mutex<String>,
    /// A bearer token with all rights.
    pub(crate) admin_token: String,
    /// Whose client certificates are good.
    pub(crate) clients: Mutex<Vec<Authority>>,
    pub(crate) board: Board,
    pub(crate) ledger: Ledger,
    /// Real etcd, where a play has it.
    pub(crate) etcd: OnceLock<Access>,
    heartbeats: Mutex<BTreeMap<String, Instant>>,
    chance: Mutex<u64>,
}

impl Cluster {
    pub(crate) fn new(authority: &Authority, anonymous: Anonymous, timing: Timing, seed: u64) -> Self {
        Self {
            store: Store::new(),
            timing,
            anonymous,
            node_password: secret(),
            bearer_token: Mutex::new(secret()),
            admin_token: secret(),
            clients: Mutex::new(vec![authority.clone()]),
            board: Board::default(),
            ledger: Ledger::default(),
            etcd: OnceLock::new(),
            heartbeats: Mutex::default(),
            chance: Mutex::new(seed),
        }
    }

    /// A time drawn evenly from a range.
    pub(crate) fn draw(&self, range: &Range<Duration>) -> Duration {
        let width = range.end.saturating_sub(range.start);
        let mut state = lock(&self.chance);
        // SplitMix64, by Steele, Lea and Flood.
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = *state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let part = f64::from(u32::try_from(bits >> 32).unwrap_or(0)) / f64::from(u32::MAX);
        range.start + width.mul_f64(part)
    }

    /// The ServiceAccount has another token from now on, and the old one is worth nothing.
    pub(crate) fn renew_bearer_token(&self) -> String {
        let fresh = secret();
        lock(&self.bearer_token).clone_from(&fresh);
        fresh
    }

    /// From now on client certificates of this authority are good too.
    pub(crate) fn trust_clients_of(&self, authority: &Authority) {
        let mut clients = lock(&self.clients);
        if clients.len() < AUTHORITIES_MAX && clients.iter().all(|known| known.pem() != authority.pem()) {
            clients.push(authority.clone());
        }
    }

    /// A node renewed its Lease.
    pub(crate) fn heard(&self, node: &str) {
        let mut heartbeats = lock(&self.heartbeats);
        if heartbeats.len() < HEARTBEATS_MAX || heartbeats.contains_key(node) {
            heartbeats.insert(node.to_owned(), Instant::now());
        }
    }

    pub(crate) fn heartbeat(&self, node: &str) -> Option<Instant> {
        lock(&self.heartbeats).get(node).copied()
    }
}

fn secret() -> String {
    let mut bytes = [0_u8; 16];
    // Without the kernel's randomness the secret is a known one: it protects a lab on loopback from its own programs.
    let _ = getrandom::fill(&mut bytes);
    hexadecimal(&bytes)
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// Which servers are ready, and since when.
pub(crate) struct Board {
    inner: Mutex<Ready>,
    changes: watch::Sender<u64>,
}

#[derive(Default)]
struct Ready {
    servers: BTreeMap<String, Instant>,
    /// Since when some server has been ready without a break.
    some: Option<Instant>,
}

impl Default for Board {
    fn default() -> Self {
        Self {
            inner: Mutex::default(),
            changes: watch::Sender::new(0),
        }
    }
}

impl Board {
    /// A server may have changed. `ready` is asked under the board's lock, so that the last answer stands.
    pub(crate) fn update(&self, server: &str, ready: impl FnOnce() -> bool) {
        let mut inner = lock(&self.inner);
        let now = Instant::now();
        if ready() {
            inner.servers.entry(server.to_owned()).or_insert(now);
        } else {
            inner.servers.remove(server);
        }
        inner.some = if inner.servers.is_empty() {
            None
        } else {
            inner.some.or(Some(now))
        };
        drop(inner);
        self.changes.send_modify(|count| *count += 1);
    }

    pub(crate) fn ready_since(&self, server: &str) -> Option<Instant> {
        lock(&self.inner).servers.get(server).copied()
    }

    pub(crate) fn some_ready_since(&self) -> Option<Instant> {
        lock(&self.inner).some
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_board_knows_since_when_some_server_has_been_ready_without_a_break() {
        let board = Board::default();
        board.update("a", || true);
        let first = board.some_ready_since().expect("a is ready");
        board.update("b", || true);
        board.update("a", || false);
        assert_eq!(board.some_ready_since(), Some(first), "b took over before a went");
        assert!(board.ready_since("b") >= Some(first));
        assert_eq!(board.ready_since("a"), None);
        board.update("b", || false);
        assert_eq!(board.some_ready_since(), None);
    }

    #[test]
    fn draws_stay_within_their_range_and_differ() {
        let authority = Authority::new("ca").expect("made");
        let cluster = Cluster::new(&authority, Anonymous::Refused, Timing::compressed(1), 7);
        let range = Duration::from_secs(2)..Duration::from_secs(5);
        let draws: Vec<Duration> = (0..100).map(|_| cluster.draw(&range)).collect();
        assert!(
            draws
                .iter()
                .all(|draw| *draw >= range.start && *draw <= range.end)
        );
        assert!(
            draws.iter().any(|draw| *draw < Duration::from_secs(3))
                && draws.iter().any(|draw| *draw > Duration::from_secs(4))
        );
        assert_eq!(cluster.draw(&(Duration::ZERO..Duration::ZERO)), Duration::ZERO);
    }
}
