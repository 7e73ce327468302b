//! The few fields of EndpointSlices and Endpoints that tell apiservers, and the set that lists and watch events make of them.
//!
//! Unknown fields are ignored. What is read is read strictly: an entry that cannot be understood spoils the answer,
//! for leaving it out would look like its absence.

use std::collections::BTreeMap;

use jackline_core::Listing;
use serde::Deserialize;

use super::Flavour;
use super::drain::{ANNOTATION, Annotation};
use crate::address::ip_address;
use crate::ask_error::foreign_words;

/// The name of the port that apiservers serve on.
const PORT_NAME: &str = "https";

/// Objects in one set; real clusters have one slice for each address family.
const OBJECTS_MAX: usize = 1_000;

/// Endpoints in one set; the core bounds what it keeps.
const LISTINGS_MAX: usize = 20_000;

/// The endpoints that the cluster tells, by the object that tells them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Membership {
    objects: BTreeMap<String, Vec<Listing>>,
    /// Objects whose addresses have no `https` port.
    portless: usize,
    /// Where a watch goes on from.
    version: String,
}

/// One object, of either kind.
#[derive(Debug, Deserialize)]
pub(super) struct Object {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    metadata: Metadata,
    /// EndpointSlice.
    #[serde(rename = "addressType", default)]
    address_type: String,
    #[serde(default)]
    endpoints: Option<Vec<SliceEndpoint>>,
    #[serde(default)]
    ports: Option<Vec<Port>>,
    /// Endpoints.
    #[serde(default)]
    subsets: Option<Vec<Subset>>,
}

#[derive(Debug, Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    name: String,
    #[serde(rename = "resourceVersion", default)]
    version: String,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
struct List {
    kind: String,
    metadata: Metadata,
    items: Option<Vec<Object>>,
}

#[derive(Debug, Deserialize)]
struct SliceEndpoint {
    addresses: Vec<String>,
    #[serde(default)]
    zone: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Port {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    port: Option<u16>,
}

#[derive(Debug, Deserialize)]
struct Subset {
    /// Ready or not: whether it serves is for our probes to find out.
    #[serde(default)]
    addresses: Option<Vec<EndpointAddress>>,
    #[serde(rename = "notReadyAddresses", default)]
    not_ready: Option<Vec<EndpointAddress>>,
    #[serde(default)]
    ports: Option<Vec<Port>>,
}

#[derive(Debug, Deserialize)]
struct EndpointAddress {
    ip: String,
}

impl List {
    /// Its resourceVersion, if it is a list of this kind.
    fn checked(&self, kind: &str) -> Result<String, String> {
        is_kind(kind, &self.kind)?;
        usable(&self.metadata.version)
    }
}

impl Object {
    /// The fleet's drain as this Endpoints object tells it.
    pub(super) fn annotation(&self) -> Annotation {
        let annotations = self.metadata.annotations.as_ref();
        let text = annotations.and_then(|annotations| annotations.get(ANNOTATION));
        Annotation::read(text.map(String::as_str))
    }

    /// Whether it is the one that every apiserver keeps.
    pub(super) fn is_kubernetes(&self) -> bool {
        self.metadata.name == "kubernetes"
    }
}

/// The Endpoints object `kubernetes` of a list of at most one, and the list's version.
pub(super) fn one_of_list(body: &[u8]) -> Result<(Option<Object>, String), String> {
    let list: List = parse(body)?;
    let version = list.checked("EndpointsList")?;
    let mut items = list.items.unwrap_or_default();
    if items.len() > 1 || items.iter().any(|object| !object.is_kubernetes()) {
        return Err("it lists other Endpoints than kubernetes".to_owned());
    }
    Ok((items.pop(), version))
}

/// The Endpoints object of a GET by name, and its version.
pub(super) fn single(body: &[u8]) -> Result<(Option<Object>, String), String> {
    let object: Object = parse(body)?;
    is_kind("Endpoints", &object.kind)?;
    if !object.is_kubernetes() {
        return Err("it is another object than kubernetes".to_owned());
    }
    let version = usable(&object.metadata.version)?;
    Ok((Some(object), version))
}

fn is_kind(wanted: &str, got: &str) -> Result<(), String> {
    match got == wanted {
        true => Ok(()),
        false => Err(format!(
            "{wanted} was asked for, it is a {:?}",
            foreign_words(got)
        )),
    }
}

/// A resourceVersion goes into a request line: nothing but what Kubernetes itself writes there.
fn usable(version: &str) -> Result<String, String> {
    let plain = (1..=32).contains(&version.len()) && version.bytes().all(|byte| byte.is_ascii_digit());
    match plain {
        true => Ok(version.to_owned()),
        false => Err("it has no usable resourceVersion".to_owned()),
    }
}

impl Membership {
    /// Reads the body of a list of slices.
    ///
    /// # Errors
    /// In words: it is something else, or beyond the bounds.
    pub(super) fn from_slices(body: &[u8]) -> Result<Self, String> {
        let list: List = parse(body)?;
        let mut membership = Self {
            version: list.checked("EndpointSliceList")?,
            ..Self::default()
        };
        for object in list.items.unwrap_or_default() {
            membership.put(Flavour::Slices, &object)?;
        }
        Ok(membership)
    }

