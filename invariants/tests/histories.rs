//! A hundred recorded histories with known verdicts (`histories/expected.tsv`).
//!
//! They come from a seeded simulator of a key-value store: 24 to 800 operations, 3 to 12 clients, 1 to 5 keys, up to 6 %
//! unknown outcomes, values that repeat in about 30 % of the files. Each bad file holds one misbehaviour of the server,
//! and so do twenty of the good ones, where no client could have noticed it. The verdicts are a second checker's.

mod common;

use common::is_conclusive;
use invariants::formats::kvsim;
use invariants::linearizability::{Budget, Call, UnknownReason, Verdict, check};
use std::path::Path;

/// The rows of the table: file, verdict, number of operations, what was done to it, and the history.
fn recorded() -> Vec<(String, bool, usize, String, Vec<Call>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/histories");
    let table = std::fs::read_to_string(folder.join("expected.tsv")).expect("the table of verdicts");
    let rows = table.lines().skip(1).map(|row| {
        let [file, linearizable, operations, note] = row.split('\t').collect::<Vec<_>>()[..] else {
            panic!("four columns: {row}")
        };
        let text = std::fs::read_to_string(folder.join(file)).expect(file);
        let history = kvsim::read(&text).unwrap_or_else(|misread| panic!("{file}: {misread}"));
        (
            file.to_string(),
            linearizable.parse().expect("true or false"),
            operations.parse().expect("a number"),
            note.to_string(),
            history,
        )
    });
    rows.collect()
}

#[test]
fn every_verdict_is_the_known_one() {
    let mut bad = 0;
    for (file, linearizable, operations, note, history) in recorded() {
        assert_eq!(history.len(), operations, "{file}");
        let verdict =
            check(&history, Budget::default()).unwrap_or_else(|malformed| panic!("{file}: {malformed}"));
        match verdict {
            Verdict::Linearizable => assert!(linearizable, "{file} ({note}) is said to be linearizable"),
            Verdict::Violation(explanation) => {
                assert!(!linearizable, "{file} ({note}): {explanation}");
                is_conclusive(&explanation);
            }
            Verdict::Unknown { .. } => panic!("{file} ({note}): {verdict}"),
        }
        bad += u32::from(!linearizable);
    }
    assert_eq!(bad, 50);
}

#[test]
fn a_budget_that_is_too_small_is_no_verdict() {
    let (mut unknown, mut same) = (0, 0);
    for (file, linearizable, _, _, history) in recorded() {
        match check(&history, Budget { steps: 3, ..Budget::default() }).expect("well formed") {
            Verdict::Linearizable => assert!(linearizable, "{file}"),
            Verdict::Violation(explanation) => assert!(!linearizable, "{file}: {explanation}"),
            Verdict::Unknown { why, .. } => {
                assert_eq!(why, UnknownReason::Steps(3));
                unknown += 1;
                continue;
            }
        }
        same += 1;
    }
    assert!(unknown > 20 && same > 5, "{unknown} unknown, {same} judged");
}
