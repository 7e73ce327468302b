//! K3s: agents as the installer and as a configuration file make them, and the three kinds of server.

use jackline_trust::{Trust, TrustConfig};

use crate::tree::{Tree, under};

pub(crate) const DATA: &str = "/var/lib/rancher/k3s";
const CA_HASH: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// What every K3s node has once it has joined.
pub(crate) fn agent_files(tree: &Tree, data: &str) {
    tree.files(
        &format!("{data}/agent"),
        &[
            "server-ca.crt",
            "client-ca.crt",
            "client-kubelet.crt",
            "client-kubelet.key",
            "client-kube-proxy.crt",
            "client-kube-proxy.key",
            "client-k3s-controller.crt",
            "client-k3s-controller.key",
            "serving-kubelet.crt",
            "serving-kubelet.key",
        ],
    );
    for name in ["kubeproxy", "k3scontroller", "kubelet"] {
        let user = match name {
            "kubeproxy" => "client-kube-proxy",
            "kubelet" => "client-kubelet",
            _ => "client-k3s-controller",
        };
        tree.file(
            &format!("{data}/agent/{name}.kubeconfig"),
            &format!(
                "apiVersion: v1\nclusters:\n- cluster:\n    server: https://127.0.0.1:6444\n    certificate-authority: {data}/agent/server-ca.crt\n  name: local\n\
                 contexts:\n- context:\n    cluster: local\n    namespace: default\n    user: user\n  name: Default\ncurrent-context: Default\nkind: Config\npreferences: {{}}\n\
                 users:\n- name: user\n  user:\n    client-certificate: {data}/agent/{user}.crt\n    client-key: {data}/agent/{user}.key\n"
            ),
        );
    }
}

pub(crate) fn balancer(tree: &Tree, data: &str) {
    tree.file(
        &format!("{data}/agent/etc/k3s-agent-load-balancer.json"),
        "{\"ServerURL\":\"https://10.0.0.1:6443\",\"ServerAddresses\":[\"10.0.0.2:6443\",\"10.0.0.3:6443\"]}",
    );
}

/// An agent as `curl … | K3S_URL=… K3S_TOKEN=… sh -` leaves it.
pub(crate) fn installed_agent() -> Tree {
    let tree = Tree::new(&[
        (
            "/etc/systemd/system/k3s-agent.service",
            "[Unit]\nDescription=Lightweight Kubernetes\n[Service]\nType=notify\nEnvironmentFile=-/etc/default/%N\n\
             EnvironmentFile=-/etc/sysconfig/%N\nEnvironmentFile=-/etc/systemd/system/k3s-agent.service.env\n\
             ExecStartPre=-/sbin/modprobe br_netfilter\nExecStart=/usr/local/bin/k3s \\\n    agent \\\n\t'--node-ip' \\\n\t'10.0.0.9' \\\n\t'--node-label' \\\n\t'topology.kubernetes.io/zone=a' \\\n\n",
        ),
        (
            "/etc/systemd/system/k3s-agent.service.env",
            &format!("K3S_TOKEN='K10{CA_HASH}::node:hunter2'\nK3S_URL='https://10.0.0.1:6443'\n"),
        ),
        ("/etc/rancher/node/password", "hunter2"),
    ]);
    agent_files(&tree, DATA);
    balancer(&tree, DATA);
    tree
}

/// A server with this configuration and what a server has.
pub(crate) fn server(config: &str) -> Tree {
    let tree = Tree::new(&[
        ("/etc/rancher/k3s/config.yaml", config),
        (
            "/etc/systemd/system/k3s.service",
            "[Service]\nExecStart=/usr/local/bin/k3s \\\n    server \\\n",
        ),
        ("/etc/rancher/k3s/k3s.yaml", "hunter2: {}\n"),
        (
            &format!("{DATA}/server/token"),
            &format!("K10{CA_HASH}::server:hunter2\n"),
        ),
        (
            &format!("{DATA}/server/node-token"),
            &format!("K10{CA_HASH}::server:hunter2\n"),
        ),
    ]);
    tree.files(
        &format!("{DATA}/server/tls"),
        &[
            "server-ca.crt",
            "server-ca.key",
            "client-admin.crt",
            "client-admin.key",
        ],
    );
    tree.files(
        &format!("{DATA}/server/tls/etcd"),
        &["client.crt", "client.key", "server-ca.crt", "peer-ca.crt"],
    );
    // The folder is there only with etcd.
    if !config.contains("disable-etcd") {
        tree.folder(&format!("{DATA}/server/db/etcd/member"));
    }
    agent_files(&tree, DATA);
    tree
}

#[test]
fn an_agent_of_the_installer() {
    insta::assert_snapshot!(installed_agent().show());
}

