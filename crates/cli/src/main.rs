//! The command `jackline`: reads the command line, hands it to the crate that does the work, and turns what comes back
//! into an exit status. Thin: nothing is decided here.

mod args;
mod client;
mod config;
mod exit;
mod hand_over;
#[cfg(feature = "lab")]
mod lab;
mod output;
mod rbac;
mod run;
mod setup;
#[cfg(feature = "lab")]
mod simulate;
mod status;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use crate::args::{Cli, Command};
use crate::exit::Exit;
use crate::output::complain;

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => perform(cli.command).into(),
        Err(error) => explain(&error).into(),
    }
}

fn perform(command: Command) -> Exit {
    let done = match command {
        Command::Run(args) => Ok(run::run(args)),
        Command::Config(command) => config::config(command),
        Command::Status(args) => status::status(args),
        Command::Setup(args) => setup::setup(args),
        Command::HandOver(args) => hand_over::run(args),
        #[cfg(feature = "lab")]
        Command::Lab(args) => Ok(lab::lab(args)),
        #[cfg(feature = "lab")]
        Command::Simulate(args) => simulate::simulate(args),
        Command::Rbac(args) => rbac::rbac(&args),
    };
    done.unwrap_or_else(|error| {
        complain(&format!("jackline: {error:#}"));
        Exit::Failed
    })
}

/// Help and version are answers, everything else is wrong usage: 64, for 2 means "isolated".
fn explain(error: &clap::Error) -> Exit {
    // Where the terminal is gone there is nobody to tell.
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Well,
        _ => Exit::Usage,
    }
}
