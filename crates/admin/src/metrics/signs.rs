//! Series that alerts stand on: what was told to people, the node's Lease, the end of certificates.

use std::time::Duration;

use jackline_core::Notice;

use super::{Kind, Metric, Sample, flag, large, seconds, single};
use crate::view::Reading;

/// All of them.
pub(super) const METRICS: &[Metric] = &[
    Metric {
        name: "jackline_events",
        kind: Kind::Counter,
        labels: &["event"],
        help: "How often each kind of event of the first table of docs/events.md was told, of the API's endpoints and sources",
        samples: events,
    },
    Metric {
        name: "jackline_heartbeat_late",
        kind: Kind::Gauge,
        labels: &[],
        help: "1 while the node's Lease is proven to be late; absent where it is not read",
        samples: |reading| match reading.snapshot.heartbeat {
            Some(heartbeat) => single(flag(heartbeat.late)),
            None => Vec::new(),
        },
    },
    Metric {
        name: "jackline_heartbeat_age_seconds",
        kind: Kind::Gauge,
        labels: &[],
        help: "How long ago the kubelet renewed the node's Lease, by both clocks, when it was read last; absent where it is not read",
        samples: heartbeat_age,
    },
    Metric {
        name: "jackline_certificate_not_after_timestamp_seconds",
        kind: Kind::Gauge,
        labels: &["certificate"],
        help: "When each certificate that jackline uses ends: the cluster's CA (ca, the one of several that ends last) and the node's own (client)",
        samples: certificates,
    },
    Metric {
        name: "jackline_observations_dropped",
        kind: Kind::Counter,
        labels: &[],
        help: "Observations of sessions that were dropped because the node was overloaded",
        samples: |reading| single(large(reading.signs.dropped)),
    },
];

fn events(reading: &Reading) -> Vec<Sample> {
    let count = |notice: &Notice| {
        let told = reading.signs.told.get(notice).copied().unwrap_or(0);
        (vec![notice.name().to_owned()], large(told))
    };
    Notice::ALL.iter().map(count).collect()
}

fn heartbeat_age(reading: &Reading) -> Vec<Sample> {
    let Some(heartbeat) = reading.snapshot.heartbeat else {
        return Vec::new();
    };
    let renewed = std::time::UNIX_EPOCH + Duration::from_micros(heartbeat.renewed);
    let read = reading.clock.wall(heartbeat.read);
    single(seconds(read.duration_since(renewed).unwrap_or_default()))
}

fn certificates(reading: &Reading) -> Vec<Sample> {
    let end = |(name, end): (&&'static str, &i64)| {
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^53")]
        let end = *end as f64;
        (vec![(*name).to_owned()], end)
    };
    reading.signs.certificates.iter().map(end).collect()
}
