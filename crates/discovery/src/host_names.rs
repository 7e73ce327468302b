//! Names of hosts that are no servers: a CONNECT proxy's. Resolved as servers' names are, by the same files and name servers.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::time::Instant;

use crate::config::SystemFiles;
use crate::registration::resolve::{Lookups, Outcome};

/// Resolves names of hosts.
#[derive(Clone, Debug, Default)]
pub struct HostNames {
    /// Name servers to ask. Empty: those that the system is configured with.
    pub dns_servers: Vec<SocketAddr>,
    /// What else the system says of names.
    pub system: SystemFiles,
}

impl HostNames {
    /// All addresses of `name`, and how long they hold if that is told.
    ///
    /// # Errors
    /// In words, where there is none.
    pub async fn addresses(
        &self,
        name: &str,
        within: Duration,
    ) -> Result<(Vec<IpAddr>, Option<Duration>), String> {
        let deadline = Instant::now() + within;
        let lookups = Lookups::prepare(&self.dns_servers, &self.system, deadline).await;
        let found = lookups.find_host(name, deadline).await;
        let complaint = found.complaint(name);
        let (mut addresses, mut holds) = (Vec::new(), None::<Duration>);
        for outcome in [found.v4, found.v6] {
            if let Outcome::Told(told, ttl) = outcome {
                addresses.extend(told);
                holds = [holds, ttl].into_iter().flatten().min();
            }
        }
        match addresses.is_empty() {
            false => Ok((addresses, holds)),
            true => Err(complaint.unwrap_or_else(|| format!("{name} has no address"))),
        }
    }
}
