//! A page in the real Chromium, driven as a person would: looked at, clicked, typed to, photographed, printed. What it says on its
//! console and what it asks for over the network are kept, for tests to hold.
//!
//! Chromium's own protocol ("DevTools") is spoken over two pipes: no port is opened, and when the pipes end, so does Chromium.

mod pipe;

use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::Chromium;
use pipe::Pipe;

/// A page is loaded, a script has run by then, also on a machine that builds beside it.
const WITHIN: Duration = Duration::from_secs(60);
/// Between two looks at something that the page does by itself.
const GLANCE: Duration = Duration::from_millis(50);
/// So many lines of the console, and so many addresses, are kept.
const KEPT_MAX: usize = 10_000;

/// What a page is looked at with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// CSS pixels.
    pub width: u32,
    /// CSS pixels.
    pub height: u32,
    /// Whether the system asks for dark colours.
    pub dark: bool,
}

impl View {
    /// A desk's screen, light.
    pub const DESK: Self = Self {
        width: 1280,
        height: 800,
        dark: false,
    };
}

/// A browser with one page. Dropped, it is gone with all that it remembers.
#[derive(Debug)]
pub struct Browser {
    pipe: Pipe,
    session: String,
    console: Vec<String>,
    asked: Vec<String>,
    loaded: bool,
    /// What it remembers. The last field: it goes when Chromium has.
    _folder: TempDir,
}

impl Browser {
    /// Starts Chromium with an empty page.
    ///
    /// # Errors
    /// In words, when it cannot be started or does not speak.
    pub fn open(chromium: &Chromium, view: View) -> Result<Self, String> {
        let folder = TempDir::new().map_err(|error| format!("no folder for Chromium: {error}"))?;
        let mut pipe = Pipe::open(chromium.command(folder.path()))?;
        let target = pipe.ask("", "Target.createTarget", json!({ "url": "about:blank" }), WITHIN)?;
        let attach = json!({ "targetId": target.0["targetId"], "flatten": true });
        let (attached, _) = pipe.ask("", "Target.attachToTarget", attach, WITHIN)?;
        let session = attached["sessionId"].as_str().unwrap_or_default().to_owned();
        let mut browser = Self {
            pipe,
            session,
            console: Vec::new(),
            asked: Vec::new(),
            loaded: false,
            _folder: folder,
        };
        for domain in ["Page.enable", "Runtime.enable", "Log.enable", "Network.enable"] {
            browser.ask(domain, json!({}))?;
        }
        browser.look_with(view)?;
        Ok(browser)
    }

    /// Changes what the page is looked at with.
    ///
    /// # Errors
    /// In words, when Chromium does not do it.
    pub fn look_with(&mut self, view: View) -> Result<(), String> {
        let View { width, height, dark } = view;
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.ask("Emulation.setDeviceMetricsOverride", size)?;
        let scheme = if dark { "dark" } else { "light" };
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            // A picture does not show half of a movement.
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.ask("Emulation.setEmulatedMedia", json!({ "features": features }))?;
        Ok(())
    }

    /// Goes to an address, and returns when the page has loaded.
    ///
    /// # Errors
    /// In words, when it cannot be loaded.
    pub fn go(&mut self, address: &str) -> Result<(), String> {
        self.loaded = false;
        let answer = self.ask("Page.navigate", json!({ "url": address }))?;
        if let Some(why) = answer["errorText"].as_str() {
            return Err(format!("{address}: {why}"));
        }
        // Only another fragment of the same page: nothing is loaded.
        if answer["loaderId"].is_null() {
            return Ok(());
        }
        let deadline = Instant::now() + WITHIN;
        while !self.loaded {
            let event = self.pipe.next_event(deadline);
            self.keep(&event.ok_or_else(|| format!("{address} was not loaded in time"))?);
        }
        Ok(())
    }

    /// What an expression of JavaScript comes to, as JSON; a promise is waited for.
    ///
    /// # Errors
    /// In words: what it threw.
    pub fn value(&mut self, expression: &str) -> Result<Value, String> {
        let call = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.ask("Runtime.evaluate", call)?;
        match answer.get("exceptionDetails") {
            None => Ok(answer["result"]["value"].clone()),
            Some(thrown) => Err(format!("{expression}: {}", words(thrown))),
        }
    }

    /// The same, asked again and again until it is neither false, null nor empty.
    ///
    /// # Errors
    /// In words: what it threw, or that it did not come true in time.
    pub fn until(&mut self, expression: &str, within: Duration) -> Result<Value, String> {
        let deadline = Instant::now() + within;
        loop {
            let value = self.value(expression)?;
            if !matches!(&value, Value::Null | Value::Bool(false)) && value != "" {
                return Ok(value);
            }
            if Instant::now() > deadline {
                return Err(format!("not within {} s: {expression}", within.as_secs()));
            }
            // Nothing is told when a page's content changes.
            std::thread::sleep(GLANCE);
        }
    }

