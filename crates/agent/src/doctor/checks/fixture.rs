//! A node that is well in every way, for tests to break.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use jackline_trust::inspect::Description;

use crate::doctor::facts::{
    BalancerFile, BalancerState, Carries, CertificateFile, Facts, Heartbeat, KubeletServer, Listener, Node,
    ProxyVariable, Registration, Route, Says, SecretFile, Server, Told,
};
use crate::profile::{Profile, Reserved, Role};

pub(crate) const NOW: i64 = 1_800_000_000;
pub(crate) const DAY: i64 = 86_400;

pub(crate) fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn certificate() -> Description {
    Description {
        subject: "kube-apiserver".to_owned(),
        not_before: NOW - 100 * DAY,
        not_after: NOW + 265 * DAY,
        is_ca: false,
        names: vec!["kubernetes".to_owned(), "cluster.example".to_owned()],
        addresses: ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
            .map(|ip| ip.parse().expect("an address"))
            .to_vec(),
    }
}

pub(crate) fn server(says: Says, words: &str) -> Server {
    Server {
        says,
        words: words.to_owned(),
        certificate: says.serves().then(certificate),
        ahead: says.serves().then_some(0),
    }
}

pub(crate) fn listener(address: &str, inode: u64, process: (u32, &str)) -> Listener {
    Listener {
        address: at(address),
        inode,
        process: Some((process.0, process.1.to_owned())),
    }
}

/// An agent of K3s whose cluster has three servers, all ready.
pub(crate) fn healthy() -> Facts {
    let all = ["10.0.0.1:6443", "10.0.0.2:6443", "10.0.0.3:6443"]
        .map(at)
        .to_vec();
    let told = |source: &str| Told {
        source: source.to_owned(),
        is_cluster: true,
        endpoints: all.clone(),
        by: Some(all[0]),
        note: String::new(),
    };
    Facts {
        now: NOW,
        node: Node {
            profile: Profile::K3s,
            role: Some(Role::Agent),
            unit: Some("k3s-agent".to_owned()),
            name: "node-7".to_owned(),
            listen: vec![at("127.0.0.1:6440"), at("[::1]:6440")],
            reserved: vec![Reserved {
                port: 6444,
                loopback_only: true,
                whose: "the distribution's own balancer for supervisors",
            }],
        },
        balancers: vec![BalancerFile {
            path: "/var/lib/rancher/k3s/agent/etc/k3s-agent-load-balancer.json".to_owned(),
            carries: Carries::Api,
            holds: Ok(BalancerState {
                server_url: "https://cluster.example:6443".to_owned(),
                addresses: all.clone(),
                odd: Vec::new(),
            }),
        }],
        told: vec![told("kubernetes"), told("supervisor")],
        servers: all
            .iter()
            .map(|address| (*address, server(Says::Ready, "ready")))
            .collect(),
        registration: vec![Registration {
            url: "https://cluster.example:6443".to_owned(),
            host: "cluster.example".to_owned(),
            addresses: all.clone(),
            is_name: true,
            resolved: true,
        }],
        listeners: vec![
            listener("127.0.0.1:6444", 1, (10, "k3s-agent")),
            listener("127.0.0.1:6440", 2, (11, "jackline")),
            listener("0.0.0.0:22", 3, (12, "sshd")),
        ],
        certificates: vec![
            CertificateFile {
                path: "/var/lib/rancher/k3s/agent/server-ca.crt".to_owned(),
                purpose: "the cluster's CA",
                certificates: Ok(vec![Description {
                    is_ca: true,
                    not_after: NOW + 3000 * DAY,
                    ..certificate()
                }]),
            },
            CertificateFile {
                path: "/var/lib/rancher/k3s/agent/client-kubelet.crt".to_owned(),
                purpose: "the node's client certificate",
                certificates: Ok(vec![certificate()]),
            },
        ],
        secrets: vec![SecretFile {
            path: "/var/lib/rancher/k3s/agent/client-kubelet.key".to_owned(),
            mode: 0o600,
        }],
        clock_is_kept: Some(true),
        name_servers: Some(vec!["10.0.0.53".to_owned()]),
        routes: Some(vec![Route {
            network: "0.0.0.0".parse().expect("an address"),
            bits: 0,
            device: "eth0".to_owned(),
            rejects: false,
        }]),
        links: BTreeMap::from([
            ("eth0".to_owned(), 1500),
            ("flannel.1".to_owned(), 1450),
            ("lo".to_owned(), 65536),
        ]),
        conntrack: Some((1_000, 131_072)),
        proxies: vec![
            ProxyVariable {
                name: "HTTPS_PROXY".to_owned(),
                value: "http://10.9.9.9:3128".to_owned(),
                from: "/etc/systemd/system/k3s-agent.service.env".to_owned(),
            },
            ProxyVariable {
                name: "NO_PROXY".to_owned(),
                value: "127.0.0.0/8,10.0.0.0/8,.example".to_owned(),
                from: "/etc/systemd/system/k3s-agent.service.env".to_owned(),
            },
        ],
        kubelets: vec![KubeletServer {
            path: "/var/lib/rancher/k3s/agent/kubelet.kubeconfig".to_owned(),
            url: "https://127.0.0.1:6444".to_owned(),
        }],
        heartbeat: Some(Heartbeat { age: 4 }),
        ..Facts::default()
    }
}

pub(crate) fn say(facts: &mut Facts, address: &str, says: Says, words: &str) {
    facts.servers.insert(at(address), server(says, words));
}

pub(crate) fn state(facts: &mut Facts) -> &mut BalancerState {
    facts.balancers[0].holds.as_mut().expect("it holds something")
}

/// k3s#11349: joined to an etcd-only server; the file knows only B, which is dead; A is back.
pub(crate) fn stuck(facts: &mut Facts) {
    *state(facts) = BalancerState {
        server_url: "https://10.0.0.9:6443".to_owned(),
        addresses: vec![at("10.0.0.2:6443")],
        odd: Vec::new(),
    };
    facts.registration[0] = Registration {
        url: "https://10.0.0.9:6443".to_owned(),
        host: "10.0.0.9".to_owned(),
        addresses: vec![at("10.0.0.9:6443")],
        is_name: false,
        resolved: true,
    };
    facts.proxies.clear();
    say(
        facts,
        "10.0.0.9:6443",
        Says::NoApi,
        "serves no API (503 apiserver disabled)",
    );
    say(facts, "10.0.0.2:6443", Says::Nothing, "connection refused");
    facts.servers.remove(&at("10.0.0.3:6443"));
    for told in &mut facts.told {
        told.endpoints = vec![at("10.0.0.1:6443")];
    }
}
