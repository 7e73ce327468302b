//! Etcd itself: the keys from which the Endpoints are made, asked of its members. The freshest truth that there is.
//!
//! One answer with quorum is the whole truth, whoever gives it, so members are asked one after the other (R2, R3) until one
//! gives it. Where none can, what one of them has is told: it adds, and takes nothing away (M6). Etcd's members are no apiservers,
//! so the core names none: the configured ones and those that they told are asked.
//!
//! | file | what it does |
//! |---|---|
//! | `read` | one question to one member |
//! | `watch` | what stays open behind it |
//! | `keys` | which keys, and what they say |
//! | `members` | the members themselves, as endpoints of the etcd service |
//! | `cluster` | whose answers count |
//! | `targets` | where members can be reached |
//! | `grpc`, `messages` | how it is said |

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jackline_core::{Mode, SourceFailure};
use jackline_trust::{Trust, TrustConfig};
use jackline_way::Ways;
use rustls::ClientConfig;
use tokio::time::{Instant, timeout_at};

use crate::attempt::Attempts;
use crate::config::{EtcdConfig, Place, RegistrationAddress, SystemFiles};
use crate::refresh::{Voice, failure};
use crate::source::Question;

mod cluster;
mod grpc;
mod keys;
mod members;
mod messages;
mod read;
mod targets;
mod watch;

use cluster::{Allegiance, Cluster, MEMBERS_MAX};
use keys::Keys;
use read::Answer;
use targets::Target;
use watch::Standpoint;
pub(crate) use watch::Watch;

/// Once there is an answer that only adds, the others have so long to give a better one.
const BETTER_WITHIN: Duration = Duration::from_millis(1500);

/// What etcd is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The keys that tell of apiservers.
    Keys,
    /// Its own members, as endpoints of the etcd service.
    Members,
}

/// The source.
pub(crate) struct Etcd {
    subject: Subject,
    endpoints: Vec<RegistrationAddress>,
    dns_servers: Vec<SocketAddr>,
    system: SystemFiles,
    keys: Keys,
    /// Etcd has a CA and client certificates of its own.
    trust: Arc<Trust>,
    ways: Arc<Ways>,
    cluster: Mutex<Cluster>,
    /// How often it was asked: begins with another member each time (R2).
    turn: AtomicUsize,
}

/// The best answer so far that is not the whole truth.
struct Fallback {
    address: SocketAddr,
    answer: Answer,
    /// The id of our cluster, where this is another's.
    instead_of: Option<u64>,
}

impl Etcd {
    pub(crate) fn new(config: EtcdConfig, subject: Subject, ways: Arc<Ways>) -> Self {
        let mut endpoints = config.endpoints;
        endpoints.truncate(MEMBERS_MAX);
        let trust = Trust::load(TrustConfig {
            ca_file: config.ca_file,
            client_certificate: config.client_certificate,
            client_key: config.client_key,
            ..TrustConfig::default()
        });
        Self {
            subject,
            endpoints,
            dns_servers: config.dns_servers,
            system: config.system,
            keys: Keys::new(&config.prefix),
            trust: Arc::new(trust),
            ways,
            cluster: Mutex::default(),
            turn: AtomicUsize::new(0),
        }
    }

    pub(crate) async fn ask(
        &self,
        question: &Question,
        voice: &Voice,
    ) -> Result<Option<Watch>, SourceFailure> {
        let tls = self.tls().await.map_err(failure)?;
        let mut notes = self.trust.problems();
        let targets = self.targets(&tls, question.deadline, &mut notes).await;
        if targets.is_empty() {
            notes.insert(
                0,
                "no member of etcd can be asked; configure etcd.endpoints".to_owned(),
            );
            return Err(failure(notes.join("; ")));
        }
        let addresses: Vec<SocketAddr> = targets.iter().map(|target| target.address).collect();
        let targets: BTreeMap<SocketAddr, Target> = targets
            .into_iter()
            .map(|target| (target.address, target))
            .collect();
        let attempts = Attempts::new(&addresses, question.deadline, |address, until| {
            let target = &targets[&address];
            read::ask(target, &self.keys, self.subject, until)
        });
        let (standpoint, watch) = self.choose(attempts, notes).await?;
        if self.subject == Subject::Members {
            let report = members::report(standpoint, &self.dns_servers, &self.system, question.deadline);
            voice.report(report.await);
            return Ok(None);
        }
        let mode = if watch.is_some() { Mode::Watch } else { Mode::Poll };
        voice.report(standpoint.report(mode));
        Ok(watch.map(|messages| Watch { messages, standpoint }))
    }

