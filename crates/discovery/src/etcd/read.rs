//! One question to one member: the lease keys and the lists at once, with the assent of a quorum; then the members, and a watch from
//! the next revision on.
//!
//! Where that cannot be had at once, the parts are asked for one by one: the lease keys first, because their answer is always
//! small – a huge value elsewhere cannot hide who answers, and as of when –, with a quorum or from what this member has; then the lists
//! as of the same revision.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::Subject;
use super::grpc::{Call, Channel, Messages, decoded};
use super::keys::{Contents, ENTRIES_MAX, Keys};
use super::messages::{
    MEMBER_LIST, MemberListRequest, MemberListResponse, RANGE, RangeRequest, RangeResponse, RequestOp, TXN,
    TxnRequest, TxnResponse, WATCH, WatchCreateRequest, WatchOrder, WatchRequest, WatchResponse,
};
use super::targets::Target;
use super::watch::MESSAGE_MAX;
use crate::ask_error::{AskError, Phase};

/// A quorum that takes longer to assent, or half of what time there is, counts as lost.
const QUORUM_WITHIN: Duration = Duration::from_secs(2);

/// A member that takes longer to open a watch, or half of what time is left, is asked again and again instead.
const WATCH_OPENS_WITHIN: Duration = Duration::from_secs(4);

/// gRPC's status of a member that has no leader, or got no assent.
const UNAVAILABLE: u32 = 14;

/// The largest answers in bytes: 512 keys without their values, one list, the members.
const LEASES_MAX: usize = 256 * 1024;
const LIST_MAX: usize = 1024 * 1024;
const MEMBER_LIST_MAX: usize = 64 * 1024;

/// What a member answered.
pub(super) struct Answer {
    /// The id of the cluster that it belongs to.
    pub(super) cluster: u64,
    pub(super) revision: i64,
    /// Why there was no quorum for it; `None`: there was.
    pub(super) lost: Option<AskError>,
    pub(super) contents: Contents,
    /// Not asked for without quorum.
    pub(super) members: Option<MemberListResponse>,
    /// The watch, or why there is none; empty: none was wanted.
    pub(super) watch: Result<Messages, String>,
}

/// Asks the member at `target`.
pub(super) async fn ask(
    target: &Target,
    keys: &Keys,
    subject: Subject,
    until: Instant,
) -> Result<Answer, AskError> {
    let channel = Channel::open(target.address, &target.access, &target.authority, until).await?;
    let (leases, told, lost) = match at_once(&channel, keys, until).await {
        Ok((leases, lists)) => (leases, Some(lists), None),
        // Without a quorum it is no use to ask for one again.
        Err(
            lost @ (AskError::TimedOut(_)
            | AskError::Rpc {
                code: UNAVAILABLE, ..
            }),
        ) => (leases_here(&channel, keys, until).await?, None, Some(lost)),
        Err(AskError::Rpc { .. } | AskError::TooLarge(_) | AskError::Nonsense(_)) => {
            let (leases, lost) = leases(&channel, keys, until).await?;
            (leases, None, lost)
        }
        Err(error) => return Err(error),
    };
    let header = leases
        .header
        .as_ref()
        .ok_or_else(|| AskError::Nonsense("an answer that does not say whose it is".to_owned()))?;
    let (cluster, revision) = (header.cluster_id, header.revision);
    let mut contents = Contents::new(keys.clone());
    if subject == Subject::Members {
        // A read with quorum came before it: this member has caught up with every change that was agreed on.
        return Ok(Answer {
            cluster,
            revision,
            lost,
            contents,
            members: Some(member_list(&channel, until).await?),
            watch: Err(String::new()),
        });
    }
    leases.kvs.iter().for_each(|kv| contents.put(kv));
    if leases.more {
        contents.there_are_more();
    }
    let [first, second] = keys.lists();
    let members = members(&channel, lost.is_none(), until);
    let (first_list, second_list, members) = match told {
        Some([first, second]) => (Ok(first), Ok(second), members.await),
        None => tokio::join!(
            list(&channel, first, revision, until),
            list(&channel, second, revision, until),
            members
        ),
    };
    for (key, answer) in [(first, first_list), (second, second_list)] {
        match answer {
            Ok(answer) => answer.kvs.iter().for_each(|kv| contents.put(kv)),
            // The member speaks, but not of this key.
            Err(error @ (AskError::Rpc { .. } | AskError::TooLarge(_) | AskError::Nonsense(_))) => {
                contents.unreadable(key, error.to_string());
            }
            Err(error) => return Err(error),
        }
    }
    let watch = match &lost {
        Some(_) => Err("there is no quorum".to_owned()),
        None => {
            let now = Instant::now();
            let soon = now + WATCH_OPENS_WITHIN.min(until.saturating_duration_since(now) / 2);
            open_watch(channel, &mut contents, keys, revision + 1, soon)
                .await
                .map_err(|error| error.to_string())
        }
    };
    Ok(Answer {
        cluster,
        revision,
        lost,
        contents,
        members,
        watch,
    })
}

