//! Tests of servers by the clock, as all rivals make them: each server again after a fixed time, at once or one after the
//! other.

use std::net::SocketAddr;
use std::time::Duration;

use jackline_core::{Action, Event, Finding, ProbeFailure, ProbeId, ProbeLimits, StartProbe, Timestamp};

/// The clock, and who is tested.
#[derive(Clone, Debug)]
pub(super) struct Rounds {
    every: Duration,
    limits: ProbeLimits,
    /// The connection stays open between tests.
    keeps: bool,
    /// One server after the other: a silent one delays all.
    serial: bool,
    tested: Vec<Tested>,
    last: u64,
}

#[derive(Clone, Debug)]
struct Tested {
    address: SocketAddr,
    next: Timestamp,
    under_way: Option<ProbeId>,
}

impl Rounds {
    /// Each server every so often; `limit` is that of each phase of a test.
    pub(super) fn every(every: Duration, limit: Duration) -> Self {
        Self {
            every,
            limits: ProbeLimits {
                connect: limit,
                tls: limit,
                http: limit,
            },
            keeps: false,
            serial: false,
            tested: Vec::new(),
            last: 0,
        }
    }

    pub(super) fn serial(self, serial: bool) -> Self {
        Self { serial, ..self }
    }

    /// Tests on a connection that is kept: it stands for one that never ends.
    pub(super) fn keeping(self) -> Self {
        Self { keeps: true, ..self }
    }

    /// From now on these are tested, new ones at once.
    pub(super) fn set(&mut self, addresses: &[SocketAddr], now: Timestamp) {
        self.tested.retain(|tested| addresses.contains(&tested.address));
        for &address in addresses {
            if self.tested.iter().all(|tested| tested.address != address) {
                self.tested.push(Tested {
                    address,
                    next: now,
                    under_way: None,
                });
            }
        }
    }

    pub(super) fn advance(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        let mut busy = self.tested.iter().any(|tested| tested.under_way.is_some());
        for tested in &mut self.tested {
            if tested.under_way.is_some() || tested.next > now || (self.serial && busy) {
                continue;
            }
            busy = true;
            self.last += 1;
            tested.under_way = Some(ProbeId(self.last));
            tested.next = now + self.every;
            actions.push(Action::StartProbe(StartProbe {
                endpoint: tested.address,
                probe: ProbeId(self.last),
                fresh: !self.keeps,
                keep: self.keeps,
                limits: self.limits,
            }));
        }
    }

    pub(super) fn next(&self) -> Option<Timestamp> {
        let busy = self.tested.iter().any(|tested| tested.under_way.is_some());
        let idle = self.tested.iter().filter(|tested| tested.under_way.is_none());
        idle.map(|tested| tested.next)
            .min()
            .filter(|_| !(self.serial && busy))
    }

    /// The end of a test of ours.
    pub(super) fn ended<'a>(
        &mut self,
        event: &'a Event,
    ) -> Option<(SocketAddr, Result<&'a Finding, &'a ProbeFailure>)> {
        let (endpoint, probe, came) = match event {
            Event::ProbeSucceeded {
                endpoint,
                probe,
                finding,
            } => (endpoint, probe, Ok(finding)),
            Event::ProbeFailed {
                endpoint,
                probe,
                failure,
            } => (endpoint, probe, Err(failure)),
            _ => return None,
        };
        let tested = self
            .tested
            .iter_mut()
            .find(|tested| tested.under_way == Some(*probe))?;
        tested.under_way = None;
        Some((*endpoint, came))
    }
}
