//! Series of the services besides the API: the same projections, with the service's name as the first label. There are
//! as many services as there are words for them.

use super::{Kind, Metric, Sample, each_source, endpoints, flag, large, node_state, single, source_labels};
use crate::view::Reading;

/// All of them.
pub(super) const METRICS: &[Metric] = &[
    Metric {
        name: "jackline_service_state",
        kind: Kind::Gauge,
        labels: &["service", "state"],
        help: "For each service besides the API: 1 for the state that the node is in with it, 0 for the others",
        samples: |reading| of_each(reading, node_state),
    },
    Metric {
        name: "jackline_service_listening",
        kind: Kind::Gauge,
        labels: &["service"],
        help: "For each service besides the API: 1 if its clients are accepted, 0 while its listeners cannot be had",
        samples: |reading| {
            of_each(reading, |service| {
                single(flag(!service.identity.listen.is_empty()))
            })
        },
    },
    Metric {
        name: "jackline_service_endpoints",
        kind: Kind::Gauge,
        labels: &["service", "standing", "health"],
        help: "For each service besides the API: how many endpoints are known, by what the sources and what the tests say of them",
        samples: |reading| of_each(reading, endpoints),
    },
    Metric {
        name: "jackline_service_sessions_open",
        kind: Kind::Gauge,
        labels: &["service"],
        help: "For each service besides the API: open sessions",
        samples: |reading| of_each(reading, |service| single(large(service.sessions.open))),
    },
    Metric {
        name: "jackline_service_sessions_opened",
        kind: Kind::Counter,
        labels: &["service"],
        help: "For each service besides the API: sessions opened",
        samples: |reading| of_each(reading, |service| single(large(service.sessions.opened_total))),
    },
    Metric {
        name: "jackline_service_sessions_refused",
        kind: Kind::Counter,
        labels: &["service"],
        help: "For each service besides the API: clients that got no server within the hold time and were reset",
        samples: |reading| of_each(reading, |service| single(large(service.sessions.refused_total))),
    },
    Metric {
        name: "jackline_service_source_state",
        kind: Kind::Gauge,
        labels: &["service", "source", "kind", "state", "mode"],
        help: "Always 1; for each service besides the API the labels tell the state of each of its sources",
        samples: |reading| {
            of_each(reading, |service| {
                each_source(service, |source| Some((source_labels(source), 1.0)))
            })
        },
    },
];

/// The samples of each service besides the API.
fn of_each(reading: &Reading, samples: impl Fn(&Reading) -> Vec<Sample>) -> Vec<Sample> {
    let of_one = |(service, reading): &(jackline_core::Service, Reading)| -> Vec<Sample> {
        let name = service.name().to_owned();
        let with_name = |(mut labels, value): Sample| {
            labels.insert(0, name.clone());
            (labels, value)
        };
        samples(reading).into_iter().map(with_name).collect()
    };
    reading.services.iter().flat_map(of_one).collect()
}
