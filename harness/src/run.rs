//! One run: two phases.

use crate::cluster::Cluster;
use crate::outcome::{Failure, LINEARIZABILITY, Options, Outcome, Record, Verdict, WITNESS};
use crate::plan::Plan;
use crate::pump::{Mode, pump};
use crate::server::Server;
use crate::systems::raft_core::Node;
use invariants::{Budget, Call, check};

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
    let observer = world.observer;
    let history = clients.into_history();
    let mut counts = observer.counts;
    counts.simulated = now;
    let answered = history.iter().filter(|call| call.returned.is_some()).count() as u64;
    counts.unknown_operations = history.len() as u64 - answered;
    let (mut looked, milestones) = (observer.looked(), observer.milestones());
    let failure = observer.failure.map(|failure| *failure);
    let searched = is_searched(failure.as_ref(), options);
    if !options.unchecked {
        looked.push((LINEARIZABILITY, if searched { answered } else { 0 }));
    }
    let found = if searched { search(&history) } else { Verdict::Kept };
    let verdict = match (failure, found) {
        (_, Verdict::Failed(convicted)) => Verdict::Failed(convicted),
        (Some(failure), _) => Verdict::Failed(Box::new(failure)),
        (None, found) => found,
    };
    let outcome = Outcome { verdict, counts, looked, milestones, faults, digest: observer.digest };
    Record {
        outcome,
        timeline,
        facts: observer.kept.unwrap_or_default(),
        history: if options.history { history } else { Vec::new() },
        digests: digests.unwrap_or_default(),
    }
}

/// Whether the exact search looks at what clients saw: where nothing else was wrong, and where the system's own order did
/// not hold, for then it decides what that was worth.
fn is_searched(failure: Option<&Failure>, options: &Options) -> bool {
    let wanted = !options.unchecked && options.without.iter().all(|name| name != LINEARIZABILITY);
    wanted && failure.is_none_or(|failure| failure.property == WITNESS)
}

fn search(history: &[Call]) -> Verdict {
    match check(history, Budget::default()) {
        Ok(invariants::Verdict::Linearizable) => Verdict::Kept,
        Ok(invariants::Verdict::Violation(explanation)) => Verdict::Failed(Box::new(Failure {
            property: LINEARIZABILITY.to_owned(),
            sentence: explanation.to_string(),
            facts: None,
        })),
        Ok(unknown @ invariants::Verdict::Unknown { .. }) => Verdict::Unknown(unknown.to_string()),
        Err(malformed) => unreachable!("our own clients write histories that can have happened: {malformed}"),
    }
}
