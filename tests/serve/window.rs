use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::actions::{InputSource as _, KeyAction, KeyActions};
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;
use url::{ParseError, Url};

use crate::server::Server;
use crate::support::{http as plain, until};

/// What a person has before them: a browser that runs without a screen.
pub(crate) struct Window {
    runtime: Runtime,
    client: Client,
    driver: Driver,
    address: String,
}

/// What drives it; it is gone with the test, however that ends.
struct Driver {
    process: Child,
    address: String,
}

impl Drop for Driver {
    fn drop(&mut self) {
        // It takes the browser with it.
        drop(plain::begin(&self.address, "GET", "/shutdown", &[], 0));
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline && matches!(self.process.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// A command of the driver that is Chromium's own.
#[derive(Debug)]
struct Own(&'static str, Value);

impl WebDriverCompatibleCommand for Own {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.0))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.1.to_string()))
    }
}

impl Window {
    /// Opens a window that is let in to a server.
    pub(crate) fn open(server: &Server) -> Self {
        let window = Self::of_a_stranger(server);
        window.let_in();
        window
    }

    /// Lets a person in whom the server did not know.
    pub(crate) fn let_in(&self) {
        let token = format!("Bearer {}", crate::server::TOKEN);
        let headers = json!({ "headers": { "Authorization": token } });
        self.chromium("Network.setExtraHTTPHeaders", &headers);
    }

