//! What the command line says: its exit codes, its one object in JSON, and sentences for people.

mod desk;

use desk::{Desk, Running, object};
use serde_json::Value;
use std::fs;
use std::process::Output;
use std::thread::sleep;
use std::time::Duration;

/// What clients of a store saw: one read is stale.
const STALE: &str = r#"{"process":1,"op":"write","key":"k3","value":5,"call":0,"return":10,"outcome":"ok"}
{"process":2,"op":"write","key":"k3","value":6,"call":20,"return":30,"outcome":"ok"}
{"process":1,"op":"read","key":"k3","result":5,"call":40,"return":50,"outcome":"ok"}
"#;

/// Exit codes of commands with `--json`, in all outcomes that need no signal.
#[test]
fn with_json_there_is_one_object_in_every_case() {
    let desk = Desk::new();
    desk.file("stale.jsonl", STALE);
    desk.file("good.jsonl", STALE.lines().next().unwrap());
    desk.file("blank.jsonl", "\n");
    let leads =
        |node: u64| format!("{{\"at\":1,\"step\":1,\"node\":{node},\"fact\":\"leads\",\"term\":7}}\n");
    desk.file("good.facts", &leads(1));
    desk.file("bad.facts", &(leads(1) + &leads(2)));
    let write = |at: u64| {
        format!(
            "{{:process 0, :type :invoke, :f :write, :key \"x\", :value {}}}\n{{:process 0, :type :ok, :f :write, :key \"x\", :value {}}}\n",
            at % 2,
            at % 2
        )
    };
    desk.file("long.edn", &(0..9).map(write).collect::<String>());
    desk.file("file", "");
    assert_eq!(desk.run("sweep --seeds 4 --shard 1/2 --out half").status.code(), Some(0));
    assert_eq!(desk.run("sweep --for 300ms --out night").status.code(), Some(0));
    let cases: [(&str, i32); 37] = [
        ("sweep --seeds 3", 0),
        ("--seeds 3", 0),
        ("sweep --for 300ms", 0),
        ("sweep --seeds 2 --out here", 0),
        ("sweep --seeds 2 --out here --resume", 0),
        ("merge here", 0),
        ("merge half", 1),
        ("sweep --seeds 4 --bug match-from-sent-index --as-found", 1),
        ("sweep --seeds 5..5", 2),
        ("sweep --seeds", 2),
        ("sweep --shard -1/4", 2),
        ("sweep --bug nothing", 2),
        ("sweep --without nothing", 2),
        ("sweep --out file", 2),
        ("sweep --for 1s --out night", 2),
        ("sweep --resume --seeds 9..12 --out night", 2),
        ("sweep --nothing", 2),
        ("--nothing", 2),
        ("swep", 2),
        ("merge", 2),
        ("merge nowhere", 2),
        ("merge here here", 2),
        ("bench extra", 2),
        ("run --seed 1", 2),
        ("check", 2),
        ("check history", 2),
        ("check history good.jsonl", 0),
        ("check history good.jsonl stale.jsonl", 1),
        ("check history --steps 3 long.edn", 1),
        ("check history stale.jsonl blank.jsonl good.jsonl", 2),
        ("check history nowhere", 2),
        ("check history --steps -1 good.jsonl", 2),
        ("check facts good.facts", 0),
        ("check facts good.facts bad.facts", 1),
        ("check facts bad.facts stale.jsonl", 2),
        ("check facts nowhere", 2),
        ("check facts", 2),
    ];
    for (line, code) in cases {
        let output = desk.run(&format!("{line} --json"));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{line}: {said}");
        let object = object(&output);
        if let Some(error) = object["error"].as_str() {
            assert!(code == 2 && said.contains(error), "{line}: {object}");
            assert_eq!(object.as_object().unwrap().len(), 1, "{line}: {object}");
        } else if let Some(files) = object["files"].as_array() {
            assert_eq!(
                files.len(),
                line.split_whitespace().filter(|word| word.contains(['.']) || *word == "nowhere").count(),
                "{line}"
            );
            assert!(
                files.iter().all(|file| file["file"].is_string() && file["verdict"].is_string()),
                "{object}"
            );
        } else {
            assert!(object["seeds"].is_u64(), "{line}: {object}");
        }
    }
}

