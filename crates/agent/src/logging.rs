//! The log: lines on the standard error, where systemd and containers collect them. For people or as JSON; with the
//! priorities that journald heeds; and bounded, for a log that fills the disk is an outage of its own.
//!
//! | file | what it is for |
//! |---|---|
//! | `line` | what a line looks like |
//! | `flood` | how often one and the same place in the code may speak |

mod flood;
mod line;

use std::fmt;
use std::io::IsTerminal;

use tracing::{Event, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use self::flood::{Flood, Verdict};
use self::line::Line;
use crate::config::{LogFormat, LogLevel};

/// Set by systemd where the standard error goes to the journal.
const JOURNAL: &str = "JOURNAL_STREAM";

/// Starts logging. A second call, and a call where the embedding program logs already, changes nothing.
pub(crate) fn start(level: LogLevel, format: LogFormat) {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let terminal = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()))
        .event_format(Format {
            json: format == LogFormat::Json,
            journal: !terminal && std::env::var_os(JOURNAL).is_some(),
            flood: Flood::default(),
        });
    let _ = log.try_init();
}

/// Writes events as lines.
struct Format {
    json: bool,
    /// Lines begin with a priority and have no time: journald keeps its own.
    journal: bool,
    flood: Flood,
}

impl<S, N> FormatEvent<S, N> for Format
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let left_out = match self.flood.judge(metadata.callsite(), *metadata.level()) {
            Verdict::Silent => return Ok(()),
            Verdict::Speak { left_out } => left_out,
        };
        let mut line = Line::of(event);
        if let Some(span) = context.lookup_current() {
            line.service(span.name(), &span.extensions());
        }
        line.left_out = left_out;
        if self.journal {
            write!(writer, "<{}>", line::priority(*metadata.level()))?;
        }
        let text = match self.json {
            true => line.json(),
            false => line.text(!self.journal, writer.has_ansi_escapes()),
        };
        writeln!(writer, "{text}")
    }
}
