//! `jackline simulate`: worlds drawn from seeds. The crate `jackline-sim` plays them; here are progress, Ctrl-C and words.

mod bar;
mod compare;
mod exhaustive;
mod fleet;
mod interrupt;
mod page;

use std::rc::Rc;
use std::time::Duration;

use jackline_sim::Telling;
use jackline_sim::policy::{Jackline, Kind};
use jackline_sim::swarm::{self, Report, Story};
use serde_json::json;

use self::bar::Bar;
use self::interrupt::STOP;
use crate::args::{LabOutput, SimulateArgs};
use crate::exit::Exit;
use crate::output::out;

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
    interrupt::listen();
    let bar = Bar::of("seeds");
    let report = swarm::run(args.seeds.clone(), threads(&args), kind, &STOP, &|progress| {
        bar.show(progress)
    });
    bar.end();
    page::write(args.html.as_deref(), || page::of_swarm(&report, args.seeds.start))?;
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
    page::write(args.html.as_deref(), || page::of_story(&story).0)?;
    if args.output == LabOutput::Json {
        let mut told = serde_json::to_value(&outcome)?;
        told["story"] = story.tell().lines().collect();
        told["timeline"] = timeline
            .iter()
            .map(|(at, what)| json!({ "at_ms": at.as_millis(), "what": what }))
            .collect();
        out(&format!("{}\n", serde_json::to_string_pretty(&told)?))?;
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
