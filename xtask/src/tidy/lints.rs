//! Every crate takes the workspace's lints.

use super::tree::{Finding, Tree};

/// Manifests of ours without them.
pub(crate) fn find(tree: &Tree) -> Vec<Finding> {
    tree.packages
        .iter()
        .filter(|package| {
            !tree
                .file(&package.manifest)
                .is_some_and(|file| takes_lints(&file.text))
        })
        .map(|package| Finding::in_file(&package.manifest, "lacks [lints] workspace = true"))
        .collect()
}

fn takes_lints(manifest: &str) -> bool {
    let mut lines = manifest
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != "[lints]")
        .skip(1);
    lines
        .by_ref()
        .take_while(|line| !line.starts_with('['))
        .any(|line| line.replace(' ', "") == "workspace=true")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_section_counts() {
        assert!(takes_lints(
            "[package]\nname = \"a\"\n\n[lints]\nworkspace = true\n"
        ));
        assert!(!takes_lints("[package]\nname = \"a\"\n"));
        assert!(!takes_lints("[lints]\n\n[dependencies]\nworkspace = true\n"));
    }
}