    /// Opens a window whose person the server does not know.
    pub(crate) fn of_a_stranger(server: &Server) -> Self {
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver; `local/browser` installs it");
        let mut lines = BufReader::new(process.stdout.take().expect("a piped output")).lines();
        let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
            Some(line.split_once("started successfully on port ")?.1.trim_end_matches('.').to_owned())
        });
        std::thread::spawn(move || lines.for_each(drop));
        let address = format!("127.0.0.1:{}", port.expect("a port"));
        let driver = Driver { process, address };
        let runtime = Runtime::new().expect("a runtime");
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities());
        let client = runtime.block_on(builder.connect(&format!("http://{}", driver.address)));
        let client = client.expect("a browser");
        let window = Self { runtime, client, driver, address: format!("http://{}", server.address) };
        window.chromium("Network.enable", &json!({}));
        window.window(1280, 900);
        window
    }

    fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Asks Chromium itself.
    fn chromium(&self, command: &str, parameters: &Value) {
        let command = Own("goog/cdp/execute", json!({ "cmd": command, "params": parameters }));
        self.wait(self.client.issue_cmd(command)).expect("an answer");
    }

    pub(crate) fn window(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.chromium("Emulation.setDeviceMetricsOverride", &size);
    }

    /// What the person prefers: `prefers-color-scheme`, `prefers-reduced-motion`.
    pub(crate) fn prefer(&self, feature: &str, value: &str) {
        let features = json!({ "features": [{ "name": feature, "value": value }] });
        self.chromium("Emulation.setEmulatedMedia", &features);
    }

    pub(crate) fn without_script(&self) {
        self.chromium("Emulation.setScriptExecutionDisabled", &json!({ "value": true }));
    }

    pub(crate) fn go(&self, path: &str) {
        self.wait(self.client.goto(&format!("{}{path}", self.address))).expect("a page");
    }

    /// The path, query and fragment of what is shown.
    pub(crate) fn place(&self) -> String {
        let url = self.wait(self.client.current_url()).expect("an address");
        url.as_str().strip_prefix(&self.address).expect("a page of the server").to_owned()
    }

    pub(crate) fn title(&self) -> String {
        self.wait(self.client.title()).expect("a title")
    }

    /// What a script gives back.
    pub(crate) fn ask(&self, script: &str) -> Value {
        self.wait(self.client.execute(&format!("return {script}"), Vec::new())).expect("an answer")
    }

    pub(crate) fn text_of(&self, selector: &str) -> String {
        // What is found may be replaced before it is read.
        until(selector, || self.wait(self.wait(self.client.find(Locator::Css(selector))).ok()?.text()).ok())
    }

    pub(crate) fn click(&self, selector: &str) {
        self.click_on(Locator::Css(selector));
    }

    pub(crate) fn click_link(&self, text: &str) {
        self.click_on(Locator::LinkText(text));
    }

    fn click_on(&self, place: Locator<'_>) {
        until(&format!("{place:?}"), || self.wait(self.wait(self.client.find(place)).ok()?.click()).ok());
    }

    /// Presses keys one after the other, whatever has the focus.
    pub(crate) fn press(&self, keys: &str) {
        let press = |actions: KeyActions, key| {
            actions.then(KeyAction::Down { value: key }).then(KeyAction::Up { value: key })
        };
        let actions = keys.chars().fold(KeyActions::new("keyboard".to_owned()), press);
        self.wait(self.client.perform_actions(actions)).expect("keys");
    }

    /// Waits until a text is to be seen.
    pub(crate) fn until_text(&self, selector: &str, text: &str) {
        until(&format!("`{text}` in {selector}"), || self.text_of(selector).contains(text).then_some(()));
    }

    /// What keeps people out, as axe finds it: rules and the places that break them.
    pub(crate) fn barriers(&self) -> Vec<String> {
        let axe =
            concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/browser/node_modules/axe-core/axe.min.js");
        let axe = std::fs::read_to_string(axe).expect("axe; `local/browser` installs it");
        self.wait(self.client.execute(&axe, Vec::new())).expect("axe");
        let run = "const done = arguments[0]; axe.run().then((found) => done(found.violations.flatMap((rule) => \
                   rule.nodes.map((node) => `${rule.id}: ${node.html} ${node.failureSummary}`))))";
        let found = self.wait(self.client.execute_async(run, Vec::new())).expect("what axe found");
        serde_json::from_value(found).expect("texts")
    }

    pub(crate) fn picture(&self) -> Vec<u8> {
        self.wait(self.client.screenshot()).expect("a picture")
    }

    /// How many pixels one has to scroll to the right to see all; of what the screen has no room for.
    pub(crate) fn overhang(&self) -> i64 {
        let overhang = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        self.ask(overhang).as_i64().expect("a number")
    }

    /// Closes the window, in which nothing may have gone wrong and nothing may have been asked for elsewhere.
    pub(crate) fn close(self) {
        let complaints = self.log("browser").into_iter().filter(|entry| entry["level"] != "DEBUG");
        let complaints: Vec<Value> = complaints.collect();
        assert!(complaints.is_empty(), "{complaints:#?}");
        let elsewhere: Vec<String> = self.requests();
        assert!(elsewhere.is_empty(), "{elsewhere:#?}");
        let Self { runtime, client, driver, .. } = self;
        runtime.block_on(client.close()).expect("an end");
        drop(driver);
    }

    /// The requests that did not go to the server.
    fn requests(&self) -> Vec<String> {
        let sent = |entry: &Value| {
            let message: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let message = &message["message"];
            let url = message["params"]["request"]["url"].as_str()?;
            (message["method"] == "Network.requestWillBeSent").then(|| url.to_owned())
        };
        let sent: Vec<String> = self.log("performance").iter().filter_map(sent).collect();
        assert!(!sent.is_empty(), "no request was seen");
        sent.into_iter().filter(|url| !url.starts_with(&self.address) && !url.starts_with("data:,")).collect()
    }

    fn log(&self, kind: &str) -> Vec<Value> {
        let log = self.wait(self.client.issue_cmd(Own("se/log", json!({ "type": kind })))).expect("a log");
        log.as_array().expect("entries").clone()
    }
}

fn capabilities() -> Map<String, Value> {
    let capabilities = json!({
        "goog:chromeOptions": {
            // As root there is no sandbox, and in a container little shared memory.
            "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"],
        },
        "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
    });
    capabilities.as_object().expect("an object").clone()
}
