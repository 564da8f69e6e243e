//! One run: two phases.

use crate::cluster::Cluster;
use crate::outcome::{
    Counts, DETERMINISM, Failure, LINEARIZABILITY, Options, Outcome, RunRecord, Verdict, WITNESS,
};
use crate::plan::Plan;
use crate::pump::{Mode, pump};
use crate::server::Server;
use crate::systems::raft_core::RaftServer;
use crate::world::Observer;
use invariants::{Budget, Call, check};
use std::collections::BTreeMap;

/// Runs a plan on the built-in system.
#[must_use]
pub fn run(plan: &Plan, options: &Options) -> RunRecord {
    run_with::<RaftServer>(plan, options)
}

/// Runs a plan on any system.
#[must_use]
pub fn run_with<S: Server>(plan: &Plan, options: &Options) -> RunRecord {
    let mode = if options.strict { Mode::Strict } else { Mode::Fast };
    let cluster = pump(Cluster::<S>::new(plan, options), mode);
    let faults = cluster.fault_counts();
    let Cluster { world, clients, .. } = cluster;
    let (now, timeline, digests) = (world.now(), world.timeline, world.digests);
    let mut observer = world.observer;
    let counts = Counts { simulated: now, unknown_operations: clients.unknown_count(), ..observer.counts };
    let (looked, milestones, digest) = (observer.checks(), observer.milestones(), observer.digest);
    let searched = needs_full_search(&observer, options);
    let mut failure = observer.failure.take().map(|failure| *failure);
    if searched && !options.history {
        // Memory for what clients saw grows with the run, and is hardly ever needed. A run that is repeated is the same.
        let again = run_with::<S>(plan, &Options { history: true, ..options.clone() });
        if again.outcome.digest == digest {
            return RunRecord { history: Vec::new(), rejections: BTreeMap::new(), ..again };
        }
        let sentence = || format!("two runs of this plan differ: {digest} and {}", again.outcome.digest);
        failure.get_or_insert_with(|| Failure::new(DETERMINISM, sentence()));
    }
    let history = clients.into_history();
    let found =
        if searched && options.history { search_history(&history, &observer) } else { Verdict::Passed };
    let verdict = match (failure, found) {
        (_, Verdict::Failed(convicted)) => Verdict::Failed(convicted),
        (Some(failure), _) => Verdict::Failed(Box::new(failure)),
        (None, found) => found,
    };
    let refusals = if options.history { observer.rejections() } else { BTreeMap::new() };
    let outcome = Outcome { verdict, counts, checks: looked, milestones, faults, digest };
    RunRecord {
        outcome,
        trace: timeline,
        facts: observer.recorded_facts.unwrap_or_default(),
        history,
        rejections: refusals,
        digests: digests.unwrap_or_default(),
    }
}

/// Whether all that clients saw must be judged at once, when it is over: where an order was broken, for the verdict and its
/// explanation; and where nothing was, but neither the system's own order nor the stream could prove that.
fn needs_full_search(observer: &Observer, options: &Options) -> bool {
    let looks = |name: &str| !options.unchecked && options.disabled.iter().all(|without| without != name);
    looks(LINEARIZABILITY)
        && match &observer.failure {
            Some(failure) => [WITNESS, LINEARIZABILITY].contains(&failure.property.as_str()),
            None => !looks(WITNESS) && !observer.is_linearizable(),
        }
}

fn search_history(history: &[Call], observer: &Observer) -> Verdict {
    match check(history, Budget::default()) {
        Ok(invariants::Verdict::Linearizable) => Verdict::Passed,
        Ok(invariants::Verdict::Violation(explanation)) => {
            let failure = Failure::new(LINEARIZABILITY, explanation.to_string());
            Verdict::Failed(Box::new(failure.with_evidence(observer.evidence(&explanation))))
        }
        Ok(unknown @ invariants::Verdict::Unknown { .. }) => Verdict::Unknown(unknown.to_string()),
        // Wrong answers never come into it.
        Err(malformed) => panic!("our own clients wrote a history that cannot have happened: {malformed}"),
    }
}