/// Ends a command by a signal as soon as it says or shows that it is under way.
#[cfg(unix)]
fn ended(desk: &Desk, line: &str, signal: &str, times: u32) -> Output {
    let mut running = Running::start(desk.command(line));
    running.wait_until_it_hears();
    // Shrinking may soon be done, but always begins; the others have something to show then.
    if !line.starts_with("shrink") {
        sleep(Duration::from_millis(500));
    }
    for _ in 0..times {
        running.signal(signal);
        sleep(Duration::from_millis(50));
    }
    running.output()
}

#[cfg(unix)]
#[test]
fn what_a_signal_ends_says_so_by_its_code_and_still_sums_up() {
    let desk = Desk::new();
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let output = ended(&desk, &format!("sweep --for 1h --json --out {signal}-1"), signal, 1);
        assert_eq!(output.status.code(), Some(code));
        assert!(object(&output)["cut_short"] == true);
        let output = ended(&desk, &format!("sweep --for 1h --out {signal}-2"), signal, 1);
        assert_eq!(output.status.code(), Some(code));
        assert!(String::from_utf8_lossy(&output.stdout).contains("(ended early)"));
        // At once: then there is no summary, but still an object.
        let output = ended(&desk, &format!("sweep --for 1h --json --out {signal}-3"), signal, 2);
        assert_eq!(output.status.code(), Some(code));
        object(&output);
        let output = ended(&desk, "shrink --seed 1 --bug commit-prior-term-by-count --jobs 1", signal, 1);
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(String::from_utf8_lossy(&output.stdout).contains("current-term-commit broken"));
    }
}

#[cfg(unix)]
#[test]
fn files_that_a_signal_comes_before_stay_unknown() {
    let desk = Desk::new();
    // Each value is written twice and all calls overlap: no method but the search tells, and that takes long.
    let operation = |process: u64, kind: &str, value: u64| {
        format!("{{:process {process}, :type :{kind}, :f :write, :key \"x\", :value {value}}}\n")
    };
    let mut text: String = (0..40).map(|process| operation(process, "invoke", process % 4)).collect();
    text += &(0..40).map(|process| operation(process, "ok", process % 4)).collect::<String>();
    for value in [0, 1, 2, 3, 0, 1, 2, 3, 0] {
        text += &format!(
            "{{:process 50, :type :invoke, :f :read, :key \"x\", :value nil}}\n{{:process 50, :type :ok, :f :read, :key \"x\", :value {value}}}\n"
        );
    }
    desk.file("long.edn", &text);
    desk.file("good.jsonl", STALE.lines().next().unwrap());
    let line =
        format!("check history --json --steps {0} --bytes {0} good.jsonl long.edn good.jsonl", u64::MAX);
    let output = ended(&desk, &line, "TERM", 1);
    let report = object(&output);
    let verdicts: Vec<&str> =
        report["files"].as_array().unwrap().iter().map(|file| file["verdict"].as_str().unwrap()).collect();
    assert_eq!((output.status.code(), verdicts), (Some(143), vec!["linearizable", "unknown", "unknown"]));
}

#[test]
fn the_table_of_exit_codes_is_the_same_in_help_and_readme() {
    let desk = Desk::new();
    let help = String::from_utf8(desk.run("--help").stdout).unwrap();
    let table = &help[help.find("Exit codes:").expect("a table")..];
    for code in ["  0  ", "  1  ", "  2  ", "  101  ", "  130  ", "  143  "] {
        assert!(table.contains(code), "{table}");
    }
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
    assert!(readme.contains(table.trim_end()), "the README has another table than this:\n{table}");
}

/// What no sentence for people says: the words of Rust, of serde, of clap and of toml.
const INTERNALS: [&str; 24] = [
    "invalid digit",
    "target type",
    "struct ",
    "u64",
    "i64",
    "u32",
    "u8",
    "recurs",
    "variant",
    "invalid type",
    "invalid value",
    "invalid length",
    "Utf8",
    "os error",
    "subcommand",
    "unexpected argument",
    "tuple",
    "enum ",
    "Some(",
    "None",
    "Err(",
    "newtype",
    "is no duration",
    "stream did not",
];

