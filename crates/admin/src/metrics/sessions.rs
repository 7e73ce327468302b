//! Series of the data plane's own counts: sessions, bytes, second dials.

use super::{Kind, Metric, Sample, large, single};
use crate::view::Reading;

/// All of them.
pub(super) const METRICS: &[Metric] = &[
    Metric {
        name: "jackline_sessions_open",
        kind: Kind::Gauge,
        labels: &[],
        help: "Open sessions",
        samples: |reading| single(large(reading.sessions.open)),
    },
    Metric {
        name: "jackline_sessions_opened",
        kind: Kind::Counter,
        labels: &[],
        help: "Sessions opened",
        samples: |reading| single(large(reading.sessions.opened_total)),
    },
    Metric {
        name: "jackline_sessions_closed",
        kind: Kind::Counter,
        labels: &[],
        help: "Sessions closed",
        samples: |reading| single(large(reading.sessions.closed_total)),
    },
    Metric {
        name: "jackline_sessions_refused",
        kind: Kind::Counter,
        labels: &[],
        help: "Clients that got no apiserver within the hold time and were reset",
        samples: |reading| single(large(reading.sessions.refused_total)),
    },
    Metric {
        name: "jackline_sessions_over_limit",
        kind: Kind::Counter,
        labels: &["limit"],
        help: "How often a limit on sessions was met: clients that were reset for the limit on all of them (all), and dials that passed an endpoint by for the limit on one endpoint's (endpoint)",
        samples: over_limit,
    },
    Metric {
        name: "jackline_bytes",
        kind: Kind::Counter,
        labels: &["direction"],
        help: "Bytes carried, to the apiservers (upstream) and to the clients (downstream)",
        samples: bytes,
    },
    Metric {
        name: "jackline_dial_hedges",
        kind: Kind::Counter,
        labels: &[],
        help: "Second dials that were started because the first was silent (S3)",
        samples: |reading| single(large(reading.sessions.hedges_total)),
    },
    Metric {
        name: "jackline_first_flight_repeats",
        kind: Kind::Counter,
        labels: &[],
        help: "Clients' first flights that were sent to one more endpoint because the first said nothing (S4)",
        samples: |reading| single(large(reading.sessions.repeats_total)),
    },
];

fn over_limit(reading: &Reading) -> Vec<Sample> {
    vec![
        (vec!["all".to_owned()], large(reading.sessions.over_limit_total)),
        (
            vec!["endpoint".to_owned()],
            large(reading.sessions.endpoint_full_total),
        ),
    ]
}

fn bytes(reading: &Reading) -> Vec<Sample> {
    vec![
        (
            vec!["upstream".to_owned()],
            large(reading.sessions.bytes_upstream_total),
        ),
        (
            vec!["downstream".to_owned()],
            large(reading.sessions.bytes_downstream_total),
        ),
    ]
}
