//! The command `jackline`.
fn main() {}
