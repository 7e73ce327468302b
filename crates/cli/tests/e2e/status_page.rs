//! The page of a node in real Chromium: what stands there is what the status says, it follows what changes, and nothing is asked
//! of anybody else.

use std::time::Duration;

use jackline_borrowed::{Browser, View};
use serde_json::Value;

use crate::apiserver::Cluster;
use crate::browser::{asked_nobody_but, browser, silent};
use crate::node::Node;
use crate::program::until;

const WITHIN: Duration = Duration::from_secs(60);

/// What the page shows of the node beside what `/status` says, read at the same moment: read again while the two differ, since a
/// status may come between.
const SHOWN: &str = r##"(async () => {
  const status = await (await fetch("status")).json();
  const text = (element) => element.textContent.trim();
  const cells = (row) => [...row.cells].map(text);
  const node = document.querySelector("[data-node]");
  if (!node) return null;
  const rows = [...node.querySelectorAll("table.endpoints tbody tr")].map(cells);
  const sources = [...node.querySelectorAll("table:not(.endpoints) tbody tr")].map(cells);
  const same = node.dataset.node === status.node && node.dataset.state === status.state
    && rows.length === status.endpoints.length && sources.length === status.sources.length
    && status.endpoints.every((endpoint, index) => rows[index][0].startsWith(endpoint.address) && rows[index][1].startsWith(endpoint.health)
      && rows[index][2].startsWith(endpoint.standing) && rows[index][3].startsWith(`${endpoint.sessions} session`) && rows[index][4] === endpoint.reason)
    && status.sources.every((source, index) => sources[index][0] === source.name && sources[index][1].startsWith(source.state))
    && node.textContent.includes(status.state_reason);
  return same ? { status, title: document.title, link: text(document.getElementById("link")) } : null;
})()"##;

/// Two apiservers, and the page of a node of theirs.
async fn page(cluster: &Cluster, server: &str) -> (Node, String) {
    let lines = format!(
        "servers: [\"{server}\"]\nstatus-listen: \"127.0.0.1:0\"\ntiming: {{ probe-used: 300ms, probe-idle: 300ms }}\n"
    );
    let node = Node::start(cluster, &lines);
    node.attached().await;
    let origin = until("the page's address is logged", || async {
        let log = node.log();
        let (_, rest) = log.split_once("the status page is at http://")?;
        let address = rest.split(['/', ' ', '"', '\n']).next()?;
        Some(format!("http://{address}"))
    })
    .await;
    (node, origin)
}

/// What is shown as soon as the page is in step with a status of this state.
fn shown_when(browser: &mut Browser, state: &str) -> Value {
    let wanted = format!("{SHOWN}.then((shown) => shown?.status.state === '{state}' ? shown : null)");
    browser.until(&wanted, WITHIN).expect("what the status says")
}

/// A call that waits for Chromium, while the servers of the test go on.
fn meanwhile<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_shows_what_the_status_says_and_follows_what_changes() {
    let Some(mut browser) =
        browser("status_page::the_page_shows_what_the_status_says_and_follows_what_changes")
    else {
        return;
    };
    let cluster = Cluster::new();
    let server = cluster.server().await;
    cluster.tell(&[server.address]);
    let (_node, origin) = page(&cluster, &format!("https://{}", server.address)).await;
    meanwhile(|| {
        browser.go(&format!("{origin}/")).expect("the page");
        let shown = shown_when(&mut browser, "attached");
        assert_eq!(shown["title"], "attached · jackline");
        assert_eq!(shown["link"], "live");
        can_be_used_by_anybody(&mut browser);
    });
    let address = server.address;
    drop(server);
    meanwhile(|| {
        let isolated = format!(
            "document.title.startsWith('isolated') && [...document.querySelectorAll('#lines li.bad')]
               .some((line) => line.textContent.includes('{address} is unreachable'))"
        );
        browser.until(&isolated, WITHIN).expect("the end of its server");
        shown_when(&mut browser, "isolated");
        silent(&mut browser);
        asked_nobody_but(&mut browser, &origin);
    });
}

/// By keyboard, by ear, at night, on a small screen; and no button of the lab's is there.
fn can_be_used_by_anybody(browser: &mut Browser) {
    let tell = |browser: &mut Browser, what: &str| browser.value(what).expect(what);
    assert_eq!(tell(browser, "document.getElementById('stage').hidden"), true);
    browser.press("Tab").expect("a key");
    assert_eq!(
        tell(browser, "document.activeElement.textContent"),
        "Skip to the timeline"
    );
    browser.press("Enter").expect("a key");
    assert_eq!(tell(browser, "document.activeElement.id"), "timeline");
    let nameless = "[...document.querySelectorAll('button, section, table')].filter((one) => !(one.ariaLabel
        || one.getAttribute('aria-labelledby') || one.caption || one.hidden)).length";
    assert_eq!(tell(browser, nameless), 0, "a thing without a name");
    let paper = "getComputedStyle(document.body).backgroundColor";
    let light = tell(browser, paper);
    let dark = View {
        dark: true,
        ..View::DESK
    };
    browser.look_with(dark).expect("at night");
    assert_ne!(tell(browser, paper), light);
    browser.click("#theme").expect("a button");
    assert_eq!(
        tell(browser, paper),
        light,
        "the button counts more than the system"
    );
    let narrow = View {
        width: 360,
        height: 640,
        dark: false,
    };
    browser.look_with(narrow).expect("a small screen");
    let over = tell(
        browser,
        "document.documentElement.scrollWidth - document.documentElement.clientWidth",
    );
    assert_eq!(over, Value::from(0), "nothing stands out of a narrow screen");
    browser.look_with(View::DESK).expect("a desk");
}
