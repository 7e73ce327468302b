//! The one handle that others hold on trust material: asked often, re-read when told to.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;

use crate::authorities::Authorities;
use crate::credential::Credential;
use crate::error::TrustError;
use crate::identity::Identity;
use crate::material::Material;
use crate::verify;

/// The name that every apiserver's certificate has.
pub const DEFAULT_SERVER_NAME: &str = "kubernetes";

/// Where trust material lies. What is named here itself goes before what the kubeconfig says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustConfig {
    /// The cluster's CA, PEM, one certificate or many.
    pub ca_file: Option<PathBuf>,
    /// The name that servers must prove (H1).
    pub server_name: String,
    /// A kubeconfig, of which the current context is read.
    pub kubeconfig: Option<PathBuf>,
    /// The node's client certificate, PEM, with its chain.
    pub client_certificate: Option<PathBuf>,
    /// Its key, PEM: PKCS#8, SEC1 or PKCS#1.
    pub client_key: Option<PathBuf>,
    /// A file that holds a bearer token.
    pub token_file: Option<PathBuf>,
}

impl Default for TrustConfig {
    fn default() -> Self {
        Self {
            ca_file: None,
            server_name: DEFAULT_SERVER_NAME.to_owned(),
            kubeconfig: None,
            client_certificate: None,
            client_key: None,
            token_file: None,
        }
    }
}

/// The cluster's CA and the node's credentials, as they are in force now. Cheap to ask from any thread.
#[derive(Debug)]
pub struct Trust {
    config: TrustConfig,
    server_name: String,
    tls_name: ServerName<'static>,
    /// What is wrong with the configuration itself.
    remarks: Vec<String>,
    unverified: Result<Arc<ClientConfig>, String>,
    material: ArcSwap<Material>,
    /// Held while files are read: two reloads at once would fall back to each other's leftovers.
    reloading: Mutex<()>,
}

impl Trust {
    /// Reads what `config` names. Never fails: what cannot be had is told by [`Trust::problems`].
    #[must_use]
    pub fn load(config: TrustConfig) -> Self {
        let mut remarks = Vec::new();
        let configured = ServerName::try_from(config.server_name.clone());
        let (server_name, tls_name) = configured.map(|name| (config.server_name.clone(), name)).unwrap_or_else(|_| {
            remarks.push(format!(
                "cluster.server-name {:?} is no host name: servers are verified for {DEFAULT_SERVER_NAME:?} instead",
                config.server_name
            ));
            (DEFAULT_SERVER_NAME.to_owned(), default_tls_name())
        });
        let material = ArcSwap::from_pointee(Material::read(&config, &Material::default()));
        let unverified = verify::unverified().map_err(|error| error.to_string());
        Self {
            config,
            server_name,
            tls_name,
            remarks,
            unverified,
            material,
            reloading: Mutex::new(()),
        }
    }

    /// Reads all files again. `true`: something else is in force now; its [`Trust::generation`] is a new one. What is damaged or gone
    /// keeps its predecessor. Blocks for some small reads.
    pub fn reload(&self) -> bool {
        let _alone = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.material.load_full();
        let new = Material::read(&self.config, &old);
        let changed = new.generation != old.generation;
        tracing::debug!(
            changed,
            problems = new.problems.len(),
            "trust material read again"
        );
        self.material.store(Arc::new(new));
        changed
    }

    /// Whether a file may hold something else than when it was read: a reason to [`Trust::reload`]. Costs one `stat` a file.
    #[must_use]
    pub fn changed_on_disk(&self) -> bool {
        self.material.load().files.changed()
    }

