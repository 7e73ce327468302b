//! What an operator may have done over the admin socket: drains, refreshes, a reset of the memory. Each order is an event
//! for the core; what would harm is refused before, in words.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jackline_admin::operate::{
    Done, OpenSession, Operate, Order, Pending, Refusal, Replacement, SESSIONS_MAX, SessionList,
};
use jackline_core::{Administration, EndpointView, Event, Health};
use jiff::Timestamp as Time;
use tokio::sync::oneshot;

use crate::clock::calendar;
use crate::lines;
use crate::upgrade::{self, Request};
use crate::view::Shown;

/// The core has heeded an order by then. It takes microseconds, but the machine may be in trouble.
const HEEDED: Duration = Duration::from_secs(5);
/// Between two looks whether it has.
const LOOK: Duration = Duration::from_millis(2);

impl Operate for Shown {
    fn order(&self, order: Order) -> Pending<'_, Result<Done, Refusal>> {
        Box::pin(async move {
            let _alone = self.ordering.lock().await;
            tracing::info!(target: "jackline", event = lines::ORDERED, ?order, "an operator's order");
            match order {
                Order::Drain {
                    endpoint,
                    lasts,
                    force,
                } => self.drain(endpoint, lasts, force).await,
                Order::Undrain { endpoint } => self.undrain(endpoint).await,
                Order::Refresh => Ok(self.refresh()),
                Order::ResetState => self.reset_state().await,
            }
        })
    }

    fn replace(&self, replacement: Replacement) -> Pending<'_, Result<Done, Refusal>> {
        Box::pin(async move {
            tracing::info!(target: "jackline", event = lines::ORDERED, ?replacement, "an operator's order");
            let program = match replacement {
                Replacement::SameProgram => None,
                Replacement::Program(path) => Some(path),
                Replacement::ProgramOnDisk => Some(upgrade::predecessor::on_disk().map_err(Refusal::Failed)?),
            };
            let (answer, answered) = oneshot::channel();
            let request = Request {
                program,
                answer: Some(answer),
            };
            let busy = || Refusal::Failed("jackline is about to end, or to be replaced already".to_owned());
            let requests = self.requests.as_ref().ok_or_else(busy)?;
            requests.try_send(request).map_err(|_| busy())?;
            answered.await.unwrap_or_else(|_| Err(busy()))
        })
    }

    fn sessions(&self) -> Pending<'_, SessionList> {
        Box::pin(async move {
            let wall = SystemTime::now();
            let mut sessions = Vec::new();
            let mut open = 0;
            let beside = self.beside();
            for part in std::iter::once(self).chain(beside.iter().map(Arc::as_ref)) {
                open += part.plane.sessions().open;
                sessions.extend(part.open_sessions(wall).await);
            }
            sessions.sort_by_key(|session| (session.opened, session.client));
            sessions.truncate(SESSIONS_MAX);
            SessionList {
                now: calendar(wall).unwrap_or(Time::UNIX_EPOCH),
                open,
                sessions,
            }
        })
    }
}

impl Shown {
    /// The further services that run.
    fn beside(&self) -> Vec<Arc<Self>> {
        self.further.iter().filter_map(|berth| berth.shown()).collect()
    }

    fn endpoint(&self, address: SocketAddr) -> Option<EndpointView> {
        let snapshot = self.published.load();
        let mut known = snapshot.endpoints.iter();
        known.find(|view| view.address == address).cloned()
    }

    async fn drain(&self, address: SocketAddr, lasts: Duration, force: bool) -> Result<Done, Refusal> {
        if self.endpoint(address).is_some() {
            return self.drain_here(address, lasts, force).await;
        }
        for part in self.beside() {
            if part.endpoint(address).is_some() {
                return part.drain_here(address, lasts, force).await;
            }
        }
        Err(unknown(address))
    }

    async fn undrain(&self, address: SocketAddr) -> Result<Done, Refusal> {
        if self.endpoint(address).is_some() {
            return self.undrain_here(address).await;
        }
        for part in self.beside() {
            if part.endpoint(address).is_some() {
                return part.undrain_here(address).await;
            }
        }
        Err(unknown(address))
    }

    async fn drain_here(&self, address: SocketAddr, lasts: Duration, force: bool) -> Result<Done, Refusal> {
        let last = self.is_the_last_one(address);
        if last && !force {
            return Err(Refusal::Harmful(format!(
                "{address} is the only endpoint that is ready and not drained: it was left as it is. \
                 Bring another one back first, or say --force: then the drain waits until another is ready"
            )));
        }
        self.push(Event::DrainRequested {
            endpoint: address,
            duration: Some(lasts),
        });
        self.heeded(address, Administration::Draining).await?;
        let done = match last {
            true => format!(
                "{address} is drained as soon as another is ready: as the last one it goes on serving until then"
            ),
            false => format!("{address} is drained: no new session, and the open ones move at quiet moments"),
        };
        Ok(Done {
            done,
            endpoint: Some(address),
            until: SystemTime::now().checked_add(lasts).and_then(calendar),
            sessions: Some(self.open_with(address)),
            kept: Vec::new(),
        })
    }

