//! K3s: where it keeps what a balancer needs. Data for [`super::survey`]; nothing is done here.

use super::layout::{
    Credential, CredentialKind, Door, Etcd, Layout, Local, OptionsFrom, OwnPort, RoleRule, ServersFrom,
    Supervisor, When,
};
use super::{Profile, Role};

const VARIABLES: &[(&str, &str)] = &[
    ("K3S_URL", "server"),
    ("K3S_TOKEN", "token"),
    ("K3S_TOKEN_FILE", "token-file"),
    ("K3S_AGENT_TOKEN", "agent-token"),
    ("K3S_AGENT_TOKEN_FILE", "agent-token-file"),
    ("K3S_NODE_NAME", "node-name"),
    ("K3S_LB_SERVER_PORT", "lb-server-port"),
    ("K3S_DATA_DIR", "data-dir"),
    ("K3S_CONFIG_FILE", "config"),
];

const fn variables(path: &'static str) -> OptionsFrom {
    OptionsFrom::Variables {
        path,
        names: VARIABLES,
        flags: &[],
    }
}

/// K3s.
pub(crate) const LAYOUT: Layout = Layout {
    profile: Profile::K3s,
    marks: &[
        "/etc/rancher/k3s/config.yaml",
        "/etc/systemd/system/k3s.service",
        "/etc/systemd/system/k3s-agent.service",
        "/var/lib/rancher/k3s/server",
        "/var/lib/rancher/k3s/agent",
    ],
    options: &[
        variables("/etc/default/k3s"),
        variables("/etc/default/k3s-agent"),
        variables("/etc/sysconfig/k3s"),
        variables("/etc/sysconfig/k3s-agent"),
        variables("/etc/rancher/k3s/k3s.env"),
        variables("/etc/systemd/system/k3s.service.env"),
        variables("/etc/systemd/system/k3s-agent.service.env"),
        OptionsFrom::Yaml {
            path: "/etc/rancher/k3s/config.yaml",
            overlays: true,
        },
        OptionsFrom::Unit("/etc/systemd/system/k3s.service"),
        OptionsFrom::Unit("/etc/systemd/system/k3s-agent.service"),
    ],
    aliases: &[
        ("s", "server"),
        ("t", "token"),
        ("d", "data-dir"),
        ("i", "node-ip"),
    ],
    data_dir: "/var/lib/rancher/k3s",
    roles: &[
        RoleRule {
            role: Role::EtcdOnly,
            when: &[When::Runs("server"), When::Told("disable-apiserver", "true")],
        },
        RoleRule {
            role: Role::ControlPlaneOnly,
            when: &[When::Runs("server"), When::Told("disable-etcd", "true")],
        },
        RoleRule {
            role: Role::Server,
            when: &[When::Runs("server")],
        },
        RoleRule {
            role: Role::Agent,
            when: &[When::Runs("agent")],
        },
        RoleRule {
            role: Role::EtcdOnly,
            when: &[
                When::There("{data}/server/tls"),
                When::Told("disable-apiserver", "true"),
            ],
        },
        RoleRule {
            role: Role::ControlPlaneOnly,
            when: &[
                When::There("{data}/server/tls"),
                When::Told("disable-etcd", "true"),
            ],
        },
        RoleRule {
            role: Role::Server,
            when: &[When::There("{data}/server/tls")],
        },
        RoleRule {
            role: Role::Agent,
            when: &[When::Missing("{data}/server/tls")],
        },
    ],
    authorities: &["{data}/agent/server-ca.crt", "{data}/server/tls/server-ca.crt"],
    credentials: CREDENTIALS,
    without_credential: "let K3s join once, or let jackline's user read {data}/agent; without a credential servers can be \
                         tested no further than TLS",
    servers: &[ServersFrom::Option {
        key: "server",
        port: None,
    }],
    without_server: "give the address that the node was joined with: --server https://HOST:6443",
    local: Some(Local {
        addresses: &["advertise-address", "node-ip", "bind-address"],
        port_key: "https-listen-port",
        port: 6443,
    }),
    supervisor: Some(Supervisor {
        distribution: "k3s",
        tokens: &["token", "agent-token"],
        token_files: &["token-file", "agent-token-file"],
        files: &[
            "{data}/server/node-token",
            "{data}/server/agent-token",
            "{data}/server/token",
        ],
        without_token: "write the node's join token into a file and name it: supervisor.token-file",
    }),
    etcd: Some(ETCD),
    // k3s-etcd-server-load-balancer.json holds etcd's addresses: they say nothing about an apiserver.
    import: &[
        "{data}/agent/etc/k3s-agent-load-balancer.json",
        "{data}/agent/etc/k3s-api-server-agent-load-balancer.json",
    ],
    names: &["node-name"],
    addresses: &["node-ip"],
    labels: &["node-label", "kubelet-arg"],
    ports: PORTS,
    // One port carries the API and the supervisor.
    services: &[],
};

/// Also RKE2's. Certificates are made for every datastore; the folder is there only with etcd.
pub(crate) const ETCD: Etcd = Etcd {
    mark: "{data}/server/db/etcd",
    authority: "{data}/server/tls/etcd/server-ca.crt",
    clients: &[(
        "{data}/server/tls/etcd/client.crt",
        "{data}/server/tls/etcd/client.key",
    )],
    // 127.0.0.1:2379 is the distribution's own balancer's there.
    door: Some(Door {
        roles: &[Role::ControlPlaneOnly],
        key: "services.etcd.listen",
        at: "127.0.0.2:2379",
    }),
};

/// Also RKE2's, which keeps them at the same places of its own folder.
pub(crate) const CREDENTIALS: &[Credential] = &[
    Credential {
        kind: CredentialKind::Kubeconfig("{data}/agent/kubeproxy.kubeconfig"),
        with: &[
            "{data}/agent/client-kube-proxy.crt",
            "{data}/agent/client-kube-proxy.key",
        ],
        may: "kube-proxy's: may list and watch EndpointSlices and Nodes",
        is_kubelet: false,
    },
    Credential {
        kind: CredentialKind::Certificate(
            "{data}/agent/client-kubelet.crt",
            "{data}/agent/client-kubelet.key",
        ),
        with: &[],
        may: "the kubelet's: may get Endpoints, which are polled then",
        is_kubelet: true,
    },
    Credential {
        kind: CredentialKind::Kubeconfig("{data}/agent/k3scontroller.kubeconfig"),
        with: &[
            "{data}/agent/client-k3s-controller.crt",
            "{data}/agent/client-k3s-controller.key",
        ],
        may: "K3s's own controller's: may get Nodes on many versions, little else",
        is_kubelet: false,
    },
];

/// Also RKE2's. They are opened with SO_REUSEPORT, so that a second listener would silently take half the connections.
pub(crate) const PORTS: &[OwnPort] = &[
    OwnPort {
        key: Some("https-listen-port"),
        port: 6443,
        less: 0,
        loopback_only: false,
        roles: Role::SERVERS,
        whose: "this server itself",
    },
    OwnPort {
        key: Some("lb-server-port"),
        port: 6444,
        less: 0,
        loopback_only: true,
        roles: Role::ALL,
        whose: "the distribution's own balancer for supervisors",
    },
    OwnPort {
        key: Some("lb-server-port"),
        port: 6444,
        less: 1,
        loopback_only: true,
        roles: Role::ALL,
        whose: "the distribution's own balancer for apiservers",
    },
    OwnPort {
        key: None,
        port: 2379,
        less: 0,
        loopback_only: true,
        roles: Role::ALL,
        whose: "etcd, or the distribution's own balancer for it",
    },
];
