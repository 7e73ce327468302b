//! kubeadm: workers, stacked and split control planes.

use crate::tree::{PEM, Tree, kubeconfig};

const PKI: &str = "/var/lib/kubelet/pki";
pub(crate) const CURRENT: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";

pub(crate) fn worker(server: &str) -> Tree {
    let tree = Tree::new(&[
        ("/etc/kubernetes/kubelet.conf", &kubeconfig(server, CURRENT)),
        ("/etc/kubernetes/pki/ca.crt", PEM),
        (
            "/var/lib/kubelet/kubeadm-flags.env",
            "KUBELET_KUBEADM_ARGS=\"--container-runtime-endpoint=unix:///var/run/containerd/containerd.sock --hostname-override=worker-1 --pod-infra-container-image=registry.k8s.io/pause:3.10\"\n",
        ),
        (
            "/etc/default/kubelet",
            "KUBELET_EXTRA_ARGS=--node-ip=10.0.0.9 --node-labels=topology.kubernetes.io/zone=b,x=y\n",
        ),
        ("/var/lib/kubelet/config.yaml", "kind: KubeletConfiguration\n"),
        (&format!("{PKI}/kubelet-client-2026-01-01-00-00-00.pem"), PEM),
    ]);
    tree.link(CURRENT, &format!("{PKI}/kubelet-client-2026-01-01-00-00-00.pem"));
    tree
}

fn pod(name: &str, flags: &[&str]) -> String {
    let flags: String = flags.iter().map(|flag| format!("    - {flag}\n")).collect();
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\nspec:\n  containers:\n  - command:\n    - {name}\n{flags}    image: registry.k8s.io/{name}:v1.36.0\n    name: {name}\n"
    )
}

pub(crate) fn control_plane(stacked: bool) -> Tree {
    // Newer ones point their own kubelet at their own apiserver.
    let tree = worker("https://10.0.0.1:6443");
    tree.file(
        "/etc/kubernetes/admin.conf",
        &kubeconfig("https://cp.example:6443", "/hunter2"),
    );
    let flags = [
        "--advertise-address=10.0.0.1",
        "--client-ca-file=/etc/kubernetes/pki/ca.crt",
        "--secure-port=6443",
    ];
    tree.file(
        "/etc/kubernetes/manifests/kube-apiserver.yaml",
        &pod("kube-apiserver", &flags),
    );
    if stacked {
        tree.file(
            "/etc/kubernetes/manifests/etcd.yaml",
            &pod("etcd", &["--advertise-client-urls=https://10.0.0.1:2379"]),
        );
        tree.files(
            "/etc/kubernetes/pki/etcd",
            &["ca.crt", "healthcheck-client.crt", "healthcheck-client.key"],
        );
    }
    tree
}

#[test]
fn a_worker() {
    insta::assert_snapshot!(worker("https://cp.example:6443").show());
}

#[test]
fn a_stacked_control_plane() {
    insta::assert_snapshot!(control_plane(true).show());
}

#[test]
fn a_control_plane_with_its_etcd_elsewhere() {
    let shown = control_plane(false).show();
    assert!(
        shown.contains("role control-plane-only: /etc/kubernetes/manifests/kube-apiserver.yaml is there"),
        "{shown}"
    );
}

#[test]
fn a_member_of_an_etcd_of_its_own() {
    let tree = worker("https://cp.example:6443");
    tree.file("/etc/kubernetes/manifests/etcd.yaml", &pod("etcd", &[]));
    let shown = tree.show();
    assert!(shown.contains("role etcd-only"), "{shown}");
    assert!(!shown.contains("prefer-local"), "{shown}");
}

#[test]
fn a_kubelet_that_was_pointed_at_jackline_gives_no_server() {
    let tree = worker("https://127.0.0.1:6440");
    insta::assert_snapshot!(tree.show_with("servers: [\"https://cp.example:6443\"]\n"));
}

#[test]
fn the_package_alone_is_no_node() {
    let tree = Tree::new(&[]);
    tree.folder("/etc/kubernetes/manifests");
    tree.file("/etc/default/kubelet", "KUBELET_EXTRA_ARGS=\n");
    let shown = tree.show();
    assert!(
        shown.starts_with("## profile generic: nothing of a known"),
        "{shown}"
    );
}
