//! The harness as a command, run in an empty folder of its own.

#![allow(dead_code, reason = "each test binary uses its part")]

use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Runs the harness in an empty folder of its own.
pub struct Desk(TempDir);

impl Desk {
    pub fn new() -> Desk {
        Desk(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn file(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }

    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap()
    }

    /// A command with these words for its arguments.
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
        command.args(line.split_whitespace());
        self.at_home(command)
    }

    /// A command in the folder, as if it were started on a machine that knows nothing else.
    pub fn at_home(&self, mut command: Command) -> Command {
        command.current_dir(self.path()).env_remove("RUST_LOG");
        // Whoever runs these tests may be one of several machines; what they start is not.
        for name in ["SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "JOB_COMPLETION_INDEX", "CI_NODE_INDEX"] {
            command.env_remove(name);
        }
        command
    }

    pub fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    /// What is said on standard error of a line that cannot be used. It must be one line, and all that happens.
    pub fn refusal(&self, line: &str) -> String {
        self.refused(self.command(line), line)
    }

    /// The same of a command that is not just words.
    pub fn refused(&self, mut command: Command, line: &str) -> String {
        let before = self.names();
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{line}: {said}");
        // With `--json` the same sentence stands on standard output as an object.
        let object = json!({"error": said.trim_end().trim_start_matches("harness: ")});
        let right = if line.contains("--json") { format!("{object}\n") } else { String::new() };
        assert_eq!(String::from_utf8(output.stdout).unwrap(), right, "{line}");
        assert_eq!(said.lines().count(), 1, "{line}: {said}");
        assert_eq!(self.names(), before, "{line} left something behind");
        said.trim_end().to_owned()
    }

    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// The plan of a seed as the harness prints it.
    pub fn plan(&self, seed: u64) -> String {
        let output = self.run(&format!("plan --seed {seed}"));
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    }
}

/// A command that is under way; it ends with the test.
pub struct Running(Option<Child>);

impl Running {
    /// Starts a command whose output is read at its end.
    pub fn start(mut command: Command) -> Running {
        Running(Some(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()))
    }

    fn child(&mut self) -> &mut Child {
        self.0.as_mut().unwrap()
    }

    /// Waits until something holds; the command must not end before.
    pub fn wait_until(&mut self, mut holds: impl FnMut() -> bool) {
        while !holds() {
            assert!(self.child().try_wait().unwrap().is_none(), "it ended too early");
            sleep(Duration::from_millis(20));
        }
    }

    /// Waits for the end of the command, for so long at the most.
    pub fn ends_within(&mut self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while self.child().try_wait().unwrap().is_none() {
            if Instant::now() > deadline {
                return false;
            }
            sleep(Duration::from_millis(10));
        }
        true
    }

    /// Waits until the command hears SIGINT and SIGTERM.
    pub fn wait_until_it_hears(&mut self) {
        let status = format!("/proc/{}/status", self.child().id());
        let hears = |line: &str| {
            let caught =
                line.strip_prefix("SigCgt:").map(|mask| u64::from_str_radix(mask.trim(), 16).unwrap());
            // A bit for each signal, from 1 on: SIGINT is 2, SIGTERM is 15.
            caught.is_some_and(|caught| caught & (1 << 1) != 0 && caught & (1 << 14) != 0)
        };
        if Path::new(&status).exists() {
            self.wait_until(|| fs::read_to_string(&status).is_ok_and(|text| text.lines().any(hears)));
        } else {
            sleep(Duration::from_millis(500));
        }
    }

    /// Sends a signal of this name.
    pub fn signal(&mut self, name: &str) {
        let id = self.child().id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// What it said in the end.
    pub fn output(mut self) -> Output {
        self.0.take().unwrap().wait_with_output().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// The one object on standard output.
pub fn object(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    let value: Value =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text:?}; {said}"));
    assert!(value.is_object() && text.ends_with('\n'), "{text}");
    value
}
