//! Plays scenarios: which, how many at a time, and what is written about them.

use std::io::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures_util::StreamExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::task::AbortOnDropHandle;

use crate::node::{Engine, GRACE};
use crate::options::{LabOptions, Output};
use crate::plan::Timing;
use crate::scenario::{Scenario, Stage};
use crate::scenarios;
use crate::timeline::{Screen, Timeline};
use crate::verdict::{Outcome, millis, seconds, summary};

/// More scenarios than this are not played at a time.
const PARALLEL_MAX: usize = 8;

/// Requests a second of one client.
const RATE_MAX: u32 = 1_000;

/// How often the line under the timeline is renewed.
const SHOW_EVERY: Duration = Duration::from_millis(250);

/// What can be played, in the order of the run.
pub(crate) type Catalogue = &'static [&'static dyn Playable];

/// The future of a performance.
pub(crate) type Performing = Pin<Box<dyn Future<Output = anyhow::Result<Outcome>> + Send>>;

/// Something that can be played and comes to a verdict, whatever it is played on.
pub(crate) trait Playable: Sync {
    /// As on the command line and in the verdict.
    fn name(&self) -> &'static str;

    /// What happens and what must hold, in a sentence or two.
    fn story(&self) -> &'static str;

    /// Plays it. An error means that the lab itself failed; what a node does wrong is a check that did not hold.
    fn perform(&'static self, setting: Setting) -> Performing;
}

/// What a performance is given.
pub(crate) struct Setting {
    pub(crate) options: Arc<LabOptions>,
    pub(crate) engine: Engine,
    pub(crate) timeline: Timeline,
    screen: Arc<Screen>,
}

/// Plays what the options ask for and writes about it as [`Output`] says. Blocks until all is over, or Ctrl-C.
///
/// A check that did not hold is no error: see [`Outcome::passed`].
///
/// # Errors
/// When an asked scenario does not exist, an option is out of its bounds, or the lab itself could not be built
/// (no loopback addresses, no temporary folder, no program to run).
pub fn run(options: LabOptions) -> anyhow::Result<Vec<Outcome>> {
    run_of(&scenarios::ALL, options)
}

/// The same for a catalogue of one's own; its first scenario is the default.
pub(crate) fn run_of(known: Catalogue, options: LabOptions) -> anyhow::Result<Vec<Outcome>> {
    anyhow::ensure!(
        (1..=RATE_MAX).contains(&options.rate),
        "the rate must be 1 to {RATE_MAX} requests a second"
    );
    anyhow::ensure!(
        (1..=PARALLEL_MAX).contains(&options.parallel),
        "1 to {PARALLEL_MAX} scenarios can be played at a time"
    );
    if options.list {
        list(known, options.output)?;
        return Ok(Vec::new());
    }
    let chosen = choose(known, &options.scenarios)?;
    anyhow::ensure!(
        !options.keep || chosen.len() == 1,
        "--keep leaves one scenario's cluster up: name just one"
    );
    let engine = engine(&options)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("starting the lab")?;
    runtime.block_on(play_all(chosen, options, engine))
}

/// How nodes are run, by the options.
pub(crate) fn engine(options: &LabOptions) -> anyhow::Result<Engine> {
    let program = options
        .program
        .clone()
        .map_or_else(std::env::current_exe, Ok)
        .context("finding the program to run")?;
    Ok(Engine {
        program,
        balancer: options.balancer.clone(),
    })
}

/// The names of all scenarios and what happens in each, in the order of the run.
#[must_use]
pub fn catalogue() -> Vec<(&'static str, &'static str)> {
    catalogue_of(&scenarios::ALL)
}

/// The same of a catalogue of one's own.
pub(crate) fn catalogue_of(known: Catalogue) -> Vec<(&'static str, &'static str)> {
    known
        .iter()
        .map(|scenario| (scenario.name(), scenario.story()))
        .collect()
}

fn list(known: Catalogue, output: Output) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match output {
        Output::Silent => {}
        Output::Json => {
            let entries: Vec<_> = catalogue_of(known)
                .into_iter()
                .map(|(name, story)| serde_json::json!({ "scenario": name, "story": story }))
                .collect();
            writeln!(out, "{}", serde_json::to_string_pretty(&entries)?)?;
        }
        Output::Text => {
            for (name, story) in catalogue_of(known) {
                writeln!(out, "{name:<21}{story}")?;
            }
        }
    }
    Ok(())
}

