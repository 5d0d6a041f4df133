//! A person at a web page: headless Chromium, driven as WebDriver (W3C) says, and axe-core for what a screen reader would miss.
//!
//! Rules: a profile of its own, nothing from elsewhere, the port chosen by the driver. Scripts of pages run only where a test
//! asks for them; what the test itself asks of a page runs all the same.
//! When it fails: the test panics with what the driver said.

use super::{HOW_TO_RUN, PATIENCE, Scratch, eventually_within};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Under which key the driver hands an element out (WebDriver §12).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// What somebody looks with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    /// 390 × 844 points, touched.
    Phone,
    /// 1280 × 900.
    Desk,
}

/// Whether the scripts of pages run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scripts {
    On,
    Off,
}

/// A window, until it is dropped.
pub struct Browser {
    child: Child,
    driver: SocketAddr,
    session: String,
    _scratch: Scratch,
}

impl Browser {
    /// One that asks for Japanese pages first, and English ones then.
    pub fn start(screen: Screen, scripts: Scripts) -> Self {
        let scratch = Scratch::new("browser");
        // It takes a port of one family first and the same of the other then, which somebody may have meanwhile.
        let (child, driver) = (0..5)
            .find_map(|_| start_driver(&scratch))
            .unwrap_or_else(|| panic!("chromedriver does not say its port; {HOW_TO_RUN}"));
        let mut options = json!({
            "args": [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync", "--lang=ja",
                "--window-size=1280,900", format!("--user-data-dir={}", scratch.path().join("profile").display()),
            ],
            "prefs": {
                "intl.accept_languages": "ja,en",
                "download.default_directory": scratch.path().join("downloads"),
                "profile.managed_default_content_settings.javascript": if scripts == Scripts::On { 1 } else { 2 },
            },
        });
        if screen == Screen::Phone {
            options["mobileEmulation"] =
                json!({ "deviceMetrics": { "width": 390, "height": 844, "pixelRatio": 2.0, "touch": true } });
        }
        let mut browser = Self { child, driver, session: String::new(), _scratch: scratch };
        let wanted = json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": options } } });
        let begun = browser.ask("POST", "/session", &wanted).unwrap_or_else(|fault| panic!("{fault}"));
        browser.session = begun["sessionId"].as_str().unwrap().to_owned();
        browser
    }

    /// Opens a page; returns when it is there.
    pub fn visit(&self, url: &str) {
        self.tell("/url", &json!({ "url": url }));
    }

    pub fn url(&self) -> String {
        self.asked("GET", "/url", &Value::Null).as_str().unwrap().to_owned()
    }

    pub fn title(&self) -> String {
        self.asked("GET", "/title", &Value::Null).as_str().unwrap().to_owned()
    }

    /// All that can be read.
    pub fn reads(&self) -> String {
        self.text("body")
    }

    /// What can be read of the first element that a selector names, once there is one: a form is sent a moment after its button was
    /// clicked, and its answer takes a while.
    #[track_caller]
    pub fn text(&self, selector: &str) -> String {
        eventually_within(PATIENCE, selector, || self.text_now(selector))
    }

    /// Waits until a word is to be read on the page.
    #[track_caller]
    pub fn says(&self, word: &str) {
        self.until(word, |text| text.contains(word));
    }

    /// Waits until what is to be read on the page is as it should be.
    #[track_caller]
    pub fn until(&self, what: &str, is_so: impl Fn(&str) -> bool) {
        eventually_within(PATIENCE, what, || self.text_now("body").filter(|text| is_so(text)).map(|_| ()));
    }

    /// Nothing where there is no such element, or the page just gives way to another.
    fn text_now(&self, selector: &str) -> Option<String> {
        let session = &self.session;
        let wanted = json!({ "using": "css selector", "value": selector });
        let found = self.ask("POST", &format!("/session/{session}/element"), &wanted).ok()?;
        let element = found[ELEMENT].as_str()?;
        let text = self.ask("GET", &format!("/session/{session}/element/{element}/text"), &Value::Null);
        Some(text.ok()?.as_str()?.to_owned())
    }

