//! Servers that do what no server may do: each of it is a verdict on the server, and never a panic of the harness.

mod common;

use common::{Clerk, Hello, calm, fault};
use harness::outcome::{
    Actor, EvidenceKind, Failure, LINEARIZABILITY, LIVENESS, NO_PANIC, Options, RunRecord, Verdict, WITNESS,
    WRONG_ANSWER,
};
use harness::plan::{FaultKind, Plan, SimDuration, Target, Trigger};
use harness::report::{PlanSource, run_page};
use harness::run::run_with;
use harness::server::{Arrival, Host, LocalTime, Server};
use harness::workload::{ClientResponse, Reply, RequestBody};
use harness::world::Disk;
use invariants::{Action, Configuration, Content, Digest, Fact, LogId, PROPERTIES, RequestId, Response};
use std::collections::BTreeSet;
use std::panic::catch_unwind;

/// What a server does wrong. It is chosen by the plan's seed: one type of server is enough.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wrong {
    /// Says to each request of a kind what is no answer to it.
    Says(usize),
    /// Answers a client that never asked this, beside the one that did.
    ToAnother,
    /// Answers a client of this number.
    ToClient(u64),
    /// Answers the request of this name as soon as it is booted.
    Unasked(u64, u64),
    /// Answers everything twice.
    Twice,
    /// Sends to servers that there are not, and to itself; syncs under one token; and calls things what they are not.
    Harmless,
    /// Its deadline has passed long ago, for ever.
    Restless,
    /// Sends without end.
    Floods,
    /// Asks its disk, at the second boot of server 2, for something that cannot be carried out.
    Disk(usize),
    /// States facts with numbers that cannot be, one after the other, from every server.
    Nonsense(u64),
}

const NOTHING: Content = Content::INITIAL;

const fn read(response: Response) -> Option<ClientResponse> {
    Some(ClientResponse::Read { applied: 1, response })
}

const fn written(response: Response) -> Option<ClientResponse> {
    Some(ClientResponse::Written { index: 1, response })
}

/// A wrong answer to some requests, with what is said of the answer that came, and of what could have.
type WrongAnswer = (fn(RequestBody) -> Option<ClientResponse>, &'static str, &'static str);

const ANSWERS: [WrongAnswer; 13] = [
    (|ask| if is(ask, "get") { read(Response::Done) } else { None }, "\"done, from index 1\"", HOLDS),
    (|ask| if is(ask, "get") { read(Response::List(vec![])) } else { None }, "\"[], from index 1\"", HOLDS),
    (
        |ask| if is(ask, "list") { written(Response::Done) } else { None },
        "\"done, at index 1\"",
        "is the list",
    ),
    (|ask| if is(ask, "append") { written(Response::Mismatch(None)) } else { None }, "\"mismatch, at", DONE),
    (
        |ask| if is(ask, "put") { written(Response::Holds(NOTHING)) } else { None },
        "\"nothing, at index 1\"",
        DONE,
    ),
    (|ask| if is(ask, "put") { read(Response::Done) } else { None }, "\"done, from index 1\"", DONE),
    (
        |ask| if is(ask, "cas") { written(Response::Holds(NOTHING)) } else { None },
        "\"nothing",
        "is \"done\" or \"mismatch\"",
    ),
    (|ask| is(ask, "put").then_some(ClientResponse::SessionRegistered { session: 3 }), "\"session 3\"", DONE),
    // Sessions end only where the plan says so.
    (|ask| is(ask, "put").then_some(ClientResponse::SessionExpired), "\"its session has ended\"", DONE),
    (|_| Some(ClientResponse::NotLeader(Some(99))), "\"not here, perhaps n99\"", "is "),
    (|_| Some(ClientResponse::NotLeader(Some(0))), "\"not here, perhaps n0\"", "is "),
    (
        |ask| is(ask, "a session").then_some(ClientResponse::SessionRegistered { session: 0 }),
        "\"session 0\"",
        SESSION,
    ),
    (
        |ask| if is(ask, "a session") { written(Response::Done) } else { None },
        "\"done, at index 1\"",
        SESSION,
    ),
];
const HOLDS: &str = "is what the register holds";
const DONE: &str = "is \"done\" with its index";
const SESSION: &str = "is a session above 0";

fn is(ask: RequestBody, word: &str) -> bool {
    ask.to_string().starts_with(word)
}

const DISKS: [fn(&mut Disk); 7] = [
    |disk| disk.remove("nothing"),
    |disk| disk.rename("nothing", "something"),
    |disk| disk.rename("boots", "boots"),
    |disk| disk.truncate("boots", 1_000),
    |disk| disk.truncate("nothing", 1),
    |disk| _ = disk.append("boots", Vec::clear),
    |_| panic!("it does not like this"),
];

