//! `jackline replay`: a node's journal through the same core. The crate `jackline-agent` plays it; here are words, JSON and
//! the page.

mod json;
mod page;
mod time;
mod words;

use std::fs;

use anyhow::Context;
use jackline_agent::journal::played::what_if::{self, WhatIf};
use jackline_agent::journal::played::{Played, find, play};

use crate::args::{LabOutput, ReplayArgs};
use crate::exit::Exit;
use crate::output::{complain, out};

/// What was asked of a journal, and what came of it.
struct Answer {
    played: Played,
    /// The steps to be explained, by their places.
    asked: Option<Vec<usize>>,
    what_if: Option<WhatIf>,
}

pub(crate) fn replay(args: &ReplayArgs) -> anyhow::Result<Exit> {
    let paths = find(&args.journal)?;
    let played = play(&paths)?;
    let asked = args.at.as_deref().map(|at| time::steps(&played, at, args.within));
    let asked = match asked.transpose() {
        Ok(asked) => asked,
        Err(wrong) => {
            complain(&format!("jackline: {wrong}"));
            return Ok(Exit::Usage);
        }
    };
    let what_if = match args.set.is_empty() {
        true => None,
        false => match what_if::what_if(&played, &args.set) {
            Ok(what_if) => Some(what_if),
            Err(wrong) => {
                complain(&format!("jackline: {wrong}"));
                return Ok(Exit::Usage);
            }
        },
    };
    let answer = Answer {
        played,
        asked,
        what_if,
    };
    if let Some(file) = &args.html {
        let html = page::page(&answer, args).to_html()?;
        fs::write(file, html).with_context(|| format!("{} cannot be written", file.display()))?;
    }
    out(&match args.output {
        LabOutput::Json => format!(
            "{}\n",
            serde_json::to_string_pretty(&json::answer(&answer, args))?
        ),
        LabOutput::Text => words::answer(&answer, args),
    })?;
    Ok(match answer.played.difference {
        None => Exit::Well,
        Some(_) => Exit::Failed,
    })
}