    async fn undrain_here(&self, address: SocketAddr) -> Result<Done, Refusal> {
        let drained = |view: &EndpointView| view.drained_by.contains(&jackline_core::Drainer::Operator);
        let was = self.endpoint(address).is_some_and(|view| drained(&view));
        self.push(Event::UndrainRequested { endpoint: address });
        let over = || self.endpoint(address).is_none_or(|view| !drained(&view));
        self.wait_until(over).await?;
        let by_fleet = self
            .endpoint(address)
            .is_some_and(|view| view.administration == Administration::Draining);
        let done = match (was, by_fleet) {
            (_, true) => format!(
                "{address} is still drained for the whole fleet: jackline undrain --all-nodes {address}"
            ),
            (true, false) => format!("{address} may be used again"),
            (false, false) => format!("{address} was not drained"),
        };
        Ok(Done {
            done,
            endpoint: Some(address),
            sessions: Some(self.open_with(address)),
            ..Done::default()
        })
    }

    fn refresh(&self) -> Done {
        self.push(Event::RefreshRequested);
        let beside = self.beside();
        beside.iter().for_each(|part| part.push(Event::RefreshRequested));
        let sources = |shown: &Self| shown.published.load().sources.len();
        let all = sources(self) + beside.iter().map(|part| sources(part)).sum::<usize>();
        Done {
            done: format!("every source is asked now ({all} of them); `jackline status` shows what they say"),
            ..Done::default()
        }
    }

    async fn reset_state(&self) -> Result<Done, Refusal> {
        let mut kept = Vec::new();
        let beside = self.beside();
        let savers = std::iter::once(&self.saver).chain(beside.iter().map(|part| &part.saver));
        for saver in savers {
            let saver = Arc::clone(saver);
            let copied = tokio::task::spawn_blocking(move || saver.keep_aside("reset")).await;
            let path = copied.map_err(std::io::Error::other).and_then(|copied| copied);
            // Nothing is forgotten of which no copy could be kept.
            let path = path.map_err(|error| {
                Refusal::Failed(format!(
                    "the old state file could not be kept aside ({error}), so nothing was forgotten; \
                     free some space or mend the folder's mode, then try again"
                ))
            })?;
            kept.extend(path.map(|path| path.display().to_string()));
        }
        self.push(Event::ResetRequested);
        beside.iter().for_each(|part| part.push(Event::ResetRequested));
        Ok(Done {
            done: "what was only remembered is forgotten, every source is asked; sessions go on, nothing was restarted"
                .to_owned(),
            kept,
            ..Done::default()
        })
    }

    /// Whether it is ready, and no other is that may be used.
    fn is_the_last_one(&self, address: SocketAddr) -> bool {
        let snapshot = self.published.load();
        let ready = |view: &&EndpointView| view.health == Health::Ready;
        let usable = |view: &&EndpointView| view.administration == Administration::Enabled;
        let mut others = snapshot.endpoints.iter().filter(|view| view.address != address);
        let is_ready = snapshot
            .endpoints
            .iter()
            .filter(ready)
            .any(|view| view.address == address);
        is_ready && !others.any(|view| ready(&view) && usable(&view))
    }

    fn open_with(&self, address: SocketAddr) -> u64 {
        self.plane
            .sessions()
            .by_endpoint
            .get(&address)
            .copied()
            .unwrap_or(0)
    }

    fn push(&self, event: Event) {
        self.queue.push(event);
    }

    async fn heeded(&self, address: SocketAddr, wanted: Administration) -> Result<(), Refusal> {
        let is = || {
            self.endpoint(address)
                .is_none_or(|view| view.administration == wanted)
        };
        self.wait_until(is).await
    }

    /// Waits until the core has published what was ordered.
    async fn wait_until(&self, heeded: impl Fn() -> bool) -> Result<(), Refusal> {
        let looking = async {
            while !heeded() {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(HEEDED, looking).await.map_err(|_| {
            Refusal::Failed(format!(
                "the order was given, but not heeded within {} s: is the machine overloaded? see `jackline status`",
                HEEDED.as_secs()
            ))
        })
    }

    async fn open_sessions(&self, wall: SystemTime) -> Vec<OpenSession> {
        let told = self.plane.list(SESSIONS_MAX).await;
        let session = |one: jackline_proxy::OpenSession| OpenSession {
            client: one.client,
            endpoint: one.endpoint,
            service: self.service,
            opened: wall
                .checked_sub(one.open_for)
                .and_then(calendar)
                .unwrap_or(Time::UNIX_EPOCH),
            bytes_upstream: one.bytes_from_client,
            bytes_downstream: one.bytes_from_upstream,
        };
        told.into_iter().map(session).collect()
    }
}

fn unknown(address: SocketAddr) -> Refusal {
    Refusal::Unknown(format!(
        "{address} is no endpoint that this node knows; `jackline status` shows those that it does"
    ))
}
