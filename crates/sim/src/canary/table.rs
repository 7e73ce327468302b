//! Which canary holds which rule of docs/design.md.

use jackline_core::Bend;

/// A rule, or a part of one, that lives outside of the core, and the test that fails without it.
#[derive(Clone, Copy, Debug)]
pub struct Elsewhere {
    /// The rule.
    pub rule: &'static str,
    /// What of it lives there.
    pub part: &'static str,
    /// The file of the test, from the root of the repository.
    pub file: &'static str,
    /// The test.
    pub test: &'static str,
}

/// What no bend can switch off, for other crates keep it, or what the worlds of the canaries do not have.
pub const ELSEWHERE: [Elsewhere; 12] = [
    Elsewhere {
        rule: "P6",
        part: "what an operator has forgotten: nobody operates in the canaries' worlds",
        file: "crates/core/tests/core/reset.rs",
        test: "what_is_only_remembered_is_forgotten_and_what_is_listed_stays",
    },
    Elsewhere {
        rule: "M6a",
        part: "what a sibling's word counts for: the canaries' worlds have one service",
        file: "crates/core/tests/core/services.rs",
        test: "what_a_sibling_has_given_up_is_retained_and_given_up_in_the_end",
    },
    Elsewhere {
        rule: "H1",
        part: "how deep a test goes, and what it presents to whom: the probe's",
        file: "crates/probe/tests/probe/answers.rs",
        test: "without_a_ca_the_probe_ends_with_the_handshake_and_says_so",
    },
    Elsewhere {
        rule: "H8",
        part: "no credential is shown to one that does not verify: the probe's",
        file: "crates/probe/tests/probe/credentials.rs",
        test: "an_impostor_sees_no_credential_even_where_it_was_known_to_ask_for_one",
    },
    Elsewhere {
        rule: "S3",
        part: "hedged dials: the data plane's",
        file: "crates/proxy/tests/data_plane/dialling.rs",
        test: "a_silent_dial_is_hedged",
    },
    Elsewhere {
        rule: "S4",
        part: "the first flight: the data plane's",
        file: "crates/proxy/tests/data_plane/first_flight.rs",
        test: "a_frozen_server_costs_a_moment_and_no_handshake",
    },
    Elsewhere {
        rule: "S6",
        part: "the hold, and the reset after it: the data plane's",
        file: "crates/proxy/tests/data_plane/dialling.rs",
        test: "when_nobody_comes_up_the_client_is_reset_after_the_hold_and_not_before",
    },
    Elsewhere {
        rule: "D2",
        part: "the quiet moment: the data plane's",
        file: "crates/proxy/tests/data_plane/closing.rs",
        test: "a_session_that_waits_for_an_answer_gets_it_before_it_parts",
    },
    Elsewhere {
        rule: "D3",
        part: "keep-alive and the samples of TCP_INFO: the data plane's",
        file: "crates/proxy/tests/data_plane/bytes.rs",
        test: "an_idle_peer_that_died_is_found_by_keep_alive",
    },
    Elsewhere {
        rule: "P1",
        part: "that a write is whole or not at all: the agent's",
        file: "crates/agent/src/state/tests.rs",
        test: "a_loss_of_power_at_any_point_leaves_the_old_state_or_the_new_one",
    },
    Elsewhere {
        rule: "P3",
        part: "a disk that takes nothing: the agent's",
        file: "crates/agent/src/state/tests.rs",
        test: "a_full_and_a_read_only_disk_degrade_to_memory_and_heal",
    },
    Elsewhere {
        rule: "P4",
        part: "other balancers' files are read and never written: discovery's",
        file: "crates/discovery/src/import.rs",
        test: "both_ages_of_the_format_are_read",
    },
];

/// The rule that a bend breaks, as docs/design.md names it.
pub fn rule_of(bend: Bend) -> &'static str {
    match bend {
        Bend::M1 => "M1",
        Bend::M2Empty | Bend::M2Order => "M2",
        Bend::M3 => "M3",
        Bend::M3a => "M3a",
        Bend::M4 => "M4",
        Bend::M5Forgets | Bend::M5Tries | Bend::M5Sessions => "M5",
        Bend::M6 => "M6",
        Bend::M7 => "M7",
        Bend::H2 => "H2",
        Bend::H3Local | Bend::H3Slander => "H3",
        Bend::H4Fall | Bend::H4Rise => "H4",
        Bend::H5 => "H5",
        Bend::H6 => "H6",
        Bend::H7Urgency | Bend::H7Price => "H7",
        Bend::H8 => "H8",
        Bend::H9 => "H9",
        Bend::S1 => "S1",
        Bend::S2 => "S2",
        Bend::S5 => "S5",
        Bend::S6 => "S6",
        Bend::R1 | Bend::R1Missed => "R1",
        Bend::R2 => "R2",
        Bend::R3 => "R3",
        Bend::R4Rise | Bend::R4NoApi => "R4",
        Bend::R5 => "R5",
        Bend::D1 => "D1",
        Bend::D2 => "D2",
        Bend::D3 => "D3",
        Bend::D4 => "D4",
        Bend::P1 => "P1",
        Bend::P2Ready | Bend::P2Foreign => "P2",
        Bend::P5 => "P5",
        Bend::Heartbeat => "heartbeat witness",
        Bend::FleetDrain => "drain for the whole fleet",
    }
}
