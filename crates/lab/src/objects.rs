//! The Kubernetes objects that the control plane knows: which kinds there are, and how those that it makes itself look.

use std::net::{IpAddr, SocketAddr};

use serde_json::{Value, json};

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Resource {
    ConfigMaps,
    Endpoints,
    EndpointSlices,
    Leases,
    Namespaces,
    Nodes,
    Pods,
    Services,
}

impl Resource {
    pub(crate) const ALL: [Self; 8] = [
        Self::ConfigMaps,
        Self::Endpoints,
        Self::EndpointSlices,
        Self::Leases,
        Self::Namespaces,
        Self::Nodes,
        Self::Pods,
        Self::Services,
    ];

    /// Its name in paths.
    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::ConfigMaps => "configmaps",
            Self::Endpoints => "endpoints",
            Self::EndpointSlices => "endpointslices",
            Self::Leases => "leases",
            Self::Namespaces => "namespaces",
            Self::Nodes => "nodes",
            Self::Pods => "pods",
            Self::Services => "services",
        }
    }

    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::ConfigMaps => "ConfigMap",
            Self::Endpoints => "Endpoints",
            Self::EndpointSlices => "EndpointSlice",
            Self::Leases => "Lease",
            Self::Namespaces => "Namespace",
            Self::Nodes => "Node",
            Self::Pods => "Pod",
            Self::Services => "Service",
        }
    }

    /// Its API group; empty for the core one.
    pub(crate) fn group(self) -> &'static str {
        match self {
            Self::EndpointSlices => "discovery.k8s.io",
            Self::Leases => "coordination.k8s.io",
            _ => "",
        }
    }

    pub(crate) fn api_version(self) -> String {
        match self.group() {
            "" => "v1".to_owned(),
            group => format!("{group}/v1"),
        }
    }

    pub(crate) fn namespaced(self) -> bool {
        !matches!(self, Self::Nodes | Self::Namespaces)
    }

    pub(crate) fn named(group: &str, plural: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|resource| resource.plural() == plural && resource.group() == group)
    }
}

