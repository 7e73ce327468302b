//! `jackline support`: gathers what somebody else needs to see of this node, and writes it into one file without secrets.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::SystemTime;

use jackline_agent::config::{self, Environment, Flags, load_to_show};
use jackline_agent::doctor::bundle::{Text, journal_tail, pack, versions};
use jackline_agent::doctor::{Examination, examine, preflight};
use serde::Serialize;

use crate::args::Output;
use crate::args::doctor::SupportArgs;
use crate::client;
use crate::doctor::{json, request};
use crate::exit::Exit;
use crate::output::{complain, out};
use crate::version::VERSION;

/// What was written. Its fields are a promise.
#[derive(Serialize)]
struct Written<'a> {
    file: String,
    texts: Vec<&'a str>,
}

pub(crate) fn support(args: SupportArgs) -> anyhow::Result<Exit> {
    let flags = Flags {
        config: args.look.config.clone(),
        profile: args.look.profile.clone(),
        servers: args.look.servers.clone(),
        root: Some(args.look.root.clone()),
        socket: args.socket,
        ..Flags::default()
    };
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |age| age.as_secs());
    let root = args.look.root.clone();
    let mut texts = vec![
        Text::new("program.txt", format!("jackline {VERSION}\n")),
        versions(&root),
    ];
    let status = running(&flags, &mut texts);
    configuration(&flags, &mut texts);
    let node = match examine(&request(args.look)?) {
        Ok(examination) => looked(&examination, status.as_ref(), &mut texts)?,
        Err(error) => {
            texts.push(Text::new("doctor.txt", error.to_string()));
            "node".to_owned()
        }
    };
    let stem = format!("jackline-support-{}-{now}", name(&node));
    let file = args.file.unwrap_or_else(|| PathBuf::from(format!("{stem}.tar")));
    let bytes = pack(&stem, &texts, now);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&file)
        .and_then(|mut open| open.write_all(&bytes));
    if let Err(error) = written {
        let remedy =
            "name another with --file: one that is not there yet, in a folder that this user may write";
        complain(&format!(
            "jackline: {} cannot be written: {error}; {remedy}",
            file.display()
        ));
        return Ok(Exit::Failed);
    }
    let names: Vec<&str> = texts.iter().map(|text| text.name.as_str()).collect();
    let path = file.display().to_string();
    out(&match args.output {
        Output::Table => format!("{path}\n  {}\n", names.join("\n  ")),
        Output::Json => json(&Written {
            file: path,
            texts: names,
        })?,
    })?;
    Ok(Exit::Well)
}

/// What the running jackline tells of itself, or why it does not.
fn running(flags: &Flags, texts: &mut Vec<Text>) -> Option<jackline_agent::status::Status> {
    let socket = config::socket(flags, &Environment::of_process());
    match client::status(&socket) {
        Ok((text, status)) => {
            texts.push(Text::new("status.json", text));
            if let Ok(metrics) = client::text(&socket, "/metrics") {
                texts.push(Text::new("metrics.txt", metrics));
            }
            Some(status)
        }
        Err(error) => {
            texts.push(Text::new("status.txt", format!("{error}\n")));
            None
        }
    }
}

/// The configuration with where each value comes from, and the end of the journal that it names.
fn configuration(flags: &Flags, texts: &mut Vec<Text>) {
    match load_to_show(flags, &Environment::of_process()) {
        Ok(config) => {
            texts.push(Text::new(
                "configuration.yaml",
                config.show_profile() + &config.show(true),
            ));
            texts.extend(journal_tail(&config.state_dir));
        }
        Err(error) => texts.push(Text::new("configuration.txt", format!("{error}\n"))),
    }
}

fn looked(
    examination: &Examination,
    status: Option<&jackline_agent::status::Status>,
    texts: &mut Vec<Text>,
) -> anyhow::Result<String> {
    texts.push(Text::new("doctor.json", json(&examination.report)?));
    let preflight = preflight::judge(&examination.facts, status, &[]);
    texts.push(Text::new("preflight.json", json(&preflight)?));
    Ok(examination.report.node.clone())
}

/// A node's name as a part of a file's.
fn name(node: &str) -> String {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    node.chars()
        .take(40)
        .map(|c| if good(c) { c } else { '-' })
        .collect()
}
