//! `jackline replay`: a real agent's journal plays to the same actions; a doctored one shows the first difference; another
//! setting is tried; what is no journal is refused in words.

use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde_json::Value;

use crate::apiserver::Cluster;
use crate::caller::Caller;
use crate::described::faults_by;
use crate::node::Node;
use crate::program::{Ended, run, within};

/// A node that lost one of its two servers, served a client all the while, and has ended.
pub(crate) async fn journal() -> (Node, PathBuf) {
    let cluster = Cluster::new();
    let (first, second) = (cluster.server().await, cluster.server().await);
    cluster.tell(&[first.address, second.address]);
    let mut node = Node::start(&cluster, &format!("servers: [\"{}\"]\n", second.url()));
    let status = node
        .status_when("both are known", |status| status.endpoints.len() == 2)
        .await;
    drop(first);
    let mut caller = Caller::connect(&cluster, status.listen[0])
        .await
        .expect("a connection");
    within("an answer", caller.read("/readyz"))
        .await
        .expect("an answer");
    node.signal(Signal::TERM);
    node.ended().await;
    let state = node.path("state");
    (node, state)
}

async fn replay(journal: &Path, arguments: &[&str]) -> Ended {
    let journal = journal.to_string_lossy().into_owned();
    let all = ["replay", &journal].into_iter().chain(arguments.iter().copied());
    run(all.map(ToOwned::to_owned).collect::<Vec<String>>()).await
}

async fn replay_json(journal: &Path, arguments: &[&str]) -> Value {
    let all: Vec<&str> = ["--output", "json"]
        .into_iter()
        .chain(arguments.iter().copied())
        .collect();
    let ended = replay(journal, &all).await;
    let told: Value =
        serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {}", ended.err));
    let schema = include_str!("../../../../docs/replay-schema.json");
    let schema: Value = serde_json::from_str(schema).expect("the schema is JSON");
    assert_eq!(faults_by(&schema, &schema, &told), Vec::<String>::new());
    let good = told["difference"].is_null();
    assert_eq!(ended.code, Some(i32::from(!good)), "{}", ended.err);
    told
}

#[tokio::test]
async fn a_real_agents_journal_replays_to_the_same_actions_and_tells_why() {
    let (_node, state) = journal().await;
    let told = replay_json(&state, &[]).await;
    assert_eq!(told["difference"], Value::Null, "{}", told["verdict"]);
    assert!(told["events"].as_u64().is_some_and(|events| events > 5));
    assert!(told["actions"].as_u64().is_some_and(|actions| actions > 5));
    assert_eq!(told["compared"], told["events"]);

    let at = told["from"].as_str().expect("a time");
    let why = replay_json(&state, &["--at", at, "--within", "600"]).await;
    let asked = why["asked"].as_array().expect("decisions");
    let ready = asked
        .iter()
        .find(|one| one["what"].to_string().contains("the node is attached"))
        .expect("it was attached");
    let chain = ready["chain"].as_array().expect("a chain");
    assert!(chain.len() >= 2, "{ready}");
    assert!(
        chain
            .last()
            .is_some_and(|last| last["what"].to_string().contains("a test of")),
        "{ready}"
    );
    let words = replay(&state, &["--at", &at[11..16]]).await;
    assert!(
        words.out.contains("The core does the same as it did."),
        "{}",
        words.out
    );
    assert!(words.out.contains("    because "), "{}", words.out);

    let set = [
        "--set",
        "timing.probe-used=100ms",
        "--set",
        "timing.probe-idle=100ms",
    ];
    let otherwise = replay_json(&state, &set).await;
    let tests = |which: &str| otherwise["what_if"][which]["tests"].as_u64().expect("a count");
    assert!(tests("would") >= tests("was"), "{}", otherwise["what_if"]);
}

#[tokio::test]
async fn a_doctored_journal_shows_the_first_difference_and_no_journal_is_told_in_words() {
    let (node, state) = journal().await;
    let segment = state.join("journal/segment-00000001.jsonl");
    let text = std::fs::read_to_string(&segment).expect("a segment");
    let attached = text
        .lines()
        .position(|line| line.contains("ProbeSucceeded"))
        .expect("a test");
    let doctored: Vec<String> = text
        .lines()
        .enumerate()
        .map(|(place, line)| match place == attached {
            true => line.replace("\"Ready\"", "\"Alive\""),
            false => line.to_owned(),
        })
        .collect();
    let path = node.path("doctored.jsonl");
    std::fs::write(&path, format!("{}\n", doctored.join("\n"))).expect("a file");
    let told = replay_json(&path, &[]).await;
    assert_eq!(told["difference"]["line"], attached + 1);
    let words = replay(&path, &[]).await;
    assert!(
        words.out.contains("  then: ") && words.out.contains("  now: "),
        "{}",
        words.out
    );

    std::fs::write(&path, "rubbish\n").expect("a file");
    let rubbish = replay(&path, &[]).await;
    assert_eq!(rubbish.code, Some(1));
    assert!(
        rubbish.err.contains("line 1 of the journal segment is damaged"),
        "{}",
        rubbish.err
    );
    std::fs::write(&path, &text[..text.len() / 2]).expect("a file");
    let cut = replay(&path, &[]).await;
    assert!(
        cut.out.contains("cut short") || cut.err.contains("no whole line"),
        "{}{}",
        cut.out,
        cut.err
    );
    let none = replay(&node.path("nowhere"), &[]).await;
    assert_eq!(none.code, Some(1));
    assert!(none.err.contains("nowhere"), "{}", none.err);
    for (wrong, sentence) in [
        (["--at", "soon"], "is no time"),
        (["--set", "timing.hold=1s"], "cannot be set"),
        (["--at", "2001-01-01T00:00:00Z"], "not among it"),
    ] {
        let ended = replay(&state, &wrong).await;
        assert_eq!(ended.code, Some(64), "{wrong:?}: {}", ended.err);
        assert!(ended.err.contains(sentence), "{}", ended.err);
    }
}
