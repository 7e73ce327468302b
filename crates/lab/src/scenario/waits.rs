//! What a play waits for, always with a limit.

use std::time::{Duration, Instant};

use anyhow::Context;
use futures_util::future::join_all;

use super::Stage;
use crate::node::Status;
use crate::verdict::{counted, millis, seconds};
use crate::{ControlPlane, Server};

/// A server that is not ready this long after its start is the lab's own fault.
const SERVER_TIMEOUT: Duration = Duration::from_secs(20);

/// Nodes learn and test all servers within a moment after they started.
const KNOWN_WITHIN: Duration = Duration::from_secs(5);

impl Stage {
    /// Every server that runs becomes ready.
    ///
    /// # Errors
    /// When one does not: the lab's own fault.
    pub(crate) async fn wait_servers_ready(&self) -> anyhow::Result<()> {
        let serving = |server: &&Server| server.role().serves_api() && server.is_running();
        let ready = self
            .plane
            .wait_until(SERVER_TIMEOUT, |plane| {
                plane
                    .servers()
                    .iter()
                    .filter(serving)
                    .all(|server| server.is_ready() && plane.list().contains(&server.address()))
            })
            .await;
        anyhow::ensure!(
            ready,
            "a server did not become ready within {} s",
            SERVER_TIMEOUT.as_secs()
        );
        Ok(())
    }

    /// Every node knows every apiserver as ready, so that its clients' first sessions go where later ones will. A node that
    /// takes longer is tested as it is.
    pub(crate) async fn wait_all_servers_known(&self) {
        let servers = self
            .plane
            .servers()
            .iter()
            .filter(|server| server.role().serves_api());
        let addresses: Vec<_> = servers.map(Server::address).collect();
        let ready = |status: &Status, address| {
            status
                .endpoint(address)
                .is_some_and(|found| found.health == "ready")
        };
        let all = |status: &Status| addresses.iter().all(|address| ready(status, *address));
        self.wait_nodes(Instant::now(), KNOWN_WITHIN, all).await;
    }

    /// A server becomes ready; says since when some server has been ready without a break.
    ///
    /// # Errors
    /// When it does not: the lab's own fault.
    pub(crate) async fn wait_ready(&self, name: &str) -> anyhow::Result<Instant> {
        let server = self.server(name)?;
        let ready = self.plane.wait_until(SERVER_TIMEOUT, |_| server.is_ready()).await;
        anyhow::ensure!(
            ready,
            "{name} did not become ready within {} s",
            SERVER_TIMEOUT.as_secs()
        );
        self.say(format!("{name} is ready"));
        server
            .ready_since()
            .with_context(|| format!("{name} is ready and no longer"))
    }

    /// Every node says that it is attached; one that does not within the patience is stuck. The times count from
    /// `since` and go into the verdict only by [`Stage::recovered`].
    pub(crate) async fn wait_attached(&mut self, since: Instant, when: &str) -> Vec<Option<Duration>> {
        let deadline = Instant::now() + self.patience;
        let waits = self
            .nodes
            .iter()
            .map(|node| node.wait(since, deadline, |status| status.attached()));
        let attached = join_all(waits).await;
        let mut times = Vec::new();
        for (index, at) in attached.into_iter().enumerate() {
            if at.is_none() {
                self.stuck.insert(index);
                self.say(format!("{} is stuck {when}", self.nodes[index].name()));
            }
            times.push(at.map(|at| at.saturating_duration_since(since)));
        }
        times
    }

    /// As [`Stage::wait_attached`], and the times are recoveries.
    pub(crate) async fn recovered(&mut self, since: Instant, when: &str) {
        let times = self.wait_attached(since, when).await;
        let recovered: Vec<Duration> = times.into_iter().flatten().collect();
        if let Some(worst) = recovered.iter().max() {
            let count = counted(recovered.len() as u64, "node", "nodes");
            self.say(format!(
                "{count} attached again, the last after {}",
                seconds(millis(*worst))
            ));
        }
        self.recoveries.extend(recovered);
    }

    /// Every node says that it is not attached. `false`: some did not within the limit.
    pub(crate) async fn wait_not_attached(&self, since: Instant, limit: Duration) -> bool {
        self.wait_nodes(since, limit, |status| !status.attached()).await
    }

    /// The status of every node satisfies this. `false`: of some it did not within the limit.
    pub(crate) async fn wait_nodes(
        &self,
        since: Instant,
        limit: Duration,
        holds: impl Fn(&Status) -> bool,
    ) -> bool {
        let deadline = Instant::now() + limit;
        let waits = self.nodes.iter().map(|node| node.wait(since, deadline, &holds));
        join_all(waits).await.iter().all(Option::is_some)
    }

    /// A client of every node gets an answer to a request that began after this.
    pub(crate) async fn wait_clients_answered(&self, since: Instant, limit: Duration) -> anyhow::Result<()> {
        let all =
            |_: &ControlPlane| (0..self.nodes.len()).all(|node| self.ledger.answered_since(node, since));
        let answered = tokio::time::timeout(limit, async {
            let mut ticks = tokio::time::interval(Duration::from_millis(20));
            while !all(&self.plane) {
                ticks.tick().await;
            }
        });
        anyhow::ensure!(
            answered.await.is_ok(),
            "a node's clients got no answer within {} s",
            limit.as_secs()
        );
        Ok(())
    }
}
