//! A name server in miniature: A, AAAA and SRV records over UDP, and whatever else a script answers.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::SRV;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::net::UdpSocket;
use tokio_util::task::AbortOnDropHandle;

/// The time to live of records for which a script tells none.
const TTL: u32 = 3600;

/// What the server does about one question.
pub(crate) enum Told {
    /// These addresses of the asked-for family; none is "no record".
    Addresses(Vec<IpAddr>),
    /// The same, and they hold for so many seconds.
    Holding(Vec<IpAddr>, u32),
    /// Servers of a service, by priority, port and host, and they hold for so many seconds.
    Servers(Vec<(u16, u16, &'static str)>, u32),
    /// There is no such name.
    NoSuchName,
    /// It cannot say.
    Failure,
    /// These bytes.
    Rubbish,
    /// Nothing at all.
    Silence,
}

/// A name server on loopback that lives as long as this.
pub(crate) struct NameServer {
    pub(crate) address: SocketAddr,
    pub(crate) asked: Arc<Mutex<Vec<(String, RecordType)>>>,
    _task: AbortOnDropHandle<()>,
}

impl NameServer {
    pub(crate) async fn start(script: impl Fn(&str, RecordType) -> Told + Send + Sync + 'static) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            let mut buffer = [0; 2048];
            while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
                let Ok(question) = Message::from_vec(&buffer[..length]) else {
                    continue;
                };
                let query = question.queries[0].clone();
                let name = query.name().to_ascii();
                log.lock().unwrap().push((name.clone(), query.query_type()));
                if let Some(bytes) = answer(&question, script(&name, query.query_type())) {
                    let _ = socket.send_to(&bytes, client).await;
                }
            }
        });
        Self {
            address,
            asked,
            _task: AbortOnDropHandle::new(task),
        }
    }
}

fn answer(question: &Message, told: Told) -> Option<Vec<u8>> {
    let query = question.queries[0].clone();
    let mut message = Message::response(question.metadata.id, OpCode::Query);
    message.metadata.recursion_available = true;
    message.add_query(query.clone());
    match told {
        Told::Addresses(addresses) => return answer(question, Told::Holding(addresses, TTL)),
        Told::Holding(addresses, ttl) => {
            let asked_for = |ip: &IpAddr| match query.query_type() {
                RecordType::A => ip.is_ipv4(),
                RecordType::AAAA => ip.is_ipv6(),
                _ => false,
            };
            for ip in addresses.into_iter().filter(asked_for) {
                message.add_answer(Record::from_rdata(query.name().clone(), ttl, RData::from(ip)));
            }
        }
        Told::Servers(servers, ttl) => {
            for (priority, port, host) in servers {
                let data = RData::SRV(SRV::new(priority, 1, port, Name::from_ascii(host).unwrap()));
                message.add_answer(Record::from_rdata(query.name().clone(), ttl, data));
            }
        }
        Told::NoSuchName => message.metadata.response_code = ResponseCode::NXDomain,
        Told::Failure => message.metadata.response_code = ResponseCode::ServFail,
        Told::Rubbish => return Some(vec![0xff; 40]),
        Told::Silence => return None,
    }
    Some(message.to_vec().unwrap())
}
