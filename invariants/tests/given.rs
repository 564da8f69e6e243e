//! Recorded histories with known verdicts that are not in this repository: Jepsen's of etcd and Porcupine's
//! of a key-value store. Without their folder the test is listed as ignored.

#![expect(clippy::disallowed_methods, reason = "a test reads the table of the given histories")]

mod common;

use common::is_conclusive;
use invariants::formats::{FailedCas, Format, ParsedHistory, ReadOptions, read_history, read_history_with};
use invariants::linearizability::{Budget, Verdict, check, check_by_search};
use libtest_mimic::{Arguments, Trial};
use std::path::{Path, PathBuf};

/// A row of the table: file, verdict, number of operations, format and history.
type Row = (String, bool, usize, Format, ParsedHistory);

fn main() {
    let test = || {
        every_verdict_is_as_expected();
        Ok(())
    };
    let trial = Trial::test("every_verdict_is_as_expected", test)
        .with_kind("shared/histories")
        .with_ignored_flag(!folder().is_dir());
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit();
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/histories")
}

fn load_rows() -> Vec<Row> {
    let folder = folder();
    let table = std::fs::read_to_string(folder.join("expected.tsv")).expect("expected.tsv");
    let rows = table.lines().skip(1).map(|row| {
        let [file, linearizable, _, _, operations, ..] = row.split('\t').collect::<Vec<_>>()[..] else {
            panic!("six columns: {row}")
        };
        let text = std::fs::read_to_string(folder.join(file)).expect(file);
        // The verdicts on etcd assume that a compare-and-set failed only because it found another value.
        let options = ReadOptions { failed_cas: FailedCas::Mismatch, ..ReadOptions::default() };
        let read = read_history_with(&text, &options);
        let (format, parsed) = read.unwrap_or_else(|error| panic!("{file}: {error}"));
        // Without that assumption there are fewer violations, never others.
        let (_, without_assumption) = read_history(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        if linearizable == "true" {
            assert_eq!(
                check(&without_assumption.calls, Budget::default()),
                Ok(Verdict::Linearizable),
                "{file}"
            );
        }
        let linearizable = linearizable.parse().expect("true or false");
        (file.to_string(), linearizable, operations.parse().expect("a number"), format, parsed)
    });
    rows.collect()
}

fn every_verdict_is_as_expected() {
    let rows = load_rows();
    assert_eq!(rows.len(), 155);
    let mut bad = 0;
    for (file, linearizable, operations, format, parsed) in rows {
        let expected = match file.split('/').next() {
            Some("etcd-jepsen") => Format::JepsenLog,
            Some("kv-text") => Format::PorcupineText,
            _ => Format::Kvsim,
        };
        assert_eq!(format, expected, "{file}");
        // Porcupine keeps failed reads; they are dropped here.
        assert!(parsed.calls.len() <= operations, "{file}: {} of {operations}", parsed.calls.len());
        for check in [check, check_by_search] {
            let verdict = check(&parsed.calls, Budget::default()).unwrap_or_else(|malformed| {
                panic!("{file}: {}", parsed.parse_error(&malformed));
            });
            match verdict {
                Verdict::Linearizable => assert!(linearizable, "{file} was reported as linearizable"),
                Verdict::Violation(explanation) => {
                    assert!(!linearizable, "{file}: {explanation}");
                    let message = explanation.to_string();
                    assert!(
                        message.lines().all(|line| line.len() <= 96) && message.is_ascii(),
                        "{file}:\n{message}"
                    );
                    is_conclusive(&explanation);
                }
                Verdict::Unknown { .. } => panic!("{file}: {verdict}"),
            }
        }
        bad += u32::from(!linearizable);
    }
    assert_eq!(bad, 91);
}
