//! Asks every source once and tests every server once, with the very code of the running jackline and around it: what comes back is what
//! jackline would find here, whether it runs or not.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use jackline_core::{
    Answer, Ask, Breadth, Event, ProbeFailure, ProbeId, ProbeLimits, RefreshId, RefreshSource, Report,
    Service, Sink, SourceId, SourceKind, StartProbe,
};
use jackline_discovery::{Discovery, RegistrationConfig, SourceConfig};
use jackline_probe::{ProbeConfig, Prober, look};
use jackline_trust::{Trust, TrustConfig};
use jackline_way::Ways;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, timeout_at};

use crate::config::Config;
use crate::doctor::facts::{Facts, Heartbeat, Says, Server, Told};
use crate::proxy_names;
use crate::wiring;

/// How long a source may take.
const SOURCE_TIME: Duration = Duration::from_secs(4);
/// So many servers are tested: the core knows no more.
const SERVERS_MAX: usize = 512;
/// So many are told to a source.
const TARGETS_MAX: usize = 64;
/// Limits of a test's phases.
const LIMITS: ProbeLimits = ProbeLimits {
    connect: Duration::from_secs(2),
    tls: Duration::from_secs(2),
    http: Duration::from_secs(3),
};
/// After this a test that told nothing is given up: all its phases, twice, for a credential that is asked for.
const TESTS_TIME: Duration = Duration::from_secs(15);
/// Where apiservers listen if nobody says.
const USUAL_PORT: u16 = 6443;

/// Asks and tests; what cannot be done is told in `facts.unseen`.
pub(super) fn ask(config: &Config, trust: Arc<Trust>, kubelet: Option<TrustConfig>, facts: &mut Facts) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(Asking::new(config, trust, kubelet).all(config, facts)),
        Err(error) => facts
            .unseen
            .push(("servers", format!("no server was asked: {error}"))),
    }
}

struct Asking {
    ways: Arc<Ways>,
    trust: Arc<Trust>,
    /// The kubelet's own, where it is at hand: it alone may read the node's Lease.
    kubelet: Option<Arc<Trust>>,
    port: u16,
}

/// A source with the name that findings have for it.
type Named = (String, SourceConfig);

impl Asking {
    fn new(config: &Config, trust: Arc<Trust>, kubelet: Option<TrustConfig>) -> Self {
        Self {
            ways: Arc::new(Ways::new(config.way.clone())),
            trust,
            kubelet: kubelet.map(|kubelet| Arc::new(Trust::load(kubelet))),
            port: config.profile.api_port.unwrap_or(USUAL_PORT),
        }
    }

    async fn all(self, config: &Config, facts: &mut Facts) {
        proxy_names::watch(&self.ways, &wiring::host_names(config));
        self.names(config, facts).await;
        // Each round is asked of the servers that those before it told: an apiserver of which only a supervisor knows, too.
        for round in self.rounds(config) {
            let mut targets: Vec<SocketAddr> = facts.servers.keys().copied().collect();
            // Those that serve first: a source tries one after the other.
            targets.sort_by_key(|address| !facts.servers[address].says.serves());
            targets.truncate(TARGETS_MAX);
            self.refresh(round, &targets, facts).await;
            self.test(facts).await;
        }
        if facts.servers.is_empty() {
            let why = "no address of a server is known here: give one with --server";
            facts.unseen.push(("servers", why.to_owned()));
        }
    }

    /// Sources that need no server to be known; supervisors; the API; the node's own Lease. The registration addresses are asked one by one
    /// elsewhere.
    fn rounds(&self, config: &Config) -> [Vec<Named>; 4] {
        let (specs, made) = wiring::sources(config, &self.ways);
        let mut rounds = [const { Vec::new() }; 4];
        for (spec, source) in specs.into_iter().zip(made.sources) {
            let round = match source.kind() {
                SourceKind::Static | SourceKind::Etcd => 0,
                SourceKind::Supervisor => 1,
                SourceKind::Kubernetes => 2,
                SourceKind::Heartbeat => 3,
                _ => continue,
            };
            if let SourceConfig::Etcd(etcd) = &source {
                rounds[0].push((MEMBERS.to_owned(), SourceConfig::Members(etcd.clone())));
            }
            rounds[round].push((spec.name, source));
        }
        rounds
    }

