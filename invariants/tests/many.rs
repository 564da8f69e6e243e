//! The cost of a fact does not depend on the number of servers, terms, entries, keys or clients, and no number in
//! a fact is used as a size.

#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "a test measures time and memory")]

use invariants::linearizability::{
    Action, Budget, Call, Content, Operation, Response, Stream, Verdict, check,
};
use invariants::{Checker, Milestone};
use invariants::{
    Configuration, ConfirmedBy, Digest, Fact, LogId, Node, Observed, RejectionReason, RequestId,
    SessionOutcome, SessionUse,
};
use std::time::{Duration, Instant};

/// Facts of this many servers, of every kind that one server alone can record. Each leads a term; half step
/// down.
fn stream(nodes: Node) -> Vec<Observed> {
    let mut facts = Vec::new();
    let mut record = |node, fact| facts.push(Observed { at: 0, step: facts.len() as u64, node, fact });
    let started =
        |last: LogId, digest| Fact::Started { term: 0, vote: None, base: LogId::default(), last, digest };
    let nothing = || started(LogId::default(), Digest::EMPTY);
    let config =
        |node: Node| Configuration { voters: vec![node, node + 1, node + 2], ..Configuration::default() };
    for node in 1..=nodes {
        record(node, nothing());
        record(node, Fact::TermChanged { term: node });
        record(node, Fact::Leads { term: node });
        record(node, Fact::Appended { index: 1, term: node, entry: Digest(node) });
        record(node, Fact::Saved { term: node, vote: None, after: None });
        record(node, Fact::SavedEntry { index: 1, term: node, entry: Digest(node) });
        if node % 2 == 0 {
            record(node, Fact::SteppedDown { term: node });
        }
    }
    for node in 1..=nodes {
        record(node, Fact::Quiet);
    }
    for node in (1..=nodes).rev() {
        record(node, Fact::PowerLost);
        record(node, Fact::Wiped);
    }
    for node in 1..=nodes {
        record(node, nothing());
        record(node, Fact::Configured { index: 0, configuration: Box::new(config(1)) });
        record(node, Fact::Configured { index: node, configuration: Box::new(config(node)) });
        let read = RequestId { session: nodes - node, sequence: 1 };
        record(node, Fact::ReadArrived { read });
        record(node, Fact::Identified { identity: node });
        record(node, Fact::LeasePromised { length: 0 });
        record(node, Fact::ClockChanged { jump: 0, rate: 1_000_000 });
        record(node, Fact::Answered { term: node });
        record(node, Fact::ToldToCampaign { term: node, leader: None });
        record(node, Fact::Redirected { leader: node + 1 });
        record(node, Fact::CommandRejected { reason: RejectionReason::NotLeader, servers: vec![node] });
        record(node, Fact::Healed);
        record(node, Fact::Kept { requests: 0, promises: 0, parts: 0, followers: vec![] });
        record(node, Fact::SizeKept { before: node, after: node });
        record(node, Fact::EntriesSent { term: node, follower: 1, entries: 1, first: 1, identity: 0 });
        record(node, Fact::Counts { term: node, follower: node, identity: node, match_index: 0 });
        record(node, Fact::ReadConfirmed { read, term: 0, index: 0, by: ConfirmedBy::Lease });
        record(node, Fact::ReadServed { read, applied: 0 });
        record(node, Fact::ReadAsked { read });
    }
    facts
}

fn timed(facts: &[Observed]) -> Duration {
    let mut checker = Checker::new();
    let start = Instant::now();
    for fact in facts {
        checker.observe(fact).unwrap_or_else(|violation| panic!("{violation}"));
    }
    let elapsed = start.elapsed();
    assert!(checker.milestones().count(Milestone::TwoLeadersAtOnce) > 0);
    elapsed
}

#[test]
fn checking_time_is_linear_in_the_number_of_servers() {
    let (few, many) = (stream(2_000), stream(16_000));
    // The fastest round counts: it is disturbed least by other load.
    let ratio = || timed(&many).as_secs_f64() / timed(&few).as_secs_f64();
    let best = (0..20).map(|_| ratio()).find(|&ratio| ratio < 20.0);
    assert!(best.is_some(), "{} times as long", ratio());
}

/// Reads of an absent key, each by a session and of a key of its own.
fn reads(numbers: impl Iterator<Item = u64>) -> Vec<Call> {
    let read = |(called, number)| Call {
        id: RequestId { session: number, sequence: 1 },
        operation: Operation { key: number, action: Action::Get },
        called,
        returned: Some((called + 1, Response::Holds(Content::INITIAL))),
    };
    (0..).step_by(2).zip(numbers).map(read).collect()
}

/// A recorded history may number its keys and clients in any order.
#[test]
fn the_order_of_keys_and_sessions_does_not_matter_for_time() {
    let numbers = 1..=200_000;
    let (ascending, descending) = (reads(numbers.clone()), reads(numbers.rev()));
    let time = |history: &[Call]| {
        let start = Instant::now();
        let mut checker = Stream::new();
        for call in history {
            checker.record_call(call.id, call.operation);
            checker.record_response(call.id, &Response::Holds(Content::INITIAL)).unwrap();
        }
        assert_eq!(check(history, Budget::default()), Ok(Verdict::Linearizable));
        start.elapsed().as_secs_f64()
    };
    let ratio = || time(&descending) / time(&ascending);
    let best = (0..5).map(|_| ratio()).find(|&ratio| ratio < 5.0);
    assert!(best.is_some(), "{} times as long", ratio());
}

