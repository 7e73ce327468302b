//! No committed file tells a path of the machine on which it was made: snapshots and pages are where they creep in.

use super::tree::{Finding, Tree};

/// Folders of people's machines, each followed by a name. Written in two halves, so that this file is not found itself.
const HOMES: [&str; 2] = [concat!("/ho", "me/"), concat!("/Us", "ers/")];

/// Folders of tools, wherever they are.
const TOOLS: [&str; 3] = [
    concat!(".cargo/", "registry/"),
    concat!(".rustup/", "toolchains"),
    concat!("/root/", ".cargo"),
];

/// Lines that tell such a path.
pub(crate) fn find(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        for (index, line) in file.text.lines().enumerate() {
            if let Some(path) = told(line, &tree.machine) {
                let what = format!("tells a path of the machine it was made on ({path})");
                findings.push(Finding::at(&file.path, index, what));
            }
        }
    }
    findings
}

fn told<'a>(line: &str, machine: &'a [String]) -> Option<&'a str> {
    let home = HOMES.iter().find(|home| {
        line.match_indices(*home)
            .any(|(at, _)| line[at + home.len()..].starts_with(|c: char| c.is_ascii_alphanumeric()))
    });
    let tool = || TOOLS.iter().find(|tool| line.contains(*tool));
    let root = || {
        machine
            .iter()
            .find(|path| path.len() > 1 && line.contains(path.as_str()))
            .map(String::as_str)
    };
    home.or_else(tool).copied().or_else(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_a_machine_is_found_and_a_path_of_the_product_is_not() {
        let mut tree = Tree::of(&[(
            "a.snap",
            &format!(
                "/var/lib/jackline\n{}anna/jackline\n/build/here/crates\n",
                HOMES[0]
            ),
        )]);
        tree.machine.push("/build/here".to_owned());
        assert_eq!(
            find(&tree).iter().map(|finding| finding.line).collect::<Vec<_>>(),
            [2, 3]
        );
    }
}
