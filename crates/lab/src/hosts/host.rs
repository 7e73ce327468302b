//! One host: a network of its own with one link to the switch, and a thread that lives in it and makes things there.

use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use anyhow::Context;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::faults::Rule;
use super::{SWITCH, nest, tool};
use crate::locked::lock;

/// The host's end of its link.
pub(super) const LINK: &str = "eth0";

/// Work that waits for a host's thread; who brings more waits too.
const WORK_MAX: usize = 64;

type Work = Box<dyn FnOnce() + Send>;

/// A host.
#[derive(Debug)]
pub(crate) struct Host {
    name: String,
    address: Ipv4Addr,
    work: SyncSender<Work>,
    rules: Mutex<Vec<Rule>>,
}

impl Host {
    /// Makes the network, its link and its thread.
    pub(super) fn raise(name: &str, address: Ipv4Addr) -> anyhow::Result<Self> {
        tool::run("ip", &["netns", "add", name])?;
        let port = port(name);
        tool::run(
            "ip",
            &[
                "link", "add", &port, "type", "veth", "peer", "name", LINK, "netns", name,
            ],
        )?;
        tool::run("ip", &["link", "set", &port, "master", SWITCH, "up"])?;
        let (work, orders) = sync_channel(WORK_MAX);
        let (entered, answer) = sync_channel(1);
        let network = nest::network(name);
        std::thread::Builder::new()
            .name(format!("host-{name}"))
            .spawn(move || live(&network, &entered, &orders))
            .context("starting a host's thread")?;
        answer
            .recv()
            .context("a host's thread ended")?
            .context("entering the host's network")?;
        let host = Self {
            name: name.to_owned(),
            address,
            work,
            rules: Mutex::default(),
        };
        host.run("ip", &["link", "set", "lo", "up"])?;
        host.run("ip", &["link", "set", LINK, "up"])?;
        host.settle(address)?;
        Ok(host)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The address that it was raised with.
    pub(crate) fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Does this on the host, and waits for it.
    ///
    /// # Errors
    /// When its thread is gone.
    pub(crate) fn within<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        let (done, result) = sync_channel(1);
        let gone = || io::Error::other(format!("the host {} is gone", self.name));
        let work: Work = Box::new(move || {
            let _ = done.send(work());
        });
        self.work.send(work).map_err(|_| gone())?;
        result.recv().map_err(|_| gone())
    }

    /// Runs a tool in its network.
    ///
    /// # Errors
    /// As [`tool::run`].
    pub(super) fn run(&self, program: &'static str, arguments: &[&str]) -> anyhow::Result<String> {
        let arguments: Vec<String> = arguments.iter().map(|&word| word.to_owned()).collect();
        self.within(move || {
            let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
            tool::run(program, &words)
        })?
        .with_context(|| format!("on {}", self.name))
    }

    /// Gives it an address on the switch.
    pub(super) fn settle(&self, address: Ipv4Addr) -> anyhow::Result<()> {
        self.run("ip", &["address", "add", &format!("{address}/24"), "dev", LINK])?;
        Ok(())
    }

    /// What becomes of packets that arrive, all at once.
    pub(super) fn change_rules(&self, change: impl FnOnce(&mut Vec<Rule>)) -> anyhow::Result<()> {
        let mut rules = lock(&self.rules);
        let mut wanted = rules.clone();
        change(&mut wanted);
        if *rules == wanted {
            return Ok(());
        }
        let script = Rule::script(&wanted);
        self.within(move || tool::feed("nft", &["-f", "-"], &script))?
            .with_context(|| format!("on {}", self.name))?;
        *rules = wanted;
        Ok(())
    }

    /// Packets that its rules have swallowed since they were last changed.
    pub(super) fn swallowed(&self) -> anyhow::Result<u64> {
        if lock(&self.rules).is_empty() {
            return Ok(0);
        }
        Ok(Rule::swallowed(
            &self.run("nft", &["list", "table", "ip", super::faults::TABLE])?,
        ))
    }

    /// Takes its network away. What still runs there is the business of who started it.
    pub(super) fn raze(&self) {
        // Both ends go at once; a network goes with the last socket in it, which may be later.
        let _ = tool::run("ip", &["link", "del", &port(&self.name)]);
        let _ = tool::run("ip", &["netns", "del", &self.name]);
    }
}

/// The switch's end of a host's link. The kernel takes 15 characters.
fn port(name: &str) -> String {
    format!("to-{name}")
}

fn live(network: &Path, entered: &SyncSender<io::Result<()>>, orders: &Receiver<Work>) {
    let enter = || -> io::Result<()> {
        let network = File::open(network)?;
        Ok(move_into_link_name_space(
            network.as_fd(),
            Some(LinkNameSpaceType::Network),
        )?)
    };
    let outcome = enter();
    let inside = outcome.is_ok();
    let _ = entered.send(outcome);
    // Nothing may ever be made in the wrong network.
    if inside {
        for work in orders {
            work();
        }
    }
}
