//! Runs a plan: the fault phase, then the healed phase.

use crate::engine::cluster::Cluster;
use crate::engine::run_to_end;
use crate::outcome::{
    Counts, DETERMINISM, Difference, Exercised, Failure, FailureCause, LINEARIZABILITY, Options, Outcome,
    Recording, RunRecord, Verdict, WITNESS, catalog,
};
use crate::plan::Plan;
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

/// Runs a plan on any system: on the engine that it demands, if it does.
///
/// # Panics
///
/// The plan enables a bug that this system does not have, or this build lacks the engine.
#[must_use]
pub fn run_with<S: Server>(plan: &Plan, options: &Options) -> RunRecord {
    if let Some(bug) = &plan.bug {
        let is_known = S::bugs().iter().any(|known| known.name == bug);
        assert!(is_known, "the plan enables the bug `{bug}`, which this system does not have");
    }
    let mut options = Options { engine: S::ENGINE.unwrap_or(options.engine), ..options.clone() };
    if !S::SUPPORTS.states_application() {
        // It compares responses with the order that the system states.
        options.disabled.push(WITNESS.to_owned());
    }
    if plan.unlimited_damage {
        options.disabled.extend(catalog::resting_on_disks().into_iter().map(str::to_owned));
        options.fault_phase_only = true;
    }
    run_checked::<S>(plan, &options)
}

fn run_checked<S: Server>(plan: &Plan, options: &Options) -> RunRecord {
    // Lines of an earlier run on this thread do not count.
    let _ = Exercised::take(S::CATALOGUES);
    let cluster = run_to_end(Cluster::<S>::new(plan, options), options.engine);
    let mut exercised = Exercised::take(S::CATALOGUES);
    let faults = cluster.fault_counts();
    let Cluster { world, clients, situations, .. } = cluster;
    let situations = situations.unwrap_or_default();
    exercised.add(situations.exercised);
    let (now, timeline, digests, traffic) = (world.now(), world.timeline, world.digests, world.traffic);
    let mut observer = world.observer;
    let counts = Counts { simulated: now, unknown_operations: clients.unknown_count(), ..observer.counts };
    let (checks, milestones, digest) = (observer.checks(), observer.milestones(), observer.digest);
    let needs_search = needs_full_search(&observer, options);
    let mut failure = observer.failure.take().map(|failure| *failure);
    if needs_search && !options.record.history {
        // Recording the history takes memory that grows with the run, and is rarely needed: so repeat the
        // run, which is identical.
        let record = Recording { history: true, ..options.record };
        let with_history = Options { record, ..options.clone() };
        let repeated = run_checked::<S>(plan, &with_history);
        if repeated.outcome.digest == digest {
            return RunRecord { history: Vec::new(), rejections: BTreeMap::new(), ..repeated };
        }
        let cause = FailureCause::Nondeterminism(Difference::Digests(digest, repeated.outcome.digest));
        failure.get_or_insert_with(|| Failure::new(DETERMINISM, cause));
    }
    let history = clients.into_history();
    let search_verdict = if needs_search && options.record.history {
        // The search has a budget of its own: it is slow at times, but does not hang.
        let set_searching = |searching| options.progress.iter().for_each(|it| it.set_searching(searching));
        set_searching(true);
        let verdict = search_history(&history, &observer);
        set_searching(false);
        verdict
    } else {
        Verdict::Passed
    };
    let verdict = match (failure, search_verdict) {
        (_, Verdict::Failed(failure)) => Verdict::Failed(failure),
        (Some(failure), _) => Verdict::Failed(Box::new(failure)),
        (None, search_verdict) => search_verdict,
    };
    let rejections = if options.record.history { observer.requests.rejections() } else { BTreeMap::new() };
    let outcome = Outcome { verdict, counts, checks, milestones, faults, exercised, digest };
    RunRecord {
        outcome,
        trace: timeline,
        facts: observer.recorded_facts.unwrap_or_default(),
        history,
        rejections,
        digests: digests.unwrap_or_default(),
        traffic: traffic.map(|counter| counter.total),
        situations: situations.situations,
    }
}

/// Whether the whole history must be searched at the end: to explain a violated order, or because nothing was
/// violated, but neither the witness nor the stream could prove that.
fn needs_full_search(observer: &Observer, options: &Options) -> bool {
    options.checks(LINEARIZABILITY)
        && match &observer.failure {
            Some(failure) => [WITNESS, LINEARIZABILITY].contains(&failure.property.as_str()),
            None => !options.checks(WITNESS) && !observer.is_linearizable(),
        }
}

fn search_history(history: &[Call], observer: &Observer) -> Verdict {
    match check(history, Budget::default()) {
        Ok(invariants::Verdict::Linearizable) => Verdict::Passed,
        Ok(invariants::Verdict::Violation(explanation)) => {
            let evidence = observer.requests.explanation_evidence(&explanation);
            let failure = Failure::new(LINEARIZABILITY, FailureCause::History(explanation));
            Verdict::Failed(Box::new(failure.with_evidence(evidence)))
        }
        Ok(unknown @ invariants::Verdict::Unknown { .. }) => Verdict::Unknown(unknown.to_string()),
        // Wrong answers never enter the history.
        Err(malformed) => panic!("the harness must record a well-formed history: {malformed}"),
    }
}
