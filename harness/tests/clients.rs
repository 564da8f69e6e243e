//! What clients write into their history.

mod common;

use common::{Clerk, Hello, calm, rough, told};
use harness::outcome::{
    Evidence, EvidenceKind, LINEARIZABILITY, Options, RunRecord, Verdict, WITNESS, WRONG_ANSWER,
};
use harness::plan::{Plan, Probability, SimDuration};
use harness::run::run_with;
use harness::server::{Arrival, Host, LocalTime, Server};
use harness::workload::{ClientResponse, Reply, Request, RequestBody};
use invariants::{Action, Call, Content, PROPERTIES, RequestId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

fn histories() -> impl Iterator<Item = (u64, Vec<Call>)> {
    (0..20).map(|seed| {
        let mut plan = rough(seed);
        plan.network.loss = Probability(50_000);
        (seed, told::<Clerk>(&plan).history)
    })
}

#[test]
fn sessions_and_numbers_are_dense_and_unique() {
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
fn whatever_is_written_is_written_once() {
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
        assert_eq!(once.last().copied(), Some(numbers.len() as u64), "seed {seed}: the numbers are dense");
    }
}

#[test]
fn an_unknown_outcome_retires_its_session() {
    let mut retired = 0;
    for (seed, history) in histories() {
        let plan = rough(seed);
        let patience = plan.clients.timeout.0 * plan.clients.attempts;
        for (place, lost) in history.iter().enumerate().filter(|(_, call)| call.returned.is_none()) {
            let later = &history[place..];
            let same =
                |call: &&Call| call.id.session == lost.id.session && call.called > lost.called + patience;
            assert_eq!(later.iter().find(same), None, "seed {seed}: {lost:?}");
            retired += 1;
        }
    }
    assert!(retired > 20, "only {retired} operations were given up");
}

#[test]
fn lists_stay_short_and_keys_keep_their_kind() {
    let mut plan = rough(1);
    plan.fault_phase = SimDuration::millis(60_000);
    let history = told::<Clerk>(&plan).history;
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
    assert!(appended.len() > 6, "after thirty elements another list is begun: {appended:?}");
    assert!(registers.is_disjoint(&lists));
}

#[test]
fn a_compare_and_set_often_matches() {
    let mut plan = rough(1);
    plan.faults.clear();
    plan.fault_phase = SimDuration::millis(60_000);
    let history = told::<Clerk>(&plan).history;
    let attempts = history.iter().filter(|call| {
        matches!(call.operation.action, Action::CompareAndSet { expect, .. } if expect != Content::INITIAL)
    });
    let matched = |call: &&Call| {
        call.returned.as_ref().is_some_and(|(_, response)| *response == invariants::Response::Done)
    };
    let (all, matched) = (attempts.clone().count(), attempts.filter(matched).count());
    assert!(all > 50 && matched * 10 > all && matched < all, "{matched} of {all} matched");
}

/// What a server does that is not always honest.
trait Manner: Send + 'static {
    /// What it says to the `number`th request instead of what the clerk would say; and whether the clerk hears of it.
    fn says(number: u64, request: Request) -> Option<(ClientResponse, bool)>;
}

/// A clerk with manners of its own.
struct Odd<M> {
    clerk: Clerk,
    requests: u64,
    /// Which of those that it does not answer itself the clerk has heard: each one once.
    heard: BTreeSet<RequestId>,
    manner: std::marker::PhantomData<M>,
}

impl<M: Manner> Server for Odd<M> {
    type Message = Hello;

    fn boot(host: &mut Host<'_, Hello>) -> Odd<M> {
        Odd {
            clerk: Clerk::boot(host),
            requests: 0,
            heard: BTreeSet::new(),
            manner: std::marker::PhantomData,
        }
    }

    fn step(&mut self, host: &mut Host<'_, Hello>, arrival: Arrival<Hello>) {
        if let Arrival::Request { client, request } = arrival
            && host.node() == 1
        {
            self.requests += 1;
            let Some((answer, heard)) = M::says(self.requests, request) else {
                return self.clerk.step(host, arrival);
            };
            if heard && self.heard.insert(request.id) {
                self.clerk.step(host, Arrival::Request { client: PROBING, request });
            }
            return host.reply(client, Reply { id: request.id, response: answer });
        }
        self.clerk.step(host, arrival);
    }

    fn deadline(&self) -> Option<LocalTime> {
        self.clerk.deadline()
    }

    fn is_heartbeat(message: &Hello) -> bool {
        Clerk::is_heartbeat(message)
    }
}

