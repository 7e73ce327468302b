//! The practices themselves. Their order is that of the page docs/doctor.md, which is made from this table.

use std::net::{IpAddr, SocketAddr};

use super::{Outcome, Practice, Verdict, listed, ready};
use crate::doctor::checks::certificate_findings;
use crate::doctor::facts::{Carries, Facts, Says};
use crate::doctor::finding::Severity;
use crate::status::Status;

/// All of them.
pub const PRACTICES: [Practice; 8] = [
    Practice {
        name: "registration",
        why: "the node was joined through a name with several addresses, several addresses, or a balanced one: one server's own address is the \
              one thing that a restart during its outage cannot do without",
        judge: registration,
    },
    Practice {
        name: "servers",
        why: "three servers or more: with two, the loss of one leaves no spare, and maintenance is an outage waiting for a second one",
        judge: servers,
    },
    Practice {
        name: "etcd",
        why: "an odd number of members, three or more: an even number survives no more losses than the odd one below it",
        judge: etcd,
    },
    Practice {
        name: "names",
        why: "every server's certificate is good for the names and addresses by which this node reaches it",
        judge: names,
    },
    Practice {
        name: "certificates",
        why: "nothing ends within a month",
        judge: certificates,
    },
    Practice {
        name: "any-server-lost",
        why: "the node would go on with each one of the servers gone, worked out from who is ready now",
        judge: any_server_lost,
    },
    Practice {
        name: "sources",
        why: "more than one source tells the node of servers, so that the loss of one does not blind it",
        judge: sources,
    },
    Practice {
        name: "monitoring",
        why: "jackline runs and answers, its memory is on disk, and the node's heartbeat is watched; whether anybody scrapes its metrics cannot be \
              seen from here",
        judge: monitoring,
    },
];

fn verdict(outcome: Outcome, what: impl Into<String>, remedy: &str) -> Verdict {
    Verdict {
        outcome,
        what: what.into(),
        remedy: if outcome == Outcome::Good {
            String::new()
        } else {
            remedy.to_owned()
        },
    }
}

fn registration(facts: &Facts, _: Option<&Status>) -> Verdict {
    let mut addresses: Vec<IpAddr> = facts
        .registration
        .iter()
        .flat_map(|known| &known.addresses)
        .map(SocketAddr::ip)
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    let remedy = "give the node a name with a record for each server (A, AAAA or SRV), or list several servers: \
                  `servers` in jackline's configuration";
    let known: Vec<&str> = facts
        .registration
        .iter()
        .map(|known| known.url.as_str())
        .collect();
    // A server by its own address: one that the cluster lists, or one that serves no API and tells of those that do.
    let is_server = |ip: IpAddr| {
        let says = |address: &SocketAddr| facts.servers.get(address).map(|server| server.says);
        let without_api = facts
            .servers
            .keys()
            .any(|address| address.ip() == ip && says(address) == Some(Says::NoApi));
        without_api || facts.listed().iter().any(|address| address.ip() == ip)
    };
    match addresses.as_slice() {
        [] if known.is_empty() => verdict(
            Outcome::Unknown,
            "no registration address is known on this node (a first server has none)",
            "name one for jackline: `servers` in its configuration",
        ),
        [] => verdict(
            Outcome::Unknown,
            format!("{} was not resolved, or leads nowhere", known.join(", ")),
            remedy,
        ),
        [one] if facts.node.role.is_some_and(crate::profile::Role::has_api) => verdict(
            Outcome::Improvable,
            format!(
                "this server was joined through {one} alone; it goes on by itself and needs it to join again"
            ),
            remedy,
        ),
        [one] if is_server(*one) => verdict(
            Outcome::Bad,
            format!("the node was joined through one server alone: {one}"),
            remedy,
        ),
        [one] => verdict(
            Outcome::Improvable,
            format!("the node was joined through one address: {one}; good if a balancer is behind it"),
            remedy,
        ),
        several => verdict(
            Outcome::Good,
            format!("{} leads to {} addresses", known.join(", "), several.len()),
            remedy,
        ),
    }
}

fn servers(facts: &Facts, status: Option<&Status>) -> Verdict {
    let (listed, ready) = (listed(facts, status), ready(facts, status));
    let count = listed.len().max(ready.len());
    let what = format!("{count} known, {} ready", ready.len());
    let remedy = "add servers until there are three; start those that are not ready";
    match (count, ready.len()) {
        (0, _) => verdict(Outcome::Unknown, "no server is known", remedy),
        (3.., up) if up == count => verdict(Outcome::Good, what, remedy),
        (3.., 2..) => verdict(Outcome::Improvable, what, remedy),
        _ => verdict(Outcome::Bad, what, remedy),
    }
}

fn etcd(facts: &Facts, _: Option<&Status>) -> Verdict {
    let remedy = "add or take away a member until their number is odd and at least three";
    let Some(members) = facts.etcd_members.as_ref().map(Vec::len) else {
        return verdict(
            Outcome::Unknown,
            "etcd's members are told to nodes that may ask etcd, not to this one",
            "run preflight on a server with etcd",
        );
    };
    let what = format!("{members} members");
    match members {
        0 => verdict(Outcome::Unknown, "no member was told", remedy),
        1 | 2 => verdict(Outcome::Bad, what, remedy),
        odd if odd % 2 == 1 => verdict(Outcome::Good, what, remedy),
        _ => verdict(Outcome::Improvable, what, remedy),
    }
}

