//! The Node source: control-plane Nodes by label, one Node by name, and what counts as the absence of one.

use jackline_core::{Ask, Event, Mode, NodeListing, Report};
use jackline_discovery::{NodesConfig, SourceConfig};

use crate::server::{Reply, Seen, Server, nobody, status};
use crate::stand::{Pki, Stand, order};

const BY_LABEL: &str =
    "/api/v1/nodes?labelSelector=node-role.kubernetes.io%2Fcontrol-plane&resourceVersion=0";
const BY_OLD_LABEL: &str = "/api/v1/nodes?labelSelector=node-role.kubernetes.io%2Fmaster&resourceVersion=0";
const BY_NAME: &str = "/api/v1/nodes/cp-1";
const BY_FIELD: &str = "/api/v1/nodes?fieldSelector=metadata.name%3Dcp-1";

const NODE: &str = r#"{"kind":"Node","metadata":{"name":"cp-1","labels":{"node-role.kubernetes.io/control-plane":"","topology.kubernetes.io/zone":"a"}},
    "status":{"addresses":[{"type":"ExternalIP","address":"192.0.2.1"},{"type":"InternalIP","address":"10.0.0.1"}]}}"#;

fn list(items: &str) -> Reply {
    Reply::Json(
        200,
        format!(r#"{{"kind":"NodeList","metadata":{{}},"items":[{items}]}}"#),
    )
}

async fn ask_one(pki: &Pki, script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> (Event, Vec<String>) {
    let server = Server::start(pki, script).await;
    let mut stand = Stand::new(SourceConfig::Nodes(NodesConfig::default()), pki.trust());
    let mut one = order(4, &[server.address]);
    one.ask = Ask::Node("cp-1".to_owned());
    stand.discovery.refresh(one);
    let event = stand.next().await;
    assert!(stand.finish().await.is_empty(), "one ending");
    (event, server.paths())
}

fn told(event: Event) -> Option<NodeListing> {
    match event {
        Event::NodeReported {
            name,
            node,
            answered_by,
            refresh,
            ..
        } => {
            assert_eq!(
                (name.as_str(), answered_by.is_some(), refresh.0),
                ("cp-1", true, 4)
            );
            node
        }
        other => panic!("not about a Node: {other:?}"),
    }
}

#[tokio::test]
async fn control_plane_nodes_are_listed_from_the_watch_cache() {
    let pki = Pki::new();
    let server = Server::start(&pki, |_| list(NODE)).await;
    let mut stand = Stand::new(SourceConfig::Nodes(NodesConfig::default()), pki.trust());
    stand.order(1, &[server.address]);
    let (_, _, report) = stand.report().await;
    assert_eq!(server.paths(), [BY_LABEL]);
    assert_eq!(
        (report.endpoints.len(), report.mode, report.verified),
        (0, Mode::Poll, true)
    );
    let node = &report.nodes[0];
    assert_eq!(
        (node.name.as_str(), node.control_plane, node.zone.as_deref()),
        ("cp-1", true, Some("a"))
    );
    assert_eq!(
        node.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["10.0.0.1", "192.0.2.1"]
    );
}

#[tokio::test]
async fn the_older_label_is_tried_where_the_present_one_finds_none() {
    let pki = Pki::new();
    let server = Server::start(&pki, |seen| {
        list(if seen.path == BY_OLD_LABEL { NODE } else { "" })
    })
    .await;
    let mut stand = Stand::new(SourceConfig::Nodes(NodesConfig::default()), pki.trust());
    stand.order(1, &[server.address]);
    assert_eq!(stand.report().await.2.nodes.len(), 1);
    assert_eq!(server.paths(), [BY_LABEL, BY_OLD_LABEL]);
}

#[tokio::test]
async fn one_node_is_read_by_name() {
    let pki = Pki::new();
    let (event, paths) = ask_one(&pki, |_| Reply::Json(200, NODE.to_owned())).await;
    assert_eq!(told(event).expect("a node").name, "cp-1");
    assert_eq!(paths, [BY_NAME]);
}

#[tokio::test]
async fn a_credential_that_may_only_list_asks_for_a_list_of_one() {
    let pki = Pki::new();
    let script = |items: &'static str| {
        move |seen: &Seen| {
            if seen.path == BY_NAME {
                status(403, "Forbidden", "no get")
            } else {
                list(items)
            }
        }
    };
    let (event, paths) = ask_one(&pki, script(NODE)).await;
    assert_eq!(told(event).expect("a node").name, "cp-1");
    assert_eq!(paths, [BY_NAME, BY_FIELD]);
    let (event, _) = ask_one(&pki, script("")).await;
    assert_eq!(told(event), None, "an empty list of one says that there is none");
}

#[tokio::test]
async fn a_verified_servers_own_words_say_that_there_is_none() {
    let pki = Pki::new();
    let details = r#"{"kind":"Status","reason":"NotFound","message":"gone","details":{"kind":"nodes","name":"cp-1"},"code":404}"#;
    let (event, _) = ask_one(&pki, move |_| Reply::Json(404, details.to_owned())).await;
    assert_eq!(told(event), None);
    let (event, _) = ask_one(&pki, |_| status(404, "NotFound", r#"nodes \"cp-1\" not found"#)).await;
    assert_eq!(told(event), None);
}

#[tokio::test]
async fn any_other_404_proves_nothing() {
    let pki = Pki::new();
    for answer in [
        || {
            status(
                404,
                "NotFound",
                "the server could not find the requested resource",
            )
        },
        || status(404, "NotFound", r#"nodes \"cp-2\" not found"#),
        || status(404, "", r#"nodes \"cp-1\" not found"#),
        || {
            Reply::With(
                404,
                "Content-Type: text/plain\r\n".to_owned(),
                b"404 page not found".to_vec(),
            )
        },
    ] {
        let (event, _) = ask_one(&pki, move |_| answer()).await;
        assert!(matches!(event, Event::SourceFailed { .. }), "{event:?}");
    }
}

#[tokio::test]
async fn another_node_than_asked_for_proves_nothing() {
    let pki = Pki::new();
    let (event, _) = ask_one(&pki, |_| Reply::Json(200, NODE.replace("cp-1", "cp-2"))).await;
    assert!(matches!(event, Event::SourceFailed { .. }), "{event:?}");
    let (event, _) = ask_one(&pki, |seen| match seen.path == BY_NAME {
        true => status(403, "Forbidden", "no get"),
        false => list(&NODE.replace("cp-1", "cp-2")),
    })
    .await;
    assert!(matches!(event, Event::SourceFailed { .. }), "{event:?}");
}

#[tokio::test]
async fn a_dead_server_is_worked_around_and_odd_names_are_not_asked_for() {
    let pki = Pki::new();
    let good = Server::start(&pki, |_| Reply::Json(200, NODE.to_owned())).await;
    let mut stand = Stand::new(SourceConfig::Nodes(NodesConfig::default()), pki.trust());
    let mut one = order(4, &[nobody().await, good.address]);
    one.ask = Ask::Node("cp-1".to_owned());
    stand.discovery.refresh(one);
    assert!(told(stand.next().await).is_some());
    let mut odd = order(5, &[good.address]);
    odd.ask = Ask::Node("../secrets".to_owned());
    stand.discovery.refresh(odd);
    assert!(
        matches!(stand.next().await, Event::SourceFailed { failure, .. } if failure.reason.contains("no Node's name"))
    );
    assert_eq!(good.paths().len(), 1);
}

const OWN: &str = "/api/v1/nodes/worker-1";
const OWN_BY_FIELD: &str = "/api/v1/nodes?fieldSelector=metadata.name%3Dworker-1";
const WORKER: &str = r#"{"kind":"Node","metadata":{"name":"worker-1","labels":{"topology.kubernetes.io/zone":"b"}},"status":{}}"#;

/// A refresh that also wants the own Node: what it tells, and what was asked.
async fn ask_with_own(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> (Event, Vec<String>) {
    let pki = Pki::new();
    let server = Server::start(&pki, script).await;
    let own = Some("worker-1".to_owned());
    let mut stand = Stand::new(SourceConfig::Nodes(NodesConfig { own }), pki.trust());
    stand.order(1, &[server.address]);
    (stand.next().await, server.paths())
}

fn names_and_zones(report: &Report) -> Vec<(&str, Option<&str>)> {
    let nodes = report.nodes.iter();
    nodes
        .map(|node| (node.name.as_str(), node.zone.as_deref()))
        .collect()
}

fn reported(event: Event) -> Report {
    match event {
        Event::SourceReported { report, .. } => report,
        other => panic!("not a report: {other:?}"),
    }
}

#[tokio::test]
async fn the_own_node_is_listed_beside_the_control_plane_with_each_credential() {
    // A ServiceAccount gets it by name, kube-proxy by a list of one.
    for by_name in [true, false] {
        let (event, paths) = ask_with_own(move |seen| match seen.path.as_str() {
            BY_LABEL => list(NODE),
            OWN if by_name => Reply::Json(200, WORKER.to_owned()),
            OWN_BY_FIELD if !by_name => list(WORKER),
            _ => status(403, "Forbidden", "not for you"),
        })
        .await;
        let report = reported(event);
        assert_eq!(
            names_and_zones(&report),
            [("cp-1", Some("a")), ("worker-1", Some("b"))]
        );
        assert!(!report.partial && report.note.is_empty(), "{report:?}");
        assert_eq!(paths.len(), if by_name { 2 } else { 3 });
    }
}

#[tokio::test]
async fn a_kubelets_credential_tells_the_own_node_and_takes_nothing_away() {
    let (event, _) = ask_with_own(|seen| match seen.path.as_str() {
        OWN => Reply::Json(200, WORKER.to_owned()),
        _ => status(403, "Forbidden", "not for you"),
    })
    .await;
    let report = reported(event);
    assert_eq!(names_and_zones(&report), [("worker-1", Some("b"))]);
    assert!(report.partial);
    assert!(
        report.note.contains("only the own Node may be read"),
        "{}",
        report.note
    );
}

#[tokio::test]
async fn an_own_node_on_the_control_plane_costs_no_further_question() {
    let (event, paths) = ask_with_own(|_| list(&NODE.replace("cp-1", "worker-1"))).await;
    assert_eq!(names_and_zones(&reported(event)), [("worker-1", Some("a"))]);
    assert_eq!(paths, [BY_LABEL]);
}

#[tokio::test]
async fn an_own_node_that_cannot_be_read_spoils_no_list_and_an_empty_list_stays_partial() {
    let (event, _) = ask_with_own(|seen| match seen.path.as_str() {
        BY_LABEL => list(NODE),
        _ => status(500, "InternalError", "broken"),
    })
    .await;
    let report = reported(event);
    assert_eq!(names_and_zones(&report), [("cp-1", Some("a"))]);
    assert!(
        !report.partial && report.note.contains("the own Node"),
        "{report:?}"
    );
    let (event, _) = ask_with_own(|seen| match seen.path.as_str() {
        OWN => Reply::Json(200, WORKER.to_owned()),
        _ => list(""),
    })
    .await;
    assert!(
        reported(event).partial,
        "no control-plane Node at all proves nothing"
    );
    let (event, _) = ask_with_own(|_| status(403, "Forbidden", "not for you")).await;
    assert!(matches!(event, Event::SourceFailed { .. }), "{event:?}");
}
