//! Faults as sentences: what a scenario says, and how a seed's story is told so that it can be a scenario.

use std::net::Ipv4Addr;
use std::time::Duration;

use jackline_core::LocalFault;

use crate::fault::Fault;
use crate::network::{NodeId, Place};
use crate::plane::{API_PORT, ServerId};
use crate::spec::WorldSpec;

/// Who there is, by name.
#[derive(Clone, Debug, Default)]
pub struct Cast {
    servers: Vec<String>,
    nodes: Vec<String>,
}

impl Cast {
    /// All of a world.
    pub fn of(world: &WorldSpec) -> Self {
        Self {
            servers: world.servers.iter().map(|server| server.name.clone()).collect(),
            nodes: world.nodes.iter().map(|node| node.name.clone()).collect(),
        }
    }

    fn server(&self, name: &str) -> Result<ServerId, String> {
        let found = self.servers.iter().position(|server| server == name);
        found
            .map(ServerId)
            .ok_or_else(|| format!("there is no server called {name}"))
    }

    fn node(&self, name: &str) -> Result<NodeId, String> {
        let found = self.nodes.iter().position(|node| node == name);
        found
            .map(NodeId)
            .ok_or_else(|| format!("there is no node called {name}"))
    }

    fn place(&self, name: &str) -> Result<Place, String> {
        match self.server(name) {
            Ok(server) => Ok(Place::Server(server)),
            Err(_) => Ok(Place::Node(self.node(name)?)),
        }
    }

    /// Names joined by "and"; "nobody" is none.
    fn servers(&self, names: &[&str]) -> Result<Vec<ServerId>, String> {
        let names = names
            .iter()
            .filter(|name| **name != "and" && **name != "nobody")
            .map(|name| name.trim_end_matches(','));
        names.map(|name| self.server(name)).collect()
    }

    fn server_name(&self, id: ServerId) -> &str {
        self.servers.get(id.0).map_or("?", String::as_str)
    }

    fn node_name(&self, id: NodeId) -> &str {
        self.nodes.get(id.0).map_or("?", String::as_str)
    }

    fn place_name(&self, place: Place) -> &str {
        match place {
            Place::Node(id) => self.node_name(id),
            Place::Server(id) => self.server_name(id),
        }
    }

    fn server_names(&self, ids: &[ServerId]) -> String {
        match ids.is_empty() {
            true => "nobody".to_owned(),
            false => {
                let names: Vec<&str> = ids.iter().map(|id| self.server_name(*id)).collect();
                names.join(" and ")
            }
        }
    }

    /// Reads a sentence.
    ///
    /// # Errors
    /// In words: who is not there, or that nothing like it can happen.
    pub fn read(&self, sentence: &str) -> Result<Fault, String> {
        let words: Vec<&str> = sentence.trim_end_matches('.').split_whitespace().collect();
        self.read_of_server(&words)
            .or_else(|| self.read_of_network(&words))
            .or_else(|| self.read_of_node(&words))
            .unwrap_or_else(|| Err(format!("nothing is known that sounds like {sentence:?}")))
    }

    fn read_of_server(&self, words: &[&str]) -> Option<Result<Fault, String>> {
        let of = |name: &str, fault: fn(ServerId) -> Fault| Some(self.server(name).map(fault));
        match words {
            [s, "starts"] => of(s, Fault::Start),
            [s, "is", "stopped"] => of(s, |id| Fault::Stop(id, Duration::ZERO)),
            [s, "is", "stopped", "with", "a", "delay", "of", n, "s"] => {
                Some(self.server(s).and_then(|id| Ok(Fault::Stop(id, seconds(n)?))))
            }
            [s, "is", "killed"] => of(s, Fault::Kill),
            [s, "is", "frozen"] => of(s, Fault::Freeze),
            [s, "goes", "on"] => of(s, Fault::Thaw),
            [s, "loses", "its", "power"] => of(s, Fault::PowerOff),
            [s, "falls", "silent"] => of(s, Fault::Silence),
            [s, "is", "back"] => of(s, Fault::Return),
            [s, "is", "slow:", "readyz", r, "ms,", "requests", q, "ms"] => Some(
                self.server(s)
                    .and_then(|id| Ok(Fault::Slow(id, millis(r)?, millis(q)?))),
            ),
            [s, "is", "fast", "again"] => of(s, Fault::Fast),
            [s, "fails", check] => Some(self.server(s).map(|id| Fault::Fail(id, (*check).to_owned()))),
            [s, "passes", "its", "checks"] => of(s, Fault::Pass),
            [s, "tells", "the", "truth"] => of(s, Fault::SayTruth),
            [s, "tells", "only", rest @ ..] => Some(
                self.server(s)
                    .and_then(|id| Ok(Fault::Say(id, self.servers(rest)?))),
            ),
            [s, "loses", "writes"] => of(s, |id| Fault::LoseWrites(id, true)),
            [s, "keeps", "writes"] => of(s, |id| Fault::LoseWrites(id, false)),
            [s, "is", "cut", "off", "from", "etcd"] => of(s, |id| Fault::CutFromEtcd(id, true)),
            [s, "reaches", "etcd", "again"] => of(s, |id| Fault::CutFromEtcd(id, false)),
            [s, "moves", "to", ip] => Some(self.server(s).and_then(|id| Ok(Fault::Move(id, address(ip)?)))),
            ["another", "cluster's", "server", "takes", ip] => Some(address(ip).map(Fault::TakeAddress)),
            ["the", "address", ip, "is", "given", "back"] => Some(address(ip).map(Fault::GiveBack)),
            ["the", "Node", "of", s, "is", "deleted"] => of(s, Fault::DeleteNode),
            ["the", "Node", "of", s, "is", "registered"] => of(s, Fault::RegisterNode),
            _ => None,
        }
    }

