//! The socket between an old and a new process: a pair of Unix sockets that keep messages apart (SOCK_SEQPACKET), with
//! descriptors beside a message (SCM_RIGHTS). Whatever comes is judged strictly: it is of this version, bounded, and known, or
//! the hand-over fails. A message is JSON; bytes that a session holds follow it as packets of their own.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::cmsg_space;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::{Deserialize, Serialize};

use super::told::Told;

/// The most bytes of one packet.
pub(crate) const PACKET_MAX: usize = 64 * 1024;
/// The most descriptors beside one message.
const DESCRIPTORS_MAX: usize = 2;
/// A packet that is not taken for so long: the other one hangs.
const SEND_TIME: Duration = Duration::from_secs(1);

/// What one tells the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Message {
    /// Old: the first message, which has to be understood by every version.
    Offer { version: u32 },
    /// Old: a descriptor that is not a session's.
    Thing(Thing),
    /// Old: these were all things.
    Offered,
    /// New: configuration read, listeners at hand.
    Ready,
    /// New: it will not be; in words.
    Refused { words: String },
    /// Old: core and disk are at rest, and the new one's.
    Resting,
    /// New: its core runs, its data plane rests.
    Started,
    /// Old: a session at rest, with its descriptors; its bytes follow.
    Session(Told),
    /// Old: these were all sessions.
    All { sessions: u64 },
    /// New: it has so many.
    Holds { sessions: u64 },
    /// Old: from now on everything is the new one's.
    Yours,
}

/// What a descriptor is, besides those of sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Thing {
    /// A listener for clients. `managers`: a service manager has bound it.
    Listener { managers: bool },
    /// The metrics' listener.
    Metrics,
    /// The status page's.
    Page,
    /// The admin socket.
    Admin { path: PathBuf },
    /// The lock of the state folder.
    State { folder: PathBuf },
    /// The standard input of the first process.
    Input,
}

/// Why the other one is not understood any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    /// It is gone.
    #[error("the other process is gone")]
    Gone,
    /// Nothing came in time.
    #[error("nothing was said for {} ms", .0.as_millis())]
    Late(Duration),
    /// What came is no message.
    #[error("what it says is no message of this version ({0})")]
    Odd(String),
    /// The kernel said no.
    #[error("the socket failed: {0}")]
    Failed(#[from] io::Error),
}

impl From<rustix::io::Errno> for WireError {
    fn from(error: rustix::io::Errno) -> Self {
        Self::Failed(error.into())
    }
}

/// One end of the socket.
#[derive(Debug)]
pub(crate) struct Wire(OwnedFd);

impl Wire {
    /// Both ends.
    pub(crate) fn pair() -> io::Result<(Self, OwnedFd)> {
        let kind = SocketType::SEQPACKET;
        let (own, other) = socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?;
        Ok((Self::over(own)?, other))
    }

    /// This socket, which must be one.
    pub(crate) fn over(socket: OwnedFd) -> io::Result<Self> {
        set_socket_timeout(&socket, Timeout::Send, Some(SEND_TIME))?;
        Ok(Self(socket))
    }

    /// The same end once more.
    pub(crate) fn another(&self) -> io::Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }

    /// Says this, with these descriptors beside it.
    pub(crate) fn say(&self, message: &Message, beside: &[BorrowedFd<'_>]) -> Result<(), WireError> {
        let text = serde_json::to_vec(message).map_err(|error| WireError::Odd(error.to_string()))?;
        self.send(&text, beside)
    }

    /// Sends bytes in as many packets as it takes.
    pub(crate) fn say_bytes(&self, bytes: &[u8]) -> Result<(), WireError> {
        bytes
            .chunks(PACKET_MAX)
            .try_for_each(|piece| self.send(piece, &[]))
    }

    fn send(&self, packet: &[u8], beside: &[BorrowedFd<'_>]) -> Result<(), WireError> {
        if packet.len() > PACKET_MAX || beside.len() > DESCRIPTORS_MAX {
            return Err(WireError::Odd("more than one message may have".to_owned()));
        }
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut rights = SendAncillaryBuffer::new(&mut space);
        if !beside.is_empty() && !rights.push(SendAncillaryMessage::ScmRights(beside)) {
            return Err(WireError::Odd("more descriptors than fit".to_owned()));
        }
        sendmsg(&self.0, &[IoSlice::new(packet)], &mut rights, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// The next message, by `deadline`, and what came beside it.
    pub(crate) fn hear(&self, deadline: Instant) -> Result<(Message, Vec<OwnedFd>), WireError> {
        let (packet, beside) = self.receive(deadline)?;
        let message = serde_json::from_slice(&packet).map_err(|error| WireError::Odd(error.to_string()))?;
        Ok((message, beside))
    }

    /// So many bytes, by `deadline`. The caller has bounded them.
    pub(crate) fn hear_bytes(&self, length: usize, deadline: Instant) -> Result<Vec<u8>, WireError> {
        let mut bytes = Vec::new();
        while bytes.len() < length {
            let (packet, beside) = self.receive(deadline)?;
            if packet.len() > length - bytes.len() || !beside.is_empty() {
                return Err(WireError::Odd("other bytes than were told of".to_owned()));
            }
            bytes.extend_from_slice(&packet);
        }
        Ok(bytes)
    }

    /// A packet, never empty: that is the end of the other one.
    fn receive(&self, deadline: Instant) -> Result<(Vec<u8>, Vec<OwnedFd>), WireError> {
        self.wait(deadline)?;
        let mut packet = vec![0; PACKET_MAX];
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut rights = RecvAncillaryBuffer::new(&mut space);
        let mut into = [IoSliceMut::new(&mut packet)];
        let received = recvmsg(&self.0, &mut into, &mut rights, RecvFlags::CMSG_CLOEXEC);
        let received = match received {
            Err(rustix::io::Errno::CONNRESET) => return Err(WireError::Gone),
            other => other?,
        };
        let beside = rights
            .drain()
            .flat_map(|message| match message {
                RecvAncillaryMessage::ScmRights(descriptors) => descriptors.collect::<Vec<OwnedFd>>(),
                _ => Vec::new(),
            })
            .collect();
        if received
            .flags
            .intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC)
        {
            return Err(WireError::Odd("longer than any message".to_owned()));
        }
        if received.bytes == 0 {
            return Err(WireError::Gone);
        }
        packet.truncate(received.bytes);
        Ok((packet, beside))
    }

    fn wait(&self, deadline: Instant) -> Result<(), WireError> {
        let begun = Instant::now();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let time = Timespec::try_from(left).map_err(|error| WireError::Odd(error.to_string()))?;
            let mut asked = [PollFd::from_borrowed_fd(self.0.as_fd(), PollFlags::IN)];
            match poll(&mut asked, Some(&time)) {
                Ok(0) => return Err(WireError::Late(begun.elapsed())),
                Ok(_) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests;
