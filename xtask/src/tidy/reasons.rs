//! Every dependency stands, with its reason, on the page of dependencies.

use super::code::is_name;
use super::tree::{Finding, Tree};

/// The manifest that declares them all, and the page.
const MANIFEST: &str = "Cargo.toml";
const PAGE: &str = "docs/decisions/0002-dependencies.md";

/// Our own crates need no reason.
const OURS: &str = "jackline";

/// Dependencies that the page does not name.
pub(crate) fn find(tree: &Tree) -> Vec<Finding> {
    let Some(manifest) = tree.file(MANIFEST) else {
        return vec![Finding::in_file(MANIFEST, "is not there")];
    };
    let page = tree.file(PAGE).map_or("", |page| page.text.as_str());
    declared(&manifest.text)
        .filter(|name| !name.starts_with(OURS) && !names(page, name))
        .map(|name| {
            Finding::in_file(
                PAGE,
                format!("says nothing of {name}: what for, how large, by whom?"),
            )
        })
        .collect()
}

/// Whether the page names this crate, and not just one whose name is longer.
fn names(page: &str, name: &str) -> bool {
    page.split(|c| !is_name(c) && c != '-').any(|word| word == name)
}

/// The names in the workspace's table of dependencies.
fn declared(manifest: &str) -> impl Iterator<Item = &str> {
    let lines = manifest
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != "[workspace.dependencies]")
        .skip(1);
    lines
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| Some(line.split_once('=')?.0.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "[workspace]\nresolver = \"3\"\n[workspace.dependencies]\njackline-core = { path = \"x\" }\n\n# why\n\
                        tokio = { version = \"1\" }\ntokio-util = \"0.7\"\n[profile.dev]\ndebug = 1\n";

    #[test]
    fn a_dependency_without_a_reason_is_found() {
        let tree = Tree::of(&[(MANIFEST, ROOT), (PAGE, "| tokio-util | for this |")]);
        let found: Vec<String> = find(&tree).into_iter().map(|finding| finding.what).collect();
        assert_eq!(found, ["says nothing of tokio: what for, how large, by whom?"]);
    }

    #[test]
    fn all_named_is_good() {
        assert_eq!(
            find(&Tree::of(&[(MANIFEST, ROOT), (PAGE, "tokio 1, tokio-util 0.7")])),
            []
        );
    }
}
