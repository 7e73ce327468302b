//! Several hosts on one machine: each has a network of its own, with a link to a common switch that can be pulled, cut,
//! narrowed and made long. What loopback cannot show is shown here.
//!
//! The hosts stand in a [`Nest`]: one network, and one view of `/run`, that the process makes for itself before anything
//! else. No packet leaves it, and it is gone with the process, however that ends.
//!
//! The nodes are real processes and live on their hosts. The servers are the lab's stand-ins as ever, tasks of one process
//! with one store; only their sockets are made on the hosts (`place`). What they answer does not come over these links, so a
//! server that is to lose etcd with its link is told so. Beside the store, real etcd runs on the registration server's host
//! where this machine has it: the servers write their leases and K3s's list into it, over the links, and that host's node
//! reads it. Plays of `real` alone have real kube-apiservers on a real etcd, where the machine has these programs.

mod announce;
mod faults;
mod host;
mod nest;
mod plays;
mod real;
mod relay;
mod tool;
mod tun;

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use anyhow::Context;

pub(crate) use faults::Loss;
pub(crate) use host::Host;
pub use nest::{Lack, Nest};

use crate::locked::lock;
use crate::options::LabOptions;
use crate::place::Place;
use crate::recovery;
use crate::runner;
use crate::verdict::Outcome;
use relay::Relay;

/// More hosts than this are not raised.
const HOSTS_MAX: usize = 64;

/// The switch that all links lead to: a bridge in the nest.
const SWITCH: &str = "switch";

/// All hosts of one play. Dropped, all that was made for them is taken away.
pub(crate) struct Hosts {
    hosts: Vec<Arc<Host>>,
    relay: Mutex<Option<Relay>>,
}

/// Plays faults between hosts as [`run`](crate::run) plays scenarios, one at a time. Called in a furnished [`Nest`].
///
/// # Errors
/// As [`run`](crate::run); and when the nest is not there.
pub fn run(options: LabOptions) -> anyhow::Result<Vec<Outcome>> {
    runner::run_of(
        &plays::ALL,
        LabOptions {
            parallel: 1,
            ..options
        },
    )
}

/// What the names of a command line stand for: none and `all` for every fault, `short` for the two of a quick run and those on
/// real apiservers.
#[must_use]
pub fn chosen(names: &[String]) -> Vec<String> {
    let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    match names {
        [name] if name == "short" => [owned(&plays::SHORT), owned(&plays::NEED_APISERVERS)].concat(),
        [] => owned(&plays::names_of_all()),
        [name] if name == "all" => owned(&plays::names_of_all()),
        names => names.to_vec(),
    }
}

/// The faults that cannot be played here, and why.
#[must_use]
pub fn lacking() -> Vec<(&'static str, Lack)> {
    let cable = (Nest::long_cable().err(), &plays::NEED_LONG_CABLE[..]);
    let etcd = (recovery::real_etcd().err(), &plays::NEED_ETCD[..]);
    let apiservers = (real::lack(), &plays::NEED_APISERVERS[..]);
    let lacking = [cable, etcd, apiservers].into_iter().flat_map(|(lack, names)| {
        let lack = lack.into_iter();
        lack.flat_map(move |lack| names.iter().map(move |&name| (name, lack.clone())))
    });
    lacking.collect()
}

/// The names of all faults between hosts and what happens in each, in the order of the run.
#[must_use]
pub fn catalogue() -> Vec<(&'static str, &'static str)> {
    runner::catalogue_of(&plays::ALL)
}

impl Hosts {
    /// Makes hosts of these names, all on one switch: the first at 10.77.0.11, and so on.
    ///
    /// # Errors
    /// When the nest is not there, or the kernel refuses something.
    pub(crate) fn raise(names: &[String]) -> anyhow::Result<Self> {
        anyhow::ensure!(names.len() <= HOSTS_MAX, "at most {HOSTS_MAX} hosts");
        anyhow::ensure!(nest::is_furnished(), "several hosts are raised in a nest only");
        tool::run("ip", &["link", "add", SWITCH, "type", "bridge"]).context("making the switch")?;
        let mut hosts = Self {
            hosts: Vec::new(),
            relay: Mutex::default(),
        };
        tool::run("ip", &["link", "set", SWITCH, "up"])?;
        for (number, name) in (11..).zip(names) {
            let host = Host::raise(name, Ipv4Addr::new(10, 77, 0, number))
                .with_context(|| format!("raising the host {name}"))?;
            hosts.hosts.push(Arc::new(host));
        }
        Ok(hosts)
    }

    /// # Errors
    /// When there is no host of this name.
    pub(crate) fn host(&self, name: &str) -> anyhow::Result<&Arc<Host>> {
        let found = self.hosts.iter().find(|host| host.name() == name);
        found.with_context(|| format!("there is no host {name}"))
    }

    /// # Errors
    /// When there is no host of this name.
    pub(crate) fn place(&self, name: &str) -> anyhow::Result<Place> {
        Ok(Place::On(Arc::clone(self.host(name)?)))
    }
}

impl Drop for Hosts {
    /// A failure leaves something behind in the nest only, for the next play to stumble over loudly.
    fn drop(&mut self) {
        *lock(&self.relay) = None;
        for host in &self.hosts {
            host.raze();
        }
        let _ = tool::run("ip", &["link", "del", SWITCH]);
    }
}
