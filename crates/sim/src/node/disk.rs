//! The node's state file, written as `crates/agent` writes it (P1): a temporary file, fsync, rename. A crash between any two
//! steps leaves the old file or the new one.

use std::time::Duration;

use jackline_core::Record;

use crate::node::Node;
use crate::scene::{Happening, Scene};

/// How long each step takes, and when a write that failed is tried again.
const WRITES: Duration = Duration::from_millis(3);
const RENAMES: Duration = Duration::from_millis(3);
const AGAIN: Duration = Duration::from_secs(10);

/// The disk.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    file: File,
    /// The newest that is to be written.
    waiting: Option<Vec<Record>>,
    /// Written under the temporary name, not renamed yet.
    temporary: Option<(Vec<Record>, u32)>,
    pub(crate) full: bool,
    /// Jackline dies the next time it stands between writing and renaming.
    pub(crate) dies_before_rename: bool,
}

/// The state file.
#[derive(Debug, Default)]
pub(crate) enum File {
    #[default]
    Missing,
    /// What it remembers, and under which CA.
    Good(Vec<Record>, u32),
    Rotten,
}

impl Disk {
    /// Somebody else damages or removes the file.
    pub(crate) fn spoil(&mut self, entirely: bool) {
        self.file = if entirely { File::Missing } else { File::Rotten };
    }

    /// What is found at start. A damaged file is set aside (P2).
    pub(crate) fn read(&mut self) -> Option<(Vec<Record>, u32)> {
        self.waiting = None;
        self.temporary = None;
        match &self.file {
            File::Good(records, authority) => Some((records.clone(), *authority)),
            File::Missing => None,
            File::Rotten => {
                self.file = File::Missing;
                None
            }
        }
    }
}

impl Node {
    pub(crate) fn persist(&mut self, scene: &mut Scene, records: Vec<Record>) {
        let idle = self.disk.waiting.is_none() && self.disk.temporary.is_none();
        self.disk.waiting = Some(records);
        if idle {
            scene.later(WRITES, Happening::Disk(self.id));
        }
    }

    /// The next step of writing.
    pub(crate) fn disk_due(&mut self, scene: &mut Scene) {
        if self.mind.is_none() {
            return;
        }
        if let Some((records, authority)) = self.disk.temporary.take() {
            self.disk.file = File::Good(records, authority);
        }
        let Some(records) = self.disk.waiting.take() else {
            return;
        };
        if self.disk.full {
            // P3: memory only, and tried again.
            self.disk.waiting = Some(records);
            return scene.later(AGAIN, Happening::Disk(self.id));
        }
        self.disk.temporary = Some((records, self.ca_read));
        if std::mem::take(&mut self.disk.dies_before_rename) {
            self.stop_jackline(scene);
            let after = self.chance.millis(500, 3000);
            return scene.later(after, Happening::NodeStarts(self.id));
        }
        scene.later(RENAMES, Happening::Disk(self.id));
    }
}
