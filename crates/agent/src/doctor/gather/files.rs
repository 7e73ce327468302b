//! Files that the profile knows the place of: state files, certificates, secrets, kubeconfigs, variables.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use jackline_discovery::read_balancer_state;
use jackline_trust::TrustConfig;
use jackline_trust::inspect::describe;

use crate::config::Config;
use crate::doctor::facts::{
    BalancerFile, Carries, CertificateFile, Facts, KubeletServer, ProxyVariable, SecretFile,
};
use crate::profile::host::{Host, Reading};
use crate::profile::layout::{CredentialKind, DATA, Layout, OptionsFrom};
use crate::profile::options::Options;
use crate::profile::survey::data_folder;
use crate::profile::{Profile, kubeconfig, layout_of, words};
use crate::state;
use crate::state::format::Kin;

/// The permission bits of a mode.
const BITS: u32 = 0o7777;
/// Variables that lead programs through a proxy, or past it.
const PROXIES: [&str; 4] = ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"];
/// Files that hold a credential which may do everything.
const ADMIN: [&str; 4] = [
    "/etc/rancher/k3s/k3s.yaml",
    "/etc/rancher/rke2/rke2.yaml",
    "/etc/kubernetes/admin.conf",
    "/etc/kubernetes/super-admin.conf",
];

/// Looks at all of them.
pub(super) fn look(host: &Host, config: &Config, facts: &mut Facts) {
    let layout = layout_of(config.profile.profile);
    let options = Options::read(host, layout);
    let data = data_folder(&options, layout);
    let place = |path: &str| path.replace(DATA, &data);
    balancers(host, config.profile.profile, &data, facts);
    certificates(host, config, layout, &place, facts);
    secrets(host, config, layout, &options, &place, facts);
    kubelets(host, config.profile.profile, &data, facts);
    variables(host, layout, facts);
}

fn balancers(host: &Host, profile: Profile, data: &str, facts: &mut Facts) {
    if !matches!(profile, Profile::K3s | Profile::Rke2) {
        return;
    }
    let file = |name: &str| format!("{data}/agent/etc/{profile}-{name}-load-balancer.json");
    // K3s has one balancer for supervisors and API alike where both are on one port.
    let apart = host.is_there(&file("api-server-agent")) == Ok(true) || profile == Profile::Rke2;
    let agent = if apart { Carries::Supervisors } else { Carries::Api };
    for (name, carries) in [
        ("api-server-agent", Carries::Api),
        ("agent", agent),
        ("etcd-server", Carries::Etcd),
    ] {
        let path = file(name);
        let holds = match host.read(&path) {
            Reading::Missing => continue,
            Reading::Bytes(bytes) => read_balancer_state(&bytes),
            Reading::Unreadable(words) => {
                facts.unseen.push(("stuck-balancer", words));
                continue;
            }
        };
        facts.balancers.push(BalancerFile { path, carries, holds });
    }
}

/// jackline's own state file, where it cannot be used, or is another cluster's (`cluster` are today's CA keys).
pub(super) fn memory(host: &Host, config: &Config, cluster: &[String], facts: &mut Facts) {
    let path = state::path(&config.state_dir).to_string_lossy().into_owned();
    let wrong = match host.read(&path) {
        Reading::Missing => None,
        Reading::Unreadable(words) => {
            facts.unseen.push(("damaged-file", words));
            None
        }
        Reading::Bytes(bytes) => match state::format::decode(&bytes) {
            Err(unusable) => Some(unusable.to_string()),
            Ok(memory) if memory.kin(cluster) == Kin::Foreign => Some(
                "it shares no CA key with today's CA: it is another cluster's, or the CA was made anew"
                    .to_owned(),
            ),
            Ok(_) => None,
        },
    };
    facts.memory = wrong.map(|words| (path, words));
}

