//! K3s and RKE2: an overlay beside their configuration, which the distribution reads after it.

use super::Mode;
use super::own::BEHIND;
use super::plan::Plan;
use super::scene::Scene;
use crate::config::ServerUrl;
use crate::profile::host::Reading;
use crate::profile::options::OWN_OVERLAY;
use crate::profile::{Profile, Role, rke2};

/// Where it cannot be told.
const ROLE: &str =
    "whether this node is a server or an agent cannot be seen: run it as root, or let the node join first";
const NODE_PASSES: &str = "kubectl get node, for this one: it is Ready again after the restart";

/// K3s: agents are pointed at jackline; servers get the name that agents behind jackline ask them for.
pub(crate) fn k3s(scene: &Scene, plan: &mut Plan) {
    let role = role(scene);
    if role.is_none() {
        return plan.block(ROLE);
    }
    let is_agent = role == Some(Role::Agent);
    if plan.mode == Mode::Replace && !is_agent {
        plan.block(
            "a K3s server runs no balancer that could be replaced (disable-apiserver-lb is an option of agents): take --mode stand-behind",
        );
        return;
    }
    // A server's own programs keep to its apiserver: jackline serves the rest of the node there.
    let door = if is_agent { plan.mode } else { Mode::Replace };
    let listener = scene.own.prepare(plan, door, None, is_agent);
    let mut lines = Vec::new();
    if is_agent {
        lines.push(format!("server: https://{listener}"));
    }
    plan.restart(format!("systemctl restart {}", unit(scene, is_agent)));
    if plan.mode == Mode::Replace {
        lines.push("disable-apiserver-lb: true".to_owned());
        plan.check(
            "K3s knows disable-apiserver-lb: `k3s --version` says v1.25.16, v1.26.11, v1.27.8, v1.28.4 or later",
        );
        names_checks(scene, plan, "127.0.0.1", "K3s puts it there by itself");
    } else {
        name_of_servers(scene, plan, &mut lines, role);
    }
    if !is_agent {
        plan.by_hand(server_words(role));
    }
    Overlay::of(scene, "/etc/rancher/k3s/config.yaml").write(scene, plan, &lines);
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
    if role.is_none() {
        return plan.block(ROLE);
    }
    let is_agent = role == Some(Role::Agent);
    let mut lines = Vec::new();
    if is_agent {
        scene.own.prepare(plan, Mode::StandBehind, Some(API), true);
        lines.push(format!("server: https://{BEHIND}:{SUPERVISOR}"));
        scene.own.expect_supervisor(plan, SUPERVISOR);
    } else {
        scene.own.prepare(plan, Mode::Replace, None, false);
        plan.by_hand(format!(
            "nothing changes `server` on an RKE2 server: it takes {API} and {SUPERVISOR} on all addresses itself"
        ));
    }
    plan.restart(format!("systemctl restart {}", unit(scene, is_agent)));
    name_of_servers(scene, plan, &mut lines, role);
    Overlay::of(scene, "/etc/rancher/rke2/config.yaml").write(scene, plan, &lines);
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

/// Why a server's own `server` stays as it is.
fn server_words(role: Option<Role>) -> String {
    match role {
        Some(Role::EtcdOnly | Role::ControlPlaneOnly) => {
            "nothing changes `server`: with split roles it must lead to a server with etcd, and jackline picks apiservers"
        }
        _ => {
            "nothing changes `server`, if there is one: this server's kubelet uses its own apiserver, and a server that is pointed at a \
             name which its peers' certificates do not have yet would not start"
        }
    }
    .to_owned()
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
        let address = match (server, port) {
            (ServerUrl::Host { host, .. }, Some(port)) => format!("{host}:{port}"),
            (ServerUrl::Host { .. }, None) => server.to_string().replace("https://", ""),
            // Whom its records name is not known here.
            (ServerUrl::Service(_), _) => continue,
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

    /// Has it hold these lines, if it would be heard.
    fn write(&self, scene: &Scene, plan: &mut Plan, lines: &[String]) {
        if lines.is_empty() {
            return;
        }
        self.look(scene, plan, lines);
        let mut text = "# Written by `jackline setup`; `jackline setup --undo` takes it back.\n".to_owned();
        for line in lines {
            text.push_str(line);
            text.push('\n');
        }
        plan.change(
            &self.path,
            text.into_bytes(),
            "read after the operator's own files",
        );
    }

    fn look(&self, scene: &Scene, plan: &mut Plan, lines: &[String]) {
        if !matches!(scene.before.read(&self.path), Reading::Missing) {
            plan.block(format!(
                "{} is there and is not as setup wrote it: take your own words into another overlay and remove it",
                self.path
            ));
        }
        for (key, _) in lines.iter().filter_map(|line| line.split_once(':')) {
            let Some(told) = scene.options.last(key.trim_end_matches('+')) else {
                continue;
            };
            if told.by_flag && !key.ends_with('+') {
                plan.block(format!(
                    "{} passes --{key}, and a flag goes before every overlay: take the flag out of the unit, and put what it said into an \
                     overlay of its own (`{key}: …` in {}/10-{key}.yaml)",
                    told.from, self.folder
                ));
            }
            if told.from.starts_with(&self.folder) && told.from > self.path {
                plan.block(format!(
                    "{} is read after {OWN_OVERLAY} and says {key} too: give it a name that sorts before",
                    told.from
                ));
            }
        }
    }
}
