//! Resolves the names of CONNECT proxies, again and again: a proxy that moves is found, and one whose name cannot be resolved
//! for a while is kept where it was.

use std::sync::Arc;
use std::time::Duration;

use jackline_discovery::HostNames;
use jackline_way::Ways;

use crate::lines;

/// How long one try may take.
const WITHIN: Duration = Duration::from_secs(5);
/// When it is tried again after a failure.
const AGAIN: Duration = Duration::from_secs(2);
/// The bounds of what the answer itself says …
const HOLDS_MIN: Duration = Duration::from_secs(5);
const HOLDS_MAX: Duration = Duration::from_secs(300);
/// … and how long one holds that says nothing of it (a line of the hosts file).
const HOLDS_USUALLY: Duration = Duration::from_secs(60);

/// Starts a task for each name; they end with the runtime.
pub(crate) fn watch(ways: &Arc<Ways>, names: &HostNames) {
    for name in ways.proxy_names() {
        tokio::spawn(follow(name, Arc::clone(ways), names.clone()));
    }
}

async fn follow(name: String, ways: Arc<Ways>, names: HostNames) {
    let mut failing = false;
    loop {
        let pause = match names.addresses(&name, WITHIN).await {
            Ok((addresses, holds)) => {
                if std::mem::take(&mut failing) {
                    tracing::info!(target: "jackline", event = lines::PROXY_FOUND, proxy = name, "the CONNECT proxy's name has addresses again");
                }
                ways.proxy_leads_to(&name, &addresses);
                holds.unwrap_or(HOLDS_USUALLY).clamp(HOLDS_MIN, HOLDS_MAX)
            }
            Err(words) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(target: "jackline", event = lines::PROXY_LOST, "the CONNECT proxy cannot be found: {words}; is its name right?");
                }
                ways.proxy_leads_to(&name, &[]);
                AGAIN
            }
        };
        tokio::time::sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use jackline_discovery::HostNames;
    use jackline_way::{Opening, WayConfig};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_proxy_is_found_by_its_name_as_the_node_knows_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut names = HostNames::default();
        names.system.hosts = folder.path().join("hosts");
        std::fs::write(&names.system.hosts, "127.0.0.1 proxy.example\n").expect("written");
        let proxy = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = proxy.local_addr().expect("bound").port();
        let ways = Arc::new(Ways::new(WayConfig {
            proxy: Some(format!("http://proxy.example:{port}").parse().expect("a proxy")),
            ..WayConfig::default()
        }));
        watch(&ways, &names);
        let server = "192.0.2.1:6443".parse().expect("an address");
        let dial = ways.connect(server, Opening::Ours, Duration::from_secs(30));
        tokio::select! {
            accepted = proxy.accept() => drop(accepted.expect("the dial")),
            _ = dial => panic!("the proxy says nothing"),
        }
    }
}