    /// What the Endpoints object tells; without one, nothing.
    pub(super) fn from_endpoints(object: Option<&Object>, version: String) -> Result<Self, String> {
        let mut membership = Self {
            version,
            ..Self::default()
        };
        if let Some(object) = object {
            membership.put(Flavour::Endpoints, object)?;
        }
        Ok(membership)
    }

    /// An object was added or changed.
    pub(super) fn put(&mut self, flavour: Flavour, object: &Object) -> Result<(), String> {
        let name = &object.metadata.name;
        if name.is_empty() {
            return Err("an object has no name".to_owned());
        }
        let listings = match flavour {
            Flavour::Slices => slice_listings(object)?,
            Flavour::Endpoints => endpoints_listings(object)?,
            Flavour::Drain => return Ok(()),
        };
        let Some(listings) = listings else {
            self.portless += 1;
            self.objects.remove(name);
            return Ok(());
        };
        self.objects.insert(name.clone(), listings);
        let count: usize = self.objects.values().map(Vec::len).sum();
        if self.objects.len() > OBJECTS_MAX || count > LISTINGS_MAX {
            return Err(format!(
                "more than {LISTINGS_MAX} endpoints or {OBJECTS_MAX} objects: no control plane is so large"
            ));
        }
        Ok(())
    }

    /// An object was deleted.
    pub(super) fn remove(&mut self, object: &Object) {
        self.objects.remove(&object.metadata.name);
    }

    /// All endpoints, each once.
    pub(super) fn listings(&self) -> Vec<Listing> {
        let mut all: Vec<Listing> = self.objects.values().flatten().cloned().collect();
        // One with a zone sorts after the same one without and is the better of the two.
        all.sort_unstable();
        all.reverse();
        all.dedup_by(|a, b| (a.ip, a.port) == (b.ip, b.port));
        all.reverse();
        all
    }

    pub(super) fn is_empty(&self) -> bool {
        self.objects.values().all(Vec::is_empty)
    }

    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// What people should know of it.
    pub(super) fn remark(&self) -> Option<String> {
        (self.portless > 0).then(|| {
            format!(
                "{} objects were left out: their addresses have no port named {PORT_NAME}",
                self.portless
            )
        })
    }
}

/// A slice's endpoints; `None`: it has addresses but no such port.
fn slice_listings(object: &Object) -> Result<Option<Vec<Listing>>, String> {
    let family = match object.address_type.as_str() {
        "IPv4" | "IPv6" => object.address_type.as_str(),
        // Names are nobody's address; the apiservers write none.
        "FQDN" => return Ok(Some(Vec::new())),
        other => return Err(format!("a slice has addressType {:?}", foreign_words(other))),
    };
    let endpoints = object.endpoints.as_deref().unwrap_or_default();
    let ports = https_ports(object.ports.as_deref());
    if ports.is_empty() && endpoints.iter().any(|endpoint| !endpoint.addresses.is_empty()) {
        return Ok(None);
    }
    let mut listings = Vec::new();
    for endpoint in endpoints {
        for text in &endpoint.addresses {
            let ip = ip_address(text)
                .filter(|ip| ip.is_ipv4() == (family == "IPv4"))
                .ok_or_else(|| format!("{:?} is no {family} address", foreign_words(text)))?;
            let zone = endpoint.zone.clone().filter(|zone| !zone.is_empty());
            listings.extend(ports.iter().map(|port| Listing {
                ip,
                port: Some(*port),
                zone: zone.clone(),
            }));
        }
    }
    Ok(Some(listings))
}

/// The older object's endpoints; `None`: it has addresses but no such port.
fn endpoints_listings(object: &Object) -> Result<Option<Vec<Listing>>, String> {
    let mut listings = Vec::new();
    let mut portless = false;
    for subset in object.subsets.as_deref().unwrap_or_default() {
        let ports = https_ports(subset.ports.as_deref());
        for address in subset.addresses.iter().chain(&subset.not_ready).flatten() {
            let ip = ip_address(&address.ip)
                .ok_or_else(|| format!("{:?} is no address", foreign_words(&address.ip)))?;
            portless |= ports.is_empty();
            listings.extend(ports.iter().map(|port| Listing {
                ip,
                port: Some(*port),
                zone: None,
            }));
        }
    }
    Ok((!portless || !listings.is_empty()).then_some(listings))
}

fn https_ports(ports: Option<&[Port]>) -> Vec<u16> {
    let named = ports
        .unwrap_or_default()
        .iter()
        .filter(|port| port.name.as_deref() == Some(PORT_NAME));
    named
        .filter_map(|port| port.port)
        .filter(|port| *port != 0)
        .collect()
}

/// Reads JSON; an error says where it stands.
pub(super) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| foreign_words(&error.to_string()))
}

#[cfg(test)]
mod tests;
