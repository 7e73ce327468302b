//! `--output json` of the commands that ask no running jackline: each answer is what docs/commands-schema.json says, with the exit status of
//! the words, and without a secret.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::described::faults_of;
use crate::program::run;

/// What must be in no answer.
const SECRET: &str = "K10abc::node:hunter2";

/// Runs it, and holds the answer to the definition.
async fn told(definition: &str, code: i32, arguments: &[&str]) -> Value {
    let ended = run(arguments.iter().copied().chain(["--output", "json"])).await;
    assert_eq!(ended.code, Some(code), "{arguments:?}: {}", ended.err);
    let told: Value = serde_json::from_str(&ended.out)
        .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}{}", ended.out, ended.err));
    assert_eq!(
        faults_of(definition, &told),
        Vec::<String>::new(),
        "{arguments:?}"
    );
    assert!(!ended.out.contains("hunter2"), "{arguments:?}: {}", ended.out);
    told
}

/// A K3s agent that has joined, in a folder.
fn agent() -> TempDir {
    let dir = TempDir::new().expect("a folder");
    let put = |path: &str, text: &str| {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        std::fs::write(path, text).expect("a file");
    };
    put(
        "etc/systemd/system/k3s-agent.service",
        "[Service]\nExecStart=/usr/local/bin/k3s agent\n",
    );
    put(
        "etc/systemd/system/k3s-agent.service.env",
        &format!("K3S_TOKEN='{SECRET}'\nK3S_URL='https://10.0.0.1:6443'\n"),
    );
    put("etc/rancher/k3s/config.yaml", "node-ip: 10.0.0.9\n");
    put("var/lib/rancher/k3s/agent/server-ca.crt", "a CA\n");
    std::fs::create_dir_all(dir.path().join("run/jackline-credentials")).expect("a folder");
    dir
}

fn path(of: &Path) -> String {
    of.to_string_lossy().into_owned()
}

#[tokio::test]
async fn the_configuration_is_told_with_its_layers_and_without_its_secrets() {
    let node = agent();
    let file = node.path().join("own.yaml");
    std::fs::write(
        &file,
        format!("servers: [\"https://10.0.0.9:6443\"]\nsupervisor: {{ token: \"{SECRET}\" }}\n"),
    )
    .expect("a file");
    let (root, own) = (path(node.path()), path(&file));
    let show = [
        "config",
        "show",
        "--profile",
        "k3s",
        "--root",
        &root,
        "--config",
        &own,
        "--log-level",
        "debug",
    ];
    let shown = told("configuration", 0, &show).await;
    assert_eq!(shown["profile"]["name"], "k3s");
    let of = |shown: &Value, key: &str| {
        let values = shown["values"].as_array().expect("a list").clone();
        values.into_iter().find(|value| value["key"] == key)
    };
    let layers = [
        ("log.level", "flag"),
        ("servers", "file"),
        ("supervisor.token", "file"),
    ];
    for (key, layer) in layers {
        let value = of(&shown, key).unwrap_or_else(|| panic!("{key}: {shown}"));
        assert_eq!(
            (value["layer"].as_str(), &value["counts"]),
            (Some(layer), &json!(true))
        );
    }
    assert!(of(&shown, "timing.grace").is_none(), "nobody gave it");
    let all = told("configuration", 0, &[show.as_slice(), &["--defaults"]].concat()).await;
    assert_eq!(
        of(&all, "timing.grace").expect("all are told")["layer"],
        "default"
    );
    let off = of(&all, "services.etcd.listen").expect("all are told");
    assert_eq!(off["counts"], false, "the section is not there");
}

#[tokio::test]
async fn a_refused_configuration_is_told_with_place_and_remedy_and_its_exit_status() {
    let dir = TempDir::new().expect("a folder");
    let file = path(&dir.path().join("c.yaml"));
    std::fs::write(&file, "sevrers: []\n").expect("a file");
    let checked = told("checked", 78, &["config", "check", &file, "--profile", "generic"]).await;
    assert_eq!(checked["good"], false);
    let problem = &checked["problems"][0];
    assert!(
        problem["origin"]
            .as_str()
            .is_some_and(|origin| origin.ends_with("c.yaml:1:1"))
    );
    assert!(
        problem["remedy"]
            .as_str()
            .is_some_and(|remedy| remedy.contains("servers"))
    );
    std::fs::write(&file, "servers: [\"https://10.0.0.1:6443\"]\n").expect("a file");
    let checked = told("checked", 0, &["config", "check", &file, "--profile", "generic"]).await;
    assert_eq!(
        (&checked["good"], &checked["problems"]),
        (&json!(true), &json!([]))
    );
}

