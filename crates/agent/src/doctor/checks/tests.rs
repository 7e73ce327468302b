//! Every check on a healthy node, where all are silent, and on broken ones, each broken in one way.

use std::collections::BTreeSet;

use super::fixture::{DAY, NOW, at, healthy, listener, say, server, state, stuck};
use super::{CHECKS, find};
use crate::doctor::facts::{Carries, Facts, Heartbeat, Says};
use crate::doctor::finding::{Finding, Fix, Severity};

type Break = fn(&mut Facts);

/// A check, how it is broken, and how bad that is.
const CASES: [(&str, Severity, Break); 37] = [
    ("stuck-balancer", Severity::Critical, stuck),
    ("stale-balancer-file", Severity::Warning, |facts| {
        state(facts).server_url = "https://10.0.0.1:6443".to_owned();
        state(facts).addresses = vec![at("10.0.0.1:6443"), at("10.0.0.2:6443")];
    }),
    ("stale-balancer-file", Severity::Warning, |facts| {
        state(facts).addresses.push(at("10.0.0.66:6443"));
        say(facts, "10.0.0.66:6443", Says::Nothing, "connection refused");
    }),
    ("damaged-file", Severity::Warning, |facts| {
        facts.balancers[0].holds = Err("cut off, perhaps just being written".to_owned());
    }),
    ("damaged-file", Severity::Warning, |facts| {
        state(facts).odd.push("name:6443".to_owned())
    }),
    ("damaged-file", Severity::Warning, |facts| {
        facts.memory = Some((
            "/var/lib/jackline/state.json".to_owned(),
            "it is damaged".to_owned(),
        ));
    }),
    ("foreign-balancer-file", Severity::Note, |facts| {
        state(facts).server_url = "https://old.example:6443".to_owned();
    }),
    ("configuration", Severity::Warning, |facts| {
        facts.configuration = Some("/etc/jackline/config.yaml:1:1: sever: unknown key".to_owned());
    }),
    ("shared-listener", Severity::Critical, |facts| {
        facts
            .listeners
            .push(listener("127.0.0.1:6444", 9, (99, "haproxy")));
    }),
    ("shared-listener", Severity::Warning, |facts| {
        facts.listeners.push(listener("0.0.0.0:6440", 9, (99, "haproxy")));
    }),
    ("shared-listener", Severity::Critical, |facts| {
        facts.node.listen = vec![at("127.0.0.1:6444")];
    }),
    ("servers", Severity::Critical, |facts| {
        for known in facts.servers.values_mut() {
            *known = server(Says::Nothing, "no answer in time");
        }
    }),
    ("servers", Severity::Warning, |facts| {
        say(facts, "10.0.0.3:6443", Says::NotReady, "not ready: etcd")
    }),
    ("servers", Severity::Critical, |facts| {
        say(facts, "10.0.0.3:6443", Says::Untrusted, "issued by another CA");
    }),
    ("sources", Severity::Note, |facts| {
        facts
            .silent
            .push(("etcd".to_owned(), "no answer within 4 s".to_owned()));
    }),
    ("sources", Severity::Warning, |facts| {
        facts.told.clear();
        facts
            .silent
            .push(("supervisor".to_owned(), "no server is known".to_owned()));
    }),
    ("certificates", Severity::Critical, |facts| {
        facts.certificates[1].certificates.as_mut().expect("good")[0].not_after = NOW - DAY;
    }),
    ("certificates", Severity::Warning, |facts| {
        facts.certificates[0].certificates.as_mut().expect("good")[0].not_after = NOW + 20 * DAY;
    }),
    ("certificates", Severity::Critical, |facts| {
        facts.certificates[1].certificates.as_mut().expect("good")[0].not_before = NOW + 100;
    }),
    ("certificates", Severity::Warning, |facts| {
        facts.certificates[1].certificates = Err("no certificate".to_owned());
    }),
    ("certificates", Severity::Warning, |facts| {
        let server = facts.servers.get_mut(&at("10.0.0.2:6443")).expect("there");
        server.certificate.as_mut().expect("there").not_after = NOW + 3 * DAY;
    }),
    ("clock", Severity::Critical, |facts| {
        for server in facts.servers.values_mut() {
            server.ahead = Some(-3600);
        }
    }),
    ("clock", Severity::Warning, |facts| {
        facts.heartbeat = Some(Heartbeat { age: -30 })
    }),
    ("clock", Severity::Note, |facts| facts.clock_is_kept = Some(false)),
    ("dns", Severity::Critical, |facts| {
        facts.registration[0].addresses.clear()
    }),
    ("dns", Severity::Warning, |facts| {
        facts.name_servers = Some(Vec::new())
    }),
    ("routes", Severity::Warning, |facts| {
        facts.routes.as_mut().expect("known")[0].network = "::".parse().expect("an address");
        // What was reached has a route, wherever it is.
        let address = at("10.0.0.66:6443");
        facts.registration[0].addresses.push(address);
    }),
    ("mtu", Severity::Warning, |facts| {
        facts.links.insert("flannel.1".to_owned(), 1500);
    }),
    ("mtu", Severity::Warning, |facts| {
        facts.links.remove("flannel.1");
        facts.links.insert("eth0".to_owned(), 1200);
    }),
    ("proxy-variables", Severity::Warning, |facts| {
        facts.proxies[1].value = "localhost".to_owned()
    }),
    ("conntrack", Severity::Critical, |facts| {
        facts.conntrack = Some((131_000, 131_072))
    }),
    ("firewall", Severity::Note, |facts| {
        facts
            .firewalls
            .push(("ufw".to_owned(), "/etc/ufw/ufw.conf".to_owned()));
    }),
    ("credentials", Severity::Warning, |facts| {
        facts.trust.push("there is no credential".to_owned())
    }),
    ("credentials", Severity::Warning, |facts| {
        facts.secrets[0].mode = 0o644
    }),
    ("credentials", Severity::Warning, |facts| {
        facts.silent.push((
            "kubernetes".to_owned(),
            "10.0.0.1:6443: it answered 403 (may not list)".to_owned(),
        ));
    }),
    ("kubelet-server", Severity::Warning, |facts| {
        facts.kubelets[0].url = "https://10.0.0.1:6443".to_owned();
    }),
    ("heartbeat", Severity::Critical, |facts| {
        facts.heartbeat = Some(Heartbeat { age: 75 })
    }),
];

