//! Facts and commands in words for people, a line each.

use std::time::Duration;

use jackline_core::{
    Action, Answer, Ask, DialFailure, Ending, Event, Finding, Pace, ProbeFailure, Report, Settings, SourceId,
    Subject, Timer, Untrusted, Which,
};

use super::Change;

/// Letters of a list that are told.
const LIST_MAX: usize = 8;

/// What happened. `timer`: the deadline that had come.
#[must_use]
pub fn of_event(event: &Event, timer: Option<Timer>, settings: &Settings) -> String {
    let source = |id: &SourceId| name_of(*id, settings);
    match event {
        Event::SourceReported {
            source: id, report, ..
        } => {
            format!("source {} tells {}", source(id), of_report(report))
        }
        Event::SourceFailed {
            source: id, failure, ..
        } => {
            format!("source {} fails: {}", source(id), failure.reason)
        }
        Event::NodeReported { name, node, .. } => match node {
            Some(_) => format!("the Node {name} is there"),
            None => format!("the Node {name} is gone"),
        },
        Event::WatchEnded {
            source: id, reason, ..
        } => format!("the watch of {} ends: {reason}", source(id)),
        Event::ProbeSucceeded {
            endpoint, finding, ..
        } => {
            format!("a test of {endpoint} finds it {}", of_finding(finding))
        }
        Event::ProbeFailed {
            endpoint, failure, ..
        } => {
            format!("a test of {endpoint} fails: {}", of_failure(failure))
        }
        Event::DialFailed { endpoint, failure } => match failure {
            DialFailure::Refused => format!("a client's dial of {endpoint} is refused"),
            DialFailure::TimedOut => format!("a client's dial of {endpoint} times out"),
            DialFailure::Unreachable => format!("a client's dial of {endpoint} finds no way"),
            DialFailure::Local(fault) => format!("a client's dial of {endpoint} fails here: {fault}"),
        },
        Event::HedgeWon { silent, winner } => format!("{winner} answers while {silent} is silent"),
        Event::SessionOpened { endpoint, .. } => format!("a session opens on {endpoint}"),
        Event::SessionAnswered { endpoint, after } => {
            format!("{endpoint} answers a session after {}", span(*after))
        }
        Event::SessionsProgressed { endpoint } => format!("bytes come from {endpoint}"),
        Event::SessionStalled { endpoint, again } => {
            let again = if *again { " again" } else { "" };
            format!("a session on {endpoint} hears nothing{again}")
        }
        Event::SessionClosed { endpoint, ending } => {
            format!("a session on {endpoint} ends: {}", of_ending(*ending))
        }
        Event::DrainRequested { endpoint, .. } => format!("an operator drains {endpoint}"),
        Event::UndrainRequested { endpoint } => format!("an operator takes the drain of {endpoint} back"),
        Event::RefreshRequested => "an operator has all sources asked".to_owned(),
        Event::ResetRequested => {
            "an operator has what is only remembered forgotten, and all sources asked".to_owned()
        }
        Event::MembershipRestored { records, .. } => {
            format!("the state file tells {} endpoints", records.len())
        }
        Event::TrustReloaded { changed: true } => "CA and credentials were read: they changed".to_owned(),
        Event::TrustReloaded { changed: false } => "CA and credentials were read: the same".to_owned(),
        Event::LocalFaultSeen { fault } => format!("something fails on this machine: {fault}"),
        Event::DeadlineReached => match timer {
            Some(timer) => format!("it is time: {}", of_timer(timer, settings)),
            None => "a look at the clock".to_owned(),
        },
    }
}

/// A deadline.
#[must_use]
pub fn of_timer(timer: Timer, settings: &Settings) -> String {
    match timer {
        Timer::Refresh(id) => format!("source {} is to be asked", name_of(id, settings)),
        Timer::RefreshLost(id) => format!("source {} has not answered", name_of(id, settings)),
        Timer::Probe(endpoint) => format!("{endpoint} is to be tested"),
        Timer::ProbeLost(endpoint) => format!("the test of {endpoint} has not ended"),
        Timer::OwnCause(endpoint) => format!("{endpoint} has been not-ready alone for long enough"),
        Timer::DrainEnd(endpoint) => format!("the drain of {endpoint} ends"),
        Timer::FleetDrainBegin(endpoint) => format!("the fleet's drain of {endpoint} begins here"),
        Timer::FleetDrainEnd => "a fleet's drain ends".to_owned(),
        Timer::AvoidanceEnd(endpoint) => format!("{endpoint} is judged like all others again"),
        Timer::Settling => "the first choice has been ready for long enough".to_owned(),
        Timer::ReloadTrust => "the CA is to be read again".to_owned(),
        Timer::Persist => "the membership is to be saved".to_owned(),
    }
}

