//! Pairs of values that cannot be meant together, and what is odd but allowed.

use std::net::SocketAddr;

use super::layers::Layers;
use super::services;
use super::{Config, Distribution, ServerUrl};
use crate::profile::Profile;

/// Refuses what cannot be meant. Each rule names the key that is easier to mend.
pub(crate) fn pairs(config: &Config, layers: &mut Layers<'_>) {
    credentials(config, layers);
    supervisor(config, layers);
    etcd(config, layers);
    kubernetes(config, layers);
    listeners(config, layers);
    services::check(config, layers);
    let timing = &config.timing;
    if timing.unwitnessed_grace < timing.grace {
        layers.refuse(
            "timing.unwitnessed-grace",
            "it is shorter than timing.grace, though it stands for weaker evidence",
            "make it as long as timing.grace, or longer",
        );
    }
    if config.socket.starts_with(config.state_dir.join("journal")) {
        layers.refuse(
            "socket",
            "the socket lies in the journal's folder, which is swept",
            "put it elsewhere, for example under /run/jackline",
        );
    }
}

fn credentials(config: &Config, layers: &mut Layers<'_>) {
    let cluster = &config.cluster;
    match (&cluster.client_certificate, &cluster.client_key) {
        (Some(_), None) => layers.refuse(
            "cluster.client-certificate",
            "a client certificate without its key",
            "give cluster.client-key too",
        ),
        (None, Some(_)) => layers.refuse(
            "cluster.client-key",
            "a key without its client certificate",
            "give cluster.client-certificate too",
        ),
        _ => {}
    }
    if cluster.client_certificate.is_some() && cluster.token_file.is_some() {
        layers.refuse(
            "cluster.token-file",
            "a client certificate and a token: only one can be presented",
            "leave one of the two out",
        );
    }
}

fn supervisor(config: &Config, layers: &mut Layers<'_>) {
    let Some(supervisor) = &config.supervisor else {
        return;
    };
    if supervisor.token.is_some() && supervisor.token_file.is_some() {
        layers.refuse(
            "supervisor.token",
            "a token and a file with a token",
            "leave one of the two out; the file is the safer place",
        );
    }
    let own_port = supervisor
        .port
        .filter(|_| supervisor.distribution == Distribution::Rke2);
    if own_port.is_some() && config.servers.iter().any(|server| server.port() == own_port) {
        layers.refuse(
            "servers",
            "this is the supervisor's port, and clients need the API's",
            "write the API's port, usually 6443; the supervisor is asked at supervisor.port of the same host",
        );
    }
}

fn etcd(config: &Config, layers: &mut Layers<'_>) {
    const MEMBERS_MAX: usize = 16;
    let Some(etcd) = &config.etcd else { return };
    if etcd.ca_file.is_none() {
        layers.refuse(
            "etcd.ca-file",
            "without etcd's own CA none of its members can be believed",
            "give the file; it is another one than the cluster's CA",
        );
    }
    if etcd.endpoints.is_empty() || etcd.endpoints.len() > MEMBERS_MAX {
        layers.refuse(
            "etcd.endpoints",
            "etcd is asked by one member to begin with, and by 16 at the most",
            "give one or a few; they tell of the others",
        );
    }
    match (&etcd.client_certificate, &etcd.client_key) {
        (Some(_), None) => layers.refuse(
            "etcd.client-certificate",
            "a client certificate without its key",
            "give etcd.client-key too",
        ),
        (None, Some(_)) => layers.refuse(
            "etcd.client-key",
            "a key without its client certificate",
            "give etcd.client-certificate too",
        ),
        _ => {}
    }
}

/// Refuses a configuration that names nobody to begin with.
pub(crate) fn sources(config: &Config, layers: &mut Layers<'_>) {
    // Where it is not known whose files count, it is not known what they lack.
    let unknown = layers.is_refused("profile");
    let named = config.servers.len() + config.endpoints.len() + config.import.len();
    if !unknown && named == 0 && config.etcd.is_none() {
        let mut remedy = "give the address that the node was joined with: --server https://HOST:6443, or servers, endpoints, import or etcd in the file".to_owned();
        for missing in &config.profile.missing {
            remedy.push_str(&format!(
                "\n    profile {} misses {missing}",
                config.profile.profile
            ));
        }
        layers.refuse(
            "servers",
            "no apiserver is known, and none can be learnt of",
            remedy,
        );
    }
}

