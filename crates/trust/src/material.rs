//! All that was read at one time. A part whose new file is damaged keeps its predecessor, and a problem tells so.

use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;

use crate::authorities::Authorities;
use crate::credential::{Secret, basic, bearer};
use crate::error::TrustError;
use crate::file::Files;
use crate::identity::Identity;
use crate::kubeconfig::{Authorization, Kubeconfig, Piece};
use crate::trust::TrustConfig;
use crate::verify;

/// What is in force.
#[derive(Clone, Debug, Default)]
pub(crate) struct Material {
    pub(crate) generation: u64,
    pub(crate) authorities: Option<Authorities>,
    pub(crate) identity: Option<Identity>,
    pub(crate) authorization: Option<Secret>,
    /// Verified, presenting nothing.
    pub(crate) verified: Option<Arc<ClientConfig>>,
    /// Verified, presenting the client certificate where there is one.
    pub(crate) presenting: Option<Arc<ClientConfig>>,
    pub(crate) problems: Vec<String>,
    pub(crate) files: Files,
}

/// What became of one part.
enum Part<T> {
    /// It is not configured.
    Absent,
    /// It was read.
    Read(T),
    /// It is configured and could not be read; the problem is told already.
    Damaged,
}

impl<T: Clone> Part<T> {
    fn or_old(self, old: Option<&T>) -> Option<T> {
        match self {
            Self::Absent => None,
            Self::Read(new) => Some(new),
            Self::Damaged => old.cloned(),
        }
    }
}

impl Material {
    /// Reads everything that `config` names. `old` is what a damaged part falls back to.
    pub(crate) fn read(config: &TrustConfig, old: &Self) -> Self {
        let mut reading = Reading {
            config,
            files: Files::default(),
            problems: Vec::new(),
        };
        let kubeconfig = reading.kubeconfig();
        let authorities = reading.authorities(&kubeconfig).or_old(old.authorities.as_ref());
        let identity = reading.identity(&kubeconfig).or_old(old.identity.as_ref());
        let authorization = reading
            .authorization(&kubeconfig)
            .or_old(old.authorization.as_ref());
        let Reading { files, problems, .. } = reading;
        let mut new = Self {
            authorities,
            identity,
            authorization,
            problems,
            files,
            ..Self::default()
        };
        new.generation = old.generation + u64::from(!new.same_as(old));
        if new.generation == old.generation && old.presenting.is_some() {
            new.verified.clone_from(&old.verified);
            new.presenting.clone_from(&old.presenting);
        } else {
            new.build_tls();
        }
        new
    }

    /// Whether the same is in force; files and problems may differ.
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        self.authorities == other.authorities
            && self.identity == other.identity
            && self.authorization == other.authorization
    }

    fn build_tls(&mut self) {
        let Some(authorities) = &self.authorities else {
            return;
        };
        match verify::verified(authorities, None) {
            Ok(config) => self.verified = Some(config),
            Err(error) => self.problems.push(error.to_string()),
        }
        match (
            &self.identity,
            verify::verified(authorities, self.identity.as_ref()),
        ) {
            (None, _) => self.presenting.clone_from(&self.verified),
            (Some(_), Ok(config)) => self.presenting = Some(config),
            (Some(_), Err(error)) => self.problems.push(error.to_string()),
        }
    }
}

/// One reading of all files.
struct Reading<'a> {
    config: &'a TrustConfig,
    files: Files,
    problems: Vec<String>,
}

