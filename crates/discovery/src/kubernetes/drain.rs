//! The drain for the whole fleet: the annotation `jackline.dev/drain` on the Endpoints object `default/kubernetes`.
//!
//! `10.0.0.1, [fd00::1]:6443;until=2026-01-31T22:00:00Z`: servers by address, each with or without a port, and a time at
//! which it ends by itself. Strict: what cannot be understood is no drain and no end of one, and is told in `status`.
//! The end is an operator's wall-clock time; the core is told how long it is until then.

use std::net::IpAddr;
use std::time::Duration;

use jackline_core::FleetDrain;
use jackline_core::administration::FLEET_DRAINS_MAX;
use jiff::Timestamp;

use crate::address::{ip_address, socket_address};
use crate::ask_error::foreign_words;

/// The annotation's name.
pub(super) const ANNOTATION: &str = "jackline.dev/drain";

/// The longest annotation that is read.
const TEXT_MAX: usize = 8 * 1024;

/// The annotation as it stood: absent, understood, or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Annotation {
    read: Result<Drain, String>,
}

/// What the annotation asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Drain {
    servers: Vec<(IpAddr, Option<u16>)>,
    until: Option<Timestamp>,
}

impl Annotation {
    /// Reads the annotation's value; absent, nobody is drained.
    pub(super) fn read(text: Option<&str>) -> Self {
        Self {
            read: text.map_or(Ok(Drain::default()), Drain::parse),
        }
    }

    /// Who is drained at `now`; `None`: it cannot be understood.
    pub(super) fn draining(&self, now: Timestamp) -> Option<Vec<FleetDrain>> {
        let drain = self.read.as_ref().ok()?;
        let lasts = match drain.until {
            Some(until) => match Duration::try_from(until.duration_since(now)) {
                Ok(left) if !left.is_zero() => Some(left),
                // It is over.
                _ => return Some(Vec::new()),
            },
            None => None,
        };
        let servers = drain.servers.iter();
        Some(
            servers
                .map(|&(ip, port)| FleetDrain { ip, port, lasts })
                .collect(),
        )
    }

    /// What people should know of it.
    pub(super) fn remark(&self) -> Option<String> {
        let fault = self.read.as_ref().err()?;
        Some(format!(
            "the annotation {ANNOTATION} is not heeded: {fault}; write it like \"10.0.0.1,10.0.0.2:6443;until=2026-01-31T22:00:00Z\""
        ))
    }
}

impl Drain {
    fn parse(text: &str) -> Result<Self, String> {
        if text.len() > TEXT_MAX {
            return Err(format!("it is longer than {} KiB", TEXT_MAX / 1024));
        }
        let (servers, end) = match text.split_once(';') {
            Some((servers, end)) => (servers, Some(end.trim())),
            None => (text, None),
        };
        let until = match end {
            None => None,
            Some(end) => {
                let time = end
                    .strip_prefix("until=")
                    .ok_or_else(|| format!("{:?} is not until=TIME", foreign_words(end)))?;
                let wrong = |_| format!("{:?} is no RFC 3339 time", foreign_words(time));
                Some(time.parse().map_err(wrong)?)
            }
        };
        if servers.trim().is_empty() && until.is_none() {
            return Ok(Self::default());
        }
        let servers: Vec<_> = servers
            .split(',')
            .map(|text| server(text.trim()))
            .collect::<Result<_, _>>()?;
        if servers.len() > FLEET_DRAINS_MAX {
            return Err(format!("it names more than {FLEET_DRAINS_MAX} servers"));
        }
        Ok(Self { servers, until })
    }
}

fn server(text: &str) -> Result<(IpAddr, Option<u16>), String> {
    let address = socket_address(text).map(|address| (address.ip(), Some(address.port())));
    address
        .or_else(|| ip_address(text).map(|ip| (ip, None)))
        .ok_or_else(|| format!("{:?} is neither IP nor IP:PORT", foreign_words(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-01-31T20:00:00Z".parse().expect("a time")
    }

    /// Who is drained, as text.
    fn told(text: &str) -> Option<Vec<String>> {
        let one = |drain: FleetDrain| {
            let port = drain.port.map_or(String::new(), |port| format!("|{port}"));
            let lasts = drain
                .lasts
                .map_or(String::new(), |lasts| format!(" for {lasts:?}"));
            format!("{}{port}{lasts}", drain.ip)
        };
        let drains = Annotation::read(Some(text)).draining(now())?;
        Some(drains.into_iter().map(one).collect())
    }

    #[test]
    fn servers_are_named_by_address_with_or_without_a_port_and_an_end() {
        let list = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(told("10.0.0.1"), list(&["10.0.0.1"]));
        assert_eq!(
            told(" 10.0.0.1 ,10.0.0.2:6443, fd00::1,[fd00::2]:6443 "),
            list(&["10.0.0.1", "10.0.0.2|6443", "fd00::1", "fd00::2|6443"])
        );
        assert_eq!(
            told("10.0.0.1;until=2026-01-31T22:00:00Z"),
            list(&["10.0.0.1 for 7200s"])
        );
        assert_eq!(
            told("10.0.0.1; until=2026-01-31T22:00:00+01:00"),
            list(&["10.0.0.1 for 3600s"])
        );
        assert_eq!(told(""), list(&[]));
        assert_eq!(told("10.0.0.1;until=2026-01-31T19:59:59Z"), list(&[]), "over");
        assert_eq!(Annotation::read(None).draining(now()), Some(vec![]));
    }

    #[test]
    fn what_cannot_be_understood_says_nothing_and_is_told() {
        let many = vec!["10.0.0.1"; FLEET_DRAINS_MAX + 1].join(",");
        let long = "1".repeat(TEXT_MAX + 1);
        for bad in [
            "cp-1",
            "10.0.0.1,",
            ",",
            "10.0.0.1:0",
            "10.0.0.1:70000",
            "10.0.0.999",
            "0.0.0.0",
            "10.0.0.1;",
            "10.0.0.1;until=",
            "10.0.0.1;until=tomorrow",
            "10.0.0.1;until=2026-01-31",
            "10.0.0.1;until=2026-01-31T22:00:00",
            "10.0.0.1;until=2026-01-31T22:00:00Z;x=y",
            "10.0.0.1;reason=upgrade",
            ";until=2026-01-31T22:00:00Z",
            many.as_str(),
            long.as_str(),
        ] {
            let annotation = Annotation::read(Some(bad));
            assert_eq!(annotation.draining(now()), None, "{bad}");
            let remark = annotation.remark().expect("told");
            assert!(remark.contains("write it like") && remark.len() < 600, "{remark}");
        }
        assert_eq!(Annotation::read(Some("10.0.0.1")).remark(), None);
    }
}
