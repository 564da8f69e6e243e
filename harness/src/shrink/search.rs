//! Asks a shrinker's questions, on all cores and within a budget.

use super::Shrinker;
use crate::plan::Plan;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// How much may be asked, and how.
#[derive(Clone, Copy, Debug)]
pub struct ShrinkSettings {
    /// How many questions are asked at once.
    pub jobs: NonZeroUsize,
    /// The most runs. Those that were made in vain on a second core are not counted.
    pub max_runs: u64,
}

/// How far a plan has been shrunk.
#[derive(Clone, Debug)]
pub struct ShrinkStatus<'a> {
    /// The smallest plan so far.
    pub best: &'a Plan,
    /// How many runs that took, as they would be on one core.
    pub runs: u64,
}

/// What came of it.
#[derive(Clone, PartialEq, Debug)]
pub struct ShrinkResult {
    /// The smallest plan that was found to fail.
    pub plan: Plan,
    /// How many runs that took, as they would be on one core.
    pub runs: u64,
    /// Whether nothing can go any more; otherwise the budget was used up, or somebody ended it.
    pub is_minimal: bool,
}

/// Makes a plan that fails smaller, as long as `fails` says yes.
///
/// `watch` hears of it from time to time. When `stop` is set the smallest plan so far is returned.
pub fn shrink(
    plan: &Plan,
    settings: &ShrinkSettings,
    fails: &(dyn Fn(&Plan) -> bool + Sync),
    stop: &AtomicBool,
    watch: &mut dyn FnMut(&ShrinkStatus<'_>),
) -> ShrinkResult {
    let mut shrinker = Shrinker::new(plan.clone());
    let mut runs = 0;
    let mut ahead = settings.jobs.get();
    let done = loop {
        watch(&ShrinkStatus { best: shrinker.best(), runs });
        let left = usize::try_from(settings.max_runs - runs).unwrap_or(usize::MAX);
        if left == 0 || stop.load(Ordering::Relaxed) {
            break false;
        }
        let proposals = next_proposals(&shrinker, ahead.min(left));
        if proposals.is_empty() {
            break true;
        }
        let first = first_that_fails(&proposals, settings.jobs, fails);
        // Where one success follows the other, looking far ahead is in vain.
        ahead = match first {
            Some(_) => settings.jobs.get(),
            None => (2 * ahead).min(16 * settings.jobs.get()),
        };
        let asked = first.map_or(proposals.len(), |first| first + 1);
        for number in 0..asked {
            shrinker.proposal();
            shrinker.record_result(first == Some(number));
        }
        runs += asked as u64;
    };
    ShrinkResult { plan: shrinker.best().clone(), runs, is_minimal: done }
}

/// What would be proposed next, if all before it were refused.
fn next_proposals(shrinker: &Shrinker, most: usize) -> Vec<Arc<Plan>> {
    let mut ahead = shrinker.clone();
    let mut proposals = Vec::with_capacity(most);
    while proposals.len() < most && ahead.proposal().is_some() {
        proposals.extend(ahead.proposed.clone());
        ahead.record_result(false);
    }
    proposals
}

/// The place of the first of these plans that fails.
pub(crate) fn first_that_fails(
    plans: &[Arc<Plan>],
    jobs: NonZeroUsize,
    fails: &(dyn Fn(&Plan) -> bool + Sync),
) -> Option<usize> {
    let (next, first) = (AtomicUsize::new(0), AtomicUsize::new(plans.len()));
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            // What comes after a success is not asked; what comes before it always is.
            if number >= first.load(Ordering::Relaxed) {
                return;
            }
            if fails(&plans[number]) {
                first.fetch_min(number, Ordering::Relaxed);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..jobs.get().min(plans.len()) {
            // Without a further thread it only takes longer.
            drop(thread::Builder::new().spawn_scoped(scope, work));
        }
        work();
    });
    let first = first.into_inner();
    (first < plans.len()).then_some(first)
}
