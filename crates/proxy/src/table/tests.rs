//! The table without sockets, in time that the test sets.

use jackline_core::{Pace, Which};

use crate::closing::Order;

use super::*;
use crate::ledger::Ledgers;
use crate::tcp_info::Sample;

struct Bench {
    table: Table,
    ledgers: Ledgers,
    start: Instant,
    jitter: Jitter,
}

impl Bench {
    fn new() -> Self {
        Self {
            table: Table::default(),
            ledgers: Ledgers::default(),
            start: Instant::now(),
            jitter: Jitter::new(1),
        }
    }

    fn at(&self, milliseconds: u64) -> Instant {
        self.start + Duration::from_millis(milliseconds)
    }

    fn open(&self, port: u16) -> Rc<Entry> {
        self.table
            .open(self.ledgers.of(endpoint(port)), Rc::default(), self.start)
    }

    fn ask(&self, entry: &Rc<Entry>, milliseconds: u64) {
        entry.ask(self.at(milliseconds));
        self.table.watch(entry, self.at(milliseconds));
    }

    fn close(&self, port: u16, which: Which, pace: Pace, milliseconds: u64) {
        let order = CloseSessions {
            endpoint: endpoint(port),
            which,
            pace,
            reason: String::new(),
        };
        self.table.order(&order, &self.jitter, self.at(milliseconds));
    }

    /// Ticks whenever the table wants it, up to this moment; gives when stalls were told, in milliseconds.
    fn run_until(&self, milliseconds: u64) -> Vec<u128> {
        let mut stalls = Vec::new();
        let mut ticks = 0;
        while let Some(next) = self
            .table
            .next_tick()
            .filter(|next| *next <= self.at(milliseconds))
        {
            let told = self.table.tick(&|_| None, next).len();
            stalls.extend(std::iter::repeat_n((next - self.start).as_millis(), told));
            ticks += 1;
            assert!(ticks < 10_000, "the table never rests");
        }
        stalls
    }
}

fn endpoint(port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], port))
}

#[test]
fn a_question_without_an_answer_stalls_after_a_second_once() {
    let bench = Bench::new();
    let entry = bench.open(1);
    bench.ask(&entry, 100);
    assert!(!entry.is_overdue());
    assert_eq!(bench.run_until(60_000), [1_100]);
    assert!(entry.is_overdue());
    entry.hear(bench.at(60_000));
    assert!(!entry.is_overdue());
    assert_eq!(bench.table.next_tick(), None, "and costs no wake-up from then on");
    bench.ask(&entry, 60_000);
    bench.ask(&entry, 60_500);
    assert_eq!(bench.run_until(120_000), [61_000], "asking on is a new suspicion");
}

#[test]
fn who_asks_on_and_hears_nothing_stalls_again_and_who_was_answered_for_the_first_time() {
    let bench = Bench::new();
    let entry = bench.open(1);
    let told = |milliseconds| {
        let moment = bench.at(milliseconds);
        let stalled = bench.table.tick(&|_| None, moment);
        stalled.iter().map(|stalled| stalled.again).collect::<Vec<_>>()
    };
    bench.ask(&entry, 0);
    assert_eq!(told(1_000), [false]);
    bench.ask(&entry, 1_100);
    assert_eq!(told(2_100), [true]);
    entry.hear(bench.at(2_200));
    bench.ask(&entry, 2_300);
    assert_eq!(told(3_300), [false]);
}

#[test]
fn an_answer_in_time_is_no_stall() {
    let bench = Bench::new();
    let entry = bench.open(1);
    for second in 0..10 {
        bench.ask(&entry, second * 1_000);
        entry.hear(bench.at(second * 1_000 + 999));
        assert_eq!(bench.run_until(second * 1_000 + 999), []);
    }
    bench.ask(&entry, 10_500);
    assert_eq!(
        bench.run_until(60_000),
        [11_500],
        "counted from the oldest question without an answer"
    );
}

#[test]
fn the_first_answer_tells_how_long_it_took() {
    let bench = Bench::new();
    let asked_first = bench.open(1);
    asked_first.ask(bench.at(10));
    asked_first.ask(bench.at(30));
    assert_eq!(asked_first.hear(bench.at(50)), Some(Duration::from_millis(20)));
    assert_eq!(asked_first.hear(bench.at(60)), None, "only the first");
    let spoken_to_first = bench.open(1);
    assert_eq!(spoken_to_first.hear(bench.at(50)), None, "nobody had asked");
}

#[test]
fn a_handshake_that_does_not_go_on_is_a_strong_suspicion_and_its_session_waits() {
    let bench = Bench::new();
    let told = |milliseconds| {
        let stalled = bench.table.tick(&|_| None, bench.at(milliseconds));
        stalled.iter().map(|stalled| stalled.again).collect::<Vec<_>>()
    };
    let entry = bench.open(1);
    bench.ask(&entry, 0);
    entry.begins_handshake();
    entry.hear(bench.at(50));
    assert_eq!(told(500), [] as [bool; 0], "not yet");
    assert_eq!(told(600), [true], "half a second after the server's last byte");
    assert!(entry.traffic().unfinished, "no quiet moment");
    assert_eq!(
        told(1_100),
        [true],
        "and after a second, for those who can act then"
    );

    let whole = bench.open(1);
    bench.ask(&whole, 2_000);
    whole.begins_handshake();
    whole.hear(bench.at(2_050));
    bench.ask(&whole, 2_060);
    whole.hear(bench.at(2_070));
    assert_eq!(told(9_000), [] as [bool; 0], "the client spoke again: it had all");
    assert!(!whole.traffic().unfinished);
    assert_eq!(bench.table.next_tick(), None);
}

