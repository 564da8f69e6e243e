//! What a fact costs does not depend on how many servers, terms or entries there are, and no number in a fact is taken for
//! a size.

use invariants::fact::{Configuration, Digest, Fact, LogId, Node, Observed, RequestId};
use invariants::{Checker, Milestone};
use std::time::{Duration, Instant};

/// Facts of so many servers, of every kind that a lone server may state. Each of them leads a term, and not all step down.
fn stream(nodes: Node) -> Vec<Observed> {
    let mut facts = Vec::new();
    let mut says = |node, fact| facts.push(Observed { at: 0, step: facts.len() as u64, node, fact });
    let started =
        |last: LogId, digest| Fact::Started { term: 0, vote: None, base: LogId::default(), last, digest };
    let nothing = || started(LogId::default(), Digest::EMPTY);
    let group =
        |node: Node| Configuration { voters: vec![node, node + 1, node + 2], ..Configuration::default() };
    for node in 1..=nodes {
        says(node, nothing());
        says(node, Fact::TermChanged { term: node });
        says(node, Fact::Leads { term: node });
        says(node, Fact::Appended { index: 1, term: node, entry: Digest(node) });
        says(node, Fact::Saved { term: node, vote: None, after: None });
        says(node, Fact::SavedEntry { index: 1, term: node, entry: Digest(node) });
        if node % 2 == 0 {
            says(node, Fact::SteppedDown { term: node });
        }
    }
    for node in 1..=nodes {
        says(node, Fact::Quiet);
    }
    for node in (1..=nodes).rev() {
        says(node, Fact::PowerLost);
        says(node, Fact::Wiped);
    }
    for node in 1..=nodes {
        says(node, nothing());
        says(node, Fact::Configured { index: 0, configuration: Box::new(group(1)) });
        says(node, Fact::Configured { index: node, configuration: Box::new(group(node)) });
        says(node, Fact::ReadServed { read: RequestId { session: nodes - node, sequence: 1 }, applied: 0 });
        says(node, Fact::ReadAsked { read: RequestId { session: nodes - node, sequence: 1 } });
    }
    facts
}

#[allow(clippy::disallowed_methods)]
fn timed(facts: &[Observed]) -> Duration {
    let mut checker = Checker::new();
    let start = Instant::now();
    for fact in facts {
        checker.observe(fact).unwrap_or_else(|violation| panic!("{violation}"));
    }
    let took = start.elapsed();
    assert!(checker.milestones().count(Milestone::TwoLeadersAtOnce) > 0);
    took
}

#[test]
fn eight_times_as_many_servers_take_about_eight_times_as_long() {
    let (few, many) = (stream(2_000), stream(16_000));
    // The quickest round counts: other work on the machine disturbs that least.
    let ratio = || timed(&many).as_secs_f64() / timed(&few).as_secs_f64();
    let best = (0..20).map(|_| ratio()).find(|&ratio| ratio < 20.0);
    assert!(best.is_some(), "{} times as long", ratio());
}

/// Each leads a term, writes one entry, and commits it or not: the logs of all leaders have as many runs as the square.
#[test]
fn a_log_of_many_terms_takes_no_memory_of_its_square() {
    for commits in [true, false] {
        let mut checker =
            Checker::with_disabled(&["election-safety", "leader-completeness", "current-term-commit"]).unwrap();
        let (mut step, terms) = (0, 12_000);
        let mut says = |fact| {
            step += 1;
            checker
                .observe(&Observed { at: 0, step, node: 1, fact })
                .unwrap_or_else(|violation| panic!("{violation}"));
        };
        says(Fact::Started {
            term: 0,
            vote: None,
            base: LogId::default(),
            last: LogId::default(),
            digest: Digest::EMPTY,
        });
        for term in 1..=terms {
            says(Fact::TermChanged { term });
            says(Fact::Leads { term });
            says(Fact::Appended { index: term, term, entry: Digest(term) });
            if commits {
                says(Fact::Committed { index: term });
            }
        }
        assert!(resident() < 700 << 20, "{} bytes", resident());
    }
}

/// The most bytes that this process ever had in memory. 0 where the system does not tell.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse().ok())
        .map_or(0, |kilobytes: u64| kilobytes << 10)
}

/// Numbers in facts name things; none is a size.
#[test]
fn a_hostile_number_takes_no_memory() {
    let huge = [1 << 20, 3 << 20, u64::MAX / 2, u64::MAX - 1, u64::MAX];
    let mut facts = Vec::new();
    for number in huge.into_iter().chain((0..200).map(|step| step << 20)) {
        let id = LogId { index: number, term: number };
        let group = || Box::new(Configuration { voters: vec![number], ..Configuration::default() });
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
            },
            Fact::Configured { index: number, configuration: group() },
            Fact::SnapshotTaken { last: id, state: Digest(1), configuration: group() },
            Fact::SnapshotInstalled { last: id, configuration: group() },
            Fact::Restored { index: number, state: Digest(1) },
            Fact::Voted { term: number, candidate: number },
            Fact::Campaigned { term: number },
            Fact::Acknowledged { term: number, index: number },
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
    // By one server and by many, each fact alone and all in a row: what is said of them does not matter here.
    let mut all = Checker::new();
    for (step, fact) in (0..).zip(facts) {
        for node in [1, step, u64::MAX - step] {
            let observed = Observed { at: 0, step, node, fact: fact.clone() };
            let _ = all.observe(&observed);
            let _ = Checker::new().observe(&observed);
        }
    }
    assert!(resident() < 700 << 20, "{} bytes", resident());
}
