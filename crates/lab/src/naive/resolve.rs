//! The naive balancer's registration address: a literal, or a name asked of the lab's name server once.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::net::UdpSocket;
use tokio::time::timeout;

const TIMEOUT: Duration = Duration::from_secs(2);

/// The literal addresses among these URLs.
pub(super) fn literal(servers: &[String]) -> Vec<SocketAddr> {
    servers
        .iter()
        .filter_map(|server| server.strip_prefix("https://")?.parse().ok())
        .collect()
}

/// The addresses of these URLs; none of what cannot be resolved.
pub(super) async fn registration(servers: &[String], dns_servers: &[SocketAddr]) -> Vec<SocketAddr> {
    let mut found = literal(servers);
    for (name, port) in servers
        .iter()
        .filter_map(|server| server.strip_prefix("https://")?.rsplit_once(':'))
    {
        let (Ok(port), Some(dns)) = (port.parse::<u16>(), dns_servers.first()) else {
            continue;
        };
        let answer = timeout(TIMEOUT, ask(name, *dns)).await;
        let addresses = answer.ok().and_then(Result::ok).unwrap_or_default();
        found.extend(
            addresses
                .into_iter()
                .map(|address| SocketAddr::from((address, port))),
        );
    }
    found
}

async fn ask(name: &str, server: SocketAddr) -> anyhow::Result<Vec<Ipv4Addr>> {
    let mut question = Message::new(1, MessageType::Query, OpCode::Query);
    question.add_query(Query::query(Name::from_utf8(name)?, RecordType::A));
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    socket.connect(server).await?;
    socket.send(&question.to_vec()?).await?;
    let mut bytes = [0; 2048];
    let length = socket.recv(&mut bytes).await?;
    let answer = Message::from_vec(&bytes[..length])?;
    let addresses = answer.answers.iter().filter_map(|record| match &record.data {
        RData::A(address) => Some(address.0),
        _ => None,
    });
    Ok(addresses.collect())
}
