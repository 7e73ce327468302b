//! The doctor on nodes of files: a healthy one, where it is silent, and the same with one thing broken. And its page, which is written from
//! the tables of the code.

mod node;
mod page;

use std::collections::BTreeSet;

use jackline_agent::doctor::{Fix, Severity, examine};
use node::Node;

/// What was broken, the check that must find it, and how bad that is.
type Case = (&'static str, &'static str, Severity, fn(&Node));

const DATA: &str = "/var/lib/rancher/k3s";

const CASES: [Case; 16] = [
    ("a torn state file", "damaged-file", Severity::Warning, |node| {
        node.write(
            &format!("{DATA}/agent/etc/k3s-agent-load-balancer.json"),
            "{\"ServerURL\":\"https://10.",
        );
    }),
    (
        "jackline's own state file is torn",
        "damaged-file",
        Severity::Warning,
        |node| {
            node.write(
                "/var/lib/jackline/state.json",
                "{\"format\":\"jackline-state\",\"ver",
            );
        },
    ),
    (
        "a configuration with a misspelt key",
        "configuration",
        Severity::Warning,
        |node| {
            node.write("/etc/jackline/config.yaml", "sever: https://10.0.0.1:6443\n");
        },
    ),
    (
        "a second listener on 6444",
        "shared-listener",
        Severity::Critical,
        |node| {
            node.listener("0100007F:192C", 4712);
            node.process(99, "haproxy", 4712);
        },
    ),
    (
        "the node's certificate has expired",
        "certificates",
        Severity::Critical,
        |node| {
            let key = node.certificate(&format!("{DATA}/agent/client-kubelet.crt"), (2020, 2021));
            node.write(&format!("{DATA}/agent/client-kubelet.key"), &key);
        },
    ),
    (
        "the CA is not valid yet",
        "certificates",
        Severity::Critical,
        |node| {
            node.certificate(&format!("{DATA}/agent/server-ca.crt"), (2200, 2300));
        },
    ),
    (
        "a certificate is none",
        "certificates",
        Severity::Warning,
        |node| {
            node.write(&format!("{DATA}/agent/client-kubelet.crt"), "not a certificate");
        },
    ),
    ("the overlay does not fit", "mtu", Severity::Warning, |node| {
        node.write("/sys/class/net/flannel.1/mtu", "1500\n");
    }),
    (
        "a proxy without exceptions",
        "proxy-variables",
        Severity::Warning,
        |node| {
            node.write("/etc/systemd/system/k3s-agent.service.d/proxy.conf", "[Service]\nEnvironment=\"HTTPS_PROXY=http://u:hunter2@10.9.9.9:3128\" \"NO_PROXY=localhost\"\n");
        },
    ),
    (
        "a full table of connections",
        "conntrack",
        Severity::Critical,
        |node| {
            node.write("/proc/sys/net/netfilter/nf_conntrack_count", "131000\n");
        },
    ),
    (
        "a key of another certificate",
        "credentials",
        Severity::Warning,
        |node| {
            let key = node.certificate("/elsewhere.crt", (2020, 2200));
            node.write(&format!("{DATA}/agent/client-kubelet.key"), &key);
        },
    ),
    (
        "a state file of another registration address",
        "foreign-balancer-file",
        Severity::Note,
        |node| {
            node.write(
                &format!("{DATA}/agent/etc/k3s-agent-load-balancer.json"),
                "{\"ServerURL\":\"https://old.example:6443\",\"ServerAddresses\":[\"10.0.0.1:6443\"]}",
            );
        },
    ),
    (
        "a key that everybody may read",
        "credentials",
        Severity::Warning,
        |node| {
            node.mode(&format!("{DATA}/agent/client-kubelet.key"), 0o644);
        },
    ),
    (
        "a token in a file that everybody may read",
        "credentials",
        Severity::Warning,
        |node| {
            node.mode("/etc/rancher/k3s/config.yaml", 0o644);
        },
    ),
    (
        "the kubelet's port without a listener",
        "kubelet-server",
        Severity::Critical,
        |node| {
            node.kubelet("https://127.0.0.1:6443");
        },
    ),
    ("no route to the server", "routes", Severity::Warning, |node| {
        node.write("/proc/net/route", "Iface\tDestination\n");
    }),
];

