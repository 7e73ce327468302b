//! The supervisors of K3s and RKE2: what they know of apiservers, asked of etcd-only servers too.
//!
//! For the etcd service they are asked for etcd's members instead (`/db/info`), which they tell to servers only.
//!
//! A supervisor's word adds, never takes away (M6). `[]`, and the `null` of older versions, say "I know nothing".

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::header::HeaderValue;
use jackline_core::{Listing, Mode, Report, SourceFailure};
use jackline_trust::Trust;
use jackline_way::Ways;
use rustls::ClientConfig;
use tokio::time::Instant;

use crate::address::socket_address;
use crate::ask_error::{AskError, foreign_words};
use crate::attempt::{Answer, Attempts, relay};
use crate::config::{Distribution, SupervisorConfig, SupervisorList, TokenOrigin};
use crate::dial::{Access, sensitive};
use crate::http::{Connection, Media, Want};
use crate::refresh::{Voice, failure};
use crate::source::Question;

mod cacerts;
mod info;
mod token;

use cacerts::CaHash;
use token::Token;

/// The largest answer of a supervisor, `/cacerts` included.
const BODY_MAX: usize = 64 * 1024;

/// The largest token file.
const TOKEN_MAX: usize = 4 * 1024;

/// Where RKE2's supervisors listen.
const RKE2_PORT: u16 = 9345;

/// The source.
pub(crate) struct Supervisor {
    config: SupervisorConfig,
    trust: Arc<Trust>,
    ways: Arc<Ways>,
    /// What verifies servers by the CA that the token's hash vouched for. Learnt once: the hash is the proof.
    vouched: Mutex<Option<(CaHash, Arc<ClientConfig>)>>,
}

/// By what supervisors are verified.
enum Proof {
    /// The cluster's CA from a file.
    Authority(Arc<ClientConfig>),
    /// The hash in the token.
    Hash(CaHash),
}

/// What a supervisor answered.
struct Known {
    endpoints: Vec<SocketAddr>,
    /// Entries that were no addresses.
    odd: usize,
}

impl Supervisor {
    pub(crate) fn new(config: SupervisorConfig, trust: Arc<Trust>, ways: Arc<Ways>) -> Self {
        Self {
            config,
            trust,
            ways,
            vouched: Mutex::default(),
        }
    }

    pub(crate) async fn ask(&self, question: &Question, voice: &Voice) -> Result<(), SourceFailure> {
        let (proof, authorization) = self.prepare().await.map_err(failure)?;
        let (proof, authorization) = (&proof, &authorization);
        let what = match self.config.list {
            SupervisorList::Apiservers => "the supervisors' list",
            SupervisorList::Members => "the supervisors' list of etcd's members",
        };
        let attempts = Attempts::new(&question.targets, question.deadline, |target, until| {
            self.ask_one(self.door(target), proof, authorization.clone(), until)
        });
        relay(attempts, question.breadth, voice, what).await.map(drop)
    }

    /// Where the supervisor of the server at `target` listens.
    fn door(&self, target: SocketAddr) -> SocketAddr {
        let default = match self.config.distribution {
            Distribution::K3s => target.port(),
            Distribution::Rke2 => RKE2_PORT,
        };
        SocketAddr::new(target.ip(), self.config.port.unwrap_or(default))
    }

    /// By what servers are verified, and what is shown to them; or in words why nothing can be asked.
    async fn prepare(&self) -> Result<(Proof, Option<HeaderValue>), String> {
        let Some(token) = self.token().await? else {
            if !self
                .trust
                .credential()
                .is_some_and(|credential| credential.has_certificate())
            {
                return Err(
                    "supervisors answer only to a node; configure supervisor.token-file, or the \
                            kubelet's cluster.client-certificate and cluster.client-key"
                        .to_owned(),
                );
            }
            let tls = self.trust.tls(true).map_err(|error| error.to_string())?;
            return Ok((Proof::Authority(tls), None));
        };
        let authorization = Some(sensitive(&match self.config.list {
            SupervisorList::Apiservers => token.authorization(),
            SupervisorList::Members => token.authorization_of_server(),
        })?);
        if self.trust.has_ca() {
            let tls = self.trust.tls(false).map_err(|error| error.to_string())?;
            return Ok((Proof::Authority(tls), authorization));
        }
        match token.ca_hash {
            Some(hash) => Ok((Proof::Hash(hash), authorization)),
            None => Err(
                "the token holds no hash of the cluster's CA, so no server can be believed; configure \
                         cluster.ca-file, or the whole token (K10…::…)"
                    .to_owned(),
            ),
        }
    }

    async fn token(&self) -> Result<Option<Token>, String> {
        let text = match &self.config.token {
            None => return Ok(None),
            Some(TokenOrigin::Inline(text)) => text.clone(),
            Some(TokenOrigin::File(path)) => {
                let path = path.clone();
                let bytes = tokio::task::spawn_blocking(move || jackline_trust::read_file(&path, TOKEN_MAX))
                    .await
                    .map_err(|_| "the token file could not be read: the task died".to_owned())?
                    .map_err(|error| error.to_string())?;
                String::from_utf8(bytes).map_err(|_| "the token file is no text".to_owned())?
            }
        };
        text.parse()
            .map(Some)
            .map_err(|error: token::TokenError| error.to_string())
    }