fn names(facts: &Facts, _: Option<&Status>) -> Verdict {
    let remedy = "add them on each server (`tls-san` of K3s and RKE2, `certSANs` of kubeadm, `spec.api.sans` of k0s) and let it make a new \
                  certificate";
    let mut wanting = Vec::new();
    let mut seen = 0;
    for (address, server) in &facts.servers {
        let Some(certificate) = &server.certificate else {
            continue;
        };
        seen += 1;
        let named = facts
            .registration
            .iter()
            .filter(|known| known.addresses.contains(address) && !known.host.is_empty())
            .map(|known| known.host.clone());
        let wanted = named.chain(["kubernetes".to_owned(), address.ip().to_string()]);
        let mut missing: Vec<String> = wanted.filter(|name| !certificate.is_good_for(name)).collect();
        missing.sort_unstable();
        missing.dedup();
        if !missing.is_empty() {
            wanting.push(format!("{address} is not good for {}", missing.join(", ")));
        }
    }
    match (seen, wanting.is_empty()) {
        (0, _) => verdict(
            Outcome::Unknown,
            "no server's certificate was seen",
            "run preflight where servers can be reached",
        ),
        (seen, true) => verdict(
            Outcome::Good,
            format!("{seen} certificates name what they should"),
            remedy,
        ),
        (_, false) => verdict(Outcome::Bad, wanting.join("; "), remedy),
    }
}

fn certificates(facts: &Facts, _: Option<&Status>) -> Verdict {
    let findings = certificate_findings(facts);
    let seen = facts.certificates.len()
        + facts
            .servers
            .values()
            .filter(|server| server.certificate.is_some())
            .count();
    let remedy = "renew before the day: `jackline doctor` says which, and how";
    let worst = findings.iter().map(|finding| finding.severity).max();
    let words: Vec<&str> = findings.iter().map(|finding| finding.what.as_str()).collect();
    match worst {
        None if seen == 0 => verdict(Outcome::Unknown, "no certificate was seen", "run it as root"),
        None => verdict(Outcome::Good, format!("{seen} certificates looked at"), remedy),
        Some(Severity::Critical) => verdict(Outcome::Bad, words.join("; "), remedy),
        Some(_) => verdict(Outcome::Improvable, words.join("; "), remedy),
    }
}

fn any_server_lost(facts: &Facts, status: Option<&Status>) -> Verdict {
    let ready = ready(facts, status);
    let remedy = "a second ready server that this node knows: start it, or add its address to `servers`";
    match ready.as_slice() {
        [] => verdict(Outcome::Bad, "no server is ready now", remedy),
        [one] => verdict(
            Outcome::Bad,
            format!("without {one} the node would be isolated: it is the only ready one"),
            remedy,
        ),
        several => {
            // Without jackline the node knows what the distribution's own balancer does.
            let knows_few = facts.balancers.iter().any(|file| {
                let state = file.holds.as_ref();
                file.carries == Carries::Api && state.is_ok_and(|state| state.addresses.len() < 2)
            });
            if status.is_none() && knows_few {
                return verdict(
                    Outcome::Bad,
                    format!(
                        "{} are ready, and {}'s own balancer knows fewer than two",
                        several.len(),
                        facts.node.profile.title()
                    ),
                    "put jackline in front of it: `jackline setup --print`",
                );
            }
            verdict(
                Outcome::Good,
                format!("{} are ready: any one may go", several.len()),
                remedy,
            )
        }
    }
}

fn sources(facts: &Facts, status: Option<&Status>) -> Verdict {
    let remedy = "see `jackline doctor` for the sources that fail; a kubeconfig, the supervisor's token or etcd's certificate each bring one";
    let mut names: Vec<String> = facts
        .told
        .iter()
        .filter(|told| !told.endpoints.is_empty())
        .map(|told| told.source.clone())
        .collect();
    if facts.registration.iter().any(|known| !known.addresses.is_empty()) {
        names.push("registration".to_owned());
    }
    let theirs = status.iter().flat_map(|status| &status.sources);
    names.extend(
        theirs
            .filter(|source| source.error.is_none() && !source.endpoints.is_empty())
            .map(|source| source.name.clone()),
    );
    names.sort_unstable();
    names.dedup();
    let what = format!("these tell of servers: {}", names.join(", "));
    match names.len() {
        0 => verdict(Outcome::Bad, "no source tells of any server", remedy),
        1 => verdict(Outcome::Improvable, what, remedy),
        _ => verdict(Outcome::Good, what, remedy),
    }
}

fn monitoring(_: &Facts, status: Option<&Status>) -> Verdict {
    let Some(status) = status else {
        return verdict(
            Outcome::Improvable,
            "jackline does not run on this node, or may not be asked",
            "`systemctl start jackline`; ask as root",
        );
    };
    let mut wanting = Vec::new();
    if status.state_file.status == crate::status::StateFileStatus::MemoryOnly {
        wanting.push("its memory is not on disk");
    }
    if status.heartbeat.is_none() {
        wanting.push("the node's heartbeat is not watched (the kubelet's credential may)");
    }
    if wanting.is_empty() {
        let what = "jackline runs, its memory is on disk, and the heartbeat is watched";
        return verdict(Outcome::Good, what, "");
    }
    verdict(
        Outcome::Improvable,
        wanting.join("; "),
        "see `jackline status`, and docs/metrics.md for what to scrape",
    )
}