    /// Puts a text into a field as a person does: it gets the focus, and the text comes as from a keyboard. What WebDriver has for
    /// this asks a script of the page, which never answers where scripts do not run.
    #[track_caller]
    pub fn fill(&self, selector: &str, text: &str) {
        let script = "const field = document.querySelector(arguments[0]); if (!field) return false; field.focus(); \
                      field.select(); return document.activeElement === field";
        let wanted = json!({ "script": script, "args": [selector] });
        let path = format!("/session/{}/execute/sync", self.session);
        eventually_within(PATIENCE, selector, || {
            (self.ask("POST", &path, &wanted).ok()? == Value::Bool(true)).then_some(())
        });
        let wanted = json!({ "cmd": "Input.insertText", "params": { "text": text } });
        self.asked("POST", "/goog/cdp/execute", &wanted);
    }

    /// Where links lead that a selector names, in order.
    pub fn links(&self, selector: &str) -> Vec<String> {
        let script = "return [...document.querySelectorAll(arguments[0])].map(link => link.href)";
        let found = self.look(script, &[selector.into()]);
        found.as_array().unwrap().iter().map(|link| link.as_str().unwrap().to_owned()).collect()
    }

    pub fn source(&self) -> String {
        self.asked("GET", "/source", &Value::Null).as_str().unwrap().to_owned()
    }

    /// How many elements a selector names.
    pub fn count(&self, selector: &str) -> usize {
        self.find_all(selector).len()
    }

    /// Clicks an element. What it leads to is there when this returns.
    pub fn click(&self, selector: &str) {
        let element = self.element(selector);
        self.tell(&format!("/element/{element}/click"), &json!({}));
    }

