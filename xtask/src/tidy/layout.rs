//! The shape of the tree: files of a size that a person reads in one go, no `mod.rs`.

use super::tree::{Finding, Tree};

/// Above this a file probably holds a second idea that wants a file of its own.
const LINES_MAX: usize = 400;

/// Rust files that are too long.
pub(crate) fn long_files(tree: &Tree) -> Vec<Finding> {
    tree.ending(".rs")
        .map(|file| (file, file.text.lines().count()))
        .filter(|&(_, lines)| lines > LINES_MAX)
        .map(|(file, lines)| {
            Finding::in_file(
                &file.path,
                format!("{lines} lines, more than {LINES_MAX}: split it, or list it with a reason"),
            )
        })
        .collect()
}

/// Modules in a `mod.rs`.
pub(crate) fn mod_files(tree: &Tree) -> Vec<Finding> {
    tree.files
        .iter()
        .filter(|file| file.path.rsplit('/').next() == Some("mod.rs"))
        .map(|file| Finding::in_file(&file.path, "name it name.rs, beside the folder name/"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_hundred_lines_are_just_not_too_many() {
        let tree = Tree::of(&[("a.rs", &"x\n".repeat(400)), ("b.rs", &"x\n".repeat(401))]);
        let findings = long_files(&tree);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].path, "b.rs");
    }

    #[test]
    fn only_the_whole_name_counts() {
        let tree = Tree::of(&[("a/mod.rs", ""), ("a/amod.rs", "")]);
        assert_eq!(mod_files(&tree).len(), 1);
    }
}