    /// Grows whenever a reload changed something: connections made under an older one prove nothing about today's.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.material.load().generation
    }

    /// What is wrong or missing, a line each, ending in what to do. Empty: all is well.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let material = self.material.load();
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |age| age.as_secs());
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let mut problems: Vec<String> = self.remarks.iter().chain(&material.problems).cloned().collect();
        problems.extend(self.unverified.as_ref().err().cloned());
        if material.authorities.is_none() {
            problems.push(
                "SERVERS ARE NOT VERIFIED, and no readiness is asked: no cluster CA is known; set cluster.ca-file or cluster.kubeconfig"
                    .to_owned(),
            );
        }
        let old_authority = material
            .authorities
            .as_ref()
            .and_then(|authorities| authorities.out_of_date(now));
        problems.extend(
            old_authority
                .map(|what| format!("the cluster's CA {what}: renew it, or set this machine's clock")),
        );
        let old_identity = material
            .identity
            .as_ref()
            .and_then(|identity| identity.out_of_date(now));
        problems.extend(
            old_identity
                .map(|what| format!("the client certificate {what}: renew it, or set this machine's clock")),
        );
        problems
    }

    /// When the certificates in force end, in seconds since 1970, by what they are: `ca` (of several, the one that ends
    /// last) and `client`.
    #[must_use]
    pub fn ends(&self) -> Vec<(&'static str, i64)> {
        let material = self.material.load();
        let authority = material.authorities.as_ref().and_then(Authorities::ends);
        let identity = material.identity.as_ref().and_then(Identity::ends);
        let ends = [
            authority.map(|end| ("ca", end)),
            identity.map(|end| ("client", end)),
        ];
        ends.into_iter().flatten().collect()
    }

    /// What is wrong with the files alone, a line each: for trust in others than the cluster's apiservers.
    #[must_use]
    pub fn file_problems(&self) -> Vec<String> {
        self.material.load().problems.clone()
    }

    /// Whether there is a CA to verify servers by.
    #[must_use]
    pub fn has_ca(&self) -> bool {
        self.material.load().authorities.is_some()
    }

    /// A configuration that verifies servers; with `present`, one that also shows the client certificate to a server that asks for it, if there is one.
    /// HTTP/1.1 only, no resumption. Ask anew for each connection: a reload makes new ones.
    ///
    /// # Errors
    /// [`TrustError::NoAuthority`] where no CA is known, [`TrustError::Tls`] where the TLS library refused.
    pub fn tls(&self, present: bool) -> Result<Arc<ClientConfig>, TrustError> {
        let material = self.material.load();
        if material.authorities.is_none() {
            return Err(TrustError::NoAuthority);
        }
        let config = if present {
            &material.presenting
        } else {
            &material.verified
        };
        config
            .clone()
            .ok_or_else(|| TrustError::Tls("see status for the reason".to_owned()))
    }

    /// A configuration that takes any certificate and presents nothing, for where no CA is known. Send no credential over it.
    ///
    /// # Errors
    /// [`TrustError::Tls`] where the TLS library refused.
    pub fn unverified_tls(&self) -> Result<Arc<ClientConfig>, TrustError> {
        self.unverified.clone().map_err(TrustError::Tls)
    }

    /// What the node can show to a verified server, if anything.
    #[must_use]
    pub fn credential(&self) -> Option<Credential> {
        let material = self.material.load();
        let credential = Credential {
            authorization: material.authorization.clone(),
            certificate: material.identity.is_some(),
        };
        (credential.certificate || credential.authorization.is_some()).then_some(credential)
    }

    /// The name that servers must prove. SNI and Host say only this.
    #[must_use]
    pub fn server_name(&self) -> &str {
        &self.server_name
    }

    /// The same, as the TLS library wants it.
    #[must_use]
    pub fn tls_name(&self) -> ServerName<'static> {
        self.tls_name.clone()
    }

    /// SHA-256 of the public key of each CA, lower-case hex (P2).
    #[must_use]
    pub fn fingerprints(&self) -> Vec<String> {
        self.material
            .load()
            .authorities
            .as_ref()
            .map_or_else(Vec::new, |authorities| authorities.fingerprints().to_vec())
    }
}

fn default_tls_name() -> ServerName<'static> {
    #[expect(
        clippy::expect_used,
        reason = "a constant that is a host name; a test holds it to that"
    )]
    ServerName::try_from(DEFAULT_SERVER_NAME).expect("a host name")
}
