//! Objects over HTTP: lists, watches, bookmarks, 410, writes.

use std::time::Duration;

use hyper::Method;
use jackline_lab::{Role, Shutdown};
use serde_json::{Value, json};

use crate::client::{As, Connection, Http, connect, node};
use crate::{LONG, SILENCE, ready_plane};

const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
const OF_KUBERNETES: &str = "labelSelector=kubernetes.io%2Fservice-name%3Dkubernetes";
const TWO: [(&str, Role); 2] = [("a", Role::Server), ("b", Role::Server)];

async fn version(client: &mut Connection, path: &str) -> String {
    let list = client.get(path).await.json();
    list["metadata"]["resourceVersion"]
        .as_str()
        .expect("a version")
        .to_owned()
}

#[tokio::test]
async fn a_watch_tells_each_change_after_its_version_and_nothing_twice() {
    let plane = ready_plane(&TWO).await;
    let (a, b) = (
        plane.server("a").expect("planned"),
        plane.server("b").expect("planned"),
    );
    let files = node(&plane, "n");
    let mut client = connect(&plane, "a", As::KubeProxy(&files), Http::Two).await;
    let list = client.get(&format!("{SLICES}?{OF_KUBERNETES}")).await.json();
    assert_eq!(
        (list["kind"].as_str(), list["items"].as_array().map(Vec::len)),
        (Some("EndpointSliceList"), Some(1))
    );
    let item = &list["items"][0];
    assert_eq!(item["endpoints"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        (item["ports"][0]["port"].as_u64(), item.get("kind")),
        (Some(plane.port().into()), None)
    );

    let from = list["metadata"]["resourceVersion"].as_str().expect("a version");
    let mut lines = client
        .lines(&format!(
            "{SLICES}?watch=true&{OF_KUBERNETES}&resourceVersion={from}"
        ))
        .await;
    assert!(lines.within(SILENCE).await.is_err(), "nothing has changed");
    b.stop(Shutdown::AtOnce).await;
    let event = lines.next().await.expect("an event");
    assert_eq!(event["type"], "MODIFIED");
    assert_eq!(
        event["object"]["endpoints"],
        json!([{ "addresses": [a.address().ip()], "conditions": { "ready": true } }])
    );
    assert!(lines.within(SILENCE).await.is_err(), "one change, one event");
    let mut other = client
        .lines(&format!(
            "{SLICES}?watch=true&labelSelector=kubernetes.io/service-name%3Dother"
        ))
        .await;
    assert!(other.within(SILENCE).await.is_err());
}

#[tokio::test]
async fn bookmarks_move_a_watch_on_and_a_version_from_before_a_compaction_is_gone() {
    let plane = ready_plane(&TWO).await;
    let files = node(&plane, "n");
    let mut client = connect(&plane, "a", As::KubeProxy(&files), Http::Two).await;
    let from = version(&mut client, SLICES).await;
    let mut lines = client
        .lines(&format!(
            "{SLICES}?watch=1&allowWatchBookmarks=true&resourceVersion={from}"
        ))
        .await;
    // Something else in the cluster changes: the version grows, the slices do not.
    assert!(plane.delete_node("b"));
    let bookmark = lines.next().await.expect("a bookmark within six seconds");
    assert_eq!(
        (&bookmark["type"], &bookmark["object"]["kind"]),
        (&json!("BOOKMARK"), &json!("EndpointSlice"))
    );
    let newer = bookmark["object"]["metadata"]["resourceVersion"]
        .as_str()
        .expect("a version")
        .to_owned();
    assert!(newer.parse::<u64>().expect("a number") > from.parse().expect("a number"));

    plane.compact();
    let mut old = client
        .lines(&format!("{SLICES}?watch=1&resourceVersion={from}"))
        .await;
    let gone = old.next().await.expect("an event");
    assert_eq!(
        (&gone["type"], &gone["object"]["code"], &gone["object"]["reason"]),
        (&json!("ERROR"), &json!(410), &json!("Expired"))
    );
    assert_eq!(old.next().await, None, "and the watch is over");
    let mut new = client
        .lines(&format!(
            "{SLICES}?watch=1&timeoutSeconds=1&resourceVersion={newer}"
        ))
        .await;
    assert_eq!(
        new.next().await,
        None,
        "the bookmark's version is good: no event, and its end after the second it asked for"
    );
}

#[tokio::test]
async fn a_watch_ends_properly_when_its_server_stops_and_an_untimed_one_begins_with_what_there_is() {
    let plane = ready_plane(&TWO).await;
    let files = node(&plane, "n");
    let mut client = connect(&plane, "a", As::KubeProxy(&files), Http::One).await;
    let mut lines = client
        .lines("/api/v1/nodes?watch=1&labelSelector=node-role.kubernetes.io/control-plane")
        .await;
    let mut names = Vec::new();
    for _ in 0..2 {
        let event = lines.next().await.expect("an event");
        assert_eq!(event["type"], "ADDED");
        names.push(
            event["object"]["metadata"]["name"]
                .as_str()
                .expect("a name")
                .to_owned(),
        );
    }
    assert_eq!(names, ["a", "b"], "the worker n carries no such label");
    plane.delete_node("b");
    let event = lines.next().await.expect("an event");
    assert_eq!(
        (&event["type"], &event["object"]["metadata"]["name"]),
        (&json!("DELETED"), &json!("b"))
    );
    plane.server("a").expect("planned").stop(Shutdown::AtOnce).await;
    assert_eq!(lines.next().await, None);
}

#[tokio::test]
async fn a_kubelet_renews_its_lease_and_nobody_else_s() {
    let plane = ready_plane(&TWO).await;
    let files = node(&plane, "n");
    node(&plane, "other");
    let leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
    let mut kubelet = connect(&plane, "a", As::Kubelet(&files), Http::Two).await;
    let mut lease = kubelet.get(&format!("{leases}/n")).await.json();
    assert_eq!(plane.heartbeat("n"), None);
    lease["spec"]["renewTime"] = json!("2026-11-24T08:00:00.000000Z");
    let renewed = kubelet
        .call(Method::PUT, &format!("{leases}/n"), &[], &lease.to_string())
        .await;
    assert_eq!(renewed.status, 200);
    assert_eq!(renewed.json()["spec"]["renewTime"], lease["spec"]["renewTime"]);
    assert!(plane.heartbeat("n").expect("heard").elapsed() < LONG);
    let stale = kubelet
        .call(Method::PUT, &format!("{leases}/n"), &[], &lease.to_string())
        .await;
    assert_eq!(
        (stale.status.as_u16(), &stale.json()["reason"]),
        (409, &json!("Conflict"))
    );
    assert_eq!(
        kubelet
            .call(Method::PUT, &format!("{leases}/other"), &[], &lease.to_string())
            .await
            .status,
        403
    );
    for rubbish in ["", "[]", "{\"metadata\":7}", "{"] {
        assert_eq!(
            kubelet
                .call(Method::PUT, &format!("{leases}/n"), &[], rubbish)
                .await
                .status,
            400,
            "{rubbish}"
        );
    }
}

#[tokio::test]
async fn one_http_2_connection_carries_many_requests_at_a_time() {
    let plane = ready_plane(&[("a", Role::Server)]).await;
    let a = plane.server("a").expect("planned");
    let files = node(&plane, "n");
    let mut client = connect(&plane, "a", As::Kubelet(&files), Http::Two).await;
    let mut lines = client.lines("/lab/watch").await;
    for number in 1..=3 {
        assert_eq!(
            lines.next().await.expect("an event"),
            json!({ "event": number, "server": "a" })
        );
        let echo = client.get(&format!("/lab/echo?id=r-{number}")).await.json();
        assert_eq!(echo, json!({ "id": format!("r-{number}"), "server": "a" }));
        assert!(plane.requests_seen(&format!("r-{number}")));
    }
    assert_eq!(a.sessions(), 1);
    let back = client.call(Method::POST, "/lab/echo", &[], "give it back").await;
    assert_eq!((back.status.as_u16(), back.text.as_str()), (200, "give it back"));
}

#[tokio::test]
async fn a_list_told_by_a_label_or_a_name_holds_only_that() {
    let plane = ready_plane(&[("a", Role::Server), ("e", Role::EtcdOnly)]).await;
    let files = node(&plane, "n");
    let mut proxy = connect(&plane, "a", As::KubeProxy(&files), Http::One).await;
    let names = |list: Value| -> Vec<String> {
        let items = list["items"].as_array().expect("a list").clone();
        items
            .iter()
            .map(|item| item["metadata"]["name"].as_str().expect("a name").to_owned())
            .collect()
    };
    assert_eq!(names(proxy.get("/api/v1/nodes").await.json()), ["a", "e", "n"]);
    assert_eq!(
        names(
            proxy
                .get("/api/v1/nodes?labelSelector=node-role.kubernetes.io/control-plane")
                .await
                .json()
        ),
        ["a"]
    );
    assert_eq!(
        names(
            proxy
                .get("/api/v1/nodes?labelSelector=node-role.kubernetes.io/etcd")
                .await
                .json()
        ),
        ["a", "e"]
    );
    assert_eq!(
        names(
            proxy
                .get("/api/v1/nodes?fieldSelector=metadata.name%3De")
                .await
                .json()
        ),
        ["e"]
    );
    assert_eq!(
        proxy.get("/api/v1/nodes?labelSelector=a+in+(b)").await.status,
        400
    );
    assert_eq!(proxy.get("/nowhere").await.status, 404);
    let begun = std::time::Instant::now();
    let mut lines = proxy
        .lines("/api/v1/nodes?watch=1&timeoutSeconds=1&resourceVersion=1000000")
        .await;
    assert_eq!(lines.next().await, None);
    assert!(begun.elapsed() >= Duration::from_secs(1));
}
