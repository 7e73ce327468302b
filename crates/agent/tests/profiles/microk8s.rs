//! MicroK8s: control planes and workers, all in one snap's folder.

use crate::tree::{Tree, kubeconfig};

const DATA: &str = "/var/snap/microk8s/7000";

fn node() -> Tree {
    let tree = Tree::new(&[
        (
            &format!("{DATA}/args/kubelet"),
            "--kubeconfig=${SNAP_DATA}/credentials/kubelet.config\n--node-labels=\"microk8s.io/cluster=true,topology.kubernetes.io/zone=a\"\n",
        ),
        (
            &format!("{DATA}/args/kube-apiserver"),
            "--cert-dir=${SNAP_DATA}/certs\n--secure-port=16443\n\n# Enable the aggregation layer\n--advertise-address=10.0.0.1\n",
        ),
    ]);
    tree.link("/var/snap/microk8s/current", "7000");
    for name in ["kubelet", "proxy"] {
        tree.file(
            &format!("{DATA}/credentials/{name}.config"),
            &kubeconfig(
                "https://127.0.0.1:16443",
                "/var/snap/microk8s/current/certs/kubelet.crt",
            ),
        );
    }
    tree
}

#[test]
fn a_control_plane() {
    let tree = node();
    tree.file(
        &format!("{DATA}/var/kubernetes/backend/cluster.yaml"),
        "- Address: 10.0.0.1:19001\n  ID: 1\n  Role: 0\n- Address: 10.0.0.2:19001\n  ID: 2\n  Role: 0\n",
    );
    insta::assert_snapshot!(tree.show());
}

#[test]
fn a_worker() {
    let tree = node();
    tree.file(&format!("{DATA}/var/lock/clustered.lock"), "");
    tree.file(
        &format!("{DATA}/args/traefik/provider.yaml"),
        "tcp:\n  routers: {}\n  services:\n    kube-apiserver:\n      loadBalancer:\n        servers:\n        - address: 10.0.0.1:16443\n        - address: 10.0.0.2:16443\n",
    );
    // The CA that it had before it joined.
    tree.files(&format!("{DATA}/certs"), &["ca.crt"]);
    insta::assert_snapshot!(tree.show());
}
