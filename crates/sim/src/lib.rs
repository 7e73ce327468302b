//! Doubt: the core that ships, in worlds that try to get it stuck.
//!
//! | module | what it does |
//! |---|---|
