//! Servers that break the contract of a server: each violation is a verdict on the server, never a panic of
//! the harness.

#![expect(clippy::disallowed_methods, reason = "a test reads what its servers and clients print")]

mod common;

use common::{Hello, SimpleServer, fault, plan_without_faults};
use harness::outcome::{
    Actor, Engine, EvidenceKind, Failure, FailureCause, LINEARIZABILITY, LIVENESS, Mismatch, NO_PANIC,
    Options, Recording, RunRecord, Verdict, WITNESS, WRONG_ANSWER,
};
use harness::plan::faults::Crash;
use harness::plan::{Plan, SimDuration, Target, Trigger};
use harness::report::{PlanSource, run_page};
use harness::server::{Arrival, Damaged, Host, LocalTime, Server};
use harness::systems::run::run_with;
use harness::workload::{ClientResponse, Reply, RequestBody};
use harness::world::Disk;
use invariants::{
    Action, Configuration, Content, Digest, DiskFact, LogId, PROPERTIES, RequestId, Response, ServerFact,
};
use std::collections::BTreeSet;
use std::panic::catch_unwind;

/// What a server does wrong, chosen by the seed of the plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Misbehaviour {
    /// Replies to each request of one kind with a response of another kind.
    WrongResponse(usize),
    /// Also replies to a client that did not send the request.
    OtherClient,
    /// Replies to the client with this number.
    ToClient(u64),
    /// Replies at boot to a request with this session and sequence.
    UnknownRequest(u64, u64),
    /// Replies to everything twice.
    Twice,
    /// Sends to itself and to servers that do not exist, reuses a sync token, counts an unknown milestone and
    /// fires all triggers.
    Harmless,
    /// Always returns a deadline in the past.
    PastDeadline,
    /// Sends without limit.
    Floods,
    /// Calls an impossible disk operation at the second boot of server 2.
    Disk(usize),
    /// Every server records a sequence of impossible facts.
    ImpossibleFacts(u64),
}

const NOTHING: Content = Content::INITIAL;

const fn read(response: Response) -> Option<ClientResponse> {
    Some(ClientResponse::Read { applied: 1, response })
}

const fn written(response: Response) -> Option<ClientResponse> {
    Some(ClientResponse::Written { index: 1, response })
}

/// A wrong response to some requests, with the message about the response that came and the possible ones.
type WrongResponse = (fn(RequestBody) -> Option<ClientResponse>, &'static str, &'static str);

const WRONG_RESPONSES: [WrongResponse; 13] = [
    (
        |request| if selects(request, "get") { read(Response::Done) } else { None },
        "\"done, from index 1\"",
        HOLDS,
    ),
    (
        |request| if selects(request, "get") { read(Response::List(vec![])) } else { None },
        "\"[], from index 1\"",
        HOLDS,
    ),
    (
        |request| if selects(request, "list") { written(Response::Done) } else { None },
        "\"done, at index 1\"",
        "is the list",
    ),
    (
        |request| if selects(request, "append") { written(Response::Mismatch(None)) } else { None },
        "\"mismatch, at",
        DONE,
    ),
    (
        |request| if selects(request, "put") { written(Response::Holds(NOTHING)) } else { None },
        "\"nothing, at index 1\"",
        DONE,
    ),
    (
        |request| if selects(request, "put") { read(Response::Done) } else { None },
        "\"done, from index 1\"",
        DONE,
    ),
    (
        |request| if selects(request, "cas") { written(Response::Holds(NOTHING)) } else { None },
        "\"nothing",
        "is \"done\" or \"mismatch\"",
    ),
    (
        |request| selects(request, "put").then_some(ClientResponse::SessionRegistered { session: 3 }),
        "\"session 3\"",
        DONE,
    ),
    // Sessions end only if the plan says so.
    (
        |request| selects(request, "put").then_some(ClientResponse::SessionExpired),
        "\"session expired\"",
        DONE,
    ),
    (|_| Some(ClientResponse::NotLeader(Some(99))), "\"not leader, try n99\"", "is "),
    (|_| Some(ClientResponse::NotLeader(Some(0))), "\"not leader, try n0\"", "is "),
    (
        |request| selects(request, "a session").then_some(ClientResponse::SessionRegistered { session: 0 }),
        "\"session 0\"",
        SESSION,
    ),
    (
        |request| if selects(request, "a session") { written(Response::Done) } else { None },
        "\"done, at index 1\"",
        SESSION,
    ),
];
const HOLDS: &str = "is what the register holds";
const DONE: &str = "is \"done\" with its index";
const SESSION: &str = "is a session above 0";

