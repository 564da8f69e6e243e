//! Regression tests: all stored cases, replayed by `cargo test`.
//!
//! `cases/*.toml` are plans with descriptions of what happens. `tests/` checks that
//! - every stored case ends as expected (`replay`);
//! - every bug in the catalogue is caught, except those listed as surviving (`bugs`);
//! - cases survive a change of the random draws (`extra_draw`);
//! - a plan gives the same run in every mode, process and build (`determinism`);
//! - fresh seeds (`fresh`) and mutated plans (`mutated`) pass;
//! - the README is right about the seeds that it names (`readme`);
//! - modules import only from modules above them (`layers`).
//!
//! This library has the functions that these tests share. A case that no longer ends as expected is retried
//! with other seeds ([`harness::findings::refresh`]); `harness replay --refresh FILE` stores the seed that works.

use harness::testing;
use std::path::{Path, PathBuf};

/// The root of the workspace.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this crate must be inside the workspace")
        .to_path_buf()
}

/// The stored cases, by name.
///
/// # Panics
/// If the folder cannot be read.
#[must_use]
pub fn cases() -> Vec<(String, PathBuf)> {
    testing::cases(&root().join(harness::findings::case::CASES_DIR))
}

/// The first fresh seed: `MADSIM_TEST_SEED`, or derived from the commit.
#[must_use]
pub fn first_fresh_seed() -> u64 {
    if let Some(seed) = testing::number("MADSIM_TEST_SEED") {
        return seed;
    }
    let commit = std::process::Command::new("git").args(["rev-parse", "HEAD"]).current_dir(root()).output();
    let digits = commit.ok().and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
    // Twelve hexadecimal digits: far above the first seeds of sweeps, and short enough to type.
    digits.get(..12).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or(1 << 40)
}

/// The number of fresh seeds: `MADSIM_TEST_NUM`, or `usual`.
#[must_use]
pub fn how_many_fresh_seeds(usual: u64) -> u64 {
    testing::number("MADSIM_TEST_NUM").unwrap_or(usual)
}
