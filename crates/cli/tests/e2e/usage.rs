//! The command line: wrong usage exits 64, help and version 0, and no word of a wrong line is acted upon.

use crate::program::run;

#[tokio::test]
async fn wrong_usage_exits_64_and_says_what_is_possible() {
    let lines: [&[&str]; 12] = [
        &[],
        &["doctor", "--restart"],
        &["preflight", "--stop", "10.0.0.1"],
        &["start"],
        &["status", "--output", "xml"],
        &["status", "extra"],
        &["drain"],
        &["explain", "weather"],
        &["config"],
        &["config", "check", "a", "b"],
        &["run", "--sever", "https://10.0.0.1:6443"],
        &["lab", "--list", "--keep"],
    ];
    for line in lines {
        let ended = run(line).await;
        assert_eq!(ended.code, Some(64), "{line:?}: {}", ended.err);
        assert!(
            ended.err.contains("Usage: jackline")
                || ended.err.contains("possible values")
                || ended.err.contains("one of: client, source, isolation"),
            "{line:?}: {}",
            ended.err
        );
        assert_eq!(ended.out, "", "{line:?}");
    }
}

#[tokio::test]
async fn flags_that_make_no_sense_are_wrong_usage_too() {
    let lines: [&[&str]; 3] = [
        &["run", "--server", "http://10.0.0.1:6443"],
        &["run", "--server", "https://10.0.0.1:6443", "--listen", "6440"],
        &[
            "config",
            "show",
            "--server",
            "https://10.0.0.1:6443",
            "--log-level",
            "loud",
        ],
    ];
    for line in lines {
        let ended = run(line).await;
        assert_eq!(ended.code, Some(64), "{line:?}: {}", ended.err);
        assert!(ended.err.starts_with("--"), "it names the flag: {}", ended.err);
    }
}

#[tokio::test]
async fn help_and_version_are_answers() {
    let ended = run(["--version"]).await;
    assert_eq!(ended.code, Some(0));
    // The commit, or in words that nobody knows it.
    let version = concat!("jackline ", env!("CARGO_PKG_VERSION"), " (");
    let commit = ended
        .out
        .strip_prefix(version)
        .and_then(|rest| rest.strip_suffix(")\n"));
    assert!(commit.is_some_and(|commit| commit.len() >= 7), "{}", ended.out);
    let lines: [&[&str]; 12] = [
        &["--help"],
        &["setup", "--help"],
        &["run", "--help"],
        &["status", "--help"],
        &["config", "--help"],
        &["config", "check", "--help"],
        &["lab", "--help"],
        &["simulate", "--help"],
        &["rbac", "--help"],
        &["doctor", "--help"],
        &["preflight", "--help"],
        &["support", "--help"],
    ];
    for line in lines {
        let ended = run(line).await;
        assert_eq!(ended.code, Some(0), "{line:?}");
        assert!(ended.out.contains("Example"), "{line:?} has an example");
    }
}

#[tokio::test]
async fn help_is_what_it_was() {
    for command in [
        "run",
        "status",
        "explain",
        "events",
        "sessions",
        "drain",
        "undrain",
        "refresh",
        "reset-state",
        "reload",
        "upgrade",
        "config",
        "setup",
        "doctor",
        "preflight",
        "support",
        "lab",
        "simulate",
        "replay",
        "rbac",
        "completions",
        "man",
    ] {
        insta::assert_snapshot!(format!("help_{command}"), run([command, "--help"]).await.out);
    }
    insta::assert_snapshot!("help", run(["--help"]).await.out);
}
