//! `jackline lab --ui` in real Chromium: the outage that jackline was made for, played with clicks; who may press a button; and
//! that nothing is left behind.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use jackline_borrowed::Browser;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::browser::{asked_nobody_but, browser, silent};
use crate::program::{DEADLINE, GLANCE, run};

/// A running lab, and where its page is.
struct Lab {
    child: Child,
    origin: String,
    /// Its temporary files.
    folder: TempDir,
}

impl Lab {
    fn start() -> Self {
        let folder = TempDir::new().expect("a folder");
        let mut child = Command::new(env!("CARGO_BIN_EXE_jackline"))
            .args(["lab", "--ui"])
            .env("TMPDIR", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let out = BufReader::new(child.stdout.take().expect("its output"));
        let mut lines = out.lines().map_while(Result::ok);
        let told = lines.find(|line| line.starts_with("Open http://"));
        // What else it says is read, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        let told = told.expect("the lab tells where its page is");
        let origin = told.split_whitespace().nth(1).expect("an address");
        let origin = origin.trim_end_matches('/').to_owned();
        Self {
            child,
            origin,
            folder,
        }
    }

    /// Ctrl-C.
    fn end(&mut self) -> ExitStatus {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process"), Signal::INT).expect("it can be signalled");
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                return status;
            }
            assert!(Instant::now() < deadline, "the lab does not end");
            std::thread::sleep(GLANCE);
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn press(browser: &mut Browser, server: &str, deed: &str) {
    let button = format!("[data-server='{server}'] button[data-deed='{deed}']");
    let ready = format!("document.querySelector(\"{button}\")?.getAttribute('aria-disabled') === 'false'");
    browser
        .until(&ready, DEADLINE)
        .expect("the button can be pressed");
    browser.click(&button).expect("a click");
}

fn condition(browser: &mut Browser, server: &str, wanted: &str) {
    let told =
        format!("document.querySelector(\"[data-server='{server}']\")?.dataset.condition === '{wanted}'");
    browser.until(&told, DEADLINE).expect("the server's condition");
}

/// Both nodes say so.
fn nodes(browser: &mut Browser, state: &str) {
    let told = format!("document.querySelectorAll(\"[data-node][data-state='{state}']\").length === 2");
    browser.until(&told, DEADLINE).expect("the nodes' states");
}

/// On both nodes the endpoint's row has this word.
fn endpoints(browser: &mut Browser, server: &str, word: &str) {
    let told = format!(
        "(() => {{ const at = document.querySelector(\"[data-server='{server}'] .address\").textContent;
           return [...document.querySelectorAll('table.endpoints tbody tr')].filter((row) => row.cells[0].textContent.startsWith(at)
             && row.textContent.includes('{word}')).length === 2; }})()"
    );
    browser.until(&told, DEADLINE).expect("the endpoint's row");
}

/// The Endpoints that the nodes watch have one server left. The page tells how many a source lists; here its data are asked.
fn left_the_list(browser: &mut Browser) {
    let told = "[...nodes.values()].every((node) => node.sources.find((source) => source.name === 'kubernetes').endpoints.length === 1)";
    browser.until(told, DEADLINE).expect("the shorter list");
}

