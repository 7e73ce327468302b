//! What a survey found: words for people, values for the configuration.

use std::fmt::{self, Write as _};
use std::net::{IpAddr, SocketAddr};

use super::Profile;

/// What a node is in its cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It runs workloads and no part of the control plane.
    Agent,
    /// Apiserver and datastore.
    Server,
    /// Datastore without apiserver.
    EtcdOnly,
    /// Apiserver without datastore.
    ControlPlaneOnly,
}

impl Role {
    /// Every role.
    pub(crate) const ALL: &'static [Self] =
        &[Self::Agent, Self::Server, Self::EtcdOnly, Self::ControlPlaneOnly];
    /// Those with a part of the control plane.
    pub(crate) const SERVERS: &'static [Self] = &[Self::Server, Self::EtcdOnly, Self::ControlPlaneOnly];

    /// Whether it has an apiserver of its own.
    pub const fn has_api(self) -> bool {
        matches!(self, Self::Server | Self::ControlPlaneOnly)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Agent => "agent",
            Self::Server => "server",
            Self::EtcdOnly => "etcd-only",
            Self::ControlPlaneOnly => "control-plane-only",
        })
    }
}

/// A port that must not be listened on here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// The port.
    pub port: u16,
    /// On 127.0.0.1 and `::1` alone, or on all addresses.
    pub loopback_only: bool,
    /// Whose it is.
    pub whose: &'static str,
}

impl Reserved {
    /// Whether listening at `address` would take it.
    pub fn takes(&self, address: SocketAddr) -> bool {
        let special = address.ip().is_unspecified()
            || address.ip() == IpAddr::from(std::net::Ipv4Addr::LOCALHOST)
            || address.ip() == IpAddr::from(std::net::Ipv6Addr::LOCALHOST);
        address.port() == self.port && (special || !self.loopback_only)
    }
}

/// A value for the layer between file and defaults.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    /// The key, e.g. `cluster.ca-file`.
    pub(crate) key: &'static str,
    /// The value as a word, as a variable would have it. May be a secret: it is shown only by its type's own rules.
    pub(crate) word: String,
    /// Where on the node it was found.
    pub(crate) from: String,
}

/// Something that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// A sentence that ends in what to do.
    pub words: String,
    /// Whether it is looked for again while jackline runs, by those who then tell of it themselves.
    pub awaited: bool,
    /// Keys that stand in for it: where one of them is given by hand, nothing is missing.
    pub(crate) instead: &'static [&'static str],
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

/// What was found on a node.
#[derive(Clone, Debug)]
pub struct Found {
    /// The profile in use; never [`Profile::Auto`].
    pub profile: Profile,
    /// Why this one.
    pub why: String,
    /// The node's role and what tells it; `None`: nothing does.
    pub role: Option<(Role, String)>,
    /// What was found besides values.
    pub notes: Vec<String>,
    /// What is missing.
    pub missing: Vec<Missing>,
    /// Where apiservers listen, as far as this node tells (M7): the port of addresses that are told without one.
    pub api_port: Option<u16>,
    /// Ports that must not be listened on.
    pub reserved: Vec<Reserved>,
    pub(crate) values: Vec<Given>,
}

impl Found {
    /// Nothing was looked for, or nothing is there.
    pub(crate) fn nothing(why: impl Into<String>) -> Self {
        Self {
            profile: Profile::Generic,
            why: why.into(),
            role: None,
            notes: Vec::new(),
            missing: Vec::new(),
            api_port: None,
            reserved: Vec::new(),
            values: Vec::new(),
        }
    }

    /// The value that was found for `key`.
    pub(crate) fn value(&self, key: &str) -> Option<&Given> {
        self.values.iter().find(|given| given.key == key)
    }

    pub(crate) fn give(&mut self, key: &'static str, word: impl Into<String>, from: impl Into<String>) {
        self.values.push(Given {
            key,
            word: word.into(),
            from: from.into(),
        });
    }

    /// Tells that something is missing, unless one of the keys `instead` is given by hand.
    pub(crate) fn miss(&mut self, instead: &'static [&'static str], words: impl Into<String>) {
        self.missing.push(Missing {
            words: words.into(),
            awaited: false,
            instead,
        });
    }

    /// The same of something that is looked for again and again.
    pub(crate) fn wait_for(&mut self, instead: &'static [&'static str], words: impl Into<String>) {
        self.missing.push(Missing {
            words: words.into(),
            awaited: true,
            instead,
        });
    }

    /// Root has looked, and its word is in `folder`: what this user may not read says nothing about what is there.
    pub(crate) fn is_handed_over(&mut self, folder: &str) {
        self.missing.clear();
        self.notes
            .push(format!("what root found on this node is handed over in {folder}"));
    }

    /// What was found and why, a line each, each beginning with `prefix`.
    pub fn words(&self, prefix: &str) -> String {
        let mut text = format!("{prefix}profile {}: {}\n", self.profile, self.why);
        if let Some((role, why)) = &self.role {
            let _ = writeln!(text, "{prefix}role {role}: {why}");
        }
        for note in &self.notes {
            let _ = writeln!(text, "{prefix}{note}");
        }
        for missing in &self.missing {
            let _ = writeln!(text, "{prefix}missing: {missing}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::Reserved;

    #[test]
    fn a_port_of_a_loopback_balancer_is_taken_on_its_addresses_and_on_all() {
        let mut port = Reserved {
            port: 6444,
            loopback_only: true,
            whose: "K3s's",
        };
        let takes = |port: &Reserved, address: &str| port.takes(address.parse().expect(address));
        for address in ["127.0.0.1:6444", "[::1]:6444", "0.0.0.0:6444", "[::]:6444"] {
            assert!(takes(&port, address), "{address}");
        }
        assert!(!takes(&port, "127.0.0.2:6444") && !takes(&port, "127.0.0.1:6440"));
        port.loopback_only = false;
        assert!(takes(&port, "127.0.0.2:6444"));
    }
}
