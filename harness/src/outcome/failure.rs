//! What went wrong, as data. It becomes text only where it is shown.

use super::run_progress::RunPosition;
use crate::plan::{Capacity, MembershipOp, OperatorCommand, SimDuration};
use invariants::linearizability::{Explanation, StreamViolation};
use invariants::{
    Fact, Index, Node, Operation, Position, RequestId, Response, Time, Violation, WitnessFailure,
};
use std::fmt;
use std::time::Duration;

/// A violation.
#[derive(Clone, PartialEq, Debug)]
pub struct Failure {
    /// The property: one of [`invariants::PROPERTIES`], or of those that [`crate::outcome`] names.
    pub property: String,
    /// What was required and what was observed.
    pub cause: FailureCause,
    /// Other evidence in order of time, as far as it was recorded.
    pub evidence: Vec<Evidence>,
}

/// What was required and what was observed.
#[derive(Clone, PartialEq, Debug)]
pub enum FailureCause {
    /// Facts contradict each other.
    Facts(Box<Violation>),
    /// The order that the system itself reports is broken.
    Order(Box<WitnessFailure>),
    /// A response completes a history that no order explains.
    Response(Box<StreamViolation>),
    /// No order explains the whole history.
    History(Box<Explanation>),
    /// Two clients were given one session.
    SharedSession {
        /// The session.
        session: u64,
        /// The client that got it last.
        client: u64,
        /// The client that got it first.
        other: u64,
    },
    /// A request takes effect although each of its copies was rejected.
    RejectedTakesEffect {
        /// The request.
        id: RequestId,
        /// The index of its effect.
        index: Index,
    },
    /// A response does not match its request.
    WrongAnswer {
        /// The server.
        node: Node,
        /// The client.
        client: u64,
        /// The request.
        id: RequestId,
        /// The response, as text.
        response: String,
        /// What is wrong with it.
        mismatch: Mismatch,
    },
    /// Too many events to call it progress.
    NeverRests {
        /// How many.
        events: u64,
        /// Whole simulated seconds.
        seconds: u64,
    },
    /// Too many events are in flight.
    Floods {
        /// How many.
        events: u64,
        /// Simulated time.
        at: SimDuration,
    },
    /// A liveness condition does not hold in time.
    MissedDeadline {
        /// The condition.
        condition: Condition,
        /// How many largest election timeouts it may take.
        timeouts: u64,
        /// Who lags, for [`Condition::Convergence`] and [`Condition::Agreement`].
        lag: Option<Lag>,
    },
    /// Leadership changes although nothing happens.
    Unstable {
        /// How often.
        changes: u64,
    },
    /// An operator does not get what it asks for.
    OperatorWaits {
        /// What it asks for.
        command: OperatorCommand,
        /// How many largest election timeouts it may take.
        timeouts: u64,
        /// Simulated time when it asked first.
        since: SimDuration,
        /// How often it has asked.
        times: usize,
        /// The last rejections, in the words of the system.
        rejections: Vec<String>,
    },
    /// The load of the healed phase is not carried.
    Load {
        /// What is wrong.
        missed: MissedLoad,
        /// How many calls arrive.
        calls: u64,
        /// The time from one to the next.
        interval: SimDuration,
        /// The capacity of which this is half.
        capacity: Capacity,
        /// How many calls are completed.
        completed: u64,
        /// Simulated time when it began.
        began: SimDuration,
        /// How long ago that is.
        lasted: SimDuration,
        /// How often leadership changed meanwhile.
        leader_changes: u64,
    },
    /// A server that knows the fate of a request never answers it.
    NeverAnswers {
        /// The server.
        node: Node,
        /// The client.
        client: u64,
        /// The request.
        id: RequestId,
        /// When it arrived, in whole simulated seconds.
        seconds: u64,
    },
    /// A server fail-stops although its disk is intact.
    FailStop {
        /// The server.
        node: Node,
        /// Its reason.
        reason: String,
    },
    /// A server panics.
    Panic {
        /// The server.
        node: Node,
        /// Simulated time.
        at: SimDuration,
        /// The panic.
        panic: PanicReport,
    },
    /// A run has no event for a long real time.
    Hangs {
        /// Where it is.
        position: RunPosition,
        /// How long nothing happened.
        after: Duration,
    },
    /// A run ends its process.
    Aborts {
        /// How the process ended.
        exit: ProcessExit,
        /// The last lines that it wrote to standard error.
        message: String,
    },
    /// Two runs of one plan differ.
    Nondeterminism(Difference),
    /// The harness itself panicked.
    HarnessPanic(String),
}

