//! The server in the kubelet's kubeconfig.

use std::net::IpAddr;

use crate::doctor::facts::{Facts, KubeletServer};
use crate::doctor::finding::{Finding, Severity};

/// Pointed at one server, or at a local port without a listener.
pub(super) fn server(facts: &Facts) -> Vec<Finding> {
    facts
        .kubelets
        .iter()
        .filter_map(|kubelet| judge(facts, kubelet))
        .collect()
}

fn judge(facts: &Facts, kubelet: &KubeletServer) -> Option<Finding> {
    let rest = kubelet
        .url
        .strip_prefix("https://")
        .unwrap_or(&kubelet.url)
        .trim_end_matches('/');
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !rest.ends_with(']') => (host, port.parse::<u16>().ok()?),
        _ => (rest, 443),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let ip = match host.parse::<IpAddr>() {
        Ok(ip) => ip,
        Err(_) if host == "localhost" => IpAddr::from([127, 0, 0, 1]),
        // A name may lead to several servers, or to a balancer.
        Err(_) => return None,
    };
    let seen = format!("{}: server {}", kubelet.path, kubelet.url);
    if ip.is_loopback() {
        // Where no listener is known at all nothing was seen.
        let listens = facts.listeners.iter().any(|listener| {
            let at = listener.address;
            at.port() == port && (at.ip() == ip || at.ip().is_unspecified())
        });
        let nobody = !facts.listeners.is_empty() && !listens;
        return nobody.then(|| {
            Finding::new(
                "kubelet-server",
                Severity::Critical,
                format!("the kubelet is pointed at {ip}:{port}, where nobody listens"),
            )
            .seen(seen)
            .risking("the kubelet reaches no apiserver")
            .cured_by("start what should listen there (`systemctl start jackline`), or take it back: `jackline setup --undo`")
        });
    }
    let servers = facts.servers.keys().filter(|address| address.ip() == ip);
    let own = facts.node.role.is_some_and(crate::profile::Role::has_api);
    // One of the servers themselves, and not the only one; a server's own kubelet talks to its own apiserver.
    let one_of_many = servers.count() > 0 && facts.listed().len() > 1 && !own;
    one_of_many.then(|| {
        Finding::new(
            "kubelet-server",
            Severity::Warning,
            format!("the kubelet is pointed at one server alone: {host}"),
        )
        .seen(seen)
        .seen(format!(
            "the cluster lists {}",
            super::balancer::named(&facts.listed())
        ))
    })
}
