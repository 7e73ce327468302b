//! "What if it had been set otherwise": the core under another setting, in the world that a journal tells of.
//!
//! A journal holds answers to the questions that were asked then; a core under another setting asks at other times. So the
//! recorded answers are taken for the world: a question is answered as the nearest one of its kind was, after as long a
//! time. Clients' sessions are as they were: nobody knows what they would have done. Both cores, the one as it was set and
//! the other, are played in this way, so that what differs between them comes of the setting alone.

mod setting;
mod world;

use std::collections::BTreeMap;
use std::time::Duration;

use jackline_core::{Action, Event, NodeState, Policy, RefreshId, SourceId, Timestamp};

use super::{Joint, Played};

pub use setting::{SETTABLE, SettingError, change};
use world::World;

/// So many deadlines of its own a core may meet between two recorded events: more are a defect of the core's.
const DEADLINES_MAX: usize = 1_000_000;

/// An answer from so far away is as good as one of the moment.
const SAME_MOMENT: Duration = Duration::from_secs(1);

/// What a core came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Account {
    /// Milliseconds attached.
    pub attached_ms: u64,
    /// Milliseconds degraded.
    pub degraded_ms: u64,
    /// Milliseconds isolated.
    pub isolated_ms: u64,
    /// Tests.
    pub tests: u64,
    /// Questions to sources.
    pub questions: u64,
    /// Orders to move or reset sessions.
    pub closings: u64,
    /// Lines for people.
    pub lines: u64,
    /// Answers that were given at another moment, more than a second from the question: the more, the less this is worth.
    pub guessed: u64,
}

/// A core in the recorded world.
#[derive(Debug)]
pub struct Course {
    /// What it came to.
    pub account: Account,
    /// What it wanted done, and when.
    pub actions: Vec<(Timestamp, Action)>,
}

/// The two, side by side.
#[derive(Debug)]
pub struct WhatIf {
    /// As it was set.
    pub was: Course,
    /// Otherwise.
    pub would: Course,
    /// The place of the first action in which they differ; `None`: they do the same.
    pub parting: Option<usize>,
}

/// Plays the journal's last unbroken stretch under its own settings, and under these.
///
/// # Errors
/// There is no event in it, or a setting has no such value.
pub fn what_if(played: &Played, set: &[String]) -> Result<WhatIf, SettingError> {
    let first = (0..played.segments.len())
        .rev()
        .find(|place| played.segments[*place].joint != Joint::Whole)
        .ok_or(SettingError::Nothing)?;
    let header = &played.segments[first].header;
    let mut settings = header.settings.clone();
    for word in set {
        change(&mut settings, word)?;
    }
    let steps = played.steps.iter().filter(|step| step.segment >= first);
    let recorded: Vec<(Timestamp, &Event)> = steps.clone().map(|step| (step.at, &step.event)).collect();
    let asked: Vec<(Timestamp, &Action)> = steps
        .flat_map(|step| step.actions.iter().map(|action| (step.at, action)))
        .collect();
    let world = World::of(&recorded, &asked);
    let was = course(header.checkpoint.clone(), header.at, &recorded, &world);
    let would = course(
        header.checkpoint.clone().under(settings),
        header.at,
        &recorded,
        &world,
    );
    let pairs = was.actions.iter().zip(&would.actions);
    let same = pairs.take_while(|(was, would)| was == would).count();
    let all = same == was.actions.len() && same == would.actions.len();
    Ok(WhatIf {
        parting: (!all).then_some(same),
        was,
        would,
    })
}

/// A core in the recorded world, from `begin` to the last recorded event.
fn course(mut policy: Policy, begin: Timestamp, recorded: &[(Timestamp, &Event)], world: &World) -> Course {
    let mut player = Player {
        world,
        answers: Vec::new(),
        watches: BTreeMap::new(),
        course: Course {
            account: Account::default(),
            actions: Vec::new(),
        },
        now: begin,
    };
    player.ask_what_is_under_way(recorded);
    for (at, event) in recorded {
        player.until(&mut policy, *at);
        if !world::answers_a_question(event) && **event != Event::DeadlineReached {
            let event = player.as_of_its_watch(event);
            player.step(&mut policy, *at, event);
        }
    }
    player.course
}

