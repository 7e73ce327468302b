//! k0s: workers and controllers.

use crate::tree::{Tree, kubeconfig};

const CURRENT: &str = "/var/lib/k0s/kubelet/pki/kubelet-client-current.pem";

fn worker() -> Tree {
    let tree = Tree::new(&[
        (
            "/etc/systemd/system/k0sworker.service",
            "[Service]\nExecStart=/usr/local/bin/k0s worker --labels=topology.kubernetes.io/zone=a --token-file=/etc/k0s/k0stoken\n",
        ),
        (
            "/var/lib/k0s/kubelet.conf",
            &kubeconfig("https://k0s.example:6443", CURRENT),
        ),
    ]);
    tree.files("/var/lib/k0s/pki", &["ca.crt"]);
    tree.files("/var/lib/k0s/kubelet/pki", &["kubelet-client-current.pem"]);
    tree
}

#[test]
fn a_worker() {
    insta::assert_snapshot!(worker().show());
}

#[test]
fn a_controller_without_a_worker_has_no_credential_of_a_node() {
    let tree = Tree::new(&[
        (
            "/etc/systemd/system/k0scontroller.service",
            "[Service]\nExecStart=/usr/local/bin/k0s controller --config=/opt/k0s.yaml\n",
        ),
        (
            "/opt/k0s.yaml",
            "apiVersion: k0s.k0sproject.io/v1beta1\nkind: ClusterConfig\nspec:\n  api:\n    address: 10.0.0.1\n    port: 6443\n    externalAddress: k0s.example\n    sans: [10.0.0.1]\n",
        ),
    ]);
    tree.files("/var/lib/k0s/pki", &["ca.crt", "ca.key", "admin.conf"]);
    tree.files(
        "/var/lib/k0s/pki",
        &[
            "apiserver-etcd-client.crt",
            "apiserver-etcd-client.key",
            "etcd/ca.crt",
        ],
    );
    tree.folder("/var/lib/k0s/etcd/member");
    insta::assert_snapshot!(tree.show());
}

#[test]
fn a_data_folder_elsewhere_without_units() {
    let tree = Tree::new(&[("/etc/k0s/k0s.yaml", "spec: {api: {address: 10.0.0.1}}\n")]);
    tree.file(
        "/etc/systemd/system/k0scontroller.service",
        "[Service]\nExecStart=/usr/local/bin/k0s controller --enable-worker --data-dir /data/k0s\n",
    );
    tree.file(
        "/data/k0s/kubelet.conf",
        &kubeconfig("https://localhost:7443", CURRENT),
    );
    tree.files("/data/k0s/kubelet/pki", &["kubelet-client-current.pem"]);
    insta::assert_snapshot!(tree.show());
}
