//! Which process of this machine a client is, where we may know: by the kernel's table of sockets, and each process's
//! descriptors. Root sees all of them, others only their own.

use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// So many processes are looked at.
const PROCESSES_MAX: usize = 100_000;
/// So many descriptors of one.
const DESCRIPTORS_MAX: usize = 100_000;

/// Local addresses by the names of those who hold them.
pub(super) struct Processes(HashMap<SocketAddr, String>);

impl Processes {
    /// Nobody is known.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self(HashMap::new())
    }

    /// As this machine has them now.
    pub(super) fn look() -> Self {
        let mut sockets: HashMap<u64, SocketAddr> = HashMap::new();
        for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
            let text = fs::read_to_string(table).unwrap_or_default();
            sockets.extend(text.lines().skip(1).filter_map(row));
        }
        let mut found = HashMap::new();
        for process in fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .flatten()
            .take(PROCESSES_MAX)
        {
            let Some(pid) = process
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<u32>().ok())
            else {
                continue;
            };
            let descriptors = fs::read_dir(process.path().join("fd"))
                .into_iter()
                .flatten()
                .flatten();
            for descriptor in descriptors.take(DESCRIPTORS_MAX) {
                let Some(address) = inode(&descriptor.path()).and_then(|inode| sockets.get(&inode)) else {
                    continue;
                };
                let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
                found.insert(
                    *address,
                    format!("{}[{pid}]", crate::status::words::clean(name.trim())),
                );
            }
        }
        Self(found)
    }

    /// The process whose end of a connection this is.
    pub(super) fn of(&self, client: SocketAddr) -> Option<String> {
        self.0.get(&client).cloned()
    }
}

fn inode(descriptor: &std::path::Path) -> Option<u64> {
    let target = fs::read_link(descriptor).ok()?;
    target
        .to_str()?
        .strip_prefix("socket:[")?
        .strip_suffix(']')?
        .parse()
        .ok()
}

/// A row of the kernel's table: the socket's inode and its local address.
fn row(line: &str) -> Option<(u64, SocketAddr)> {
    let mut fields = line.split_whitespace();
    let (ip, port) = fields.nth(1)?.split_once(':')?;
    let inode = fields.nth(7)?.parse().ok()?;
    let port = u16::from_str_radix(port, 16).ok()?;
    // Words of 32 bits in the machine's own order.
    let word = |at: usize| {
        let hex = ip.get(at * 8..at * 8 + 8)?;
        u32::from_str_radix(hex, 16).ok().map(u32::to_ne_bytes)
    };
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let mut bytes = [0; 16];
            bytes
                .iter_mut()
                .zip(words.as_flattened())
                .for_each(|(to, from)| *to = *from);
            Ipv6Addr::from(bytes).to_canonical()
        }
        _ => return None,
    };
    Some((inode, SocketAddr::new(ip, port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_very_process_is_found_by_its_connection() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let client = std::net::TcpStream::connect(listener.local_addr().expect("bound")).expect("connected");
        let address = client.local_addr().expect("an address");
        let found = Processes::look().of(address).expect("it is our own");
        assert!(found.ends_with(&format!("[{}]", std::process::id())), "{found}");
    }

    #[test]
    fn rows_of_both_families_are_read() {
        let v4 = "   0: 0100007F:1928 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0000000000000000";
        assert_eq!(
            row(v4),
            Some((4711, "127.0.0.1:6440".parse().expect("an address")))
        );
        let v6 = "   0: 00000000000000000000000001000000:1928 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 12 1 0";
        assert_eq!(row(v6), Some((12, "[::1]:6440".parse().expect("an address"))));
        assert_eq!(row("  sl  local_address rem_address"), None);
    }
}
