//! The course of one probe.
//!
//! A kept connection is asked first, where it will do. Else a new one is made and the server is asked as the anonymous;
//! only if it asks for more (401, 403) the node's credential is shown: a token in a second request on the same
//! connection, a client certificate on a second connection. A server that once asked for more is shown the credential at once
//! the next time, which TLS does not do before the server is verified. Without a CA the probe ends with the handshake.

use std::sync::Arc;
use std::time::Duration;

use jackline_core::{Answer, Depth, Finding, ProbeFailure, Service, StartProbe};
use jackline_trust::{Credential, Trust};
use jackline_way::Ways;
use tokio::time::Instant;

use crate::fault::{Fault, Kind};
use crate::judge::{Reply, asks_for_more};
use crate::kept::Kept;
use crate::link::{Link, open_tls};
use crate::question;

pub(crate) struct Probe {
    start: StartProbe,
    service: Service,
    trust: Arc<Trust>,
    ways: Arc<Ways>,
    kept: Arc<Kept>,
}

/// An answer and the connection that it came over.
struct Heard {
    reply: Reply,
    link: Link,
    /// `None`: on a kept connection.
    connect: Option<Duration>,
}

impl Probe {
    pub(crate) fn new(
        start: StartProbe,
        service: Service,
        (trust, ways): (Arc<Trust>, Arc<Ways>),
        kept: Arc<Kept>,
    ) -> Self {
        Self {
            start,
            service,
            trust,
            ways,
            kept,
        }
    }

    /// Runs the probe to its end, which its limits bound: a kept connection and two new ones at the most, an exchange or two on each.
    pub(crate) async fn run(self) -> Result<Finding, ProbeFailure> {
        let began = Instant::now();
        let outcome = self.test(began).await;
        tracing::debug!(
            endpoint = %self.start.endpoint, probe = self.start.probe.0, elapsed = ?began.elapsed(), ?outcome, "probe ended"
        );
        outcome
    }

    async fn test(&self, began: Instant) -> Result<Finding, ProbeFailure> {
        if !self.trust.has_ca() {
            return self.shake_hands(Depth::Tls, Answer::Ready, began).await;
        }
        let shows = self
            .trust
            .credential()
            .is_some_and(|credential| credential.has_certificate());
        let takes_anonymous = question::takes_anonymous(self.service);
        if !takes_anonymous && !shows {
            return self.shake_hands(Depth::Verified, Answer::Ready, began).await;
        }
        match self.hear().await {
            Ok(heard) => self.conclude(heard, began),
            // It verifies, and does not take our certificate: its health cannot be asked.
            Err(fault) if fault.kind == Kind::Alert && !takes_anonymous => {
                self.shake_hands(Depth::Verified, Answer::Alive, began).await
            }
            Err(fault) => Err(fault.failure),
        }
    }

    /// All that can be tested without asking anything: the handshake, verified where the depth says so.
    async fn shake_hands(
        &self,
        depth: Depth,
        answer: Answer,
        began: Instant,
    ) -> Result<Finding, ProbeFailure> {
        let StartProbe { endpoint, limits, .. } = &self.start;
        let config = if depth.is_verified() {
            self.trust.tls(false)
        } else {
            self.trust.unverified_tls()
        };
        let opened = open_tls(*endpoint, limits, (&self.trust, &self.ways), config).await;
        let (_closed_at_once, connect) = opened.map_err(|fault| fault.failure)?;
        Ok(Finding {
            depth,
            answer,
            connect: Some(connect),
            total: began.elapsed(),
            authenticated: false,
        })
    }

