//! Ways against servers and proxies on loopback.

mod failures;
mod haproxy;
mod header;
mod opening;
#[allow(dead_code, reason = "other crates' tests use the rest of it")]
mod proxy;
mod receiver;

use std::time::Duration;

use jackline_way::{WayConfig, Ways};

/// Generous: a loaded machine is no failure.
const DEADLINE: Duration = Duration::from_secs(30);

/// Every server through this proxy, loopback ones too.
fn all_through(url: &str) -> Ways {
    Ways::new(WayConfig {
        routes: vec![format!("*={url}").parse().expect("a route")],
        ..WayConfig::default()
    })
}
