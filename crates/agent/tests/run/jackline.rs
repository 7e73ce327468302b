//! A whole jackline as a child process of the test that has this module.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use jackline_agent::config::{Environment, Flags, load};
use jackline_agent::status::Status;
use rustix::process::{Pid, Signal, kill_process};

/// By this variable a child of this very test binary knows its configuration.
const CHILD: &str = "JACKLINE_TEST_CONFIG";
/// Far longer than anything takes, also on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Not a test by itself: the child of the others. It exits as `jackline run` does.
#[test]
fn child_that_is_jackline() {
    let Some(config) = std::env::var_os(CHILD).map(PathBuf::from) else {
        return;
    };
    let flags = Flags {
        config: Some(config),
        root: Some("/nonexistent".into()),
        ..Flags::default()
    };
    let config = load(&flags, &Environment::default()).expect("a good configuration");
    match jackline_agent::run(config, false) {
        Ok(exit) => std::process::exit(i32::from(exit.code())),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "refused: {error}");
            std::process::exit(1);
        }
    }
}

pub(crate) struct Jackline {
    pub(crate) child: Child,
    dir: PathBuf,
}

impl Jackline {
    /// Starts one with its folder in `dir`, listening on `port` (0: any), and one endpoint where nobody is.
    pub(crate) fn start(dir: &Path, port: u16, more: &str) -> Self {
        let dir = dir.to_owned();
        let file = dir.join("config.yaml");
        let text = format!(
            "node: {{ name: node-1 }}\nendpoints: [\"127.0.0.1:1\"]\nlisten: [\"127.0.0.1:{port}\"]\n\
             state-dir: {0}/state\nsocket: {0}/run/j.sock\n{more}",
            dir.display()
        );
        fs::write(&file, text).expect("written");
        let child = Command::new(std::env::current_exe().expect("this test"))
            .args([
                "--exact",
                "jackline::child_that_is_jackline",
                "--nocapture",
                "--test-threads",
                "1",
            ])
            .env(CHILD, &file)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a child");
        Self { child, dir }
    }

    /// Reads the log until a line has `words`; gives the line.
    pub(crate) fn says(&mut self, words: &str) -> String {
        let output = self.child.stderr.as_mut().expect("piped");
        let mut lines = BufReader::with_capacity(1, output).lines().map_while(Result::ok);
        lines
            .find(|line| line.contains(words))
            .unwrap_or_else(|| panic!("it never said {words:?}"))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a pid")).expect("a pid");
        kill_process(pid, signal).expect("sent");
    }

    /// Waits for its end, which it comes to by itself; gives what it said.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let mut rest = String::new();
        let _ = self
            .child
            .stderr
            .as_mut()
            .expect("piped")
            .read_to_string(&mut rest);
        (self.child.wait().expect("reaped"), rest)
    }

    pub(crate) fn status(&self) -> Status {
        self.status_with(|_| true)
    }

    /// Asks until the answer is `wanted`.
    pub(crate) fn status_with(&self, wanted: impl Fn(&Status) -> bool) -> Status {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.ask();
            if let Some(status) = answer.filter(&wanted) {
                return status;
            }
            assert!(Instant::now() < deadline, "it never said so: {:?}", self.ask());
            std::thread::yield_now();
        }
    }

    fn ask(&self) -> Option<Status> {
        let mut stream = UnixStream::connect(self.dir.join("run/j.sock")).ok()?;
        stream
            .write_all(b"GET /status HTTP/1.1\r\nHost: j\r\nConnection: close\r\n\r\n")
            .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        Some(serde_json::from_str(body).expect("a status"))
    }
}

impl Drop for Jackline {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
