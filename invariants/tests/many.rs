//! What a fact costs does not depend on how many servers, terms or entries there are, and no number in a fact is taken for
//! a size.

use invariants::fact::{Configuration, Digest, Fact, LogId, Node, Observed, RequestId};
use invariants::{Checker, Milestone};
use std::time::{Duration, Instant};

/// Facts of so many servers, of every kind that a lone server may state. Each of them leads a term, and not all step down.
fn stream(nodes: Node) -> Vec<Observed> {
    let mut facts = Vec::new();
    let mut says = |node, fact| facts.push(Observed { at: 0, step: facts.len() as u64, node, fact });
    let started = |last: LogId, digest| Fact::Started { term: 0, vote: None, base: LogId::default(), last, digest };
    let nothing = || started(LogId::default(), Digest::EMPTY);
    let group = |node: Node| Configuration { voters: vec![node, node + 1, node + 2], ..Configuration::default() };
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
