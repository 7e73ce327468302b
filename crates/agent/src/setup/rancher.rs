//! K3s and RKE2: an overlay beside their configuration, which the distribution reads after it.

use super::Mode;
use super::own::BEHIND;
use super::plan::Plan;
use super::scene::Scene;
use crate::profile::host::Reading;
use crate::profile::options::OWN_OVERLAY;
use crate::profile::{Profile, Role, rke2};

const NODE_PASSES: &str = "kubectl get node, for this one: it is Ready again after the restart";

/// K3s: agents and combined servers may be pointed at jackline; servers with split roles need one certain peer.
pub(crate) fn k3s(scene: &Scene, plan: &mut Plan) {
    let role = role(scene);
    let is_agent = role == Some(Role::Agent);
    if plan.mode == Mode::Replace && !is_agent {
        plan.block(
            "a K3s server runs no balancer that could be replaced (disable-apiserver-lb is an option of agents): take --mode stand-behind",
        );
        return;
    }
    let overlay = Overlay::of(scene, "/etc/rancher/k3s/config.yaml");
    overlay.look(scene, plan);
    let joined = scene.options.last("server").is_some();
    let repoint = matches!(role, Some(Role::Agent | Role::Server)) && joined;
    let listener = scene.own.prepare(plan, plan.mode, None, repoint || is_agent);
    let mut lines = Vec::new();
    if repoint || is_agent {
        lines.push(format!("server: https://{listener}"));
    }
    if plan.mode == Mode::Replace {
        lines.push("disable-apiserver-lb: true".to_owned());
        plan.check(
            "K3s knows disable-apiserver-lb: `k3s --version` says v1.25.16, v1.26.11, v1.27.8, v1.28.4 or later",
        );
        names_checks(scene, plan, "127.0.0.1", "K3s puts it there by itself");
    } else {
        name_of_servers(scene, plan, &mut lines, role);
    }
    if !repoint && !is_agent {
        plan.by_hand(split_words(role));
    }
    let unit = unit(scene, is_agent);
    overlay.write(plan, &lines);
    plan.then(format!("systemctl restart {unit}"));
    plan.then(NODE_PASSES);
}

/// RKE2: it drops disable-apiserver-lb, so jackline stands behind; and it needs the supervisor's port too.
pub(crate) fn rke2(scene: &Scene, plan: &mut Plan) {
    const API: u16 = rke2::API;
    const SUPERVISOR: u16 = rke2::SUPERVISOR;
    if plan.mode == Mode::Replace {
        plan.block("RKE2 drops disable-apiserver-lb and keeps its own balancer: take --mode stand-behind");
        return;
    }
    let role = role(scene);
    let is_agent = role == Some(Role::Agent);
    let overlay = Overlay::of(scene, "/etc/rancher/rke2/config.yaml");
    overlay.look(scene, plan);
    let mut lines = Vec::new();
    if is_agent {
        scene.own.prepare(plan, Mode::StandBehind, Some(API), true);
        lines.push(format!("server: https://{BEHIND}:{SUPERVISOR}"));
        for service in scene.layout.services.iter().filter(|service| !service.carried) {
            plan.block(format!(
                "RKE2 fetches its configuration from {} on {BEHIND}:{}, which jackline's listeners cannot carry yet: this node \
                 would not start again. Point other clients at jackline's listener, and leave RKE2 as it is",
                service.what, service.port
            ));
        }
    } else {
        plan.by_hand(format!(
            "nothing changes `server` on an RKE2 server: it takes {API} and {SUPERVISOR} on all addresses itself"
        ));
    }
    name_of_servers(scene, plan, &mut lines, role);
    overlay.write(plan, &lines);
    plan.then(format!("systemctl restart {}", unit(scene, is_agent)));
    plan.then(NODE_PASSES);
}

fn role(scene: &Scene) -> Option<Role> {
    scene.found.role.as_ref().map(|(role, _)| *role)
}