#[test]
fn what_is_wrong_is_said_in_the_words_of_the_user() {
    let desk = Desk::new();
    let plan = include_str!("example.toml");
    let mut file = 0;
    let mut changed = |verb: &str, text: &str| {
        file += 1;
        let name = format!("it-{file}.toml");
        desk.file(&name, text);
        (format!("{verb} {name}"), name)
    };
    // Lines, each with what is said of it.
    let lines = [
        (
            "sweep --shard -1/4",
            "--shard `-1/4`: write I/N, such as 1/4: number I, from 1 to N, of N machines",
        ),
        ("sweep --shard 5/4", "--shard `5/4`: write I/N, such as 1/4: number I, from 1 to N, of N machines"),
        ("sweep --shard", "a value is missing: --shard <I/N>"),
        (
            "sweep --for 99999999999h",
            "--for `99999999999h`: longer than a duration can be: at most 18446744073.709551615s, which is 584 years",
        ),
        ("sweep --for 0.5ns", "--for `0.5ns`: finer than 1ns, the shortest duration"),
        ("sweep --for 5", "--for `5`: write a number and its unit, such as 2.5s, 150ms, 80us or 7ns"),
        ("sweep --for -1s", "--for `-1s`: write a number and its unit, such as 2.5s, 150ms, 80us or 7ns"),
        (
            "sweep --jobs 99999999999999999999",
            "--jobs `99999999999999999999`: a sweep needs a whole number of jobs, at least 1",
        ),
        ("sweep --out", "a value is missing: --out <DIR>"),
        ("sweep --json=yes", "--json does not take `yes`"),
        ("sweep --seeds 1 --seeds 2", "--seeds <A..B> is given twice"),
        ("sweep --sheds 1", "there is no option `--sheds` here; did you mean `--seeds`?"),
        ("swep", "there is no command `swep`; did you mean `sweep`?"),
        ("sweep 5", "nothing is expected where `5` stands"),
        ("--json sweep", "the command `sweep` comes first, and then --json"),
        ("shrink", "missing: FILE or --seed <N> or --survey"),
        ("shrink --seed 1 --survey", "--seed <N> and --survey do not go together"),
        ("shrink --seed 1 --runs -1", "--runs `-1`: write a whole number from 0 to 18446744073709551615"),
        (
            "shrink --seed 1 --runs 99999999999999999999",
            "--runs `99999999999999999999`: write a whole number from 0 to 18446744073709551615",
        ),
        ("shrink --seed 1 --runs 1e3", "--runs `1e3`: write a whole number from 0 to 18446744073709551615"),
        ("keep", "missing: --name <NAME> and FILE or --seed <N>"),
        ("keep --name x", "missing: FILE or --seed <N>"),
        ("run", "missing: --seed <N> or --plan <FILE>"),
        ("run --seed -1", "--seed `-1`: a seed is a whole number from 0 to 18446744073709551615"),
        ("run --seed 1 --bug -1", "there is no bug `-1`; `harness list` names them all"),
        ("plan", "missing: --seed <N>"),
        ("replay", "missing: FILE"),
        ("merge", "missing: DIR..."),
        ("check", "missing: `harness check` what? history or facts"),
        ("check history --bytes 1GB x", "--bytes `1GB`: write a whole number from 0 to 18446744073709551615"),
        (
            "check history --steps 99999999999999999999 x",
            "--steps `99999999999999999999`: write a whole number from 0 to 18446744073709551615",
        ),
    ];
    let mut table: Vec<(String, String)> =
        lines.map(|(line, said)| (line.to_owned(), format!("harness: {said}"))).into();
    let deep = format!("x = {}", "[".repeat(3_000));
    let keys = format!("{} = 1", vec!["a"; 3_000].join("."));
    let plans = [
        (
            "nodes = 5",
            "nodes = \"five\"",
            "3:9: `nodes`: expected a whole number from 0 on, not the text `five`",
        ),
        ("nodes = 5", "nodes = -5", "3:9: `nodes`: expected a whole number from 0 on, not `-5`"),
        ("nodes = 5", "nodes = 5.5", "3:9: `nodes`: expected a whole number from 0 on, not `5.5`"),
        (
            "nodes = 5",
            "nodes = 99999999999999999999",
            "3:9: `nodes`: expected a whole number from 0 to 18446744073709551615, not `99999999999999999999`",
        ),
        ("nodes = 5", "nodes = [5]", "3:9: `nodes`: expected a whole number from 0 on, not a list"),
        ("nodes = 5", "nodes = 1979-05-27", "3:9: `nodes`: expected a whole number from 0 on, not a date"),
        (
            "version = 1",
            "version = \"one\"",
            "1:11: `version`: expected a whole number from 0 on, not the text `one`",
        ),
        (
            "version = 1",
            "version = 4294967296",
            "1:11: `version`: expected a whole number from 0 to 4294967295, not `4294967296`",
        ),
        (
            "heartbeat = \"87ms\"",
            "heartbeat = \"99999999999h\"",
            "9:13: `99999999999h`: longer than a duration can be: at most 18446744073.709551615s, which is 584 years",
        ),
        (
            "heartbeat = \"87ms\"",
            "heartbeat = 87",
            "9:13: `heartbeat`: expected a duration in quotes with its unit, such as \"150ms\", not `87`",
        ),
        ("pre_vote = false", "pre_vote = 1", "10:12: `pre_vote`: expected `true` or `false`, not `1`"),
        ("nodes = [4]", "nodes = 4", "48:9: `nodes`: expected a list in brackets, such as [1, 2], not `4`"),
        (
            "nodes = 5",
            "nodes = five",
            "3:9: `nodes`: `five` is no value, expected a number, a text in quotes, or `true` or `false`",
        ),
    ];
    for (from, to, said) in plans {
        assert!(plan.contains(from), "the example has no {from:?}:\n{plan}");
        let (line, name) = changed("run --plan", &plan.replacen(from, to, 1));
        table.push((line, format!("harness: {name}:{said}")));
    }
    let cases = [
        ("plan = 5\n", "1:8: `plan`: expected a table of fields, not `5`"),
        ("plan = [1]\n", "1:8: `plan`: expected a table of fields, not a list"),
        ("nodes = 5\nplan = \"a plan\"\n", "2:8: `plan`: expected a table of fields, not the text `a plan`"),
        (&deep, "1:85: lists and tables stand in one another too deep here"),
        (&keys, "1:1: lists and tables stand in one another too deep here"),
    ];
    for (text, said) in cases {
        for verb in ["run --plan", "replay", "shrink"] {
            let (line, name) = changed(verb, text);
            table.push((line, format!("harness: {name}:{said}")));
        }
    }
    let failed: Vec<String> = (table.iter())
        .filter_map(|(line, right)| {
            let said = desk.refusal(line);
            let leaks: Vec<&&str> = INTERNALS.iter().filter(|word| said.contains(**word)).collect();
            (said != *right || !leaks.is_empty())
                .then(|| format!("$ {line}\nsaid:  {said}\nright: {right}\nleaks: {leaks:?}"))
        })
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

/// A text that would move the cursor, colour the terminal, turn the line around and begin another one.
const NASTY: &str = "a\u{1b}[31mb\u{202e}c\u{200b}d\ne\u{9b}2Jf\u{7f}";

#[cfg(unix)]
#[test]
fn what_comes_from_outside_moves_no_cursor() {
    let desk = Desk::new();
    let name = format!("{NASTY}.toml");
    desk.file(&name, &desk.plan(5));
    desk.file(
        &format!("{NASTY}.bad"),
        &format!("\"{}\" = 1\nnodes = \"{}\"\n", "x\\u001b[2J", "y\\u202e".repeat(300)),
    );
    desk.file(&format!("{NASTY}.jsonl"), &STALE.replace("k3", "k\\u001b[2J\\u202e\\u0007"));
    desk.file(
        &format!("{NASTY}.edn"),
        &format!("{{:process 0, :type :invoke, :f :write, :key \"{NASTY}\", :value 1}}\n"),
    );
    fs::create_dir_all(desk.path().join("regressions/cases")).unwrap();
    assert!(desk.run("keep --seed 5 --name five").status.success());
    let case = desk.text("regressions/cases/five.toml");
    let end = case.find("\nexpect").unwrap();
    desk.file("told.toml", &format!("story = \"x\\u001b[31m\\u202e\\u009b2J\"{}", &case[end..]));
    let folder = desk.path().join(NASTY);
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("ledger.jsonl"), format!("{NASTY}\n{NASTY}\n")).unwrap();
    let lines: [&[&str]; 14] = [
        &["run", "--plan", &name],
        &["run", "--plan", &format!("{NASTY}.bad")],
        &["run", "--plan", NASTY],
        &["run", "--seed", NASTY],
        &["run", "--seed", "1", "--bug", NASTY],
        &["sweep", NASTY],
        &["sweep", "--without", NASTY],
        &["sweep", "--seeds", "2", "--out", NASTY],
        &[NASTY],
        &["replay", "told.toml"],
        &["merge", NASTY],
        &["check", "history", &format!("{NASTY}.jsonl"), &format!("{NASTY}.edn")],
        &["check", "facts", &format!("{NASTY}.jsonl")],
        &["keep", &name, "--name", "nasty"],
    ];
    for words in lines {
        let mut command = desk.command("");
        let output = command.args(words).output().unwrap();
        for (stream, bytes) in [("out", &output.stdout), ("err", &output.stderr)] {
            let text = std::str::from_utf8(bytes).unwrap();
            let bad = |c: &char| (c.is_control() && *c != '\n') || "\u{202e}\u{200b}".contains(*c);
            let bad = text.chars().find(bad);
            assert!(bad.is_none(), "{words:?} wrote {bad:?} to standard {stream}: {text:?}");
            if stream == "err" {
                assert!(text.lines().all(|line| line.starts_with("harness: ")), "{words:?}: {text}");
                assert!(text.lines().all(|line| line.chars().count() < 1_000), "{words:?}: {text}");
            }
        }
    }
}