impl Reading<'_> {
    fn kubeconfig(&mut self) -> Part<Kubeconfig> {
        let Some(path) = &self.config.kubeconfig else {
            return Part::Absent;
        };
        let folder = path.parent().unwrap_or(Path::new("."));
        let parsed = self
            .files
            .read(path)
            .map_err(TrustError::from)
            .and_then(|yaml| Kubeconfig::parse(&yaml, folder));
        match parsed {
            Ok(kubeconfig) => {
                self.problems.extend(
                    kubeconfig
                        .refusals
                        .iter()
                        .map(|what| format!("{}: {what}", path.display())),
                );
                Part::Read(kubeconfig)
            }
            Err(error) => {
                self.tell("kubeconfig", Some(path), &error);
                Part::Damaged
            }
        }
    }

    fn authorities(&mut self, kubeconfig: &Part<Kubeconfig>) -> Part<Authorities> {
        let piece = match (&self.config.ca_file, kubeconfig) {
            (Some(path), _) => Piece::File(path.clone()),
            (None, Part::Damaged) => return Part::Damaged,
            (
                None,
                Part::Read(Kubeconfig {
                    authority: Some(piece),
                    ..
                }),
            ) => piece.clone(),
            (None, _) => return Part::Absent,
        };
        match self.bytes(&piece).and_then(|pem| Authorities::from_pem(&pem)) {
            Ok(authorities) => {
                self.problems.extend(
                    authorities
                        .remarks()
                        .iter()
                        .map(|what| format!("cluster CA: {what}")),
                );
                Part::Read(authorities)
            }
            Err(error) => {
                self.tell("cluster CA", piece.path(), &error);
                Part::Damaged
            }
        }
    }

    fn identity(&mut self, kubeconfig: &Part<Kubeconfig>) -> Part<Identity> {
        let file = |path: &Option<_>| path.clone().map(Piece::File);
        let configured = (
            file(&self.config.client_certificate),
            file(&self.config.client_key),
        );
        let (certificate, key) = match (configured, kubeconfig) {
            ((None, None), Part::Damaged) => return Part::Damaged,
            ((None, None), Part::Read(kubeconfig)) => {
                (kubeconfig.certificate.clone(), kubeconfig.key.clone())
            }
            (configured, _) => configured,
        };
        let (path, pair) = match (certificate, key) {
            (None, None) => return Part::Absent,
            (Some(certificate), Some(key)) => {
                let pair = self
                    .bytes(&certificate)
                    .and_then(|certificate| Ok((certificate, self.bytes(&key)?)));
                (certificate.path().map(Path::to_owned), pair)
            }
            (None, Some(_)) => (
                None,
                Err(TrustError::HalfAnIdentity {
                    missing: "the certificate",
                }),
            ),
            (Some(_), None) => (None, Err(TrustError::HalfAnIdentity { missing: "the key" })),
        };
        match pair.and_then(|(certificate, key)| Identity::from_pem(&certificate, &key)) {
            Ok(identity) => Part::Read(identity),
            Err(error) => {
                self.tell("client certificate", path.as_deref(), &error);
                Part::Damaged
            }
        }
    }

    fn authorization(&mut self, kubeconfig: &Part<Kubeconfig>) -> Part<Secret> {
        let authorization = match (&self.config.token_file, kubeconfig) {
            (Some(path), _) => Authorization::TokenFile(path.clone()),
            (None, Part::Damaged) => return Part::Damaged,
            (
                None,
                Part::Read(Kubeconfig {
                    authorization: Some(authorization),
                    ..
                }),
            ) => authorization.clone(),
            (None, _) => return Part::Absent,
        };
        let (path, header) = match authorization {
            Authorization::Token(token) => (None, bearer(token.reveal())),
            Authorization::Basic { user, password } => (None, Ok(basic(&user, password.reveal()))),
            Authorization::TokenFile(path) => {
                let header = self
                    .files
                    .read(&path)
                    .map_err(TrustError::from)
                    .and_then(|bytes| {
                        let text =
                            str::from_utf8(&bytes).map_err(|_| TrustError::BadToken { what: "not text" })?;
                        bearer(text)
                    });
                (Some(path), header)
            }
        };
        match header {
            Ok(header) => Part::Read(header),
            Err(error) => {
                self.tell("token", path.as_deref(), &error);
                Part::Damaged
            }
        }
    }

    fn bytes(&mut self, piece: &Piece) -> Result<Vec<u8>, TrustError> {
        match piece {
            Piece::File(path) => Ok(self.files.read(path)?),
            Piece::Inline(bytes) => Ok(bytes.clone()),
        }
    }

    fn tell(&mut self, what: &str, path: Option<&Path>, error: &TrustError) {
        // A file error names its file itself.
        let place = match (path, error) {
            (Some(path), error) if !matches!(error, TrustError::File(_)) => format!(" {}", path.display()),
            _ => String::new(),
        };
        self.problems.push(format!("{what}{place}: {error}"));
    }
}

impl Piece {
    fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Inline(_) => None,
        }
    }
}
