//! The whole agent against real etcd: the plays of the lab whose figures have targets, as far as they are short enough here. All
//! of them are played by `cargo xtask recovery`.

use std::path::PathBuf;

use jackline_lab::{LabOptions, Output, recovery};

/// The play holds, with this crate's own binary on the nodes.
#[expect(
    clippy::print_stderr,
    reason = "what was not run is told to whoever ran the tests"
)]
fn holds(name: &str) {
    if let Some((_, lack)) = recovery::lacking()
        .into_iter()
        .find(|(lacking, _)| *lacking == name)
    {
        eprintln!("not run: {} ({})", lack.why, lack.bring);
        return;
    }
    let outcomes = recovery::run(LabOptions {
        scenarios: vec![name.to_owned()],
        output: Output::Silent,
        program: Some(PathBuf::from(env!("CARGO_BIN_EXE_jackline"))),
        ..LabOptions::default()
    });
    let outcomes = outcomes.expect("it can be played");
    assert_eq!(outcomes.len(), 1);
    assert!(outcomes[0].passed, "{}", outcomes[0].explain());
    assert!(outcomes[0].checks.len() >= 4, "{}", outcomes[0].explain());
}

#[test]
fn a_node_with_nothing_but_etcd_outlives_the_loss_of_its_leader_and_of_its_quorum() {
    holds("etcd-member");
}
