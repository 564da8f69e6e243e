//! Sweeps that are guided by what is rare: half of the plans are fresh, the other half are changed copies of plans that
//! got to a rare place.
//!
//! A *place* is a line that was exercised, a line that was exercised in a certain situation of the cluster, or a
//! milestone. A plan whose run gets to a place for the first, second or fourth time is kept. Places do not depend on
//! what is checked, so a bug that has no effect yet guides to where it may have one.
//!
//! Plans are made and results are added in rounds of 32, in the order of their numbers: so all is a function of the
//! settings, for any number of jobs.

use crate::outcome::{Options, Outcome, Recording, RunRecord, bug_of_line};
use crate::plan::{Plan, PlanRng, mutate};
use crate::support::rng::label;
use crate::systems::SystemInfo;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Plans in a round.
const ROUND: u64 = 32;
/// A plan is kept if its run is the first, second or fourth at a place.
const KEPT_VISITS: [u64; 3] = [1, 2, 4];
/// A copy takes parts of another kept plan in so many of 2 cases, and of a fresh plan otherwise.
const KEPT_DONORS: u64 = 1;

/// Where a run may get to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Place {
    /// A line was exercised.
    Line(usize),
    /// A line was exercised in a situation.
    LineIn(usize, u32),
    /// A milestone was reached.
    Milestone(&'static str),
}

/// A plan of a guided sweep.
#[derive(Clone, PartialEq, Debug)]
pub struct GuidedPlan {
    /// Its number in the sweep, from 0.
    pub number: u64,
    /// The plan.
    pub plan: Plan,
    /// Its seed, if it is a fresh plan.
    pub seed: Option<u64>,
}

/// What was seen so far, and the plans that got to rare places.
pub struct Guide {
    system: SystemInfo,
    bug: Option<String>,
    /// The next number.
    next: u64,
    /// The next seed of a fresh plan.
    next_seed: u64,
    /// How many runs got to each place.
    visits: BTreeMap<Place, u64>,
    kept: Vec<Plan>,
    /// Passed and failed runs in which each line was exercised, by number of the line.
    lines: BTreeMap<usize, u64>,
}

impl Guide {
    /// A guide that has seen nothing. Fresh plans have the seeds from `first_seed` on.
    #[must_use]
    pub fn new(system: &SystemInfo, bug: Option<&str>, first_seed: u64) -> Guide {
        Guide {
            system: *system,
            bug: bug.map(str::to_owned),
            next: 0,
            next_seed: first_seed,
            visits: BTreeMap::new(),
            kept: Vec::new(),
            lines: BTreeMap::new(),
        }
    }

    /// The next plan: each second one is fresh, and all are as long as nothing was kept.
    pub fn next_plan(&mut self) -> GuidedPlan {
        let number = self.next;
        self.next += 1;
        let changed = (number % 2 == 1).then(|| self.changed_plan(number)).flatten();
        match changed {
            Some(plan) => GuidedPlan { number, plan, seed: None },
            None => {
                let seed = self.next_seed;
                self.next_seed += 1;
                GuidedPlan { number, plan: self.system.plan(seed, self.bug.as_deref()), seed: Some(seed) }
            }
        }
    }

    /// A changed copy of a kept plan. `None` if there is none, or the system cannot run it.
    fn changed_plan(&self, number: u64) -> Option<Plan> {
        // Sweeps that begin at other seeds make other changes.
        let number = self.next_seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ number;
        let mut rng = PlanRng::new(number, label::PLAN_GUIDE, 0);
        let last = (self.kept.len() as u64).checked_sub(1)?;
        let plan = &self.kept[rng.in_range(0, last) as usize];
        let donor = match rng.in_range(0, 1) < KEPT_DONORS {
            true => self.kept[rng.in_range(0, last) as usize].clone(),
            false => self.system.plan(rng.in_range(0, u64::MAX >> 1), self.bug.as_deref()),
        };
        Some(mutate(plan, &donor, number)).filter(|plan| self.system.check_plan(plan).is_ok())
    }

    /// Adds a run, in the order of the numbers.
    pub fn add(&mut self, plan: &Plan, record: &RunRecord) {
        for (line, situations) in record.situations.iter() {
            *self.lines.entry(line).or_default() += 1;
            debug_assert_ne!(situations, 0, "a line is exercised in some situation");
        }
        let mut keeps = false;
        for place in places(record) {
            let visits = self.visits.entry(place).or_default();
            *visits += 1;
            keeps |= KEPT_VISITS.contains(visits);
        }
        if keeps {
            self.kept.push(plan.clone());
        }
    }

    /// How many plans are kept.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.kept.len()
    }

    /// In how many runs the line of each bug was exercised, by name.
    #[must_use]
    pub fn exercised(&self) -> BTreeMap<&'static str, u64> {
        let bugs = self.system.catalogues.iter().flat_map(|catalogue| catalogue.bugs);
        let mut runs: BTreeMap<&'static str, u64> = bugs.map(|bug| (bug.name, 0)).collect();
        for (line, count) in &self.lines {
            if let Some(bug) = bug_of_line(*line, self.system.catalogues) {
                runs.insert(bug.name, *count);
            }
        }
        runs
    }
}

