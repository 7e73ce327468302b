//! `jackline doctor`, `preflight` and `support` on a K3s node of files that was joined to the lab's control plane, without a running
//! jackline: k3s#11349 in its very state, its remedy, and the same node when all is well.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use jackline_agent::status::word;
use jackline_lab::{Boot, ControlPlane, Plan, Role};
use serde_json::Value;
use tempfile::TempDir;

use crate::node::{self, server};
use crate::program::{DEADLINE, Ended, run, until};

const STATE: &str = "var/lib/rancher/k3s/agent/etc/k3s-agent-load-balancer.json";

/// A K3s agent in a folder, joined to the etcd-only server.
struct Node {
    root: TempDir,
    /// Given by hand: a profile takes no loopback address for a server's, which it is here alone.
    join: String,
}

impl Node {
    fn joined(plane: &ControlPlane) -> Self {
        let node = Self {
            root: TempDir::new().expect("a folder"),
            join: format!("https://{}", server(plane, "etcd-1").address()),
        };
        let files = plane
            .credentials("agent-1", "https://127.0.0.1:6444")
            .expect("files");
        let copy = |from: &PathBuf, to: &str| {
            let text = fs::read_to_string(from).expect("a file of the lab's");
            node.write(to, &text);
        };
        copy(&files.ca_file, "var/lib/rancher/k3s/agent/server-ca.crt");
        copy(
            &files.kubelet_certificate,
            "var/lib/rancher/k3s/agent/client-kubelet.crt",
        );
        copy(&files.kubelet_key, "var/lib/rancher/k3s/agent/client-kubelet.key");
        let token = fs::read_to_string(&files.node_token).expect("a token");
        let join = server(plane, "etcd-1").address();
        node.write(
            "etc/rancher/k3s/config.yaml",
            &format!(
                "server: https://{join}\ntoken: {}\nnode-name: agent-1\n",
                token.trim()
            ),
        );
        node.write(
            "etc/systemd/system/k3s-agent.service",
            "[Service]\nExecStart=/usr/local/bin/k3s agent\n",
        );
        node
    }

    fn write(&self, path: &str, text: &str) {
        let real = self.root.path().join(path);
        fs::create_dir_all(real.parent().expect("a parent")).expect("folders");
        fs::write(&real, text).expect("written");
        fs::set_permissions(&real, Permissions::from_mode(0o600)).expect("its mode");
    }

    /// What K3s's own balancer wrote last.
    fn knows(&self, servers: &[SocketAddr]) {
        let state = serde_json::json!({ "ServerURL": self.join, "ServerAddresses": servers });
        self.write(STATE, &state.to_string());
    }

    async fn run(&self, words: &[&str]) -> Ended {
        let root = self.root.path().to_string_lossy();
        let look = ["--root", &root, "--profile", "k3s", "--server", &self.join];
        let line = words.iter().copied().chain(look);
        run(line).await
    }

    /// The first run that `wanted` is pleased with: on a machine that is busy enough a server may look slow for a while.
    async fn when(&self, what: &str, words: &[&str], wanted: impl Fn(&Ended) -> bool) -> Ended {
        let (wanted, last) = (&wanted, &Mutex::new(String::new()));
        let looking = until(what, || async move {
            let ended = self.run(words).await;
            *last.lock().expect("unpoisoned") = format!("{:?}: {}{}", ended.code, ended.out, ended.err);
            Some(ended).filter(wanted)
        });
        match tokio::time::timeout(DEADLINE / 2, looking).await {
            Ok(ended) => ended,
            Err(_) => panic!("never: {what}; at last {}", last.lock().expect("unpoisoned")),
        }
    }
}

fn report(ended: &Ended) -> Value {
    serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {}", ended.err))
}

fn checks(ended: &Ended) -> Vec<String> {
    let report = report(ended);
    let findings = report["findings"].as_array().expect("a list").iter();
    findings
        .map(|finding| finding["check"].as_str().expect("a name").to_owned())
        .collect()
}