/// The client that only probes. The clerk's own answers go to it, and mean something only where it asked.
const PROBING: u64 = 4;

/// A plan without faults, in which three clients ask for ten seconds.
fn busy() -> Plan {
    let mut plan = calm(3, SimDuration::millis(10_000));
    plan.clients.count = 3;
    plan.network.delay = SimDuration::millis(1);
    plan
}

/// No property of facts, which toys state too few of; and the clerk's own answers go to a client that never asked.
fn without(names: &[&str]) -> Options {
    let without =
        PROPERTIES.iter().map(|property| property.name).chain(names.iter().copied()).chain([WRONG_ANSWER]);
    Options { disabled: without.map(str::to_owned).collect(), ..Options::default() }
}

fn judged<S: Server>(plan: &Plan, names: &[&str]) -> RunRecord {
    run_with::<S>(plan, &Options { history: true, trace: true, ..without(names) })
}

#[test]
fn where_sessions_end_they_are_registered_first() {
    for seed in 0..10 {
        let mut plan = rough(seed);
        plan.clients.session = SimDuration::millis(1_000);
        let record = told::<Clerk>(&plan);
        let given = |line: &harness::outcome::TraceLine| {
            let (_, session) = line.text.split_once(" session ")?;
            Some((line.at, session.parse::<u64>().unwrap()))
        };
        let given: Vec<(u64, u64)> = record.trace.iter().filter_map(given).collect();
        let mut sessions: BTreeMap<u64, u64> = BTreeMap::new();
        for call in &record.history {
            let known = given.iter().any(|(at, session)| *session == call.id.session && *at <= call.called);
            assert!(known, "seed {seed}: {call:?} is in a session that was not given");
            let sequence = sessions.entry(call.id.session).or_default();
            *sequence += 1;
            assert_eq!(call.id.sequence, *sequence, "seed {seed}");
        }
        assert!(sessions.len() >= 3 && record.history.len() > 50, "seed {seed}: {sessions:?}");
    }
}

/// Ends a session with every tenth request.
struct Forgetful;

impl Manner for Forgetful {
    fn says(number: u64, request: Request) -> Option<(ClientResponse, bool)> {
        (number.is_multiple_of(10) && request.body != RequestBody::RegisterSession)
            .then_some((ClientResponse::SessionExpired, false))
    }
}

#[test]
fn whose_session_has_ended_goes_on_in_another() {
    let mut plan = busy();
    plan.clients.session = SimDuration::millis(1_000);
    let record = told::<Odd<Forgetful>>(&plan);
    assert_eq!(record.outcome.verdict, Verdict::Passed, "the probing client must get through, too");
    let unknown: Vec<&Call> = record.history.iter().filter(|call| call.returned.is_none()).collect();
    let sessions: BTreeSet<u64> = record.history.iter().map(|call| call.id.session).collect();
    assert!(unknown.len() > 30 && sessions.len() > 30, "{} of {}", unknown.len(), sessions.len());
    for lost in unknown {
        let way_there_and_back = SimDuration::millis(20).0;
        let later = |call: &&Call| {
            call.id.session == lost.id.session && call.called > lost.called + way_there_and_back
        };
        assert_eq!(record.history.iter().find(later), None, "{lost:?}");
    }
}

/// Gives everybody the same session.
struct Generous;

impl Manner for Generous {
    fn says(_: u64, request: Request) -> Option<(ClientResponse, bool)> {
        (request.body == RequestBody::RegisterSession)
            .then_some((ClientResponse::SessionRegistered { session: 7 }, false))
    }
}

#[test]
fn a_session_that_is_given_twice_is_noticed_and_never_used() {
    let mut plan = busy();
    plan.clients.session = SimDuration::millis(1_000);
    let Verdict::Failed(failure) = judged::<Odd<Generous>>(&plan, &[]).outcome.verdict else { panic!() };
    assert_eq!(failure.property, WITNESS);
    assert!(failure.sentence.contains("session 7 was given to c"), "{}", failure.sentence);
    let given = |side: &Evidence| side.kind == EvidenceKind::Text("is given session 7".into(), None);
    assert!(failure.evidence.len() == 2 && failure.evidence.iter().all(given), "{:?}", failure.evidence);
    let record = told::<Odd<Generous>>(&plan);
    let ids: BTreeSet<_> = record.history.iter().map(|call| call.id).collect();
    assert_eq!(ids.len(), record.history.len());
}