fn selects(request: RequestBody, word: &str) -> bool {
    request.to_string().starts_with(word)
}

const DISK_CALLS: [fn(&mut Disk); 7] = [
    |disk| disk.remove("nothing"),
    |disk| disk.rename("nothing", "something"),
    |disk| disk.rename("boots", "boots"),
    |disk| disk.truncate("boots", 1_000),
    |disk| disk.truncate("nothing", 1),
    |disk| _ = disk.append("boots", Vec::clear),
    |_| panic!("a deliberate panic"),
];

/// All misbehaviours, in the order of the seeds that choose them.
fn misbehaviours() -> Vec<Misbehaviour> {
    let responses = (0..WRONG_RESPONSES.len()).map(Misbehaviour::WrongResponse);
    let others = [
        Misbehaviour::OtherClient,
        Misbehaviour::ToClient(0),
        Misbehaviour::ToClient(u64::MAX),
        Misbehaviour::UnknownRequest(0, 0),
        Misbehaviour::UnknownRequest(0, 1),
        Misbehaviour::UnknownRequest(1, 0),
        Misbehaviour::UnknownRequest(1, u64::MAX),
        Misbehaviour::UnknownRequest(u64::MAX, 1),
        Misbehaviour::Twice,
        Misbehaviour::Harmless,
        Misbehaviour::PastDeadline,
        Misbehaviour::Floods,
    ];
    let disk_calls = (0..DISK_CALLS.len()).map(Misbehaviour::Disk);
    responses.chain(others).chain(disk_calls).chain((0..24).map(Misbehaviour::ImpossibleFacts)).collect()
}

/// A [`SimpleServer`] with one misbehaviour.
struct MisbehavingServer {
    inner: SimpleServer,
    misbehaviour: Misbehaviour,
}

impl Server for MisbehavingServer {
    type Message = Hello;

    fn boot(host: &mut Host<'_, Hello>) -> Result<MisbehavingServer, Damaged> {
        let misbehaviour = misbehaviours()[host.plan().seed as usize];
        match misbehaviour {
            Misbehaviour::UnknownRequest(session, sequence) => {
                host.reply(
                    1,
                    Reply { id: RequestId { session, sequence }, response: ClientResponse::Unknown },
                );
            }
            Misbehaviour::Harmless => {
                for to in [0, host.node(), 4, 99, u64::MAX] {
                    host.send(to, Hello(7));
                    assert!(host.directory_id_of(to) > 0 && host.initial_directory_id_of(to) > 0);
                }
                host.count_milestone("the moon");
                Trigger::ALL.into_iter().for_each(|moment| host.fire_trigger(moment));
                (0..3).for_each(|_| host.sync(0));
            }
            Misbehaviour::Disk(call) if host.node() == 2 && !host.disk().read("boots").is_empty() => {
                DISK_CALLS[call](host.disk())
            }
            _ => {}
        }
        Ok(MisbehavingServer { inner: SimpleServer::boot(host)?, misbehaviour })
    }

    fn step(&mut self, host: &mut Host<'_, Hello>, arrival: Arrival<Hello>) {
        match (self.misbehaviour, &arrival) {
            (Misbehaviour::WrongResponse(index), Arrival::Request { client, request })
                if host.node() == 1 =>
            {
                if let Some(response) = WRONG_RESPONSES[index].0(request.body) {
                    return host.reply(*client, Reply { id: request.id, response });
                }
            }
            (Misbehaviour::OtherClient, Arrival::Request { client, request }) => {
                host.reply(client % 3 + 1, Reply { id: request.id, response: ClientResponse::Busy });
            }
            (Misbehaviour::ToClient(client), Arrival::Request { request, .. }) => {
                host.reply(client, Reply { id: request.id, response: ClientResponse::Busy });
            }
            (Misbehaviour::Twice, Arrival::Request { client, request }) if host.node() != 1 => {
                host.reply(*client, Reply { id: request.id, response: ClientResponse::NotLeader(Some(1)) });
            }
            (Misbehaviour::PastDeadline, Arrival::Timer) => return,
            (Misbehaviour::Floods, _) => (0..50_000).for_each(|_| host.send(2, Hello(1))),
            (Misbehaviour::ImpossibleFacts(salt), Arrival::Timer) => {
                let round = host.now() / 1_000 + salt * 12_345;
                let (of_server, of_disk) = facts(round);
                let few = |facts: usize| 1 + (round % facts as u64) as usize;
                match round % 3 {
                    0 => {
                        let few = few(of_disk.len());
                        of_disk.into_iter().take(few).for_each(|fact| host.disk().attach(fact));
                    }
                    _ => {
                        let few = few(of_server.len());
                        of_server.into_iter().take(few).for_each(|fact| host.record_fact(fact));
                    }
                }
                host.sync(round);
            }
            _ => {}
        }
        self.inner.step(host, arrival);
    }

