//! Whether an operator gets what it asks for in the healed phase: servers of the built-in system that treat its commands
//! wrongly, and near misses.

#![expect(clippy::disallowed_methods, reason = "a test reads what its servers print")]

mod common;

use common::{fault, plan_without_faults};
use harness::outcome::{Failure, FailureCause, LIVENESS, Options, Recording, TraceEvent, Verdict};
use harness::plan::faults::{Change, Transfer};
use harness::plan::{FaultKind, OperatorCommand, Plan, Probability, SimDuration, Target};
use harness::server::{Arrival, Catalogue, Damaged, Host, LocalTime, OperatorResponse, Server};
use harness::systems::raft_core::RaftServer;
use harness::systems::run::run_with;
use invariants::{Contract, RejectionReason};
use std::collections::BTreeSet;

type Message = <RaftServer as Server>::Message;

/// What a server does with a command of the operator.
enum Reaction {
    /// It obeys and answers.
    Obeys,
    /// It obeys and never answers.
    IsSilent,
    /// It answers and does nothing.
    Answers(OperatorResponse),
}

/// What a server does with commands of the operator.
trait Treatment: Send + 'static {
    /// For a command, and how many this server got before.
    fn treat(command: &OperatorCommand, before: u64) -> Reaction;
}

/// A server of the built-in system with this treatment of commands.
struct Treats<T> {
    raft: RaftServer,
    commands: u64,
    treatment: std::marker::PhantomData<T>,
}

impl<T: Treatment> Server for Treats<T> {
    type Message = Message;
    const CONTRACT: Contract = RaftServer::CONTRACT;
    const CATALOGUES: &'static [Catalogue] = RaftServer::CATALOGUES;

    fn boot(host: &mut Host<'_, Message>) -> Result<Treats<T>, Damaged> {
        Ok(Treats { raft: RaftServer::boot(host)?, commands: 0, treatment: std::marker::PhantomData })
    }

    fn step(&mut self, host: &mut Host<'_, Message>, arrival: Arrival<Message>) {
        let Arrival::Operator { request, command } = arrival else { return self.raft.step(host, arrival) };
        let before = self.commands;
        self.commands += 1;
        match T::treat(&command, before) {
            Reaction::Obeys => self.raft.step(host, Arrival::Operator { request, command }),
            Reaction::Answers(response) => host.respond_to_operator(request, &response),
            // No command has the number to which it will respond.
            Reaction::IsSilent => {
                self.raft.step(host, Arrival::Operator { request: request + 1_000, command })
            }
        }
    }

    fn deadline(&self) -> Option<LocalTime> {
        self.raft.deadline()
    }

    fn is_heartbeat(message: &Message) -> bool {
        RaftServer::is_heartbeat(message)
    }
}

