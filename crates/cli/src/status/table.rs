//! The status for people: the verdict first, then who is known and why it stands where it stands, then who told.
//! At most 80 columns; everything that needs words has lines of its own.

use std::fmt::Write;

use jackline_agent::status::{
    Administration, Depth, Drainer, Endpoint, Health, NodeState, ServiceStatus, Source, Standing,
    StateFileStatus, Status, Trust, TrustState, word,
};
use jiff::Timestamp as Time;

use super::words::{WIDTH, clean, short_span, span, wrapped};

/// Lines beneath a row stand in by so much.
const INDENT: usize = 4;
/// The width of the columns beside a source's name, gaps included.
const SOURCE_COLUMNS: usize = 47;

/// All of `status`.
pub(crate) fn render(status: &Status) -> String {
    let mut page = verdict(status);
    page.push('\n');
    let known = Known {
        state: status.state,
        now: status.now,
        endpoints: &status.endpoints,
        sources: &status.sources,
    };
    page.push_str(&endpoints(known));
    page.push('\n');
    page.push_str(&sources(known));
    page.push('\n');
    for part in &status.services {
        page.push_str(&service(part, status.now));
        page.push('\n');
    }
    page.push_str(&rest(status));
    page
}

/// What is known of the servers of one service.
#[derive(Clone, Copy)]
struct Known<'a> {
    state: NodeState,
    now: Time,
    endpoints: &'a [Endpoint],
    sources: &'a [Source],
}

/// A service besides the API, under a heading of its own.
fn service(service: &ServiceStatus, now: Time) -> String {
    let listen: Vec<String> = service.listen.iter().map(ToString::to_string).collect();
    let place = match listen.as_slice() {
        [] => "not listening".to_owned(),
        _ => format!("listening on {}", listen.join(" and ")),
    };
    let (state, since) = (word(&service.state).to_uppercase(), span(service.since, now));
    let mut text = wrapped(
        &format!("service {}: {state} for {since}, {place}", service.name.name()),
        0,
    );
    text.push_str(&wrapped(&service.state_reason, INDENT));
    text.push_str(&trust(&service.trust, now));
    for warning in &service.warnings {
        text.push_str(&wrapped(&format!("warning: {warning}"), 0));
    }
    let known = Known {
        state: service.state,
        now,
        endpoints: &service.endpoints,
        sources: &service.sources,
    };
    text.push_str(&endpoints(known));
    text.push_str(&sources(known));
    let sessions = &service.sessions;
    text.push_str(&wrapped(
        &format!(
            "sessions: {} open; {} opened, {} closed, {} refused since the start",
            sessions.open, sessions.opened_total, sessions.closed_total, sessions.refused_total
        ),
        0,
    ));
    text
}

/// A line where nothing verifies any more.
fn trust(trust: &Trust, now: Time) -> String {
    if trust.state != TrustState::Lost {
        return String::new();
    }
    let since = trust.since.map(|since| format!(" for {}", span(since, now)));
    let reason = trust
        .reason
        .as_deref()
        .unwrap_or("no server's certificate verifies");
    wrapped(&format!("TRUST LOST{}: {reason}", since.unwrap_or_default()), 0)
}

fn verdict(status: &Status) -> String {
    let state = word(&status.state).to_uppercase();
    let node = clean(&status.node);
    let since = status.since.strftime("%F %T");
    let mut text = wrapped(
        &format!(
            "{node}: {state} for {} (since {since} UTC)",
            span(status.since, status.now)
        ),
        0,
    );
    text.push_str(&wrapped(&status.state_reason, INDENT));
    text.push_str(&wrapped(advice(status.state), INDENT));
    text.push_str(&trust(&status.trust, status.now));
    if let Some(heartbeat) = status.heartbeat.filter(|heartbeat| heartbeat.late) {
        let (ago, then) = (
            span(heartbeat.renewed, status.now),
            heartbeat.not_ready.strftime("%F %T"),
        );
        let line = format!(
            "HEARTBEAT LATE: the node's Lease was renewed {ago} ago; the node is NotReady from {then} UTC on, unless it is renewed"
        );
        text.push_str(&wrapped(&line, 0));
    }
    for warning in &status.warnings {
        text.push_str(&wrapped(&format!("warning: {warning}"), 0));
    }
    text
}

/// What to know at three in the morning, besides the reason.
fn advice(state: NodeState) -> &'static str {
    match state {
        NodeState::Attached => "",
        NodeState::Degraded => {
            "Clients go on with what they have: nothing is moved while all servers share the trouble. \
             Look at the apiservers, not at this node."
        }
        NodeState::Isolated => {
            "Every endpoint is tried and every source is asked, without end: the node comes back by itself as \
             soon as one answers. A restart helps nothing, and no file needs to be deleted."
        }
    }
}

fn endpoints(known: Known<'_>) -> String {
    if known.endpoints.is_empty() {
        return "No endpoint is known.\n".to_owned();
    }
    // Archived ones matter only while there is nothing better.
    let hidden = |endpoint: &Endpoint| {
        endpoint.standing == Standing::Archived
            && known.state == NodeState::Attached
            && endpoint.sessions == 0
    };
    let (archived, shown): (Vec<_>, Vec<_>) = known.endpoints.iter().partition(|endpoint| hidden(endpoint));
    let longest = shown
        .iter()
        .map(|endpoint| endpoint.address.to_string().len())
        .max()
        .unwrap_or(0);
    // No longer than 47 by nature ([eight groups]:port), which just fits.
    let width = longest.max("ENDPOINT".len());
    let mut text = format!(
        "{:width$}  {:8}  {:11}  SESSIONS\n",
        "ENDPOINT", "STANDING", "HEALTH"
    );
    for endpoint in shown {
        let _ = writeln!(
            text,
            "{:width$}  {:8}  {:11}  {:>8}",
            endpoint.address.to_string(),
            word(&endpoint.standing),
            word(&endpoint.health),
            endpoint.sessions
        );
        text.push_str(&wrapped(&endpoint.reason, INDENT));
        text.push_str(&wrapped(&facts(endpoint, known.now), INDENT));
    }
    if !archived.is_empty() {
        let line = format!(
            "and {} archived, kept for an emergency (--output json shows all)",
            archived.len()
        );
        text.push_str(&wrapped(&line, 0));
    }
    text
}

