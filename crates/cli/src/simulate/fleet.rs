//! `jackline simulate --fleet N`: many nodes, and what one server has to bear.

use jackline_sim::fleet::{Report, SERVERS, run};
use serde_json::json;

use super::{Bar, STOP, interrupt, page, threads};
use crate::args::{LabOutput, SimulateArgs};
use crate::exit::Exit;
use crate::output::out;

pub(crate) fn fleet(args: &SimulateArgs, nodes: u32) -> anyhow::Result<Exit> {
    interrupt::listen();
    let bar = Bar::of("events");
    let servers = args
        .servers
        .map_or(SERVERS.to_vec(), |servers| vec![usize::from(servers)]);
    let report = run(nodes, &servers, threads(args), &STOP, &|progress| {
        bar.show(progress)
    });
    let took = bar.began.elapsed();
    bar.end();
    page::write(args.html.as_deref(), || page::of_fleet(&report))?;
    let micros = micros_per_node_second(&report);
    out(&match args.output {
        LabOutput::Json => {
            let cost = json!({ "seconds": took.as_secs_f64(), "micros_per_node_second": micros, "memory_mib": memory_mib() });
            let whole = json!({ "report": report, "cost": cost });
            format!("{}\n", serde_json::to_string_pretty(&whole)?)
        }
        LabOutput::Text => format!(
            "{report}{} h of nodes' time in {:.1} s: {micros:.2} µs of a processor for each second of a node; {} MiB at most\n",
            report.node_seconds / 3600,
            took.as_secs_f64(),
            memory_mib().map_or("?".to_owned(), |mib| mib.to_string()),
        ),
    })?;
    Ok(match (report.stopped, report.missed()) {
        (true, _) => Exit::Interrupted,
        (false, 0) => Exit::Well,
        (false, _) => Exit::Failed,
    })
}

/// What a second of one node costs of a processor, all of this process's threads together. Both numbers are far below what a
/// double holds exactly.
#[expect(clippy::cast_precision_loss, reason = "only shown")]
fn micros_per_node_second(report: &Report) -> f64 {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let used = used.tv_sec as f64 * 1e6 + used.tv_nsec as f64 / 1e3;
    used / (report.node_seconds.max(1) as f64)
}

/// The most memory that this process had, as the kernel tells it.
fn memory_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024)
}
