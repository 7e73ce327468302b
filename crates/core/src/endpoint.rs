//! What the core holds of one endpoint. Standing, health and administration are three things, side by side.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::action::ProbeLimits;
use crate::event::{ProbeId, RefreshId, SourceId};
use crate::finding::{Depth, Untrusted};
use crate::heartbeat::Avoided;
use crate::local_fault::LocalFault;
use crate::persistence::AttachedTime;
use crate::snapshot::{Capability, Health, Standing};
use crate::standing::{Told, standing_after};
use crate::usual::Usual;

/// An endpoint: what the sources say, what the tests say, what the operator says, what the sessions do.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Endpoint {
    pub(crate) membership: Membership,
    pub(crate) judgement: Judgement,
    pub(crate) probing: Probing,
    /// The operator's drain: none, or when it ends (`Until::Undrained`: when taken back).
    pub(crate) drain: Option<Until>,
    /// The fleet's drain names it.
    pub(crate) fleet_drain: Option<Onset>,
    /// It lost the node's writes.
    pub(crate) avoided: Option<Avoided>,
    pub(crate) traffic: Traffic,
}

/// When an operator's drain ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Until {
    Time(Timestamp),
    Undrained,
}

/// From when on the fleet's drain is heeded (R5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Onset {
    At(Timestamp),
    Now,
}

/// What the sources say (family M).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Membership {
    pub(crate) standing: Standing,
    /// Sources whose current report has it (M1).
    pub(crate) listed_by: BTreeSet<SourceId>,
    /// Names of the sources that listed it last, for the time when none does.
    pub(crate) seen_by: Vec<String>,
    /// The cluster itself once told it, not only this machine's configuration (S1, M4).
    pub(crate) told_by_cluster: bool,
    /// Known only from a state file of another cluster (P2), and not verified since.
    pub(crate) hint: bool,
    pub(crate) zone: Option<String>,
    /// The Node that it is tied to (M3a).
    pub(crate) node: Option<String>,
    /// That Node's condition `Ready`, as it was told last; `None`: not told.
    #[serde(default)]
    pub(crate) node_ready: Option<bool>,
    /// That Node is being deleted.
    #[serde(default)]
    pub(crate) node_leaving: bool,
    /// The latest question to the Endpoints source whose answer had it (M2).
    pub(crate) listed_at: (RefreshId, u32),
    /// Absence from the Endpoints source.
    pub(crate) unlisted: Option<Absence>,
    /// Absence of its Node.
    pub(crate) node_gone: Option<Absence>,
    /// Absence from the names of the registration addresses (M4).
    pub(crate) unresolved: Option<Absence>,
    /// Archived since.
    pub(crate) archived: Option<AttachedTime>,
    pub(crate) last_seen: Option<Timestamp>,
}

/// An absence: told first, and told last, in attached running time (P5).
///
/// It has lasted as long as the reports that tell it span: without a fresh report it does not grow (M3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Absence {
    pub(crate) first: AttachedTime,
    pub(crate) last: AttachedTime,
}

impl Absence {
    /// The absence, told once more.
    pub(crate) fn told(absence: Option<Self>, now: AttachedTime) -> Option<Self> {
        Some(Self {
            first: absence.map_or(now, |absence| absence.first),
            last: now,
        })
    }

    pub(crate) fn lasted(self) -> Duration {
        self.last.since(self.first)
    }
}

/// What the tests say (family H).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Judgement {
    pub(crate) health: Health,
    pub(crate) since: Timestamp,
    pub(crate) reason: String,
    pub(crate) api: Capability,
    pub(crate) discovery: Capability,
    /// Good answers in a row, saturating at [`crate::health::RISE`].
    pub(crate) good: u8,
    /// Since when they are good.
    pub(crate) good_since: Option<Timestamp>,
    /// Bad ends in a row, saturating at [`crate::health::FALL`].
    pub(crate) bad: u8,
    /// How often it fell of late (H4).
    pub(crate) flaps: u8,
    /// Since when the names of its failed checks have said that the cause may be shared, without a better answer between (H2, S5).
    pub(crate) shared_since: Option<Timestamp>,
    /// It is on its way up: answers, not yet ready.
    pub(crate) coming_up_until: Option<Timestamp>,
    /// Time-outs of probes under [`crate::health::short_limits`] in a row, and when the first of them began (D4).
    pub(crate) short_timeouts: u8,
    pub(crate) silent_since: Option<Timestamp>,
    /// Time-outs under the usual limits in a row.
    pub(crate) long_timeouts: u8,
    /// No way led to it at the last try, and this is why: judges the node, not the endpoint (H3).
    pub(crate) blocked: Option<LocalFault>,
    /// Since when a CONNECT proxy speaks against it, as far as no witness has answered to that (H5).
    pub(crate) hearsay_since: Option<Timestamp>,
    /// It was judged unreachable because nothing came, not because it refused.
    pub(crate) dead_silent: bool,
    pub(crate) suspicion: Option<Suspicion>,
    /// How suspicions of each [`Weight`] fared of late (H7).
    pub(crate) heard: [Heard; 3],
    /// Its certificate does not verify (H8).
    pub(crate) doubt: Option<Doubt>,
    /// When the latest probe began that verified it to the CA.
    pub(crate) verified_at: Option<Timestamp>,
    /// When the latest fresh probe began that found it ready within the short limits: it can be a witness.
    pub(crate) proven_at: Option<Timestamp>,
    pub(crate) depth: Option<Depth>,
    pub(crate) last_probe: Option<Timestamp>,
    pub(crate) last_ready: Option<Timestamp>,
    pub(crate) connect_usual: Usual,
    pub(crate) answer_usual: Usual,
}

