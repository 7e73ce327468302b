//! What a play does to servers, nodes and clients. Each deed tells itself on the timeline.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use futures_util::future::join_all;

use super::Stage;
use crate::clients::judge::Kill;
use crate::clients::{Client, Kind, Setting};
use crate::node::Node;
use crate::verdict::{counted, millis, seconds};
use crate::{Server, Shutdown, StartAs};

impl Stage {
    pub(crate) fn say(&self, text: impl Into<String>) {
        self.timeline.say(text);
    }

    /// From now on requests count.
    pub(crate) fn fault_begins(&mut self) -> Instant {
        *self.fault.get_or_insert_with(Instant::now)
    }

    pub(crate) fn server(&self, name: &str) -> anyhow::Result<Server> {
        Ok(self.plane.server(name)?)
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self, name: &str) -> anyhow::Result<Instant> {
        let server = self.server(name)?;
        self.fault_begins();
        self.say(format!("{name} is killed"));
        let at = Instant::now();
        server.kill();
        self.kills.push(Kill {
            server: name.to_owned(),
            at,
        });
        Ok(at)
    }

    /// A clean stop; returns once it is gone.
    pub(crate) async fn stop(&mut self, name: &str, shutdown: Shutdown) -> anyhow::Result<Instant> {
        let server = self.server(name)?;
        self.fault_begins();
        self.say(match shutdown {
            Shutdown::AtOnce => format!("{name} is stopped cleanly"),
            Shutdown::Delayed(delay) => {
                format!(
                    "{name} is stopped cleanly, with a shutdown delay of {}",
                    seconds(millis(delay))
                )
            }
        });
        let at = Instant::now();
        server.stop(shutdown).await;
        Ok(at)
    }

    pub(crate) fn start_server(&self, name: &str, as_what: StartAs) -> anyhow::Result<()> {
        let how = match &as_what {
            StartAs::Fresh => "",
            StartAs::EmptyList => ", telling an empty list until it is ready",
            StartAs::ShortList(_) => ", telling a short list until it is ready",
            StartAs::DeadList => ", telling a list of dead servers until it is ready",
        };
        self.say(format!("{name} starts{how}"));
        Ok(self.server(name)?.start(as_what)?)
    }

    /// The server that the first node's new connections went to last.
    ///
    /// # Errors
    /// When none went anywhere.
    pub(crate) fn server_in_use(&self) -> anyhow::Result<Server> {
        self.server_in_use_of(0)
    }

    /// The same of another node.
    ///
    /// # Errors
    /// When none went anywhere.
    pub(crate) fn server_in_use_of(&self, node: usize) -> anyhow::Result<Server> {
        let requests = self.ledger.requests();
        let mut new = requests
            .iter()
            .rev()
            .filter(|request| request.node == node && request.kind == Kind::Fresh);
        let name = new
            .find_map(|request| self.plane.sighting(&request.id.to_string()))
            .map(|sighting| sighting.server);
        self.server(&name.context("a node's new connections have reached no server")?)
    }

    /// Connections that the servers have accepted.
    pub(crate) fn accepted(&self) -> u64 {
        self.plane.servers().iter().map(Server::accepted).sum()
    }

    pub(crate) async fn start_nodes(&mut self) -> anyhow::Result<()> {
        let all = self.nodes.iter_mut().chain(&mut self.residents);
        let starts: Vec<_> = all.map(Node::start).collect();
        let count = counted(starts.len() as u64, "node", "nodes");
        self.timeline
            .say(format!("{count} started, each with a jackline of its own"));
        for started in join_all(starts).await {
            started?;
        }
        Ok(())
    }

    /// The clients rest: no request of theirs is under way afterwards. For times at which a node is off by intent.
    pub(crate) async fn rest_clients(&mut self) {
        let clients: Vec<_> = self.nodes.iter_mut().flat_map(Node::take_clients).collect();
        join_all(clients.into_iter().map(Client::finish)).await;
    }

    /// The clients of every node.
    pub(crate) fn start_clients(&mut self) {
        let kinds = self.clients.clone();
        for index in 0..self.nodes.len() {
            let setting = self.client_setting(index);
            self.nodes[index].add_clients(&kinds, &setting);
        }
        let words: Vec<String> = kinds.iter().map(ToString::to_string).collect();
        let rate = self.rate;
        self.say(format!(
            "each node's clients start ({}): {rate} requests a second each",
            words.join(", ")
        ));
    }

    fn client_setting(&self, index: usize) -> Setting {
        let node = &self.nodes[index];
        Setting {
            node: index,
            name: node.name().to_owned(),
            kind: Kind::Fresh,
            listener: node.listener(),
            place: node.config.place.clone(),
            identity: Arc::clone(&node.identity),
            plane: self.plane.clone(),
            ledger: Arc::clone(&self.ledger),
            rate: self.rate,
        }
    }

    /// Lets time pass: the length is the story's, nothing is waited for.
    pub(crate) async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// A person's wait, divided by the factor.
    pub(crate) fn compressed(&self, real: Duration) -> Duration {
        real / self.factor.max(1)
    }
}
