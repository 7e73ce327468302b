//! What another service of the same process knows: at this service's port, each change, and none of what that one gave up.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jackline_core::{
    Event, Listing, Mode, Policy, RefreshId, Report, Settings, SourceId, SourceKind, SourceSpec, Timestamp,
};
use jackline_discovery::{ServiceConfig, SourceConfig};

use crate::stand::{Pki, Stand, listed};

/// The other service: a core that is told lists.
struct Sibling(Arc<Mutex<Policy>>);

impl Sibling {
    fn new() -> Self {
        let settings = Settings {
            sources: vec![SourceSpec {
                name: "static".to_owned(),
                kind: SourceKind::Static,
            }],
            ..Settings::default()
        };
        Self(Arc::new(Mutex::new(Policy::new(settings, 1, Timestamp::ZERO))))
    }

    fn learns(&self, refresh: u64, list: &[&str]) {
        let address = |text: &&str| text.parse::<SocketAddr>().expect("an address");
        let event = Event::SourceReported {
            source: SourceId(0),
            refresh: RefreshId(refresh),
            position: 0,
            report: Report {
                endpoints: list.iter().map(address).map(Listing::from).collect(),
                ..Report::default()
            },
        };
        self.0
            .lock()
            .expect("unpoisoned")
            .step(Timestamp::from_millis(refresh), event, &mut Vec::new());
    }

    fn config(&self, port: u16) -> SourceConfig {
        let policy = Arc::clone(&self.0);
        SourceConfig::Service(ServiceConfig {
            snapshot: Arc::new(move || policy.lock().expect("unpoisoned").snapshot()),
            port,
        })
    }
}

#[tokio::test(start_paused = true)]
async fn each_change_is_told_at_this_services_port() {
    let sibling = Sibling::new();
    let mut stand = Stand::new(sibling.config(9345), Pki::new().anonymous());
    stand.order(1, &[]);
    let (_, position, report) = stand.report().await;
    assert_eq!(
        (position, report.mode, listed(&report).len()),
        (0, Mode::Watch, 0)
    );
    sibling.learns(1, &["10.0.0.2:6443", "10.0.0.1:6443"]);
    let (refresh, position, report) = stand.report().await;
    assert_eq!((refresh, position, report.verified), (1, 1, true));
    assert_eq!(listed(&report), ["10.0.0.1:9345", "10.0.0.2:9345"]);
    // Two services of one server are one server.
    sibling.learns(2, &["10.0.0.1:6443", "10.0.0.1:6444", "[fd00::3]:6443"]);
    let (_, _, report) = stand.report().await;
    assert_eq!(
        listed(&report),
        ["10.0.0.1:9345", "10.0.0.2:9345", "fd00::3:9345"],
        "what is retained there is told"
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_is_told_while_nothing_changes() {
    let sibling = Sibling::new();
    sibling.learns(1, &["10.0.0.1:6443"]);
    let mut stand = Stand::new(sibling.config(9345), Pki::new().anonymous());
    stand.order(1, &[]);
    stand.report().await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(stand.events.try_recv().is_err());
}
