//! S: which endpoint comes first. Pure; also called by the data plane on the published snapshot.

use crate::snapshot::{Class, EndpointView, Snapshot};

/// The endpoints that a client may be connected to, best first (S1, S2, S6): all but impostors (H8).
///
/// Archived and unreachable ones are among them, at the end: nobody ready is not a reason to refuse (S6).
pub fn candidates(snapshot: &Snapshot) -> impl Iterator<Item = &EndpointView> {
    snapshot.endpoints.iter().filter(|endpoint| endpoint.class != Class::Impostor)
}
