//! One service, running: a core with its driver, its sources, its probes, its data plane, its memory. The API's is the first; each
//! further one is a whole one of these, so that what befalls one harms no other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use jackline_admin::Identity;
use jackline_core::{Event, Policy, Service, Sink, Snapshot};
use jackline_discovery::Discovery;
use jackline_probe::{ProbeConfig, Prober};
use jackline_proxy::{Bound, DataPlane};
use jackline_trust::Trust;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::driver::Driver;
use crate::effects::{Shell, watch_trust};
use crate::files::{Disk, Files};
use crate::journal::ring::{self, Outlet};
use crate::journal::{Journal, Origin};
use crate::lines;
use crate::own::Admission;
use crate::queue::Queue;
use crate::reins::Reins;
use crate::run::{StartError, kernel};
use crate::state;
use crate::state::saver::{self, Saver};
use crate::tally::Tally;
use crate::view::Shown;
use crate::wiring::plan::Plan;

/// How long the state file and the journal may each take at the end.
pub(crate) const WRITE_TIME: Duration = Duration::from_secs(2);

/// What every engine of this process is given.
#[derive(Clone)]
pub(crate) struct Ground {
    pub(crate) clock: Clock,
    /// Ends the drivers.
    pub(crate) stop: CancellationToken,
    /// Every listener of this process: nobody is forwarded to ourselves.
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) own: Option<std::net::IpAddr>,
    pub(crate) allow_loopback: bool,
    /// Whoever starts now begins at rest: another process has the sessions still.
    pub(crate) at_rest: Arc<AtomicBool>,
}

/// A running service.
pub(crate) struct Engine {
    service: Service,
    /// The driver, which can be laid to rest.
    pub(crate) reins: Arc<Reins>,
    watching: JoinHandle<()>,
    pub(crate) plane: Arc<DataPlane>,
    saver: Arc<Saver>,
    pub(crate) trust: Arc<Trust>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) published: Arc<ArcSwap<Snapshot>>,
    told: Arc<Tally>,
    clock: Clock,
}

impl Engine {
    /// Reads what is remembered and sets everything going on listeners that are bound already. `cluster` verifies servers that sources ask, where that is not
    /// this service's own trust.
    pub(crate) fn start(
        plan: Plan,
        ground: &Ground,
        bound: Bound,
        cluster: Option<&Arc<Trust>>,
    ) -> Result<Self, StartError> {
        let trust = Arc::new(Trust::load(plan.trust.clone()));
        let (saver, restored, journal) = memory(&plan, &trust)?;
        let specs = &plan.settings.sources;
        let names = specs.iter().map(|spec| spec.name.clone()).collect();
        let admission = Admission::new(&ground.listen, ground.own, ground.allow_loopback, specs);
        let restored: Vec<Event> = restored.into_iter().map(|event| admission.admit(event)).collect();
        let policy = Policy::new(plan.settings.clone(), plan.seed, ground.clock.now());
        let published = Arc::new(ArcSwap::new(policy.snapshot()));
        let queue = Arc::new(Queue::default());
        let sink: Sink = {
            let queue = Arc::clone(&queue);
            Arc::new(move |event| queue.push(admission.admit(event)))
        };
        let at_rest = ground.at_rest.load(Ordering::Acquire);
        let bound = if at_rest { bound.at_rest() } else { bound };
        let plane = Arc::new(bound.run(Arc::clone(&published), Arc::clone(&sink)));
        let runtime = Handle::current();
        let probes = ProbeConfig {
            runtime: runtime.clone(),
            service: plan.service,
            ways: Arc::clone(&plan.sources.ways),
        };
        let clock = ground.clock;
        let told = Arc::<Tally>::default();
        let shell = Shell {
            discovery: Discovery::new(
                plan.sources,
                Arc::clone(cluster.unwrap_or(&trust)),
                Arc::clone(&sink),
            ),
            prober: Prober::new(probes, Arc::clone(&trust), Arc::clone(&sink)),
            plane: Arc::clone(&plane),
            trust: Arc::clone(&trust),
            saver: Arc::clone(&saver),
            clock,
            sink: Arc::clone(&sink),
            runtime,
            sources: names,
            told: Arc::clone(&told),
        };
        let mut driver = Driver {
            policy,
            stepping: Policy::step,
            origin: Origin {
                seed: plan.seed,
                settings: plan.settings,
            },
            clock: Box::new(move || clock.now()),
            queue: Arc::clone(&queue),
            published: Arc::clone(&published),
            journal,
            effects: shell,
            membership: (Vec::new(), true),
        };
        let span = match plan.service {
            // The first one's lines are the node's own.
            Service::Api => tracing::Span::none(),
            further => tracing::error_span!(target: "jackline", "service", name = further.name()),
        };
        // Before anybody can ask, and before anybody can end the run: what is saved at the end must contain it.
        span.in_scope(|| {
            for event in restored {
                driver.take(event);
            }
        });
        Ok(Self {
            service: plan.service,
            watching: tokio::spawn(watch_trust(Arc::clone(&trust), sink)),
            reins: Arc::new(Reins::start(driver, &ground.stop, span)),
            plane,
            saver,
            trust,
            queue,
            published,
            told,
            clock,
        })
    }

