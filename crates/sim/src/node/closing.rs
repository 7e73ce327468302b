//! When a session that is to be closed is closed: the proxy's paces (R4, D2, D4).

use std::net::SocketAddr;
use std::time::Duration;

use jackline_core::{CloseSessions, Ending, Event, Pace, Timestamp, Which};

use crate::node::Node;
use crate::node::session::Session;
use crate::scene::{Happening, Reach, Scene};

/// A quiet moment (D2); what is enough at the end of the drain time; how much longer the end is put off.
const QUIET: Duration = Duration::from_millis(100);
const QUIET_ENOUGH: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(5);

/// What will become of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    Reset {
        at: Timestamp,
        ordered: Timestamp,
        silent: bool,
    },
    Quiet {
        at: Timestamp,
        end: Timestamp,
        limit: Timestamp,
    },
}

/// What a plan says now.
enum Judgement {
    /// Look again then.
    Wait(Timestamp),
    Close,
    Spare,
}

impl Node {
    pub(crate) fn close_sessions(&mut self, scene: &mut Scene, order: &CloseSessions) {
        let now = scene.now;
        let meant: Vec<u32> = self
            .sessions
            .iter()
            .filter(|(_, session)| session.endpoint == order.endpoint)
            .filter(|(_, session)| match order.which {
                Which::All => true,
                Which::SilentFor(least) => session.is_silent(least, now),
            })
            .map(|(number, _)| *number)
            .collect();
        let (Pace::Reset(time) | Pace::Quiet(time)) = order.pace;
        let shares = u32::try_from(meant.len().max(1)).unwrap_or(1);
        let share = u64::try_from((time / shares).as_millis()).unwrap_or(0);
        if scene.log.is_on() && !meant.is_empty() {
            let gently = matches!(order.pace, Pace::Quiet(_));
            let how = if gently { "moves" } else { "resets" };
            let text = format!("{how} its sessions from {}", scene.name_of(order.endpoint));
            scene.log.tell(now, &self.spec.name, &text);
        }
        for (index, number) in meant.into_iter().enumerate() {
            let index = u32::try_from(index).unwrap_or(0);
            let at = now + time / shares * index + self.chance.millis(0, share);
            let plan = plan_of(order, at, now, time);
            let Some(session) = self.sessions.get_mut(&number) else {
                continue;
            };
            if session.plan.is_none_or(|before| !before.stands_against(&plan)) {
                session.plan = Some(plan);
                scene.queue.push(at, Happening::Plan(self.id, number));
            }
        }
        self.close_contenders(scene, order, time);
    }

    /// Upstreams that have taken a connection and not answered yet are sessions too.
    fn close_contenders(&mut self, scene: &mut Scene, order: &CloseSessions, time: Duration) {
        if order.which != Which::All {
            return;
        }
        let now = scene.now;
        let plan = plan_of(order, now, now, time);
        let mut struck = Vec::new();
        for (&number, dial) in &mut self.dials {
            for contender in &mut dial.contenders {
                if contender.candidate.endpoint == order.endpoint && contender.connected.is_some() {
                    contender.plan = Some(plan);
                    struck.push((number, contender.flow));
                }
            }
            if matches!(plan, Plan::Reset { .. }) {
                dial.contenders.retain(|contender| contender.plan != Some(plan));
            }
        }
        if matches!(plan, Plan::Quiet { .. }) {
            return;
        }
        for (number, flow) in struck {
            self.drop_flow(scene, flow);
            let (endpoint, ending) = (order.endpoint, Ending::Ours);
            scene.queue.push(now, Happening::Dial(self.id, number));
            self.tell(scene, Event::SessionClosed { endpoint, ending });
        }
    }

    pub(crate) fn keep_sessions(&mut self, endpoint: SocketAddr) {
        for session in self.sessions.values_mut().filter(|s| s.endpoint == endpoint) {
            session.plan = None;
        }
        let contenders = self.dials.values_mut().flat_map(|dial| &mut dial.contenders);
        for contender in contenders.filter(|contender| contender.candidate.endpoint == endpoint) {
            contender.plan = None;
        }
    }

    /// A plan's moment.
    pub(crate) fn plan_due(&mut self, scene: &mut Scene, number: u32) {
        let now = scene.now;
        let Some(session) = self.sessions.get_mut(&number) else {
            return;
        };
        let Some(plan) = session.plan else { return };
        match plan.judge(session, now) {
            Judgement::Wait(next) => scene.queue.push(
                next.max(now + Duration::from_millis(1)),
                Happening::Plan(self.id, number),
            ),
            Judgement::Spare => session.plan = None,
            Judgement::Close => {
                self.tally.closed_by_us += 1;
                let open = matches!(
                    scene.reach(self.id, session.endpoint, session.peer),
                    Reach::Open(_)
                );
                if open && scene.plane.is_ready(session.peer.server, now) {
                    match plan {
                        Plan::Reset { .. } => self.tally.cut += 1,
                        Plan::Quiet { .. } => self.tally.moved += 1,
                    }
                }
                self.end_session(scene, number, Ending::Ours);
            }
        }
    }
}

fn plan_of(order: &CloseSessions, at: Timestamp, now: Timestamp, time: Duration) -> Plan {
    match order.pace {
        Pace::Reset(_) => Plan::Reset {
            at,
            ordered: now,
            silent: order.which != Which::All,
        },
        Pace::Quiet(_) => Plan::Quiet {
            at,
            end: now + time,
            limit: now + time + PATIENCE,
        },
    }
}

impl Plan {
    /// A reset is never softened, a moment never put off.
    fn stands_against(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Reset { at: mine, .. }, Self::Reset { at: theirs, .. }) => mine <= theirs,
            (Self::Reset { .. }, Self::Quiet { .. }) => true,
            (Self::Quiet { limit: mine, .. }, Self::Quiet { limit: theirs, .. }) => mine <= theirs,
            (Self::Quiet { .. }, Self::Reset { .. }) => false,
        }
    }

    fn judge(&self, session: &Session, now: Timestamp) -> Judgement {
        match *self {
            Self::Reset { at, .. } if now < at => Judgement::Wait(at),
            Self::Reset { ordered, silent, .. } => {
                let spared = silent && session.heard.is_some_and(|heard| heard > ordered);
                if spared {
                    Judgement::Spare
                } else {
                    Judgement::Close
                }
            }
            Self::Quiet { at, .. } if now < at => Judgement::Wait(at),
            Self::Quiet { end, limit, .. } => {
                let least = if now >= end { QUIET_ENOUGH } else { QUIET };
                let since = session.heard.unwrap_or(session.opened);
                if now >= limit || (!session.is_waiting() && now.since(since) >= least) {
                    return Judgement::Close;
                }
                // What it waits for is a byte; the session looks again when one comes.
                match session.is_waiting() {
                    true => Judgement::Wait(limit),
                    false => Judgement::Wait(since + least),
                }
            }
        }
    }
}
