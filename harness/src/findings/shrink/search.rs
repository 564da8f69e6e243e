//! Runs a shrinker's proposals, on all cores and within a budget.

use super::Shrinker;
use crate::plan::Plan;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// Limits of a search.
#[derive(Clone, Copy, Debug)]
pub struct ShrinkSettings {
    /// Concurrent runs.
    pub jobs: NonZeroUsize,
    /// The most runs. Parallel runs whose result is not used do not count.
    pub max_runs: u64,
}

/// Progress of a search.
#[derive(Clone, Debug)]
pub struct ShrinkStatus<'a> {
    /// The smallest plan so far.
    pub best: &'a Plan,
    /// Runs so far, as counted on one core.
    pub runs: u64,
}

/// The result of a search.
#[derive(Clone, PartialEq, Debug)]
pub struct ShrinkResult {
    /// The smallest plan found to fail.
    pub plan: Plan,
    /// Runs, as counted on one core.
    pub runs: u64,
    /// Whether nothing more can be removed; otherwise the budget was used up or `stop` was set.
    pub is_minimal: bool,
}

/// Shrinks a plan as long as `fails` returns true.
///
/// `watch` is called before each batch of proposals. If `stop` is set, the smallest plan so far is returned.
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
    let is_minimal = loop {
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
        // After a success the proposals further ahead are obsolete: look ahead less.
        ahead = match first {
            Some(_) => settings.jobs.get(),
            None => (2 * ahead).min(16 * settings.jobs.get()),
        };
        let used = first.map_or(proposals.len(), |first| first + 1);
        for number in 0..used {
            shrinker.proposal();
            shrinker.record_result(first == Some(number));
        }
        runs += used as u64;
    };
    ShrinkResult { plan: shrinker.best().clone(), runs, is_minimal }
}

/// The next proposals if none of them fails.
fn next_proposals(shrinker: &Shrinker, most: usize) -> Vec<Arc<Plan>> {
    let mut ahead = shrinker.clone();
    let mut proposals = Vec::with_capacity(most);
    while proposals.len() < most && ahead.proposal().is_some() {
        proposals.extend(ahead.proposed.clone());
        ahead.record_result(false);
    }
    proposals
}

/// The position of the first plan that fails.
pub(crate) fn first_that_fails(
    plans: &[Arc<Plan>],
    jobs: NonZeroUsize,
    fails: &(dyn Fn(&Plan) -> bool + Sync),
) -> Option<usize> {
    let (next, first) = (AtomicUsize::new(0), AtomicUsize::new(plans.len()));
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            // Plans after a known failure need not run; plans before it must.
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
            // Without another thread it only takes longer.
            drop(thread::Builder::new().spawn_scoped(scope, work));
        }
        work();
    });
    let first = first.into_inner();
    (first < plans.len()).then_some(first)
}
