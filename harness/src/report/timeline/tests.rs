use super::formatter::Detail;
use super::{MAX_ROWS, Timeline, build_timeline, timeline};
use crate::outcome::{
    Actor, Counts, Evidence, EvidenceKind, Exercised, Failure, FailureCause, Outcome, RunRecord, TraceEvent,
    TraceLine, Verdict, WITNESS,
};
use invariants::{Configuration, Conflict, Digest, Fact, Index, Node, Observed, RequestId, Term, Violation};

const NODES: u64 = 3;
const WIDTH: usize = 100;

fn appended(index: Index, term: Term) -> Fact {
    Fact::Appended { index, term, entry: Digest::EMPTY }
}

fn voted(term: Term, candidate: Node) -> Fact {
    Fact::Voted { term, candidate }
}

fn campaigned(term: Term) -> Fact {
    Fact::Campaigned { term }
}

/// A run with one event per fact, each caused by the one before, that ends in `failure`.
fn record(facts: &[(Node, Fact)], failure: impl Fn(&[Observed]) -> Failure) -> RunRecord {
    let observed = facts.iter().zip(1..).map(|((node, fact), step)| {
        let fact = fact.clone();
        Observed { at: step * 1_000_000, step, node: *node, fact }
    });
    let facts: Vec<Observed> = observed.collect();
    let line = |fact: &Observed| {
        let (at, step, cause) = (fact.at, fact.step, fact.step - 1);
        TraceLine { at, step, cause, node: fact.node, event: TraceEvent::Timer }
    };
    let outcome = Outcome {
        verdict: Verdict::Failed(Box::new(failure(&facts))),
        counts: Counts::default(),
        checks: vec![],
        milestones: vec![],
        faults: vec![],
        exercised: Exercised::default(),
        digest: Digest(0),
    };
    RunRecord { trace: facts.iter().map(line).collect(), facts, ..outcome.into() }
}

/// The grouped timeline of a clash between the facts at two positions.
fn grouped_timeline(facts: &[(Node, Fact)], first: usize, second: usize) -> Timeline {
    let record = clashing(facts, first, second);
    let Verdict::Failed(failure) = &record.outcome.verdict else { unreachable!("the toast fell") };
    build_timeline(NODES, &record, failure, WIDTH, Detail::Grouped)
}

fn clashing(facts: &[(Node, Fact)], first: usize, second: usize) -> RunRecord {
    let clash = |facts: &[Observed]| {
        let violation = Violation {
            property: "toast",
            conflict: Conflict::TwoLeaders { node: 2, term: 1, leader: 1 },
            first: Some(facts[first].clone()),
            second: facts[second].clone(),
        };
        Failure::new("toast", FailureCause::Facts(Box::new(violation)))
    };
    record(facts, clash)
}

/// The text of each row, with its clash mark and its number of folded events.
fn row_texts(timeline_of_clash: &Timeline) -> Vec<String> {
    // A column is as wide as `[f]`; the header lacks the last column's trailing space.
    let from = timeline_of_clash.header.len() + 3;
    let row = |row: &String| {
        let (mark, folded) = (&row[..1], row[14..21].trim());
        format!("{mark}{folded} {}", row.get(from..).unwrap_or_default()).trim().to_owned()
    };
    timeline_of_clash.rows.iter().map(row).collect()
}

#[test]
fn appends_on_all_servers_share_a_row() {
    let facts: Vec<(Node, Fact)> = [(2, campaigned(1)), (2, Fact::Leads { term: 1 })]
        .into_iter()
        .chain((1..=5).flat_map(|index| [2, 1, 3].map(|node| (node, appended(index, 1)))))
        .chain([(2, appended(6, 1)), (1, appended(6, 1)), (2, Fact::Leads { term: 1 })])
        .collect();
    let timeline_of_clash = grouped_timeline(&facts, 1, facts.len() - 1);
    assert_eq!(
        row_texts(&timeline_of_clash),
        [
            "campaigns in term 1",
            "! leads term 1",
            "+16 n1, n2 append 1@1..6@1; n3 up to 5@1",
            "! leads term 1"
        ]
    );
    assert_eq!((timeline_of_clash.shown_events, timeline_of_clash.folded), (20, 0));
    assert!(
        timeline_of_clash.rows[2].contains("0.019000"),
        "a group has the time of its last event: {}",
        timeline_of_clash.rows[2]
    );
}

