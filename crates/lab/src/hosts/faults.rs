//! What goes wrong between hosts: packets vanish, links go down, paths are narrow, long or lossy.
//!
//! Packets vanish where they arrive, not where they leave: a sender whose own firewall drops them is told so by its kernel,
//! and nobody is told of what is lost on the way.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::host::LINK;
use super::relay::Relay;
use super::{Hosts, announce};
use crate::locked::lock;

/// The table of rules on a host.
pub(super) const TABLE: &str = "faults";

/// A fault of packets on their way to a host: those from this address …
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    from: Ipv4Addr,
    loss: Loss,
}

/// … vanish:
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// All of them.
    All,
    /// Those of more bytes than this, without a word (an MTU black hole).
    LongerThan(u16),
    /// So many of a hundred, by chance.
    Percent(u8),
}

impl Rule {
    /// The rules as nft reads them, in place of all earlier ones.
    pub(super) fn script(rules: &[Self]) -> String {
        let mut script = format!("add table ip {TABLE}\ndelete table ip {TABLE}\n");
        if rules.is_empty() {
            return script;
        }
        let _ = writeln!(
            script,
            "table ip {TABLE} {{\nchain input {{\ntype filter hook input priority 0; policy accept;"
        );
        for Self { from, loss } in rules {
            let of_them = match loss {
                Loss::All => String::new(),
                Loss::LongerThan(bytes) => format!(" ip length > {bytes}"),
                Loss::Percent(percent) => format!(" numgen random mod 100 < {percent}"),
            };
            let _ = writeln!(script, "ip saddr {from}{of_them} counter drop");
        }
        script.push_str("}\n}\n");
        script
    }

    /// The sum of all counters in what nft lists.
    pub(super) fn swallowed(listed: &str) -> u64 {
        let after = |part: &str| part.split(' ').next().and_then(|word| word.parse::<u64>().ok());
        listed.split("counter packets ").skip(1).filter_map(after).sum()
    }
}

impl Hosts {
    /// Packets from each of these to each of those vanish.
    pub(crate) fn lose(&self, from: &[&str], to: &[&str], loss: Loss) -> anyhow::Result<()> {
        for name in to {
            let sources = from.iter().map(|name| Ok(self.host(name)?.address()));
            let sources = sources.collect::<anyhow::Result<Vec<_>>>()?;
            self.host(name)?.change_rules(|rules| {
                rules.extend(sources.iter().map(|&from| Rule { from, loss }));
            })?;
        }
        Ok(())
    }

    /// The same both ways.
    pub(crate) fn lose_both_ways(&self, these: &[&str], those: &[&str], loss: Loss) -> anyhow::Result<()> {
        self.lose(these, those, loss)?;
        self.lose(those, these, loss)
    }

    /// Pulls a host's cable, at its own end: it knows.
    pub(crate) fn pull(&self, name: &str) -> anyhow::Result<()> {
        self.host(name)?.run("ip", &["link", "set", LINK, "down"])?;
        Ok(())
    }

    /// Plugs it in again.
    pub(crate) fn plug(&self, name: &str) -> anyhow::Result<()> {
        self.host(name)?.run("ip", &["link", "set", LINK, "up"])?;
        Ok(())
    }

    /// Gives a host another one's address too, and lets everybody on the switch know, as a machine does that takes over.
    /// The other one had better be off the network.
    pub(crate) fn take_over(&self, heir: &str, of: &str) -> anyhow::Result<()> {
        let address = self.host(of)?.address();
        let heir = self.host(heir)?;
        heir.settle(address)?;
        let others: Vec<_> = self.hosts.iter().map(|host| host.address()).collect();
        heir.within(move || announce::take_over(address, &others))??;
        Ok(())
    }

    /// Puts a long cable between these and that one: every packet takes this long, each way.
    pub(crate) fn move_away(&self, these: &[&str], that: &str, delay: Duration) -> anyhow::Result<()> {
        let ends = these
            .iter()
            .chain([&that])
            .map(|name| Ok(self.host(name)?.clone()));
        let ends = ends.collect::<anyhow::Result<Vec<_>>>()?;
        *lock(&self.relay) = Some(Relay::lay(&ends, delay)?);
        Ok(())
    }

    /// Packets that have gone over the long cable.
    pub(crate) fn relayed(&self) -> u64 {
        lock(&self.relay).as_ref().map_or(0, Relay::relayed)
    }

    /// Packets that have vanished.
    pub(crate) fn swallowed(&self) -> anyhow::Result<u64> {
        self.hosts.iter().map(|host| host.swallowed()).sum()
    }

    /// Ends everything that [`Hosts::lose`] and [`Hosts::move_away`] have begun. Pulled cables stay pulled.
    pub(crate) fn heal(&self) -> anyhow::Result<()> {
        *lock(&self.relay) = None;
        self.hosts
            .iter()
            .try_for_each(|host| host.change_rules(Vec::clear))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_told_to_nft_all_at_once() {
        let from = Ipv4Addr::new(10, 77, 0, 12);
        let rule = |loss| Rule { from, loss };
        let script = Rule::script(&[
            rule(Loss::All),
            rule(Loss::LongerThan(576)),
            rule(Loss::Percent(30)),
        ]);
        assert_eq!(
            script,
            "add table ip faults\ndelete table ip faults\ntable ip faults {\nchain input {\n\
             type filter hook input priority 0; policy accept;\n\
             ip saddr 10.77.0.12 counter drop\n\
             ip saddr 10.77.0.12 ip length > 576 counter drop\n\
             ip saddr 10.77.0.12 numgen random mod 100 < 30 counter drop\n}\n}\n"
        );
        assert_eq!(Rule::script(&[]), "add table ip faults\ndelete table ip faults\n");
    }

    #[test]
    fn what_nft_lists_is_added_up() {
        let listed = "ip saddr 10.77.0.12 counter packets 17 bytes 1020 drop\n\
                      ip saddr 10.77.0.13 ip length > 576 counter packets 4 bytes 6000 drop\n";
        assert_eq!(Rule::swallowed(listed), 21);
        assert_eq!(Rule::swallowed("table ip faults {\n}\n"), 0);
    }
}