/// All that is tried, in the order of the seeds that choose it.
fn wrongs() -> Vec<Wrong> {
    let answers = (0..ANSWERS.len()).map(Wrong::Says);
    let others = [
        Wrong::ToAnother,
        Wrong::ToClient(0),
        Wrong::ToClient(u64::MAX),
        Wrong::Unasked(0, 0),
        Wrong::Unasked(0, 1),
        Wrong::Unasked(1, 0),
        Wrong::Unasked(1, u64::MAX),
        Wrong::Unasked(u64::MAX, 1),
        Wrong::Twice,
        Wrong::Harmless,
        Wrong::Restless,
        Wrong::Floods,
    ];
    let disks = (0..DISKS.len()).map(Wrong::Disk);
    answers.chain(others).chain(disks).chain((0..24).map(Wrong::Nonsense)).collect()
}

/// The clerk, but for what it does wrong.
struct Bad {
    clerk: Clerk,
    wrong: Wrong,
}

impl Server for Bad {
    type Message = Hello;

    fn boot(host: &mut Host<'_, Hello>) -> Bad {
        let wrong = wrongs()[host.plan().seed as usize];
        match wrong {
            Wrong::Unasked(session, sequence) => {
                host.reply(
                    1,
                    Reply { id: RequestId { session, sequence }, response: ClientResponse::Unknown },
                );
            }
            Wrong::Harmless => {
                for to in [0, host.node(), 4, 99, u64::MAX] {
                    host.send(to, Hello(7));
                    assert!(host.directory_id_of(to) > 0 && host.initial_directory_id_of(to) > 0);
                }
                host.count_milestone("the moon");
                Trigger::ALL.into_iter().for_each(|moment| host.fire_trigger(moment));
                (0..3).for_each(|_| host.sync(0));
            }
            Wrong::Disk(asks) if host.node() == 2 && !host.disk().read("boots").is_empty() => {
                DISKS[asks](host.disk())
            }
            _ => {}
        }
        Bad { clerk: Clerk::boot(host), wrong }
    }

    fn step(&mut self, host: &mut Host<'_, Hello>, arrival: Arrival<Hello>) {
        match (self.wrong, &arrival) {
            (Wrong::Says(says), Arrival::Request { client, request }) if host.node() == 1 => {
                if let Some(answer) = ANSWERS[says].0(request.body) {
                    return host.reply(*client, Reply { id: request.id, response: answer });
                }
            }
            (Wrong::ToAnother, Arrival::Request { client, request }) => {
                host.reply(client % 3 + 1, Reply { id: request.id, response: ClientResponse::Busy });
            }
            (Wrong::ToClient(client), Arrival::Request { request, .. }) => {
                host.reply(client, Reply { id: request.id, response: ClientResponse::Busy });
            }
            (Wrong::Twice, Arrival::Request { client, request }) if host.node() != 1 => {
                host.reply(*client, Reply { id: request.id, response: ClientResponse::NotLeader(Some(1)) });
            }
            (Wrong::Restless, Arrival::Timer) => return,
            (Wrong::Floods, _) => (0..50_000).for_each(|_| host.send(2, Hello(1))),
            (Wrong::Nonsense(salt), Arrival::Timer) => {
                let round = host.now() / 1_000 + salt * 12_345;
                let facts = facts(round);
                let few = 1 + (round % facts.len() as u64) as usize;
                for fact in facts.into_iter().take(few) {
                    match round % 3 {
                        0 => host.disk().attach(fact),
                        _ => host.record_fact(fact),
                    }
                }
                host.sync(round);
            }
            _ => {}
        }
        self.clerk.step(host, arrival);
    }

    fn deadline(&self) -> Option<LocalTime> {
        if self.wrong == Wrong::Restless { Some(0) } else { self.clerk.deadline() }
    }

    fn is_heartbeat(_: &Hello) -> bool {
        true
    }
}

/// Three servers of which the first leads, and three clients.
fn busy() -> Plan {
    let mut plan = calm(3, SimDuration::millis(3_000));
    plan.clients.count = 3;
    plan.network.delay = SimDuration::millis(1);
    plan.bounds.events = 100_000;
    plan
}

/// Toys state too few facts for the properties of facts, and for the witness.
fn without(names: &[&str]) -> Options {
    let facts = PROPERTIES.iter().map(|property| property.name).chain([WITNESS, LINEARIZABILITY]);
    let without = facts.chain(names.iter().copied());
    Options {
        disabled: without.map(str::to_owned).collect(),
        history: true,
        trace: true,
        ..Options::default()
    }
}

