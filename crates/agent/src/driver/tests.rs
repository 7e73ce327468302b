//! The driver with stand-in effects and the real core: what it publishes, when it wakes, what it survives.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use jackline_core::{
    Action, Answer, Depth, Event, Finding, Health, Listing, Mode, NodeState, Policy, Record, RefreshId,
    Report, Settings, SourceId, SourceKind, SourceSpec, Timestamp,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::{Driver, Effects};
use crate::files::Disk;
use crate::journal::replay::{replay, segments};
use crate::journal::ring::Outlet;
use crate::journal::{Journal, Origin, What};
use crate::queue::Queue;

const SIZE: u64 = 1 << 20;
/// Virtual, but for the tests that write files.
const PATIENCE: Duration = Duration::from_secs(600);

/// Stand-in effects: they pass on what they are told.
struct Told(UnboundedSender<Action>);

impl Effects for Told {
    fn carry_out(&self, action: Action) {
        let _ = self.0.send(action);
    }
}

struct Bench {
    driver: Option<Driver<Told>>,
    actions: UnboundedReceiver<Action>,
    queue: Arc<Queue>,
    stop: CancellationToken,
}

fn endpoint() -> std::net::SocketAddr {
    std::net::SocketAddr::from(([10, 0, 0, 1], 6443))
}

/// A driver on the runtime's (virtual) clock, with a static source that lists nothing yet.
fn bench(dir: &Path) -> Bench {
    let spec = SourceSpec {
        name: "static".into(),
        kind: SourceKind::Static,
    };
    let settings = Settings {
        node: "node-1".into(),
        sources: vec![spec],
        ..Settings::default()
    };
    let policy = Policy::new(settings.clone(), 7, Timestamp::ZERO);
    let outlet = Outlet::start(Arc::new(Disk), dir.to_owned(), SIZE, PATIENCE).expect("a thread");
    let (sender, actions) = unbounded_channel();
    let queue = Arc::new(Queue::default());
    let start = Instant::now();
    let driver = Driver {
        published: Arc::new(ArcSwap::new(policy.snapshot())),
        policy,
        stepping: Policy::step,
        origin: Origin { seed: 7, settings },
        clock: Box::new(move || {
            Timestamp::from_millis(u64::try_from(start.elapsed().as_millis()).expect("small"))
        }),
        queue: Arc::clone(&queue),
        journal: Journal::new(outlet, SIZE),
        effects: Told(sender),
        membership: (Vec::new(), true),
    };
    Bench {
        driver: Some(driver),
        actions,
        queue,
        stop: CancellationToken::new(),
    }
}

impl Bench {
    fn start(
        &mut self,
    ) -> (
        tokio::task::JoinHandle<Driver<Told>>,
        Arc<ArcSwap<jackline_core::Snapshot>>,
    ) {
        let driver = self.driver.take().expect("not started yet");
        let published = Arc::clone(&driver.published);
        (tokio::spawn(driver.run(self.stop.clone())), published)
    }

    /// The next action that `wanted` makes something of.
    async fn until<T>(&mut self, wanted: impl Fn(&Action) -> Option<T>) -> T {
        let found = timeout(PATIENCE, async {
            loop {
                let action = self.actions.recv().await.expect("the driver runs");
                if let Some(found) = wanted(&action) {
                    return found;
                }
            }
        });
        found.await.expect("in time")
    }

    async fn refresh(&mut self) -> RefreshId {
        self.until(|action| match action {
            Action::RefreshSource(order) => Some(order.refresh),
            _ => None,
        })
        .await
    }

    /// Answers a refresh with the one endpoint, and its first probe with "ready".
    async fn attach(&mut self) {
        let refresh = self.refresh().await;
        self.answer(refresh).await;
    }