#[test]
fn an_agent_with_a_file_overlays_and_a_data_folder_of_its_own() {
    let data = "/data/k3s";
    let tree = Tree::new(&[
        (
            "/etc/rancher/k3s/config.yaml",
            "server: https://old.example:6443\ntoken-file: /etc/rancher/k3s/join\ndata-dir: /data/k3s\nlb-server-port: 7444\nnode-ip: [10.0.0.9, fd00::9]\nnode-label: [a=b]\n",
        ),
        (
            "/etc/rancher/k3s/config.yaml.d/10-server.yaml",
            "server: https://k3s.example\n",
        ),
        (
            "/etc/rancher/k3s/config.yaml.d/20-zone.yml",
            "node-label+: [topology.kubernetes.io/zone=eu-1b]\nnode-name: worker-9\n",
        ),
        (
            "/etc/rancher/k3s/config.yaml.d/30-no-overlay.txt",
            "server: https://wrong.example:6443\n",
        ),
        (
            "/etc/rancher/k3s/config.yaml.d/50-jackline.yaml",
            "server: https://127.0.0.1:6440\ndisable-apiserver-lb: true\n",
        ),
        ("/etc/rancher/k3s/join", &format!("K10{CA_HASH}::node:hunter2\n")),
        (
            "/etc/systemd/system/k3s-agent.service",
            "[Service]\nExecStart=/usr/local/bin/k3s agent\n",
        ),
        // What the variables say is beaten by the file.
        (
            "/etc/systemd/system/k3s-agent.service.env",
            "K3S_URL=https://variable.example:6443\n",
        ),
    ]);
    agent_files(&tree, data);
    balancer(&tree, data);
    insta::assert_snapshot!(tree.show());
}

#[test]
fn flags_of_the_unit_and_a_file_that_they_name() {
    let tree = Tree::new(&[
        (
            "/etc/systemd/system/k3s-agent.service",
            "[Service]\nExecStart=/usr/local/bin/k3s agent --config /opt/k3s.yaml --token ${TOKEN} -s https://flag.example:6443\n",
        ),
        (
            "/opt/k3s.yaml",
            "server: https://file.example:6443\nnode-ip: 10.0.0.9\n",
        ),
        (
            "/etc/rancher/k3s/config.yaml",
            "server: https://wrong.example:6443\n",
        ),
    ]);
    insta::assert_snapshot!(tree.show());
}

#[test]
fn the_first_server_of_a_cluster() {
    insta::assert_snapshot!(server("cluster-init: true\nnode-ip: 10.0.0.1\ntls-san: [k3s.example]\n").show());
}

#[test]
fn a_joined_server_whose_address_no_file_tells() {
    insta::assert_snapshot!(server("server: https://10.0.0.1:6443\ntoken: hunter2\n").show());
}

#[test]
fn an_etcd_only_server() {
    let config = "server: https://10.0.0.1:6443\ndisable-apiserver: true\ndisable-controller-manager: true\ndisable-scheduler: true\n";
    insta::assert_snapshot!(server(config).show());
}

#[test]
fn a_control_plane_only_server() {
    let config = "server: https://10.0.0.1:6443\ndisable-etcd: true\nnode-ip: 10.0.0.4\n";
    let tree = server(config);
    tree.file(
        &format!("{DATA}/agent/etc/k3s-etcd-server-load-balancer.json"),
        "{\"ServerURL\":\"https://10.0.0.1:2379\",\"ServerAddresses\":[\"10.0.0.1:2379\"]}",
    );
    balancer(&tree, DATA);
    insta::assert_snapshot!(tree.show());
}

#[test]
fn what_is_found_can_really_be_presented() {
    let tree = Tree::new(&[("/etc/rancher/k3s/config.yaml", "server: https://10.0.0.1:6443\n")]);
    let data = format!("{}{DATA}", tree.root().display());
    agent_files(&tree, DATA);
    // The paths inside a kubeconfig are whole paths, so they are written with the root in them here.
    let kubeconfig = std::fs::read_to_string(format!("{data}/agent/kubeproxy.kubeconfig")).expect("a file");
    tree.file(
        &format!("{DATA}/agent/kubeproxy.kubeconfig"),
        &kubeconfig.replace(DATA, &data),
    );
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut params = rcgen::CertificateParams::new(vec!["kubernetes".to_owned()]).expect("parameters");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).expect("a certificate");
    for name in ["server-ca.crt", "client-kube-proxy.crt"] {
        tree.file(&format!("{DATA}/agent/{name}"), &certificate.pem());
    }
    tree.file(
        &format!("{DATA}/agent/client-kube-proxy.key"),
        &key.serialize_pem(),
    );

    let cluster = tree.config("").expect("an address and more").cluster;
    let real = |path: Option<std::path::PathBuf>| path.map(|path| under(&tree.root(), &path));
    let trust = Trust::load(TrustConfig {
        ca_file: real(cluster.ca_file),
        server_name: cluster.server_name,
        kubeconfig: real(cluster.kubeconfig),
        client_certificate: None,
        client_key: None,
        token_file: None,
    });
    assert_eq!(trust.problems(), Vec::<String>::new());
    assert!(trust.has_ca());
    assert!(
        trust
            .credential()
            .is_some_and(|credential| credential.has_certificate())
    );
}
