//! The core is pure: `no_std`, serde its only dependency, no clock, no IO, no chance.

use super::code::{blanked, has_word, test_lines};
use super::tree::{File, Finding, Tree};
use crate::workspace::Package;

/// The core's package and its folder.
const PACKAGE: &str = "jackline-core";
const FOLDER: &str = "crates/core/src/";

/// What its library must declare.
const DECLARED: [&str; 2] = ["#![no_std]", "#![forbid(unsafe_code)]"];

/// Its only dependency, and the feature of it that would bring the standard library in.
const DEPENDENCY: &str = "serde";
const STD_FEATURES: [&str; 2] = ["std", "default"];

/// Words that would let the world in.
const FOREIGN: [&str; 9] = [
    "std::",
    "extern crate std",
    "Instant",
    "SystemTime",
    "rand",
    "getrandom",
    "tokio",
    "static mut",
    "thread_local",
];

/// Where the core is not pure.
pub(crate) fn find(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    match tree.packages.iter().find(|package| package.name == PACKAGE) {
        Some(package) => findings.extend(dependencies(package)),
        None => findings.push(Finding::in_file(FOLDER, format!("there is no package {PACKAGE}"))),
    }
    match tree.file(&format!("{FOLDER}lib.rs")) {
        Some(file) => findings.extend(declarations(file)),
        None => findings.push(Finding::in_file(FOLDER, "has no lib.rs")),
    }
    for file in tree.ending(".rs").filter(|file| file.path.starts_with(FOLDER)) {
        findings.extend(foreign_words(file));
    }
    findings
}

fn dependencies(package: &Package) -> Vec<Finding> {
    let normal = package.dependencies.iter().filter(|dependency| !dependency.dev);
    normal
        .filter_map(|dependency| {
            let std = dependency
                .features
                .iter()
                .find(|feature| STD_FEATURES.contains(&feature.as_str()));
            let what = match std {
                _ if dependency.name != DEPENDENCY => format!(
                    "the core may depend on {DEPENDENCY} only, not on {}",
                    dependency.name
                ),
                Some(feature) => format!("{DEPENDENCY}'s feature {feature} brings the standard library in"),
                None => return None,
            };
            Some(Finding::in_file(&package.manifest, what))
        })
        .collect()
}

fn declarations(file: &File) -> Vec<Finding> {
    let code = blanked(&file.text);
    DECLARED
        .iter()
        .filter(|declared| !code.contains(*declared))
        .map(|declared| Finding::in_file(&file.path, format!("does not declare {declared}")))
        .collect()
}

fn foreign_words(file: &File) -> Vec<Finding> {
    let code = blanked(&file.text);
    let tests = test_lines(&code);
    let mut findings = Vec::new();
    for (index, line) in code.lines().enumerate().filter(|(index, _)| !tests[*index]) {
        for word in FOREIGN.iter().filter(|word| has_word(line, word)) {
            findings.push(Finding::at(
                &file.path,
                index,
                format!("'{word}' in the core: it has no clock, no IO, no chance"),
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::samples::package;

    const LIBRARY: &str = "//! Core.\n#![no_std]\n#![forbid(unsafe_code)]\n";

    fn findings(library: &str, package: Package) -> Vec<String> {
        let mut tree = Tree::of(&[("crates/core/src/lib.rs", library)]);
        tree.packages = vec![package];
        find(&tree).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn a_pure_core_is_good_and_its_tests_may_use_std() {
        let library = format!(
            "{LIBRARY}// std::time is not for us\n#[cfg(test)]\nmod tests {{ use std::time::Instant; }}\n"
        );
        assert_eq!(
            findings(&library, package(PACKAGE, &["serde"])),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_clock_is_found() {
        let library = format!("{LIBRARY}use std::time::Instant;\n");
        assert_eq!(findings(&library, package(PACKAGE, &["serde"])).len(), 2);
    }

    #[test]
    fn another_dependency_is_found() {
        assert_eq!(
            findings(LIBRARY, package(PACKAGE, &["serde", "rand"])),
            ["the core may depend on serde only, not on rand"]
        );
    }

    #[test]
    fn the_standard_library_by_a_feature_is_found() {
        let mut core = package(PACKAGE, &["serde"]);
        core.dependencies[0].features.push("std".to_owned());
        assert_eq!(
            findings(LIBRARY, core),
            ["serde's feature std brings the standard library in"]
        );
    }

    #[test]
    fn a_library_that_does_not_declare_it_is_found() {
        assert_eq!(
            findings("//! Core.\n#![forbid(unsafe_code)]\n", package(PACKAGE, &[])),
            ["does not declare #![no_std]"]
        );
    }
}
