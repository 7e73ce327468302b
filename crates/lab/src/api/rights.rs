//! What each user may do: the few rules of a real cluster's RBAC that matter to a node.

use hyper::{Response, StatusCode};

use crate::api::answer::{Body, failure};
use crate::api::auth::User;
use crate::api::resources::Target;
use crate::objects::Resource;

/// What is to be done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
}

impl Verb {
    fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}

/// `/readyz`, `/livez`, `/version`: everybody that was let in, the anonymous too.
pub(crate) fn may_read_public(user: &User) -> bool {
    user.is_in("system:authenticated") || user.is_in("system:unauthenticated")
}

/// `pinned`: the one object that a field selector names.
pub(crate) fn may(user: &User, verb: Verb, target: &Target, pinned: Option<&str>) -> bool {
    use Resource::{EndpointSlices, Endpoints, Leases, Nodes, Services};
    use Verb::{Create, Get, List, Update, Watch};
    if user.is_in("system:masters") {
        return true;
    }
    let reads = matches!(verb, Get | List | Watch);
    if user.name == "system:serviceaccount:kube-system:jackline" {
        return reads && matches!(target.resource, Endpoints | EndpointSlices | Nodes);
    }
    if user.name == "system:kube-proxy" {
        return matches!(verb, List | Watch)
            && matches!(target.resource, Endpoints | EndpointSlices | Nodes | Services);
    }
    if user.name == "system:k3s-controller" {
        return reads && target.resource == Endpoints || verb == Get && target.resource == Nodes;
    }
    let Some(node) = user
        .name
        .strip_prefix("system:node:")
        .filter(|_| user.is_in("system:nodes"))
    else {
        return false;
    };
    let own = target.name.as_deref().or(pinned) == Some(node);
    match target.resource {
        Endpoints => verb == Get,
        Services => reads,
        Nodes => reads && own,
        Leases => {
            let place = target.namespace.as_deref() == Some("kube-node-lease");
            // Who creates names the object in the body, not in the path; the store refuses a second of the same name.
            place && (matches!(verb, Get | Update) && own || verb == Create)
        }
        _ => false,
    }
}

pub(crate) fn forbidden(user: &User, path: &str) -> Response<Body> {
    let message = format!("forbidden: User \"{}\" cannot get path \"{path}\"", user.name);
    failure(StatusCode::FORBIDDEN, "Forbidden", &message)
}

pub(crate) fn forbidden_object(user: &User, verb: Verb, target: &Target) -> Response<Body> {
    let place = match &target.namespace {
        Some(namespace) => format!("in the namespace \"{namespace}\""),
        None => "at the cluster scope".to_owned(),
    };
    let message = format!(
        "{plural} is forbidden: User \"{user}\" cannot {verb} resource \"{plural}\" in API group \"{group}\" {place}",
        plural = target.resource.plural(),
        user = user.name,
        verb = verb.name(),
        group = target.resource.group(),
    );
    failure(StatusCode::FORBIDDEN, "Forbidden", &message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, group: &str) -> User {
        User {
            name: name.into(),
            groups: vec![group.into(), "system:authenticated".into()],
        }
    }

    fn at(path: &str) -> Target {
        Target::of(path).expect("a path of the API")
    }

    #[test]
    fn a_kubelet_gets_endpoints_its_own_node_and_its_own_lease() {
        let kubelet = user("system:node:n1", "system:nodes");
        let endpoints = "/api/v1/namespaces/default/endpoints";
        let leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
        assert!(may(
            &kubelet,
            Verb::Get,
            &at(&format!("{endpoints}/kubernetes")),
            None
        ));
        assert!(!may(&kubelet, Verb::List, &at(endpoints), None));
        assert!(!may(&kubelet, Verb::Watch, &at(endpoints), Some("kubernetes")));
        assert!(!may(
            &kubelet,
            Verb::List,
            &at("/apis/discovery.k8s.io/v1/endpointslices"),
            None
        ));
        assert!(may(&kubelet, Verb::Get, &at("/api/v1/nodes/n1"), None));
        assert!(may(&kubelet, Verb::Watch, &at("/api/v1/nodes"), Some("n1")));
        assert!(!may(&kubelet, Verb::Get, &at("/api/v1/nodes/n2"), None));
        assert!(!may(&kubelet, Verb::List, &at("/api/v1/nodes"), None));
        assert!(may(&kubelet, Verb::Update, &at(&format!("{leases}/n1")), None));
        assert!(!may(&kubelet, Verb::Update, &at(&format!("{leases}/n2")), None));
    }

    #[test]
    fn kube_proxy_lists_and_watches_and_gets_nothing_by_name() {
        let proxy = user("system:kube-proxy", "system:authenticated");
        let slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
        assert!(may(&proxy, Verb::List, &at(slices), None));
        assert!(may(&proxy, Verb::Watch, &at("/api/v1/nodes"), None));
        assert!(!may(
            &proxy,
            Verb::Get,
            &at(&format!("{slices}/kubernetes")),
            None
        ));
        assert!(!may(&proxy, Verb::Get, &at("/api/v1/nodes/n1"), None));
    }

    #[test]
    fn k3s_s_controllers_watch_endpoints_and_get_nodes_by_name() {
        let controller = user("system:k3s-controller", "system:authenticated");
        let endpoints = "/api/v1/namespaces/default/endpoints";
        assert!(may(&controller, Verb::Watch, &at(endpoints), Some("kubernetes")));
        assert!(may(&controller, Verb::Get, &at("/api/v1/nodes/n1"), None));
        assert!(!may(&controller, Verb::List, &at("/api/v1/nodes"), Some("n1")));
        let slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
        assert!(!may(&controller, Verb::List, &at(slices), None));
    }

    #[test]
    fn a_node_s_name_without_its_group_is_worth_nothing() {
        let pretender = user("system:node:n1", "somebody");
        assert!(!may(&pretender, Verb::Get, &at("/api/v1/nodes/n1"), None));
    }
}
