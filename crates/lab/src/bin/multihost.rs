//! `multihost`: faults between several hosts on one machine, played with the real jackline. Started by
//! `cargo xtask multihost`; no part of the product.
//!
//! What is played is the business of [`jackline_lab::hosts`]; here the command line is read and the nest is entered.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool speaks on its standard streams"
)]

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use jackline_lab::hosts::{self, Lack, Nest};
use jackline_lab::{Balancer, LabOptions, Naive, Output};

const USAGE: &str = "multihost --program FILE [--list | --json] [--naive] [--rate N] [NAME … | short | all]
  FILE       the jackline that the nodes run
  --list     tell what can be played here, and what cannot
  --json     the outcomes as JSON on the standard output, the timeline on the standard error
  --naive    with a naive balancer in jackline's place: the canary by which a fault shows that it can fail
  --rate N   requests a second of each client (10)";

/// What is not run where there can be no hosts at all.
const ALL: &str = "all faults between hosts";

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let outcome = if Nest::is_around() {
        play(&arguments)
    } else {
        enter(arguments)
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("multihost: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Goes on inside; returns only where that cannot be.
fn enter(arguments: Vec<OsString>) -> anyhow::Result<bool> {
    // From inside nothing can be fetched any more; what is lacking in there is told in there.
    let _ = hosts::lacking();
    let output = options(&arguments)?.output;
    match Nest::find() {
        Ok(nest) => Err(nest.enter(arguments)).context("entering the nest"),
        Err(lack) => Ok(not_run(output, ALL, &lack)),
    }
}

fn play(arguments: &[OsString]) -> anyhow::Result<bool> {
    let mut options = options(arguments)?;
    if let Err(lack) = Nest::furnish() {
        return Ok(not_run(options.output, ALL, &lack));
    }
    let lacking = hosts::lacking();
    for (name, lack) in &lacking {
        if options.list
            || hosts::chosen(&options.scenarios)
                .iter()
                .any(|chosen| chosen == name)
        {
            not_run(options.output, name, lack);
        }
    }
    let can_be_played = |name: &str| lacking.iter().all(|(lacking, _)| *lacking != name);
    if options.list {
        for (name, story) in hosts::catalogue() {
            if can_be_played(name) {
                println!("{name:<21}{story}");
            }
        }
        return Ok(true);
    }
    options.scenarios = hosts::chosen(&options.scenarios);
    options.scenarios.retain(|name| can_be_played(name));
    if options.scenarios.is_empty() {
        return Ok(true);
    }
    Ok(hosts::run(options)?.iter().all(|outcome| outcome.passed))
}

/// In the form that `cargo xtask test` counts. Nothing has failed by it.
fn not_run(output: Output, what: &str, lack: &Lack) -> bool {
    let line = format!("not run: {what}: {} ({})", lack.why, lack.bring);
    match output {
        Output::Json => eprintln!("{line}"),
        Output::Text | Output::Silent => println!("{line}"),
    }
    true
}

fn options(arguments: &[OsString]) -> anyhow::Result<LabOptions> {
    let mut options = LabOptions::default();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let mut value = || {
            words
                .next()
                .with_context(|| format!("a value is missing\n{USAGE}"))
        };
        match word.to_string_lossy().as_ref() {
            "--program" => options.program = Some(PathBuf::from(value()?)),
            "--rate" => {
                let rate = value()?.to_string_lossy().into_owned();
                options.rate = rate.parse().with_context(|| format!("--rate {rate}"))?;
            }
            "--naive" => options.balancer = Balancer::Naive(Naive::default()),
            "--json" => options.output = Output::Json,
            "--list" => options.list = true,
            flag if flag.starts_with('-') => anyhow::bail!("there is no {flag}\n{USAGE}"),
            name => options.scenarios.push(name.to_owned()),
        }
    }
    anyhow::ensure!(options.program.is_some() || options.list, "{USAGE}");
    Ok(options)
}
