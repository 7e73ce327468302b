//! Measures jackline beside what people would use instead, in one run: `cargo xtask bench`.
//!
//! Every target carries the same [`work`] between the same clients and the same [`origin`], which live in this process; a
//! target is a process of its own ([`target`]), and what it costs is read from the kernel ([`process`]). Rounds are
//! interleaved, so that a noisy moment meets all targets. What is printed is medians, ratios first ([`report`]).
//!
//! It imports none of ours: jackline is started as a program, as its rivals are.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool speaks on standard output, and tells on standard error how far it is"
)]

mod failover;
mod goals;
mod instructions;
mod machine;
mod measuring;
mod origin;
mod page;
mod process;
mod relay;
mod report;
mod samples;
mod target;
mod tls;
mod work;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand, ValueEnum};

use crate::target::Tools;

/// Measures jackline beside its rivals.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench")]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    /// A short run of a few minutes: fewer and shorter rounds, no 9,000 sessions
    #[arg(long)]
    quick: bool,
    /// How often everything is measured
    #[arg(long)]
    rounds: Option<u32>,
    /// Only work whose name begins so (bulk, connections, requests, idle, mixed, rest, growth, waiting, failover or failover.FAULT); may
    /// be given again
    #[arg(long, value_name = "WORK")]
    only: Vec<String>,
    /// Only these targets; jackline is always one of them
    #[arg(long, value_name = "TARGET")]
    target: Vec<String>,
    /// One more rival, started by a shell: {listen} and {to} stand for addresses
    #[arg(long, value_name = "NAME=COMMAND")]
    rival: Vec<String>,
    /// On standard output: a table for people, or JSON
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// Count instructions with callgrind instead, and compare them with the committed figures
    #[arg(long)]
    instructions: bool,
    /// With --instructions: these are the committed figures from now on
    #[arg(long)]
    write: bool,
    /// Where the JSON and the HTML page are written
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    report: PathBuf,
    /// The program to be measured
    #[arg(long, value_name = "PATH")]
    jackline: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// The plain way: tokio's copy_bidirectional between two sockets.
    Relay {
        /// Where clients connect
        #[arg(long)]
        listen: SocketAddr,
        /// Where they are relayed to
        #[arg(long)]
        to: SocketAddr,
    },
    /// A server in a process of its own.
    Origin {
        /// Told in each answer
        #[arg(long)]
        name: String,
        /// Where its certificate is
        #[arg(long)]
        folder: PathBuf,
        /// Where it serves
        #[arg(long)]
        listen: SocketAddr,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    Table,
    /// For programs
    Json,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    process::raise_descriptor_limit()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    match arguments.part {
        Some(Part::Relay { listen, to }) => runtime.block_on(relay::run(listen, to))?,
        Some(Part::Origin { name, folder, listen }) => {
            runtime.block_on(failover::serve(&name, folder, listen))?;
        }
        None if arguments.instructions => {
            let jackline = arguments
                .jackline
                .context("which jackline? give --jackline PATH")?;
            let tools = Tools::new(jackline, &[])?;
            let good = runtime.block_on(instructions::run(&tools, arguments.write))?;
            return Ok(if good {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            });
        }
        None => {
            if let Some(mut again) = failover::in_own_network() {
                let status = again.status()?;
                return Ok(if status.success() {
                    ExitCode::SUCCESS
                } else {
                    ExitCode::FAILURE
                });
            }
            return runtime.block_on(measuring::run(&arguments));
        }
    }
    Ok(ExitCode::SUCCESS)
}