#[tokio::test]
async fn setup_is_told_before_when_done_and_when_taken_back_with_what_was_handed_over() {
    let node = agent();
    let root = path(node.path());
    let handed = node.path().join("run/jackline-credentials");
    let plan = told(
        "plan",
        0,
        &["setup", "--print", "--profile", "k3s", "--root", &root],
    )
    .await;
    assert_eq!((&plan["profile"], &plan["done"]), (&json!("k3s"), &json!(false)));
    let overlay = "/etc/rancher/k3s/config.yaml.d/50-jackline.yaml";
    let changes = plan["changes"].as_array().expect("a list");
    let change = changes
        .iter()
        .find(|change| change["path"] == overlay)
        .expect("the overlay");
    assert!(change["new_file"] == true && change["removed"] == json!([]) && change["added"] != json!([]));
    let done = told(
        "setup",
        0,
        &["setup", "--write", "--profile", "k3s", "--root", &root],
    )
    .await;
    assert!(
        done["changed"]
            .as_array()
            .is_some_and(|lines| lines.contains(&json!(format!("wrote {overlay}"))))
    );

    let to = path(&handed);
    let given = told(
        "handed_over",
        0,
        &["hand-over", "--profile", "k3s", "--root", &root, "--to", &to],
    )
    .await;
    let written = given["written"].as_array().expect("a list");
    assert!(
        written.contains(&json!("environment")) && written.contains(&json!("supervisor.token")),
        "{given}"
    );

    let undone = told("setup", 0, &["setup", "--undo", "--root", &root]).await;
    let lines = undone["changed"].as_array().expect("a list");
    for name in written {
        let name = name.as_str().expect("a name");
        assert!(
            lines.contains(&json!(format!("removed /run/jackline-credentials/{name}"))),
            "{undone}"
        );
    }
    assert_eq!(std::fs::read_dir(&handed).expect("the folder stays").count(), 0);
    let again = told("setup", 0, &["setup", "--undo", "--root", &root]).await;
    assert_eq!(again["changed"], json!([]));
}

#[tokio::test]
async fn what_doctor_preflight_and_support_find_is_told() {
    let node = agent();
    let (root, file) = (path(node.path()), path(&node.path().join("bundle.tar")));
    let look = ["--root", &root, "--offline", "--profile", "k3s"];
    // What they find on such a node is theirs to say; that it has this form is told here.
    for (definition, code) in [("doctor", 0..=2), ("preflight", 0..=2)] {
        let line = [&[definition], look.as_slice(), &["--output", "json"]].concat();
        let ended = run(line).await;
        assert!(
            ended.code.is_some_and(|ended| code.contains(&ended)),
            "{}",
            ended.err
        );
        let told: Value = serde_json::from_str(&ended.out).expect("JSON");
        assert_eq!(faults_of(definition, &told), Vec::<String>::new());
    }
    let support = [&["support"], look.as_slice(), &["--file", &file]].concat();
    let written = told("support", 0, &support).await;
    assert_eq!(written["file"], file);
    let texts = written["texts"].as_array().expect("a list");
    assert!(texts.contains(&json!("doctor.json")), "{written}");
    let bundle = std::fs::read(&file).expect("written");
    assert!(
        !String::from_utf8_lossy(&bundle).contains("hunter2"),
        "a secret is in it"
    );
}

#[tokio::test]
async fn the_objects_of_rbac_are_the_same_as_in_yaml() {
    let list = told("objects", 0, &["rbac", "--namespace", "edge"]).await;
    let printed = run(["rbac", "--namespace", "edge"]).await.out;
    let documents: Vec<Value> = printed
        .split("\n---\n")
        .map(|text| serde_saphyr::from_str(text).expect("YAML"))
        .collect();
    assert_eq!(list["items"], Value::from(documents));
}
