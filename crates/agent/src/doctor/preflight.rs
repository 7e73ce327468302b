//! Best practices as a report, and what would happen if certain servers went away now. Judged from the running agent's status where there is one,
//! and from a look of one's own.

mod practices;
mod stopping;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

pub use practices::PRACTICES;

use super::facts::Facts;
use crate::status::{Health, Status};

/// One best practice.
pub struct Practice {
    /// Its name, in the report and as a heading of the page.
    pub name: &'static str,
    /// What is asked, and why.
    pub why: &'static str,
    pub(crate) judge: fn(&Facts, Option<&Status>) -> Verdict,
}

/// What a practice comes to on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) outcome: Outcome,
    pub(crate) what: String,
    pub(crate) remedy: String,
}

/// How a practice fares. Ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It is as it should be.
    Good,
    /// It cannot be seen from here; the words say why.
    Unknown,
    /// It works, and could be better.
    Improvable,
    /// It will hurt.
    Bad,
}

impl Outcome {
    /// The word of tables and JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Unknown => "unknown",
            Self::Improvable => "improvable",
            Self::Bad => "bad",
        }
    }
}

/// A practice, judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The practice's name.
    pub practice: String,
    /// How it fares.
    pub outcome: Outcome,
    /// In words, with what was seen.
    pub what: String,
    /// What to do; empty: nothing.
    pub remedy: String,
}

/// What would happen if servers went away now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopping {
    /// The servers that go away, as endpoints that are known.
    pub servers: Vec<SocketAddr>,
    /// Words that name no known endpoint.
    pub unknown: Vec<String>,
    /// Who would be ready still.
    pub left: Vec<SocketAddr>,
    /// The state that the node would be in: attached, degraded or isolated.
    pub state: String,
    /// Sessions that would have to move; `null`: jackline does not run.
    pub sessions: Option<u64>,
    /// Whether etcd would keep its quorum; `null`: not known.
    pub etcd_quorum: Option<bool>,
    /// What would happen, a sentence each.
    pub words: Vec<String>,
}

/// The whole report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preflight {
    /// The version of jackline that looked.
    pub version: String,
    /// The node's name.
    pub node: String,
    /// Whether a running jackline was asked, too.
    pub agent: bool,
    /// The practices.
    pub practices: Vec<Item>,
    /// What `--stopping` asked; `null`: nothing.
    pub stopping: Option<Stopping>,
}

impl Preflight {
    /// The worst of the practices.
    #[must_use]
    pub fn worst(&self) -> Outcome {
        let outcomes = self.practices.iter().map(|item| item.outcome);
        outcomes.max().unwrap_or(Outcome::Good)
    }

    /// Whether what `--stopping` asked may be done: the node keeps a ready server, and etcd its quorum as far as is known.
    #[must_use]
    pub fn may_stop(&self) -> bool {
        self.stopping.as_ref().is_none_or(|stopping| {
            stopping.state == "attached" && stopping.etcd_quorum != Some(false) && stopping.unknown.is_empty()
        })
    }
}

/// Judges the node by what was seen of it, and what its running jackline says.
#[must_use]
pub fn judge(facts: &Facts, status: Option<&Status>, stopping: &[String]) -> Preflight {
    let practices = PRACTICES.iter().map(|practice| {
        let verdict = (practice.judge)(facts, status);
        Item {
            practice: practice.name.to_owned(),
            outcome: verdict.outcome,
            what: verdict.what,
            remedy: verdict.remedy,
        }
    });
    Preflight {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        node: facts.node.name.clone(),
        agent: status.is_some(),
        practices: practices.collect(),
        stopping: (!stopping.is_empty()).then(|| stopping::judge(facts, status, stopping)),
    }
}

/// Servers that are ready, by our own tests and by the running agent's.
fn ready(facts: &Facts, status: Option<&Status>) -> Vec<SocketAddr> {
    let theirs = status.iter().flat_map(|status| &status.endpoints);
    let theirs = theirs
        .filter(|endpoint| endpoint.health == Health::Ready)
        .map(|endpoint| endpoint.address);
    let mut all: Vec<SocketAddr> = facts.ready().chain(theirs).collect();
    all.sort_unstable();
    all.dedup();
    // A server that our own fresh test found otherwise is not ready, whatever was so a moment ago.
    all.retain(|address| {
        facts
            .servers
            .get(address)
            .is_none_or(|server| server.says == super::facts::Says::Ready)
    });
    all
}

/// Servers that the cluster or the running agent lists as its own.
fn listed(facts: &Facts, status: Option<&Status>) -> Vec<SocketAddr> {
    use crate::status::Standing;
    let theirs = status.iter().flat_map(|status| &status.endpoints);
    let theirs = theirs
        .filter(|endpoint| endpoint.standing == Standing::Listed)
        .map(|endpoint| endpoint.address);
    let mut all: Vec<SocketAddr> = facts.listed().into_iter().chain(theirs).collect();
    all.sort_unstable();
    all.dedup();
    // A registration address that serves no API is listed by the configuration, and is no apiserver.
    all.retain(|address| {
        facts
            .servers
            .get(address)
            .is_none_or(|server| server.says != super::facts::Says::NoApi)
    });
    all
}
