//! What a run of the lab is told: plain data, filled in by the command line or by a test.

use std::path::PathBuf;
use std::time::Duration;

/// How a run of the lab is made. [`LabOptions::default`] plays the default scenario with the binary that runs it.
#[derive(Clone, Debug)]
pub struct LabOptions {
    /// Names of the scenarios, in the order of the run. Empty: the default one. `all`: every one.
    pub scenarios: Vec<String>,
    /// What is written, and where to.
    pub output: Output,
    /// Only tell which scenarios there are.
    pub list: bool,
    /// Leave the (single) scenario's cluster up at its end, tell how to reach it, and wait for Ctrl-C.
    pub keep: bool,
    /// The program that the nodes run as `PROGRAM run --config FILE --until-input-ends`; `None`: the one that runs the lab.
    pub program: Option<PathBuf>,
    /// Requests a second of each client that sends requests. 1 to 1,000.
    pub rate: u32,
    /// How many scenarios are played at a time. 1 to 8.
    pub parallel: usize,
    /// A node that is not attached this long after a server became ready is stuck.
    pub patience: Duration,
    /// Who balances on the nodes. Anything but [`Balancer::Jackline`] is for tests of the scenarios themselves.
    pub balancer: Balancer,
}

impl Default for LabOptions {
    fn default() -> Self {
        Self {
            scenarios: Vec::new(),
            output: Output::Text,
            list: false,
            keep: false,
            program: None,
            rate: 10,
            parallel: 2,
            patience: Duration::from_secs(30),
            balancer: Balancer::Jackline,
        }
    }
}

/// What a run writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// A live timeline and a verdict in sentences on the standard output.
    #[default]
    Text,
    /// The outcomes as one JSON array on the standard output, the timeline on the standard error.
    Json,
    /// Nothing: the caller reads the outcomes.
    Silent,
}

/// Who balances on the nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Balancer {
    /// The real thing, as child processes.
    #[default]
    Jackline,
    /// A naive balancer in the lab's own process: the canary by which a test shows that a scenario can fail.
    Naive(Naive),
}

/// The habits of the naive balancer. Each is a rule of jackline's that somebody once did without; the default is the
/// embedded balancer of K3s before December 2024.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent switches of a test double, not a state machine"
)]
pub struct Naive {
    /// Learns servers from the list that it reads through itself; otherwise it knows only what it was started with.
    pub learns: bool,
    /// Believes every list, empty and short ones too, and forgets what is not in it (against M2 and M3).
    pub forgets: bool,
    /// Closes the sessions with a server that has left the list.
    pub closes_removed: bool,
    /// Asks `/readyz` under a timeout of one second; otherwise a TCP connect is all the health there is (against H1).
    pub asks_readyz: bool,
    /// A single failed test marks a server as failed and closes its sessions (against H5 and S5).
    pub closes_on_failed_test: bool,
    /// Holds a server's failure against it when the failure was the node's own, or a local client's doing (against H3).
    pub blames_server: bool,
    /// Sends nobody to a server whose certificate does not verify, even if none does (against H8).
    pub requires_trust: bool,
    /// Holds a client's socket while nobody is there, instead of resetting it (against S6).
    pub hangs: bool,
    /// Writes the list to its state file and reads it at start.
    pub remembers: bool,
    /// Resolves the registration name at start; otherwise only when it has no state file (against M4).
    pub resolves_again: bool,
}

impl Default for Naive {
    fn default() -> Self {
        Self {
            learns: true,
            forgets: true,
            closes_removed: true,
            asks_readyz: false,
            closes_on_failed_test: false,
            blames_server: false,
            requires_trust: false,
            hangs: false,
            remembers: true,
            resolves_again: false,
        }
    }
}
