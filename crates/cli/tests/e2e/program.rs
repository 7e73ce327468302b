//! The binary, run to its end in an environment of its own: nothing of the tester's `JACKLINE_*` comes in.

use std::ffi::OsStr;
use std::future::Future;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;

/// Far beyond what anything here takes, also on a machine that builds beside it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(90);
/// Between two looks at something that another process does.
pub(crate) const GLANCE: Duration = Duration::from_millis(20);

/// `jackline` with nothing in its environment, and looking at nothing of the tester's machine.
pub(crate) fn jackline<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jackline"));
    command
        .args(arguments)
        .env_clear()
        // Whatever the tester's machine is, it is none of the tests'.
        .env("JACKLINE_PROFILE", "generic")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// What a run left.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs `command` to its end.
pub(crate) async fn end_of(mut command: Command) -> Ended {
    let output = within("the program ends", command.output())
        .await
        .expect("the program runs");
    let Output {
        status,
        stdout,
        stderr,
    } = output;
    let text = |bytes| String::from_utf8(bytes).expect("it writes text");
    Ended {
        code: status.code(),
        out: text(stdout),
        err: text(stderr),
    }
}

/// Runs `jackline` with `arguments` to its end.
pub(crate) async fn run<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Ended {
    end_of(jackline(arguments)).await
}

/// `future`, which must be done by the deadline.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(value) => value,
        Err(_) => panic!("not within {} s: {what}", DEADLINE.as_secs()),
    }
}

/// Looks again and again until `look` sees something.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    within(what, async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            tokio::time::sleep(GLANCE).await;
        }
    })
    .await
}