#[test]
fn a_healthy_node_is_silent() {
    let node = Node::healthy();
    let report = examine(&node.request()).expect("a report").report;
    assert_eq!(report.findings, []);
    assert_eq!(
        (report.profile.as_str(), report.role.as_deref()),
        ("k3s", Some("agent"))
    );
    let unseen: BTreeSet<&str> = report.unseen.iter().map(|unseen| unseen.check.as_str()).collect();
    assert_eq!(
        unseen,
        BTreeSet::from([
            "dns",
            "heartbeat",
            "servers",
            "stale-balancer-file",
            "stuck-balancer"
        ]),
        "what needs servers is told as not looked at"
    );
}

#[test]
fn a_healthy_node_of_each_distribution_is_silent() {
    for node in [Node::kubeadm(), Node::empty()] {
        let report = examine(&node.request()).expect("a report").report;
        assert_eq!(report.findings, [], "{}", report.profile);
    }
}

#[test]
fn each_broken_node_is_found_out() {
    for (what, check, severity, broken) in CASES {
        let node = Node::healthy();
        broken(&node);
        let report = examine(&node.request()).expect("a report").report;
        // A certificate that is none is no credential either.
        let others = report.findings.iter().filter(|finding| finding.check != check);
        let others =
            others.filter(|finding| (check, finding.check.as_str()) != ("certificates", "credentials"));
        assert_eq!(others.count(), 0, "{what}: {:#?}", report.findings);
        let mine = report.findings.iter().find(|finding| finding.check == check);
        assert_eq!(
            mine.map(|finding| finding.severity),
            Some(severity),
            "{what}: {:#?}",
            report.findings
        );
        let text = format!("{report:?}");
        assert!(!text.contains("hunter2"), "{what}: a secret is told");
    }
}

#[test]
fn a_firewall_that_is_on_is_a_note() {
    let node = Node::healthy();
    node.write("/etc/ufw/ufw.conf", "# comment\nENABLED=yes\n");
    let report = examine(&node.request()).expect("a report").report;
    assert_eq!(report.worst(), Some(Severity::Note));
}

#[test]
fn a_fix_is_made_once_and_leaves_a_healthy_node() {
    let node = Node::healthy();
    let needed = |what: &str| CASES.iter().find(|case| case.0 == what).expect("a case");
    for (_, _, _, broken) in [
        needed("a torn state file"),
        needed("a key that everybody may read"),
    ] {
        broken(&node);
    }
    let mut examination = examine(&node.request()).expect("a report");
    let fixes = examination
        .report
        .findings
        .iter()
        .filter_map(|finding| finding.fix.as_ref());
    assert_eq!(
        fixes
            .filter(|fix| matches!(fix, Fix::SetAside { restart: Some(unit), .. } if unit == "k3s-agent"))
            .count(),
        1
    );
    let fixed = examination.fix();
    assert_eq!((fixed.done.len(), fixed.failed.len()), (2, 0), "{fixed:?}");
    assert_eq!(fixed.restart, ["k3s-agent"]);
    let after = examine(&node.request()).expect("a report").report;
    assert_eq!(after.findings, []);
}

#[test]
fn two_distributions_need_a_word_from_the_operator() {
    let node = Node::healthy();
    node.write("/etc/rancher/rke2/config.yaml", "server: https://10.0.0.7:9345\n");
    let refused = examine(&node.request()).err().expect("refused").to_string();
    assert!(refused.contains("--profile k3s or --profile rke2"), "{refused}");
    let mut request = node.request();
    request.profile = Some("k3s".to_owned());
    assert!(examine(&request).is_ok());
}
