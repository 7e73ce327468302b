//! The configuration file of one node, as an operator would write it, with a person's waits divided by the factor.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Credentials;
use crate::etcd::EtcdFiles;
use crate::place::Place;

/// Which credential a node's jackline is given for the Kubernetes API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// kube-proxy's: may list and watch EndpointSlices and Nodes.
    KubeProxy,
    /// The kubelet's: may get the Endpoints, and watch nothing.
    Kubelet,
    /// A ServiceAccount's token: may what its ClusterRole says.
    ServiceAccount,
    /// None: may what the anonymous may.
    Nothing,
}

/// What goes into the file.
#[derive(Clone, Debug)]
pub(crate) struct NodeConfig {
    pub(crate) name: String,
    /// On a host of its own: where it is, and the address there.
    pub(crate) place: Place,
    pub(crate) address: Option<IpAddr>,
    /// Whether it prefers the server on its own host.
    pub(crate) prefer_local: bool,
    pub(crate) listen: SocketAddr,
    /// Where it serves its page, if it does.
    pub(crate) page: Option<SocketAddr>,
    /// Registration addresses.
    pub(crate) servers: Vec<String>,
    /// Name servers; none: the machine's.
    pub(crate) dns_servers: Vec<SocketAddr>,
    pub(crate) state_dir: PathBuf,
    pub(crate) socket: PathBuf,
    pub(crate) access: Access,
    /// Whether it asks supervisors too.
    pub(crate) supervisor: bool,
    /// Whether it asks apiservers for the Endpoints and the Nodes.
    pub(crate) kubernetes: bool,
    /// On an etcd member: where it asks, and with what.
    pub(crate) etcd: Option<(Vec<String>, EtcdFiles)>,
    pub(crate) credentials: Credentials,
    pub(crate) factor: u32,
}

impl NodeConfig {
    /// The file's text.
    pub(crate) fn yaml(&self) -> String {
        let mut text = String::from("# Written by `jackline lab`: one of its nodes.\n");
        let servers: Vec<String> = self.servers.iter().map(|server| quoted(server)).collect();
        let dns: Vec<String> = self
            .dns_servers
            .iter()
            .map(|server| quoted(&server.to_string()))
            .collect();
        // The machine that the lab runs on may be a node of another cluster, whose files are none of the lab's.
        text.push_str("profile: generic\n");
        let _ = writeln!(text, "node: {{ name: {}{} }}", quoted(&self.name), self.on_host());
        let _ = writeln!(text, "servers: [{}]", servers.join(", "));
        if !dns.is_empty() {
            let _ = writeln!(text, "dns-servers: [{}]", dns.join(", "));
        }
        let _ = writeln!(text, "listen: [{}]", quoted(&self.listen.to_string()));
        if let Some(page) = self.page {
            let _ = writeln!(text, "status-listen: {}", quoted(&page.to_string()));
        }
        let _ = writeln!(text, "state-dir: {}", path(&self.state_dir));
        let _ = writeln!(text, "socket: {}", path(&self.socket));
        let _ = writeln!(text, "cluster:\n  ca-file: {}", path(&self.credentials.ca_file));
        let (key, file) = match self.access {
            Access::KubeProxy => ("kubeconfig", Some(&self.credentials.kube_proxy_kubeconfig)),
            Access::Kubelet => ("kubeconfig", Some(&self.credentials.kubelet_kubeconfig)),
            Access::ServiceAccount => ("token-file", Some(&self.credentials.bearer_token)),
            Access::Nothing => ("", None),
        };
        if let Some(file) = file {
            let _ = writeln!(text, "  {key}: {}", path(file));
        }
        if self.supervisor {
            let token = path(&self.credentials.node_token);
            let _ = writeln!(text, "supervisor:\n  distribution: k3s\n  token-file: {token}");
        }
        if let Some((endpoints, files)) = &self.etcd {
            let endpoints: Vec<String> = endpoints.iter().map(|endpoint| quoted(endpoint)).collect();
            let _ = writeln!(text, "etcd:\n  endpoints: [{}]", endpoints.join(", "));
            for (key, file) in [
                ("ca-file", &files.ca_file),
                ("client-certificate", &files.certificate),
                ("client-key", &files.key),
            ] {
                let _ = writeln!(text, "  {key}: {}", path(file));
            }
        }
        let asked = self.kubernetes;
        let _ = writeln!(text, "kubernetes: {{ enabled: {asked}, nodes: {asked} }}");
        let _ = writeln!(
            text,
            "# Divided by {}; dialling, hedging, holding and probing are not.\ntiming:",
            self.factor
        );
        for (key, real) in COMPRESSED {
            let _ = writeln!(text, "  {key}: {}", duration(real / self.factor.max(1)));
        }
        if !self.place.is_host() {
            text.push_str("# Every server of the lab is on loopback.\nallow-loopback-upstreams: true\n");
        }
        text.push_str("log: { level: info }\n");
        text
    }

