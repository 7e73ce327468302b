//! `jackline hand-over`: what only root may read on this node, for jackline's own user; and taking it back.

use std::path::PathBuf;

use clap::Args;
use jackline_agent::config::{Environment, Flags};
use jackline_agent::{HANDED_OVER, HandOverError, HandedOver, hand_over, take_back};

use crate::args::Output;
use crate::config::refused;
use crate::doctor::json;
use crate::exit::Exit;
use crate::output::{complain, out};

pub(crate) const EXAMPLES: &str = "\
The packages' jackline-credentials.service does this as root before jackline
starts, and jackline-credentials.path when one of the files changes. Only what a
profile finds is handed over, and nothing that an operator has configured.

Examples:
  jackline hand-over                          into /run/jackline-credentials
  jackline hand-over --undo                   remove what was handed over
  jackline hand-over --root ./image --to ./handed

Exit status: 0 done, also where something is not there yet, 1 the folder cannot
be written, 64 wrong usage, 78 the configuration is refused.";

/// The arguments of `jackline hand-over`.
#[derive(Args, Debug)]
pub(crate) struct HandOverArgs {
    /// The folder for it; it is there, and its group is that of jackline's user
    #[arg(long, value_name = "DIR", default_value = HANDED_OVER)]
    pub(crate) to: PathBuf,
    /// Remove what was handed over
    #[arg(long)]
    pub(crate) undo: bool,
    /// jackline's configuration file [default: /etc/jackline/config.yaml, if it is there]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Whose files to look for on this node [default: the configuration file's, else auto]
    #[arg(long, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    /// The folder that stands for /, as in an image
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// Words for people, or JSON as docs/commands.md describes it
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}

pub(crate) fn run(args: HandOverArgs) -> anyhow::Result<Exit> {
    let folder = std::path::absolute(&args.to)?;
    let told = if args.undo {
        take_back(&folder).map(|removed| HandedOver {
            removed,
            ..HandedOver::default()
        })
    } else {
        let flags = Flags {
            config: args.config,
            profile: args.profile,
            root: args.root,
            ..Flags::default()
        };
        hand_over(&flags, &Environment::of_process(), &folder)
    };
    match told {
        Ok(told) if args.output == Output::Json => out(&json(&told)?)?,
        Ok(told) => out(&words(&told))?,
        Err(HandOverError::Config(error)) => return Ok(refused(&error)),
        Err(error) => {
            complain(&error.to_string());
            return Ok(Exit::Failed);
        }
    }
    Ok(Exit::Well)
}

fn words(told: &HandedOver) -> String {
    let lines = |words: &str, names: &[String]| {
        let lines = names.iter().map(|name| format!("{words}{name}\n"));
        lines.collect::<String>()
    };
    let text = lines("wrote ", &told.written)
        + &lines("removed ", &told.removed)
        + &lines("missing: ", &told.missing);
    match text.is_empty() {
        true => "nothing has changed\n".to_owned(),
        false => text,
    }
}