#[test]
fn data_that_is_repeated_in_vain_is_told_and_data_that_is_not_read_is_not() {
    let bench = Bench::new();
    let (lost, unread) = (bench.open(1), bench.open(2));
    let summons = Rc::default();
    lost.is_carried(&summons, 1);
    unread.is_carried(&summons, 2);
    bench.ask(&lost, 0);
    bench.ask(&unread, 0);
    let asked = Cell::new(0);
    // The kernel doubles its patience at 200, 600 and 1400 ms.
    let kernel = |milliseconds: u64| {
        let asked = &asked;
        move |key| {
            asked.set(asked.get() + 1);
            let backoff = [200, 600, 1_400, 3_000, 6_200]
                .iter()
                .filter(|at| milliseconds >= **at)
                .count();
            let (unacked, backoff) = if key == 1 {
                (1, backoff.try_into().unwrap())
            } else {
                (0, 9)
            };
            Some(Sample { unacked, backoff })
        }
    };
    let mut told = Vec::new();
    for milliseconds in (100..=7_000).step_by(100) {
        let stalled = bench.table.tick(&kernel(milliseconds), bench.at(milliseconds));
        let ports = stalled
            .iter()
            .map(|stalled| (stalled.ledger.endpoint.port(), milliseconds, stalled.again));
        told.extend(ports);
    }
    let strong: Vec<u64> = told
        .iter()
        .filter(|told| told.0 == 1 && told.2)
        .map(|told| told.1)
        .collect();
    assert!((600..=900).contains(&strong[0]), "{told:?}");
    assert!(strong.len() <= 5, "once for each doubling: {told:?}");
    let other: Vec<_> = told.iter().filter(|told| told.0 == 2).collect();
    assert_eq!(other, [&(2, 1_000, false)], "an answer is missing, and no more");
    assert!(
        asked.get() < 40,
        "three times a second at most, and not for ever: {}",
        asked.get()
    );

    bench.table.tick(
        &|_| {
            Some(Sample {
                unacked: 0,
                backoff: 0,
            })
        },
        bench.at(7_100),
    );
    bench.table.tick(
        &|_| {
            Some(Sample {
                unacked: 0,
                backoff: 0,
            })
        },
        bench.at(7_200),
    );
    bench.table.tick(
        &|_| {
            Some(Sample {
                unacked: 0,
                backoff: 0,
            })
        },
        bench.at(7_300),
    );
    assert_eq!(bench.table.next_tick(), None, "nothing outstanding costs nothing");
}

#[test]
fn an_order_meets_its_endpoints_sessions_and_no_others() {
    let bench = Bench::new();
    let (meant, other) = (bench.open(1), bench.open(2));
    bench.close(1, Which::All, Pace::Reset(Duration::ZERO), 0);
    let late = bench.open(1);
    bench.run_until(60_000);
    assert_eq!(meant.take_order(), Some(Order::Reset));
    assert_eq!(meant.take_order(), None, "told once");
    assert_eq!((other.take_order(), late.take_order()), (None, None));
}

#[test]
fn kept_sessions_stay() {
    let bench = Bench::new();
    let entry = bench.open(1);
    bench.close(1, Which::All, Pace::Quiet(Duration::from_secs(30)), 0);
    bench.table.keep(endpoint(1));
    bench.run_until(60_000);
    assert_eq!(entry.take_order(), None);
    assert_eq!(bench.table.next_tick(), None);
}

#[test]
fn many_orders_are_one_moment() {
    let bench = Bench::new();
    let entry = bench.open(1);
    bench.ask(&entry, 0);
    for _ in 0..100 {
        bench.close(1, Which::All, Pace::Quiet(Duration::from_secs(30)), 0);
    }
    assert_eq!(bench.table.plans.borrow().len(), 1);
    bench.run_until(34_000);
    assert_eq!(bench.table.plans.borrow().len(), 1);
    assert_eq!(entry.take_order(), None, "it still waits for its answer");
    bench.run_until(36_000);
    assert_eq!(
        entry.take_order(),
        Some(Order::Part),
        "five seconds after the end"
    );
}

#[test]
fn a_session_that_is_gone_leaves_nothing_behind() {
    let bench = Bench::new();
    let entry = bench.open(1);
    bench.ask(&entry, 0);
    bench.close(1, Which::All, Pace::Quiet(Duration::from_secs(30)), 0);
    bench.table.close(&entry);
    assert_eq!(bench.run_until(60_000), []);
    assert_eq!(bench.table.next_tick(), None);
    assert_eq!(Rc::strong_count(&entry), 1);
}

#[test]
fn a_farewell_holds_for_those_who_come_later_and_is_not_taken_back() {
    let bench = Bench::new();
    let early = bench.open(1);
    bench.table.say_farewell(Duration::from_secs(10), bench.start);
    let late = bench.open(1);
    bench.table.keep(endpoint(1));
    bench.run_until(1_000);
    assert_eq!(
        (early.take_order(), late.take_order()),
        (Some(Order::Part), Some(Order::Part))
    );
}
