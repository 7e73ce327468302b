//! A drain for the whole fleet: the annotation on the Endpoints object `default/kubernetes` that every node watches.
//!
//! Written by `kubectl`, with the operator's own credentials: it knows every way to log in to a cluster, and a node's
//! credential may not write this object, which is as it should be. What stood in the annotation before stays in it, and two
//! operators at the same time are told apart by the object's version.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::process::{Command, Output as Ended};
use std::time::Duration;

use jackline_agent::operate::Done;
use jiff::Timestamp as Time;
use serde::Deserialize;

use crate::args::Output;
use crate::drain::Target;
use crate::exit::Exit;
use crate::output::{complain, out};
use crate::status::words::wrapped;

/// The annotation.
const ANNOTATION: &str = "jackline.dev/drain";
/// Kubectl, and what distributions have in its place.
const PROGRAMS: [&[&str]; 4] = [
    &["kubectl"],
    &["k3s", "kubectl"],
    &["k0s", "kubectl"],
    &["microk8s", "kubectl"],
];

/// The Endpoints object, as far as it is read here.
#[derive(Deserialize)]
struct Object {
    metadata: Metadata,
    #[serde(default)]
    subsets: Vec<Subset>,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(rename = "resourceVersion")]
    version: String,
    #[serde(default)]
    annotations: std::collections::BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Subset {
    #[serde(default)]
    addresses: Vec<Address>,
}

#[derive(Deserialize)]
struct Address {
    ip: IpAddr,
}

/// What the annotation says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Asked {
    servers: Vec<Target>,
    until: Option<Time>,
}

pub(crate) fn drain(target: Target, lasts: Duration, force: bool, output: Output) -> anyhow::Result<Exit> {
    let now = Time::now();
    let end = now.checked_add(lasts)?.round(jiff::Unit::Second)?;
    change(output, |object| {
        let before = Asked::of(object, now)?;
        let asked = before.with(target, end);
        let live: BTreeSet<IpAddr> = object.live();
        if !live.contains(&target.ip) && !force {
            return Err(format!(
                "{target} is not among the cluster's apiservers now; nothing was changed. If it is to be drained all the same, say --force"
            ));
        }
        let left = live
            .iter()
            .filter(|ip| !asked.servers.iter().any(|one| one.ip == **ip));
        if left.count() == 0 && !force {
            return Err(format!(
                "{target} is the last of the cluster's apiservers that is not drained; nothing was changed. \
                 Bring another one back first, or say --force"
            ));
        }
        let ends = asked.until.map_or("without an end".to_owned(), |until| {
            format!("until {} UTC", until.strftime("%F %T"))
        });
        let names: Vec<String> = asked.servers.iter().map(ToString::to_string).collect();
        let done = Done {
            done: format!(
                "drained for the whole fleet {ends}: {}; every node heeds it within 10 s where it watches, else within a minute",
                names.join(", ")
            ),
            until: asked.until,
            ..Done::default()
        };
        Ok((Some(asked.to_string()), done))
    })
}

pub(crate) fn undrain(target: Target, output: Output) -> anyhow::Result<Exit> {
    let now = Time::now();
    change(output, |object| {
        let before = Asked::of(object, now)?;
        let means = |one: &Target| {
            one.ip == target.ip && (target.port.is_none() || one.port.is_none() || one.port == target.port)
        };
        let servers: Vec<Target> = before.servers.iter().copied().filter(|one| !means(one)).collect();
        let done = match servers.len() == before.servers.len() {
            true => format!("{target} was not drained for the fleet"),
            false => format!("{target} may be used again by every node"),
        };
        let left = Asked { servers, ..before };
        let done = Done {
            done,
            until: left.until,
            ..Done::default()
        };
        Ok(((!left.servers.is_empty()).then(|| left.to_string()), done))
    })
}

impl Object {
    /// The addresses of the apiservers that live now.
    fn live(&self) -> BTreeSet<IpAddr> {
        let addresses = self.subsets.iter().flat_map(|subset| &subset.addresses);
        addresses.map(|address| address.ip).collect()
    }
}

