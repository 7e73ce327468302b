//! Imports run one way: what our crates depend on of each other is the table of ARCHITECTURE.md, no more and no less.

use std::collections::{BTreeMap, BTreeSet};

use super::tree::{Finding, Tree};
use crate::workspace::Package;

/// The page that holds the table.
const PAGE: &str = "ARCHITECTURE.md";

/// The head of the table's two columns.
const HEAD: [&str; 2] = ["crate", "may depend on"];

type Table = BTreeMap<String, BTreeSet<String>>;

/// Where page and manifests differ.
pub(crate) fn find(tree: &Tree) -> Vec<Finding> {
    let Some(table) = tree.file(PAGE).and_then(|page| table(&page.text)) else {
        return vec![Finding::in_file(
            PAGE,
            format!("has no table with the head | {} | {} |", HEAD[0], HEAD[1]),
        )];
    };
    let ours: BTreeSet<&str> = tree
        .packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let mut findings: Vec<Finding> = table
        .keys()
        .filter(|name| !ours.contains(name.as_str()))
        .map(|name| {
            Finding::in_file(
                PAGE,
                format!("the table has a row for {name}, which is no crate of ours"),
            )
        })
        .collect();
    for package in &tree.packages {
        match table.get(&package.name) {
            Some(allowed) => findings.extend(differences(package, allowed, &ours)),
            None => findings.push(Finding::in_file(
                PAGE,
                format!("the table has no row for {}", package.name),
            )),
        }
    }
    findings
}

fn differences(package: &Package, allowed: &BTreeSet<String>, ours: &BTreeSet<&str>) -> Vec<Finding> {
    // What only tests import counts too.
    let uses = |name: &str| package.dependencies.iter().any(|d| d.name == name);
    let mut findings = Vec::new();
    for name in ours {
        if uses(name) && !allowed.contains(*name) {
            let what = format!(
                "{} depends on {name}, which the table of {PAGE} does not allow",
                package.name
            );
            findings.push(Finding::in_file(&package.manifest, what));
        }
    }
    for name in allowed {
        if !uses(name) {
            let what = format!(
                "the table allows {} to depend on {name}, which it does not: take it off",
                package.name
            );
            findings.push(Finding::in_file(PAGE, what));
        }
    }
    findings
}

/// The table on the page: names in backticks, a row for each crate.
fn table(page: &str) -> Option<Table> {
    let mut lines = page.lines().skip_while(|line| cells(line) != HEAD);
    lines.next()?;
    let rows = lines
        .skip(1)
        .take_while(|line| line.trim_start().starts_with('|'));
    Some(
        rows.filter_map(|line| {
            let cells = cells(line);
            let name = in_backticks(cells.first()?).into_iter().next()?;
            Some((name, in_backticks(cells.get(1)?)))
        })
        .collect(),
    )
}

fn cells(line: &str) -> Vec<&str> {
    line.trim().trim_matches('|').split('|').map(str::trim).collect()
}

fn in_backticks(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::samples::package;

    fn findings(page: &str, packages: Vec<Package>) -> Vec<String> {
        let mut tree = Tree::of(&[(PAGE, page)]);
        tree.packages = packages;
        find(&tree).into_iter().map(|finding| finding.what).collect()
    }

    const TABLE: &str =
        "# Map\n\n| crate | may depend on |\n|---|---|\n| `core` | – |\n| `proxy` | `core` |\n\nMore.\n";

    #[test]
    fn a_table_that_says_what_is_so_is_good() {
        let packages = vec![package("core", &["serde"]), package("proxy", &["core", "tokio"])];
        assert_eq!(findings(TABLE, packages), Vec::<String>::new());
    }

    #[test]
    fn a_crate_that_imports_against_the_table_is_found() {
        let packages = vec![package("core", &["proxy"]), package("proxy", &["core"])];
        assert_eq!(
            findings(TABLE, packages),
            ["core depends on proxy, which the table of ARCHITECTURE.md does not allow"]
        );
    }

    #[test]
    fn tests_are_held_to_the_table_too() {
        let mut core = package("core", &["proxy"]);
        core.dependencies[0].dev = true;
        assert_eq!(findings(TABLE, vec![core, package("proxy", &["core"])]).len(), 1);
        let mut proxy = package("proxy", &["core"]);
        proxy.dependencies[0].dev = true;
        assert_eq!(
            findings(TABLE, vec![package("core", &[]), proxy]),
            Vec::<String>::new()
        );
    }

    #[test]
    fn rows_and_crates_that_lack_each_other_are_found() {
        assert_eq!(
            findings(TABLE, vec![package("core", &[]), package("admin", &[])]),
            [
                "the table has a row for proxy, which is no crate of ours",
                "the table has no row for admin"
            ]
        );
    }

    #[test]
    fn what_the_table_allows_in_vain_is_found() {
        let packages = vec![package("core", &[]), package("proxy", &[])];
        assert_eq!(
            findings(TABLE, packages),
            ["the table allows proxy to depend on core, which it does not: take it off"]
        );
    }

    #[test]
    fn a_page_without_the_table_is_found() {
        assert_eq!(findings("# Map\n", vec![package("core", &[])]).len(), 1);
    }
}
