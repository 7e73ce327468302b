//! What another service of this very process knows: the same servers, at this service's port. What is learnt once is
//! not asked for twice: ten thousand nodes with two services would else ask the cluster everything two times.
//!
//! It watches the other's published snapshot. What that one has archived is not told any more, and neither are impostors
//! and unverified hints: the cluster's members are told, and no more.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jackline_core::{Class, Listing, Mode, Report, Snapshot, Standing};
use tokio::time::{MissedTickBehavior, interval};

use crate::config::ServiceConfig;
use crate::refresh::Voice;

/// Between two looks at the other's snapshot.
const GLANCE: Duration = Duration::from_secs(1);

/// The source.
pub(crate) struct Service {
    config: ServiceConfig,
}

/// Looks at the other's snapshot again and again.
pub(crate) struct Watch {
    config: ServiceConfig,
    reported: Report,
}

impl Service {
    pub(crate) fn new(config: ServiceConfig) -> Self {
        Self { config }
    }

    /// What the other knows now, and a watch on it.
    pub(crate) fn ask(&self, voice: &Voice) -> Watch {
        let config = self.config.clone();
        let reported = report(&(config.snapshot)(), config.port);
        voice.report(reported.clone());
        Watch { config, reported }
    }
}

impl Watch {
    /// Reports each change. Ends only with its refresh.
    pub(crate) async fn follow(mut self, voice: &Voice) -> String {
        let mut glances = interval(GLANCE);
        glances.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seen: Option<u64> = None;
        loop {
            glances.tick().await;
            let snapshot: Arc<Snapshot> = (self.config.snapshot)();
            if seen.replace(snapshot.generation) == Some(snapshot.generation) {
                continue;
            }
            let now = report(&snapshot, self.config.port);
            if now != self.reported {
                if !voice.report(now.clone()) {
                    return "another refresh has taken its place".to_owned();
                }
                self.reported = now;
            }
        }
    }
}

fn report(snapshot: &Snapshot, port: u16) -> Report {
    let known = snapshot.endpoints.iter().filter(|endpoint| {
        endpoint.standing != Standing::Archived && !matches!(endpoint.class, Class::Hint | Class::Impostor)
    });
    let mut endpoints: Vec<Listing> = known
        .map(|endpoint| Listing {
            zone: endpoint.zone.clone(),
            ..Listing::from(SocketAddr::new(endpoint.address.ip(), port))
        })
        .collect();
    endpoints.sort();
    endpoints.dedup_by_key(|listing| listing.ip);
    Report {
        endpoints,
        mode: Mode::Watch,
        verified: true,
        ..Report::default()
    }
}
