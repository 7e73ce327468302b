//! `config check` and `config show`: what is refused, where, and what to do; and that the manual knows every key.

use std::path::Path;

use tempfile::TempDir;

use crate::program::{Ended, end_of, jackline, run};

async fn check(text: &str) -> Ended {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("c.yaml");
    std::fs::write(&path, text).expect("a file");
    let mut ended = run(["config", "check", &path.to_string_lossy(), "--profile", "generic"]).await;
    for text in [&mut ended.out, &mut ended.err] {
        *text = text.replace(&*path.to_string_lossy(), "c.yaml");
    }
    ended
}

#[tokio::test]
async fn a_good_file_is_good() {
    let ended = check("servers: [\"https://10.0.0.1:6443\"]\ncluster: { ca-file: /etc/ca.crt }\n").await;
    assert_eq!(
        (ended.code, ended.out.as_str(), ended.err.as_str()),
        (Some(0), "c.yaml is good\n", "")
    );
}

#[tokio::test]
async fn all_problems_are_told_at_once_with_place_and_remedy() {
    let ended = check(
        "node:\n  name: [a]\n  adress: 10.0.0.5\nservers: [\"http://10.0.0.1:6443\"]\nlisten: [\"127.0.0.1\"]\n\
         timing:\n  grace: 10\n  hold: 2h\n",
    )
    .await;
    assert_eq!((ended.code, ended.out.as_str()), (Some(78), ""));
    insta::assert_snapshot!(ended.err);
}

#[tokio::test]
async fn impossible_pairs_are_refused() {
    let ended = check(
        "servers: [\"https://127.0.0.1:6440\"]\nlisten: [\"127.0.0.1:6440\"]\n\
         cluster: { client-certificate: /c.crt, token-file: /t }\n\
         timing: { grace: 2h, unwitnessed-grace: 1h }\n",
    )
    .await;
    assert_eq!(ended.code, Some(78));
    insta::assert_snapshot!(ended.err);
}

#[tokio::test]
async fn what_is_no_yaml_is_refused_with_its_place() {
    let ended = check("servers: [\n").await;
    assert_eq!(ended.code, Some(78));
    assert!(ended.err.starts_with("c.yaml:"), "{}", ended.err);
}

#[tokio::test]
async fn a_file_that_is_named_must_exist() {
    let ended = run(["config", "check", "/nowhere/jackline.yaml"]).await;
    assert_ne!(ended.code, Some(0));
    assert!(ended.err.contains("/nowhere/jackline.yaml"), "{}", ended.err);
}

#[tokio::test]
async fn each_value_is_shown_with_where_it_came_from() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("c.yaml");
    std::fs::write(
        &path,
        "servers: [\"https://10.0.0.1:6443\"]\nnode: { name: a, zone: b }\n",
    )
    .expect("a file");
    let mut command = jackline([
        "config",
        "show",
        "--config",
        &path.to_string_lossy(),
        "--listen",
        "127.0.0.1:7000",
    ]);
    command
        .env("JACKLINE_NODE_ZONE", "c")
        .env("JACKLINE_TIMING_GRACE", "5m");
    let ended = end_of(command).await;
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    insta::assert_snapshot!(ended.out.replace(&*path.to_string_lossy(), "c.yaml"));
}

#[tokio::test]
async fn secrets_are_never_shown() {
    let mut command = jackline([
        "config",
        "show",
        "--defaults",
        "--server",
        "https://10.0.0.1:6443",
    ]);
    command.env("JACKLINE_SUPERVISOR_TOKEN", "K10::node:hush");
    let ended = end_of(command).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(
        ended.out.contains("JACKLINE_SUPERVISOR_TOKEN"),
        "the key is shown: {}",
        ended.out
    );
    assert!(!ended.out.contains("hush") && !ended.err.contains("hush"));
}

/// The whole key of each line of `config show --defaults`.
fn keys(shown: &str) -> Vec<String> {
    let mut sections: Vec<&str> = Vec::new();
    let mut keys = Vec::new();
    // What the profile found is told on lines of their own.
    for line in shown.lines().filter(|line| !line.starts_with("## ")) {
        let depth = (line.len() - line.trim_start().len()) / 2;
        let Some((name, rest)) = line.trim_start().trim_start_matches("# ").split_once(':') else {
            panic!("no key in {line:?}")
        };
        sections.truncate(depth);
        sections.push(name);
        if !rest.is_empty() {
            keys.push(sections.join("."));
        }
    }
    keys
}

#[tokio::test]
async fn the_manual_knows_every_key_and_its_default() {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let manual = std::fs::read_to_string(manual).expect("the manual");
    let mut command = jackline([
        "config",
        "show",
        "--defaults",
        "--server",
        "https://10.0.0.1:6443",
    ]);
    // These sections are shown as such only where they are there.
    command.env("JACKLINE_SUPERVISOR_TOKEN_FILE", "/token");
    command.env("JACKLINE_ETCD_CA_FILE", "/ca.crt");
    command.env("JACKLINE_SERVICES_ETCD_CA_FILE", "/ca.crt");
    command.env("JACKLINE_SERVICES_SUPERVISOR_PORT", "9345");
    let ended = end_of(command).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let keys = keys(&ended.out);
    assert!(keys.len() >= 49, "{keys:?}");
    let row = |key: &str| {
        manual
            .lines()
            .find(|line| line.starts_with(&format!("| `{key}` | ")))
    };
    let missing: Vec<&String> = keys.iter().filter(|key| row(key).is_none()).collect();
    assert_eq!(
        missing,
        Vec::<&String>::new(),
        "docs/configuration.md lacks these"
    );
    for (key, shown) in [
        ("timing.grace", "10m"),
        ("timing.unwitnessed-grace", "1d"),
        ("journal.size", "16MiB"),
    ] {
        assert!(ended.out.contains(&format!(": {shown} ")), "{key}: {}", ended.out);
        assert!(
            row(key).is_some_and(|row| row.contains(&format!("`{shown}`"))),
            "{key}"
        );
    }
    let rows = manual.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(
        rows,
        keys.len(),
        "docs/configuration.md has keys that are no longer"
    );
}
