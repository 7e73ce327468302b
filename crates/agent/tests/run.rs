//! A whole jackline, as a child process of this test: it starts, answers, survives what it must, and ends as it should.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use jackline_agent::config::{Environment, Flags, load};
use jackline_agent::journal::replay::{replay, segments};
use jackline_agent::status::{StateFileStatus, Status};
use jackline_core::Class;
use rustix::process::{Pid, Signal, kill_process};

/// By this variable a child of this very test binary knows its configuration.
const CHILD: &str = "JACKLINE_TEST_CONFIG";
const PATIENCE: Duration = Duration::from_secs(60);

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

struct Jackline {
    child: Child,
    dir: PathBuf,
}

impl Jackline {
    /// Starts one with its folder in `dir`, listening on `port` (0: any), and one endpoint where nobody is.
    fn start(dir: &Path, port: u16, more: &str) -> Self {
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
                "child_that_is_jackline",
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
    fn says(&mut self, words: &str) -> String {
        let output = self.child.stderr.as_mut().expect("piped");
        let mut lines = BufReader::with_capacity(1, output).lines().map_while(Result::ok);
        lines
            .find(|line| line.contains(words))
            .unwrap_or_else(|| panic!("it never said {words:?}"))
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a pid")).expect("a pid");
        kill_process(pid, signal).expect("sent");
    }

    /// Waits for its end, which it comes to by itself; gives what it said.
    fn end(mut self) -> (ExitStatus, String) {
        let mut rest = String::new();
        let _ = self
            .child
            .stderr
            .as_mut()
            .expect("piped")
            .read_to_string(&mut rest);
        (self.child.wait().expect("reaped"), rest)
    }

    fn status(&self) -> Status {
        self.status_with(|_| true)
    }

    /// Asks until the answer is `wanted`.
    fn status_with(&self, wanted: impl Fn(&Status) -> bool) -> Status {
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

#[test]
fn it_starts_answers_survives_sighup_and_ends_with_0_at_sigterm() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut jackline = Jackline::start(dir.path(), 0, "");
    jackline.says("jackline starts");
    let status = jackline.status_with(|status| !status.endpoints.is_empty());
    assert_eq!(status.node, "node-1");
    assert_eq!(status.sources[0].name, "static");
    assert_ne!(status.listen[0].port(), 0, "the true port is told");
    jackline.signal(Signal::HUP);
    jackline.says("SIGHUP is ignored");
    assert_eq!(
        jackline.status().pid,
        jackline.child.id(),
        "still the same process"
    );
    jackline.signal(Signal::TERM);
    let (exit, log) = jackline.end();
    assert_eq!(exit.code(), Some(0), "{log}");
    assert!(log.contains("jackline has ended"), "{log}");
    assert!(!dir.path().join("run/j.sock").exists(), "its socket goes with it");
    let state = fs::read_to_string(dir.path().join("state/state.json")).expect("a state file");
    assert!(state.contains("127.0.0.1:1"), "{state}");
    let segments = segments(&dir.path().join("state/journal")).expect("a journal");
    let mut steps = 0;
    let replayed = replay(&segments[0])
        .expect("a segment")
        .play(|_, _, _| steps += 1)
        .expect("played");
    assert!(steps > 0);
    assert_eq!(replayed.records()[0].address.to_string(), "127.0.0.1:1");
}

#[test]
fn what_was_remembered_is_found_again_after_a_kill() {
    let dir = tempfile::tempdir().expect("a folder");
    let first = Jackline::start(dir.path(), 0, "");
    first.status_with(|status| status.state_file.status == StateFileStatus::Saved);
    drop(first);
    assert!(
        dir.path().join("run/j.sock").exists(),
        "a kill leaves the socket's file behind"
    );
    let second = Jackline::start(dir.path(), 0, "");
    let status = second.status();
    assert_eq!(
        status.state_file.status,
        StateFileStatus::Saved,
        "{:?}",
        status.state_file
    );
    assert_eq!(status.endpoints[0].address.to_string(), "127.0.0.1:1");
}

fn write_ca(path: &Path) {
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().expect("a key");
    fs::write(path, params.self_signed(&key).expect("a certificate").pem()).expect("written");
}

#[test]
fn another_clusters_state_file_gives_hints_that_come_last() {
    let dir = tempfile::tempdir().expect("a folder");
    let ca = dir.path().join("ca.crt");
    write_ca(&ca);
    let more = format!(
        "cluster: {{ ca-file: {} }}\nkubernetes: {{ enabled: false }}\nservers: [\"https://127.0.0.1:2\"]\n",
        ca.display()
    );
    let mut first = Jackline::start(dir.path(), 0, &more);
    first.says("jackline starts");
    first.status_with(|status| status.endpoints.len() == 2);
    first.signal(Signal::TERM);
    assert_eq!(first.end().0.code(), Some(0));
    // The same machine in another cluster; the old registration address is not configured any more.
    write_ca(&ca);
    let mut second = Jackline::start(dir.path(), 0, &more.replace("127.0.0.1:2", "127.0.0.1:3"));
    second.says("shares no CA key with today's CA");
    let endpoints = second.status_with(|status| status.endpoints.len() == 3).endpoints;
    let hint = endpoints.last().expect("some endpoint");
    assert_eq!(
        (hint.address.to_string(), hint.class),
        ("127.0.0.1:2".to_owned(), Class::Hint),
        "{endpoints:?}"
    );
}

#[test]
fn ended_right_after_its_start_it_has_forgotten_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut first = Jackline::start(dir.path(), 0, "servers: [\"https://127.0.0.1:2\"]\n");
    first.says("jackline starts");
    first.status_with(|status| status.endpoints.len() == 2);
    first.signal(Signal::TERM);
    assert_eq!(first.end().0.code(), Some(0));
    for _ in 0..5 {
        let mut hasty = Jackline::start(dir.path(), 0, "servers: [\"https://unknown.invalid\"]\n");
        hasty.says("jackline starts");
        hasty.signal(Signal::TERM);
        assert_eq!(hasty.end().0.code(), Some(0));
        let state = fs::read_to_string(dir.path().join("state/state.json")).expect("a state file");
        assert!(
            state.contains("127.0.0.1:1") && state.contains("127.0.0.1:2"),
            "{state}"
        );
    }
}

#[test]
fn sigint_twice_ends_it_at_once() {
    let dir = tempfile::tempdir().expect("a folder");
    // A client that never goes away would hold the end up for an hour.
    let upstream = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = upstream.local_addr().expect("an address");
    let more = format!("servers: [\"https://{endpoint}\"]\ntiming: {{ shutdown-time: 1h }}\n");
    let mut jackline = Jackline::start(dir.path(), 0, &more);
    jackline.says("jackline starts");
    let listen = jackline.status().listen[0];
    let accepting = std::thread::spawn(move || upstream.incoming().flatten().take(50).collect::<Vec<_>>());
    let client = std::net::TcpStream::connect(listen).expect("accepted");
    jackline.status_with(|status| status.sessions.open > 0);
    jackline.signal(Signal::INT);
    jackline.says("SIGINT: no new sessions");
    jackline.signal(Signal::INT);
    let begun = Instant::now();
    let (exit, log) = jackline.end();
    assert_eq!(exit.code(), Some(130), "{log}");
    assert!(begun.elapsed() < PATIENCE, "it took {:?}", begun.elapsed());
    drop((client, accepting));
}

#[test]
fn a_taken_port_and_a_second_one_are_refused_with_the_remedy() {
    let dir = tempfile::tempdir().expect("a folder");
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = other.local_addr().expect("an address").port();
    let (exit, log) = Jackline::start(dir.path(), taken, "").end();
    assert_eq!(exit.code(), Some(1), "{log}");
    assert!(
        log.contains("refused: ") && log.contains(&format!("127.0.0.1:{taken} is taken")),
        "{log}"
    );
    let mut first = Jackline::start(dir.path(), 0, "");
    first.says("jackline starts");
    first.status();
    let (exit, log) = Jackline::start(dir.path(), 0, "").end();
    assert_eq!(exit.code(), Some(1));
    assert!(log.contains("refused: jackline is already running"), "{log}");
    assert_eq!(
        first.status().pid,
        first.child.id(),
        "the first one is none the worse"
    );
}

#[test]
fn a_folder_that_cannot_be_written_and_a_broken_file_do_not_keep_it_from_starting() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::create_dir(dir.path().join("state")).expect("a folder");
    fs::write(dir.path().join("state/state.json"), b"{torn").expect("written");
    let jackline = Jackline::start(dir.path(), 0, "");
    let note = jackline.status().state_file.note.expect("told");
    assert!(note.contains("damaged") && note.contains("set aside"), "{note}");
    drop(jackline);
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("state"), b"a file in the folder's place").expect("written");
    let jackline = Jackline::start(dir.path(), 0, "");
    jackline.status_with(|status| status.state_file.status == StateFileStatus::MemoryOnly);
}
