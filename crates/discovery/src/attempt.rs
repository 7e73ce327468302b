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
use jackline_core::{Breadth, Report, SourceFailure};
use tokio::time::{Instant, sleep_until};

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
    while let Some((target, answer)) = attempts.next().await {
        if answer.is_empty() {
            first_empty.get_or_insert((target, answer));
            continue;
        }
        let mut report = answer.report(target);
        // Only the first answer's watch stays open.
        report.mode = *mode.get_or_insert(report.mode);
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
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    fn target(last: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, last], 6443))
    }

    fn targets(count: u8) -> Vec<SocketAddr> {
        (1..=count).map(target).collect()
    }

    /// What became of each attempt, with the time since the start in milliseconds.
    type Log = Arc<Mutex<Vec<(u8, u128)>>>;

    /// `behaviour` says after how many milliseconds a server answers, and whether well.
    fn attempts(count: u8, limit: u64, log: &Log, behaviour: fn(u8) -> (u64, bool)) -> Attempts<'static, u8> {
        let start = Instant::now();
        let log = Arc::clone(log);
        Attempts::new(
            &targets(count),
            start + Duration::from_millis(limit),
            move |target, until| {
                let SocketAddr::V4(v4) = target else {
                    unreachable!("IPv4 only")
                };
                let last = v4.ip().octets()[3];
                log.lock().unwrap().push((last, start.elapsed().as_millis()));
                async move {
                    let (after, good) = behaviour(last);
                    let answer = async {
                        tokio::time::timeout(Duration::from_millis(after), pending::<()>())
                            .await
                            .is_err()
                    };
                    tokio::time::timeout_at(until, answer)
                        .await
                        .map_err(|_| AskError::TimedOut(Phase::Head))?;
                    if good {
                        Ok(last)
                    } else {
                        Err(AskError::Nonsense("no".to_owned()))
                    }
                }
            },
        )
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_starts_the_next_at_once() {
        let log = Log::default();
        let mut attempts = attempts(3, 10_000, &log, |last| (10, last == 3));
        assert_eq!(attempts.next().await, Some((target(3), 3)));
        assert_eq!(*log.lock().unwrap(), [(1, 0), (2, 10), (3, 20)]);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_starts_the_next_beside_the_first_which_may_still_win() {
        let log = Log::default();
        let mut attempts = attempts(3, 10_000, &log, |last| {
            (if last == 1 { 400 } else { 5_000 }, true)
        });
        assert_eq!(attempts.next().await, Some((target(1), 1)));
        assert_eq!(*log.lock().unwrap(), [(1, 0), (2, 250)]);
    }

    #[tokio::test(start_paused = true)]
    async fn three_are_under_way_at_most_and_silent_ones_make_room_in_time() {
        let log = Log::default();
        let mut attempts = attempts(6, 10_000, &log, |last| {
            (if last == 6 { 10 } else { 1_000_000 }, true)
        });
        assert_eq!(attempts.next().await, Some((target(6), 6)));
        let starts: Vec<u128> = log.lock().unwrap().iter().map(|(_, at)| *at).collect();
        // Two waves share ten seconds.
        assert_eq!(starts, [0, 250, 500, 5_000, 5_250, 5_500]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_ends_all_and_tells_who_was_silent() {
        let log = Log::default();
        let mut attempts = attempts(2, 1_000, &log, |_| (1_000_000, true));
        attempts.share = Duration::from_secs(100);
        assert_eq!(attempts.next().await, None);
        let failure = attempts.into_failure("the list");
        assert_eq!(failure.tried.len(), 2);
        assert!(
            failure.reason.contains("10.0.0.2:6443: nothing came in time"),
            "{}",
            failure.reason
        );
        assert_eq!(failure.local, None);
    }

    #[tokio::test(start_paused = true)]
    async fn every_server_is_asked_once_and_a_second_mention_is_not() {
        let log = Log::default();
        let seen = Arc::clone(&log);
        let twice = [target(1), target(1), target(2)];
        let mut attempts = Attempts::new(
            &twice,
            Instant::now() + Duration::from_secs(1),
            move |target, _| {
                seen.lock().unwrap().push((0, 0));
                async move { Ok::<_, AskError>(target) }
            },
        );
        let mut answers = Vec::new();
        while let Some((_, answer)) = attempts.next().await {
            answers.push(answer);
        }
        assert_eq!(answers, [target(1), target(2)]);
        assert_eq!(log.lock().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn the_shortest_pause_asked_for_counts_and_only_shared_local_faults_are_ours() {
        let fail = |last: u8| -> AskError {
            let pause = |seconds| Some(Duration::from_secs(seconds));
            match last {
                1 => AskError::Status {
                    code: 429,
                    message: String::new(),
                    retry_after: pause(9),
                    missing: None,
                },
                2 => AskError::Status {
                    code: 503,
                    message: String::new(),
                    retry_after: pause(4),
                    missing: None,
                },
                _ => AskError::Local(jackline_core::LocalFault::Descriptors),
            }
        };
        let failure_of = async |who: &[SocketAddr]| {
            let mut attempts =
                Attempts::new(who, Instant::now() + Duration::from_secs(9), move |target, _| {
                    let SocketAddr::V4(v4) = target else {
                        unreachable!("IPv4 only")
                    };
                    let error = fail(v4.ip().octets()[3]);
                    async move { Err::<(), _>(error) }
                });
            assert_eq!(attempts.next().await, None);
            attempts.into_failure("the list")
        };
        let all = failure_of(&targets(3)).await;
        assert_eq!((all.retry_after, all.local), (Some(Duration::from_secs(4)), None));
        let ours = failure_of(&[target(3)]).await;
        assert_eq!(ours.local, Some(jackline_core::LocalFault::Descriptors));
        let none = failure_of(&[]).await;
        assert!(none.reason.contains("no server is known"), "{}", none.reason);
    }
}