fn kubernetes(config: &Config, layers: &mut Layers<'_>) {
    if config.kubernetes.nodes && !config.kubernetes.enabled && layers.is_given("kubernetes.nodes") {
        layers.refuse(
            "kubernetes.nodes",
            "Nodes bear witness for Endpoints, and kubernetes.enabled is false",
            "turn kubernetes.enabled on, or kubernetes.nodes off",
        );
    }
}

fn listeners(config: &Config, layers: &mut Layers<'_>) {
    let mut before: Vec<SocketAddr> = Vec::new();
    for (_, key, listen) in config.listeners() {
        if listen.is_empty() {
            layers.refuse(
                key,
                "nowhere to listen",
                "leave the key out for the default, or give an address",
            );
        }
        for address in listen {
            if address.port() != 0 && before.contains(address) {
                layers.refuse(key, "an address is given twice", "give each once");
            }
            before.push(*address);
        }
        taken(config, key, listen, layers);
    }
    if let Some(address) = config.status_listen.filter(|address| address.port() != 0) {
        if before.contains(&address) {
            layers.refuse(
                "status-listen",
                "clients are accepted at this address",
                "take another port for the page, as 127.0.0.1:6442",
            );
        }
        before.push(address);
        taken(config, "status-listen", &[address], layers);
    }
    let remedy = "write the apiserver's own address; jackline would connect to itself";
    if config.endpoints.iter().any(|endpoint| before.contains(endpoint)) {
        layers.refuse("endpoints", "an endpoint is one of our own listeners", remedy);
    }
    let mut addresses = config.servers.iter().filter_map(ServerUrl::address);
    if addresses.any(|address| before.contains(&address)) {
        layers.refuse("servers", "a server is one of our own listeners", remedy);
    }
    if config
        .endpoints
        .iter()
        .any(|endpoint| endpoint.port() == 0 || endpoint.ip().is_unspecified())
    {
        layers.refuse(
            "endpoints",
            "nobody can be reached at port 0 or at an unspecified address",
            "write the apiserver's own address",
        );
    }
}

/// Ports that are the distribution's own.
fn taken(config: &Config, key: &str, listen: &[SocketAddr], layers: &mut Layers<'_>) {
    let own = |address: &SocketAddr| config.profile.reserved.iter().find(|own| own.takes(*address));
    let Some((address, own)) = listen.iter().find_map(|address| Some((address, own(address)?))) else {
        return;
    };
    let shared = if shares_ports(config) {
        ", which would share its connections with us without a word (SO_REUSEPORT)"
    } else {
        ""
    };
    layers.refuse(
        key,
        format!("{address} is taken on this node by {}{shared}", own.whose),
        "leave the key out for the default, or take another port or another loopback address",
    );
}

/// K3s and RKE2 open their ports so that a second listener meets no error.
fn shares_ports(config: &Config) -> bool {
    matches!(config.profile.profile, Profile::K3s | Profile::Rke2)
}

/// What is allowed, but should not go unsaid. Each a sentence.
pub(crate) fn warnings(config: &Config) -> Vec<String> {
    let profile = config.profile.profile;
    let missing = config.profile.missing.iter().filter(|missing| !missing.awaited);
    let mut warnings: Vec<String> = missing
        .map(|missing| format!("profile {profile} misses {missing}"))
        .collect();
    for (_, key, listen) in config.listeners() {
        for address in listen.iter().filter(|address| !address.ip().is_loopback()) {
            warnings.push(format!(
                "{key}: {address} can be reached from other machines; jackline forwards whoever connects"
            ));
        }
    }
    if let Some(address) = config.status_listen.filter(|address| !address.ip().is_loopback()) {
        warnings.push(format!(
            "status-listen: {address} can be reached from other machines; whoever connects sees what `jackline status` tells"
        ));
    }
    warnings
}
