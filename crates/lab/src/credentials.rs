//! The files that a node of the cluster has: CA, client certificates, kubeconfigs, tokens.

use std::io::Write;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::{NamedTempFile, TempDir};

use crate::pki::{Authority, Issued};
use crate::plane::{PlaneError, hexadecimal};

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
    /// A kubeconfig with the certificate of K3s's own controllers (`system:k3s-controller`): may list and watch Endpoints,
    /// and get Nodes.
    pub k3s_controller_kubeconfig: PathBuf,
    /// The node token for the supervisor: `K10<hash>::node:<password>`.
    pub node_token: PathBuf,
    /// A ServiceAccount's bearer token that may get, list and watch EndpointSlices, Endpoints and Nodes.
    pub bearer_token: PathBuf,
}

/// The folder of all nodes' files.
pub(crate) struct Folder {
    directory: TempDir,
    authority: Authority,
    node_token: String,
    admin_token: String,
}

impl Folder {
    /// With the password of every node for the supervisor, and the token of an administrator.
    pub(crate) fn create(
        authority: &Authority,
        node_password: &str,
        admin_token: &str,
    ) -> Result<Self, PlaneError> {
        let builder = tempfile::Builder::new().prefix("jackline-lab-").tempdir();
        let directory = builder.map_err(|source| PlaneError::File {
            path: std::env::temp_dir(),
            source,
        })?;
        let hash = hexadecimal(&Sha256::digest(authority.pem().as_bytes()));
        Ok(Self {
            directory,
            authority: authority.clone(),
            node_token: format!("K10{hash}::node:{node_password}"),
            admin_token: admin_token.to_owned(),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn node(
        &self,
        name: &str,
        server: &str,
        bearer_token: &str,
    ) -> Result<Credentials, PlaneError> {
        let directory = self.path().join(name);
        let at = |file: &str| directory.join(file);
        let files = Credentials {
            ca_file: at("server-ca.crt"),
            kubelet_certificate: at("client-kubelet.crt"),
            kubelet_key: at("client-kubelet.key"),
            kube_proxy_certificate: at("client-kube-proxy.crt"),
            kube_proxy_key: at("client-kube-proxy.key"),
            kubelet_kubeconfig: at("kubelet.kubeconfig"),
            kube_proxy_kubeconfig: at("kubeproxy.kubeconfig"),
            k3s_controller_kubeconfig: at("k3scontroller.kubeconfig"),
            node_token: at("node-token"),
            bearer_token: at("bearer-token"),
            directory,
        };
        if !files.directory.exists() {
            create(&files.directory)?;
            write(&files.ca_file, self.authority.pem())?;
            let kubelet = self
                .authority
                .client(&format!("system:node:{name}"), &["system:nodes"])?;
            write_pair(&files.kubelet_certificate, &files.kubelet_key, &kubelet)?;
            let kube_proxy = self.authority.client("system:kube-proxy", &[])?;
            write_pair(&files.kube_proxy_certificate, &files.kube_proxy_key, &kube_proxy)?;
            let controller = self.authority.client("system:k3s-controller", &[])?;
            write_pair(
                &at_controller(&files, "crt"),
                &at_controller(&files, "key"),
                &controller,
            )?;
            write(&files.node_token, &format!("{}\n", self.node_token))?;
            write(&files.bearer_token, bearer_token)?;
        }
        let kubeconfig = |path: &Path, certificate: &Path, key: &Path| {
            write(
                path,
                &kubeconfig(server, &files.ca_file, &pair(certificate, key), ""),
            )
        };
        kubeconfig(
            &files.kubelet_kubeconfig,
            &files.kubelet_certificate,
            &files.kubelet_key,
        )?;
        kubeconfig(
            &files.kube_proxy_kubeconfig,
            &files.kube_proxy_certificate,
            &files.kube_proxy_key,
        )?;
        kubeconfig(
            &files.k3s_controller_kubeconfig,
            &at_controller(&files, "crt"),
            &at_controller(&files, "key"),
        )?;
        Ok(files)
    }

    /// Replaces a node's ServiceAccount token.
    pub(crate) fn write_bearer_token(&self, node: &str, token: &str) -> Result<(), PlaneError> {
        write(&self.path().join(node).join("bearer-token"), token)
    }

    /// `by_token`: with a bearer token instead of a client certificate.
    pub(crate) fn admin(&self, server: &str, by_token: bool) -> Result<PathBuf, PlaneError> {
        let directory = self.path().join("admin");
        let at = |file: &str| directory.join(file);
        if !directory.exists() {
            create(&directory)?;
            write_pair(
                &at("client-admin.crt"),
                &at("client-admin.key"),
                &self.authority.client("system:admin", &["system:masters"])?,
            )?;
        }
        write(&at("server-ca.crt"), self.authority.pem())?;
        let (file, user) = match by_token {
            true => (
                at("admin-token.kubeconfig"),
                format!("token: {}", self.admin_token),
            ),
            false => (
                at("admin.kubeconfig"),
                pair(&at("client-admin.crt"), &at("client-admin.key")),
            ),
        };
        // A node's listener has an address that no certificate names.
        let name = "    tls-server-name: kubernetes\n";
        write(&file, &kubeconfig(server, &at("server-ca.crt"), &user, name))?;
        Ok(file)
    }

    pub(crate) fn write_ca(&self, node: &str, authorities: &[&Authority]) -> Result<(), PlaneError> {
        let text: String = authorities.iter().map(|authority| authority.pem()).collect();
        write(&self.path().join(node).join("server-ca.crt"), &text)
    }
}

fn create(directory: &Path) -> Result<(), PlaneError> {
    std::fs::create_dir(directory).map_err(|source| PlaneError::File {
        path: directory.to_owned(),
        source,
    })
}

fn write_pair(certificate: &Path, key: &Path, issued: &Issued) -> Result<(), PlaneError> {
    write(certificate, &issued.certificate_pem)?;
    write(key, &issued.key_pem)
}

/// Under a new name first, so that a reader sees the old text or the new one; temporary files are the owner's only.
fn write(path: &Path, text: &str) -> Result<(), PlaneError> {
    let fail = |source| PlaneError::File {
        path: path.to_owned(),
        source,
    };
    let mut file = NamedTempFile::new_in(path.parent().unwrap_or(Path::new("."))).map_err(fail)?;
    file.write_all(text.as_bytes()).map_err(fail)?;
    file.persist(path).map_err(|error| fail(error.error))?;
    Ok(())
}

fn at_controller(files: &Credentials, end: &str) -> PathBuf {
    files.directory.join(format!("client-k3s-controller.{end}"))
}

/// The user of a kubeconfig, as K3s writes it: with references to files.
fn pair(certificate: &Path, key: &Path) -> String {
    format!(
        "client-certificate: {}\n    client-key: {}",
        certificate.display(),
        key.display()
    )
}

/// `more`: further lines on the cluster.
fn kubeconfig(server: &str, ca: &Path, user: &str, more: &str) -> String {
    format!(
        "apiVersion: v1\n\
         kind: Config\n\
         clusters:\n\
         - name: local\n  cluster:\n    server: {server}\n    certificate-authority: {}\n{more}\
         users:\n\
         - name: user\n  user:\n    {user}\n\
         contexts:\n\
         - name: Default\n  context:\n    cluster: local\n    namespace: default\n    user: user\n\
         current-context: Default\n",
        ca.display(),
    )
}
