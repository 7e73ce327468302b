//! Writes the state file on a thread of its own, the newest state only, and goes on in memory when it cannot (P3).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use jackline_admin::StateFileView;
use jackline_admin::status::StateFileStatus;
use jackline_core::{Record, Timestamp};

use super::format::{self, Earlier, Memory};
use super::{Found, path, replace, set_aside};
use crate::files::Files;
use crate::lines;

/// How long after a failure the next attempt is made, if nothing new comes first.
pub(crate) const RETRY: Duration = Duration::from_secs(60);

/// The state file of a running jackline.
pub(crate) struct Saver {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    dir: PathBuf,
    files: Arc<dyn Files>,
    retry: Duration,
    inner: Mutex<Inner>,
    changed: Condvar,
}

struct Inner {
    /// What waits to be written; a newer one takes its place.
    waiting: Option<Waiting>,
    /// An attempt is under way.
    writing: bool,
    /// Attempt again at this moment.
    retry_at: Option<Instant>,
    closing: bool,
    saved: Option<SystemTime>,
    /// Why the last attempt failed.
    failure: Option<String>,
    /// What was wrong at start.
    note: Option<String>,
    /// An unusable file that is still in the way.
    in_the_way: Option<&'static str>,
    /// What is known of the endpoints that are remembered, besides their records.
    earlier: BTreeMap<SocketAddr, Earlier>,
    /// The CA keys of the last file that had any.
    cluster: Vec<String>,
}

struct Waiting {
    records: Vec<Record>,
    cluster: Vec<String>,
    now: Timestamp,
    wall: SystemTime,
}

