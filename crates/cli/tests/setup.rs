//! `jackline setup` on nodes in temporary folders, by the real binary: what it shows, what it writes, and that undoing leaves
//! every byte as it was. `setup/node.rs` builds the nodes.

#[path = "setup/node.rs"]
mod node;

use node::{K3S_OVERLAY, KUBELET, Node, OWN};

#[test]
fn what_would_change_is_shown_and_nothing_is_changed() {
    let cases: [(&str, Node, &[&str]); 9] = [
        ("k3s-agent-replace", Node::k3s_agent(), &[]),
        (
            "k3s-agent-stand-behind",
            Node::k3s_agent(),
            &["--mode", "stand-behind"],
        ),
        (
            "k3s-server",
            Node::k3s_server("server: https://10.0.0.1:6443\ntls-san: [k3s.example]\n"),
            &[],
        ),
        (
            "k3s-etcd-only",
            Node::k3s_server("server: https://10.0.0.1:6443\ndisable-apiserver: true\n"),
            &[],
        ),
        ("rke2-agent", Node::rke2_agent(), &[]),
        ("kubeadm-worker", Node::kubeadm_worker(), &[]),
        ("k0s-worker", Node::k0s_worker(), &[]),
        ("microk8s-worker", Node::microk8s_worker(), &[]),
        ("nothing-known", Node::empty(), &[]),
    ];
    for (name, node, arguments) in cases {
        let before = node.all();
        let mut line = vec!["--print"];
        line.extend(arguments);
        let ended = node.setup(&line);
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{name}");
        assert_eq!(node.all(), before, "{name}: showing changes nothing");
        insta::assert_snapshot!(name, ended.out);
    }
}

#[test]
fn writing_and_undoing_leave_every_byte_owner_and_mode_as_they_were() {
    let cases: [(&str, Node, &[&str]); 6] = [
        ("K3s agent", Node::k3s_agent(), &["--mode", "replace"]),
        ("K3s agent behind", Node::k3s_agent(), &["--mode", "stand-behind"]),
        (
            "K3s server",
            Node::k3s_server("server: https://10.0.0.1:6443\n"),
            &[],
        ),
        (
            "first K3s server",
            Node::k3s_server("cluster-init: true\nnode-ip: 10.0.0.1\n"),
            &[],
        ),
        ("kubeadm worker", Node::kubeadm_worker(), &[]),
        ("RKE2 agent behind", Node::rke2_agent(), &[]),
    ];
    for (name, node, arguments) in cases {
        let before = node.all();
        let mut line = vec!["--write"];
        line.extend(arguments);
        let first = node.setup(&line);
        assert_eq!(first.code, Some(0), "{name}: {}", first.err);
        assert!(
            first.out.contains("now: systemctl restart "),
            "{name}: {}",
            first.out
        );
        let written = node.all();
        assert_ne!(written, before, "{name}");

        let again = node.setup(&line);
        assert_eq!(again.code, Some(0), "{name}: {}", again.err);
        assert!(again.out.contains("nothing to do"), "{name}: {}", again.out);
        assert_eq!(node.all(), written, "{name}: writing twice is writing once");
        let shown = node.setup(&[
            "--print",
            "--mode",
            if name.contains("behind") || name.contains("server") {
                "stand-behind"
            } else {
                "replace"
            },
        ]);
        assert!(shown.out.contains("in force"), "{name}: {}", shown.out);

        let undone = node.setup(&["--undo"]);
        assert_eq!(undone.code, Some(0), "{name}: {}", undone.err);
        assert_eq!(node.all(), before, "{name}: everything is as it was");
        let nothing = node.setup(&["--undo"]);
        assert_eq!(
            (nothing.code, nothing.out.as_str()),
            (Some(0), "nothing of jackline's setup is on this node\n")
        );
    }
}

#[test]
fn what_is_written_is_a_configuration_that_still_knows_the_servers() {
    for (node, server) in [
        (Node::k3s_agent(), "https://10.0.0.1:6443"),
        (Node::kubeadm_worker(), "https://cp.example:6443"),
    ] {
        assert_eq!(node.setup(&["--write"]).code, Some(0));
        let shown = node.run(&[
            "config",
            "show",
            "--root",
            &node.root(),
            "--config",
            &node.path(OWN),
        ]);
        assert_eq!(shown.code, Some(0), "{}", shown.err);
        let line = shown.out.lines().find(|line| line.starts_with("servers:"));
        assert!(line.is_some_and(|line| line.contains(server)), "{}", shown.out);
        assert!(
            line.is_some_and(|line| !line.contains("127.0.0.1")),
            "it would forward to itself: {}",
            shown.out
        );
    }
}

