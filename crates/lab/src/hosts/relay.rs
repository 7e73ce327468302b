//! A long cable between hosts: a TUN device on each, and a thread that carries packets from one to the other, with a delay.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Host, tun};

/// Each host's end of the cable.
const LINK: &str = "far0";

/// The largest packet that the cable takes.
const PACKET_MAX: usize = 1_500;

/// Packets under way; more are lost, as in a router.
const UNDER_WAY_MAX: usize = 16_384;

/// The thread looks this often whether the cable is to be taken up.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Where the destination stands in an IPv4 packet.
const DESTINATION: std::ops::Range<usize> = 16..20;

/// A cable. Dropped, it is taken up again, and the hosts use their usual links.
pub(super) struct Relay {
    relayed: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// One host's end.
struct End {
    address: Ipv4Addr,
    file: File,
}

struct Packet {
    due: Instant,
    /// Which end it goes to.
    to: usize,
    bytes: Vec<u8>,
}

impl Relay {
    /// Lays a cable between the last of these hosts and each of the others.
    pub(super) fn lay(hosts: &[Arc<Host>], delay: Duration) -> anyhow::Result<Self> {
        let ends = hosts.iter().map(|host| {
            Ok(End {
                address: host.address(),
                file: host.within(|| tun::make(LINK))??,
            })
        });
        let ends = ends.collect::<anyhow::Result<Vec<_>>>()?;
        connect(hosts)?;
        let (relayed, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, stopped) = (Arc::clone(&relayed), Arc::clone(&stop));
        let thread = std::thread::Builder::new()
            .name("relay".to_owned())
            .spawn(move || carry(&ends, delay, &count, &stopped))
            .context("starting the relay")?;
        Ok(Self {
            relayed,
            stop,
            thread: Some(thread),
        })
    }

    /// Packets that have arrived.
    pub(super) fn relayed(&self) -> u64 {
        self.relayed.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // The devices, and the ways over them, are gone when the thread is.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Sends what the hosts say to each other over the cable.
fn connect(hosts: &[Arc<Host>]) -> anyhow::Result<()> {
    let Some((hub, others)) = hosts.split_last() else {
        return Ok(());
    };
    for host in hosts {
        host.run("ip", &["link", "set", LINK, "mtu", &PACKET_MAX.to_string(), "up"])?;
    }
    let route = |from: &Host, to: &Host| {
        let (to, own) = (format!("{}/32", to.address()), from.address().to_string());
        from.run("ip", &["route", "add", &to, "dev", LINK, "src", &own])
    };
    for other in others {
        route(hub, other)?;
        route(other, hub)?;
    }
    Ok(())
}

fn carry(ends: &[End], delay: Duration, relayed: &AtomicU64, stop: &AtomicBool) {
    let mut under_way: VecDeque<Packet> = VecDeque::new();
    while !stop.load(Ordering::Relaxed) {
        wait(ends, under_way.front());
        for end in ends {
            take_in(end, ends, delay, &mut under_way);
        }
        // All take the same time: the first that came is the first that is due.
        while under_way
            .front()
            .is_some_and(|packet| packet.due <= Instant::now())
        {
            let Some(packet) = under_way.pop_front() else {
                break;
            };
            // A device takes a packet at once, or loses it.
            if (&ends[packet.to].file).write(&packet.bytes).is_ok() {
                relayed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Until a packet comes or one is due.
fn wait(ends: &[End], next: Option<&Packet>) {
    let due = next.map_or(LOOK_EVERY, |packet| {
        packet.due.saturating_duration_since(Instant::now())
    });
    let mut files: Vec<PollFd<'_>> = ends
        .iter()
        .map(|end| PollFd::new(&end.file, PollFlags::IN))
        .collect();
    // Interrupted, it just looks around once more.
    let _ = Timespec::try_from(due.min(LOOK_EVERY)).map(|limit| poll(&mut files, Some(&limit)));
}

fn take_in(end: &End, ends: &[End], delay: Duration, under_way: &mut VecDeque<Packet>) {
    let mut buffer = [0; PACKET_MAX];
    // It does not block: at the latest it ends when nothing is there.
    while let Ok(length) = (&end.file).read(&mut buffer) {
        let bytes = &buffer[..length];
        let to = destination(bytes).and_then(|to| ends.iter().position(|end| end.address == to));
        if let (Some(to), true) = (to, under_way.len() < UNDER_WAY_MAX) {
            under_way.push_back(Packet {
                due: Instant::now() + delay,
                to,
                bytes: bytes.to_vec(),
            });
        }
    }
}

/// Only IPv4 goes over the cable.
fn destination(packet: &[u8]) -> Option<Ipv4Addr> {
    let version = packet.first()? >> 4;
    let bytes: [u8; 4] = packet.get(DESTINATION)?.try_into().ok()?;
    (version == 4).then(|| Ipv4Addr::from(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_goes_where_its_head_says() {
        let mut packet = vec![0; 20];
        packet[0] = 0x45;
        packet[DESTINATION].copy_from_slice(&[10, 77, 0, 12]);
        assert_eq!(destination(&packet), Some(Ipv4Addr::new(10, 77, 0, 12)));
        packet[0] = 0x60;
        assert_eq!(destination(&packet), None);
        assert_eq!(destination(&[0x45, 0]), None);
    }
}
