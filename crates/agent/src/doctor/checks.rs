//! The checks: each looks at facts and gives findings, and does nothing else. Their order is that of the page docs/doctor.md, which is
//! made from this table.

mod balancer;
mod certificates;
mod credentials;
#[cfg(test)]
pub(crate) mod fixture;
mod heartbeat;
mod kubelet;
mod listeners;
mod network;
mod proxies;
mod servers;
mod surroundings;
#[cfg(test)]
mod tests;

use super::facts::Facts;
use super::finding::Finding;

/// One check.
pub struct Check {
    /// Its name, in findings and as a heading of the page.
    pub name: &'static str,
    /// What it looks at, and when it finds something.
    pub looks_at: &'static str,
    /// What may come of it.
    pub risk: &'static str,
    /// What to do.
    pub remedy: &'static str,
    pub(crate) find: fn(&Facts) -> Vec<Finding>,
}

/// All of them.
pub const CHECKS: [Check; 19] = [
    Check {
        name: "stuck-balancer",
        looks_at: "the state file of K3s's or RKE2's own balancer against what etcd, supervisors, the API and tests say: \
                   nobody in the file serves the API, and somebody who is not in it is ready (k3s-io/k3s#11349)",
        risk: "the node is cut off from a healthy control plane and stays so until the servers in the file come back",
        remedy: "set the file aside and restart the node's K3s or RKE2: `jackline doctor --fix --restart`. For good: `jackline setup`",
        find: balancer::stuck,
    },
    Check {
        name: "stale-balancer-file",
        looks_at: "the same file where the node still works: ready servers that the cluster lists are missing in it, or it holds servers \
                   that answer nobody and that nobody lists",
        risk: "the next outage finds the node with a list that is too short; a removed server's address may become another machine's",
        remedy: "restart the node's K3s or RKE2 while all servers are up; if it comes back, put jackline in front (`jackline setup`)",
        find: balancer::stale,
    },
    Check {
        name: "damaged-file",
        looks_at: "state files that are torn, empty or no balancer's, that hold entries which are no addresses, and jackline's own \
                   state file where it cannot be used",
        risk: "the program that reads it starts from its registration address alone, or not at all",
        remedy: "set it aside (`jackline doctor --fix`); its owner makes a new one",
        find: balancer::damaged,
    },
    Check {
        name: "foreign-balancer-file",
        looks_at: "the same file where it belongs to another registration address than the node's options tell",
        risk: "none by itself: K3s and RKE2 do not use it then. It tells that the node was joined anew, or that an option is not the one in force",
        remedy: "if it is the node's options that are wrong, mend them; else the next restart replaces the file",
        find: balancer::foreign,
    },
    Check {
        name: "configuration",
        looks_at: "jackline's own configuration, where it is refused",
        risk: "jackline does not start, or goes on with what it had at its last start",
        remedy: "mend what is told; `jackline config check` says when it is good",
        find: surroundings::configuration,
    },
    Check {
        name: "shared-listener",
        looks_at: "sockets of different processes that listen on the same address and port (SO_REUSEPORT, as K3s opens 6444 and 6443), \
                   or on one address where another has the port on all; jackline's listeners on ports that are the distribution's",
        risk: "the kernel deals connections out between the two: some requests go to a stranger, at random",
        remedy: "stop one of them, or move it: `listen` in jackline's configuration, `lb-server-port` in K3s's",
        find: listeners::shared,
    },
    Check {
        name: "servers",
        looks_at: "every server that files, configuration or the cluster name, tested as a client would: TCP, verified TLS, `/readyz`",
        risk: "with none ready the node is NotReady within a minute; with one ready the next outage is the last",
        remedy: "look at the servers that are named; on each: `journalctl -u k3s` (rke2-server, kubelet), disk, etcd",
        find: servers::answers,
    },
    Check {
        name: "sources",
        looks_at: "what tells this node of servers: etcd, supervisors, the API, each asked once; one that gives no answer, and none that does",
        risk: "the node learns late, or not at all, that a server came, moved or went",
        remedy: "see each one's reason; a kubeconfig, the supervisor's token or etcd's certificate each bring a source",
        find: servers::sources,
    },
    Check {
        name: "certificates",
        looks_at: "dates of the CA, the node's credentials and the certificates that servers present: expired, not valid yet, or over \
                   within 30 days (14 for credentials that renew themselves)",
        risk: "on the day after, no client gets in and no node joins; a CA that ends takes the whole cluster along",
        remedy: "renew: `k3s certificate rotate`, `rke2 certificate rotate`, `kubeadm certs renew all`, and restart; a kubelet's renews itself \
                 while the cluster can be reached",
        find: certificates::dates,
    },
    Check {
        name: "clock",
        looks_at: "this machine's clock against the time that servers tell, the node's own Lease and the certificates, and whether a time \
                   service keeps it",
        risk: "certificates look expired or not valid yet, leases late, tokens refused",
        remedy: "let a time service keep it (chrony, systemd-timesyncd), on servers as well",
        find: surroundings::clock,
    },
    Check {
        name: "dns",
        looks_at: "names that the node was joined with that lead nowhere, and a system without a name server",
        risk: "after a restart the node does not find its servers; a balancer without another memory stays away",
        remedy: "mend the record or /etc/resolv.conf; give the node several addresses, or a name with several records",
        find: network::names,
    },
    Check {
        name: "routes",
        looks_at: "whether a route leads to each server (the main tables of both families; rules of policy routing are not read)",
        risk: "the server cannot be reached from here, whatever its health",
        remedy: "`ip route get ADDRESS`; mend the network's configuration, or leave servers of a family that the node lacks out of its list",
        find: network::routes,
    },
    Check {
        name: "mtu",
        looks_at: "the MTU of the overlay's devices (flannel, cilium, calico, vxlan …) against the device under them, and devices below 1280",
        risk: "small packets pass and large ones vanish: handshakes work, lists, logs and image pulls hang",
        remedy: "overlay's MTU at most the device's less 50 (VXLAN), 60 (WireGuard) or 80 (WireGuard over IPv6)",
        find: network::mtu,
    },
    Check {
        name: "proxy-variables",
        looks_at: "HTTPS_PROXY and HTTP_PROXY where the distribution reads them, against NO_PROXY: servers and loopback must be in it",
        risk: "the kubelet and K3s go to the control plane through the proxy, or ask it for 127.0.0.1; jackline is never asked",
        remedy: "add the servers, 127.0.0.0/8, the pod and service networks and .svc,.cluster.local to NO_PROXY, and restart the unit",
        find: proxies::variables,
    },
    Check {
        name: "conntrack",
        looks_at: "how full the table of tracked connections is: 80 % and more",
        risk: "new connections are dropped without a word; servers look dead at random",
        remedy: "raise `net.netfilter.nf_conntrack_max`, and find who opens so many",
        find: network::conntrack,
    },
    Check {
        name: "firewall",
        looks_at: "firewalld or ufw that is switched on (the rules are not read), and connections that this machine itself forbids",
        risk: "a reload of the firewall's rules takes those of kube-proxy and the CNI with it; 6443, 9345, 2379 and 10250 may be closed",
        remedy: "allow the cluster's ports and networks in it, or switch it off as K3s's and RKE2's requirements advise",
        find: surroundings::firewall,
    },
    Check {
        name: "credentials",
        looks_at: "CA, certificate, key and token that the node presents: missing, unreadable, not belonging together, refused by the servers, \
                   unable to list what jackline asks for, or open to other users of the machine",
        risk: "without them servers can be tested no further than TLS and the cluster's own lists are not read; keys that others read are others'",
        remedy: "see the finding: join the node again, renew, `jackline rbac`, or `chmod 600` (`--fix` does that)",
        find: credentials::credentials,
    },
    Check {
        name: "kubelet-server",
        looks_at: "the server in the kubelet's kubeconfig: one server's own address, or a local port on which nobody listens",
        risk: "the node goes NotReady with that one server, whatever else is healthy",
        remedy: "point it at a balanced address or at jackline: `jackline setup --print`",
        find: kubelet::server,
    },
    Check {
        name: "heartbeat",
        looks_at: "the age of the node's own Lease, as the cluster has it: renewed every 10 s, late from 20 s on",
        risk: "after 40 s the node is NotReady; after five minutes its pods are moved",
        remedy: "`journalctl -u kubelet` (k3s, rke2-agent): whom does it talk to? Then the findings above",
        find: heartbeat::lease,
    },
];

/// What all checks find, the worst first; equals stay in the order of the table.
#[must_use]
pub fn find(facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<Finding> = CHECKS
        .iter()
        .flat_map(|check| {
            (check.find)(facts).into_iter().map(|mut finding| {
                // What a finding does not say better is the check's own word.
                if finding.risk.is_empty() {
                    finding.risk = check.risk.to_owned();
                }
                if finding.remedy.is_empty() {
                    finding.remedy = check.remedy.to_owned();
                }
                finding
            })
        })
        .collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

/// What is found about dates alone.
pub(crate) fn certificate_findings(facts: &Facts) -> Vec<Finding> {
    certificates::dates(facts)
}
