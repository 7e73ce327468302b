//! `jackline completions`: what a shell needs to complete our command line.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::args::Cli;
use crate::exit::Exit;
use crate::output::out;

pub(crate) const EXAMPLES: &str = "\
Examples:
  jackline completions bash > /etc/bash_completion.d/jackline
  jackline completions zsh > /usr/local/share/zsh/site-functions/_jackline
  jackline completions fish > ~/.config/fish/completions/jackline.fish

Exit status: 0 printed, 64 wrong usage.";

/// The arguments of `jackline completions`.
#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn completions(args: &CompletionsArgs) -> anyhow::Result<Exit> {
    let mut page = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "jackline", &mut page);
    out(&String::from_utf8_lossy(&page))?;
    Ok(Exit::Well)
}
