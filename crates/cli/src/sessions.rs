//! `jackline sessions`: who is connected to whom, for how long, with how many bytes.

mod process;

use std::fmt::Write;

use clap::Args;
use jackline_agent::operate::{OpenSession, SessionList};

use self::process::Processes;
use crate::args::{Ask, Output};
use crate::client;
use crate::exit::Exit;
use crate::status::words::short_span;
use crate::watch::Watch;

pub(crate) const EXAMPLES: &str = "\
The oldest come first, a thousand at most. As root, processes are named.

Examples:
  jackline sessions
  jackline sessions --watch
  jackline sessions --output json | jq '[.sessions[].bytes_downstream] | add'

Exit status: 0 listed, 3 jackline is not running, 4 it could not be asked, 64
wrong usage.";

/// The arguments of `jackline sessions`.
#[derive(Args, Debug)]
pub(crate) struct SessionsArgs {
    /// A table for people, or JSON as docs/commands.md describes it
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    ask: Ask,
}

pub(crate) fn sessions(args: SessionsArgs) -> anyhow::Result<Exit> {
    let socket = args.ask.place();
    args.watch.show(|| match client::sessions(&socket) {
        Ok((text, list)) => match args.output {
            Output::Json => (text + "\n", Exit::Well),
            Output::Table => (table(&list, &Processes::look()), Exit::Well),
        },
        Err(error) => {
            crate::output::complain(&error.to_string());
            (String::new(), error.exit())
        }
    })
}

/// At most 80 columns, but for two IPv6 addresses of full length.
fn table(list: &SessionList, processes: &Processes) -> String {
    if list.sessions.is_empty() {
        return "No session is open.\n".to_owned();
    }
    let who = |session: &OpenSession| match processes.of(session.client) {
        Some(name) => name,
        None => session.client.to_string(),
    };
    let width = |column: &dyn Fn(&OpenSession) -> String, head: &str| {
        let longest = list
            .sessions
            .iter()
            .map(|session| column(session).chars().count())
            .max();
        longest.unwrap_or(0).max(head.len())
    };
    let place = |session: &OpenSession| session.endpoint.to_string();
    let (left, right) = (width(&who, "CLIENT"), width(&place, "ENDPOINT"));
    let mut page = format!(
        "{:left$}  {:right$}  {:>6}  {:>9}  {:>9}\n",
        "CLIENT", "ENDPOINT", "OPEN", "SENT", "RECEIVED"
    );
    for session in &list.sessions {
        let _ = writeln!(
            page,
            "{:left$}  {:right$}  {:>6}  {:>9}  {:>9}",
            who(session),
            place(session),
            short_span(session.opened, list.now),
            bytes(session.bytes_upstream),
            bytes(session.bytes_downstream)
        );
    }
    let told = list.sessions.len();
    let _ = match u64::try_from(told).is_ok_and(|told| told < list.open) {
        true => writeln!(page, "{told} of {} open sessions", list.open),
        false => writeln!(page, "{told} open sessions"),
    };
    page
}

/// A number of bytes in its largest unit.
fn bytes(number: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if number < 1024 {
        return format!("{number} B");
    }
    let mut tenths = u128::from(number) * 10 / 1024;
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_in_their_largest_unit() {
        let told = [0, 1023, 1024, 1_536, 1 << 20, 5_368_709_120, u64::MAX].map(bytes);
        assert_eq!(
            told,
            [
                "0 B",
                "1023 B",
                "1.0 KiB",
                "1.5 KiB",
                "1.0 MiB",
                "5.0 GiB",
                "16777215.9 TiB"
            ]
        );
    }

    #[test]
    fn the_table_fits_eighty_columns() {
        let one = |client: &str, bytes| OpenSession {
            client: client.parse().expect("an address"),
            endpoint: "192.168.100.200:6443".parse().expect("an address"),
            service: jackline_agent::status::Service::Api,
            opened: "2026-11-24T08:00:00Z".parse().expect("a time"),
            bytes_upstream: bytes,
            bytes_downstream: bytes * 3,
        };
        let list = SessionList {
            now: "2026-11-24T09:30:00Z".parse().expect("a time"),
            open: 1200,
            sessions: vec![one("127.0.0.1:54321", 1 << 40), one("[::1]:54321", 12)],
        };
        let page = table(&list, &Processes::none());
        assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
        assert!(page.ends_with("2 of 1200 open sessions\n"), "{page}");
    }
}
