//! The configuration: plain data, read from flags, environment, file, profile and defaults, and refused in words where it makes
//! no sense. Nothing here opens a socket or reads a credential; what is built from it is [`crate::run`](fn@crate::run)'s.
//!
//! | file | what it is for |
//! |---|---|
//! | `read` | every key, with its default and its bounds: the reference |
//! | `services` | the section of that name: what is balanced besides the API |
//! | `check` | pairs of values that cannot be meant |
//! | `layers` | which layer a value comes from; unknown keys |
//! | `value` | the types of values: durations, addresses, secrets … |
//! | `tree` | YAML as a tree in which every node knows its place |
//! | `environment` | flags and `JACKLINE_*`, as data |
//! | `show` | `config show` |
//! | `problem` | what is wrong, where, and what to do |

mod check;
mod environment;
mod layers;
mod problem;
mod read;
mod services;
mod show;
pub(crate) mod tree;
pub(crate) mod value;

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jackline_way::WayConfig;

use crate::profile::Found;
use crate::profile::host::Host;
use crate::profile::survey::{Ambiguous, survey};

pub use environment::{Environment, Flags};
pub use layers::Shown;
pub(crate) use layers::variable;
pub use problem::{ConfigError, Origin, PROBLEMS_MAX, Place, Problem};
pub use services::{EtcdService, Services, SupervisorService};
pub use value::{ByteSize, Distribution, LogFormat, LogLevel, MemberUrl, NameServer, Secret, ServerUrl};

/// The file that is read when none is named; it need not exist.
pub const DEFAULT_PATH: &str = "/etc/jackline/config.yaml";
/// Every variable of ours begins so.
const PREFIX: &str = "JACKLINE_";
/// The variable that names the file.
const CONFIG_VARIABLE: &str = "JACKLINE_CONFIG";
/// A larger file is no configuration.
const FILE_MAX: u64 = 1 << 20;

/// The whole configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// What was found on the node, and by which profile.
    pub profile: Found,
    /// Who we are.
    pub node: Node,
    /// Registration addresses.
    pub servers: Vec<ServerUrl>,
    /// Configured endpoints.
    pub endpoints: Vec<SocketAddr>,
    /// Name servers; empty: the system's resolver configuration.
    pub dns_servers: Vec<NameServer>,
    /// Where clients are accepted.
    pub listen: Vec<SocketAddr>,
    /// The folder of the state file and the journal.
    pub state_dir: PathBuf,
    /// The admin socket.
    pub socket: PathBuf,
    /// Where the status page is served; `None`: nowhere.
    pub status_listen: Option<SocketAddr>,
    /// What the cluster is known by, and what the node is known by to it.
    pub cluster: Cluster,
    /// K3s's or RKE2's supervisor; `None`: not asked.
    pub supervisor: Option<Supervisor>,
    /// Etcd itself; `None`: not asked.
    pub etcd: Option<Etcd>,
    /// The Kubernetes API as a source.
    pub kubernetes: Kubernetes,
    /// What is balanced besides the API.
    pub services: Services,
    /// How servers are reached.
    pub way: WayConfig,
    /// State files of K3s's or RKE2's balancer, read-only.
    pub import: Vec<PathBuf>,
    /// How many nodes the cluster has, roughly.
    pub fleet_size: u32,
    /// How many sessions there may be.
    pub limits: Limits,
    /// Periods and limits.
    pub timing: Timing,
    /// Whether discovered loopback endpoints are dialled; those configured by hand always are.
    pub allow_loopback_upstreams: bool,
    /// How much the journal may take on disk.
    pub journal_size: ByteSize,
    /// Where the metrics are answered on TCP; empty: nowhere.
    pub metrics_listen: Vec<SocketAddr>,
    /// How much is logged.
    pub log_level: LogLevel,
    /// How a line of the log looks.
    pub log_format: LogFormat,
    /// Every key with its value and where it came from, in the order of the reference.
    pub shown: Vec<Shown>,
    /// What is odd but not wrong, each a sentence.
    pub warnings: Vec<String>,
}

/// `node`: who we are. Name and address decide the node's own order of endpoints (S2).
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its address, if it is known.
    pub address: Option<IpAddr>,
    /// Its zone.
    pub zone: Option<String>,
    /// Whether the local apiserver comes first (a control-plane node).
    pub prefer_local: bool,
}