fn failure(record: &RunRecord) -> &Failure {
    match &record.outcome.verdict {
        Verdict::Failed(failure) => failure,
        other => panic!("it should have failed: {other:?}"),
    }
}

/// The plan in which servers do what `is` picks, for each of these.
fn each(plan: &Plan, is: impl Fn(&Wrong) -> bool) -> Vec<(Wrong, Plan)> {
    let all = wrongs().into_iter().zip(0..).filter(|(wrong, _)| is(wrong));
    all.map(|(wrong, seed)| (wrong, Plan { seed, ..plan.clone() })).collect()
}

/// Runs it in both modes, and says what is wrong with it.
fn convicted(plan: &Plan) -> Failure {
    let fast = run_with::<Bad>(plan, &without(&[]));
    let strict = run_with::<Bad>(plan, &Options { strict: true, ..without(&[]) });
    assert_eq!(failure(&fast).property, failure(&strict).property);
    failure(&fast).clone()
}

#[test]
fn an_answer_of_the_wrong_kind_is_a_verdict() {
    for (place, (_, mut plan)) in
        each(&busy(), |wrong| matches!(wrong, Wrong::Says(_))).into_iter().enumerate()
    {
        let (_, came, possible) = ANSWERS[place];
        if possible == SESSION {
            plan.clients.session = SimDuration::millis(1_000);
        }
        let failure = convicted(&plan);
        let said = &failure.sentence;
        assert_eq!(failure.property, WRONG_ANSWER, "{said}");
        assert!(said.starts_with("n1 answers c") && said.contains(" on s"), "{said}");
        assert!(said.contains(came) && said.contains(&format!("what could have come {possible}")), "{said}");
        let [side] = &failure.evidence[..] else { panic!("{:?}", failure.evidence) };
        assert!(side.request.is_some() && side.at > 0, "{side:?}");
    }
}

#[test]
fn a_client_takes_no_notice_of_a_wrong_answer() {
    let mut plan = busy();
    plan.seed = 3;
    let record = run_with::<Bad>(&plan, &without(&[WRONG_ANSWER]));
    let appended = |call: &&invariants::Call| matches!(call.operation.action, Action::Append(_));
    let appends: Vec<_> = record.history.iter().filter(appended).collect();
    assert!(appends.len() > 10 && appends.iter().all(|call| call.returned.is_none()), "{appends:?}");
    assert!(!matches!(&record.outcome.verdict, Verdict::Failed(failure) if failure.property == WRONG_ANSWER));
}

#[test]
fn an_answer_that_nobody_waits_for_is_a_verdict() {
    let answers = |wrong: &Wrong| matches!(wrong, Wrong::ToAnother | Wrong::ToClient(_) | Wrong::Unasked(..));
    for (wrong, plan) in each(&busy(), answers) {
        let failure = convicted(&plan);
        assert_eq!(failure.property, WRONG_ANSWER, "{}", failure.sentence);
        let why = if matches!(wrong, Wrong::ToClient(_)) { "there is no such client" } else { "never asked" };
        assert!(failure.sentence.contains(why), "{}", failure.sentence);
    }
}

#[test]
fn what_reaches_nobody_is_no_fault() {
    for (_, plan) in each(&busy(), |wrong| matches!(wrong, Wrong::Twice | Wrong::Harmless)) {
        // Toys do not converge: they state too few facts for that.
        match run_with::<Bad>(&plan, &without(&[])).outcome.verdict {
            Verdict::Failed(failure) => assert_eq!(failure.property, LIVENESS, "{}", failure.sentence),
            Verdict::Passed | Verdict::Unknown(_) => {}
        }
    }
}

#[test]
fn what_never_rests_ends() {
    for (wrong, plan) in each(&busy(), |wrong| matches!(wrong, Wrong::Restless | Wrong::Floods)) {
        let failure = convicted(&plan);
        let why = if wrong == Wrong::Restless { "never rests" } else { "in flight" };
        assert!(failure.property == LIVENESS && failure.sentence.contains(why), "{}", failure.sentence);
    }
}

