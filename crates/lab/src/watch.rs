//! The WATCH of one kind of object: events from a version on, bookmarks, 410 when that version is too old.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use hyper::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::api::answer::{self, Body, failure, status_object};
use crate::api::query::{Query, Selector};
use crate::api::resources::{Target, told};
use crate::objects::Key;
use crate::server::process::Process;

/// A watch that asks for no end gets this one (real servers choose between 30 and 60 minutes).
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(45 * 60);
/// And none gets a later one.
const TIMEOUT_MAX: Duration = Duration::from_secs(60 * 60);

struct Watch {
    process: Arc<Process>,
    target: Target,
    selector: Selector,
    /// Changes up to this version have been told.
    version: u64,
    /// Lines to be sent. Bounded by the history of the kind.
    lines: VecDeque<Bytes>,
    changed: watch::Receiver<u64>,
    told: watch::Receiver<Option<Vec<std::net::SocketAddr>>>,
    /// When the next bookmark is due; `None`: none is wanted.
    bookmark: Option<Instant>,
    end: Instant,
    over: bool,
}

/// Begins a watch.
pub(crate) fn answer(
    process: &Arc<Process>,
    target: &Target,
    selector: Selector,
    query: &Query,
) -> Response<Body> {
    let from = match query.value("resourceVersion").unwrap_or_default() {
        "" | "0" => None,
        text => match text.parse::<u64>() {
            Ok(version) => Some(version),
            Err(_) => {
                return failure(
                    StatusCode::BAD_REQUEST,
                    "BadRequest",
                    "resourceVersion: not a number",
                );
            }
        },
    };
    let seconds = query
        .value("timeoutSeconds")
        .and_then(|text| text.parse().ok())
        .filter(|seconds| *seconds > 0);
    let timeout = seconds
        .map_or(TIMEOUT_DEFAULT, Duration::from_secs)
        .min(TIMEOUT_MAX);
    let now = Instant::now();
    let mut watch = Watch {
        changed: process.cluster.store.subscribe(),
        told: process.told.subscribe(),
        process: Arc::clone(process),
        target: target.clone(),
        selector,
        version: from.unwrap_or_default(),
        lines: VecDeque::new(),
        bookmark: query
            .is_set("allowWatchBookmarks")
            .then(|| now + process.cluster.timing.bookmark),
        end: now + timeout,
        over: false,
    };
    if from.is_none() {
        watch.tell_present("ADDED", |_| true);
    }
    let lines = stream::unfold(watch, |mut watch| async move {
        let line = watch.next().await?;
        Some((line, watch))
    });
    answer::stream("application/json", lines)
}

impl Watch {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Some(line);
            }
            if self.over {
                return None;
            }
            self.changed.mark_unchanged();
            if self.told.has_changed().unwrap_or(false) {
                self.told.mark_unchanged();
                // The server's own list is over. Whoever watched it is told the store's, whatever it is.
                self.tell_present("MODIFIED", Key::is_server_list);
            }
            self.tell_changes();
            if self.lines.is_empty() && !self.over {
                self.wait().await;
            }
        }
    }

    async fn wait(&mut self) {
        let bookmark = self.bookmark;
        let due = async {
            match bookmark {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let closing = self.process.closing.clone();
        tokio::select! {
            () = closing.cancelled() => self.over = true,
            () = sleep_until(self.end) => self.over = true,
            () = due => self.tell_bookmark(),
            _ = self.changed.changed() => self.changed.mark_changed(),
            _ = self.told.changed() => self.told.mark_changed(),
        }
    }

    fn tell_present(&mut self, kind: &str, wanted: impl Fn(&Key) -> bool) {
        let (version, objects) = told(
            &self.process,
            self.target.resource,
            self.target.namespace.as_deref(),
        );
        self.version = self.version.max(version);
        for (_, object) in objects
            .iter()
            .filter(|(key, object)| wanted(key) && self.selector.matches(object))
        {
            self.lines.push_back(line(kind, object));
        }
    }

    fn tell_changes(&mut self) {
        let own_list = self.told.borrow().is_some();
        let Ok((version, changes)) = self
            .process
            .cluster
            .store
            .since(self.target.resource, self.version)
        else {
            let message = format!(
                "too old resource version: {} ({})",
                self.version,
                self.process.cluster.store.version()
            );
            self.lines.push_back(line(
                "ERROR",
                &status_object(StatusCode::GONE, "Expired", &message),
            ));
            self.over = true;
            return;
        };
        self.version = self.version.max(version);
        for change in changes {
            let elsewhere = self
                .target
                .namespace
                .as_ref()
                .is_some_and(|namespace| *namespace != change.key.namespace);
            if elsewhere || own_list && change.key.is_server_list() {
                continue;
            }
            let before = change
                .before
                .as_ref()
                .is_some_and(|before| self.selector.matches(before));
            let after = !change.deleted && self.selector.matches(&change.object);
            let kind = match (before, after) {
                (false, false) => continue,
                (false, true) => "ADDED",
                (true, true) => "MODIFIED",
                (true, false) => "DELETED",
            };
            self.lines.push_back(line(kind, &change.object));
        }
    }

    fn tell_bookmark(&mut self) {
        let object = json!({
            "kind": self.target.resource.kind(),
            "apiVersion": self.target.resource.api_version(),
            "metadata": { "resourceVersion": self.version.to_string() },
        });
        self.lines.push_back(line("BOOKMARK", &object));
        self.bookmark = Some(Instant::now() + self.process.cluster.timing.bookmark);
    }
}

fn line(kind: &str, object: &Value) -> Bytes {
    format!("{}\n", json!({ "type": kind, "object": object })).into()
}
