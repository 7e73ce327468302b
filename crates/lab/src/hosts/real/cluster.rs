//! The real cluster: one etcd and three kube-apiservers, a host each, and what its administrator does.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use futures_util::future::join_all;
use hyper::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use super::api::{Api, Content};
use super::apiserver::{Apiserver, Launch};
use super::assets::Assets;
use crate::clients::Identity;
use crate::credentials::{Credentials, Folder};
use crate::hosts::Hosts;
use crate::node::Process;
use crate::pki::{Authority, token_key};
use crate::plan::Anonymous;

/// Where apiservers listen, each on its host.
pub(super) const PORT: u16 = 6443;

/// The hosts of the cluster.
const ETCD: &str = "etcd";
const SERVERS: [&str; 3] = ["cp-a", "cp-b", "cp-c"];

/// An administrator waits this long for an answer.
const ADMINISTRATOR_WAITS: Duration = Duration::from_secs(10);

/// Lists are looked at this often.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Nothing here asks a supervisor, and administrators come by certificate.
const NOT_USED: &str = "none";

/// The ServiceAccount of `jackline rbac`.
const ACCOUNT: &str = "/api/v1/namespaces/kube-system/serviceaccounts";

/// Seconds.
const TOKEN_LASTS: u32 = 24 * 3600;

/// The object that tells the apiservers' addresses.
pub(super) const ENDPOINTS: &str = "/api/v1/namespaces/default/endpoints/kubernetes";

/// The cluster. Dropped, its processes are killed.
pub(super) struct Cluster {
    pub(super) servers: Vec<Apiserver>,
    authority: Authority,
    _etcd: Process,
    pub(super) hosts: Hosts,
    /// It goes when those who use it are gone.
    pub(super) folder: TempDir,
}

impl Cluster {
    /// Raises the hosts, these too, and starts etcd; no apiserver runs yet. Called within a tokio runtime.
    ///
    /// # Errors
    /// When hosts, keys or files cannot be made, or etcd cannot be run.
    pub(super) fn raise(assets: &Assets, anonymous: Anonymous, besides: &[&str]) -> anyhow::Result<Self> {
        let names = [ETCD].iter().chain(&SERVERS).chain(besides);
        let names: Vec<String> = names.map(|&name| name.to_owned()).collect();
        let hosts = Hosts::raise(&names).context("raising the hosts")?;
        let folder = tempfile::Builder::new().prefix("jackline-real-").tempdir()?;
        let authority = Authority::new("kubernetes")?;
        let etcd = start_etcd(assets, &hosts, folder.path())?;
        let (private, public) = token_key()?;
        std::fs::write(folder.path().join("ca.crt"), authority.pem())?;
        std::fs::write(folder.path().join("sa.key"), private)?;
        std::fs::write(folder.path().join("sa.pub"), public)?;
        let admin = authority.client("kubernetes-admin", &["system:masters"])?;
        let admin = Identity::issued(&authority, &admin)?;
        let mut servers = Vec::new();
        for name in SERVERS {
            let host = hosts.host(name)?;
            let place = hosts.place(name)?;
            let ip = host.address();
            let serving = authority.serving(name, &[ip.to_string()])?;
            let at = |end: &str| folder.path().join(format!("{name}.{end}"));
            std::fs::write(at("crt"), &serving.certificate_pem)?;
            std::fs::write(at("key"), &serving.key_pem)?;
            let launch = Launch {
                program: assets.apiserver.clone(),
                arguments: arguments(folder.path(), &hosts, name, anonymous)?,
                log: at("log"),
            };
            let api = Api::new(place.clone(), (ip, PORT).into(), &admin, ADMINISTRATOR_WAITS)?;
            servers.push(Apiserver::new(name, ip, place, launch, api));
        }
        Ok(Self {
            servers,
            authority,
            _etcd: etcd,
            hosts,
            folder,
        })
    }