#[test]
fn appends_are_grouped_only_beyond_the_row_limit() {
    let rows = |entries: u64| {
        let copies = (1..=entries).flat_map(|index| [1, 2, 3].map(|node| (node, appended(index, 1))));
        let facts: Vec<(Node, Fact)> = copies.chain([(1, Fact::Leads { term: 1 })]).collect();
        let record = clashing(&facts, facts.len() - 1, facts.len() - 1);
        row_texts(&timeline(NODES, &record, WIDTH).unwrap())
    };
    assert_eq!(
        rows(2),
        ["appends 1@1", "+1 n2, n3 append 1@1", "appends 2@1", "+1 n2, n3 append 2@1", "! leads term 1"]
    );
    assert_eq!(rows(19).len(), MAX_ROWS - 1);
    assert_eq!(rows(20), ["+59 all append 1@1..20@1", "! leads term 1"]);
}

#[test]
fn entries_of_different_terms_are_not_merged() {
    let facts = [
        (1, Fact::Leads { term: 1 }),
        (1, appended(1, 1)),
        (2, appended(1, 1)),
        // An entry that only this server has, and the new leader's entry at the same index.
        (1, appended(2, 1)),
        (2, appended(2, 2)),
        (3, Fact::Leads { term: 2 }),
    ];
    let timeline_of_clash = grouped_timeline(&facts, 0, 5);
    assert_eq!(row_texts(&timeline_of_clash)[1], "+3 n1 appends 1@1..2@1; n2 appends 1@1, 2@2");
}

#[test]
fn clash_fault_and_truncation_keep_their_own_rows() {
    let facts = [
        (1, appended(1, 1)),
        (1, appended(2, 1)),
        (1, appended(3, 1)),
        (1, Fact::Truncated { after: 2 }),
        (1, appended(3, 2)),
        (1, Fact::Crashed),
        (1, appended(4, 2)),
        (1, appended(5, 2)),
    ];
    let timeline_of_clash = grouped_timeline(&facts, 1, 7);
    let rows = row_texts(&timeline_of_clash);
    assert_eq!(rows.len(), 7, "{rows:?}");
    assert_eq!(
        rows[..2],
        ["!+1 appends 2@1", "appends 3@1"],
        "entries below the lowest index of the clash are folded away"
    );
    assert_eq!(rows[6], "! appends 5@2");
}

#[test]
fn votes_for_one_candidate_share_a_row() {
    let facts = [
        (3, campaigned(1)),
        (1, voted(1, 3)),
        (2, voted(1, 3)),
        (3, Fact::Leads { term: 1 }),
        (1, voted(2, 2)),
        (3, voted(2, 2)),
        (2, Fact::Leads { term: 2 }),
    ];
    let rows = row_texts(&grouped_timeline(&facts, 3, 6));
    assert_eq!(rows[1], "+1 n1, n2 vote for n3 in term 1");
    // The clash involves this vote: it keeps its own row.
    let rows = row_texts(&grouped_timeline(&facts, 2, 6));
    assert_eq!(rows[1..3], ["votes for n3 in term 1", "! votes for n3 in term 1"]);
}

#[test]
fn failed_elections_share_a_row_except_in_terms_of_the_clash() {
    let facts = [
        (1, campaigned(1)),
        (1, campaigned(2)),
        (2, voted(2, 1)),
        (3, campaigned(3)),
        (1, campaigned(3)),
        (1, campaigned(4)),
        (2, voted(4, 1)),
        (1, Fact::Leads { term: 4 }),
        (3, Fact::Leads { term: 5 }),
    ];
    assert_eq!(
        row_texts(&grouped_timeline(&facts, 7, 8)),
        [
            "+4 failed elections: n1 campaigns in terms 1..3 (votes: n2); n3 in",
            "term 3",
            "campaigns in term 4",
            "votes for n1 in term 4",
            "! leads term 4",
            "! leads term 5"
        ]
    );
    let rows = row_texts(&grouped_timeline(&facts, 2, 7));
    assert_eq!(rows[..3], ["campaigns in term 1", "campaigns in term 2", "! votes for n1 in term 2"]);
}

#[test]
fn new_configuration_starts_a_row() {
    let configured = |voters: &[Node]| {
        let configuration = Box::new(Configuration { voters: voters.to_vec(), ..Configuration::default() });
        Fact::Configured { index: 2, configuration }
    };
    let facts = [
        (1, appended(1, 1)),
        (2, appended(1, 1)),
        (1, configured(&[1, 2])),
        (2, configured(&[1, 2])),
        (2, configured(&[1])),
        (1, Fact::Leads { term: 1 }),
    ];
    let rows = row_texts(&grouped_timeline(&facts, 5, 5));
    assert_eq!(
        rows[..3],
        ["+1 n1, n2 append 1@1", "+1 configuration {n1, n2} at 2", "configuration {n1} at 2"]
    );
}

