//! `jackline simulate`: worlds drawn from seeds. The crate `jackline-sim` plays them; here are progress, Ctrl-C and words.

mod compare;
mod exhaustive;
mod fleet;

use std::io::{self, IsTerminal, Write};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use jackline_sim::Telling;
use jackline_sim::policy::{Jackline, Kind};
use jackline_sim::swarm::{self, Progress, Report, Story};

use crate::args::{LabOutput, SimulateArgs};
use crate::exit::Exit;
use crate::output::{complain, out};

/// Set by Ctrl-C: what is known so far is told.
static STOP: AtomicBool = AtomicBool::new(false);
/// The line of progress is written at most so often.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

pub(crate) fn simulate(args: SimulateArgs) -> anyhow::Result<Exit> {
    // A policy's panic is a finding, told with its seed; the hook's backtrace would drown it.
    std::panic::set_hook(Box::new(|_| {}));
    if args.exhaustive {
        return exhaustive::check(&args);
    }
    if args.compare {
        return compare::compare(&args);
    }
    if let Some(nodes) = args.fleet {
        return fleet::fleet(&args, nodes);
    }
    if args.timeline || args.nodes.is_some() || args.faults.is_some() {
        return play_one(&args);
    }
    listen_to_ctrl_c();
    let bar = Bar::new();
    let report = swarm::run(args.seeds.clone(), threads(&args), kind, &STOP, &|progress| {
        bar.show(progress)
    });
    bar.end();
    out(&match args.output {
        LabOutput::Json => format!("{}\n", serde_json::to_string_pretty(&report)?),
        LabOutput::Text => words(&report, bar.began.elapsed()),
    })?;
    Ok(match (report.failed, report.stopped) {
        (0, false) => Exit::Well,
        (0, true) => Exit::Interrupted,
        _ => Exit::Failed,
    })
}

fn threads(args: &SimulateArgs) -> usize {
    let all = || std::thread::available_parallelism().ok().map(usize::from);
    args.threads.or_else(all).unwrap_or(1)
}

fn kind() -> Rc<dyn Kind> {
    Rc::new(Jackline::default())
}

/// One seed, or a part of it, with all that happens.
fn play_one(args: &SimulateArgs) -> anyhow::Result<Exit> {
    let story = Story::of(args.seeds.start);
    let all = |count: usize| (0..count).collect::<Vec<usize>>();
    let nodes = args.nodes.clone().unwrap_or_else(|| all(story.world.nodes.len()));
    let faults = args.faults.clone().map(|places| places.0);
    let story = story.only(&nodes, &faults.unwrap_or_else(|| all(story.faults.len())));
    let (outcome, timeline) = story.play_told(&kind(), Telling::Everything);
    if args.output == LabOutput::Json {
        out(&format!("{}\n", serde_json::to_string_pretty(&outcome)?))?;
    } else {
        let mut text = format!("{:#?}\n{}\n", story.world, story.tell());
        for (at, line) in &timeline {
            text.push_str(&format!("{at:>9} {line}\n"));
        }
        text.push_str(&match &outcome.failure {
            Some(failure) => format!("{} ms, {}: {}\n", failure.at_ms, failure.node, failure.what),
            None => "nothing broke\n".to_owned(),
        });
        out(&text)?;
    }
    Ok(match outcome.failure {
        Some(_) => Exit::Failed,
        None => Exit::Well,
    })
}

/// The first Ctrl-C ends the run early, a second one the program.
fn listen_to_ctrl_c() {
    let listen = || -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("no runtime for signals")?;
        runtime.block_on(async {
            tokio::signal::ctrl_c().await?;
            STOP.store(true, Ordering::Relaxed);
            tokio::signal::ctrl_c().await?;
            std::process::exit(i32::from(Exit::Interrupted as u8));
        })
    };
    std::thread::spawn(move || {
        if let Err(error) = listen() {
            complain(&format!("Ctrl-C will lose what is known so far: {error:#}"));
        }
    });
}

/// The line of progress, on a terminal only.
struct Bar {
    began: Instant,
    /// Milliseconds from the beginning before which nothing is written.
    next: AtomicU64,
    on: bool,
}

impl Bar {
    fn new() -> Self {
        Self {
            began: Instant::now(),
            next: AtomicU64::new(0),
            on: io::stderr().is_terminal(),
        }
    }

    fn show(&self, progress: Progress) {
        let elapsed = self.began.elapsed();
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let next = self.next.load(Ordering::Relaxed);
        let after = millis + u64::try_from(PROGRESS_EVERY.as_millis()).unwrap_or(u64::MAX);
        let mine = self
            .next
            .compare_exchange(next, after, Ordering::Relaxed, Ordering::Relaxed);
        if !self.on || millis < next || mine.is_err() {
            return;
        }
        let Progress { done, of, failed } = progress;
        let left = elapsed.as_secs() * of.saturating_sub(done) / done.max(1);
        let line = format!("{done} of {of} seeds, {failed} failed, about {left} s to go");
        // A terminal that is gone is no error of ours.
        let _ = write!(io::stderr().lock(), "\r\x1b[K{line}");
    }

    fn end(&self) {
        if self.on {
            let _ = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }
}

fn words(report: &Report, took: Duration) -> String {
    let mut text = String::new();
    for failed in &report.failures {
        text.push_str(&format!(
            "seed {}, after {}.{:03} s on {}: {}\n{}  {}\n\n",
            failed.seed,
            failed.failure.at_ms / 1000,
            failed.failure.at_ms % 1000,
            failed.failure.node,
            failed.failure.what,
            indented(&failed.story),
            failed.command,
        ));
    }
    let stopped = if report.stopped {
        "interrupted; until then: "
    } else {
        ""
    };
    text.push_str(&format!(
        "{stopped}{} seeds, {} failed; {} h of nodes' time, {} steps, in {:.1} s; fingerprint {:016x}\n",
        report.seeds,
        report.failed,
        report.node_seconds / 3600,
        report.steps,
        took.as_secs_f64(),
        report.fingerprint
    ));
    text
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}
