//! What there is to be asked for: `/version` and the discovery that kubectl begins with.

use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use crate::api::answer::{Body, json as answer_json};
use crate::objects::Resource;

const GROUPS: [&str; 2] = ["discovery.k8s.io", "coordination.k8s.io"];

pub(crate) fn version() -> Response<Body> {
    answer_json(
        StatusCode::OK,
        &json!({ "major": "1", "minor": "36", "gitVersion": "v1.36.0+lab", "goVersion": "none", "platform": "linux/lab" }),
    )
}

pub(crate) fn answer(path: &str) -> Option<Response<Body>> {
    let value = match path {
        "/api" => json!({ "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [] }),
        "/apis" => json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": GROUPS.map(group) }),
        "/api/v1" => resources(""),
        _ => {
            let name = path.strip_prefix("/apis/")?;
            let group_name = name.strip_suffix("/v1").unwrap_or(name);
            if !GROUPS.contains(&group_name) {
                return None;
            }
            if name == group_name {
                group(group_name)
            } else {
                resources(group_name)
            }
        }
    };
    Some(answer_json(StatusCode::OK, &value))
}

fn group(name: &str) -> Value {
    let version = json!({ "groupVersion": format!("{name}/v1"), "version": "v1" });
    json!({ "kind": "APIGroup", "apiVersion": "v1", "name": name, "versions": [version], "preferredVersion": version })
}

fn resources(group: &str) -> Value {
    let of_group = Resource::ALL
        .into_iter()
        .filter(|resource| resource.group() == group);
    let entries: Vec<Value> = of_group
        .map(|resource| {
            json!({
                "name": resource.plural(), "singularName": resource.kind().to_lowercase(), "namespaced": resource.namespaced(),
                "kind": resource.kind(), "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
                "shortNames": short_names(resource),
            })
        })
        .collect();
    let version = if group.is_empty() {
        "v1".to_owned()
    } else {
        format!("{group}/v1")
    };
    json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": entries })
}

fn short_names(resource: Resource) -> &'static [&'static str] {
    match resource {
        Resource::ConfigMaps => &["cm"],
        Resource::Endpoints => &["ep"],
        Resource::Namespaces => &["ns"],
        Resource::Nodes => &["no"],
        Resource::Pods => &["po"],
        Resource::Services => &["svc"],
        Resource::EndpointSlices | Resource::Leases => &[],
    }
}