    /// The folder of the nodes' files.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn credentials(&self) -> anyhow::Result<Folder> {
        Ok(Folder::create(&self.authority, NOT_USED, NOT_USED)?)
    }

    /// What every server that is up tells satisfies this.
    pub(super) async fn wait_lists(
        &self,
        limit: Duration,
        holds: impl Fn(&[String]) -> bool,
    ) -> Option<Duration> {
        let began = Instant::now();
        while began.elapsed() < limit {
            let up = self.servers.iter().filter(|server| server.is_up());
            let told = join_all(up.map(|server| server.told())).await;
            let all = |told: &anyhow::Result<Vec<String>>| told.as_ref().is_ok_and(|told| holds(told));
            if !told.is_empty() && told.iter().all(all) {
                return Some(began.elapsed());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        None
    }

    /// The API of some server that is up, for the administrator.
    ///
    /// # Errors
    /// When none is.
    pub(super) fn admin(&self) -> anyhow::Result<&Api> {
        let up = self.servers.iter().find(|server| server.is_up());
        Ok(up.context("no apiserver is up")?.api())
    }

    /// Applies a manifest as `kubectl apply` would the first time: document by document, each where its kind belongs.
    ///
    /// # Errors
    /// When a document is of another kind than those that `jackline rbac` prints, or is refused.
    pub(super) async fn apply(&self, manifest: &str, wanted: impl Fn(&str) -> bool) -> anyhow::Result<()> {
        for document in manifest.split("\n---\n") {
            let kind = document.lines().find_map(|line| line.strip_prefix("kind: "));
            let kind = kind.context("a document of no kind")?;
            if !wanted(kind) {
                continue;
            }
            let path = match kind {
                "ServiceAccount" => ACCOUNT,
                "ClusterRole" => "/apis/rbac.authorization.k8s.io/v1/clusterroles",
                "ClusterRoleBinding" => "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
                other => anyhow::bail!("a document of the kind {other}"),
            };
            let content = Content::yaml(document);
            let answer = self.admin()?.send(Method::POST, path, Some(content)).await?;
            answer.json().with_context(|| format!("applying a {kind}"))?;
        }
        Ok(())
    }

    /// A token of the ServiceAccount `jackline`, by TokenRequest.
    ///
    /// # Errors
    /// When the apiserver gives none.
    pub(super) async fn token(&self) -> anyhow::Result<String> {
        let request = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": { "expirationSeconds": TOKEN_LASTS },
        });
        let path = format!("{ACCOUNT}/jackline/token");
        let answer = self
            .admin()?
            .send(Method::POST, &path, Some(Content::json(&request)));
        let answer = answer.await?.json().context("asking for a token")?;
        let token = answer["status"]["token"].as_str();
        Ok(token.context("an answer without a token")?.to_owned())
    }

    /// Sets an annotation of the Endpoints object, or takes it off.
    ///
    /// # Errors
    /// When the apiserver refuses.
    pub(super) async fn annotate(&self, key: &str, value: Option<&str>) -> anyhow::Result<()> {
        let patch = json!({ "metadata": { "annotations": { key: value } } });
        let content = Content::merge_patch(&patch);
        let answer = self
            .admin()?
            .send(Method::PATCH, ENDPOINTS, Some(content))
            .await?;
        answer.json().context("annotating the Endpoints")?;
        Ok(())
    }

    /// Makes the Node of a control plane, as its kubelet and kubeadm would.
    ///
    /// # Errors
    /// When the apiserver refuses.
    pub(super) async fn make_node(&self, name: &str) -> anyhow::Result<()> {
        let ip = self.hosts.host(name)?.address();
        let node: Value = json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": { "name": name, "labels": { "node-role.kubernetes.io/control-plane": "" } },
        });
        let content = Content::json(&node);
        let made = self
            .admin()?
            .send(Method::POST, "/api/v1/nodes", Some(content))
            .await?;
        made.json().context("making a Node")?;
        let status = json!({ "status": { "addresses": [{ "type": "InternalIP", "address": ip }] } });
        let path = format!("/api/v1/nodes/{name}/status");
        let content = Content::merge_patch(&status);
        let told = self.admin()?.send(Method::PATCH, &path, Some(content)).await?;
        told.json().context("telling a Node's address")?;
        Ok(())
    }

    /// Deletes it.
    ///
    /// # Errors
    /// When the apiserver refuses.
    pub(super) async fn delete_node(&self, name: &str) -> anyhow::Result<()> {
        let path = format!("/api/v1/nodes/{name}");
        let deleted = self.admin()?.send(Method::DELETE, &path, None).await?;
        deleted.json().context("deleting a Node")?;
        Ok(())
    }
}

/// A node's files, with this token of a ServiceAccount.
pub(super) fn files(
    folder: &Folder,
    name: &str,
    listener: SocketAddr,
    token: &str,
) -> anyhow::Result<Credentials> {
    Ok(folder.node(name, &format!("https://{listener}"), token)?)
}

fn start_etcd(assets: &Assets, hosts: &Hosts, folder: &Path) -> anyhow::Result<Process> {
    let ip = hosts.host(ETCD)?.address();
    let peer = "http://127.0.0.1:2380";
    let mut command = Command::new(&assets.etcd);
    command
        .args(["--name", ETCD, "--initial-cluster", &format!("{ETCD}={peer}")])
        .args(["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer])
        .args(["--listen-client-urls", &format!("http://{ip}:2379")])
        .args(["--advertise-client-urls", &format!("http://{ip}:2379")])
        .arg("--data-dir")
        .arg(folder.join("etcd"));
    Process::spawn(command, &folder.join("etcd.log"), &hosts.place(ETCD)?)
}

/// What a control plane of three starts each of its apiservers with; what is not said here is the program's default.
fn arguments(folder: &Path, hosts: &Hosts, name: &str, anonymous: Anonymous) -> anyhow::Result<Vec<String>> {
    let file = |name: &str| folder.join(name).display().to_string();
    let own = |end: &str| file(&format!("{name}.{end}"));
    let flags = [
        (
            "etcd-servers",
            format!("http://{}:2379", hosts.host(ETCD)?.address()),
        ),
        ("advertise-address", hosts.host(name)?.address().to_string()),
        ("secure-port", PORT.to_string()),
        ("tls-cert-file", own("crt")),
        ("tls-private-key-file", own("key")),
        ("cert-dir", own("certificates")),
        ("client-ca-file", file("ca.crt")),
        ("authorization-mode", "Node,RBAC".to_owned()),
        ("anonymous-auth", (anonymous == Anonymous::Allowed).to_string()),
        ("service-cluster-ip-range", "10.96.0.0/16".to_owned()),
        (
            "service-account-issuer",
            "https://kubernetes.default.svc".to_owned(),
        ),
        ("service-account-key-file", file("sa.pub")),
        ("service-account-signing-key-file", file("sa.key")),
    ];
    Ok(flags
        .iter()
        .map(|(flag, value)| format!("--{flag}={value}"))
        .collect())
}