#[test]
fn a_panic_names_server_and_time_and_marks_its_line() {
    let mut plan = busy();
    let (node, lasts) = (Target::Node(2), SimDuration::millis(100));
    plan.faults = vec![fault(SimDuration::millis(1_000), FaultKind::Crash { node, lasts })];
    let plans = each(&plan, |wrong| matches!(wrong, Wrong::Disk(_)));
    for (_, plan) in &plans {
        let failure = convicted(plan);
        assert_eq!(failure.property, NO_PANIC, "{}", failure.sentence);
        assert!(
            failure.sentence.starts_with("n2 panics at 1.1s of simulated time: "),
            "{}",
            failure.sentence
        );
        let [side] = &failure.evidence[..] else { panic!("{:?}", failure.evidence) };
        assert_eq!((side.actor, side.at), (Actor::Server(2), 1_100_000_000));
        assert!(
            matches!(&side.kind, EvidenceKind::Text(words, None) if words.starts_with("panics: ")),
            "{side:?}"
        );
    }
    let (_, plan) = plans.last().unwrap();
    let record = run_with::<Bad>(plan, &Options { facts: true, ..without(&[]) });
    let page = run_page(plan, PlanSource::Seed, &record, None, &Options::default(), 100);
    let marked = |line: &&str| line.starts_with('!') && line.contains("panics: it does not like this");
    assert_eq!(page.lines().filter(marked).count(), 1, "{page}");
}

/// Is dropped with a bang.
struct Bang(Clerk);

impl Drop for Bang {
    fn drop(&mut self) {
        assert_eq!(self.0.deadline(), None, "it goes with a bang");
    }
}

impl Server for Bang {
    type Message = Hello;

    fn boot(host: &mut Host<'_, Hello>) -> Bang {
        Bang(Clerk::boot(host))
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
fn a_server_may_not_panic_where_it_is_dropped_either() {
    let mut plan = busy();
    let (node, lasts) = (Target::Node(3), SimDuration::millis(100));
    plan.faults = vec![fault(SimDuration::millis(500), FaultKind::Crash { node, lasts })];
    let record = run_with::<Bang>(&plan, &without(&[]));
    assert_eq!(failure(&record).property, NO_PANIC);
    assert!(failure(&record).sentence.starts_with("n3 panics at 500ms"), "{}", failure(&record).sentence);
}

#[test]
fn a_panic_of_the_harness_is_no_verdict_on_a_server() {
    let mut plan = busy();
    // The first to send is a client, and no plan that passes its check has such links.
    plan.nodes = 1;
    plan.network.delay = SimDuration(u64::MAX);
    assert!(plan.check().is_err());
    assert!(catch_unwind(|| run_with::<Clerk>(&plan, &without(&[]))).is_err());
}

fn facts(round: u64) -> Vec<Fact> {
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
    let facts = vec![
        Fact::Started { term, vote: Some(other), base: id, last, digest: state },
        Fact::TermChanged { term },
        Fact::Appended { index, term, entry },
        Fact::Truncated { after: index },
        Fact::Leads { term },
        Fact::SteppedDown { term },
        Fact::Committed { index },
        Fact::Applied { index, entry, state, request: Some(request), effect: true },
        Fact::Applied { index, entry, state, request: None, effect: false },
        Fact::Configured { index, configuration: configuration.clone() },
        Fact::Voted { term, candidate: other },
        Fact::Campaigned { term },
        Fact::Acknowledged { term, index },
        Fact::ReadServed { read: request, applied: index },
        Fact::Saved { term, vote: Some(other), after: Some(index) },
        Fact::SavedEntry { index, term, entry },
        Fact::SavedRecovered,
        Fact::SavedSnapshot { base: id, last },
        Fact::SnapshotTaken { last: id, state, configuration: configuration.clone() },
        Fact::SnapshotInstalled { last, configuration },
        Fact::Restored { index, state },
        Fact::Crashed,
        Fact::PowerLost,
        Fact::Restarted,
        Fact::Wiped,
        Fact::Quiet,
        Fact::WriteAcknowledged { index, write: request },
        Fact::ReadAsked { read: request },
    ];
    let from = (round as usize * 11) % facts.len();
    facts.iter().cycle().skip(from).take(facts.len()).cloned().collect()
}

#[test]
fn facts_that_cannot_be_break_a_property_and_nothing_else() {
    let mut plan = busy();
    plan.fault_phase = SimDuration::millis(300);
    let mut properties = BTreeSet::new();
    for (_, plan) in each(&plan, |wrong| matches!(wrong, Wrong::Nonsense(_))) {
        // All properties, those that are no properties of facts, and none.
        let all = Options { trace: true, facts: true, history: true, ..Options::default() };
        let none = Options { unchecked: true, ..Options::default() };
        for options in [all, without(&[WRONG_ANSWER]), none] {
            let record = run_with::<Bad>(&plan, &options);
            if let Verdict::Failed(failure) = &record.outcome.verdict {
                assert_ne!(failure.property, NO_PANIC, "{}", failure.sentence);
                properties.insert(failure.property.clone());
            }
            let _ = run_page(&plan, PlanSource::Seed, &record, None, &options, 100);
        }
    }
    assert!(properties.len() > 3, "{properties:?}");
}
