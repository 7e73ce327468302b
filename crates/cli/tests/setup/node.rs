//! A node in a temporary folder, and the real binary upon it.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

pub(crate) const OWN: &str = "/etc/jackline/config.yaml";
pub(crate) const K3S_OVERLAY: &str = "/etc/rancher/k3s/config.yaml.d/50-jackline.yaml";
pub(crate) const KUBELET: &str = "/etc/kubernetes/kubelet.conf";
const PEM: &str = "-----BEGIN SOMETHING-----\nb3duIGJ5dGVz\n-----END SOMETHING-----\n";
/// The user that owns nothing.
const NOBODY: u32 = 65534;

pub(crate) struct Node {
    dir: TempDir,
}

pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Node {
    pub(crate) fn empty() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        fs::create_dir(dir.path().join("root")).expect("a folder");
        Self { dir }
    }

    fn with(files: &[(&str, &str)]) -> Self {
        let node = Self::empty();
        for (path, text) in files {
            node.write(path, text);
        }
        node
    }

    pub(crate) fn k3s_agent() -> Self {
        let node = Self::with(&[
            (
                "/etc/systemd/system/k3s-agent.service",
                "[Service]\nExecStart=/usr/local/bin/k3s \\\n    agent \\\n",
            ),
            (
                "/etc/systemd/system/k3s-agent.service.env",
                "K3S_TOKEN='K10abc::node:hunter2'\nK3S_URL='https://10.0.0.1:6443'\n",
            ),
            ("/etc/rancher/k3s/config.yaml", "node-ip: 10.0.0.9\n"),
        ]);
        node.rancher("k3s");
        node
    }

    pub(crate) fn k3s_server(config: &str) -> Self {
        let node = Self::with(&[
            (
                "/etc/systemd/system/k3s.service",
                "[Service]\nExecStart=/usr/local/bin/k3s server\n",
            ),
            ("/etc/rancher/k3s/config.yaml", config),
            (
                "/var/lib/rancher/k3s/server/node-token",
                "K10abc::server:hunter2\n",
            ),
        ]);
        node.rancher("k3s");
        node
    }

    pub(crate) fn rke2_agent() -> Self {
        let node = Self::with(&[(
            "/etc/rancher/rke2/config.yaml",
            "server: https://10.0.0.1:9345\ntoken: K10abc::node:hunter2\n",
        )]);
        node.rancher("rke2");
        node
    }

    fn rancher(&self, name: &str) {
        for file in [
            "server-ca.crt",
            "client-kube-proxy.crt",
            "client-kube-proxy.key",
            "kubeproxy.kubeconfig",
        ] {
            self.write(&format!("/var/lib/rancher/{name}/agent/{file}"), PEM);
        }
    }

    pub(crate) fn kubeadm_worker() -> Self {
        let node = Self::with(&[
            (KUBELET, &kubeconfig("https://cp.example:6443")),
            ("/etc/kubernetes/pki/ca.crt", PEM),
            ("/var/lib/kubelet/pki/kubelet-client-current.pem", PEM),
        ]);
        fs::set_permissions(node.path(KUBELET), Permissions::from_mode(0o600)).expect("its mode");
        node
    }

    pub(crate) fn k0s_worker() -> Self {
        Self::with(&[
            (
                "/etc/systemd/system/k0sworker.service",
                "[Service]\nExecStart=/usr/local/bin/k0s worker\n",
            ),
            (
                "/var/lib/k0s/kubelet.conf",
                &kubeconfig("https://k0s.example:6443"),
            ),
            ("/var/lib/k0s/pki/ca.crt", PEM),
            ("/var/lib/k0s/kubelet/pki/kubelet-client-current.pem", PEM),
        ])
    }

    pub(crate) fn microk8s_worker() -> Self {
        Self::with(&[
            ("/var/snap/microk8s/current/args/kubelet", "--v=2\n"),
            ("/var/snap/microk8s/current/var/lock/clustered.lock", ""),
            (
                "/var/snap/microk8s/current/credentials/proxy.config",
                &kubeconfig("https://127.0.0.1:16443"),
            ),
            (
                "/var/snap/microk8s/current/args/traefik/provider.yaml",
                "tcp: {services: {kube-apiserver: {loadBalancer: {servers: [{address: \"10.0.0.1:16443\"}]}}}}\n",
            ),
        ])
    }

    pub(crate) fn root(&self) -> String {
        self.dir.path().join("root").to_string_lossy().into_owned()
    }

    pub(crate) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.root())
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let real = PathBuf::from(self.path(path));
        fs::create_dir_all(real.parent().expect("a parent")).expect("folders");
        fs::write(real, text).expect("a file");
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).expect(path)
    }

    pub(crate) fn write_outside(&self, name: &str, text: &str) {
        fs::write(self.dir.path().join(name), text).expect("a file");
    }

    pub(crate) fn read_outside(&self, name: &str) -> String {
        fs::read_to_string(self.dir.path().join(name)).expect(name)
    }

    pub(crate) fn remove(&self, path: &str) {
        fs::remove_file(self.path(path)).expect(path);
    }

    pub(crate) fn link(&self, path: &str, target: &str) {
        symlink(target, self.path(path)).expect("a link");
    }

    pub(crate) fn is_link(&self, path: &str) -> bool {
        fs::symlink_metadata(self.path(path)).expect(path).is_symlink()
    }

    pub(crate) fn is_there(&self, path: &str) -> bool {
        Path::new(&self.path(path)).exists()
    }

    pub(crate) fn mode(&self, path: &str) -> u32 {
        fs::metadata(self.path(path)).expect(path).permissions().mode() & 0o7777
    }

    /// Everything under the root: mode and bytes of files, targets of links, folders.
    pub(crate) fn all(&self) -> BTreeMap<PathBuf, String> {
        let mut all = BTreeMap::new();
        let mut folders = vec![PathBuf::from(self.root())];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                let found = fs::symlink_metadata(&path).expect("it is there");
                let what = if found.is_symlink() {
                    format!("-> {}", fs::read_link(&path).expect("a link").display())
                } else if found.is_dir() {
                    folders.push(path.clone());
                    String::from("a folder")
                } else {
                    let bytes = fs::read(&path).expect("a file");
                    format!(
                        "{:o} {}",
                        found.permissions().mode(),
                        String::from_utf8_lossy(&bytes)
                    )
                };
                all.insert(path, what);
            }
        }
        all
    }

    /// Private files are closed to others, and the way to them is open.
    pub(crate) fn close_to_others(&self) {
        fs::set_permissions(self.dir.path(), Permissions::from_mode(0o755)).expect("its mode");
        for file in [
            "/etc/systemd/system/k3s-agent.service.env",
            "/var/lib/rancher/k3s/agent/client-kube-proxy.key",
        ] {
            fs::set_permissions(self.path(file), Permissions::from_mode(0o600)).expect("its mode");
        }
    }

    pub(crate) fn setup(&self, arguments: &[&str]) -> Ended {
        let root = self.root();
        let mut line = vec!["setup", "--root", root.as_str()];
        line.extend(arguments);
        self.run(&line)
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = command(arguments);
        self.end_of(&mut command).expect("the program runs")
    }

    /// The same as a user without rights; `None`: that cannot be had here.
    pub(crate) fn setup_as_nobody(&self, arguments: &[&str]) -> Option<Ended> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let root = self.root();
        let mut line = vec!["setup", "--root", root.as_str()];
        line.extend(arguments);
        self.end_of(command(&line).uid(NOBODY).gid(NOBODY))
    }

    fn end_of(&self, command: &mut Command) -> Option<Ended> {
        let output = command.output().ok()?;
        let text = |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).expect("it writes text");
            assert!(!text.contains("hunter2"), "a secret is told: {text}");
            text.replace(&*self.root(), "ROOT")
        };
        Some(Ended {
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        })
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jackline"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}

fn kubeconfig(server: &str) -> String {
    format!(
        "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: QUJD\n    server: {server}\n  name: kubernetes\ncontexts:\n\
         - context:\n    cluster: kubernetes\n    user: system:node:n\n  name: system:node:n@kubernetes\ncurrent-context: system:node:n@kubernetes\n\
         kind: Config\nusers:\n- name: system:node:n\n  user:\n    client-certificate: /var/lib/kubelet/pki/kubelet-client-current.pem\n    \
         client-key: /var/lib/kubelet/pki/kubelet-client-current.pem\n"
    )
}

/// Valid, and not as kubeadm writes it.
pub(crate) fn flow_kubeconfig() -> String {
    "{clusters: [{name: k, cluster: {server: \"https://cp.example:6443\"}}], contexts: [{name: c, context: {cluster: k}}], current-context: c}\n"
        .to_owned()
}