/// The unit's name, from the file that tells the role.
fn unit(scene: &Scene, is_agent: bool) -> String {
    let name = scene.found.profile;
    match (scene.found.profile, is_agent) {
        (Profile::K3s, false) => "k3s".to_owned(),
        (_, true) => format!("{name}-agent"),
        (_, false) => format!("{name}-server"),
    }
}

fn split_words(role: Option<Role>) -> String {
    match role {
        Some(Role::Server) => "nothing changes `server`: this server joined nobody, others joined it".to_owned(),
        Some(Role::EtcdOnly | Role::ControlPlaneOnly) => {
            "nothing changes `server`: with split roles it must lead to a server with etcd, and jackline picks apiservers".to_owned()
        }
        Some(Role::Agent) | None => "the role of this node is not known: say in words of K3s's what it is (its unit, its data folder)".to_owned(),
    }
}

/// Standing behind: the servers' certificates must name the address that their clients now dial.
fn name_of_servers(scene: &Scene, plan: &mut Plan, lines: &mut Vec<String>, role: Option<Role>) {
    let name = BEHIND.to_string();
    if role == Some(Role::Agent) {
        names_checks(
            scene,
            plan,
            &name,
            "`jackline setup --write` on each server puts it there (tls-san), and servers come first",
        );
        return;
    }
    let named = scene.options.all("tls-san").iter().any(|told| {
        let mut names = told.value.split(',');
        names.any(|word| word.trim() == name)
    });
    if !named {
        // The plus adds to the operator's own list.
        lines.push(format!("tls-san+: [{name:?}]"));
    }
    plan.then("once all servers are done: `jackline setup --write --mode stand-behind` on the agents");
}

fn names_checks(scene: &Scene, plan: &mut Plan, name: &str, how: &str) {
    let servers = &scene.own.config.servers;
    let port = if scene.found.profile == Profile::Rke2 {
        Some(rke2::SUPERVISOR)
    } else {
        None
    };
    for server in servers {
        let address = match port {
            Some(port) => format!("{}:{port}", server.host),
            None => server.to_string().replace("https://", ""),
        };
        plan.check(format!(
            "the certificate of {address} names {name} ({how}): \
             `openssl s_client -connect {address} </dev/null 2>/dev/null | openssl x509 -noout -ext subjectAltName`"
        ));
    }
}

/// The overlay that setup writes.
struct Overlay {
    path: String,
    folder: String,
}

impl Overlay {
    fn of(scene: &Scene, config: &str) -> Self {
        let config = scene
            .options
            .last("config")
            .or(scene.options.last("c"))
            .map_or(config, |told| told.value.as_str());
        let folder = format!("{config}.d");
        Self {
            path: format!("{folder}/{OWN_OVERLAY}"),
            folder,
        }
    }

    /// Whether it would be heard.
    fn look(&self, scene: &Scene, plan: &mut Plan) {
        if !matches!(scene.before.read(&self.path), Reading::Missing) {
            plan.block(format!(
                "{} is there and is not as setup wrote it: take your own words into another overlay and remove it",
                self.path
            ));
        }
        if let Some(told) = scene.options.last("server").filter(|told| told.by_flag) {
            plan.block(format!(
                "{} passes --server, and a flag goes before every overlay: take the flag out of the unit, and put the address \
                 into an overlay of its own (`server: …` in {}/10-server.yaml)",
                told.from, self.folder
            ));
        }
        for key in ["server", "disable-apiserver-lb", "tls-san"] {
            let later = scene
                .options
                .last(key)
                .filter(|told| told.from.starts_with(&self.folder) && told.from > self.path);
            if let Some(told) = later {
                plan.block(format!(
                    "{} is read after {OWN_OVERLAY} and says {key} too: give it a name that sorts before",
                    told.from
                ));
            }
        }
    }

    fn write(&self, plan: &mut Plan, lines: &[String]) {
        if lines.is_empty() {
            return;
        }
        let mut text = "# Written by `jackline setup`; `jackline setup --undo` takes it back.\n".to_owned();
        for line in lines {
            text.push_str(line);
            text.push('\n');
        }
        plan.change(
            &self.path.clone(),
            text.into_bytes(),
            "read after the operator's own files",
        );
    }
}
