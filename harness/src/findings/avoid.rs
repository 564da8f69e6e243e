//! Finds out which features of a plan cause its failure, so that a sweep can leave one out.

use crate::findings::case::Case;
use crate::findings::child::check_in_child;
use crate::findings::guard::{HANG_AFTER_SHORT, run_watched};
use crate::findings::shrink::first_that_fails;
use crate::outcome::signature::FailureSignature;
use crate::outcome::{Options, Verdict};
use crate::plan::{Feature, Plan};
use crate::systems::SystemInfo;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// Without a feature other events follow, so a failure may be gone by chance: it must be gone with so many other seeds.
const OTHER_SEEDS: u64 = 30;
/// The same for runs in child processes, which take longer.
const OTHER_SEEDS_IN_CHILD: u64 = 4;
/// The plans that count what it costs to leave a feature out.
pub const COUNTED_PLANS: u64 = 1_000;

/// A feature without which a plan does not fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cause {
    /// The feature.
    pub feature: Feature,
    /// How many of the first [`COUNTED_PLANS`] plans of the system have it.
    pub plans: u64,
}

/// The features without which a case does not fail, the rarest in plans first.
///
/// # Errors
///
/// The case does not fail, or fails without each of its features.
pub fn causes(case: &Case, system: &SystemInfo, jobs: NonZeroUsize) -> Result<Vec<Cause>, String> {
    let in_child = case.needs_child();
    let signature = |plan: &Plan| signature_of(system, plan, in_child);
    let Some(wanted) = signature(&case.plan)? else {
        return Err("it does not fail, so there is nothing to avoid".to_owned());
    };
    let fails = |plan: &Plan| signature(plan).is_ok_and(|signature| signature.as_ref() == Some(&wanted));
    let others = if in_child { OTHER_SEEDS_IN_CHILD } else { OTHER_SEEDS };
    let is_cause = |feature: &Feature| {
        let without = feature.remove_from(case.plan.clone());
        let seeds = [without.seed].into_iter().chain(1..=others);
        let plans: Vec<_> = seeds.map(|seed| Arc::new(Plan { seed, ..without.clone() })).collect();
        without != case.plan && without.check().is_ok() && first_that_fails(&plans, jobs, &fails).is_none()
    };
    let of_plan = Feature::all().into_iter().filter(is_cause);
    let mut causes: Vec<Cause> =
        of_plan.map(|feature| Cause { feature, plans: plans_with(&feature, system) }).collect();
    causes.sort_by_key(|cause| cause.plans);
    match causes.is_empty() {
        true => Err("it fails without each single feature of its plan, so none can be left out".to_owned()),
        false => Ok(causes),
    }
}

fn plans_with(feature: &Feature, system: &SystemInfo) -> u64 {
    let has = |seed: &u64| {
        let plan = system.plan(*seed, None);
        feature.remove_from(plan.clone()) != plan
    };
    (0..COUNTED_PLANS).filter(has).count() as u64
}

/// How a plan fails; `None` if it does not.
fn signature_of(
    system: &SystemInfo,
    plan: &Plan,
    in_child: bool,
) -> Result<Option<FailureSignature>, String> {
    let options = Options::default();
    if in_child && let Some(failure) = check_in_child(system, plan, &options, HANG_AFTER_SHORT)? {
        return Ok(Some(FailureSignature::of(&failure)));
    }
    Ok(match run_watched(system, plan, &options, HANG_AFTER_SHORT).outcome.verdict {
        Verdict::Failed(failure) => Some(FailureSignature::of(&failure)),
        Verdict::Passed | Verdict::Unknown(_) => None,
    })
}
