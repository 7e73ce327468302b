//! `jackline lab` is killed: its nodes end with it, for their standard input does.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::timeout;

use crate::program::{jackline, until};

/// A node takes a second to end.
const SOON: Duration = Duration::from_secs(45);

/// The children of a process that run; one that has ended and waits for its parent does not.
fn children(of: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").expect("the processes");
    let numbers = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter(|number| parent(*number) == Some(of)).collect()
}

/// The parent of a process that runs.
fn parent(of: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{of}/stat")).ok()?;
    // Behind the name, which may hold anything: state and parent.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    (state != "Z").then_some(parent)
}

#[tokio::test(flavor = "multi_thread")]
async fn its_nodes_end_with_it() {
    let mut command = jackline(["lab", "frozen"]);
    let folder = tempfile::TempDir::new().expect("a folder");
    // What a killed lab leaves behind is to be left here.
    command
        .env("TMPDIR", folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut lab = command.spawn().expect("it starts");
    let pid = lab.id().expect("it runs");
    let nodes = until("its nodes run", || async {
        let nodes = children(pid);
        (nodes.len() == 2).then_some(nodes)
    })
    .await;
    lab.kill().await.expect("killed");
    let ended = || async { nodes.iter().all(|node| parent(*node).is_none()).then_some(()) };
    if timeout(SOON, until("its nodes end", ended)).await.is_err() {
        for node in nodes
            .iter()
            .filter_map(|node| Pid::from_raw(i32::try_from(*node).ok()?))
        {
            let _ = kill_process(node, Signal::KILL);
        }
        panic!("its nodes went on");
    }
}
