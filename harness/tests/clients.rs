//! The histories that clients record.

#![expect(clippy::disallowed_methods, reason = "a test reads what its servers and clients print")]

mod common;

use common::{Hello, SimpleServer, plan_with_faults, plan_without_faults, run_traced};
use harness::outcome::{
    Evidence, EvidenceKind, FailureCause, LINEARIZABILITY, Options, Recording, RunRecord, TraceEvent,
    Verdict, WITNESS, WRONG_ANSWER,
};
use harness::plan::{Plan, Probability, SimDuration};
use harness::server::{Arrival, Damaged, Host, LocalTime, Server};
use harness::systems::run::run_with;
use harness::workload::{ClientResponse, Reply, Request, RequestBody};
use invariants::{Action, Call, Content, PROPERTIES, RequestId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

fn histories() -> impl Iterator<Item = (u64, Vec<Call>)> {
    (0..20).map(|seed| {
        let mut plan = plan_with_faults(seed);
        plan.network.loss = Probability(50_000);
        (seed, run_traced::<SimpleServer>(&plan).history)
    })
}

#[test]
fn sessions_and_sequence_numbers_are_dense_and_unique() {
    for (seed, history) in histories() {
        let mut sessions: BTreeMap<u64, u64> = BTreeMap::new();
        for call in &history {
            let sequence = sessions.entry(call.id.session).or_default();
            *sequence += 1;
            assert_eq!(call.id.sequence, *sequence, "seed {seed}");
        }
        let numbers: Vec<u64> = sessions.keys().copied().collect();
        let dense: Vec<u64> = (1..=numbers.len() as u64).collect();
        assert_eq!(numbers, dense, "seed {seed}");
    }
}

#[test]
fn every_written_value_is_unique() {
    for (seed, history) in histories() {
        let written = |call: &Call| match call.operation.action {
            Action::Put(number)
            | Action::Delete(number)
            | Action::Append(number)
            | Action::Replace(number)
            | Action::CompareAndSet { value: number, .. } => Some(number),
            _ => None,
        };
        let numbers: Vec<u64> = history.iter().filter_map(written).collect();
        let once: BTreeSet<u64> = numbers.iter().copied().collect();
        assert_eq!(once.len(), numbers.len(), "seed {seed}");
        assert_eq!(
            once.last().copied(),
            Some(numbers.len() as u64),
            "seed {seed}: the numbers must be dense"
        );
    }
}

#[test]
fn an_unknown_outcome_ends_its_session() {
    let mut retired = 0;
    for (seed, history) in histories() {
        let plan = plan_with_faults(seed);
        let timeout = plan.clients.timeout.0 * plan.clients.attempts;
        for (index, lost) in history.iter().enumerate().filter(|(_, call)| call.returned.is_none()) {
            let later = &history[index..];
            let same =
                |call: &&Call| call.id.session == lost.id.session && call.called > lost.called + timeout;
            assert_eq!(later.iter().find(same), None, "seed {seed}: {lost:?}");
            retired += 1;
        }
    }
    assert!(retired > 20, "only {retired} operations were abandoned");
}

#[test]
fn lists_stay_short_and_keys_keep_their_kind() {
    let mut plan = plan_with_faults(1);
    plan.fault_phase = SimDuration::millis(60_000);
    let history = run_traced::<SimpleServer>(&plan).history;
    let mut appended: BTreeMap<u64, u64> = BTreeMap::new();
    let (mut registers, mut lists) = (BTreeSet::new(), BTreeSet::new());
    for call in &history {
        let key = call.operation.key;
        match call.operation.action {
            Action::Append(_) => {
                *appended.entry(key).or_default() += 1;
                lists.insert(key);
            }
            Action::List => _ = lists.insert(key),
            _ => _ = registers.insert(key),
        }
    }
    assert!(appended.values().all(|count| *count <= 30), "{appended:?}");
    assert!(appended.len() > 6, "after thirty elements a new list must start: {appended:?}");
    assert!(registers.is_disjoint(&lists));
}

#[test]
fn many_compare_and_sets_match() {
    let mut plan = plan_with_faults(1);
    plan.faults.clear();
    plan.fault_phase = SimDuration::millis(60_000);
    let history = run_traced::<SimpleServer>(&plan).history;
    let attempts = history.iter().filter(|call| {
        matches!(call.operation.action, Action::CompareAndSet { expect, .. } if expect != Content::INITIAL)
    });
    let matched = |call: &&Call| {
        call.returned.as_ref().is_some_and(|(_, response)| *response == invariants::Response::Done)
    };
    let (all, matched) = (attempts.clone().count(), attempts.filter(matched).count());
    assert!(all > 50 && matched * 10 > all && matched < all, "{matched} of {all} matched");
}

/// Decides how a test server replies, not always truthfully.
trait ReplyPolicy: Send + 'static {
    /// The response to the `number`th request in place of that of the inner server, and whether the inner
    /// server gets the request too. `None`: the inner server replies.
    fn response_to(number: u64, request: Request) -> Option<(ClientResponse, bool)>;
}

