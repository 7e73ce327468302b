//! The journal's files: a ring of segments in a folder, written by a thread of its own. What the disk does not take is
//! held in memory, one segment at most, and tried again.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use crate::files::Files;
use crate::lines;

/// So many chunks wait for a disk that hangs; later ones are dropped.
const CHUNKS_MAX: usize = 64;
/// How long after a failure the disk is tried again.
pub(crate) const RETRY: Duration = Duration::from_secs(60);
const PREFIX: &str = "segment-";
const SUFFIX: &str = ".jsonl";

/// Whole lines.
pub(crate) struct Chunk {
    /// They begin a segment.
    pub(crate) opens: bool,
    pub(crate) text: String,
}

/// Where the journal's chunks go.
pub(crate) struct Outlet {
    sender: SyncSender<Chunk>,
    done: Receiver<()>,
}

impl Outlet {
    /// Starts the thread, which keeps at most about `size` bytes in `dir`.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(crate) fn start(files: Arc<dyn Files>, dir: PathBuf, size: u64, retry: Duration) -> io::Result<Self> {
        let (sender, chunks) = sync_channel(CHUNKS_MAX);
        let (ended, done) = sync_channel(1);
        let mut ring = Ring::new(files, dir, size, retry);
        std::thread::Builder::new()
            .name("jackline-journal".to_owned())
            .spawn(move || {
                ring.run(&chunks);
                let _ = ended.try_send(());
            })?;
        Ok(Self { sender, done })
    }

    /// Hands `chunk` on; `false`: it was dropped.
    pub(crate) fn hand(&self, chunk: Chunk) -> bool {
        match self.sender.try_send(chunk) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => false,
            // The thread died of a panic, which the hook told. There is no journal any more, and no gap in it.
            Err(TrySendError::Disconnected(_)) => true,
        }
    }

    /// Waits, not longer than `within`, until all is written.
    pub(crate) fn finish(self, within: Duration) {
        drop(self.sender);
        if self.done.recv_timeout(within) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!(target: "jackline", event = lines::JOURNAL_UNSAVED, "the journal could not be written in time; its end is lost");
        }
    }
}

struct Ring {
    files: Arc<dyn Files>,
    dir: PathBuf,
    size: u64,
    retry: Duration,
    /// The open segment; `None`: the next chunk that opens one.
    open: Option<Segment>,
    /// What of it is not on disk.
    held: String,
    /// The disk refuses; it is tried again at this moment.
    retry_at: Option<Instant>,
}

struct Segment {
    /// `None`: there is no file yet.
    path: Option<PathBuf>,
    /// So much of it is on disk.
    written: u64,
}

impl Ring {
    fn new(files: Arc<dyn Files>, dir: PathBuf, size: u64, retry: Duration) -> Self {
        Self {
            files,
            dir,
            size,
            retry,
            open: None,
            held: String::new(),
            retry_at: None,
        }
    }

    fn run(&mut self, chunks: &Receiver<Chunk>) {
        loop {
            let chunk = match self.retry_at {
                Some(at) => chunks.recv_timeout(at.saturating_duration_since(Instant::now())),
                None => chunks.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match chunk {
                Ok(chunk) => self.take(chunk),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.attempt(),
            }
            if self.retry_at.is_none_or(|at| at <= Instant::now()) {
                self.attempt();
            }
        }
    }

    fn take(&mut self, chunk: Chunk) {
        if chunk.opens {
            // What is held of the segment before is lost now: one segment in memory is the bound.
            self.held.clear();
            self.open = Some(Segment {
                path: None,
                written: 0,
            });
        }
        // Before the first opening, or after a lost one, lines would not replay.
        if self.open.is_some() {
            self.held.push_str(&chunk.text);
        }
    }

    fn attempt(&mut self) {
        if self.held.is_empty() {
            return;
        }
        match self.write() {
            Ok(()) => {
                if self.retry_at.take().is_some() {
                    tracing::info!(target: "jackline", event = lines::JOURNAL_SAVED, folder = %self.dir.display(), "the journal is written again");
                }
            }
            Err(error) => {
                if self.retry_at.is_none() {
                    let folder = self.dir.display();
                    tracing::warn!(target: "jackline", event = lines::JOURNAL_UNSAVED, %folder, %error, "the journal cannot be written and is kept in memory; it is tried again each minute");
                }
                self.retry_at = Some(Instant::now() + self.retry);
            }
        }
    }

    fn write(&mut self) -> io::Result<()> {
        let Some(segment) = &mut self.open else {
            return Ok(());
        };
        let path = match &segment.path {
            Some(path) => path.clone(),
            None => next(&*self.files, &self.dir, self.size)?,
        };
        segment.path = Some(path.clone());
        self.files.write(&path, segment.written, self.held.as_bytes())?;
        segment.written += self.held.len() as u64;
        self.held.clear();
        Ok(())
    }
}

/// The path of a new segment; old ones are removed to make room for it.
fn next(files: &dyn Files, dir: &Path, size: u64) -> io::Result<PathBuf> {
    files.make_dir(dir)?;
    let mut segments: Vec<(u64, String, u64)> = files
        .list(dir)?
        .into_iter()
        .filter_map(|(name, bytes)| Some((number(&name)?, name, bytes)))
        .collect();
    segments.sort_unstable();
    let newest = segments.last().map_or(0, |(number, _, _)| *number);
    let mut room = size.saturating_sub(size / super::SEGMENTS);
    let mut full = false;
    for (_, name, bytes) in segments.iter().rev() {
        full = full || *bytes > room;
        if full {
            files.remove(&dir.join(name))?;
        } else {
            room -= bytes;
        }
    }
    Ok(dir.join(format!("{PREFIX}{:08}{SUFFIX}", newest.saturating_add(1))))
}

fn number(name: &str) -> Option<u64> {
    name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.parse().ok()
}

/// The segments in `dir`, oldest first.
///
/// # Errors
/// The folder cannot be read.
pub fn segments(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found: Vec<(u64, PathBuf)> = std::fs::read_dir(dir)?
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            Some((number(path.file_name()?.to_str()?)?, path))
        })
        .collect();
    found.sort_unstable();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}
