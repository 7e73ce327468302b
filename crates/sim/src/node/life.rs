//! Jackline's own start and end on a node, and the trust that it reads from files.

use std::time::Duration;

use jackline_core::Event;

use crate::node::Node;
use crate::scene::Scene;

impl Node {
    /// Starts jackline: what the state file holds are hints (P2).
    pub(crate) fn start_jackline(&mut self, scene: &mut Scene) {
        if self.mind.is_some() {
            return;
        }
        self.starts += 1;
        let seed = self.seed ^ (u64::from(self.starts) << 32);
        let mind = self.kind.start(self.spec.to_settings(), seed, scene.now);
        self.manner = mind.manner();
        self.mind = Some(mind);
        self.deadline = None;
        self.generation = 0;
        self.ca_read = self.ca_file;
        self.state = jackline_core::NodeState::Isolated;
        self.tally.attached = None;
        let (now, served) = (scene.now, scene.is_served(self.id));
        self.tally.turn(now, self.state, served);
        scene.log.tell(now, &self.spec.name, "starts");
        let remembered = self.disk.read();
        self.oracle
            .restart(remembered.as_ref().map(|(records, _)| records.as_slice()));
        match remembered {
            Some((records, authority)) => {
                let trusted = authority == self.ca_read;
                self.tell(scene, Event::MembershipRestored { records, trusted });
            }
            None => self.tell(scene, Event::DeadlineReached),
        }
    }

    /// Ends it, as by a signal that leaves no time: its sockets are closed by the kernel.
    pub(crate) fn stop_jackline(&mut self, scene: &mut Scene) {
        if self.mind.take().is_none() {
            return;
        }
        scene.log.tell(scene.now, &self.spec.name, "stops");
        self.deadline = None;
        self.drop_flows(scene);
        self.dials.clear();
        self.sessions.clear();
        self.kept.clear();
        self.told.clear();
        self.progressed.clear();
        self.refreshes.iter_mut().for_each(|refresh| *refresh = None);
        self.watches.iter_mut().for_each(|watch| *watch = None);
        self.tally.stop(scene.now);
        self.clients_lose_all(scene);
    }

    /// The files of CA and credentials have been read again.
    pub(crate) fn trust_read(&mut self, scene: &mut Scene) {
        if self.mind.is_none() {
            return;
        }
        let changed = self.ca_read != self.ca_file;
        self.ca_read = self.ca_file;
        if changed {
            self.kept.clear();
            self.oracle.trust_anew();
        }
        self.tell(scene, Event::TrustReloaded { changed });
    }

    /// Whether the CA that was read is another one.
    pub(crate) fn distrusts(&self, authority: u32) -> bool {
        self.ca_read != authority
    }

    /// How long until the agent's own look at the files (each 10 s).
    pub(crate) fn looks_at_files_in(&mut self) -> Duration {
        self.chance.millis(0, 10_000)
    }
}
