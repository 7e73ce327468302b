//! What `jackline doctor`, `preflight` and `support` take.

use std::path::PathBuf;

use clap::Args;

use super::Output;

pub(super) const DOCTOR_EXAMPLES: &str = "\
It works without a running jackline, and on nodes that do not use jackline. As
root it sees more. Nothing is changed without --fix; that only renames files and
closes keys to other users, and tells the way back. Each check is described in
docs/doctor.md.

Examples:
  sudo jackline doctor
  sudo jackline doctor --fix --restart       end the outage of k3s#11349 here
  jackline doctor --root /mnt/image --offline
  jackline doctor --output json | jq '.findings[] | [.severity, .check, .what]'

Exit status: 0 nothing found, or notes only, 1 warnings, 2 something critical,
4 a fix failed, 64 wrong usage, 78 nobody can tell whose node this is.";

pub(super) const PREFLIGHT_EXAMPLES: &str = "\
Examples:
  sudo jackline preflight
  sudo jackline preflight --stopping cp-1,10.0.0.2     may I stop these two now?
  sudo jackline preflight --stopping 10.0.0.1 --output json && reboot-it

Exit status: 0 every practice is good, or cannot be seen from here, 1 something
could be better, 2 something is bad; with --stopping: 0 they may be stopped, for
the node stays attached and etcd keeps its quorum as far as that is known, 2 do
not stop them now; 64 wrong usage, 78 nobody can tell whose node this is.";

pub(super) const SUPPORT_EXAMPLES: &str = "\
Holds status, metrics, the journal's end, configuration, versions, and what
doctor and preflight find. Tokens, keys and passwords are taken out; look through
it all the same before you give it away: addresses and names of nodes stay.

Examples:
  sudo jackline support
  sudo jackline support --file ./node-7.tar && tar -tf ./node-7.tar

Exit status: 0 written, 1 it could not be written, 64 wrong usage.";

/// How a node is looked at.
#[derive(Args, Clone, Debug)]
pub(crate) struct LookArgs {
    /// jackline's configuration file [default: /etc/jackline/config.yaml, if it is there]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Whose files to look for on this node [default: the configuration file's, else auto]
    #[arg(long, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    /// A registration address, if the node's files tell none; may be given again
    #[arg(long = "server", value_name = "URL")]
    pub(crate) servers: Vec<String>,
    /// The folder that stands for /, as in an image
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub(crate) root: PathBuf,
    /// Ask no server: look at files alone
    #[arg(long)]
    pub(crate) offline: bool,
}

/// The arguments of `jackline doctor`.
#[derive(Args, Debug)]
pub(crate) struct DoctorArgs {
    /// Do what is safe about what is found, after showing it
    #[arg(long)]
    pub(crate) fix: bool,
    /// With --fix: restart the distribution's unit where a fix needs it
    #[arg(long, requires = "fix")]
    pub(crate) restart: bool,
    #[command(flatten)]
    pub(crate) look: LookArgs,
    /// A report for people, or the JSON of docs/doctor.md
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}

/// The arguments of `jackline preflight`.
#[derive(Args, Debug)]
pub(crate) struct PreflightArgs {
    /// What would happen if these servers went away now: endpoints, addresses or Nodes' names
    #[arg(long, value_name = "SERVER,…", value_delimiter = ',')]
    pub(crate) stopping: Vec<String>,
    #[command(flatten)]
    pub(crate) look: LookArgs,
    /// The admin socket of the running jackline [default: JACKLINE_SOCKET, else the configuration file's, else /run/jackline/jackline.sock]
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
    /// A report for people, or the JSON of docs/doctor.md
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}

/// The arguments of `jackline support`.
#[derive(Args, Debug)]
pub(crate) struct SupportArgs {
    /// Where to write it [default: jackline-support-NODE-TIME.tar in this folder]
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) look: LookArgs,
    /// The admin socket of the running jackline [default: JACKLINE_SOCKET, else the configuration file's, else /run/jackline/jackline.sock]
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
    /// What was written, in words, or JSON as docs/commands.md describes it
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}