async fn split_roles() -> ControlPlane {
    let boot = Boot {
        accepts: Duration::from_millis(50),
        ready: Duration::from_millis(150),
    };
    let plan = Plan {
        boot,
        ..Plan::default()
    };
    let plan = plan
        .with("etcd-1", Role::EtcdOnly)
        .with("cp-a", Role::ControlPlaneOnly)
        .with("cp-b", Role::ControlPlaneOnly);
    let plane = ControlPlane::start(plan).expect("a control plane");
    plane.start_all().expect("its servers start");
    let ours = |plane: &ControlPlane| plane.list().len() == 2;
    assert!(plane.wait_until(DEADLINE, ours).await, "both are listed");
    plane
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_well_is_silent_and_11349_is_found_fixed_and_gone() {
    let plane = split_roles().await;
    let (a, b) = (server(&plane, "cp-a").address(), server(&plane, "cp-b").address());
    let node = Node::joined(&plane);

    const JSON: &[&str] = &["doctor", "--output", "json"];
    node.knows(&[a, b]);
    let well = node
        .when("nothing is found", JSON, |ended| checks(ended).is_empty())
        .await;
    assert_eq!(well.code, Some(0), "{}", well.out);

    // A stopped, every balancer forgot it; A came back and B died.
    node.knows(&[b]);
    server(&plane, "cp-b").kill();
    let is_stuck = |ended: &Ended| {
        checks(ended)
            .first()
            .is_some_and(|check| check == "stuck-balancer")
    };
    let found = node.when("it is found", JSON, is_stuck).await;
    assert_eq!(found.code, Some(2), "{}", found.out);
    let evidence = report(&found)["findings"][0]["evidence"].to_string();
    for words in [
        format!("{b}"),
        format!("{a}: ready; listed by supervisor"),
        "serves no API".to_owned(),
    ] {
        assert!(evidence.contains(&words), "{words}: {}", found.out);
    }
    let told = |ended: &Ended| ended.out.contains("CRITICAL stuck-balancer");
    let table = node.when("it is told", &["doctor"], told).await;
    for line in table.out.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }

    let fixing = |ended: &Ended| ended.out.contains("will set");
    let fixed = node.when("it is fixed", &["doctor", "--fix"], fixing).await;
    assert!(fixed.out.contains("systemctl restart k3s-agent"), "{}", fixed.out);
    let root = node.root.path();
    assert!(!root.join(STATE).exists() && root.join(format!("{STATE}.jackline-aside")).exists());
    let after = node.run(JSON).await;
    assert!(!is_stuck(&after), "{}", after.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_maintenance_window_is_a_question_with_an_exit_status() {
    let plane = split_roles().await;
    let node = Node::joined(&plane);
    let nobody = node.run(&["preflight", "--stopping", "cp-nobody"]).await;
    assert_eq!(nobody.code, Some(2), "{}{}", nobody.out, nobody.err);
    let a = server(&plane, "cp-a").address().to_string();
    let b = server(&plane, "cp-b").address().to_string();
    let well = |ended: &Ended| ended.code == Some(0);
    let one = node
        .when("one may go", &["preflight", "--stopping", &a], well)
        .await;
    assert!(
        one.out.contains("stays attached") && one.out.contains("next loss is an outage"),
        "{}",
        one.out
    );
    let both = format!("{a},{b}");
    let both = ["preflight", "--stopping", both.as_str(), "--output", "json"];
    let known = |ended: &Ended| report(ended)["stopping"]["servers"].as_array().map(Vec::len) == Some(2);
    let both = node.when("both are known", &both, known).await;
    assert_eq!(both.code, Some(2), "{}{}", both.out, both.err);
    assert_eq!(report(&both)["stopping"]["state"], "isolated", "{}", both.out);
    let all = node.run(&["preflight"]).await;
    assert_eq!(all.code, Some(2), "two servers are too few: {}", all.out);
    for line in all.out.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_support_bundle_holds_what_was_asked_and_no_planted_secret() {
    let plane = split_roles().await;
    let node = Node::joined(&plane);
    let token = fs::read_to_string(node.root.path().join("etc/rancher/k3s/config.yaml")).expect("a file");
    let token = token
        .lines()
        .find_map(|line| line.strip_prefix("token: "))
        .expect("a token")
        .to_owned();
    let key = fs::read_to_string(
        node.root
            .path()
            .join("var/lib/rancher/k3s/agent/client-kubelet.key"),
    )
    .expect("a key");
    let own = node.root.path().join("own.yaml");
    let state = node.root.path().join("state");
    // In a journal there is none; planted all the same.
    let planted = format!(
        "{{\"Authorization\":\"Bearer hunter2\"}}\n{}\nway through http://u:hunter2@10.9.9.9:3128\n",
        serde_json::to_string(&key).expect("text")
    );
    node.write("state/journal/segment-00000001.jsonl", &planted);
    fs::write(
        &own,
        format!(
            "state-dir: {}\nway: {{ proxy: \"http://user:hunter2@127.0.0.1:9\" }}\nsupervisor: {{ distribution: k3s, token: \"{token}\" }}\n",
            state.display()
        ),
    )
    .expect("written");
    node.write(
        "etc/systemd/system/k3s-agent.service.env",
        "HTTPS_PROXY=http://user:hunter2@10.9.9.9:3128\n",
    );
    let file = node.root.path().join("bundle.tar");
    let (file_word, own_word) = (file.to_string_lossy(), own.to_string_lossy());
    let ended = node
        .run(&[
            "support",
            "--file",
            &file_word,
            "--config",
            &own_word,
            "--offline",
        ])
        .await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let mode = fs::metadata(&file).expect("written").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let text = String::from_utf8_lossy(&fs::read(&file).expect("written")).into_owned();
    for name in [
        "status.txt",
        "configuration.yaml",
        "versions.txt",
        "doctor.json",
        "preflight.json",
        "journal/segment-00000001.jsonl",
    ] {
        assert!(text.contains(&format!("/{name}\0")), "{name}: {}", ended.out);
    }
    assert!(
        text.contains("10.9.9.9:3128") && text.contains("proxy-variables"),
        "the rest is there"
    );
    let secret = token.rsplit(':').next().expect("a password");
    let line_of_key = key.lines().nth(1).expect("a line");
    for planted in ["hunter2", token.as_str(), secret, line_of_key] {
        assert!(!text.contains(planted), "{planted} is in the bundle");
    }
    let again = node.run(&["support", "--file", &file_word, "--offline"]).await;
    assert_eq!(again.code, Some(1), "nothing is written over: {}", again.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_jackline_is_asked_too() {
    let plane = node::plane().await;
    let running = node::Node::start(&plane, "node-1", |files| {
        format!("kubeconfig: {}", files.kube_proxy_kubeconfig.display())
    });
    running
        .when("attached", |status| word(&status.state) == "attached")
        .await;
    let (config, socket) = (running.path("config.yaml"), running.path("s"));
    let a = server(&plane, "a").address().to_string();
    let line = [
        "preflight",
        "--config",
        &config.to_string_lossy(),
        "--socket",
        &socket.to_string_lossy(),
        "--output",
        "json",
        "--stopping",
        &a,
    ]
    .map(str::to_owned);
    let ended = until("one may go", || async {
        Some(run(&line).await).filter(|ended| ended.code == Some(0) && ended.out.contains("3 known, 3 ready"))
    })
    .await;
    let report = report(&ended);
    assert_eq!(
        (&report["agent"], &report["stopping"]["state"]),
        (&true.into(), &"attached".into())
    );
    assert!(report["stopping"]["sessions"].is_u64(), "{report:#}");
    assert_eq!(
        report["stopping"]["left"].as_array().map(Vec::len),
        Some(2),
        "{report:#}"
    );
    let practice = |name: &str| {
        let items = report["practices"].as_array().expect("a list");
        let item = items.iter().find(|item| item["practice"] == name).expect(name);
        item["outcome"].clone()
    };
    assert_eq!(practice("servers"), "good", "{report:#}");
    assert_eq!(practice("any-server-lost"), "good", "{report:#}");
    assert_eq!(practice("names"), "good", "{report:#}");
}
