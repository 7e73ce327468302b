//! Expectations that several plays share, each a check with its figures.

use std::time::{Duration, Instant};

use super::Stage;
use crate::clients::judge::{Evidence, Fate, median_time};
use crate::node::{Node, SILENT};
use crate::verdict::{Recovery, counted, millis, seconds};

/// A node is attached this long after the first server is ready …
pub(crate) const RECOVERY_WORST: Duration = Duration::from_millis(1_200);

/// … and half of them within this.
pub(crate) const RECOVERY_MEDIAN: Duration = Duration::from_millis(500);

/// Clients are served this long after the first server is ready: they ask every 100 ms, and are answered in some more.
pub(crate) const SERVED_WITHIN: Duration = Duration::from_millis(1_500);

/// Sessions with a dead peer that sent something are free again.
pub(crate) const FREED_WITHIN: Duration = Duration::from_secs(3);

impl Stage {
    /// Recoveries that a play has measured by itself.
    pub(crate) fn count_recoveries(&mut self, times: &[Duration]) {
        self.recoveries.extend_from_slice(times);
    }

    /// Every recovery within `worst`; none is no recovery.
    pub(crate) fn check_recovery(&mut self, worst: Duration) {
        let recovery = Recovery::of(self.recoveries());
        let (count, stuck) = (self.recoveries().len(), self.stuck());
        let got = match recovery.worst {
            None => format!("no node was attached again, {stuck} stuck"),
            Some(worst) => format!("{} at worst of {count}, {stuck} stuck", seconds(worst)),
        };
        self.check(
            format!(
                "every node is attached within {} of the first ready server",
                seconds(millis(worst))
            ),
            stuck == 0 && recovery.worst.is_some_and(|found| found <= millis(worst)),
            got,
        );
    }

    /// A client of every node is served soon after each of these moments, at which a server became ready: what nodes say
    /// of themselves is one thing, what their clients get another.
    pub(crate) fn check_served(&mut self, evidence: &Evidence, moments: &[Instant], within: Duration) {
        let mut waits = Vec::new();
        for moment in moments {
            for node in 0..self.nodes.len() {
                let served = evidence.first_served(node, *moment);
                waits.push(served.map(|served| served.saturating_duration_since(*moment)));
            }
        }
        let never = waits.iter().filter(|wait| wait.is_none()).count();
        let worst = waits.iter().flatten().max().copied().unwrap_or_default();
        self.check(
            format!(
                "clients of every node are served within {} of it",
                seconds(millis(within))
            ),
            never == 0 && !waits.is_empty() && worst <= within,
            format!(
                "{} at worst of {}, {never} never",
                seconds(millis(worst)),
                waits.len()
            ),
        );
    }

    /// The middle recovery within `median`.
    pub(crate) fn check_median(&mut self, median: Duration) {
        let found = Recovery::of(self.recoveries()).median;
        self.check(
            format!(
                "half of the nodes are attached within {}",
                seconds(millis(median))
            ),
            found.is_some_and(|found| found <= millis(median)),
            found.map_or("no recovery".to_owned(), |found| {
                format!("{} in the middle", seconds(found))
            }),
        );
    }

    /// No request failed that began after `since`.
    pub(crate) fn check_none_failed(&mut self, evidence: &Evidence, since: Instant, what: &str) {
        let after = evidence
            .requests
            .iter()
            .filter(|request| request.began >= since)
            .count() as u64;
        let failed = evidence.tally(Some(since), self.kills()).failed;
        let mut got = format!("{failed} of {after} failed");
        if failed > 0 {
            got = format!("{got}: {}", evidence.reasons(Some(since), self.kills()));
        }
        self.check(what, failed == 0 && after > 0, got);
    }

    /// No request failed that needed a new connection and began after `since`.
    pub(crate) fn check_new_requests(&mut self, evidence: &Evidence, since: Instant) {
        let (mut all, mut failed, mut first) = (0_u64, 0_u64, String::new());
        for request in evidence.on_new_connections(since) {
            all += 1;
            if evidence.fate(request, Some(since), self.kills()) == Fate::Failed {
                failed += 1;
                if first.is_empty() {
                    first = format!(
                        ", first {}: {}",
                        request.kind,
                        request.failure.as_deref().unwrap_or_default()
                    );
                }
            }
        }
        let got = format!("{failed} of {all} failed{first}");
        self.check(
            "no request fails that needs a new connection",
            failed == 0 && all > 0,
            got,
        );
    }

    /// New connections are not much slower than before the fault.
    pub(crate) fn check_new_not_slower(&mut self, evidence: &Evidence, fault: Instant, by: Duration) {
        let fresh = |request: &&crate::clients::ledger::Request| request.kind == crate::clients::Kind::Fresh;
        let before = evidence
            .requests
            .iter()
            .filter(fresh)
            .filter(|request| request.began < fault);
        let usual = median_time(before);
        let after: Vec<_> = evidence
            .requests
            .iter()
            .filter(fresh)
            .filter(|request| request.began >= fault)
            .collect();
        let worst = after
            .iter()
            .filter_map(|request| request.took())
            .max()
            .unwrap_or_default();
        self.check(
            format!(
                "requests on new connections are at most {} slower than usual",
                seconds(millis(by))
            ),
            !after.is_empty() && worst <= usual + by,
            format!(
                "{} ms usually, {} ms at worst of {}",
                millis(usual),
                millis(worst),
                after.len()
            ),
        );
    }

