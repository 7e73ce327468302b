//! Pipes for `splice`, lent to one direction at a time. A pipe that holds bytes never comes back to the pool: it is closed.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

/// What a pipe may hold, in bytes. Where the kernel allows less (its limit on pages in pipes), it holds less.
pub(crate) const PIPE: usize = 256 * 1024;
/// How many pipes all threads together may have: their descriptors come out of what sessions spare.
pub(crate) const PIPES_MAX: usize = 32;
/// How many empty pipes a thread keeps for the next bulk.
const KEPT_MAX: usize = 2;

/// One thread's pipes.
#[derive(Clone, Debug)]
pub(crate) struct Pipes(Rc<Pool>);

#[derive(Debug)]
struct Pool {
    kept: RefCell<Vec<Ends>>,
    /// How many there are, lent ones included.
    made: Cell<usize>,
    most: usize,
    /// It was told that none could be had.
    told: Cell<bool>,
}

#[derive(Debug)]
struct Ends {
    out: OwnedFd,
    into: OwnedFd,
}

/// A pipe on loan. Dropped, it goes back if it is empty.
#[derive(Debug)]
pub(crate) struct Lease {
    ends: Option<Ends>,
    holds: usize,
    home: Rc<Pool>,
}

impl Pipes {
    /// A pool for one of so many threads.
    pub(crate) fn for_one_of(threads: usize) -> Self {
        Self::at_most((PIPES_MAX / threads.max(1)).max(1))
    }

    /// A pool that never has more than so many pipes.
    pub(crate) fn at_most(most: usize) -> Self {
        Self(Rc::new(Pool {
            kept: RefCell::default(),
            made: Cell::new(0),
            most,
            told: Cell::new(false),
        }))
    }

    /// An empty pipe; `None`: none can be had now.
    pub(crate) fn lease(&self) -> Option<Lease> {
        let kept = self.0.kept.borrow_mut().pop();
        let ends = kept.or_else(|| self.0.make())?;
        Some(Lease {
            ends: Some(ends),
            holds: 0,
            home: Rc::clone(&self.0),
        })
    }

    /// Pipes that exist, lent ones included.
    #[cfg(test)]
    pub(super) fn made(&self) -> usize {
        self.0.made.get()
    }
}

impl Pool {
    fn make(&self) -> Option<Ends> {
        if self.made.get() >= self.most {
            return None;
        }
        match pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK) {
            Ok((out, into)) => {
                if let Err(error) = fcntl_setpipe_size(&into, PIPE) {
                    // It works with the size that it has: the same bytes in more turns.
                    tracing::debug!(%error, "a pipe stays small");
                }
                self.made.set(self.made.get() + 1);
                Some(Ends { out, into })
            }
            Err(error) => {
                if !self.told.replace(true) {
                    tracing::warn!(%error, "no pipe can be had: bulk is copied through memory, which costs more CPU; raise LimitNOFILE");
                }
                None
            }
        }
    }
}

impl Lease {
    /// How many bytes are in it.
    pub(crate) fn holds(&self) -> usize {
        self.holds
    }

    /// Takes from a socket what is there and fits. Only an empty pipe may be filled: of one that holds bytes the kernel
    /// says EAGAIN also when its slots are full, which is no word about the socket.
    ///
    /// # Errors
    /// What the kernel says; EAGAIN: the socket is drained.
    pub(crate) fn fill(&mut self, from: BorrowedFd<'_>) -> io::Result<usize> {
        debug_assert_eq!(self.holds, 0, "only an empty pipe is filled");
        self.holds = splice(from, None, self.ends().into.as_fd(), None, PIPE, flags())?;
        Ok(self.holds)
    }

    /// Sends on what the socket takes of what is in the pipe.
    ///
    /// # Errors
    /// What the kernel says; EAGAIN: the socket is full.
    pub(crate) fn drain(&mut self, to: BorrowedFd<'_>) -> io::Result<usize> {
        let sent = splice(self.ends().out.as_fd(), None, to, None, self.holds, flags())?;
        if sent == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.holds -= sent;
        Ok(sent)
    }