    /// As the admin socket sees it. `warnings`: what was odd at start and stays so.
    pub(crate) fn show(&self, identity: Identity, warnings: Vec<String>) -> Shown {
        Shown {
            service: self.service,
            identity,
            published: Arc::clone(&self.published),
            plane: Arc::clone(&self.plane),
            saver: Arc::clone(&self.saver),
            trust: Arc::clone(&self.trust),
            queue: Arc::clone(&self.queue),
            clock: self.clock,
            told: Arc::clone(&self.told),
            ordering: Default::default(),
            requests: None,
            warnings,
            further: Vec::new(),
        }
    }

    /// What to know about the memory at start, besides.
    pub(crate) fn note(&self) -> Option<String> {
        self.saver.view().note
    }

    /// Once its driver was told to stop: writes state and journal for the last time.
    pub(crate) async fn write(self) {
        self.watching.abort();
        let Some(driver) = self.reins.end().await else {
            let service = self.service.name();
            tracing::error!(target: "jackline", event = lines::DEFECT, service, "the driver died; what was last remembered stands");
            return;
        };
        driver.effects.persist(driver.policy.records());
        let now = (driver.clock)();
        let saver = self.saver;
        let writing = tokio::task::spawn_blocking(move || {
            saver.finish(WRITE_TIME);
            driver.journal.finish(now, WRITE_TIME);
        });
        if let Err(error) = writing.await {
            tracing::error!(target: "jackline", event = lines::DEFECT, %error, "state and journal could not be written");
        }
    }
}

/// What was remembered, for the core (P2), and what writes state file and journal from now on.
fn memory(plan: &Plan, trust: &Trust) -> Result<(Arc<Saver>, Vec<Event>, Journal), StartError> {
    let files: Arc<dyn Files> = Arc::new(Disk);
    let dir = &plan.state_dir;
    let mut found = state::read(&*files, dir);
    let hints = found.judge(&trust.fingerprints());
    let restored = hints
        .into_iter()
        .map(|(records, trusted)| Event::MembershipRestored { records, trusted });
    let saver = Saver::start(Arc::clone(&files), dir.clone(), &found, saver::RETRY);
    let saver = saver.map_err(kernel("state file's thread"))?;
    let size = plan.journal_size;
    let outlet = Outlet::start(files, dir.join("journal"), size, ring::RETRY);
    let outlet = outlet.map_err(kernel("journal's thread"))?;
    Ok((Arc::new(saver), restored.collect(), Journal::new(outlet, size)))
}
