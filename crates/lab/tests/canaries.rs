//! A scenario that cannot fail proves nothing: each one fails with a naive balancer in jackline's place.
//!
//! The naive balancer has the habit that the scenario is about; that the scenarios pass with jackline is tested
//! where the real binary is, in `crates/cli/tests`.

use std::time::Duration;

use jackline_lab::{Balancer, LabOptions, Naive, Outcome, Output, run};

fn play(scenario: &str, habits: Naive) -> Outcome {
    let options = LabOptions {
        scenarios: vec![scenario.to_owned()],
        output: Output::Silent,
        balancer: Balancer::Naive(habits),
        patience: Duration::from_secs(5),
        ..LabOptions::default()
    };
    let outcome = run(options).expect("the lab runs").pop().expect("one outcome");
    assert_eq!(outcome.scenario, scenario);
    outcome
}

fn told(outcome: &Outcome) -> String {
    let lines: Vec<String> = outcome
        .timeline
        .iter()
        .map(|entry| format!("{:>6} ms  {}", entry.at_ms, entry.text))
        .collect();
    format!("{}\n{}", lines.join("\n"), outcome.explain())
}

/// The scenario fails by this check, which is the one that the habit breaks; it does so because of the nodes, not of the lab.
fn fails(scenario: &str, habits: Naive, check: &str) {
    let outcome = play(scenario, habits);
    let found = outcome.checks.iter().find(|found| found.what.contains(check));
    let found = found.unwrap_or_else(|| panic!("no check on {check:?}:\n{}", told(&outcome)));
    assert!(
        !found.passed && !outcome.passed,
        "the canary lives:\n{}",
        told(&outcome)
    );
    assert!(outcome.requests.sent > 0, "{}", told(&outcome));
    let played = outcome
        .checks
        .iter()
        .all(|check| !check.what.contains("can be played"));
    assert!(played, "the lab failed, not the canary:\n{}", told(&outcome));
}

#[test]
fn alternating_outage_strands_who_forgets_what_left_the_list() {
    fails("alternating-outage", Naive::default(), "no node is stuck");
}

#[test]
fn rolling_upgrade_fails_requests_of_who_dials_only_once() {
    fails("rolling-upgrade", Naive::default(), "no request fails");
}

#[test]
fn blackhole_holds_up_who_does_not_hedge() {
    fails("blackhole", Naive::default(), "slower than usual");
}

#[test]
fn frozen_fails_new_requests_of_who_trusts_a_connect() {
    fails("frozen", Naive::default(), "needs a new connection");
}

#[test]
fn overloaded_cuts_the_sessions_of_who_takes_slow_for_dead() {
    let habits = Naive {
        asks_readyz: true,
        closes_on_failed_test: true,
        ..Naive::default()
    };
    fails("overloaded", habits, "no session is cut");
}

#[test]
fn shared_cause_moves_the_sessions_of_who_does_not_compare() {
    let habits = Naive {
        asks_readyz: true,
        closes_on_failed_test: true,
        ..Naive::default()
    };
    fails("shared-cause", habits, "no session moves");
}

#[test]
fn lost_writes_silence_the_kubelet_of_who_asks_only_whether_a_server_is_ready() {
    let habits = Naive {
        asks_readyz: true,
        ..Naive::default()
    };
    fails("lost-writes", habits, "Lease is renewed again");
}

#[test]
fn slander_is_believed_by_who_blames_the_server() {
    fails(
        "slander",
        Naive {
            blames_server: true,
            ..Naive::default()
        },
        "judged by the node's own faults",
    );
}

#[test]
fn registration_single_ends_who_learns_nothing() {
    fails(
        "registration-single",
        Naive {
            learns: false,
            ..Naive::default()
        },
        "no request fails",
    );
}

#[test]
fn all_replaced_strands_who_does_not_resolve_again() {
    fails("all-replaced", Naive::default(), "attaches by itself");
}

#[test]
fn empty_list_is_obeyed_by_who_takes_failure_for_absence() {
    fails("empty-list", Naive::default(), "no server is forgotten");
}

#[test]
fn fail_back_strands_who_is_content_with_a_connect() {
    fails(
        "fail-back",
        Naive::default(),
        "no session is with the registration server",
    );
}

#[test]
fn cold_start_strands_who_remembers_nothing() {
    fails(
        "cold-start",
        Naive {
            remembers: false,
            ..Naive::default()
        },
        "remembered endpoint",
    );
}

#[test]
fn foreign_server_is_used_by_who_does_not_look_at_certificates() {
    fails("foreign-server", Naive::default(), "status tells the impostor");
}

#[test]
fn new_ca_shuts_out_the_clients_of_who_insists_on_the_old_one() {
    fails(
        "new-ca",
        Naive {
            requires_trust: true,
            ..Naive::default()
        },
        "get through at once",
    );
}

#[test]
fn all_down_start_hangs_the_clients_of_who_holds_their_sockets() {
    fails(
        "all-down-start",
        Naive {
            hangs: true,
            ..Naive::default()
        },
        "are reset within",
    );
}
