//! `cargo xtask bench`: the data plane beside its rivals. `crates/bench` measures; here it is built, with what it measures,
//! and given the rivals that the machine lacks.

use std::process::Command;

use anyhow::ensure;
use jackline_borrowed::unpacked_in;

use crate::multihost::NFTABLES;
use crate::workspace::Workspace;

/// The rivals, and what they need of Debian.
const RIVALS: [&str; 6] = [
    "haproxy",
    "nginx",
    "libnginx-mod-stream",
    "liblua5.3-0",
    "libopentracing-c-wrapper0",
    "libopentracing1",
];

/// Builds, measures, and shows all of it.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> anyhow::Result<bool> {
    let mut build = workspace.cargo([
        "build",
        "--release",
        "--package",
        "jackline",
        "--package",
        "jackline-bench",
    ]);
    if arguments.iter().any(|argument| argument == "--instructions") {
        build.args(["--no-default-features", "--features", "jackline/below-valgrind"]);
    }
    // Standard output is the report's.
    build.stdout(std::io::stderr());
    ensure!(build.status()?.success(), "the build failed (above)");
    let programs = workspace.target.join("release");
    let mut bench = Command::new(programs.join("jackline-bench"));
    bench
        .arg("--jackline")
        .arg(programs.join("jackline"))
        .arg("--report")
        .arg(workspace.target.join("bench"))
        .args(arguments)
        .current_dir(&workspace.root);
    for (name, packages) in [("rivals", &RIVALS[..]), ("nftables", &NFTABLES[..])] {
        // What cannot be borrowed, and the machine has not, the bench tells itself.
        if let Ok(unpacked) = unpacked_in(&workspace.target, name, packages) {
            unpacked.offer(&mut bench);
        }
    }
    Ok(bench.status()?.success())
}
