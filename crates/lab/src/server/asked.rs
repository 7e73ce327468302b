//! What a server was asked, by what a node asks it for.

use std::collections::BTreeMap;

use hyper::Request;

use crate::supervisor;

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sort {
    /// `/readyz` and its like.
    Health,
    /// The beginning of a watch.
    Watch,
    /// Endpoints and EndpointSlices.
    Endpoints,
    /// Nodes.
    Nodes,
    /// Leases.
    Leases,
    /// A supervisor's own paths.
    Supervisor,
    /// Anything else.
    Other,
}

/// How many of each.
pub(crate) type Tally = BTreeMap<Sort, u64>;

impl Sort {
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        let path = request.uri().path();
        let watches = request.uri().query().is_some_and(|query| {
            query
                .split('&')
                .any(|part| part == "watch=true" || part == "watch=1")
        });
        let has = |resource: &str| path.split('/').any(|part| part == resource);
        match path {
            _ if supervisor::Asked::of(path).is_some() => Self::Supervisor,
            "/readyz" | "/livez" | "/healthz" => Self::Health,
            _ if watches => Self::Watch,
            _ if has("endpoints") || has("endpointslices") => Self::Endpoints,
            _ if has("leases") => Self::Leases,
            _ if has("nodes") => Self::Nodes,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_apart_by_path_and_watches_by_their_query() {
        let sort = |uri: &str| Sort::of(&Request::get(uri).body(()).expect("a request"));
        let slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
        assert_eq!(sort(&format!("{slices}?labelSelector=a%3Db")), Sort::Endpoints);
        assert_eq!(
            sort(&format!("{slices}?allowWatchBookmarks=true&watch=true")),
            Sort::Watch
        );
        assert_eq!(
            sort("/api/v1/namespaces/default/endpoints/kubernetes"),
            Sort::Endpoints
        );
        assert_eq!(sort("/api/v1/nodes/cp-1"), Sort::Nodes);
        assert_eq!(
            sort("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n"),
            Sort::Leases
        );
        assert_eq!(sort("/v1-k3s/apiservers"), Sort::Supervisor);
        assert_eq!(sort("/readyz"), Sort::Health);
        assert_eq!(sort("/version"), Sort::Other);
    }
}