/// What is wrong with how a load is carried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MissedLoad {
    /// Calls are completed at less than half of the rate at which they arrive.
    TooSlow,
    /// Some call is not answered.
    NotAnswered,
}

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProcessExit {
    /// By a signal with this number.
    Signal(i32),
    /// With this exit code.
    Code(i32),
}

/// The first difference between two runs of one plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Difference {
    /// From this event on.
    Event(u64),
    /// The digests, when a run was repeated for its history.
    Digests(invariants::Digest, invariants::Digest),
    /// The outcomes, though two later runs agree on every event.
    Outcomes,
}

/// Why a response does not match.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mismatch {
    /// There is no such client.
    NoClient,
    /// The client never sent the request.
    NeverSent,
    /// The request does not allow it.
    Unexpected {
        /// What was requested.
        asked: Asked,
        /// The possible responses.
        expected: &'static str,
    },
}

/// What a client requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asked {
    /// A session.
    Session,
    /// An operation.
    Operation(Operation),
}

/// A condition of the healed phase.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Condition {
    /// A write is answered, by any leader.
    DiskProbe,
    /// There is a leader.
    Leader,
    /// A read is answered although nothing is written.
    FirstRead,
    /// A fresh write is answered.
    Write,
    /// A fresh read is answered.
    Read,
    /// All servers have what the leader has.
    Convergence,
    /// Writes that arrive at half of the plan's capacity are answered.
    Load,
    /// All servers have what the leader has, after that load.
    Settled,
    /// An operator gets what it asks for.
    Operation,
    /// All servers have what the leader has, after an operator has got what it asked for.
    Agreement,
    /// Leadership is stable while nothing is requested.
    Quiet,
}

/// Who lacks what the leader has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lag {
    /// There is no leader to compare with.
    NoLeader,
    /// The leader has not committed and applied its own log.
    Leader {
        /// The leader.
        node: Node,
        /// How far it is.
        progress: Progress,
    },
    /// A member differs from its leader.
    Member {
        /// The member.
        node: Node,
        /// How far it is.
        progress: Progress,
        /// The leader.
        leader: Node,
        /// The last index of the leader.
        leader_last: Index,
    },
}

/// How far a server is.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Progress {
    /// The last index of its log.
    pub last: Index,
    /// Its commit index.
    pub committed: Index,
    /// The last index applied.
    pub applied: Index,
}

/// A panic of the system under test.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PanicReport {
    /// The message.
    pub message: String,
    /// File and line, if known.
    pub location: Option<String>,
}

impl Failure {
    /// A violation without evidence.
    #[must_use]
    pub fn new(property: &str, cause: FailureCause) -> Failure {
        Failure { property: property.to_owned(), cause, evidence: Vec::new() }
    }

    /// Adds evidence.
    #[must_use]
    pub fn with_evidence(mut self, evidence: impl IntoIterator<Item = Evidence>) -> Failure {
        self.evidence = evidence.into_iter().collect();
        self.evidence.sort_by_key(|item| (item.at, item.step));
        self.evidence.dedup();
        self
    }

    /// The contradicting facts, if the violation is between facts.
    #[must_use]
    pub fn facts(&self) -> Option<&Violation> {
        match &self.cause {
            FailureCause::Facts(violation) => Some(violation),
            _ => None,
        }
    }

    /// The requests that the cause names. Those of facts are in the facts.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestId> {
        match &self.cause {
            FailureCause::Order(broken) => [broken.id()].into_iter().chain(broken.other()).collect(),
            FailureCause::Response(broken) => vec![broken.id],
            FailureCause::History(explanation) => {
                let operations = explanation.operations.iter();
                operations.map(|call| call.id).chain([explanation.stuck.id]).collect()
            }
            FailureCause::RejectedTakesEffect { id, .. }
            | FailureCause::WrongAnswer { id, .. }
            | FailureCause::NeverAnswers { id, .. } => vec![*id],
            _ => Vec::new(),
        }
    }
}

