//! No known distribution: nothing is looked for, and all comes from the configuration. Data for [`super::survey`].

use super::Profile;
use super::layout::Layout;

/// Nothing.
pub(crate) const LAYOUT: Layout = Layout {
    profile: Profile::Generic,
    marks: &[],
    options: &[],
    aliases: &[],
    data_dir: "",
    roles: &[],
    authorities: &[],
    credentials: &[],
    without_credential: "",
    servers: &[],
    without_server: "",
    local: None,
    supervisor: None,
    etcd: None,
    import: &[],
    names: &[],
    addresses: &[],
    labels: &[],
    ports: &[],
    services: &[],
};
