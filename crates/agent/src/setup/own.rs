//! jackline's own configuration file: made where there is none, left alone where the operator has one.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::plan::Plan;
use super::{Mode, Request, SetupError};
use crate::config::value::Value as _;
use crate::config::{Config, DEFAULT_PATH, Flags, Origin, load_on};
use crate::profile::host::Host;

/// Where clients connect if nothing else is said.
const PORT: u16 = 6440;
/// Where the distribution's own balancer connects: K3s and RKE2 treat exactly 127.0.0.1 and `::1` in a way of their own.
pub(crate) const BEHIND: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// The file, and what holds with it.
pub(crate) struct Own {
    /// The operator's; `None`: there is none, or only the one that setup wrote.
    pub(crate) text: Option<String>,
    pub(crate) config: Config,
}

impl Own {
    pub(crate) fn read(request: &Request, before: &Host) -> Result<Self, SetupError> {
        let mut problem = None;
        let text = before
            .read(DEFAULT_PATH)
            .text(DEFAULT_PATH, |words| problem = Some(words));
        if let Some(words) = problem {
            return Err(SetupError::Blocked(vec![words]));
        }
        let flags = Flags {
            profile: request.profile.clone(),
            servers: request.servers.clone(),
            ..Flags::default()
        };
        let config = load_on(before, &flags, text.as_deref().unwrap_or_default())?;
        Ok(Self { text, config })
    }

    /// Whether the file itself, and not the node's other files, names servers.
    fn names_servers(&self) -> bool {
        let mut keys = self.config.shown.iter();
        keys.any(|shown| {
            ["servers", "endpoints"].contains(&shown.key) && matches!(shown.origin, Origin::File(..))
        })
    }

    /// Sees to it that the file has what the plan needs, and gives the listener that the node's programs are pointed at.
    /// `keep_servers`: the file in which they are told is about to be changed.
    pub(crate) fn prepare(
        &self,
        plan: &mut Plan,
        mode: Mode,
        port: Option<u16>,
        keep_servers: bool,
    ) -> SocketAddr {
        let wanted = match mode {
            Mode::Replace => SocketAddr::from((Ipv4Addr::LOCALHOST, port.unwrap_or(PORT))),
            Mode::StandBehind => SocketAddr::from((BEHIND, port.unwrap_or(PORT))),
        };
        if keep_servers && self.config.servers.is_empty() && self.config.endpoints.is_empty() {
            plan.block(
                "no server is known that jackline could forward to: name one, --server https://HOST:6443",
            );
        }
        match &self.text {
            None => {
                let text = self.text_for(plan, wanted, keep_servers);
                plan.change(DEFAULT_PATH, text.into_bytes(), "jackline's own configuration");
                wanted
            }
            Some(_) => {
                if keep_servers && !self.names_servers() {
                    plan.block(format!(
                        "{DEFAULT_PATH} names no servers, and the file that does is about to change: write into it: servers: {}",
                        self.config.servers.show()
                    ));
                }
                let fits = |address: &&SocketAddr| {
                    let right = match (mode, address.ip()) {
                        (Mode::Replace, ip) => ip == Ipv4Addr::LOCALHOST,
                        (Mode::StandBehind, IpAddr::V4(ip)) => ip.is_loopback() && ip != Ipv4Addr::LOCALHOST,
                        (Mode::StandBehind, IpAddr::V6(_)) => false,
                    };
                    right && port.is_none_or(|port| port == address.port())
                };
                if let Some(address) = self.config.listen.iter().find(fits) {
                    return *address;
                }
                let mut listen = self.config.listen.clone();
                listen.push(wanted);
                plan.block(format!(
                    "{DEFAULT_PATH} is yours and jackline does not listen on {wanted} with it: write into it: listen: {}",
                    listen.show()
                ));
                wanted
            }
        }
    }

    /// Sees to it that supervisors are carried too, at this port of the address that the distribution is pointed at. The
    /// profile has it so; an operator may have it otherwise.
    pub(crate) fn expect_supervisor(&self, plan: &mut Plan, port: u16) {
        let wanted = SocketAddr::from((BEHIND, port));
        let listens = self
            .config
            .services
            .supervisor
            .as_ref()
            .is_some_and(|supervisor| supervisor.listen.contains(&wanted));
        if !listens {
            plan.block(format!(
                "jackline does not carry supervisors on {wanted}, where RKE2 fetches its configuration: write into {DEFAULT_PATH}: \
                 services: {{ supervisor: {{ listen: [\"{wanted}\"] }} }}"
            ));
        }
    }

    fn text_for(&self, plan: &Plan, wanted: SocketAddr, keep_servers: bool) -> String {
        let mut text = format!(
            "# Written by `jackline setup --write --mode {}`. What is not here is found on the node: `jackline config show`.\n\
             profile: {}\n",
            plan.mode,
            plan.profile()
        );
        if keep_servers || !self.config.servers.is_empty() {
            let _ = writeln!(text, "servers: {}", self.config.servers.show());
        }
        if !self.config.listen.contains(&wanted) {
            let mut listen = self.config.listen.clone();
            listen.push(wanted);
            let _ = writeln!(text, "listen: {}", listen.show());
        }
        text
    }
}
