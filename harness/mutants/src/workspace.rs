//! A copy of this workspace in which the core has a switch for each mutation.

use crate::mutation::{Mutation, find, with_switches};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, io};

/// What the copy consists of.
const PARTS: [&str; 10] = [
    "Cargo.toml",
    "Cargo.lock",
    ".cargo",
    ".clippy.toml",
    "raft-core/Cargo.toml",
    "raft-core/benches",
    "raft-core/tests",
    "invariants",
    "harness",
    "regressions",
];

/// Files of the core that no server runs.
const LEFT_OUT: [&str; 4] = ["bug.rs", "canonical.rs", "reference_models.rs", "invariants.rs"];

/// The environment variable with the number of the mutation that is on.
pub(crate) const VARIABLE: &str = "RAFT_CORE_MUTATION";

/// The module of the switch.
const SWITCH: &str = "//! Which mutation is on.\n\nuse std::sync::LazyLock;\n\n\
static ACTIVE: LazyLock<Option<u32>> = LazyLock::new(|| std::env::var(\"RAFT_CORE_MUTATION\").ok()?.parse().ok());\n\n\
#[inline]\npub(crate) fn is(number: u32) -> bool {\n    *ACTIVE == Some(number)\n}\n";

/// The copy, and the sources of the core as they were.
pub(crate) struct Workspace {
    folder: PathBuf,
    /// By name.
    sources: BTreeMap<String, String>,
}

/// A message of the compiler; other messages of cargo have none.
#[derive(Deserialize)]
struct Message {
    message: Option<Diagnostic>,
}

#[derive(Deserialize)]
struct Diagnostic {
    level: String,
    rendered: String,
    spans: Vec<Place>,
}

#[derive(Deserialize)]
struct Place {
    file_name: String,
    byte_end: usize,
}

impl Workspace {
    /// Copies the workspace `from` into `folder`. Files that have not changed are not touched, so that cargo does not build
    /// them again.
    ///
    /// # Errors
    ///
    /// A file cannot be read or written.
    pub(crate) fn copy(from: &Path, folder: &Path) -> io::Result<Workspace> {
        for part in PARTS {
            copy(&from.join(part), &folder.join(part))?;
        }
        let mut sources = BTreeMap::new();
        for file in fs::read_dir(from.join("raft-core/src"))? {
            let file = file?;
            let name = file.file_name().to_string_lossy().into_owned();
            if LEFT_OUT.contains(&name.as_str()) {
                copy(&file.path(), &folder.join("raft-core/src").join(name))?;
            } else {
                sources.insert(name, fs::read_to_string(file.path())?);
            }
        }
        Ok(Workspace { folder: folder.to_owned(), sources })
    }

    /// All mutations of the core.
    ///
    /// # Errors
    ///
    /// A source cannot be parsed.
    pub(crate) fn mutations(&self) -> Result<Vec<Mutation>, String> {
        let of =
            |(name, text): (&String, &String)| find(name, text).map_err(|error| format!("{name}: {error}"));
        Ok(self.sources.iter().map(of).collect::<Result<Vec<_>, _>>()?.concat())
    }

    /// Gives the core these mutations.
    ///
    /// # Errors
    ///
    /// A file cannot be written.
    pub(crate) fn write(&self, mutations: &BTreeMap<usize, Mutation>) -> io::Result<()> {
        for (name, text) in &self.sources {
            let in_file = mutations.iter().filter(|(_, mutation)| mutation.file == *name);
            let numbered: Vec<(usize, &Mutation)> =
                in_file.map(|(number, mutation)| (*number, mutation)).collect();
            let mut switched = with_switches(text, &numbered);
            if name == "lib.rs" {
                switched += "\nmod mutant;\n";
            }
            write_if_new(&self.source(name), switched.as_bytes())?;
        }
        write_if_new(&self.source("mutant.rs"), SWITCH.as_bytes())
    }

    fn source(&self, name: &str) -> PathBuf {
        self.folder.join("raft-core/src").join(name)
    }

    /// The mutations with which the core does not compile; empty if it does.
    ///
    /// # Errors
    ///
    /// Cargo cannot be run, or an error is not at a mutation.
    pub(crate) fn refused(&self) -> Result<BTreeSet<usize>, String> {
        let mut cargo = Command::new("cargo");
        cargo.args(["check", "--quiet", "--package", "raft-core", "--message-format", "json"]);
        let output = cargo.current_dir(&self.folder).stderr(Stdio::inherit()).output();
        let output = output.map_err(|error| format!("cargo check: {error}"))?;
        if output.status.success() {
            return Ok(BTreeSet::new());
        }
        let mut refused = BTreeSet::new();
        for line in output.stdout.split(|byte| *byte == b'\n') {
            let Ok(Message { message: Some(diagnostic) }) = serde_json::from_slice(line) else { continue };
            if diagnostic.level != "error" || diagnostic.spans.is_empty() {
                continue;
            }
            let before = refused.len();
            for place in &diagnostic.spans {
                let text = fs::read_to_string(self.folder.join(&place.file_name));
                let text = text.map_err(|error| format!("{}: {error}", place.file_name))?;
                refused.extend(newest_switch(&text[..place.byte_end]));
            }
            if refused.len() == before && before == 0 {
                return Err(format!("no mutation causes this error:\n{}", diagnostic.rendered));
            }
        }
        if refused.is_empty() { Err("cargo check fails without an error".to_owned()) } else { Ok(refused) }
    }

    /// Builds the harness. Returns the program.
    ///
    /// # Errors
    ///
    /// It does not build.
    pub(crate) fn build(&self) -> Result<PathBuf, String> {
        let arguments = ["build", "--profile", "first", "--package", "harness"];
        let without_bugs = ["--no-default-features", "--features", "cli"];
        let mut cargo = Command::new("cargo");
        let status = cargo.args(arguments).args(without_bugs).current_dir(&self.folder).status();
        match status {
            Ok(status) if status.success() => Ok(self.folder.join("target/first/harness")),
            Ok(status) => Err(format!("cargo build: {status}")),
            Err(error) => Err(format!("cargo build: {error}")),
        }
    }
}

/// The number of the last switch in this text.
#[expect(clippy::disallowed_methods, reason = "the compiler names places in text")]
fn newest_switch(text: &str) -> Option<usize> {
    let (_, rest) = text.rsplit_once("mutant::is(")?;
    let (number, _) = rest.split_once(')')?;
    number.parse().ok()
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        return write_if_new(to, &fs::read(from)?);
    }
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let is_output = entry.file_name() == "target" || entry.file_name() == "failures";
        if !is_output {
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

fn write_if_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, bytes)
}
