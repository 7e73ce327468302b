//! Handing over: what root finds on a node, as another user that may read none of it is given it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use jackline_agent::config::{Config, Environment, Flags, load_to_show};
use jackline_agent::{HandedOver, hand_over, take_back};
use tempfile::TempDir;

use crate::k3s::{DATA, agent_files, installed_agent};
use crate::tree::{PEM, Tree};

fn flags(tree: &Tree, text: &str) -> Flags {
    let config = tree.root().with_file_name("own.yaml");
    fs::write(&config, text).expect("a file");
    Flags {
        config: Some(config),
        root: Some(tree.root()),
        ..Flags::default()
    }
}

/// Hands over what is on `tree`, whose own configuration is `text`.
fn hand(tree: &Tree, text: &str, to: &Path) -> HandedOver {
    hand_over(&flags(tree, text), &Environment::default(), to).expect("handed over")
}

/// The variables, as systemd reads them.
fn variables(to: &Path) -> Environment {
    let text = fs::read_to_string(to.join("environment")).expect("variables");
    text.lines()
        .map(|line| {
            let (name, value) = line.split_once('=').expect("NAME=VALUE");
            let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
            (name.to_owned(), value.expect("quoted").replace('\\', ""))
        })
        .collect()
}

/// The configuration of a jackline whose user can read nothing of the node, with what was handed over.
fn received(to: &Path, text: &str) -> Config {
    let empty = Tree::new(&[]);
    fs::create_dir_all(empty.root()).expect("a folder");
    load_to_show(&flags(&empty, text), &variables(to)).expect("a configuration")
}

#[test]
fn a_user_that_may_read_nothing_has_the_same_configuration_as_root() {
    let (tree, to) = (installed_agent(), TempDir::new().expect("a folder"));
    let told = hand(&tree, "", to.path());
    assert_eq!(told.missing, Vec::<String>::new());
    let ours = load_to_show(&flags(&tree, ""), &Environment::default()).expect("root's");
    let theirs = received(to.path(), "");
    assert_eq!(theirs.profile.profile, ours.profile.profile);
    assert!(!ours.servers.is_empty() && theirs.servers == ours.servers);
    assert_eq!(theirs.node.name, ours.node.name);
    assert_eq!(theirs.node.address, ours.node.address);
    assert_eq!(theirs.node.zone, ours.node.zone);
    assert_eq!(theirs.import.len(), ours.import.len());
    assert_eq!(
        theirs
            .supervisor
            .is_some_and(|supervisor| supervisor.token_file.is_some()),
        ours.supervisor.is_some()
    );
    let authority = theirs.cluster.ca_file.expect("a CA");
    assert_eq!(fs::read_to_string(&authority).expect("copied"), PEM);
    let kubeconfig = theirs.cluster.kubeconfig.expect("a credential");
    assert!(kubeconfig.starts_with(to.path()));
    let kubeconfig = fs::read_to_string(kubeconfig).expect("copied");
    assert!(!kubeconfig.contains(DATA), "it refers to nothing: {kubeconfig}");
    assert_eq!(theirs.warnings, Vec::<String>::new(), "nothing is odd");
    assert!(theirs.profile.missing.is_empty());
}

#[test]
fn only_what_is_used_is_handed_over_and_for_the_group_alone() {
    let (tree, to) = (installed_agent(), TempDir::new().expect("a folder"));
    hand(&tree, "", to.path());
    let mut names: Vec<String> = fs::read_dir(to.path())
        .expect("a folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort_unstable();
    let wanted = [
        "cluster.ca-file",
        "cluster.kubeconfig",
        "environment",
        "import-0",
        "supervisor.token",
    ];
    assert_eq!(names, wanted, "no other credential of the node");
    for name in names {
        let mode = fs::metadata(to.path().join(&name))
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o640, "{name}");
    }
    let text = fs::read_to_string(to.path().join("environment")).expect("variables");
    assert!(
        !text.contains("hunter2"),
        "a secret is a file, not a variable: {text}"
    );
}

#[test]
fn what_an_operator_has_configured_is_not_handed_over() {
    let (tree, to) = (installed_agent(), TempDir::new().expect("a folder"));
    let own = "servers: [\"https://10.9.9.9:6443\"]\ncluster: { ca-file: /etc/my-ca.crt }\n";
    hand(&tree, own, to.path());
    let theirs = received(to.path(), own);
    assert_eq!(theirs.servers.len(), 1);
    assert_eq!(
        theirs.cluster.ca_file.as_deref(),
        Some(Path::new("/etc/my-ca.crt"))
    );
    assert!(theirs.cluster.kubeconfig.is_none(), "no half of another origin");
    assert!(!to.path().join("cluster.kubeconfig").exists());
}

#[test]
fn a_node_that_joins_later_is_handed_over_to_the_places_that_were_told_before() {
    let (tree, to) = (installed_agent(), TempDir::new().expect("a folder"));
    fs::remove_dir_all(tree.root().join(&DATA[1..]).join("agent")).expect("it has not joined yet");
    let told = hand(&tree, "", to.path());
    assert!(!told.missing.is_empty(), "it has not joined");
    let before = fs::read_to_string(to.path().join("environment")).expect("variables");
    assert!(before.contains("JACKLINE_CLUSTER_KUBECONFIG="), "{before}");
    let expected = received(to.path(), "").cluster;
    assert!(!expected.kubeconfig.clone().expect("a place").exists());
    agent_files(&tree, DATA);
    let told = hand(&tree, "", to.path());
    assert!(
        told.written.contains(&"cluster.kubeconfig".to_owned()),
        "{told:?}"
    );
    assert!(
        expected.kubeconfig.expect("a place").exists(),
        "where it was expected"
    );
    assert!(expected.ca_file.expect("a place").exists());
}

#[test]
fn handed_over_again_only_what_has_changed_is_written_and_all_can_be_taken_back() {
    let (tree, to) = (installed_agent(), TempDir::new().expect("a folder"));
    hand(&tree, "", to.path());
    assert_eq!(
        hand(&tree, "", to.path()),
        HandedOver::default(),
        "nothing has changed"
    );
    tree.file(&format!("{DATA}/agent/client-kube-proxy.crt"), "renewed");
    assert_eq!(hand(&tree, "", to.path()).written, ["cluster.kubeconfig"]);
    // The operator has a token of another kind now.
    let own = "supervisor: { distribution: k3s, token-file: /etc/token }\n";
    assert_eq!(hand(&tree, own, to.path()).removed, ["supervisor.token"]);
    let removed = take_back(to.path()).expect("taken back");
    assert_eq!(removed.len(), 4);
    assert_eq!(fs::read_dir(to.path()).expect("a folder").count(), 0);
    assert!(
        take_back(&to.path().join("nowhere"))
            .expect("nothing to do")
            .is_empty()
    );
}
