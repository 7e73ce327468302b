//! State files: K3s's and RKE2's own balancer's against what answers, and files that are not what they should be.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use crate::doctor::facts::{BalancerFile, BalancerState, Carries, Facts, Says, Server};
use crate::doctor::finding::{Finding, Fix, Severity};

/// So many addresses are named in a line of evidence.
const NAMED_MAX: usize = 8;

/// Nobody in the file serves, and somebody else is ready: the signature of k3s#11349.
pub(super) fn stuck(facts: &Facts) -> Vec<Finding> {
    files(facts)
        .filter(|(file, state)| is_stuck(facts, file, state))
        .map(|(file, state)| {
            let ready: Vec<SocketAddr> = missing(facts, state);
            let mut finding = Finding::new(
                "stuck-balancer",
                Severity::Critical,
                format!(
                    "the distribution's own balancer is stuck: {} {} not in its file",
                    named(&ready),
                    if ready.len() == 1 {
                        "is ready and"
                    } else {
                        "are ready and"
                    },
                ),
            )
            .seen(format!("{} knows {}", file.path, known(state)));
            for address in candidates(facts, state) {
                finding = finding.seen(format!("{address}: {}", words_of(facts, address)));
            }
            for address in ready.iter().take(NAMED_MAX) {
                let by = facts.listed_by(*address);
                let by = if by.is_empty() {
                    "no source".to_owned()
                } else {
                    by.join(", ")
                };
                finding = finding.seen(format!("{address}: ready; listed by {by}"));
            }
            finding.fixed_by(set_aside(facts, file))
        })
        .collect()
}

fn is_stuck(facts: &Facts, file: &BalancerFile, state: &BalancerState) -> bool {
    let candidates = candidates(facts, state);
    !candidates.is_empty()
        && candidates
            .iter()
            .all(|address| serves(facts, file.carries, *address) == Some(false))
        && !missing(facts, state).is_empty()
}

/// The file is short of somebody, or holds somebody who is gone.
pub(super) fn stale(facts: &Facts) -> Vec<Finding> {
    let listed = facts.listed();
    files(facts)
        .filter(|(file, state)| !is_stuck(facts, file, state))
        .filter_map(|(file, state)| {
            let short: Vec<SocketAddr> = missing(facts, state)
                .into_iter()
                .filter(|address| listed.contains(address))
                .collect();
            let gone = gone(facts, file, state, &listed);
            if short.is_empty() && gone.is_empty() {
                return None;
            }
            let what = match (short.is_empty(), gone.is_empty()) {
                (false, true) => format!("{} lacks {}", file.path, named(&short)),
                (true, _) => format!(
                    "{} holds {}, which nobody lists and which answers nobody",
                    file.path,
                    named(&gone)
                ),
                (false, false) => format!(
                    "{} lacks {} and holds {}, which is gone",
                    file.path,
                    named(&short),
                    named(&gone)
                ),
            };
            let finding = Finding::new("stale-balancer-file", Severity::Warning, what)
                .seen(format!("it knows {}", known(state)))
                .seen(format!("the cluster lists {}", named(&listed)));
            Some(finding)
        })
        .collect()
}

/// Files of a time when the node was joined with another address.
pub(super) fn foreign(facts: &Facts) -> Vec<Finding> {
    let hosts: Vec<&str> = facts
        .registration
        .iter()
        .map(|known| known.host.as_str())
        .collect();
    let is_another = |state: &BalancerState| {
        let host = host_of(&state.server_url);
        let is_local = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        // A first server has no address that it was joined with, and a loopback one is jackline's.
        !hosts.is_empty() && !host.is_empty() && !is_local && !hosts.contains(&host)
    };
    files(facts)
        .filter(|(_, state)| is_another(state))
        .map(|(file, state)| {
            Finding::new(
                "foreign-balancer-file",
                Severity::Note,
                format!("{} is of another registration address", file.path),
            )
            .seen(format!(
                "it falls back to {}, the node is joined with {}",
                state.server_url,
                hosts.join(", ")
            ))
        })
        .collect()
}

/// The host of an URL, an IPv6 address without its brackets.
fn host_of(url: &str) -> &str {
    let rest = url
        .split_once("://")
        .map_or(url, |(_, rest)| rest)
        .trim_end_matches('/');
    let host = match rest.rsplit_once(':') {
        Some((host, _)) if !rest.ends_with(']') => host,
        _ => rest,
    };
    host.trim_start_matches('[').trim_end_matches(']')
}

/// Addresses of the file that answer nobody, while sources answer and do not list them.
fn gone(facts: &Facts, file: &BalancerFile, state: &BalancerState, listed: &[SocketAddr]) -> Vec<SocketAddr> {
    if listed.is_empty() || file.carries != Carries::Api {
        return Vec::new();
    }
    let ips: BTreeSet<IpAddr> = listed.iter().map(SocketAddr::ip).collect();
    let fallback: Vec<IpAddr> = fallback(facts, state).iter().map(SocketAddr::ip).collect();
    state
        .addresses
        .iter()
        .copied()
        .filter(|address| !ips.contains(&address.ip()) && !fallback.contains(&address.ip()))
        .filter(|address| said(facts, *address).is_some_and(|server| server.says == Says::Nothing))
        .collect()
}

