//! The alternating outage on real apiservers, three times over: servers are killed, told to end, and frozen.

use std::time::{Duration, Instant};

use super::RealPlay;
use super::apiserver::Way;
use super::caller::Call;
use super::stage::RealStage;
use crate::node::{Access, Status};
use crate::plan::Anonymous;
use crate::scenario::{RECOVERY_MEDIAN, RECOVERY_WORST, SERVED_WITHIN};
use crate::verdict::{Recovery, millis, seconds};

pub(in crate::hosts) static PLAY: RealPlay = RealPlay {
    name: "real-alternating",
    story: "Three real apiservers on a real etcd. A stops until it is off every list; then the server that the nodes were joined \
            to, and B; A returns; B returns and A stops; all return. Once by SIGKILL, once by SIGTERM, once by SIGSTOP. Every \
            node must find its way back by itself.",
    anonymous: Anonymous::Allowed,
    agents: &[
        ("agent-1", Access::ServiceAccount),
        ("agent-2", Access::Kubelet),
        ("agent-3", Access::KubeProxy),
    ],
    joined_to: C,
    granted: true,
    factor: 1,
    play: |stage| Box::pin(play(stage)),
};

const A: usize = 0;
const B: usize = 1;
const C: usize = 2;

/// A lease lasts 15 s, and lists are made anew each 10 s.
const OFF_THE_LIST_WITHIN: Duration = Duration::from_secs(60);

/// A server that has come and gone several times must have been good for a minute until it is trusted again (H4), and is
/// tested at the usual pace.
const ALL_READY_WITHIN: Duration = Duration::from_secs(150);

/// How long a node may take to see that everything is down; the outage itself is not measured.
const NOTICED_WITHIN: Duration = Duration::from_secs(20);

/// A stopped server, when another one is ready, is found to be unreachable within this.
const CHANGED_WITHIN: Duration = Duration::from_millis(1_200);

/// One that is frozen answers nothing and refuses nothing: only probes that time out tell, and two of them.
const FROZEN_FOUND_WITHIN: Duration = Duration::from_secs(15);

/// Failed requests that are told one by one.
const TOLD_MAX: usize = 5;

/// What was found out in all rounds.
#[derive(Default)]
struct Findings {
    /// When A returned, each time.
    returns: Vec<Instant>,
    /// Spans in which some server was ready, from a moment after it was until the last one was stopped.
    served: Vec<(Instant, Instant)>,
    /// When a server was stopped.
    stops: Vec<Instant>,
    off_the_list: Vec<String>,
    unnoticed: usize,
    /// Who had not every server as ready after a round, and what it said.
    unready: Vec<String>,
    changed: Vec<(Way, Option<Duration>)>,
}

async fn play(stage: &mut RealStage) -> anyhow::Result<()> {
    stage.start_nodes().await?;
    let mut findings = Findings::default();
    stage.wait_all_ready(&mut findings).await;
    stage.start_callers()?;
    let mut since = Instant::now() + SERVED_WITHIN;
    for way in Way::ALL {
        stage.say(format!("a round of {}", way.signal()));
        lose_a(stage, way, &mut findings).await?;
        let last = lose_all(stage, way, &mut findings).await?;
        findings.served.push((since, last));
        let ready = stage.bring_back(A).await?;
        findings.returns.push(ready);
        since = ready + SERVED_WITHIN;
        stage.recovered(ready).await;
        // What comes next would be no fault of this return.
        stage.wait_answered(ready).await;
        if stage.stuck() > 0 {
            break;
        }
        change_over(stage, way, &mut findings).await?;
        stage.bring_back(A).await?;
        stage.bring_back(C).await?;
        stage.wait_all_ready(&mut findings).await;
    }
    findings.served.push((since, Instant::now()));
    check(stage, &findings);
    Ok(())
}

/// A goes, and stays away until no server tells it and no node has it listed.
async fn lose_a(stage: &mut RealStage, way: Way, findings: &mut Findings) -> anyhow::Result<()> {
    let a = stage.address(A);
    let stopped = stage.stop(A, way).await?;
    findings.stops.push(stopped);
    let left = stage.wait_left_lists(A, OFF_THE_LIST_WITHIN).await;
    anyhow::ensure!(left.is_some(), "A did not leave the lists");
    let after = format!("{} after {}", seconds(millis(stopped.elapsed())), way.signal());
    stage.say(format!("A is off every list, {after}"));
    findings.off_the_list.push(after);
    // Who polls hears of it a minute later: what matters is who knew it, and went on.
    let unlisted = |status: &Status| status.endpoint(a).is_none_or(|found| found.standing != "listed");
    stage.wait_nodes(stopped, OFF_THE_LIST_WITHIN, unlisted).await;
    Ok(())
}

