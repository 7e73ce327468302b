//! Listeners, from `/proc/net/tcp` and `/proc/net/tcp6`, and the processes that have them, which only root sees.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::doctor::facts::{Facts, Listener};
use crate::profile::host::Host;

/// So much of a table is read: a hundred thousand sockets.
const TABLE_MAX: u64 = 16 << 20;
/// So many processes are looked at, and so many descriptors of each.
const PROCESSES_MAX: usize = 8192;
/// See [`PROCESSES_MAX`].
const DESCRIPTORS_MAX: usize = 4096;
/// The state of a socket that listens, as the kernel writes it.
const LISTENS: &str = "0A";

/// Looks at both tables.
pub(super) fn look(host: &Host, facts: &mut Facts) {
    let (Some(four), six) = (table(host, "/proc/net/tcp"), table(host, "/proc/net/tcp6")) else {
        facts
            .unseen
            .push(("shared-listener", "there is no /proc/net/tcp".to_owned()));
        return;
    };
    let six = six.unwrap_or_default();
    let lines = four.lines().chain(six.lines());
    facts.listeners = lines.filter_map(listener).collect();
    let owners = owners(host, &facts.listeners);
    for listener in &mut facts.listeners {
        listener.process = owners.get(&listener.inode).cloned();
    }
    if !facts.listeners.is_empty() && owners.is_empty() {
        let why = "whose the sockets are is seen by root alone; run it as root";
        facts.unseen.push(("shared-listener", why.to_owned()));
    }
}

fn table(host: &Host, path: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let file = File::open(host.resolve(path).ok()?).ok()?;
    file.take(TABLE_MAX).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …`
fn listener(line: &str) -> Option<Listener> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [_, local, _, LISTENS, _, _, _, _, _, inode, ..] = fields.as_slice() else {
        return None;
    };
    let (ip, port) = local.split_once(':')?;
    Some(Listener {
        address: SocketAddr::new(address(ip)?, u16::from_str_radix(port, 16).ok()?),
        inode: inode.parse().ok()?,
        process: None,
    })
}

/// Words of 32 bits in this machine's order, each of an address in the network's.
fn address(text: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let digits = text.get(at * 8..at * 8 + 8)?;
        u32::from_str_radix(digits, 16).ok().map(u32::from_be)
    };
    match text.len() {
        8 => Some(Ipv4Addr::from_bits(word(0)?).into()),
        32 => {
            let mut bits = 0_u128;
            for at in 0..4 {
                bits = bits << 32 | u128::from(word(at)?);
            }
            Some(Ipv6Addr::from_bits(bits).into())
        }
        _ => None,
    }
}

/// The processes that have these sockets, by the sockets' numbers.
fn owners(host: &Host, listeners: &[Listener]) -> BTreeMap<u64, (u32, String)> {
    let mut owners = BTreeMap::new();
    let Ok(entries) = host.resolve("/proc").and_then(fs::read_dir) else {
        return owners;
    };
    for entry in entries.flatten().take(PROCESSES_MAX) {
        let Some(id) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        let Ok(descriptors) = fs::read_dir(entry.path().join("fd")) else {
            continue;
        };
        for descriptor in descriptors.flatten().take(DESCRIPTORS_MAX) {
            let Ok(target) = fs::read_link(descriptor.path()) else {
                continue;
            };
            let target = target.to_string_lossy();
            let inode = target
                .strip_prefix("socket:[")
                .and_then(|rest| rest.strip_suffix(']'))
                .and_then(|inode| inode.parse::<u64>().ok());
            let Some(inode) = inode.filter(|inode| listeners.iter().any(|one| one.inode == *inode)) else {
                continue;
            };
            owners.entry(inode).or_insert_with(|| {
                let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
                (id, name.trim().to_owned())
            });
        }
    }
    owners
}

#[cfg(test)]
mod tests {
    use super::listener;

    #[test]
    fn listeners_are_read_and_other_sockets_are_not() {
        let line = "   0: 0100007F:192C 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0";
        let four = listener(line).expect("a listener");
        assert_eq!(
            (four.address.to_string().as_str(), four.inode),
            ("127.0.0.1:6444", 4711)
        );
        let six = "   1: 00000000000000000000000001000000:192B 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4712 1 0";
        assert_eq!(
            listener(six).expect("a listener").address.to_string(),
            "[::1]:6443"
        );
        assert_eq!(listener(&line.replace(" 0A ", " 01 ")), None);
        for bad in [
            "",
            "  sl  local_address rem_address   st",
            "0: xyz:1 0 0A 0 0 0 0 0 1",
        ] {
            assert_eq!(listener(bad), None, "{bad}");
        }
    }
}