    /// Sessions with the server that hangs are free again soon, if they sent something.
    pub(crate) fn check_freed(&mut self, evidence: &Evidence, server: &str, fault: Instant) {
        let hung = evidence.hung(server, fault);
        let open = hung.iter().filter(|(_, time)| time.is_none()).count();
        let worst = hung.iter().filter_map(|(_, time)| *time).max();
        let mut got = counted(hung.len() as u64, "such session", "such sessions");
        if let Some(worst) = worst {
            got = format!("{got}, the last free after {}", seconds(millis(worst)));
        }
        if open > 0 {
            got = format!("{got}, {open} never freed");
        }
        self.check(
            format!(
                "sessions with {server} that sent something are free within {}",
                seconds(millis(FREED_WITHIN))
            ),
            open == 0 && worst.is_some_and(|worst| worst <= FREED_WITHIN),
            got,
        );
    }

    /// No node was in any of these states after `since`.
    pub(crate) fn check_never(&mut self, since: Instant, states: &[&str]) {
        let mut found = Vec::new();
        for node in &self.nodes {
            let seen = node.seen();
            let later = seen.states.iter().filter(|change| change.at >= since);
            for change in later.filter(|change| states.contains(&change.state.as_str())) {
                found.push(format!(
                    "{} was {} ({})",
                    node.name(),
                    change.state,
                    change.reason
                ));
            }
        }
        let got = if found.is_empty() {
            "none was".to_owned()
        } else {
            found.join("; ")
        };
        self.check(
            format!("no node is {} at any time", states.join(" or ")),
            found.is_empty(),
            got,
        );
    }

    /// No session that was open at `from` was cut until now.
    pub(crate) fn check_no_session_cut(&mut self, evidence: &Evidence, from: Instant, what: &str) {
        let cut = evidence.cut(from, Instant::now());
        let open = evidence
            .connections
            .iter()
            .filter(|c| c.opened < from && c.ended.is_none_or(|at| at >= from));
        let open = open.filter(|c| c.kind != crate::clients::Kind::Fresh).count();
        let mut got = format!("{} of {open} cut", cut.len());
        if let Some(first) = cut.first() {
            let whose = self.nodes.get(first.node).map_or("a node", Node::name);
            let server = evidence.server_of(first.id).unwrap_or("a server");
            let why = first.cut.as_deref().unwrap_or_default();
            got = format!("{got}, first {} of {whose} with {server}: {why}", first.kind);
        }
        self.check(what, cut.is_empty() && open > 0, got);
    }

    /// Every server of the control plane is still known to every node, and not archived.
    pub(crate) fn check_nothing_forgotten(&mut self, when: &str) {
        let mut missing = Vec::new();
        for node in &self.nodes {
            let Some(status) = node.status() else {
                missing.push(format!("{} is {SILENT}", node.name()));
                continue;
            };
            for server in self
                .plane
                .servers()
                .iter()
                .filter(|server| server.role().serves_api())
            {
                match status.endpoint(server.address()) {
                    Some(endpoint) if endpoint.standing != "archived" => {}
                    Some(_) => missing.push(format!("{} archived {}", node.name(), server.name())),
                    None => missing.push(format!("{} forgot {}", node.name(), server.name())),
                }
            }
        }
        let got = if missing.is_empty() {
            "all known to all nodes".to_owned()
        } else {
            missing.join(", ")
        };
        self.check(format!("no server is forgotten {when}"), missing.is_empty(), got);
    }

    /// The processes that were started are still the same ones.
    pub(crate) fn check_nothing_restarted(&mut self) {
        let mut gone = Vec::new();
        for node in &mut self.nodes {
            if !node.is_running() {
                gone.push(node.name().to_owned());
            }
        }
        let got = if gone.is_empty() {
            format!("all {} run since the beginning", self.nodes.len())
        } else {
            format!("ended: {}", gone.join(", "))
        };
        self.check(
            "no jackline ended, none was restarted, no file was deleted",
            gone.is_empty(),
            got,
        );
    }

    /// Whatever happened, the journal of each node plays to the same actions again.
    pub(crate) async fn check_journals(&mut self) {
        let (mut events, mut found, mut played) = (0, Vec::new(), 0_u64);
        for node in &self.nodes {
            match node.replay().await {
                // A naive balancer keeps none.
                Ok(None) => continue,
                Ok(Some(replayed)) => {
                    events += replayed.events;
                    if !replayed.is_the_same() {
                        found.push(format!("{}: {}", node.name(), replayed.verdict));
                    }
                }
                Err(error) => found.push(format!("{}: {error:#}", node.name())),
            }
            played += 1;
        }
        if played == 0 {
            return;
        }
        let got = match found.is_empty() {
            true => format!("{} of {played} nodes", counted(events, "event", "events")),
            false => found.join(", "),
        };
        self.check(
            "every node's journal replays to the same actions",
            found.is_empty(),
            got,
        );
    }
}
