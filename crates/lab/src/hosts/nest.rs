//! The nest: a network and a view of `/run` of this process's own, in which hosts are raised and nothing else is touched.
//!
//! A process gets into it by starting itself again under `unshare`: with root as it is, otherwise in a user namespace, in
//! which it is root. It gets process numbers of its own too, so that everything in the nest ends with its first process.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::mount::{MountFlags, mount};

use super::{SWITCH, tool, tun};

/// Tells a process that it is in the nest.
const MARK: &str = "JACKLINE_LAB_NEST";

/// What the nest has of its own, in memory.
const OWN: &str = "/run";

/// Where `ip` keeps networks by name.
const NETWORKS: &str = "/run/netns";

/// What makes a nest, besides being root.
const APART: [&str; 5] = ["--net", "--mount", "--pid", "--fork", "--kill-child"];

/// What makes it root.
const AS_ROOT: [&str; 2] = ["--user", "--map-root-user"];

/// What this machine lacks for several hosts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Lack {
    /// Why it does not go.
    pub why: String,
    /// The line that would bring what is lacking; empty where there is none.
    pub bring: String,
}

impl Lack {
    pub(crate) fn of(why: impl Into<String>, bring: &str) -> Self {
        Self {
            why: why.into(),
            bring: bring.to_owned(),
        }
    }
}

/// A nest that can be entered.
#[derive(Debug)]
pub struct Nest {
    options: Vec<&'static str>,
}

impl Nest {
    /// Looks whether this machine can have one.
    ///
    /// # Errors
    /// When it lacks something: what, and what would bring it.
    pub fn find() -> Result<Self, Lack> {
        let tools = [
            ("unshare", "apt-get install util-linux"),
            ("ip", "apt-get install iproute2"),
            ("nft", "apt-get install nftables"),
        ];
        for (tool, bring) in tools {
            if tool::find(tool).is_none() {
                return Err(Lack::of(format!("there is no {tool} on this machine"), bring));
            }
        }
        let mut words = String::new();
        for user in [&[][..], &AS_ROOT[..]] {
            let options: Vec<&'static str> = user.iter().chain(&APART).copied().collect();
            let arguments: Vec<&str> = options.iter().copied().chain(["true"]).collect();
            match tool::run("unshare", &arguments) {
                Ok(_) => return Ok(Self { options }),
                Err(error) => words = format!("{error:#}"),
            }
        }
        Err(Lack::of(
            format!("namespaces cannot be made: {words}"),
            "run it as root, or sysctl kernel.unprivileged_userns_clone=1",
        ))
    }

    /// Whether this process is in one.
    #[must_use]
    pub fn is_around() -> bool {
        std::env::var_os(MARK).is_some()
    }

    /// Starts this very program again in the nest, with these arguments, in this one's place. Returns only when that fails.
    #[must_use]
    pub fn enter(&self, arguments: impl IntoIterator<Item = OsString>) -> std::io::Error {
        let program = match std::env::current_exe() {
            Ok(program) => program,
            Err(error) => return error,
        };
        Command::new("unshare")
            .args(&self.options)
            .arg("--")
            .arg(program)
            .args(arguments)
            .env(MARK, "1")
            // What the nodes write is in the nest too, and gone with it.
            .env("TMPDIR", OWN)
            .stdin(Stdio::null())
            .exec()
    }

    /// Makes the nest habitable. Called once, inside, before anything else.
    ///
    /// # Errors
    /// When the kernel lacks something.
    pub fn furnish() -> Result<(), Lack> {
        let furnish = || -> anyhow::Result<()> {
            tool::run("ip", &["link", "set", "lo", "up"])?;
            mount("tmpfs", OWN, "tmpfs", MountFlags::empty(), None)?;
            std::fs::create_dir(NETWORKS)?;
            // The parts that not every kernel has.
            tool::run("ip", &["link", "add", SWITCH, "type", "bridge"])?;
            tool::run("ip", &["link", "del", SWITCH])?;
            tool::run(
                "ip",
                &["link", "add", "one", "type", "veth", "peer", "name", "other"],
            )?;
            tool::run("ip", &["link", "del", "one"])?;
            let rule = "table ip try { chain input { type filter hook input priority 0; numgen random mod 100 < 1 drop; }; }";
            tool::feed("nft", &["-f", "-"], &format!("{rule}\ndelete table ip try\n"))?;
            Ok(())
        };
        furnish().map_err(|error| {
            Lack::of(
                format!("this kernel cannot have several hosts: {error:#}"),
                "modprobe bridge veth nf_tables nft_numgen",
            )
        })
    }

    /// What is lacking for the long cable, without which the fault that needs it cannot be played.
    ///
    /// # Errors
    /// When TUN devices cannot be made.
    pub fn long_cable() -> Result<(), Lack> {
        tun::can_be_made().map_err(|why| {
            Lack::of(
                format!("TUN devices cannot be made: {why}"),
                "run it as root, with the kernel's module tun loaded",
            )
        })
    }
}

pub(super) fn is_furnished() -> bool {
    Nest::is_around() && Path::new(NETWORKS).is_dir()
}

/// The file of a network.
pub(super) fn network(name: &str) -> PathBuf {
    Path::new(NETWORKS).join(name)
}
