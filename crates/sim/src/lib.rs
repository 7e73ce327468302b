//! Doubt: the core that ships, in worlds that try to get it stuck.
//!
//! | module | what it does |
//! |---|---|
//! | [`exhaustive`] | all that can happen to three servers and a node, up to a number of moves |

pub mod exhaustive;