    /// Each registration address by itself, so that it is known which leads where.
    async fn names(&self, config: &Config, facts: &mut Facts) {
        let (_, made) = wiring::sources(config, &self.ways);
        let whole = made.sources.into_iter().find_map(|source| match source {
            SourceConfig::Registration(whole) => Some(whole),
            _ => None,
        });
        let Some(whole) = whole else { return };
        let sources: Vec<Named> = whole
            .servers
            .iter()
            .map(|server| {
                let one = RegistrationConfig {
                    servers: vec![server.clone()],
                    ..whole.clone()
                };
                ("registration".to_owned(), SourceConfig::Registration(one))
            })
            .collect();
        for (index, answer) in self.answers(sources, &[]).await {
            let Some(known) = facts.registration.get_mut(index) else {
                continue;
            };
            known.resolved = true;
            match answer {
                Ok(report) => known.addresses = self.addresses(&report),
                Err(why) if known.is_name => facts.silent.push(("registration".to_owned(), why)),
                Err(_) => {}
            }
        }
    }

    async fn refresh(&self, sources: Vec<Named>, targets: &[SocketAddr], facts: &mut Facts) {
        let known: Vec<(String, SourceKind)> = sources
            .iter()
            .map(|(name, source)| (name.clone(), source.kind()))
            .collect();
        for (index, answer) in self.answers(sources, targets).await {
            let Some((name, kind)) = known.get(index) else {
                continue;
            };
            match answer {
                Err(why) => facts.silent.push((name.clone(), why)),
                Ok(report) if *kind == SourceKind::Heartbeat => {
                    facts.heartbeat = report.heartbeat.map(|renewal| Heartbeat {
                        age: super::now() - i64::try_from(renewal.renewed / 1_000_000).unwrap_or(0),
                    });
                    if facts.heartbeat.is_none() {
                        facts.unseen.push(("heartbeat", report.note));
                    }
                }
                Ok(report) if name == MEMBERS => facts.etcd_members = Some(self.addresses(&report)),
                Ok(report) => facts.told.push(Told {
                    source: name.clone(),
                    is_cluster: matches!(
                        kind,
                        SourceKind::Etcd | SourceKind::Supervisor | SourceKind::Kubernetes
                    ),
                    endpoints: self.addresses(&report),
                    by: report.answered_by,
                    note: report.note,
                }),
            }
        }
    }

    fn addresses(&self, report: &Report) -> Vec<SocketAddr> {
        let listed = report.endpoints.iter();
        listed
            .map(|listing| SocketAddr::new(listing.ip, listing.port.unwrap_or(self.port)))
            .collect()
    }

    /// The first answer of each source, by its place; the watches that some leave open end with it.
    async fn answers(
        &self,
        sources: Vec<Named>,
        targets: &[SocketAddr],
    ) -> Vec<(usize, Result<Report, String>)> {
        let count = sources.len();
        let (sink, mut events) = channel();
        let config = jackline_discovery::Config {
            sources: sources.into_iter().map(|(_, source)| source).collect(),
            ways: Arc::clone(&self.ways),
        };
        let is_lease = |source: &SourceConfig| source.kind() == SourceKind::Heartbeat;
        let own = self
            .kubelet
            .as_ref()
            .filter(|_| config.sources.iter().all(is_lease));
        let trust = Arc::clone(own.unwrap_or(&self.trust));
        let discovery = Discovery::new(config, trust, sink);
        for source in (0..=u16::MAX).take(count) {
            discovery.refresh(RefreshSource {
                source: SourceId(source),
                refresh: RefreshId(u64::from(source)),
                ask: Ask::Everything,
                targets: targets.to_vec(),
                breadth: Breadth::First,
                timeout: SOURCE_TIME,
            });
        }
        let end = Instant::now() + SOURCE_TIME + Duration::from_secs(1);
        let mut answers: BTreeMap<usize, Result<Report, String>> = BTreeMap::new();
        while answers.len() < count {
            let Ok(Some(event)) = timeout_at(end, events.recv()).await else {
                break;
            };
            match event {
                Event::SourceReported { source, report, .. } => {
                    answers.entry(usize::from(source.0)).or_insert(Ok(report));
                }
                Event::SourceFailed { source, failure, .. } => {
                    answers
                        .entry(usize::from(source.0))
                        .or_insert(Err(failure.reason));
                }
                _ => {}
            }
        }
        answers.into_iter().collect()
    }

