//! Whether liveness is required follows from what the world knows: servers that do nothing violate it,
//! whatever they claim.

#![expect(clippy::disallowed_methods, reason = "a test reads what its servers and clients print")]

mod common;

use common::{Hello, fault, plan_without_faults};
use harness::outcome::{Failure, LIVENESS, Options, Verdict};
use harness::plan::faults::{BitRot, Change, Damage};
use harness::plan::{Fault, FaultKind, Plan, SimDuration, Target};
use harness::server::{Arrival, Damaged, Host, OperatorResponse, Server};
use harness::sweep::{SweepSettings, sweep};
use harness::systems::run::run_with;
use invariants::{Configuration, Digest, LogId, ServerFact};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Claims a configuration, responds to its operator and does nothing else; fail-stops if its disk is damaged.
/// Its claims are encoded in a field of the plan that it does not use otherwise: see [`plan_of`].
struct Idle {
    replies: OperatorReplies,
}

/// The configuration that it claims.
#[derive(Clone, Copy, PartialEq)]
enum ClaimedConfig {
    Empty,
    Alone,
    Nothing,
}

/// Its responses to the operator. Unless it is never asked, node 1 claims to lead.
#[derive(Clone, Copy, PartialEq)]
enum OperatorReplies {
    NeverAsked,
    Never,
    Done,
    Rejected,
    Unknown,
}

const CONFIGS: [ClaimedConfig; 3] = [ClaimedConfig::Empty, ClaimedConfig::Alone, ClaimedConfig::Nothing];
const REPLIES: [OperatorReplies; 5] = [
    OperatorReplies::NeverAsked,
    OperatorReplies::Never,
    OperatorReplies::Done,
    OperatorReplies::Rejected,
    OperatorReplies::Unknown,
];

/// The plan with these claims encoded.
fn plan_of(plan: &Plan, config: ClaimedConfig, replies: OperatorReplies) -> Plan {
    let index_of = |found: Option<usize>| found.expect("every value is in its list") as u64;
    let config = index_of(CONFIGS.iter().position(|other| *other == config));
    let replies = index_of(REPLIES.iter().position(|other| *other == replies));
    let mut plan = plan.clone();
    plan.raft.requests = replies * 10 + config;
    plan
}

impl Server for Idle {
    type Message = Hello;

    fn boot(host: &mut Host<'_, Hello>) -> Result<Self, Damaged> {
        let encoded = host.plan().raft.requests as usize;
        let (config, replies) = (CONFIGS[encoded % 10], REPLIES[encoded / 10]);
        let found = host.disk().read("file").to_vec();
        if found.is_empty() {
            host.disk().append("file", |bytes| bytes.extend([0; 8]));
            host.disk().sync_directory();
            host.sync(1);
        } else if found.iter().any(|byte| *byte != 0) {
            return Err(Damaged("its disk is damaged".to_owned()));
        }
        let (base, last) = (LogId::default(), LogId::default());
        host.record_fact(ServerFact::Started { term: 0, vote: None, base, last, digest: Digest::EMPTY });
        let voters = match config {
            ClaimedConfig::Empty => Some(vec![]),
            ClaimedConfig::Alone => Some(vec![host.node()]),
            ClaimedConfig::Nothing => None,
        };
        if let Some(voters) = voters {
            let configuration = Box::new(Configuration { voters, ..Configuration::default() });
            host.record_fact(ServerFact::Configured { index: 0, configuration });
        }
        if replies != OperatorReplies::NeverAsked && host.node() == 1 {
            host.record_fact(ServerFact::Leads { term: 1 });
        }
        Ok(Idle { replies })
    }

    fn step(&mut self, host: &mut Host<'_, Hello>, arrival: Arrival<Hello>) {
        if let Arrival::Synced(1) = arrival {
            // Bit rot affects what was durable before another write.
            host.disk().append("file", |bytes| bytes.push(0));
            host.sync(2);
        }
        let Arrival::Operator { request, .. } = arrival else { return };
        let response = match self.replies {
            OperatorReplies::Done => OperatorResponse::Done,
            OperatorReplies::Rejected => OperatorResponse::rejected("it does nothing"),
            OperatorReplies::Unknown => OperatorResponse::Unknown,
            OperatorReplies::Never | OperatorReplies::NeverAsked => return,
        };
        host.respond_to_operator(request, &response);
    }
}

/// The failure of servers with these claims in this plan.
fn failure(
    plan: &Plan,
    config: ClaimedConfig,
    replies: OperatorReplies,
    disabled: &[&str],
) -> Option<Failure> {
    let disabled = disabled.iter().map(|name| (*name).to_owned()).collect();
    let options = Options { disabled, ..Options::default() };
    match run_with::<Idle>(&plan_of(plan, config, replies), &options).outcome.verdict {
        Verdict::Failed(failure) => Some(*failure),
        Verdict::Passed => None,
        Verdict::Unknown(why) => panic!("{why}"),
    }
}

/// Asserts that they violate liveness with a message that contains `sentence`.
#[track_caller]
fn assert_not_live(
    plan: &Plan,
    config: ClaimedConfig,
    replies: OperatorReplies,
    disabled: &[&str],
    sentence: &str,
) {
    let failure = failure(plan, config, replies, disabled).expect("servers that do nothing must fail");
    assert_eq!(failure.property, LIVENESS, "{}", failure.cause);
    assert!(failure.cause.to_string().contains(sentence), "{}", failure.cause);
}

