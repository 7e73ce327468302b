//! The log: lines on the standard error, where systemd and containers collect them.

use std::io::IsTerminal;

use tracing_subscriber::filter::LevelFilter;

use crate::config::LogLevel;

/// Starts logging. A second call, and a call where the embedding program logs already, changes nothing.
pub(crate) fn start(level: LogLevel) {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let log = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let _ = log.try_init();
}
