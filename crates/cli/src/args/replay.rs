//! What `jackline replay` takes.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::LabOutput;

pub(super) const EXAMPLES: &str = "\
The journal is read as it is, of a running jackline too; nothing is sent and
nothing is written but FILE. Play it with the version that wrote it.

Examples:
  jackline replay /var/lib/jackline                  does the core do the same?
  jackline replay /var/lib/jackline --at 03:12       why did it do that?
  jackline replay ./journal --set timing.probe-used=5s     what if?
  jackline replay ./segment-00000007.jsonl --html replay.html

Exit status: 0 the same actions, 1 a difference or a damaged journal, 64 wrong
usage.";

#[derive(Args, Debug)]
pub(crate) struct ReplayArgs {
    /// A segment of a journal, a folder of segments, or jackline's state folder
    #[arg(value_name = "JOURNAL")]
    pub(crate) journal: PathBuf,
    /// Explain what was decided then, in UTC: 03:12, 03:12:04 or 2026-01-31T03:12:04Z
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,
    /// … and so long before and after, in whole seconds
    #[arg(long, value_name = "SECONDS", default_value = "0", requires = "at", value_parser = whole_seconds)]
    pub(crate) within: Duration,
    /// What if this key of the configuration had had this value; may be given again
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Write a page to look at: one file, which needs no network
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Words for people, or JSON as in docs/replay-schema.json
    #[arg(long, short, value_enum, default_value_t = LabOutput::Text)]
    pub(crate) output: LabOutput,
}

fn whole_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.trim_end_matches('s').parse::<u32>();
    seconds
        .map(|seconds| Duration::from_secs(seconds.into()))
        .map_err(|_| format!("{text:?} is no number of seconds"))
}
