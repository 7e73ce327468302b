//! What is to change on a node, what to look at before, and what to do afterwards; and the page that tells it.

use std::fmt::Write as _;

use serde::Serialize;

use super::scene::Scene;
use super::{Mode, by_hand, kubeadm, rancher};
use crate::profile::host::Reading;
use crate::profile::{Found, Profile, Role};

/// One file that is to have other bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) path: String,
    /// As it was before jackline changed anything; `None`: not there.
    pub(crate) before: Option<Vec<u8>>,
    pub(crate) after: Vec<u8>,
    pub(crate) why: String,
}

/// What is to change on this node.
#[derive(Clone, Debug)]
pub struct Plan {
    found: Found,
    /// The mode.
    pub mode: Mode,
    /// What of it is in force already.
    done: bool,
    pub(crate) changes: Vec<Change>,
    checks: Vec<String>,
    /// What makes the distribution read its files anew.
    restart: Option<String>,
    afterwards: Vec<String>,
    by_hand: Vec<String>,
    /// Why it cannot be written, each a sentence with what to do; empty: it can.
    pub blocked: Vec<String>,
    before: crate::profile::host::Host,
}

/// Makes the plan.
pub(crate) fn plan(scene: &Scene) -> Plan {
    let mode = scene.mode.unwrap_or_else(|| usual_mode(&scene.found));
    let mut plan = Plan {
        found: scene.found.clone(),
        mode,
        done: false,
        changes: Vec::new(),
        checks: Vec::new(),
        restart: None,
        afterwards: Vec::new(),
        by_hand: Vec::new(),
        blocked: Vec::new(),
        before: scene.before.clone(),
    };
    match scene.found.profile {
        Profile::K3s => rancher::k3s(scene, &mut plan),
        Profile::Rke2 => rancher::rke2(scene, &mut plan),
        Profile::Kubeadm => kubeadm::kubeadm(scene, &mut plan),
        Profile::K0s => by_hand::k0s(scene, &mut plan),
        Profile::Microk8s => by_hand::microk8s(scene, &mut plan),
        Profile::Generic | Profile::Auto => by_hand::generic(scene, &mut plan),
    }
    plan.done = !plan.changes.is_empty()
        && plan
            .changes
            .iter()
            .all(|change| scene.disk.read(&change.path) == Reading::Bytes(change.after.clone()));
    plan
}

fn usual_mode(found: &Found) -> Mode {
    let is_agent = found.role.as_ref().is_some_and(|(role, _)| *role == Role::Agent);
    match found.profile {
        Profile::K3s if !is_agent => Mode::StandBehind,
        Profile::Rke2 => Mode::StandBehind,
        _ => Mode::Replace,
    }
}

impl Plan {
    pub(crate) fn profile(&self) -> Profile {
        self.found.profile
    }

    /// Has `path` hold these bytes. What holds them already is no change.
    pub(crate) fn change(&mut self, path: &str, after: Vec<u8>, why: impl Into<String>) {
        let before = match self.before.read(path) {
            Reading::Bytes(bytes) => Some(bytes),
            Reading::Missing => None,
            Reading::Unreadable(words) => return self.block(format!("{words}; run it as root")),
        };
        if before.as_ref() != Some(&after) {
            self.changes.push(Change {
                path: path.to_owned(),
                before,
                after,
                why: why.into(),
            });
        }
    }

    /// Something to look at before.
    pub(crate) fn check(&mut self, words: impl Into<String>) {
        self.checks.push(words.into());
    }

    /// Something to do afterwards.
    pub(crate) fn then(&mut self, words: impl Into<String>) {
        self.afterwards.push(words.into());
    }

    /// Something that setup does not do.
    pub(crate) fn by_hand(&mut self, words: impl Into<String>) {
        self.by_hand.push(words.into());
    }

    /// A reason why it cannot be written.
    pub(crate) fn block(&mut self, words: impl Into<String>) {
        self.blocked.push(words.into());
    }

    /// What makes the distribution read its files anew.
    pub(crate) fn restart(&mut self, command: impl Into<String>) {
        self.restart = Some(command.into());
    }

    /// The same, for the record.
    pub(crate) fn restarted_by(&self) -> Option<String> {
        self.restart.clone()
    }

