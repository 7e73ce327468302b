//! `jackline refresh`, `jackline reset-state`, `jackline reload` and `jackline upgrade`: orders without arguments, or nearly.

use std::path::PathBuf;

use clap::Args;

use crate::args::{Ask, Output};
use crate::client;
use crate::exit::Exit;
use crate::output::{complain, out};
use crate::status::words::wrapped;

pub(crate) const REFRESH_EXAMPLES: &str = "\
Example:
  jackline refresh && jackline status

Exit status: 0 the sources are being asked, 3 jackline is not running, 4 it
could not be asked, 64 wrong usage.";

pub(crate) const RESET_EXAMPLES: &str = "\
For a node that remembers what is no longer so (the by-hand remedy of
k3s-io/k3s#11349 in one safe step). The old state file is kept aside, endpoints
that no source lists are forgotten unless they are ready or in use, and every
source is asked. Nothing is restarted, no session is closed.

Example:
  jackline reset-state && jackline status

Exit status: 0 done, 1 not done, for the old file could not be kept aside, 3
jackline is not running, 4 it could not be asked, 64 wrong usage.";

pub(crate) const RELOAD_EXAMPLES: &str = "\
A new process reads the configuration and takes over: listeners that are wanted
still, and every session. A configuration that is refused changes nothing, and
this command says what is wrong with it.

Example:
  jackline config check && jackline reload

Exit status: 0 the new configuration is in use, 1 it is not, and why, 3
jackline is not running, 4 it could not be asked, 64 wrong usage.";

pub(crate) const UPGRADE_EXAMPLES: &str = "\
A new process of another program takes over listeners and live sessions, and
the old one leaves. If the new one does not start, crashes, hangs or speaks
another version of the hand-over, the old one goes on, and nothing is lost.

Examples:
  jackline upgrade                             the program that is on disk now
  jackline upgrade --program /opt/new/jackline

Exit status: 0 the new process has taken over, 1 it has not, and why, 3
jackline is not running, 4 it could not be asked, 64 wrong usage.";

/// The arguments of `jackline upgrade`.
#[derive(Args, Debug)]
pub(crate) struct UpgradeArgs {
    /// The program [default: where the running one was started from]
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
    #[command(flatten)]
    order: OrderArgs,
}

/// The arguments of an order that has none of its own.
#[derive(Args, Debug)]
pub(crate) struct OrderArgs {
    /// A sentence for people, or JSON as docs/commands.md describes it
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(flatten)]
    ask: Ask,
}

pub(crate) fn refresh(args: OrderArgs) -> anyhow::Result<Exit> {
    order(args, "/refresh")
}

pub(crate) fn reset_state(args: OrderArgs) -> anyhow::Result<Exit> {
    order(args, "/reset-state")
}

pub(crate) fn reload(args: OrderArgs) -> anyhow::Result<Exit> {
    order(args, "/reload")
}

pub(crate) fn upgrade(args: UpgradeArgs) -> anyhow::Result<Exit> {
    let UpgradeArgs { program, order } = args;
    match program {
        Some(program) => self::order(order, &format!("/upgrade?program={}", program.display())),
        None => self::order(order, "/upgrade"),
    }
}

fn order(args: OrderArgs, path: &str) -> anyhow::Result<Exit> {
    let OrderArgs { output, ask } = args;
    match client::order(&ask.place(), path) {
        Ok((text, done)) => {
            let kept = done.kept.iter().map(|path| format!("kept: {path}\n"));
            out(&match output {
                Output::Json => text + "\n",
                Output::Table => wrapped(&done.done, 0) + &kept.collect::<String>(),
            })?;
            Ok(Exit::Well)
        }
        Err(error) => {
            complain(&error.to_string());
            Ok(error.exit())
        }
    }
}