    /// Clicks with the mouse where the element of this selector is.
    ///
    /// # Errors
    /// In words: there is no such element, or something else lies over it.
    pub fn click(&mut self, selector: &str) -> Result<(), String> {
        let quoted = Value::from(selector);
        let place = self.value(&format!(
            "(() => {{ const it = document.querySelector({quoted}); if (!it) return null;
               it.scrollIntoView({{ block: 'center' }}); const at = it.getBoundingClientRect();
               const [x, y] = [at.x + at.width / 2, at.y + at.height / 2];
               return {{ x, y, open: it.contains(document.elementFromPoint(x, y)) }}; }})()"
        ))?;
        if place["open"] != true {
            return Err(format!("{selector} is not there to be clicked: {place}"));
        }
        for kind in ["mousePressed", "mouseReleased"] {
            let call =
                json!({ "type": kind, "x": place["x"], "y": place["y"], "button": "left", "clickCount": 1 });
            self.ask("Input.dispatchMouseEvent", call)?;
        }
        Ok(())
    }

    /// Presses a key: a letter or digit, or one with a name (`Tab`, `Enter`, `ArrowRight`).
    ///
    /// # Errors
    /// In words, when Chromium does not do it.
    pub fn press(&mut self, key: &str) -> Result<(), String> {
        let (code, text) = match key {
            "Tab" => (9, None),
            "Enter" => (13, Some("\r")),
            letter if letter.len() == 1 => {
                (u32::from(letter.as_bytes()[0].to_ascii_uppercase()), Some(letter))
            }
            _ => (0, None),
        };
        for kind in ["keyDown", "keyUp"] {
            let mut call = json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code });
            if let (Some(text), "keyDown") = (text, kind) {
                call["text"] = text.into();
            }
            self.ask("Input.dispatchKeyEvent", call)?;
        }
        Ok(())
    }

    /// What is seen of the page, as a PNG.
    ///
    /// # Errors
    /// In words, when there is no picture.
    pub fn picture(&mut self) -> Result<Vec<u8>, String> {
        let answer = self.ask("Page.captureScreenshot", json!({ "format": "png" }))?;
        bytes(&answer)
    }

    /// The page on paper, as a PDF.
    ///
    /// # Errors
    /// In words, when it cannot be printed.
    pub fn printed(&mut self) -> Result<Vec<u8>, String> {
        let answer = self.ask("Page.printToPDF", json!({ "printBackground": true }))?;
        bytes(&answer)
    }

    /// What the pages have said on the console so far: messages, exceptions, refusals of the browser.
    ///
    /// # Errors
    /// In words, when Chromium is gone.
    pub fn console(&mut self) -> Result<&[String], String> {
        // What was said before this answer has been read by then.
        self.value("0")?;
        Ok(&self.console)
    }

    /// The addresses that the pages have asked for so far.
    ///
    /// # Errors
    /// In words, when Chromium is gone.
    pub fn asked(&mut self) -> Result<&[String], String> {
        self.value("0")?;
        Ok(&self.asked)
    }

    fn ask(&mut self, method: &str, parameters: Value) -> Result<Value, String> {
        let (answer, events) = self.pipe.ask(&self.session, method, parameters, WITHIN)?;
        for event in &events {
            self.keep(event);
        }
        Ok(answer)
    }

    fn keep(&mut self, event: &Value) {
        let told = &event["params"];
        let said = match event["method"].as_str().unwrap_or_default() {
            "Page.loadEventFired" => {
                self.loaded = true;
                return;
            }
            "Network.requestWillBeSent" => {
                if let (Some(address), true) = (told["request"]["url"].as_str(), self.asked.len() < KEPT_MAX)
                {
                    self.asked.push(address.to_owned());
                }
                return;
            }
            "Runtime.exceptionThrown" => words(&told["exceptionDetails"]),
            "Log.entryAdded" => format!("{}: {}", told["entry"]["text"], told["entry"]["url"]),
            "Runtime.consoleAPICalled" => format!("{}: {}", told["type"], told["args"]),
            _ => return,
        };
        if self.console.len() < KEPT_MAX {
            self.console.push(said);
        }
    }
}

/// An exception in words.
fn words(thrown: &Value) -> String {
    let what = thrown["exception"]["description"].as_str();
    what.or_else(|| thrown["text"].as_str())
        .map_or_else(|| thrown.to_string(), ToOwned::to_owned)
}

fn bytes(answer: &Value) -> Result<Vec<u8>, String> {
    let data = answer["data"].as_str().unwrap_or_default();
    let decoded = base64::engine::general_purpose::STANDARD.decode(data);
    decoded.map_err(|error| format!("Chromium told no base64: {error}"))
}
