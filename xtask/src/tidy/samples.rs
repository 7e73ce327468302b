//! A bad sample for each check: one that no longer fails on its sample has gone blind.

use super::tree::Tree;
use super::{CHECKS, exceptions};
use crate::workspace::{Dependency, Package};

/// A package of ours that depends on these, without features.
pub(crate) fn package(name: &str, dependencies: &[&str]) -> Package {
    let declared = |name: &&str| Dependency {
        name: (*name).to_owned(),
        dev: false,
        features: Vec::new(),
    };
    Package {
        name: name.to_owned(),
        manifest: format!("crates/{}/Cargo.toml", name.trim_start_matches("jackline-")),
        dependencies: dependencies.iter().map(declared).collect(),
        examples: Vec::new(),
    }
}

/// A tree in which this check has something to find.
fn bad(check: &str) -> Tree {
    let code = |text: &str| Tree::of(&[("crates/x/src/lib.rs", text)]);
    match check {
        "head" => code("fn a() {}\n"),
        "length" => code(&"//! x\n".repeat(401)),
        "mod.rs" => Tree::of(&[("crates/x/src/a/mod.rs", "//! x\n")]),
        "direction" => {
            let page =
                "| crate | may depend on |\n|---|---|\n| `jackline-core` | – |\n| `jackline-proxy` | – |\n";
            let mut tree = Tree::of(&[("ARCHITECTURE.md", page)]);
            tree.packages = vec![
                package("jackline-core", &[]),
                package("jackline-proxy", &["jackline-core"]),
            ];
            tree
        }
        "purity" => {
            let text = "//! x\n#![no_std]\n#![forbid(unsafe_code)]\nuse std::fs;\n";
            let mut tree = Tree::of(&[("crates/core/src/lib.rs", text)]);
            tree.packages = vec![package("jackline-core", &["serde"])];
            tree
        }
        "unfinished" => code("fn a() { todo!() }\n"),
        "ignored" => code("#[test]\n#[ignore]\nfn a() {}\n"),
        "name" => code("struct SessionManager;\n"),
        "sleep" => code("#[cfg(test)]\nmod tests {\n fn a() { std::thread::sleep(b) }\n}\n"),
        "unsafe" => code("fn a() { unsafe { b() } }\n"),
        "link" => Tree::of(&[("README.md", "[a](gone.md)\n")]),
        "decision" => Tree::of(&[("docs/decisions/README.md", ""), ("docs/decisions/0001-a.md", "")]),
        "reason" => Tree::of(&[("Cargo.toml", "[workspace.dependencies]\ntokio = \"1\"\n")]),
        "lints" => {
            let mut tree = Tree::of(&[("crates/x/Cargo.toml", "[package]\n")]);
            tree.packages = vec![package("x", &[])];
            tree
        }
        "translation" => Tree::of(&[("README.md", "# a\n"), ("README.zh.md", "")]),
        "machine path" => Tree::of(&[("a.snap", concat!("/ho", "me/anna/x\n"))]),
        other => panic!("the check '{other}' has no bad sample: add one"),
    }
}

#[test]
fn every_check_fails_on_its_bad_sample() {
    for check in &CHECKS {
        assert_eq!(
            (check.find)(&bad(check.name)).len(),
            1,
            "the check '{}'",
            check.name
        );
    }
}

#[test]
fn every_exception_is_from_a_check_that_there_is() {
    for exception in exceptions::EXCEPTIONS {
        assert!(
            CHECKS.iter().any(|check| check.name == exception.check),
            "'{}'",
            exception.check
        );
    }
}
