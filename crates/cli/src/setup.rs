//! `jackline setup`: what the agent's plan says, carried out or taken back, and an exit status.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use jackline_agent::setup::{Done, Mode, Request, SetupError, plan, undo, write};

use crate::args::Output;
use crate::config::refused;
use crate::doctor::json;
use crate::exit::Exit;
use crate::output::{complain, out};

pub(crate) const EXAMPLES: &str = "\
Examples:
  jackline setup --print    what would change, and what to look at before
  jackline setup --write    change it; as often as you like
  jackline setup --undo     put everything back, byte for byte; credentials too
  jackline setup --print --mode stand-behind

No service is restarted: when is yours to say.

Exit status: 0 done, also where there was nothing to do, 1 something is in the
way and nothing was changed, 64 wrong usage, 78 the configuration is refused.";

/// The arguments of `jackline setup`.
#[derive(Args, Debug)]
pub(crate) struct SetupArgs {
    #[command(flatten)]
    pub(crate) what: SetupWhat,
    /// Replace the distribution's own balancer, or stand behind it [default: what suits distribution and role]
    #[arg(long, value_enum, value_name = "MODE")]
    pub(crate) mode: Option<SetupMode>,
    /// Whose files to look for on this node [default: the configuration file's, else auto]
    #[arg(long, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    /// A registration address, if the node's files tell none; may be given again
    #[arg(long = "server", value_name = "URL")]
    pub(crate) servers: Vec<String>,
    /// The folder that stands for /, as in an image
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub(crate) root: PathBuf,
    /// A page for people, or JSON as docs/commands.md describes it
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}

/// Exactly one of them.
#[derive(Args, Clone, Copy, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct SetupWhat {
    /// Only show what would change
    #[arg(long)]
    pub(crate) print: bool,
    /// Change it
    #[arg(long)]
    pub(crate) write: bool,
    /// Take it back
    #[arg(long)]
    pub(crate) undo: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SetupMode {
    /// The node's programs connect to jackline alone
    Replace,
    /// The distribution's own balancer goes on, and falls back to jackline
    StandBehind,
}

pub(crate) fn setup(args: SetupArgs) -> anyhow::Result<Exit> {
    let what = args.what;
    let request = Request {
        root: std::path::absolute(&args.root)?,
        mode: args.mode.map(Mode::from),
        profile: args.profile,
        servers: args.servers,
    };
    let told = if what.undo {
        undo(&request).map(|done| report(&done, args.output, "nothing of jackline's setup is on this node"))
    } else if what.write {
        write(&request).map(|done| report(&done, args.output, "nothing to do: all is as it should be"))
    } else {
        plan(&request).map(|plan| match args.output {
            Output::Table => Ok(plan.show()),
            Output::Json => json(&plan.tell()),
        })
    };
    match told {
        Ok(text) => {
            out(&text?)?;
            Ok(Exit::Well)
        }
        Err(SetupError::Config(error)) => Ok(refused(&error)),
        Err(error) => {
            complain(&error.to_string());
            Ok(Exit::Failed)
        }
    }
}

fn report(done: &Done, output: Output, nothing: &str) -> anyhow::Result<String> {
    if output == Output::Json {
        return json(done);
    }
    let mut text = String::new();
    let mut lines: Vec<String> = done.changed.iter().chain(&done.left).cloned().collect();
    if done.changed.is_empty() {
        lines.push(nothing.to_owned());
    } else {
        lines.extend(done.afterwards.iter().map(|step| format!("now: {step}")));
    }
    for line in lines {
        text.push_str(&line);
        text.push('\n');
    }
    Ok(text)
}

impl From<SetupMode> for Mode {
    fn from(mode: SetupMode) -> Self {
        match mode {
            SetupMode::Replace => Self::Replace,
            SetupMode::StandBehind => Self::StandBehind,
        }
    }
}
