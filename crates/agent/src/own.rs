//! Keeps forwarding loops out of the core (design §5): endpoints that are ourselves, and loopback endpoints that nobody
//! configured by hand, which may be another balancer that forwards to us. What is left out is told in the report's note.

use std::net::{IpAddr, SocketAddr};

use jackline_core::{Event, Listing, Record, Report, SourceId, SourceKind, SourceSpec};

/// What may come in.
#[derive(Clone, Debug)]
pub(crate) struct Admission {
    listen: Vec<SocketAddr>,
    own: Option<IpAddr>,
    allow_loopback: bool,
    by_hand: Vec<SourceId>,
    names_by_hand: Vec<String>,
}

impl Admission {
    /// `listen` are our own listeners, `own` is the node's address.
    pub(crate) fn new(
        listen: &[SocketAddr],
        own: Option<IpAddr>,
        allow_loopback: bool,
        sources: &[SourceSpec],
    ) -> Self {
        let by_hand = |spec: &SourceSpec| matches!(spec.kind, SourceKind::Static | SourceKind::Registration);
        let ids = (0..=u16::MAX)
            .map(SourceId)
            .zip(sources)
            .filter(|(_, spec)| by_hand(spec));
        Self {
            listen: listen.to_vec(),
            own,
            allow_loopback,
            by_hand: ids.map(|(id, _)| id).collect(),
            names_by_hand: sources
                .iter()
                .filter(|spec| by_hand(spec))
                .map(|spec| spec.name.clone())
                .collect(),
        }
    }

    /// `event` without what must not come in.
    pub(crate) fn admit(&self, mut event: Event) -> Event {
        match &mut event {
            Event::SourceReported { source, report, .. } => self.clean(self.by_hand.contains(source), report),
            Event::MembershipRestored { records, .. } => {
                records.retain(|record| self.may_be_remembered(record))
            }
            _ => {}
        }
        event
    }

    fn clean(&self, by_hand: bool, report: &mut Report) {
        const SHOWN_MAX: usize = 3;
        let mut left_out = Vec::new();
        report.endpoints.retain(|listing| {
            let why = self.objection(by_hand, listing);
            left_out.extend(why.map(|why| format!("{} ({why})", listing.ip)));
            why.is_none()
        });
        if left_out.is_empty() {
            return;
        }
        let more = left_out.len().saturating_sub(SHOWN_MAX);
        left_out.truncate(SHOWN_MAX);
        let more = if more == 0 {
            String::new()
        } else {
            format!(" and {more} more")
        };
        let gap = if report.note.is_empty() { "" } else { "; " };
        report
            .note
            .push_str(&format!("{gap}left out: {}{more}", left_out.join(", ")));
    }

