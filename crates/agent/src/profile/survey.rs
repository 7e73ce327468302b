//! The engine: finds out which distribution this is, and fills in what its table says. Reads files and nothing else.
//!
//! Whom to trust and what to present is [`credentials`]'s, whom to connect to [`servers`]'s.

mod credentials;
mod servers;

use std::net::IpAddr;

use super::found::{Found, Reserved, Role};
use super::host::{Host, Reading};
use super::layout::{DATA, Layout, RoleRule, When};
use super::options::Options;
use super::{LAYOUTS, Profile, layout_of};

/// Labels that tell the zone: today's, and the one before it.
const ZONE_LABELS: [&str; 2] = [
    "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/zone",
];

/// Several distributions are on the node, and nobody said which one counts: each with the mark that gave it away.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ambiguous(pub(crate) Vec<(Profile, String)>);

/// Looks at the node. `choice` is what `--profile` says.
pub(crate) fn survey(host: &Host, choice: Profile) -> Result<Found, Ambiguous> {
    match choice {
        Profile::Generic => Ok(Found::nothing("chosen: nothing is looked for")),
        Profile::Auto => {
            let mut hidden = Vec::new();
            let mut marked: Vec<(&Layout, String)> = LAYOUTS
                .into_iter()
                .filter_map(|layout| Some((layout, mark(host, layout, &mut hidden)?)))
                .collect();
            let mut found = match (marked.pop(), marked.is_empty()) {
                (None, _) => Found::nothing("nothing of a known distribution is here"),
                (Some((layout, mark)), true) => {
                    fill(host, layout, format!("found, for {mark} is there"), true)
                }
                (Some(last), false) => {
                    marked.push(last);
                    let marked = marked.into_iter().map(|(layout, mark)| (layout.profile, mark));
                    return Err(Ambiguous(marked.collect()));
                }
            };
            found.notes.extend(hidden);
            Ok(found)
        }
        chosen => {
            let layout = layout_of(chosen);
            let mark = mark(host, layout, &mut Vec::new());
            let why = mark
                .as_ref()
                .map_or_else(|| "chosen".to_owned(), |mark| format!("chosen; {mark} is there"));
            let mut found = fill(host, layout, why, mark.is_some());
            if mark.is_none() {
                let title = chosen.title();
                let what = format!(
                    "nothing of {title} is where {title} keeps it; is the profile the right one, and may jackline's user look there?"
                );
                found.miss(&[], what);
                found.missing.rotate_right(1);
            }
            Ok(found)
        }
    }
}

/// The first mark that is there. What may not be looked at is told to `hidden`.
fn mark(host: &Host, layout: &Layout, hidden: &mut Vec<String>) -> Option<String> {
    for mark in layout.marks {
        match host.is_there(mark) {
            Ok(true) => return Some((*mark).to_owned()),
            Ok(false) => {}
            Err(words) => hidden.push(format!(
                "{words}: whether {} is here is not known",
                layout.profile.title()
            )),
        }
    }
    None
}

/// Fills in the table. `is_here`: something of the distribution is on the node, so that what is not there means something.
fn fill(host: &Host, layout: &'static Layout, why: String, is_here: bool) -> Found {
    let options = Options::read(host, layout);
    let data = data_folder(&options, layout);
    let mut survey = Survey {
        host,
        layout,
        options,
        data,
        found: Found {
            profile: layout.profile,
            ..Found::nothing(why)
        },
    };
    if is_here {
        survey.role();
    }
    survey.node();
    survey.servers();
    survey.local();
    survey.import();
    survey.trust();
    survey.supervisor();
    survey.etcd();
    survey.ports();
    survey.services();
    let Survey {
        options, mut found, ..
    } = survey;
    for problem in options.problems {
        found.miss(&[], problem);
    }
    found
}

/// The distribution's data folder: where the operator put it, else where it is by itself.
pub(crate) fn data_folder(options: &Options, layout: &Layout) -> String {
    match options.last("data-dir") {
        Some(told) if told.value.starts_with('/') => told.value.trim_end_matches('/').to_owned(),
        _ => layout.data_dir.to_owned(),
    }
}

/// One look at one node.
struct Survey<'a> {
    host: &'a Host,
    layout: &'static Layout,
    options: Options,
    data: String,
    found: Found,
}

