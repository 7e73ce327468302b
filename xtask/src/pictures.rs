//! `cargo xtask pictures`: the pictures of the page for docs/page.md, taken of a running lab in the real Chromium. What is on them is
//! what anybody sees who types the same.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use jackline_borrowed::{BRING_CHROMIUM, Browser, View, chromium};

use crate::command;
use crate::workspace::Workspace;

/// Where they are kept.
const FOLDER: &str = "docs/page";
/// A page with pictures is still a page that loads.
const BYTES_MAX: usize = 150_000;
/// Whatever is waited for happens by then.
const WITHIN: Duration = Duration::from_secs(60);

const DESK: View = View {
    width: 1080,
    height: 640,
    dark: false,
};
const NIGHT: View = View { dark: true, ..DESK };
const NARROW: View = View {
    width: 390,
    height: 800,
    dark: false,
};

/// A running lab; its standard output goes on being read.
struct Lab {
    child: Child,
    page: String,
    node: String,
}

impl Drop for Lab {
    fn drop(&mut self) {
        // Its nodes end with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Lab {
    fn start(program: &Path) -> anyhow::Result<Self> {
        let mut child = Command::new(program)
            .args(["lab", "--ui"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the lab")?;
        let out = BufReader::new(child.stdout.take().context("the lab tells nothing")?);
        let mut lines = out.lines().map_while(Result::ok);
        let mut address = || {
            let line = lines.find(|line| line.contains("http://"))?;
            let address = line.split_whitespace().find(|word| word.starts_with("http://"))?;
            Some(address.to_owned())
        };
        let (page, node) = (address(), address());
        std::thread::spawn(move || lines.for_each(drop));
        let mut lab = Self {
            child,
            page: String::new(),
            node: String::new(),
        };
        lab.page = page.context("the lab did not tell where its page is")?;
        lab.node = node.context("the lab did not tell where its nodes' pages are")?;
        Ok(lab)
    }
}

/// Takes all of them. `false`: Chromium cannot be had here, which is told.
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<bool> {
    let chromium = match chromium() {
        Ok(chromium) => chromium,
        Err(why) => {
            println!("not run: there is no Chromium: {why} ({BRING_CHROMIUM})");
            return Ok(false);
        }
    };
    let build = workspace.cargo(["build", "--package", "jackline"]);
    ensure!(command::run(build)?.success, "the build failed (above)");
    let lab = Lab::start(&workspace.target.join("debug/jackline"))?;
    let mut browser = Browser::open(&chromium, DESK).map_err(|why| anyhow!(why))?;
    let folder = workspace.root.join(FOLDER);
    shoot(&mut browser, &lab, &folder).map_err(|why| anyhow!(why))?;
    Ok(true)
}

/// The lab in the middle of the outage that jackline was made for, then a node by day, at night and on a small screen.
fn shoot(browser: &mut Browser, lab: &Lab, folder: &Path) -> Result<(), String> {
    browser.go(&lab.page)?;
    states(browser, "attached")?;
    for (server, deed) in [("cp-a", "kill"), ("cp-b", "freeze")] {
        let button = format!("[data-server='{server}'] [data-deed='{deed}'][aria-disabled='false']");
        let pressable = format!("document.querySelector(\"{button}\")");
        browser.until(&format!("{pressable} !== null"), WITHIN)?;
        browser.click(&button)?;
        browser.until(&format!("{pressable} === null"), WITHIN)?;
    }
    states(browser, "isolated")?;
    keep(browser, folder, "lab.png")?;
    for server in ["cp-a", "cp-b"] {
        browser.click(&format!("[data-server='{server}'] [data-deed='start']"))?;
    }
    states(browser, "attached")?;
    browser.go(&lab.node)?;
    let both = "document.querySelectorAll('table.endpoints .state.good').length === 2";
    browser.until(both, WITHIN)?;
    for (view, name) in [(DESK, "light.png"), (NIGHT, "dark.png"), (NARROW, "narrow.png")] {
        browser.look_with(view)?;
        keep(browser, folder, name)?;
    }
    let console = browser.console()?;
    match console {
        [] => Ok(()),
        said => Err(format!("the page complains: {said:?}")),
    }
}

fn states(browser: &mut Browser, state: &str) -> Result<(), String> {
    let told = format!("document.querySelectorAll(\"[data-node][data-state='{state}']\").length === 2");
    browser.until(&told, WITHIN).map(drop)
}

fn keep(browser: &mut Browser, folder: &Path, name: &str) -> Result<(), String> {
    browser.value("scrollTo(0, 0)")?;
    let picture = browser.picture()?;
    let size = picture.len();
    if size > BYTES_MAX {
        return Err(format!(
            "{name} has {size} bytes, more than {BYTES_MAX}: show less of the page"
        ));
    }
    let path = folder.join(name);
    std::fs::write(&path, &picture).map_err(|error| format!("{}: {error}", path.display()))?;
    println!("{FOLDER}/{name}: {size} bytes");
    Ok(())
}
