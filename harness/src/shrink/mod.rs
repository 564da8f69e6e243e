//! Smaller plans: what of a failing plan can go, and it still fails.
//!
//! A [`Shrinker`] knows only a plan and the answers to one question, "does this one fail as well?". It proposes a smaller
//! plan, is told, and proposes the next, until nothing that it knows to leave out can go any more: no fault and no call
//! of a client above all. First most of the time that the plan takes, with any chance, for a short plan in
//! which much happens is likely to fail as well; then all the rest, with the chance that made that plan fail; then what
//! cannot go is tried again with other chance (`seed`), for what fails by a narrow margin fails again in one of twenty
//! worlds. The more a proposal takes away, the more of them it is tried in.
//!
//! [`shrink`] asks on all cores. Several proposals are looked at side by side, as if those before them had been refused,
//! and the first success in their order counts: the result is that of one core, only sooner.

mod list;
mod knobs;
mod passes;
mod search;

pub(crate) use search::first_that_fails;
pub use search::{ShrinkResult, ShrinkSettings, ShrinkStatus, shrink};

use crate::plan::Plan;
use passes::{PASSES, Pass};
use std::sync::Arc;

/// How far a shrinker has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ShrinkPhase {
    /// Only much shorter plans are proposed, with other seeds as well: as long as clients call often and much breaks, it is
    /// likeliest that one of them fails.
    ShortPlans,
    /// All passes, with the chance of the plan as it is.
    OwnSeed,
    /// All passes, with other seeds as well.
    OtherSeeds,
}

/// The way from a failing plan to a small one, one question at a time.
#[derive(Clone, Debug)]
pub struct Shrinker {
    best: Arc<Plan>,
    /// What is asked at present.
    proposed: Option<Arc<Plan>>,
    pass: usize,
    /// How many passes on end have changed nothing.
    unchanged_passes: usize,
    /// Whether this one has.
    has_changed: bool,
    phase: ShrinkPhase,
    /// The other seed that comes next; 0: the plan's own.
    seed: u64,
    /// How many parts a pass that removes takes at once; 0: it has not begun.
    chunk: usize,
    /// Where in the pass.
    position: usize,
    /// The proposals of a pass that lists them, for the plan as it is.
    candidates: Option<Arc<Vec<Plan>>>,
}

impl Shrinker {
    /// Begins with a plan that fails.
    #[must_use]
    pub fn new(plan: Plan) -> Shrinker {
        Shrinker {
            best: Arc::new(plan),
            proposed: None,
            pass: 0,
            unchanged_passes: 0,
            has_changed: false,
            phase: ShrinkPhase::ShortPlans,
            seed: 0,
            chunk: 0,
            position: 0,
            candidates: None,
        }
    }

    /// The same, for whoever asks some hundred times and no more: it is not bold at first, for that may cost a thousand
    /// questions before anything is smaller.
    #[must_use]
    pub fn with_small_budget(plan: Plan) -> Shrinker {
        Shrinker { phase: ShrinkPhase::OwnSeed, pass: 1, ..Shrinker::new(plan) }
    }

    /// The smallest plan so far of which it is known that it fails.
    #[must_use]
    pub fn best(&self) -> &Plan {
        &self.best
    }

    /// The next plan to be asked about; the same until [`Shrinker::answer`] is called. `None`: nothing can go any more.
    pub fn proposal(&mut self) -> Option<&Plan> {
        while self.proposed.is_none() {
            match self.current_candidate() {
                Some(plan) if plan != *self.best && plan.check().is_ok() => {
                    let seed = if self.seed == 0 { plan.seed } else { self.seed };
                    self.proposed = Some(Arc::new(Plan { seed, ..plan }));
                }
                Some(_) => (self.seed, self.position) = (0, self.position + 1),
                None if self.end_pass() => return None,
                None => {}
            }
        }
        self.proposed.as_deref()
    }

    /// Whether the plan that was proposed fails as well.
    pub fn record_result(&mut self, fails: bool) {
        let Some(plan) = self.proposed.take() else { return };
        if !fails {
            return self.advance();
        }
        // What comes next in the pass now stands where the proposal was, so the place stays.
        self.best = plan;
        self.has_changed = true;
        self.seed = 0;
        self.candidates = None;
    }

    /// The proposal at this place; `None`: the pass is over.
    fn current_candidate(&mut self) -> Option<Plan> {
        Some(match PASSES[self.pass] {
            Pass::Remove(list) => {
                let length = list.length(&self.best);
                if self.chunk == 0 {
                    self.chunk = length;
                }
                while self.chunk > 0 && self.position * self.chunk >= length {
                    (self.chunk, self.position) = (self.chunk / 2, 0);
                }
                if self.chunk == 0 {
                    return None;
                }
                // From the end: what comes late is most likely to have come too late to matter.
                let end = length - self.position * self.chunk;
                list.remove_range(&self.best, end.saturating_sub(self.chunk)..end)
            }
            Pass::Try(list, _) => {
                let listed = self.candidates.get_or_insert_with(|| Arc::new(list(&self.best)));
                match listed.get(self.position) {
                    Some(plan) => plan.clone(),
                    None => return None,
                }
            }
        })
    }

    /// This proposal was refused, or is none.
    fn advance(&mut self) {
        let others = if self.phase == ShrinkPhase::OwnSeed { 0 } else { self.other_seeds() };
        if self.seed < others {
            self.seed += 1;
        } else {
            (self.seed, self.position) = (0, self.position + 1);
        }
    }

    /// With how many other seeds a proposal of this pass is tried.
    fn other_seeds(&self) -> u64 {
        let pass = &PASSES[self.pass];
        let proposals = match pass {
            Pass::Remove(list) => list.length(&self.best).div_ceil(self.chunk.max(1)),
            Pass::Try(..) => self.candidates.as_ref().map_or(0, |listed| listed.len()),
        };
        pass.other_seeds(proposals)
    }

    /// The pass is over: the next one begins. Returns whether that was all.
    fn end_pass(&mut self) -> bool {
        self.unchanged_passes = if self.has_changed { 0 } else { self.unchanged_passes + 1 };
        self.pass = match self.phase {
            ShrinkPhase::ShortPlans if self.has_changed => 0,
            ShrinkPhase::ShortPlans => {
                (self.phase, self.unchanged_passes) = (ShrinkPhase::OwnSeed, 0);
                1
            }
            ShrinkPhase::OtherSeeds if self.unchanged_passes >= PASSES.len() => return true,
            ShrinkPhase::OwnSeed if self.unchanged_passes >= PASSES.len() => {
                (self.phase, self.unchanged_passes) = (ShrinkPhase::OtherSeeds, 0);
                (self.pass + 1) % PASSES.len()
            }
            ShrinkPhase::OwnSeed | ShrinkPhase::OtherSeeds => (self.pass + 1) % PASSES.len(),
        };
        (self.has_changed, self.seed, self.chunk, self.position, self.candidates) = (false, 0, 0, 0, None);
        false
    }
}

#[cfg(test)]
mod tests;
