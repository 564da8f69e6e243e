//! A proptest strategy for plans, for property tests of any server. It shrinks like `harness shrink`.
//!
//! ```
//! use harness::outcome::{Options, Verdict};
//! use harness::systems::run::run_with;
//! use harness::findings::strategy::{Profile, plans};
//! // Your own server, from your own crate.
//! use harness::systems::raft_core::RaftServer as MyServer;
//! use proptest::prelude::*;
//!
//! proptest! {
//!     // By default proptest tries four smaller plans per case, but shrinking a plan takes some hundred.
//!     #![proptest_config(ProptestConfig { max_shrink_iters: 20_000, ..ProptestConfig::with_cases(4) })]
//!     # /*
//!     #[test]
//!     # */
//!     fn my_raft_passes(plan in plans(Profile::default())) {
//!         let outcome = run_with::<MyServer>(&plan, &Options::default()).outcome;
//!         prop_assert_eq!(outcome.verdict, Verdict::Passed, "{}", harness::plan::file::to_text(&plan));
//!     }
//! }
//! # my_raft_passes();
//! ```

use crate::findings::shrink::Shrinker;
use crate::plan::{MAX_NODES, Plan, SimDuration, generate};
use proptest::prelude::Rng;
use proptest::strategy::{NewTree, Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use std::ops::RangeInclusive;

/// Limits of the generated plans.
#[derive(Clone, PartialEq, Debug)]
pub struct Profile {
    /// The number of servers; most plans have 3 or 5.
    pub nodes: RangeInclusive<u64>,
    /// The longest fault phase. Shorter ones run faster and find less.
    pub max_fault_phase: SimDuration,
    /// Names of fault kinds to leave out, for systems that do not tolerate them.
    pub excluded_faults: Vec<&'static str>,
}

impl Default for Profile {
    /// The plans of `harness sweep`.
    fn default() -> Profile {
        Profile {
            nodes: 1..=MAX_NODES,
            max_fault_phase: SimDuration::millis(60_000),
            excluded_faults: Vec::new(),
        }
    }
}

/// Plans within this profile. They shrink like `harness shrink`.
#[must_use]
pub const fn plans(profile: Profile) -> PlanStrategy {
    PlanStrategy { profile }
}

/// See [`plans`].
#[derive(Clone, Debug)]
pub struct PlanStrategy {
    profile: Profile,
}

/// How many seeds are tried to find a plan with an allowed number of servers.
const MAX_SEEDS_TRIED: u64 = 10_000;

impl PlanStrategy {
    fn fit_to_profile(&self, mut plan: Plan) -> Plan {
        plan.fault_phase = plan.fault_phase.min(self.profile.max_fault_phase);
        let end = plan.fault_phase;
        plan.faults.retain(|fault| {
            fault.at < end && !self.profile.excluded_faults.iter().any(|name| *name == fault.kind.name())
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
        let plan = plan.ok_or_else(|| format!("no plan has a server count in {:?}", self.profile.nodes))?;
        Ok(PlanTree { shrinker: Shrinker::with_small_budget(self.fit_to_profile(plan)), proposed: None })
    }
}

/// A plan that is being shrunk.
#[derive(Clone, Debug)]
pub struct PlanTree {
    shrinker: Shrinker,
    /// The proposed smaller plan; `None`: the smallest failing plan so far.
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

    /// The current plan fails.
    fn simplify(&mut self) -> bool {
        if self.proposed.is_some() {
            self.shrinker.record_result(true);
        }
        self.propose()
    }

    /// The current plan passes.
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
            other => panic!("the property must fail: {other:?}"),
        }
    }

    #[test]
    fn proptest_shrinks_plans_with_the_shrinker_of_the_harness() {
        let crashes = |plan: &Plan| {
            plan.faults.iter().filter(|fault| matches!(fault.kind, FaultKind::Crash(_))).count()
        };
        let plan = smallest(Profile::default(), |plan| crashes(plan) >= 2 && plan.nodes >= 3);
        assert_eq!((plan.faults.len(), crashes(&plan), plan.nodes), (2, 2, 3));
    }

    #[test]
    fn plans_stay_within_their_profile() {
        let profile = Profile {
            nodes: 5..=5,
            max_fault_phase: SimDuration::millis(9_000),
            excluded_faults: vec!["bit-rot", "crash"],
        };
        let violates = |plan: &Plan| {
            plan.nodes != 5
                || plan.fault_phase > SimDuration::millis(9_000)
                || plan.faults.iter().any(|fault| ["bit-rot", "crash"].contains(&fault.kind.name()))
        };
        let mut runner = TestRunner::deterministic();
        for _ in 0..100 {
            use proptest::strategy::{Strategy, ValueTree};
            let plan = plans(profile.clone()).new_tree(&mut runner).unwrap().current();
            assert!(!violates(&plan) && plan.check().is_ok(), "{plan:?}");
        }
    }
}
