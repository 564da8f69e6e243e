//! Everything that was ever caught, replayed by `cargo test`.
//!
//! `cases/*.toml` are plans with their stories: read one, it says what happened. `tests/` runs them, asks that every
//! bug in the catalogue is still caught (but those that are listed as surviving), that cases outlive a change of what
//! happens when, that the same plan is the same run everywhere, that seeds nobody has seen yet are kept, that plans
//! mutated from generated ones are kept, that the README is true where it names seeds, and that the modules of the
//! house import only what stands above them. This library holds the little that those tests share.
//!
//! A case that no longer does what is expected is first tried with other chance (`harness::near`);
//! `harness replay --refresh FILE` writes back the seed that does.

use std::path::{Path, PathBuf};

/// The top of the work tree.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace is around this crate").to_path_buf()
}

/// The stored cases, by name.
///
/// # Panics
/// Where the folder cannot be read.
#[must_use]
pub fn cases() -> Vec<(String, PathBuf)> {
    let folder = root().join(harness::case::CASES_DIR);
    let files = std::fs::read_dir(&folder).expect("the cases stand beside this crate");
    let mut cases: Vec<(String, PathBuf)> = files
        .map(|file| file.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| (path.file_stem().expect("a name").to_string_lossy().into_owned(), path))
        .collect();
    cases.sort();
    cases
}

/// The number of the first of the seeds that this commit is the first to run: `MADSIM_TEST_SEED`, or from the commit.
#[must_use]
pub fn first_fresh_seed() -> u64 {
    if let Some(seed) = number("MADSIM_TEST_SEED") {
        return seed;
    }
    let commit = std::process::Command::new("git").args(["rev-parse", "HEAD"]).current_dir(root()).output();
    let digits = commit.ok().and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
    // Twelve hexadecimal digits: far beyond the seeds that sweeps begin with, and short enough to be typed.
    digits.get(..12).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or(1 << 40)
}

/// How many of them: `MADSIM_TEST_NUM`, or `usual`.
#[must_use]
pub fn how_many_fresh_seeds(usual: u64) -> u64 {
    number("MADSIM_TEST_NUM").unwrap_or(usual)
}

/// The number in an environment variable.
///
/// # Panics
/// Where something else is in it: a typing error must not be taken for the usual seeds.
fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable} must be a number, not {value:?}")))
}
