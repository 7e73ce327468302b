//! Words that the code does not use: what marks unfinished or switched off, and names that say nothing.

use super::code::{blanked, has_word, is_name};
use super::tree::{File, Finding, Tree};

const UNFINISHED: [&str; 3] = ["todo!", "unimplemented!", "dbg!"];

/// Ends of type names that hide what a thing is.
const EMPTY_NAMES: [&str; 5] = ["Manager", "Helper", "Helpers", "Util", "Utils"];

/// The same as names of modules.
const EMPTY_MODULES: [&str; 5] = ["manager", "helper", "helpers", "util", "utils"];

const TYPE_WORDS: [&str; 5] = ["struct", "enum", "trait", "type", "union"];

/// Code that says itself that it is not done.
pub(crate) fn unfinished(tree: &Tree) -> Vec<Finding> {
    in_code(tree, |line| {
        let word = UNFINISHED.iter().find(|word| has_word(line, word))?;
        Some(format!("{word} is left in: finish it"))
    })
}

/// Tests that are switched off.
pub(crate) fn ignored(tree: &Tree) -> Vec<Finding> {
    in_code(tree, |line| {
        let attribute = line.trim_start().strip_prefix("#[")?;
        (has_word(attribute, "ignore")).then(|| "a test is switched off: mend it, or take it out".to_owned())
    })
}

/// Names that say nothing.
pub(crate) fn names(tree: &Tree) -> Vec<Finding> {
    let mut findings = in_code(tree, named_badly);
    for file in tree.ending(".rs") {
        let module = file
            .path
            .rsplit('/')
            .next()
            .and_then(|name| name.strip_suffix(".rs"));
        if module.is_some_and(|module| EMPTY_MODULES.contains(&module)) {
            findings.push(Finding::in_file(
                &file.path,
                "name the module after what it holds",
            ));
        }
    }
    findings
}

fn named_badly(line: &str) -> Option<String> {
    let words: Vec<&str> = line
        .split(|c| !is_name(c))
        .filter(|word| !word.is_empty())
        .collect();
    words.windows(2).find_map(|pair| match pair {
        ["fn", name] if name.starts_with("get_") => {
            Some(format!("{name}: a getter is named after what it gives"))
        }
        [word, name] if TYPE_WORDS.contains(word) && EMPTY_NAMES.iter().any(|end| name.ends_with(end)) => {
            Some(format!("{name}: name it after what it does"))
        }
        _ => None,
    })
}

fn in_code(tree: &Tree, look: impl Fn(&str) -> Option<String>) -> Vec<Finding> {
    let in_file = |file: &File| -> Vec<Finding> {
        let code = blanked(&file.text);
        let lines = code.lines().enumerate();
        lines
            .filter_map(|(index, line)| Some(Finding::at(&file.path, index, look(line)?)))
            .collect()
    };
    tree.ending(".rs").flat_map(in_file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(find: fn(&Tree) -> Vec<Finding>, text: &str) -> Vec<usize> {
        find(&Tree::of(&[("a.rs", text)]))
            .into_iter()
            .map(|finding| finding.line)
            .collect()
    }

    #[test]
    fn unfinished_code_is_found_and_talk_of_it_is_not() {
        let text =
            "fn a() { todo!() }\n// todo!()\nfn b() { dbg!(1); }\nfn c() { unimplemented!(\"todo!\") }\n";
        assert_eq!(lines(unfinished, text), [1, 3, 4]);
    }

    #[test]
    fn a_test_that_is_switched_off_is_found() {
        let text = "#[test]\n#[ignore]\nfn a() {}\n#[ignore = \"slow\"]\nfn b() {}\n#[cfg_attr(x, ignore)]\nfn ignore() {}\n";
        assert_eq!(lines(ignored, text), [2, 4, 6]);
    }

    #[test]
    fn names_that_say_nothing_are_found() {
        let text = "struct SessionManager;\nenum Helper {}\nfn get_all() {}\nfn target() {}\nstruct Utility;\nuse a::get_b;\n";
        assert_eq!(lines(names, text), [1, 2, 3]);
        assert_eq!(
            names(&Tree::of(&[("src/util.rs", "//! x"), ("src/futile.rs", "//! x")])).len(),
            1
        );
    }
}
