//! `jackline doctor`: what the agent's library finds on this node, for people or programs; with `--fix` what is safe is done.

pub(crate) mod table;

use std::process::Command;

use jackline_agent::doctor::{Examination, Report, Request, Severity, examine};

use crate::args::Output;
use crate::args::doctor::{DoctorArgs, LookArgs};
use crate::config::refused;
use crate::exit::Exit;
use crate::output::{complain, out};

/// Whether units are restarted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Restart {
    Now,
    /// The files are not this machine's.
    NotHere,
    NotAsked,
}

pub(crate) fn doctor(args: DoctorArgs) -> anyhow::Result<Exit> {
    let root_is_here = args.look.root.as_os_str() == "/";
    let mut examination = match examine(&request(args.look)?) {
        Ok(examination) => examination,
        Err(error) => return Ok(refused(&error)),
    };
    let restart = match (args.restart, root_is_here) {
        (true, true) => Restart::Now,
        (true, false) => Restart::NotHere,
        (false, _) => Restart::NotAsked,
    };
    let failed = match args.fix {
        true => fix(&mut examination, args.output, restart)?,
        false => false,
    };
    out(&match args.output {
        Output::Table => table::render(&examination.report, args.fix),
        Output::Json => json(&examination.report)?,
    })?;
    Ok(if failed {
        Exit::Unknown
    } else {
        exit(&examination.report)
    })
}

/// Shows what will be done, does it, and restarts what that needs, if that is asked for. `true`: something could not be done.
fn fix(examination: &mut Examination, output: Output, restart: Restart) -> anyhow::Result<bool> {
    if output == Output::Table {
        out(&table::intentions(&examination.report, restart == Restart::Now))?;
    }
    let fixed = examination.fix();
    let mut failed = fixed.failed;
    for unit in &fixed.restart {
        let why = match restart {
            Restart::Now => None,
            Restart::NotHere => Some("another root than / is looked at"),
            Restart::NotAsked => Some("give --restart with --fix, or do it by hand"),
        };
        if let Some(why) = why {
            let line = format!("not restarted ({why}); it counts after: systemctl restart {unit}");
            examination.report.fixed.push(line);
            continue;
        }
        match Command::new("systemctl")
            .args(["restart", unit.as_str()])
            .status()
        {
            Ok(status) if status.success() => examination.report.fixed.push(format!("restarted {unit}")),
            Ok(status) => failed.push(format!("systemctl restart {unit} ended with {status}")),
            Err(error) => failed.push(format!("systemctl could not be run for {unit}: {error}")),
        }
    }
    for line in &failed {
        complain(&format!("jackline: {line}"));
    }
    Ok(!failed.is_empty())
}

/// 0: nothing that has to be done; 1: warnings; 2: something hurts now.
fn exit(report: &Report) -> Exit {
    match report.worst() {
        None | Some(Severity::Note) => Exit::Well,
        Some(Severity::Warning) => Exit::Failed,
        Some(Severity::Critical) => Exit::Isolated,
    }
}

/// How to look, from the command line.
pub(crate) fn request(look: LookArgs) -> anyhow::Result<Request> {
    Ok(Request {
        root: std::path::absolute(&look.root)?,
        config: look.config,
        profile: look.profile,
        servers: look.servers,
        offline: look.offline,
    })
}

/// A report as JSON, indented, with a line's end.
pub(crate) fn json(report: &impl serde::Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(report)? + "\n")
}
