//! A real Prometheus, Debian's: unpacked under the target folder, run on loopback, asked over its API.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use jackline_borrowed::{BRING_PROMETHEUS, not_run};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::program::until;

const PORT: u16 = 9090;
/// What the rules wait for is that much shorter here, so that an outage of seconds is one.
const WAITS: &str = "1s";

/// The program of this name; `None`: it cannot be had, which is told.
pub(super) fn program(test: &str, name: &str) -> Option<PathBuf> {
    match jackline_borrowed::prometheus(name) {
        Ok(program) => Some(program),
        Err(why) => {
            not_run(test, &format!("there is no {name}: {why}"), BRING_PROMETHEUS);
            None
        }
    }
}

/// It runs as long as this lives.
pub(super) struct Prometheus {
    address: SocketAddr,
    _folder: TempDir,
    _child: Child,
}

impl Prometheus {
    /// Starts one that scrapes `metrics` and judges by `rules`, without their long waits.
    pub(super) fn start(program: &Path, metrics: &str, ip: Ipv4Addr, rules: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let rules: Vec<String> = rules
            .lines()
            .map(|line| match line.trim_start().starts_with("for: ") {
                true => format!("        for: {WAITS}"),
                false => line.to_owned(),
            })
            .collect();
        std::fs::write(at("rules.yaml"), rules.join("\n") + "\n").expect("a file");
        let config = format!(
            "global: {{ scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms }}\nrule_files: [rules.yaml]\n\
             scrape_configs:\n  - job_name: jackline\n    static_configs: [{{ targets: [\"{metrics}\"] }}]\n"
        );
        std::fs::write(at("prometheus.yaml"), config).expect("a file");
        let address = SocketAddr::from((ip, PORT));
        let log = std::fs::File::create(at("log")).expect("a file");
        let child = Command::new(program)
            .arg(format!("--config.file={}", at("prometheus.yaml").display()))
            .arg(format!("--storage.tsdb.path={}", at("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("prometheus starts");
        Self {
            address,
            _folder: folder,
            _child: child,
        }
    }

    /// What a query gives; it must be one that Prometheus understands.
    pub(super) async fn query(&self, query: &str) -> Vec<Value> {
        let (status, told) = self.ask(query).await.expect("prometheus answers");
        assert!(status.is_success(), "{query}: {told}");
        told["data"]["result"].as_array().expect("a result").clone()
    }

    /// Waits until a query gives something.
    pub(super) async fn answers(&self, query: &str) {
        let found = || async {
            // It may not listen yet.
            let (_, told) = self.ask(query).await?;
            let found = told["data"]["result"].as_array()?;
            (!found.is_empty()).then_some(())
        };
        until(query, found).await;
    }

    /// The alerts that fire now.
    pub(super) async fn firing(&self) -> BTreeSet<String> {
        let found = self.query("ALERTS{alertstate=\"firing\"}").await;
        let name = |alert: &Value| {
            alert["metric"]["alertname"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        found.iter().map(name).collect()
    }

    /// Waits until all of these fire.
    pub(super) async fn fires(&self, alerts: &[&str]) {
        let all = || async {
            let firing = self.firing().await;
            alerts.iter().all(|alert| firing.contains(*alert)).then_some(())
        };
        until(&format!("{alerts:?} fire"), all).await;
    }

    /// Waits until none of these fires.
    pub(super) async fn clears(&self, alerts: &[&str]) {
        let none = || async {
            let firing = self.firing().await;
            (!alerts.iter().any(|alert| firing.contains(*alert))).then_some(())
        };
        until(&format!("{alerts:?} are over"), none).await;
    }

    /// Asks; `None`: nobody answers.
    async fn ask(&self, query: &str) -> Option<(hyper::StatusCode, Value)> {
        let stream = TcpStream::connect(self.address).await.ok()?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
        tokio::spawn(connection);
        let request = Request::get(format!("/api/v1/query?query={}", encoded(query)))
            .header(hyper::header::HOST, "prometheus")
            .body(Empty::<Bytes>::new())
            .expect("a request");
        let answer = sender.send_request(request).await.ok()?;
        let status = answer.status();
        let body = answer.into_body().collect().await.ok()?.to_bytes();
        Some((status, serde_json::from_slice(&body).ok()?))
    }
}

/// A query's text in an address (RFC 3986, 2.1).
fn encoded(text: &str) -> String {
    let one = |byte: u8| match byte.is_ascii_alphanumeric() {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}