/// The kubelet's own credential, which alone may read the node's Lease; where it really lies.
pub(super) fn kubelet_credential(host: &Host, config: &Config) -> Option<TrustConfig> {
    let layout = layout_of(config.profile.profile);
    let data = data_folder(&Options::read(host, layout), layout);
    let real = |path: &str| {
        host.resolve(&path.replace(DATA, &data))
            .ok()
            .filter(|real| real.is_file())
    };
    let own = layout
        .credentials
        .iter()
        .filter(|credential| credential.is_kubelet);
    let mut made = own.filter_map(|credential| {
        let bare = TrustConfig {
            ca_file: config
                .cluster
                .ca_file
                .as_ref()
                .and_then(|path| real(&path.to_string_lossy())),
            server_name: config.cluster.server_name.clone(),
            ..TrustConfig::default()
        };
        match credential.kind {
            CredentialKind::Certificate(certificate, key) => Some(TrustConfig {
                client_certificate: Some(real(certificate)?),
                client_key: Some(real(key)?),
                ..bare
            }),
            CredentialKind::Kubeconfig(path) => Some(TrustConfig {
                kubeconfig: Some(real(path)?),
                ..bare
            }),
        }
    });
    made.next()
}

fn certificates(
    host: &Host,
    config: &Config,
    layout: &Layout,
    place: &dyn Fn(&str) -> String,
    facts: &mut Facts,
) {
    let mut files: Vec<(String, &'static str)> = Vec::new();
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let ca = config.cluster.ca_file.as_deref().map(text);
    files.extend(ca.map(|path| (path, "the cluster's CA")));
    files.extend(
        layout
            .authorities
            .iter()
            .map(|path| (place(path), "the cluster's CA")),
    );
    let own = config.cluster.client_certificate.as_deref().map(text);
    files.extend(own.map(|path| (path, "the node's client certificate")));
    for credential in layout.credentials {
        if let CredentialKind::Certificate(certificate, _) = credential.kind {
            files.push((place(certificate), "the node's client certificate"));
        }
        let with = credential.with.iter().filter(|path| !path.ends_with(".key"));
        files.extend(with.map(|path| (place(path), "the node's client certificate")));
    }
    if let Some(etcd) = &layout.etcd {
        files.push((place(etcd.authority), "the cluster's CA"));
        let clients = etcd.clients.iter();
        files.extend(clients.map(|(certificate, _)| (place(certificate), "a client certificate for etcd")));
    }
    files.push((
        place("{data}/agent/serving-kubelet.crt"),
        "the kubelet's serving certificate",
    ));
    let mut known: Vec<String> = Vec::new();
    for (path, purpose) in files {
        if known.contains(&path) {
            continue;
        }
        known.push(path.clone());
        let certificates = match host.read(&path) {
            Reading::Missing => continue,
            Reading::Bytes(bytes) => describe(&bytes).map_err(|error| error.to_string()),
            Reading::Unreadable(words) => {
                facts.unseen.push(("certificates", words));
                continue;
            }
        };
        facts.certificates.push(CertificateFile {
            path,
            purpose,
            certificates,
        });
    }
}

fn secrets(
    host: &Host,
    config: &Config,
    layout: &Layout,
    options: &Options,
    place: &dyn Fn(&str) -> String,
    facts: &mut Facts,
) {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let mut files: Vec<String> = ADMIN.iter().map(|path| (*path).to_owned()).collect();
    for credential in layout.credentials {
        match credential.kind {
            CredentialKind::Certificate(_, key) => files.push(place(key)),
            CredentialKind::Kubeconfig(path) => files.push(place(path)),
        }
        let with = credential.with.iter().filter(|path| !path.ends_with(".crt"));
        files.extend(with.map(|path| place(path)));
    }
    for (_, key) in layout.etcd.iter().flat_map(|etcd| etcd.clients) {
        files.push(place(key));
    }
    if let Some(supervisor) = &layout.supervisor {
        files.extend(supervisor.files.iter().map(|path| place(path)));
        // A file of options with a token in it is one with a secret.
        let told = supervisor.tokens.iter().flat_map(|key| options.all(key));
        files.extend(told.map(|told| told.from.clone()));
        let named = supervisor.token_files.iter().flat_map(|key| options.all(key));
        files.extend(named.map(|told| told.value.clone()));
    }
    let cluster = &config.cluster;
    let own = [&cluster.client_key, &cluster.token_file, &cluster.kubeconfig];
    files.extend(own.into_iter().flatten().map(|path| text(path)));
    files.sort_unstable();
    files.dedup();
    for path in files {
        let Ok(found) = host.resolve(&path).and_then(fs::metadata) else {
            continue;
        };
        if found.is_file() {
            let mode = found.mode() & BITS;
            facts.secrets.push(SecretFile { path, mode });
        }
    }
}

fn kubelets(host: &Host, profile: Profile, data: &str, facts: &mut Facts) {
    let path = match profile {
        Profile::K3s | Profile::Rke2 => format!("{data}/agent/kubelet.kubeconfig"),
        Profile::K0s | Profile::Kubeadm => format!("{data}/kubelet.conf"),
        Profile::Microk8s => format!("{data}/credentials/kubelet.config"),
        Profile::Auto | Profile::Generic => return,
    };
    match host.read(&path) {
        Reading::Missing => {}
        Reading::Unreadable(words) => facts.unseen.push(("kubelet-server", words)),
        Reading::Bytes(bytes) => match kubeconfig::server(&String::from_utf8_lossy(&bytes)) {
            Ok(server) => facts.kubelets.push(KubeletServer {
                path,
                url: server.url,
            }),
            Err(words) => facts.unseen.push(("kubelet-server", format!("{path}: {words}"))),
        },
    }
}

/// Proxy variables where the distribution reads them.
fn variables(host: &Host, layout: &Layout, facts: &mut Facts) {
    let mut files = vec!["/etc/environment".to_owned()];
    for from in layout.options {
        match from {
            OptionsFrom::Variables { path, .. } => files.push((*path).to_owned()),
            OptionsFrom::Unit(path) => {
                let folder = format!("{path}.d");
                let names = host.names(&folder).unwrap_or_default();
                files.extend(names.into_iter().map(|name| format!("{folder}/{name}")));
            }
            OptionsFrom::Yaml { .. } | OptionsFrom::Flags(_) | OptionsFrom::Pod(_) => {}
        }
    }
    for file in files {
        let Reading::Bytes(bytes) = host.read(&file) else {
            continue;
        };
        let text = String::from_utf8_lossy(&bytes);
        for line in text.lines() {
            // A unit's word: `Environment="NAME=VALUE" …`.
            let line = line.trim();
            let assignments = match line.strip_prefix("Environment=") {
                Some(rest) => words::words(rest).join("\n"),
                None => line.to_owned(),
            };
            for (name, value) in words::variables(&assignments) {
                take(facts, &name, &value, &file);
            }
        }
    }
}

/// This process's own, which are the operator's shell's.
pub(super) fn own_variables(facts: &mut Facts) {
    for (name, value) in std::env::vars_os() {
        take(
            facts,
            &name.to_string_lossy(),
            &value.to_string_lossy(),
            "this process",
        );
    }
}

fn take(facts: &mut Facts, name: &str, value: &str, from: &str) {
    let name = name.to_ascii_uppercase();
    if PROXIES.contains(&name.as_str()) && !value.is_empty() {
        facts.proxies.push(ProxyVariable {
            name,
            value: crate::doctor::redact::redact(value),
            from: from.to_owned(),
        });
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{Facts, Host, memory};
    use crate::config::{Flags, load_on};
    use crate::state::format::{Memory, encode};

    #[test]
    fn a_memory_of_another_cluster_is_told_and_ones_own_is_not() {
        let dir = tempfile::tempdir().expect("a folder");
        let host = Host::new(dir.path());
        let config = load_on(&host, &Flags::default(), "").expect("defaults");
        let written = Memory {
            cluster: vec!["aa".to_owned()],
            ..Memory::default()
        };
        let folder = dir.path().join("var/lib/jackline");
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("state.json"), encode(&written).expect("bytes")).expect("written");
        let told = |cluster: &str| {
            let mut facts = Facts::default();
            memory(&host, &config, &[cluster.to_owned()], &mut facts);
            facts.memory
        };
        assert_eq!(told("aa"), None);
        let (path, words) = told("bb").expect("it is another's");
        assert_eq!(Path::new(&path), Path::new("/var/lib/jackline/state.json"));
        assert!(words.contains("another cluster's"), "{words}");
    }
}
