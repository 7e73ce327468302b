//! `unsafe` stands in files that are listed with a reason, and nowhere else.

use super::code::{blanked, has_word};
use super::tree::{Finding, Tree};

/// Lines with `unsafe` in code.
pub(crate) fn find(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.ending(".rs") {
        for (index, line) in blanked(&file.text).lines().enumerate() {
            if has_word(line, "unsafe") {
                let what = "unsafe: find a safe wrapper, or list the file with a reason";
                findings.push(Finding::at(&file.path, index, what));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keyword_is_found_and_the_lint_is_not() {
        let text = "#![deny(unsafe_code)]\n// unsafe\nfn a() { unsafe { b() } }\n";
        let findings = find(&Tree::of(&[("a.rs", text)]));
        assert_eq!(
            findings.iter().map(|finding| finding.line).collect::<Vec<_>>(),
            [3]
        );
    }
}
