//! The decision core of jackline: which apiservers are known, which are good, which comes first, what to do next.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod action;
mod event;
mod policy;
pub mod selection;
mod settings;
mod snapshot;
mod time;

pub use action::*;
pub use event::*;
pub use policy::{Policy, Timer};
pub use settings::*;
pub use snapshot::*;
pub use time::{Duration, Timestamp};
