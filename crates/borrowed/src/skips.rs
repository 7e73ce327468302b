//! What was not run, and why.

use std::fs::OpenOptions;
use std::io::{Write, stderr};

/// Where `cargo xtask test` collects what was not run: a line each, its parts parted by tabs.
const LIST: &str = "JACKLINE_TEST_SKIPS";

/// Says that `test` was not run, why, and what would bring it: to `cargo xtask test`, or else to whoever reads the output.
///
/// # Panics
/// Where the list cannot be written: then it would be passed over in silence.
pub fn not_run(test: &str, why: &str, bring: &str) {
    let Some(list) = std::env::var_os(LIST) else {
        // Whoever closed standard error does not want to know.
        let _ = writeln!(stderr(), "not run: {test}: {why} ({bring})");
        return;
    };
    let file = OpenOptions::new().append(true).open(list);
    let line = format!("{test}\t{why}\t{bring}\n");
    let written = file.and_then(|mut file| file.write_all(line.as_bytes()));
    assert!(
        written.is_ok(),
        "the list of tests not run cannot be written: {written:?}"
    );
}
