//! R2: how long a source is left alone.

use core::time::Duration;

use crate::chance::Chance;
use crate::policy::Policy;
use crate::recovery::FIRST_BACKOFF;
use crate::settings::SourceKind;
use crate::snapshot::{NodeState, SourceState};

/// While not attached an answer is asked for again no sooner than this, however short it holds …
pub const VALID_MIN: Duration = Duration::from_secs(5);
/// … and, at any time, no later than this, however long: five minutes, less the tenth that jitter may add.
pub const VALID_MAX: Duration = Duration::from_secs(270);

/// R1: a supervisor has twenty places for all agents; a quarter of them may be ours. A question takes one for a few
/// milliseconds, so that this much time for each node of a fleet keeps them free …
const SUPERVISOR_SHARE: Duration = Duration::from_millis(12);
/// … up to this, where all that is left to chance still finds places.
const SUPERVISOR_SPREAD_MAX: Duration = Duration::from_secs(15);

impl Policy {
    /// R1: within what time the supervisors are asked by every node of the fleet, whatever set it off. Zero where no
    /// `fleet-size` is told.
    pub(crate) fn supervisor_spread(&self) -> Duration {
        (SUPERVISOR_SHARE * self.settings.fleet_size).min(SUPERVISOR_SPREAD_MAX)
    }

    /// R1: within what time a source is asked that is to be asked soon.
    pub(crate) fn soon_for(&self, kind: SourceKind) -> Duration {
        match kind {
            SourceKind::Supervisor => FIRST_BACKOFF.max(self.supervisor_spread()),
            _ => FIRST_BACKOFF,
        }
    }

    /// R1: the longest pause between two questions to a source while isolated.
    pub(crate) fn isolated_source_cap(&self, kind: SourceKind) -> Duration {
        match kind {
            SourceKind::Supervisor => kind.isolated_cap().max(self.supervisor_spread()),
            _ => kind.isolated_cap(),
        }
    }

    /// R2: how long an answer of this kind of source is left alone while the node is not isolated. A watch of the Endpoints,
    /// whoever keeps it, tells every change at once; what others are asked besides is asked in case that it lies, and less often.
    /// Sources that only add, or that only configuration made, or that tie no endpoint to a Node, are asked half as often again while
    /// the Endpoints are told. The heartbeat witness has its own reason and its own pace.
    pub(crate) fn pace(&self, kind: SourceKind) -> Duration {
        let telling = || self.sources.iter().filter(|source| source.kind.tells_endpoints());
        let watched = telling().any(|source| source.watch.is_some());
        let told = telling().any(|source| source.state == SourceState::Good);
        let period = match watched && kind != SourceKind::Heartbeat {
            true => self.settings.refresh_watched,
            false => self.settings.refresh_polled,
        };
        let spare = match kind {
            SourceKind::Supervisor | SourceKind::Registration | SourceKind::Import => true,
            // It may not list them, or there are none: all that it brings is this node's zone.
            SourceKind::Nodes => self.endpoints.values().all(|e| e.membership.node.is_none()),
            _ => false,
        };
        match spare && told && self.node.state == NodeState::Attached {
            true => period * 2,
            false => period,
        }
    }
}

/// After how long an answer is asked for again. An answer that says how long it holds (a name's TTL) is left alone for
/// longer, if it says so. It hastens nothing while the node is attached: where many names hold for five seconds, a fleet that
/// lacks nothing would ask twelve times a minute. A node that is not attached asks once the answer no longer holds; never sooner,
/// for a cache between would only repeat it.
pub(crate) fn next_answer(
    chance: &mut Chance,
    valid_for: Option<Duration>,
    pace: Duration,
    state: NodeState,
) -> Duration {
    let Some(valid) = valid_for else {
        return chance.about(pace);
    };
    let least = match state {
        NodeState::Attached => pace.min(VALID_MAX),
        NodeState::Degraded | NodeState::Isolated => VALID_MIN,
    };
    let valid = valid.clamp(least, VALID_MAX.max(least));
    valid + chance.up_to(valid / 10)
}

/// After how long a source that knew nothing, so many times in a row, is asked again: a sixth of the usual period, and twice
/// as long each time, up to its pace.
pub(crate) fn after_empty(times: u8, polled: Duration, pace: Duration) -> Duration {
    (polled / 6 * (1 << times.saturating_sub(1).min(6))).min(pace)
}

/// Full-jitter exponential backoff, from twice `first` on.
pub(crate) fn backoff(chance: &mut Chance, first: Duration, failures: u8, cap: Duration) -> Duration {
    chance.up_to((first * (1 << failures.min(12))).min(cap))
}
