//! A prober with a cluster to believe in, and its events.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jackline_core::{Event, Finding, ProbeFailure, ProbeId, ProbeLimits, Service, Sink, StartProbe};
use jackline_probe::{ProbeConfig, Prober};
use jackline_trust::{Trust, TrustConfig};
use jackline_way::{WayConfig, Ways};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::certificates::Authority;

/// By when anything that is awaited has long happened, also on a machine that is busy with other things.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct Bench {
    pub(crate) authority: Authority,
    pub(crate) trust: Arc<Trust>,
    pub(crate) prober: Prober,
    sink: Sink,
    events: UnboundedReceiver<Event>,
    last: u64,
    folder: tempfile::TempDir,
}

fn config_for(service: Service, ways: Arc<Ways>) -> ProbeConfig {
    ProbeConfig {
        ways,
        runtime: tokio::runtime::Handle::current(),
        service,
    }
}

impl Bench {
    /// A node that knows the CA and has no credential.
    pub(crate) fn anonymous() -> Self {
        Self::with(|config, authority, folder| {
            config.ca_file = Some(write(folder, "ca.crt", &authority.pem()))
        })
    }

    /// One that has a token, `sesame`.
    pub(crate) fn with_token() -> Self {
        Self::with(|config, authority, folder| {
            config.ca_file = Some(write(folder, "ca.crt", &authority.pem()));
            config.token_file = Some(write(folder, "token", "sesame"));
        })
    }

    /// One that has a client certificate of the cluster's CA.
    pub(crate) fn with_certificate() -> Self {
        Self::with(|config, authority, folder| {
            let (certificate, key) = authority.client();
            config.ca_file = Some(write(folder, "ca.crt", &authority.pem()));
            config.client_certificate = Some(write(folder, "client.crt", &certificate));
            config.client_key = Some(write(folder, "client.key", &key));
        })
    }

    pub(crate) fn with(configure: impl FnOnce(&mut TrustConfig, &Authority, &Path)) -> Self {
        Self::reaching(WayConfig::default(), configure)
    }

    /// One that reaches servers in ways of its own.
    pub(crate) fn reaching(
        way: WayConfig,
        configure: impl FnOnce(&mut TrustConfig, &Authority, &Path),
    ) -> Self {
        let ways = Arc::new(Ways::new(way));
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        let mut config = TrustConfig::default();
        configure(&mut config, &authority, folder.path());
        let trust = Arc::new(Trust::load(config));
        let (sender, events) = unbounded_channel();
        // A receiver that is gone has heard all that it wanted to hear.
        let sink: Sink = Arc::new(move |event| drop(sender.send(event)));
        let prober = Prober::new(
            config_for(Service::Api, ways),
            Arc::clone(&trust),
            Arc::clone(&sink),
        );
        Self {
            authority,
            trust,
            prober,
            sink,
            events,
            last: 0,
            folder,
        }
    }

    /// The same, for the servers of another service.
    pub(crate) fn of(mut self, service: Service) -> Self {
        let sink = Arc::clone(&self.sink);
        self.prober = Prober::new(config_for(service, Arc::default()), Arc::clone(&self.trust), sink);
        self
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        write(self.folder.path(), name, text);
    }

    /// A probe of its own number, fresh and not kept, with limits that a good server never reaches.
    pub(crate) fn start(&mut self, endpoint: SocketAddr) -> StartProbe {
        self.last += 1;
        let limits = ProbeLimits {
            connect: DEADLINE,
            tls: DEADLINE,
            http: DEADLINE,
        };
        StartProbe {
            endpoint,
            probe: ProbeId(self.last),
            fresh: true,
            keep: false,
            limits,
        }
    }

    pub(crate) async fn event(&mut self) -> Event {
        tokio::time::timeout(DEADLINE * 2, self.events.recv())
            .await
            .expect("an event comes")
            .expect("a sink")
    }

    /// Asserts that all events have been heard once nothing runs any more.
    pub(crate) async fn no_more_events(mut self) {
        drop((self.prober, self.sink));
        let rest = tokio::time::timeout(DEADLINE, self.events.recv())
            .await
            .expect("the sink goes");
        assert_eq!(rest, None);
    }

    pub(crate) async fn run(&mut self, start: StartProbe) -> Result<Finding, ProbeFailure> {
        let (endpoint, probe) = (start.endpoint, start.probe);
        self.prober.start(start);
        let (of, outcome) = match self.event().await {
            Event::ProbeSucceeded {
                endpoint,
                probe,
                finding,
            } => ((endpoint, probe), Ok(finding)),
            Event::ProbeFailed {
                endpoint,
                probe,
                failure,
            } => ((endpoint, probe), Err(failure)),
            other => panic!("no probe's event: {other:?}"),
        };
        assert_eq!(of, (endpoint, probe));
        outcome
    }

    /// One fresh probe.
    pub(crate) async fn probe(&mut self, endpoint: SocketAddr) -> Result<Finding, ProbeFailure> {
        let start = self.start(endpoint);
        self.run(start).await
    }

    /// One that may use a kept connection and keeps its own.
    pub(crate) async fn keep(&mut self, endpoint: SocketAddr) -> Result<Finding, ProbeFailure> {
        let start = self.start(endpoint);
        self.run(StartProbe {
            fresh: false,
            keep: true,
            ..start
        })
        .await
    }
}

fn write(folder: &Path, name: &str, text: &str) -> std::path::PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path
}
