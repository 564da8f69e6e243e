//! The failure pages of five shrunk failures, as printed to a terminal or a CI log.

#![expect(clippy::disallowed_methods, reason = "a test reads what the program prints")]

use harness::findings::case::Case;
use harness::outcome::{COMMIT, Options, Recording};
use harness::report::{DEFAULT_WIDTH, PlanSource, run_page};
use harness::systems::BUILT_IN;
use harness::systems::run::run;
use std::path::Path;

/// The page of the plan in this file, with the commit and the digest replaced.
fn page(name: &str) -> String {
    let path = Path::new("tests/pages").join(format!("{name}.toml"));
    let case = Case::read(&path, &BUILT_IN).unwrap();
    let options = Options { record: Recording::PAGE, ..Options::default() };
    let record = run(&case.plan, &options);
    let page = run_page(
        &case.plan,
        PlanSource::File { path: &path, bug: None },
        &record,
        case.shrunk,
        &options,
        DEFAULT_WIDTH,
    );
    let digest = format!("{:?}", record.outcome.digest);
    page.replace(COMMIT, "0123456789ab").replace(&digest, "000000000000feed")
}

#[test]
fn old_term_committed_by_count() {
    insta::assert_snapshot!(page("old-term-committed-by-count"));
}

#[test]
fn joint_commit_on_one_side() {
    insta::assert_snapshot!(page("joint-commit-on-one-side"));
}

#[test]
fn retry_applied_twice() {
    insta::assert_snapshot!(page("retry-applied-twice"));
}

#[test]
fn refused_and_done() {
    insta::assert_snapshot!(page("refused-and-done"));
}

#[test]
fn nobody_leads() {
    insta::assert_snapshot!(page("nobody-leads"));
}
