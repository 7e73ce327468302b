//! Whom to trust and what to present: the CA, the node's credential, the supervisor's token. Only whether they can be read is
//! looked at; what they hold is the trust's to read, and is shown by nobody.

use super::Survey;
use crate::profile::found::Role;
use crate::profile::host::Reading;
use crate::profile::kubeconfig;
use crate::profile::layout::{Credential, CredentialKind, Etcd};

/// What stands where a file itself is the value …
const FOUND: &str = "found there";
/// … and where it is the place at which it is expected: the trust looks again and again.
const AWAITED: &str = "not to be read yet; taken as soon as it is";
/// What stands in for a CA and a credential that are not found.
const CLUSTER: &[&str] = &[
    "cluster.ca-file",
    "cluster.kubeconfig",
    "cluster.client-certificate",
    "cluster.token-file",
];
/// And for etcd's.
const ETCD: &[&str] = &["etcd.ca-file", "etcd.client-certificate", "etcd.client-key"];
/// And for those of its service.
const ETCD_SERVICE: &[&str] = &[
    "services.etcd.ca-file",
    "services.etcd.client-certificate",
    "services.etcd.client-key",
];
/// And for a token.
const TOKEN: &[&str] = &["supervisor.token", "supervisor.token-file"];

impl Survey<'_> {
    /// The CA and the credential.
    pub(super) fn trust(&mut self) {
        let has_authority = self.authority();
        let embedded = self.credential();
        if has_authority || embedded {
            return;
        }
        let paths: Vec<String> = self
            .layout
            .authorities
            .iter()
            .map(|path| self.path(path))
            .collect();
        let looked = match paths.as_slice() {
            [] => String::new(),
            [only] => format!(": {only} cannot be read"),
            several => format!(": none of {} can be read", several.join(", ")),
        };
        self.found.wait_for(
            CLUSTER,
            format!(
                "the cluster's CA{looked}; without it no server can be verified; give it: cluster.ca-file"
            ),
        );
        if let Some(expected) = paths.into_iter().next() {
            self.found.give("cluster.ca-file", expected, AWAITED);
        }
    }

    fn authority(&mut self) -> bool {
        let mut paths = self.layout.authorities.iter().map(|path| self.path(path));
        let path = paths.find(|path| self.readable(path).is_ok());
        let is_found = path.is_some();
        if let Some(path) = path {
            self.found.give("cluster.ca-file", path, FOUND);
        }
        is_found
    }

    /// Takes the first credential that is whole. Whether it brings a CA of its own.
    fn credential(&mut self) -> bool {
        let mut lacks: Vec<String> = Vec::new();
        for credential in self.layout.credentials {
            match self.lack_of(credential) {
                None => return self.present(credential),
                Some(lack) => lacks.push(lack),
            }
        }
        // What is there and may not be read is the news; that others are not there is not.
        let unreadable: Vec<&String> = lacks
            .iter()
            .filter(|lack| !lack.ends_with("is not there"))
            .collect();
        let told = unreadable.first().copied().or(lacks.first());
        if let Some(told) = told {
            let remedy = self.path(self.layout.without_credential);
            let words = format!("a credential of this node: {told}; {remedy}");
            self.found.wait_for(CLUSTER, words);
        }
        if let Some(CredentialKind::Kubeconfig(expected)) =
            self.layout.credentials.first().map(|first| &first.kind)
        {
            let expected = self.path(expected);
            self.found.give("cluster.kubeconfig", expected, AWAITED);
        }
        false
    }

    /// Why this credential cannot be presented.
    fn lack_of(&self, credential: &Credential) -> Option<String> {
        let own: &[&str] = match &credential.kind {
            CredentialKind::Kubeconfig(path) => &[path],
            CredentialKind::Certificate(certificate, key) => &[certificate, key],
        };
        own.iter()
            .chain(credential.with)
            .find_map(|path| self.readable(&self.path(path)).err())
    }

    fn present(&mut self, credential: &Credential) -> bool {
        match &credential.kind {
            CredentialKind::Kubeconfig(path) => {
                let path = self.path(path);
                let embedded = match self.host.read(&path).text(&path, |_| {}) {
                    Some(text) => kubeconfig::server(&text).is_ok_and(|server| server.has_authority),
                    None => false,
                };
                self.found.give("cluster.kubeconfig", path, credential.may);
                embedded
            }
            CredentialKind::Certificate(certificate, key) => {
                let (certificate, key) = (self.path(certificate), self.path(key));
                self.found
                    .give("cluster.client-certificate", certificate, credential.may);
                self.found.give("cluster.client-key", key, credential.may);
                false
            }
        }
    }

    /// The section `supervisor`, if the node has what supervisors want to see.
    pub(super) fn supervisor(&mut self) {
        let Some(supervisor) = &self.layout.supervisor else {
            return;
        };
        let presents_kubelet = self.found.value("cluster.client-key").is_some_and(|given| {
            self.layout
                .credentials
                .iter()
                .any(|credential| credential.is_kubelet && credential.may == given.from)
        });
        let token = self.token();
        if let Err(lack) = &token
            && !presents_kubelet
        {
            let remedy = supervisor.without_token;
            let words =
                format!("a token for the supervisors, which are not asked without one: {lack}; {remedy}");
            self.found.miss(TOKEN, words);
            return;
        }
        let why = if token.is_ok() {
            "for there is a token"
        } else {
            "for there is the kubelet's certificate"
        };
        self.found
            .give("supervisor.distribution", supervisor.distribution, why);
        if let Ok((key, word, from)) = token {
            self.note_on_token(key, &word);
            self.found.give(key, word, from);
        }
    }

    /// The section `etcd`, where there is a member on this node and all that it wants to see can be read; where there is none and
    /// the node's apiserver needs etcd all the same, the service.
    pub(super) fn etcd(&mut self) {
        let Some(etcd) = &self.layout.etcd else {
            return;
        };
        let has_member = self.role_is(|role| matches!(role, Role::Server | Role::EtcdOnly))
            && self.host.is_there(&self.path(etcd.mark)) == Ok(true);
        let door = etcd
            .door
            .as_ref()
            .filter(|door| self.role_is(|role| door.roles.contains(&role)));
        match (has_member, door) {
            (true, _) => self.etcd_files(
                etcd,
                ["etcd.ca-file", "etcd.client-certificate", "etcd.client-key"],
                ETCD,
                "what this node's etcd wants to see, which is not asked without it",
            ),
            (false, Some(door)) => {
                self.etcd_files(
                    etcd,
                    [
                        "services.etcd.ca-file",
                        "services.etcd.client-certificate",
                        "services.etcd.client-key",
                    ],
                    ETCD_SERVICE,
                    "what etcd's members want to see, whose health is not asked without it",
                );
                self.found.give(
                    door.key,
                    door.at,
                    "this server has no member of etcd; its own balancer for it can stand before this",
                );
            }
            (false, None) => {}
        }
    }

    /// Gives CA, certificate and key of etcd's clients, if all of them can be read.
    fn etcd_files(
        &mut self,
        etcd: &Etcd,
        keys: [&'static str; 3],
        instead: &'static [&'static str],
        what: &str,
    ) {
        let readable = |path: &str| self.readable(&self.path(path));
        let client = etcd.clients.iter().map(|(certificate, key)| {
            readable(certificate)?;
            readable(key)?;
            Ok((self.path(certificate), self.path(key)))
        });
        let first = client
            .reduce(|first: Result<_, String>, next| first.or(next))
            .unwrap_or_else(|| Err("no certificate is known".to_owned()));
        match readable(etcd.authority).and(first) {
            Ok((certificate, key)) => {
                let authority = self.path(etcd.authority);
                for (name, path) in keys.into_iter().zip([authority, certificate, key]) {
                    self.found.give(name, path, FOUND);
                }
            }
            Err(lack) => self
                .found
                .miss(instead, format!("{what}: {lack}; let jackline's user read it")),
        }
    }

    /// Key, value and place of the token; or in words why there is none.
    fn token(&self) -> Result<(&'static str, String, String), String> {
        const FILE: &str = "supervisor.token-file";
        let Some(supervisor) = &self.layout.supervisor else {
            return Err("there is no supervisor".to_owned());
        };
        let title = self.layout.profile.title();
        if let Some((_, told)) = self.options.first_of(supervisor.tokens) {
            return Ok(("supervisor.token", told.value.clone(), told.from.clone()));
        }
        let mut lack = format!("{title}'s options tell none");
        if let Some((_, told)) = self.options.first_of(supervisor.token_files) {
            match self.readable(&told.value) {
                Ok(()) => return Ok((FILE, told.value.clone(), told.from.clone())),
                Err(words) => lack = format!("{words}, which {} names", told.from),
            }
        }
        for file in supervisor.files {
            let path = self.path(file);
            match self.host.read(&path) {
                Reading::Bytes(_) => return Ok((FILE, path, FOUND.to_owned())),
                Reading::Missing => {}
                Reading::Unreadable(words) => lack = words,
            }
        }
        Err(lack)
    }

    /// A bare secret vouches for no CA.
    fn note_on_token(&mut self, key: &str, word: &str) {
        let text = match key {
            "supervisor.token" => word.to_owned(),
            _ => self.host.read(word).text(word, |_| {}).unwrap_or_default(),
        };
        let is_bare = !(text.trim_start().starts_with("K10") && text.contains("::"));
        if is_bare {
            self.found.notes.push(
                "the token is a bare secret: it vouches for no CA, so supervisors are believed by the cluster's CA file alone"
                    .to_owned(),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use crate::profile::Profile;
    use crate::profile::host::Host;
    use crate::profile::survey::survey;

    fn etcd_on(root: &Path) -> (Vec<(&'static str, String)>, bool) {
        let found = survey(&Host::new(root), Profile::Auto).expect("one distribution");
        let values = found.values.iter().filter(|given| given.key.starts_with("etcd."));
        let misses = found
            .missing
            .iter()
            .any(|missing| missing.words.contains("etcd wants to see"));
        (
            values.map(|given| (given.key, given.word.clone())).collect(),
            misses,
        )
    }

    #[test]
    fn etcd_is_asked_where_there_is_a_member_and_its_files_can_be_read() {
        let dir = tempfile::tempdir().expect("a folder");
        let write = |path: &str| {
            let real = dir.path().join(path);
            fs::create_dir_all(real.parent().expect("a parent")).expect("folders");
            fs::write(real, "").expect("a file");
        };
        write("etc/kubernetes/manifests/kube-apiserver.yaml");
        write("etc/kubernetes/pki/etcd/ca.crt");
        write("etc/kubernetes/pki/etcd/healthcheck-client.crt");
        assert_eq!(etcd_on(dir.path()), (Vec::new(), false), "etcd is elsewhere");
        write("etc/kubernetes/manifests/etcd.yaml");
        assert_eq!(etcd_on(dir.path()), (Vec::new(), true), "a key is missing");
        write("etc/kubernetes/pki/etcd/healthcheck-client.key");
        let wanted = [
            ("etcd.ca-file", "/etc/kubernetes/pki/etcd/ca.crt"),
            (
                "etcd.client-certificate",
                "/etc/kubernetes/pki/etcd/healthcheck-client.crt",
            ),
            (
                "etcd.client-key",
                "/etc/kubernetes/pki/etcd/healthcheck-client.key",
            ),
        ];
        let wanted: Vec<(&str, String)> = wanted.map(|(key, word)| (key, word.to_owned())).into();
        assert_eq!(etcd_on(dir.path()), (wanted, false));
    }
}
