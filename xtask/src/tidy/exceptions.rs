//! What is allowed to be otherwise, and why: the one place for it.

use super::tree::Finding;

/// A file that a check does not speak of.
pub(crate) struct Exception {
    /// The check's name.
    pub(crate) check: &'static str,
    /// The file.
    pub(crate) path: &'static str,
    /// Why it is right there.
    pub(crate) reason: &'static str,
}

impl Exception {
    const fn length(path: &'static str, reason: &'static str) -> Self {
        Self {
            check: "length",
            path,
            reason,
        }
    }

    const fn sleep(path: &'static str, reason: &'static str) -> Self {
        Self {
            check: "sleep",
            path,
            reason,
        }
    }
}

/// All of them. One that is needed no longer is a finding itself.
pub(crate) const EXCEPTIONS: &[Exception] = &[
    Exception {
        check: "unsafe",
        path: "crates/lab/src/hosts/tun.rs",
        reason: "the one call that names a TUN device, for which there is no safe wrapper; only in tests between hosts",
    },
    Exception {
        check: "unsafe",
        path: "crates/proxy/src/tcp_info.rs",
        reason: "the one call that asks the kernel for unacknowledged data (TCP_INFO), for which there is no safe wrapper",
    },
    Exception::length(
        "crates/core/src/invariants.rs",
        "one numbered list, each invariant with the broken state that violates it",
    ),
    Exception::length(
        "crates/core/tests/core/world.rs",
        "the one world that all rules are played in: each action's answer beside the others",
    ),
    Exception::length(
        "crates/agent/src/state/tests.rs",
        "a story for each way in which a disk or a file can fail: a list, looked up by name",
    ),
    Exception::length(
        "crates/agent/src/journal/tests.rs",
        "a story for each way in which a disk or a file can fail: a list, looked up by name",
    ),
    Exception::length(
        "crates/agent/tests/config.rs",
        "a case for each rule of the configuration: a list, looked up by name",
    ),
    Exception::sleep(
        "crates/proxy/tests/data_plane/copying.rs",
        "a client that reads one byte a second: the pauses are the case",
    ),
    Exception::sleep(
        "crates/proxy/tests/data_plane/copying/exactness.rs",
        "sessions with random pauses: the pauses are the case",
    ),
    Exception::sleep(
        "crates/proxy/tests/data_plane/dead_peers.rs",
        "a peer that does not read for longer than the backstop: the time that passes is the case",
    ),
    Exception::sleep(
        "crates/proxy/tests/data_plane/dialling.rs",
        "the snapshot stays empty for a while: the time that passes is the case",
    ),
    Exception::sleep(
        "crates/proxy/tests/data_plane/first_flight.rs",
        "a client that sends its flight in pieces, with pauses: the pauses are the case",
    ),
    Exception::sleep(
        "crates/proxy/tests/data_plane/support.rs",
        "a server pauses after an accept that failed, as servers do",
    ),
    Exception::sleep(
        "crates/probe/tests/probe/server.rs",
        "a server that is slow on purpose",
    ),
];

/// Leaves out what is excepted, and adds the exceptions that nothing needs.
pub(crate) fn apply(check: &str, findings: Vec<Finding>, exceptions: &[Exception]) -> Vec<Finding> {
    let mine = || exceptions.iter().filter(|exception| exception.check == check);
    let unneeded = mine()
        .filter(|exception| !findings.iter().any(|finding| finding.path == exception.path))
        .map(|exception| {
            let what = format!(
                "the exception from '{check}' ({}) is needed no longer: take it out of xtask/src/tidy/exceptions.rs",
                exception.reason
            );
            Finding::in_file(exception.path, what)
        })
        .collect::<Vec<_>>();
    let excepted = |finding: &Finding| mine().any(|exception| exception.path == finding.path);
    findings
        .into_iter()
        .filter(|finding| !excepted(finding))
        .chain(unneeded)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &[Exception] = &[Exception {
        check: "length",
        path: "long.rs",
        reason: "a table",
    }];

    #[test]
    fn an_excepted_file_is_not_found() {
        let found = vec![
            Finding::in_file("long.rs", "too long"),
            Finding::in_file("other.rs", "too long"),
        ];
        assert_eq!(
            apply("length", found, ONE),
            [Finding::in_file("other.rs", "too long")]
        );
    }

    #[test]
    fn an_exception_is_for_one_check_only() {
        let found = vec![Finding::in_file("long.rs", "no head")];
        assert_eq!(apply("head", found.clone(), ONE), found);
    }

    #[test]
    fn an_exception_that_nothing_needs_is_found() {
        let findings = apply("length", Vec::new(), ONE);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].what.contains("needed no longer"));
    }
}
