//! Disks that go bad without a limit: the core uses no damaged byte, and a core that does is caught.

use harness::outcome::catalog::resting_on_disks;
use harness::outcome::{Options, Outcome, Verdict};
use harness::plan::{Plan, PlanProfile, generate_in};
use harness::systems::BUILT_IN;

const SEEDS: u64 = 60;

fn run(seed: u64, bug: Option<&str>) -> Outcome {
    let profile = PlanProfile::named("beyond").expect("a profile");
    let plan = Plan { bug: bug.map(str::to_owned), ..generate_in(seed, profile) };
    BUILT_IN.run(&plan, &Options::default()).outcome
}

#[test]
fn the_core_uses_no_damaged_byte_and_nothing_else_is_asked() {
    let (mut damaged, mut wiped, mut checks) = (0, 0, 0);
    for seed in 0..SEEDS {
        let outcome = run(seed, None);
        assert_eq!(outcome.verdict, Verdict::Passed, "seed {seed}");
        let off = resting_on_disks();
        assert!(outcome.checks.iter().all(|(property, _)| !off.contains(property)), "{:?}", outcome.checks);
        let strikes =
            |name: &str| outcome.faults.iter().filter(|(kind, _)| *kind == name).map(|it| it.1).sum::<u64>();
        damaged += strikes("bit-rot");
        wiped += strikes("wipe");
        checks += outcome.checks.iter().find(|(property, _)| *property == "as-written").map_or(0, |it| it.1);
    }
    assert!(damaged > 2 * SEEDS && wiped > SEEDS / 2 && checks > 2 * SEEDS, "{damaged} {wiped} {checks}");
}

#[test]
fn a_server_that_does_not_verify_checksums_is_caught() {
    let caught = (0..SEEDS).filter(|seed| match run(*seed, Some("checksum-not-verified")).verdict {
        Verdict::Failed(failure) => failure.property == "as-written",
        _ => false,
    });
    assert!(caught.count() > 5);
}
