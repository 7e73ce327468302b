//! `jackline man`: the manual pages, made from the command line itself.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Command, CommandFactory};
use clap_mangen::Man;

use crate::args::Cli;
use crate::exit::Exit;
use crate::output::out;

pub(crate) const EXAMPLES: &str = "\
Examples:
  jackline man | man -l -
  jackline man --dir /usr/local/share/man/man1

Exit status: 0 printed or written, 1 the folder cannot be written, 64 wrong
usage.";

/// The arguments of `jackline man`.
#[derive(Args, Debug)]
pub(crate) struct ManArgs {
    /// Write a page for each command into this folder, instead of printing the first
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(crate) fn man(args: &ManArgs) -> anyhow::Result<Exit> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let Some(dir) = &args.dir else {
        out(&page(command)?)?;
        return Ok(Exit::Well);
    };
    std::fs::create_dir_all(dir).with_context(|| {
        format!(
            "{} cannot be made; name a folder that you may write",
            dir.display()
        )
    })?;
    let mut pages = Vec::new();
    gather(command, "", &mut pages)?;
    for (name, text) in pages {
        let path = dir.join(format!("{name}.1"));
        std::fs::write(&path, text).with_context(|| {
            format!(
                "{} cannot be written; name a folder that you may write",
                path.display()
            )
        })?;
    }
    Ok(Exit::Well)
}

/// The page of each command below `command`, and its own: `jackline-config-check` and so on.
fn gather(command: Command, before: &str, pages: &mut Vec<(String, String)>) -> anyhow::Result<()> {
    let name = match before {
        "" => command.get_name().to_owned(),
        _ => format!("{before}-{}", command.get_name()),
    };
    for below in command.get_subcommands() {
        gather(below.clone(), &name, pages)?;
    }
    // `clap_mangen` heads a page by the command's name.
    let named: &'static str = Box::leak(name.clone().into_boxed_str());
    pages.push((name, page(command.name(named))?));
    Ok(())
}

fn page(command: Command) -> anyhow::Result<String> {
    let mut text = Vec::new();
    Man::new(command).render(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
