//! `jackline simulate --exhaustive`: the checker on the core, and on K3s's old policy to show that it finds what it looks for.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use jackline_sim::exhaustive::{CASTS, Limits, Outcome, SPLIT_ROLES, examine, jackline, k3s_before_2024};
use serde_json::{Value, json};

use super::{interrupt, page};
use crate::args::{LabOutput, SimulateArgs};
use crate::exit::Exit;
use crate::output::{complain, out};

/// K3s's old policy is stuck within so many moves; deeper is of no use.
const K3S_DEPTH: u32 = 4;

/// A level has about so many times the states of the one before.
const LEVEL_TIMES: f64 = 6.0;

/// What is known so far, for Ctrl-C: the searches that are done, and the levels of the one under way.
static KNOWN: Mutex<Known> = Mutex::new(Known {
    done: Vec::new(),
    cast: "",
    levels: Vec::new(),
});

struct Known {
    done: Vec<Value>,
    cast: &'static str,
    levels: Vec<Value>,
}

fn known() -> std::sync::MutexGuard<'static, Known> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells what is known so far and ends the program: a level is searched to its end or not at all.
fn end_early(output: LabOutput) {
    let known = known();
    let told = match output {
        LabOutput::Json => {
            let mut all = known.done.clone();
            all.push(
                json!({ "policy": "jackline", "cast": known.cast, "stopped": true, "levels": known.levels }),
            );
            serde_json::to_string_pretty(&all).unwrap_or_default()
        }
        LabOutput::Text => {
            let level = |level: &Value| format!("{} states {} moves away", level["states"], level["depth"]);
            let levels: Vec<String> = known.levels.iter().map(level).collect();
            format!("interrupted; until then, {}: {}", known.cast, levels.join(", "))
        }
    };
    let _ = out(&format!("{told}\n"));
    std::process::exit(i32::from(Exit::Interrupted as u8));
}

pub(crate) fn check(args: &SimulateArgs) -> anyhow::Result<Exit> {
    let output = args.output;
    interrupt::listen_and(move || end_early(output));
    let mut limits = Limits::depth(args.depth);
    limits.threads = args
        .threads
        .and_then(NonZeroUsize::new)
        .or_else(|| std::thread::available_parallelism().ok())
        .unwrap_or(limits.threads);
    let mut good = true;
    for cast in CASTS {
        (known().cast, known().levels) = (cast.name, Vec::new());
        let outcome = examine(&jackline(cast, None), limits, &mut |level| {
            known()
                .levels
                .push(json!({ "depth": level.depth, "states": level.states }));
            complain(&format!(
                "{}: {} states {} moves away, after {:.1} s{}",
                cast.name,
                level.states,
                level.depth,
                level.took.as_secs_f64(),
                estimate(level.depth, args.depth, level.took)
            ));
        });
        good &= outcome.is_good();
        known().done.push(summary("jackline", &outcome));
        if args.output == LabOutput::Text {
            out(&format!("jackline, {outcome}"))?;
        }
    }
    let shallow = Limits {
        depth: args.depth.min(K3S_DEPTH),
        ..limits
    };
    let outcome = examine(&k3s_before_2024(SPLIT_ROLES), shallow, &mut |_| {});
    known().done.push(summary("k3s-before-2024", &outcome));
    let told = std::mem::take(&mut known().done);
    page::write(args.html.as_deref(), || page::of_search(&told, good))?;
    match args.output {
        LabOutput::Text => out(&format!("K3s before December 2024, {outcome}"))?,
        LabOutput::Json => out(&format!("{}\n", serde_json::to_string_pretty(&told)?))?,
    }
    Ok(if good { Exit::Well } else { Exit::Failed })
}

/// What the rest will take, if each level has as many times the states of the one before as they have had.
fn estimate(depth: u32, of: u32, took: std::time::Duration) -> String {
    match of.saturating_sub(depth) {
        0 => String::new(),
        left => {
            let times: f64 = (1..=left)
                .map(|level| LEVEL_TIMES.powi(i32::try_from(level).unwrap_or(i32::MAX)))
                .sum();
            format!("; about {:.0} s to go", took.as_secs_f64() * times)
        }
    }
}

fn summary(policy: &str, outcome: &Outcome) -> Value {
    json!({
        "policy": policy,
        "cast": outcome.cast.name,
        "depth": outcome.limits.depth,
        "states": outcome.states,
        "moves": outcome.moves,
        "heals": outcome.heals,
        "stuck": outcome.stuck,
        "late": outcome.late,
        "breaches": outcome.breaches,
        "slowest_ms": u64::try_from(outcome.slowest.as_millis()).unwrap_or(u64::MAX),
        "cut_short": outcome.cut_short,
        "words": outcome.to_string(),
    })
}
