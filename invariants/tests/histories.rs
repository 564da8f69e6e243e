//! A hundred recorded histories with known verdicts (`histories/expected.tsv`).
//!
//! They come from a seeded simulator of a key-value store: 24 to 800 operations, 3 to 12 clients, 1 to 5
//! keys, up to 6 % unknown outcomes, repeated values in about 30 % of the files. Each bad file contains one
//! fault of the server, and so do twenty of the good ones, where no client could notice it. The verdicts are
//! those of a second checker.

#![expect(clippy::disallowed_methods, reason = "a test reads the table of the stored histories")]

mod common;

use common::is_conclusive;
use invariants::formats::kvsim;
use invariants::linearizability::{Budget, Call, UnknownReason, Verdict, check};
use std::path::Path;

/// The rows of the table: file, verdict, number of operations, injected fault, and the history.
fn load_rows() -> Vec<(String, bool, usize, String, Vec<Call>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/histories");
    let table = std::fs::read_to_string(folder.join("expected.tsv")).expect("the table of verdicts");
    let rows = table.lines().skip(1).map(|row| {
        let [file, linearizable, operations, note] = row.split('\t').collect::<Vec<_>>()[..] else {
            panic!("four columns: {row}")
        };
        let text = std::fs::read_to_string(folder.join(file)).expect(file);
        let history = kvsim::read(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
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
fn every_verdict_is_as_expected() {
    let mut bad = 0;
    for (file, linearizable, operations, note, history) in load_rows() {
        assert_eq!(history.len(), operations, "{file}");
        let verdict =
            check(&history, Budget::default()).unwrap_or_else(|malformed| panic!("{file}: {malformed}"));
        match verdict {
            Verdict::Linearizable => assert!(linearizable, "{file} ({note}) was reported as linearizable"),
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
fn a_budget_too_small_gives_unknown_and_never_a_wrong_verdict() {
    let (mut unknown, mut decided) = (0, 0);
    for (file, linearizable, _, _, history) in load_rows() {
        match check(&history, Budget { steps: 3, ..Budget::default() }).expect("well formed") {
            Verdict::Linearizable => assert!(linearizable, "{file}"),
            Verdict::Violation(explanation) => assert!(!linearizable, "{file}: {explanation}"),
            Verdict::Unknown { reason, .. } => {
                assert_eq!(reason, UnknownReason::Steps(3));
                unknown += 1;
                continue;
            }
        }
        decided += 1;
    }
    assert!(unknown > 20 && decided > 5, "{unknown} unknown, {decided} decided");
}
