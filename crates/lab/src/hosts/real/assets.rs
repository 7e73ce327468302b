//! The real programs, where `KUBEBUILDER_ASSETS` says: the ecosystem's convention for tests against a real apiserver.

use std::path::{Path, PathBuf};

use super::super::{Lack, tool};

/// Names the folder.
const VARIABLE: &str = "KUBEBUILDER_ASSETS";

/// What would bring it.
const BRING: &str = "KUBEBUILDER_ASSETS=/a/folder/with/kube-apiserver/and/etcd";

/// Where the programs are.
#[derive(Clone, Debug)]
pub(super) struct Assets {
    pub(super) apiserver: PathBuf,
    pub(super) etcd: PathBuf,
}

impl Assets {
    /// Looks for them.
    ///
    /// # Errors
    /// When the variable is not set, or its folder lacks one of them.
    pub(super) fn find() -> Result<Self, Lack> {
        let Some(folder) = std::env::var_os(VARIABLE).filter(|value| !value.is_empty()) else {
            return Err(Lack::of(
                format!("{VARIABLE} is not set: no real kube-apiserver is at hand"),
                BRING,
            ));
        };
        Self::within(Path::new(&folder))
    }

    fn within(folder: &Path) -> Result<Self, Lack> {
        let program = |name: &str| {
            let file = folder.join(name);
            match file.is_file() {
                true => Ok(file),
                false => Err(Lack::of(
                    format!("{VARIABLE} names {}, which has no {name}", folder.display()),
                    BRING,
                )),
            }
        };
        Ok(Self {
            apiserver: program("kube-apiserver")?,
            etcd: program("etcd")?,
        })
    }

    /// What they say that they are, in a line.
    pub(super) fn versions(&self) -> String {
        let first = |program: &Path| {
            let said = tool::run(&program.to_string_lossy(), &["--version"]).unwrap_or_default();
            said.lines().next().unwrap_or("no version told").trim().to_owned()
        };
        format!(
            "kube-apiserver: {}; {}",
            first(&self.apiserver),
            first(&self.etcd)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_one_of_the_programs_is_told_with_the_missing_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let lack = Assets::within(folder.path()).expect_err("it is empty");
        assert!(lack.why.ends_with("which has no kube-apiserver"), "{lack:?}");
        std::fs::write(folder.path().join("kube-apiserver"), "").expect("written");
        let lack = Assets::within(folder.path()).expect_err("etcd is missing");
        assert!(lack.why.ends_with("which has no etcd"), "{lack:?}");
        std::fs::write(folder.path().join("etcd"), "").expect("written");
        assert!(Assets::within(folder.path()).is_ok());
    }
}
