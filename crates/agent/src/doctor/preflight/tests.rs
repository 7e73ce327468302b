//! Practices and the maintenance window, on the healthy node of the checks and on worse ones.

use std::collections::BTreeSet;

use super::{Outcome, PRACTICES, Preflight, judge};
use crate::doctor::checks::fixture::{at, healthy, server, stuck};
use crate::doctor::facts::{Facts, Says};

fn well() -> Facts {
    let mut facts = healthy();
    let members = ["10.0.0.1:2379", "10.0.0.2:2379", "10.0.0.3:2379"];
    facts.etcd_members = Some(members.map(at).to_vec());
    facts
}

fn outcome(report: &Preflight, practice: &str) -> Outcome {
    let item = report.practices.iter().find(|item| item.practice == practice);
    item.unwrap_or_else(|| panic!("no {practice}")).outcome
}

fn of(facts: &Facts, practice: &str) -> Outcome {
    outcome(&judge(facts, None, &[]), practice)
}

#[test]
fn a_good_node_is_good_in_all_but_the_agent_that_does_not_run() {
    let report = judge(&well(), None, &[]);
    for item in &report.practices {
        let wanted = match item.practice.as_str() {
            "monitoring" => Outcome::Improvable,
            _ => Outcome::Good,
        };
        assert_eq!(item.outcome, wanted, "{item:?}");
        assert_eq!(item.remedy.is_empty(), wanted == Outcome::Good, "{item:?}");
    }
    assert_eq!(report.stopping, None);
    assert!(report.may_stop(), "nothing was asked");
}

#[test]
fn each_practice_can_be_bad_or_improvable() {
    type Break = fn(&mut Facts);
    let cases: [(&str, Outcome, Break); 12] = [
        ("registration", Outcome::Bad, |facts| {
            facts.registration[0].addresses.truncate(1)
        }),
        ("registration", Outcome::Improvable, |facts| {
            facts.registration[0].addresses = vec![at("10.0.0.100:6443")];
        }),
        ("registration", Outcome::Unknown, |facts| {
            facts.registration.clear()
        }),
        ("servers", Outcome::Bad, |facts| {
            facts.servers.remove(&at("10.0.0.3:6443"));
            facts.told.iter_mut().for_each(|told| told.endpoints.truncate(2));
        }),
        ("servers", Outcome::Improvable, |facts| {
            facts
                .servers
                .insert(at("10.0.0.3:6443"), server(Says::Nothing, "refused"));
        }),
        ("etcd", Outcome::Bad, |facts| {
            facts.etcd_members.as_mut().expect("there").truncate(2)
        }),
        ("etcd", Outcome::Improvable, |facts| {
            facts
                .etcd_members
                .as_mut()
                .expect("there")
                .push(at("10.0.0.4:2379"));
        }),
        ("names", Outcome::Bad, |facts| {
            facts.registration[0].host = "other.example".to_owned()
        }),
        ("certificates", Outcome::Bad, |facts| facts.now += 300 * 86_400),
        ("any-server-lost", Outcome::Bad, |facts| {
            facts
                .servers
                .insert(at("10.0.0.3:6443"), server(Says::Nothing, "refused"));
            facts
                .servers
                .insert(at("10.0.0.2:6443"), server(Says::NotReady, "not ready: etcd"));
        }),
        ("any-server-lost", Outcome::Bad, |facts| {
            facts.balancers[0]
                .holds
                .as_mut()
                .expect("there")
                .addresses
                .truncate(1);
        }),
        ("sources", Outcome::Bad, |facts| {
            facts.told.clear();
            facts.registration.clear();
        }),
    ];
    let mut broken: BTreeSet<&str> = BTreeSet::from(["monitoring"]);
    for (number, (practice, wanted, break_it)) in cases.into_iter().enumerate() {
        let mut facts = well();
        break_it(&mut facts);
        assert_eq!(of(&facts, practice), wanted, "case {number}: {practice}");
        broken.insert(practice);
    }
    assert_eq!(broken, PRACTICES.iter().map(|practice| practice.name).collect());
}

#[test]
fn the_maintenance_window_says_what_would_be_left() {
    let stop = |facts: &Facts, words: &[&str]| {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        let report = judge(facts, None, &words);
        let may = report.may_stop();
        (report.stopping.expect("asked"), may)
    };
    let facts = well();
    let (one, may) = stop(&facts, &["10.0.0.1"]);
    assert!(may);
    assert_eq!((one.state.as_str(), one.etcd_quorum), ("attached", Some(true)));
    assert_eq!(one.left, [at("10.0.0.2:6443"), at("10.0.0.3:6443")]);
    let (two, may) = stop(&facts, &["10.0.0.1:6443", "10.0.0.2"]);
    assert!(!may, "etcd goes: {two:?}");
    assert_eq!((two.state.as_str(), two.etcd_quorum), ("attached", Some(false)));
    assert!(two.words.iter().any(|words| words.contains("lose its quorum")));
    assert!(two.words.iter().any(|words| words.contains("next loss")));
    let (all, may) = stop(&facts, &["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    assert!(!may);
    assert_eq!((all.state.as_str(), all.left.len()), ("isolated", 0));
    let (typo, may) = stop(&facts, &["10.0.0.1", "cp-9"]);
    assert!(
        !may,
        "a server that is not known must not be taken for one that may go"
    );
    assert_eq!(typo.unknown, ["cp-9"]);
}

#[test]
fn a_server_that_is_up_and_not_ready_is_no_spare() {
    let mut facts = well();
    facts.etcd_members = None;
    facts
        .servers
        .insert(at("10.0.0.3:6443"), server(Says::NotReady, "not ready: etcd"));
    let words = ["10.0.0.1", "10.0.0.2"].map(str::to_owned);
    let report = judge(&facts, None, &words);
    assert!(!report.may_stop());
    let stopping = report.stopping.expect("asked");
    assert_eq!(
        (stopping.state.as_str(), stopping.etcd_quorum),
        ("degraded", None)
    );
}

#[test]
fn the_node_of_11349_does_not_survive_a_loss_and_was_joined_through_one_server() {
    let mut facts = healthy();
    stuck(&mut facts);
    assert_eq!(of(&facts, "any-server-lost"), Outcome::Bad);
    assert_eq!(
        of(&facts, "registration"),
        Outcome::Bad,
        "joined through one etcd-only server"
    );
}
