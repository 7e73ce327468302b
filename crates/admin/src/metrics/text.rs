//! The table as text, in the two forms that collectors ask for: OpenMetrics, and Prometheus's own of old.

use std::fmt::{self, Write};

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

use super::{Kind, Metric, Projection, all};
use crate::view::Reading;

/// A form of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus's text format, version 0.0.4.
    Prometheus,
}

impl Format {
    /// The form that an `Accept` header asks for: OpenMetrics where it is named. Who names neither (curl) gets OpenMetrics
    /// too, but for a bare `text/plain`.
    pub fn accepted(accept: &str) -> Self {
        match accept.contains("text/plain") && !accept.contains("application/openmetrics-text") {
            true => Self::Prometheus,
            false => Self::OpenMetrics,
        }
    }

    /// Its content type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// `reading` as a page.
///
/// # Errors
/// None that can happen: writing to a string does not fail.
pub fn render(reading: Reading, format: Format) -> Result<String, fmt::Error> {
    let mut page = String::new();
    match format {
        Format::OpenMetrics => {
            let mut registry = Registry::default();
            registry.register_collector(Box::new(Projection(reading)));
            text::encode(&mut page, &registry)?;
        }
        Format::Prometheus => all().try_for_each(|metric| plain(metric, &reading, &mut page))?,
    }
    Ok(page)
}

/// One metric in Prometheus's text format, where a counter's family is named as its samples are.
fn plain(metric: &Metric, reading: &Reading, page: &mut String) -> fmt::Result {
    let (suffix, kind) = match metric.kind {
        Kind::Counter => ("_total", "counter"),
        Kind::Gauge => ("", "gauge"),
    };
    let name = metric.name;
    writeln!(page, "# HELP {name}{suffix} {}.", metric.help)?;
    writeln!(page, "# TYPE {name}{suffix} {kind}")?;
    for (values, value) in (metric.samples)(reading) {
        write!(page, "{name}{suffix}")?;
        for (index, (label, text)) in metric.labels.iter().zip(&values).enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            write!(page, "{before}{label}=\"{}\"", escaped(text))?;
        }
        let end = if metric.labels.is_empty() { "" } else { "}" };
        writeln!(page, "{end} {value}")?;
    }
    Ok(())
}

/// A label's value as the format wants it.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
