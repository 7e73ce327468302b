//! `exec`: a few commands of the lab's own, on the streams that kubectl opens for them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::api::query::Query;
use crate::spdy::{Gone, Input, Output, Stream};

/// How exit codes come back: as a Status on the stream `error`. Every kubectl since 1.4 offers it.
pub(super) const PROTOCOL: &str = "v4.channel.k8s.io";

/// What a shell says of a command that it does not find.
const NOT_FOUND: u8 = 127;

/// What is to be run, and which streams the client will open for it.
pub(super) struct Order {
    command: Vec<String>,
    streams: Vec<&'static str>,
}

impl Order {
    pub(super) fn of(query: &Query) -> Self {
        let wanted = ["stdin", "stdout", "stderr"].into_iter();
        let mut streams: Vec<&'static str> = wanted.filter(|name| query.is_set(name)).collect();
        streams.push("error");
        Self {
            command: query.values("command").map(str::to_owned).collect(),
            streams,
        }
    }
}

/// Runs it once all its streams are there. A client that is gone has lost its interest.
pub(super) async fn run(order: Order, mut opened: mpsc::Receiver<Stream>) {
    let mut streams = BTreeMap::new();
    while order.streams.iter().any(|name| !streams.contains_key(*name)) {
        let Some(stream) = opened.recv().await else { return };
        let kind = stream.headers.value("streamType").unwrap_or_default().to_owned();
        streams.insert(kind, stream);
    }
    let mut output = |name: &str| streams.remove(name).map(|stream| (stream.output, stream.input));
    let (Some((error, _)), stdout, stderr) = (output("error"), output("stdout"), output("stderr")) else {
        return;
    };
    let stdin = output("stdin").map(|(_, input)| input);
    let _ = perform(
        &order.command,
        stdin,
        stdout.map(|(out, _)| out),
        stderr.map(|(out, _)| out),
        error,
    )
    .await;
}

async fn perform(
    command: &[String],
    mut stdin: Option<Input>,
    stdout: Option<Output>,
    stderr: Option<Output>,
    error: Output,
) -> Result<(), Gone> {
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    let code = match words.as_slice() {
        ["cat"] => {
            while let Some(stdin) = &mut stdin
                && let Some(bytes) = stdin.read().await
            {
                write(stdout.as_ref(), &bytes).await?;
            }
            0
        }
        ["echo", words @ ..] => {
            write(stdout.as_ref(), format!("{}\n", words.join(" ")).as_bytes()).await?;
            0
        }
        ["exit", code] if code.parse::<u8>().is_ok() => {
            write(stderr.as_ref(), b"ends as it was told to\n").await?;
            code.parse().unwrap_or_default()
        }
        _ => {
            let message = format!(
                "{}: not found; the lab knows cat, echo and exit\n",
                words.join(" ")
            );
            write(stderr.as_ref(), message.as_bytes()).await?;
            NOT_FOUND
        }
    };
    for output in [stdout, stderr].into_iter().flatten() {
        output.finish().await?;
    }
    error.write(status(code).to_string().as_bytes()).await?;
    error.finish().await
}

async fn write(output: Option<&Output>, bytes: &[u8]) -> Result<(), Gone> {
    match output {
        Some(output) => output.write(bytes).await,
        None => Ok(()),
    }
}

/// How a kubelet tells the end of a command.
fn status(code: u8) -> Value {
    if code == 0 {
        return json!({ "metadata": {}, "status": "Success" });
    }
    json!({
        "metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
        "message": format!("command terminated with non-zero exit code: exit status {code}"),
        "details": { "causes": [{ "reason": "ExitCode", "message": code.to_string() }] },
    })
}
