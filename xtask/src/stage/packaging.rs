//! What is installed besides the program: units that systemd understands and that are shut in, an installer that refuses what it should,
//! manifests that kustomize renders, lists of files that agree, a recipe of a container; and packages in trees of their own, where they were made.

mod role;
mod trial;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use crate::command;
use crate::outcome::{Outcome, Skip};
use crate::workspace::Workspace;

/// The units and what goes with them.
const UNITS: &str = "packaging/systemd";
/// `systemd-analyze security` gives ten times this at the most: the higher, the less is shut in.
const EXPOSURE_MAX: &str = "15";

/// All of it, in a folder of its own under the target folder.
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<Outcome> {
    let folder = workspace.target.join("packaging");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let outcome = units(workspace, &folder.join("units"))?
        .and(lists(workspace)?)
        .and(installer(workspace, &folder.join("installer"))?)
        .and(role::run(workspace, &folder.join("role"))?)
        .and(manifests(workspace)?)
        .and(container(workspace)?)
        .and(trial::packages(workspace, &folder.join("trees"))?);
    fs::remove_dir_all(folder)?;
    Ok(outcome.must_have_run("checks of packaging"))
}

fn skip(what: &str, why: &str, bring: &str) -> Outcome {
    Outcome {
        skips: vec![Skip {
            what: what.to_owned(),
            why: why.to_owned(),
            bring: bring.to_owned(),
        }],
        ..Outcome::default()
    }
}

/// systemd reads the units without a word, and finds little that they could do.
fn units(workspace: &Workspace, root: &Path) -> anyhow::Result<Outcome> {
    let mut version = workspace.program("systemd-analyze");
    version.arg("--version");
    if command::ask(version).is_none() {
        return Ok(skip(
            "units",
            "systemd-analyze is not here",
            "apt-get install systemd",
        ));
    }
    let (system, programs) = (root.join("usr/lib/systemd/system"), root.join("usr/bin"));
    for folder in [&system, &programs, &root.join("etc")] {
        fs::create_dir_all(folder)?;
    }
    // What the units name: a program, a user, the targets of every machine.
    fs::copy("/bin/true", programs.join("jackline"))?;
    fs::write(
        root.join("etc/passwd"),
        "root:x:0:0::/:/bin/sh\njackline:x:999:999::/:/bin/sh\n",
    )?;
    fs::write(root.join("etc/group"), "root:x:0:\njackline:x:999:\n")?;
    for target in ["sysinit", "basic", "sockets", "multi-user", "shutdown", "paths"] {
        fs::write(
            system.join(format!("{target}.target")),
            "[Unit]\nDescription=as on every machine\n",
        )?;
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(workspace.root.join(UNITS))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if [".service", ".socket", ".path"]
            .iter()
            .any(|end| name.ends_with(end))
        {
            fs::copy(entry.path(), system.join(&name))?;
            names.push(name);
        }
    }
    names.sort();
    let mut verify = workspace.program("systemd-analyze");
    verify.arg("verify").arg("--man=no").arg("--recursive-errors=no");
    verify.arg(format!("--root={}", root.display())).args(&names);
    let verified = command::run(verify)?;
    let silent = verified.success && verified.lines.iter().all(|line| line.trim().is_empty());
    let mut outcome = Outcome::of(
        silent,
        "systemd-analyze verify says something of the units (above)",
    );
    for service in names.iter().filter(|name| name.ends_with(".service")) {
        let mut security = workspace.program("systemd-analyze");
        security.args([
            "security",
            "--no-pager",
            "--offline=true",
            &format!("--threshold={EXPOSURE_MAX}"),
        ]);
        security.arg(system.join(service));
        let held = command::ask(security).is_some();
        outcome = outcome.and(Outcome::of(
            held,
            &format!("{service} is less shut in than it was"),
        ));
    }
    Ok(outcome)
}

/// What is installed by .deb, by .rpm and by the installer is the same.
fn lists(workspace: &Workspace) -> anyhow::Result<Outcome> {
    let manifest = fs::read_to_string(workspace.root.join("crates/cli/Cargo.toml"))?;
    let (_, packages) = manifest
        .split_once("[package.metadata.deb]")
        .context("no table for .deb")?;
    let (deb, rpm) = packages
        .split_once("[package.metadata.generate-rpm]")
        .context("no table for .rpm")?;
    let installer = fs::read_to_string(workspace.root.join("packaging/install.sh"))?;
    let mut outcome = Outcome::default();
    let lie: BTreeSet<String> = fs::read_dir(workspace.root.join(UNITS))?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<std::io::Result<_>>()?;
    ensure!(!lie.is_empty(), "{UNITS} is empty");
    for name in &lie {
        for (list, text) in [
            (".deb", deb),
            (".rpm", rpm),
            ("the installer", installer.as_str()),
        ] {
            let there = text.contains(&format!("systemd/{name}"));
            outcome = outcome.and(Outcome::of(there, &format!("{list} leaves out {UNITS}/{name}")));
        }
    }
    Ok(outcome)
}

