//! Kubeconfigs in the forms that K3s and kubeadm write: file references (also relative ones), inline `*-data`, tokens, basic auth.
//!
//! Only the current context is read. What would run a program (`exec`, `auth-provider`) is refused with a sentence, and so is a
//! request not to verify. The server's address is not read: endpoints come from the sources.

pub(crate) mod whole;

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::credential::Secret;
use crate::error::TrustError;

/// YAML nodes in a kubeconfig at the most: a thousand contexts fit.
const NODES_MAX: usize = 50_000;
/// Depth of nesting at the most.
const DEPTH_MAX: usize = 32;

/// A piece that a kubeconfig holds or points to.
#[derive(Clone)]
pub(crate) enum Piece {
    /// In a file of its own; the path is absolute or relative to the working directory.
    File(PathBuf),
    /// In the kubeconfig itself.
    Inline(Vec<u8>),
}

/// What a request is to carry.
#[derive(Clone, Debug)]
pub(crate) enum Authorization {
    TokenFile(PathBuf),
    Token(Secret),
    Basic { user: String, password: Secret },
}

/// What the current context says.
#[derive(Default)]
pub(crate) struct Kubeconfig {
    pub(crate) authority: Option<Piece>,
    pub(crate) certificate: Option<Piece>,
    pub(crate) key: Option<Piece>,
    pub(crate) authorization: Option<Authorization>,
    /// What was refused, in words.
    pub(crate) refusals: Vec<String>,
}

impl Kubeconfig {
    /// Reads the current context of a kubeconfig; relative paths are relative to `folder`.
    pub(crate) fn parse(yaml: &[u8], folder: &Path) -> Result<Self, TrustError> {
        let file = parse_yaml(yaml)?;
        if file.kind.as_deref().is_some_and(|kind| kind != "Config") {
            return Err(fault("its kind is not Config".to_owned()));
        }
        let context = &pick_context(&file)?.context;
        let cluster = file
            .clusters
            .iter()
            .find(|named| named.name == context.cluster)
            .ok_or_else(|| {
                fault(format!(
                    "its current context names the cluster {:?}, which it does not have",
                    context.cluster
                ))
            })?;
        let mut parts = Self::default();
        parts.take_cluster(&cluster.cluster, folder)?;
        // A context without a user is the anonymous one.
        if !context.user.is_empty() {
            let user = file
                .users
                .iter()
                .find(|named| named.name == context.user)
                .ok_or_else(|| {
                    fault(format!(
                        "its current context names the user {:?}, which it does not have",
                        context.user
                    ))
                })?;
            parts.take_user(&user.user, folder)?;
        }
        Ok(parts)
    }

    fn take_cluster(&mut self, cluster: &Cluster, folder: &Path) -> Result<(), TrustError> {
        if cluster.insecure_skip_tls_verify {
            self.refusals.push(
                "insecure-skip-tls-verify is not heeded: servers are verified wherever a CA is known"
                    .to_owned(),
            );
        }
        self.authority = piece(
            cluster.certificate_authority_data.as_deref(),
            cluster.certificate_authority.as_deref(),
            "certificate-authority-data",
            folder,
        )?;
        Ok(())
    }

    fn take_user(&mut self, user: &User, folder: &Path) -> Result<(), TrustError> {
        for (present, what) in [
            (user.exec.is_some(), "exec"),
            (user.auth_provider.is_some(), "auth-provider"),
        ] {
            if present {
                self.refusals.push(format!(
                    "its user's {what} is not used: jackline runs no programs; give it a client certificate or a token file"
                ));
            }
        }
        let data = user.client_certificate_data.as_deref();
        self.certificate = piece(
            data,
            user.client_certificate.as_deref(),
            "client-certificate-data",
            folder,
        )?;
        let data = user.client_key_data.as_ref().map(Secret::reveal);
        self.key = piece(data, user.client_key.as_deref(), "client-key-data", folder)?;
        // The order of precedence is client-go's.
        self.authorization = if let Some(path) = nonempty(user.token_file.as_deref()) {
            Some(Authorization::TokenFile(folder.join(path)))
        } else if let Some(token) = user.token.as_ref().filter(|token| !token.reveal().is_empty()) {
            Some(Authorization::Token(token.clone()))
        } else if let (Some(name), Some(password)) = (nonempty(user.username.as_deref()), &user.password) {
            Some(Authorization::Basic {
                user: name.to_owned(),
                password: password.clone(),
            })
        } else {
            None
        };
        Ok(())
    }
}