fn rot(node: u64) -> Fault {
    fault(
        SimDuration::millis(50 + node),
        BitRot { node: Target::Node(node), how: Damage::Bit, within_quorum: false },
    )
}

#[test]
fn servers_that_do_nothing_violate_liveness_whatever_configuration_they_claim() {
    let plan = plan_without_faults(3, SimDuration::millis(100));
    assert_not_live(&plan, ClaimedConfig::Empty, OperatorReplies::NeverAsked, &[], "there is no leader");
    assert_not_live(&plan, ClaimedConfig::Nothing, OperatorReplies::NeverAsked, &[], "there is no leader");
    // A configuration at index 0 must be the initial one.
    let alone = failure(&plan, ClaimedConfig::Alone, OperatorReplies::NeverAsked, &[])
        .expect("an unrequested configuration must be reported");
    assert_eq!(alone.property, "requested-membership", "{}", alone.cause);
    let disabled = ["requested-membership"];
    assert_not_live(
        &plan,
        ClaimedConfig::Alone,
        OperatorReplies::NeverAsked,
        &disabled,
        "there is no leader",
    );
}

#[test]
fn a_leader_that_does_nothing_violates_liveness() {
    let plan = plan_without_faults(3, SimDuration::millis(100));
    assert_not_live(&plan, ClaimedConfig::Empty, OperatorReplies::Never, &[], "a read is not answered");
}

#[test]
fn a_sweep_over_idle_servers_fails_and_lists_what_never_happened() {
    let folder = tempfile::tempdir().unwrap();
    let settings = SweepSettings {
        system: harness::systems::BUILT_IN,
        seeds: 0..20,
        all_seeds: 0..20,
        jobs: NonZeroUsize::MIN,
        time_limit: None,
        out: folder.path().to_owned(),
        bug: None,
        disabled: Vec::new(),
        canary_plans: Vec::new(),
        ..SweepSettings::default()
    };
    static NEVER: AtomicBool = AtomicBool::new(false);
    let idle = |plan: &Plan, options: &Options| {
        run_with::<Idle>(&plan_of(plan, ClaimedConfig::Empty, OperatorReplies::NeverAsked), options)
    };
    let summary = sweep(&settings, Arc::new(idle), &NEVER, &mut |_| {});
    assert!(summary.failures.iter().all(|found| found.signature.property == LIVENESS));
    assert_eq!(summary.failures.len(), 20);
    assert_eq!(summary.never_seen(), ["no leader", "no write", "no read"]);
    assert!(!summary.is_success());
}

#[test]
fn without_an_available_majority_liveness_is_not_required() {
    let mut plan = plan_without_faults(3, SimDuration::millis(200));
    plan.faults = vec![rot(1)];
    assert_not_live(&plan, ClaimedConfig::Empty, OperatorReplies::NeverAsked, &[], "there is no leader");
    plan.faults = vec![rot(1), rot(2)];
    assert_eq!(failure(&plan, ClaimedConfig::Empty, OperatorReplies::NeverAsked, &[]), None);
}

#[test]
fn a_server_that_was_never_added_is_not_needed_for_a_majority() {
    let mut plan = plan_without_faults(5, SimDuration::millis(200));
    plan.raft.initial_voters = 3;
    plan.faults = vec![rot(4), rot(5)];
    assert_not_live(&plan, ClaimedConfig::Empty, OperatorReplies::NeverAsked, &[], "there is no leader");
    plan.faults = vec![rot(2), rot(3)];
    assert_eq!(failure(&plan, ClaimedConfig::Empty, OperatorReplies::NeverAsked, &[]), None);
}

#[test]
fn the_outcome_of_a_change_decides_which_servers_are_needed() {
    let mut plan = plan_without_faults(3, SimDuration::millis(300));
    let (voters, learners) = (vec![], vec![]);
    let remove = vec![Target::Node(1), Target::Node(2)];
    let change = FaultKind::Change(Change { voters, learners, remove, by_joint: false });
    plan.faults = vec![fault(SimDuration::millis(20), change), rot(3)];
    // n3 is or may be the only voter, and its disk is damaged.
    for replies in [OperatorReplies::Done, OperatorReplies::Unknown, OperatorReplies::Never] {
        assert_eq!(failure(&plan, ClaimedConfig::Empty, replies, &[]), None);
    }
    assert_not_live(&plan, ClaimedConfig::Empty, OperatorReplies::Rejected, &[], "is not answered");
    plan.faults.truncate(1);
    assert_not_live(&plan, ClaimedConfig::Empty, OperatorReplies::Never, &[], "is not answered");
}

#[test]
fn unanswered_commands_do_not_suspend_liveness() {
    let mut plan = plan_without_faults(7, SimDuration::millis(1_000));
    for number in 0..100 {
        let remove = vec![Target::Node(number % 7 + 1)];
        let voters = vec![Target::Node((number + 3) % 7 + 1)];
        let kind = FaultKind::Change(Change { voters, learners: vec![], remove, by_joint: number % 3 == 0 });
        plan.faults.push(fault(SimDuration::millis(10 + number), kind));
    }
    assert_not_live(&plan, ClaimedConfig::Empty, OperatorReplies::Never, &[], "is not answered");
}
