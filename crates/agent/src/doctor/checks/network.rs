//! The network under it all: names, routes, MTU, tracked connections.

use std::net::SocketAddr;

use super::balancer::named;
use crate::doctor::facts::Facts;
use crate::doctor::finding::{Finding, Severity};

/// Below this IPv6 does not work, and handshakes of today do not fit well.
const MTU_MIN: u32 = 1280;
/// What a tunnel takes of each packet, by the beginning of its device's name.
const OVERHEADS: [(&str, u32); 7] = [
    ("flannel-v6", 70),
    ("flannel-wg", 60),
    ("flannel", 50),
    ("vxlan", 50),
    ("cilium_vxlan", 50),
    ("cilium_wg", 60),
    ("wg", 60),
];
/// From this share of the table on, in percent.
const CONNTRACK_FULL: u64 = 80;

/// Names that lead nowhere.
pub(super) fn names(facts: &Facts) -> Vec<Finding> {
    let lost = facts
        .registration
        .iter()
        .filter(|known| known.is_name && known.resolved && known.addresses.is_empty());
    let mut findings: Vec<Finding> = lost
        .map(|known| {
            let what = format!("the registration address {} leads nowhere", known.url);
            let silent = facts.silent.iter().find(|(source, _)| source == "registration");
            let why = silent.map_or("no record", |(_, why)| why);
            Finding::new("dns", Severity::Critical, what).seen(why)
        })
        .collect();
    let names = facts.registration.iter().any(|known| known.is_name);
    if names && facts.name_servers.as_ref().is_some_and(Vec::is_empty) {
        findings.push(
            Finding::new("dns", Severity::Warning, "this machine has no name server")
                .seen("/etc/resolv.conf names none"),
        );
    }
    findings
}

/// Servers that no route leads to.
pub(super) fn routes(facts: &Facts) -> Vec<Finding> {
    let Some(routes) = &facts.routes else {
        return Vec::new();
    };
    let far = facts
        .servers
        .keys()
        .copied()
        .chain(
            facts
                .registration
                .iter()
                .flat_map(|known| known.addresses.clone()),
        )
        .filter(|address| !address.ip().is_loopback());
    let mut lost: Vec<SocketAddr> = far
        .filter(|address| {
            let ways = routes.iter().filter(|route| route.leads_to(address.ip()));
            // The longest match decides; without one there is no way.
            ways.max_by_key(|route| (route.bits, !route.rejects))
                .is_none_or(|route| route.rejects)
        })
        // Whoever answers is reached, by whichever rule.
        .filter(|address| {
            facts
                .servers
                .get(address)
                .is_none_or(|server| !server.says.serves())
        })
        .collect();
    lost.sort_unstable();
    lost.dedup();
    if lost.is_empty() {
        return Vec::new();
    }
    let devices: Vec<&str> = facts.links.keys().map(String::as_str).collect();
    vec![
        Finding::new(
            "routes",
            Severity::Warning,
            format!("no route leads to {}", named(&lost)),
        )
        .seen(format!(
            "{} routes are known; devices: {}",
            routes.len(),
            devices.join(", ")
        )),
    ]
}

/// Overlays that do not fit into what is under them.
pub(super) fn mtu(facts: &Facts) -> Vec<Finding> {
    let overhead = |name: &str| {
        OVERHEADS
            .iter()
            .find(|(prefix, _)| name.starts_with(prefix))
            .map(|(_, bytes)| *bytes)
    };
    let Some((under, under_mtu)) = underlay(facts) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for (name, mtu) in &facts.links {
        let Some(bytes) = overhead(name) else { continue };
        if mtu.saturating_add(bytes) > under_mtu {
            findings.push(
                Finding::new(
                    "mtu",
                    Severity::Warning,
                    format!("{name} sends packets of {mtu} bytes, which do not fit into {under} with its {under_mtu}"),
                )
                .seen(format!("the tunnel adds {bytes} bytes: at most {} fit", under_mtu.saturating_sub(bytes))),
            );
        }
    }
    if under_mtu < MTU_MIN {
        findings.push(
            Finding::new(
                "mtu",
                Severity::Warning,
                format!("{under} takes no more than {under_mtu} bytes"),
            )
            .seen(format!("less than {MTU_MIN}, which IPv6 needs")),
        );
    }
    findings
}

/// The device of the default route, or of the first server's, and its MTU.
fn underlay(facts: &Facts) -> Option<(&str, u32)> {
    let routes = facts.routes.as_ref()?;
    let to_a_server = facts
        .servers
        .keys()
        .filter(|address| !address.ip().is_loopback())
        .find_map(|address| {
            let ways = routes.iter().filter(|route| route.leads_to(address.ip()));
            ways.max_by_key(|route| (route.bits, !route.rejects))
        });
    let route = to_a_server.or_else(|| routes.iter().find(|route| route.bits == 0 && !route.rejects))?;
    facts
        .links
        .get_key_value(&route.device)
        .map(|(name, mtu)| (name.as_str(), *mtu))
}

/// A full table.
pub(super) fn conntrack(facts: &Facts) -> Vec<Finding> {
    let Some((count, max)) = facts.conntrack else {
        return Vec::new();
    };
    let share = count.saturating_mul(100) / max.max(1);
    if share < CONNTRACK_FULL {
        return Vec::new();
    }
    let severity = if share >= 95 {
        Severity::Critical
    } else {
        Severity::Warning
    };
    vec![
        Finding::new(
            "conntrack",
            severity,
            format!("the table of tracked connections is {share} % full"),
        )
        .seen(format!("{count} of {max}")),
    ]
}
