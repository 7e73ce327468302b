//! The pages of `simulate` and `replay` in real Chromium: no word on its console, the numbers are those of the JSON, it seeks and
//! filters, by mouse, keyboard and address; light and dark; and it prints.

use std::path::{Path, PathBuf};

use jackline_borrowed::{Browser, View};
use serde_json::Value;
use tempfile::TempDir;

use crate::browser::{browser, silent};
use crate::program::run;

/// What a person does with a page, and what comes of it.
const DRIVE: &str = r##"(() => {
const the = (id) => document.getElementById(id);
const press = (key) => document.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
const write = (id, value, event) => { the(id).value = value; the(id).dispatchEvent(new Event(event, { bubbles: true })); };
const lanes = () => [...document.querySelectorAll(".lane")].map((lane) => lane.dataset.group);
const rows = (table) => [...table.rows].map((row) => [...row.cells].map((cell) => cell.textContent));
const told = { facts: {}, verdict: the("verdict").textContent, tables: [...document.querySelectorAll("#tables table")].map(rows) };
for (const fact of document.querySelectorAll("#facts div")) told.facts[fact.children[0].textContent] = fact.children[1].textContent;
told.paper = getComputedStyle(document.body).backgroundColor;
if (!the("story").hidden) {
  told.opened = { at: the("at").value, lanes: lanes(), count: the("count").textContent };
  told.asked = [...document.querySelectorAll(".mark")].every((mark) => mark.tagName === "BUTTON" && mark.getAttribute("aria-label"));
  press("ArrowRight"); told.first = the("detail").textContent;
  press("ArrowRight"); told.second = the("detail").textContent;
  press("ArrowLeft"); told.back = the("detail").textContent;
  const mark = [...document.querySelectorAll("[data-group=node] .mark")].pop();
  mark.dispatchEvent(new MouseEvent("mouseenter")); told.under_the_mouse = the("detail").textContent; told.mark = mark.title;
  write("seek", String(Math.round((Number(the("seek").min) + Number(the("seek").max)) / 2)), "input");
  told.middle = { at: the("at").value, title: the("now-title").textContent, rows: the("now").tBodies[0].rows.length };
  press("+"); told.closer = document.querySelectorAll("#axis span").length && location.hash;
  press("0"); told.whole = location.hash;
  write("at", "1.5", "change"); told.typed = location.hash;
  write("find", "unreachable", "input"); told.found = { lanes: lanes().length, count: the("count").textContent };
  write("find", "no such word at all", "input"); told.none = lanes().length;
  write("find", "", "input");
  the("show-server")?.click(); told.without_servers = lanes();
}
return told;
})()"##;

/// Opens the page and does all that. Nothing may stand on the console.
fn drive(browser: &mut Browser, page: &Path, address: &str) -> Value {
    let page = format!("file://{}{address}", page.display());
    // Another fragment of the same file would load nothing.
    browser.go("about:blank").expect("an empty page");
    browser.go(&page).expect("the page is loaded");
    let told = browser.value(DRIVE).expect("all can be done");
    silent(browser);
    told
}

/// The figures at the page's head are those of the JSON.
fn same_figures(told: &Value, json: &Value, names: &[&str]) {
    for name in names {
        let figure = told["facts"][*name].as_str();
        assert_eq!(figure, Some(json[*name].to_string().as_str()), "{name}");
    }
}

async fn simulate(folder: &TempDir, arguments: &[&str]) -> (PathBuf, Value) {
    let path = folder.path().join("page.html");
    let html = path.to_string_lossy().into_owned();
    let all = ["simulate", "--output", "json", "--html", &html].into_iter();
    let ended = run(all.chain(arguments.iter().copied())).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let json = serde_json::from_str(&ended.out).expect("JSON");
    (path, json)
}

