//! The files that a node of the cluster has: CA, client certificates, kubeconfigs, tokens.

use std::path::PathBuf;

/// Where the files of one node are. All are the owner's only (0600), in a folder that goes with the control plane.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The folder.
    pub directory: PathBuf,
    /// The cluster's CA.
    pub ca_file: PathBuf,
    /// The kubelet's client certificate (`system:node:NAME`).
    pub kubelet_certificate: PathBuf,
    /// Its key.
    pub kubelet_key: PathBuf,
    /// kube-proxy's client certificate (`system:kube-proxy`).
    pub kube_proxy_certificate: PathBuf,
    /// Its key.
    pub kube_proxy_key: PathBuf,
    /// A kubeconfig with the kubelet's certificate.
    pub kubelet_kubeconfig: PathBuf,
    /// A kubeconfig with kube-proxy's certificate: may list and watch EndpointSlices and Nodes.
    pub kube_proxy_kubeconfig: PathBuf,
    /// The node token for the supervisor: `K10<hash>::node:<password>`.
    pub node_token: PathBuf,
    /// A ServiceAccount's bearer token that may get, list and watch EndpointSlices, Endpoints and Nodes.
    pub bearer_token: PathBuf,
}
