//! docs/doctor.md is written from the tables of the code.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use jackline_agent::doctor::checks::CHECKS;
use jackline_agent::doctor::examine;
use jackline_agent::doctor::preflight::{PRACTICES, judge};
use serde_json::Value;

use crate::node::Node;

const HEAD: &str = "\
# Doctor, preflight, support

    sudo jackline doctor              # what is wrong on this node, by which evidence, and what to do
    sudo jackline preflight           # best practices; --stopping A,B for the maintenance window
    sudo jackline support             # one file for whoever helps, without secrets

All three work without a running jackline, and on nodes that do not use jackline: they find the distribution's files by the same
[profiles](distributions) and ask servers with the same code. As root they see more; what could not be looked at is told, for
silence about it would look like health. This page is written from the tables in `crates/agent/src/doctor`; a test keeps it so.

## Doctor

Nothing is changed without `--fix`. That does two things only: it renames a file (`NAME.jackline-aside`), and takes a file from other
users of the machine (`chmod 600`); it shows them first and tells the way back. `--restart` besides restarts the distribution's unit where
a fix needs it; running pods go on. `--root DIR` looks at an image, `--offline` asks no server.

| exit status | meaning |
|---|---|
| 0 | nothing is found, or notes only |
| 1 | warnings: it will hurt, or does a little |
| 2 | critical: it hurts now |
| 4 | a fix could not be made |
| 64 | wrong usage |
| 78 | nobody can tell whose node this is: give `--profile` |

The status tells what was found; after `--fix`, run it again to see what is left.

`--output json`: `version`, `node`, `profile`, `role` (or `null`), `checked` (names of all checks), `findings`, `unseen` (`check`, `why`),
`fixed` (a line for each thing done). A finding has `check`, `severity` (`critical`, `warning`, `note`), `what`, `evidence` (a list of lines), `risk`,
`remedy`, and `fix`: `null`, or `{\"do\": \"set-aside\", \"path\", \"restart\": UNIT or null}`, or `{\"do\": \"close\", \"path\"}`. Fields may be added; none changes its
meaning.
";

const PREFLIGHT: &str = "
## Preflight

Each practice is `good`, `improvable`, `bad`, or `unknown` where it cannot be seen from this node. The running jackline's status is used
where it may be asked; servers are tested afresh in any case.

`--stopping A,B` says what would happen if these went away now. A server is named by its endpoint, its address, a name that leads to it
alone, or its Node's name. A name that nobody knows is no permission.

| exit status | without `--stopping` | with it |
|---|---|---|
| 0 | all good, or unknown | the node stays attached, and etcd keeps its quorum as far as that is known |
| 1 | something is improvable | – |
| 2 | something is bad | do not stop them now |
| 64, 78 | as doctor | as doctor |

`--output json`: `version`, `node`, `agent` (whether a running jackline was asked), `practices` (`practice`, `outcome`, `what`, `remedy`),
`stopping`: `null`, or `servers`, `unknown`, `left` (who would be ready still), `state` (`attached`, `degraded`, `isolated`), `sessions` (or `null`),
`etcd_quorum` (or `null`: not known), `words`.

| practice | what is asked, and why |
|---|---|
";

const SUPPORT: &str = "
## Support

`jackline support` writes a `tar` of plain texts, its owner's alone: `status.json`, `metrics.txt`, the journal's end, `configuration.yaml` with where
each value comes from, `versions.txt`, `doctor.json`, `preflight.json`. Each text passes a filter on its way in: private keys, K3s's, bootstrap's and
JSON Web Tokens, `Authorization` values, users and passwords in URLs, and the value of every key that sounds like a secret become
`(hidden)`. Addresses and names of nodes stay: look through it before you give it away.
";

#[test]
fn the_page_is_the_tables() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/doctor.md");
    let page = page();
    if std::env::var_os("JACKLINE_WRITE_DOCS").is_some() {
        std::fs::write(&path, &page).expect("docs/doctor.md can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == page,
        "docs/doctor.md is not what the tables say; write it anew: JACKLINE_WRITE_DOCS=1 cargo test -p jackline-agent --test doctor"
    );
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    for check in &CHECKS {
        let _ = write!(
            page,
            "\n### {}\n\nLooks at {}.\n\nRisk: {}.\n\nRemedy: {}.\n",
            check.name, check.looks_at, check.risk, check.remedy
        );
    }
    page.push_str(PREFLIGHT);
    for practice in &PRACTICES {
        let _ = writeln!(page, "| {} | {} |", practice.name, practice.why);
    }
    page.push_str(SUPPORT);
    page
}

/// Every field that a program may meet stands on the page.
#[test]
fn the_page_names_every_field_of_the_json() {
    let node = Node::healthy();
    node.write("/var/lib/rancher/k3s/agent/etc/k3s-agent-load-balancer.json", "{");
    node.mode("/etc/rancher/k3s/config.yaml", 0o644);
    let mut examination = examine(&node.request()).expect("a report");
    examination.fix();
    let stopping = ["10.0.0.1".to_owned()];
    let preflight = judge(&examination.facts, None, &stopping);
    let report = serde_json::to_value(&examination.report).expect("JSON");
    assert_eq!(
        report["findings"].as_array().map(Vec::len),
        Some(2),
        "both fixes are shown"
    );
    let mut fields = BTreeSet::new();
    keys(&report, &mut fields);
    keys(&serde_json::to_value(&preflight).expect("JSON"), &mut fields);
    assert!(fields.len() > 20, "they are collected: {fields:?}");
    let page = page();
    for field in fields {
        let named = page.contains(&format!("`{field}`")) || page.contains(&format!("\"{field}\""));
        assert!(named, "docs/doctor.md does not tell of the field {field}");
    }
}

fn keys(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| {
            into.insert(key.clone());
            keys(value, into);
        }),
        Value::Array(items) => items.iter().for_each(|item| keys(item, into)),
        _ => {}
    }
}
