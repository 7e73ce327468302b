//! Etcd's history: compacted away, and gone back to a snapshot. The order of our own questions counts, not revisions.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use jackline_core::Mode;
use tokio::process::Command;
use tokio::time::timeout;

use super::members::Members;
use super::{LIST, lease, stand, until_whole, watch_end};
use crate::stand::{PATIENCE, listed};
use jackline_borrowed::not_run;

const ONE: &str = "[\"10.0.0.1:6443\"]\n";

#[tokio::test]
async fn a_compacted_history_harms_neither_the_watch_nor_the_next_read() {
    let Some(members) = Members::start(3).await else {
        return;
    };
    let (gateway, any) = (&members.gateway, members.client(1));
    gateway.put(any, LIST, ONE).await;
    let mut stand = stand(&members.pki, &[members.endpoint(0)]);
    stand.order(1, &[]);
    assert_eq!(listed(&stand.report().await.2), ["10.0.0.1:6443"]);
    let mut latest = 0;
    for n in 0..50 {
        latest = gateway.put(any, &format!("/registry/events/{n}"), "x").await;
    }
    gateway.compact(any, latest).await;
    let after = gateway.put(any, &lease("10.0.0.2"), "k8s").await;
    assert_eq!(listed(&stand.report().await.2), ["10.0.0.1:6443", "10.0.0.2"]);
    gateway.compact(any, after).await;
    stand.order(2, &[]);
    let (refresh, _, report) = stand.report().await;
    assert_eq!(
        (refresh, report.verified, report.mode),
        (2, true, Mode::Watch),
        "{report:?}"
    );
    assert_eq!(listed(&report), ["10.0.0.1:6443", "10.0.0.2"]);
    watch_end(&mut stand).await;
    gateway.delete(any, &lease("10.0.0.2")).await;
    let (refresh, position, report) = stand.report().await;
    assert_eq!(
        (refresh, position, listed(&report)),
        (2, 1, vec!["10.0.0.1:6443".to_owned()])
    );
}

#[tokio::test]
async fn disks_set_back_to_an_earlier_day_are_the_same_cluster_with_earlier_revisions() {
    let Some(mut members) = Members::start(3).await else {
        return;
    };
    let early = members.gateway.put(members.client(0), LIST, ONE).await;
    members.kill_all().await;
    for index in 0..3 {
        copy(&members.data(index), &members.data(index).with_extension("kept"));
    }
    members.start_all("existing").await;
    let mut stand = stand(&members.pki, &[members.endpoint(0)]);
    let mut late = 0;
    for n in 1..=20 {
        late = members
            .gateway
            .put(members.client(0), &lease(&format!("10.0.1.{n}")), "k8s")
            .await;
    }
    assert_eq!(until_whole(&mut stand, 1).await.endpoints.len(), 21);
    members.kill_all().await;
    for index in 0..3 {
        fs::remove_dir_all(members.data(index)).expect("it is there");
        copy(&members.data(index).with_extension("kept"), &members.data(index));
    }
    members.start_all("existing").await;
    let report = until_whole(&mut stand, 1_000).await;
    assert_eq!(
        (listed(&report), report.note.as_str()),
        (vec!["10.0.0.1:6443".to_owned()], "")
    );
    let now = members
        .gateway
        .put(members.client(0), &lease("10.0.0.2"), "k8s")
        .await;
    assert!(
        early < now && now < late,
        "revisions went backwards: {early} {now} {late}"
    );
    assert_eq!(listed(&stand.report().await.2), ["10.0.0.1:6443", "10.0.0.2"]);
}

#[tokio::test]
async fn a_restored_snapshot_is_a_new_cluster_whose_word_only_adds_at_first() {
    let Some(mut members) = Members::start(3).await else {
        return;
    };
    let programs = members.programs.clone();
    let (Some(etcdctl), Some(restorer)) = (programs.etcdctl, programs.restorer) else {
        return not_run(
            "a_restored_snapshot_is_a_new_cluster_whose_word_only_adds_at_first",
            "no etcdctl or etcdutl is beside ETCD_BIN",
            "put them there, or leave ETCD_BIN unset",
        );
    };
    members.gateway.put(members.client(0), LIST, ONE).await;
    let snapshot = members.pki.folder().join("snapshot.db");
    let endpoint = format!("https://{}", members.client(0));
    let file = |name: &str| members.pki.folder().join(name);
    run(Command::new(etcdctl)
        .env("ETCDCTL_API", "3")
        .args(["snapshot", "save", "--endpoints", &endpoint])
        .arg(snapshot.as_path())
        .arg("--cacert")
        .arg(file("members-ca.crt"))
        .arg("--cert")
        .arg(file("writer.crt"))
        .arg("--key")
        .arg(file("writer.key")))
    .await;
    members
        .gateway
        .put(members.client(0), &lease("10.0.0.9"), "k8s")
        .await;
    let mut stand = stand(&members.pki, &[members.endpoint(0)]);
    assert_eq!(until_whole(&mut stand, 1).await.endpoints.len(), 2);
    members.kill_all().await;
    members.begin_anew("restored");
    for index in 0..3 {
        fs::remove_dir_all(members.data(index)).expect("it is there");
        let mut restore = Command::new(&restorer);
        restore
            .env("ETCDCTL_API", "3")
            .args(["snapshot", "restore"])
            .arg(&snapshot)
            .args([
                "--name",
                members.name(index),
                "--initial-cluster-token",
                "restored",
            ])
            .args(["--initial-cluster", &members.initial_cluster()])
            .args(["--initial-advertise-peer-urls", &members.peer_url(index)])
            .arg("--data-dir")
            .arg(members.data(index));
        run(&mut restore).await;
    }
    members.start_all("existing").await;
    // Whether it is ours is not proven yet: it adds at once, and each change too, but takes nothing away.
    let report = super::asked(&mut stand, 1_000).await;
    assert_eq!((report.verified, report.mode), (false, Mode::Watch), "{report:?}");
    assert_eq!(listed(&report), ["10.0.0.1:6443"]);
    assert!(
        report.note.contains("restored from a snapshot") && report.note.contains("only adds (M6)"),
        "{}",
        report.note
    );
    members
        .gateway
        .put(members.client(0), &lease("10.0.0.2"), "k8s")
        .await;
    let (_, _, report) = stand.report().await;
    assert_eq!((report.verified, listed(&report).len()), (false, 2));
}

async fn run(command: &mut Command) {
    let output = timeout(PATIENCE, command.stdin(Stdio::null()).output());
    let output = output.await.expect("in time").expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a new folder");
    for entry in fs::read_dir(from).expect("a folder").flatten() {
        let target = to.join(entry.file_name());
        match entry.file_type().expect("a file").is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).expect("it is copied")),
        }
    }
}
