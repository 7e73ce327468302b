//! `jackline rbac`: what it prints is what a cluster takes, to the letter.

use std::io::ErrorKind;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::program::{run, within};
use jackline_borrowed::not_run;

async fn documents(arguments: &[&str]) -> (String, Vec<Value>) {
    let ended = run(arguments).await;
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    let documents = ended
        .out
        .split("\n---\n")
        .map(|text| serde_saphyr::from_str(text).expect("each document is YAML"));
    (ended.out.clone(), documents.collect())
}

#[tokio::test]
async fn it_is_an_account_two_read_only_rules_and_what_binds_them() {
    let (_, all) = documents(&["rbac", "--namespace", "edge"]).await;
    let [account, role, binding] = all.as_slice() else {
        panic!("three objects: {all:?}")
    };
    assert_eq!(
        account["metadata"],
        json!({ "name": "jackline", "namespace": "edge" })
    );
    let reads = json!(["get", "list", "watch"]);
    assert_eq!(role["kind"], "ClusterRole");
    assert_eq!(
        role["rules"],
        json!([
            { "apiGroups": [""], "resources": ["endpoints", "nodes"], "verbs": reads },
            { "apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": reads },
        ])
    );
    assert_eq!(binding["roleRef"]["name"], role["metadata"]["name"]);
    assert_eq!(
        binding["subjects"],
        json!([{ "kind": "ServiceAccount", "name": "jackline", "namespace": "edge" }])
    );
}

#[tokio::test]
async fn a_namespace_that_cannot_be_is_wrong_usage() {
    for bad in ["", "A", "-a", "a\nkind: Secret", "a/b"] {
        let ended = run(["rbac", "--namespace", bad]).await;
        assert_eq!((ended.code, ended.out.as_str()), (Some(64), ""), "{bad:?}");
    }
}

/// What kubectl asks a server before it reads a manifest: which resources there are.
fn discovery(path: &str) -> Option<Value> {
    let kind = |name: &str, kind: &str, namespaced: bool| json!({ "name": name, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": ["create", "get"] });
    let version = json!({ "groupVersion": "rbac.authorization.k8s.io/v1", "version": "v1" });
    Some(match path {
        "/api" => json!({ "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [] }),
        "/apis" => json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": [
            { "name": "rbac.authorization.k8s.io", "versions": [version], "preferredVersion": version }] }),
        "/api/v1" => json!({ "kind": "APIResourceList", "groupVersion": "v1",
            "resources": [kind("serviceaccounts", "ServiceAccount", true)] }),
        "/apis/rbac.authorization.k8s.io/v1" => json!({ "kind": "APIResourceList",
            "groupVersion": "rbac.authorization.k8s.io/v1",
            "resources": [kind("clusterroles", "ClusterRole", false), kind("clusterrolebindings", "ClusterRoleBinding", false)] }),
        _ => return None,
    })
}

async fn answer(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte).await, Ok(1)) {
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let path = head.split(' ').nth(1).unwrap_or_default();
            let (code, body) = match discovery(path.split('?').next().unwrap_or_default()) {
                Some(body) => (200, body.to_string()),
                None => (404, json!({ "kind": "Status", "code": 404 }).to_string()),
            };
            let answer = format!(
                "HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        });
    }
}

#[tokio::test]
async fn kubectl_takes_it() {
    let (manifest, _) = documents(&["rbac"]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let server = format!("http://{}", listener.local_addr().expect("bound"));
    let serving = tokio::spawn(answer(listener));
    let home = tempfile::tempdir().expect("a folder");
    let child = Command::new("kubectl")
        .args([
            "create",
            "--dry-run=client",
            "--validate=false",
            "-o",
            "json",
            "-f",
            "-",
        ])
        .args(["--server", &server])
        .env("HOME", home.path())
        .env_remove("KUBECONFIG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let mut child = match child {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            not_run("rbac::kubectl_takes_it", "there is no kubectl here", "kubectl");
            return;
        }
        child => child.expect("kubectl starts"),
    };
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(manifest.as_bytes()).await.expect("kubectl reads");
    drop(stdin);
    let output = within("kubectl ends", child.wait_with_output())
        .await
        .expect("kubectl runs");
    serving.abort();
    let (text, complaint) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    assert!(output.status.success(), "{text}{complaint}");
    for kind in ["ServiceAccount", "ClusterRole", "ClusterRoleBinding"] {
        assert!(text.contains(&format!("\"kind\": \"{kind}\"")), "{kind}: {text}");
    }
}