/// The lease keys and the two lists, as of one revision and with quorum.
async fn at_once(
    channel: &Channel,
    keys: &Keys,
    until: Instant,
) -> Result<(RangeResponse, [RangeResponse; 2]), AskError> {
    let lists = keys.lists().map(|key| of_list(key, 0));
    let reads = std::iter::once(of_leases(keys, false)).chain(lists);
    let request = TxnRequest {
        success: reads.map(|range| RequestOp { range: Some(range) }).collect(),
    };
    let call = Call {
        method: TXN,
        with_leader: true,
        answer_max: LEASES_MAX + 2 * LIST_MAX,
    };
    let answer: TxnResponse = channel.call(call, &request, quorum_until(until)).await?;
    let header = answer.header;
    let mut ranges = answer.responses.into_iter().filter_map(|response| response.range);
    match (ranges.next(), ranges.next(), ranges.next(), ranges.next()) {
        (Some(mut leases), Some(first), Some(second), None) => {
            leases.header = header;
            Ok((leases, [first, second]))
        }
        _ => Err(AskError::Nonsense(
            "another number of answers than of questions".to_owned(),
        )),
    }
}

/// A read of the lease keys.
fn of_leases(keys: &Keys, serializable: bool) -> RangeRequest {
    let (key, range_end) = keys.leases();
    RangeRequest {
        key,
        range_end,
        limit: i64::try_from(ENTRIES_MAX).unwrap_or(i64::MAX),
        serializable,
        keys_only: true,
        ..RangeRequest::default()
    }
}

/// A read of one list, as of a revision that this member has, where that is not 0: nobody else needs to assent then.
fn of_list(key: &'static str, revision: i64) -> RangeRequest {
    RangeRequest {
        key: Bytes::from_static(key.as_bytes()),
        limit: 1,
        revision,
        serializable: revision != 0,
        ..RangeRequest::default()
    }
}

/// A quorum has until then.
fn quorum_until(until: Instant) -> Instant {
    let now = Instant::now();
    now + QUORUM_WITHIN.min(until.saturating_duration_since(now) / 2)
}

/// The lease keys, from what this member has.
async fn leases_here(channel: &Channel, keys: &Keys, until: Instant) -> Result<RangeResponse, AskError> {
    let call = Call {
        method: RANGE,
        with_leader: false,
        answer_max: LEASES_MAX,
    };
    channel.call(call, &of_leases(keys, true), until).await
}

/// The lease keys, and why not with quorum if not.
async fn leases(
    channel: &Channel,
    keys: &Keys,
    until: Instant,
) -> Result<(RangeResponse, Option<AskError>), AskError> {
    let call = Call {
        method: RANGE,
        with_leader: true,
        answer_max: LEASES_MAX,
    };
    let asked = channel
        .call(call, &of_leases(keys, false), quorum_until(until))
        .await;
    match asked {
        Ok(answer) => Ok((answer, None)),
        Err(lost @ (AskError::Rpc { .. } | AskError::TimedOut(_))) => {
            Ok((leases_here(channel, keys, until).await?, Some(lost)))
        }
        Err(error) => Err(error),
    }
}

/// One list as it was at `revision`, which this member has: nobody else needs to assent any more.
async fn list(
    channel: &Channel,
    key: &'static str,
    revision: i64,
    until: Instant,
) -> Result<RangeResponse, AskError> {
    let call = Call {
        method: RANGE,
        with_leader: false,
        answer_max: LIST_MAX,
    };
    channel.call(call, &of_list(key, revision), until).await
}

/// The members as this one knows them.
async fn member_list(channel: &Channel, until: Instant) -> Result<MemberListResponse, AskError> {
    let call = Call {
        method: MEMBER_LIST,
        with_leader: false,
        answer_max: MEMBER_LIST_MAX,
    };
    channel.call(call, &MemberListRequest {}, until).await
}

/// The members beside the keys. That they cannot be had spoils nothing.
async fn members(channel: &Channel, wanted: bool, until: Instant) -> Option<MemberListResponse> {
    if !wanted {
        return None;
    }
    member_list(channel, until)
        .await
        .inspect_err(|error| tracing::debug!(%error, "no list of members"))
        .ok()
}

/// Watches all keys from `revision` on, on one stream. What changes while it opens is in `contents`.
async fn open_watch(
    channel: Channel,
    contents: &mut Contents,
    keys: &Keys,
    revision: i64,
    until: Instant,
) -> Result<Messages, AskError> {
    let (from, to) = keys.leases();
    let lists = keys
        .lists()
        .map(|list| (Bytes::from_static(list.as_bytes()), Bytes::new()));
    let requests: Vec<WatchRequest> = std::iter::once((from, to))
        .chain(lists)
        .map(|(key, range_end)| WatchRequest {
            order: Some(WatchOrder::Create(WatchCreateRequest {
                key,
                range_end,
                start_revision: revision,
                progress_notify: true,
            })),
        })
        .collect();
    let call = Call {
        method: WATCH,
        with_leader: true,
        answer_max: MESSAGE_MAX,
    };
    let mut messages = channel.stream(call, &requests, until).await?;
    let mut to_be_created = requests.len();
    let opening = async {
        while to_be_created > 0 {
            let Some(message) = messages.next(MESSAGE_MAX).await? else {
                return Err(AskError::CutOff("before the watch was open".to_owned()));
            };
            let response: WatchResponse = decoded(message)?;
            if let Some(reason) = super::watch::end_of(&response) {
                return Err(AskError::Nonsense(reason));
            }
            to_be_created -= usize::from(response.created);
            response.events.iter().for_each(|event| contents.apply(event));
        }
        Ok(())
    };
    tokio::time::timeout_at(until, opening)
        .await
        .map_err(|_| AskError::TimedOut(Phase::Head))??;
    Ok(messages)
}
