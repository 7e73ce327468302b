//! Hedged attempts: one question to several servers, so that no broken one can blind a source (R3).
//!
//! The next server is asked at once on a failure, and beside the others after a short silence; all under one deadline.
//! Who is not needed any more is cancelled by dropping [`Attempts`].

use std::future::{Future, pending};
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jackline_core::{Breadth, Mode, Report, SourceFailure};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::ask_error::{AskError, Phase};
use crate::refresh::Voice;

/// So many servers are asked at the same time: supervisors serve only 20 such requests, of all nodes together.
const UNDER_WAY_MAX: usize = 3;

/// After this silence the next server is asked too.
const SILENCE: Duration = Duration::from_millis(250);

/// So many servers are asked in one refresh.
const TARGETS_MAX: usize = 64;

/// Where there are more servers than can be under way, silent ones must make room; but not sooner than this.
const SHARE_MIN: Duration = Duration::from_secs(1);

/// Where all servers are to be heard and the first to answer has left a watch open, those that are silent for this long after it
/// are not waited for: the watch may have news to tell. Without a watch every one has all the time there is.
const ALSO_WITHIN: Duration = Duration::from_secs(1);

/// So many servers' failures are told in the sentence; `tried` has all.
const TOLD_MAX: usize = 4;

/// One server's answer to a source's question.
pub(crate) trait Answer: Send + 'static {
    /// Whether it knows nothing: then the next server is asked (M2).
    fn is_empty(&self) -> bool;

    /// What the core is told of it.
    fn report(&self, answered_by: SocketAddr) -> Report;
}

type UnderWay<'a, T> = Pin<Box<dyn Future<Output = (SocketAddr, Result<T, AskError>)> + Send + 'a>>;

/// The attempts of one refresh.
pub(crate) struct Attempts<'a, T> {
    ask: Box<dyn Fn(SocketAddr, Instant) -> UnderWay<'a, T> + Send + 'a>,
    waiting: std::vec::IntoIter<SocketAddr>,
    under_way: FuturesUnordered<UnderWay<'a, T>>,
    /// Who is under way, oldest first.
    silent: Vec<SocketAddr>,
    failed: Vec<(SocketAddr, AskError)>,
    next_start: Instant,
    share: Duration,
    deadline: Instant,
}

