//! k0s: one data folder, units that say whether this is a controller or a worker. Data for [`super::survey`].

use super::layout::{
    Credential, CredentialKind, Etcd, Layout, Local, OptionsFrom, OwnPort, RoleRule, ServersFrom, When,
};
use super::{Profile, Role};

/// k0s.
pub(crate) const LAYOUT: Layout = Layout {
    profile: Profile::K0s,
    marks: &[
        "/etc/k0s/k0s.yaml",
        "/etc/systemd/system/k0scontroller.service",
        "/etc/systemd/system/k0sworker.service",
        "/var/lib/k0s/kubelet.conf",
        "/var/lib/k0s/pki",
    ],
    options: &[
        OptionsFrom::Yaml {
            path: "/etc/k0s/k0s.yaml",
            overlays: false,
        },
        OptionsFrom::Unit("/etc/systemd/system/k0scontroller.service"),
        OptionsFrom::Unit("/etc/systemd/system/k0sworker.service"),
    ],
    aliases: &[],
    data_dir: "/var/lib/k0s",
    roles: &[
        RoleRule {
            role: Role::Server,
            when: &[When::Runs("controller"), When::There("{data}/etcd")],
        },
        // Its datastore is kine's, or somebody else's etcd.
        RoleRule {
            role: Role::ControlPlaneOnly,
            when: &[When::Runs("controller")],
        },
        RoleRule {
            role: Role::Agent,
            when: &[When::Runs("worker")],
        },
        RoleRule {
            role: Role::Server,
            when: &[When::There("{data}/pki/ca.key"), When::There("{data}/etcd")],
        },
        RoleRule {
            role: Role::ControlPlaneOnly,
            when: &[When::There("{data}/pki/ca.key")],
        },
        RoleRule {
            role: Role::Agent,
            when: &[When::There("{data}/kubelet.conf")],
        },
    ],
    authorities: &["{data}/pki/ca.crt"],
    credentials: &[Credential {
        kind: CredentialKind::Kubeconfig("{data}/kubelet.conf"),
        with: &["{data}/kubelet/pki/kubelet-client-current.pem"],
        may: "the kubelet's: may get Endpoints, which are polled then",
        is_kubelet: true,
    }],
    // A controller without a worker has no node credential, and admin.conf may do everything.
    without_credential: "let jackline's user read {data}; on a controller without a worker give cluster.kubeconfig one of a \
                         ServiceAccount, for there is none of a node",
    servers: &[
        ServersFrom::Kubeconfig("{data}/kubelet.conf"),
        ServersFrom::Kubeconfig("{data}/kubelet-bootstrap.conf"),
        ServersFrom::Host {
            key: "spec.api.externalAddress",
            port_key: "spec.api.port",
            port: 6443,
        },
    ],
    without_server: "give the address of a controller: --server https://HOST:6443",
    local: Some(Local {
        addresses: &["spec.api.address"],
        port_key: "spec.api.port",
        port: 6443,
    }),
    supervisor: None,
    etcd: Some(Etcd {
        mark: "{data}/etcd",
        authority: "{data}/pki/etcd/ca.crt",
        clients: &[(
            "{data}/pki/apiserver-etcd-client.crt",
            "{data}/pki/apiserver-etcd-client.key",
        )],
        door: None,
    }),
    import: &[],
    names: &[],
    addresses: &[],
    labels: &["labels", "kubelet-extra-args"],
    ports: &[
        OwnPort {
            key: Some("spec.api.port"),
            port: 6443,
            less: 0,
            loopback_only: false,
            roles: &[Role::Server, Role::ControlPlaneOnly],
            whose: "this node's own apiserver",
        },
        OwnPort {
            key: None,
            port: 7443,
            less: 0,
            loopback_only: true,
            roles: &[Role::Agent],
            whose: "k0s's node-local load balancing",
        },
    ],
    services: &[],
};
