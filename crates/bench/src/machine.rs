//! What the figures were measured on.

use std::fs;

use serde::Serialize;

/// The machine, in words and numbers.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    /// In GiB.
    pub(crate) memory: u64,
    /// The load average of the last minute: how quiet it is.
    pub(crate) load: String,
    pub(crate) descriptors: u64,
}

impl Machine {
    pub(crate) fn this() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let named = |text: &str, name: &str| {
            let line = text
                .lines()
                .find(|line| line.starts_with(name))
                .unwrap_or_default();
            line.split_once(':')
                .map_or("", |(_, value)| value)
                .trim()
                .to_owned()
        };
        let memory = named(&read("/proc/meminfo"), "MemTotal");
        let kilobytes: u64 = memory
            .split(' ')
            .next()
            .and_then(|word| word.parse().ok())
            .unwrap_or(0);
        Self {
            processor: named(&read("/proc/cpuinfo"), "model name"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            memory: kilobytes >> 20,
            load: read("/proc/loadavg")
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_owned(),
            descriptors: crate::process::descriptors(),
        }
    }
}
