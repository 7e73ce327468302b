//! The command line: what can be typed, and what `--help` says about it. What happens then is the subcommands'.

#![cfg_attr(
    not(feature = "lab"),
    allow(
        dead_code,
        reason = "what only lab and simulator take stays where the others are"
    )
)]

mod config;
pub(crate) mod doctor;
mod lab;

use std::ops::Range;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jackline_agent::config::{Environment, Flags, socket};

use crate::{completions, drain, events, explain, hand_over, man, rbac, refresh, sessions, setup, status};

#[cfg(all(test, feature = "lab"))]
mod guides;
mod replay;

pub(crate) use config::ConfigCommand;
#[cfg(feature = "lab")]
pub(crate) use lab::LabArgs;
pub(crate) use lab::LabOutput;
#[cfg(feature = "lab")]
pub(crate) use replay::ReplayArgs;

/// A node-local load balancer for Kubernetes apiservers that comes back after any order of outages.
#[derive(Debug, Parser)]
#[command(name = "jackline", version = crate::version::VERSION, max_term_width = 80, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  jackline run --server https://10.0.0.1:6443   balance for the clients of this node
  jackline status                               how the node fares, and why
  jackline explain 10.0.0.2:6443                why it is used, or is not
  jackline lab                                  see a cluster lose its control planes, and come back";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the balancer in the foreground, until SIGTERM.
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunCommand),
    /// Tell how the running jackline fares: the node, each endpoint, each source, and why.
    #[command(after_help = status::EXAMPLES)]
    Status(status::StatusArgs),
    /// Explain a judgement: the facts, the rules and the times behind it.
    #[command(after_help = explain::EXAMPLES)]
    Explain(explain::ExplainArgs),
    /// Tell what happened, from the journal: also when jackline is not running.
    #[command(after_help = events::EXAMPLES)]
    Events(events::EventsArgs),
    /// List open sessions: who, where, how long, how much.
    #[command(after_help = sessions::EXAMPLES)]
    Sessions(sessions::SessionsArgs),
    /// Have no new session go to an apiserver, and move the open ones.
    #[command(after_help = drain::DRAIN_EXAMPLES)]
    Drain(drain::DrainArgs),
    /// Take a drain back.
    #[command(after_help = drain::UNDRAIN_EXAMPLES)]
    Undrain(drain::UndrainArgs),
    /// Have every source asked now.
    #[command(after_help = refresh::REFRESH_EXAMPLES)]
    Refresh(refresh::OrderArgs),
    /// Forget what is only remembered, and ask every source: without a restart.
    #[command(after_help = refresh::RESET_EXAMPLES)]
    ResetState(refresh::OrderArgs),
    /// Read the configuration anew: a new process takes over listeners and live sessions.
    #[command(after_help = refresh::RELOAD_EXAMPLES)]
    Reload(refresh::OrderArgs),
    /// Replace the running program: a new process takes over listeners and live sessions.
    #[command(after_help = refresh::UPGRADE_EXAMPLES)]
    Upgrade(refresh::UpgradeArgs),
    /// Check or show the configuration, without starting anything.
    #[command(subcommand, after_help = config::EXAMPLES)]
    Config(ConfigCommand),
    /// Point this node's own programs at jackline, or take that back.
    #[command(after_help = setup::EXAMPLES)]
    Setup(setup::SetupArgs),
    /// Give jackline's own user what only root may read on this node: CA, credential, token, servers.
    #[command(after_help = hand_over::EXAMPLES)]
    HandOver(hand_over::HandOverArgs),
    /// Look at this node as an experienced person would: what is wrong, by which evidence, and what to do.
    #[command(after_help = doctor::DOCTOR_EXAMPLES)]
    Doctor(doctor::DoctorArgs),
    /// Tell how the node fares by best practices, and what would happen if servers went away now.
    #[command(after_help = doctor::PREFLIGHT_EXAMPLES)]
    Preflight(doctor::PreflightArgs),
    /// Write what somebody else needs to see of this node into one file, without secrets.
    #[command(after_help = doctor::SUPPORT_EXAMPLES)]
    Support(doctor::SupportArgs),
    /// Play outages on a control plane in miniature, on this machine's loopback.
    #[cfg(feature = "lab")]
    #[command(after_help = lab::EXAMPLES)]
    Lab(LabArgs),
    /// Play outages drawn from seeds in a simulated world, and look for a rule that breaks.
    #[cfg(feature = "lab")]
    #[command(after_help = SIMULATE_EXAMPLES)]
    Simulate(SimulateArgs),
    /// Play a node's journal again through the same core: the same actions, or the first difference, and why.
    #[cfg(feature = "lab")]
    #[command(after_help = replay::EXAMPLES)]
    Replay(ReplayArgs),
    /// Print what a ServiceAccount needs for jackline to read the cluster.
    #[command(after_help = rbac::EXAMPLES)]
    Rbac(rbac::RbacArgs),
    /// Print completions for a shell.
    #[command(after_help = completions::EXAMPLES)]
    Completions(completions::CompletionsArgs),
    /// Print or write the manual pages.
    #[command(after_help = man::EXAMPLES)]
    Man(man::ManArgs),
}