impl FailureCause {
    /// The kind: a stable name, the same whatever the servers, requests and times are.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            FailureCause::Facts(violation) => violation.conflict.kind(),
            FailureCause::Order(broken) => broken.kind(),
            FailureCause::Response(_) => "unexplained-response",
            FailureCause::History(explanation) => explanation.kind(),
            FailureCause::SharedSession { .. } => "shared-session",
            FailureCause::RejectedTakesEffect { .. } => "rejected-takes-effect",
            FailureCause::WrongAnswer { mismatch, .. } => mismatch.kind(),
            FailureCause::NeverRests { .. } => "never-rests",
            FailureCause::Floods { .. } => "floods",
            FailureCause::MissedDeadline { lag: Some(lag), .. } => lag.kind(),
            FailureCause::MissedDeadline { condition, .. } => condition.missed_kind(),
            FailureCause::Unstable { .. } => Condition::Quiet.missed_kind(),
            FailureCause::OperatorWaits { command: OperatorCommand::Transfer(_), .. } => "transfer-not-done",
            FailureCause::OperatorWaits { .. } => Condition::Operation.missed_kind(),
            FailureCause::Load { missed: MissedLoad::TooSlow, .. } => "load-too-slow",
            FailureCause::Load { .. } => Condition::Load.missed_kind(),
            FailureCause::NeverAnswers { .. } => "never-answers",
            FailureCause::FailStop { .. } => "fail-stop-with-intact-disk",
            FailureCause::Panic { .. } => "panic",
            FailureCause::Hangs { .. } => "hangs",
            FailureCause::Aborts { .. } => "aborts",
            FailureCause::Nondeterminism(difference) => difference.kind(),
            FailureCause::HarnessPanic(_) => "harness-panic",
        }
    }
}

impl Difference {
    const fn kind(self) -> &'static str {
        match self {
            Difference::Event(_) | Difference::Digests(..) => "runs-differ",
            Difference::Outcomes => "outcomes-differ",
        }
    }
}

impl Mismatch {
    const fn kind(self) -> &'static str {
        match self {
            Mismatch::NoClient => "answer-to-no-client",
            Mismatch::NeverSent => "answer-to-no-request",
            Mismatch::Unexpected { .. } => "unexpected-answer",
        }
    }
}

impl Lag {
    const fn kind(self) -> &'static str {
        match self {
            Lag::NoLeader => "leader-lost",
            Lag::Leader { .. } => "leader-lags",
            Lag::Member { .. } => "member-lags",
        }
    }
}