fn fault(what: String) -> TrustError {
    TrustError::Kubeconfig(what)
}

fn parse_yaml(yaml: &[u8]) -> Result<File, TrustError> {
    let text = std::str::from_utf8(yaml).map_err(|_| fault("it is not UTF-8".to_owned()))?;
    let mut options = serde_saphyr::Options::default();
    options.with_snippet = false;
    if let Some(budget) = &mut options.budget {
        budget.max_nodes = NODES_MAX;
        budget.max_depth = DEPTH_MAX;
        budget.max_documents = 1;
    }
    // As kubectl does: the YAML as JSON first, and that as a kubeconfig. What reads YAML is large, and so is made for one type only.
    // The library's words may quote the file, and the file holds secrets: only the place is told.
    let value: serde_json::Value =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| match error.location() {
            Some(place) => fault(format!(
                "line {}, column {} is not as a kubeconfig has it; try `kubectl --kubeconfig FILE config view`",
                place.line(),
                place.column()
            )),
            None => no_kubeconfig(),
        })?;
    serde_json::from_value(value).map_err(|_| no_kubeconfig())
}

fn no_kubeconfig() -> TrustError {
    fault("it is no kubeconfig; try `kubectl --kubeconfig FILE config view`".to_owned())
}

fn pick_context(file: &File) -> Result<&NamedContext, TrustError> {
    match (
        nonempty(file.current_context.as_deref()),
        file.contexts.as_slice(),
    ) {
        (Some(current), contexts) => contexts
            .iter()
            .find(|named| named.name == current)
            .ok_or_else(|| {
                fault(format!(
                    "its current-context {current:?} is not among its contexts"
                ))
            }),
        (None, [only]) => Ok(only),
        (None, contexts) => Err(fault(format!(
            "it has no current-context and {} contexts: set current-context",
            contexts.len()
        ))),
    }
}

fn piece(
    data: Option<&str>,
    path: Option<&str>,
    what: &str,
    folder: &Path,
) -> Result<Option<Piece>, TrustError> {
    if let Some(data) = nonempty(data) {
        // YAML may have folded the line.
        let packed: Vec<u8> = data.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let bytes = STANDARD
            .decode(packed)
            .map_err(|_| fault(format!("its {what} is not base64")))?;
        return Ok(Some(Piece::Inline(bytes)));
    }
    Ok(nonempty(path).map(|path| Piece::File(folder.join(path))))
}

fn nonempty(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct File {
    kind: Option<String>,
    #[serde(default)]
    clusters: Vec<NamedCluster>,
    #[serde(default)]
    contexts: Vec<NamedContext>,
    #[serde(default)]
    users: Vec<NamedUser>,
    current_context: Option<String>,
}

#[derive(Deserialize)]
struct NamedCluster {
    name: String,
    cluster: Cluster,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Cluster {
    certificate_authority: Option<String>,
    certificate_authority_data: Option<String>,
    #[serde(default)]
    insecure_skip_tls_verify: bool,
}

#[derive(Deserialize)]
struct NamedContext {
    name: String,
    context: Context,
}

#[derive(Deserialize)]
struct Context {
    cluster: String,
    #[serde(default)]
    user: String,
}

#[derive(Deserialize)]
struct NamedUser {
    name: String,
    user: User,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct User {
    client_certificate: Option<String>,
    client_certificate_data: Option<String>,
    client_key: Option<String>,
    client_key_data: Option<Secret>,
    token: Option<Secret>,
    // The one key of a kubeconfig that is written in camel case.
    #[serde(rename = "tokenFile")]
    token_file: Option<String>,
    username: Option<String>,
    password: Option<Secret>,
    exec: Option<IgnoredAny>,
    auth_provider: Option<IgnoredAny>,
}

#[cfg(test)]
mod tests;