/// Declares treatments.
macro_rules! treatments {
    ($($(#[doc = $about:literal])+ $name:ident = $treat:expr;)+) => {
        $(
            $(#[doc = $about])+
            enum $name {}

            impl Treatment for $name {
                fn treat(command: &OperatorCommand, before: u64) -> Reaction {
                    let treat: fn(&OperatorCommand, u64) -> Reaction = $treat;
                    treat(command, before)
                }
            }
        )+
    };
}

fn claims(reason: RejectionReason) -> Reaction {
    Reaction::Answers(OperatorResponse::Rejected { reason, text: reason.to_string() })
}

fn rejects(text: &str) -> Reaction {
    Reaction::Answers(OperatorResponse::rejected(text))
}

treatments! {
    /// A correct server.
    Correct = |_, _| Reaction::Obeys;
    /// It rejects everything, for ever.
    Rejects = |_, _| rejects("the moon is full");
    /// It rejects a few commands.
    Hesitates = |_, before| if before < 4 { rejects("not now") } else { Reaction::Obeys };
    /// It says that a command is done, and does nothing.
    Pretends = |_, _| Reaction::Answers(OperatorResponse::Done);
    /// It does not know how the first commands ended, which do nothing.
    Wonders = |_, before| match before {
        0 | 1 => Reaction::Answers(OperatorResponse::Unknown),
        _ => Reaction::Obeys,
    };
    /// It obeys, and never answers.
    IsSilent = |_, _| Reaction::IsSilent;
    /// It leads, and says that it does not.
    DeniesLeading = |_, _| claims(RejectionReason::NotLeader);
    /// It says that another change is pending.
    ClaimsChange = |_, _| claims(RejectionReason::ChangePending);
    /// It says that it has committed nothing.
    ClaimsNoCommit = |_, _| claims(RejectionReason::NoOwnCommit);
    /// It says that the target of a transfer has no vote, or that a learner lacks too much.
    ClaimsServer = |command, _| claims(match command {
        OperatorCommand::Transfer(_) => RejectionReason::UnknownServer,
        _ => RejectionReason::NotCaughtUp,
    });
}

/// A plan in whose healed phase the operator asks for a transfer. That of the fault phase finds no leader.
fn transfers(seed: u64) -> Plan {
    let mut plan = plan_without_faults(3, SimDuration::millis(400));
    plan.seed = seed;
    plan.faults = vec![fault(SimDuration::millis(1), Transfer { to: Target::Node(2) })];
    plan
}

/// The same with changes, for five servers of which three are the group.
fn changes(seed: u64) -> Plan {
    let mut plan = plan_without_faults(5, SimDuration::millis(400));
    let (voters, learners, remove) = (vec![Target::Node(4)], vec![], vec![]);
    plan.seed = seed;
    plan.raft.initial_voters = 3;
    plan.faults = vec![fault(SimDuration::millis(1), Change { voters, learners, remove, by_joint: false })];
    plan
}

fn failure_of<T: Treatment>(plan: &Plan) -> Option<Failure> {
    match run_with::<Treats<T>>(plan, &Options::default()).outcome.verdict {
        Verdict::Failed(failure) => Some(*failure),
        Verdict::Passed => None,
        Verdict::Unknown(why) => panic!("{why}"),
    }
}

/// The commands of the operator in the healed phase.
fn commands<T: Treatment>(plan: &Plan) -> Vec<String> {
    let record = run_with::<Treats<T>>(plan, &Options { record: Recording::PAGE, ..Options::default() });
    assert!(matches!(record.outcome.verdict, Verdict::Passed), "{:?}", record.outcome.verdict);
    let healed = record.trace.iter().skip_while(|line| line.event != TraceEvent::HealedPhaseBegins);
    let command = |event: &TraceEvent| match event {
        TraceEvent::OperatorCommand(command) => Some(command.clone()),
        _ => None,
    };
    healed.filter_map(|line| command(&line.event)).collect()
}

#[test]
fn correct_servers_carry_out_each_kind_of_command_at_once() {
    let mut kinds = BTreeSet::new();
    for seed in 0..100 {
        assert_eq!(commands::<Correct>(&transfers(seed)).len(), 1, "seed {seed}");
        let changes = commands::<Correct>(&changes(seed));
        assert!([1, 2].contains(&changes.len()), "seed {seed}: {changes:?}");
        let words = changes.iter().flat_map(|change| change.split(|letter: char| !letter.is_alphabetic()));
        let steps = words.filter(|word| ["Learner", "Voter", "Remove"].contains(word));
        kinds.insert(steps.collect::<Vec<_>>().join(" "));
    }
    let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
    assert_eq!(kinds, ["Learner Voter", "Learner Voter Remove", "Remove", "Remove Learner"]);
}

#[test]
fn a_plan_without_transfers_and_changes_gets_no_command() {
    for plan in [transfers(1), changes(1)] {
        assert_eq!(commands::<Correct>(&Plan { faults: vec![], ..plan }), [""; 0]);
    }
}

/// Nothing protects the group from a server that it has removed.
#[test]
fn nothing_is_asked_for_without_pre_vote_and_check_quorum() {
    for mut plan in [transfers(1), changes(1)] {
        plan.raft.pre_vote = false;
        assert_eq!(commands::<Correct>(&plan), [""; 0]);
        plan.raft.check_quorum = true;
        assert_ne!(commands::<Correct>(&plan), [""; 0]);
    }
}

/// A command is repeated until it is done.
#[test]
fn correct_servers_carry_out_commands_where_messages_are_lost() {
    for seed in 0..20 {
        for mut plan in [transfers(seed), changes(seed)] {
            plan.network.loss = Probability(50_000);
            assert_ne!(commands::<Correct>(&plan), [""; 0], "seed {seed}");
        }
    }
}

/// Asserts that liveness is violated with this kind.
#[track_caller]
fn assert_waits<T: Treatment>(plan: &Plan, kind: &str) -> String {
    let failure = failure_of::<T>(plan).expect("the operator must wait");
    assert_eq!((failure.property.as_str(), failure.cause.kind()), (LIVENESS, kind), "{}", failure.cause);
    assert!(matches!(failure.cause, FailureCause::OperatorWaits { .. }));
    failure.cause.to_string()
}

#[test]
fn servers_that_reject_for_ever_violate_liveness() {
    let message = assert_waits::<Rejects>(&transfers(1), "transfer-not-done");
    assert!(message.contains("asked for a transfer of leadership to n"), "{message}");
    assert!(
        message.contains("; the last rejections: the moon is full, then the moon is full, then"),
        "{message}"
    );
    let message = assert_waits::<Rejects>(&changes(1), "change-not-done");
    assert!(message.contains("asked for the change "), "{message}");
}

#[test]
fn servers_that_do_nothing_violate_liveness_though_they_say_done() {
    assert_waits::<Pretends>(&transfers(1), "transfer-not-done");
    assert_waits::<Pretends>(&changes(1), "change-not-done");
}

#[test]
fn a_change_must_be_answered() {
    let message = assert_waits::<IsSilent>(&changes(1), "change-not-done");
    assert!(message.ends_with("; no request was rejected"), "{message}");
}

/// The new leader shows that a transfer is done.
#[test]
fn a_transfer_need_not_be_answered() {
    assert_eq!(failure_of::<IsSilent>(&transfers(1)), None);
}

#[test]
fn a_command_may_be_rejected_a_few_times() {
    for plan in [transfers(1), changes(1)] {
        assert!(commands::<Hesitates>(&plan).len() >= 5);
    }
}

#[test]
fn the_outcome_of_a_command_may_be_unknown() {
    for plan in [transfers(1), changes(1)] {
        assert!(commands::<Wonders>(&plan).len() >= 3);
    }
}

#[test]
fn a_false_reason_is_told_from_the_facts() {
    let of = |failure: Option<Failure>| failure.map(|failure| failure.property);
    let caught = Some("rejection-reasons".to_owned());
    for plan in [transfers(1), changes(1)] {
        assert_eq!(of(failure_of::<DeniesLeading>(&plan)), caught);
        assert_eq!(of(failure_of::<ClaimsChange>(&plan)), caught);
        assert_eq!(of(failure_of::<ClaimsNoCommit>(&plan)), caught);
    }
    assert_eq!(of(failure_of::<ClaimsServer>(&transfers(1))), caught);
    // The operator adds a learner, and no voter: no server need catch up.
    assert_eq!(of(failure_of::<ClaimsServer>(&changes(1))), caught);
}

/// A kind of fault that is no command leads to none.
#[test]
fn only_commands_lead_to_commands() {
    let mut plan = transfers(1);
    plan.faults = vec![fault(
        SimDuration::millis(100),
        FaultKind::Crash(harness::plan::faults::Crash {
            node: Target::Node(1),
            lasts: SimDuration::millis(50),
        }),
    )];
    assert_eq!(commands::<Correct>(&plan), [""; 0]);
}