impl Condition {
    /// The kind of failure if it does not hold in time.
    const fn missed_kind(self) -> &'static str {
        match self {
            Condition::DiskProbe => "first-write-unanswered",
            Condition::Leader => "no-leader",
            Condition::FirstRead => "first-read-unanswered",
            Condition::Write => "write-unanswered",
            Condition::Read => "read-unanswered",
            Condition::Convergence => "no-convergence",
            Condition::Load => "load-not-answered",
            Condition::Settled => "not-settled",
            Condition::Operation => "change-not-done",
            Condition::Agreement => "no-agreement",
            Condition::Quiet => "unstable-leadership",
        }
    }

    /// What the deadline counts from, and what does not hold.
    const fn missed(self) -> (&'static str, &'static str) {
        match self {
            Condition::DiskProbe => ("the healed phase began", "a fresh write is not answered"),
            Condition::Leader => ("the healed phase began", "there is no leader"),
            Condition::FirstRead => ("there was a leader", "a read is not answered"),
            Condition::Write => ("there was a leader", "a fresh write is not answered"),
            Condition::Read => ("there was a leader", "a fresh read is not answered"),
            Condition::Convergence => ("a fresh write and read were answered", "the servers differ"),
            Condition::Load => ("the load began", "some write is not answered"),
            Condition::Settled => ("the load ended", "the servers differ"),
            Condition::Operation => ("the operator asked", "it is not done"),
            Condition::Agreement => ("the operator got what it asked for", "the servers differ"),
            Condition::Quiet => ("all faults have ended", "leadership changes"),
        }
    }

    /// When it is required.
    const fn begins(self) -> &'static str {
        match self {
            Condition::DiskProbe => "the healed phase begins, and a fresh write is called",
            Condition::Leader => "the healed phase begins, and a leader is expected",
            Condition::FirstRead => "there is a leader, and a read is called",
            Condition::Write => "there is a leader, and a fresh write is called",
            Condition::Read => "there is a leader, and a fresh read is called",
            Condition::Convergence => "a fresh write and read are answered",
            Condition::Load => "all servers have the same log, and writes arrive at half of the capacity",
            Condition::Settled => "the writes of the load are answered",
            Condition::Operation => "all servers have the same log, and the operator asks for something",
            Condition::Agreement => "the operator has got what it asked for",
            Condition::Quiet => "all servers have the same log, and nothing is requested",
        }
    }

    /// That it does not hold.
    const fn ends(self) -> &'static str {
        match self {
            Condition::Leader => "there is none",
            Condition::DiskProbe | Condition::FirstRead | Condition::Write | Condition::Read => {
                "it is not answered"
            }
            Condition::Load => "the load is not carried",
            Condition::Operation => "it is not done",
            Condition::Convergence | Condition::Settled | Condition::Agreement => {
                "some server lacks what the leader has"
            }
            Condition::Quiet => "leadership kept changing",
        }
    }
}

impl fmt::Display for FailureCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FailureCause::Facts(violation) => violation.conflict.fmt(f),
            FailureCause::Order(broken) => broken.fmt(f),
            FailureCause::Response(broken) => broken.fmt(f),
            FailureCause::History(explanation) => explanation.fmt(f),
            FailureCause::SharedSession { session, client, other } => {
                write!(f, "session {session} was given to c{client} although c{other} was given it before")
            }
            FailureCause::RejectedTakesEffect { id, index } => write!(
                f,
                "{id} takes effect at {index} although each copy of it was rejected: its client knows that nothing \
                 happened"
            ),
            FailureCause::WrongAnswer { node, client, id, response, mismatch } => match mismatch {
                Mismatch::NoClient => write!(
                    f,
                    "n{node} answers c{client} on {id} with \"{response}\": there is no such client, so it cannot \
                     have sent a request"
                ),
                Mismatch::NeverSent => write!(
                    f,
                    "n{node} answers c{client} on {id}, which it never sent, with \"{response}\": what could have \
                     come is nothing"
                ),
                Mismatch::Unexpected { asked, expected } => write!(
                    f,
                    "n{node} answers c{client} on {id}, {asked}, with \"{response}\": what could have come is \
                     {expected}"
                ),
            },
            FailureCause::NeverRests { events, seconds } => {
                write!(f, "{events} events after {seconds} simulated seconds: the system never rests")
            }
            FailureCause::Floods { events, at } => write!(
                f,
                "{events} events are in flight at once after {at} of simulated time: the system sends more than \
                 arrives"
            ),
            FailureCause::MissedDeadline { condition, timeouts, lag } => {
                let (since, missing) = condition.missed();
                write!(f, "{timeouts} largest election timeouts after {since}, ")?;
                match lag {
                    Some(lag) => lag.fmt(f),
                    None => f.write_str(missing),
                }
            }
            FailureCause::Unstable { changes } => write!(
                f,
                "all faults have ended and nothing was requested, but leadership changed {changes} times"
            ),
            FailureCause::OperatorWaits { command, timeouts, since, times, rejections } => {
                let times = if *times == 1 { "once".to_owned() } else { format!("{times} times") };
                write!(
                    f,
                    "{timeouts} largest election timeouts after the operator asked for {}, first at {since} and \
                     {times} in all, it is not done",
                    OperatorWish(command)
                )?;
                match rejections.is_empty() {
                    true => f.write_str("; no request was rejected"),
                    false => write!(f, "; the last rejections: {}", rejections.join(", then ")),
                }
            }
            FailureCause::Load {
                missed,
                calls,
                interval,
                capacity: Capacity { in_flight, round },
                completed,
                began,
                lasted,
                leader_changes,
            } => {
                match missed {
                    MissedLoad::TooSlow => write!(f, "only {completed} of {calls} writes are answered")?,
                    MissedLoad::NotAnswered => {
                        write!(f, "{} of {calls} writes are not answered", calls - completed)?;
                    }
                }
                write!(
                    f,
                    " {lasted} after the first one was called at {began}, one every {interval}: that is half of what \
                     {in_flight} commands in flight per {round} carry; leadership changed {leader_changes} times"
                )
            }
            FailureCause::NeverAnswers { node, client, id, seconds } => {
                write!(f, "n{node} never answers c{client} on {id}, which reached it after {seconds} seconds")
            }
            FailureCause::FailStop { node, reason } => write!(
                f,
                "n{node} takes no part although no bit of its disk flipped and no sync failed: {reason}"
            ),
            FailureCause::Panic { node, at, panic } => {
                write!(f, "n{node} panics at {at} of simulated time: {panic}")
            }
            FailureCause::Hangs { position: RunPosition { event, at, node, .. }, after } => match node {
                Some(node) => write!(
                    f,
                    "n{node} does not return: no event for {after:?} of real time after event {event} at {at} of \
                     simulated time"
                ),
                None => write!(
                    f,
                    "no event for {after:?} of real time after event {event} at {at} of simulated time, outside of \
                     all steps of servers: in a task, or in the harness"
                ),
            },
            FailureCause::Aborts { exit, message } => {
                write!(f, "the run ends its process, {exit}")?;
                if message.is_empty() { Ok(()) } else { write!(f, ": {message}") }
            }
            FailureCause::Nondeterminism(difference) => difference.fmt(f),
            FailureCause::HarnessPanic(message) => write!(f, "the harness itself panicked: {message}"),
        }
    }
}