#[tokio::test]
async fn a_seeds_page_seeks_filters_and_tells_reasons_and_its_numbers_are_the_jsons() {
    let Some(mut browser) =
        browser("page::a_seeds_page_seeks_filters_and_tells_reasons_and_its_numbers_are_the_jsons")
    else {
        return;
    };
    let folder = TempDir::new().expect("a folder");
    let (page, json) = simulate(&folder, &["--seeds", "78..79", "--timeline"]).await;
    let told = drive(&mut browser, &page, "");
    same_figures(&told, &json, &["seed", "steps", "node_seconds", "fingerprint"]);
    assert_eq!(told["verdict"], "nothing broke");
    assert_eq!(told["asked"], true, "every decision is a button with its reason");
    assert_eq!(told["paper"], "rgb(255, 255, 255)");

    // By keyboard, under the mouse.
    let text = |name: &str| {
        told[name]
            .as_str()
            .unwrap_or_else(|| panic!("{name}: {told}"))
            .to_owned()
    };
    assert!(text("first").contains(" s n"), "{told}");
    assert_ne!(text("first"), text("second"));
    assert_eq!(text("first"), text("back"));
    let named = text("mark").lines().next().expect("a line").to_owned();
    assert!(text("under_the_mouse").starts_with(&named), "{named}: {told}");
    assert!(
        text("under_the_mouse").contains("it is told"),
        "the reason: {told}"
    );

    // Seeking, closer, wider, to a time that is typed.
    let opened = told["opened"]["lanes"].as_array().expect("lanes").clone();
    assert_eq!(told["middle"]["rows"], opened.len());
    let middle = told["middle"]["at"].as_str().expect("a time");
    assert_eq!(told["middle"]["title"], format!("At {middle}"));
    assert_ne!(told["middle"]["at"], told["opened"]["at"]);
    assert!(text("closer").contains("window="), "{told}");
    assert!(!text("whole").contains("window="), "{told}");
    assert!(text("typed").contains("at=1500"), "{told}");

    // Filters.
    let found = told["found"]["lanes"].as_u64().expect("a count");
    assert!(
        found > 0 && found < opened.len() as u64,
        "{found} of {}",
        opened.len()
    );
    assert_eq!(told["none"], 0);
    let without = told["without_servers"].as_array().expect("lanes");
    assert!(opened.contains(&Value::from("server")) && !without.contains(&Value::from("server")));

    // A link leads to a moment; at night the page is dark.
    let dark = View {
        dark: true,
        ..View::DESK
    };
    browser.look_with(dark).expect("at night");
    let linked = drive(&mut browser, &page, "#at=120000&show=node,fault");
    assert_eq!(linked["opened"]["at"], "120.000 s");
    let shown = linked["opened"]["lanes"].as_array().expect("lanes");
    assert!(
        shown.len() >= 2 && shown.iter().all(|group| group == "node" || group == "fault"),
        "{linked}"
    );
    assert_ne!(linked["paper"], told["paper"]);

    // It prints.
    let printed = browser.printed().expect("it prints");
    assert!(
        printed.starts_with(b"%PDF") && printed.len() > 20_000,
        "{} bytes",
        printed.len()
    );
}

#[tokio::test]
async fn the_pages_of_many_seeds_of_a_search_and_of_a_journal_have_the_numbers_of_their_json() {
    let test = "page::the_pages_of_many_seeds_of_a_search_and_of_a_journal_have_the_numbers_of_their_json";
    let Some(mut browser) = browser(test) else {
        return;
    };
    let folder = TempDir::new().expect("a folder");
    let (page, json) = simulate(&folder, &["--seeds", "0..2"]).await;
    let told = drive(&mut browser, &page, "");
    same_figures(
        &told,
        &json,
        &["seeds", "failed", "steps", "node_seconds", "fingerprint"],
    );

    let (page, json) = simulate(&folder, &["--exhaustive", "--depth", "2"]).await;
    let told = drive(&mut browser, &page, "");
    let rows = told["tables"][0].as_array().expect("rows");
    let columns: Vec<&str> = rows[0]
        .as_array()
        .expect("heads")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(rows.len() - 1, json.as_array().expect("searches").len());
    for (row, search) in rows[1..].iter().zip(json.as_array().expect("searches")) {
        for (cell, column) in columns.iter().enumerate() {
            let shown = search[*column]
                .as_str()
                .map_or_else(|| search[*column].to_string(), ToOwned::to_owned);
            assert_eq!(row[cell], shown, "{column}");
        }
    }

    let (_node, state) = crate::replay::journal().await;
    let path = folder.path().join("replay.html");
    let (state, html) = (
        state.to_string_lossy().into_owned(),
        path.to_string_lossy().into_owned(),
    );
    let set = ["--set", "timing.probe-used=1s"];
    let ended = run(["replay", &state, "--output", "json", "--html", &html]
        .into_iter()
        .chain(set))
    .await;
    let json: Value = serde_json::from_str(&ended.out).expect("JSON");
    let told = drive(&mut browser, &path, "");
    same_figures(&told, &json, &["events", "actions", "compared"]);
    assert_eq!(told["verdict"], json["verdict"]);
    let tests = told["tables"][0]
        .as_array()
        .expect("rows")
        .iter()
        .find(|row| row[0] == "tests");
    let tests = tests.expect("a row of tests");
    assert_eq!(tests[1], json["what_if"]["was"]["tests"].to_string());
    assert_eq!(tests[2], json["what_if"]["would"]["tests"].to_string());
}

/// The canary: were there an error on the console, it would be seen.
#[test]
fn an_error_on_the_console_is_seen() {
    let Some(mut browser) = browser("page::an_error_on_the_console_is_seen") else {
        return;
    };
    let folder = TempDir::new().expect("a folder");
    let page = folder.path().join("broken.html");
    std::fs::write(&page, "<script>nobody.knows()</script>").expect("a file");
    browser
        .go(&format!("file://{}", page.display()))
        .expect("it is loaded");
    let console = browser.console().expect("Chromium runs");
    assert!(
        console.iter().any(|line| line.contains("nobody is not defined")),
        "{console:?}"
    );
}
