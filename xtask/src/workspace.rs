//! Where the checkout is, what packages it holds, and how cargo is called in it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// The checkout.
pub(crate) struct Workspace {
    /// Its folder.
    pub(crate) root: PathBuf,
    /// Where cargo builds.
    pub(crate) target: PathBuf,
    /// Our own packages, by name.
    pub(crate) packages: Vec<Package>,
}

/// One of our own packages, as far as the checks look at it.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Its manifest, relative to the root.
    pub(crate) manifest: String,
    /// What it declares to depend on.
    pub(crate) dependencies: Vec<Dependency>,
    /// Its example targets.
    pub(crate) examples: Vec<String>,
}

/// A declared dependency.
#[derive(Clone, Debug)]
pub(crate) struct Dependency {
    /// The package's name.
    pub(crate) name: String,
    /// Only its tests and examples use it.
    pub(crate) dev: bool,
    /// The features asked for, `default` among them where it is not switched off.
    pub(crate) features: Vec<String>,
}

/// Set by `cargo run` for us; children must not see them, or build scripts that watch them run anew each time.
const CARGO_RUN_VARIABLES: [&str; 2] = ["CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH"];

impl Workspace {
    /// Asks cargo about the checkout that this program was started in.
    pub(crate) fn load() -> anyhow::Result<Self> {
        let mut question = MetadataCommand::new();
        question.no_deps();
        if let Some(folder) = std::env::var_os("CARGO_MANIFEST_DIR") {
            question.current_dir(folder);
        }
        let metadata = question
            .exec()
            .context("cargo metadata failed: start this in a checkout of jackline")?;
        Ok(Self {
            root: metadata.workspace_root.clone().into(),
            target: metadata.target_directory.clone().into(),
            packages: packages(&metadata),
        })
    }

    /// A call of cargo at the root, without the variables that `cargo run` set for us.
    pub(crate) fn cargo<const N: usize>(&self, arguments: [&str; N]) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(arguments).current_dir(&self.root);
        for name in CARGO_RUN_VARIABLES {
            command.env_remove(name);
        }
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CARGO_PKG_") {
                command.env_remove(name);
            }
        }
        command
    }

    /// Any other program, at the root.
    pub(crate) fn program(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command.current_dir(&self.root);
        command
    }
}

fn packages(metadata: &Metadata) -> Vec<Package> {
    let mut packages: Vec<Package> = metadata
        .workspace_packages()
        .into_iter()
        .map(|package| Package {
            name: package.name.to_string(),
            manifest: package
                .manifest_path
                .strip_prefix(&metadata.workspace_root)
                .unwrap_or(&package.manifest_path)
                .to_string(),
            dependencies: package.dependencies.iter().map(dependency).collect(),
            examples: package
                .targets
                .iter()
                .filter(|target| target.is_example())
                .map(|target| target.name.clone())
                .collect(),
        })
        .collect();
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    packages
}

fn dependency(declared: &cargo_metadata::Dependency) -> Dependency {
    let mut features = declared.features.clone();
    if declared.uses_default_features {
        features.push("default".to_owned());
    }
    Dependency {
        name: declared.name.clone(),
        dev: declared.kind == DependencyKind::Development,
        features,
    }
}
