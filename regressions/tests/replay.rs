//! Each stored case is its own test: `cargo test -p regressions --test replay NAME` runs one.

use harness::findings::case::{Case, Expectation};
use harness::outcome::{Options, Verdict};
use harness::systems::BUILT_IN;
use libtest_mimic::{Arguments, Failed, Trial};
use std::path::Path;

fn main() {
    let arguments = Arguments::from_args();
    let trials =
        regressions::cases().into_iter().map(|(name, path)| Trial::test(name, move || replay(&path)));
    libtest_mimic::run(&arguments, trials.collect()).exit();
}

/// Runs a case: it must end as expected, and a case with a bug must pass with the bug off.
fn replay(path: &Path) -> Result<(), Failed> {
    let case = Case::read(path, &BUILT_IN).map_err(|error| error.to_string())?;
    let check = |expect: &Expectation, plan| {
        let outcome = BUILT_IN.run(plan, &Options::default()).outcome;
        let missed = case.missed_milestones(&outcome);
        let has_milestones =
            *expect != Expectation::Passed || case.expect != Expectation::Passed || missed.is_empty();
        if expect.is_met_by(&outcome.verdict) && has_milestones {
            return Ok(());
        }
        let actual = match &outcome.verdict {
            Verdict::Passed if !has_milestones => format!("it does not reach {} any more", missed.join(", ")),
            Verdict::Passed => "all properties held".to_string(),
            Verdict::Unknown(sentence) => format!("linearizability was not decided: {sentence}"),
            Verdict::Failed(failure) => format!("{}: {}", failure.property, failure.cause),
        };
        Err(format!(
            "expected: {expect}\nactual: {actual}\n\n{}\ninspect: cargo run --release -- replay {file}\nif only its seed is \
             stale: cargo run --release -- replay --refresh {file}",
            case.description,
            file = path.display()
        ))
    };
    check(&case.expect, &case.plan)?;
    if case.plan.bug.is_some() {
        let mut plan = case.plan.clone();
        plan.bug = None;
        check(&Expectation::Passed, &plan)?;
    }
    Ok(())
}
