//! `jackline preflight`: best practices and the maintenance window, from the running jackline's status where there is one, and from a look of
//! one's own.

use std::fmt::Write as _;

use jackline_agent::config::{self, Environment, Flags};
use jackline_agent::doctor::examine;
use jackline_agent::doctor::preflight::{Outcome, Preflight, judge};

use crate::args::Output;
use crate::args::doctor::PreflightArgs;
use crate::client;
use crate::config::refused;
use crate::doctor::table::{plain, wrapped};
use crate::doctor::{json, request};
use crate::exit::Exit;
use crate::output::out;

pub(crate) fn preflight(args: PreflightArgs) -> anyhow::Result<Exit> {
    let flags = Flags {
        config: args.look.config.clone(),
        socket: args.socket,
        ..Flags::default()
    };
    let socket = config::socket(&flags, &Environment::of_process());
    let examination = match examine(&request(args.look)?) {
        Ok(examination) => examination,
        Err(error) => return Ok(refused(&error)),
    };
    // Not running, or another user's: then one's own look is all there is, and the report says so.
    let status = client::status(&socket).ok().map(|(_, status)| status);
    let preflight = judge(&examination.facts, status.as_ref(), &args.stopping);
    out(&match args.output {
        Output::Table => render(&preflight),
        Output::Json => json(&preflight)?,
    })?;
    Ok(exit(&preflight))
}

fn exit(preflight: &Preflight) -> Exit {
    if preflight.stopping.is_some() {
        return match preflight.may_stop() {
            true => Exit::Well,
            false => Exit::Isolated,
        };
    }
    match preflight.worst() {
        Outcome::Good | Outcome::Unknown => Exit::Well,
        Outcome::Improvable => Exit::Failed,
        Outcome::Bad => Exit::Isolated,
    }
}

fn render(preflight: &Preflight) -> String {
    let mut text = String::new();
    let from = match preflight.agent {
        true => "jackline's status and a look of one's own",
        false => "a look of one's own; jackline does not run here, or may not be asked",
    };
    wrapped(&mut text, "", &format!("{}: from {from}", plain(&preflight.node)));
    text.push('\n');
    for item in &preflight.practices {
        let head = format!("{:<11} ", item.outcome.word());
        wrapped(
            &mut text,
            &head,
            &format!("{}: {}", item.practice, plain(&item.what)),
        );
        if !item.remedy.is_empty() {
            wrapped(&mut text, "            ", &format!("remedy: {}", item.remedy));
        }
    }
    if let Some(stopping) = &preflight.stopping {
        let _ = writeln!(text, "\nif they went away now: {}", stopping.state);
        for words in &stopping.words {
            wrapped(&mut text, "  - ", &plain(words));
        }
        let verdict = match preflight.may_stop() {
            true => "they may be stopped",
            false => "do not stop them now",
        };
        let _ = writeln!(text, "\n{verdict}");
    }
    text
}
