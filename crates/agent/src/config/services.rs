//! `services`: what is balanced besides the API. Its values, its keys, and pairs of them that cannot be meant.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use jackline_core::Service;

use super::layers::Layers;
use super::{Config, MemberUrl, ServerUrl};

/// Where etcd's members listen.
const ETCD: u16 = 2379;
/// What every member's certificate is good for, whoever made it: that is where its local clients ask for it.
const SERVER_NAME: &str = "127.0.0.1";
/// Where RKE2's supervisors listen.
const SUPERVISOR: u16 = 9345;
/// Not 127.0.0.1: what exactly that address means, K3s and RKE2 have settled already.
const BEHIND: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// So many members to begin with.
const MEMBERS_MAX: usize = 16;

/// The services besides the API. `None`: not balanced.
#[derive(Clone, Debug, Default)]
pub struct Services {
    /// Etcd.
    pub etcd: Option<EtcdService>,
    /// K3s's or RKE2's supervisors, at a port of their own.
    pub supervisor: Option<SupervisorService>,
}

/// `services.etcd`.
#[derive(Clone, Debug)]
pub struct EtcdService {
    /// Where clients are accepted.
    pub listen: Vec<SocketAddr>,
    /// Members to begin with; empty: nobody is known.
    pub endpoints: Vec<MemberUrl>,
    /// Etcd's own CA, PEM.
    pub ca_file: Option<PathBuf>,
    /// A client certificate, PEM …
    pub client_certificate: Option<PathBuf>,
    /// … and its key.
    pub client_key: Option<PathBuf>,
    /// What members' certificates must be good for.
    pub server_name: String,
}

/// `services.supervisor`.
#[derive(Clone, Debug)]
pub struct SupervisorService {
    /// Where clients are accepted.
    pub listen: Vec<SocketAddr>,
    /// Where servers offer it.
    pub port: u16,
}

impl Config {
    /// Every service with its listeners and the key that names them, the API first.
    pub fn listeners(&self) -> Vec<(Service, &'static str, &[SocketAddr])> {
        let api = (Service::Api, "listen", self.listen.as_slice());
        let etcd = self.services.etcd.as_ref();
        let etcd = etcd.map(|etcd| (Service::Etcd, "services.etcd.listen", etcd.listen.as_slice()));
        let supervisor = self.services.supervisor.as_ref().map(|supervisor| {
            let key = "services.supervisor.listen";
            (Service::Supervisor, key, supervisor.listen.as_slice())
        });
        [Some(api), etcd, supervisor].into_iter().flatten().collect()
    }
}

/// All keys are read, so that they are known, also where a section is not there.
pub(crate) fn read(layers: &mut Layers<'_>, servers: &[ServerUrl]) -> Services {
    Services {
        etcd: etcd(layers, servers),
        supervisor: supervisor(layers),
    }
}

fn etcd(layers: &mut Layers<'_>, servers: &[ServerUrl]) -> Option<EtcdService> {
    let there = layers.section("services.etcd");
    let listen = layers.value(
        "services.etcd.listen",
        vec![SocketAddr::from((Ipv4Addr::LOCALHOST, ETCD))],
    );
    let beside = || {
        let member = |server: &ServerUrl| match server {
            ServerUrl::Host { host, .. } => Some(MemberUrl(ServerUrl::Host {
                host: host.clone(),
                port: ETCD,
            })),
            ServerUrl::Service(_) => None,
        };
        Some(servers.iter().filter_map(member).collect())
    };
    let endpoints = layers
        .derived("services.etcd.endpoints", "the servers, at port 2379", beside)
        .unwrap_or_default();
    let ca_file = layers.optional("services.etcd.ca-file");
    let client_certificate = layers.optional("services.etcd.client-certificate");
    let client_key = layers.optional("services.etcd.client-key");
    let server_name = layers.value("services.etcd.server-name", SERVER_NAME.to_owned());
    there.then_some(EtcdService {
        listen,
        endpoints,
        ca_file,
        client_certificate,
        client_key,
        server_name,
    })
}

fn supervisor(layers: &mut Layers<'_>) -> Option<SupervisorService> {
    let there = layers.section("services.supervisor");
    let listen = layers.value(
        "services.supervisor.listen",
        vec![SocketAddr::from((BEHIND, SUPERVISOR))],
    );
    let port = layers.value("services.supervisor.port", SUPERVISOR);
    there.then_some(SupervisorService { listen, port })
}

/// Refuses what cannot be meant.
pub(crate) fn check(config: &Config, layers: &mut Layers<'_>) {
    if let Some(etcd) = &config.services.etcd {
        check_etcd(etcd, config, layers);
    }
    if config
        .services
        .supervisor
        .as_ref()
        .is_some_and(|supervisor| supervisor.port == 0)
    {
        layers.refuse(
            "services.supervisor.port",
            "nobody can be reached at port 0",
            "leave the key out: RKE2's supervisors are at 9345",
        );
    }
}

fn check_etcd(etcd: &EtcdService, config: &Config, layers: &mut Layers<'_>) {
    match (&etcd.client_certificate, &etcd.client_key) {
        (Some(_), None) => layers.refuse(
            "services.etcd.client-certificate",
            "a client certificate without its key",
            "give services.etcd.client-key too",
        ),
        (None, Some(_)) => layers.refuse(
            "services.etcd.client-key",
            "a key without its client certificate",
            "give services.etcd.client-certificate too",
        ),
        _ => {}
    }
    if etcd.client_certificate.is_some() && etcd.ca_file.is_none() {
        layers.refuse(
            "services.etcd.ca-file",
            "a client certificate is shown to members that are verified, and there is nothing to verify them by",
            "give etcd's own CA, or leave the client certificate out",
        );
    }
    if etcd.endpoints.is_empty() || etcd.endpoints.len() > MEMBERS_MAX {
        layers.refuse(
            "services.etcd.endpoints",
            "etcd's members are learnt from one to begin with, and from 16 at the most",
            "give one or a few: https://HOST:2379",
        );
    }
    let ours = |member: &&MemberUrl| {
        let address = member.0.address();
        address.is_some_and(|address| {
            config
                .listeners()
                .iter()
                .any(|(_, _, listen)| listen.contains(&address))
        })
    };
    if etcd.endpoints.iter().any(|member| ours(&member)) {
        layers.refuse(
            "services.etcd.endpoints",
            "a member is one of our own listeners",
            "write the member's own address; jackline would connect to itself",
        );
    }
}
