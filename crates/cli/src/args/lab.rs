//! What `jackline lab` takes.

use std::net::SocketAddr;

use clap::{Args, ValueEnum};

pub(super) const EXAMPLES: &str = "\
Examples:
  jackline lab                          the outage that jackline was made for
  jackline lab --list                   the scenarios, a line each
  jackline lab blackhole frozen         two of them
  jackline lab --keep                   leave the cluster up afterwards, to play with
  jackline lab --ui                     a page with which to break it, and watch

Exit status: 0 everything held, 1 some expectation failed, 2 it could not be
played, 64 wrong usage.";

#[derive(Args, Debug)]
pub(crate) struct LabArgs {
    /// Names of scenarios, or `all` [default: alternating-outage]
    #[arg(value_name = "SCENARIO")]
    pub(crate) scenarios: Vec<String>,
    /// A timeline and a verdict for people, or the outcomes as a JSON array
    #[arg(long, short, value_enum, default_value_t = LabOutput::Text)]
    pub(crate) output: LabOutput,
    /// Only tell which scenarios there are
    #[arg(long)]
    pub(crate) list: bool,
    /// Leave the cluster up at the end and tell how to reach it
    #[arg(long, conflicts_with = "list")]
    pub(crate) keep: bool,
    // Not a documentation comment: brackets are links there.
    #[arg(
        long,
        value_name = "ADDRESS",
        num_args = 0..=1,
        default_missing_value = "127.0.0.1:0",
        conflicts_with_all = ["scenarios", "output", "list", "keep"],
        help = "Play nothing: serve a page that shows the nodes and has buttons to break the servers, until Ctrl-C [default address: 127.0.0.1 and a free port]"
    )]
    pub(crate) ui: Option<SocketAddr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LabOutput {
    /// For people
    Text,
    /// For programs
    Json,
}
