//! Plays on real kube-apiservers: what the stand-ins are true to is shown here to be so.
//!
//! One etcd and three apiservers, each on a host of its own and advertising its address there; nodes on further hosts, each
//! with another credential that nodes have. Leases, lists, rights and shutdowns are the real ones and take the time that they
//! take; a node's own waits are compressed only where a play says so. The programs come from the folder that
//! `KUBEBUILDER_ASSETS` names; without it these plays are told as not run.

mod access;
mod alternating;
mod api;
mod apiserver;
mod assets;
mod caller;
mod cluster;
mod removed;
mod stage;

use super::Lack;
use crate::node::Access;
use crate::plan::Anonymous;
use crate::runner::{Performing, Playable, Setting, told_to_stop};
use crate::scenario::Playing;
use crate::verdict::Outcome;
use assets::Assets;
use stage::RealStage;

pub(super) use access::{ALLOWED as ANONYMOUS_ALLOWED, REFUSED as ANONYMOUS_REFUSED};
pub(super) use alternating::PLAY as ALTERNATING;
pub(super) use removed::PLAY as REMOVED;

/// A play on real apiservers.
pub(super) struct RealPlay {
    pub(super) name: &'static str,
    story: &'static str,
    anonymous: Anonymous,
    /// The nodes, each with its credential. Joined to the first server but where the play says otherwise.
    agents: &'static [(&'static str, Access)],
    /// The number of the server that they are joined to.
    joined_to: usize,
    /// Whether the ClusterRole of `jackline rbac` is there from the beginning.
    granted: bool,
    /// A node's own waits of a person's length are divided by this.
    factor: u32,
    play: for<'a> fn(&'a mut RealStage) -> Playing<'a>,
}

/// What this machine lacks for them.
pub(super) fn lack() -> Option<Lack> {
    Assets::find().err()
}

impl Playable for RealPlay {
    fn name(&self) -> &'static str {
        self.name
    }

    fn story(&self) -> &'static str {
        self.story
    }

    fn perform(&'static self, setting: Setting) -> Performing {
        Box::pin(perform(self, setting))
    }
}

async fn perform(play: &'static RealPlay, setting: Setting) -> anyhow::Result<Outcome> {
    let assets = Assets::find()?;
    setting.timeline.say(play.story);
    setting.timeline.say(assets.versions());
    let mut stage = RealStage::set(play, &assets, &setting).await?;
    let played = tokio::select! {
        played = (play.play)(&mut stage) => played,
        () = told_to_stop() => anyhow::bail!("interrupted: the verdict is not in"),
    };
    Ok(stage.conclude(played).await)
}
