//! `port-forward`: every port gives back what it is sent and, when the client has sent all, says how much that was.

use std::collections::BTreeMap;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::spdy::{Gone, Input, Output, Stream};

pub(super) const PROTOCOL: &str = "portforward.k8s.io";

/// Connections of which only the first of two streams has come; more are let go.
const HALVES_MAX: usize = 32;

/// A connection is two streams of one number: on `data` go its bytes, on `error` what went wrong.
pub(super) async fn run(mut opened: mpsc::Receiver<Stream>) {
    let mut errors: BTreeMap<String, Output> = BTreeMap::new();
    // Dropped, and its connections with it, when the client is gone.
    let mut connections = JoinSet::new();
    while let Some(stream) = opened.recv().await {
        while connections.try_join_next().is_some() {}
        let number = stream.headers.value("requestID").unwrap_or_default().to_owned();
        match stream.headers.value("streamType") {
            Some("error") if errors.len() < HALVES_MAX => drop(errors.insert(number, stream.output)),
            Some("data") => {
                // kubectl opens the stream for errors first.
                if let Some(error) = errors.remove(&number) {
                    connections.spawn(echo(stream.input, stream.output, error));
                }
            }
            _ => {}
        }
    }
}

async fn echo(mut input: Input, output: Output, error: Output) -> Result<(), Gone> {
    let mut count = 0_usize;
    while let Some(bytes) = input.read().await {
        count += bytes.len();
        output.write(&bytes).await?;
    }
    output.write(format!("{count} bytes\n").as_bytes()).await?;
    output.finish().await?;
    error.finish().await
}
