//! Chromium for the tests of pages, one for each test, and what all of them ask of a page.

use jackline_borrowed::{BRING_CHROMIUM, Browser, View, chromium, not_run};

/// Chromium with an empty page; `None`: it cannot be had, which is told.
pub(crate) fn browser(test: &str) -> Option<Browser> {
    match chromium() {
        Ok(chromium) => Some(Browser::open(&chromium, View::DESK).expect("Chromium speaks")),
        Err(why) => {
            not_run(test, &format!("there is no Chromium: {why}"), BRING_CHROMIUM);
            None
        }
    }
}

/// Nothing has been said on the console.
pub(crate) fn silent(browser: &mut Browser) {
    assert_eq!(
        browser.console().expect("Chromium runs"),
        Vec::<String>::new(),
        "the console"
    );
}

/// Nothing has been asked of anybody but the server at `origin`.
pub(crate) fn asked_nobody_but(browser: &mut Browser, origin: &str) {
    let asked = browser.asked().expect("Chromium runs");
    let ours = |address: &&String| address.starts_with(&format!("{origin}/"));
    assert!(
        asked.iter().filter(ours).count() >= 4,
        "page, script, style, events: {asked:?}"
    );
    let others: Vec<&String> = asked.iter().filter(|address| !ours(address)).collect();
    assert!(
        others.iter().all(|address| *address == "about:blank"),
        "asked elsewhere: {others:?}"
    );
}
