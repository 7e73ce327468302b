//! The control plane in miniature against clients of its own: it must behave as the real one does, or it proves nothing.

#[path = "plane/client.rs"]
mod client;
#[path = "plane/faults.rs"]
mod faults;
#[path = "plane/kubectl.rs"]
mod kubectl;
#[path = "plane/leases.rs"]
mod leases;
#[path = "plane/objects.rs"]
mod objects;
#[path = "plane/stops.rs"]
mod stops;
#[path = "plane/trust.rs"]
mod trust;

use std::time::Duration;

use jackline_lab::{Boot, ControlPlane, Plan, Role};

/// Nothing here takes this long, not even on a machine that builds seven other things.
const LONG: Duration = Duration::from_secs(60);
/// What is silent for this long is silent.
const SILENCE: Duration = Duration::from_millis(400);
/// A start that leaves no time to look at what comes before it is over.
const BRISK: Boot = Boot {
    accepts: Duration::from_millis(20),
    ready: Duration::from_millis(60),
};
/// A start that leaves a busy machine enough time to look.
const LEISURELY: Boot = Boot {
    accepts: Duration::from_millis(300),
    ready: Duration::from_secs(4),
};

/// A control plane with these servers; leases last 1.5 s and are renewed each second.
fn plane(servers: &[(&str, Role)], boot: Boot) -> ControlPlane {
    let plan = Plan {
        boot,
        ..Plan::default()
    };
    let plan = servers
        .iter()
        .fold(plan, |plan, (name, role)| plan.with(name, *role));
    ControlPlane::start(plan).expect("a control plane")
}

/// The same, all servers ready.
async fn ready_plane(servers: &[(&str, Role)]) -> ControlPlane {
    up(plane(servers, BRISK)).await
}

async fn up(plane: ControlPlane) -> ControlPlane {
    plane.start_all().expect("started");
    let all = |plane: &ControlPlane| {
        plane.servers().iter().all(|server| {
            if server.role().serves_api() {
                server.is_ready()
            } else {
                server.is_answering()
            }
        })
    };
    assert!(plane.wait_until(LONG, all).await, "the servers become ready");
    plane
}
