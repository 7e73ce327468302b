//! What a target costs, read from the kernel: processor time, memory, wake-ups. Of the process and all its children.

use std::fs;
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Processor time so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cpu {
    pub(crate) user: Duration,
    pub(crate) system: Duration,
}

impl Cpu {
    /// In seconds.
    pub(crate) fn total(self) -> f64 {
        (self.user + self.system).as_secs_f64()
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            user: self.user.saturating_sub(before.user),
            system: self.system.saturating_sub(before.system),
        }
    }
}

/// This process and its children, which tell of themselves in /proc.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process(pub(crate) u32);

impl Process {
    /// Itself and all below it.
    fn family(self) -> Vec<u32> {
        let mut family = vec![self.0];
        let mut at = 0;
        while let Some(&parent) = family.get(at) {
            let path = format!("/proc/{parent}/task/{parent}/children");
            let children = fs::read_to_string(path).unwrap_or_default();
            family.extend(
                children
                    .split_whitespace()
                    .filter_map(|pid| pid.parse::<u32>().ok()),
            );
            at += 1;
        }
        family
    }

    /// The time that its threads have run; the scheduler's clock gives the sum to the nanosecond, the kernel's ticks the
    /// shares of user and system.
    pub(crate) fn cpu(self) -> Cpu {
        let (mut exact, mut user, mut system) = (0_u64, 0_u64, 0_u64);
        for pid in self.family() {
            for task in tasks(pid) {
                let run = fs::read_to_string(format!("{task}/schedstat")).unwrap_or_default();
                exact += field(&run, 0);
            }
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            // The name in parentheses may hold anything; what follows is counted from there.
            let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
            user += field(rest, 11);
            system += field(rest, 12);
        }
        let exact = Duration::from_nanos(exact);
        let ticks = (user + system).max(1);
        let share = |part: u64| exact.mul_f64(as_f64(part) / as_f64(ticks));
        Cpu {
            user: share(user),
            system: exact.saturating_sub(share(user)),
        }
    }

    /// How long those of its threads have run whose name begins so.
    pub(crate) fn ran(self, name: &str) -> Duration {
        let named = |task: &String| {
            let comm = fs::read_to_string(format!("{task}/comm")).unwrap_or_default();
            comm.starts_with(name)
        };
        let run = |task: String| {
            let run = fs::read_to_string(format!("{task}/schedstat")).unwrap_or_default();
            field(&run, 0)
        };
        Duration::from_nanos(tasks(self.0).into_iter().filter(named).map(run).sum())
    }

    /// Proportional set size, in bytes.
    pub(crate) fn pss(self) -> anyhow::Result<f64> {
        let mut bytes = 0;
        for pid in self.family() {
            let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))
                .with_context(|| format!("the memory of {pid}"))?;
            bytes += 1024 * named(&rollup, "Pss:");
        }
        Ok(as_f64(bytes))
    }

    /// How often its threads have gone to sleep, and so have been woken.
    pub(crate) fn wake_ups(self) -> f64 {
        let switches = |pid| {
            tasks(pid)
                .iter()
                .map(|task| {
                    let status = fs::read_to_string(format!("{task}/status")).unwrap_or_default();
                    named(&status, "voluntary_ctxt_switches:")
                })
                .sum::<u64>()
        };
        as_f64(self.family().into_iter().map(switches).sum())
    }
}

/// What the kernel itself holds in its slabs and for sockets, in bytes: sockets of all processes are in it.
pub(crate) fn kernel_memory() -> f64 {
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    as_f64(1024 * named(&memory, "Slab:"))
}

/// Raises the soft limit on descriptors to the hard one; children inherit it.
pub(crate) fn raise_descriptor_limit() -> anyhow::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, most).context("the limit on descriptors cannot be raised")
}

/// How many descriptors this process may have.
pub(crate) fn descriptors() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

fn tasks(pid: u32) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/task"));
    entries
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().to_string_lossy().into_owned()))
        .collect()
}

fn field(text: &str, index: usize) -> u64 {
    text.split_whitespace()
        .nth(index)
        .and_then(|word| word.parse().ok())
        .unwrap_or(0)
}

fn named(text: &str, name: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .map_or(0, |rest| field(rest, 0))
}

/// Counts are far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub(crate) fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_very_process_has_run_and_has_memory() {
        let this = Process(std::process::id());
        let before = this.cpu();
        let mut sum = 0_u64;
        while this.cpu().since(before).total() < 0.02 {
            sum = sum.wrapping_add(1);
        }
        assert!(sum > 0 && this.pss().unwrap() > 100_000.0);
    }
}