#[test]
fn the_files_are_what_the_distributions_read() {
    let node = Node::k3s_agent();
    node.setup(&["--write"]);
    insta::assert_snapshot!("written-overlay", node.read(K3S_OVERLAY));
    insta::assert_snapshot!("written-own", node.read(OWN));
    let node = Node::kubeadm_worker();
    let before = node.read(KUBELET);
    node.setup(&["--write"]);
    let wanted = before.replace(
        "    server: https://cp.example:6443\n",
        "    server: https://127.0.0.1:6440\n    tls-server-name: kubernetes\n",
    );
    assert_eq!(node.read(KUBELET), wanted);
    assert_eq!(node.mode(KUBELET), 0o600, "the mode is kept");
}

#[test]
fn the_mode_may_be_changed_and_undoing_goes_back_to_the_very_beginning() {
    let node = Node::k3s_agent();
    let before = node.all();
    for mode in ["replace", "stand-behind", "replace"] {
        let ended = node.setup(&["--write", "--mode", mode]);
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        let replaces = node.read(K3S_OVERLAY).contains("disable-apiserver-lb");
        assert_eq!(replaces, mode == "replace");
        assert_eq!(node.read(OWN).contains("127.0.0.2:6440"), mode == "stand-behind");
    }
    assert_eq!(node.setup(&["--undo"]).code, Some(0));
    assert_eq!(node.all(), before);
}

#[test]
fn a_file_that_somebody_changed_since_is_not_written_over() {
    let node = Node::kubeadm_worker();
    node.setup(&["--write"]);
    let edited = format!("{}# by hand\n", node.read(KUBELET));
    node.write(KUBELET, &edited);
    let before = node.all();
    let refused = node.setup(&["--undo"]);
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.err.contains(KUBELET) && refused.err.contains("as it was: /etc/jackline/setup/1-"),
        "{}",
        refused.err
    );
    assert_eq!(node.all(), before, "nothing was put back");
    // The backup that is named is the file as it was.
    let backup = refused
        .err
        .split("as it was: ")
        .nth(1)
        .and_then(|rest| rest.lines().next())
        .expect("a backup");
    node.write(KUBELET, &node.read(backup));
    assert_eq!(node.setup(&["--undo"]).code, Some(0));
    assert_eq!(node.read(KUBELET), Node::kubeadm_worker().read(KUBELET));
}

#[test]
fn jacklines_own_file_is_the_operators_once_it_was_changed() {
    let node = Node::k3s_agent();
    node.setup(&["--write"]);
    let own = format!("{}fleet-size: 100\n", node.read(OWN));
    node.write(OWN, &own);
    let again = node.setup(&["--write"]);
    assert_eq!(again.code, Some(0), "{}", again.err);
    assert_eq!(node.read(OWN), own, "it is left as it is");
    let undone = node.setup(&["--undo"]);
    assert_eq!(undone.code, Some(0), "{}", undone.err);
    assert_eq!(node.read(OWN), own);
    assert!(!node.is_there(K3S_OVERLAY));
}

#[test]
fn an_interrupted_writing_is_gone_on_with_or_taken_back() {
    for finish in ["--write", "--undo"] {
        let node = Node::k3s_agent();
        let before = node.all();
        node.setup(&["--write"]);
        let after = node.all();
        // The record stands and one of the files was not written yet.
        node.remove(K3S_OVERLAY);
        assert_eq!(node.setup(&[finish]).code, Some(0));
        let wanted = if finish == "--write" { after } else { before };
        assert_eq!(node.all(), wanted, "{finish}");
    }
}

#[test]
fn a_write_that_fails_is_told_and_can_be_taken_back() {
    let node = Node::k3s_agent();
    // A folder cannot be made where a file is.
    node.write("/etc/rancher/k3s/config.yaml.d", "a file\n");
    let before = node.all();
    let failed = node.setup(&["--write"]);
    assert_eq!(failed.code, Some(1));
    assert!(
        failed.err.contains("/etc/rancher/k3s/config.yaml.d"),
        "{}",
        failed.err
    );
    let undone = node.setup(&["--undo"]);
    assert_eq!(undone.code, Some(0), "{}", undone.err);
    assert_eq!(node.all(), before);
}

