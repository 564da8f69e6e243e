//! Shrinking: finds a smaller plan that still fails.
//!
//! A [`Shrinker`] only knows a plan and the results of the plans it proposed. It proposes smaller plans until nothing
//! more can be removed, faults and client calls above all. It works in three phases: much shorter plans with any
//! seed, because a short plan in which much happens is likely to fail as well; then all passes with the seed that
//! made that plan fail; then all passes with other seeds too, because a plan that fails narrowly fails with one seed
//! in about twenty. The more a proposal removes, the more seeds it is tried with.
//!
//! [`shrink`] runs proposals on all cores: several are evaluated in parallel as if all earlier ones had passed, and
//! the first failure in their order counts. The result is that of one core.

mod list;
mod knobs;
mod passes;
mod search;

pub(crate) use search::first_that_fails;
pub use search::{ShrinkResult, ShrinkSettings, ShrinkStatus, shrink};

use crate::plan::Plan;
use passes::{PASSES, Pass};
use std::sync::Arc;

/// The phases of a shrinker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ShrinkPhase {
    /// Only much shorter plans, also with other seeds: while many calls and faults are left, one of them is most
    /// likely to fail.
    ShortPlans,
    /// All passes, with the seed of the best plan.
    OwnSeed,
    /// All passes, also with other seeds.
    OtherSeeds,
}

/// Shrinks a failing plan, one proposal at a time.
#[derive(Clone, Debug)]
pub struct Shrinker {
    best: Arc<Plan>,
    /// The current proposal.
    proposed: Option<Arc<Plan>>,
    pass: usize,
    /// Consecutive passes without a change.
    unchanged_passes: usize,
    /// Whether the current pass changed the plan.
    has_changed: bool,
    phase: ShrinkPhase,
    /// The other seed to try next; 0 is the plan's own seed.
    seed: u64,
    /// Items that a removing pass takes at once; 0 before its start.
    chunk: usize,
    /// Position in the pass.
    position: usize,
    /// The proposals of a listing pass for the best plan.
    candidates: Option<Arc<Vec<Plan>>>,
}

impl Shrinker {
    /// Starts with a plan that fails.
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

    /// For a budget of some hundred runs: skips the phase of short plans, which may take a thousand runs before
    /// anything gets smaller.
    #[must_use]
    pub fn with_small_budget(plan: Plan) -> Shrinker {
        Shrinker { phase: ShrinkPhase::OwnSeed, pass: 1, ..Shrinker::new(plan) }
    }

    /// The smallest plan known to fail.
    #[must_use]
    pub fn best(&self) -> &Plan {
        &self.best
    }

    /// The next plan to run, the same until [`Shrinker::record_result`] is called. `None`: nothing more can be
    /// removed.
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

    /// Records whether the proposed plan fails.
    pub fn record_result(&mut self, fails: bool) {
        let Some(plan) = self.proposed.take() else { return };
        if !fails {
            return self.advance();
        }
        // The next candidate of the pass moved to this position, so the position stays.
        self.best = plan;
        self.has_changed = true;
        self.seed = 0;
        self.candidates = None;
    }

    /// The candidate at the current position; `None` at the end of the pass.
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
                // From the end: late items are the most likely to be irrelevant.
                let end = length - self.position * self.chunk;
                list.remove_range(&self.best, end.saturating_sub(self.chunk)..end)
            }
            Pass::Try(list, _) => {
                let candidates = self.candidates.get_or_insert_with(|| Arc::new(list(&self.best)));
                match candidates.get(self.position) {
                    Some(plan) => plan.clone(),
                    None => return None,
                }
            }
        })
    }

    /// Moves on after a proposal that did not fail.
    fn advance(&mut self) {
        let others = if self.phase == ShrinkPhase::OwnSeed { 0 } else { self.other_seeds() };
        if self.seed < others {
            self.seed += 1;
        } else {
            (self.seed, self.position) = (0, self.position + 1);
        }
    }

    /// Number of other seeds for a proposal of this pass.
    fn other_seeds(&self) -> u64 {
        let pass = &PASSES[self.pass];
        let proposals = match pass {
            Pass::Remove(list) => list.length(&self.best).div_ceil(self.chunk.max(1)),
            Pass::Try(..) => self.candidates.as_ref().map_or(0, |candidates| candidates.len()),
        };
        pass.other_seeds(proposals)
    }

    /// Starts the next pass. Returns whether shrinking is done.
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
#[expect(clippy::disallowed_methods, reason = "a test reads what the program prints")]
mod tests;