    /// What is to be done afterwards, in this order.
    pub(crate) fn afterwards(&self) -> Vec<String> {
        let restart = self.restart.iter().flat_map(|command| {
            [
                "restart jackline, for it reads its configuration at its start; go on when `jackline status` ends with 0".to_owned(),
                command.clone(),
            ]
        });
        restart.chain(self.afterwards.iter().cloned()).collect()
    }

    /// Whether all of it is in force already.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// The same for programs.
    pub fn tell(&self) -> ToldPlan {
        ToldPlan {
            profile: self.found.profile.name(),
            role: self.found.role.as_ref().map(|(role, _)| role.to_string()),
            mode: self.mode,
            done: self.done,
            blocked: self.blocked.clone(),
            checks: self.checks.clone(),
            changes: self.changes.iter().map(Change::tell).collect(),
            by_hand: self.by_hand.clone(),
            afterwards: self.afterwards(),
        }
    }

    /// The page for people.
    pub fn show(&self) -> String {
        let mut page = format!("{}mode {}\n", self.found.words(""), self.mode);
        section(&mut page, "In the way", &self.blocked);
        section(&mut page, "Look at this before", &self.checks);
        if !self.changes.is_empty() {
            page.push_str(if self.done {
                "\nWhat is changed, and in force\n"
            } else {
                "\nWhat changes\n"
            });
            self.changes.iter().for_each(|change| change.show(&mut page));
        }
        section(&mut page, "To be done by hand", &self.by_hand);
        section(&mut page, "Afterwards", &self.afterwards());
        if let Some(restart) = self.restart.as_ref().filter(|_| !self.changes.is_empty()) {
            let _ = writeln!(page, "\nThe way back: `jackline setup --undo`, then {restart}");
        }
        page
    }
}

fn section(page: &mut String, title: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(page, "\n{title}");
    for line in lines {
        let _ = writeln!(page, "  - {line}");
    }
}

impl Change {
    /// The lines that go and those that come: what is the same at both ends is left out.
    fn show(&self, page: &mut String) {
        let told = self.tell();
        let new_file = if told.new_file { ", a new file" } else { "" };
        let _ = writeln!(page, "  {} ({}{new_file})", told.path, told.why);
        for line in told.removed {
            let _ = writeln!(page, "    - {line}");
        }
        for line in told.added {
            let _ = writeln!(page, "    + {line}");
        }
    }

    fn tell(&self) -> ToldChange {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (before, after) = (
            self.before.as_deref().map(text).unwrap_or_default(),
            text(&self.after),
        );
        let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
        let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
        let rest = old.len().min(new.len()) - head;
        let tail = old
            .iter()
            .rev()
            .zip(new.iter().rev())
            .take(rest)
            .take_while(|(a, b)| a == b)
            .count();
        let lines = |all: &[&str]| {
            let lines = all[head..all.len() - tail].iter();
            lines.map(|line| (*line).to_owned()).collect()
        };
        ToldChange {
            path: self.path.clone(),
            why: self.why.clone(),
            new_file: self.before.is_none(),
            removed: lines(&old),
            added: lines(&new),
        }
    }
}

/// A plan for programs. Its fields are a promise: `jackline setup --print --output json`.
#[derive(Debug, Serialize)]
pub struct ToldPlan {
    /// The distribution, by its profile's name.
    pub profile: &'static str,
    /// The node's role; `null`: not known.
    pub role: Option<String>,
    /// The mode.
    pub mode: Mode,
    /// Whether all of it is in force already.
    pub done: bool,
    /// Why it cannot be written, each a sentence with what to do; empty: it can.
    pub blocked: Vec<String>,
    /// What to look at before.
    pub checks: Vec<String>,
    /// The files that change.
    pub changes: Vec<ToldChange>,
    /// What setup does not do.
    pub by_hand: Vec<String>,
    /// What is to be done afterwards, in this order.
    pub afterwards: Vec<String>,
}

/// A file that changes.
#[derive(Debug, Serialize)]
pub struct ToldChange {
    /// The file.
    pub path: String,
    /// Why.
    pub why: String,
    /// Whether it is not there yet.
    pub new_file: bool,
    /// Lines that go.
    pub removed: Vec<String>,
    /// Lines that come, in their place.
    pub added: Vec<String>,
}
