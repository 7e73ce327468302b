//! The version of the program: the crate's, and the commit that it was built from.

/// `0.1.0 (1a2b3c4d5e6f)`; `0.1.0 (commit not known)` where it was built from no checkout and nobody said.
pub(crate) const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("JACKLINE_COMMIT"), ")");