    fn deadline(&self) -> Option<LocalTime> {
        if self.misbehaviour == Misbehaviour::PastDeadline { Some(0) } else { self.inner.deadline() }
    }

    fn is_heartbeat(_: &Hello) -> bool {
        true
    }
}

/// Three servers, of which the first leads, and three clients.
fn plan_with_clients() -> Plan {
    let mut plan = plan_without_faults(3, SimDuration::millis(3_000));
    plan.clients.count = 3;
    plan.network.delay = SimDuration::millis(1);
    plan.bounds.events = 100_000;
    plan
}

/// Options without the properties of facts, the witness and linearizability: test servers record too few
/// facts.
fn options_without(names: &[&str]) -> Options {
    let facts = PROPERTIES.iter().map(|property| property.name).chain([WITNESS, LINEARIZABILITY]);
    let disabled = facts.chain(names.iter().copied());
    Options {
        disabled: disabled.map(str::to_owned).collect(),
        record: Recording { history: true, trace: true, ..Recording::default() },
        ..Options::default()
    }
}

fn failure(record: &RunRecord) -> &Failure {
    match &record.outcome.verdict {
        Verdict::Failed(failure) => failure,
        other => panic!("the run must fail: {other:?}"),
    }
}

/// For each misbehaviour that `selects` accepts, the plan whose seed chooses it.
fn plans_for(plan: &Plan, selects: impl Fn(&Misbehaviour) -> bool) -> Vec<(Misbehaviour, Plan)> {
    let all = misbehaviours().into_iter().zip(0..).filter(|(misbehaviour, _)| selects(misbehaviour));
    all.map(|(misbehaviour, seed)| (misbehaviour, Plan { seed, ..plan.clone() })).collect()
}

/// The failure of a plan, which must violate the same property on all engines.
fn failure_of(plan: &Plan) -> Failure {
    let available = Engine::ALL.into_iter().filter(|(_, engine)| engine.is_available());
    let mut failures = available.map(|(_, engine)| {
        failure(&run_with::<MisbehavingServer>(plan, &Options { engine, ..options_without(&[]) })).clone()
    });
    let first = failures.next().expect("the plain engine is always available");
    failures.for_each(|other| assert_eq!(other.property, first.property));
    first
}

#[test]
fn a_response_of_the_wrong_kind_is_a_violation() {
    for (index, (_, mut plan)) in
        plans_for(&plan_with_clients(), |misbehaviour| matches!(misbehaviour, Misbehaviour::WrongResponse(_)))
            .into_iter()
            .enumerate()
    {
        let (_, came, possible) = WRONG_RESPONSES[index];
        if possible == SESSION {
            plan.clients.session = SimDuration::millis(1_000);
        }
        let failure = failure_of(&plan);
        let sentence = failure.cause.to_string();
        assert_eq!(failure.property, WRONG_ANSWER, "{sentence}");
        assert!(sentence.starts_with("n1 answers c") && sentence.contains(" on s"), "{sentence}");
        assert!(
            sentence.contains(came) && sentence.contains(&format!("what could have come {possible}")),
            "{sentence}"
        );
        let [evidence] = &failure.evidence[..] else { panic!("{:?}", failure.evidence) };
        assert!(evidence.request.is_some() && evidence.at > 0, "{evidence:?}");
    }
}

#[test]
fn a_client_ignores_a_wrong_response() {
    let mut plan = plan_with_clients();
    plan.seed = 3;
    let record = run_with::<MisbehavingServer>(&plan, &options_without(&[WRONG_ANSWER]));
    let appended = |call: &&invariants::Call| matches!(call.operation.action, Action::Append(_));
    let appends: Vec<_> = record.history.iter().filter(appended).collect();
    assert!(appends.len() > 10 && appends.iter().all(|call| call.returned.is_none()), "{appends:?}");
    assert!(!matches!(&record.outcome.verdict, Verdict::Failed(failure) if failure.property == WRONG_ANSWER));
}