    /// What a node of a host says of itself besides its name.
    fn on_host(&self) -> String {
        self.address.map_or_else(String::new, |address| {
            format!(
                ", address: {}, prefer-local: {}",
                quoted(&address.to_string()),
                self.prefer_local
            )
        })
    }
}

/// Waits of a person's length, uncompressed.
pub(crate) const GRACE: Duration = Duration::from_secs(600);
const COMPRESSED: [(&str, Duration); 7] = [
    ("grace", GRACE),
    ("unwitnessed-grace", Duration::from_secs(24 * 3600)),
    ("refresh-watched", Duration::from_secs(120)),
    ("refresh-polled", Duration::from_secs(60)),
    ("drain-time", Duration::from_secs(30)),
    ("settling-time", Duration::from_secs(60)),
    ("shutdown-time", Duration::from_secs(10)),
];

fn duration(time: Duration) -> String {
    format!("{}ms", time.as_millis())
}

/// A JSON string is a YAML string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_persons_waits_are_compressed_and_the_others_left_out() {
        let folder = PathBuf::from("/x");
        let credentials = Credentials {
            directory: folder.clone(),
            ca_file: folder.join("ca.crt"),
            kubelet_certificate: folder.join("kubelet.crt"),
            kubelet_key: folder.join("kubelet.key"),
            kube_proxy_certificate: folder.join("proxy.crt"),
            kube_proxy_key: folder.join("proxy.key"),
            kubelet_kubeconfig: folder.join("kubelet.kubeconfig"),
            kube_proxy_kubeconfig: folder.join("proxy.kubeconfig"),
            k3s_controller_kubeconfig: folder.join("controller.kubeconfig"),
            node_token: folder.join("node-token"),
            bearer_token: folder.join("token"),
        };
        let config = NodeConfig {
            name: "node-1".into(),
            place: Place::Here,
            address: None,
            prefer_local: false,
            listen: SocketAddr::from(([127, 0, 64, 9], 6440)),
            page: None,
            servers: vec!["https://127.0.64.1:6443".into()],
            dns_servers: Vec::new(),
            state_dir: folder.join("state"),
            socket: folder.join("s"),
            access: Access::Kubelet,
            supervisor: true,
            kubernetes: true,
            etcd: None,
            credentials,
            factor: 10,
        };
        let text = config.yaml();
        assert!(
            text.contains("servers: [\"https://127.0.64.1:6443\"]\nlisten: [\"127.0.64.9:6440\"]\n"),
            "{text}"
        );
        assert!(
            text.contains("  kubeconfig: \"/x/kubelet.kubeconfig\"\n"),
            "{text}"
        );
        assert!(text.contains("  token-file: \"/x/node-token\"\n"), "{text}");
        assert!(
            text.contains("  grace: 60000ms\n") && text.contains("  drain-time: 3000ms\n"),
            "{text}"
        );
        assert!(!text.contains("probe") && !text.contains("hold:"), "{text}");
    }
}