/// Files that are not what they should be.
pub(super) fn damaged(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &facts.balancers {
        match &file.holds {
            Err(words) => findings.push(
                Finding::new(
                    "damaged-file",
                    Severity::Warning,
                    format!("{} is no balancer's state", file.path),
                )
                .seen(words.clone())
                .fixed_by(set_aside(facts, file)),
            ),
            Ok(state) if !state.odd.is_empty() => findings.push(
                Finding::new(
                    "damaged-file",
                    Severity::Warning,
                    format!("{} holds entries that are no addresses", file.path),
                )
                .seen(format!("{:?}", state.odd))
                .fixed_by(set_aside(facts, file)),
            ),
            Ok(_) => {}
        }
    }
    if let Some((path, words)) = &facts.memory {
        findings.push(
            Finding::new(
                "damaged-file",
                Severity::Warning,
                format!("{path} cannot be used"),
            )
            .seen(words.clone())
            .risking("jackline starts without its memory, and knows only what its sources tell")
            .cured_by("nothing has to be done: jackline sets it aside by itself at its next start"),
        );
    }
    findings
}

/// The files whose contents can be judged: etcd's addresses say nothing of an apiserver.
fn files(facts: &Facts) -> impl Iterator<Item = (&BalancerFile, &BalancerState)> {
    facts.balancers.iter().filter_map(|file| {
        let state = file.holds.as_ref().ok()?;
        (file.carries != Carries::Etcd).then_some((file, state))
    })
}

/// Where the balancer sends connections: its list, and the address that it falls back to.
fn candidates(facts: &Facts, state: &BalancerState) -> Vec<SocketAddr> {
    let mut all = state.addresses.clone();
    all.extend(fallback(facts, state));
    all.sort_unstable();
    all.dedup();
    all
}

fn fallback(facts: &Facts, state: &BalancerState) -> Vec<SocketAddr> {
    let rest = state.server_url.split_once("://").map_or("", |(_, rest)| rest);
    if let Ok(address) = rest.trim_end_matches('/').parse() {
        return vec![address];
    }
    let host = host_of(&state.server_url);
    let same = facts.registration.iter().find(|known| known.host == host);
    same.map(|known| known.addresses.clone()).unwrap_or_default()
}

/// Ready servers that the file does not lead to, by their IP: a file of supervisors has another port.
fn missing(facts: &Facts, state: &BalancerState) -> Vec<SocketAddr> {
    let known: BTreeSet<IpAddr> = candidates(facts, state).iter().map(SocketAddr::ip).collect();
    facts
        .ready()
        .filter(|address| !facts.node.listen.contains(address) && !known.contains(&address.ip()))
        .collect()
}

/// What was heard of a server at this address, or at another port of the same machine.
fn said(facts: &Facts, address: SocketAddr) -> Option<&Server> {
    facts.servers.get(&address).or_else(|| {
        let mut same = facts
            .servers
            .iter()
            .filter(|(other, _)| other.ip() == address.ip());
        same.next().map(|(_, server)| server)
    })
}

/// Whether `address` is of use to the balancer; `None`: not known.
fn serves(facts: &Facts, carries: Carries, address: SocketAddr) -> Option<bool> {
    // A loopback address is another balancer's, jackline's perhaps.
    if address.ip().is_loopback() && said(facts, address).is_none() {
        return Some(
            facts
                .listeners
                .iter()
                .any(|listener| listener.address.port() == address.port()),
        );
    }
    let server = said(facts, address)?;
    match server.says {
        Says::OurFault => None,
        Says::NoApi => Some(carries == Carries::Supervisors),
        says => Some(says.serves()),
    }
}

fn words_of(facts: &Facts, address: SocketAddr) -> String {
    said(facts, address).map_or_else(|| "not tested".to_owned(), |server| server.words.clone())
}

fn known(state: &BalancerState) -> String {
    format!(
        "{} and falls back to {}",
        named(&state.addresses),
        state.server_url
    )
}

fn set_aside(facts: &Facts, file: &BalancerFile) -> Fix {
    Fix::SetAside {
        path: file.path.clone(),
        restart: facts.node.unit.clone(),
    }
}

/// Addresses for people, bounded.
pub(super) fn named(addresses: &[SocketAddr]) -> String {
    match addresses {
        [] => "nobody".to_owned(),
        few if few.len() <= NAMED_MAX => few.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        many => format!(
            "{} and {} more",
            named(&many[..NAMED_MAX]),
            many.len() - NAMED_MAX
        ),
    }
}
