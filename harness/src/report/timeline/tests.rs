use super::formatter::Detail;
use super::{MAX_ROWS, Timeline, build_timeline, timeline};
use crate::outcome::{
    Actor, Counts, Evidence, EvidenceKind, Failure, Outcome, RunRecord, TraceLine, Verdict, WITNESS,
};
use invariants::{Configuration, Digest, Fact, Index, Node, Observed, RequestId, Term, Violation};

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

/// A run in which each of these is an event, caused by the one before, and that fails in this way.
fn record(facts: &[(Node, Fact)], failure: impl Fn(&[Observed]) -> Failure) -> RunRecord {
    let observed = facts.iter().zip(1..).map(|((node, fact), step)| {
        let fact = fact.clone();
        Observed { at: step * 1_000_000, step, node: *node, fact }
    });
    let facts: Vec<Observed> = observed.collect();
    let line = |fact: &Observed| {
        let (at, step, cause) = (fact.at, fact.step, fact.step - 1);
        TraceLine { at, step, cause, node: fact.node, text: "timer".into() }
    };
    let outcome = Outcome {
        verdict: Verdict::Failed(Box::new(failure(&facts))),
        counts: Counts::default(),
        checks: vec![],
        milestones: vec![],
        faults: vec![],
        digest: Digest(0),
    };
    RunRecord { trace: facts.iter().map(line).collect(), facts, ..outcome.into() }
}

/// The story of these events, of which those at these two places clash, in as few rows as it goes.
fn of_clash(facts: &[(Node, Fact)], first: usize, second: usize) -> Timeline {
    let record = clashing(facts, first, second);
    let Verdict::Failed(failure) = &record.outcome.verdict else { unreachable!("it fell") };
    build_timeline(NODES, &record, failure, WIDTH, Detail::Grouped)
}

fn clashing(facts: &[(Node, Fact)], first: usize, second: usize) -> RunRecord {
    let clash = |facts: &[Observed]| Failure {
        property: "toast".into(),
        sentence: "it fell".into(),
        facts: Some(Box::new(Violation {
            property: "toast",
            sentence: "it fell".into(),
            first: Some(facts[first].clone()),
            second: facts[second].clone(),
        })),
        evidence: vec![],
    };
    record(facts, clash)
}

/// What the rows say, each with its mark and how much was folded before.
fn said(story: &Timeline) -> Vec<String> {
    // A column is as wide as `[f]`, and the last one of the head ends with a space that nobody sees.
    let from = story.header.len() + 3;
    let row = |row: &String| {
        let (mark, folded) = (&row[..1], row[14..21].trim());
        format!("{mark}{folded} {}", row.get(from..).unwrap_or_default()).trim().to_owned()
    };
    story.rows.iter().map(row).collect()
}

#[test]
fn what_all_append_is_told_in_one_row() {
    let facts: Vec<(Node, Fact)> = [(2, campaigned(1)), (2, Fact::Leads { term: 1 })]
        .into_iter()
        .chain((1..=5).flat_map(|index| [2, 1, 3].map(|node| (node, appended(index, 1)))))
        .chain([(2, appended(6, 1)), (1, appended(6, 1)), (2, Fact::Leads { term: 1 })])
        .collect();
    let story = of_clash(&facts, 1, facts.len() - 1);
    assert_eq!(
        said(&story),
        [
            "campaigns in term 1",
            "! leads term 1",
            "+16 n1, n2 append 1@1..6@1; n3 up to 5@1",
            "! leads term 1"
        ]
    );
    assert_eq!((story.shown_events, story.folded), (20, 0));
    assert!(story.rows[2].contains("0.019000"), "a spell ends with its last event: {}", story.rows[2]);
}

#[test]
fn who_asked_for_an_entry_is_told_as_long_as_there_is_room() {
    let rows = |entries: u64| {
        let copies = (1..=entries).flat_map(|index| [1, 2, 3].map(|node| (node, appended(index, 1))));
        let facts: Vec<(Node, Fact)> = copies.chain([(1, Fact::Leads { term: 1 })]).collect();
        let record = clashing(&facts, facts.len() - 1, facts.len() - 1);
        said(&timeline(NODES, &record, WIDTH).unwrap())
    };
    assert_eq!(
        rows(2),
        ["appends 1@1", "+1 n2, n3 append 1@1", "appends 2@1", "+1 n2, n3 append 2@1", "! leads term 1"]
    );
    assert_eq!(rows(19).len(), MAX_ROWS - 1);
    assert_eq!(rows(20), ["+59 all append 1@1..20@1", "! leads term 1"]);
}

#[test]
fn what_only_one_appends_is_no_copy() {
    let facts = [
        (1, Fact::Leads { term: 1 }),
        (1, appended(1, 1)),
        (2, appended(1, 1)),
        // Alone, in an old term; and the new leader's entry at the same place.
        (1, appended(2, 1)),
        (2, appended(2, 2)),
        (3, Fact::Leads { term: 2 }),
    ];
    let story = of_clash(&facts, 0, 5);
    assert_eq!(said(&story)[1], "+3 n1 appends 1@1..2@1; n2 appends 1@1, 2@2");
}

