//! What a profile can say: the types of the tables. Nothing here looks at a file.
//!
//! Paths are those of the node. `{data}` in one stands for the distribution's data folder, wherever the operator put it.
//! Where there are several of something the first that fits is taken, so each list is in the order of preference.

use super::{Profile, Role};

/// The placeholder of the data folder in a path.
pub(crate) const DATA: &str = "{data}";

/// A distribution, as it lies on a node.
pub(crate) struct Layout {
    /// Whose.
    pub(crate) profile: Profile,
    /// Any one of these says that the distribution is here. Strong ones only: a package may leave an empty folder behind.
    pub(crate) marks: &'static [&'static str],
    /// Where the operator's options are told, the weakest first.
    pub(crate) options: &'static [OptionsFrom],
    /// Short names of options.
    pub(crate) aliases: &'static [(&'static str, &'static str)],
    /// The data folder; the option `data-dir` moves it.
    pub(crate) data_dir: &'static str,
    /// The first rule that holds tells the role.
    pub(crate) roles: &'static [RoleRule],
    /// The cluster's CA. Empty where the credential's kubeconfig holds the only right one.
    pub(crate) authorities: &'static [&'static str],
    /// What the node can present.
    pub(crate) credentials: &'static [Credential],
    /// What to do where none of them can be read.
    pub(crate) without_credential: &'static str,
    /// Where registration addresses are told; all of them count.
    pub(crate) servers: &'static [ServersFrom],
    /// What to do where none is told.
    pub(crate) without_server: &'static str,
    /// The apiserver of this very node, on roles that have one.
    pub(crate) local: Option<Local>,
    /// The supervisor, where the distribution has one.
    pub(crate) supervisor: Option<Supervisor>,
    /// etcd, on roles that have a member of it.
    pub(crate) etcd: Option<Etcd>,
    /// State files of the distribution's own balancer.
    pub(crate) import: &'static [&'static str],
    /// Options that tell the node's name …
    pub(crate) names: &'static [&'static str],
    /// … its addresses …
    pub(crate) addresses: &'static [&'static str],
    /// … and its labels, one of which may be the zone.
    pub(crate) labels: &'static [&'static str],
    /// Ports that the distribution takes for itself.
    pub(crate) ports: &'static [OwnPort],
    /// What the node's own programs want to connect to, where that is more than the API.
    pub(crate) services: &'static [Service],
}

/// One place where options are told.
pub(crate) enum OptionsFrom {
    /// A YAML file, overlaid in the order of their names by the `*.yaml` and `*.yml` in the folder `<path>.d`. Keys of nested maps
    /// are joined by dots.
    Yaml {
        /// The file, if the option `config` names no other.
        path: &'static str,
        /// Whether there are overlays.
        overlays: bool,
    },
    /// A file of variables, as systemd reads it.
    Variables {
        /// The file.
        path: &'static str,
        /// Which variable tells which option.
        names: &'static [(&'static str, &'static str)],
        /// Variables that hold flags.
        flags: &'static [&'static str],
    },
    /// A systemd unit: the flags of its command, which also tells the role.
    Unit(&'static str),
    /// A file of flags.
    Flags(&'static str),
    /// A static pod: the flags of its command.
    Pod(&'static str),
}

/// One rule of the roles.
pub(crate) struct RoleRule {
    /// The role …
    pub(crate) role: Role,
    /// … where all of these hold.
    pub(crate) when: &'static [When],
}

/// A condition.
pub(crate) enum When {
    /// The path is there.
    There(&'static str),
    /// The path is not there.
    Missing(&'static str),
    /// The option has this value.
    Told(&'static str, &'static str),
    /// A unit runs this subcommand.
    Runs(&'static str),
}

/// Something to present.
pub(crate) struct Credential {
    /// What it is.
    pub(crate) kind: CredentialKind,
    /// Files beside it that it refers to, and that must be readable too.
    pub(crate) with: &'static [&'static str],
    /// What it may do, in words.
    pub(crate) may: &'static str,
    /// Whether supervisors take it for the node's own.
    pub(crate) is_kubelet: bool,
}

/// The forms of a credential.
pub(crate) enum CredentialKind {
    /// A kubeconfig.
    Kubeconfig(&'static str),
    /// A client certificate and its key.
    Certificate(&'static str, &'static str),
}

/// Where registration addresses are told.
pub(crate) enum ServersFrom {
    /// An option with a URL. Where its port is `from`, the API is at `to`.
    Option {
        /// The option.
        key: &'static str,
        /// Port of the supervisor and port of the API, where they differ.
        port: Option<(u16, u16)>,
    },
    /// An option with a host, reached at this port.
    Host {
        /// The option.
        key: &'static str,
        /// The option that tells the port …
        port_key: &'static str,
        /// … and the port if it does not.
        port: u16,
    },
    /// The server of a kubeconfig.
    Kubeconfig(&'static str),
    /// A YAML file with a list of addresses.
    List {
        /// The file.
        path: &'static str,
        /// The dotted key of the field that holds an address, in each item.
        key: &'static str,
        /// The port to put in place of the one that is told.
        port: Option<u16>,
    },
}

/// The node's own apiserver.
pub(crate) struct Local {
    /// Options that tell its address.
    pub(crate) addresses: &'static [&'static str],
    /// The option that tells its port …
    pub(crate) port_key: &'static str,
    /// … and the port if it does not.
    pub(crate) port: u16,
}

/// The supervisor.
pub(crate) struct Supervisor {
    /// What `supervisor.distribution` is to say.
    pub(crate) distribution: &'static str,
    /// Options that hold a token.
    pub(crate) tokens: &'static [&'static str],
    /// Options that name a file with one.
    pub(crate) token_files: &'static [&'static str],
    /// Files that hold one on a server.
    pub(crate) files: &'static [&'static str],
    /// What to do where there is none.
    pub(crate) without_token: &'static str,
}

/// The node's own member of etcd.
pub(crate) struct Etcd {
    /// What is there only where there is a member.
    pub(crate) mark: &'static str,
    /// etcd's own CA.
    pub(crate) authority: &'static str,
    /// Certificates that it takes, each with its key.
    pub(crate) clients: &'static [(&'static str, &'static str)],
    /// Where jackline carries it on servers without a member; `None`: where the operator says. CA and certificates are theirs too.
    pub(crate) door: Option<Door>,
}

/// A port that is the distribution's own.
#[derive(Clone, Copy)]
pub(crate) struct OwnPort {
    /// The option that moves it, if one does.
    pub(crate) key: Option<&'static str>,
    /// The port if it is not moved.
    pub(crate) port: u16,
    /// So much below it: K3s's balancers lie side by side.
    pub(crate) less: u16,
    /// Whether it is taken on 127.0.0.1 and `::1` alone, or on all addresses.
    pub(crate) loopback_only: bool,
    /// On which roles.
    pub(crate) roles: &'static [Role],
    /// Whose it is.
    pub(crate) whose: &'static str,
}

/// Something that the node's own programs connect to.
pub(crate) struct Service {
    /// Where servers offer it.
    pub(crate) port: u16,
    /// What it is.
    pub(crate) what: &'static str,
    /// Where jackline listens for it by itself; `None`: where the operator says.
    pub(crate) door: Option<Door>,
}

/// Where jackline listens for a service besides the API, without being asked to.
pub(crate) struct Door {
    /// On which roles: there the distribution itself leaves the place free.
    pub(crate) roles: &'static [Role],
    /// The key of the listener …
    pub(crate) key: &'static str,
    /// … and its value.
    pub(crate) at: &'static str,
}
