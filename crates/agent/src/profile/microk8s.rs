//! MicroK8s: all under `/var/snap/microk8s/current`, the API on 16443. Data for [`super::survey`].
//!
//! A worker keeps the `ca.crt` that it had before it joined, which is not the cluster's: only the CA inside its kubeconfigs is
//! the right one.

use super::layout::{
    Credential, CredentialKind, Layout, Local, OptionsFrom, OwnPort, RoleRule, ServersFrom, When,
};
use super::{Profile, Role};

const WORKER: &str = "{data}/var/lock/clustered.lock";
const API: u16 = 16443;

/// MicroK8s.
pub(crate) const LAYOUT: Layout = Layout {
    profile: Profile::Microk8s,
    marks: &["/var/snap/microk8s/current/args/kubelet"],
    options: &[
        OptionsFrom::Flags("/var/snap/microk8s/current/args/kube-apiserver"),
        OptionsFrom::Flags("/var/snap/microk8s/current/args/kubelet"),
    ],
    aliases: &[],
    data_dir: "/var/snap/microk8s/current",
    roles: &[
        RoleRule {
            role: Role::Agent,
            when: &[When::There(WORKER)],
        },
        // Its datastore, dqlite, runs in the same snap.
        RoleRule {
            role: Role::Server,
            when: &[When::Missing(WORKER)],
        },
    ],
    authorities: &[],
    credentials: &[
        Credential {
            kind: CredentialKind::Kubeconfig("{data}/credentials/proxy.config"),
            with: &[],
            may: "kube-proxy's: may list and watch EndpointSlices and Nodes",
            is_kubelet: false,
        },
        Credential {
            kind: CredentialKind::Kubeconfig("{data}/credentials/kubelet.config"),
            with: &[],
            may: "the kubelet's: may get Endpoints, which are polled then",
            is_kubelet: true,
        },
    ],
    without_credential: "let jackline's user read {data}/credentials",
    servers: &[
        // Kubeconfigs name 127.0.0.1, behind which stands MicroK8s's own proxy; its list has the servers.
        ServersFrom::List {
            path: "{data}/args/traefik/provider.yaml",
            key: "tcp.services.kube-apiserver.loadBalancer.servers.address",
            port: None,
        },
        // On a control plane dqlite's members are the control planes.
        ServersFrom::List {
            path: "{data}/var/kubernetes/backend/cluster.yaml",
            key: "Address",
            port: Some(API),
        },
    ],
    without_server: "give the address of a control plane: --server https://HOST:16443",
    local: Some(Local {
        addresses: &["advertise-address"],
        port_key: "secure-port",
        port: API,
    }),
    supervisor: None,
    // Its datastore is dqlite.
    etcd: None,
    import: &[],
    names: &["hostname-override"],
    addresses: &["node-ip"],
    labels: &["node-labels"],
    ports: &[OwnPort {
        key: Some("secure-port"),
        port: API,
        less: 0,
        loopback_only: false,
        roles: Role::ALL,
        whose: "MicroK8s's apiserver, or its proxy to one",
    }],
    services: &[],
};
