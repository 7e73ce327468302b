//! Distributions on which setup changes nothing itself: it tells what to do, and writes no file.

use super::Mode;
use super::plan::Plan;
use super::scene::Scene;

const LISTENER: &str = "127.0.0.1:6440";
const BLOCKED: &str = "setup changes nothing by itself here: do what is to be done by hand";

/// k0s.
pub(crate) fn k0s(scene: &Scene, plan: &mut Plan) {
    plan.block(BLOCKED);
    if plan.mode == Mode::StandBehind {
        plan.by_hand(
            "k0s's node-local load balancing takes its servers from the cluster alone and falls back to nobody: jackline cannot stand \
             behind it; take --mode replace",
        );
        return;
    }
    servers(scene, plan);
    plan.check("node-local load balancing is off, or it would write the address anew (spec.network.nodeLocalLoadBalancing.enabled in k0s.yaml)");
    plan.by_hand("keep a copy of the worker's kubelet.conf, in k0s's data folder");
    plan.by_hand(format!(
        "in it: server: https://{LISTENER}, and under it tls-server-name: kubernetes"
    ));
    plan.restart("systemctl restart k0sworker");
}

/// MicroK8s.
pub(crate) fn microk8s(scene: &Scene, plan: &mut Plan) {
    plan.block(BLOCKED);
    if plan.mode == Mode::StandBehind {
        plan.by_hand(
            "MicroK8s's apiserver-proxy takes its servers from the cluster and writes its list anew: jackline cannot stand behind it; \
             take --mode replace",
        );
        return;
    }
    servers(scene, plan);
    plan.by_hand("keep copies of credentials/kubelet.config and credentials/proxy.config in /var/snap/microk8s/current");
    plan.by_hand(format!(
        "in both: server: https://{LISTENER} instead of https://127.0.0.1:16443, and under it tls-server-name: kubernetes"
    ));
    plan.restart("snap restart microk8s.daemon-kubelite");
}

/// Nothing that is known.
pub(crate) fn generic(scene: &Scene, plan: &mut Plan) {
    plan.block(
        "no known distribution is here, so setup changes nothing by itself: do what is to be done by hand, or say which it is (--profile)",
    );
    servers(scene, plan);
    plan.by_hand(format!(
        "in each kubeconfig of this node's programs: server: https://{LISTENER}, and under it tls-server-name: kubernetes"
    ));
}

/// jackline's own part.
fn servers(scene: &Scene, plan: &mut Plan) {
    let servers: Vec<String> = scene.own.config.servers.iter().map(ToString::to_string).collect();
    plan.by_hand(if servers.is_empty() {
        "in /etc/jackline/config.yaml: servers: [\"https://HOST:PORT\"], the addresses that the node uses today".to_owned()
    } else {
        format!("in /etc/jackline/config.yaml: servers: {servers:?}, for the node's own files will tell them no longer")
    });
}