#[test]
fn a_healthy_node_is_silent() {
    assert_eq!(find(&healthy()), Vec::<Finding>::new());
}

#[test]
fn a_node_of_which_nothing_is_seen_is_silent() {
    assert_eq!(find(&Facts::default()), Vec::<Finding>::new());
}

#[test]
fn each_fault_is_found_by_its_check_and_says_all_that_it_should() {
    for (number, (check, severity, broken)) in CASES.iter().enumerate() {
        let mut facts = healthy();
        broken(&mut facts);
        let findings = find(&facts);
        let mine = findings.iter().find(|finding| finding.check == *check);
        let Some(mine) = mine else {
            panic!("case {number}: {check} is silent; found: {findings:#?}")
        };
        assert_eq!(mine.severity, *severity, "case {number}: {mine:#?}");
        for words in [&mine.what, &mine.risk, &mine.remedy] {
            assert!(!words.is_empty(), "case {number}: {mine:#?}");
        }
        assert!(!mine.evidence.is_empty(), "case {number}: {mine:#?}");
    }
}

#[test]
fn a_fault_is_not_told_by_checks_that_do_not_look_at_it() {
    // A server that is gone is the business of several.
    let shared = [
        "servers",
        "stuck-balancer",
        "stale-balancer-file",
        "clock",
        "configuration",
    ];
    for (number, (check, _, broken)) in CASES.iter().enumerate() {
        if shared.contains(check) {
            continue;
        }
        let mut facts = healthy();
        broken(&mut facts);
        for finding in find(&facts) {
            assert_eq!(finding.check, *check, "case {number}: {finding:#?}");
        }
    }
}

#[test]
fn every_check_has_a_broken_node() {
    let names: BTreeSet<&str> = CHECKS.iter().map(|check| check.name).collect();
    assert_eq!(names.len(), CHECKS.len(), "no name twice");
    let broken: BTreeSet<&str> = CASES.iter().map(|(check, _, _)| *check).collect();
    assert_eq!(names, broken);
}

#[test]
fn the_signature_of_11349_is_told_with_its_evidence_and_its_remedy() {
    let mut facts = healthy();
    stuck(&mut facts);
    let findings = find(&facts);
    let stuck = &findings[0];
    assert_eq!(
        (stuck.check.as_str(), stuck.severity),
        ("stuck-balancer", Severity::Critical)
    );
    let evidence = stuck.evidence.join("\n");
    for words in [
        "10.0.0.2:6443: connection refused",
        "10.0.0.9:6443: serves no API",
        "10.0.0.1:6443: ready; listed by kubernetes, supervisor",
    ] {
        assert!(evidence.contains(words), "{words} is not in\n{evidence}");
    }
    assert_eq!(
        stuck.fix,
        Some(Fix::SetAside {
            path: facts.balancers[0].path.clone(),
            restart: Some("k3s-agent".to_owned())
        })
    );
}

#[test]
fn a_balancer_that_still_reaches_somebody_is_not_stuck() {
    let is_stuck = |facts: &Facts| {
        find(facts)
            .iter()
            .any(|finding| finding.check == "stuck-balancer")
    };
    let mut facts = healthy();
    stuck(&mut facts);
    assert!(is_stuck(&facts));
    // It falls back to a server that serves.
    let mut fallback = facts.clone();
    say(&mut fallback, "10.0.0.9:6443", Says::Ready, "ready");
    assert!(!is_stuck(&fallback));
    // Nobody is ready: then there is nowhere to go, and no file is to blame.
    let mut nobody = facts.clone();
    say(&mut nobody, "10.0.0.1:6443", Says::NotReady, "not ready: etcd");
    assert!(!is_stuck(&nobody));
    // One of its servers could not be tested for a fault of ours.
    let mut unknown = facts.clone();
    say(&mut unknown, "10.0.0.2:6443", Says::OurFault, "no descriptor");
    assert!(!is_stuck(&unknown));
    // jackline stands behind it.
    let mut behind = facts.clone();
    state(&mut behind).server_url = "https://127.0.0.2:6440".to_owned();
    assert!(!is_stuck(&behind));
    // The file of supervisors alone leads to an etcd-only server, which has one.
    let mut supervisors = facts;
    supervisors.balancers[0].carries = Carries::Supervisors;
    assert!(!is_stuck(&supervisors));
}

#[test]
fn processes_share_nothing_by_being_one_or_by_addresses_of_their_own() {
    let mut facts = healthy();
    facts
        .listeners
        .push(listener("127.0.0.1:6444", 9, (10, "k3s-agent")));
    facts
        .listeners
        .push(listener("127.0.0.2:6444", 10, (99, "haproxy")));
    facts.listeners.push(listener("0.0.0.0:22", 11, (98, "other")));
    assert_eq!(find(&facts), Vec::<Finding>::new());
}
