//! The rules in one sentence each, as far as explanations name them. The whole of them: docs/design.md.

use serde::Serialize;

/// A rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Rule {
    /// Its letter and number.
    pub(super) name: &'static str,
    /// What it says.
    pub(super) text: &'static str,
}

macro_rules! rules {
    ($($constant:ident $name:literal $text:literal)+) => {
        $(pub(super) const $constant: Rule = Rule { name: $name, text: $text };)+
    };
}

rules! {
    M1 "M1" "what any source lists is a candidate, and so is what is remembered"
    M2 "M2" "a source that fails or answers emptily takes nothing away"
    M3 "M3" "an endpoint that is no longer listed is retained – tested and used – until Endpoints and Nodes have both not had it for the grace period, while another is ready"
    M4 "M4" "the registration address and configured endpoints go only with the configuration"
    M5 "M5" "archived endpoints are remembered, and tried only while the node is isolated"
    M6 "M6" "supervisors, old state files and answers without quorum may add, never take away"
    H1 "H1" "a test is TCP, then TLS verified to the cluster's CA, then GET /readyz; the node's credential is shown only where the server asks for one"
    H2 "H2" "the names of failed checks are evidence: shutdown is leaving, poststarthook is starting, etcd and kms may be everybody's trouble"
    H4 "H4" "one that came back must stay good for a while, longer each time it flaps, unless it is the only one"
    H6 "H6" "serving Kubernetes and telling of other servers are judged apart: an etcd-only server is no upstream, and a good source"
    H7 "H7" "an endpoint in use is tested every 15 s, others every 30 s; whatever speaks against one has it tested at once"
    H8 "H8" "a certificate that does not verify makes an impostor while another server's verifies; if none does, the trust is lost, and clients are forwarded and verify for themselves"
    P2 "P2" "a state file of another CA gives hints only, tried after all others"
    S1 "S1" "the order: ready and listed, ready and retained, alive, unknown, not ready, archived, unreachable; a suspected one after its equals, the same zone first"
    S2 "S2" "among equals each node has an order of its own, so that the fleet is spread and a returning server gets its share back"
    S3 "S3" "a dial that fails goes to the next at once, one that is silent after 200 ms or three times the usual"
    S4 "S4" "a client's first words are sent to the next server too where the first says nothing"
    S5 "S5" "where none is ready and some answer, the cause is probably shared: nothing is moved"
    S6 "S6" "where nobody is ready all are tried, again and again within the hold time; then the client is reset, so that it can try again itself"
    R1 "R1" "isolated, every source is asked and every endpoint tried, faster and without end; the first success ends it"
    R2 "R2" "attached, every source is asked from scratch at its period, each time through another ready server"
    R3 "R3" "sources do not go through the balancer: one broken server cannot blind them"
    D1 "D1" "a refused dial closes no session: they end when the kernel says so, or when the peer is proven dead"
    D2 "D2" "sessions move one by one, at quiet moments, never away from the only server"
    HEARTBEAT "heartbeat" "one that looks ready and loses the node's own Lease is avoided while another is ready"
}