/// C goes, then B. When the last one was stopped.
async fn lose_all(stage: &mut RealStage, way: Way, findings: &mut Findings) -> anyhow::Result<Instant> {
    findings.stops.push(stage.stop(C, way).await?);
    let last = stage.stop(B, way).await?;
    findings.stops.push(last);
    let noticed = stage
        .wait_nodes(last, NOTICED_WITHIN, |status| !status.attached())
        .await;
    findings.unnoticed += noticed.iter().filter(|time| time.is_none()).count();
    Ok(last)
}

/// B returns, and A stops as soon as B is ready.
async fn change_over(stage: &mut RealStage, way: Way, findings: &mut Findings) -> anyhow::Result<()> {
    let (a, b) = (stage.address(A), stage.address(B));
    stage.bring_back(B).await?;
    let stopped = stage.stop(A, way).await?;
    findings.stops.push(stopped);
    let on_b = move |status: &Status| {
        let ready = |address| {
            status
                .endpoint(address)
                .is_some_and(|found| found.health == "ready")
        };
        status.attached() && ready(b) && !ready(a)
    };
    let changed = stage.wait_nodes(stopped, NOTICED_WITHIN, on_b).await;
    findings
        .changed
        .extend(changed.into_iter().map(|time| (way, time)));
    Ok(())
}

impl RealStage {
    /// Every node has every server as ready.
    async fn wait_all_ready(&self, findings: &mut Findings) {
        let addresses: Vec<_> = self
            .cluster
            .servers
            .iter()
            .map(|server| server.address())
            .collect();
        let ready = |status: &Status, address| {
            status
                .endpoint(address)
                .is_some_and(|found| found.health == "ready")
        };
        let all = |status: &Status| addresses.iter().all(|address| ready(status, *address));
        let found = self.wait_nodes(Instant::now(), ALL_READY_WITHIN, all).await;
        let lacking = (0..found.len()).filter(|node| found[*node].is_none());
        findings.unready.extend(lacking.map(|node| self.sketch(node)));
        if let Some(worst) = found.iter().flatten().max() {
            let worst = seconds(millis(*worst));
            self.say(format!(
                "all servers are ready to the nodes, to the last after {worst}"
            ));
        }
    }
}

fn check(stage: &mut RealStage, findings: &Findings) {
    let nodes = stage.nodes.len();
    let rounds = findings.returns.len();
    stage.check(
        "A left every list in every round: the fault was there",
        findings.off_the_list.len() == rounds && rounds > 0,
        findings.off_the_list.join(", "),
    );
    stage.check(
        format!(
            "every node sees within {} s that all servers are gone",
            NOTICED_WITHIN.as_secs()
        ),
        findings.unnoticed == 0,
        format!("{} of {} times not", findings.unnoticed, nodes * rounds),
    );
    stage.check(
        format!(
            "every node has every server as ready again within {} s of its return",
            ALL_READY_WITHIN.as_secs()
        ),
        findings.unready.is_empty(),
        match findings.unready.first() {
            None => "always".to_owned(),
            Some(first) => format!("{} times not, first: {first}", findings.unready.len()),
        },
    );
    check_recovery(stage);
    // With a node that is stuck it does not come to that.
    if stage.stuck() == 0 {
        for way in Way::ALL {
            check_changed(stage, way, findings);
        }
    }
    check_served(stage, findings);
    check_none_failed(stage, findings);
    stage.check_nothing_lost();
}

