//! Reads a segment back: the core as it was, and the events that it was told, one after the other.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;

use jackline_core::{Action, Policy};

pub use super::ring::segments;
use super::{FORMAT, Header, Line, What};

/// A longer line is none of ours.
const LINE_MAX: u64 = 64 << 20;

/// Why a segment cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The disk does not give it.
    #[error("the journal segment cannot be read: {0}")]
    Read(#[from] io::Error),
    /// A line is not what was once written.
    #[error("line {line} of the journal segment is damaged: {why}")]
    Damaged {
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// Another version of jackline wrote it.
    #[error(
        "the journal segment has format {0}; this jackline reads {FORMAT}: play it with the version that wrote it"
    )]
    Format(u32),
}

/// A segment under way: an iterator over its lines, oldest first.
///
/// A last line that was cut short by a kill ends it like the end of the file does.
pub struct Replay<R> {
    /// How it opens.
    pub header: Header,
    reader: R,
    line: u64,
    cut: bool,
}

/// Opens the segment at `path`.
///
/// # Errors
/// It cannot be read, or its first line is no header of ours.
pub fn replay(path: &Path) -> Result<Replay<BufReader<File>>, ReplayError> {
    Replay::new(BufReader::new(File::open(path)?))
}

impl<R: BufRead> Replay<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// It cannot be read, or the first line is no header of ours.
    pub fn new(mut reader: R) -> Result<Self, ReplayError> {
        #[derive(serde::Deserialize)]
        struct Version {
            jackline_journal: u32,
        }
        let damaged = |why: String| ReplayError::Damaged { line: 1, why };
        let text = match read_line(&mut reader, 1)? {
            Read::Line(text) => text,
            Read::Cut | Read::End => return Err(damaged("there is no whole line".to_owned())),
        };
        let version: Version = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        if version.jackline_journal != FORMAT {
            return Err(ReplayError::Format(version.jackline_journal));
        }
        let header = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        Ok(Self {
            header,
            reader,
            line: 1,
            cut: false,
        })
    }

    /// The number of the line that was read last, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Whether the end was in the middle of a line, as after a kill.
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// Plays the rest of the segment on a copy of its checkpoint; `see` is told of each event's line, the core after
    /// it, and what it wants done. Stops at a recorded panic: the core is not to be played over it again.
    ///
    /// # Errors
    /// A line is damaged or cannot be read.
    pub fn play(mut self, mut see: impl FnMut(&Line, &Policy, &[Action])) -> Result<Policy, ReplayError> {
        let mut policy = self.header.checkpoint.clone();
        let mut next = self.next().transpose()?;
        while let Some(line) = next.take() {
            next = self.next().transpose()?;
            let What::Event(event) = &line.what else { break };
            if next
                .as_ref()
                .is_some_and(|next| matches!(next.what, What::Panic(_)))
            {
                break;
            }
            let mut actions = Vec::new();
            policy.step(line.at, event.clone(), &mut actions);
            see(&line, &policy, &actions);
        }
        Ok(policy)
    }
}

impl<R: BufRead> Iterator for Replay<R> {
    type Item = Result<Line, ReplayError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.line += 1;
        let text = match read_line(&mut self.reader, self.line) {
            Ok(Read::Line(text)) => text,
            Ok(Read::End) => return None,
            Ok(Read::Cut) => {
                self.cut = true;
                return None;
            }
            Err(error) => return Some(Err(error)),
        };
        let damaged = |why: serde_json::Error| ReplayError::Damaged {
            line: self.line,
            why: why.to_string(),
        };
        let line: Result<Line, ReplayError> = serde_json::from_str(&text).map_err(damaged);
        Some(line.map(|mut line| {
            // An empty list is not written.
            if self.header.tells_actions && matches!(line.what, What::Event(_)) {
                line.actions.get_or_insert_default();
            }
            line
        }))
    }
}

/// What was read.
enum Read {
    /// A whole line, without its end.
    Line(String),
    /// A part of a line, and then the end.
    Cut,
    /// The end.
    End,
}

fn read_line(reader: &mut impl BufRead, line: u64) -> Result<Read, ReplayError> {
    let mut text = Vec::new();
    reader.take(LINE_MAX).read_until(b'\n', &mut text)?;
    if text.is_empty() {
        return Ok(Read::End);
    }
    if text.pop() != Some(b'\n') {
        if text.len() as u64 + 1 >= LINE_MAX {
            return Err(ReplayError::Damaged {
                line,
                why: "longer than 64 MiB".to_owned(),
            });
        }
        return Ok(Read::Cut);
    }
    String::from_utf8(text)
        .map(Read::Line)
        .map_err(|error| ReplayError::Damaged {
            line,
            why: error.to_string(),
        })
}