const RUN_EXAMPLES: &str = "\
Flags come before JACKLINE_* variables, those before the file, that before what
the profile finds on the node, that before the defaults; `jackline config show`
tells which one each value came from.

Examples:
  jackline run --server https://10.0.0.1:6443
  jackline run --config ./jackline.yaml --state-dir ./state --socket ./jackline.sock
  JACKLINE_SERVERS=https://cp.example.com:6443 jackline run

Exit status: 0 after SIGTERM or SIGINT, 130 after a second SIGINT, which ends
it at once; 64 wrong usage, 78 if the configuration is refused, 1 if something
else kept it from starting (a port that is taken).";

/// All that `jackline run` takes.
#[derive(Args, Debug)]
pub(crate) struct RunCommand {
    #[command(flatten)]
    pub(crate) args: RunArgs,
    /// End as after SIGTERM when the standard input ends: for a program that runs jackline as its child
    #[arg(long)]
    pub(crate) until_input_ends: bool,
}

/// The flags of `jackline run` that configure, and of `config show`, which tells what `run` would make of them.
#[derive(Args, Debug, Default)]
pub(crate) struct RunArgs {
    /// The configuration file [default: /etc/jackline/config.yaml, if it is there]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Whose files to look for on this node: auto, k3s, rke2, kubeadm, k0s, microk8s or generic (none) [default: auto]
    #[arg(long, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    /// A registration address: an apiserver's or supervisor's URL, or srv://NAME for SRV records; may be given again
    #[arg(long = "server", value_name = "URL")]
    pub(crate) servers: Vec<String>,
    // Not a documentation comment: brackets are links there.
    #[arg(
        long,
        value_name = "ADDR",
        help = "Where clients are accepted [default: 127.0.0.1:6440 and [::1]:6440]; may be given again"
    )]
    pub(crate) listen: Vec<String>,
    /// Where jackline remembers what it knows [default: /var/lib/jackline]
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// The admin socket [default: /run/jackline/jackline.sock]
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
    /// Where a page is served that shows what `status` tells, live [default: nowhere]
    #[arg(long, value_name = "ADDR")]
    pub(crate) status_listen: Option<String>,
    /// How much is logged: error, warn, info, debug or trace [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
    /// How a line of the log looks: text or json [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) log_format: Option<String>,
}

/// Where the running jackline is asked; the same for every command that asks it.
#[derive(Args, Debug)]
pub(crate) struct Ask {
    /// The admin socket [default: JACKLINE_SOCKET, else the configuration file's, else /run/jackline/jackline.sock]
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
}

impl Ask {
    /// The socket to ask.
    pub(crate) fn place(self) -> PathBuf {
        let flags = Flags {
            socket: self.socket,
            ..Flags::default()
        };
        socket(&flags, &Environment::of_process())
    }
}

/// What the answer looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people, at most 80 columns
    Table,
    /// For programs
    Json,
}

const SIMULATE_EXAMPLES: &str = "\
Each seed is a world of its own, with faults of its own; safety is checked after
each step, then all is healed and every node must be attached within 3 s of it.
A seed that fails is shrunk and printed with the command that repeats it.

Examples:
  jackline simulate --seeds 0..10000
  jackline simulate --seeds 17..18 --timeline     one of them, told line by line
  jackline simulate --seeds 17..18 --html 17.html one of them, to look at

Exit status: 0 nothing broke, 1 some rule broke, 64 wrong usage, 130 if it was
interrupted and nothing had broken until then.";

