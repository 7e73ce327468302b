//! What the onlooker is told about a stage: how it is right now, and how to reach it.

use std::fmt::Write as _;
use std::sync::Arc;

use super::Stage;
use crate::node::SILENT;

impl Stage {
    /// What is shown under the timeline, as it is right now.
    pub(crate) fn gauge(&self) -> impl Fn() -> String + Send + 'static {
        let nodes: Vec<_> = self
            .nodes
            .iter()
            .map(|node| (node.name().to_owned(), node.readings()))
            .collect();
        let ledger = Arc::clone(&self.ledger);
        move || {
            let words = nodes.iter().map(|(name, readings)| {
                let reading = readings.borrow();
                format!(
                    "{name} {}",
                    reading
                        .status
                        .as_ref()
                        .map_or(SILENT, |status| status.state.as_str())
                )
            });
            let words: Vec<String> = words.collect();
            let (sent, failed) = ledger.counts();
            format!(
                "{}; {sent} requests, {failed} without an answer",
                words.join(", ")
            )
        }
    }

    /// How the cluster is reached with curl and kubectl, several lines.
    pub(crate) fn how_to_reach(&self) -> String {
        let mut text = String::from("The cluster stays up until Ctrl-C. Its servers:\n");
        for server in self.plane.servers() {
            let state = if server.is_ready() { "ready" } else { "not ready" };
            let _ = writeln!(text, "  {} https://{} ({state})", server.name(), server.address());
        }
        for node in &self.nodes {
            let (files, listener) = (&node.config.credentials, node.listener());
            let _ = write!(
                text,
                "{name}, log {log}:\n  \
                 curl --cacert {ca} --cert {certificate} --key {key} \\\n    \
                 --resolve kubernetes:{port}:{ip} 'https://kubernetes:{port}/readyz?verbose'\n  \
                 kubectl --kubeconfig {kubeconfig} --tls-server-name kubernetes get endpointslices -l kubernetes.io/service-name=kubernetes\n  \
                 curl --unix-socket {socket} http://jackline/status\n",
                name = node.name(),
                log = node.log_file().display(),
                ca = files.ca_file.display(),
                certificate = files.kubelet_certificate.display(),
                key = files.kubelet_key.display(),
                port = listener.port(),
                ip = listener.ip(),
                kubeconfig = files.kube_proxy_kubeconfig.display(),
                socket = node.config.socket.display(),
            );
        }
        text
    }
}