#[test]
fn a_response_without_a_request_is_a_violation() {
    let responses = |misbehaviour: &Misbehaviour| {
        matches!(
            misbehaviour,
            Misbehaviour::OtherClient | Misbehaviour::ToClient(_) | Misbehaviour::UnknownRequest(..)
        )
    };
    for (misbehaviour, plan) in plans_for(&plan_with_clients(), responses) {
        let failure = failure_of(&plan);
        assert_eq!(failure.property, WRONG_ANSWER, "{}", failure.cause);
        let expected = if matches!(misbehaviour, Misbehaviour::ToClient(_)) {
            Mismatch::NoClient
        } else {
            Mismatch::NeverSent
        };
        assert!(
            matches!(failure.cause, FailureCause::WrongAnswer { mismatch, .. } if mismatch == expected),
            "{}",
            failure.cause
        );
    }
}

#[test]
fn duplicate_replies_and_unknown_recipients_are_no_violation() {
    for (_, plan) in plans_for(&plan_with_clients(), |misbehaviour| {
        matches!(misbehaviour, Misbehaviour::Twice | Misbehaviour::Harmless)
    }) {
        // Test servers record too few facts to converge.
        match run_with::<MisbehavingServer>(&plan, &options_without(&[])).outcome.verdict {
            Verdict::Failed(failure) => assert_eq!(failure.property, LIVENESS, "{}", failure.cause),
            Verdict::Passed | Verdict::Unknown(_) => {}
        }
    }
}

#[test]
fn endless_activity_ends_the_run() {
    for (misbehaviour, plan) in plans_for(&plan_with_clients(), |misbehaviour| {
        matches!(misbehaviour, Misbehaviour::PastDeadline | Misbehaviour::Floods)
    }) {
        let failure = failure_of(&plan);
        let is_expected = match misbehaviour {
            Misbehaviour::PastDeadline => matches!(failure.cause, FailureCause::NeverRests { .. }),
            _ => matches!(failure.cause, FailureCause::Floods { .. }),
        };
        assert!(failure.property == LIVENESS && is_expected, "{}", failure.cause);
    }
}

#[test]
fn a_panic_names_the_server_and_time_and_marks_its_line() {
    let mut plan = plan_with_clients();
    let (node, lasts) = (Target::Node(2), SimDuration::millis(100));
    plan.faults = vec![fault(SimDuration::millis(1_000), Crash { node, lasts })];
    let plans = plans_for(&plan, |misbehaviour| matches!(misbehaviour, Misbehaviour::Disk(_)));
    for (_, plan) in &plans {
        let failure = failure_of(plan);
        assert_eq!(failure.property, NO_PANIC, "{}", failure.cause);
        assert!(
            failure.cause.to_string().starts_with("n2 panics at 1.1s of simulated time: "),
            "{}",
            failure.cause
        );
        let [evidence] = &failure.evidence[..] else { panic!("{:?}", failure.evidence) };
        assert_eq!((evidence.actor, evidence.at), (Actor::Server(2), 1_100_000_000));
        assert!(matches!(evidence.kind, EvidenceKind::Panic(_)), "{evidence:?}");
    }
    let (_, plan) = plans.last().unwrap();
    let record =
        run_with::<MisbehavingServer>(plan, &Options { record: Recording::PAGE, ..options_without(&[]) });
    let page = run_page(plan, PlanSource::Seed, &record, None, &Options::default(), 100);
    let marked = |line: &&str| line.starts_with('!') && line.contains("panics: a deliberate panic");
    assert_eq!(page.lines().filter(marked).count(), 1, "{page}");
}

/// Panics when dropped.
struct PanicsOnDrop(SimpleServer);

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        assert_eq!(self.0.deadline(), None, "a deliberate panic");
    }
}

impl Server for PanicsOnDrop {
    type Message = Hello;

    fn boot(host: &mut Host<'_, Hello>) -> Result<PanicsOnDrop, Damaged> {
        Ok(PanicsOnDrop(SimpleServer::boot(host)?))
    }

    fn step(&mut self, host: &mut Host<'_, Hello>, arrival: Arrival<Hello>) {
        self.0.step(host, arrival);
    }

    fn deadline(&self) -> Option<LocalTime> {
        self.0.deadline()
    }

    fn is_heartbeat(_: &Hello) -> bool {
        true
    }
}

