//! Where a journal is: people give a segment, the journal's folder, or the folder of all state.

use std::path::{Path, PathBuf};

use super::super::replay::segments;

/// Why there is no journal.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// There is nothing of that name, or it may not be looked at.
    #[error("{}: {source}", .path.display())]
    Look {
        /// What was given.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is no segment in it.
    #[error(
        "{} holds no segment of a journal: give a file segment-….jsonl, a folder with some, or jackline's state folder", .0.display()
    )]
    Empty(PathBuf),
}

/// The segments that `path` stands for, oldest first.
///
/// # Errors
/// It cannot be looked at, or holds none.
pub fn find(path: &Path) -> Result<Vec<PathBuf>, FindError> {
    let look = |source| FindError::Look {
        path: path.to_owned(),
        source,
    };
    if !std::fs::metadata(path).map_err(look)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    for folder in [path.to_owned(), path.join("journal")] {
        if folder.is_dir() {
            let found = segments(&folder).map_err(look)?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
    }
    Err(FindError::Empty(path.to_owned()))
}