#[test]
fn repeated_and_unrelated_acknowledgements_are_folded_away() {
    let acknowledged = |index| Fact::Acknowledged { term: 1, index };
    let facts = [
        (1, appended(1, 1)),
        (1, acknowledged(1)),
        (1, acknowledged(1)),
        (2, acknowledged(1)),
        (3, Fact::Leads { term: 1 }),
        (1, Fact::Truncated { after: 0 }),
        (1, acknowledged(1)),
        (1, acknowledged(1)),
    ];
    let rows = row_texts(&grouped_timeline(&facts, 4, 7));
    assert_eq!(
        rows,
        [
            "+1 appends 1@1; acknowledges all up to 1@1",
            "!+2 leads term 1",
            "truncates its log after 0@0",
            "acknowledges 1 to the leader of term 1",
            "! acknowledges 1 to the leader of term 1"
        ]
    );
}

#[test]
fn commits_share_a_row_except_those_of_the_clash() {
    let committed = |index| Fact::Committed { index };
    let facts = [
        (2, Fact::Leads { term: 1 }),
        (2, appended(1, 1)),
        (1, appended(1, 1)),
        (2, committed(1)),
        (2, appended(2, 1)),
        (1, committed(1)),
        (2, committed(2)),
        (1, appended(2, 1)),
        (1, committed(2)),
        (1, committed(1)),
    ];
    let timeline_of_clash = grouped_timeline(&facts, 8, 9);
    let shared = "+6 n1, n2 append 1@1..2@1; n1 commits all up to 1@1; n2 commits all up";
    assert_eq!(row_texts(&timeline_of_clash)[1..], [shared, "to 2@1", "! commits 2@1", "! commits 1@1"]);
    // A short timeline has a row for each.
    let short = super::timeline(NODES, &clashing(&facts, 8, 9), WIDTH).expect("the toast fell");
    assert!(row_texts(&short).iter().any(|row| row == "commits 2@1"), "{:#?}", row_texts(&short));
}

#[test]
fn only_operations_of_the_clash_are_shown() {
    let id = |sequence| RequestId { session: 1, sequence };
    let facts = [
        (1, Fact::ReadServed { read: id(1), applied: 3 }),
        (7, Fact::WriteAcknowledged { index: 4, write: id(2) }),
        (7, Fact::WriteAcknowledged { index: 5, write: id(3) }),
        (1, Fact::ReadServed { read: id(4), applied: 4 }),
    ];
    let rows = row_texts(&grouped_timeline(&facts, 2, 3));
    assert_eq!(rows, ["!+2 c7 sees s1#3 done at 5", "! serves s1#4 from 4"]);
    // Evidence that is no fact: the cause and the evidence name the requests.
    let failure = |facts: &[Observed]| {
        let evidence = |fact: &Observed, request| Evidence {
            at: fact.at,
            step: fact.step,
            actor: Actor::Server(1),
            request,
            kind: EvidenceKind::Silence(id(4)),
        };
        let evidence = [evidence(&facts[3], Some(id(4)))];
        let cause = FailureCause::NeverAnswers { node: 1, client: 7, id: id(1), seconds: 3 };
        Failure::new(WITNESS, cause).with_evidence(evidence)
    };
    let rows = row_texts(&timeline(NODES, &record(&facts, failure), WIDTH).unwrap());
    assert_eq!(rows, ["serves s1#1 from 3", "!+2 serves s1#4 from 4, has not answered s1#4"]);
}

#[test]
fn long_group_continues_in_further_lines_and_is_never_truncated() {
    let failed = (1..40).step_by(2).map(|term| (1 + term % NODES, campaigned(term)));
    let facts: Vec<(Node, Fact)> = failed.chain([(1, Fact::Leads { term: 50 })]).collect();
    let timeline_of_clash = grouped_timeline(&facts, 20, 20);
    assert!(
        timeline_of_clash.rows.len() > 2 && timeline_of_clash.rows.iter().all(|row| row.len() <= WIDTH),
        "{:#?}",
        timeline_of_clash.rows
    );
    let all = timeline_of_clash.rows.join(" ");
    assert!((1..40).step_by(2).all(|term| all.contains(&format!(" {term}"))), "{all}");
    assert_eq!(timeline_of_clash.shown_events, 21);
}
