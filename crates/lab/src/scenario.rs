//! What a scenario is: a cast, a play, and a stage on which the play finds control plane, nodes, clients and checks.
//!
//! The plays themselves are under `scenarios/`, a file each.

mod cast;
mod deeds;
mod guide;
mod hosting;
mod measure;
mod stage;
mod waits;

use std::pin::Pin;

pub(crate) use cast::{Cast, Joins, RealEtcd};
pub(crate) use hosting::SPARE;
pub(crate) use measure::{RECOVERY_MEDIAN, RECOVERY_WORST, SERVED_WITHIN};
pub(crate) use stage::Stage;

/// The future of a play.
pub(crate) type Playing<'a> = Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send + 'a>>;

/// A scenario.
pub(crate) struct Scenario {
    /// As on the command line and in the verdict.
    pub(crate) name: &'static str,
    /// What happens and what must hold, in a sentence or two.
    pub(crate) story: &'static str,
    /// Who takes part.
    pub(crate) cast: fn() -> Cast,
    /// What happens. An error means that the lab itself failed; what a node does wrong is a check that did not hold.
    pub(crate) play: for<'a> fn(&'a mut Stage) -> Playing<'a>,
}
