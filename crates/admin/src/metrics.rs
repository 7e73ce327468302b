//! Every metric of jackline, declared in one table ([`all`]), and the answer to `GET /metrics`.
//!
//! The reference page `docs/metrics.md` is written from the same table. A metric is a projection of a [`Reading`]:
//! nothing is counted here. Labels are bounded: an endpoint has series of its own only while it is among the best
//! [`ENDPOINTS_MAX`]; `jackline_endpoints` counts them all.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jackline_core::{EndpointView, SourceView, Trust};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, exemplar::Exemplar};

pub use self::text::{Format, render};
use crate::status::word;
use crate::view::Reading;

mod services;
mod sessions;
mod signs;
mod text;

/// So many endpoints, the best, have series of their own. The core knows up to 512; most of those are archived.
pub const ENDPOINTS_MAX: usize = 64;

/// One metric.
pub struct Metric {
    /// Its name, without the `_total` that counters get.
    pub name: &'static str,
    /// Whether it only grows.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it tells, for people; one sentence, ends without a full stop.
    pub help: &'static str,
    samples: fn(&Reading) -> Vec<Sample>,
}

/// The kinds of metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, and starts again at nought with the process.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// Values of the labels, in the metric's order, and the value.
type Sample = (Vec<String>, f64);

/// Those of the node, and of its first service, the API.
const METRICS: &[Metric] = &[
    Metric {
        name: "jackline_build_info",
        kind: Kind::Gauge,
        labels: &["version"],
        help: "Always 1; the label tells the version that runs",
        samples: |reading| vec![(vec![reading.identity.version.clone()], 1.0)],
    },
    Metric {
        name: "jackline_uptime_seconds",
        kind: Kind::Gauge,
        labels: &[],
        help: "How long the process has been running",
        samples: |reading| single(seconds(reading.clock.now.since(reading.identity.started))),
    },
    Metric {
        name: "jackline_node_state",
        kind: Kind::Gauge,
        labels: &["state"],
        help: "1 for the state that the node is in (attached, degraded, isolated), 0 for the others",
        samples: node_state,
    },
    Metric {
        name: "jackline_node_state_seconds",
        kind: Kind::Gauge,
        labels: &[],
        help: "How long the node has been in its present state",
        samples: |reading| single(seconds(reading.clock.now.since(reading.snapshot.state_since))),
    },
    Metric {
        name: "jackline_trust_lost",
        kind: Kind::Gauge,
        labels: &[],
        help: "1 while no server's certificate verifies against the cluster's CA file",
        samples: |reading| single(flag(matches!(reading.snapshot.trust, Trust::Lost { .. }))),
    },
    Metric {
        name: "jackline_warnings",
        kind: Kind::Gauge,
        labels: &[],
        help: "How many warnings status shows",
        samples: |reading| single(count(reading.warnings.len())),
    },
    Metric {
        name: "jackline_endpoints",
        kind: Kind::Gauge,
        labels: &["standing", "health"],
        help: "How many endpoints are known, by what the sources and what the tests say of them",
        samples: endpoints,
    },
    Metric {
        name: "jackline_endpoint_state",
        kind: Kind::Gauge,
        labels: &["endpoint", "standing", "health", "administration"],
        help: "Always 1; the labels tell the state of each of the 64 best endpoints",
        samples: endpoint_state,
    },
    Metric {
        name: "jackline_endpoint_sessions",
        kind: Kind::Gauge,
        labels: &["endpoint"],
        help: "Open sessions with each of the 64 best endpoints",
        samples: endpoint_sessions,
    },
    Metric {
        name: "jackline_source_state",
        kind: Kind::Gauge,
        labels: &["source", "kind", "state", "mode"],
        help: "Always 1; the labels tell the state of each source",
        samples: |reading| each_source(reading, |source| Some((source_labels(source), 1.0))),
    },
    Metric {
        name: "jackline_source_age_seconds",
        kind: Kind::Gauge,
        labels: &["source"],
        help: "How long ago each source last answered; absent for one that has not answered yet",
        samples: source_age,
    },
    Metric {
        name: "jackline_source_endpoints",
        kind: Kind::Gauge,
        labels: &["source"],
        help: "How many endpoints each source lists",
        samples: |reading| {
            each_source(reading, |source| {
                Some((vec![source.name.clone()], count(source.endpoints.len())))
            })
        },
    },
    Metric {
        name: "jackline_state_file_state",
        kind: Kind::Gauge,
        labels: &["status"],
        help: "Always 1; the label tells whether what is known is on disk (empty, saved, memory-only)",
        samples: |reading| vec![(vec![word(&reading.state_file.status)], 1.0)],
    },
    Metric {
        name: "jackline_state_file_age_seconds",
        kind: Kind::Gauge,
        labels: &[],
        help: "How long ago the state file was written, by the wall clock; absent if it never was",
        samples: state_file_age,
    },
];

