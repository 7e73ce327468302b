//! `jackline setup`: what the agent's plan says, carried out or taken back, and an exit status.

use jackline_agent::setup::{Done, Mode, Request, SetupError, plan, undo, write};

use crate::args::{SetupArgs, SetupMode};
use crate::config::refused;
use crate::exit::Exit;
use crate::output::{complain, out};

pub(crate) fn setup(args: SetupArgs) -> anyhow::Result<Exit> {
    let what = args.what;
    let request = Request {
        root: std::path::absolute(&args.root)?,
        mode: args.mode.map(Mode::from),
        profile: args.profile,
        servers: args.servers,
    };
    let told = if what.undo {
        undo(&request).map(|done| report(&done, "nothing of jackline's setup is on this node"))
    } else if what.write {
        write(&request).map(|done| report(&done, "nothing to do: all is as it should be"))
    } else {
        plan(&request).map(|plan| plan.show())
    };
    match told {
        Ok(text) => {
            out(&text)?;
            Ok(Exit::Well)
        }
        Err(SetupError::Config(error)) => Ok(refused(&error)),
        Err(error) => {
            complain(&error.to_string());
            Ok(Exit::Failed)
        }
    }
}

fn report(done: &Done, nothing: &str) -> String {
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
    text
}

impl From<SetupMode> for Mode {
    fn from(mode: SetupMode) -> Self {
        match mode {
            SetupMode::Replace => Self::Replace,
            SetupMode::StandBehind => Self::StandBehind,
        }
    }
}