impl<'a, T: 'a> Attempts<'a, T> {
    /// Prepares to ask `targets`, best first, each once. `ask` is given the moment by which its attempt must be over.
    pub(crate) fn new<F>(
        targets: &[SocketAddr],
        deadline: Instant,
        ask: impl Fn(SocketAddr, Instant) -> F + Send + 'a,
    ) -> Self
    where
        F: Future<Output = Result<T, AskError>> + Send + 'a,
    {
        let mut each_once = Vec::new();
        for target in targets.iter().take(TARGETS_MAX) {
            if !each_once.contains(target) {
                each_once.push(*target);
            }
        }
        let now = Instant::now();
        let waves = u32::try_from(each_once.len().div_ceil(UNDER_WAY_MAX))
            .unwrap_or(u32::MAX)
            .max(1);
        let share = ((deadline - now) / waves).max(SHARE_MIN);
        Self {
            ask: Box::new(move |target, until| {
                let attempt = ask(target, until);
                Box::pin(async move { (target, attempt.await) })
            }),
            waiting: each_once.into_iter(),
            under_way: FuturesUnordered::new(),
            silent: Vec::new(),
            failed: Vec::new(),
            next_start: now,
            share,
            deadline,
        }
    }

    /// The next answer of whichever server; `None`: all have answered or failed, or the deadline has come.
    pub(crate) async fn next(&mut self) -> Option<(SocketAddr, T)> {
        loop {
            self.start_due();
            if self.under_way.is_empty() {
                return None;
            }
            let may_start = self.waiting.len() > 0 && self.under_way.len() < UNDER_WAY_MAX;
            let next_start = self.next_start;
            let silence = async move {
                if may_start {
                    sleep_until(next_start).await
                } else {
                    pending().await
                }
            };
            tokio::select! {
                biased;
                Some((target, result)) = self.under_way.next() => {
                    self.silent.retain(|silent| *silent != target);
                    self.next_start = Instant::now();
                    match result {
                        Ok(answer) => return Some((target, answer)),
                        Err(error) => {
                            tracing::debug!(%target, %error, "no answer");
                            self.failed.push((target, error));
                        }
                    }
                }
                () = sleep_until(self.deadline) => {
                    self.under_way.clear();
                    let late = self.silent.drain(..).map(|target| (target, AskError::TimedOut(Phase::Deadline)));
                    self.failed.extend(late);
                    return None;
                }
                () = silence => {}
            }
        }
    }

    /// Asks the next server, if it is time to.
    fn start_due(&mut self) {
        let now = Instant::now();
        while self.under_way.len() < UNDER_WAY_MAX && now >= self.next_start && now < self.deadline {
            let Some(target) = self.waiting.next() else { return };
            self.under_way
                .push((self.ask)(target, (now + self.share).min(self.deadline)));
            self.silent.push(target);
            self.next_start = now + SILENCE;
        }
    }

    /// What went wrong with all of them. `what` was asked for.
    pub(crate) fn into_failure(self, what: &str) -> SourceFailure {
        let unasked = self.waiting.len();
        if self.failed.is_empty() && unasked == 0 {
            return crate::refresh::failure(format!(
                "no server is known that could be asked for {what}; configure servers"
            ));
        }
        let mut reason = format!("no server told {what}");
        for (index, (target, error)) in self.failed.iter().take(TOLD_MAX).enumerate() {
            let joint = if index == 0 { ": " } else { "; " };
            reason.push_str(&format!("{joint}{target}: {error}"));
        }
        let untold = self.failed.len().saturating_sub(TOLD_MAX);
        if untold > 0 {
            reason.push_str(&format!("; and {untold} more"));
        }
        if unasked > 0 {
            reason.push_str(&format!("; {unasked} could not be asked in time"));
        }
        SourceFailure {
            reason,
            tried: self
                .failed
                .iter()
                .map(|(target, error)| (*target, error.to_string()))
                .collect(),
            unreached: self
                .failed
                .iter()
                .filter(|(_, error)| error.is_unreached())
                .map(|(target, _)| *target)
                .collect(),
            // The first server that may be asked again decides: the others' pauses must not blind the source.
            retry_after: self
                .failed
                .iter()
                .filter_map(|(_, error)| error.retry_after())
                .min(),
            local: match self.failed.iter().find(|(_, error)| error.local().is_none()) {
                Some(_) => None,
                None => self.failed.first().and_then(|(_, error)| error.local()),
            },
        }
    }
}

/// Reports what `attempts` bring, as broad as was ordered, and returns the first answer that was reported. An empty
/// answer is reported only if nobody gave a better one.
///
/// # Errors
/// Nobody answered at all.
pub(crate) async fn relay<T: Answer>(
    mut attempts: Attempts<'_, T>,
    breadth: Breadth,
    voice: &Voice,
    what: &str,
) -> Result<T, SourceFailure> {
    let mut first_reported: Option<T> = None;
    let mut first_empty: Option<(SocketAddr, T)> = None;
    let mut mode = None;
    let mut end: Option<Instant> = None;
    loop {
        let next = match end {
            Some(end) => timeout_at(end, attempts.next()).await.unwrap_or(None),
            None => attempts.next().await,
        };
        let Some((target, answer)) = next else { break };
        if answer.is_empty() {
            first_empty.get_or_insert((target, answer));
            continue;
        }
        let mut report = answer.report(target);
        // Only the first answer's watch stays open.
        report.mode = *mode.get_or_insert(report.mode);
        report.tried = attempts.failed.iter().map(|(target, _)| *target).collect();
        if report.mode == Mode::Watch {
            end.get_or_insert(Instant::now() + ALSO_WITHIN);
        }
        voice.report(report);
        first_reported.get_or_insert(answer);
        if breadth == Breadth::First {
            break;
        }
    }
    match (first_reported, first_empty) {
        (Some(answer), _) => Ok(answer),
        (None, Some((target, answer))) => {
            voice.report(answer.report(target));
            Ok(answer)
        }
        (None, None) => Err(attempts.into_failure(what)),
    }
}

#[cfg(test)]
mod tests;