    /// The whole truth if a member tells it, else the best that is to be had.
    async fn choose(
        &self,
        mut attempts: Attempts<'_, Answer>,
        mut notes: Vec<String>,
    ) -> Result<(Standpoint, Option<grpc::Messages>), SourceFailure> {
        let mut fallback: Option<Fallback> = None;
        let mut patience: Option<Instant> = None;
        let mut refused: Vec<String> = Vec::new();
        loop {
            let next = match patience {
                Some(end) => timeout_at(end, attempts.next()).await.unwrap_or(None),
                None => attempts.next().await,
            };
            let Some((address, answer)) = next else { break };
            let allegiance = self.cluster().allegiance(answer.cluster, address);
            let instead_of = match (allegiance, answer.lost.is_none()) {
                (Allegiance::Ours, true) => {
                    self.cluster()
                        .confirm(answer.cluster, address, answer.members.as_ref());
                    notes.extend(refused);
                    return Ok(standpoint(address, answer, true, notes));
                }
                (Allegiance::Ours, false) => {
                    self.cluster().heard();
                    None
                }
                (Allegiance::Rival { ours }, true) => Some(ours),
                (Allegiance::Rival { ours } | Allegiance::Foreign { ours }, _) => {
                    refused.push(format!(
                        "{address} is refused: it is a member of another etcd cluster (id {:x}, ours is {ours:x})",
                        answer.cluster
                    ));
                    continue;
                }
            };
            let new = Fallback {
                address,
                answer,
                instead_of,
            };
            fallback = Some(match fallback {
                Some(old) if old.rank() >= new.rank() => old,
                _ => new,
            });
            patience.get_or_insert(Instant::now() + BETTER_WITHIN);
        }
        let Some(fallback) = fallback else {
            let mut failure = attempts.into_failure(match self.subject {
                Subject::Keys => "etcd's keys",
                Subject::Members => "etcd's members",
            });
            if !refused.is_empty() {
                failure.reason = refused.join("; ");
            }
            return Err(failure);
        };
        notes.extend(refused);
        Ok(self.settle_for(fallback, notes))
    }

    /// Nobody told the whole truth.
    fn settle_for(&self, fallback: Fallback, mut notes: Vec<String>) -> (Standpoint, Option<grpc::Messages>) {
        let Fallback {
            address,
            answer,
            instead_of,
        } = fallback;
        let mut counts_fully = false;
        match (instead_of, &answer.lost) {
            (Some(ours), _) => {
                let id = answer.cluster;
                counts_fully = self.cluster().rival_alone(id, Instant::now());
                if counts_fully {
                    self.cluster().confirm(id, address, answer.members.as_ref());
                    tracing::warn!(
                        %address,
                        "etcd is another cluster now: its id is {id:x} and was {ours:x}, of which nobody answers any more"
                    );
                } else {
                    notes.insert(
                        0,
                        format!(
                            "etcd's cluster id is {id:x} and was {ours:x}: restored from a snapshot, or another cluster's? \
                             Its answer only adds (M6) until the old one has been silent for ten minutes"
                        ),
                    );
                }
            }
            (None, Some(reason)) => {
                notes.insert(
                    0,
                    format!("etcd has no quorum: its answer only adds (M6); {address}: {reason}"),
                );
            }
            (None, None) => {}
        }
        standpoint(address, answer, counts_fully, notes)
    }

    /// TLS as the files are now: they are read again when they have changed.
    async fn tls(&self) -> Result<Arc<ClientConfig>, String> {
        let trust = Arc::clone(&self.trust);
        let reread = tokio::task::spawn_blocking(move || {
            if trust.changed_on_disk() {
                trust.reload();
            }
        });
        reread
            .await
            .map_err(|_| "etcd's certificates could not be read: the task died".to_owned())?;
        let config = self.trust.tls(true).map_err(|_| {
            let problems = self.trust.file_problems().join("; ");
            format!("etcd's members cannot be verified; configure etcd.ca-file ({problems})")
        })?;
        let mut config = ClientConfig::clone(&config);
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Arc::new(config))
    }

    /// Whom to ask: the configured members first, then those that they told; each time another one begins (R2).
    async fn targets(
        &self,
        tls: &Arc<ClientConfig>,
        deadline: Instant,
        notes: &mut Vec<String>,
    ) -> Vec<Target> {
        let mut members = self.endpoints.clone();
        members.extend_from_slice(self.cluster().members());
        let resolved = targets::resolve(&members, &self.dns_servers, &self.system, deadline, notes).await;
        for (member, addresses) in members.iter().zip(&resolved) {
            if let Place::Name(name, port) = member.place() {
                let ips: Vec<IpAddr> = addresses.iter().map(SocketAddr::ip).collect();
                self.ways.name_leads_to(name, *port, &ips);
            }
        }
        let mut targets = targets::reachable(&members, resolved, (tls, &self.ways));
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        if !targets.is_empty() {
            let first = turn % targets.len();
            targets.rotate_left(first);
        }
        targets
    }

    fn cluster(&self) -> MutexGuard<'_, Cluster> {
        self.cluster.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fallback {
    /// Our cluster before a rival; later revisions before earlier ones.
    fn rank(&self) -> (bool, i64) {
        (self.instead_of.is_none(), self.answer.revision)
    }
}

fn standpoint(
    address: SocketAddr,
    answer: Answer,
    counts_fully: bool,
    mut notes: Vec<String>,
) -> (Standpoint, Option<grpc::Messages>) {
    let watch = match answer.watch {
        Ok(messages) => Some(messages),
        Err(reason) => {
            if answer.lost.is_none() && !reason.is_empty() {
                notes.push(format!("no watch: {reason}"));
            }
            None
        }
    };
    let standpoint = Standpoint {
        contents: answer.contents,
        members: answer.members,
        answered_by: address,
        counts_fully,
        notes,
    };
    (standpoint, watch)
}
