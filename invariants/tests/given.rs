//! Recorded histories from elsewhere with known verdicts: Jepsen's of etcd, and Porcupine's of a key-value store. They
//! are not ours to keep; where the folder is missing, the tests say so and look at nothing.

mod common;

use common::is_conclusive;
use invariants::formats::{FailedCas, Format, ParsedHistory, ReadOptions, read_history, read_history_with};
use invariants::linearizability::{Budget, Verdict, check, check_by_search};
use std::path::{Path, PathBuf};

/// A row of the table: file, verdict, number of operations, and the history.
type Row = (String, bool, usize, Format, ParsedHistory);

fn given() -> Option<Vec<Row>> {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/histories");
    let Ok(table) = std::fs::read_to_string(folder.join("expected.tsv")) else {
        eprintln!("SKIPPED: there is no {}", folder.display());
        return None;
    };
    let rows = table.lines().skip(1).map(|row| {
        let [file, linearizable, _, _, operations, ..] = row.split('\t').collect::<Vec<_>>()[..] else {
            panic!("six columns: {row}")
        };
        let text = std::fs::read_to_string(folder.join(file)).expect(file);
        // The verdicts on etcd rest on its failing a compare-and-set only where it found another value.
        let reading = ReadOptions { failed_cas: FailedCas::Mismatch, ..ReadOptions::default() };
        let read = read_history_with(&text, &reading);
        let (format, recorded) = read.unwrap_or_else(|misread| panic!("{file}: {misread}"));
        // Where that is not known, there may be fewer violations, and never others.
        let (_, carefully) = read_history(&text).unwrap_or_else(|misread| panic!("{file}: {misread}"));
        if linearizable == "true" {
            assert_eq!(check(&carefully.calls, Budget::default()), Ok(Verdict::Linearizable), "{file}");
        }
        let linearizable = linearizable.parse().expect("true or false");
        (file.to_string(), linearizable, operations.parse().expect("a number"), format, recorded)
    });
    Some(rows.collect())
}

#[test]
fn every_verdict_is_the_known_one() {
    let Some(given) = given() else { return };
    assert_eq!(given.len(), 155);
    let mut bad = 0;
    for (file, linearizable, operations, format, recorded) in given {
        let expected = match file.split('/').next() {
            Some("etcd-jepsen") => Format::JepsenLog,
            Some("kv-text") => Format::PorcupineText,
            _ => Format::Kvsim,
        };
        assert_eq!(format, expected, "{file}");
        // Porcupine drops what it knows nothing of; we drop reads that failed.
        assert!(recorded.calls.len() <= operations, "{file}: {} of {operations}", recorded.calls.len());
        for check in [check, check_by_search] {
            let verdict = check(&recorded.calls, Budget::default()).unwrap_or_else(|malformed| {
                panic!("{file}: {}", recorded.parse_error(&malformed));
            });
            match verdict {
                Verdict::Linearizable => assert!(linearizable, "{file} is said to be linearizable"),
                Verdict::Violation(explanation) => {
                    assert!(!linearizable, "{file}: {explanation}");
                    let told = explanation.to_string();
                    assert!(told.lines().all(|line| line.len() <= 96) && told.is_ascii(), "{file}:\n{told}");
                    is_conclusive(&explanation);
                    for call in &explanation.operations {
                        let named = format!("{} ({}", call.id, call.operation);
                        let others =
                            explanation.sentence.replace(&named, "").contains(&format!("{} (", call.id));
                        assert!(!others, "{file} names {call} by something else:\n{told}");
                    }
                }
                Verdict::Unknown { .. } => panic!("{file}: {verdict}"),
            }
        }
        bad += u32::from(!linearizable);
    }
    assert_eq!(bad, 91);
}