/// Every metric, in the order of the reference.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    let tables = [METRICS, sessions::METRICS, signs::METRICS, services::METRICS];
    tables.into_iter().flatten()
}

#[derive(Debug)]
struct Projection(Reading);

impl Collector for Projection {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        all().try_for_each(|metric| metric.encode(&self.0, &mut encoder))
    }
}

impl Metric {
    fn encode(&self, reading: &Reading, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
        };
        let mut family = encoder.encode_descriptor(self.name, self.help, None, kind)?;
        for (values, value) in (self.samples)(reading) {
            let labels: Vec<(&str, String)> = self.labels.iter().copied().zip(values).collect();
            if labels.is_empty() {
                self.encode_value(value, &mut family)?;
            } else {
                self.encode_value(value, &mut family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn encode_value(&self, value: f64, encoder: &mut MetricEncoder<'_>) -> fmt::Result {
        match self.kind {
            Kind::Counter => encoder.encode_counter(&value, None::<&Exemplar<NoLabelSet, f64>>),
            Kind::Gauge => encoder.encode_gauge(&value),
        }
    }
}

fn node_state(reading: &Reading) -> Vec<Sample> {
    use jackline_core::NodeState::{Attached, Degraded, Isolated};
    let is = |state| (vec![word(&state)], flag(reading.snapshot.state == state));
    [Attached, Degraded, Isolated].into_iter().map(is).collect()
}

fn endpoints(reading: &Reading) -> Vec<Sample> {
    let mut counts = BTreeMap::new();
    for endpoint in &reading.snapshot.endpoints {
        *counts
            .entry(vec![word(&endpoint.standing), word(&endpoint.health)])
            .or_insert(0) += 1;
    }
    counts
        .into_iter()
        .map(|(labels, number)| (labels, count(number)))
        .collect()
}

fn best_endpoints(reading: &Reading) -> impl Iterator<Item = &EndpointView> {
    reading.snapshot.endpoints.iter().take(ENDPOINTS_MAX)
}

fn endpoint_state(reading: &Reading) -> Vec<Sample> {
    let state = |endpoint: &EndpointView| {
        let labels = vec![
            endpoint.address.to_string(),
            word(&endpoint.standing),
            word(&endpoint.health),
            word(&endpoint.administration),
        ];
        (labels, 1.0)
    };
    best_endpoints(reading).map(state).collect()
}

fn endpoint_sessions(reading: &Reading) -> Vec<Sample> {
    let sessions = |endpoint: &EndpointView| {
        let open = reading
            .sessions
            .by_endpoint
            .get(&endpoint.address)
            .copied()
            .unwrap_or(0);
        (vec![endpoint.address.to_string()], large(open))
    };
    best_endpoints(reading).map(sessions).collect()
}

fn each_source(reading: &Reading, sample: impl Fn(&SourceView) -> Option<Sample>) -> Vec<Sample> {
    reading.snapshot.sources.iter().filter_map(sample).collect()
}

fn source_labels(source: &SourceView) -> Vec<String> {
    vec![
        source.name.clone(),
        word(&source.kind),
        word(&source.state),
        word(&source.mode),
    ]
}

fn source_age(reading: &Reading) -> Vec<Sample> {
    each_source(reading, |source| {
        let age = reading.clock.now.since(source.last_report?);
        Some((vec![source.name.clone()], seconds(age)))
    })
}

fn state_file_age(reading: &Reading) -> Vec<Sample> {
    let Some(saved) = reading.state_file.saved else {
        return Vec::new();
    };
    // A file from the future: the clock was set back. It was saved "now" as far as anybody can tell.
    single(seconds(
        reading.clock.wall.duration_since(saved).unwrap_or_default(),
    ))
}

fn single(value: f64) -> Vec<Sample> {
    vec![(Vec::new(), value)]
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

fn flag(set: bool) -> f64 {
    if set { 1.0 } else { 0.0 }
}

fn count(number: usize) -> f64 {
    large(u64::try_from(number).unwrap_or(u64::MAX))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "metrics are floats; counts beyond 2^53 lose nothing that anybody reads"
)]
fn large(number: u64) -> f64 {
    number as f64
}
