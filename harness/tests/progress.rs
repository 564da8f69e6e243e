//! Whether progress is expected follows from what the world knows: servers that do nothing, whatever they claim, fail it.

mod common;

use common::{Hello, calm, fault};
use harness::outcome::{Failure, LIVENESS, Options, Verdict};
use harness::plan::{Fault, FaultKind, Plan, SimDuration, Target};
use harness::run::run_with;
use harness::server::{Arrival, Host, LocalTime, OperatorResponse, Server};
use harness::sweep::{SweepSettings, sweep};
use invariants::{Configuration, Digest, Fact, LogId};
use std::num::NonZeroUsize;
use std::sync::atomic::AtomicBool;

/// Says something of its group and answers its operator. Nothing else ever comes from it. One whose disk is damaged takes
/// no part. What it says stands in the plan, in a knob that means nothing to it: see [`plan_of`].
struct Idle {
    answers: Answers,
}

/// What it says of its group.
#[derive(Clone, Copy, PartialEq)]
enum Group {
    Empty,
    Alone,
    Nothing,
}

/// What it tells its operator. Where it is to be asked, the first server claims to lead.
#[derive(Clone, Copy, PartialEq)]
enum Answers {
    NeverAsked,
    Never,
    Done,
    Refused,
    Unknown,
}

const GROUPS: [Group; 3] = [Group::Empty, Group::Alone, Group::Nothing];
const ANSWERS: [Answers; 5] =
    [Answers::NeverAsked, Answers::Never, Answers::Done, Answers::Refused, Answers::Unknown];

/// The same plan for servers that say this.
fn plan_of(plan: &Plan, group: Group, answers: Answers) -> Plan {
    let place = |found: Option<usize>| found.expect("it is in the list") as u64;
    let group = place(GROUPS.iter().position(|other| *other == group));
    let answers = place(ANSWERS.iter().position(|other| *other == answers));
    let mut plan = plan.clone();
    plan.raft.requests = answers * 10 + group;
    plan
}

impl Server for Idle {
    type Message = Hello;

    fn boot(host: &mut Host<'_, Hello>) -> Self {
        let knob = host.plan().raft.requests as usize;
        let (group, answers) = (GROUPS[knob % 10], ANSWERS[knob / 10]);
        let found = host.disk().read("file").to_vec();
        if found.is_empty() {
            host.disk().append("file", |bytes| bytes.extend([0; 8]));
            host.sync(1);
        } else if found.iter().any(|byte| *byte != 0) {
            host.fail_stop("its disk is damaged");
        }
        let (base, last) = (LogId::default(), LogId::default());
        host.record_fact(Fact::Started { term: 0, vote: None, base, last, digest: Digest::EMPTY });
        let voters = match group {
            Group::Empty => Some(vec![]),
            Group::Alone => Some(vec![host.node()]),
            Group::Nothing => None,
        };
        if let Some(voters) = voters {
            let configuration = Box::new(Configuration { voters, ..Configuration::default() });
            host.record_fact(Fact::Configured { index: 0, configuration });
        }
        if answers != Answers::NeverAsked && host.node() == 1 {
            host.record_fact(Fact::Leads { term: 1 });
        }
        Idle { answers }
    }

    fn step(&mut self, host: &mut Host<'_, Hello>, arrival: Arrival<Hello>) {
        if let Arrival::Synced(1) = arrival {
            // Rot strikes what was durable before another write.
            host.disk().append("file", |bytes| bytes.push(0));
            host.sync(2);
        }
        let Arrival::Operator { request, .. } = arrival else { return };
        let answer = match self.answers {
            Answers::Done => OperatorResponse::Done,
            Answers::Refused => OperatorResponse::Rejected("it does nothing".to_owned()),
            Answers::Unknown => OperatorResponse::Unknown,
            Answers::Never | Answers::NeverAsked => return,
        };
        host.respond_to_operator(request, &answer);
    }

    fn deadline(&self) -> Option<LocalTime> {
        None
    }

    fn is_heartbeat(_: &Hello) -> bool {
        false
    }
}

/// What servers that say this fail in this plan.
fn failure(plan: &Plan, group: Group, answers: Answers, without: &[&str]) -> Option<Failure> {
    let without = without.iter().map(|name| (*name).to_owned()).collect();
    let options = Options { disabled: without, ..Options::default() };
    match run_with::<Idle>(&plan_of(plan, group, answers), &options).outcome.verdict {
        Verdict::Failed(failure) => Some(*failure),
        Verdict::Passed => None,
        Verdict::Unknown(why) => panic!("{why}"),
    }
}

