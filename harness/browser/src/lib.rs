//! A browser for tests: Chromium, driven through WebDriver by its `chromedriver`.
//!
//! *In*: files and scripts. *Out*: what the page says, what it logs, and what it requests.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// The program that drives the browser.
const DRIVER: &str = "chromedriver";

/// Whether there is a browser on this machine.
#[must_use]
pub fn is_installed() -> bool {
    let version = Command::new(DRIVER).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

/// A browser window. It ends with its value.
pub struct Browser {
    driver: Child,
    /// Stays open: the driver must not end when it prints more.
    _output: BufReader<ChildStdout>,
    /// Where commands go.
    session: String,
}

impl Browser {
    /// Starts a browser without a window on the screen.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[must_use]
    pub fn start() -> Browser {
        let mut driver = Command::new(DRIVER)
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{DRIVER} cannot be started: {error}"));
        let mut output = BufReader::new(driver.stdout.take().expect("its output is piped"));
        let port = output.by_ref().lines().map_while(Result::ok).find_map(|line| port_in(&line));
        let port = port.unwrap_or_else(|| panic!("{DRIVER} does not say on which port it listens"));
        let address = format!("http://127.0.0.1:{port}/session");
        let capabilities = json!({
            "browserName": "chrome",
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            "goog:chromeOptions": {"args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]},
        });
        let answer = post(&address, &json!({"capabilities": {"alwaysMatch": capabilities}}));
        let id = answer["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {answer}"));
        Browser { driver, _output: output, session: format!("{address}/{id}") }
    }

    /// Sets the size of the page, in pixels, and whether the reader prefers dark pages.
    pub fn set_view(&self, width: u64, height: u64, is_dark: bool) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
        let scheme = if is_dark { "dark" } else { "light" };
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", &features);
    }

    fn devtools(&self, command: &str, parameters: &Value) {
        post(&format!("{}/goog/cdp/execute", self.session), &json!({"cmd": command, "params": parameters}));
    }

    /// Opens a file.
    pub fn open(&self, path: &Path) {
        post(&format!("{}/url", self.session), &json!({"url": format!("file://{}", path.display())}));
    }

    /// The value of a script: the body of a function.
    #[must_use]
    pub fn run(&self, script: &str) -> Value {
        post(&format!("{}/execute/sync", self.session), &json!({"script": script, "args": []}))
    }

    /// The value that a script passes to `done`.
    #[must_use]
    pub fn wait_for(&self, script: &str) -> Value {
        let script = format!("const done = arguments[arguments.length - 1]; {script}");
        post(&format!("{}/execute/async", self.session), &json!({"script": script, "args": []}))
    }

    /// The value of a script in the frame with this number.
    #[must_use]
    pub fn in_frame(&self, frame: u64, script: &str) -> Value {
        post(&format!("{}/frame", self.session), &json!({"id": frame}));
        let value = self.run(script);
        post(&format!("{}/frame", self.session), &json!({"id": null}));
        value
    }

    /// Presses a key so many times: a character, or one of the code points that WebDriver has for other keys.
    pub fn press(&self, key: char, times: usize) {
        let once = [json!({"type": "keyDown", "value": key}), json!({"type": "keyUp", "value": key})];
        let all: Vec<&Value> = (0..times).flat_map(|_| &once).collect();
        let keyboard = json!({"type": "key", "id": "keyboard", "actions": all});
        post(&format!("{}/actions", self.session), &json!({"actions": [keyboard]}));
    }

    /// What the console of the page shows since the last call, and what the page has requested: texts and addresses.
    #[must_use]
    pub fn logs(&self) -> (Vec<String>, Vec<String>) {
        let read = |kind: &str| post(&format!("{}/se/log", self.session), &json!({"type": kind}));
        let texts = |log: Value| -> Vec<String> {
            let entries = log.as_array().cloned().unwrap_or_default();
            entries.iter().filter_map(|entry| entry["message"].as_str().map(str::to_owned)).collect()
        };
        let requests = texts(read("performance")).into_iter().filter_map(|text| {
            let event: Value = serde_json::from_str(&text).ok()?;
            let message = &event["message"];
            let is_request = message["method"] == "Network.requestWillBeSent";
            is_request.then(|| message["params"]["request"]["url"].as_str().unwrap_or_default().to_owned())
        });
        (texts(read("browser")), requests.collect())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends the browser; the driver has no other child.
        drop(ureq::delete(&self.session).call());
        drop(self.driver.kill());
        drop(self.driver.wait());
    }
}

/// The port in the line that says that the driver has started. A line before it names the one that was asked for: 0, any.
#[expect(clippy::disallowed_methods, reason = "the text comes from the driver")]
fn port_in(line: &str) -> Option<u16> {
    let port = line.strip_suffix('.').unwrap_or(line).rsplit_once("on port ")?.1.parse().ok();
    port.filter(|port| *port != 0)
}

/// Sends a command, and returns its value.
fn post(address: &str, body: &Value) -> Value {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let answer = agent.post(address).send_json(body);
    let mut answer = answer.unwrap_or_else(|error| panic!("{address}: {error}"));
    let value: Value = answer
        .body_mut()
        .with_config()
        .limit(64 << 20)
        .read_json()
        .unwrap_or_else(|error| panic!("{address}: {error}"));
    let value = value["value"].clone();
    assert!(value["error"].is_null(), "{address}: {}", value["message"]);
    value
}