#[test]
fn a_clash_a_fault_and_a_cut_log_never_hide_in_a_spell() {
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
    let story = of_clash(&facts, 1, 7);
    let rows = said(&story);
    assert_eq!(rows.len(), 7, "{rows:?}");
    assert_eq!(rows[..2], ["!+1 appends 2@1", "appends 3@1"], "what was before the clash is not about it");
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
    let rows = said(&of_clash(&facts, 3, 6));
    assert_eq!(rows[1], "+1 n1, n2 vote for n3 in term 1");
    // The clash is about this vote: it stays alone.
    let rows = said(&of_clash(&facts, 2, 6));
    assert_eq!(rows[1..3], ["votes for n3 in term 1", "! votes for n3 in term 1"]);
}

#[test]
fn campaigns_in_vain_share_a_row_but_for_the_terms_of_the_clash() {
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
        said(&of_clash(&facts, 7, 8)),
        [
            "+4 in vain: n1 campaigns in terms 1..3 (votes: n2); n3 in term 3",
            "campaigns in term 4",
            "votes for n1 in term 4",
            "! leads term 4",
            "! leads term 5"
        ]
    );
    let rows = said(&of_clash(&facts, 2, 7));
    assert_eq!(rows[..3], ["campaigns in term 1", "campaigns in term 2", "! votes for n1 in term 2"]);
}

#[test]
fn a_new_group_begins_a_row() {
    let group = |voters: &[Node]| {
        let configuration = Box::new(Configuration { voters: voters.to_vec(), ..Configuration::default() });
        Fact::Configured { index: 2, configuration }
    };
    let facts = [
        (1, appended(1, 1)),
        (2, appended(1, 1)),
        (1, group(&[1, 2])),
        (2, group(&[1, 2])),
        (2, group(&[1])),
        (1, Fact::Leads { term: 1 }),
    ];
    let rows = said(&of_clash(&facts, 5, 5));
    assert_eq!(rows[..3], ["+1 n1, n2 append 1@1", "+1 group {n1, n2} by 2", "group {n1} by 2"]);
}

#[test]
fn only_the_first_of_equal_acknowledgements_is_told_and_only_whose_it_is() {
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
    let rows = said(&of_clash(&facts, 4, 7));
    assert_eq!(
        rows,
        [
            "+1 appends 1@1; acknowledges all up to 1@1",
            "!+2 leads term 1",
            "cuts its log after 0@0",
            "acknowledges 1 to the leader of term 1",
            "! acknowledges 1 to the leader of term 1"
        ]
    );
}

#[test]
fn what_is_committed_on_the_way_shares_a_row_and_what_clashes_has_its_own() {
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
    let story = of_clash(&facts, 8, 9);
    let shared = "+6 n1, n2 append 1@1..2@1; n1 commits all up to 1@1; n2 commits all up";
    assert_eq!(said(&story)[1..], [shared, "to 2@1", "! commits 2@1", "! commits 1@1"]);
    // A short story has room for each.
    let short = super::timeline(NODES, &clashing(&facts, 8, 9), WIDTH).expect("it fell");
    assert!(said(&short).iter().any(|row| row == "commits 2@1"), "{:#?}", said(&short));
}

#[test]
fn of_reads_and_writes_only_those_of_the_clash_are_told() {
    let id = |sequence| RequestId { session: 1, sequence };
    let facts = [
        (1, Fact::ReadServed { read: id(1), applied: 3 }),
        (7, Fact::WriteAcknowledged { index: 4, write: id(2) }),
        (7, Fact::WriteAcknowledged { index: 5, write: id(3) }),
        (1, Fact::ReadServed { read: id(4), applied: 4 }),
    ];
    let rows = said(&of_clash(&facts, 2, 3));
    assert_eq!(rows, ["!+2 c7 sees s1#3 done at 5", "! serves s1#4 from 4"]);
    // Where it is told in words, the words and the sides name them.
    let told = |facts: &[Observed]| {
        let side = |fact: &Observed, request| Evidence {
            at: fact.at,
            step: fact.step,
            actor: Actor::Server(1),
            request,
            kind: EvidenceKind::Text("is asked".into(), None),
        };
        let sides = [side(&facts[3], Some(id(4)))];
        Failure::new(WITNESS, "s1#1 was after s1#4".into()).with_evidence(sides)
    };
    let rows = said(&timeline(NODES, &record(&facts, told), WIDTH).unwrap());
    assert_eq!(rows, ["serves s1#1 from 3", "!+2 serves s1#4 from 4, is asked"]);
}

#[test]
fn a_long_spell_goes_on_below_and_is_never_cut_short() {
    let vain = (1..40).step_by(2).map(|term| (1 + term % NODES, campaigned(term)));
    let facts: Vec<(Node, Fact)> = vain.chain([(1, Fact::Leads { term: 50 })]).collect();
    let story = of_clash(&facts, 20, 20);
    assert!(story.rows.len() > 2 && story.rows.iter().all(|row| row.len() <= WIDTH), "{:#?}", story.rows);
    let all = story.rows.join(" ");
    assert!((1..40).step_by(2).all(|term| all.contains(&format!(" {term}"))), "{all}");
    assert_eq!(story.shown_events, 21);
}