/// A [`SimpleServer`] whose replies a policy may replace.
struct PolicyServer<M> {
    inner: SimpleServer,
    requests: u64,
    /// The requests passed to the inner server without its reply, each once.
    executed: BTreeSet<RequestId>,
    policy: std::marker::PhantomData<M>,
}

impl<M: ReplyPolicy> Server for PolicyServer<M> {
    type Message = Hello;

    fn boot(host: &mut Host<'_, Hello>) -> Result<PolicyServer<M>, Damaged> {
        Ok(PolicyServer {
            inner: SimpleServer::boot(host)?,
            requests: 0,
            executed: BTreeSet::new(),
            policy: std::marker::PhantomData,
        })
    }

    fn step(&mut self, host: &mut Host<'_, Hello>, arrival: Arrival<Hello>) {
        if let Arrival::Request { client, request } = arrival
            && host.node() == 1
        {
            self.requests += 1;
            let Some((response, executed)) = M::response_to(self.requests, request) else {
                return self.inner.step(host, arrival);
            };
            if executed && self.executed.insert(request.id) {
                self.inner.step(host, Arrival::Request { client: PROBING, request });
            }
            return host.reply(client, Reply { id: request.id, response });
        }
        self.inner.step(host, arrival);
    }

    fn deadline(&self) -> Option<LocalTime> {
        self.inner.deadline()
    }

    fn is_heartbeat(message: &Hello) -> bool {
        SimpleServer::is_heartbeat(message)
    }
}

/// The client that only probes. The replies of the inner server are sent to it, which ignores those that it
/// did not request.
const PROBING: u64 = 4;

/// A plan without faults in which three clients send requests for ten seconds.
fn plan_with_clients() -> Plan {
    let mut plan = plan_without_faults(3, SimDuration::millis(10_000));
    plan.clients.count = 3;
    plan.network.delay = SimDuration::millis(1);
    plan
}

/// Options without the properties of facts, because test servers record too few facts, and without
/// `WRONG_ANSWER`, because replies of the inner server go to a client that did not send the request.
fn options_without(names: &[&str]) -> Options {
    let disabled =
        PROPERTIES.iter().map(|property| property.name).chain(names.iter().copied()).chain([WRONG_ANSWER]);
    Options { disabled: disabled.map(str::to_owned).collect(), ..Options::default() }
}

fn run_checked<S: Server>(plan: &Plan, names: &[&str]) -> RunRecord {
    run_with::<S>(plan, &Options { record: Recording::PAGE, ..options_without(names) })
}

#[test]
fn sessions_that_can_expire_are_registered_first() {
    for seed in 0..10 {
        let mut plan = plan_with_faults(seed);
        plan.clients.session = SimDuration::millis(1_000);
        let record = run_traced::<SimpleServer>(&plan);
        let registered = |line: &harness::outcome::TraceLine| {
            let TraceEvent::Reply { response, .. } = &line.event else { return None };
            let session = response.strip_prefix("session ")?;
            Some((line.at, session.parse::<u64>().ok()?))
        };
        let registered: Vec<(u64, u64)> = record.trace.iter().filter_map(registered).collect();
        let mut sessions: BTreeMap<u64, u64> = BTreeMap::new();
        for call in &record.history {
            let known =
                registered.iter().any(|(at, session)| *session == call.id.session && *at <= call.called);
            assert!(known, "seed {seed}: {call:?} is in a session that was not registered");
            let sequence = sessions.entry(call.id.session).or_default();
            *sequence += 1;
            assert_eq!(call.id.sequence, *sequence, "seed {seed}");
        }
        assert!(sessions.len() >= 3 && record.history.len() > 50, "seed {seed}: {sessions:?}");
    }
}

