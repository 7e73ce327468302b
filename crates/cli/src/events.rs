//! `jackline events`: what people were told, read back from the journal. Works without a running jackline.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use jackline_agent::config::{self, Environment, Flags};
use jackline_agent::journal::told::{Reader, Told};
use jiff::{SignedDuration, Timestamp as Time};

use crate::args::Output;
use crate::exit::Exit;
use crate::output::{complain, out_to_reader};
use crate::paint::Paint;
use crate::status::words::{clean, typed_span, wrapped};

pub(crate) const EXAMPLES: &str = "\
What each event means and what to do about it: docs/events.md.

Examples:
  jackline events --since 1h
  jackline events --since 2026-01-31T22:00:00Z --output json
  jackline events --follow

Exit status: 0 told, 1 the journal cannot be read, 64 wrong usage.";

/// Between two looks at the journal.
const LOOK: Duration = Duration::from_millis(500);

/// The arguments of `jackline events`.
#[derive(Args, Debug)]
pub(crate) struct EventsArgs {
    /// Only later ones: a time (2026-01-31T22:00:00Z), or how long ago (90s, 30m, 2h, 1d)
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Time>,
    /// Go on telling what happens
    #[arg(long, short)]
    follow: bool,
    /// A service besides the API, by its name
    #[arg(long, value_name = "NAME", value_parser = ["etcd", "supervisor"])]
    service: Option<String>,
    /// Lines for people, or a JSON object a line as docs/commands.md describes it
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// The state folder [default: JACKLINE_STATE_DIR, else the configuration file's, else /var/lib/jackline]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

pub(crate) fn events(args: EventsArgs) -> anyhow::Result<Exit> {
    let mut dir = state_dir(args.state_dir);
    if let Some(service) = &args.service {
        dir = dir.join("services").join(service);
    }
    let paint = Paint::of_stdout();
    let mut reader = Reader::new(&dir);
    let mut begun = false;
    loop {
        let account = match reader.read() {
            Ok(account) => account,
            // It may be about to begin.
            Err(_) if args.follow && begun => Default::default(),
            Err(error) => {
                complain(&unreadable(&dir, &error));
                return Ok(Exit::Failed);
            }
        };
        begun = true;
        for remark in &account.remarks {
            complain(&format!("jackline: not all could be read: {remark}"));
        }
        let wanted = account.told.iter().filter(|told| told.at >= args.since);
        let page: String = match args.output {
            Output::Table => wanted.map(line).collect(),
            Output::Json => wanted
                .filter_map(|told| serde_json::to_string(told).ok())
                .map(|line| line + "\n")
                .collect(),
        };
        if !page.is_empty() && !out_to_reader(&paint.page(&page))? || !args.follow {
            return Ok(Exit::Well);
        }
        std::thread::sleep(LOOK);
    }
}

/// Where the journal's folder is.
pub(crate) fn state_dir(given: Option<PathBuf>) -> PathBuf {
    let flags = Flags {
        state_dir: given,
        ..Flags::default()
    };
    config::state_dir(&flags, &Environment::of_process())
}

fn unreadable(dir: &Path, error: &std::io::Error) -> String {
    let remedy = match error.kind() {
        std::io::ErrorKind::PermissionDenied => "Read it as root: sudo jackline events.",
        _ => "If jackline keeps its state elsewhere, name that: jackline events --state-dir DIR.",
    };
    format!(
        "jackline: the journal in {} cannot be read: {error}\n    {remedy}",
        dir.join("journal").display()
    )
}

/// One event: the time, how loud, and the words beneath each other where they are long.
pub(crate) fn line(told: &Told) -> String {
    let time = told
        .at
        .map_or("-".to_owned(), |at| at.strftime("%F %T").to_string());
    let subject = match (told.endpoint, &told.source) {
        (Some(endpoint), _) => format!("{endpoint} "),
        (None, Some(source)) => format!("{source} "),
        (None, None) => "node ".to_owned(),
    };
    let text = format!("{time} {:5} {subject}{}", told.level, clean(&told.text));
    let mut lines = wrapped(&text, 0);
    // The level's column keeps its width; `wrapped` makes one space of several.
    if told.level.len() < 5 {
        lines = lines.replacen(&format!(" {} ", told.level), &format!(" {:5} ", told.level), 1);
    }
    indent_rest(&lines)
}

/// All lines but the first stand in.
fn indent_rest(lines: &str) -> String {
    let mut all = lines.lines();
    let first = all.next().unwrap_or_default();
    let rest = all.collect::<Vec<_>>().join(" ");
    format!("{first}\n{}", wrapped(&rest, 4))
}

/// A time, or how long ago.
fn since(text: &str) -> Result<Time, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let wrong =
        || format!("{text:?} is neither a time like 2026-01-31T22:00:00Z nor one like 30m, 2h or 1d ago");
    let seconds = typed_span(text).and_then(|seconds| i64::try_from(seconds).ok());
    let seconds = seconds.ok_or_else(wrong)?;
    Time::now()
        .checked_sub(SignedDuration::from_secs(seconds))
        .map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_moment_or_a_while_ago() {
        assert_eq!(
            since("2026-01-31T22:00:00Z"),
            Ok("2026-01-31T22:00:00Z".parse().expect("a time"))
        );
        let then = since("2h").expect("two hours");
        let ago = Time::now().duration_since(then).as_secs();
        assert!((7200..7260).contains(&ago), "{ago}");
        for bad in ["", "yesterday", "h", "-1h", "99999999999999999d"] {
            assert!(since(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_event_fits_eighty_columns_and_keeps_its_columns() {
        let told = Told {
            at: Some("2026-01-31T22:00:00.123Z".parse().expect("a time")),
            event: "endpoint-unreachable".into(),
            level: "warn".into(),
            endpoint: Some("10.0.0.2:6443".parse().expect("an address")),
            source: None,
            text: format!("unreachable: {}", "refused the connection, ".repeat(9)),
        };
        let page = line(&told);
        assert!(
            page.starts_with("2026-01-31 22:00:00 warn  10.0.0.2:6443 unreachable: "),
            "{page}"
        );
        assert!(
            page.lines().count() > 2 && page.lines().all(|line| line.len() <= 80),
            "{page}"
        );
    }
}