#[test]
fn a_value_longer_than_a_line_is_cut() {
    let desk = Desk::new();
    let long = "x".repeat(30_000);
    desk.file("long.jsonl", &STALE.replace("k3", &long));
    desk.file("long.toml", &format!("version = \"{long}\""));
    let lines: [&[&str]; 7] = [
        &["run", "--seed", &long],
        &["run", "--seed", "1", "--bug", &long],
        &["sweep", "--for", &long],
        &["sweep", &long],
        &[&long],
        &["run", "--plan", "long.toml"],
        &["check", "history", "long.jsonl"],
    ];
    for words in lines {
        let output = desk.command("").args(words).output().unwrap();
        let said = String::from_utf8([output.stderr, output.stdout].concat()).unwrap();
        // A name of a history is cut in its middle.
        let is_cut = said.contains(" more characters)") || said.contains("xxx ... xxx");
        assert!(is_cut && said.lines().all(|line| line.len() < 1_500), "{said}");
    }
}

#[cfg(unix)]
#[test]
fn environment_variables_that_are_not_in_utf_8_are_refused() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let desk = Desk::new();
    let names = [
        "SLURM_ARRAY_TASK_ID",
        "SLURM_ARRAY_TASK_MIN",
        "SLURM_ARRAY_TASK_COUNT",
        "JOB_COMPLETION_INDEX",
        "JOB_COMPLETION_COUNT",
        "JOB_COMPLETIONS",
        "CI_NODE_INDEX",
        "CI_NODE_TOTAL",
    ];
    let whole = [("SLURM_ARRAY_TASK_ID", "0"), ("JOB_COMPLETION_INDEX", "0"), ("CI_NODE_INDEX", "1")];
    for name in names {
        let mut command = desk.command("sweep --seeds 2");
        // Only the pair that the variable belongs to is set.
        command.envs(whole.iter().filter(|(index, _)| index[..4] == name[..4]).copied());
        command.env(name, OsStr::from_bytes(b"1\xff"));
        let said = desk.refused(command, name);
        assert_eq!(said, format!("harness: {name} is `1\u{fffd}`, which is not in UTF-8"));
    }
    let mut command = desk.command("run --seed 1");
    command.env("RUST_LOG", OsStr::from_bytes(b"\xff"));
    assert_eq!(desk.refused(command, "RUST_LOG"), "harness: RUST_LOG is `\u{fffd}`, which is not in UTF-8");
}

