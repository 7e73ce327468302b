//! A node's journal, played again by the program that wrote it: whatever happened in a scenario, the core does the same.

use std::process::Stdio;

use anyhow::Context;
use serde::Deserialize;
use tokio::process::Command;

use super::Node;
use crate::options::Balancer;

/// What `jackline replay --output json` says, as far as the lab asks.
#[derive(Debug, Deserialize)]
pub(crate) struct Replayed {
    pub(crate) verdict: String,
    pub(crate) events: u64,
    pub(crate) compared: u64,
    difference: Option<serde_json::Value>,
}

impl Replayed {
    /// Whether every event was compared and none differs.
    pub(crate) fn is_the_same(&self) -> bool {
        self.difference.is_none() && self.events > 0 && self.compared == self.events
    }
}

impl Node {
    /// Replays the node's journal; `None`: the balancer is another one than jackline, and keeps none.
    ///
    /// # Errors
    /// It cannot be replayed at all.
    pub(crate) async fn replay(&self) -> anyhow::Result<Option<Replayed>> {
        if !matches!(self.engine.balancer, Balancer::Jackline) {
            return Ok(None);
        }
        let output = Command::new(&self.engine.program)
            .arg("replay")
            .arg(&self.config.state_dir)
            .args(["--output", "json"])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .context("starting the replay")?;
        let replayed = serde_json::from_slice(&output.stdout)
            .with_context(|| String::from_utf8_lossy(&output.stderr).trim().to_owned())?;
        Ok(Some(replayed))
    }
}