/// What is to be done.
#[must_use]
pub fn of_action(action: &Action, settings: &Settings) -> String {
    match action {
        Action::RefreshSource(order) => match &order.ask {
            Ask::Everything => format!("asks source {}", name_of(order.source, settings)),
            Ask::Node(node) => format!(
                "asks source {} for the Node {node}",
                name_of(order.source, settings)
            ),
        },
        Action::StartProbe(start) => {
            let fresh = if start.fresh { " on a new connection" } else { "" };
            format!("tests {}{fresh} (test {})", start.endpoint, start.probe.0)
        }
        Action::CloseSessions(order) => {
            let which = match order.which {
                Which::All => "the sessions".to_owned(),
                Which::SilentFor(least) => format!("sessions silent for {}", span(least)),
            };
            let (how, time) = match order.pace {
                Pace::Reset(time) => ("resets", time),
                Pace::Quiet(time) => ("moves", time),
            };
            format!(
                "{how} {which} on {} within {}: {}",
                order.endpoint,
                span(time),
                order.reason
            )
        }
        Action::KeepSessions { endpoint } => format!("keeps the sessions on {endpoint} after all"),
        Action::PersistMembership { .. } => "saves the membership".to_owned(),
        Action::ReloadTrust => "reads CA and credentials".to_owned(),
        Action::Announce(said) => match &said.subject {
            Subject::Node => format!("says: {}", said.text),
            Subject::Endpoint(endpoint) => format!("says of {endpoint}: {}", said.text),
            Subject::Source(id) => format!("says of source {}: {}", name_of(*id, settings), said.text),
        },
    }
}

/// A turn.
#[must_use]
pub fn of_change(change: &Change) -> String {
    match change {
        Change::Node { state, reason } => format!("the node is {}: {reason}", plain(state)),
        Change::Endpoint {
            address,
            health,
            standing,
            first,
            reason,
        } => {
            let first = if *first { ", the first choice" } else { "" };
            format!(
                "{address} is {}, {}{first}: {reason}",
                plain(health),
                plain(standing)
            )
        }
        Change::Forgotten { address } => format!("{address} is forgotten"),
        Change::Source {
            name,
            state,
            endpoints,
            error,
        } => {
            let error = error
                .as_ref()
                .map(|error| format!(": {error}"))
                .unwrap_or_default();
            format!("source {name} is {}, lists {endpoints}{error}", plain(state))
        }
    }
}

/// A state as it is written in `status`.
#[must_use]
pub fn plain(state: &impl serde::Serialize) -> String {
    match serde_json::to_value(state) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

fn name_of(id: SourceId, settings: &Settings) -> String {
    let spec = settings.sources.get(usize::from(id.0));
    spec.map_or_else(|| format!("number {}", id.0), |spec| spec.name.clone())
}

fn of_report(report: &Report) -> String {
    let mut words: Vec<String> = report
        .endpoints
        .iter()
        .take(LIST_MAX)
        .map(|listing| listing.ip.to_string())
        .collect();
    if report.endpoints.len() > LIST_MAX {
        words.push(format!("and {} more", report.endpoints.len() - LIST_MAX));
    }
    match (words.is_empty(), report.nodes.len()) {
        (true, 0) => "nothing".to_owned(),
        (true, nodes) => format!("{nodes} Nodes"),
        (false, _) => words.join(", "),
    }
}

fn of_finding(finding: &Finding) -> String {
    let word = match &finding.answer {
        Answer::Ready => "ready".to_owned(),
        Answer::Alive => "alive".to_owned(),
        Answer::NotReady { status, failed } if failed.is_empty() => format!("not-ready ({status})"),
        Answer::NotReady { status, failed } => format!("not-ready ({status}: {})", failed.join(", ")),
        Answer::NoApi => "without an API".to_owned(),
    };
    format!("{word} in {}", span(finding.total))
}

fn of_failure(failure: &ProbeFailure) -> String {
    match failure {
        ProbeFailure::Refused { detail } | ProbeFailure::Nonsense { detail } => detail.clone(),
        ProbeFailure::TimedOut { phase } => format!("no answer ({})", format!("{phase:?}").to_lowercase()),
        ProbeFailure::Untrusted { cause, detail } => format!("{}: {detail}", of_distrust(*cause)),
        ProbeFailure::Local { fault } => format!("on this machine, {fault}"),
        ProbeFailure::Aborted => "given up".to_owned(),
    }
}

fn of_distrust(cause: Untrusted) -> &'static str {
    match cause {
        Untrusted::UnknownIssuer => "another CA's certificate",
        Untrusted::WrongName => "another name's certificate",
        Untrusted::NotYetValid => "a certificate that is not valid yet",
        Untrusted::Expired => "an expired certificate",
        Untrusted::Other => "a bad certificate",
    }
}

fn of_ending(ending: Ending) -> &'static str {
    match ending {
        Ending::Downstream => "the client closes it",
        Ending::Upstream => "the server closes it",
        Ending::UpstreamSilent => "the server closes it before its first byte",
        Ending::PeerDead => "the kernel gives the server up",
        Ending::Ours => "we close it",
    }
}

fn span(time: Duration) -> String {
    match time.as_millis() {
        millis if millis < 1000 => format!("{millis} ms"),
        millis => format!("{}.{:03} s", millis / 1000, millis % 1000),
    }
}