    async fn answer(&mut self, refresh: RefreshId) {
        let report = Report {
            endpoints: vec![Listing::from(endpoint())],
            mode: Mode::Fixed,
            verified: true,
            ..Report::default()
        };
        self.queue.push(Event::SourceReported {
            source: SourceId(0),
            refresh,
            position: 0,
            report,
        });
        let probe = self
            .until(|action| match action {
                Action::StartProbe(order) => Some(order.probe),
                _ => None,
            })
            .await;
        let finding = Finding {
            depth: Depth::Readyz,
            answer: Answer::Ready,
            connect: Some(Duration::from_millis(1)),
            total: Duration::from_millis(3),
            authenticated: true,
        };
        self.queue.push(Event::ProbeSucceeded {
            endpoint: endpoint(),
            probe,
            finding,
        });
        self.until(|action| matches!(action, Action::Announce(_)).then_some(()))
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn it_wakes_at_the_cores_deadline_and_not_before_and_not_late() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut bench = bench(dir.path());
    let (at, _) = bench
        .driver
        .as_ref()
        .expect("there")
        .policy
        .next_deadline()
        .expect("a source is due");
    let begun = Instant::now();
    let (running, _) = bench.start();
    let timeout = bench
        .until(|action| match action {
            Action::RefreshSource(order) => Some(order.timeout),
            _ => None,
        })
        .await;
    let late = begun.elapsed().saturating_sub(at.since(Timestamp::ZERO));
    assert!(late <= Duration::from_millis(10), "{late:?} late");
    // Nobody answers: the core gives the refresh up at a deadline that lies behind the refresh's own, and asks again.
    bench.refresh().await;
    assert!(
        begun.elapsed() >= timeout,
        "asked again after {:?}",
        begun.elapsed()
    );
    bench.stop.cancel();
    running.await.expect("ended");
}

#[tokio::test(start_paused = true)]
async fn what_the_core_says_is_published_when_it_changes() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut bench = bench(dir.path());
    let (running, published) = bench.start();
    let before = published.load_full();
    assert_eq!(before.state, NodeState::Isolated);
    bench.attach().await;
    let after = published.load_full();
    assert_eq!(
        (after.state, after.endpoints[0].health),
        (NodeState::Attached, Health::Ready)
    );
    assert!(after.generation > before.generation);
    bench.stop.cancel();
    let driver = running.await.expect("ended");
    assert!(
        Arc::ptr_eq(&driver.policy.snapshot(), &published.load_full()),
        "one truth"
    );
}

#[tokio::test(start_paused = true)]
async fn a_publication_comes_before_the_actions_that_follow_from_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut bench = bench(dir.path());
    let published = Arc::clone(&bench.driver.as_ref().expect("there").published);
    /// Looks at what is published when it is told something.
    struct Looking(Arc<ArcSwap<jackline_core::Snapshot>>, Arc<Mutex<Vec<usize>>>);
    impl Effects for Looking {
        fn carry_out(&self, action: Action) {
            if matches!(action, Action::StartProbe(_)) {
                self.1
                    .lock()
                    .expect("unpoisoned")
                    .push(self.0.load().endpoints.len());
            }
        }
    }
    let seen = Arc::new(Mutex::new(Vec::new()));
    let Driver {
        policy,
        stepping,
        origin,
        clock,
        queue,
        published: place,
        journal,
        membership,
        ..
    } = bench.driver.take().expect("there");
    let effects = Looking(published, Arc::clone(&seen));
    let mut driver = Driver {
        policy,
        stepping,
        origin,
        clock,
        queue,
        published: place,
        journal,
        effects,
        membership,
    };
    driver.take(Event::DeadlineReached);
    let report = Report {
        endpoints: vec![Listing::from(endpoint())],
        verified: true,
        ..Report::default()
    };
    driver.take(Event::SourceReported {
        source: SourceId(0),
        refresh: RefreshId(1),
        position: 0,
        report,
    });
    assert_eq!(
        *seen.lock().expect("unpoisoned"),
        [1],
        "the endpoint that is to be probed is published already"
    );
}

fn record() -> Record {
    Record {
        address: endpoint(),
        archived: false,
        seen_by: vec!["static".into()],
        node: None,
        zone: None,
        unlisted_for: None,
        node_gone_for: None,
        archived_for: None,
        last_seen: None,
        last_ready: None,
    }
}

/// Panics over what an operator asks; else steps.
fn steps_badly(policy: &mut Policy, now: Timestamp, event: Event, actions: &mut Vec<Action>) {
    policy.step(now, event.clone(), actions);
    assert!(event != Event::RefreshRequested, "a defect");
}

