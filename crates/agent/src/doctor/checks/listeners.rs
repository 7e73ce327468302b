//! Listeners: who takes whose connections.

use std::net::{IpAddr, SocketAddr};

use crate::doctor::facts::{Facts, Listener};
use crate::doctor::finding::{Finding, Severity};

/// Ports that programs of a cluster connect to; elsewhere sharing a port is a program's own business.
const PORTS: [u16; 8] = [6440, 6442, 6443, 6444, 7443, 9345, 16443, 2379];

/// Two processes on one address, or one before another.
pub(super) fn shared(facts: &Facts) -> Vec<Finding> {
    let of_the_cluster = |port: u16| {
        PORTS.contains(&port)
            || facts.node.reserved.iter().any(|reserved| reserved.port == port)
            || facts.node.listen.iter().any(|address| address.port() == port)
    };
    let listeners: Vec<&Listener> = facts
        .listeners
        .iter()
        .filter(|listener| of_the_cluster(listener.address.port()))
        .collect();
    let mut findings = Vec::new();
    for (index, one) in listeners.iter().enumerate() {
        let others = listeners.iter().skip(index + 1);
        findings.extend(others.filter_map(|other| clash(one, other)));
    }
    findings.extend(
        facts
            .node
            .listen
            .iter()
            .filter_map(|address| reserved(facts, *address)),
    );
    findings
}

fn clash(one: &Listener, other: &Listener) -> Option<Finding> {
    if one.address.port() != other.address.port() || one.inode == other.inode {
        return None;
    }
    if let (Some((a, _)), Some((b, _))) = (&one.process, &other.process)
        && a == b
    {
        return None;
    }
    let same = one.address == other.address;
    let shadows =
        covers(one.address.ip(), other.address.ip()) || covers(other.address.ip(), one.address.ip());
    // Whose they are is only seen by root; a wildcard beside an address may well be one program's.
    let known = one.process.is_some() && other.process.is_some();
    if !(same || shadows && known) {
        return None;
    }
    let what = if same {
        format!("two processes share the listener {}", one.address)
    } else {
        format!(
            "{} and {} are different processes' listeners",
            one.address, other.address
        )
    };
    let severity = if same {
        Severity::Critical
    } else {
        Severity::Warning
    };
    Some(
        Finding::new("shared-listener", severity, what)
            .seen(whose(one))
            .seen(whose(other)),
    )
}

/// Whether `all` stands for every address of the family of `one`.
fn covers(all: IpAddr, one: IpAddr) -> bool {
    // `::` takes IPv4 as well, unless it is told not to, which cannot be seen.
    all.is_unspecified() && !one.is_unspecified() && (all.is_ipv6() || one.is_ipv4())
}

fn whose(listener: &Listener) -> String {
    let who = match &listener.process {
        Some((id, name)) => format!("{name} (process {id})"),
        None => "a process that only root can see".to_owned(),
    };
    format!("{}: {who}, socket {}", listener.address, listener.inode)
}

/// A port of the distribution's on which jackline is to listen.
fn reserved(facts: &Facts, address: SocketAddr) -> Option<Finding> {
    let taken = facts
        .node
        .reserved
        .iter()
        .find(|reserved| reserved.takes(address))?;
    let what = format!("jackline is to listen on {address}, which is {}", taken.whose);
    Some(
        Finding::new("shared-listener", Severity::Critical, what)
            .seen(format!("listen names port {}", taken.port)),
    )
}
