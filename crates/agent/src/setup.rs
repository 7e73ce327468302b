//! `jackline setup`: points this very node's own programs at jackline, and takes it back byte for byte.
//!
//! A [`Plan`] is made from what the profile finds and says everything: what to check before, which files change and how,
//! what to do afterwards. [`write`](fn@write) carries it out, [`undo`] takes it back; both may be repeated and may be interrupted anywhere. No
//! program is run and no service is touched: when a node's kubelet restarts is its operator's to say.
//!
//! | file | what it is for |
//! |---|---|
//! | `plan` | what is to change, and in which words it is told |
//! | `scene` | the node as it was before jackline changed anything, and as it is |
//! | `rancher`, `kubeadm`, `by_hand` | what changes on each distribution |
//! | `own` | jackline's own configuration file |
//! | `ledger` | what was changed, with the bytes from before |
//! | `disk` | replacing a file at once, with its owner and mode |
//! | `write` | carrying out and taking back |
//! | `error` | why it is not done |

mod by_hand;
mod disk;
mod error;
mod kubeadm;
mod ledger;
mod own;
mod plan;
mod rancher;
mod scene;
mod write;

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use error::SetupError;
pub use plan::{Plan, ToldChange, ToldPlan};
pub use write::{Done, undo, write};

/// How jackline and the distribution's own balancer, if it has one, go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The node's programs connect to jackline alone.
    Replace,
    /// The distribution's own balancer goes on, and jackline is the address that it falls back to.
    StandBehind,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Replace => "replace",
            Self::StandBehind => "stand-behind",
        })
    }
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The folder that stands for the node's `/`.
    pub root: PathBuf,
    /// The mode; `None`: the one that suits the distribution and the node's role.
    pub mode: Option<Mode>,
    /// `--profile`.
    pub profile: Option<String>,
    /// `--server`: registration addresses, where no file tells the right ones.
    pub servers: Vec<String>,
}

/// What would change on this node, without changing anything.
///
/// # Errors
/// The node, or what is asked for, cannot be understood; the error ends in what to do.
pub fn plan(request: &Request) -> Result<Plan, SetupError> {
    scene::Scene::open(request).map(|scene| plan::plan(&scene))
}