#[test]
fn a_panic_in_drop_is_a_violation_too() {
    let mut plan = plan_with_clients();
    let (node, lasts) = (Target::Node(3), SimDuration::millis(100));
    plan.faults = vec![fault(SimDuration::millis(500), Crash { node, lasts })];
    let record = run_with::<PanicsOnDrop>(&plan, &options_without(&[]));
    assert_eq!(failure(&record).property, NO_PANIC);
    assert!(
        failure(&record).cause.to_string().starts_with("n3 panics at 500ms"),
        "{}",
        failure(&record).cause
    );
}

#[test]
fn a_panic_of_the_harness_is_no_verdict() {
    let mut plan = plan_with_clients();
    // The delay of the first message overflows; a plan that passes its check has no such delay.
    plan.nodes = 1;
    plan.network.delay = SimDuration(u64::MAX);
    assert!(plan.check().is_err());
    assert!(catch_unwind(|| run_with::<SimpleServer>(&plan, &options_without(&[]))).is_err());
}

fn facts(round: u64) -> (Vec<ServerFact>, Vec<DiskFact>) {
    let numbers = [0, 1, 2, 7, 1 << 20, 1 << 40, u64::MAX - 1, u64::MAX];
    let pick = |salt: u64| {
        numbers[(round.wrapping_mul(2_654_435_761).wrapping_add(salt * 40_503) >> 7) as usize % 8]
    };
    let (index, term, other) = (pick(1), pick(2), pick(3));
    let id = LogId { index, term };
    let last = LogId { index: other, term: pick(4) };
    let set = |salt| BTreeSet::from([pick(salt), pick(salt + 1)]).into_iter().collect();
    let configuration = Box::new(Configuration {
        voters: set(5),
        joint: set(7),
        learners: set(9),
        ..Configuration::default()
    });
    let (state, entry) = (Digest(pick(11)), Digest(pick(12)));
    let request = RequestId { session: pick(13), sequence: pick(14) };
    let of_server = vec![
        ServerFact::Started { term, vote: Some(other), base: id, last, digest: state },
        ServerFact::TermChanged { term },
        ServerFact::Appended { index, term, entry },
        ServerFact::Truncated { after: index },
        ServerFact::Leads { term },
        ServerFact::SteppedDown { term },
        ServerFact::Committed { index },
        ServerFact::Applied { index, entry, state, request: Some(request), effect: true, session: None },
        ServerFact::Applied { index, entry, state, request: None, effect: false, session: None },
        ServerFact::Configured { index, configuration: configuration.clone() },
        ServerFact::Voted { term, candidate: other },
        ServerFact::Campaigned { term },
        ServerFact::Acknowledged { term, index },
        ServerFact::ReadServed { read: request, applied: index },
        ServerFact::SnapshotTaken { last: id, state, configuration: configuration.clone() },
        ServerFact::SnapshotInstalled { last, configuration },
        ServerFact::Restored { index, state },
    ];
    let of_disk = vec![
        DiskFact::Saved { term, vote: Some(other), after: Some(index) },
        DiskFact::SavedEntry { index, term, entry },
        DiskFact::SavedRecovered,
        DiskFact::SavedSnapshot { base: id, last },
    ];
    (rotated(of_server, round), rotated(of_disk, round))
}

/// The same facts, from another one on.
fn rotated<T>(mut facts: Vec<T>, round: u64) -> Vec<T> {
    let from = (round as usize * 11) % facts.len();
    facts.rotate_left(from);
    facts
}

#[test]
fn impossible_facts_violate_a_property_and_never_panic() {
    let mut plan = plan_with_clients();
    plan.fault_phase = SimDuration::millis(300);
    let mut properties = BTreeSet::new();
    for (_, plan) in plans_for(&plan, |misbehaviour| matches!(misbehaviour, Misbehaviour::ImpossibleFacts(_)))
    {
        // All properties, only those that need no facts, and none.
        let all = Options { record: Recording::PAGE, ..Options::default() };
        let none = Options::unchecked();
        for options in [all, options_without(&[WRONG_ANSWER]), none] {
            let record = run_with::<MisbehavingServer>(&plan, &options);
            if let Verdict::Failed(failure) = &record.outcome.verdict {
                assert_ne!(failure.property, NO_PANIC, "{}", failure.cause);
                properties.insert(failure.property.clone());
            }
            let _ = run_page(&plan, PlanSource::Seed, &record, None, &options, 100);
        }
    }
    assert!(properties.len() > 3, "{properties:?}");
}
