//! State files of K3s's and RKE2's own balancer, read and never written (P4). They add, never take away (M6).
//!
//! The files are not written atomically and carry neither time nor cluster: a torn one is an ordinary sight.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use jackline_core::{Listing, Mode, Report, SourceFailure};
use serde::Deserialize;

use crate::address::socket_address;
use crate::ask_error::foreign_words;
use crate::config::{ImportConfig, RegistrationAddress};
use crate::refresh::{Voice, failure};

/// The largest file: real ones have some hundred bytes.
const FILE_MAX: usize = 1024 * 1024;

/// So many files are read.
const FILES_MAX: usize = 16;

/// Where RKE2's supervisors listen: the address is an apiserver's, the port is not (M7).
const RKE2_SUPERVISOR_PORT: u16 = 9345;

/// Where etcd listens: says nothing about an apiserver.
const ETCD_PORT: u16 = 2379;

/// The source.
pub(crate) struct Import {
    files: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct StateFile {
    #[serde(rename = "ServerURL", default)]
    server_url: String,
    #[serde(rename = "ServerAddresses", default)]
    server_addresses: Option<Vec<String>>,
}

impl Import {
    pub(crate) fn new(config: ImportConfig) -> Self {
        Self {
            files: config.files.into_iter().take(FILES_MAX).collect(),
        }
    }

    pub(crate) async fn ask(&self, voice: &Voice) -> Result<(), SourceFailure> {
        let files = self.files.clone();
        let read = move || files.iter().map(|path| read_file(path)).collect::<Vec<_>>();
        let results = tokio::task::spawn_blocking(read)
            .await
            .map_err(|_| failure("the files could not be read: the task died".to_owned()))?;
        let mut endpoints = Vec::new();
        let mut complaints = Vec::new();
        let mut any = false;
        for result in results {
            match result {
                Ok(listings) => {
                    any = true;
                    endpoints.extend(listings);
                }
                Err(complaint) => complaints.push(complaint),
            }
        }
        if !any {
            complaints.push("no file told anything; correct import, or remove it".to_owned());
            return Err(failure(complaints.join("; ")));
        }
        endpoints.sort_unstable();
        endpoints.dedup();
        voice.report(Report {
            endpoints,
            mode: Mode::Poll,
            note: complaints.join("; "),
            ..Report::default()
        });
        Ok(())
    }
}

fn read_file(path: &Path) -> Result<Vec<Listing>, String> {
    let bytes = jackline_trust::read_file(path, FILE_MAX).map_err(|error| error.to_string())?;
    read_state(&bytes).map_err(|what| format!("{}: {what}", path.display()))
}

/// What a state file of K3s's or RKE2's own balancer holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BalancerState {
    /// The address that the balancer falls back to, as it is written; empty: none.
    pub server_url: String,
    /// The servers that it knows.
    pub addresses: Vec<SocketAddr>,
    /// Entries that are no addresses.
    pub odd: Vec<String>,
}

/// Reads a state file of K3s's or RKE2's own balancer, of any age of the format.
///
/// # Errors
/// In words, where it is torn, empty, or another file.
pub fn read_balancer_state(bytes: &[u8]) -> Result<BalancerState, String> {
    if bytes.is_empty() {
        return Err("empty, perhaps just being written".to_owned());
    }
    // An array would be taken for the fields in their order.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err("no balancer state of K3s or RKE2: not a JSON object".to_owned());
    }
    let state: StateFile = serde_json::from_slice(bytes).map_err(|error| {
        let place = foreign_words(&error.to_string());
        if error.is_eof() {
            format!("cut off, perhaps just being written ({place})")
        } else {
            format!("no balancer state of K3s or RKE2 ({place})")
        }
    })?;
    let entries = state.server_addresses.unwrap_or_default();
    if entries.is_empty() && state.server_url.is_empty() {
        return Err("names no server".to_owned());
    }
    let mut read = BalancerState {
        server_url: foreign_words(&state.server_url),
        ..BalancerState::default()
    };
    for entry in entries {
        match socket_address(&entry) {
            Some(address) => read.addresses.push(address),
            None => read.odd.push(foreign_words(&entry)),
        }
    }
    Ok(read)
}

fn read_state(bytes: &[u8]) -> Result<Vec<Listing>, String> {
    let state = read_balancer_state(bytes)?;
    // The URL's host may be a name: then it is the registration source's to resolve.
    let registration = state
        .server_url
        .parse::<RegistrationAddress>()
        .ok()
        .and_then(|url| url.address());
    Ok(registration
        .into_iter()
        .chain(state.addresses)
        .filter_map(listing)
        .collect())
}

fn listing(address: SocketAddr) -> Option<Listing> {
    match address.port() {
        ETCD_PORT => None,
        RKE2_SUPERVISOR_PORT => Some(Listing {
            ip: address.ip(),
            port: None,
            zone: None,
        }),
        _ => Some(address.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(json: &str) -> Vec<String> {
        let listings = read_state(json.as_bytes()).expect("a state file");
        let port = |listing: &Listing| listing.port.map(|port| format!(":{port}")).unwrap_or_default();
        listings
            .iter()
            .map(|listing| format!("{}{}", listing.ip, port(listing)))
            .collect()
    }

    #[test]
    fn both_ages_of_the_format_are_read() {
        let new =
            r#"{"ServerURL":"https://10.0.0.1:6443","ServerAddresses":["10.0.0.2:6443","[fd00::3]:6443"]}"#;
        assert_eq!(told(new), ["10.0.0.1:6443", "10.0.0.2:6443", "fd00::3:6443"]);
        let old = r#"{"ServerURL":"https://cluster.example:6443","ServerAddresses":["10.0.0.2:6443"],"Listener":null}"#;
        assert_eq!(told(old), ["10.0.0.2:6443"]);
        assert_eq!(
            told(r#"{"ServerURL":"https://10.0.0.1:6443","ServerAddresses":null}"#),
            ["10.0.0.1:6443"]
        );
    }

    #[test]
    fn a_supervisors_port_is_not_taken_for_an_apiservers() {
        let rke2 =
            r#"{"ServerURL":"https://10.0.0.1:9345","ServerAddresses":["10.0.0.2:9345","10.0.0.3:2379"]}"#;
        assert_eq!(told(rke2), ["10.0.0.1", "10.0.0.2"]);
    }

    #[test]
    fn torn_and_foreign_files_are_told_apart() {
        let refuse = |text: &[u8]| read_state(text).expect_err("no state");
        assert!(refuse(b"").contains("just being written"));
        assert!(refuse(br#"{"ServerURL":"https://10.0.0.1:6443","Serv"#).contains("cut off"));
        assert!(refuse(b"[]").contains("no balancer state"));
        assert!(refuse(b"\0\0\0\0").contains("no balancer state"));
        assert!(refuse(b"{}").contains("names no server"));
        assert!(refuse(br#"{"ServerURL":1}"#).contains("no balancer state"));
    }
}
