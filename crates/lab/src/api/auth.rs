//! Who asks: a client certificate, a bearer token, nobody. What they may do is the business of `rights`.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::header::AUTHORIZATION;
use hyper::{HeaderMap, Response, StatusCode};
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::api::answer::{Body, failure};
use crate::locked::lock;
use crate::pki::is_client_of;
use crate::plan::Anonymous;
use crate::plane::Cluster;

/// Who a request comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) groups: Vec<String>,
}

impl User {
    pub(crate) fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|own| own == group)
    }

    pub(crate) fn is_anonymous(&self) -> bool {
        self.name == "system:anonymous"
    }
}

/// What a connection says of its client.
pub(crate) enum Caller {
    /// It presented no certificate.
    Bare,
    /// A certificate of the cluster's.
    Certified(User),
    /// A certificate that does not verify.
    Wrong,
}

impl Caller {
    pub(crate) fn of(cluster: &Cluster, chain: Option<&[CertificateDer<'_>]>) -> Self {
        let Some(chain) = chain else { return Self::Bare };
        let authorities = lock(&cluster.clients).clone();
        if !is_client_of(&authorities, chain) {
            return Self::Wrong;
        }
        chain
            .first()
            .and_then(user_in)
            .map_or(Self::Wrong, Self::Certified)
    }
}

/// CN is the user, each O a group.
fn user_in(certificate: &CertificateDer<'_>) -> Option<User> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let subject = certificate.subject();
    let name = subject.iter_common_name().next()?.as_str().ok()?.to_owned();
    let mut groups: Vec<String> = subject
        .iter_organization()
        .filter_map(|group| group.as_str().ok())
        .map(str::to_owned)
        .collect();
    groups.push("system:authenticated".to_owned());
    Some(User { name, groups })
}

/// Who asks the apiserver; `Err`: the answer that they get instead. A wrong credential is refused where none would do.
pub(crate) fn authenticate(
    cluster: &Cluster,
    caller: &Caller,
    headers: &HeaderMap,
) -> Result<User, Box<Response<Body>>> {
    match caller {
        Caller::Certified(user) => return Ok(user.clone()),
        Caller::Wrong => return Err(unauthorized()),
        Caller::Bare => {}
    }
    let bearer = header(headers).and_then(|value| value.strip_prefix("Bearer "));
    match header(headers) {
        Some(_) if bearer == Some(&cluster.admin_token) => Ok(User {
            name: "system:serviceaccount:kube-system:admin".to_owned(),
            groups: vec!["system:masters".to_owned(), "system:authenticated".to_owned()],
        }),
        Some(_) if bearer == Some(lock(&cluster.bearer_token).as_str()) => Ok(User {
            name: "system:serviceaccount:kube-system:jackline".to_owned(),
            groups: vec![
                "system:serviceaccounts".to_owned(),
                "system:authenticated".to_owned(),
            ],
        }),
        Some(_) => Err(unauthorized()),
        None => match cluster.anonymous {
            Anonymous::Allowed => Ok(User {
                name: "system:anonymous".to_owned(),
                groups: vec!["system:unauthenticated".to_owned()],
            }),
            Anonymous::Refused => Err(unauthorized()),
        },
    }
}

/// Whether the supervisor takes this for an agent of the cluster: its node token, or a node's client certificate.
pub(crate) fn is_agent(cluster: &Cluster, caller: &Caller, headers: &HeaderMap) -> bool {
    if let Caller::Certified(user) = caller {
        return user.is_in("system:nodes") || user.is_in("system:masters");
    }
    let encoded = header(headers).and_then(|value| value.strip_prefix("Basic "));
    let decoded = encoded.and_then(|encoded| BASE64_STANDARD.decode(encoded).ok());
    decoded.is_some_and(|pair| pair == format!("node:{}", cluster.node_password).as_bytes())
}

fn header(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok())
}

pub(crate) fn unauthorized() -> Box<Response<Body>> {
    Box::new(failure(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized"))
}