impl Asked {
    /// What stands there now; what is over is nothing any more.
    fn of(object: &Object, now: Time) -> Result<Self, String> {
        let Some(text) = object.metadata.annotations.get(ANNOTATION) else {
            return Ok(Self::default());
        };
        let asked = Self::parse(text).ok_or_else(|| {
            format!(
                "the annotation {ANNOTATION} holds {text:?}, which no node understands; nothing was changed. Take it away: \
                 kubectl -n default annotate endpoints kubernetes {ANNOTATION}-"
            )
        })?;
        match asked.until.is_some_and(|until| until <= now) {
            true => Ok(Self::default()),
            false => Ok(asked),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (servers, until) = match text.split_once(';') {
            Some((servers, end)) => (servers, Some(end.trim().strip_prefix("until=")?.parse().ok()?)),
            None => (text, None),
        };
        let named = servers.split(',').map(str::trim).filter(|name| !name.is_empty());
        let servers = named.map(|name| name.parse().ok()).collect::<Option<_>>()?;
        Some(Self { servers, until })
    }

    /// The same and `target`, until the later end of both: the annotation has one end for all.
    fn with(mut self, target: Target, end: Time) -> Self {
        self.until = match (self.servers.is_empty(), self.until) {
            (true, _) => Some(end),
            // Somebody wanted no end.
            (false, None) => None,
            (false, Some(until)) => Some(until.max(end)),
        };
        if !self.servers.contains(&target) {
            self.servers.push(target);
        }
        self
    }
}

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<String> = self.servers.iter().map(ToString::to_string).collect();
        write!(f, "{}", names.join(","))?;
        match self.until {
            Some(until) => write!(f, ";until={until}"),
            None => Ok(()),
        }
    }
}

type Changed = Result<(Option<String>, Done), String>;

/// Reads the object, has `make` say what is to stand in the annotation (`None`: nothing), and writes that.
fn change(output: Output, make: impl FnOnce(&Object) -> Changed) -> anyhow::Result<Exit> {
    let changed = read().and_then(|object| {
        let (text, done) = make(&object)?;
        write(&object.metadata.version, text)?;
        Ok(done)
    });
    match changed {
        Ok(done) => {
            out(&match output {
                Output::Json => serde_json::to_string(&done)? + "\n",
                Output::Table => wrapped(&(done.done + "."), 0),
            })?;
            Ok(Exit::Well)
        }
        Err(words) => {
            complain(&format!("jackline: {words}"));
            Ok(Exit::Failed)
        }
    }
}

fn read() -> Result<Object, String> {
    let ended = kubectl(&["-n", "default", "get", "endpoints", "kubernetes", "-o", "json"])?;
    serde_json::from_slice(&ended.stdout).map_err(|error| {
        format!("kubectl's answer is no Endpoints object ({error}); which cluster does it speak to?")
    })
}

fn write(version: &str, text: Option<String>) -> Result<(), String> {
    let value = text.map_or(format!("{ANNOTATION}-"), |text| format!("{ANNOTATION}={text}"));
    let version = format!("--resource-version={version}");
    kubectl(&[
        "-n",
        "default",
        "annotate",
        "--overwrite",
        &version,
        "endpoints",
        "kubernetes",
        &value,
    ])?;
    Ok(())
}

/// Runs the first `kubectl` that there is.
fn kubectl(arguments: &[&str]) -> Result<Ended, String> {
    let given = std::env::var("KUBECTL").ok().filter(|path| !path.is_empty());
    let given = given.as_deref().map(|path| vec![path]);
    let programs = given
        .into_iter()
        .chain(PROGRAMS.iter().map(|program| program.to_vec()));
    for program in programs {
        let mut command = Command::new(program[0]);
        command.args(&program[1..]).args(arguments);
        match command.output() {
            Ok(ended) if ended.status.success() => return Ok(ended),
            Ok(ended) => {
                let said = String::from_utf8_lossy(&ended.stderr).trim().to_owned();
                return Err(format!(
                    "kubectl failed: {said}\n    Run this where kubectl may read and annotate Endpoints in the namespace default; \
                     if they were changed at the same moment, try again."
                ));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("{} cannot be run: {error}", program[0])),
        }
    }
    Err(format!(
        "there is no kubectl here; name it in KUBECTL, or run this where it is:\n    kubectl {}",
        arguments.join(" ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Time {
        text.parse().expect("a time")
    }

    fn target(text: &str) -> Target {
        text.parse().expect("an address")
    }

    #[test]
    fn a_second_drain_keeps_the_first_and_the_later_end() {
        let first = Asked::default().with(target("10.0.0.1"), time("2026-01-31T22:00:00Z"));
        assert_eq!(first.to_string(), "10.0.0.1;until=2026-01-31T22:00:00Z");
        let both = first
            .clone()
            .with(target("[fd00::1]:6443"), time("2026-01-31T21:00:00Z"));
        assert_eq!(
            both.to_string(),
            "10.0.0.1,[fd00::1]:6443;until=2026-01-31T22:00:00Z"
        );
        assert_eq!(Asked::parse(&both.to_string()), Some(both));
        let endless = Asked::parse("10.0.0.1")
            .expect("good")
            .with(target("10.0.0.2"), time("2026-01-31T21:00:00Z"));
        assert_eq!(endless.to_string(), "10.0.0.1,10.0.0.2");
    }

    #[test]
    fn what_cannot_be_understood_is_not_written_over() {
        for bad in ["cp-1", "10.0.0.1;2026", "10.0.0.1;until=soon"] {
            assert_eq!(Asked::parse(bad), None, "{bad}");
        }
    }
}
