//! RKE2: the supervisor has a port of its own, and both units are installed everywhere.

use crate::tree::Tree;

pub(crate) const DATA: &str = "/var/lib/rancher/rke2";

pub(crate) fn node(config: &str, unit: &str) -> Tree {
    let tree = Tree::new(&[
        ("/etc/rancher/rke2/config.yaml", config),
        (
            "/usr/lib/systemd/system/rke2-server.service",
            "[Service]\nExecStart=/usr/local/bin/rke2 server\n",
        ),
        (
            "/usr/lib/systemd/system/rke2-agent.service",
            "[Service]\nExecStart=/usr/local/bin/rke2 agent\n",
        ),
        (
            &format!("{DATA}/agent/etc/rke2-agent-load-balancer.json"),
            "{\"ServerURL\":\"https://10.0.0.1:9345\",\"ServerAddresses\":[\"10.0.0.2:9345\"]}",
        ),
        (
            &format!("{DATA}/agent/etc/rke2-api-server-agent-load-balancer.json"),
            "{\"ServerURL\":\"https://10.0.0.1:6443\",\"ServerAddresses\":[\"10.0.0.2:6443\"]}",
        ),
    ]);
    tree.link(
        &format!("/etc/systemd/system/multi-user.target.wants/{unit}"),
        &format!("/usr/lib/systemd/system/{unit}"),
    );
    crate::k3s::agent_files(&tree, DATA);
    tree
}

#[test]
fn an_agent() {
    let tree = node(
        "server: https://rke2.example:9345\ntoken: hunter2\nnode-label:\n  - topology.kubernetes.io/zone=c\n",
        "rke2-agent.service",
    );
    insta::assert_snapshot!(tree.show());
}

#[test]
fn a_server() {
    let tree = node(
        "server: https://10.0.0.1:9345\ntoken-file: /etc/rancher/rke2/join\nnode-ip: 10.0.0.2\ntls-san:\n  - rke2.example\n",
        "rke2-server.service",
    );
    tree.file("/etc/rancher/rke2/join", "K10abc::server:hunter2\n");
    tree.files(&format!("{DATA}/server/tls"), &["server-ca.crt"]);
    insta::assert_snapshot!(tree.show());
}

#[test]
fn supervisors_are_carried_on_agents_and_nowhere_on_ports_that_rke2_has_itself() {
    const JOINED: &str = "server: https://10.0.0.1:9345\ntoken: hunter2\n";
    let agent = node(JOINED, "rke2-agent.service").config("").expect("valid");
    let supervisor = agent.services.supervisor.expect("carried");
    assert_eq!(supervisor.listen[0].to_string(), "127.0.0.2:9345");
    assert!(agent.services.etcd.is_none());
    let server = node(JOINED, "rke2-server.service");
    let config = server.config("").expect("valid");
    assert!(config.services.supervisor.is_none() && config.services.etcd.is_none());
    for section in [
        "supervisor: { listen: [\"127.0.0.2:9345\"] }",
        "etcd: { listen: [\"127.0.0.1:2379\"] }",
    ] {
        let refused = server.config(&format!("services: {{ {section} }}\n"));
        let words = refused.err().unwrap_or_else(|| panic!("{section} is taken"));
        assert!(words.contains("is taken on this node by"), "{words}");
    }
}

#[test]
fn a_control_plane_only_server_has_a_door_to_etcd_beside_rke2s_own() {
    let tree = node(
        "server: https://10.0.0.1:9345\ntoken: hunter2\ndisable-etcd: true\n",
        "rke2-server.service",
    );
    tree.files(
        &format!("{DATA}/server/tls/etcd"),
        &["server-ca.crt", "client.crt", "client.key"],
    );
    let etcd = tree.config("").expect("valid").services.etcd.expect("carried");
    assert_eq!(etcd.listen[0].to_string(), "127.0.0.2:2379");
    assert_eq!(etcd.endpoints[0].0.to_string(), "https://10.0.0.1:2379");
    assert!(etcd.ca_file.is_some() && etcd.client_key.is_some());
    // Its files may not be there yet: the service is, tested no deeper than TLS, and what is missing is told.
    tree.folder(&format!("{DATA}/server/tls/etcd/client.key"));
    let config = tree.config("").expect("valid");
    assert!(config.services.etcd.is_some());
    assert!(
        config
            .warnings
            .iter()
            .any(|warning| warning.contains("what etcd's members want to see")),
        "{:?}",
        config.warnings
    );
}

#[test]
fn an_etcd_only_server_is_not_pointed_at_its_own_balancer() {
    let tree = node(
        "server: https://10.0.0.1:9345\ntoken: hunter2\ndisable-apiserver: true\n",
        "rke2-server.service",
    );
    let shown = tree.show();
    assert!(shown.contains("role etcd-only"), "{shown}");
    assert!(
        !shown.contains("endpoints:"),
        "127.0.0.1:6443 is RKE2's balancer there: {shown}"
    );
}
