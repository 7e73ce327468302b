//! A support bundle: what somebody else needs to see of a node, in one file without secrets. A plain `tar`, which any machine opens.
//!
//! Every text passes [`redact`] on its way in, whoever wrote it: what is taken out twice is out.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::redact;

/// The end of the journal that goes in, in bytes.
const JOURNAL_TAIL: u64 = 2 << 20;
/// No text is longer: more than the longest status, with room.
const TEXT_MAX: usize = 8 << 20;
/// A block of the archive.
const BLOCK: usize = 512;
/// The longest name in it.
const NAME_MAX: usize = 100;

/// One text of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// Its name in the bundle.
    pub name: String,
    /// What it holds, before secrets are taken out.
    pub text: String,
}

impl Text {
    /// A text of this name.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            text: text.into(),
        }
    }
}

/// The archive's bytes: each text without its secrets, under `folder`. `now` is in seconds since 1970.
#[must_use]
pub fn pack(folder: &str, texts: &[Text], now: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for text in texts {
        let clean = redact(cut(&text.text));
        entry(
            &mut bytes,
            &format!("{folder}/{}", text.name),
            clean.as_bytes(),
            now,
        );
    }
    // Two empty blocks end it.
    bytes.resize(bytes.len() + 2 * BLOCK, 0);
    bytes
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(TEXT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// A header of POSIX's `ustar`, and the contents in whole blocks.
fn entry(bytes: &mut Vec<u8>, name: &str, contents: &[u8], now: u64) {
    let mut header = [0_u8; BLOCK];
    let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
    put(0, &name.as_bytes()[..name.len().min(NAME_MAX)]);
    put(100, b"0000600\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{:011o}\0", contents.len()).as_bytes());
    put(136, format!("{now:011o}\0").as_bytes());
    // The sum is taken with blanks in its own place.
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    bytes.extend_from_slice(&header);
    bytes.extend_from_slice(contents);
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
}

/// The end of the newest segment of the journal in `state_dir`, beginning with a whole line; `None`: there is none, or it may not
/// be read.
#[must_use]
pub fn journal_tail(state_dir: &Path) -> Option<Text> {
    let segments = fs::read_dir(state_dir.join("journal")).ok()?.flatten();
    let newest = segments
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .filter(|entry| entry.metadata().is_ok_and(|found| found.len() > 0))
        .max_by_key(|entry| entry.metadata().and_then(|found| found.modified()).ok())?;
    let text = tail(&newest.path()).ok()?;
    let name = newest.file_name().to_string_lossy().into_owned();
    Some(Text::new(format!("journal/{name}"), text))
}

fn tail(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let skipped = length.saturating_sub(JOURNAL_TAIL);
    file.seek(SeekFrom::Start(skipped))?;
    let mut bytes = Vec::new();
    file.take(JOURNAL_TAIL).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(match (skipped, text.split_once('\n')) {
        (1.., Some((_, whole))) => whole.to_owned(),
        _ => text,
    })
}

/// Versions of what is at work here: kernel, distribution, and the cluster's programs as far as files tell them.
#[must_use]
pub fn versions(root: &Path) -> Text {
    let mut text = format!("jackline {}\n", env!("CARGO_PKG_VERSION"));
    for path in ["etc/os-release", "proc/version", "proc/sys/kernel/osrelease"] {
        let mut found = String::new();
        let read =
            File::open(root.join(path)).and_then(|file| file.take(16 << 10).read_to_string(&mut found));
        if read.is_ok() {
            text.push_str(&format!("\n# /{path}\n{}\n", found.trim_end()));
        }
    }
    // K3s and RKE2 unpack themselves into a folder that is named after their contents.
    for data in ["var/lib/rancher/k3s/data", "var/lib/rancher/rke2/data"] {
        let names = fs::read_dir(root.join(data))
            .into_iter()
            .flatten()
            .flatten()
            .take(16);
        for name in names {
            text.push_str(&format!("\n# /{data}\n{}\n", name.file_name().to_string_lossy()));
        }
    }
    Text::new("versions.txt", text)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{Text, journal_tail, pack};

    #[test]
    fn the_archive_is_one_that_tar_opens_and_holds_no_secret() {
        let dir = tempfile::tempdir().expect("a folder");
        let texts = [
            Text::new("a.txt", "token: hunter2\nnode: n1\n"),
            Text::new("sub/b.txt", "x".repeat(1000)),
            Text::new("empty", ""),
        ];
        let bytes = pack("bundle", &texts, 1_700_000_000);
        assert_eq!(bytes.len() % 512, 0);
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("hunter2") && text.contains("node: n1"));
        let file = dir.path().join("b.tar");
        std::fs::write(&file, &bytes).expect("written");
        let done = Command::new("tar")
            .arg("-xf")
            .arg(&file)
            .current_dir(dir.path())
            .output();
        // Where there is no tar the header's own sum is all that is tested.
        if let Ok(done) = done {
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).expect(name);
            assert_eq!(read("bundle/a.txt"), "token: (hidden)\nnode: n1\n");
            assert_eq!(read("bundle/sub/b.txt").len(), 1000);
            assert_eq!(read("bundle/empty"), "");
        }
    }

    #[test]
    fn no_journal_is_no_text() {
        let dir = tempfile::tempdir().expect("a folder");
        assert_eq!(journal_tail(dir.path()), None);
    }
}
