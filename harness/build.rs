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
    // Git writes this file at each commit and checkout, in a worktree elsewhere. Naming a file that does not exist would
    // run this at every build.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"]).filter(|log| Path::new(log).exists());
    println!("cargo::rerun-if-changed={}", log.as_deref().unwrap_or("build.rs"));
    let commit = git(&["describe", "--always", "--dirty", "--abbrev=12"]);
    println!("cargo::rustc-env=HARNESS_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
}

/// What git prints. None if it fails or prints nothing.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let printed = output.status.success().then_some(output.stdout)?;
    String::from_utf8(printed).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}
