//! A pod's log: `tick 1`, `tick 2` and so on, a line every 250 ms since the pod was created, the same on every server.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use hyper::Response;
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::sleep;

use crate::api::answer::{self, Body};
use crate::api::query::Query;
use crate::objects::Key;
use crate::server::process::Process;

const LINE_EVERY: Duration = Duration::from_millis(250);
/// Older lines are forgotten.
const LINES_MAX: u64 = 1_000;

/// Like a real one, a followed log goes on while the server finishes what it has begun: until the pod or the server is gone.
pub(super) fn answer(process: &Arc<Process>, key: Key, pod: &Value, query: &Query) -> Response<Body> {
    let created = pod["metadata"]["creationTimestamp"].as_str();
    let created = created
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(Timestamp::now);
    let written = written(created);
    let kept = query
        .value("tailLines")
        .and_then(|lines| lines.parse().ok())
        .unwrap_or(LINES_MAX)
        .min(LINES_MAX);
    let first = written.saturating_sub(kept) + 1;
    let past: String = (first..=written).map(line).collect();
    if !query.is_set("follow") {
        return answer::text(hyper::StatusCode::OK, past);
    }
    let log = Log {
        process: Arc::clone(process),
        key,
        created,
        told: written,
        past: Some(past.into()),
    };
    let pieces = stream::unfold(log, |mut log| async move {
        let piece = log.next().await?;
        Some((piece, log))
    });
    answer::stream("text/plain", pieces)
}

struct Log {
    process: Arc<Process>,
    key: Key,
    created: Timestamp,
    told: u64,
    past: Option<Bytes>,
}

impl Log {
    async fn next(&mut self) -> Option<Bytes> {
        // An empty piece would do no harm, and no good.
        if let Some(past) = self.past.take().filter(|past| !past.is_empty()) {
            return Some(past);
        }
        loop {
            sleep(LINE_EVERY).await;
            self.process.cluster.store.object(&self.key)?;
            let written = written(self.created);
            if written > self.told {
                let lines: String = (self.told + 1..=written).map(line).collect();
                self.told = written;
                return Some(lines.into());
            }
        }
    }
}

/// How many lines there are by now.
fn written(created: Timestamp) -> u64 {
    let age = Timestamp::now().duration_since(created);
    let lines = Duration::try_from(age).unwrap_or_default().as_millis() / LINE_EVERY.as_millis();
    u64::try_from(lines).unwrap_or(u64::MAX)
}

fn line(number: u64) -> String {
    format!("tick {number}\n")
}
