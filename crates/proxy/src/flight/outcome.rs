//! How a first flight went, and what is left of one that was laid to rest.

use super::{Contender, Settled};

/// How a first flight went.
#[derive(Debug)]
pub(crate) enum Outcome {
    Settled(Settled),
    /// It was laid to rest on its way.
    Rests(Begun),
}

/// A first flight on its way, as it goes on later, here or in another process.
#[derive(Debug, Default)]
pub(crate) struct Begun {
    /// All that the client has sent.
    pub(crate) kept: Vec<u8>,
    /// The upstream that goes along; `None`: none has what the client sent.
    pub(crate) contender: Option<Contender>,
}