impl Survey<'_> {
    /// `path` with the data folder in its place.
    fn path(&self, path: &str) -> String {
        path.replace(DATA, &self.data)
    }

    fn role_is(&self, wanted: impl Fn(Role) -> bool) -> bool {
        self.found.role.as_ref().is_some_and(|(role, _)| wanted(*role))
    }

    fn role(&mut self) {
        self.found.role = self
            .layout
            .roles
            .iter()
            .find_map(|rule| Some((rule.role, self.holds(rule)?)));
        if self.data != self.layout.data_dir {
            let told = self
                .options
                .last("data-dir")
                .map_or("", |told| told.from.as_str());
            self.found
                .notes
                .push(format!("data folder {}: {told}", self.data));
        }
    }

    /// What makes the rule hold, in words; `None`: it does not.
    fn holds(&self, rule: &RoleRule) -> Option<String> {
        let words: Option<Vec<String>> = rule.when.iter().map(|when| self.condition(when)).collect();
        Some(words?.join(", "))
    }

    fn condition(&self, when: &When) -> Option<String> {
        match when {
            When::There(path) => {
                let path = self.path(path);
                (self.host.is_there(&path) == Ok(true)).then(|| format!("{path} is there"))
            }
            When::Missing(path) => {
                let path = self.path(path);
                (self.host.is_there(&path) == Ok(false)).then(|| format!("there is no {path}"))
            }
            When::Told(key, value) => {
                let told = self.options.last(key).filter(|told| told.value == *value)?;
                Some(format!("{} says {key}", told.from))
            }
            When::Runs(word) => {
                let (_, unit) = self
                    .options
                    .commands
                    .iter()
                    .find(|(command, _)| command == word)?;
                Some(format!("{unit} runs `{} {word}`", self.layout.profile))
            }
        }
    }

    /// Name, address and zone of the node.
    fn node(&mut self) {
        // An id is appended to the name then, which only K3s knows.
        let with_id = self
            .options
            .last("with-node-id")
            .is_some_and(|told| told.value == "true");
        if let Some((_, told)) = self.options.first_of(self.layout.names).filter(|_| !with_id) {
            let (name, from) = (told.value.clone(), told.from.clone());
            self.found.give("node.name", name, from);
        }
        if let Some((address, from)) = self.address(self.layout.addresses) {
            self.found.give("node.address", address.to_string(), from);
        }
        if let Some((zone, from)) = self.zone() {
            self.found.give("node.zone", zone, from);
        }
    }

    /// The first real address that one of these options tells.
    fn address(&self, keys: &[&'static str]) -> Option<(IpAddr, String)> {
        keys.iter().find_map(|key| {
            // Several: one in a list, or one behind the other with commas; the last file's or flag's word counts.
            let told = self.options.all(key);
            let from = &told.last()?.from;
            let of_the_last = told.iter().filter(|told| told.from == *from);
            let address = of_the_last
                .flat_map(|told| told.value.split(','))
                .filter_map(|word| word.trim().parse::<IpAddr>().ok())
                .find(|ip| !ip.is_unspecified() && !ip.is_loopback())?;
            Some((address, from.clone()))
        })
    }

    fn zone(&self) -> Option<(String, String)> {
        let told = self.layout.labels.iter().flat_map(|key| self.options.all(key));
        let told: Vec<_> = told.collect();
        ZONE_LABELS.iter().find_map(|label| {
            told.iter().rev().find_map(|told| {
                let zone = label_in(&told.value, label)?;
                Some((zone.to_owned(), told.from.clone()))
            })
        })
    }

    /// Ports that are taken on all addresses come first in the tables.
    fn ports(&mut self) {
        for port in self.layout.ports {
            let (options, role) = (&self.options, &self.found.role);
            // Where nobody knows the role it could be any.
            if role.as_ref().is_some_and(|(role, _)| !port.roles.contains(role)) {
                continue;
            }
            let moved = port
                .key
                .and_then(|key| options.last(key))
                .and_then(|told| told.value.parse::<u16>().ok());
            let number = moved.unwrap_or(port.port).saturating_sub(port.less);
            let known = |reserved: &Reserved| reserved.port == number && !reserved.loopback_only;
            if number != 0 && !self.found.reserved.iter().any(known) {
                self.found.reserved.push(Reserved {
                    port: number,
                    loopback_only: port.loopback_only,
                    whose: port.whose,
                });
            }
        }
        if !self.found.reserved.is_empty() {
            let ports: Vec<String> = self
                .found
                .reserved
                .iter()
                .map(|reserved| reserved.port.to_string())
                .collect();
            let title = self.layout.profile.title();
            self.found.notes.push(format!(
                "ports that are {title}'s here, and not to be listened on: {}",
                ports.join(", ")
            ));
        }
    }

    fn services(&mut self) {
        let services = self.layout.services;
        if services.is_empty() {
            return;
        }
        let title = self.layout.profile.title();
        let all: Vec<String> = services
            .iter()
            .map(|service| format!("{} on {}", service.what, service.port))
            .collect();
        self.found.notes.push(format!(
            "{title}'s own programs connect to {}",
            all.join(" and to ")
        ));
        for (service, door) in services
            .iter()
            .filter_map(|service| Some((service, service.door.as_ref()?)))
        {
            if self.role_is(|role| door.roles.contains(&role)) {
                let why = format!("{title}'s own programs can be pointed there for {}", service.what);
                self.found.give(door.key, door.at, why);
            }
        }
    }

    /// Whether the file can be read; if not, why.
    fn readable(&self, path: &str) -> Result<(), String> {
        match self.host.read(path) {
            Reading::Bytes(_) => Ok(()),
            Reading::Missing => Err(format!("{path} is not there")),
            Reading::Unreadable(words) => Err(words),
        }
    }
}

/// The value of `label` in a text of labels, however they are joined.
fn label_in<'t>(text: &'t str, label: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(label)?;
    let value = rest.strip_prefix('=')?;
    let end = value
        .find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)))
        .unwrap_or(value.len());
    Some(&value[..end]).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::label_in;

    #[test]
    fn a_label_is_found_however_it_is_joined() {
        let label = "topology.kubernetes.io/zone";
        for text in [
            "topology.kubernetes.io/zone=eu-1a",
            "a=b,topology.kubernetes.io/zone=eu-1a,c=d",
            "node-labels=topology.kubernetes.io/zone=eu-1a,c=d",
            "--v=2 --node-labels=topology.kubernetes.io/zone=eu-1a",
        ] {
            assert_eq!(label_in(text, label), Some("eu-1a"), "{text}");
        }
        for text in [
            "",
            "topology.kubernetes.io/zone",
            "topology.kubernetes.io/zone=",
            "topology.kubernetes.io/zoned=a",
        ] {
            assert_eq!(label_in(text, label), None, "{text}");
        }
    }
}