#[test]
fn a_case_that_expects_what_does_not_exist_is_refused() {
    let desk = Desk::new();
    fs::create_dir_all(desk.path().join("regressions/cases")).unwrap();
    assert!(desk.run("keep --seed 5 --name five").status.success());
    let case = desk.text("regressions/cases/five.toml");
    let passed = "expect = \"passed\"";
    assert!(case.contains(passed) && case.contains("milestones = ["), "{case}");
    let said = [
        case.replacen(passed, "expect = { still-there = \"linearizabilty\" }", 1),
        case.replacen(passed, "expect = { caught = \"zzz\" }", 1),
        case.replacen("milestones = [", "milestones = [\"log-trunctaed\", ", 1),
        case.replacen(passed, "expect = 5", 1),
        case.replacen(passed, "expect = \"caught\"", 1),
    ]
    .map(|text| {
        desk.file("case.toml", &text);
        let said = desk.refusal("replay case.toml");
        said.rsplit_once(": ").map(|(_, sentence)| sentence.to_owned()).unwrap()
    });
    let right = [
        "there is no property `linearizabilty`; did you mean `linearizability`?",
        "there is no property `zzz`; `harness list` names them all",
        "there is no milestone `log-trunctaed`; did you mean `log-truncated`?",
        "expected a name in quotes, not `5`",
        "expected a name with a value, such as { NAME = \"...\" }, not a name alone",
    ];
    assert_eq!(said, right);
}

