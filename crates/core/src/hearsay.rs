//! H5: what a CONNECT proxy says of a server, in words (5xx), by silence, or by hanging up. It may be true, and it may be the
//! proxy that fails: that is told by comparison.
//!
//! It counts only once the proxy has opened a way to another server since it spoke, and each word needs a proof of its own: a
//! proxy that dies takes no server's good name with it.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::action::Action;
use crate::endpoint::{Outstanding, Weight};
use crate::evidence::Evidence;
use crate::local_fault::{LocalFault, ProxyFailure, ProxyFault};
use crate::policy::Policy;
use crate::snapshot::Health;
use crate::suspicion::BURST_FOR;

impl Policy {
    /// A probe ended in a proxy's word against the server.
    pub(crate) fn take_hearsay(
        &mut self,
        address: SocketAddr,
        outstanding: Outstanding,
        fault: ProxyFault,
        actions: &mut Vec<Action>,
    ) {
        let Some(endpoint) = self.endpoints.get_mut(&address) else {
            return;
        };
        let judgement = &mut endpoint.judgement;
        let since = *judgement.hearsay_since.get_or_insert(outstanding.started);
        // Who is judged so already needs no proof to stay it.
        let judged = judgement.health == Health::Unreachable;
        if !judged && !self.has_witness_since(address, since) {
            self.suspect(address, Weight::Strong);
            self.ask_witnesses(address);
            self.take_endpoint_fault(address, LocalFault::Proxy(fault), actions);
            return;
        }
        if let Some(endpoint) = self.endpoints.get_mut(&address) {
            endpoint.judgement.hearsay_since = None;
            endpoint.judgement.blocked = None;
            if !judged {
                // An old suspicion's close looks are long over: whether it answers decides now (H7).
                endpoint.probing.burst_until = Some(self.now + BURST_FOR);
            }
        }
        let evidence = match fault.how {
            ProxyFailure::Silent => Evidence::TimedOut,
            _ => Evidence::Refused,
        };
        self.take_bad_end(address, outstanding, evidence, fault.to_string(), actions);
    }
}