/// One server leads every term and appends one entry in each. Storing each leader's log in full would take
/// memory quadratic in the number of terms.
#[test]
fn a_log_of_many_terms_takes_less_than_quadratic_memory() {
    for commits in [true, false] {
        let mut checker =
            Checker::with_disabled(&["election-safety", "leader-completeness", "current-term-commit"])
                .unwrap();
        let (mut step, terms) = (0, 12_000);
        let mut record = |fact| {
            step += 1;
            checker
                .observe(&Observed { at: 0, step, node: 1, fact })
                .unwrap_or_else(|violation| panic!("{violation}"));
        };
        record(Fact::Started {
            term: 0,
            vote: None,
            base: LogId::default(),
            last: LogId::default(),
            digest: Digest::EMPTY,
        });
        for term in 1..=terms {
            record(Fact::TermChanged { term });
            record(Fact::Leads { term });
            record(Fact::Appended { index: term, term, entry: Digest(term) });
            if commits {
                record(Fact::Committed { index: term });
            }
        }
        assert!(peak_memory() < 700 << 20, "{} bytes", peak_memory());
    }
}

/// The peak memory of this process in bytes; 0 if the system does not report it.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse().ok())
        .map_or(0, |kilobytes: u64| kilobytes << 10)
}

/// Numbers in facts are identifiers, not sizes.
#[test]
fn a_huge_number_allocates_no_memory() {
    let huge = [1 << 20, 3 << 20, u64::MAX / 2, u64::MAX - 1, u64::MAX];
    let mut facts = Vec::new();
    for number in huge.into_iter().chain((0..200).map(|step| step << 20)) {
        let id = LogId { index: number, term: number };
        let config = || Box::new(Configuration { voters: vec![number], ..Configuration::default() });
        let request = RequestId { session: number, sequence: number };
        facts.extend([
            Fact::Started { term: number, vote: Some(number), base: id, last: id, digest: Digest(number) },
            Fact::TermChanged { term: number },
            Fact::Leads { term: number },
            Fact::Appended { index: number, term: number, entry: Digest(number) },
            Fact::Truncated { after: number },
            Fact::Committed { index: number },
            Fact::Applied {
                index: number,
                entry: Digest(1),
                state: Digest(1),
                request: Some(request),
                effect: true,
                session: Some(SessionUse { outcome: SessionOutcome::Fresh, log_time: number, mark: number }),
            },
            Fact::Configured { index: number, configuration: config() },
            Fact::SnapshotTaken { last: id, state: Digest(1), configuration: config() },
            Fact::SnapshotInstalled { last: id, configuration: config() },
            Fact::Restored { index: number, state: Digest(1) },
            Fact::Voted { term: number, candidate: number },
            Fact::Campaigned { term: number },
            Fact::Acknowledged { term: number, index: number },
            Fact::ReadArrived { read: request },
            Fact::Answered { term: number },
            Fact::Identified { identity: number },
            Fact::LeasePromised { length: number },
            Fact::ClockChanged { jump: number, rate: number },
            Fact::ToldToCampaign { term: number, leader: Some(number) },
            Fact::CampaignedByOrder { term: number },
            Fact::Redirected { leader: number },
            Fact::CommandRejected { reason: RejectionReason::NotCaughtUp, servers: vec![number] },
            Fact::Healed,
            Fact::Kept { requests: 0, promises: 0, parts: 0, followers: vec![number] },
            Fact::SizeKept { before: number, after: number },
            Fact::EntriesSent {
                term: number,
                follower: number,
                entries: number,
                first: number,
                identity: number,
            },
            Fact::ChunkSent { term: number, follower: number, last: id, bytes: number, size: number },
            Fact::Counts { term: number, follower: number, identity: number, match_index: number },
            Fact::ReadConfirmed { read: request, term: number, index: number, by: ConfirmedBy::Round },
            Fact::ReadServed { read: request, applied: number },
            Fact::Saved { term: number, vote: Some(number), after: Some(number) },
            Fact::SavedEntry { index: number, term: number, entry: Digest(1) },
            Fact::SavedSnapshot { base: id, last: id },
            Fact::SavedRecovered,
            Fact::Wiped,
            Fact::WriteAcknowledged { index: number, write: request },
            Fact::ReadAsked { read: request },
        ]);
    }
    // By one server and by many, each fact alone and all in sequence. The verdicts do not matter here.
    let mut all = Checker::new();
    for (step, fact) in (0..).zip(facts) {
        for node in [1, step, u64::MAX - step] {
            let observed = Observed { at: 0, step, node, fact: fact.clone() };
            let _ = all.observe(&observed);
            let _ = Checker::new().observe(&observed);
        }
    }
    assert!(peak_memory() < 700 << 20, "{} bytes", peak_memory());
}