/// What an operator asks for.
struct OperatorWish<'a>(&'a OperatorCommand);

impl fmt::Display for OperatorWish<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = match self.0 {
            OperatorCommand::Transfer(to) => return write!(f, "a transfer of leadership to n{to}"),
            OperatorCommand::Leave => return f.write_str("the end of the joint phase"),
            OperatorCommand::Change { steps, .. } => steps,
        };
        f.write_str("the change")?;
        for (position, step) in steps.iter().enumerate() {
            let comma = if position == 0 { "" } else { "," };
            match step {
                MembershipOp::Voter(node) => write!(f, "{comma} voter n{node}")?,
                MembershipOp::Learner(node) => write!(f, "{comma} learner n{node}")?,
                MembershipOp::Remove(node) => write!(f, "{comma} remove n{node}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for ProcessExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signal = match *self {
            ProcessExit::Code(code) => return write!(f, "with exit code {code}"),
            ProcessExit::Signal(signal) => signal,
        };
        write!(f, "by signal {signal}")?;
        // The same on all Unix systems that the harness runs on, except for SIGBUS.
        f.write_str(match signal {
            4 => " (SIGILL)",
            5 => " (SIGTRAP)",
            6 => " (SIGABRT)",
            8 => " (SIGFPE)",
            9 => " (SIGKILL)",
            11 => " (SIGSEGV)",
            _ => "",
        })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::Event(event) => {
                write!(f, "two runs of the same plan differ from event {event} on")
            }
            Difference::Digests(one, other) => {
                write!(f, "two runs of this plan differ: {one} and {other}")
            }
            Difference::Outcomes => f.write_str(
                "two runs of the same plan ended differently, though two later ones agree on every event",
            ),
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Asked::Session => f.write_str("a session"),
            Asked::Operation(operation) => operation.fmt(f),
        }
    }
}

impl fmt::Display for Lag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lag::NoLeader => f.write_str("there is no leader any more"),
            Lag::Leader { node, progress } => write!(f, "the leader n{node} has {progress}"),
            Lag::Member { node, progress, leader, leader_last } => {
                write!(f, "n{node} has {progress}, and the leader n{leader} {leader_last}")
            }
        }
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a log up to {}, committed {}, applied {}", self.last, self.committed, self.applied)
    }
}

impl fmt::Display for PanicReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.location.as_ref().map_or(Ok(()), |location| write!(f, " ({location})"))
    }
}

