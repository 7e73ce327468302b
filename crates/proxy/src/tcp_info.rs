//! What the kernel knows of data that a peer has not acknowledged (D3). The one place of this crate that speaks to the kernel
//! without a wrapper: neither rustix nor socket2 has one for TCP_INFO.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// How much of `struct tcp_info` (linux/tcp.h, a stable interface that only grows at its end) is asked for, in bytes.
const LENGTH: usize = 28;
/// Where `tcpi_backoff`, a byte, is in it.
const BACKOFF: usize = 4;
/// Where `tcpi_unacked`, a u32, is in it: the last of what is asked for.
const UNACKED: usize = 24;

/// So many doublings of the kernel's patience are a suspicion: with the shortest patience, 0.2 s, that is after 0.8 s.
const BACKOFF_SUSPECT: u8 = 2;

/// One sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Segments that were sent and not acknowledged. Nought for a peer that merely does not read: it has acknowledged all
    /// that its window let us send.
    pub(crate) unacked: u32,
    /// How often the kernel has doubled its patience since the last acknowledgement.
    pub(crate) backoff: u8,
}

impl Sample {
    /// Whether the kernel repeats in vain what was sent.
    pub(crate) fn is_lost(&self) -> bool {
        self.unacked > 0 && self.backoff >= BACKOFF_SUSPECT
    }
}

/// Asks the kernel. It costs less than a microsecond.
///
/// # Errors
/// What the kernel says: this is no TCP socket.
#[expect(unsafe_code, reason = "no safe wrapper exists for TCP_INFO")]
pub(crate) fn sample(socket: impl AsFd) -> io::Result<Sample> {
    let mut info = [0_u8; LENGTH];
    let mut length = libc::socklen_t::try_from(LENGTH).map_err(io::Error::other)?;
    // SAFETY: the descriptor is open, for it is borrowed; the kernel writes at most `length` bytes into `info`, which is as
    // long, and the length that it wrote into `length`. Both live until the call returns.
    let answer = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if answer != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut unacked = [0; 4];
    unacked.copy_from_slice(&info[UNACKED..]);
    Ok(Sample {
        unacked: u32::from_ne_bytes(unacked),
        backoff: info[BACKOFF],
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use socket2::{SockFilter, SockRef};

    use super::*;

    /// Waits for the kernel to see it so.
    fn until(stream: &TcpStream, what: impl Fn(Sample) -> bool) -> Sample {
        let start = std::time::Instant::now();
        loop {
            let sample = sample(stream).unwrap();
            if what(sample) {
                return sample;
            }
            assert!(start.elapsed().as_secs() < 40, "{sample:?}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn lost_data_is_told_from_data_that_is_not_read() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (peer, _) = listener.accept().unwrap();
        assert_eq!(
            sample(&stream).unwrap(),
            Sample {
                unacked: 0,
                backoff: 0
            }
        );

        // A peer that does not read: its window closes, and all that was sent is acknowledged.
        stream.set_nonblocking(true).unwrap();
        let piece = vec![0; 1 << 20];
        while stream.write(&piece).is_ok() {}
        until(&stream, |sample| sample.unacked == 0);

        // A peer that none of our packets reaches any more.
        let mut other = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (far, _) = listener.accept().unwrap();
        const RETURN: u16 = 0x06;
        SockRef::from(&far)
            .attach_filter(&[SockFilter::new(RETURN, 0, 0, 0)])
            .unwrap();
        other.write_all(b"lost").unwrap();
        let lost = until(&other, |sample| sample.is_lost());
        assert!(lost.unacked > 0 && lost.backoff >= 2, "{lost:?}");
        drop(peer);
    }

    #[test]
    fn what_is_no_tcp_socket_is_an_error() {
        assert!(sample(std::fs::File::open("/dev/null").unwrap()).is_err());
    }
}
