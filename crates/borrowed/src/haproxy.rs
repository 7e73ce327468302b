//! The real HAProxy.

use std::path::PathBuf;
use std::process::Command;

use crate::{Unpacked, on_this_machine, unpacked};

/// Debian's packages: HAProxy, and what it needs beside the base system.
const PACKAGES: [&str; 4] = [
    "haproxy",
    "liblua5.3-0",
    "libopentracing-c-wrapper0",
    "libopentracing1",
];

/// What brings HAProxy where it cannot be borrowed.
pub const BRING_HAPROXY: &str = "apt-get install haproxy, or HAPROXY_BIN=/path/to/haproxy";

/// HAProxy, and the libraries that came with it.
#[derive(Clone, Debug)]
pub struct Haproxy {
    program: PathBuf,
    debian: Option<Unpacked>,
}

/// HAProxy: `HAPROXY_BIN`, the machine's own, else Debian's.
///
/// # Errors
/// In words, when it cannot be had.
pub fn haproxy() -> Result<Haproxy, String> {
    let given = std::env::var_os("HAPROXY_BIN").map(PathBuf::from);
    if let Some(program) = given.or_else(|| on_this_machine("haproxy")) {
        return Ok(Haproxy {
            program,
            debian: None,
        });
    }
    let debian = unpacked("haproxy", &PACKAGES)?;
    Ok(Haproxy {
        program: debian
            .program("haproxy")
            .ok_or("Debian's haproxy has no haproxy")?,
        debian: Some(debian),
    })
}

impl Haproxy {
    /// A call of it.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        if let Some(debian) = &self.debian {
            debian.offer(&mut command);
        }
        command
    }
}