/// `cluster`: what servers are verified by, and what is presented to them.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// The cluster's CA, PEM.
    pub ca_file: Option<PathBuf>,
    /// The name that certificates must carry.
    pub server_name: String,
    /// A kubeconfig with CA and credential.
    pub kubeconfig: Option<PathBuf>,
    /// A client certificate, PEM …
    pub client_certificate: Option<PathBuf>,
    /// … and its key.
    pub client_key: Option<PathBuf>,
    /// A file with a bearer token.
    pub token_file: Option<PathBuf>,
}

/// `limits`: how many sessions there may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// In all; 0: as many as the descriptor limit allows.
    pub sessions: u32,
    /// With one endpoint; 0: as many as come.
    pub sessions_per_endpoint: u32,
}

/// `supervisor`: K3s's or RKE2's.
#[derive(Clone, Debug)]
pub struct Supervisor {
    /// Whose.
    pub distribution: Distribution,
    /// A file with the node's join token …
    pub token_file: Option<PathBuf>,
    /// … or the token itself.
    pub token: Option<Secret>,
    /// Its port; `None`: the endpoint's own.
    pub port: Option<u16>,
}

/// `etcd`: its own keys as a source, for nodes that may read it.
#[derive(Clone, Debug)]
pub struct Etcd {
    /// Members to begin with.
    pub endpoints: Vec<MemberUrl>,
    /// Etcd's own CA, PEM.
    pub ca_file: Option<PathBuf>,
    /// A client certificate, PEM …
    pub client_certificate: Option<PathBuf>,
    /// … and its key.
    pub client_key: Option<PathBuf>,
    /// What the apiservers' keys begin with.
    pub prefix: String,
}

/// `kubernetes`: the API as a source.
#[derive(Clone, Debug)]
pub struct Kubernetes {
    /// Endpoints and EndpointSlices.
    pub enabled: bool,
    /// Control-plane Nodes.
    pub nodes: bool,
    /// The node's own Lease.
    pub heartbeat: bool,
}

/// `timing`: periods and limits.
#[derive(Clone, Debug)]
pub struct Timing {
    /// How long absence from Endpoints and Nodes must last (M3).
    pub grace: Duration,
    /// How long absence must last where no Node source speaks (M3).
    pub unwitnessed_grace: Duration,
    /// The pace of refreshes beside a healthy watch (R2).
    pub refresh_watched: Duration,
    /// The pace of refreshes without a watch (R2).
    pub refresh_polled: Duration,
    /// The pace of probes of the endpoint in use (H7).
    pub probe_used: Duration,
    /// The pace of probes of the others (H7).
    pub probe_idle: Duration,
    /// How long sessions take to move (D2).
    pub drain_time: Duration,
    /// How long the first choice must have been ready before sessions move back to it (D2).
    pub settling_time: Duration,
    /// How long a client waits for any endpoint to come up (S6).
    pub hold: Duration,
    /// How long sessions may take to end at SIGTERM.
    pub shutdown_time: Duration,
}

/// Where the admin socket is, for those who only want to ask: also where the rest of the configuration would be refused,
/// or may not be read. A socket that cannot be understood counts as not given.
pub fn socket(flags: &Flags, environment: &Environment) -> PathBuf {
    asked(flags, environment, read::socket)
}

/// Where the state folder is, for those who only want to read in it; as [`socket`].
pub fn state_dir(flags: &Flags, environment: &Environment) -> PathBuf {
    asked(flags, environment, read::state_dir)
}

