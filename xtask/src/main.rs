//! What the project does with itself: `cargo xtask test`, `verify`, `multihost`, `recovery`, `bench`, `mutants`, `doubt`, `package`, `pictures`, `tidy`, `fmt`.
//!
//! `test` is all that `.ci/run` runs. Each of its stages is a module of [`stage`]; the rules of the house that no
//! compiler holds are the checks of [`tidy`]; [`verify`] is the same at full length, with a dated page as its result.
//! How a child process is run and how results add up is left to [`command`] and [`outcome`].
#![allow(
    clippy::print_stdout,
    reason = "a command-line tool speaks on standard output"
)]

mod bench;
mod command;
mod doubt;
mod multihost;
mod mutants;
mod outcome;
mod package;
mod pictures;
mod recovery;
mod stage;
mod tidy;
mod verify;
mod workspace;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// Tasks of the project.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// All that .ci/run runs: every stage, or only the named ones.
    Test {
        /// Stages to run, in the order of the house; none: all of them.
        #[arg(value_parser = stage::names())]
        stages: Vec<String>,
    },
    /// The same at full length, with the whole lab in release, within an hour; writes docs/verify.md and docs/recovery.md.
    Verify,
    /// Faults between several hosts on one machine, all or the named ones.
    Multihost {
        /// Names of faults, `short`, `all`; `--list` tells what there is, `--help` the rest.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Figures that have a target, measured with real etcd in a quarter of an hour; writes docs/recovery.md.
    Recovery {
        /// With the debug build.
        #[arg(long)]
        debug: bool,
    },
    /// The data plane beside its rivals: throughput, processor time, memory, latency.
    Bench {
        /// `--quick`, `--rounds N`, `--only WORK`, `--output json`; `--help` tells the rest.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// The core with one thing changed, thousands of times: its own tests must notice. Takes hours, may be cut into pieces.
    Mutants {
        /// Only these shards, from 0; those that are done are not run again.
        #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(..i64::from(mutants::SHARDS)))]
        shards: Vec<u32>,
        /// After so many minutes no new shard begins.
        #[arg(long)]
        minutes: Option<u64>,
    },
    /// The long form of all that doubts the core, in an hour or two; writes docs/proof.md.
    Doubt,
    /// All that can be installed, into target/package: archive, .deb, .rpm, SBOM, checksums.
    Package {
        /// Only tell what this machine can make.
        #[arg(long)]
        list: bool,
    },
    /// The pictures of docs/page.md, taken of a lab in Chromium.
    Pictures,
    /// The rules of the house that no compiler holds.
    Tidy,
    /// Format all code.
    Fmt,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let workspace = Workspace::load()?;
    let good = match arguments.task {
        Task::Test { stages } => stage::run(&workspace, &stages).conclude(),
        Task::Verify => verify::run(&workspace)?,
        Task::Multihost { arguments } => multihost::run(&workspace, &arguments)?,
        Task::Recovery { debug } => recovery::run(&workspace, !debug)?,
        Task::Bench { arguments } => bench::run(&workspace, &arguments)?,
        Task::Mutants { shards, minutes } => {
            let limit = minutes.map(|minutes| Duration::from_secs(minutes * 60));
            mutants::run(&workspace, &shards, limit)?
        }
        Task::Doubt => doubt::run(&workspace)?,
        Task::Package { list } => package::run(&workspace, list)?,
        Task::Pictures => pictures::run(&workspace)?,
        Task::Tidy => stage::run(&workspace, &["tidy".to_owned()]).conclude(),
        Task::Fmt => command::run(workspace.cargo(["fmt", "--all"]))?.success,
    };
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
