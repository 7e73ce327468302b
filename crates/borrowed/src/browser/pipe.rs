//! The two pipes to Chromium: JSON each way, a zero byte after each message. Calls are answered by their number; what comes
//! between is events.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Chromium reads descriptor 3 and writes descriptor 4. A shell puts the usual two there, which is all that it does.
const AS_PIPES: &str = "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null";
/// A message from Chromium; a picture is the largest.
const MESSAGE_MAX: u64 = 64 << 20;
/// Messages that wait to be read; then Chromium waits.
const WAITING_MAX: usize = 1_024;
/// Events that wait to be taken; the oldest are given up.
const EVENTS_MAX: usize = 10_000;
/// Asked to end, Chromium has this long.
const END_WITHIN: Duration = Duration::from_secs(5);
const GLANCE: Duration = Duration::from_millis(10);

/// A running Chromium at the other end.
#[derive(Debug)]
pub(super) struct Pipe {
    child: Child,
    input: Option<ChildStdin>,
    messages: Receiver<Value>,
    events: VecDeque<Value>,
    calls: u64,
}

impl Pipe {
    /// Starts it. `command` is without its pipes yet.
    pub(super) fn open(command: Command) -> Result<Self, String> {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", AS_PIPES, "sh"]).arg(command.get_program());
        shell.args(command.get_args()).arg("--remote-debugging-pipe");
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        shell
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = shell
            .spawn()
            .map_err(|error| format!("Chromium cannot be run: {error}"))?;
        let input = child.stdin.take();
        let output = child.stdout.take().ok_or("Chromium has no pipe")?;
        let (sender, messages) = sync_channel(WAITING_MAX);
        std::thread::spawn(move || read(BufReader::new(output), &sender));
        Ok(Self {
            child,
            input,
            messages,
            events: VecDeque::new(),
            calls: 0,
        })
    }

    /// Calls a method, of the whole browser where `session` is empty. The answer, and the events until then.
    pub(super) fn ask(
        &mut self,
        session: &str,
        method: &str,
        parameters: Value,
        within: Duration,
    ) -> Result<(Value, Vec<Value>), String> {
        self.calls += 1;
        let mut call = json!({ "id": self.calls, "method": method, "params": parameters });
        if !session.is_empty() {
            call["sessionId"] = session.into();
        }
        let gone = |error| format!("Chromium is gone: {method}: {error}");
        let input = self.input.as_mut().ok_or("Chromium is gone")?;
        input.write_all(format!("{call}\0").as_bytes()).map_err(gone)?;
        input.flush().map_err(gone)?;
        let deadline = Instant::now() + within;
        loop {
            let message = self.message(deadline).map_err(|why| format!("{method}: {why}"))?;
            if message["id"] != self.calls {
                self.put(message);
            } else if message["error"].is_null() {
                return Ok((message["result"].clone(), self.events.drain(..).collect()));
            } else {
                return Err(format!("{method}: {}", message["error"]["message"]));
            }
        }
    }

    /// The next event; `None`: none came by then.
    pub(super) fn next_event(&mut self, deadline: Instant) -> Option<Value> {
        self.events.pop_front().or_else(|| self.message(deadline).ok())
    }

    fn put(&mut self, event: Value) {
        if self.events.len() == EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    fn message(&self, deadline: Instant) -> Result<Value, String> {
        let left = deadline.saturating_duration_since(Instant::now());
        self.messages.recv_timeout(left).map_err(|why| match why {
            RecvTimeoutError::Timeout => "no answer in time".to_owned(),
            RecvTimeoutError::Disconnected => {
                "Chromium has ended; do its libraries fit this machine?".to_owned()
            }
        })
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        // The end of its pipe is the end of Chromium and of all that it has started.
        let input = self.input.take();
        if let Some(mut input) = input {
            let _ = input.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        }
        let deadline = Instant::now() + END_WITHIN;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(GLANCE);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads messages until the pipe ends, something else comes, or nobody wants them any more.
fn read(mut from: impl BufRead, to: &SyncSender<Value>) {
    loop {
        let mut bytes = Vec::new();
        let read = from.by_ref().take(MESSAGE_MAX).read_until(0, &mut bytes);
        if !matches!(read, Ok(1..)) || bytes.pop() != Some(0) {
            return;
        }
        let Ok(message) = serde_json::from_slice(&bytes) else {
            return;
        };
        if to.send(message).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_until_one_that_is_not_whole() {
        let (sender, messages) = sync_channel(8);
        read(&b"{\"id\":1}\0{\"id\":2}\0{\"id\":3}"[..], &sender);
        drop(sender);
        let ids: Vec<Value> = messages.iter().map(|message| message["id"].clone()).collect();
        assert_eq!(ids, [1, 2]);
    }
}
