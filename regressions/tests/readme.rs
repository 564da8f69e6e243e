//! The commands in the README with a bug still fail as shown.

#![expect(clippy::disallowed_methods, reason = "a test reads the README")]

use harness::outcome::{Options, Verdict};
use harness::plan::generate;
use harness::systems::BUILT_IN;
use std::fs;

/// The word after an option in a command line.
fn word_after<'a>(line: &'a str, option: &str) -> Option<&'a str> {
    line.split_whitespace().skip_while(|word| *word != option).nth(1)
}

#[test]
fn the_seeds_with_a_bug_violate_a_property() {
    let readme = fs::read_to_string(regressions::root().join("README.md")).unwrap();
    let mut shown = 0;
    for line in readme.lines().filter(|line| line.starts_with("cargo run")) {
        let (Some(seed), Some(bug)) = (word_after(line, "--seed"), word_after(line, "--bug")) else {
            continue;
        };
        let mut plan = generate(seed.parse().expect("a seed is a number"));
        assert!(BUILT_IN.bugs().iter().any(|known| known.name == bug), "there is no bug {bug}: {line}");
        plan.bug = Some(bug.to_string());
        let verdict = harness::systems::run::run(&plan, &Options::default()).outcome.verdict;
        assert!(matches!(verdict, Verdict::Failed(_)), "this run passes: {line}");
        shown += 1;
    }
    assert!(shown >= 2, "the README shows how to run and how to keep a failing seed");
}