#[test]
fn a_ledger_with_numbers_that_cannot_be_true_is_damaged_and_no_panic() {
    let desk = Desk::new();
    assert_eq!(
        desk.run("sweep --seeds 4 --bug match-from-sent-index --as-found --out whole").status.code(),
        Some(1)
    );
    let whole = desk.text("whole/ledger.jsonl");
    let parsed: Vec<Value> =
        whole.lines().map(|line| serde_json::from_str(line.rsplit_once('\t').unwrap().0).unwrap()).collect();
    // Every number of the batch, one after the other, becomes the largest, the smallest, and too large.
    let mut pointers = Vec::new();
    numbers(&parsed[1], String::new(), &mut pointers);
    assert!(pointers.len() > 30, "{pointers:?}");
    for (at, pointer) in pointers.iter().enumerate() {
        // A few of the many tallies stand for all of them.
        if at > 40 && !at.is_multiple_of(7) {
            continue;
        }
        for number in [Value::from(u64::MAX), Value::from(-1), Value::from(1e300)] {
            let mut batch = parsed[1].clone();
            *batch.pointer_mut(pointer).unwrap() = number;
            let lines: String = [&parsed[0], &batch].into_iter().map(sealed).collect();
            fs::create_dir_all(desk.path().join("forged")).unwrap();
            desk.file("forged/ledger.jsonl", &lines);
            let output = desk.run("merge --json forged");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!([Some(1), Some(2)].contains(&output.status.code()), "{pointer}: {said}");
            assert!(!said.contains("panic") && !said.contains("u64"), "{pointer}: {said}");
            object(&output);
        }
    }
}

/// A line of a ledger with a checksum that fits.
fn sealed(entry: &Value) -> String {
    let text = entry.to_string();
    format!("{text}\t{:08x}\n", crc32c::crc32c(text.as_bytes()))
}

/// Where numbers stand in an object.
fn numbers(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Number(_) => found.push(at),
        Value::Array(values) => {
            values
                .iter()
                .enumerate()
                .for_each(|(place, value)| numbers(value, format!("{at}/{place}"), found));
        }
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| numbers(value, format!("{at}/{name}"), found));
        }
        _ => {}
    }
}
