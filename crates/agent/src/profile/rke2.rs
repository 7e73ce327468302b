//! RKE2: K3s's layout in a folder of its own, with the supervisor on a port of its own. Data for [`super::survey`].

use super::k3s::{CREDENTIALS, ETCD, PORTS};
use super::layout::{
    Door, Layout, Local, OptionsFrom, OwnPort, RoleRule, ServersFrom, Service, Supervisor, When,
};
use super::{Profile, Role};

/// Where supervisors listen, and where apiservers do.
pub(crate) const SUPERVISOR: u16 = 9345;
/// See [`SUPERVISOR`].
pub(crate) const API: u16 = 6443;

const VARIABLES: &[(&str, &str)] = &[
    ("RKE2_URL", "server"),
    ("RKE2_TOKEN", "token"),
    ("RKE2_TOKEN_FILE", "token-file"),
    ("RKE2_AGENT_TOKEN", "agent-token"),
    ("RKE2_AGENT_TOKEN_FILE", "agent-token-file"),
    ("RKE2_NODE_NAME", "node-name"),
    ("RKE2_LB_SERVER_PORT", "lb-server-port"),
    ("RKE2_DATA_DIR", "data-dir"),
    ("RKE2_CONFIG_FILE", "config"),
];

const fn variables(path: &'static str) -> OptionsFrom {
    OptionsFrom::Variables {
        path,
        names: VARIABLES,
        flags: &[],
    }
}

/// Its packages install both units; which one runs is told by the link that enables it.
const SERVER_UNIT: &str = "/etc/systemd/system/multi-user.target.wants/rke2-server.service";
const AGENT_UNIT: &str = "/etc/systemd/system/multi-user.target.wants/rke2-agent.service";

/// K3s's, and the supervisor's own.
const OWN_PORTS: &[OwnPort] = &[
    OwnPort {
        key: None,
        port: SUPERVISOR,
        less: 0,
        loopback_only: false,
        roles: Role::SERVERS,
        whose: "this server's own supervisor",
    },
    PORTS[0],
    PORTS[1],
    PORTS[2],
    PORTS[3],
];

/// RKE2.
pub(crate) const LAYOUT: Layout = Layout {
    profile: Profile::Rke2,
    marks: &[
        "/etc/rancher/rke2/config.yaml",
        SERVER_UNIT,
        AGENT_UNIT,
        "/var/lib/rancher/rke2/server",
        "/var/lib/rancher/rke2/agent",
    ],
    options: &[
        variables("/etc/default/rke2-server"),
        variables("/etc/default/rke2-agent"),
        variables("/etc/sysconfig/rke2-server"),
        variables("/etc/sysconfig/rke2-agent"),
        variables("/usr/local/lib/systemd/system/rke2-server.env"),
        variables("/usr/local/lib/systemd/system/rke2-agent.env"),
        OptionsFrom::Yaml {
            path: "/etc/rancher/rke2/config.yaml",
            overlays: true,
        },
    ],
    aliases: &[
        ("s", "server"),
        ("t", "token"),
        ("d", "data-dir"),
        ("i", "node-ip"),
    ],
    data_dir: "/var/lib/rancher/rke2",
    roles: &[
        RoleRule {
            role: Role::EtcdOnly,
            when: &[When::There(SERVER_UNIT), When::Told("disable-apiserver", "true")],
        },
        RoleRule {
            role: Role::ControlPlaneOnly,
            when: &[When::There(SERVER_UNIT), When::Told("disable-etcd", "true")],
        },
        RoleRule {
            role: Role::Server,
            when: &[When::There(SERVER_UNIT)],
        },
        RoleRule {
            role: Role::Agent,
            when: &[When::There(AGENT_UNIT)],
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
    without_credential: "let RKE2 join once, or let jackline's user read {data}/agent; without a credential servers can be \
                         tested no further than TLS",
    servers: &[ServersFrom::Option {
        key: "server",
        port: Some((SUPERVISOR, API)),
    }],
    without_server: "give the address that the node was joined with, and the API's port: --server https://HOST:6443",
    local: Some(Local {
        addresses: &["advertise-address", "node-ip", "bind-address"],
        port_key: "https-listen-port",
        port: API,
    }),
    supervisor: Some(Supervisor {
        distribution: "rke2",
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
    import: &[
        "{data}/agent/etc/rke2-api-server-agent-load-balancer.json",
        "{data}/agent/etc/rke2-agent-load-balancer.json",
    ],
    names: &["node-name"],
    addresses: &["node-ip"],
    labels: &["node-label", "kubelet-arg"],
    ports: OWN_PORTS,
    services: &[
        Service {
            port: API,
            what: "the API",
            door: None,
        },
        Service {
            port: SUPERVISOR,
            what: "the supervisor",
            // Beside the agent's own balancer, which is on 127.0.0.1. Servers take the port on all their addresses.
            door: Some(Door {
                roles: &[Role::Agent],
                key: "services.supervisor.listen",
                at: "127.0.0.2:9345",
            }),
        },
    ],
};
