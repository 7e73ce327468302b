//! The metrics page, its bounds, and its reference page.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use jackline_admin::metrics::{ENDPOINTS_MAX, Format, Kind, all, render};

use crate::fixture;

#[test]
fn the_page_of_a_node_with_something_of_everything() {
    insta::assert_snapshot!(render(fixture::reading(), Format::OpenMetrics).expect("a page"));
}

#[test]
fn every_metric_of_the_table_is_on_the_page() {
    let page = render(fixture::with_etcd(), Format::OpenMetrics).expect("a page");
    for metric in all() {
        assert!(
            page.contains(&format!("\n{}", metric.name)),
            "{} has no sample",
            metric.name
        );
    }
    assert!(page.ends_with("# EOF\n"));
}

#[test]
fn prometheus_own_format_has_the_same_samples() {
    let numbers = |format| -> Vec<(String, f64)> {
        let page = render(fixture::with_etcd(), format).expect("a page");
        let lines = page.lines().filter(|line| !line.starts_with('#'));
        let of = |line: &str| {
            let (name, value) = line.rsplit_once(' ').expect("a sample");
            (name.to_owned(), value.parse().expect("a number"))
        };
        lines.map(of).collect()
    };
    let plain = numbers(Format::Prometheus);
    assert!(plain.len() > 50, "{}", plain.len());
    assert_eq!(plain, numbers(Format::OpenMetrics));
    let page = render(fixture::reading(), Format::Prometheus).expect("a page");
    assert!(page.contains("# TYPE jackline_bytes_total counter\n"), "{page}");
}

#[test]
fn the_form_is_the_one_that_is_asked_for() {
    let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    assert_eq!(Format::accepted(prometheus), Format::OpenMetrics);
    assert_eq!(
        Format::accepted("text/plain;version=0.0.4;q=1,*/*;q=0.1"),
        Format::Prometheus
    );
    assert_eq!(Format::accepted("*/*"), Format::OpenMetrics);
    assert_eq!(Format::accepted(""), Format::OpenMetrics);
}

#[test]
fn a_service_besides_the_api_has_series_of_its_own_and_changes_none_of_the_apis() {
    let (alone, both) = (fixture::reading(), fixture::with_etcd());
    let (alone, both) = (
        render(alone, Format::OpenMetrics).expect("a page"),
        render(both, Format::OpenMetrics).expect("a page"),
    );
    let samples = |page: &str| -> Vec<String> {
        let lines = page.lines().filter(|line| !line.starts_with('#'));
        lines.map(str::to_owned).collect()
    };
    let (alone, both) = (samples(&alone), samples(&both));
    let (more, same): (Vec<String>, Vec<String>) = both
        .into_iter()
        .partition(|line| line.starts_with("jackline_service_"));
    assert_eq!(same, alone);
    insta::assert_snapshot!(more.join("\n"));
}

#[test]
fn only_the_best_endpoints_have_series_of_their_own() {
    let mut reading = fixture::reading();
    let known = (0..512).map(|host| fixture::ready(&format!("10.1.{}.{}:6443", host / 256, host % 256)));
    Arc::make_mut(&mut reading.snapshot).endpoints = known.collect();
    let page = render(reading, Format::OpenMetrics).expect("a page");
    assert_eq!(page.matches("\njackline_endpoint_state{").count(), ENDPOINTS_MAX);
    assert_eq!(
        page.matches("\njackline_endpoint_sessions{").count(),
        ENDPOINTS_MAX
    );
    assert!(page.contains("\njackline_endpoints{standing=\"listed\",health=\"ready\"} 512.0\n"));
}

#[test]
fn a_state_file_from_the_future_is_no_seconds_old() {
    let mut reading = fixture::reading();
    reading.state_file.saved = Some(fixture::wall(fixture::WALL + 1_000));
    assert!(
        render(reading, Format::OpenMetrics)
            .expect("a page")
            .contains("\njackline_state_file_age_seconds 0.0\n")
    );
}

#[test]
fn the_reference_page_is_the_tables() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let page = reference();
    if std::env::var_os("JACKLINE_WRITE_DOCS").is_some() {
        std::fs::write(&path, &page).expect("docs/metrics.md can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == page,
        "docs/metrics.md is not what the table says; write it anew: JACKLINE_WRITE_DOCS=1 cargo test -p jackline-admin"
    );
}

fn reference() -> String {
    let mut page = String::from(
        "# Metrics\n\n\
         `GET /metrics` on the admin socket, as OpenMetrics or, where only `text/plain` is asked for, in Prometheus's own format:\n\n    \
         curl --unix-socket /run/jackline/jackline.sock http://jackline/metrics\n\n\
         They are off the network: a node's collector reads the socket, or `metrics-listen` ([configuration](configuration.md))\n\
         gives them a TCP port that answers nothing but `/metrics` and `/healthz`. Alert rules and a Grafana board that stand on them:\n\
         [monitoring](monitoring.md). This page is written from `crates/admin/src/metrics.rs`; a test keeps it so.\n\n\
         | metric | kind | labels | what it tells |\n|---|---|---|---|\n",
    );
    for metric in all() {
        let (suffix, kind) = match metric.kind {
            Kind::Counter => ("_total", "counter"),
            Kind::Gauge => ("", "gauge"),
        };
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = labels.join(", ");
        writeln!(
            page,
            "| `{}{suffix}` | {kind} | {labels} | {} |",
            metric.name, metric.help
        )
        .expect("a string");
    }
    page
}