/// One key, whatever the rest of the configuration is.
fn asked(flags: &Flags, environment: &Environment, key: fn(&mut layers::Layers<'_>) -> PathBuf) -> PathBuf {
    let (path, _) = named(flags, environment);
    let root = read_file(path, None)
        .ok()
        .and_then(|text| tree::parse(&text).ok());
    let nothing = tree::Tree {
        place: Place::default(),
        node: tree::Node::Null,
    };
    key(&mut layers::Layers::new(
        flags,
        environment,
        path.to_owned(),
        root.unwrap_or(nothing),
    ))
}

/// Reads the configuration: `flags`, then `environment`, then the file, then the profile, then defaults.
///
/// # Errors
/// All that is wrong with it, at once, each with its place and what to do.
pub fn load(flags: &Flags, environment: &Environment) -> Result<Config, ConfigError> {
    read_and_check(flags, environment, check::sources)
}

/// The same to be looked at, not run: it may still name no apiserver, as on a fresh machine.
///
/// # Errors
/// As [`load`].
pub fn load_to_show(flags: &Flags, environment: &Environment) -> Result<Config, ConfigError> {
    read_and_check(flags, environment, |_, _| {})
}

fn read_and_check(
    flags: &Flags,
    environment: &Environment,
    sources: fn(&Config, &mut layers::Layers<'_>),
) -> Result<Config, ConfigError> {
    let (path, origin) = named(flags, environment);
    let text = read_file(path, origin)?;
    let host = Host::new(flags.root.as_deref().unwrap_or(Path::new("/")));
    read_text(&host, flags, environment, (path, &text), sources)
}

/// The configuration that holds on a node with `text` in the file, to be looked at, whatever this process's environment is.
pub(crate) fn load_on(host: &Host, flags: &Flags, text: &str) -> Result<Config, ConfigError> {
    let file = (Path::new(DEFAULT_PATH), text);
    read_text(host, flags, &Environment::default(), file, |_, _| {})
}

fn read_text(
    host: &Host,
    flags: &Flags,
    environment: &Environment,
    (path, text): (&Path, &str),
    sources: fn(&Config, &mut layers::Layers<'_>),
) -> Result<Config, ConfigError> {
    let root = tree::parse(text).map_err(|(place, words)| Problem {
        origin: Origin::File(path.to_owned(), place),
        key: String::new(),
        what: format!("this is no YAML that jackline can read: {words}"),
        remedy: "mend the line; `jackline config check` tells whether it helped".to_owned(),
    })?;
    let mut layers = layers::Layers::new(flags, environment, path.to_owned(), root);
    let mut found = look(&mut layers, host);
    layers.take_profile(&mut found);
    let mut config = read::config(&mut layers, found);
    sources(&config, &mut layers);
    check::pairs(&config, &mut layers);
    let odd = check::warnings(&config);
    let (shown, mut warnings) = layers.finish().map_err(|problems| ConfigError { problems })?;
    warnings.extend(odd);
    config.shown = shown;
    config.warnings = warnings;
    Ok(config)
}

/// What the profile finds on the node.
fn look(layers: &mut layers::Layers<'_>, host: &Host) -> Found {
    let choice = read::profile(layers);
    survey(host, choice).unwrap_or_else(|Ambiguous(marked)| {
        let both: Vec<String> = marked
            .iter()
            .map(|(profile, mark)| format!("{} ({mark})", profile.title()))
            .collect();
        let choices: Vec<String> = marked
            .iter()
            .map(|(profile, _)| format!("--profile {profile}"))
            .collect();
        layers.refuse(
            "profile",
            format!("this node has {}: which of them counts?", both.join(" and ")),
            format!("say which: {}", choices.join(" or ")),
        );
        Found::nothing("several distributions are here")
    })
}

/// The file, and who named it.
fn named<'a>(flags: &'a Flags, environment: &'a Environment) -> (&'a Path, Option<Origin>) {
    match (&flags.config, environment.config()) {
        (Some(path), _) => (path.as_path(), Some(Origin::Flag("--config"))),
        (None, Some(path)) => (path, Some(Origin::Environment(CONFIG_VARIABLE.to_owned()))),
        (None, None) => (Path::new(DEFAULT_PATH), None),
    }
}

/// The text of the file; empty where the default one is not there. `named_by` is who named it.
fn read_file(path: &Path, named_by: Option<Origin>) -> Result<String, Problem> {
    let problem = |origin: Origin, what: String, remedy: &str| Problem {
        origin,
        key: String::new(),
        what,
        remedy: remedy.to_owned(),
    };
    let mut bytes = Vec::new();
    match File::open(path).and_then(|file| file.take(FILE_MAX + 1).read_to_end(&mut bytes)) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound && named_by.is_none() => return Ok(String::new()),
        Err(error) => {
            let origin = named_by.unwrap_or_else(|| Origin::whole_file(path));
            let what = format!("{} cannot be read: {error}", path.display());
            return Err(problem(
                origin,
                what,
                "name a file that exists and that jackline's user may read",
            ));
        }
    }
    if bytes.len() as u64 > FILE_MAX {
        let what = "the file is larger than 1 MiB".to_owned();
        return Err(problem(Origin::whole_file(path), what, "is it the right file?"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let what = format!(
            "the file is not UTF-8 from byte {} on",
            error.utf8_error().valid_up_to()
        );
        problem(Origin::whole_file(path), what, "save it as UTF-8")
    })
}
