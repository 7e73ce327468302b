//! The node twice: as it is, and as it was before setup changed anything. Plans are made from the second, so that the same
//! request always gives the same plan.

use super::ledger::{Ledger, Now};
use super::own::Own;
use super::{Mode, Request, SetupError};
use crate::profile::host::Host;
use crate::profile::options::Options;
use crate::profile::{Found, layout_of};

/// The node, and what is asked for.
pub(crate) struct Scene {
    /// As it is.
    pub(crate) disk: Host,
    /// As it was.
    pub(crate) before: Host,
    /// What setup changed so far.
    pub(crate) ledger: Option<Ledger>,
    /// What the profile finds on the node as it was.
    pub(crate) found: Found,
    /// What the operator told the distribution.
    pub(crate) options: Options,
    /// jackline's own configuration.
    pub(crate) own: Own,
    /// The mode that is asked for.
    pub(crate) mode: Option<Mode>,
}

impl Scene {
    pub(crate) fn open(request: &Request) -> Result<Self, SetupError> {
        let disk = Host::new(&request.root);
        let ledger = Ledger::read(&disk)?;
        let mut before = disk.clone();
        for entry in ledger.iter().flat_map(|ledger| &ledger.entries) {
            // What somebody else has changed since is what counts now.
            if entry.now(&disk) != Now::Changed {
                before.see_instead(&entry.path, entry.before.as_ref().map(|(bytes, _)| bytes.clone()));
            }
        }
        let own = Own::read(request, &before)?;
        let found = own.config.profile.clone();
        let layout = layout_of(found.profile);
        let options = Options::read(&before, layout);
        Ok(Self {
            disk,
            before,
            ledger,
            found,
            options,
            own,
            mode: request.mode,
        })
    }
}