#[test]
fn who_asks_anywhere_moves_nothing_else() {
    let plan = rough(1);
    let asked_elsewhere = |record: &RunRecord| {
        let asks = |text: &str| text.starts_with('c') && !text.contains("-> n1 ");
        record.trace.iter().filter(|line| asks(&line.text)).count()
    };
    let still = told::<Clerk>(&plan);
    let mut hardly = plan.clone();
    hardly.clients.random_target = Probability(1);
    assert_eq!(told::<Clerk>(&hardly).outcome, still.outcome, "that it might does not move a thing");
    let mut often = plan;
    often.clients.random_target = Probability(900_000);
    let often = told::<Clerk>(&often);
    let (often, seldom) = (asked_elsewhere(&often), asked_elsewhere(&still));
    assert!(often > 2 * seldom, "{often} and {seldom} requests went elsewhere");
}

/// Refuses whatever would change something.
struct Lazy;

impl Manner for Lazy {
    fn says(_: u64, request: Request) -> Option<(ClientResponse, bool)> {
        request.read_operation().is_none().then_some((ClientResponse::Busy, false))
    }
}

/// Says that it refuses, and does it all the same.
struct Liar;

impl Manner for Liar {
    fn says(number: u64, request: Request) -> Option<(ClientResponse, bool)> {
        Lazy::says(number, request).map(|(answer, _)| (answer, true))
    }
}

/// Does it, and says that it cannot tell.
struct Vague;

impl Manner for Vague {
    fn says(number: u64, request: Request) -> Option<(ClientResponse, bool)> {
        Liar::says(number, request).map(|(_, heard)| (ClientResponse::Unknown, heard))
    }
}

#[test]
fn what_every_attempt_was_refused_of_is_in_no_history() {
    let writes = |record: &RunRecord| {
        let asked = |call: &&Call| !call.operation.action.is_read();
        record.history.iter().filter(asked).count()
    };
    let honest = told::<Odd<Lazy>>(&busy());
    let (called, kept) = (honest.outcome.counts.operations as usize, honest.history.len());
    assert!(called - kept > 50, "{called} were called and {kept} are left");
    assert!(writes(&honest) < 30, "what is open at the end, or was asked just now: {}", writes(&honest));
    assert!(writes(&told::<Odd<Vague>>(&busy())) > 50, "what may have happened stays");
    let mut lossy = busy();
    lossy.network.loss = Probability(200_000);
    let unsure = told::<Odd<Lazy>>(&lossy);
    assert!(writes(&unsure) > writes(&honest) + 20, "what was not heard of may have happened");
}

#[test]
fn a_refusal_that_was_a_lie_is_a_value_that_nobody_wrote() {
    let Verdict::Failed(failure) = judged::<Odd<Liar>>(&busy(), &[WITNESS]).outcome.verdict else { panic!() };
    assert_eq!(failure.property, LINEARIZABILITY);
    let sides = &failure.evidence;
    // What was seen, and who had said that it would not be written.
    let lied =
        |side: &Evidence| matches!(&side.kind, EvidenceKind::Text(words, _) if words.starts_with("refuses "));
    assert!(
        sides.len() >= 2 && sides.iter().filter(|side| lied(side)).count() == sides.len() - 1,
        "{sides:?}"
    );
    assert_eq!(
        judged::<Odd<Vague>>(&busy(), &[WITNESS]).outcome.verdict,
        Verdict::Passed,
        "it said nothing wrong"
    );
}

/// Lies in its first run, and is as good as gold when that is repeated.
struct Moody;

static RUNS: AtomicU64 = AtomicU64::new(0);

impl Manner for Moody {
    fn says(number: u64, request: Request) -> Option<(ClientResponse, bool)> {
        let runs = RUNS.fetch_add(u64::from(number == 1), Ordering::Relaxed) + u64::from(number == 1);
        if runs == 1 { Liar::says(number, request) } else { None }
    }
}

#[test]
fn what_clients_saw_is_judged_though_nobody_keeps_it() {
    let record = run_with::<Odd<Liar>>(&busy(), &without(&[WITNESS]));
    assert_eq!(record.history, []);
    assert_eq!(record.outcome, judged::<Odd<Liar>>(&busy(), &[WITNESS]).outcome);
    // To explain it the run is repeated: what was found stands even where it is another one.
    let found = run_with::<Odd<Moody>>(&busy(), &without(&[WITNESS])).outcome.verdict;
    let Verdict::Failed(failure) = found else { panic!("what was found is lost") };
    assert_eq!(failure.property, LINEARIZABILITY);
    assert_eq!(RUNS.load(Ordering::Relaxed), 2, "it was repeated");
}
