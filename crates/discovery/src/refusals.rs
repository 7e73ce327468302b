//! What the node's credential was refused of late, so that an idle node does not ask for it each minute.
//!
//! Rights are the cluster's and change seldom. A refusal counts only once the same server has granted something else: an
//! apiserver that is still starting refuses everything. It is forgotten after a while, with another credential, and
//! when what was granted instead is refused too.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::header::HeaderValue;
use rustls::ClientConfig;
use tokio::time::Instant;

use crate::ask_error::AskError;
use crate::dial::Access;

/// A right that was granted meanwhile is noticed this late.
const REMEMBERED: Duration = Duration::from_secs(600);

/// A way to ask for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Form {
    /// The slices, and their watch.
    Slices,
    SlicesWatch,
    /// The Endpoints object by a list of one, and its watch.
    Endpoints,
    EndpointsWatch,
    /// The control-plane Nodes by label.
    NodeList,
    /// One Node by its name.
    NodeByName,
}

/// The refusals of one source.
#[derive(Default)]
pub(crate) struct Refusals(Mutex<Memory>);

#[derive(Default)]
struct Memory {
    credential: Option<Credential>,
    refused: BTreeMap<Form, Refused>,
}

/// What a server knew us by. Compared only, never shown.
struct Credential {
    tls: Arc<ClientConfig>,
    authorization: Option<HeaderValue>,
}

struct Refused {
    at: Instant,
    code: u16,
    /// The whole sentence, for the source's note.
    words: String,
}

impl Refusals {
    /// The refusal of this form, if it need not be asked for again yet.
    pub(crate) fn of(&self, form: Form, access: &Access) -> Option<AskError> {
        let memory = self.memory();
        let known = memory.credential.as_ref()?.is_of(access);
        let refused = memory.refused.get(&form)?;
        (known && refused.at.elapsed() < REMEMBERED).then(|| AskError::RefusedBefore {
            code: refused.code,
            words: refused.words.clone(),
        })
    }

    /// A server refused this form and granted another. Other errors are no refusals, and one that was remembered is not renewed.
    pub(crate) fn remember(&self, form: Form, access: &Access, error: &AskError) {
        let AskError::Status {
            code: code @ (403 | 404),
            ..
        } = error
        else {
            return;
        };
        let mut memory = self.memory();
        if !memory
            .credential
            .as_ref()
            .is_some_and(|known| known.is_of(access))
        {
            memory.credential = Some(Credential {
                tls: Arc::clone(&access.tls),
                authorization: access.authorization.clone(),
            });
            memory.refused.clear();
        }
        let refused = Refused {
            at: Instant::now(),
            code: *code,
            words: error.to_string(),
        };
        memory.refused.insert(form, refused);
    }

    /// What had been granted instead is refused: the rights are other ones now, and everything is to be tried again.
    pub(crate) fn forget_if_refused(&self, error: &AskError) {
        if matches!(error.status(), Some(403 | 404)) {
            self.memory().refused.clear();
        }
    }

    /// A panic elsewhere leaves nothing half-written here.
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Credential {
    /// Files that are read again and say the same leave the TLS configuration in its place.
    fn is_of(&self, access: &Access) -> bool {
        Arc::ptr_eq(&self.tls, &access.tls) && self.authorization == access.authorization
    }
}

#[cfg(test)]
mod tests {
    use jackline_way::Ways;
    use rustls::RootCertStore;
    use rustls::pki_types::ServerName;

    use super::*;

    fn access() -> Access {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        Access {
            ways: Arc::new(Ways::default()),
            tls: Arc::new(tls),
            name: ServerName::try_from("kubernetes").unwrap(),
            authorization: None,
        }
    }

    fn status(code: u16) -> AskError {
        AskError::Status {
            code,
            message: String::new(),
            retry_after: None,
            missing: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_right_that_was_granted_meanwhile_is_noticed_after_ten_minutes() {
        let (refusals, access) = (Refusals::default(), access());
        refusals.remember(Form::Slices, &access, &status(403));
        tokio::time::advance(REMEMBERED - Duration::from_millis(1)).await;
        let before = refusals.of(Form::Slices, &access).expect("it is remembered");
        assert_eq!(before.to_string(), status(403).to_string(), "in the same words");
        // What was not asked for again is no new refusal.
        refusals.remember(Form::Slices, &access, &before);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(refusals.of(Form::Slices, &access).is_none());
    }

    #[test]
    fn trouble_is_no_refusal() {
        let (refusals, access) = (Refusals::default(), access());
        refusals.remember(Form::Slices, &access, &status(500));
        refusals.remember(Form::Slices, &access, &AskError::Nonsense("so".to_owned()));
        assert!(refusals.of(Form::Slices, &access).is_none());
    }
}
