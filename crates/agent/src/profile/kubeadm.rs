//! kubeadm, and what is built on it (Kubespray, Cluster API): kubeconfigs under `/etc/kubernetes`, static pods for the control
//! plane. Data for [`super::survey`]. `admin.conf` may do everything and is never presented; only its server is read.

use super::layout::{
    Credential, CredentialKind, Etcd, Layout, Local, OptionsFrom, OwnPort, RoleRule, ServersFrom, When,
};
use super::{Profile, Role};

/// The kubelet's kubeconfig.
pub(crate) const KUBELET: &str = "/etc/kubernetes/kubelet.conf";
const API_POD: &str = "/etc/kubernetes/manifests/kube-apiserver.yaml";
const ETCD_POD: &str = "/etc/kubernetes/manifests/etcd.yaml";

const fn variables(path: &'static str) -> OptionsFrom {
    OptionsFrom::Variables {
        path,
        names: &[],
        flags: &["KUBELET_KUBEADM_ARGS", "KUBELET_EXTRA_ARGS"],
    }
}

/// kubeadm.
pub(crate) const LAYOUT: Layout = Layout {
    profile: Profile::Kubeadm,
    // The kubelet's package leaves /etc/kubernetes/manifests behind: a folder is no mark.
    marks: &[
        KUBELET,
        API_POD,
        "/etc/kubernetes/admin.conf",
        "/var/lib/kubelet/kubeadm-flags.env",
    ],
    options: &[
        variables("/var/lib/kubelet/kubeadm-flags.env"),
        variables("/etc/default/kubelet"),
        variables("/etc/sysconfig/kubelet"),
        OptionsFrom::Pod(API_POD),
    ],
    aliases: &[],
    data_dir: "/etc/kubernetes",
    roles: &[
        RoleRule {
            role: Role::Server,
            when: &[When::There(API_POD), When::There(ETCD_POD)],
        },
        RoleRule {
            role: Role::ControlPlaneOnly,
            when: &[When::There(API_POD)],
        },
        RoleRule {
            role: Role::EtcdOnly,
            when: &[When::There(ETCD_POD)],
        },
        RoleRule {
            role: Role::Agent,
            when: &[When::Missing(API_POD)],
        },
    ],
    authorities: &["/etc/kubernetes/pki/ca.crt"],
    credentials: &[Credential {
        kind: CredentialKind::Kubeconfig(KUBELET),
        with: &["/var/lib/kubelet/pki/kubelet-client-current.pem"],
        may: "the kubelet's: may get Endpoints, which are polled then",
        is_kubelet: true,
    }],
    without_credential: "let the node join once (kubeadm join), or let jackline's user read /etc/kubernetes/kubelet.conf and \
                         /var/lib/kubelet/pki, or give cluster.kubeconfig one of a ServiceAccount",
    servers: &[
        ServersFrom::Kubeconfig(KUBELET),
        // On newer control planes kubelet.conf names the node's own apiserver, this one the controlPlaneEndpoint.
        ServersFrom::Kubeconfig("/etc/kubernetes/admin.conf"),
        ServersFrom::Kubeconfig("/etc/kubernetes/bootstrap-kubelet.conf"),
    ],
    without_server: "give the cluster's controlPlaneEndpoint: --server https://HOST:6443",
    local: Some(Local {
        addresses: &["advertise-address", "node-ip"],
        port_key: "secure-port",
        port: 6443,
    }),
    supervisor: None,
    etcd: Some(Etcd {
        mark: ETCD_POD,
        authority: "/etc/kubernetes/pki/etcd/ca.crt",
        clients: &[
            (
                "/etc/kubernetes/pki/apiserver-etcd-client.crt",
                "/etc/kubernetes/pki/apiserver-etcd-client.key",
            ),
            (
                "/etc/kubernetes/pki/etcd/healthcheck-client.crt",
                "/etc/kubernetes/pki/etcd/healthcheck-client.key",
            ),
        ],
        door: None,
    }),
    import: &[],
    names: &["hostname-override"],
    addresses: &["node-ip"],
    labels: &["node-labels"],
    ports: &[
        OwnPort {
            key: Some("secure-port"),
            port: 6443,
            less: 0,
            loopback_only: false,
            roles: &[Role::Server, Role::ControlPlaneOnly],
            whose: "this node's own apiserver",
        },
        OwnPort {
            key: None,
            port: 2379,
            less: 0,
            loopback_only: true,
            roles: &[Role::Server, Role::EtcdOnly],
            whose: "etcd",
        },
    ],
    services: &[],
};