/// Where an object is kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) resource: Resource,
    /// Empty where the kind has none.
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Key {
    pub(crate) fn new(resource: Resource, namespace: &str, name: &str) -> Self {
        Self {
            resource,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    pub(crate) fn node(name: &str) -> Self {
        Self::new(Resource::Nodes, "", name)
    }

    pub(crate) fn node_lease(name: &str) -> Self {
        Self::new(Resource::Leases, "kube-node-lease", name)
    }

    /// `default/kubernetes`, or one of its slices: the objects that tell the list of apiservers.
    pub(crate) fn is_server_list(&self) -> bool {
        matches!(self.resource, Resource::Endpoints | Resource::EndpointSlices)
            && self.namespace == "default"
            && (self.name == "kubernetes" || self.name == "kubernetes-ipv6")
    }
}

/// The Endpoints object and the EndpointSlices (one for each family) that tell this list of apiservers.
pub(crate) fn server_list(servers: &[SocketAddr]) -> Vec<(Key, Value)> {
    let mut objects = vec![(
        Key::new(Resource::Endpoints, "default", "kubernetes"),
        endpoints(servers),
    )];
    let (v4, v6): (Vec<SocketAddr>, Vec<SocketAddr>) = servers.iter().partition(|server| server.is_ipv4());
    objects.push((
        Key::new(Resource::EndpointSlices, "default", "kubernetes"),
        slice("kubernetes", "IPv4", &v4),
    ));
    if !v6.is_empty() {
        objects.push((
            Key::new(Resource::EndpointSlices, "default", "kubernetes-ipv6"),
            slice("kubernetes-ipv6", "IPv6", &v6),
        ));
    }
    objects
}

fn endpoints(servers: &[SocketAddr]) -> Value {
    let subsets: Vec<Value> = by_port(servers)
        .into_iter()
        .map(|(port, ips)| {
            let addresses: Vec<Value> = ips.iter().map(|ip| json!({ "ip": ip })).collect();
            json!({ "addresses": addresses, "ports": [{ "name": "https", "port": port, "protocol": "TCP" }] })
        })
        .collect();
    let mut object = json!({
        "kind": "Endpoints", "apiVersion": "v1",
        "metadata": {
            "name": "kubernetes", "namespace": "default",
            "labels": { "endpointslice.kubernetes.io/skip-mirror": "true" },
        },
    });
    // As on a real one, an empty list is an object without `subsets`.
    if !subsets.is_empty() {
        object["subsets"] = Value::Array(subsets);
    }
    object
}

fn slice(name: &str, family: &str, servers: &[SocketAddr]) -> Value {
    let endpoints: Vec<Value> = servers
        .iter()
        .map(|server| json!({ "addresses": [server.ip()], "conditions": { "ready": true } }))
        .collect();
    // A slice has one set of ports for all its endpoints; the servers of a control plane share their port.
    let ports: Vec<Value> = servers
        .first()
        .map(|server| json!({ "name": "https", "port": server.port(), "protocol": "TCP" }))
        .into_iter()
        .collect();
    json!({
        "kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1",
        "metadata": { "name": name, "namespace": "default", "labels": { "kubernetes.io/service-name": "kubernetes" } },
        "addressType": family, "endpoints": endpoints, "ports": ports,
    })
}

fn by_port(servers: &[SocketAddr]) -> Vec<(u16, Vec<IpAddr>)> {
    let mut groups: Vec<(u16, Vec<IpAddr>)> = Vec::new();
    for server in servers {
        match groups.iter_mut().find(|(port, _)| *port == server.port()) {
            Some((_, ips)) => ips.push(server.ip()),
            None => groups.push((server.port(), vec![server.ip()])),
        }
    }
    groups
}

/// The servers that an Endpoints object tells.
pub(crate) fn told_by(endpoints: &Value) -> Vec<SocketAddr> {
    let mut servers = Vec::new();
    for subset in endpoints["subsets"].as_array().into_iter().flatten() {
        let port = subset["ports"][0]["port"]
            .as_u64()
            .and_then(|port| u16::try_from(port).ok())
            .unwrap_or(0);
        for address in subset["addresses"].as_array().into_iter().flatten() {
            if let Some(ip) = address["ip"].as_str().and_then(|ip| ip.parse::<IpAddr>().ok()) {
                servers.push(SocketAddr::new(ip, port));
            }
        }
    }
    servers
}

/// A Node. `roles` become `node-role.kubernetes.io/` labels; a worker of the lab has no address of its own.
pub(crate) fn node(name: &str, address: Option<IpAddr>, roles: &[&str]) -> Value {
    let mut labels = json!({ "kubernetes.io/hostname": name, "kubernetes.io/os": "linux" });
    for role in roles {
        labels[format!("node-role.kubernetes.io/{role}")] = json!("true");
    }
    let mut addresses = vec![json!({ "type": "Hostname", "address": name })];
    if let Some(address) = address {
        addresses.insert(0, json!({ "type": "InternalIP", "address": address }));
    }
    json!({
        "kind": "Node", "apiVersion": "v1",
        "metadata": { "name": name, "labels": labels },
        "spec": {},
        "status": {
            "addresses": addresses,
            "conditions": [{ "type": "Ready", "status": "True", "reason": "KubeletReady" }],
            "nodeInfo": { "kubeletVersion": "v1.36.0" },
        },
    })
}

/// A node's Lease, not renewed yet.
pub(crate) fn node_lease(name: &str) -> Value {
    json!({
        "kind": "Lease", "apiVersion": "coordination.k8s.io/v1",
        "metadata": { "name": name, "namespace": "kube-node-lease" },
        "spec": { "holderIdentity": name, "leaseDurationSeconds": 40 },
    })
}

/// A Namespace.
pub(crate) fn namespace(name: &str) -> Value {
    json!({
        "kind": "Namespace", "apiVersion": "v1",
        "metadata": { "name": name, "labels": { "kubernetes.io/metadata.name": name } },
        "status": { "phase": "Active" },
    })
}