    fn objection(&self, by_hand: bool, listing: &Listing) -> Option<&'static str> {
        let ip = listing.ip.to_canonical();
        if listing.port.is_some_and(|port| self.is_ours(ip, port)) {
            return Some("one of our own listeners");
        }
        let loopback = ip.is_loopback() || ip.is_unspecified();
        (loopback && !by_hand && !self.allow_loopback)
            .then_some("loopback, maybe a balancer that forwards to us; allow-loopback-upstreams lets it in")
    }

    fn is_ours(&self, ip: IpAddr, port: u16) -> bool {
        self.listen.iter().any(|listener| {
            let at = listener.ip().to_canonical();
            let everywhere = at.is_unspecified() && (ip.is_loopback() || Some(ip) == self.own);
            listener.port() == port && (at == ip || everywhere || ip.is_unspecified())
        })
    }

    fn may_be_remembered(&self, record: &Record) -> bool {
        let by_hand = record
            .seen_by
            .iter()
            .any(|name| self.names_by_hand.contains(name));
        self.objection(by_hand, &Listing::from(record.address)).is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use jackline_core::{Event, Listing, Record, RefreshId, Report, SourceId, SourceKind, SourceSpec};

    use super::Admission;

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    fn admission(listen: &[&str], allow: bool) -> Admission {
        let listen: Vec<SocketAddr> = listen.iter().map(|text| address(text)).collect();
        let spec = |name: &str, kind| SourceSpec {
            name: name.into(),
            kind,
        };
        let sources = [
            spec("registration", SourceKind::Registration),
            spec("kubernetes", SourceKind::Kubernetes),
        ];
        Admission::new(&listen, Some(address("10.0.0.5:1").ip()), allow, &sources)
    }

    /// What `admission` leaves of a report of source `source`, and the note.
    fn admitted(admission: &Admission, source: u16, listed: &[&str]) -> (Vec<String>, String) {
        let endpoints = listed.iter().map(|text| Listing::from(address(text))).collect();
        let report = Report {
            endpoints,
            note: "polled".into(),
            ..Report::default()
        };
        let event = Event::SourceReported {
            source: SourceId(source),
            refresh: RefreshId(1),
            position: 0,
            report,
        };
        let Event::SourceReported { report, .. } = admission.admit(event) else {
            panic!("another event")
        };
        let left = report
            .endpoints
            .iter()
            .map(|listing| format!("{}:{}", listing.ip, listing.port.expect("a port")));
        (left.collect(), report.note)
    }

    #[test]
    fn discovered_loopback_endpoints_stay_out_and_configured_ones_come_in() {
        let admission = admission(&["127.0.0.1:6440"], false);
        let listed = [
            "127.0.0.2:6443",
            "10.0.0.1:6443",
            "[::1]:6443",
            "[::ffff:127.0.0.3]:6443",
        ];
        let (left, note) = admitted(&admission, 1, &listed);
        assert_eq!(left, ["10.0.0.1:6443"]);
        assert!(
            note.starts_with("polled; left out: 127.0.0.2 (loopback"),
            "{note}"
        );
        assert!(note.contains("allow-loopback-upstreams"), "{note}");
        let (left, note) = admitted(&admission, 0, &listed);
        assert_eq!((left.len(), note.as_str()), (4, "polled"), "by hand");
        let (left, _) = admitted(&self::admission(&["127.0.0.1:6440"], true), 1, &listed);
        assert_eq!(left.len(), 4, "allowed");
    }

    #[test]
    fn our_own_listeners_never_come_in() {
        let (left, note) = admitted(
            &admission(&["127.0.0.1:6440"], true),
            0,
            &["127.0.0.1:6440", "127.0.0.1:6443"],
        );
        assert_eq!(left, ["127.0.0.1:6443"]);
        assert!(note.contains("one of our own listeners"), "{note}");
        let everywhere = admission(&["0.0.0.0:6443"], true);
        let (left, _) = admitted(
            &everywhere,
            0,
            &["127.0.0.9:6443", "10.0.0.5:6443", "10.0.0.6:6443"],
        );
        assert_eq!(
            left,
            ["10.0.0.6:6443"],
            "a listener on every address has loopback and the node's own"
        );
    }

    #[test]
    fn a_remembered_loopback_endpoint_comes_in_only_if_it_was_configured() {
        let record = |last: &str, seen_by: &str| Record {
            address: address(last),
            archived: false,
            seen_by: vec![seen_by.into()],
            node: None,
            zone: None,
            unlisted_for: None,
            node_gone_for: None,
            archived_for: None,
            last_seen: None,
            last_ready: None,
        };
        let records = vec![
            record("127.0.0.2:6443", "registration"),
            record("127.0.0.3:6443", "kubernetes"),
            record("127.0.0.1:6440", "registration"),
            record("10.0.0.1:6443", "kubernetes"),
        ];
        let event = Event::MembershipRestored {
            records,
            trusted: true,
        };
        let Event::MembershipRestored { records, .. } = admission(&["127.0.0.1:6440"], false).admit(event)
        else {
            panic!("another event")
        };
        let left: Vec<String> = records.iter().map(|record| record.address.to_string()).collect();
        assert_eq!(left, ["127.0.0.2:6443", "10.0.0.1:6443"]);
    }
}
