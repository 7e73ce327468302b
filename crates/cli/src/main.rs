//! The command `jackline`: reads the command line, hands it to the crate that does the work, and turns what comes back
//! into an exit status. Thin: nothing is decided here.

mod args;
mod client;
mod completions;
mod config;
mod doctor;
mod drain;
mod events;
mod exit;
mod explain;
mod fleet;
mod hand_over;
#[cfg(feature = "lab")]
mod lab;
mod man;
mod output;
mod paint;
mod preflight;
mod rbac;
mod refresh;
#[cfg(feature = "lab")]
mod replay;
mod run;
mod sessions;
mod setup;
#[cfg(feature = "lab")]
mod simulate;
mod status;
mod support;
mod version;
mod watch;

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
        Command::Explain(args) => explain::explain(args),
        Command::Events(args) => events::events(args),
        Command::Sessions(args) => sessions::sessions(args),
        Command::Drain(args) => drain::drain(args),
        Command::Undrain(args) => drain::undrain(args),
        Command::Refresh(args) => refresh::refresh(args),
        Command::ResetState(args) => refresh::reset_state(args),
        Command::Reload(args) => refresh::reload(args),
        Command::Upgrade(args) => refresh::upgrade(args),
        Command::Setup(args) => setup::setup(args),
        Command::Doctor(args) => doctor::doctor(args),
        Command::Preflight(args) => preflight::preflight(args),
        Command::Support(args) => support::support(args),
        Command::HandOver(args) => hand_over::run(args),
        #[cfg(feature = "lab")]
        Command::Lab(args) => Ok(lab::lab(args)),
        #[cfg(feature = "lab")]
        Command::Simulate(args) => simulate::simulate(args),
        #[cfg(feature = "lab")]
        Command::Replay(args) => replay::replay(&args),
        Command::Rbac(args) => rbac::rbac(&args),
        Command::Completions(args) => completions::completions(&args),
        Command::Man(args) => man::man(&args),
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
