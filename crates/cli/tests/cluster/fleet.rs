//! A drain for the whole fleet, written by the real kubectl into the lab's control plane and heeded by a node.

use jackline_agent::status::{Administration, Drainer, Health, Status};
use jackline_lab::Server;

use crate::kubectl::Kubectl;
use crate::node::{Node, endpoint, plane, server};
use crate::program::{Ended, end_of, jackline};

impl Kubectl {
    /// `jackline` with these arguments, for an operator whose kubectl this is.
    async fn jackline(&self, arguments: &[&str]) -> Ended {
        let mut command = jackline(arguments);
        command.envs(self.variables());
        end_of(command).await
    }
}

fn drained(status: &Status, server: &Server) -> bool {
    let one = endpoint(status, server).expect("it is known");
    one.administration == Administration::Draining && one.drained_by == [Drainer::Fleet]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_is_drained_by_one_command_and_never_of_its_last_server() {
    let plane = plane().await;
    // It may watch the Endpoints object, on which the annotation is.
    let node = Node::start(&plane, "n1", |files| {
        format!("kubeconfig: {}", files.k3s_controller_kubeconfig.display())
    });
    let ready = |status: &Status| {
        status
            .endpoints
            .iter()
            .filter(|one| one.health == Health::Ready)
            .count()
            == 3
    };
    node.when("three ready", ready).await;
    let Some(kubectl) = Kubectl::through("a_fleet_is_drained_by_one_command", &node, &plane, false) else {
        return;
    };
    let [a, b, c] = ["a", "b", "c"].map(|name| server(&plane, name));
    let ip = |server: &Server| server.address().ip().to_string();

    let ended = kubectl
        .jackline(&["drain", &ip(&b), "--all-nodes", "--for", "1h"])
        .await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.out.contains("for the whole fleet until "), "{}", ended.out);
    node.when("b is drained", |status| drained(status, &b)).await;
    let ended = kubectl.jackline(&["drain", &ip(&c), "--all-nodes"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let both = |status: &Status| drained(status, &b) && drained(status, &c);
    node.when("c too, and b still", both).await;

    let ended = kubectl.jackline(&["drain", &ip(&a), "--all-nodes"]).await;
    assert_eq!(ended.code, Some(1), "{}", ended.out);
    assert!(
        ended.err.contains("the last") && ended.err.contains("--force"),
        "{}",
        ended.err
    );
    let ended = kubectl.jackline(&["drain", "10.9.9.9", "--all-nodes"]).await;
    assert_eq!(ended.code, Some(1), "no apiserver: {}", ended.out);

    for one in [&b, &c] {
        let ended = kubectl.jackline(&["undrain", &ip(one), "--all-nodes"]).await;
        assert_eq!(ended.code, Some(0), "{}", ended.err);
    }
    let none = |status: &Status| {
        !status
            .endpoints
            .iter()
            .any(|one| one.administration == Administration::Draining)
    };
    node.when("nobody is drained", none).await;
}

#[tokio::test]
async fn without_kubectl_the_command_to_run_is_told() {
    let mut command = jackline(["drain", "10.0.0.1", "--all-nodes"]);
    command.env("PATH", "/nowhere");
    let ended = end_of(command).await;
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.err.contains("there is no kubectl here") && ended.err.contains("-n default"),
        "{}",
        ended.err
    );
}
