//! Looks at a node: its files through the profile of its distribution, the kernel's tables, and, unless it is to be offline, its
//! servers. Works without a running jackline, and on nodes that have never heard of one. Judges nothing.
//!
//! | file | what |
//! |---|---|
//! | `files` | state files, certificates, secrets, kubeconfigs, variables: what the profile knows the place of |
//! | `kernel` | the tables under `/proc` and `/sys`, and small files of the system |
//! | `sockets` | listeners, and whose they are |
//! | `servers` | asks every source once and tests every server once, as the running jackline would |

mod files;
mod kernel;
mod servers;
mod sockets;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use jackline_trust::Trust;

use super::facts::{Facts, Node, Registration};
use crate::config::{
    Config, ConfigError, DEFAULT_PATH, Environment, Flags, ServerUrl, load_on, load_to_show,
};
use crate::profile::host::{Host, Reading};
use crate::profile::{Profile, Role};
use crate::wiring;

/// How to look.
#[derive(Clone, Debug)]
pub struct Request {
    /// The folder that stands for `/`.
    pub root: PathBuf,
    /// jackline's configuration file, if it is not where it usually is.
    pub config: Option<PathBuf>,
    /// The profile, if it is not to be found out.
    pub profile: Option<String>,
    /// Registration addresses, if no file tells them.
    pub servers: Vec<String>,
    /// Ask no server and no name server: look at files alone.
    pub offline: bool,
}

impl Request {
    pub(crate) fn is_this_machine(&self) -> bool {
        self.root == Path::new("/")
    }

    fn flags(&self) -> Flags {
        Flags {
            config: self.config.clone(),
            profile: self.profile.clone(),
            servers: self.servers.clone(),
            root: Some(self.root.clone()),
            ..Flags::default()
        }
    }
}

/// What was seen, and where.
pub(crate) struct Seen {
    pub(crate) facts: Facts,
    pub(crate) host: Host,
}

/// Looks at the node.
///
/// # Errors
/// Nobody can tell whose node this is: the profile is to be named, or the command line's own words are refused.
pub(crate) fn gather(request: &Request) -> Result<Seen, ConfigError> {
    let host = Host::new(&request.root);
    let (config, refused) = configuration(request, &host)?;
    let mut facts = Facts {
        now: now(),
        configuration: refused,
        node: node(&config),
        registration: config.servers.iter().map(registration).collect(),
        ..Facts::default()
    };
    files::look(&host, &config, &mut facts);
    kernel::look(&host, &mut facts);
    sockets::look(&host, &mut facts);
    if request.is_this_machine() {
        files::own_variables(&mut facts);
    }
    let kubelet = files::kubelet_credential(&host, &config);
    let rooted = rooted(config, &host);
    let trust = Arc::new(Trust::load(wiring::trust(&rooted)));
    // A kubeconfig names its files by the paths of the node that it belongs to, and a machine that is no node lacks nothing.
    let is_told = request.is_this_machine() || rooted.cluster.kubeconfig.is_none();
    if is_told && (facts.node.profile != Profile::Generic || !facts.registration.is_empty()) {
        // Dates are the certificates' check's.
        facts.trust = trust.file_problems();
        if !trust.has_ca() {
            facts.trust.push(
                "no CA of the cluster is known: servers cannot be verified, and nothing is asked of them"
                    .to_owned(),
            );
        }
    }
    files::memory(&host, &rooted, &trust.fingerprints(), &mut facts);
    if request.offline {
        for check in [
            "servers",
            "stuck-balancer",
            "stale-balancer-file",
            "dns",
            "heartbeat",
        ] {
            facts
                .unseen
                .push((check, "no server was asked (--offline)".to_owned()));
        }
    } else {
        servers::ask(&rooted, trust, kubelet, &mut facts);
    }
    Ok(Seen { facts, host })
}

/// The configuration that holds; and, where jackline's own file is refused, why, and what holds without it.
fn configuration(request: &Request, host: &Host) -> Result<(Config, Option<String>), ConfigError> {
    let loaded = if request.is_this_machine() || request.config.is_some() {
        load_to_show(&request.flags(), &Environment::of_process())
    } else {
        let text = match host.read(DEFAULT_PATH) {
            Reading::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Reading::Missing | Reading::Unreadable(_) => String::new(),
        };
        load_on(host, &request.flags(), &text)
    };
    match loaded {
        Ok(config) => Ok((config, None)),
        Err(refused) => {
            let bare = load_on(host, &request.flags(), "")?;
            Ok((bare, Some(refused.to_string())))
        }
    }
}

fn now() -> i64 {
    let age = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    age.map_or(0, |age| i64::try_from(age.as_secs()).unwrap_or(i64::MAX))
}

fn node(config: &Config) -> Node {
    let role = config.profile.role.as_ref().map(|(role, _)| *role);
    let unit = match (config.profile.profile, role) {
        (Profile::K3s, Some(Role::Agent)) => Some("k3s-agent"),
        (Profile::K3s, Some(_)) => Some("k3s"),
        (Profile::Rke2, Some(Role::Agent)) => Some("rke2-agent"),
        (Profile::Rke2, Some(_)) => Some("rke2-server"),
        _ => None,
    };
    Node {
        profile: config.profile.profile,
        role,
        unit: unit.map(str::to_owned),
        name: config.node.name.clone(),
        listen: config.listen.clone(),
        reserved: config.profile.reserved.clone(),
    }
}

fn registration(url: &ServerUrl) -> Registration {
    let host = match url {
        ServerUrl::Host { host, .. } => host.clone(),
        ServerUrl::Service(_) => String::new(),
    };
    let address = url.address();
    Registration {
        url: url.to_string(),
        host,
        is_name: address.is_none(),
        resolved: address.is_some(),
        addresses: address.into_iter().collect(),
    }
}

/// The same configuration with the files where they really lie: under the root, links followed.
fn rooted(mut config: Config, host: &Host) -> Config {
    let place = |path: &mut Option<PathBuf>| {
        if let Some(inside) = path
            && let Ok(real) = host.resolve(&inside.to_string_lossy())
        {
            *inside = real;
        }
    };
    let cluster = &mut config.cluster;
    place(&mut cluster.ca_file);
    place(&mut cluster.kubeconfig);
    place(&mut cluster.client_certificate);
    place(&mut cluster.client_key);
    place(&mut cluster.token_file);
    if let Some(supervisor) = &mut config.supervisor {
        place(&mut supervisor.token_file);
    }
    if let Some(etcd) = &mut config.etcd {
        place(&mut etcd.ca_file);
        place(&mut etcd.client_certificate);
        place(&mut etcd.client_key);
    }
    config
}