#[tokio::test(start_paused = true)]
async fn a_core_that_panics_is_started_anew_from_the_newest_membership() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut bench = bench(dir.path());
    let driver = bench.driver.as_mut().expect("there");
    driver.stepping = steps_badly;
    let (running, published) = bench.start();
    bench.queue.push(Event::MembershipRestored {
        records: vec![record()],
        trusted: true,
    });
    bench.refresh().await;
    bench.queue.push(Event::RefreshRequested);
    // The new core asks anew, with what is remembered at hand.
    let first = bench.refresh().await;
    assert_eq!(first, RefreshId(1), "a new core counts from the start");
    assert_eq!(published.load().endpoints[0].address, endpoint(), "remembered");
    bench.answer(first).await;
    assert_eq!(published.load().state, NodeState::Attached, "it works as ever");
    bench.stop.cancel();
    let driver = running.await.expect("the driver itself never died");
    assert_eq!(driver.origin.seed, 8, "another seed, told in the journal");
    let Driver { journal, .. } = driver;
    journal.finish(Timestamp::ZERO, Duration::from_secs(60));
    let segments = segments(dir.path()).expect("a folder");
    assert_eq!(segments.len(), 2);
    let last = replay(&segments[0])
        .expect("a segment")
        .last()
        .expect("lines")
        .expect("whole");
    assert!(
        matches!(&last.what, What::Panic(words) if words.contains("a defect")),
        "{last:?}"
    );
    let second = replay(&segments[1]).expect("a segment");
    assert_eq!(second.header.seed, 8);
    let end = second.play(|_, _, _| ()).expect("played");
    assert!(
        end == driver.policy,
        "the journal tells all of the new core's life"
    );
}

#[tokio::test(start_paused = true)]
async fn a_core_that_panics_over_what_it_remembers_starts_with_nothing() {
    fn never_restores(policy: &mut Policy, now: Timestamp, event: Event, actions: &mut Vec<Action>) {
        assert!(
            !matches!(event, Event::MembershipRestored { .. }),
            "a poisoned memory"
        );
        policy.step(now, event, actions);
    }
    let dir = tempfile::tempdir().expect("a folder");
    let mut bench = bench(dir.path());
    bench.driver.as_mut().expect("there").stepping = never_restores;
    let (running, published) = bench.start();
    bench.queue.push(Event::MembershipRestored {
        records: vec![record()],
        trusted: true,
    });
    bench.attach().await;
    assert_eq!(published.load().state, NodeState::Attached);
    bench.stop.cancel();
    running.await.expect("alive");
}

#[tokio::test(start_paused = true)]
async fn a_core_that_always_panics_does_not_take_a_whole_processor() {
    fn never_steps(_: &mut Policy, _: Timestamp, _: Event, _: &mut Vec<Action>) {
        panic!("nothing works");
    }
    let dir = tempfile::tempdir().expect("a folder");
    let mut bench = bench(dir.path());
    bench.driver.as_mut().expect("there").stepping = never_steps;
    let (running, _) = bench.start();
    tokio::time::sleep(Duration::from_secs(60)).await;
    bench.stop.cancel();
    let restarts = running.await.expect("alive").origin.seed - 7;
    assert!((20..=300).contains(&restarts), "{restarts} new cores in a minute");
}

#[tokio::test(start_paused = true)]
async fn a_core_that_always_panics_leaves_another_services_alone() {
    fn never_steps(_: &mut Policy, _: Timestamp, _: Event, _: &mut Vec<Action>) {
        panic!("nothing works");
    }
    let dirs = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    let (mut broken, mut sound) = (bench(dirs[0].path()), bench(dirs[1].path()));
    broken.driver.as_mut().expect("there").stepping = never_steps;
    let (breaking, _) = broken.start();
    let (running, published) = sound.start();
    sound.attach().await;
    assert_eq!(published.load().state, NodeState::Attached);
    broken.stop.cancel();
    sound.stop.cancel();
    assert!(breaking.await.expect("alive").origin.seed > 7, "it did panic");
    assert_eq!(running.await.expect("alive").origin.seed, 7);
}
