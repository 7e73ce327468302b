//! The maintenance window: what would happen if these servers went away now.

use std::net::{IpAddr, SocketAddr};

use super::{Stopping, ready};
use crate::doctor::facts::Facts;
use crate::status::{Health, Status};

/// Works it out from who is ready, whom etcd has as members, and where sessions are.
pub(super) fn judge(facts: &Facts, status: Option<&Status>, words: &[String]) -> Stopping {
    let known = known(facts, status);
    let mut servers: Vec<SocketAddr> = Vec::new();
    let mut unknown = Vec::new();
    for word in words {
        let found: Vec<SocketAddr> = known
            .iter()
            .copied()
            .filter(|address| is_meant(facts, status, word, *address))
            .collect();
        if found.is_empty() {
            unknown.push(word.clone());
        }
        servers.extend(found);
    }
    servers.sort_unstable();
    servers.dedup();
    let gone = |ip: IpAddr| servers.iter().any(|server| server.ip() == ip);
    let left: Vec<SocketAddr> = ready(facts, status)
        .into_iter()
        .filter(|address| !gone(address.ip()))
        .collect();
    let lives = known
        .iter()
        .any(|address| !gone(address.ip()) && serves(facts, status, *address));
    let state = match (left.is_empty(), lives) {
        (false, _) => "attached",
        (true, true) => "degraded",
        (true, false) => "isolated",
    };
    let sessions = status.map(|status| {
        let theirs = status.endpoints.iter();
        theirs
            .filter(|endpoint| gone(endpoint.address.ip()))
            .map(|endpoint| endpoint.sessions)
            .sum()
    });
    let etcd_quorum = facts
        .etcd_members
        .as_ref()
        .filter(|members| !members.is_empty())
        .map(|members| {
            let stay = members.iter().filter(|member| !gone(member.ip())).count();
            stay > members.len() / 2
        });
    let mut stopping = Stopping {
        servers,
        unknown,
        left,
        state: state.to_owned(),
        sessions,
        etcd_quorum,
        words: Vec::new(),
    };
    stopping.words = tell(&stopping, facts);
    stopping
}

fn known(facts: &Facts, status: Option<&Status>) -> Vec<SocketAddr> {
    let theirs = status.iter().flat_map(|status| &status.endpoints);
    let mut known: Vec<SocketAddr> = facts
        .servers
        .keys()
        .copied()
        .chain(theirs.map(|endpoint| endpoint.address))
        .chain(facts.etcd_members.iter().flatten().copied())
        .collect();
    known.sort_unstable();
    known.dedup();
    known
}

/// A server is named by its endpoint, its address, a name that leads to it alone, or its Node's name.
fn is_meant(facts: &Facts, status: Option<&Status>, word: &str, address: SocketAddr) -> bool {
    if word.parse() == Ok(address) || word.parse() == Ok(address.ip()) {
        return true;
    }
    let mut named = facts
        .registration
        .iter()
        .filter(|known| known.host == word && known.addresses.len() == 1);
    if named.any(|known| known.addresses.contains(&address)) {
        return true;
    }
    let endpoints = status.iter().flat_map(|status| &status.endpoints);
    endpoints
        .filter(|endpoint| endpoint.address.ip() == address.ip())
        .any(|endpoint| endpoint.node.as_ref().is_some_and(|node| node.name == word))
}

fn serves(facts: &Facts, status: Option<&Status>, address: SocketAddr) -> bool {
    if let Some(server) = facts.servers.get(&address) {
        return server.says.serves();
    }
    let endpoints = status.iter().flat_map(|status| &status.endpoints);
    endpoints
        .filter(|endpoint| endpoint.address == address)
        .any(|endpoint| matches!(endpoint.health, Health::Ready | Health::Alive | Health::NotReady))
}

fn tell(stopping: &Stopping, facts: &Facts) -> Vec<String> {
    let list = |addresses: &[SocketAddr]| {
        let words: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        words.join(", ")
    };
    let mut words = Vec::new();
    for word in &stopping.unknown {
        words.push(format!(
            "{word} names no server that is known here: nothing is said about it"
        ));
    }
    if !stopping.servers.is_empty() {
        words.push(match stopping.state.as_str() {
            "attached" => format!(
                "without {} the node stays attached: {} would be ready",
                list(&stopping.servers),
                list(&stopping.left)
            ),
            "degraded" => format!(
                "without {} no server would be ready; others answer, and nothing would be moved",
                list(&stopping.servers)
            ),
            _ => format!(
                "without {} the node would be isolated: no other server answers",
                list(&stopping.servers)
            ),
        });
    }
    if stopping.state == "attached" && stopping.left.len() == 1 {
        words.push("one ready server would be left: the next loss is an outage".to_owned());
    }
    if let Some(sessions) = stopping.sessions.filter(|sessions| *sessions > 0) {
        words.push(format!(
            "{sessions} sessions of this node are with them and would move; drain first, and they move at quiet moments"
        ));
    }
    match stopping.etcd_quorum {
        Some(true) => words.push("etcd would keep its quorum".to_owned()),
        Some(false) => words.push(format!(
            "etcd would lose its quorum: of {} members too few would be left, and every write in the cluster would hang",
            facts.etcd_members.as_ref().map_or(0, Vec::len)
        )),
        None => words.push("whether etcd would keep its quorum is not known on this node".to_owned()),
    }
    words
}