/// Expires the session at every tenth request.
struct ExpiresSessions;

impl ReplyPolicy for ExpiresSessions {
    fn response_to(number: u64, request: Request) -> Option<(ClientResponse, bool)> {
        (number.is_multiple_of(10) && request.body != RequestBody::RegisterSession)
            .then_some((ClientResponse::SessionExpired, false))
    }
}

#[test]
fn a_client_continues_in_a_new_session_after_expiry() {
    let mut plan = plan_with_clients();
    plan.clients.session = SimDuration::millis(1_000);
    let record = run_traced::<PolicyServer<ExpiresSessions>>(&plan);
    assert_eq!(record.outcome.verdict, Verdict::Passed, "the probing client must succeed too");
    let unknown: Vec<&Call> = record.history.iter().filter(|call| call.returned.is_none()).collect();
    let sessions: BTreeSet<u64> = record.history.iter().map(|call| call.id.session).collect();
    assert!(unknown.len() > 30 && sessions.len() > 30, "{} of {}", unknown.len(), sessions.len());
    for lost in unknown {
        let round_trip = SimDuration::millis(20).0;
        let later =
            |call: &&Call| call.id.session == lost.id.session && call.called > lost.called + round_trip;
        assert_eq!(record.history.iter().find(later), None, "{lost:?}");
    }
}

/// Registers the same session for every client.
struct RepeatsSession;

impl ReplyPolicy for RepeatsSession {
    fn response_to(_: u64, request: Request) -> Option<(ClientResponse, bool)> {
        (request.body == RequestBody::RegisterSession)
            .then_some((ClientResponse::SessionRegistered { session: 7 }, false))
    }
}

#[test]
fn a_repeated_session_is_reported_and_never_used() {
    let mut plan = plan_with_clients();
    plan.clients.session = SimDuration::millis(1_000);
    let Verdict::Failed(failure) = run_checked::<PolicyServer<RepeatsSession>>(&plan, &[]).outcome.verdict
    else {
        panic!()
    };
    assert_eq!(failure.property, WITNESS);
    assert!(matches!(failure.cause, FailureCause::SharedSession { session: 7, .. }), "{}", failure.cause);
    let registered = |evidence: &Evidence| evidence.kind == EvidenceKind::Session(7);
    assert!(failure.evidence.len() == 2 && failure.evidence.iter().all(registered), "{:?}", failure.evidence);
    let record = run_traced::<PolicyServer<RepeatsSession>>(&plan);
    let ids: BTreeSet<_> = record.history.iter().map(|call| call.id).collect();
    assert_eq!(ids.len(), record.history.len());
}

#[test]
fn random_targets_change_nothing_else() {
    let plan = plan_with_faults(1);
    let requests_to_others = |record: &RunRecord| {
        let is_request = |event: &TraceEvent| matches!(event, TraceEvent::Request { to, .. } if *to != 1);
        record.trace.iter().filter(|line| is_request(&line.event)).count()
    };
    let base = run_traced::<SimpleServer>(&plan);
    let mut rare = plan.clone();
    rare.clients.random_target = Probability(1);
    assert_eq!(
        run_traced::<SimpleServer>(&rare).outcome,
        base.outcome,
        "a tiny probability must not change the run"
    );
    let mut often = plan;
    often.clients.random_target = Probability(900_000);
    let often = run_traced::<SimpleServer>(&often);
    let (often, base_count) = (requests_to_others(&often), requests_to_others(&base));
    assert!(often > 2 * base_count, "{often} and {base_count} requests went elsewhere");
}

/// Rejects all mutations.
struct RejectsWrites;

impl ReplyPolicy for RejectsWrites {
    fn response_to(_: u64, request: Request) -> Option<(ClientResponse, bool)> {
        request.read_operation().is_none().then_some((ClientResponse::Busy, false))
    }
}

