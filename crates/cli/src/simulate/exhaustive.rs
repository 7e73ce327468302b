//! `jackline simulate --exhaustive`: the checker on the core, and on K3s's old policy to show that it finds what it looks for.

use std::num::NonZeroUsize;

use jackline_sim::exhaustive::{CASTS, Limits, Outcome, SPLIT_ROLES, examine, jackline, k3s_before_2024};
use serde_json::{Value, json};

use crate::args::{LabOutput, SimulateArgs};
use crate::exit::Exit;
use crate::output::{complain, out};

/// K3s's old policy is stuck within so many moves; deeper is of no use.
const K3S_DEPTH: u32 = 4;

pub(crate) fn check(args: &SimulateArgs) -> anyhow::Result<Exit> {
    let mut limits = Limits::depth(args.depth);
    limits.threads = args
        .threads
        .and_then(NonZeroUsize::new)
        .or_else(|| std::thread::available_parallelism().ok())
        .unwrap_or(limits.threads);
    let mut good = true;
    let mut told = Vec::new();
    for cast in CASTS {
        let outcome = examine(&jackline(cast, None), limits, &mut |level| {
            complain(&format!(
                "{}: {} states {} moves away, after {:.1} s",
                cast.name,
                level.states,
                level.depth,
                level.took.as_secs_f64()
            ));
        });
        good &= outcome.is_good();
        match args.output {
            LabOutput::Text => out(&format!("jackline, {outcome}"))?,
            LabOutput::Json => told.push(summary("jackline", &outcome)),
        }
    }
    let shallow = Limits {
        depth: args.depth.min(K3S_DEPTH),
        ..limits
    };
    let outcome = examine(&k3s_before_2024(SPLIT_ROLES), shallow, &mut |_| {});
    match args.output {
        LabOutput::Text => out(&format!("K3s before December 2024, {outcome}"))?,
        LabOutput::Json => {
            told.push(summary("k3s-before-2024", &outcome));
            out(&format!("{}\n", serde_json::to_string_pretty(&told)?))?;
        }
    }
    Ok(if good { Exit::Well } else { Exit::Failed })
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
