//! `check history` on recorded histories in all formats, and its options.

#![expect(clippy::disallowed_methods, reason = "a test reads what the program prints")]

use invariants::formats::{MAX_BYTES, MAX_ELEMENTS, MAX_NAMES, MAX_OPERATIONS};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../invariants/tests/data/histories")
}

/// The exit code, and for each file: file, verdict, explanation.
fn check(options: &[&str], files: &[&str], input: &[u8]) -> (Option<i32>, Vec<(String, String, String)>) {
    let output = run(options, files, input);
    let json: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    let string = |file: &Value, field: &str| file[field].as_str().unwrap_or_default().to_owned();
    let results = json["files"].as_array().expect("the files").iter().map(|file| {
        let explanation = string(file, "explanation").split_whitespace().collect::<Vec<_>>().join(" ");
        (string(file, "file"), string(file, "verdict"), explanation)
    });
    (output.status.code(), results.collect())
}

fn run(options: &[&str], files: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
    command.current_dir(folder()).args(["check", "history", "--json"]).args(options).args(files);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the harness must start");
    // The harness may exit without reading all of it.
    drop(child.stdin.take().expect("a pipe").write_all(input));
    child.wait_with_output().expect("waiting for the harness must work")
}

/// Compares with the verdicts in `RIGHT.tsv`.
#[test]
fn every_file_has_the_expected_verdict() {
    let table = fs::read_to_string(folder().join("RIGHT.tsv")).unwrap();
    let rows: Vec<(&str, &str)> = table.lines().skip(1).filter_map(|row| row.split_once('\t')).collect();
    let files: Vec<&str> = rows.iter().map(|(file, _)| *file).collect();
    let (code, results) = check(&[], &files, &[]);
    assert_eq!((code, results.len()), (Some(2), 21));
    for ((file, description), (named, verdict, explanation)) in rows.into_iter().zip(results) {
        let expected = match description.split([' ', ':', ';']).next().unwrap() {
            // Its register has an initial value, which an option must state.
            _ if file == "initial-zero.edn" => "not linearizable",
            "linearizable" => "linearizable",
            "not" => "not linearizable",
            "refused" => "unusable",
            other => panic!("{other}"),
        };
        assert_eq!((named.as_str(), verdict.as_str()), (file, expected), "{description}: {explanation}");
    }
}

#[test]
fn options_supply_what_the_file_does_not_state() {
    let verdict = |options: &[&str], file: &str| check(options, &[file], &[]).1.remove(0);
    assert_eq!(verdict(&["--initial", "0"], "initial-zero.edn").1, "linearizable");
    let (_, bad, words) = verdict(&[], "initial-zero.edn");
    assert!(bad == "not linearizable" && words.contains("--initial 0"), "{words}");
    let (_, bad, words) = verdict(&["--failed-cas", "mismatch"], "cas-fail-dropped.edn");
    assert!(
        bad == "not linearizable" && words.contains("--failed-cas mismatch") && words.contains("line 4"),
        "{words}"
    );
    assert_eq!(verdict(&["--failed-cas", "dropped"], "cas-fail-dropped.edn").1, "linearizable");
    assert_eq!(verdict(&["--model", "counter"], "counter.edn").1, "linearizable");
    assert_eq!(verdict(&["--model", "queue"], "counter.edn").1, "unusable");
    for (options, words) in [
        (["--model", "stack"], "write register, list, set, counter, queue or mutex"),
        (["--failed-cas", "maybe"], "write dropped or mismatch"),
    ] {
        let output = run(&options, &["set.edn"], &[]);
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains(words), "{output:?}");
    }
}

/// Format and compression are detected from the content, not from the name.
#[test]
fn standard_input_is_read_like_a_file() {
    for file in
        ["cas-chain-4000.jsonl.gz", "aborted-read.edn", "history.txt", "operations.csv", "txn-append.edn"]
    {
        let bytes = fs::read(folder().join(file)).unwrap();
        let (by_name, by_input) = (check(&[], &[file], &[]), check(&[], &["-"], &bytes));
        assert_eq!(by_name.0, by_input.0, "{file}");
        let results =
            |(_, verdict, explanation): &(String, String, String)| (verdict.clone(), explanation.clone());
        assert_eq!(results(&by_name.1[0]), results(&by_input.1[0]), "{file}");
    }
    let output = run(&[], &["-", "-"], b"");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("standard input can be read only once"),
        "{output:?}"
    );
}

/// Checks the largest accepted history of each kind and measures the peak memory as Linux reports it.
#[test]
#[ignore = "takes minutes and 300 MB on disk: `cargo test -p harness --test check_history -- --ignored`"]
fn the_largest_accepted_histories_are_checked_within_a_gibibyte() {
    let (operations, elements, names) = (MAX_OPERATIONS, MAX_ELEMENTS, MAX_NAMES);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history");
    type Writer = Box<dyn Fn(&mut dyn Write) -> std::io::Result<()>>;
    let both = move |file: &mut dyn Write, process: usize, value: &str| {
        writeln!(file, "{process} :invoke :write {value}\n{process} :ok :write {value}")
    };
    let kinds: [(&str, Writer); 5] = [
        (
            "operations on one key",
            Box::new(move |file| (0..operations).try_for_each(|n| both(file, n % 50, &n.to_string()))),
        ),
        (
            "operations on many keys, each of a process of its own",
            Box::new(move |file| {
                (0..operations).try_for_each(|n| both(file, n, &format!("[{} {n}]", n / 3)))
            }),
        ),
        (
            "names",
            Box::new(move |file| {
                (0..names).try_for_each(|n| both(file, n % 50, &format!("\"{n} {:90}\"", "")))
            }),
        ),
        (
            "elements",
            Box::new(move |file| {
                let list: String = (0..elements).map(|n| format!("{n} ")).collect();
                writeln!(file, "0 :invoke :append 1\n1 :invoke :read nil\n1 :ok :read [{list}]")
            }),
        ),
        (
            "bytes",
            Box::new(|file| writeln!(file, "0 :invoke :write \"{}\"", "\\n".repeat((MAX_BYTES >> 1) - 50))),
        ),
    ];
    for (kind, write) in kinds {
        let mut file = std::io::BufWriter::new(fs::File::create(&path).unwrap());
        write(&mut file).and_then(|()| file.flush()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
        command.args(["check", "history"]).arg(&path).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let status = format!("/proc/{}/status", child.id());
        let mut peak = 0;
        let code = loop {
            let status = fs::read_to_string(&status).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
            peak = peak.max(kilobytes.unwrap_or(0_u64));
            match child.try_wait().unwrap() {
                Some(code) => break code,
                None => std::thread::sleep(std::time::Duration::from_millis(20)),
            }
        };
        println!("{kind}: {} MiB", peak >> 10);
        assert!(matches!(code.code(), Some(0 | 1)), "{kind}: {code}");
        assert!((1..1 << 20).contains(&peak), "{kind}: {peak} kB");
    }
}
