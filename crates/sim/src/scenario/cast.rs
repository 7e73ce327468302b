//! Who there is in a scenario, and what they can do.

use std::time::Duration;

use jackline_core::SourceKind;

use crate::plane::{Role, ServerId};
use crate::spec::{ClientKind, NodeSpec, Registration, ServerSpec, WorldSpec, kind_word};

/// A world without anybody.
pub(crate) fn nobody() -> WorldSpec {
    WorldSpec {
        seed: 1,
        servers: Vec::new(),
        nodes: Vec::new(),
        anonymous: false,
        delay: Duration::ZERO,
        name_tells: Vec::new(),
    }
}

/// Names with commas and "and" between them.
fn names(text: &str) -> Vec<String> {
    let text = text.trim().trim_end_matches('.').replace(" and ", ", ");
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

/// `etcd1 (etcd only), cp1 (control plane) and cp2`.
pub(crate) fn servers(text: &str) -> Result<Vec<ServerSpec>, String> {
    let read = |entry: String| {
        let (name, role) = entry.split_once('(').unwrap_or((&entry, "server)"));
        let (role, without_node) = match role.trim_end_matches(')') {
            "server" => (Role::Server, false),
            "server without a Node" => (Role::Server, true),
            "etcd only" => (Role::EtcdOnly, false),
            "control plane" => (Role::ControlPlane, false),
            other => return Err(format!("{other:?} is no kind of server")),
        };
        Ok(ServerSpec {
            name: name.trim().to_owned(),
            role,
            without_node,
            zone: None,
        })
    };
    names(text).into_iter().map(read).collect()
}

fn find(world: &WorldSpec, name: &str) -> Result<ServerId, String> {
    let found = world.servers.iter().position(|server| server.name == name);
    found
        .map(ServerId)
        .ok_or_else(|| format!("there is no server called {name}"))
}

/// `n1 and n2, joined to etcd1`, or `…, joined to a name of cp1 and cp2`.
pub(crate) fn nodes(world: &mut WorldSpec, text: &str) -> Result<(), String> {
    let (who, to) = text
        .trim_end_matches('.')
        .split_once(", joined to ")
        .ok_or("say what the nodes are joined to")?;
    let registration = match to.strip_prefix("a name of ") {
        Some(servers) => {
            let ids: Result<Vec<ServerId>, String> =
                names(servers).iter().map(|name| find(world, name)).collect();
            world.name_tells = ids?;
            Registration::Name
        }
        None => Registration::Address(WorldSpec::address(find(world, to.trim())?)),
    };
    for name in names(who) {
        let number = u32::try_from(world.nodes.len() + 1).unwrap_or(u32::MAX);
        world.nodes.push(NodeSpec::usual(&name, number, registration));
    }
    Ok(())
}

/// What else is given, for all nodes.
pub(crate) fn given(world: &mut WorldSpec, text: &str) -> Result<(), String> {
    let text = text.trim().trim_end_matches('.');
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        ["the", "anonymous", "may", "ask"] => world.anonymous = true,
        ["a", "delay", "of", n, "ms"] => world.delay = Duration::from_millis(number(n)?),
        ["no", "credential"] => each(world, |node| node.credential = false),
        ["no", "watches"] => each(world, |node| node.may_watch = false),
        ["a", "grace", "of", n, "s"] => {
            let grace = Duration::from_secs(number(n)?);
            each(world, |node| node.settings.grace = grace);
        }
        ["a", "settling", "time", "of", n, "s"] => {
            let settling = Duration::from_secs(number(n)?);
            each(world, |node| node.settings.settling_time = settling);
        }
        ["a", "drain", "time", "of", n, "s"] => {
            let drain = Duration::from_secs(number(n)?);
            each(world, |node| node.settings.drain_time = drain);
        }
        ["callers", "each", n, "ms"] => {
            let pause = Duration::from_millis(number(n)?);
            each(world, |node| {
                node.clients = vec![
                    ClientKind::Kubelet,
                    ClientKind::Watcher,
                    ClientKind::Caller(pause),
                ];
            });
        }
        ["only", "lasting", "clients"] => each(world, |node| {
            node.clients = vec![ClientKind::Kubelet, ClientKind::Watcher, ClientKind::Watcher];
        }),
        ["sources", ..] => {
            let kinds: Result<Vec<SourceKind>, String> = names(text.trim_start_matches("sources"))
                .iter()
                .map(|word| kind(word))
                .collect();
            let kinds = kinds?;
            each(world, |node| node.sources.clone_from(&kinds));
        }
        ["a", "static", "list", "of", rest @ ..] => {
            let told: Result<Vec<_>, String> = names(&rest.join(" "))
                .iter()
                .map(|name| find(world, name).map(WorldSpec::address))
                .collect();
            let told = told?;
            each(world, |node| node.statics.clone_from(&told));
        }
        ["a", "discovery", "service", "outside"] => each(world, |node| node.outside = true),
        ["an", "import", "of", rest @ ..] => {
            let told: Result<Vec<_>, String> = names(&rest.join(" "))
                .iter()
                .map(|name| find(world, name).map(WorldSpec::address))
                .collect();
            let told = told?;
            each(world, |node| {
                node.imported.clone_from(&told);
                node.sources.push(SourceKind::Import);
            });
        }
        _ => return Err(format!("nothing can be given that sounds like {text:?}")),
    }
    Ok(())
}

fn each(world: &mut WorldSpec, what: impl Fn(&mut NodeSpec)) {
    world.nodes.iter_mut().for_each(what);
}

fn kind(word: &str) -> Result<SourceKind, String> {
    let all = [
        SourceKind::Static,
        SourceKind::Registration,
        SourceKind::Kubernetes,
        SourceKind::Etcd,
        SourceKind::Nodes,
        SourceKind::Heartbeat,
        SourceKind::Supervisor,
        SourceKind::Import,
    ];
    all.into_iter()
        .find(|kind| kind_word(*kind) == word)
        .ok_or_else(|| format!("there is no source called {word}"))
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}
