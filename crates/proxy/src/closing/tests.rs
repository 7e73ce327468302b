//! The paces, in time that stands still.

use super::*;

const ALL: Which = Which::All;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn millis(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn quiet_since(moment: Instant) -> Traffic {
    Traffic {
        opened: moment - secs(60),
        asked: Some(moment - secs(1)),
        heard: Some(moment),
        unfinished: false,
        unsent: false,
    }
}

fn waiting_since(moment: Instant) -> Traffic {
    Traffic {
        opened: moment - secs(60),
        asked: Some(moment),
        heard: Some(moment - secs(1)),
        unfinished: false,
        unsent: false,
    }
}

#[test]
fn closes_are_spread_evenly_over_the_time_and_not_in_order() {
    let now = Instant::now();
    for pace in [Pace::Reset(secs(30)), Pace::Quiet(secs(30))] {
        let mut moments: Vec<Instant> = spread(pace, ALL, 100, now, &Jitter::new(1))
            .iter()
            .map(Plan::moment)
            .collect();
        assert!(!moments.is_sorted(), "who goes first is left to chance");
        moments.sort();
        for (index, moment) in (0..).zip(&moments) {
            let share = now + millis(300) * index;
            assert!((share..share + millis(300)).contains(moment), "one in each share");
        }
    }
    assert!(spread(Pace::Reset(secs(1)), ALL, 0, now, &Jitter::new(1)).is_empty());
}

#[test]
fn a_reset_within_nothing_is_a_reset_now() {
    let now = Instant::now();
    let plans = spread(Pace::Reset(Duration::ZERO), ALL, 3, now, &Jitter::new(1));
    for plan in plans {
        assert_eq!(
            plan.judge(&waiting_since(now), now),
            Judgement::Close(Order::Reset)
        );
    }
}

#[test]
fn a_silent_session_that_speaks_again_is_spared() {
    let now = Instant::now();
    let silent = Which::SilentFor(secs(1));
    let plan = spread(Pace::Reset(secs(1)), silent, 1, now, &Jitter::new(1))[0];
    let later = now + secs(1);
    assert_eq!(plan.judge(&quiet_since(now + millis(1)), later), Judgement::Spare);
    assert_eq!(
        plan.judge(&waiting_since(now), later),
        Judgement::Close(Order::Reset)
    );
}

#[test]
fn silent_are_all_that_heard_nothing_for_so_long() {
    let now = Instant::now();
    let which = Which::SilentFor(secs(2));
    let traffic = |asked, heard| Traffic {
        opened: now - secs(60),
        asked: Option::map(asked, |ago| now - millis(ago)),
        heard: Option::map(heard, |ago| now - millis(ago)),
        unfinished: false,
        unsent: false,
    };
    assert!(is_meant(which, &traffic(Some(100), Some(3_000)), now));
    assert!(
        is_meant(which, &traffic(Some(100), None), now),
        "it has never said a word"
    );
    assert!(
        !is_meant(which, &traffic(Some(100), Some(1_000)), now),
        "not for long enough"
    );
    assert!(
        is_meant(which, &traffic(Some(5_000), Some(4_000)), now),
        "a watch asks nothing"
    );
    assert!(
        is_meant(which, &traffic(None, None), now),
        "nothing was ever said"
    );
}

#[test]
fn a_quiet_moment_is_all_of_it() {
    let now = Instant::now();
    let plan = Plan::Quiet {
        at: now - secs(1),
        quiet: QUIET,
        end: now + secs(10),
        limit: now + secs(15),
    };
    let part = Judgement::Close(Order::Part);
    assert_eq!(plan.judge(&quiet_since(now - millis(100)), now), part);
    assert_eq!(plan.judge(&quiet_since(now - millis(99)), now), Judgement::Wait);
    assert_eq!(
        plan.judge(&waiting_since(now - secs(5)), now),
        Judgement::Wait,
        "the client waits for an answer"
    );
    let unsent = Traffic {
        unfinished: false,
        unsent: true,
        ..quiet_since(now - secs(5))
    };
    assert_eq!(plan.judge(&unsent, now), Judgement::Wait);
    let unused = Traffic {
        opened: now - secs(5),
        asked: None,
        heard: None,
        unfinished: false,
        unsent: false,
    };
    assert_eq!(plan.judge(&unused, now), part, "never a byte either way");
    let early = Plan::Quiet {
        at: now + millis(1),
        quiet: QUIET,
        end: now + secs(10),
        limit: now + secs(15),
    };
    assert_eq!(
        early.judge(&quiet_since(now - secs(5)), now),
        Judgement::Wait,
        "not before its own moment"
    );
}

#[test]
fn at_the_end_less_quiet_is_enough_and_at_the_limit_none() {
    let start = Instant::now();
    let plan = spread(Pace::Quiet(secs(30)), ALL, 1, start, &Jitter::new(1))[0];
    let part = Judgement::Close(Order::Part);
    let before = start + secs(30) - millis(1);
    assert_eq!(
        plan.judge(&quiet_since(before - millis(50)), before),
        Judgement::Wait
    );
    let end = start + secs(30);
    assert_eq!(plan.judge(&quiet_since(end - millis(5)), end), part);
    assert_eq!(plan.judge(&quiet_since(end - millis(4)), end), Judgement::Wait);
    assert_eq!(plan.judge(&waiting_since(end - secs(1)), end), Judgement::Wait);
    let limit = end + secs(5);
    assert_eq!(
        plan.judge(&waiting_since(limit - secs(1)), limit - millis(1)),
        Judgement::Wait
    );
    assert_eq!(plan.judge(&waiting_since(limit - secs(1)), limit), part);
}

#[test]
fn a_reset_is_never_softened_and_a_moment_never_put_off() {
    let now = Instant::now();
    let reset = |at| Plan::Reset {
        at: now + secs(at),
        ordered: now,
        silent: false,
    };
    let quiet = |limit| Plan::Quiet {
        at: now,
        quiet: QUIET,
        end: now,
        limit: now + secs(limit),
    };
    assert_eq!(reset(1).over(None), reset(1));
    assert_eq!(
        reset(1).over(Some(quiet(9))),
        reset(1),
        "a reset takes the place of a quiet close"
    );
    assert_eq!(quiet(9).over(Some(reset(1))), reset(1));
    assert_eq!(reset(2).over(Some(reset(1))), reset(1));
    assert_eq!(reset(1).over(Some(reset(2))), reset(1));
    assert_eq!(quiet(9).over(Some(quiet(5))), quiet(5));
    assert_eq!(quiet(5).over(Some(quiet(9))), quiet(5));
}
