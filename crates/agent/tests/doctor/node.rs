//! A node in a temporary folder: files of a distribution and the kernel's tables, all as they should be.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use jackline_agent::doctor::Request;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use tempfile::TempDir;

const DATA: &str = "/var/lib/rancher/k3s";
/// From the first of January of one year to that of another.
const LONG: (i32, i32) = (2020, 2200);

pub(crate) struct Node {
    dir: TempDir,
}

impl Node {
    /// A machine of no known distribution.
    pub(crate) fn empty() -> Self {
        let node = Self {
            dir: tempfile::tempdir().expect("a folder"),
        };
        node.system();
        node
    }

    /// An agent of K3s.
    pub(crate) fn healthy() -> Self {
        let node = Self::empty();
        node.write(
            "/etc/systemd/system/k3s-agent.service",
            "[Service]\nExecStart=/usr/local/bin/k3s agent\n",
        );
        node.write(
            "/etc/rancher/k3s/config.yaml",
            "server: https://10.0.0.1:6443\ntoken: K10abc::node:hunter2\n",
        );
        node.certificate(&format!("{DATA}/agent/server-ca.crt"), LONG);
        let key = node.certificate(&format!("{DATA}/agent/client-kubelet.crt"), LONG);
        node.write(&format!("{DATA}/agent/client-kubelet.key"), &key);
        node.write(
            &format!("{DATA}/agent/etc/k3s-agent-load-balancer.json"),
            "{\"ServerURL\":\"https://10.0.0.1:6443\",\"ServerAddresses\":[\"10.0.0.1:6443\",\"10.0.0.2:6443\"]}",
        );
        node.kubelet("https://127.0.0.1:6444");
        node
    }

    /// A worker of kubeadm.
    pub(crate) fn kubeadm() -> Self {
        let node = Self::empty();
        node.certificate("/etc/kubernetes/pki/ca.crt", LONG);
        node.certificate("/var/lib/kubelet/pki/kubelet-client-current.pem", LONG);
        node.write(
            "/etc/kubernetes/kubelet.conf",
            &kubeconfig("https://cp.example:6443"),
        );
        node
    }

    /// What every machine has.
    fn system(&self) {
        self.write("/etc/resolv.conf", "nameserver 10.0.0.53\n");
        self.write("/run/systemd/timesync/synchronized", "");
        self.write("/sys/class/net/eth0/mtu", "1500\n");
        self.write("/sys/class/net/flannel.1/mtu", "1450\n");
        self.write("/proc/sys/net/netfilter/nf_conntrack_count", "100\n");
        self.write("/proc/sys/net/netfilter/nf_conntrack_max", "131072\n");
        self.write(
            "/proc/net/route",
            "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n\
             eth0\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n",
        );
        self.write("/proc/net/tcp", "  sl  local_address rem_address   st\n");
        self.listener("0100007F:192C", 4711);
        self.process(10, "k3s-agent", 4711);
    }

    pub(crate) fn request(&self) -> Request {
        Request {
            root: self.dir.path().to_owned(),
            config: None,
            profile: None,
            servers: Vec::new(),
            offline: true,
        }
    }

    fn real(&self, path: &str) -> PathBuf {
        let real = self.dir.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(real.parent().expect("a parent")).expect("folders");
        real
    }

    /// A file that is its owner's alone.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let real = self.real(path);
        fs::write(&real, text).expect("written");
        fs::set_permissions(&real, Permissions::from_mode(0o600)).expect("its mode");
    }

    pub(crate) fn mode(&self, path: &str, mode: u32) {
        fs::set_permissions(self.real(path), Permissions::from_mode(mode)).expect("its mode");
    }

    /// A certificate of these years; gives its key.
    pub(crate) fn certificate(&self, path: &str, (from, to): (i32, i32)) -> String {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec!["kubernetes".to_owned()]).expect("parameters");
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        let made = params.self_signed(&key).expect("a certificate");
        self.write(path, &made.pem());
        key.serialize_pem()
    }

    pub(crate) fn kubelet(&self, server: &str) {
        self.write(&format!("{DATA}/agent/kubelet.kubeconfig"), &kubeconfig(server));
    }

    /// A socket that listens, as the kernel tells it.
    pub(crate) fn listener(&self, address: &str, inode: u64) {
        let mut table = OpenOptions::new()
            .append(true)
            .open(self.real("/proc/net/tcp"))
            .expect("a table");
        writeln!(
            table,
            "   0: {address} 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 {inode} 1"
        )
        .expect("a line");
    }

    /// A process that has it.
    pub(crate) fn process(&self, id: u32, name: &str, inode: u64) {
        self.write(&format!("/proc/{id}/comm"), &format!("{name}\n"));
        symlink(
            format!("socket:[{inode}]"),
            self.real(&format!("/proc/{id}/fd/3")),
        )
        .expect("a link");
    }
}

fn kubeconfig(server: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: k\n  cluster:\n    server: {server}\n    certificate-authority: /ca.crt\n\
         contexts:\n- name: c\n  context: {{cluster: k, user: u}}\ncurrent-context: c\nusers:\n- name: u\n  user: {{}}\n"
    )
}