    /// Reads what is in it.
    ///
    /// # Errors
    /// What the kernel says.
    pub(crate) fn read_out(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.holds];
        let mut read = 0;
        while read < bytes.len() {
            match rustix::io::read(self.ends().out.as_fd(), &mut bytes[read..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                more => read += more,
            }
        }
        self.holds = 0;
        Ok(bytes)
    }

    fn ends(&self) -> &Ends {
        self.ends.as_ref().expect("taken only when it is dropped")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let ends = self.ends.take().filter(|_| self.holds == 0);
        let mut kept = self.home.kept.borrow_mut();
        match ends {
            Some(ends) if kept.len() < KEPT_MAX => kept.push(ends),
            // Closed: it holds bytes of a session that is over, or it is one too many.
            _ => self.home.made.set(self.home.made.get() - 1),
        }
    }
}

/// Never SPLICE_F_MORE: it makes the kernel wait up to 200 ms for more before it sends the last small segment.
fn flags() -> SpliceFlags {
    SpliceFlags::NONBLOCK | SpliceFlags::MOVE
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// Two ends of a connection; the second does not block.
    fn connection() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        near.set_nodelay(true).unwrap();
        let (far, _) = listener.accept().unwrap();
        far.set_nonblocking(true).unwrap();
        (near, far)
    }

    #[test]
    fn an_empty_pipe_comes_back_and_one_that_holds_bytes_is_closed() {
        let pipes = Pipes::at_most(1);
        let (mut near, far) = connection();
        let (_keeps, into) = connection();
        near.write_all(b"0123456789").unwrap();
        let mut lease = pipes.lease().unwrap();
        assert!(pipes.lease().is_none(), "only one may be had");
        far.set_nonblocking(false).unwrap();
        assert_eq!(far.peek(&mut [0; 10]).unwrap(), 10);
        far.set_nonblocking(true).unwrap();
        assert_eq!(lease.fill(far.as_fd()).unwrap(), 10);
        assert_eq!(lease.drain(into.as_fd()).unwrap(), 10);
        drop(lease);
        assert_eq!(pipes.made(), 1, "it is kept");

        near.write_all(b"never sent on").unwrap();
        let mut lease = pipes.lease().unwrap();
        while lease.holds() == 0 {
            let _ = lease.fill(far.as_fd());
        }
        drop(lease);
        assert_eq!(pipes.made(), 0, "nobody else is to get these bytes");
        let lease = pipes.lease().unwrap();
        assert_eq!(lease.holds(), 0);
    }

    #[test]
    fn what_is_in_a_pipe_can_be_read_out() {
        let pipes = Pipes::at_most(1);
        let (mut near, far) = connection();
        near.write_all(&[7; 5_000]).unwrap();
        let mut lease = pipes.lease().unwrap();
        while lease.holds() == 0 {
            let _ = lease.fill(far.as_fd());
        }
        let held = lease.holds();
        assert_eq!(lease.read_out().unwrap(), vec![7; held]);
        drop(lease);
        assert_eq!(pipes.made(), 1);
    }

    #[test]
    fn a_pipe_whose_slots_are_full_is_no_drained_socket() {
        let pipes = Pipes::at_most(1);
        let (mut near, far) = connection();
        let (into, mut out) = connection();
        into.set_nonblocking(true).unwrap();
        let mut lease = pipes.lease().unwrap();
        // Sixteen slots, as where the kernel grants no bigger pipe.
        fcntl_setpipe_size(&lease.ends().into, 16 * 4096).unwrap();
        let sent: Vec<u8> = (0..40_000u32).map(|number| number.to_le_bytes()[0]).collect();
        for piece in sent.chunks(100) {
            near.write_all(piece).unwrap();
        }
        drop(near);
        let (mut moved, mut rounds) = (0, 0);
        loop {
            match lease.fill(far.as_fd()) {
                Ok(0) => break,
                Ok(filled) => {
                    rounds += 1;
                    moved += filled;
                    while lease.holds() > 0 {
                        lease.drain(into.as_fd()).unwrap();
                    }
                }
                // Drained, and its FIN is on the way.
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
        drop((into, far));
        let mut received = Vec::new();
        out.set_nonblocking(false).unwrap();
        out.read_to_end(&mut received).unwrap();
        assert_eq!(
            (moved, received == sent),
            (sent.len(), true),
            "in {rounds} rounds"
        );
    }
}
