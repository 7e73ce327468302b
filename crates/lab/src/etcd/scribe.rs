//! What an apiserver writes into etcd of itself, as real ones and K3s do: its key under `/registry/masterleases/`, with a
//! lease that runs out, and the list `k3s/apiaddresses`, without one.

use std::net::SocketAddr;
use std::time::Duration;

use super::Access;

/// Where apiservers keep their leases.
pub(crate) const LEASES: &str = "/registry/masterleases/";

/// Where K3s keeps its list.
pub(crate) const LIST: &str = "k3s/apiaddresses";

/// An apiserver that stops gives up its lease if that does not take longer.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);

/// The key of an apiserver's lease.
pub(crate) fn lease(server: SocketAddr) -> String {
    format!("{LEASES}{}", server.ip())
}

/// The value of the list.
pub(crate) fn list(servers: &[SocketAddr]) -> String {
    let servers: Vec<String> = servers.iter().map(ToString::to_string).collect();
    format!("{}\n", serde_json::json!(servers))
}

/// The hand of one apiserver.
pub(crate) struct Scribe {
    pub(super) access: Access,
    pub(super) server: SocketAddr,
    /// How long the lease lasts.
    pub(super) lasts: Duration,
}

impl Scribe {
    /// Renews the lease and writes the list. A turn that fails is made up for by the next one.
    pub(crate) async fn renew(&self, servers: &[SocketAddr]) {
        if self.access.is_withheld() {
            return;
        }
        let seconds = self.lasts.as_secs().max(1);
        let (gateway, member) = (&self.access.gateway, self.access.member());
        let written = async {
            gateway
                .put_for(member, &lease(self.server), b"{}", seconds)
                .await?;
            if !servers.is_empty() {
                gateway.put(member, LIST, list(servers).as_bytes()).await?;
            }
            anyhow::Ok(())
        };
        if let Err(error) = written.await {
            tracing::debug!(server = %self.server, error = %format!("{error:#}"), "cannot write to etcd");
            self.access.next_member();
        }
    }

    /// Gives up the lease, as an apiserver does that stops cleanly.
    pub(crate) async fn leave(&self) {
        let (key, member) = (lease(self.server), self.access.member());
        let gone = self.access.gateway.delete(member, &key);
        // One that does not get through runs out.
        let _ = tokio::time::timeout(LEAVE_WITHIN, gone).await;
    }
}