    /// Presses keys wherever the page has its focus: `"\u{e004}"` is Tab, `"\u{e007}"` is Enter (WebDriver §17.4.2).
    pub fn press(&self, keys: &str) {
        let actions: Vec<Value> = keys
            .chars()
            .flat_map(|key| {
                ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key.to_string() }))
            })
            .collect();
        self.tell("/actions", &json!({ "actions": [{ "type": "key", "id": "keys", "actions": actions }] }));
    }

    /// What a function of the test says of the page: `body` of a script, with `arguments`.
    pub fn look(&self, body: &str, arguments: &[Value]) -> Value {
        self.asked("POST", "/execute/sync", &json!({ "script": body, "args": arguments }))
    }

    /// Octets of the page and all that it fetched, as they came.
    pub fn weight(&self) -> u64 {
        let script = "return performance.getEntriesByType('navigation').concat(performance.getEntriesByType('resource')) \
                      .reduce((sum, entry) => sum + entry.encodedBodySize, 0)";
        self.look(script, &[]).as_f64().map_or(0, |octets| octets as u64)
    }

    /// By how many points the page is wider than the screen.
    pub fn overhang(&self) -> i64 {
        let script = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
        self.look(script, &[]).as_i64().unwrap()
    }

    /// What axe-core calls serious or critical on the page: rule, and where. It needs [`Scripts::On`].
    pub fn barriers(&self) -> Vec<String> {
        let axe = peers().join("axe/axe_playwright_python/axe.min.js");
        let axe = std::fs::read_to_string(&axe)
            .unwrap_or_else(|fault| panic!("{}: {fault}; {HOW_TO_RUN}", axe.display()));
        let script = format!(
            "{axe}; const done = arguments[arguments.length - 1]; \
             axe.run(document, {{ resultTypes: ['violations'] }}).then(found => done({{ rules: found.passes.length, found: \
             found.violations.filter(one => ['serious', 'critical'].includes(one.impact)).flatMap(one => \
             one.nodes.map(node => one.id + ': ' + node.html.slice(0, 160) + ' ' + node.failureSummary)) }}), \
             fault => done({{ fault: String(fault) }}))"
        );
        let said = self.asked("POST", "/execute/async", &json!({ "script": script, "args": [] }));
        assert!(said["rules"].as_u64() > Some(5), "axe-core looked at nothing: {said}");
        let found = said["found"].as_array().unwrap();
        found.iter().map(|one| one.as_str().unwrap().to_owned()).collect()
    }

    /// The whole page as a picture, for eyes: `target/screens/NAME.png`.
    pub fn picture(&self, name: &str) {
        let size = self.look(
            "return [document.documentElement.clientWidth, Math.min(document.documentElement.scrollHeight, 6000)]",
            &[],
        );
        let clip = json!({ "x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1 });
        let wanted = json!({
            "cmd": "Page.captureScreenshot", "params": { "captureBeyondViewport": true, "clip": clip },
        });
        let said = self.asked("POST", "/goog/cdp/execute", &wanted);
        let picture = data_encoding::BASE64.decode(said["data"].as_str().unwrap().as_bytes()).unwrap();
        let dir = peers().with_file_name("screens");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join(format!("{name}.png")), picture).unwrap();
    }

    fn find_all(&self, selector: &str) -> Vec<String> {
        let found = self.asked("POST", "/elements", &json!({ "using": "css selector", "value": selector }));
        let found = found.as_array().unwrap();
        found.iter().map(|one| one[ELEMENT].as_str().unwrap().to_owned()).collect()
    }

    #[track_caller]
    fn element(&self, selector: &str) -> String {
        let wanted = json!({ "using": "css selector", "value": selector });
        let path = format!("/session/{}/element", self.session);
        let find = || {
            let found = self.ask("POST", &path, &wanted).ok()?;
            Some(found[ELEMENT].as_str()?.to_owned())
        };
        eventually_within(PATIENCE, selector, find)
    }

    fn tell(&self, path: &str, body: &Value) {
        self.asked("POST", path, body);
    }

    #[track_caller]
    fn asked(&self, method: &str, path: &str, body: &Value) -> Value {
        let path = format!("/session/{}{path}", self.session);
        self.ask(method, &path, body).unwrap_or_else(|fault| panic!("{method} {path}: {fault}"))
    }

    /// One command to the driver, on a connection of its own; its value, or what it calls an error.
    fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let mut stream =
            eventually_within(PATIENCE, "the driver listens", || TcpStream::connect(self.driver).ok());
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let host = self.driver;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        for line in reader.by_ref().lines() {
            let line = line.unwrap();
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap();
            }
        }
        // Keeping a connection open is all that this driver knows.
        let mut answer = vec![0; length];
        reader.read_exact(&mut answer).unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        match answer["value"]["error"].as_str() {
            Some(error) => Err(format!("{error}: {}", answer["value"]["message"])),
            None => Ok(answer["value"].clone()),
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends its Chromium itself, if it is asked.
        let _ = self.ask("DELETE", &format!("/session/{}", self.session), &Value::Null);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A driver and where it listens; `None` when it ended before it did.
fn start_driver(scratch: &Scratch) -> Option<(Child, SocketAddr)> {
    let mut child = Command::new("/usr/bin/chromedriver")
        .arg("--port=0")
        // Chromium's own files, wherever it thinks a person has them.
        .env("HOME", scratch.path())
        .env("TMPDIR", scratch.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|fault| panic!("chromedriver: {fault}; {HOW_TO_RUN}"));
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let port = said.find_map(|line| line.strip_suffix('.')?.rsplit_once("on port ")?.1.parse::<u16>().ok());
    let Some(port) = port else {
        let _ = child.kill();
        let _ = child.wait();
        return None;
    };
    // It goes on talking, and ends when nobody listens.
    std::thread::spawn(move || said.for_each(drop));
    Some((child, SocketAddr::from(([127, 0, 0, 1], port))))
}

fn peers() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/peers")
}
