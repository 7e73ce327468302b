//! Tells the program from which commit it is built: what `JACKLINE_COMMIT` says, as packagers set it, else what git says of the checkout.

use std::path::Path;
use std::process::Command;

/// So many digits of the commit tell it apart.
const DIGITS: usize = 12;

fn main() {
    println!("cargo::rerun-if-env-changed=JACKLINE_COMMIT");
    let given = std::env::var("JACKLINE_COMMIT")
        .ok()
        .filter(|given| is_word(given));
    let commit = given.or_else(of_checkout);
    let commit = commit.unwrap_or_else(|| "commit not known".to_owned());
    println!("cargo::rustc-env=JACKLINE_COMMIT={commit}");
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-+.".contains(c))
}

fn of_checkout() -> Option<String> {
    // Where the branch points to; what is not committed is not told: a rebuild for each keystroke would be its price.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    if Path::new(&log).exists() {
        println!("cargo::rerun-if-changed={log}");
    }
    let commit = git(&["rev-parse", "HEAD"])?;
    commit.get(..DIGITS).map(str::to_owned)
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