    async fn ask_one(
        &self,
        address: SocketAddr,
        proof: &Proof,
        authorization: Option<HeaderValue>,
        until: Instant,
    ) -> Result<Known, AskError> {
        let tls = match proof {
            Proof::Authority(tls) => Arc::clone(tls),
            Proof::Hash(hash) => self.vouched_tls(address, hash, until).await?,
        };
        let access = Access {
            ways: Arc::clone(&self.ways),
            tls,
            name: self.trust.tls_name(),
            authorization,
        };
        let path = match (self.config.list, self.config.distribution) {
            (SupervisorList::Apiservers, Distribution::K3s) => "/v1-k3s/apiservers",
            (SupervisorList::Apiservers, Distribution::Rke2) => "/v1-rke2/apiservers",
            (SupervisorList::Members, _) => "/db/info",
        };
        let want = Want {
            path,
            media: Media::Json,
            body_max: BODY_MAX,
        };
        let body = Connection::new(address, &access).get(want, until).await?;
        match self.config.list {
            SupervisorList::Apiservers => read_list(&body),
            SupervisorList::Members => info::read_members(&body),
        }
    }

    /// The configuration that verifies servers by the CA which `hash` vouches for; learnt from this server if need be.
    async fn vouched_tls(
        &self,
        address: SocketAddr,
        hash: &CaHash,
        until: Instant,
    ) -> Result<Arc<ClientConfig>, AskError> {
        let known = self
            .vouched
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some((_, tls)) = known.filter(|(vouched, _)| vouched == hash) {
            return Ok(tls);
        }
        let unverified = self
            .trust
            .unverified_tls()
            .map_err(|error| AskError::Untrusted(error.to_string()))?;
        // Nothing is shown to a server that nothing is known about yet.
        let access = Access {
            ways: Arc::clone(&self.ways),
            tls: unverified,
            name: self.trust.tls_name(),
            authorization: None,
        };
        let want = Want {
            path: "/cacerts",
            media: Media::Text,
            body_max: BODY_MAX,
        };
        let pem = Connection::new(address, &access).get(want, until).await?;
        let tls = cacerts::vouched_by(hash, &pem).map_err(AskError::Untrusted)?;
        *self.vouched.lock().unwrap_or_else(PoisonError::into_inner) = Some((*hash, Arc::clone(&tls)));
        Ok(tls)
    }
}

/// Reads the JSON array of `ip:port`. Entries that are none are left out, but one at least must be one.
fn read_list(body: &[u8]) -> Result<Known, AskError> {
    let list: Option<Vec<String>> = serde_json::from_slice(body).map_err(|error| {
        AskError::Nonsense(format!(
            "not a list of addresses: {}",
            foreign_words(&error.to_string())
        ))
    })?;
    known(&list.unwrap_or_default())
}

/// Those of `entries` that are `ip:port`; one at least must be one, if there are any.
fn known(entries: &[impl AsRef<str>]) -> Result<Known, AskError> {
    let mut endpoints: Vec<SocketAddr> = entries
        .iter()
        .filter_map(|entry| socket_address(entry.as_ref()))
        .collect();
    let odd = entries.len() - endpoints.len();
    if let (true, Some(first)) = (endpoints.is_empty(), entries.first()) {
        return Err(AskError::Nonsense(format!(
            "{:?} is no ip:port",
            foreign_words(first.as_ref())
        )));
    }
    endpoints.sort_unstable();
    endpoints.dedup();
    Ok(Known { endpoints, odd })
}

impl Answer for Known {
    fn is_empty(&self) -> bool {
        self.endpoints.is_empty()
    }

    fn report(&self, answered_by: SocketAddr) -> Report {
        let note = match self.odd {
            0 => String::new(),
            odd => format!("{odd} entries of {answered_by}'s list are no ip:port and were left out"),
        };
        Report {
            endpoints: self.endpoints.iter().copied().map(Listing::from).collect(),
            mode: Mode::Poll,
            answered_by: Some(answered_by),
            verified: true,
            note,
            ..Report::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_known_is_an_empty_list_in_either_spelling() {
        assert!(read_list(b"[]\n").expect("a list").is_empty());
        assert!(read_list(b"null\n").expect("a list").is_empty());
    }

    #[test]
    fn odd_entries_are_left_out_but_not_all() {
        let known =
            read_list(br#"["10.0.0.2:6443","name:6443","10.0.0.1:6443","10.0.0.1:6443"]"#).expect("a list");
        assert_eq!(
            known.endpoints,
            ["10.0.0.1:6443", "10.0.0.2:6443"].map(|text| text.parse().expect("an address"))
        );
        assert!(
            known
                .report("10.0.0.9:6443".parse().expect("an address"))
                .note
                .starts_with("1 entries")
        );
        for bad in [
            &br#"["name:6443"]"#[..],
            b"{}",
            b"[1]",
            b"[\"10.0.0.1:6443\"",
            b"",
            b"\xff\xfe",
        ] {
            assert!(read_list(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }
}
