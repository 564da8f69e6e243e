//! Runs the harness binary in a temporary folder.

#![expect(clippy::disallowed_types, reason = "a command may take this long on the machine's clock")]
#![allow(dead_code, reason = "each test binary uses a part of it")]

use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A temporary folder in which the harness runs.
pub(crate) struct Sandbox(TempDir);

impl Sandbox {
    pub(crate) fn new() -> Sandbox {
        Sandbox(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap()
    }

    /// The harness with these words as arguments.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
        command.args(line.split_whitespace());
        self.in_sandbox(command)
    }

    /// Makes a command run in the folder, without variables that would change its behaviour.
    pub(crate) fn in_sandbox(&self, mut command: Command) -> Command {
        command.current_dir(self.path()).env_remove("RUST_LOG");
        // These tests may themselves run on one of several machines of a CI job.
        let schedulers =
            ["SLURM_ARRAY_TASK_", "JOB_COMPLETION", "AWS_BATCH_JOB_", "CI_NODE_", "BUILDKITE_PARALLEL_"];
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if schedulers.iter().any(|prefix| text.starts_with(prefix)) {
                command.env_remove(&name);
            }
        }
        // And their failures belong to no summary of that job.
        command.env_remove("GITHUB_STEP_SUMMARY");
        command
    }

    pub(crate) fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    /// The error message of a rejected command line. It must be one line on standard error, with exit code 2,
    /// and the command must change nothing.
    pub(crate) fn rejection(&self, line: &str) -> String {
        self.rejection_of(self.command(line), line)
    }

    /// [`Sandbox::rejection`] for a prepared command.
    pub(crate) fn rejection_of(&self, mut command: Command, line: &str) -> String {
        let before = self.names();
        let output = command.output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{line}: {stderr}");
        // With `--json` standard output has the same message as an object.
        let object = json!({"error": stderr.trim_end().trim_start_matches("harness: ")});
        let expected = if line.contains("--json") { format!("{object}\n") } else { String::new() };
        assert_eq!(String::from_utf8(output.stdout).unwrap(), expected, "{line}");
        assert_eq!(stderr.lines().count(), 1, "{line}: {stderr}");
        assert_eq!(self.names(), before, "{line} left something behind");
        stderr.trim_end().to_owned()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// The plan of a seed as the harness prints it.
    pub(crate) fn plan(&self, seed: u64) -> String {
        let output = self.run(&format!("plan --seed {seed}"));
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    }
}

/// A running command; killed when dropped.
pub(crate) struct Running(Option<Child>);

impl Running {
    /// Starts a command with captured output.
    pub(crate) fn start(mut command: Command) -> Running {
        Running(Some(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()))
    }

    fn child(&mut self) -> &mut Child {
        self.0.as_mut().unwrap()
    }

    /// Waits until `holds` returns true; the command must not end before.
    pub(crate) fn wait_until(&mut self, mut holds: impl FnMut() -> bool) {
        while !holds() {
            assert!(self.child().try_wait().unwrap().is_none(), "the command ended too early");
            sleep(Duration::from_millis(20));
        }
    }

    /// Waits at most `limit` for the command to end. Returns whether it ended.
    pub(crate) fn ends_within(&mut self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while self.child().try_wait().unwrap().is_none() {
            if Instant::now() > deadline {
                return false;
            }
            sleep(Duration::from_millis(10));
        }
        true
    }

    /// Waits until the command has handlers for SIGINT and SIGTERM.
    pub(crate) fn wait_for_signal_handlers(&mut self) {
        let status = format!("/proc/{}/status", self.child().id());
        let has_handlers = |line: &str| {
            let caught =
                line.strip_prefix("SigCgt:").map(|mask| u64::from_str_radix(mask.trim(), 16).unwrap());
            // Bit n - 1 is signal n: SIGINT is 2, SIGTERM is 15.
            caught.is_some_and(|caught| caught & (1 << 1) != 0 && caught & (1 << 14) != 0)
        };
        if Path::new(&status).exists() {
            self.wait_until(|| fs::read_to_string(&status).is_ok_and(|text| text.lines().any(has_handlers)));
        } else {
            sleep(Duration::from_millis(500));
        }
    }

    /// Sends the signal with this name.
    pub(crate) fn signal(&mut self, name: &str) {
        let id = self.child().id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Waits for the end and returns the output.
    pub(crate) fn output(mut self) -> Output {
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

/// The single JSON object on standard output.
pub(crate) fn object(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let value: Value =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text:?}; {stderr}"));
    assert!(value.is_object() && text.ends_with('\n'), "{text}");
    value
}

/// The summary line before the digest, which may be wrapped.
pub(crate) fn verdict(output: &Output) -> String {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.iter().rposition(|line| line.starts_with("seeds ")).unwrap_or(lines.len());
    let last = lines.iter().rposition(|line| line.starts_with("digest ")).unwrap_or(lines.len());
    let wrapped = lines.get(first..last).unwrap_or_default();
    wrapped.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}