/// One piece of evidence that is not one of two contradicting facts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Evidence {
    /// True time in nanoseconds.
    pub at: Time,
    /// The number of the event.
    pub step: u64,
    /// Who did it.
    pub actor: Actor,
    /// The request concerned.
    pub request: Option<RequestId>,
    /// What happened.
    pub kind: EvidenceKind,
}

/// A server, a client, or neither.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Actor {
    /// A server.
    Server(Node),
    /// A client.
    Client(u64),
    /// All of them, or none in particular.
    All,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Actor::Server(node) => write!(f, "n{node}"),
            Actor::Client(client) => write!(f, "c{client}"),
            Actor::All => f.write_str("-"),
        }
    }
}

/// What a piece of evidence shows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EvidenceKind {
    /// A fact.
    Fact(Fact),
    /// A client sends a request.
    Call(RequestId, Asked),
    /// A server rejects a request.
    Rejection(RequestId, Asked),
    /// A client receives the response to its request. The response is missing if only its position matters.
    Response(RequestId, Position, Option<Response>),
    /// A client is given a session.
    Session(u64),
    /// A server answers a client that does not exist.
    AnswerToNobody {
        /// The client.
        client: u64,
        /// The request.
        id: RequestId,
        /// The response, as text.
        response: String,
    },
    /// A client receives a response that does not match.
    WrongAnswer {
        /// The server.
        from: Node,
        /// The request.
        id: RequestId,
        /// The response, as text.
        response: String,
        /// What was requested; `None`: nothing was.
        asked: Option<Asked>,
    },
    /// A server stops until its next incarnation.
    FailStop(String),
    /// A server panics.
    Panic(PanicReport),
    /// A condition is required from now on.
    ConditionBegins(Condition),
    /// The deadline of a condition passes without it.
    ConditionMissed(Condition),
    /// A request of this client arrives.
    Arrival(RequestId, u64),
    /// It has not been answered.
    Silence(RequestId),
}

impl EvidenceKind {
    /// The log index that it states, if any.
    #[must_use]
    pub const fn index(&self) -> Option<Index> {
        match self {
            EvidenceKind::Response(_, Position::Log(index) | Position::Applied(index), _) => Some(*index),
            _ => None,
        }
    }

    /// As text, with indexes written by `index`.
    #[must_use]
    pub fn describe(&self, index: impl Fn(Index) -> String) -> String {
        match self {
            EvidenceKind::Fact(fact) => format!("{fact:?}"),
            EvidenceKind::Call(id, asked) => format!("asks {id}, {asked}"),
            EvidenceKind::Rejection(id, asked) => {
                format!("refuses {id}, {asked}: certainly nothing happened")
            }
            EvidenceKind::Response(id, position, response) => {
                let (preposition, at) = match position {
                    Position::Log(at) => ("at", *at),
                    Position::Applied(at) => ("from", *at),
                };
                let received = match response {
                    Some(response) => format!("receives \"{response}\" on {id}"),
                    None => format!("is answered on {id}"),
                };
                format!("{received}, {preposition} index {}", index(at))
            }
            EvidenceKind::Session(session) => format!("is given session {session}"),
            EvidenceKind::AnswerToNobody { client, id, response } => {
                format!("answers c{client} on {id} with \"{response}\"")
            }
            EvidenceKind::WrongAnswer { from, id, response, asked: Some(asked) } => {
                format!("receives \"{response}\" from n{from} on {id}, {asked}")
            }
            EvidenceKind::WrongAnswer { from, id, response, asked: None } => {
                format!("receives \"{response}\" from n{from} on {id}, which it never sent")
            }
            EvidenceKind::FailStop(reason) => format!("takes no part: {reason}"),
            EvidenceKind::Panic(panic) => format!("panics: {panic}"),
            EvidenceKind::ConditionBegins(condition) => condition.begins().to_owned(),
            EvidenceKind::ConditionMissed(condition) => condition.ends().to_owned(),
            EvidenceKind::Arrival(id, client) => format!("is reached by {id} of c{client}"),
            EvidenceKind::Silence(id) => format!("has not answered {id}"),
        }
    }
}