#[test]
fn what_is_in_the_way_is_told_with_the_remedy_and_nothing_is_changed() {
    let flag = Node::k3s_agent();
    flag.write(
        "/etc/systemd/system/k3s-agent.service",
        "[Service]\nExecStart=/usr/local/bin/k3s agent --server https://10.0.0.1:6443\n",
    );
    let later = Node::k3s_agent();
    later.write(
        "/etc/rancher/k3s/config.yaml.d/99-late.yaml",
        "server: https://10.0.0.2:6443\n",
    );
    let foreign = Node::k3s_agent();
    foreign.write(K3S_OVERLAY, "server: https://10.0.0.3:6443\n");
    let deaf = Node::k3s_agent();
    deaf.write(OWN, "listen: [\"127.0.0.1:7000\"]\n");
    let silent = Node::kubeadm_worker();
    silent.write(OWN, "fleet-size: 3\n");
    let flow = Node::kubeadm_worker();
    flow.write(KUBELET, &node::flow_kubeconfig());
    let nobody = Node::k3s_agent();
    nobody.remove("/etc/systemd/system/k3s-agent.service.env");
    let half = Node::rke2_agent();
    half.write(
        OWN,
        "servers: [\"https://10.0.0.1:6443\"]\nlisten: [\"127.0.0.2:6443\"]\n\
         services: { supervisor: { listen: [\"127.0.0.3:9345\"] } }\n",
    );
    let damaged = Node::kubeadm_worker();
    damaged.write("/etc/jackline/setup/ledger.json", "{");
    let cases: [(&str, Node, &[&str]); 14] = [
        ("a flag that goes before every overlay", flag, &[]),
        ("an overlay that is read later", later, &[]),
        ("an overlay of this name that is not ours", foreign, &[]),
        ("jackline listens elsewhere", deaf, &["--mode", "stand-behind"]),
        ("the operator's own file names no servers", silent, &[]),
        ("a kubeconfig in another layout", flow, &[]),
        ("no server is known", nobody, &[]),
        ("supervisors are carried elsewhere", half, &[]),
        ("a damaged record", damaged, &[]),
        (
            "replace on a server",
            Node::k3s_server("node-ip: 10.0.0.1\n"),
            &["--mode", "replace"],
        ),
        ("replace on RKE2", Node::rke2_agent(), &["--mode", "replace"]),
        (
            "behind on kubeadm",
            Node::kubeadm_worker(),
            &["--mode", "stand-behind"],
        ),
        ("k0s", Node::k0s_worker(), &[]),
        ("nothing known", Node::empty(), &[]),
    ];
    let mut page = String::new();
    for (what, node, arguments) in cases {
        let before = node.all();
        let mut line = vec!["--write"];
        line.extend(arguments);
        let ended = node.setup(&line);
        assert_eq!(
            (ended.code, ended.out.as_str()),
            (Some(1), ""),
            "{what}: {}",
            ended.err
        );
        assert_eq!(node.all(), before, "{what}: nothing is changed");
        page.push_str(&format!("# {what}\n{}\n", ended.err));
    }
    insta::assert_snapshot!("in-the-way", page);
}

#[test]
fn two_distributions_need_a_word_from_the_operator() {
    let node = Node::k3s_agent();
    node.write("/etc/rancher/rke2/config.yaml", "server: https://10.0.0.7:9345\n");
    let refused = node.setup(&["--write"]);
    assert_eq!(refused.code, Some(78), "{}", refused.err);
    assert!(
        refused.err.contains("--profile k3s or --profile rke2"),
        "{}",
        refused.err
    );
    assert_eq!(node.setup(&["--write", "--profile", "k3s"]).code, Some(0));
}

#[test]
fn a_server_may_be_named_where_no_file_tells_one() {
    let node = Node::k3s_agent();
    node.remove("/etc/systemd/system/k3s-agent.service.env");
    let ended = node.setup(&["--write", "--server", "https://10.0.0.8:6443"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(node.read(OWN).contains("10.0.0.8:6443"));
    let refused = node.setup(&["--write", "--server", "10.0.0.8"]);
    assert_eq!(refused.code, Some(64), "{}", refused.err);
}

#[test]
fn links_are_followed_under_the_root_and_nothing_outside_is_touched() {
    let node = Node::kubeadm_worker();
    let text = node.read(KUBELET);
    node.write("/data/kubelet.conf", &text);
    node.write_outside("kubelet.conf", &text);
    node.remove(KUBELET);
    node.link(KUBELET, "../../../data/kubelet.conf");
    let before = node.all();
    assert_eq!(node.setup(&["--write"]).code, Some(0));
    assert!(node.read("/data/kubelet.conf").contains("https://127.0.0.1:6440"));
    assert!(node.is_link(KUBELET), "the link stays a link");
    assert_eq!(node.read_outside("kubelet.conf"), text);
    assert_eq!(node.setup(&["--undo"]).code, Some(0));
    assert_eq!(node.all(), before);
}

#[test]
fn exactly_one_of_the_three_is_asked_for() {
    let node = Node::empty();
    for line in [
        &[][..],
        &["--print", "--write"],
        &["--write", "--undo"],
        &["--write", "--mode", "beside"],
    ] {
        assert_eq!(node.setup(line).code, Some(64), "{line:?}");
    }
}

#[test]
fn what_another_user_may_not_read_is_told() {
    let node = Node::k3s_agent();
    node.close_to_others();
    let Some(ended) = node.setup_as_nobody(&["--print"]) else {
        jackline_borrowed::not_run(
            "what_another_user_may_not_read_is_told",
            "not started as root, or the program may not be run by nobody",
            "root",
        );
        return;
    };
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(
        ended.out.contains("may not be read by this user"),
        "{}",
        ended.out
    );
    assert!(ended.out.contains("let jackline's user read"), "{}", ended.out);
}