#[derive(Args, Debug)]
pub(crate) struct SimulateArgs {
    /// Which seeds, the last one not among them
    #[arg(long, value_name = "A..B", value_parser = seeds, default_value = "0..1000")]
    pub(crate) seeds: Range<u64>,
    /// Only these nodes of the seed, by their places from 0
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    pub(crate) nodes: Option<Vec<usize>>,
    /// Only these faults of the seed, by their places from 0; `none`: none of them
    #[arg(long, value_name = "N,…|none", value_parser = places)]
    pub(crate) faults: Option<Places>,
    /// Tell what happens, line by line; for one seed
    #[arg(long)]
    pub(crate) timeline: bool,
    /// Play all that can happen to three servers and a node instead, and heal each state
    #[arg(long, conflicts_with_all = ["seeds", "nodes", "faults", "timeline"])]
    pub(crate) exhaustive: bool,
    /// Play jackline and its rivals on these seeds instead, and print one table
    #[arg(long, conflicts_with_all = ["exhaustive", "nodes", "faults", "timeline"])]
    pub(crate) compare: bool,
    /// Play a fleet of so many nodes instead, from 10 to 10000, with 3, 5 and 7 servers
    #[arg(long, value_name = "N", conflicts_with_all = ["exhaustive", "compare", "seeds", "nodes", "faults", "timeline"], value_parser = clap::value_parser!(u32).range(10..=10_000))]
    pub(crate) fleet: Option<u32>,
    /// Only with so many servers
    #[arg(long, value_name = "N", requires = "fleet", value_parser = clap::value_parser!(u8).range(1..=9))]
    pub(crate) servers: Option<u8>,
    /// So many moves in a row
    #[arg(long, value_name = "N", default_value_t = 5, requires = "exhaustive", value_parser = clap::value_parser!(u32).range(1..=12))]
    pub(crate) depth: u32,
    /// Threads [default: as many as there are processors]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// Write a page to look at: one file, which needs no network
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Words for people, or the report as JSON, as in docs/simulate-schema.json
    #[arg(long, short, value_enum, default_value_t = LabOutput::Text)]
    pub(crate) output: LabOutput,
}

/// Places in a list.
#[derive(Clone, Debug)]
pub(crate) struct Places(pub(crate) Vec<usize>);

fn places(text: &str) -> Result<Places, String> {
    if text == "none" {
        return Ok(Places(Vec::new()));
    }
    let places = text.split(',').map(|place| {
        place
            .trim()
            .parse()
            .map_err(|_| format!("{place:?} is no place: give numbers from 0, with commas between"))
    });
    places.collect::<Result<_, _>>().map(Places)
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let wrong = || format!("{text:?} is no range of seeds: give it as 0..1000");
    let (from, to) = text.split_once("..").ok_or_else(wrong)?;
    let (from, to) = (
        from.parse().map_err(|_| wrong())?,
        to.parse().map_err(|_| wrong())?,
    );
    match from < to {
        true => Ok(from..to),
        false => Err(format!(
            "{text:?} holds no seed: the second number is the first that is not among them"
        )),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_that_tells_something_tells_it_to_programs_too() {
        // `run` tells its log, whose form `--log-format` says; the others print what a shell and a pager read.
        const OTHERWISE: [&str; 4] = ["run", "completions", "man", "help"];
        fn check(command: &clap::Command) -> usize {
            let below: Vec<&clap::Command> = command.get_subcommands().collect();
            if below.is_empty() {
                let name = command.get_name();
                let output = command
                    .get_arguments()
                    .any(|argument| argument.get_long() == Some("output"));
                assert!(output != OTHERWISE.contains(&name), "{name}");
                return usize::from(output);
            }
            below.into_iter().map(check).sum()
        }
        let mut command = Cli::command();
        command.build();
        assert_eq!(check(&command), if cfg!(feature = "lab") { 19 } else { 16 });
    }

    #[test]
    fn every_help_has_an_example_and_fits_eighty_columns() {
        fn check(command: &mut clap::Command) -> usize {
            command.build();
            let name = command.get_name().to_owned();
            let help = command.clone().render_long_help().to_string();
            assert!(help.contains("Example"), "{name} has no example");
            for line in help.lines().filter(|line| !line.contains("jackline ")) {
                assert!(line.chars().count() <= 80, "{name}: {line}");
            }
            1 + command
                .get_subcommands_mut()
                .filter(|sub| sub.get_name() != "help")
                .map(check)
                .sum::<usize>()
        }
        assert_eq!(
            check(&mut Cli::command()),
            if cfg!(feature = "lab") { 26 } else { 23 },
            "jackline, run, status, explain, events, sessions, drain, undrain, refresh, reset-state, reload, \
             upgrade, config, check, show, \
             setup, hand-over, doctor, preflight, support, lab, simulate, replay, rbac, completions, man"
        );
    }
}
