//! Listeners that the service manager has bound and hands over (sd_listen_fds(3)): while jackline is started again nobody is
//! refused, for clients wait in the backlog of sockets that stay open.
//!
//! Which service a listener is for is told by its address alone: names of descriptors would be one more thing to keep in step.

use std::io;
use std::net::{SocketAddr, TcpListener};

use listenfd::ListenFd;

/// More are none of ours.
const HANDED_MAX: usize = 64;

/// What was handed over and is not given to a service yet.
#[derive(Debug, Default)]
pub(crate) struct Handed {
    listeners: Vec<(SocketAddr, TcpListener)>,
    /// Those that a service manager has bound, configured or not.
    pub(crate) managers: Vec<SocketAddr>,
    /// What cannot be used, each a sentence.
    pub(crate) warnings: Vec<String>,
}

impl Handed {
    /// Takes over what `LISTEN_FDS` says. Once per process, and before it has threads.
    pub(crate) fn of_process() -> Self {
        let mut descriptors = ListenFd::from_env();
        let mut handed = Self::default();
        for index in 0..descriptors.len().min(HANDED_MAX) {
            let taken = descriptors
                .take_tcp_listener(index)
                .and_then(|listener| listener.ok_or_else(|| io::Error::other("it is gone")))
                .and_then(|listener| Ok((listener.local_addr()?, listener)));
            match taken {
                Ok(listener) => handed.add(listener, true),
                Err(error) => handed.warnings.push(format!(
                    "descriptor {index} of the service manager is no listener for TCP ({error}) and is not served; \
                     see the socket unit: ListenStream=IP:PORT, Accept=no"
                )),
            }
        }
        handed
    }

    /// One more; `managers`: a service manager has bound it.
    pub(crate) fn add(&mut self, listener: (SocketAddr, TcpListener), managers: bool) {
        if managers {
            self.managers.push(listener.0);
        }
        self.listeners.push(listener);
    }

    /// Closes what is neither configured as `listen` nor a service manager's: the process before was configured otherwise.
    pub(crate) fn retain(&mut self, listen: &[SocketAddr]) {
        let managers = &self.managers;
        self.listeners
            .retain(|(address, _)| managers.contains(address) || is_among(*address, listen));
    }

    /// Says in `listen` the ports that are at hand, where any port will do.
    pub(crate) fn settle(&self, listen: &mut [SocketAddr]) {
        let known = listen.to_vec();
        let mut free = self
            .listeners
            .iter()
            .map(|(at, _)| *at)
            .filter(|at| !known.contains(at));
        for wanted in listen.iter_mut().filter(|wanted| wanted.port() == 0) {
            *wanted = free.find(|at| at.ip() == wanted.ip()).unwrap_or(*wanted);
        }
    }

    /// Those that are configured as `listen`.
    pub(crate) fn take(&mut self, listen: &[SocketAddr]) -> Vec<TcpListener> {
        let (taken, left) = std::mem::take(&mut self.listeners)
            .into_iter()
            .partition(|(address, _)| is_among(*address, listen));
        self.listeners = left;
        let taken: Vec<(SocketAddr, TcpListener)> = taken;
        taken.into_iter().map(|(_, listener)| listener).collect()
    }

    /// All that nobody has taken: whoever wrote the socket unit wants them served.
    pub(crate) fn rest(&mut self) -> Vec<TcpListener> {
        std::mem::take(&mut self.listeners)
            .into_iter()
            .map(|(_, listener)| listener)
            .collect()
    }
}

/// Whether it is configured: by its port, or by any.
fn is_among(address: SocketAddr, listen: &[SocketAddr]) -> bool {
    let by_any = |wanted: &SocketAddr| wanted.port() == 0 && wanted.ip() == address.ip();
    listen.contains(&address) || listen.iter().any(by_any)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_service_takes_its_own_and_the_api_the_rest() {
        let bound = || {
            let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
            (listener.local_addr().expect("an address"), listener)
        };
        let (api, etcd, stray) = (bound(), bound(), bound());
        let (etcd_at, stray_at) = (etcd.0, stray.0);
        let mut handed = Handed {
            listeners: vec![api, etcd, stray],
            managers: Vec::new(),
            warnings: Vec::new(),
        };
        let taken = handed.take(&[etcd_at, SocketAddr::from(([127, 0, 0, 1], 1))]);
        assert_eq!(taken.len(), 1);
        assert_eq!(taken[0].local_addr().expect("an address"), etcd_at);
        let rest = handed.rest();
        assert_eq!(rest.len(), 2);
        assert_eq!(rest[1].local_addr().expect("an address"), stray_at);
        assert!(handed.rest().is_empty());
    }
}
