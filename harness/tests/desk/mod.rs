//! The harness as a command, run in an empty folder of its own.

#![allow(dead_code, reason = "each test binary uses its part")]

use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
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

/// The one object on standard output.
pub fn object(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    let value: Value =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text:?}; {said}"));
    assert!(value.is_object() && text.ends_with('\n'), "{text}");
    value
}
