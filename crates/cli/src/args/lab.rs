//! What `jackline lab --help` ends in.

pub(super) const LAB_EXAMPLES: &str = "\
Examples:
  jackline lab                          the outage that jackline was made for
  jackline lab --list                   the scenarios, a line each
  jackline lab blackhole frozen         two of them
  jackline lab --keep                   leave the cluster up afterwards, to play with
  jackline lab --ui                     a page with which to break it, and watch

Exit status: 0 everything held, 1 some expectation failed, 2 it could not be
played, 64 wrong usage.";
