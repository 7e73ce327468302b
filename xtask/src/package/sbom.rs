//! What the program is made of, as a CycloneDX list: every crate that is linked in, with version, licence and where it is from.

use std::collections::BTreeSet;

use anyhow::Context;
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};
use serde_json::{Value, json};

use crate::workspace::Workspace;

/// The list, for the program as packages hold it.
pub(crate) fn render(workspace: &Workspace, target: &str) -> anyhow::Result<String> {
    let mut question = MetadataCommand::new();
    question.current_dir(&workspace.root).other_options(vec![
        "--filter-platform".to_owned(),
        target.to_owned(),
        "--locked".to_owned(),
    ]);
    let metadata = question.exec().context("cargo metadata failed")?;
    let linked = linked(&metadata, "jackline")?;
    let mut components: Vec<Value> = metadata
        .packages
        .iter()
        .filter(|package| linked.contains(&package.id) && package.source.is_some())
        .map(|package| {
            json!({
                "type": "library",
                "name": package.name.as_str(),
                "version": package.version.to_string(),
                "purl": format!("pkg:cargo/{}@{}", package.name, package.version),
                "licenses": [{ "expression": package.license.as_deref().unwrap_or("NOASSERTION") }],
            })
        })
        .collect();
    components.sort_by_key(|component| component["purl"].as_str().unwrap_or_default().to_owned());
    let list = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": { "type": "application", "name": "jackline", "version": env!("CARGO_PKG_VERSION"),
            "licenses": [{ "expression": "Apache-2.0" }] } },
        "components": components,
    });
    Ok(serde_json::to_string_pretty(&list)? + "\n")
}

/// Everything that `root` reaches by ordinary dependencies, but for what only the lab needs.
fn linked(metadata: &Metadata, root: &str) -> anyhow::Result<BTreeSet<PackageId>> {
    let resolve = metadata.resolve.as_ref().context("cargo tells no dependencies")?;
    let package = metadata.workspace_packages();
    let root = package
        .iter()
        .find(|package| package.name.as_str() == root)
        .context("no such package")?;
    let only_the_labs = ["jackline-lab", "jackline-sim"];
    let mut seen = BTreeSet::new();
    let mut open = vec![root.id.clone()];
    while let Some(id) = open.pop() {
        let Some(node) = resolve.nodes.iter().find(|node| node.id == id) else {
            continue;
        };
        if !seen.insert(id) {
            continue;
        }
        for dependency in &node.deps {
            let ordinary = dependency
                .dep_kinds
                .iter()
                .any(|kind| kind.kind == DependencyKind::Normal);
            let lab = metadata[&dependency.pkg].name.as_str();
            if ordinary && !only_the_labs.contains(&lab) {
                open.push(dependency.pkg.clone());
            }
        }
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_linked_is_listed_and_what_only_tests_and_the_lab_use_is_not() {
        let workspace = Workspace::load().unwrap();
        let list: Value =
            serde_json::from_str(&render(&workspace, "x86_64-unknown-linux-gnu").unwrap()).unwrap();
        let names: Vec<&str> = list["components"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|component| component["name"].as_str())
            .collect();
        for linked in ["rustls", "tokio", "clap", "hickory-resolver"] {
            assert!(names.contains(&linked), "{linked}");
        }
        for other in ["proptest", "insta", "rcgen", "jackline-core"] {
            assert!(!names.contains(&other), "{other}");
        }
    }
}