    fn read_of_network(&self, words: &[&str]) -> Option<Result<Fault, String>> {
        Some(match words {
            ["the", "way", "from", a, "to", b, "is", "cut"] => self.way(a, b, Fault::Cut),
            ["the", "way", "from", a, "to", b, "is", "mended"] => self.way(a, b, Fault::Mend),
            ["all", "ways", "are", "mended"] => Ok(Fault::MendAll),
            [n, "of", "1000", "packets", "are", "lost"] => number(n).map(Fault::Lose),
            ["one", "way", "takes", n, "ms"] => millis(n).map(Fault::Delay),
            ["the", "name", "tells", rest @ ..] => self.servers(rest).map(Fault::NameTells),
            ["the", "resolver", "is", "silent"] => Ok(Fault::NameSilent),
            ["the", "resolver", "fails"] => Ok(Fault::NameFails),
            ["the", "resolver", "answers"] => Ok(Fault::NameAnswers),
            ["the", "CA", "is", "replaced"] => Ok(Fault::ReplaceCa),
            ["etcd", "elects", "a", "leader"] => Ok(Fault::Elect),
            ["the", "fleet", "drains", rest @ ..] => self.servers(rest).map(|ids| {
                let addresses = ids.iter().map(|id| WorldSpec::address(*id));
                Fault::DrainForAll(addresses.collect())
            }),
            _ => return None,
        })
    }

    fn way(&self, from: &str, to: &str, fault: fn(Place, Place) -> Fault) -> Result<Fault, String> {
        Ok(fault(self.place(from)?, self.place(to)?))
    }

    fn read_of_node(&self, words: &[&str]) -> Option<Result<Fault, String>> {
        let of = |name: &str, fault: fn(NodeId) -> Fault| Some(self.node(name).map(fault));
        let both = |node: &str, server: &str| Ok((self.node(node)?, self.server(server)?));
        match words {
            ["the", "CA", "file", "of", n, "is", "renewed"] => of(n, Fault::RenewCaFile),
            ["the", "disk", "of", n, "is", "full"] => of(n, |id| Fault::DiskFull(id, true)),
            ["the", "disk", "of", n, "has", "room"] => of(n, |id| Fault::DiskFull(id, false)),
            ["the", "state", "file", "of", n, "rots"] => of(n, |id| Fault::Spoil(id, false)),
            ["the", "state", "file", "of", n, "is", "lost"] => of(n, |id| Fault::Spoil(id, true)),
            ["the", "clock", "of", n, "is", "off", "by", s, "s"] => {
                let off = s.parse().map_err(|_| format!("{s} is no number of seconds"));
                Some(self.node(n).and_then(|id| Ok(Fault::Clock(id, off?))))
            }
            [n, "kills", "its", "jackline"] => of(n, Fault::KillJackline),
            [n, "starts", "its", "jackline"] => of(n, Fault::StartJackline),
            [n, "restarts", "before", "the", "next", "rename"] => of(n, Fault::DieBeforeRename),
            [n, "has", "no", "descriptors"] => of(n, |id| Fault::Local(id, Some(LocalFault::Descriptors))),
            [n, "has", "no", "route"] => of(n, |id| Fault::Local(id, Some(LocalFault::NoRoute))),
            [n, "is", "well", "again"] => of(n, |id| Fault::Local(id, None)),
            [n, "drains", s] => Some(both(n, s).map(|(n, s)| Fault::Drain(n, s, Duration::ZERO))),
            [n, "drains", s, "for", span, "s"] => {
                Some(both(n, s).and_then(|(n, s)| Ok(Fault::Drain(n, s, seconds(span)?))))
            }
            [n, "undrains", s] => Some(both(n, s).map(|(n, s)| Fault::Undrain(n, s))),
            _ => None,
        }
    }

