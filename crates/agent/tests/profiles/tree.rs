//! A node in a temporary folder, and what `config show` says on it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use jackline_agent::config::{Config, Environment, Flags, load, load_to_show};
use tempfile::TempDir;

/// Where the configuration file stands in what is shown.
const SHOWN: &str = "/etc/jackline/config.yaml";

/// Stands for a certificate or a key: whether it can be read is all that is looked at.
pub(crate) const PEM: &str = "-----BEGIN SOMETHING-----\nb3duIGJ5dGVz\n-----END SOMETHING-----\n";

pub(crate) struct Tree {
    dir: TempDir,
}

impl Tree {
    /// A node with these files.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let tree = Self {
            dir: tempfile::tempdir().expect("a folder"),
        };
        for (path, text) in files {
            tree.file(path, text);
        }
        tree
    }

    /// The folder that stands for `/`.
    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    fn real(&self, path: &str) -> PathBuf {
        let real = self.root().join(path.trim_start_matches('/'));
        fs::create_dir_all(real.parent().expect("a parent")).expect("folders");
        real
    }

    pub(crate) fn file(&self, path: &str, text: &str) {
        fs::write(self.real(path), text).expect("a file");
    }

    pub(crate) fn files(&self, folder: &str, names: &[&str]) {
        for name in names {
            self.file(&format!("{folder}/{name}"), PEM);
        }
    }

    pub(crate) fn link(&self, path: &str, target: &str) {
        symlink(target, self.real(path)).expect("a link");
    }

    /// What nobody can read as a file, whoever asks: root too.
    pub(crate) fn folder(&self, path: &str) {
        let real = self.real(path);
        let _ = fs::remove_file(&real);
        fs::create_dir_all(real).expect("a folder");
    }

    pub(crate) fn remove(&self, path: &str) {
        fs::remove_file(self.real(path)).expect("it was there");
    }

    fn flags(&self, text: &str) -> Flags {
        let config = self.dir.path().join("config.yaml");
        fs::write(&config, text).expect("a file");
        Flags {
            config: Some(config),
            root: Some(self.root()),
            ..Flags::default()
        }
    }

    fn hide(&self, text: &str) -> String {
        text.replace(&*self.dir.path().join("config.yaml").to_string_lossy(), SHOWN)
    }

    /// The configuration that holds with this text in jackline's own file, or why it is refused.
    pub(crate) fn config(&self, text: &str) -> Result<Config, String> {
        load(&self.flags(text), &Environment::default()).map_err(|error| self.hide(&error.to_string()))
    }

    /// What `config show` says with this text in jackline's own file.
    pub(crate) fn show_with(&self, text: &str) -> String {
        match load_to_show(&self.flags(text), &Environment::default()) {
            Ok(config) => {
                let whole = format!("{:?}", config.warnings);
                let page = self.hide(&(config.show_profile() + &config.show(false)));
                for text in [&whole, &page] {
                    assert!(!text.contains("hunter2"), "a secret is told: {text}");
                    let root = self.root();
                    assert!(
                        !text.contains(&*root.to_string_lossy()),
                        "the root is told: {text}"
                    );
                }
                page
            }
            Err(error) => format!("refused:\n{}\n", self.hide(&error.to_string())),
        }
    }

    pub(crate) fn show(&self) -> String {
        self.show_with("")
    }
}

/// A kubeconfig as kubeadm and k0s write it.
pub(crate) fn kubeconfig(server: &str, certificate: &str) -> String {
    format!(
        "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: {CA}\n    server: {server}\n  name: kubernetes\n\
         contexts:\n- context:\n    cluster: kubernetes\n    user: system:node:n\n  name: system:node:n@kubernetes\n\
         current-context: system:node:n@kubernetes\nkind: Config\npreferences: {{}}\nusers:\n- name: system:node:n\n  user:\n    \
         client-certificate: {certificate}\n    client-key: {certificate}\n"
    )
}

const CA: &str = "LS0tLS1CRUdJTiBTT01FVEhJTkctLS0tLQo=";

/// A path of the node as it really lies under the tree's root.
pub(crate) fn under(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").expect("a whole path"))
}
