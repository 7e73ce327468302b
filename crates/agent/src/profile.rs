//! Profiles: what jackline finds on a node of a known distribution, so that nobody has to write it down.
//!
//! A profile is data: a `layout::Layout` in a file of its own. One engine, `survey`, looks at the node with it and gives
//! values for the layer between the file and the defaults. It opens files and nothing else: no socket, no program. What it
//! cannot find it tells in a sentence that ends in what to do; whether that is fatal is the configuration's to say.
//!
//! | file | what it is for |
//! |---|---|
//! | `layout` | what a profile can say: the types of the tables |
//! | `k3s`, `rke2`, `kubeadm`, `k0s`, `microk8s`, `generic` | the tables |
//! | `survey` | the engine: which distribution this is, its role, and what follows |
//! | `survey/credentials`, `survey/servers` | whom to trust and what to present; whom to connect to |
//! | `options` | what the operator told the distribution: files, overlays, variables, flags |
//! | `words` | words of a unit's command line and of a file of variables |
//! | `kubeconfig` | the server that a kubeconfig names, and where in the file |
//! | `host` | the node's files, under a root, bounded |
//! | `found` | what was found, for people and for the configuration |

pub(crate) mod found;
mod generic;
pub(crate) mod host;
mod k0s;
mod k3s;
pub(crate) mod kubeadm;
pub(crate) mod kubeconfig;
pub(crate) mod layout;
mod microk8s;
pub(crate) mod options;
pub(crate) mod rke2;
pub(crate) mod survey;
pub(crate) mod words;

use std::fmt;

pub use found::{Found, Missing, Reserved, Role};

/// Which profile is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Profile {
    /// The one whose distribution is found on the node.
    #[default]
    Auto,
    /// K3s.
    K3s,
    /// RKE2.
    Rke2,
    /// kubeadm, and what is built on it.
    Kubeadm,
    /// k0s.
    K0s,
    /// MicroK8s.
    Microk8s,
    /// None of them: nothing is looked for.
    Generic,
}

impl Profile {
    /// The word of `--profile`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::K3s => "k3s",
            Self::Rke2 => "rke2",
            Self::Kubeadm => "kubeadm",
            Self::K0s => "k0s",
            Self::Microk8s => "microk8s",
            Self::Generic => "generic",
        }
    }

    /// The distribution's name, as its makers write it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Auto => "a known distribution",
            Self::K3s => "K3s",
            Self::Rke2 => "RKE2",
            Self::Kubeadm => "kubeadm",
            Self::K0s => "k0s",
            Self::Microk8s => "MicroK8s",
            Self::Generic => "no distribution",
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The table of each profile, in the order in which they are told.
pub(crate) const LAYOUTS: [&layout::Layout; 5] = [
    &k3s::LAYOUT,
    &rke2::LAYOUT,
    &kubeadm::LAYOUT,
    &k0s::LAYOUT,
    &microk8s::LAYOUT,
];

/// The table of `profile`; the one of `generic` where it has none of its own.
pub(crate) fn layout_of(profile: Profile) -> &'static layout::Layout {
    LAYOUTS
        .into_iter()
        .find(|layout| layout.profile == profile)
        .unwrap_or(&generic::LAYOUT)
}