/// Rejects all mutations but executes them.
struct ExecutesRejected;

impl ReplyPolicy for ExecutesRejected {
    fn response_to(number: u64, request: Request) -> Option<(ClientResponse, bool)> {
        RejectsWrites::response_to(number, request).map(|(response, _)| (response, true))
    }
}

/// Executes all mutations and responds with an unknown outcome.
struct ExecutesUnknown;

impl ReplyPolicy for ExecutesUnknown {
    fn response_to(number: u64, request: Request) -> Option<(ClientResponse, bool)> {
        ExecutesRejected::response_to(number, request)
            .map(|(_, executed)| (ClientResponse::Unknown, executed))
    }
}

#[test]
fn an_operation_rejected_at_every_attempt_is_not_in_the_history() {
    let writes = |record: &RunRecord| {
        let is_write = |call: &&Call| !call.operation.action.is_read();
        record.history.iter().filter(is_write).count()
    };
    let rejected = run_traced::<PolicyServer<RejectsWrites>>(&plan_with_clients());
    let (called, remaining) = (rejected.outcome.counts.operations as usize, rejected.history.len());
    assert!(called - remaining > 50, "{called} were called and {remaining} remain");
    assert!(writes(&rejected) < 30, "only operations that are open at the end: {}", writes(&rejected));
    assert!(
        writes(&run_traced::<PolicyServer<ExecutesUnknown>>(&plan_with_clients())) > 50,
        "operations that may have happened must stay"
    );
    let mut lossy = plan_with_clients();
    lossy.network.loss = Probability(200_000);
    let unsure = run_traced::<PolicyServer<RejectsWrites>>(&lossy);
    assert!(writes(&unsure) > writes(&rejected) + 20, "an operation without a response may have happened");
}

#[test]
fn an_executed_write_that_was_rejected_is_a_violation() {
    let Verdict::Failed(failure) =
        run_checked::<PolicyServer<ExecutesRejected>>(&plan_with_clients(), &[WITNESS]).outcome.verdict
    else {
        panic!()
    };
    assert_eq!(failure.property, LINEARIZABILITY);
    let evidence = &failure.evidence;
    // The read of the value, and the rejections of its write.
    let is_rejection = |evidence: &Evidence| matches!(evidence.kind, EvidenceKind::Rejection(..));
    assert!(
        evidence.len() >= 2
            && evidence.iter().filter(|evidence| is_rejection(evidence)).count() == evidence.len() - 1,
        "{evidence:?}"
    );
    assert_eq!(
        run_checked::<PolicyServer<ExecutesUnknown>>(&plan_with_clients(), &[WITNESS]).outcome.verdict,
        Verdict::Passed,
        "an unknown outcome allows both"
    );
}

/// Executes rejected mutations in the first run only; correct when the run is repeated.
struct WrongInFirstRun;

static RUNS: AtomicU64 = AtomicU64::new(0);

impl ReplyPolicy for WrongInFirstRun {
    fn response_to(number: u64, request: Request) -> Option<(ClientResponse, bool)> {
        let runs = RUNS.fetch_add(u64::from(number == 1), Ordering::Relaxed) + u64::from(number == 1);
        if runs == 1 { ExecutesRejected::response_to(number, request) } else { None }
    }
}

#[test]
fn histories_are_checked_even_if_they_are_not_kept() {
    let record =
        run_with::<PolicyServer<ExecutesRejected>>(&plan_with_clients(), &options_without(&[WITNESS]));
    assert_eq!(record.history, []);
    assert_eq!(
        record.outcome,
        run_checked::<PolicyServer<ExecutesRejected>>(&plan_with_clients(), &[WITNESS]).outcome
    );
    // The run is repeated for the explanation. The failure stands even if the repetition differs.
    let found = run_with::<PolicyServer<WrongInFirstRun>>(&plan_with_clients(), &options_without(&[WITNESS]))
        .outcome
        .verdict;
    let Verdict::Failed(failure) = found else { panic!("the failure must be kept") };
    assert_eq!(failure.property, LINEARIZABILITY);
    assert_eq!(RUNS.load(Ordering::Relaxed), 2, "the run must be repeated once");
}
