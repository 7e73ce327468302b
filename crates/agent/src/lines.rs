//! What the agent itself tells in its log, besides the core's announcements ([`jackline_core::Notice`]): each kind with its
//! name, meaning and remedy. `docs/events.md` is written from this table.

/// One kind of line.
#[derive(Clone, Copy, Debug)]
pub struct LineKind {
    /// Its name: the field `event` of the line.
    pub name: &'static str,
    /// How loud it is.
    pub level: &'static str,
    /// What has happened.
    pub meaning: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

macro_rules! lines {
    ($($constant:ident $name:literal $level:literal $meaning:literal $remedy:literal)+) => {
        $(pub(crate) const $constant: &str = $name;)+
        /// All of them, in the order of the reference.
        pub const ALL: &[LineKind] = &[
            $(LineKind { name: $name, level: $level, meaning: $meaning, remedy: $remedy },)+
        ];
    };
}

lines! {
    STARTS "starts" "info" "jackline starts: its version, its node, its listeners, what the profile found." "Nothing."
    ENDS "ends" "info" "A signal ends jackline: no new sessions, and the open ones may end." "Nothing."
    WARNING "warning" "warn" "Something of this machine or its configuration is odd, and stays so; `status` shows it too." "The line ends in what to do."
    ORDERED "ordered" "info" "An operator ordered something over the admin socket." "Nothing."
    METRICS_OPEN "metrics-open" "info" "The metrics are answered on a TCP port, as `metrics-listen` says." "Nothing."
    PAGE_OPEN "page-open" "info" "The status page is served on a TCP port, as `status-listen` says." "Nothing."
    NOT_NOTIFIED "not-notified" "warn" "The service manager's socket (NOTIFY_SOCKET) cannot be used." "Let the unit's process reach it; with Type=notify the start counts as failed."
    UNRESPONSIVE "unresponsive" "error" "The driver or a thread of the data plane does not answer: no sign of life is given, and the service manager starts jackline again." "Report it with the journal."
    HANDS_OVER "hands-over" "info" "A new process is started, for an upgrade or for a changed configuration, and is to take over listeners and sessions." "Nothing."
    HANDED_OVER "handed-over" "info" "A new process has listeners and sessions, and this one leaves." "Nothing."
    NOT_HANDED_OVER "not-handed-over" "error" "The new process could not take over: this one goes on with all sessions, and with the configuration that it has." "The line says why; mend that, then `jackline reload` or `jackline upgrade` once more."
    TAKEN_OVER "taken-over" "info" "This process has taken over listeners and sessions from the one before." "Nothing."
    STATE_UNSAVED "state-unsaved" "error" "The state file cannot be written: jackline goes on from memory, and a restart forgets what is learnt from now on (P3)." "Free some space, or mend the folder's mode; it is tried again each minute."
    STATE_SAVED "state-saved" "info" "The state file is written again." "Nothing."
    STATE_LATE "state-late" "warn" "At the end, the state file could not be written in time." "See the disk: it hangs."
    JOURNAL_UNSAVED "journal-unsaved" "warn" "The journal cannot be written: it is kept in memory, or has a gap." "Free some space, or mend the folder's mode; it is tried again each minute."
    JOURNAL_SAVED "journal-saved" "info" "The journal is written again." "Nothing."
    OVERLOADED "overloaded" "warn" "So much happens that observations of sessions are dropped; decisions go on." "See what takes the machine's processors."
    SERVICE_STARTS "service-starts" "info" "A service besides the API accepts clients." "Nothing."
    SERVICE_FAILS "service-fails" "error" "A service besides the API does not start; everything else goes on, and it is tried again." "The line says why: usually another program has its port."
    PROXY_FOUND "proxy-found" "info" "The CONNECT proxy's name has addresses again." "Nothing."
    PROXY_LOST "proxy-lost" "warn" "The CONNECT proxy's name has no address." "Is the name right in way.proxy or HTTPS_PROXY?"
    DEFECT "defect" "error" "Something panicked and was started anew from what was last known; sessions go on." "Please report it, with the journal."
}
