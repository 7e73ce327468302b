//! `cargo xtask package`: all that can be installed, into `target/package`. What lies in it is told by `docs/install.md`, why it is
//! made like this by decision 0021.
//!
//! [`sbom`] lists what the program is made of. Installing what is made here, in a tree of its own, is [`crate::stage`]'s `packaging`.

pub(crate) mod sbom;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use crate::command;
use crate::workspace::Workspace;

/// Where everything goes, under the target folder.
const FOLDER: &str = "package";
/// The profile of decision 0021.
const PROFILE: &str = "dist";
/// A program that is on every node is no larger.
const SIZE_MAX: u64 = 8 << 20;
/// Static; with frame pointers, for what unwinding needs to know is a quarter shorter then (and profilers find their way); functions with the
/// same code are one; relocations are packed, which what is static unpacks by itself.
const FLAGS: &str = "-C target-feature=+crt-static -C force-frame-pointers=yes -C link-arg=-Wl,--icf=all \
     -C link-arg=-Wl,-z,pack-relative-relocs";

/// Makes everything that this machine can make; with `list` only tells what that is.
pub(crate) fn run(workspace: &Workspace, list: bool) -> anyhow::Result<bool> {
    let target = host(workspace)?;
    let tools = [("deb", "cargo-deb"), ("generate-rpm", "cargo-generate-rpm")]
        .map(|(name, package)| (name, package, has(workspace, name)));
    if list {
        println!("archive, SBOM, checksums, static program: yes, for {target}");
        for (name, package, there) in &tools {
            let how = if *there {
                "yes".to_owned()
            } else {
                format!("cargo install --locked {package}")
            };
            println!("{name}: {how}");
        }
        println!("other machines: on a machine of that kind; see docs/install.md");
        return Ok(true);
    }
    let folder = workspace.target.join(FOLDER);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let (program, mut good) = build(workspace, &target)?;
    fs::copy(&program, folder.join("jackline"))?;
    fs::write(
        folder.join("jackline.cdx.json"),
        sbom::render(workspace, &target)?,
    )?;
    let machine = target.split('-').next().unwrap_or_default();
    archive(
        workspace,
        &program,
        &folder,
        &format!("jackline-{}-{machine}", version()),
    )?;
    for (name, package, there) in &tools {
        if !there {
            println!("not made: {name} (cargo install --locked {package})");
            continue;
        }
        good &= command::run(packer(workspace, name, &target, &folder))?.success;
    }
    let sums = command::capture(sums(&folder)?)?;
    fs::write(folder.join("SHA256SUMS"), &sums)?;
    println!("{sums}in {}", folder.display());
    Ok(good)
}

/// Builds the program; and whether it is small enough. One that is not is packed all the same, and told, and the command fails.
fn build(workspace: &Workspace, target: &str) -> anyhow::Result<(PathBuf, bool)> {
    let arguments = [
        "build",
        "-p",
        "jackline",
        "--no-default-features",
        "--profile",
        PROFILE,
        "--target",
        target,
    ];
    let mut build = workspace.cargo(arguments);
    build.env("RUSTFLAGS", flags());
    ensure!(
        command::run(build)?.success,
        "the program could not be built (above)"
    );
    let program = workspace.target.join(target).join(PROFILE).join("jackline");
    let size = fs::metadata(&program)?.len();
    println!("{}: {size} bytes of {SIZE_MAX}", program.display());
    if size > SIZE_MAX {
        println!("TOO LARGE: more than {SIZE_MAX} bytes (decision 0021); what came in?");
    }
    Ok((program, size <= SIZE_MAX))
}

/// [`FLAGS`]; and the places of crates' sources on this machine are left out: they are the same everywhere then, shorter, and
/// nobody's business.
fn flags() -> String {
    let registries = registries().unwrap_or_default();
    let remapped = registries
        .iter()
        .map(|folder| format!(" --remap-path-prefix={}/=", folder.display()));
    remapped.fold(FLAGS.to_owned(), |flags, more| flags + &more)
}

/// Where cargo keeps sources of crates.
fn registries() -> Option<Vec<PathBuf>> {
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")))?;
    let entries = fs::read_dir(home.join("registry/src")).ok()?;
    Some(entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
}

/// `jackline-VERSION-MACHINE.tar.gz`, the same bytes from the same files.
fn archive(workspace: &Workspace, program: &Path, folder: &Path, name: &str) -> anyhow::Result<()> {
    let top = folder.join(name);
    fs::create_dir_all(top.join("systemd"))?;
    fs::copy(program, top.join("jackline"))?;
    for file in ["LICENSE", "docs/install.md", "packaging/install.sh"] {
        let to = Path::new(file).file_name().unwrap_or_default();
        fs::copy(workspace.root.join(file), top.join(to))?;
    }
    for entry in fs::read_dir(workspace.root.join("packaging/systemd"))? {
        let entry = entry?;
        fs::copy(entry.path(), top.join("systemd").join(entry.file_name()))?;
    }
    let mut tar = workspace.program("tar");
    tar.args([
        "--sort=name",
        "--owner=0",
        "--group=0",
        "--numeric-owner",
        "--mtime=@0",
        "-czf",
    ]);
    tar.arg(folder.join(format!("{name}.tar.gz")))
        .arg("-C")
        .arg(folder)
        .arg(name);
    ensure!(command::run(tar)?.success, "tar failed (above)");
    fs::remove_dir_all(top)?;
    Ok(())
}

fn packer(workspace: &Workspace, name: &str, target: &str, folder: &Path) -> Command {
    let mut packer = workspace.cargo([name]);
    packer.args(["--profile", PROFILE, "--target", target]);
    match name {
        "deb" => packer.args(["-p", "jackline", "--no-build", "--no-strip", "-o"]),
        _ => packer.args(["-p", "crates/cli", "-o"]),
    };
    packer.arg(folder);
    packer
}

/// One line for each file, by its name alone.
fn sums(folder: &Path) -> anyhow::Result<Command> {
    let mut names: Vec<_> = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.file_name()))
        .collect::<std::io::Result<_>>()?;
    names.sort();
    let mut sum = Command::new("sha256sum");
    sum.args(names).current_dir(folder);
    Ok(sum)
}

fn has(workspace: &Workspace, subcommand: &str) -> bool {
    command::ask(workspace.cargo([subcommand, "--version"])).is_some()
}

/// The machine that this one is, as rustc calls it.
fn host(workspace: &Workspace) -> anyhow::Result<String> {
    let mut rustc = workspace.program("rustc");
    rustc.arg("-vV");
    let told = command::ask(rustc).context("rustc does not run")?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host
        .context("rustc does not tell what machine this is")?
        .to_owned())
}

fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
