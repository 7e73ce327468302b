//! A name server on loopback whose records can be changed: for registration addresses that are names.
//!
//! UDP only, A and AAAA only, a TTL of one second if nobody says otherwise; every other name does not exist.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA};
use hickory_proto::rr::{RData, Record, RecordType};
use tokio::net::UdpSocket;
use tokio_util::task::AbortOnDropHandle;

use crate::locked::lock;

/// Addresses of one name; more are cut off.
const ADDRESSES_MAX: usize = 64;
/// Seconds for which an answer may be kept, unless somebody says otherwise.
const TTL: u32 = 1;
/// A longer question is cut, and then not understood.
const QUESTION_MAX: usize = 4_096;

/// A running name server. Dropped, it is gone.
pub struct NameServer {
    address: SocketAddr,
    zone: Arc<Zone>,
    _task: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct Zone {
    records: Mutex<BTreeMap<String, Vec<IpAddr>>>,
    mute: AtomicBool,
    questions: AtomicU64,
    /// Seconds above [`TTL`].
    longer: AtomicU32,
}

impl NameServer {
    /// Starts one on a free port of this address. Called within a tokio runtime.
    ///
    /// # Errors
    /// When no port can be bound.
    pub fn start(address: Ipv4Addr) -> io::Result<Self> {
        let socket = std::net::UdpSocket::bind((address, 0))?;
        socket.set_nonblocking(true)?;
        let socket = UdpSocket::from_std(socket)?;
        let (address, zone) = (socket.local_addr()?, Arc::new(Zone::default()));
        let task = AbortOnDropHandle::new(tokio::spawn(serve(socket, Arc::clone(&zone))));
        Ok(Self {
            address,
            zone,
            _task: task,
        })
    }

    /// Where it listens: what goes into `dns-servers`.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a name resolves to from now on, at most 64 addresses. None: the name exists and has no address.
    pub fn set(&self, name: &str, addresses: &[IpAddr]) {
        let addresses = addresses.iter().copied().take(ADDRESSES_MAX).collect();
        lock(&self.zone.records).insert(canonical(name), addresses);
    }

    /// From now on the name does not exist.
    pub fn remove(&self, name: &str) {
        lock(&self.zone.records).remove(&canonical(name));
    }

    /// For how many seconds answers may be kept from now on; one at the least.
    pub fn keep_for(&self, seconds: u32) {
        self.zone
            .longer
            .store(seconds.saturating_sub(TTL), Ordering::Relaxed);
    }

    /// `true`: it answers nobody, as a name server that is down behind a firewall.
    pub fn mute(&self, mute: bool) {
        self.zone.mute.store(mute, Ordering::Relaxed);
    }

    /// How many questions it has received, the unanswered ones included.
    #[must_use]
    pub fn questions(&self) -> u64 {
        self.zone.questions.load(Ordering::Relaxed)
    }
}

fn canonical(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

async fn serve(socket: UdpSocket, zone: Arc<Zone>) {
    let mut buffer = [0_u8; QUESTION_MAX];
    loop {
        // An error here is an echo of an answer that nobody waited for.
        let Ok((length, asker)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        zone.questions.fetch_add(1, Ordering::Relaxed);
        if zone.mute.load(Ordering::Relaxed) {
            continue;
        }
        if let Some(answer) = zone.answer(&buffer[..length]) {
            let _ = socket.send_to(&answer, asker).await;
        }
    }
}

impl Zone {
    fn answer(&self, question: &[u8]) -> Option<Vec<u8>> {
        let question = Message::from_vec(question).ok()?;
        if question.metadata.message_type != MessageType::Query {
            return None;
        }
        let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
        answer.metadata.recursion_desired = question.metadata.recursion_desired;
        answer.metadata.recursion_available = true;
        let query = question.queries.first()?;
        answer.add_query(query.clone());
        match lock(&self.records).get(&canonical(&query.name.to_ascii())) {
            None => answer.metadata.response_code = ResponseCode::NXDomain,
            Some(addresses) => {
                let ttl = TTL.saturating_add(self.longer.load(Ordering::Relaxed));
                for address in addresses {
                    let data = match (query.query_type, address) {
                        (RecordType::A, IpAddr::V4(address)) => RData::A(A(*address)),
                        (RecordType::AAAA, IpAddr::V6(address)) => RData::AAAA(AAAA(*address)),
                        _ => continue,
                    };
                    answer.add_answer(Record::from_rdata(query.name.clone(), ttl, data));
                }
            }
        }
        answer.to_vec().ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hickory_proto::op::{OpCode, Query};
    use hickory_proto::rr::Name;
    use tokio::time::timeout;

    use super::*;

    fn question(name: &str, kind: RecordType) -> Vec<u8> {
        let mut message = Message::new(7, MessageType::Query, OpCode::Query);
        message.add_query(Query::query(Name::from_ascii(name).expect("a name"), kind));
        message.to_vec().expect("encodes")
    }

    async fn ask(server: &NameServer, name: &str, kind: RecordType) -> Option<Message> {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("bound");
        socket
            .send_to(&question(name, kind), server.address())
            .await
            .expect("sent");
        let mut buffer = [0; 4_096];
        let length = timeout(Duration::from_millis(500), socket.recv(&mut buffer))
            .await
            .ok()?
            .expect("received");
        Some(Message::from_vec(&buffer[..length]).expect("decodes"))
    }

    #[tokio::test]
    async fn records_can_be_changed_and_a_mute_server_says_nothing() {
        let server = NameServer::start(Ipv4Addr::LOCALHOST).expect("started");
        let none = ask(&server, "cp.lab.", RecordType::A).await.expect("an answer");
        assert_eq!(none.metadata.response_code, ResponseCode::NXDomain);
        server.set(
            "CP.lab",
            &[
                "127.64.0.1".parse().expect("an address"),
                "127.64.0.2".parse().expect("an address"),
            ],
        );
        let two = ask(&server, "cp.lab.", RecordType::A).await.expect("an answer");
        assert_eq!((two.metadata.id, two.answers.len()), (7, 2));
        let six = ask(&server, "cp.lab.", RecordType::AAAA)
            .await
            .expect("an answer");
        assert_eq!(
            (six.metadata.response_code, six.answers.len()),
            (ResponseCode::NoError, 0)
        );
        server.mute(true);
        assert!(ask(&server, "cp.lab.", RecordType::A).await.is_none());
        assert_eq!(server.questions(), 4);
    }

    #[test]
    fn rubbish_is_not_answered() {
        let zone = Zone::default();
        assert!(zone.answer(b"").is_none());
        assert!(zone.answer(&[0xff; 600]).is_none());
    }
}