impl Saver {
    /// Starts the thread. `found` is what [`super::read`] gave, judged.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(crate) fn start(
        files: Arc<dyn Files>,
        dir: PathBuf,
        found: &Found,
        retry: Duration,
    ) -> std::io::Result<Self> {
        let memory = found.memory.as_ref();
        let inner = Inner {
            waiting: None,
            writing: false,
            retry_at: None,
            closing: false,
            saved: memory.and_then(|memory| memory.written).map(SystemTime::from),
            failure: None,
            note: found.note.clone(),
            in_the_way: found.in_the_way,
            earlier: memory.map(Memory::earlier).unwrap_or_default(),
            cluster: memory.map(|memory| memory.cluster.clone()).unwrap_or_default(),
        };
        let shared = Arc::new(Shared {
            dir,
            files,
            retry,
            inner: Mutex::new(inner),
            changed: Condvar::new(),
        });
        let worker = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("jackline-state".to_owned())
            .spawn(move || worker.run())?;
        Ok(Self {
            shared,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Has `records`, whole, written as soon as may be. Returns at once; what waits unwritten is dropped for it.
    /// `cluster` are the fingerprints of today's CA; where there are none, those of the last file are kept.
    pub(crate) fn save(&self, records: Vec<Record>, cluster: Vec<String>, now: Timestamp, wall: SystemTime) {
        let mut inner = self.shared.lock();
        inner.waiting = Some(Waiting {
            records,
            cluster,
            now,
            wall,
        });
        // While the disk refuses, its own pace is kept: the newest state waits for it.
        drop(inner);
        self.shared.changed.notify_all();
    }

    /// Keeps a copy of the file as it is now aside. Gives its path; `None`: there is no file yet. Waits for the disk.
    ///
    /// # Errors
    /// The disk does not take it.
    pub(crate) fn keep_aside(&self, word: &str) -> std::io::Result<Option<PathBuf>> {
        super::keep_aside(&*self.shared.files, &self.shared.dir, word)
    }

    /// How it fares.
    pub(crate) fn view(&self) -> StateFileView {
        let inner = self.shared.lock();
        let status = match (&inner.failure, inner.saved) {
            (Some(_), _) => StateFileStatus::MemoryOnly,
            (None, Some(_)) => StateFileStatus::Saved,
            (None, None) => StateFileStatus::Empty,
        };
        let ready = |(address, earlier): (&SocketAddr, &Earlier)| Some((*address, earlier.ready?.into()));
        StateFileView {
            path: path(&self.shared.dir),
            saved: inner.saved,
            status,
            note: inner.failure.clone().or_else(|| inner.note.clone()),
            last_ready: inner.earlier.iter().filter_map(ready).collect(),
        }
    }

    /// Waits, not longer than `within`, until nothing waits to be written. Whether that is so.
    pub(crate) fn settle(&self, within: Duration) -> bool {
        let mut inner = self.shared.lock();
        let deadline = Instant::now() + within;
        while inner.waiting.is_some() || inner.writing {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            inner = self
                .shared
                .changed
                .wait_timeout(inner, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }

    /// Writes what waits, and ends. Waits no longer than `within`; a disk that hangs is left hanging.
    pub(crate) fn finish(&self, within: Duration) {
        self.shared.lock().closing = true;
        self.shared.changed.notify_all();
        if !self.settle(within) {
            tracing::warn!(target: "jackline", event = lines::STATE_LATE, "the state file could not be written in time; the last changes are lost");
            return;
        }
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // It has nothing left to do. A panic of it was told by the hook.
            let _ = thread.join();
        }
    }
}

impl Drop for Saver {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        while let Some(waiting) = self.next() {
            let (memory, in_the_way) = {
                let inner = self.lock();
                let cluster = if waiting.cluster.is_empty() {
                    inner.cluster.clone()
                } else {
                    waiting.cluster.clone()
                };
                let memory = Memory::of(
                    &waiting.records,
                    cluster,
                    &inner.earlier,
                    waiting.now,
                    waiting.wall,
                );
                (memory, inner.in_the_way)
            };
            let written = self.write(&memory, in_the_way);
            self.settle(waiting, memory, written);
        }
    }

    /// What is to be written next; waits for it. `None`: nothing any more.
    fn next(&self) -> Option<Waiting> {
        let mut inner = self.lock();
        loop {
            let due = match inner.retry_at {
                // At the end there is one more attempt, due or not.
                Some(at) if !inner.closing => at.saturating_duration_since(Instant::now()),
                _ => Duration::ZERO,
            };
            if inner.waiting.is_some() && due.is_zero() {
                inner.writing = true;
                return inner.waiting.take();
            }
            if inner.closing {
                return None;
            }
            inner = if inner.waiting.is_some() {
                self.changed
                    .wait_timeout(inner, due)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            } else {
                self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner)
            };
        }
    }

    fn write(&self, memory: &Memory, in_the_way: Option<&str>) -> Result<(), String> {
        let bytes = format::encode(memory).map_err(|error| error.to_string())?;
        if let Some(word) = in_the_way {
            set_aside(&*self.files, &self.dir, word).map_err(|error| {
                format!("an unusable file is in the way and cannot be set aside: {error}")
            })?;
            self.lock().in_the_way = None;
        }
        replace(&*self.files, &self.dir, &bytes).map_err(|error| error.to_string())
    }

    /// Takes note of how an attempt ended, and tells a change.
    fn settle(&self, waiting: Waiting, memory: Memory, written: Result<(), String>) {
        let file = path(&self.dir);
        let mut inner = self.lock();
        inner.writing = false;
        inner.earlier = memory.earlier();
        match written {
            Ok(()) => {
                if inner.failure.take().is_some() {
                    tracing::info!(target: "jackline", event = lines::STATE_SAVED, file = %file.display(), "the state file is written again");
                }
                inner.retry_at = None;
                inner.saved = Some(waiting.wall);
                inner.cluster = memory.cluster;
            }
            Err(error) => {
                let failure = format!("memory only, {} cannot be written: {error}", file.display());
                if inner.failure.as_ref() != Some(&failure) {
                    tracing::error!(
                        target: "jackline",
                        event = lines::STATE_UNSAVED,
                        "{failure}; a restart would forget what is learnt from now on; free some space or mend the folder's mode"
                    );
                }
                inner.failure = Some(failure);
                if !inner.closing {
                    inner.retry_at = Some(Instant::now() + self.retry);
                    inner.waiting.get_or_insert(waiting);
                }
            }
        }
        drop(inner);
        self.changed.notify_all();
    }
}