/// An archive of a release with a stand-in for the program, for what installs one wants only that it runs; and the list that vouches for it.
fn stand_in(workspace: &Workspace, folder: &Path) -> anyhow::Result<(PathBuf, PathBuf)> {
    let top = folder.join("jackline-0-test");
    fs::create_dir_all(top.join("systemd"))?;
    fs::write(top.join("jackline"), "#!/bin/sh\necho jackline 0-test\n")?;
    fs::set_permissions(top.join("jackline"), fs::Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(workspace.root.join(UNITS))? {
        let entry = entry?;
        fs::copy(entry.path(), top.join("systemd").join(entry.file_name()))?;
    }
    let archive = folder.join("jackline-0-test.tar.gz");
    let mut tar = workspace.program("tar");
    tar.args(["-C", &folder.to_string_lossy(), "-czf"]);
    tar.arg(&archive).arg("jackline-0-test");
    ensure!(command::run(tar)?.success, "tar failed (above)");
    let sums = folder.join("SHA256SUMS");
    let mut sum = workspace.program("sha256sum");
    sum.arg("jackline-0-test.tar.gz").current_dir(folder);
    fs::write(&sums, command::capture(sum)?)?;
    Ok((archive, sums))
}

/// The installer with an archive that is right, with one that was changed on the way, and back.
fn installer(workspace: &Workspace, folder: &Path) -> anyhow::Result<Outcome> {
    let (archive, sums) = stand_in(workspace, folder)?;
    let prefix = folder.join("prefix");
    let install = |more: &[&str]| {
        let mut shell = workspace.program("sh");
        shell
            .arg("packaging/install.sh")
            .args(more)
            .arg("--prefix")
            .arg(&prefix);
        command::run(shell)
    };
    let files = [&archive, &sums].map(|path| path.to_string_lossy().into_owned());
    let arguments = ["--archive", &files[0], "--checksums", &files[1]];
    let installed = prefix.join("usr/local/bin/jackline");
    let unit = prefix.join("etc/systemd/system/jackline.service");
    let good = install(&arguments)?.success && installed.is_file();
    let mut outcome = Outcome::of(good, "install.sh does not install");
    let unit = fs::read_to_string(unit).unwrap_or_default();
    let right = unit.contains("ExecStart=/usr/local/bin/jackline run");
    outcome = outcome.and(Outcome::of(
        right,
        "the installed unit names another program than the installed one",
    ));
    let gone = install(&["--uninstall"])?.success && !installed.exists();
    outcome = outcome.and(Outcome::of(gone, "install.sh --uninstall leaves the program"));
    let mut bytes = fs::read(&archive)?;
    bytes.push(0);
    fs::write(&archive, bytes)?;
    let refused = !install(&arguments)?.success && !installed.exists();
    outcome = outcome.and(Outcome::of(
        refused,
        "install.sh takes an archive that was changed",
    ));
    fs::write(&sums, "")?;
    let refused = !install(&arguments)?.success && !installed.exists();
    Ok(outcome.and(Outcome::of(
        refused,
        "install.sh takes an archive that nobody vouches for",
    )))
}

/// kustomize renders the DaemonSet.
fn manifests(workspace: &Workspace) -> anyhow::Result<Outcome> {
    let mut kustomize = workspace.program("kubectl");
    kustomize.args(["kustomize", "packaging/kubernetes/daemonset"]);
    let Some(rendered) = command::ask(kustomize) else {
        return Ok(skip(
            "the DaemonSet's manifests",
            "there is no kubectl that knows kustomize",
            "install kubectl 1.21 or later",
        ));
    };
    let kinds = [
        "ServiceAccount",
        "ClusterRole",
        "ClusterRoleBinding",
        "ConfigMap",
        "DaemonSet",
    ];
    let mut outcome = Outcome::default();
    for kind in kinds {
        let there = rendered.lines().any(|line| line == format!("kind: {kind}"));
        outcome = outcome.and(Outcome::of(
            there,
            &format!("the rendered manifests have no {kind}"),
        ));
    }
    Ok(outcome)
}

/// What can be seen of the container's recipe without an engine that builds it; that it was not built is told.
fn container(workspace: &Workspace) -> anyhow::Result<Outcome> {
    let recipe = fs::read_to_string(workspace.root.join("packaging/container/Containerfile"))?;
    let lines: Vec<&str> = recipe.lines().filter(|line| !line.starts_with('#')).collect();
    let user = lines.iter().find_map(|line| line.strip_prefix("USER "));
    let is_number = |word: &str| word.parse::<u32>().is_ok_and(|number| number != 0);
    let checks = [
        (lines.first() == Some(&"FROM scratch"), "it is not from scratch"),
        (
            user.is_some_and(|user| user.split(':').all(is_number)),
            "it does not run as a numbered user other than root",
        ),
        (
            lines.iter().filter(|line| line.starts_with("COPY ")).count() == 1,
            "it holds more than the program",
        ),
        (
            !lines
                .iter()
                .any(|line| line.starts_with("RUN ") || line.starts_with("ADD ")),
            "it runs or fetches something while it is built",
        ),
    ];
    let mut outcome = skip(
        "the container, built and run",
        "no container engine is used here: its recipe alone was read",
        "",
    );
    for (held, otherwise) in checks {
        outcome = outcome.and(Outcome::of(held, &format!("Containerfile: {otherwise}")));
    }
    Ok(outcome)
}
