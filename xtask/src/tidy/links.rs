//! Every relative link of a Markdown page leads somewhere, anchors included.

use std::collections::BTreeSet;

use super::tree::{Finding, Tree};

/// Links that lead nowhere.
pub(crate) fn find(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.ending(".md") {
        for (index, target) in links(&file.text) {
            if let Some(what) = broken(tree, &file.path, &target) {
                findings.push(Finding::at(&file.path, index, what));
            }
        }
    }
    findings
}

/// What is wrong with a link on that page.
fn broken(tree: &Tree, page: &str, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    if target.starts_with('/') {
        return Some(format!("({target}) is absolute: write it relative to this page"));
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = if path.is_empty() {
        page.to_owned()
    } else {
        resolved(page, path)
    };
    if !path.is_empty() && !tree.paths.contains(&path) {
        return Some(format!("({target}) leads nowhere: there is no {path}"));
    }
    let headings = || {
        tree.file(&path)
            .map(|file| anchors(&file.text))
            .unwrap_or_default()
    };
    if !anchor.is_empty() && path.ends_with(".md") && !headings().contains(anchor) {
        return Some(format!(
            "({target}) leads nowhere: {path} has no heading #{anchor}"
        ));
    }
    None
}

/// A link's path as one relative to the root; empty: the root itself.
fn resolved(page: &str, link: &str) -> String {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The links of a page outside of code, each with the index of its line.
fn links(page: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (index, line) in prose(page) {
        let line = without_code(line);
        for (at, _) in line.match_indices("](") {
            let rest = &line[at + 2..];
            let target = rest.split([')', ' ']).next().unwrap_or_default();
            found.push((index, target.trim_matches(['<', '>']).to_owned()));
        }
        if let Some((_, target)) = line.strip_prefix('[').and_then(|rest| rest.split_once("]: ")) {
            found.push((
                index,
                target.split_whitespace().next().unwrap_or_default().to_owned(),
            ));
        }
    }
    found
}

/// The lines outside of fenced blocks.
fn prose(page: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    page.lines().enumerate().filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

fn without_code(line: &str) -> String {
    line.split('`')
        .enumerate()
        .filter(|(index, _)| index % 2 == 0)
        .map(|(_, text)| text)
        .collect::<Vec<_>>()
        .join("_")
}

/// The anchors of a page's headings, as forges make them.
fn anchors(page: &str) -> BTreeSet<String> {
    prose(page)
        .filter(|(_, line)| line.starts_with('#'))
        .map(|(_, line)| slug(line.trim_start_matches('#')))
        .collect()
}

fn slug(heading: &str) -> String {
    heading
        .trim()
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> Vec<String> {
        let tree = Tree::of(&[
            ("docs/page.md", text),
            ("README.md", "# What it does, and why\n```\n# no heading\n```\n"),
        ]);
        find(&tree).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn links_that_lead_somewhere_are_good() {
        let text = "# A\n[a](../README.md) [b](#a) [c](https://x.example/y) [d](../README.md#what-it-does-and-why)\n[e](..)\n[f]: page.md\n";
        assert_eq!(findings(text), Vec::<String>::new());
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        assert_eq!(
            findings("[a](gone.md)"),
            ["(gone.md) leads nowhere: there is no docs/gone.md"]
        );
        assert_eq!(findings("[a](../README.md#no-heading)").len(), 1);
        assert_eq!(findings("[a]: gone.md").len(), 1);
        assert_eq!(findings("[a](/README.md)").len(), 1);
    }

    #[test]
    fn code_is_not_looked_at() {
        assert_eq!(
            findings("`[a](gone.md)`\n```\n[a](gone.md)\n```\n"),
            Vec::<String>::new()
        );
    }
}