/// What is worth a word beneath the reason.
fn facts(endpoint: &Endpoint, now: Time) -> String {
    let mut facts = Vec::new();
    if endpoint.administration == Administration::Draining {
        facts.push(match endpoint.drained_by.as_slice() {
            [Drainer::Fleet] => "draining for the whole fleet (jackline.dev/drain)".to_owned(),
            [_, _, ..] => "draining at an operator's request, and for the whole fleet".to_owned(),
            _ => "draining at an operator's request".to_owned(),
        });
    }
    if endpoint.avoided {
        facts.push("avoided, for it loses the node's writes".to_owned());
    }
    if endpoint.suspected {
        facts.push("suspected, being tested".to_owned());
    }
    facts.push(match endpoint.sources.as_slice() {
        [] => "no source lists it".to_owned(),
        names => format!("listed by {}", names.join(", ")),
    });
    if endpoint.health != Health::Ready {
        facts.push(match endpoint.last_ready {
            Some(last) => format!("last ready {} ago", span(last, now)),
            None => "never seen ready".to_owned(),
        });
    }
    match endpoint.depth {
        // The reason for it is among the warnings: no CA to verify by.
        Some(Depth::Tcp) => facts.push("tested no deeper than TCP".to_owned()),
        Some(Depth::Tls | Depth::Verified) => facts.push("tested no deeper than TLS".to_owned()),
        Some(Depth::Readyz | Depth::Health | Depth::Ping) | None => {}
    }
    if let Some(zone) = &endpoint.zone {
        facts.push(format!("zone {zone}"));
    }
    if let Some(node) = &endpoint.node {
        if node.leaving {
            facts.push(format!("its Node {} is being deleted", node.name));
        } else if node.ready == Some(false) {
            facts.push(format!("its Node {} is NotReady", node.name));
        }
    }
    facts.join("; ")
}

fn sources(known: Known<'_>) -> String {
    if known.sources.is_empty() {
        return "No source is configured: jackline knows only what it remembers.\n".to_owned();
    }
    let room = WIDTH - SOURCE_COLUMNS;
    let fitting = known
        .sources
        .iter()
        .map(|source| clean(&source.name).chars().count())
        .filter(|n| *n <= room);
    let width = fitting.max().unwrap_or(0).max("SOURCE".len());
    let mut text = row(width, ["SOURCE", "STATE", "MODE", "LISTS", "ANSWERED", "NEXT"]);
    for source in known.sources {
        text.push_str(&source_rows(source, known.now, width));
    }
    text
}

fn source_rows(source: &Source, now: Time, width: usize) -> String {
    let mut text = String::new();
    let mut name = clean(&source.name);
    if name.chars().count() > width {
        text.push_str(&wrapped(&name, 0));
        name.clear();
    }
    let answered = source
        .last_report
        .map_or("never".to_owned(), |last| short_span(last, now) + " ago");
    let next = match source.next_refresh {
        Some(next) if next > now => format!("in {}", short_span(now, next)),
        Some(_) => "now".to_owned(),
        None => "-".to_owned(),
    };
    let lists = source.endpoints.len().to_string();
    text.push_str(&row(
        width,
        [
            &name,
            &word(&source.state),
            &word(&source.mode),
            &lists,
            &answered,
            &next,
        ],
    ));
    text.push_str(&wrapped(source.error.as_deref().unwrap_or(""), INDENT));
    text.push_str(&wrapped(source.note.as_deref().unwrap_or(""), INDENT));
    text
}

fn row(width: usize, [name, state, mode, lists, answered, next]: [&str; 6]) -> String {
    let row = format!("{name:width$}  {state:7}  {mode:5}  {lists:>5}  {answered:10}  {next}");
    format!("{}\n", row.trim_end())
}

fn rest(status: &Status) -> String {
    let sessions = &status.sessions;
    let mut text = wrapped(
        &format!(
            "sessions: {} open; {} opened, {} closed, {} refused since the start",
            sessions.open, sessions.opened_total, sessions.closed_total, sessions.refused_total
        ),
        0,
    );
    let file = &status.state_file;
    let fate = match (file.status, file.saved) {
        (StateFileStatus::Empty, _) => "nothing to remember yet".to_owned(),
        (StateFileStatus::Saved, Some(saved)) => format!("saved {} ago", span(saved, status.now)),
        (StateFileStatus::Saved, None) => "saved".to_owned(),
        (StateFileStatus::MemoryOnly, _) => "CANNOT BE WRITTEN: a restart forgets what was learnt".to_owned(),
    };
    text.push_str(&wrapped(&format!("state file: {}, {fate}", file.path), 0));
    text.push_str(&wrapped(file.note.as_deref().unwrap_or(""), INDENT));
    let listen: Vec<String> = status.listen.iter().map(ToString::to_string).collect();
    text.push_str(&wrapped(
        &format!(
            "jackline {}, pid {}, up {}, listening on {}",
            status.version,
            status.pid,
            span(status.started, status.now),
            if listen.is_empty() {
                "nothing".to_owned()
            } else {
                listen.join(" and ")
            }
        ),
        0,
    ));
    text
}

#[cfg(test)]
mod tests;
