//! Each stored case as a test of its own: `cargo test -p regressions --test replay NAME` runs one.

use harness::case::{Case, Expectation};
use harness::outcome::{Options, Verdict};
use libtest_mimic::{Arguments, Failed, Trial};
use std::path::Path;

fn main() {
    let arguments = Arguments::from_args();
    let trials =
        regressions::cases().into_iter().map(|(name, path)| Trial::test(name, move || replay(&path)));
    libtest_mimic::run(&arguments, trials.collect()).exit();
}

/// Runs a case: it must end as its story says, and a case whose bug is on must pass with the bug off.
fn replay(path: &Path) -> Result<(), Failed> {
    let case = Case::read(path).map_err(|error| error.to_string())?;
    let met = |expect: &Expectation, plan| {
        let outcome = harness::run::run(plan, &Options::default()).outcome;
        let missed = case.missed_milestones(&outcome);
        let far_enough =
            *expect != Expectation::Passed || case.expect != Expectation::Passed || missed.is_empty();
        if expect.is_met_by(&outcome.verdict) && far_enough {
            return Ok(());
        }
        let came = match &outcome.verdict {
            Verdict::Passed if !far_enough => format!("it does not reach {} any more", missed.join(", ")),
            Verdict::Passed => "all promises were kept".to_string(),
            Verdict::Unknown(sentence) => format!("linearizability was not decided: {sentence}"),
            Verdict::Failed(failure) => format!("{}: {}", failure.property, failure.sentence),
        };
        Err(format!(
            "expected: {expect}\ncame: {came}\n\n{}\nlook: cargo run --release -- replay {file}\nif only its chance is \
             stale: cargo run --release -- replay --refresh {file}",
            case.description,
            file = path.display()
        ))
    };
    met(&case.expect, &case.plan)?;
    if case.plan.bug.is_some() {
        let mut plan = case.plan.clone();
        plan.bug = None;
        met(&Expectation::Passed, &plan)?;
    }
    Ok(())
}
