//! Proxy variables: what the node's programs do with them when they look for the control plane.

use std::net::IpAddr;

use crate::doctor::facts::{Facts, ProxyVariable};
use crate::doctor::finding::{Finding, Severity};

/// Servers, or loopback, that the variables lead through a proxy.
pub(super) fn variables(facts: &Facts) -> Vec<Finding> {
    let mut places: Vec<&str> = facts
        .proxies
        .iter()
        .map(|variable| variable.from.as_str())
        .collect();
    places.sort_unstable();
    places.dedup();
    places
        .into_iter()
        .filter_map(|place| judge(facts, place))
        .collect()
}

fn judge(facts: &Facts, place: &str) -> Option<Finding> {
    let here: Vec<&ProxyVariable> = facts
        .proxies
        .iter()
        .filter(|variable| variable.from == place)
        .collect();
    let is_proxy = |variable: &&&ProxyVariable| matches!(&*variable.name, "HTTPS_PROXY" | "ALL_PROXY");
    let proxy = here.iter().find(is_proxy)?;
    let exceptions = here
        .iter()
        .find(|variable| variable.name == "NO_PROXY")
        .map_or("", |variable| &variable.value);
    let mut wanted: Vec<String> = facts
        .registration
        .iter()
        .filter(|known| !known.host.is_empty())
        .map(|known| known.host.clone())
        .collect();
    wanted.extend(facts.servers.keys().map(|address| address.ip().to_string()));
    wanted.push("127.0.0.1".to_owned());
    wanted.sort_unstable();
    wanted.dedup();
    // Go's programs never send loopback through a proxy; others do.
    let missing: Vec<String> = wanted
        .into_iter()
        .filter(|host| !excepts(exceptions, host))
        .collect();
    if missing.iter().all(|host| host == "127.0.0.1") {
        return None;
    }
    Some(
        Finding::new(
            "proxy-variables",
            Severity::Warning,
            format!("{place} leads servers through a proxy: {}", missing.join(", ")),
        )
        .seen(format!("{}={}", proxy.name, proxy.value))
        .seen(format!("NO_PROXY={exceptions}")),
    )
}

/// Whether a list of exceptions speaks of `host`, as Go reads it: addresses, networks, names and the ends of names.
fn excepts(list: &str, host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let ip = host.parse::<IpAddr>().ok();
    list.split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .any(|entry| {
            if entry == "*" {
                return true;
            }
            if let (Some(ip), Some((network, bits))) = (ip, entry.split_once('/')) {
                return within(network, bits, ip);
            }
            if ip.is_some() {
                return entry == host;
            }
            let end = entry.trim_start_matches('*').trim_start_matches('.');
            !end.is_empty()
                && (host.eq_ignore_ascii_case(end)
                    || host
                        .to_ascii_lowercase()
                        .ends_with(&format!(".{}", end.to_ascii_lowercase())))
        })
}

fn within(network: &str, bits: &str, ip: IpAddr) -> bool {
    let (Ok(network), Ok(bits)) = (network.parse(), bits.parse()) else {
        return false;
    };
    let route = crate::doctor::facts::Route {
        network,
        bits,
        device: String::new(),
        rejects: false,
    };
    route.leads_to(ip)
}