#[test]
fn the_alternating_outage_is_played_with_clicks_and_every_node_recovers() {
    let Some(mut browser) =
        browser("lab_ui::the_alternating_outage_is_played_with_clicks_and_every_node_recovers")
    else {
        return;
    };
    let mut lab = Lab::start();
    browser.go(&format!("{}/", lab.origin)).expect("the page");
    nodes(&mut browser, "attached");

    // A goes until no list has it, then B; A comes back alone.
    press(&mut browser, "cp-a", "kill");
    condition(&mut browser, "cp-a", "killed");
    left_the_list(&mut browser);
    nodes(&mut browser, "attached");
    press(&mut browser, "cp-b", "stop");
    condition(&mut browser, "cp-b", "stopped");
    nodes(&mut browser, "isolated");
    press(&mut browser, "cp-a", "start");
    nodes(&mut browser, "attached");
    condition(&mut browser, "cp-a", "running");

    // B comes back, and A freezes; B falls into a black hole, and A goes on.
    press(&mut browser, "cp-b", "start");
    condition(&mut browser, "cp-b", "running");
    endpoints(&mut browser, "cp-b", "ready");
    press(&mut browser, "cp-a", "freeze");
    endpoints(&mut browser, "cp-a", "unreachable");
    nodes(&mut browser, "attached");
    press(&mut browser, "cp-b", "black-hole");
    nodes(&mut browser, "isolated");
    press(&mut browser, "cp-a", "start");
    nodes(&mut browser, "attached");
    press(&mut browser, "cp-b", "start");
    condition(&mut browser, "cp-b", "running");
    endpoints(&mut browser, "cp-b", "ready");

    // The same by keyboard.
    for key in ["2", "k"] {
        browser.press(key).expect("a key");
    }
    condition(&mut browser, "cp-a", "killed");
    browser.press("s").expect("a key");
    condition(&mut browser, "cp-a", "running");
    nodes(&mut browser, "attached");

    let lines = browser
        .value("[...document.querySelectorAll('#lines li')].map((line) => line.textContent).join('\\n')")
        .expect("the timeline");
    let lines = lines.as_str().expect("text");
    for told in [
        "cp-a is killed",
        "cp-b has stopped",
        "agent-1: isolated",
        "agent-2: isolated",
        "cp-a freezes",
        "cp-b is connected again",
    ] {
        assert!(lines.contains(told), "{told}: {lines}");
    }
    strangers_are_turned_away(&mut browser, &lab.origin);
    silent(&mut browser);
    asked_nobody_but(&mut browser, &lab.origin);
    let pids = browser
        .value("[...nodes.values()].map((status) => status.pid)")
        .expect("pids");
    leaves_nothing(&mut lab, &pids);
}

/// Nobody presses a button without the token of this lab, by another name, or from another origin. Asked from outside of the
/// page, for no script may say another `Host`.
fn strangers_are_turned_away(browser: &mut Browser, origin: &str) {
    let token = browser.value("token").expect("the token");
    let token = token.as_str().expect("text").to_owned();
    assert_eq!(token.len(), 32);
    let host = origin.trim_start_matches("http://").to_owned();
    let port = host.rsplit(':').next().expect("a port");
    let (localhost, evil) = (format!("localhost:{port}"), format!("evil.example:{port}"));
    let foreign = "Origin: http://evil.example\r\n".to_owned();
    let with = format!("x-jackline-token: {token}\r\n");
    for (name, headers, answer) in [
        (&host, String::new(), 403),
        (&host, "x-jackline-token: 00\r\n".to_owned(), 403),
        (&evil, with.clone(), 421),
        (&host, format!("{with}{foreign}"), 421),
        // The same with all that it takes does reach the desk, which knows no such server.
        (&host, with.clone(), 404),
        (&localhost, format!("{with}Origin: http://{localhost}\r\n"), 404),
    ] {
        let said = post(&host, name, &headers);
        assert!(
            said.starts_with(&format!("HTTP/1.1 {answer} ")),
            "{name} {headers}: {said}"
        );
        assert!(!said.contains(&token), "{said}");
    }
}

fn post(at: &str, host: &str, headers: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(at).expect("the lab listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
    let body = r#"{"server":"nobody","deed":"kill"}"#;
    let length = body.len();
    let request = format!(
        "POST /act HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).expect("it is asked");
    let mut said = String::new();
    stream.read_to_string(&mut said).expect("it answers");
    said
}

/// After Ctrl-C no process, no file and no listener of the lab's is there.
fn leaves_nothing(lab: &mut Lab, pids: &Value) {
    let pids: Vec<u64> = pids
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(Value::as_u64)
        .collect();
    let runs = |pid: &u64| Path::new(&format!("/proc/{pid}")).exists();
    assert!(pids.len() == 2 && pids.iter().all(runs), "{pids:?}");
    assert!(lab.end().success(), "Ctrl-C is the way to end it");
    assert!(!pids.iter().any(runs), "a node has outlived its lab");
    let files: Vec<_> = std::fs::read_dir(lab.folder.path())
        .expect("the folder")
        .flatten()
        .map(|entry| entry.path())
        .collect();
    assert_eq!(files, Vec::<std::path::PathBuf>::new());
    let address = lab.origin.trim_start_matches("http://");
    assert!(
        std::net::TcpStream::connect(address).is_err(),
        "the page is still served"
    );
}

#[tokio::test]
async fn an_address_that_others_can_reach_is_refused() {
    let ended = run(["lab", "--ui", "0.0.0.0:0"]).await;
    assert_eq!(ended.code, Some(2), "{}", ended.out);
    assert!(ended.err.contains("give an address of loopback"), "{}", ended.err);
    let ended = run(["lab", "--ui", "127.0.0.1:0", "frozen"]).await;
    assert_eq!(ended.code, Some(64), "{}", ended.err);
}
