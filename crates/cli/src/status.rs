//! `jackline status`: asks the running jackline, shows its answer, and exits with the node's state.

mod line;
mod table;
pub(crate) mod words;

use clap::Args;

use crate::args::{Ask, Output};
use crate::client;
use crate::exit::Exit;
use crate::output::{complain, out};
use crate::paint::Paint;
use crate::watch::Watch;

pub(crate) const EXAMPLES: &str = "\
Examples:
  jackline status
  jackline status --watch
  jackline status --output json | jq -r '.endpoints[] | [.address, .health, .reason] | @tsv'
  jackline status --line >> /etc/motd

Exit status: 0 attached (some apiserver is ready), 1 degraded (none is ready,
some answer), 2 isolated (none answers), 3 jackline is not running, 4 it could
not be asked, 64 wrong usage.";

/// The arguments of `jackline status`.
#[derive(Args, Debug)]
pub(crate) struct StatusArgs {
    /// A table for people, or the stable JSON schema of docs/status.md
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// One line, for prompts and login banners: also where jackline is not running
    #[arg(long, conflicts_with = "output")]
    line: bool,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    ask: Ask,
}

pub(crate) fn status(args: StatusArgs) -> anyhow::Result<Exit> {
    let socket = args.ask.place();
    let paint = Paint::of_stdout();
    if args.watch.watch.is_none() && !args.line {
        return Ok(match client::status(&socket) {
            Ok((text, status)) => {
                out(&match args.output {
                    Output::Table => paint.page(&table::render(&status)),
                    // As it came: with fields that this version does not know, if a later one answers.
                    Output::Json => text,
                })?;
                status.state.into()
            }
            Err(error) => {
                complain(&error.to_string());
                error.exit()
            }
        });
    }
    args.watch.show(|| match client::status(&socket) {
        Ok((text, status)) => {
            let page = match (args.line, args.output) {
                (true, _) => line::attached(&status),
                (false, Output::Table) => table::render(&status),
                (false, Output::Json) => text,
            };
            (paint.page(&page), status.state.into())
        }
        Err(error) if args.line => (line::unasked(&error), error.exit()),
        Err(error) => (format!("{error}\n"), error.exit()),
    })
}
