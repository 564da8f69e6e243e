//! Recorded histories in all formats, with the right answers (`data/histories/RIGHT.tsv`), and two of real clusters
//! (`data/live_entries`). Each row of the table is a row here, and no row is missing.

use invariants::formats::{FailedCas, Format, ParsedHistory, ReadOptions, decode_text, read_history_with};
use invariants::linearizability::{Budget, Verdict, check};
use std::path::{Path, PathBuf};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn read(path: &Path, reading: &ReadOptions) -> Result<(Format, ParsedHistory), String> {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let text = decode_text(bytes).map_err(|misread| misread.to_string())?;
    read_history_with(&text, reading).map_err(|misread| misread.to_string())
}

/// What is to be said of a file.
enum Right {
    Linearizable,
    /// Not linearizable, with these words in the explanation.
    Violation(&'static [&'static str]),
    /// Refused with these words.
    Refused(&'static str),
}

use Right::{Linearizable, Refused, Violation};

const PLAIN: ReadOptions = ReadOptions { failed_cas: FailedCas::Dropped, initial: None, model: None };

/// The rows of the table.
const RIGHT: [(&str, Format, Right); 21] = [
    ("cas-fail-dropped.edn", Format::JepsenMaps, Linearizable),
    ("initial-zero.edn", Format::JepsenMaps, Violation(&["No operation wrote 0", "say so with --initial 0"])),
    ("comment.edn", Format::JepsenMaps, Linearizable),
    ("comment-inside-lines.edn", Format::JepsenMaps, Linearizable),
    ("edn-comment-read-as-value.edn", Format::JepsenMaps, Linearizable),
    ("edn-dup-key.edn", Format::JepsenMaps, Refused("line 4: ")),
    ("time-steps-back.edn", Format::JepsenMaps, Linearizable),
    ("history.txt", Format::JepsenColumns, Linearizable),
    ("pretty-maps.edn", Format::JepsenMaps, Linearizable),
    ("jepsen-array.json", Format::JepsenJson, Linearizable),
    ("jepsen-lines.jsonl", Format::JepsenJson, Linearizable),
    ("operations.csv", Format::Operations, Linearizable),
    ("unknown-by-default.edn", Format::JepsenMaps, Linearizable),
    ("aborted-read.edn", Format::JepsenMaps, Violation(&["said to have failed", "put k0=8", "in lines 3-4"])),
    ("txn-append.edn", Format::JepsenMaps, Refused("line 1: ")),
    ("txn-one-op.edn", Format::JepsenMaps, Linearizable),
    ("queue.edn", Format::JepsenMaps, Linearizable),
    ("set.edn", Format::JepsenMaps, Linearizable),
    ("counter.edn", Format::JepsenMaps, Linearizable),
    ("text-process.edn", Format::JepsenMaps, Linearizable),
    ("cas-chain-4000.jsonl.gz", Format::Calls, Violation(&[])),
];

#[test]
fn every_row_of_the_table_is_judged_right() {
    let table = std::fs::read_to_string(folder("histories").join("RIGHT.tsv")).expect("the table");
    let named: Vec<&str> = table.lines().skip(1).filter_map(|row| row.split('\t').next()).collect();
    let known: Vec<&str> = RIGHT.iter().map(|(file, ..)| *file).collect();
    assert_eq!(named, known);
    for (file, format, right) in RIGHT {
        judge(file, format, &right, &PLAIN);
    }
}

fn judge(file: &str, format: Format, right: &Right, reading: &ReadOptions) {
    let read = read(&folder("histories").join(file), reading);
    match (right, read) {
        (Refused(words), Err(refusal)) => assert!(refusal.contains(words), "{file}: {refusal}"),
        (Refused(_), Ok(_)) => panic!("{file} is read"),
        (_, Err(refusal)) => panic!("{file}: {refusal}"),
        (right, Ok((found, recorded))) => {
            assert_eq!(found, format, "{file}");
            let verdict = check(&recorded.calls, Budget::default()).expect("well formed");
            let told = recorded.describe(&verdict);
            match (right, verdict) {
                (Linearizable, Verdict::Linearizable) => {}
                (Violation(words), Verdict::Violation(_)) => {
                    let line = told.split_whitespace().collect::<Vec<_>>().join(" ");
                    assert!(words.iter().all(|words| line.contains(words)), "{file}: {told}");
                    assert!(told.lines().all(|line| line.chars().count() <= 96), "{file}: {told}");
                }
                _ => panic!("{file}: {told}"),
            }
        }
    }
}

#[test]
fn a_register_that_begins_with_a_value_is_judged_so() {
    let initial = |value: &str| ReadOptions { initial: Some(value.to_string()), ..ReadOptions::default() };
    judge("initial-zero.edn", Format::JepsenMaps, &Linearizable, &initial("0"));
    // The sentence about an initial value is for those who gave none.
    let (_, recorded) = read(&folder("histories").join("initial-zero.edn"), &initial("1")).unwrap();
    let told = recorded.describe(&check(&recorded.calls, Budget::default()).unwrap());
    assert!(told.contains("not linearizable") && !told.contains("No operation wrote"), "{told}");
    assert_eq!(recorded.operations(), 3);
}

/// The files of real clusters, gzipped as they are: their right answers and the number of their operations stand in
/// their table. That counts what failed for a mismatch.
#[test]
fn histories_of_real_clusters_are_judged_right() {
    let mismatch = ReadOptions { failed_cas: FailedCas::Mismatch, ..PLAIN };
    for (file, operations, failed, is_linearizable) in [
        ("etcd-live-serializable-reads.edn.gz", 28_298, 4_871, false),
        ("zookeeper-live-sync-reads.edn.gz", 69_240, 0, true),
    ] {
        for (reading, operations) in [(&mismatch, operations), (&PLAIN, operations - failed)] {
            let (format, recorded) = read(&folder("live").join(file), reading).unwrap();
            assert_eq!((format, recorded.operations()), (Format::JepsenMaps, operations), "{file}");
            let verdict = check(&recorded.calls, Budget::default()).expect("well formed");
            assert!(!matches!(verdict, Verdict::Unknown { .. }), "{file}");
            assert_eq!(verdict == Verdict::Linearizable, is_linearizable, "{file}");
        }
    }
}
