//! The kernel's tables, and small files of the system: routes, devices, tracked connections, name servers, time, firewalls.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::doctor::facts::{Facts, Route};
use crate::profile::host::{Host, Reading};

/// So many routes of a family are read: a node with the routes of every other node has thousands.
const ROUTES_MAX: usize = 8192;
/// The flag of a route that refuses (`RTF_REJECT`).
const REJECT: u32 = 0x0200;
/// The flag of one that is up (`RTF_UP`).
const UP: u32 = 0x0001;

/// Files that are there where a time service is at work.
const TIMEKEEPERS: [&str; 7] = [
    "/run/systemd/timesync/synchronized",
    "/run/chrony/chronyd.pid",
    "/run/chronyd.pid",
    "/var/run/chrony/chronyd.pid",
    "/run/chrony/chronyd.sock",
    "/run/ntpd.pid",
    "/run/openntpd.pid",
];

/// Looks at all of them.
pub(super) fn look(host: &Host, facts: &mut Facts) {
    facts.routes = routes(host);
    facts.links = links(host);
    facts.conntrack = conntrack(host);
    facts.name_servers = text(host, "/etc/resolv.conf").map(|text| name_servers(&text));
    // A folder of files, as of an image, has no services running.
    if host.is_there("/run") == Ok(true) {
        let kept = TIMEKEEPERS.iter().any(|path| host.is_there(path) == Ok(true));
        facts.clock_is_kept = Some(kept);
    }
    firewalls(host, facts);
    if facts.routes.is_none() {
        facts
            .unseen
            .push(("routes", "there is no /proc/net/route".to_owned()));
    }
}

fn text(host: &Host, path: &str) -> Option<String> {
    match host.read(path) {
        Reading::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Reading::Missing | Reading::Unreadable(_) => None,
    }
}

fn routes(host: &Host) -> Option<Vec<Route>> {
    let four = text(host, "/proc/net/route")?;
    let six = text(host, "/proc/net/ipv6_route").unwrap_or_default();
    let mut routes: Vec<Route> = four
        .lines()
        .skip(1)
        .filter_map(four_route)
        .take(ROUTES_MAX)
        .collect();
    routes.extend(six.lines().filter_map(six_route).take(ROUTES_MAX));
    Some(routes)
}

/// `Iface Destination Gateway Flags RefCnt Use Metric Mask …`, addresses as hexadecimal words of this machine.
fn four_route(line: &str) -> Option<Route> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [device, network, _, flags, _, _, _, mask, ..] = fields.as_slice() else {
        return None;
    };
    let word = |text: &str| u32::from_str_radix(text, 16).ok().map(u32::from_be);
    let flags = u32::from_str_radix(flags, 16).ok()?;
    let bits = word(mask)?.leading_ones();
    (flags & UP != 0).then_some(Route {
        network: IpAddr::V4(Ipv4Addr::from_bits(word(network)?)),
        bits: u8::try_from(bits).ok()?,
        device: (*device).to_owned(),
        rejects: flags & REJECT != 0,
    })
}

/// `destination bits source bits next-hop metric refcnt use flags device`, all hexadecimal.
fn six_route(line: &str) -> Option<Route> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [network, bits, _, _, _, _, _, _, flags, device] = fields.as_slice() else {
        return None;
    };
    let flags = u32::from_str_radix(flags, 16).ok()?;
    (flags & UP != 0 || flags & REJECT != 0).then_some(Route {
        network: IpAddr::V6(Ipv6Addr::from_bits(u128::from_str_radix(network, 16).ok()?)),
        bits: u8::from_str_radix(bits, 16).ok()?,
        device: (*device).to_owned(),
        rejects: flags & REJECT != 0,
    })
}

fn links(host: &Host) -> BTreeMap<String, u32> {
    let names = host.names("/sys/class/net").unwrap_or_default();
    let mtu = |name: String| {
        let mtu = text(host, &format!("/sys/class/net/{name}/mtu"))?
            .trim()
            .parse()
            .ok()?;
        Some((name, mtu))
    };
    names.into_iter().filter_map(mtu).collect()
}

fn conntrack(host: &Host) -> Option<(u64, u64)> {
    let number = |name: &str| {
        let path = format!("/proc/sys/net/netfilter/{name}");
        text(host, &path)?.trim().parse().ok()
    };
    Some((number("nf_conntrack_count")?, number("nf_conntrack_max")?))
}

fn name_servers(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("nameserver"))
        .map(|rest| rest.trim().to_owned())
        .filter(|server| !server.is_empty())
        .collect()
}

fn firewalls(host: &Host, facts: &mut Facts) {
    let ufw = "/etc/ufw/ufw.conf";
    let on = text(host, ufw).is_some_and(|text| {
        let mut lines = text.lines().map(str::trim);
        lines.any(|line| line.eq_ignore_ascii_case("ENABLED=yes"))
    });
    if on {
        facts.firewalls.push(("ufw".to_owned(), ufw.to_owned()));
    }
    let firewalld = "/etc/systemd/system/multi-user.target.wants/firewalld.service";
    if host.is_there(firewalld) == Ok(true) {
        facts
            .firewalls
            .push(("firewalld".to_owned(), firewalld.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::{four_route, name_servers, six_route};

    #[test]
    fn routes_are_read_as_the_kernel_writes_them() {
        let header = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT";
        assert_eq!(four_route(header), None);
        let default =
            four_route("eth0\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0").expect("a route");
        assert_eq!(
            (default.bits, default.device.as_str(), default.rejects),
            (0, "eth0", false)
        );
        let net = four_route("eth0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0").expect("a route");
        assert_eq!((net.network.to_string(), net.bits), ("10.0.0.0".to_owned(), 24));
        let none = six_route(
            "00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo",
        )
        .expect("a route");
        assert_eq!((none.bits, none.rejects), (0, true));
        let net = six_route(
            "fd000000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0",
        )
        .expect("a route");
        assert_eq!((net.network.to_string(), net.bits), ("fd00::".to_owned(), 64));
        for bad in ["", "x", "eth0 zz 0 0 0 0 0 zz"] {
            assert_eq!((four_route(bad), six_route(bad)), (None, None));
        }
    }

    #[test]
    fn name_servers_are_the_lines_that_say_so() {
        assert_eq!(
            name_servers("# nameserver 1.1.1.1\nsearch x\nnameserver 10.0.0.53\nnameserver\n"),
            ["10.0.0.53"]
        );
    }
}