    async fn hear(&self) -> Result<Heard, Fault> {
        let endpoint = self.start.endpoint;
        // Taken also where a fresh one is wanted: what is not kept again is closed.
        if let Some(link) = self.kept.take(endpoint).filter(|_| !self.start.fresh)
            && let Some(outcome) = self.hear_kept(link).await
        {
            return outcome;
        }
        let mut credential = self.trust.credential();
        if !question::takes_anonymous(self.service) {
            return self.hear_new(true, credential.as_ref()).await;
        }
        if let Some(shown) = credential
            .as_ref()
            .filter(|_| self.kept.refuses_anonymous(endpoint))
        {
            match self.hear_new(shown.has_certificate(), Some(shown)).await {
                Err(fault) if fault.kind == Kind::Alert => {
                    tracing::debug!(%endpoint, "the server ended TLS over our certificate: asking as the anonymous");
                    self.kept.forget_refusal(endpoint);
                    credential = None;
                }
                outcome => {
                    // A credential that no longer helps may be worse than none: next time the anonymous asks again.
                    if outcome.as_ref().is_ok_and(|heard| asks_for_more(&heard.reply)) {
                        self.kept.forget_refusal(endpoint);
                    }
                    return outcome;
                }
            }
        }
        let anonymous = self.hear_new(false, None).await?;
        match credential {
            Some(credential) if asks_for_more(&anonymous.reply) => {
                self.hear_again(anonymous, &credential).await
            }
            _ => Ok(anonymous),
        }
    }

    /// Asks over a kept connection. `None`: that proves nothing, a new one is needed.
    async fn hear_kept(&self, mut link: Link) -> Option<Result<Heard, Fault>> {
        if link.generation != self.trust.generation() {
            return None;
        }
        let credential = self.trust.credential();
        let shown = credential.as_ref().filter(|_| link.authenticated);
        let authorization = shown.and_then(Credential::authorization);
        match link.ask(self.path(), self.start.limits.http, authorization).await {
            // What is to be shown has changed, in one way or the other: from the beginning.
            Ok(reply) if asks_for_more(&reply) && credential.is_some() => None,
            Ok(reply) => Some(Ok(Heard {
                reply,
                link,
                connect: None,
            })),
            Err(Fault {
                kind: Kind::Dead | Kind::Alert,
                ..
            }) => None,
            Err(fault) => Some(Err(fault)),
        }
    }

    /// Asks over a new connection.
    async fn hear_new(&self, present: bool, credential: Option<&Credential>) -> Result<Heard, Fault> {
        let StartProbe { endpoint, limits, .. } = &self.start;
        let (mut link, connect) = Link::open(*endpoint, limits, (&self.trust, &self.ways), present).await?;
        let authorization = credential.and_then(Credential::authorization);
        let reply = link.ask(self.path(), limits.http, authorization).await?;
        link.authenticated = credential.is_some();
        Ok(Heard {
            reply,
            link,
            connect: Some(connect),
        })
    }

    /// Shows the credential to a server that refused the anonymous just now.
    async fn hear_again(&self, anonymous: Heard, credential: &Credential) -> Result<Heard, Fault> {
        self.kept.remember_refusal(self.start.endpoint);
        let Heard {
            reply,
            mut link,
            connect,
        } = anonymous;
        let again = if credential.has_certificate() {
            self.hear_new(true, Some(credential)).await
        } else {
            let shown = credential.authorization();
            match link.ask(self.path(), self.start.limits.http, shown).await {
                Ok(reply) => {
                    link.authenticated = true;
                    return Ok(Heard { reply, link, connect });
                }
                // It closes after each answer.
                Err(Fault { kind: Kind::Dead, .. }) => self.hear_new(false, Some(credential)).await,
                Err(fault) => return Err(fault),
            }
        };
        match again {
            Ok(heard) => Ok(Heard { connect, ..heard }),
            // It lives, it only does not take our certificate.
            Err(Fault {
                kind: Kind::Alert, ..
            }) => {
                self.kept.forget_refusal(self.start.endpoint);
                Ok(Heard { reply, link, connect })
            }
            Err(fault) => Err(fault),
        }
    }

    fn path(&self) -> &'static str {
        question::path(self.service)
    }

    fn conclude(&self, heard: Heard, began: Instant) -> Result<Finding, ProbeFailure> {
        let Heard { reply, link, connect } = heard;
        let answer =
            question::said(self.service, &reply).map_err(|detail| ProbeFailure::Nonsense { detail })?;
        let authenticated = link.authenticated;
        // Who refuses our credential is asked anew, each time from the beginning.
        let good = match answer {
            Answer::Ready => true,
            Answer::Alive => self.trust.credential().is_none(),
            Answer::NotReady { .. } | Answer::NoApi => false,
        };
        if self.start.keep && good {
            self.kept.keep(self.start.endpoint, link);
        }
        Ok(Finding {
            depth: question::depth(self.service),
            answer,
            connect,
            total: began.elapsed(),
            authenticated,
        })
    }
}
