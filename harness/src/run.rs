//! One run: two phases.

use crate::cluster::Cluster;
use crate::outcome::{
    Counts, DETERMINISM, Failure, LINEARIZABILITY, Options, Outcome, Record, Verdict, WITNESS,
};
use crate::plan::Plan;
use crate::pump::{Mode, pump};
use crate::server::Server;
use crate::systems::raft_core::Node;
use crate::world::Observer;
use invariants::{Budget, Call, check};
use std::collections::BTreeMap;

/// Runs a plan on the built-in system.
#[must_use]
pub fn run(plan: &Plan, options: &Options) -> Record {
    run_with::<Node>(plan, options)
}

/// Runs a plan on any system.
#[must_use]
pub fn run_with<S: Server>(plan: &Plan, options: &Options) -> Record {
    let mode = if options.strict { Mode::Strict } else { Mode::Fast };
    let cluster = pump(Cluster::<S>::new(plan, options), mode);
    let faults = cluster.faults();
    let Cluster { world, clients, .. } = cluster;
    let (now, timeline, digests) = (world.now(), world.timeline, world.digests);
    let mut observer = world.observer;
    let counts = Counts { simulated: now, unknown_operations: clients.unknown(), ..observer.counts };
    let (looked, milestones, digest) = (observer.looked(), observer.milestones(), observer.digest);
    let searched = is_searched(&observer, options);
    let mut failure = observer.failure.take().map(|failure| *failure);
    if searched && !options.history {
        // Memory for what clients saw grows with the run, and is hardly ever needed. A run that is repeated is the same.
        let again = run_with::<S>(plan, &Options { history: true, ..options.clone() });
        if again.outcome.digest == digest {
            return Record { history: Vec::new(), refusals: BTreeMap::new(), ..again };
        }
        let sentence = || format!("two runs of this plan differ: {digest} and {}", again.outcome.digest);
        failure.get_or_insert_with(|| Failure::told(DETERMINISM, sentence()));
    }
    let history = clients.into_history();
    let found = if searched && options.history { search(&history, &observer) } else { Verdict::Kept };
    let verdict = match (failure, found) {
        (_, Verdict::Failed(convicted)) => Verdict::Failed(convicted),
        (Some(failure), _) => Verdict::Failed(Box::new(failure)),
        (None, found) => found,
    };
    let refusals = if options.history { observer.refusals() } else { BTreeMap::new() };
    let outcome = Outcome { verdict, counts, looked, milestones, faults, digest };
    Record {
        outcome,
        timeline,
        facts: observer.kept.unwrap_or_default(),
        history,
        refusals,
        digests: digests.unwrap_or_default(),
    }
}

/// Whether all that clients saw must be judged at once, when it is over: where an order was broken, for the verdict and its
/// explanation; and where nothing was, but neither the system's own order nor the stream could prove that.
fn is_searched(observer: &Observer, options: &Options) -> bool {
    let looks = |name: &str| !options.unchecked && options.without.iter().all(|without| without != name);
    looks(LINEARIZABILITY)
        && match &observer.failure {
            Some(failure) => [WITNESS, LINEARIZABILITY].contains(&failure.property.as_str()),
            None => !looks(WITNESS) && !observer.is_linearizable(),
        }
}

fn search(history: &[Call], observer: &Observer) -> Verdict {
    match check(history, Budget::default()) {
        Ok(invariants::Verdict::Linearizable) => Verdict::Kept,
        Ok(invariants::Verdict::Violation(explanation)) => {
            let failure = Failure::told(LINEARIZABILITY, explanation.to_string());
            Verdict::Failed(Box::new(failure.between(observer.sides(&explanation))))
        }
        Ok(unknown @ invariants::Verdict::Unknown { .. }) => Verdict::Unknown(unknown.to_string()),
        // Wrong answers never come into it.
        Err(malformed) => panic!("our own clients wrote a history that cannot have happened: {malformed}"),
    }
}
