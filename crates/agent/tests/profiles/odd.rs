//! Nodes that are not as they should be: nothing here, too much, pieces missing, unreadable or damaged.

use jackline_agent::profile::Profile;

use crate::tree::Tree;
use crate::{k3s, kubeadm, rke2};

#[test]
fn an_empty_machine_is_generic_and_refused_only_for_want_of_an_address() {
    let tree = Tree::new(&[]);
    insta::assert_snapshot!(tree.show());
    let refused = tree.config("").expect_err("nothing to begin with");
    assert!(refused.contains("no apiserver is known"), "{refused}");
    let config = tree
        .config("servers: [\"https://10.0.0.1:6443\"]\n")
        .expect("an address is enough");
    assert_eq!(config.profile.profile, Profile::Generic);
}

#[test]
fn two_distributions_are_refused_until_somebody_says_which() {
    let tree = k3s::installed_agent();
    tree.file("/etc/rancher/rke2/config.yaml", "server: https://10.0.0.7:9345\n");
    let refused = tree.config("").expect_err("which of them?");
    insta::assert_snapshot!(refused);
    for (profile, server) in [("k3s", "10.0.0.1"), ("rke2", "10.0.0.7")] {
        let config = tree.config(&format!("profile: {profile}\n")).expect(profile);
        assert_eq!(
            config.servers[0]
                .address()
                .map(|address| address.ip().to_string())
                .as_deref(),
            Some(server)
        );
    }
    let config = tree
        .config("profile: generic\nservers: [\"https://10.0.0.8\"]\n")
        .expect("nothing is looked for");
    assert!(config.cluster.kubeconfig.is_none() && config.supervisor.is_none() && config.import.is_empty());
}

#[test]
fn what_is_given_by_hand_goes_before_the_profile_and_credentials_are_not_mixed() {
    let tree = k3s::installed_agent();
    insta::assert_snapshot!(tree.show_with(
        "servers: [\"https://10.9.9.9:6443\"]\nnode: { zone: z }\ncluster: { token-file: /t }\nsupervisor: { token-file: /s }\n"
    ));
}

#[test]
fn a_node_that_has_not_joined_yet() {
    let tree = Tree::new(&[("/etc/rancher/k3s/config.yaml", "server: https://10.0.0.1:6443\n")]);
    insta::assert_snapshot!(tree.show());
    tree.config("").expect("an address to begin with is enough");
}

#[test]
fn files_that_cannot_be_read_are_told_with_the_remedy() {
    let tree = k3s::installed_agent();
    let agent = format!("{}/agent", k3s::DATA);
    for name in [
        "client-kube-proxy.key",
        "client-kubelet.key",
        "client-k3s-controller.key",
        "server-ca.crt",
        "etc/k3s-agent-load-balancer.json",
    ] {
        tree.folder(&format!("{agent}/{name}"));
    }
    tree.folder("/etc/systemd/system/k3s-agent.service.env");
    insta::assert_snapshot!(tree.show());
}

#[test]
fn the_kubelets_certificate_is_the_next_best_and_enough_for_supervisors() {
    let tree = k3s::installed_agent();
    tree.remove(&format!("{}/agent/kubeproxy.kubeconfig", k3s::DATA));
    tree.file(
        "/etc/systemd/system/k3s-agent.service.env",
        "K3S_URL='https://10.0.0.1:6443'\n",
    );
    insta::assert_snapshot!(tree.show());
}

#[test]
fn a_bare_secret_and_a_token_file_that_is_gone() {
    let tree = Tree::new(&[(
        "/etc/rancher/k3s/config.yaml",
        "server: https://10.0.0.1:6443\ntoken: hunter2\n",
    )]);
    let shown = tree.show();
    assert!(shown.contains("the token is a bare secret"), "{shown}");
    assert!(shown.contains("token: (hidden)"), "{shown}");
    tree.file(
        "/etc/rancher/k3s/config.yaml",
        "server: https://10.0.0.1:6443\ntoken-file: /gone\n",
    );
    let shown = tree.show();
    assert!(
        shown.contains("/gone is not there, which /etc/rancher/k3s/config.yaml names"),
        "{shown}"
    );
    assert!(!shown.contains("supervisor:"), "{shown}");
}

#[test]
fn damaged_files_are_told_and_the_rest_is_used() {
    let tree = k3s::installed_agent();
    tree.file("/etc/rancher/k3s/config.yaml", "server: [\ntoken: hunter2\n");
    let shown = tree.show();
    assert!(
        shown.contains("missing: /etc/rancher/k3s/config.yaml is no YAML"),
        "{shown}"
    );
    assert!(
        shown.contains("https://10.0.0.1:6443"),
        "the variables are read all the same: {shown}"
    );

    let tree = kubeadm::worker("ftp://cp.example");
    let shown = tree.show();
    assert!(
        shown.contains("in /etc/kubernetes/kubelet.conf") && shown.contains("is not an https address"),
        "{shown}"
    );
    tree.file("/etc/kubernetes/kubelet.conf", "\u{0}");
    assert!(
        tree.show().contains("the server in /etc/kubernetes/kubelet.conf"),
        "{}",
        tree.show()
    );
}

#[test]
fn a_value_that_makes_no_sense_is_left_out_and_told() {
    let tree = Tree::new(&[(
        "/etc/rancher/k3s/config.yaml",
        "server: https://10.0.0.1:6443\nnode-name: \"a\\tb\"\n",
    )]);
    let config = tree
        .config("")
        .expect("another program's mistake is no reason to refuse");
    let told = config.warnings.join("\n");
    assert!(
        told.contains("profile k3s: node.name is not taken from there"),
        "{told}"
    );
}

#[test]
fn a_profile_that_is_named_where_nothing_of_it_is() {
    let tree = Tree::new(&[]);
    insta::assert_snapshot!(tree.show_with("profile: kubeadm\n"));
    let refused = tree.config("profile: kubeadm\n").expect_err("no address");
    assert!(refused.contains("profile kubeadm misses"), "{refused}");
}

#[test]
fn ports_that_k3s_shares_silently_are_refused() {
    let cases = [
        ("127.0.0.1:6444", true),
        ("127.0.0.1:6443", true),
        ("[::1]:6444", true),
        ("0.0.0.0:2379", true),
        ("127.0.0.2:6443", false),
        ("127.0.0.1:6445", false),
    ];
    for (address, refused) in cases {
        let result = k3s::installed_agent().config(&format!("listen: [\"{address}\"]\n"));
        assert_eq!(result.is_err(), refused, "{address}: {result:?}");
    }
    let told = k3s::installed_agent()
        .config("listen: [\"127.0.0.1:6444\"]\n")
        .expect_err("K3s's own");
    insta::assert_snapshot!(told);
    // A server listens on all addresses, an agent only on 127.0.0.1.
    let server = k3s::server("node-ip: 10.0.0.1\n");
    assert!(server.config("listen: [\"127.0.0.2:6443\"]\n").is_err());
    let agent = rke2::node("server: https://10.0.0.1:9345\n", "rke2-agent.service");
    assert!(agent.config("listen: [\"127.0.0.2:6443\"]\n").is_ok());
    // Moved ports are the ones that count.
    let tree = k3s::server("lb-server-port: 7444\nhttps-listen-port: 7443\nnode-ip: 10.0.0.1\n");
    assert!(tree.config("listen: [\"127.0.0.1:6444\"]\n").is_ok());
    assert!(tree.config("listen: [\"127.0.0.1:7444\"]\n").is_err());
}