/// Something speaks against an endpoint and is not proven yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Suspicion {
    pub(crate) since: Timestamp,
    pub(crate) weight: Weight,
}

/// How much a suspicion weighs. Each weight is muted by its own empty ones only (H7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Weight {
    /// A mere question: starts a probe and puts it after nobody.
    Question,
    /// A session's first unanswered bytes: they may be of the kind that needs no answer.
    Stall,
    /// A dial that failed, a hedge that won, a peer that the kernel gave up, a probe that ended badly.
    Strong,
}

/// How suspicions of one kind fared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Heard {
    /// How many in a row proved empty.
    pub(crate) empty: u8,
    /// When one was heard last.
    pub(crate) last: Option<Timestamp>,
}

/// A certificate that does not verify.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Doubt {
    /// When the probe began that saw it first.
    pub(crate) since: Timestamp,
    pub(crate) cause: Untrusted,
    pub(crate) detail: String,
}

/// When and how it is tested.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Probing {
    pub(crate) outstanding: Option<Outstanding>,
    /// `None`: not to be tested now (archived while attached, or a test is under way).
    pub(crate) next: Option<Timestamp>,
    /// The next one must be on a new connection: a witness is wanted.
    pub(crate) fresh_wanted: bool,
    /// Attempts of the present isolation, for the backoff.
    pub(crate) attempts: u8,
    /// Probed each [`crate::health::BURST_EVERY`] until then (H7).
    pub(crate) burst_until: Option<Timestamp>,
}

/// A test under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Outstanding {
    pub(crate) probe: ProbeId,
    pub(crate) started: Timestamp,
    pub(crate) fresh: bool,
    /// Under the short limits of a suspicion.
    pub(crate) short: bool,
    pub(crate) limits: ProbeLimits,
}

/// What its sessions do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Traffic {
    pub(crate) sessions: u32,
    pub(crate) last_progress: Option<Timestamp>,
    /// When the last session left it.
    #[serde(default)]
    pub(crate) left: Option<Timestamp>,
    /// Its sessions are being moved.
    pub(crate) moving: Option<Cause>,
}

/// Why sessions are moved away (family D).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Cause {
    /// It serves no API (R4).
    NoApi,
    /// It is not ready while another is (D2).
    NotReady,
    /// The operator drains it (D2).
    Drain,
    /// It loses the node's writes (the heartbeat witness).
    LosesWrites,
    /// The first choice is back (D2).
    Rebalance,
}

impl Endpoint {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            membership: Membership::new(),
            judgement: Judgement::new(now),
            probing: Probing::default(),
            drain: None,
            fleet_drain: None,
            avoided: None,
            traffic: Traffic::default(),
        }
    }

    /// Whether it can be of use to a client as an API server, as far as is known.
    pub(crate) fn serves_api(&self) -> bool {
        self.judgement.api != Capability::No
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.judgement.health == Health::Ready && self.serves_api()
    }

    /// H4: it answers well, and is not yet trusted because it flapped.
    pub(crate) fn is_held_back(&self) -> bool {
        self.judgement.good > 0 && self.judgement.health == Health::Unreachable && self.serves_api()
    }

    pub(crate) fn is_suspected(&self) -> bool {
        self.judgement
            .suspicion
            .is_some_and(|suspicion| suspicion.weight > Weight::Question)
    }

    /// Whether it comes after its equals: something speaks against it, or no way led to it just now.
    pub(crate) fn is_second_choice(&self) -> bool {
        self.is_suspected() || self.judgement.blocked.is_some()
    }

    /// In use: it has sessions and some of them received bytes of late (H7).
    pub(crate) fn is_in_use(&self, now: Timestamp, within: Duration) -> bool {
        self.traffic.sessions > 0
            && self
                .traffic
                .last_progress
                .is_some_and(|last| now.since(last) <= within)
    }
}

impl Membership {
    fn new() -> Self {
        Self {
            standing: Standing::Retained,
            listed_by: BTreeSet::new(),
            seen_by: Vec::new(),
            told_by_cluster: false,
            hint: false,
            zone: None,
            node: None,
            node_ready: None,
            node_leaving: false,
            listed_at: (RefreshId(0), 0),
            unlisted: None,
            node_gone: None,
            unresolved: None,
            archived: None,
            last_seen: None,
        }
    }

    /// M1–M5: a fact moves the standing as the table says.
    pub(crate) fn tell(&mut self, told: Told) {
        self.standing = standing_after(self.standing, told);
        if self.standing != Standing::Archived {
            self.archived = None;
        }
    }
}

impl Judgement {
    fn new(now: Timestamp) -> Self {
        Self {
            health: Health::Unknown,
            since: now,
            reason: String::from("not tested yet"),
            api: Capability::Unknown,
            discovery: Capability::Unknown,
            good: 0,
            good_since: None,
            bad: 0,
            flaps: 0,
            shared_since: None,
            coming_up_until: None,
            short_timeouts: 0,
            silent_since: None,
            long_timeouts: 0,
            blocked: None,
            hearsay_since: None,
            dead_silent: false,
            suspicion: None,
            heard: [Heard::default(); 3],
            doubt: None,
            verified_at: None,
            proven_at: None,
            depth: None,
            last_probe: None,
            last_ready: None,
            connect_usual: Usual::default(),
            answer_usual: Usual::default(),
        }
    }
}