fn check_recovery(stage: &mut RealStage) {
    let recovery = Recovery::of(stage.recoveries());
    let (count, stuck) = (stage.recoveries().len(), stage.stuck());
    let within = |found: Option<u64>, limit| found.is_some_and(|found| found <= millis(limit));
    let times = match (recovery.median, recovery.worst) {
        (Some(median), Some(worst)) => format!(": {median} ms in the middle, {worst} ms at worst"),
        _ => String::new(),
    };
    stage.check(
        format!(
            "every node is attached within {} of the first ready server, half of them within {}",
            seconds(millis(RECOVERY_WORST)),
            seconds(millis(RECOVERY_MEDIAN))
        ),
        stuck == 0 && within(recovery.worst, RECOVERY_WORST) && within(recovery.median, RECOVERY_MEDIAN),
        format!("{count} recoveries{times}; {stuck} stuck"),
    );
}

fn check_changed(stage: &mut RealStage, way: Way, findings: &Findings) {
    let limit = match way {
        Way::Freeze => FROZEN_FOUND_WITHIN,
        Way::Kill | Way::Terminate => CHANGED_WITHIN,
    };
    let times = findings.changed.iter().filter(|(found, _)| *found == way);
    let times: Vec<Option<Duration>> = times.map(|(_, time)| *time).collect();
    let never = times.iter().filter(|time| time.is_none()).count();
    let worst = times.iter().flatten().max().copied().unwrap_or_default();
    stage.check(
        format!(
            "when B has returned and A gets {}, every node is attached to B alone within {}",
            way.signal(),
            seconds(millis(limit))
        ),
        never == 0 && !times.is_empty() && worst <= limit,
        format!(
            "{} at worst of {}, {never} never",
            seconds(millis(worst)),
            times.len()
        ),
    );
}

/// What nodes say of themselves is one thing, what their clients get another.
fn check_served(stage: &mut RealStage, findings: &Findings) {
    let mut waits = Vec::new();
    for ready in &findings.returns {
        for caller in &stage.callers {
            let answered = caller.book.first_answered(*ready);
            waits.push(answered.map(|at| at.saturating_duration_since(*ready)));
        }
    }
    let never = waits.iter().filter(|wait| wait.is_none()).count();
    let worst = waits.iter().flatten().max().copied().unwrap_or_default();
    stage.check(
        format!(
            "clients of every node are served within {} of it",
            seconds(millis(SERVED_WITHIN))
        ),
        never == 0 && !waits.is_empty() && worst <= SERVED_WITHIN,
        format!(
            "{} at worst of {}, {never} never",
            seconds(millis(worst)),
            waits.len()
        ),
    );
}

/// While some server is ready no request fails but one that was under way on a server when that was stopped.
fn check_none_failed(stage: &mut RealStage, findings: &Findings) {
    let calls: Vec<Call> = stage
        .callers
        .iter()
        .flat_map(|caller| caller.book.calls())
        .collect();
    let served = |call: &&Call| {
        let mut spans = findings.served.iter();
        spans.any(|(from, to)| call.began >= *from && call.ended <= *to)
    };
    let cut = |call: &Call| {
        let mut stops = findings.stops.iter();
        stops.any(|stop| call.began <= *stop && *stop <= call.ended)
    };
    let judged: Vec<&Call> = calls.iter().filter(served).collect();
    let lost = judged.iter().filter(|call| call.failure.is_some());
    let (cut, failed): (Vec<&Call>, Vec<&Call>) = lost.copied().partition(|call| cut(call));
    stage.requests.sent = calls.len() as u64;
    stage.requests.failed = failed.len() as u64;
    stage.requests.in_flight_on_killed = cut.len() as u64;
    let told: Vec<String> = failed
        .iter()
        .take(TOLD_MAX)
        .map(|call| told(call, &findings.stops))
        .collect();
    stage.check(
        "no request fails while some server is ready",
        failed.is_empty() && !judged.is_empty(),
        format!("{} of {} failed {}", failed.len(), judged.len(), told.join("; ")),
    );
}

/// When a request was begun, after what, and why it failed.
fn told(call: &Call, stops: &[Instant]) -> String {
    let mut before = stops.iter().enumerate().filter(|(_, stop)| **stop <= call.began);
    let after = before
        .next_back()
        .map_or("before any stop".to_owned(), |(number, stop)| {
            let after = seconds(millis(call.began.saturating_duration_since(*stop)));
            format!("{after} after stop {}", number + 1)
        });
    let why = call.failure.as_deref().unwrap_or_default();
    format!(
        "{after}, over {}: {why}",
        seconds(millis(call.ended.saturating_duration_since(call.began)))
    )
}
