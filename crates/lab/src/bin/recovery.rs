//! `recovery`: plays whose figures have targets, with the real jackline and real etcd. Started by `cargo xtask recovery`; no part
//! of the product.
//!
//! What is played is the business of [`jackline_lab::recovery`]; here the command line is read.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool speaks on its standard streams"
)]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use jackline_lab::{LabOptions, Output, recovery};

const USAGE: &str = "recovery --program FILE [--list | --json] [--parallel N] [NAME … | all]
  FILE         the jackline that the nodes run
  --list       tell what can be played here, and what cannot
  --json       the outcomes as JSON on the standard output, the timeline on the standard error
  --parallel N so many at a time (1)";

fn main() -> ExitCode {
    match play() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("recovery: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn play() -> anyhow::Result<bool> {
    let mut options = options()?;
    let all = options.scenarios.iter().any(|name| name == "all") || options.scenarios.is_empty();
    if all {
        options.scenarios = recovery::catalogue()
            .into_iter()
            .map(|(name, _)| name.to_owned())
            .collect();
    }
    let lacking = recovery::lacking();
    let lack = |name: &str| lacking.iter().find(|(lacking, _)| *lacking == name);
    for (name, lack) in options.scenarios.iter().filter_map(|name| lack(name)) {
        let line = format!("not run: {name}: {} ({})", lack.why, lack.bring);
        match options.output {
            Output::Json => eprintln!("{line}"),
            Output::Text | Output::Silent => println!("{line}"),
        }
    }
    options.scenarios.retain(|name| lack(name).is_none());
    if options.list {
        let known = recovery::catalogue().into_iter();
        for (name, story) in known.filter(|(name, _)| options.scenarios.iter().any(|chosen| chosen == name)) {
            println!("{name:<24}{story}");
        }
        return Ok(true);
    }
    if options.scenarios.is_empty() {
        return Ok(true);
    }
    Ok(recovery::run(options)?.iter().all(|outcome| outcome.passed))
}

fn options() -> anyhow::Result<LabOptions> {
    let mut options = LabOptions {
        parallel: 1,
        ..LabOptions::default()
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || {
            words
                .next()
                .with_context(|| format!("a value is missing\n{USAGE}"))
        };
        match word.as_str() {
            "--program" => options.program = Some(PathBuf::from(value()?)),
            "--parallel" => options.parallel = value()?.parse().context("--parallel")?,
            "--json" => options.output = Output::Json,
            "--list" => options.list = true,
            flag if flag.starts_with('-') => anyhow::bail!("there is no {flag}\n{USAGE}"),
            name => options.scenarios.push(name.to_owned()),
        }
    }
    anyhow::ensure!(options.program.is_some() || options.list, "{USAGE}");
    Ok(options)
}