    /// Tells a fault.
    pub fn tell(&self, fault: &Fault) -> String {
        let server = |id: &ServerId| self.server_name(*id);
        match fault {
            Fault::Start(id) => format!("{} starts", server(id)),
            Fault::Stop(id, delay) if delay.is_zero() => format!("{} is stopped", server(id)),
            Fault::Stop(id, delay) => {
                format!("{} is stopped with a delay of {} s", server(id), delay.as_secs())
            }
            Fault::Kill(id) => format!("{} is killed", server(id)),
            Fault::Freeze(id) => format!("{} is frozen", server(id)),
            Fault::Thaw(id) => format!("{} goes on", server(id)),
            Fault::PowerOff(id) => format!("{} loses its power", server(id)),
            Fault::Silence(id) => format!("{} falls silent", server(id)),
            Fault::Return(id) => format!("{} is back", server(id)),
            Fault::Slow(id, readyz, requests) => format!(
                "{} is slow: readyz {} ms, requests {} ms",
                server(id),
                readyz.as_millis(),
                requests.as_millis()
            ),
            Fault::Fast(id) => format!("{} is fast again", server(id)),
            Fault::Fail(id, check) => format!("{} fails {check}", server(id)),
            Fault::Pass(id) => format!("{} passes its checks", server(id)),
            Fault::Say(id, said) => format!("{} tells only {}", server(id), self.server_names(said)),
            Fault::SayTruth(id) => format!("{} tells the truth", server(id)),
            Fault::LoseWrites(id, true) => format!("{} loses writes", server(id)),
            Fault::LoseWrites(id, false) => format!("{} keeps writes", server(id)),
            Fault::CutFromEtcd(id, true) => format!("{} is cut off from etcd", server(id)),
            Fault::CutFromEtcd(id, false) => format!("{} reaches etcd again", server(id)),
            Fault::Move(id, ip) => format!("{} moves to {ip}", server(id)),
            Fault::TakeAddress(ip) => format!("another cluster's server takes {ip}"),
            Fault::GiveBack(ip) => format!("the address {ip} is given back"),
            Fault::DeleteNode(id) => format!("the Node of {} is deleted", server(id)),
            Fault::RegisterNode(id) => format!("the Node of {} is registered", server(id)),
            other => self.tell_of_network(other),
        }
    }

    fn tell_of_network(&self, fault: &Fault) -> String {
        match fault {
            Fault::Cut(from, to) => format!(
                "the way from {} to {} is cut",
                self.place_name(*from),
                self.place_name(*to)
            ),
            Fault::Mend(from, to) => format!(
                "the way from {} to {} is mended",
                self.place_name(*from),
                self.place_name(*to)
            ),
            Fault::MendAll => "all ways are mended".to_owned(),
            Fault::Lose(per_mille) => format!("{per_mille} of 1000 packets are lost"),
            Fault::Delay(delay) => format!("one way takes {} ms", delay.as_millis()),
            Fault::NameTells(ids) => format!("the name tells {}", self.server_names(ids)),
            Fault::NameSilent => "the resolver is silent".to_owned(),
            Fault::NameFails => "the resolver fails".to_owned(),
            Fault::NameAnswers => "the resolver answers".to_owned(),
            Fault::ReplaceCa => "the CA is replaced".to_owned(),
            Fault::Elect => "etcd elects a leader".to_owned(),
            Fault::DrainForAll(addresses) => {
                let all = (0..self.servers.len()).map(ServerId);
                let ids: Vec<ServerId> = all
                    .filter(|id| addresses.contains(&WorldSpec::address(*id)))
                    .collect();
                format!("the fleet drains {}", self.server_names(&ids))
            }
            other => self.tell_of_node(other),
        }
    }

    fn tell_of_node(&self, fault: &Fault) -> String {
        let node = |id: &NodeId| self.node_name(*id);
        match fault {
            Fault::RenewCaFile(id) => format!("the CA file of {} is renewed", node(id)),
            Fault::DiskFull(id, true) => format!("the disk of {} is full", node(id)),
            Fault::DiskFull(id, false) => format!("the disk of {} has room", node(id)),
            Fault::Spoil(id, false) => format!("the state file of {} rots", node(id)),
            Fault::Spoil(id, true) => format!("the state file of {} is lost", node(id)),
            Fault::Clock(id, off) => format!("the clock of {} is off by {off} s", node(id)),
            Fault::KillJackline(id) => format!("{} kills its jackline", node(id)),
            Fault::StartJackline(id) => format!("{} starts its jackline", node(id)),
            Fault::DieBeforeRename(id) => format!("{} restarts before the next rename", node(id)),
            Fault::Local(id, None) => format!("{} is well again", node(id)),
            Fault::Local(id, Some(LocalFault::NoRoute)) => format!("{} has no route", node(id)),
            Fault::Local(id, Some(_)) => format!("{} has no descriptors", node(id)),
            Fault::Drain(id, server, lasts) if lasts.is_zero() => {
                format!("{} drains {}", node(id), self.server_name(*server))
            }
            Fault::Drain(id, server, lasts) => format!(
                "{} drains {} for {} s",
                node(id),
                self.server_name(*server),
                lasts.as_secs()
            ),
            Fault::Undrain(id, server) => format!("{} undrains {}", node(id), self.server_name(*server)),
            other => format!("{other:?}"),
        }
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}

fn seconds(text: &str) -> Result<Duration, String> {
    number(text).map(Duration::from_secs)
}

fn millis(text: &str) -> Result<Duration, String> {
    number(text).map(Duration::from_millis)
}

fn address(text: &str) -> Result<Ipv4Addr, String> {
    let text = text.strip_suffix(&format!(":{API_PORT}")).unwrap_or(text);
    text.parse().map_err(|_| format!("{text} is no address"))
}
