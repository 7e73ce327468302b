//! What an operator types: drains, a refresh, a reset, sessions, explanations, events; and that each answer in JSON is what
//! docs/commands-schema.json says.

use std::process::Stdio;

use jackline_agent::status::{Administration, Health, Status};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::apiserver::{Cluster, Server};
use crate::caller::Caller;
use crate::described::faults_of;
use crate::node::Node;
use crate::program::{Ended, jackline, run, within};

/// What is dead is found at once.
const PACE: &str = "timing: { probe-used: 500ms, probe-idle: 500ms, refresh-watched: 500ms, refresh-polled: 500ms, drain-time: 1s }\n";

/// Two servers and a node on which both are ready.
async fn two() -> (Cluster, [Server; 2], Node, Status) {
    let cluster = Cluster::new();
    let servers = [cluster.server().await, cluster.server().await];
    cluster.tell(&[servers[0].address, servers[1].address]);
    let node = Node::start(&cluster, &format!("servers: [\"{}\"]\n{PACE}", servers[0].url()));
    let both = |status: &Status| {
        let mut ready = status.endpoints.iter().map(|one| one.health == Health::Ready);
        status.endpoints.len() == 2 && ready.all(|ready| ready)
    };
    let status = node.status_when("both servers ready", both).await;
    (cluster, servers, node, status)
}

impl Node {
    /// A command that asks this node.
    async fn ask(&self, arguments: &[&str]) -> Ended {
        let socket = self.path("s").to_string_lossy().into_owned();
        let all = arguments.iter().copied().chain(["--socket", &socket]);
        run(all).await
    }

    /// The same in JSON, which must be what the schema says of `definition`.
    async fn ask_json(&self, definition: &str, arguments: &[&str]) -> Value {
        let ended = self.ask(&[arguments, &["--output", "json"]].concat()).await;
        let told: Value = serde_json::from_str(&ended.out)
            .unwrap_or_else(|error| panic!("{error}: {}{}", ended.out, ended.err));
        assert_eq!(
            faults_of(definition, &told),
            Vec::<String>::new(),
            "{arguments:?}"
        );
        told
    }
}

fn fits(page: &str) {
    for line in page.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[tokio::test]
async fn a_drain_moves_the_node_away_and_the_last_server_is_never_drained() {
    let (_cluster, _servers, node, status) = two().await;
    let (first, second) = (
        status.endpoints[0].address.to_string(),
        status.endpoints[1].address.to_string(),
    );
    let done = node.ask_json("done", &["drain", &first, "--for", "20m"]).await;
    assert_eq!(done["endpoint"], first);
    assert!(done["until"].is_string(), "it ends by itself");
    let ended = node.ask(&["drain", &second]).await;
    assert_eq!(ended.code, Some(1), "{}", ended.out);
    assert!(
        ended.err.contains("only endpoint that is ready") && ended.err.contains("--force"),
        "{}",
        ended.err
    );
    let draining = |status: &Status, address: &str| {
        let mut all = status.endpoints.iter();
        all.any(|one| one.address.to_string() == address && one.administration == Administration::Draining)
    };
    let now = node.status().await.expect("it runs");
    assert!(draining(&now, &first) && !draining(&now, &second));
    assert_eq!(
        now.endpoints[0].address.to_string(),
        second,
        "the other comes first"
    );

    let ended = node.ask(&["undrain", &first]).await;
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    let forced = node.ask(&["drain", &second, "--force", "--for", "1s"]).await;
    assert_eq!(forced.code, Some(0), "{}", forced.err);
    node.status_when("the drain ends by itself", |status| !draining(status, &second))
        .await;
    let ended = node.ask(&["drain", "10.9.9.9:6443"]).await;
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.err.contains("jackline status"),
        "it says what to do: {}",
        ended.err
    );
    for wrong in [
        &["drain"][..],
        &["drain", "cp-1"],
        &["drain", &first, "--for", "8d"],
    ] {
        assert_eq!(node.ask(wrong).await.code, Some(64), "{wrong:?}");
    }
}

