//! `--watch`: the same page again and again, until it is interrupted or nobody reads it any more.

use std::io::IsTerminal;
use std::time::Duration;

use clap::Args;

use crate::exit::Exit;
use crate::output::out_to_reader;

/// Clears a terminal and goes to its upper left corner.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

/// Whether, and how often.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Watch {
    /// Show it again and again, every 2 seconds or as often as you say
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2", require_equals = true, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) watch: Option<u64>,
}

impl Watch {
    /// Shows the page that `make` makes, once or for ever. Each page comes with the exit status that it stands for.
    pub(crate) fn show(self, mut make: impl FnMut() -> (String, Exit)) -> anyhow::Result<Exit> {
        let Some(seconds) = self.watch else {
            let (page, exit) = make();
            out_to_reader(&page)?;
            return Ok(exit);
        };
        let clear = if std::io::stdout().is_terminal() {
            CLEAR
        } else {
            ""
        };
        loop {
            let (page, exit) = make();
            if !out_to_reader(&format!("{clear}{page}"))? {
                return Ok(exit);
            }
            std::thread::sleep(Duration::from_secs(seconds));
        }
    }
}
