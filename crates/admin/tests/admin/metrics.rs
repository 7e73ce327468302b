//! The metrics page, its bounds, and its reference page.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use jackline_admin::metrics::{ENDPOINTS_MAX, Kind, all, render};

use crate::fixture;

#[test]
fn the_page_of_a_node_with_something_of_everything() {
    insta::assert_snapshot!(render(fixture::reading()).expect("a page"));
}

#[test]
fn every_metric_of_the_table_is_on_the_page() {
    let page = render(fixture::with_etcd()).expect("a page");
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
fn a_service_besides_the_api_has_series_of_its_own_and_changes_none_of_the_apis() {
    let (alone, both) = (fixture::reading(), fixture::with_etcd());
    let (alone, both) = (render(alone).expect("a page"), render(both).expect("a page"));
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
    let page = render(reading).expect("a page");
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
        render(reading)
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
         `GET /metrics` on the admin socket, as OpenMetrics text:\n\n    \
         curl --unix-socket /run/jackline/jackline.sock http://jackline/metrics\n\n\
         They are off the network: a node's collector reads the socket. This page is written from\n\
         `crates/admin/src/metrics.rs`; a test keeps it so.\n\n\
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
