//! Cases that hang or abort, in `cargo test`: they run in a child process, which is this test again.

#![expect(clippy::disallowed_methods, reason = "a test reads what the program prints")]

#[path = "../examples/primary/server.rs"]
#[expect(unreachable_pub, reason = "it is the library of a package in the documentation")]
mod primary;
#[path = "endless/server.rs"]
mod server;

use harness::findings::case::{Case, Expectation};
use harness::outcome::{NO_ABORT, NO_HANG};
use harness::systems::SystemInfo;
use harness::testing;
use server::{EndlessSystem, Mistake, mistake};
use std::path::Path;

/// A case of a seed with this mistake that is known to break a property.
fn write_case(folder: &Path, wanted: Mistake, property: &str) {
    let seed = (0..).find(|seed| mistake(*seed) == Some(wanted)).unwrap();
    let plan = SystemInfo::of::<EndlessSystem<true, true>>().plan(seed, None);
    let case = Case::without_run("It does not end.".into(), Expectation::OpenDefect(property.into()), plan);
    let case = Case { system: "endless".into(), ..case };
    case.write(&folder.join(format!("{wanted:?}.toml"))).unwrap();
}

#[test]
fn a_case_that_aborts_is_met() {
    let folder = tempfile::tempdir().unwrap();
    write_case(folder.path(), Mistake::Overflow, NO_ABORT);
    write_case(folder.path(), Mistake::Abort, NO_ABORT);
    testing::replay::<EndlessSystem<true, true>>(folder.path());
}

#[test]
fn a_case_that_no_longer_aborts_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    write_case(folder.path(), Mistake::Abort, NO_ABORT);
    let path = folder.path().join("Abort.toml");
    let error = testing::replay_case(&path, &SystemInfo::of::<EndlessSystem<false, false>>()).unwrap_err();
    assert!(error.contains("expected: `no-abort` is still broken\nactual: "), "{error}");
}

#[test]
fn a_case_that_hangs_is_met() {
    let folder = tempfile::tempdir().unwrap();
    write_case(folder.path(), Mistake::Hang, NO_HANG);
    testing::replay::<EndlessSystem<true, true>>(folder.path());
}
