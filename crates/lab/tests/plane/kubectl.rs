//! The real kubectl against it.

use std::process::Stdio;

use jackline_borrowed::{BRING_KUBECTL, not_run};
use jackline_lab::Role;
use tokio::process::Command;
use tokio::time::timeout;

use crate::client::node;
use crate::{LONG, ready_plane};

#[tokio::test]
async fn kubectl_lists_nodes_and_endpoints_and_annotates_the_list() {
    let program = match jackline_borrowed::kubectl() {
        Ok(program) => program,
        Err(why) => {
            return not_run(
                "kubectl_lists_nodes_and_endpoints_and_annotates_the_list",
                &why,
                BRING_KUBECTL,
            );
        }
    };
    let plane = ready_plane(&[("a", Role::Server), ("e", Role::EtcdOnly)]).await;
    node(&plane, "worker-1");
    let a = plane.server("a").expect("planned").address();
    let kubeconfig = plane.admin_kubeconfig(&format!("https://{a}")).expect("written");
    let home = plane.folder().to_owned();
    let kubectl = async |arguments: &[&str]| {
        let mut command = Command::new(&program);
        command
            .args(arguments)
            .env("KUBECONFIG", &kubeconfig)
            .env("HOME", &home)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = timeout(LONG, command.output()).await.expect("in time");
        let output = output.expect("kubectl runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{arguments:?}: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        text
    };
    let both = kubectl(&["get", "nodes,endpoints", "--all-namespaces", "-o", "name"]).await;
    assert_eq!(both, "node/a\nnode/e\nnode/worker-1\nendpoints/kubernetes\n");
    let nodes = kubectl(&["get", "nodes"]).await;
    assert!(
        nodes.starts_with("NAME") && nodes.contains("\nworker-1"),
        "{nodes}"
    );
    kubectl(&["annotate", "endpoints", "kubernetes", "jackline.dev/drain=a"]).await;
    let told = kubectl(&[
        "get",
        "endpoints",
        "kubernetes",
        "-o",
        "jsonpath={.metadata.annotations.jackline\\.dev/drain} {.subsets[0].addresses[0].ip}",
    ])
    .await;
    assert_eq!(told, format!("a {}", a.ip()));
}
