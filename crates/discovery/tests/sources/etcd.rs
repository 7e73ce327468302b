//! Etcd as a source, against real etcd: members with TLS and client certificates on loopback addresses of their own, killed,
//! frozen, restored and replaced; and against members made up in this process, for what real ones never say.

mod false_member;
mod gateway;
mod history;
mod members;
mod membership;
mod protocol;
mod quorum;
mod silence;
mod strangers;
mod truth;
mod values;

use std::path::PathBuf;

use std::time::Duration;

use jackline_core::{Event, RefreshId, Report};
use jackline_discovery::{EtcdConfig, RegistrationAddress, SourceConfig};
use tokio::time::{interval, timeout};

use crate::stand::{Identity, PATIENCE, Pki, Stand};

/// The key in which K3s keeps its list.
const LIST: &str = "k3s/apiaddresses";

/// A lease key.
fn lease(ip: &str) -> String {
    format!("/registry/masterleases/{ip}")
}

/// A source that begins with `endpoints`, with a client certificate of `pki`.
fn source(pki: &Pki, endpoints: &[RegistrationAddress]) -> SourceConfig {
    SourceConfig::Etcd(config(pki, endpoints))
}

fn config(pki: &Pki, endpoints: &[RegistrationAddress]) -> EtcdConfig {
    let (certificate, key) = files(pki, "reader", &pki.identity_as("reader", |_| {}));
    EtcdConfig {
        endpoints: endpoints.to_vec(),
        ca_file: Some(pki.file("etcd-ca.crt", pki.pem())),
        client_certificate: Some(certificate),
        client_key: Some(key),
        ..EtcdConfig::default()
    }
}

fn stand(pki: &Pki, endpoints: &[RegistrationAddress]) -> Stand {
    // Etcd's trust is its own: what the cluster is known by has no part in it.
    Stand::new(source(pki, endpoints), pki.anonymous())
}

/// A certificate and its key as files.
fn files(pki: &Pki, name: &str, identity: &Identity) -> (PathBuf, PathBuf) {
    (
        pki.file(&format!("{name}.crt"), identity.certificate_pem()),
        pki.file(&format!("{name}.key"), identity.key_pem()),
    )
}

/// The next event, which is a watch's end: of which refresh, and why.
async fn watch_end(stand: &mut Stand) -> (u64, String) {
    match stand.next().await {
        Event::WatchEnded {
            refresh: RefreshId(refresh),
            reason,
            ..
        } => (refresh, reason),
        other => panic!("not the watch's end: {other:?}"),
    }
}

/// Asks again and again until an answer counts fully. Every other answer must be an addition, or a failure.
async fn until_whole(stand: &mut Stand, first: u64) -> Report {
    let asking = async {
        let mut pace = interval(Duration::from_millis(100));
        for refresh in first.. {
            pace.tick().await;
            stand.order(refresh, &[]);
            if let Some(report) = answer(stand, refresh).await.filter(|report| report.verified) {
                return report;
            }
        }
        unreachable!("there are numbers enough")
    };
    timeout(PATIENCE, asking).await.expect("a whole answer in time")
}

/// What ends a refresh: its report, or `None` for a failure. Watches may end before.
async fn answer(stand: &mut Stand, wanted: u64) -> Option<Report> {
    loop {
        match stand.next().await {
            Event::SourceReported { refresh, report, .. } if refresh == RefreshId(wanted) => {
                return Some(report);
            }
            Event::SourceFailed { refresh, .. } if refresh == RefreshId(wanted) => return None,
            Event::WatchEnded { .. } | Event::SourceReported { .. } => {}
            other => panic!("not an answer to refresh {wanted}: {other:?}"),
        }
    }
}

/// Asks once; the report that ends it.
async fn asked(stand: &mut Stand, refresh: u64) -> Report {
    stand.order(refresh, &[]);
    let report = answer(stand, refresh).await;
    report.unwrap_or_else(|| panic!("refresh {refresh} failed"))
}

/// Asks once; why it failed.
async fn refused(stand: &mut Stand, wanted: u64) -> String {
    stand.order(wanted, &[]);
    loop {
        match stand.next().await {
            Event::SourceFailed { refresh, failure, .. } if refresh == RefreshId(wanted) => {
                return failure.reason;
            }
            Event::WatchEnded { .. } => {}
            other => panic!("not a failure of refresh {wanted}: {other:?}"),
        }
    }
}
