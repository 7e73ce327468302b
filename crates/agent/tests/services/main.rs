//! Services besides the API, on a whole jackline: etcd with real members, supervisors, and what goes wrong with one of them.

mod configuration;
mod etcd;
#[path = "../run/jackline.rs"]
#[expect(dead_code, reason = "its other user asks for a status at once, too")]
mod jackline;
mod misfortune;
#[path = "../../../discovery/tests/sources/stand.rs"]
#[expect(dead_code, reason = "a stand for sources; here its certificates are used")]
mod stand;
mod supervisors;

use jackline_agent::status::{ServiceStatus, Status};

/// The first further service of a status.
fn service(status: &Status) -> &ServiceStatus {
    status.services.first().expect("a service is configured")
}
