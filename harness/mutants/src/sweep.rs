//! One mutation, swept until a seed fails.

use crate::workspace::VARIABLE;
use serde::Deserialize;
use std::fs;
use std::io::{ErrorKind, Read};
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// How often a sweep is asked whether it has ended.
const INTERVAL: Duration = Duration::from_millis(20);
/// The sweep is ended by force after this many intervals: half an hour.
const MOST_INTERVALS: u64 = 90_000;
/// The memory that a sweep may take, in KiB: a mistake can make a server collect messages without end.
const MOST_MEMORY: u64 = 8 << 20;
/// A mistake can let every run hang, and each is waited for.
const HANG_AFTER: &str = "2s";
/// Mistakes that any run shows are caught by the first seeds.
const FIRST_SEEDS: u64 = 40;

/// What a sweep shows of a mutation.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// The first seed that fails, and the property that it breaks.
    Caught {
        seed: u64,
        property: String,
    },
    /// The sweep itself ends: an abort, no memory, or a hang.
    Ended(String),
    Survived,
}

#[derive(Deserialize)]
struct Report {
    failures: Vec<Failure>,
}

#[derive(Deserialize)]
struct Failure {
    seed: u64,
    signature: Signature,
}

#[derive(Deserialize)]
struct Signature {
    property: String,
}

/// Sweeps the seeds with this mutation, or with none. Plans of failures are written to `out`.
///
/// # Errors
///
/// The program cannot be run, or prints no report although it ends as it should.
pub(crate) fn sweep(
    program: &Path,
    number: Option<usize>,
    seeds: Range<u64>,
    out: &Path,
) -> Result<Outcome, String> {
    let middle = seeds.end.min(seeds.start + FIRST_SEEDS);
    for part in [seeds.start..middle, middle..seeds.end] {
        if !part.is_empty() {
            let outcome = sweep_part(program, number, &part, out)?;
            if outcome != Outcome::Survived {
                return Ok(outcome);
            }
        }
    }
    Ok(Outcome::Survived)
}

fn sweep_part(
    program: &Path,
    number: Option<usize>,
    seeds: &Range<u64>,
    out: &Path,
) -> Result<Outcome, String> {
    // The shell limits the memory of what it becomes.
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -v {MOST_MEMORY}; exec \"$@\""), "sh"]);
    command.arg(program).args(["sweep", "--json", "--no-shrink", "--hang-after", HANG_AFTER, "--seeds"]);
    command.arg(format!("{}..{}", seeds.start, seeds.end)).arg("--out").arg(out);
    match number {
        Some(number) => command.env(VARIABLE, number.to_string()),
        None => command.env_remove(VARIABLE),
    };
    let failed = |error: std::io::Error| format!("{}: {error}", program.display());
    // A sweep that was ended by force leaves a ledger, which no other sweep replaces.
    match fs::remove_dir_all(out) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().map_err(failed)?;
    let mut stdout = child.stdout.take().ok_or("the sweep has no output")?;
    let reader = std::thread::Builder::new().spawn(move || {
        let mut text = Vec::new();
        stdout.read_to_end(&mut text).map(|_| text)
    });
    let reader = reader.map_err(failed)?;
    let mut intervals = 0;
    let status = loop {
        match child.try_wait().map_err(failed)? {
            Some(status) => break status,
            None if intervals == MOST_INTERVALS => {
                child.kill().map_err(failed)?;
                child.wait().map_err(failed)?;
                return Ok(Outcome::Ended("no end".to_owned()));
            }
            None => sleep(INTERVAL),
        }
        intervals += 1;
    };
    let text = reader.join().map_err(|_| "reading the report failed")?.map_err(failed)?;
    match status.code() {
        Some(0 | 1) => {}
        Some(2) => return Err("the sweep was refused".to_owned()),
        _ => return Ok(Outcome::Ended(status.to_string())),
    }
    let report: Report = serde_json::from_slice(&text).map_err(|error| format!("no report: {error}"))?;
    let first = report.failures.into_iter().min_by_key(|failure| failure.seed);
    Ok(first.map_or(Outcome::Survived, |failure| Outcome::Caught {
        seed: failure.seed,
        property: failure.signature.property,
    }))
}