struct Player<'a> {
    world: &'a World,
    /// Answers that are on their way.
    answers: Vec<(Timestamp, Event)>,
    /// The question that each source answered last, and how often it has told something new since.
    watches: BTreeMap<SourceId, (RefreshId, u32)>,
    course: Course,
    now: Timestamp,
}

impl Player<'_> {
    /// What was asked before the checkpoint is answered as it was: nobody knows what else was under way.
    fn ask_what_is_under_way(&mut self, recorded: &[(Timestamp, &Event)]) {
        let unasked = recorded
            .iter()
            .filter(|(_, event)| self.world.was_asked_before(event));
        self.answers
            .extend(unasked.map(|(at, event)| (*at, (*event).clone())));
    }

    /// What a watch tells, told by the watch that is open here.
    fn as_of_its_watch(&mut self, event: &Event) -> Event {
        let mut event = event.clone();
        match &mut event {
            Event::SourceReported {
                source,
                refresh,
                position,
                ..
            } => {
                if let Some((open, told)) = self.watches.get_mut(source) {
                    *told += 1;
                    (*refresh, *position) = (*open, *told);
                }
            }
            Event::WatchEnded { source, refresh, .. } => {
                if let Some((open, _)) = self.watches.remove(source) {
                    *refresh = open;
                }
            }
            _ => {}
        }
        event
    }

    /// Lets the time pass until `end`: deadlines and answers, in their order.
    fn until(&mut self, policy: &mut Policy, end: Timestamp) {
        for _ in 0..DEADLINES_MAX {
            let answer = self.answers.iter().enumerate().min_by_key(|(_, (at, _))| *at);
            let answer = answer.map(|(place, (at, _))| (place, *at));
            let deadline = policy.next_deadline().map(|(at, _)| at.max(self.now));
            match (answer, deadline) {
                (Some((place, at)), deadline) if at <= end && deadline.is_none_or(|due| at <= due) => {
                    let (at, event) = self.answers.swap_remove(place);
                    self.step(policy, at, event);
                }
                (_, Some(due)) if due < end => {
                    self.step(policy, due, Event::DeadlineReached);
                    if policy.next_deadline().is_some_and(|(next, _)| next <= due) {
                        // A deadline that does not pass is met again a little later, as the driver does.
                        self.pass(policy, due + Duration::from_millis(1));
                    }
                }
                _ => break,
            }
        }
        self.pass(policy, end);
    }

    /// Adds up the time in the present state.
    fn pass(&mut self, policy: &Policy, at: Timestamp) {
        let at = at.max(self.now);
        let passed = u64::try_from(at.since(self.now).as_millis()).unwrap_or(u64::MAX);
        let account = &mut self.course.account;
        match policy.snapshot().state {
            NodeState::Attached => account.attached_ms += passed,
            NodeState::Degraded => account.degraded_ms += passed,
            NodeState::Isolated => account.isolated_ms += passed,
        }
        self.now = at;
    }

    fn step(&mut self, policy: &mut Policy, at: Timestamp, event: Event) {
        self.pass(policy, at);
        if let Event::SourceReported {
            source,
            refresh,
            position: 0,
            ..
        } = &event
        {
            self.watches.insert(*source, (*refresh, 0));
        }
        let mut actions = Vec::new();
        policy.step(self.now, event, &mut actions);
        for action in actions {
            let account = &mut self.course.account;
            match &action {
                Action::StartProbe(_) => account.tests += 1,
                Action::RefreshSource(_) => account.questions += 1,
                Action::CloseSessions(_) => account.closings += 1,
                Action::Announce(_) => account.lines += 1,
                Action::KeepSessions { .. } | Action::PersistMembership { .. } | Action::ReloadTrust => {}
            }
            if let Some(reply) = self.world.answer(self.now, &action) {
                self.course.account.guessed += u64::from(reply.apart > SAME_MOMENT);
                self.answers.push((reply.at, reply.event));
            }
            self.course.actions.push((self.now, action));
        }
    }
}