#[tokio::test]
async fn a_drain_that_waits_ends_when_the_last_session_has_moved() {
    let (cluster, _servers, node, status) = two().await;
    let mut caller = Caller::connect(&cluster, status.listen[0])
        .await
        .expect("a connection");
    within("an answer", caller.read("/readyz"))
        .await
        .expect("an answer");
    let list = node.ask_json("sessions", &["sessions"]).await;
    let session = &list["sessions"][0];
    let used = session["endpoint"].as_str().expect("an address").to_owned();
    assert!(
        session["bytes_downstream"]
            .as_u64()
            .is_some_and(|bytes| bytes > 0),
        "{list}"
    );
    let table = node.ask(&["sessions"]).await;
    assert!(
        table.out.contains(&used) && table.out.contains("1 open sessions"),
        "{}",
        table.out
    );
    fits(&table.out);
    let ended = node.ask(&["drain", &used, "--for", "2m", "--wait"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(
        ended.out.contains("Sessions with it now: 1") && ended.out.contains("No session is left"),
        "{}",
        ended.out
    );
}

#[tokio::test]
async fn a_reset_keeps_the_old_file_the_process_and_the_sessions() {
    let (cluster, _servers, node, status) = two().await;
    let mut caller = Caller::connect(&cluster, status.listen[0])
        .await
        .expect("a connection");
    within("an answer", caller.read("/readyz"))
        .await
        .expect("an answer");
    node.status_when("the state is saved", |status| status.state_file.saved.is_some())
        .await;
    let done = node.ask_json("done", &["reset-state"]).await;
    let kept = done["kept"][0].as_str().expect("a path").to_owned();
    assert!(kept.contains("state.json.reset-"), "{kept}");
    assert!(
        std::fs::read_to_string(&kept)
            .expect("the copy")
            .contains(&status.endpoints[0].address.to_string())
    );
    assert!(
        node.path("state/state.json").exists(),
        "the file stays until the next one"
    );
    within("an answer", caller.read("/readyz"))
        .await
        .expect("the session goes on");
    let now = node.status().await.expect("it runs");
    assert_eq!(
        (now.pid, now.endpoints.len()),
        (status.pid, 2),
        "what the sources list stays"
    );
    node.ask_json("done", &["refresh"]).await;
}

#[tokio::test]
async fn judgements_are_explained_in_sentences_and_in_json() {
    let (cluster, [joined, other], node, status) = two().await;
    let first = status.endpoints[0].address.to_string();
    let told = node.ask(&["explain", &first]).await;
    assert_eq!(told.code, Some(0), "{}", told.err);
    for word in [
        "first choice",
        "What is known:",
        "listed by",
        "What decides:",
        "S1:",
        "What happened:",
    ] {
        assert!(told.out.contains(word), "{word}: {}", told.out);
    }
    fits(&told.out);
    let gone = other.address;
    drop(other);
    cluster.tell(&[joined.address]);
    let unlisted = |status: &Status| {
        let mut all = status.endpoints.iter();
        all.any(|one| one.address == gone && one.health == Health::Unreachable && one.sources.is_empty())
    };
    node.status_when("the other is gone and unlisted", unlisted).await;
    let told = node
        .ask_json("explanations", &["explain", &gone.to_string()])
        .await;
    let all = told.to_string();
    assert!(
        all.contains("is not used") && all.contains("no longer listed by") && all.contains("M3"),
        "{told:#}"
    );
    for what in ["client", "source", "isolation"] {
        let ended = node.ask(&["explain", what]).await;
        assert_eq!(ended.code, Some(0), "{what}: {}", ended.err);
        fits(&ended.out);
        node.ask_json("explanations", &["explain", what]).await;
    }
    assert_eq!(node.ask(&["explain", "10.9.9.9"]).await.code, Some(1));
    assert_eq!(node.ask(&["explain", "weather"]).await.code, Some(64));
    assert_eq!(node.ask(&["explain", "source", "nobody"]).await.code, Some(1));
}

#[tokio::test]
async fn events_are_told_from_the_journal_and_followed() {
    let (_cluster, [joined, other], mut node, _status) = two().await;
    let state = node.path("state").to_string_lossy().into_owned();
    let mut follow = jackline(["events", "--follow", "--output", "json", "--state-dir", &state]);
    let mut follow = follow.stdout(Stdio::piped()).spawn().expect("it starts");
    let mut lines = BufReader::new(follow.stdout.take().expect("a pipe")).lines();
    let mut next = async |wanted: &str| {
        within(wanted, async {
            loop {
                let line = lines.next_line().await.expect("text").expect("it goes on");
                let told: Value = serde_json::from_str(&line).expect("JSON");
                assert_eq!(faults_of("event", &told), Vec::<String>::new());
                if told["event"] == wanted {
                    return told;
                }
            }
        })
        .await
    };
    next("node-attached").await;
    let gone = other.address.to_string();
    drop(other);
    // A session that goes there has it tested; else the next test is due in a while.
    let told = next("endpoint-unreachable").await;
    assert_eq!(told["endpoint"], gone);
    drop(joined);
    next("node-isolated").await;
    follow.kill().await.expect("it ends");
    node.kill().await;
    let ended = run(["events", "--state-dir", &state]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.out.contains(" error node isolated: "), "{}", ended.out);
    fits(&ended.out);
    let later = run(["events", "--state-dir", &state, "--since", "2100-01-01T00:00:00Z"]).await;
    assert_eq!((later.code, later.out.as_str()), (Some(0), ""));
    let nowhere = run(["events", "--state-dir", "/nowhere"]).await;
    assert_eq!(nowhere.code, Some(1));
    assert!(nowhere.err.contains("--state-dir DIR"), "{}", nowhere.err);
}

#[tokio::test]
async fn one_line_and_exit_codes_for_scripts() {
    let (_cluster, servers, node, _status) = two().await;
    let ended = node.ask(&["status", "--line"]).await;
    assert_eq!(ended.code, Some(0));
    assert!(
        ended.out.starts_with("jackline: attached for ") && ended.out.ends_with("2 of 2 apiservers ready\n"),
        "{}",
        ended.out
    );
    assert!(
        !ended.out.contains('\u{1b}'),
        "no colour where there is no terminal"
    );
    drop(servers);
    node.status_when("isolated", |status| {
        status.state == jackline_agent::status::NodeState::Isolated
    })
    .await;
    let ended = node.ask(&["status", "--line"]).await;
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.out.contains("isolated") && ended.out.contains("0 of 2"),
        "{}",
        ended.out
    );
    drop(node);
    let ended = run(["status", "--line", "--socket", "/nowhere/s"]).await;
    assert_eq!(
        (ended.code, ended.out.as_str()),
        (Some(3), "jackline: not running\n")
    );
    for command in [
        &["sessions"][..],
        &["drain", "10.0.0.1:6443"],
        &["refresh"],
        &["reset-state"],
        &["explain", "client"],
    ] {
        let ended = run([command, &["--socket", "/nowhere/s"]].concat()).await;
        assert_eq!(ended.code, Some(3), "{command:?}");
        assert!(ended.err.contains("Start it: "), "{command:?} says what to do");
    }
}

#[tokio::test]
async fn a_page_that_is_watched_is_shown_until_nobody_reads_it() {
    let (_cluster, _servers, node, _status) = two().await;
    let socket = node.path("s").to_string_lossy().into_owned();
    let mut watch = jackline(["status", "--line", "--watch=1", "--socket", &socket]);
    let mut watch = watch.stdout(Stdio::piped()).spawn().expect("it starts");
    let mut lines = BufReader::new(watch.stdout.take().expect("a pipe")).lines();
    for _ in 0..2 {
        let line = within("a line", lines.next_line())
            .await
            .expect("text")
            .expect("it goes on");
        assert!(line.starts_with("jackline: attached"), "{line}");
    }
    drop(lines);
    let status = within("it ends", watch.wait()).await.expect("it ends");
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn completions_and_manual_pages_are_printed() {
    for shell in ["bash", "zsh", "fish"] {
        let ended = run(["completions", shell]).await;
        assert_eq!(ended.code, Some(0), "{shell}");
        assert!(ended.out.contains("reset-state"), "{shell}");
    }
    let printed = run(["man"]).await;
    assert!(printed.out.contains(".TH jackline 1"), "{}", printed.out);
    let folder = tempfile::TempDir::new().expect("a folder");
    let ended = run(["man", "--dir", &folder.path().to_string_lossy()]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    for page in [
        "jackline.1",
        "jackline-status.1",
        "jackline-config-check.1",
        "jackline-drain.1",
    ] {
        let text = std::fs::read_to_string(folder.path().join(page)).expect("a page");
        assert!(text.contains("Example"), "{page}");
    }
}
