//! Passes to the harness: the commit of the build, for its reports; and whether madsim is among its dependencies.

use std::path::Path;
use std::process::Command;

fn main() {
    // Not `cfg(madsim)` itself: rustdoc may see that cfg although the library was built without it, and the other way
    // round, for the flags of the two are set apart.
    println!("cargo::rustc-check-cfg=cfg(engine_madsim)");
    if std::env::var_os("CARGO_CFG_MADSIM").is_some() {
        println!("cargo::rustc-cfg=engine_madsim");
    }
    // Git writes this file at each commit and checkout. Naming a file that does not exist would run this at
    // every build.
    let log = Path::new("../.git/logs/HEAD");
    println!("cargo::rerun-if-changed={}", if log.exists() { "../.git/logs/HEAD" } else { "build.rs" });
    let described = Command::new("git").args(["describe", "--always", "--dirty", "--abbrev=12"]).output();
    let described = described.ok().filter(|output| output.status.success());
    let commit = described.and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
    let commit = commit.trim();
    println!("cargo::rustc-env=HARNESS_COMMIT={}", if commit.is_empty() { "unknown" } else { commit });
}
