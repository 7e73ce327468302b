//! The whole run: rounds of all work with all targets, then the faults; ended by a signal, it ends what it started.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::signal::unix::{SignalKind, signal};

use crate::failover::{self, Fault};
use crate::origin::Origin;
use crate::report::Report;
use crate::samples::Samples;
use crate::target::{Sort, Tools};
use crate::work::{Length, Work};
use crate::{Arguments, Output};

/// One work with one target takes no longer; if it does, that is told, and the others go on.
const PLAY_MAX: Duration = Duration::from_secs(120);

/// Measures, and shows what came out. The exit code is a failure only if something could not be measured: a goal that is
/// missed is a result.
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    // What is dropped half-way kills what it started.
    tokio::select! {
        ended = measure(arguments) => ended,
        _ = term.recv() => bail!("ended by SIGTERM; nothing is reported"),
        _ = interrupt.recv() => bail!("ended by SIGINT; nothing is reported"),
    }
}

async fn measure(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let jackline = arguments
        .jackline
        .clone()
        .context("which jackline? give --jackline PATH, or use `cargo xtask bench`")?;
    let tools = Tools::new(jackline, &arguments.rival)?;
    let length = if arguments.quick {
        Length::QUICK
    } else {
        Length::FULL
    };
    let rounds = arguments.rounds.unwrap_or(length.rounds);
    let mut samples = Samples::default();
    for missing in tools.missing() {
        samples.skip(&missing);
    }
    carry(arguments, &tools, &length, rounds, &mut samples).await?;
    wait_in_vain(arguments, &tools, &length, &mut samples).await;
    fail_over(arguments, &tools, &length, rounds, &mut samples).await;
    let report = Report::of(&samples, rounds, arguments.quick);
    report.write(&arguments.report)?;
    match arguments.output {
        Output::Table => println!("{}", report.table()),
        Output::Json => println!("{}", report.json()?),
    }
    Ok(if samples.failures().is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// All work with all targets, again and again.
async fn carry(
    arguments: &Arguments,
    tools: &Tools,
    length: &Length,
    rounds: u32,
    samples: &mut Samples,
) -> anyhow::Result<()> {
    let origin = Origin::start().await?;
    let sorts = wanted(tools.sorts(), &arguments.target);
    for round in 1..=rounds {
        for work in Work::all(length)
            .iter()
            .filter(|work| work.is_named(&arguments.only))
        {
            // Who comes first has the caches cold; each has its turn.
            let mut sorts = sorts.clone();
            let first = usize::try_from(round).unwrap_or(0) % sorts.len();
            sorts.rotate_left(first);
            for sort in &sorts {
                eprintln!("round {round} of {rounds}: {} with {}", work.name(), sort.name());
                let playing = play(work, sort, tools, &origin, length, samples);
                let played = tokio::time::timeout(PLAY_MAX, playing).await;
                if let Err(error) = played.context("it took too long").flatten() {
                    samples.fail(work.name(), sort.name(), &format!("{error:#}"));
                }
            }
        }
    }
    Ok(())
}

/// Sessions whose data stays unacknowledged, once.
async fn wait_in_vain(arguments: &Arguments, tools: &Tools, length: &Length, samples: &mut Samples) {
    let named = |wanted: &String| "waiting".starts_with(wanted.as_str());
    if !arguments.only.is_empty() && !arguments.only.iter().any(named) {
        return;
    }
    eprintln!("waiting with jackline");
    let waiting = failover::waiting::run(tools, length.time * 3);
    match tokio::time::timeout(PLAY_MAX, waiting)
        .await
        .context("it took too long")
        .flatten()
    {
        Ok(figures) => {
            for (figure, value) in figures {
                samples.add(&figure, Sort::Jackline.name(), value);
            }
        }
        Err(error) => samples.fail("waiting", Sort::Jackline.name(), &format!("{error:#}")),
    }
}

/// All faults with all who can choose a server.
async fn fail_over(
    arguments: &Arguments,
    tools: &Tools,
    length: &Length,
    rounds: u32,
    samples: &mut Samples,
) {
    let rounds = rounds.min(length.failover_rounds);
    for round in 1..=rounds {
        for fault in Fault::ALL
            .into_iter()
            .filter(|fault| fault.is_named(&arguments.only))
        {
            for sort in wanted(tools.choosers(), &arguments.target) {
                let work = format!("failover.{}", fault.word());
                eprintln!("round {round} of {rounds}: {work} with {}", sort.name());
                let played = failover::run(fault, &sort, tools, length.failover);
                match tokio::time::timeout(PLAY_MAX, played)
                    .await
                    .context("it took too long")
                    .flatten()
                {
                    Ok(figures) => {
                        for (figure, value) in figures {
                            samples.add(&figure, sort.name(), value);
                        }
                    }
                    Err(error) => samples.fail(&work, sort.name(), &format!("{error:#}")),
                }
            }
        }
    }
}

fn wanted(mut sorts: Vec<Sort>, names: &[String]) -> Vec<Sort> {
    if !names.is_empty() {
        sorts.retain(|sort| sort.name() == "jackline" || names.iter().any(|name| name == sort.name()));
    }
    sorts
}

/// One work with one target, which is started for it and ended after it.
async fn play(
    work: &Work,
    sort: &Sort,
    tools: &Tools,
    origin: &Origin,
    length: &Length,
    samples: &mut Samples,
) -> anyhow::Result<()> {
    let target = tools.start(sort, &[origin.address]).await?;
    let figures = work.run(&target, origin, length).await?;
    for (figure, value) in figures {
        samples.add(&figure, sort.name(), value);
    }
    target.end().await;
    Ok(())
}
