//! What jackline believes servers by, and what it shows them: the cluster's CA, node credentials, kubeconfigs.
//!
//! [`Trust`] reads the files that it is pointed at and makes rustls configurations of them: verified to the
//! cluster's CA for the name `kubernetes` (H1), with or without the node's client certificate, and an unverified one for where no
//! CA is known. It re-reads when asked ([`Trust::reload`]) and tells cheaply whether there is reason to
//! ([`Trust::changed_on_disk`]); a damaged new file leaves the old material in force and is told by [`Trust::problems`].
//!
//! It opens no connection, decides nothing about endpoints and starts no task: when to reload and whom to present a
//! credential to are others' decisions. Secrets never show in `Debug` or in an error.
//!
//! | file | what |
//! |---|---|
//! | `trust.rs` | the one handle that others hold |
//! | `material.rs` | all that was read at one time, and how a damaged part keeps its predecessor |
//! | `kubeconfig.rs` | the forms that K3s and kubeadm write; one made whole, to be handed over |
//! | `authorities.rs`, `identity.rs`, `credential.rs` | CA bundle, client certificate, what a request carries |
//! | `verify.rs` | the two certificate verifiers |
//! | `inspect.rs` | what a certificate says of itself, for reports |
//! | `untrusted.rs` | a failed verification, in words with both times (H8) |
//! | `file.rs` | bounded reading, and noticing that a file changed |
#![forbid(unsafe_code)]

mod authorities;
mod credential;
mod error;
mod file;
mod identity;
pub mod inspect;
mod kubeconfig;
mod material;
mod trust;
mod untrusted;
mod verify;

pub use authorities::Authorities;
pub use credential::{Credential, Secret};
pub use error::TrustError;
pub use file::{FileError, read_file};
pub use kubeconfig::whole::whole as whole_kubeconfig;
pub use trust::{DEFAULT_SERVER_NAME, Trust, TrustConfig};
pub use untrusted::{Cause, Untrusted, classify, tls_fault};
