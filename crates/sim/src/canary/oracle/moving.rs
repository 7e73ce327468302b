//! D, S5, R4: which sessions were closed, and which were left.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use jackline_core::*;

use super::health::Tests;
use super::{Broken, Seen, another_is_ready};

/// D2: a move takes at least so long, where the settings leave the drain time at its default.
const DRAIN: Duration = Duration::from_secs(10);
/// S5: a cause that may be shared is given so long.
const PATIENCE: Duration = Duration::from_secs(10);
/// R5: the fleet's drain is heeded within this, and a step.
const HEEDED_WITHIN: Duration = Duration::from_millis(8_100);
/// A Lease that was seen to stand still for so long is late.
const LATE: Duration = Duration::from_secs(20);

/// … or for so long, and its own time says that it is.
const ONE_BEAT: Duration = Duration::from_secs(11);

#[derive(Default)]
pub(super) struct Moves {
    /// Since when sessions have been left with a server that has no API while another was ready.
    left_without_api: BTreeMap<SocketAddr, Timestamp>,
    /// Since when the fleet's drain has named them.
    named: BTreeMap<SocketAddr, Timestamp>,
    asked: RefreshId,
    read: RefreshId,
    /// When this renewal of the Lease was read first.
    pulse: Option<(u64, Timestamp)>,
    late: bool,
}

impl Moves {
    pub(super) fn observe(&mut self, seen: &Seen<'_>, tests: &Tests) -> Option<Broken> {
        self.closes(seen, tests)
            .or_else(|| self.no_session_without_api(seen, tests))
            .or_else(|| self.fleet_drain(seen))
            .or_else(|| self.heartbeat(seen))
    }

    /// D1, D2, H5, S5: how sessions may be closed.
    fn closes(&self, seen: &Seen<'_>, tests: &Tests) -> Option<Broken> {
        for close in seen.closes() {
            let address = close.endpoint;
            let no_api = tests.no_api.get(&address).is_some_and(|no| *no);
            if matches!(seen.event, Event::DialFailed { .. }) && !no_api {
                return Some(Broken::new(
                    "D1",
                    format!("a dial's failure closes sessions of {address}"),
                ));
            }
            match (close.which, close.pace) {
                (Which::All, Pace::Reset(_)) if !no_api => {
                    return Some(Broken::new("D2", format!("all sessions of {address} are reset")));
                }
                (Which::All, Pace::Quiet(over)) if over < DRAIN => {
                    return Some(Broken::new(
                        "D2",
                        format!("sessions of {address} move within {over:?}"),
                    ));
                }
                _ => {}
            }
            let view = seen.is(address)?;
            let enabled = view.administration == Administration::Enabled && !view.avoided;
            if let Some(&shared) = tests.shared.get(&address)
                && enabled
                && view.health == Health::NotReady
            {
                let alone = seen.now.since(shared.max(seen.after.state_since));
                if alone < PATIENCE {
                    return Some(Broken::new(
                        "H2",
                        format!("sessions of {address} move after {alone:?}"),
                    ));
                }
            }
        }
        None
    }

    /// R4: sessions leave a server without an API at once.
    fn no_session_without_api(&mut self, seen: &Seen<'_>, tests: &Tests) -> Option<Broken> {
        for (&address, &open) in seen.sessions {
            let no_api = tests.no_api.get(&address).is_some_and(|no| *no);
            let settled = no_api && open > 0 && another_is_sound(seen.after, address);
            if !settled {
                self.left_without_api.remove(&address);
                continue;
            }
            let since = *self.left_without_api.entry(address).or_insert(seen.now);
            if seen.now.since(since) > Duration::from_secs(1) {
                return Some(Broken::new(
                    "R4",
                    format!("sessions are left with {address}, which has no API"),
                ));
            }
        }
        self.left_without_api
            .retain(|address, _| seen.sessions.contains_key(address));
        None
    }

    /// D2: who is named in the annotation is drained soon.
    fn fleet_drain(&mut self, seen: &Seen<'_>) -> Option<Broken> {
        if let Event::SourceReported { refresh, report, .. } = seen.event
            && let (true, true, Some(draining)) = (report.verified, *refresh >= self.asked, &report.draining)
        {
            self.asked = *refresh;
            let named = |address: &SocketAddr| draining.iter().any(|drain| drain.ip == address.ip());
            self.named.retain(|address, _| named(address));
            for record in seen.known.iter().filter(|record| named(&record.address)) {
                self.named.entry(record.address).or_insert(seen.now);
            }
        }
        self.named.iter().find_map(|(&address, &since)| {
            let view = seen.is(address)?;
            let heeded = view.administration == Administration::Draining;
            (!heeded && seen.now.since(since) > HEEDED_WITHIN)
                .then(|| Broken::new("fleet drain", format!("{address} is named and not drained")))
        })
    }

    /// The heartbeat witness: a Lease that stands still is held against the server in use.
    fn heartbeat(&mut self, seen: &Seen<'_>) -> Option<Broken> {
        let Event::SourceReported { refresh, report, .. } = seen.event else {
            return None;
        };
        let newer = *refresh >= self.read;
        let told = report.heartbeat.filter(|_| report.verified && newer)?;
        self.read = *refresh;
        let first = match self.pulse.filter(|(renewed, _)| *renewed == told.renewed) {
            Some((_, first)) => first,
            None => {
                self.late = false;
                self.pulse = Some((told.renewed, seen.now));
                seen.now
            }
        };
        let stood = seen.now.since(first);
        if self.late || (stood < LATE && (told.age < LATE || stood < ONE_BEAT)) {
            return None;
        }
        self.late = true;
        let in_use = seen
            .before
            .endpoints
            .iter()
            .filter(|view| view.health == Health::Ready && view.api != Capability::No)
            .filter(|view| seen.sessions.contains_key(&view.address))
            .max_by_key(|view| (seen.sessions.get(&view.address), view.address))?;
        let could_leave = another_is_ready(seen.before, in_use.address);
        let blamed = seen.after.endpoints.iter().any(|view| view.avoided);
        let already = seen.before.endpoints.iter().any(|view| view.avoided);
        (could_leave && !blamed && !already).then(|| {
            Broken::new(
                "heartbeat",
                format!(
                    "writes through {} are lost, and it is not avoided",
                    in_use.address
                ),
            )
        })
    }
}

/// Whether some other endpoint is ready, and nothing speaks against it.
fn another_is_sound(snapshot: &Snapshot, address: SocketAddr) -> bool {
    snapshot.endpoints.iter().any(|view| {
        let usable = view.health == Health::Ready && view.api != Capability::No && !view.suspected;
        view.address != address && usable && view.administration == Administration::Enabled
    })
}
