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
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand, ValueEnum};

use crate::origin::Origin;
use crate::report::Report;
use crate::samples::Samples;
use crate::target::{Sort, Tools};
use crate::work::{Length, Work};

/// One work with one target takes no longer; if it does, that is told, and the others go on.
const PLAY_MAX: Duration = Duration::from_secs(120);

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
    /// Only figures whose name begins so (bulk, connections, requests, idle, mixed, rest, growth, failover); may be given again
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
        Some(Part::Origin { name, folder }) => runtime.block_on(failover::serve(&name, folder))?,
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
            return runtime.block_on(measure(&arguments));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The whole run. The exit code is a failure only if something could not be measured: a goal that is missed is a result.
async fn measure(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let jackline = arguments
        .jackline
        .clone()
        .context("which jackline? give --jackline PATH, or use `cargo xtask bench`")?;
    let tools = Tools::new(jackline, &arguments.rival)?;
    let origin = Origin::start().await?;
    let length = if arguments.quick {
        Length::QUICK
    } else {
        Length::FULL
    };
    let rounds = arguments.rounds.unwrap_or(length.rounds);
    let sorts = wanted(tools.sorts(), &arguments.target);
    let mut samples = Samples::default();
    for round in 1..=rounds {
        for work in Work::all(&length)
            .iter()
            .filter(|work| work.is_named(&arguments.only))
        {
            // Who comes first has the caches cold; each has its turn.
            let mut sorts = sorts.clone();
            let first = usize::try_from(round).unwrap_or(0) % sorts.len();
            sorts.rotate_left(first);
            for sort in &sorts {
                eprintln!("round {round} of {rounds}: {} with {}", work.name(), sort.name());
                let playing = play(work, sort, &tools, &origin, &length, &mut samples);
                let played = tokio::time::timeout(PLAY_MAX, playing).await;
                if let Err(error) = played.context("it took too long").flatten() {
                    samples.fail(work.name(), sort.name(), &format!("{error:#}"));
                }
            }
        }
    }
    for fault in failover::Fault::ALL {
        if !arguments.only.is_empty()
            && !arguments
                .only
                .iter()
                .any(|name| "failover".starts_with(name.as_str()))
        {
            continue;
        }
        for sort in wanted(tools.choosers(), &arguments.target) {
            eprintln!("failover: {fault:?} with {}", sort.name());
            match failover::run(fault, &sort, &tools).await {
                Ok(figures) => {
                    for (figure, value) in figures {
                        samples.add(&figure, sort.name(), value);
                    }
                }
                Err(error) => samples.fail(
                    &format!("failover ({fault:?})"),
                    sort.name(),
                    &format!("{error:#}"),
                ),
            }
        }
    }
    let report = Report::of(&samples, rounds, arguments.quick);
    report.write(&arguments.report)?;
    match arguments.output {
        Output::Table => println!("{}", report.table()),
        Output::Json => println!("{}", report.json()?),
    }
    let whole = samples.failures().is_empty();
    Ok(if whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn wanted(mut sorts: Vec<Sort>, names: &[String]) -> Vec<Sort> {
    if !names.is_empty() {
        sorts.retain(|sort| sort.name() == "jackline" || names.iter().any(|name| name == sort.name()));
    }
    sorts
}

/// One work with one target, which is started for it and ended after it.
async fn play(
    work: &Work,
    sort: &Sort,
    tools: &Tools,
    origin: &Origin,
    length: &Length,
    samples: &mut Samples,
) -> anyhow::Result<()> {
    let target = tools.start(sort, &[origin.address]).await?;
    let figures = work.run(&target, origin, length).await?;
    for (figure, value) in figures {
        samples.add(&figure, sort.name(), value);
    }
    target.end().await;
    Ok(())
}
