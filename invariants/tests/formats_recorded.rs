//! Recorded histories in all formats with their expected verdicts (`data/histories/EXPECTED.tsv`), and two of
//! real clusters (`data/live`). The table below must list the same files as `EXPECTED.tsv`.

#![expect(clippy::disallowed_methods, reason = "a test reads the messages about recordings")]

use invariants::formats::{FailedCas, Format, ParsedHistory, ReadOptions, decode_text, read_history_with};
use invariants::linearizability::{Budget, Verdict, check};
use std::path::{Path, PathBuf};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn read(path: &Path, options: &ReadOptions) -> Result<(Format, ParsedHistory), String> {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let text = decode_text(bytes).map_err(|error| error.to_string())?;
    read_history_with(&text, options).map_err(|error| error.to_string())
}

/// The expected result of a file.
enum Expected {
    Linearizable,
    /// Not linearizable; the explanation contains these words.
    Violation(&'static [&'static str]),
    /// A parse error with these words.
    Rejected(&'static str),
}

use Expected::{Linearizable, Rejected, Violation};

const DEFAULT_OPTIONS: ReadOptions =
    ReadOptions { failed_cas: FailedCas::Dropped, initial: None, model: None };

/// The files with their formats and expected results.
const EXPECTED: [(&str, Format, Expected); 21] = [
    ("cas-fail-dropped.edn", Format::JepsenMaps, Linearizable),
    ("initial-zero.edn", Format::JepsenMaps, Violation(&["No operation wrote 0", "say so with --initial 0"])),
    ("comment.edn", Format::JepsenMaps, Linearizable),
    ("comment-inside-lines.edn", Format::JepsenMaps, Linearizable),
    ("edn-comment-read-as-value.edn", Format::JepsenMaps, Linearizable),
    ("edn-dup-key.edn", Format::JepsenMaps, Rejected("line 4: ")),
    ("time-steps-back.edn", Format::JepsenMaps, Linearizable),
    ("history.txt", Format::JepsenColumns, Linearizable),
    ("pretty-maps.edn", Format::JepsenMaps, Linearizable),
    ("jepsen-array.json", Format::JepsenJson, Linearizable),
    ("jepsen-lines.jsonl", Format::JepsenJson, Linearizable),
    ("operations.csv", Format::Operations, Linearizable),
    ("unknown-by-default.edn", Format::JepsenMaps, Linearizable),
    ("aborted-read.edn", Format::JepsenMaps, Violation(&["said to have failed", "put k0=8", "in lines 3-4"])),
    ("txn-append.edn", Format::JepsenMaps, Rejected("line 1: ")),
    ("txn-one-op.edn", Format::JepsenMaps, Linearizable),
    ("queue.edn", Format::JepsenMaps, Linearizable),
    ("set.edn", Format::JepsenMaps, Linearizable),
    ("counter.edn", Format::JepsenMaps, Linearizable),
    ("text-process.edn", Format::JepsenMaps, Linearizable),
    ("cas-chain-4000.jsonl.gz", Format::Calls, Violation(&[])),
];

#[test]
fn every_file_has_the_expected_result() {
    let table = std::fs::read_to_string(folder("histories").join("RIGHT.tsv")).expect("the table");
    let named: Vec<&str> = table.lines().skip(1).filter_map(|row| row.split('\t').next()).collect();
    let known: Vec<&str> = EXPECTED.iter().map(|(file, ..)| *file).collect();
    assert_eq!(named, known);
    for (file, format, expected) in EXPECTED {
        check_file(file, format, &expected, &DEFAULT_OPTIONS);
    }
}

fn check_file(file: &str, format: Format, expected: &Expected, options: &ReadOptions) {
    let read = read(&folder("histories").join(file), options);
    match (expected, read) {
        (Rejected(words), Err(error)) => assert!(error.contains(words), "{file}: {error}"),
        (Rejected(_), Ok(_)) => panic!("{file} was accepted"),
        (_, Err(error)) => panic!("{file}: {error}"),
        (expected, Ok((found, parsed))) => {
            assert_eq!(found, format, "{file}");
            let verdict = check(&parsed.calls, Budget::default()).expect("well formed");
            let description = parsed.describe(&verdict);
            match (expected, verdict) {
                (Linearizable, Verdict::Linearizable) => {}
                (Violation(words), Verdict::Violation(_)) => {
                    let line = description.split_whitespace().collect::<Vec<_>>().join(" ");
                    assert!(words.iter().all(|words| line.contains(words)), "{file}: {description}");
                    assert!(
                        description.lines().all(|line| line.chars().count() <= 96),
                        "{file}: {description}"
                    );
                }
                _ => panic!("{file}: {description}"),
            }
        }
    }
}

#[test]
fn an_initial_value_is_taken_into_account() {
    let initial = |value: &str| ReadOptions { initial: Some(value.to_string()), ..ReadOptions::default() };
    check_file("initial-zero.edn", Format::JepsenMaps, &Linearizable, &initial("0"));
    // The hint about an initial value appears only if none was given.
    let (_, parsed) = read(&folder("histories").join("initial-zero.edn"), &initial("1")).unwrap();
    let description = parsed.describe(&check(&parsed.calls, Budget::default()).unwrap());
    assert!(
        description.contains("not linearizable") && !description.contains("No operation wrote"),
        "{description}"
    );
    assert_eq!(parsed.operations(), 3);
}

/// Histories of real clusters, gzipped, with the verdicts and operation counts of their table, which counts a
/// failed compare-and-set as a mismatch.
#[test]
fn histories_of_real_clusters_have_the_expected_verdicts() {
    let mismatch = ReadOptions { failed_cas: FailedCas::Mismatch, ..DEFAULT_OPTIONS };
    for (file, operations, failed, is_linearizable) in [
        ("etcd-live-serializable-reads.edn.gz", 28_298, 4_871, false),
        ("zookeeper-live-sync-reads.edn.gz", 69_240, 0, true),
    ] {
        for (options, operations) in [(&mismatch, operations), (&DEFAULT_OPTIONS, operations - failed)] {
            let (format, parsed) = read(&folder("live").join(file), options).unwrap();
            assert_eq!((format, parsed.operations()), (Format::JepsenMaps, operations), "{file}");
            let verdict = check(&parsed.calls, Budget::default()).expect("well formed");
            assert!(!matches!(verdict, Verdict::Unknown { .. }), "{file}");
            assert_eq!(verdict == Verdict::Linearizable, is_linearizable, "{file}");
        }
    }
}