fn choose(known: Catalogue, names: &[String]) -> anyhow::Result<Vec<&'static dyn Playable>> {
    if names.is_empty() {
        return Ok(known.iter().take(1).copied().collect());
    }
    if names.iter().any(|name| name == "all") {
        return Ok(known.to_vec());
    }
    let all = || {
        known
            .iter()
            .map(|scenario| scenario.name())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let named = |name: &String| known.iter().copied().find(|scenario| scenario.name() == name);
    names
        .iter()
        .map(|name| named(name).with_context(|| format!("there is no scenario {name}; there are: {}", all())))
        .collect()
}

async fn play_all(
    chosen: Vec<&'static dyn Playable>,
    options: LabOptions,
    engine: Engine,
) -> anyhow::Result<Vec<Outcome>> {
    let parallel = options.parallel.min(chosen.len());
    let screen = Arc::new(Screen::new(options.output, parallel > 1));
    let (output, options) = (options.output, Arc::new(options));
    let mut outcomes = Vec::new();
    let mut playing = futures_util::stream::iter(chosen)
        .map(|scenario| {
            let setting = Setting {
                options: Arc::clone(&options),
                engine: engine.clone(),
                timeline: Timeline::new(scenario.name(), Arc::clone(&screen)),
                screen: Arc::clone(&screen),
            };
            AbortOnDropHandle::new(tokio::spawn(scenario.perform(setting)))
        })
        .buffered(parallel);
    while let Some(outcome) = playing.next().await {
        let outcome = outcome.context("a scenario ended by a panic")??;
        screen.text(&format!("\n{}\n", outcome.explain()));
        outcomes.push(outcome);
    }
    match output {
        Output::Json => writeln!(
            std::io::stdout().lock(),
            "{}",
            serde_json::to_string_pretty(&outcomes)?
        )?,
        Output::Text | Output::Silent => screen.text(&format!("{}\n", summary(&outcomes))),
    }
    Ok(outcomes)
}

/// Ctrl-C, or a SIGTERM: either way the nodes are ended before the lab is.
pub(crate) async fn told_to_stop() {
    let Ok(mut term) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = term.recv() => {}
    }
}

impl Playable for Scenario {
    fn name(&self) -> &'static str {
        self.name
    }

    fn story(&self) -> &'static str {
        self.story
    }

    fn perform(&'static self, setting: Setting) -> Performing {
        Box::pin(play(self, setting))
    }
}

async fn play(scenario: &'static Scenario, setting: Setting) -> anyhow::Result<Outcome> {
    let Setting {
        options,
        engine,
        timeline,
        screen,
    } = setting;
    timeline.say(scenario.story);
    let mut stage =
        Stage::set(scenario, &options, &engine, timeline.clone()).context("setting up the lab")?;
    timeline.say(on_time(stage.factor));
    let gauge = stage.gauge();
    let show = async {
        let mut ticks = interval(SHOW_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            timeline.show(&gauge());
        }
    };
    let played = tokio::select! {
        played = (scenario.play)(&mut stage) => played,
        () = show => Ok(()),
        () = told_to_stop() => anyhow::bail!("interrupted: the verdict is not in"),
    };
    if options.keep {
        screen.text(&format!("\n{}\n", stage.how_to_reach()));
        told_to_stop().await;
    }
    Ok(stage.conclude(played).await)
}

/// What the factor does and what it does not.
fn on_time(factor: u32) -> String {
    let timing = Timing::compressed(factor);
    format!(
        "a person's waits are divided by {factor}: apiserver leases last {} instead of 15 s, the grace period {} instead of \
         10 min, and so on; dialling, hedging and probing take the time that they take",
        seconds(millis(timing.lease)),
        seconds(millis(GRACE / factor.max(1))),
    )
}
