//! An operator's word that what is only remembered is wrong: the remedy for a stale memory, without a restart.
//!
//! What some source lists stays, for that is no memory; so does what is ready or carries sessions, for that has proven
//! itself. All else goes, and every source is asked afresh. Nothing that is forgotten here is lost: whoever lists it brings
//! it back.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::action::Action;
use crate::notice::Notice;
use crate::policy::Policy;

/// So many of those forgotten are named.
const NAMED_MAX: usize = 8;

impl Policy {
    /// Forgets what is only remembered, and asks every source.
    pub(crate) fn reset(&mut self, actions: &mut Vec<Action>) {
        let remembered: Vec<SocketAddr> = self
            .endpoints
            .iter()
            .filter(|(_, endpoint)| {
                endpoint.membership.listed_by.is_empty()
                    && !endpoint.is_ready()
                    && endpoint.traffic.sessions == 0
            })
            .map(|(&address, _)| address)
            .collect();
        for &address in &remembered {
            self.forget(address);
        }
        self.refresh_all();
        self.remember();
        let names: Vec<String> = remembered
            .iter()
            .take(NAMED_MAX)
            .map(ToString::to_string)
            .collect();
        let text = match remembered.len() {
            0 => {
                "memory reset by an operator: nothing was only remembered; every source is asked".to_string()
            }
            all => {
                let more = if all > NAMED_MAX { " …" } else { "" };
                let names = names.join(", ");
                format!("memory reset by an operator: {all} forgotten ({names}{more}); every source is asked")
            }
        };
        self.announce_node(Notice::MembershipReset, text, actions);
    }
}
