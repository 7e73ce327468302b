//! `jackline explain`: the chain of facts and rules behind a present judgement, in sentences with times.
//!
//! The facts are the running jackline's (`status`), the history is the journal's; the words of the rules are here. Nothing
//! is judged anew: what is explained is what the core decided.

mod client;
mod endpoint;
mod isolation;
mod rules;
mod source;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use jackline_agent::journal::told::{Reader, Told};
use jackline_agent::status::Status;
use jiff::Timestamp as Time;
use serde::Serialize;

use self::rules::Rule;
use crate::args::{Ask, Output};
use crate::client as socket_client;
use crate::drain::Target;
use crate::events;
use crate::exit::Exit;
use crate::output::{complain, out};
use crate::paint::Paint;
use crate::status::words::wrapped;

pub(crate) const EXAMPLES: &str = "\
Examples:
  jackline explain 10.0.0.2:6443     why it is used, or is not
  jackline explain client            where a client that connects now goes
  jackline explain source            what each source says, and when it is asked
  jackline explain source kubernetes
  jackline explain isolation         why the node is attached, or is not

Exit status: 0 explained, 1 there is nothing of that name, 3 jackline is not
running, 4 it could not be asked, 64 wrong usage.";

/// So many past events are told.
const HISTORY_MAX: usize = 12;

/// The arguments of `jackline explain`.
#[derive(Args, Debug)]
pub(crate) struct ExplainArgs {
    /// An apiserver (IP or IP:PORT), `client`, `source` or `isolation`
    #[arg(value_name = "WHAT", value_parser = what)]
    what: What,
    /// With `source`: only this one
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Sentences for people, or JSON as docs/commands.md describes it
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// Where the journal is [default: beside the state file of the jackline that is asked]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    #[command(flatten)]
    ask: Ask,
}

/// What is to be explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Endpoint(Target),
    Client,
    Source,
    Isolation,
}

fn what(text: &str) -> Result<What, String> {
    match text {
        "client" => Ok(What::Client),
        "source" | "sources" => Ok(What::Source),
        "isolation" => Ok(What::Isolation),
        other => other.parse().map(What::Endpoint).map_err(|_| {
            "give an apiserver as IP or IP:PORT, or one of: client, source, isolation".to_owned()
        }),
    }
}

/// An explanation. Its fields are a promise, as those of `status` are.
#[derive(Debug, Serialize)]
struct Explanation {
    /// What is explained.
    subject: String,
    /// The judgement, one sentence.
    verdict: String,
    /// What it stands on.
    facts: Vec<Fact>,
    /// What was made of that.
    rules: Vec<Rule>,
    /// What happened, the newest last.
    history: Vec<Told>,
}

/// One fact.
#[derive(Debug, Serialize)]
struct Fact {
    /// Since when, or when; `null`: it is so, whenever it began.
    at: Option<Time>,
    /// A sentence.
    text: String,
}

impl Fact {
    fn now(text: impl Into<String>) -> Self {
        Self {
            at: None,
            text: text.into(),
        }
    }

    fn at(at: Time, text: impl Into<String>) -> Self {
        Self {
            at: Some(at),
            text: text.into(),
        }
    }
}

pub(crate) fn explain(args: ExplainArgs) -> anyhow::Result<Exit> {
    let socket = args.ask.place();
    let status = match socket_client::status(&socket) {
        Ok((_, status)) => status,
        Err(error) => {
            complain(&error.to_string());
            return Ok(error.exit());
        }
    };
    let past = past(args.state_dir.as_deref(), &status);
    let made = match (args.what, &args.name) {
        (What::Source, name) => source::explain(&status, name.as_deref(), &past),
        (_, Some(name)) => {
            complain(&format!("jackline: only a source has a name; leave out {name:?}"));
            return Ok(Exit::Usage);
        }
        (What::Endpoint(target), None) => endpoint::explain(&status, target, &past),
        (What::Client, None) => Ok(vec![client::explain(&status)]),
        (What::Isolation, None) => Ok(vec![isolation::explain(&status, &past)]),
    };
    match made {
        Ok(explanations) => {
            out(&match args.output {
                Output::Json => serde_json::to_string_pretty(&explanations)? + "\n",
                Output::Table => {
                    let pages: Vec<String> = explanations.iter().map(page).collect();
                    Paint::of_stdout().page(&pages.join("\n"))
                }
            })?;
            Ok(Exit::Well)
        }
        Err(words) => {
            complain(&format!("jackline: {words}"));
            Ok(Exit::Failed)
        }
    }
}

/// All that the journal tells; nothing where it cannot be read, for the facts stand without it.
fn past(state_dir: Option<&Path>, status: &Status) -> Vec<Told> {
    let beside = Path::new(&status.state_file.path).parent();
    let dir = match (state_dir, beside) {
        (Some(dir), _) => dir.to_owned(),
        (None, Some(dir)) => dir.to_owned(),
        (None, None) => events::state_dir(None),
    };
    Reader::new(&dir)
        .read()
        .map(|account| account.told)
        .unwrap_or_default()
}

/// The newest of those that `wanted` likes, the newest last.
fn newest(past: &[Told], wanted: impl Fn(&Told) -> bool) -> Vec<Told> {
    let mut found: Vec<Told> = past
        .iter()
        .rev()
        .filter(|told| wanted(told))
        .take(HISTORY_MAX)
        .cloned()
        .collect();
    found.reverse();
    found
}

fn page(explanation: &Explanation) -> String {
    let mut page = wrapped(&explanation.verdict, 0);
    let _ = writeln!(page, "\nWhat is known:");
    for fact in &explanation.facts {
        let time = fact
            .at
            .map(|at| format!("{} ", at.strftime("%F %T")))
            .unwrap_or_default();
        page.push_str(&item(&format!("{time}{}", fact.text)));
    }
    let _ = writeln!(page, "\nWhat decides:");
    for rule in &explanation.rules {
        page.push_str(&item(&format!("{}: {}", rule.name, rule.text)));
    }
    if !explanation.history.is_empty() {
        let _ = writeln!(page, "\nWhat happened:");
        for told in &explanation.history {
            let time = told
                .at
                .map(|at| format!("{} ", at.strftime("%F %T")))
                .unwrap_or_default();
            page.push_str(&item(&format!("{time}{}", told.text)));
        }
    }
    page
}

/// A sentence beneath a heading: its later lines stand in.
fn item(text: &str) -> String {
    let lines = wrapped(text, 4);
    lines.replacen("    ", "  - ", 1)
}
