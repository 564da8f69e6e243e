//! Plans as a proptest strategy, so that a property test of anybody's server is a few lines, and shrinks as ours do.
//!
//! ```
//! use harness::outcome::{Options, Verdict};
//! use harness::run::run_with;
//! use harness::strategy::{Profile, plans};
//! // Your own server, from your own crate.
//! use harness::systems::raft_core::Node as MyServer;
//! use proptest::prelude::*;
//!
//! proptest! {
//!     // By itself proptest tries four smaller plans for each case, and a plan takes some hundred to become small.
//!     #![proptest_config(ProptestConfig { max_shrink_iters: 20_000, ..ProptestConfig::with_cases(4) })]
//!     # /*
//!     #[test]
//!     # */
//!     fn my_raft_keeps_its_promises(plan in plans(Profile::default())) {
//!         let outcome = run_with::<MyServer>(&plan, &Options::default()).outcome;
//!         prop_assert_eq!(outcome.verdict, Verdict::Kept, "{}", harness::plan::file::to_text(&plan));
//!     }
//! }
//! # my_raft_keeps_its_promises();
//! ```

use crate::plan::{MAX_NODES, Plan, SimDuration, generate};
use crate::shrink::Shrinker;
use proptest::prelude::Rng;
use proptest::strategy::{NewTree, Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use std::ops::RangeInclusive;

/// Which plans there shall be.
#[derive(Clone, PartialEq, Debug)]
pub struct Profile {
    /// How many servers; most plans have 3 or 5.
    pub nodes: RangeInclusive<u64>,
    /// The longest storm. A shorter one is quicker, and sees less.
    pub max_fault_phase: SimDuration,
    /// Kinds of faults that there shall not be, by name: what a system does not promise to survive.
    pub excluded_faults: Vec<&'static str>,
}

impl Default for Profile {
    /// What `harness sweep` runs.
    fn default() -> Profile {
        Profile {
            nodes: 1..=MAX_NODES,
            max_fault_phase: SimDuration::millis(60_000),
            excluded_faults: Vec::new(),
        }
    }
}

/// Plans of this profile, which shrink as `harness shrink` shrinks them.
#[must_use]
pub const fn plans(profile: Profile) -> PlanStrategy {
    PlanStrategy { profile }
}

/// See [`plans`].
#[derive(Clone, Debug)]
pub struct PlanStrategy {
    profile: Profile,
}

/// For how many seeds in vain a plan with the right number of servers is looked for.
const MAX_SEEDS_TRIED: u64 = 10_000;

impl PlanStrategy {
    fn fit_to_profile(&self, mut plan: Plan) -> Plan {
        plan.storm = plan.storm.min(self.profile.max_fault_phase);
        let storm = plan.storm;
        plan.faults.retain(|fault| {
            fault.at < storm && !self.profile.excluded_faults.iter().any(|name| *name == fault.kind.name())
        });
        plan
    }
}

impl Strategy for PlanStrategy {
    type Tree = PlanTree;
    type Value = Plan;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<PlanStrategy> {
        let first = runner.rng().next_u64() >> 1;
        let plan = (first..first + MAX_SEEDS_TRIED)
            .map(generate)
            .find(|plan| self.profile.nodes.contains(&plan.nodes));
        let plan =
            plan.ok_or_else(|| format!("no plan has a number of servers in {:?}", self.profile.nodes))?;
        Ok(PlanTree { shrinker: Shrinker::with_small_budget(self.fit_to_profile(plan)), proposed: None })
    }
}

/// A plan on its way to a smaller one.
#[derive(Clone, Debug)]
pub struct PlanTree {
    shrinker: Shrinker,
    /// What is being tried; `None`: the smallest plan so far.
    proposed: Option<Plan>,
}

impl PlanTree {
    fn propose(&mut self) -> bool {
        self.proposed = self.shrinker.proposal().cloned();
        self.proposed.is_some()
    }
}

impl ValueTree for PlanTree {
    type Value = Plan;

    fn current(&self) -> Plan {
        self.proposed.as_ref().unwrap_or_else(|| self.shrinker.best()).clone()
    }

    /// What was tried fails as well.
    fn simplify(&mut self) -> bool {
        if self.proposed.is_some() {
            self.shrinker.record_result(true);
        }
        self.propose()
    }

    /// It does not.
    fn complicate(&mut self) -> bool {
        if self.proposed.is_some() {
            self.shrinker.record_result(false);
        }
        self.propose()
    }
}

#[cfg(test)]
mod tests {
    use super::{Profile, plans};
    use crate::plan::{FaultKind, Plan, SimDuration};
    use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};

    fn smallest(profile: Profile, fails: impl Fn(&Plan) -> bool) -> Plan {
        let config = Config { cases: 200, failure_persistence: None, ..Config::default() };
        let failed = TestRunner::new_with_rng(
            config,
            proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
        )
        .run(&plans(profile), |plan| match fails(&plan) {
            true => Err(TestCaseError::fail("it fails")),
            false => Ok(()),
        });
        match failed {
            Err(TestError::Fail(_, plan)) => plan,
            other => panic!("it should have failed: {other:?}"),
        }
    }

    #[test]
    fn proptest_finds_a_plan_and_shrinks_it_with_our_shrinker() {
        let crashes = |plan: &Plan| {
            plan.faults.iter().filter(|fault| matches!(fault.kind, FaultKind::Crash { .. })).count()
        };
        let plan = smallest(Profile::default(), |plan| crashes(plan) >= 2 && plan.nodes >= 3);
        assert_eq!((plan.faults.len(), crashes(&plan), plan.nodes), (2, 2, 3));
    }

    #[test]
    fn a_profile_bounds_what_there_is() {
        let profile = Profile {
            nodes: 5..=5,
            max_fault_phase: SimDuration::millis(9_000),
            excluded_faults: vec!["rot", "crash"],
        };
        let outside = |plan: &Plan| {
            plan.nodes != 5
                || plan.storm > SimDuration::millis(9_000)
                || plan.faults.iter().any(|fault| ["rot", "crash"].contains(&fault.kind.name()))
        };
        let mut runner = TestRunner::deterministic();
        for _ in 0..100 {
            use proptest::strategy::{Strategy, ValueTree};
            let plan = plans(profile.clone()).new_tree(&mut runner).unwrap().current();
            assert!(!outside(&plan) && plan.check().is_ok(), "{plan:?}");
        }
    }
}
