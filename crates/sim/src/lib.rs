//! Doubt: the core that ships, in worlds that try to get it stuck.
//!
//! | module | what it does |
//! |---|---|
//! | [`canary`] | the core without one of its rules, and what notices |
//! | [`exhaustive`] | all that can happen to three servers and a node, up to a number of moves |
#![forbid(unsafe_code)]

pub mod canary;
pub mod exhaustive;