/// They fail progress, with this in the sentence.
#[track_caller]
fn fail_progress(plan: &Plan, group: Group, answers: Answers, without: &[&str], sentence: &str) {
    let failure = failure(plan, group, answers, without).expect("they do nothing, and nobody minds");
    assert_eq!(failure.property, LIVENESS, "{}", failure.sentence);
    assert!(failure.sentence.contains(sentence), "{}", failure.sentence);
}

fn rot(node: u64) -> Fault {
    fault(SimDuration::millis(50 + node), FaultKind::BitRot { node: Target::Node(node) })
}

#[test]
fn servers_that_do_nothing_fail_progress_whatever_they_say_of_their_group() {
    let plan = calm(3, SimDuration::millis(100));
    fail_progress(&plan, Group::Empty, Answers::NeverAsked, &[], "there is no leader");
    fail_progress(&plan, Group::Nothing, Answers::NeverAsked, &[], "there is no leader");
    // What no entry carries is what the group was founded as.
    let alone = failure(&plan, Group::Alone, Answers::NeverAsked, &[]).expect("it is alone");
    assert_eq!(alone.property, "requested-membership", "{}", alone.sentence);
    let without = ["requested-membership"];
    fail_progress(&plan, Group::Alone, Answers::NeverAsked, &without, "there is no leader");
}

#[test]
fn one_that_says_that_it_leads_and_does_nothing_fails_progress() {
    let plan = calm(3, SimDuration::millis(100));
    fail_progress(&plan, Group::Empty, Answers::Never, &[], "a read is not answered");
}

#[test]
fn a_sweep_over_servers_that_do_nothing_fails_and_says_what_it_has_not_seen() {
    let folder = tempfile::tempdir().unwrap();
    let settings = SweepSettings {
        seeds: 0..20,
        all_seeds: 0..20,
        jobs: NonZeroUsize::MIN,
        time_limit: None,
        out: folder.path().to_owned(),
        bug: None,
        disabled: Vec::new(),
        canary_plans: Vec::new(),
    };
    let idle = |plan: &Plan, options: &Options| {
        run_with::<Idle>(&plan_of(plan, Group::Empty, Answers::NeverAsked), options)
    };
    let summary = sweep(&settings, &idle, &AtomicBool::new(false), &mut |_| {});
    assert!(summary.failures.iter().all(|found| found.property == LIVENESS));
    assert_eq!(summary.failures.len(), 20);
    assert_eq!(summary.never_seen(), ["no leader", "no write", "no read"]);
    assert!(!summary.is_success());
}

#[test]
fn without_a_majority_that_can_take_part_nothing_is_asked() {
    let mut plan = calm(3, SimDuration::millis(200));
    plan.faults = vec![rot(1)];
    fail_progress(&plan, Group::Empty, Answers::NeverAsked, &[], "there is no leader");
    plan.faults = vec![rot(1), rot(2)];
    assert_eq!(failure(&plan, Group::Empty, Answers::NeverAsked, &[]), None);
}

#[test]
fn a_server_that_was_never_added_does_not_count() {
    let mut plan = calm(5, SimDuration::millis(200));
    plan.raft.initial_voters = 3;
    plan.faults = vec![rot(4), rot(5)];
    fail_progress(&plan, Group::Empty, Answers::NeverAsked, &[], "there is no leader");
    plan.faults = vec![rot(2), rot(3)];
    assert_eq!(failure(&plan, Group::Empty, Answers::NeverAsked, &[]), None);
}

#[test]
fn what_became_of_a_change_decides_who_is_needed() {
    let mut plan = calm(3, SimDuration::millis(300));
    let (voters, learners) = (vec![], vec![]);
    let remove = vec![Target::Node(1), Target::Node(2)];
    let change = FaultKind::Change { voters, learners, remove, by_joint: false };
    plan.faults = vec![fault(SimDuration::millis(20), change), rot(3)];
    // n3 alone is the group, or may be, and its disk is damaged.
    for answers in [Answers::Done, Answers::Unknown, Answers::Never] {
        assert_eq!(failure(&plan, Group::Empty, answers, &[]), None);
    }
    fail_progress(&plan, Group::Empty, Answers::Refused, &[], "is not answered");
    plan.faults.truncate(1);
    fail_progress(&plan, Group::Empty, Answers::Never, &[], "is not answered");
}

#[test]
fn unanswered_commands_do_not_free_anybody_from_progress() {
    let mut plan = calm(7, SimDuration::millis(1_000));
    for number in 0..100 {
        let remove = vec![Target::Node(number % 7 + 1)];
        let voters = vec![Target::Node((number + 3) % 7 + 1)];
        let kind = FaultKind::Change { voters, learners: vec![], remove, by_joint: number % 3 == 0 };
        plan.faults.push(fault(SimDuration::millis(10 + number), kind));
    }
    fail_progress(&plan, Group::Empty, Answers::Never, &[], "is not answered");
}