/// The places that a run got to.
fn places(record: &RunRecord) -> impl Iterator<Item = Place> + '_ {
    let lines = record.situations.iter().flat_map(|(line, situations)| {
        let set = (0..u32::BITS).filter(move |situation| situations & 1 << situation != 0);
        set.map(move |situation| Place::LineIn(line, situation)).chain([Place::Line(line)])
    });
    let reached = record.outcome.milestones.iter().filter(|(_, count)| *count > 0);
    lines.chain(reached.map(|(name, _)| Place::Milestone(name)))
}

/// What a guided sweep does with each run; `false` ends the sweep.
pub type Watch<'a> = dyn FnMut(&GuidedPlan, &Outcome, &Guide) -> bool + 'a;

/// Runs plans until `runs` are done, `watch` has enough, or `stops`. `run` runs a plan.
pub fn sweep(
    guide: &mut Guide,
    runs: u64,
    options: &Options,
    jobs: NonZeroUsize,
    run: &(dyn Fn(&Plan, &Options) -> RunRecord + Sync),
    stops: &dyn Fn() -> bool,
    watch: &mut Watch<'_>,
) {
    let record = Recording { situations: true, ..options.record };
    let options = Options { record, ..options.clone() };
    let mut left = runs;
    while left > 0 && !stops() {
        let plans: Vec<_> = (0..left.min(ROUND)).map(|_| guide.next_plan()).collect();
        left -= plans.len() as u64;
        let records = run_all(&plans, jobs, &|plan| run(plan, &options));
        for (plan, record) in plans.iter().zip(&records) {
            guide.add(&plan.plan, record);
            if !watch(plan, &record.outcome, guide) {
                return;
            }
        }
    }
}

/// Runs plans on several threads. The results are in the order of the plans.
fn run_all(
    plans: &[GuidedPlan],
    jobs: NonZeroUsize,
    run: &(dyn Fn(&Plan) -> RunRecord + Sync),
) -> Vec<RunRecord> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut results = Vec::new();
        while let Some(plan) = plans.get(next.fetch_add(1, Ordering::Relaxed)) {
            results.push((plan.number, run(&plan.plan)));
        }
        results
    };
    let mut results: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs.get().min(plans.len())).map(|_| scope.spawn(work)).collect();
        let joined = workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        joined.collect()
    });
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, record)| record).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::systems::BUILT_IN;

    /// The digests of a guided sweep, and what it kept.
    fn digests(runs: u64, jobs: usize, first_seed: u64) -> (Vec<u64>, usize) {
        let mut guide = Guide::new(&BUILT_IN, None, first_seed);
        let mut digests = Vec::new();
        let jobs = NonZeroUsize::new(jobs).expect("not 0");
        let run = |plan: &Plan, options: &Options| BUILT_IN.run(plan, options);
        sweep(&mut guide, runs, &Options::default(), jobs, &run, &|| false, &mut |_, outcome, _| {
            digests.push(outcome.digest.0);
            true
        });
        (digests, guide.kept())
    }

    #[test]
    #[cfg(feature = "bugs")]
    fn a_guided_sweep_does_not_depend_on_threads() {
        let (one, kept) = digests(80, 1, 0);
        assert_eq!((one.len(), digests(80, 3, 0)), (80, (one.clone(), kept)));
        assert!(kept > 10, "the first runs get to new places, but only {kept} were kept");
        assert_ne!(digests(80, 2, 1_000).0[40..], one[40..], "other seeds make other plans");
    }

    #[test]
    fn each_second_plan_is_fresh_and_the_others_change_kept_ones() {
        let mut guide = Guide::new(&BUILT_IN, None, 7);
        assert_eq!([guide.next_plan().seed, guide.next_plan().seed], [Some(7), Some(8)]);
        guide.kept.push(BUILT_IN.plan(3, None));
        let plans: Vec<_> = (0..40).map(|_| guide.next_plan()).collect();
        let fresh: Vec<_> = plans.iter().filter_map(|plan| plan.seed).collect();
        assert!(fresh.len() >= 20 && fresh.is_sorted(), "{fresh:?}");
        let changed = plans.iter().filter(|plan| plan.seed.is_none());
        assert!(changed.clone().count() > 10);
        assert!(changed.clone().all(|plan| plan.plan != guide.kept[0]));
    }

    #[test]
    #[cfg(feature = "bugs")]
    fn a_plan_is_kept_at_the_first_second_and_fourth_visit_of_a_place() {
        let mut guide = Guide::new(&BUILT_IN, None, 0);
        let plan = BUILT_IN.plan(0, None);
        let record = Recording { situations: true, ..Recording::default() };
        let record = BUILT_IN.run(&plan, &Options { record, ..Options::default() });
        let kept = (0..6).map(|_| {
            guide.add(&plan, &record);
            guide.kept()
        });
        assert_eq!(kept.collect::<Vec<_>>(), [1, 2, 2, 3, 3, 3]);
        assert_eq!(guide.exercised()["self-vote-after-rv"], 6);
    }
}