    /// Tests every address that is known of and was not tested yet.
    async fn test(&self, facts: &mut Facts) {
        let told = facts.told.iter().flat_map(|told| told.endpoints.iter());
        let joined = facts.registration.iter().flat_map(|known| known.addresses.iter());
        let held = facts.balancers.iter().filter_map(|file| file.holds.as_ref().ok());
        let held: Vec<SocketAddr> = held
            .flat_map(|state| state.addresses.iter())
            // A supervisor's or etcd's port says nothing of the API.
            .map(|address| match address.port() {
                9345 | 2379 => SocketAddr::new(address.ip(), self.port),
                _ => *address,
            })
            .collect();
        let new: BTreeSet<SocketAddr> = told
            .chain(joined)
            .chain(&held)
            .copied()
            .filter(|address| !facts.servers.contains_key(address))
            .take(SERVERS_MAX)
            .collect();
        if new.is_empty() {
            return;
        }
        let (sink, mut events) = channel();
        let probes = ProbeConfig {
            runtime: Handle::current(),
            service: Service::Api,
            ways: Arc::clone(&self.ways),
        };
        let prober = Prober::new(probes, Arc::clone(&self.trust), sink);
        for (number, endpoint) in (0..).zip(&new) {
            prober.start(StartProbe {
                endpoint: *endpoint,
                probe: ProbeId(number),
                fresh: true,
                keep: false,
                limits: LIMITS,
            });
        }
        let end = Instant::now() + TESTS_TIME;
        let mut said: BTreeMap<SocketAddr, Server> = BTreeMap::new();
        while said.len() < new.len() {
            let Ok(Some(event)) = timeout_at(end, events.recv()).await else {
                break;
            };
            if let Some((endpoint, server)) = judge(event) {
                said.insert(endpoint, server);
            }
        }
        self.look_at(&mut said).await;
        facts.servers.extend(said);
    }

    /// Certificates and clocks of those that answer.
    async fn look_at(&self, said: &mut BTreeMap<SocketAddr, Server>) {
        let answering = said
            .iter()
            .filter(|(_, server)| !matches!(server.says, Says::Nothing | Says::OurFault));
        let looks = join_all(answering.map(|(address, _)| async {
            let seen = look(*address, &LIMITS, (&self.trust, &self.ways)).await;
            (*address, seen, super::now())
        }))
        .await;
        for (address, seen, now) in looks {
            let (Some(seen), Some(server)) = (seen, said.get_mut(&address)) else {
                continue;
            };
            server.certificate = seen.certificate;
            let date = seen.date.and_then(|date| jiff::fmt::rfc2822::parse(&date).ok());
            server.ahead = date.map(|date| date.timestamp().as_second() - now);
        }
    }
}

/// The name of the source that tells etcd's members.
const MEMBERS: &str = "etcd-members";

fn channel() -> (Sink, UnboundedReceiver<Event>) {
    let (sender, events) = unbounded_channel();
    // Whoever hears no more has heard enough.
    let sink: Sink = Arc::new(move |event| drop(sender.send(event)));
    (sink, events)
}

fn judge(event: Event) -> Option<(SocketAddr, Server)> {
    let (endpoint, says, words) = match event {
        Event::ProbeSucceeded {
            endpoint, finding, ..
        } => {
            let (says, words) = answered(finding.answer, finding.depth.is_verified());
            (endpoint, says, words)
        }
        Event::ProbeFailed {
            endpoint, failure, ..
        } => {
            let (says, words) = failed(failure);
            (endpoint, says, words)
        }
        _ => return None,
    };
    let server = Server {
        says,
        words,
        certificate: None,
        ahead: None,
    };
    Some((endpoint, server))
}

fn answered(answer: Answer, verified: bool) -> (Says, String) {
    match answer {
        Answer::Ready if verified => (Says::Ready, "ready".to_owned()),
        Answer::Ready => (
            Says::Ready,
            "speaks TLS; without a CA no more can be tested".to_owned(),
        ),
        Answer::Alive => (
            Says::Alive,
            "alive: it refuses the credential, or there is none".to_owned(),
        ),
        Answer::NotReady { status, failed } if failed.is_empty() => {
            (Says::NotReady, format!("not ready ({status})"))
        }
        Answer::NotReady { failed, .. } => (Says::NotReady, format!("not ready: {}", failed.join(", "))),
        Answer::NoApi => (
            Says::NoApi,
            "serves no API (503 apiserver disabled): an etcd-only server".to_owned(),
        ),
    }
}

fn failed(failure: ProbeFailure) -> (Says, String) {
    match failure {
        ProbeFailure::Refused { detail } => (Says::Nothing, detail),
        ProbeFailure::TimedOut { phase } => (
            Says::Nothing,
            format!("no answer in time ({})", format!("{phase:?}").to_lowercase()),
        ),
        ProbeFailure::Untrusted { detail, .. } => (Says::Untrusted, detail),
        ProbeFailure::Nonsense { detail } => (Says::Nothing, detail),
        ProbeFailure::Local { fault } => (Says::OurFault, fault.to_string()),
        ProbeFailure::Aborted => (Says::OurFault, "the test was not made".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_date_of_an_answer_is_understood() {
        let date = jiff::fmt::rfc2822::parse("Tue, 24 Nov 2026 14:00:00 GMT").expect("a date");
        assert_eq!(date.timestamp().as_second(), 1_795_528_800);
    }
}
