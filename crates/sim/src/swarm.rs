//! Worlds drawn from seeds (swarm testing: Groce and others 2012): each seed has features on and off and faults at rates
//! of its own. Safety is checked after each step; then the world is healed and must come to rest.
//!
//! | module | what it does |
//! |---|---|
//! | [`story`] | a world and its faults as data; parts of it |
//! | `draw`, `draw_faults` | a story from a seed |
//! | `heal` | what must hold once all is well again |
//! | `shrink` | the least of a failing story that still fails |
//! | [`run()`] | many seeds |

mod draw;
mod draw_faults;
mod heal;
pub mod run;
mod shrink;
pub mod story;

pub use run::{Progress, Report, run};
pub use story::{Outcome, Story};
