//! The messages of the command line: exit codes, the JSON object and error messages.

#![expect(clippy::disallowed_methods, reason = "a test reads what the program prints")]

mod sandbox;

use sandbox::{Running, Sandbox, object};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::process::Output;
use std::thread::sleep;
use std::time::Duration;

/// A history with one stale read.
const STALE: &str = r#"{"process":1,"op":"write","key":"k3","value":5,"call":0,"return":10,"outcome":"ok"}
{"process":2,"op":"write","key":"k3","value":6,"call":20,"return":30,"outcome":"ok"}
{"process":1,"op":"read","key":"k3","result":5,"call":40,"return":50,"outcome":"ok"}
"#;

/// Exit codes of commands with `--json`, for all outcomes without a signal.
#[test]
fn with_json_every_outcome_prints_one_object() {
    let sandbox = Sandbox::new();
    sandbox.file("stale.jsonl", STALE);
    sandbox.file("good.jsonl", STALE.lines().next().unwrap());
    sandbox.file("blank.jsonl", "\n");
    let leads =
        |node: u64| format!("{{\"at\":1,\"step\":1,\"node\":{node},\"fact\":\"leads\",\"term\":7}}\n");
    sandbox.file("good.facts", &leads(1));
    sandbox.file("bad.facts", &(leads(1) + &leads(2)));
    let write = |at: u64| {
        format!(
            "{{:process 0, :type :invoke, :f :write, :key \"x\", :value {}}}\n{{:process 0, :type :ok, :f :write, :key \"x\", :value {}}}\n",
            at % 2,
            at % 2
        )
    };
    sandbox.file("long.edn", &(0..9).map(write).collect::<String>());
    sandbox.file("file", "");
    assert_eq!(sandbox.run("sweep --seeds 4 --shard 1/2 --out half").status.code(), Some(0));
    assert_eq!(sandbox.run("sweep --for 300ms --out night").status.code(), Some(0));
    let cases: [(&str, i32); 40] = [
        ("sweep --seeds 3", 0),
        ("--seeds 3", 0),
        ("sweep --for 300ms", 0),
        ("sweep --seeds 2 --out here", 0),
        ("sweep --seeds 2 --out here --resume", 0),
        ("merge here", 0),
        ("merge half", 1),
        ("sweep --seeds 4 --bug match-from-sent-index --no-shrink", 1),
        ("sweep --seeds 5..5", 2),
        ("sweep --seeds", 2),
        ("sweep --shard -1/4", 2),
        ("sweep --bug nothing", 2),
        ("sweep --disable nothing", 2),
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
        ("bugs --bug commit-index-regress --seeds 3 --max-seeds 3", 0),
        ("bugs --bug nothing", 2),
        ("bugs --out file", 2),
    ];
    for (line, code) in cases {
        let output = sandbox.run(&format!("{line} --json"));
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{line}: {message}");
        let object = object(&output);
        if let Some(error) = object["error"].as_str() {
            assert!(code == 2 && message.contains(error), "{line}: {object}");
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

/// Each bug of the core is shown by a scope of the list, or all of them are exhausted, or one is cut.
#[test]
fn bugs_are_looked_for_in_a_list_of_scopes() {
    let sandbox = Sandbox::new();
    sandbox.file("two.toml", "[[explore]]\nscope = { servers = 2, voters = 2 }\n");
    let results = |line: &str| {
        let output = sandbox.run(line);
        assert_eq!(output.status.code(), Some(0), "{line}: {output:?}");
        let all = object(&output)["bugs"].as_array().expect("a list of bugs").clone();
        let ended = |bug: &Value| (bug["bug"].as_str().unwrap().to_owned(), bug["ended"].clone());
        all.iter().map(ended).collect::<BTreeMap<String, Value>>()
    };
    let whole = results("explore --scopes two.toml --bugs --json");
    let shown = &whole["vote-reply-before-sync"];
    assert_eq!((&shown["result"], &shown["property"]), (&"shown".into(), &"persist-before-reply".into()));
    assert_eq!(whole["learner-counted-in-quorum"]["result"], "exhausted", "the group never changes");
    let part = results("explore --scopes two.toml --bugs --json --max-states 10");
    assert_eq!(part["vote-reply-before-sync"], *shown, "a short trace needs few states");
    assert_eq!(part["learner-counted-in-quorum"]["result"], "cut");
}

/// A list of scopes is explored, and compared with the numbers of states in it.
#[test]
fn lists_of_scopes_are_compared() {
    let sandbox = Sandbox::new();
    let list = |states: &str, scope: &str| format!("[[explore]]\n{states}\nscope = {{ {scope} }}\n");
    let two = "servers = 2, voters = 2";
    let good = list("states = 220\nliveness = true", two) + &list("", "servers = 1, voters = 1");
    sandbox.file("good.toml", &good);
    sandbox.file("other.toml", &(good + &list("states = 219", two)));
    sandbox.file("wrong.toml", &list("", "servers = 2"));
    sandbox.file("empty.toml", "explore = []\n");
    let run = |line: &str, code: i32| {
        let output = sandbox.run(line);
        assert_eq!(output.status.code(), Some(code), "{line}: {output:?}");
        output
    };
    let good = object(&run("explore --scopes good.toml --json", 0));
    assert_eq!((&good["as_listed"], &good["scopes"][0]["states"]), (&true.into(), &220.into()), "{good}");
    assert!(
        good["scopes"][0]["recovered"].as_u64() > Some(0) && good["scopes"][1]["recovered"] == 0,
        "{good}"
    );
    let text = String::from_utf8(run("explore --scopes other.toml", 1).stdout).unwrap();
    assert_eq!(text.matches("the list says: complete, 219 states").count(), 1, "{text}");
    assert!(text.contains("complete: 220 states"), "{text}");
    for (line, reason) in [
        ("explore --scopes wrong.toml", "wrong.toml: scope 1: voters must be 1 to 2"),
        ("explore --scopes empty.toml", "empty.toml: it lists no scope"),
        ("explore --scopes nowhere.toml", "nowhere.toml"),
        ("explore --scopes good.toml --bug nothing", "cannot be used together"),
        ("explore --bugs", "--scopes <FILE>"),
    ] {
        let message = String::from_utf8(run(line, 2).stderr).unwrap();
        assert!(message.contains(reason), "{line}: {message}");
    }
}

/// Sends a signal to a command once it handles signals.
#[cfg(unix)]
fn run_and_signal(sandbox: &Sandbox, line: &str, signal: &str, times: u32) -> Output {
    let mut running = Running::start(sandbox.command(line));
    running.wait_for_signal_handlers();
    // Shrinking may finish soon; the others need time to produce results.
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
fn a_signal_gives_its_exit_code_and_a_summary() {
    let sandbox = Sandbox::new();
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let output = run_and_signal(&sandbox, &format!("sweep --for 1h --json --out {signal}-1"), signal, 1);
        assert_eq!(output.status.code(), Some(code));
        assert!(object(&output)["cut_short"] == true);
        let output = run_and_signal(&sandbox, &format!("sweep --for 1h --out {signal}-2"), signal, 1);
        assert_eq!(output.status.code(), Some(code));
        assert!(String::from_utf8_lossy(&output.stdout).contains("(ended early)"));
        // A second signal ends the command at once: no summary, but still an object.
        let output = run_and_signal(&sandbox, &format!("sweep --for 1h --json --out {signal}-3"), signal, 2);
        assert_eq!(output.status.code(), Some(code));
        object(&output);
        let output =
            run_and_signal(&sandbox, "shrink --seed 2 --bug commit-prior-term-by-count --jobs 1", signal, 1);
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(String::from_utf8_lossy(&output.stdout).contains("current-term-commit violated"));
    }
}

#[cfg(unix)]
#[test]
fn files_not_yet_checked_at_a_signal_are_unknown() {
    let sandbox = Sandbox::new();
    // Each value is written twice and all calls overlap, so that only the slow search can decide.
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
    sandbox.file("long.edn", &text);
    sandbox.file("good.jsonl", STALE.lines().next().unwrap());
    let line =
        format!("check history --json --steps {0} --bytes {0} good.jsonl long.edn good.jsonl", u64::MAX);
    let output = run_and_signal(&sandbox, &line, "TERM", 1);
    let report = object(&output);
    let verdicts: Vec<&str> =
        report["files"].as_array().unwrap().iter().map(|file| file["verdict"].as_str().unwrap()).collect();
    assert_eq!((output.status.code(), verdicts), (Some(143), vec!["linearizable", "unknown", "unknown"]));
}

#[test]
fn help_and_readme_have_the_same_table_of_exit_codes() {
    let sandbox = Sandbox::new();
    let help = String::from_utf8(sandbox.run("--help").stdout).unwrap();
    let table = &help[help.find("Exit codes:").expect("a table")..];
    for code in ["  0  ", "  1  ", "  2  ", "  101  ", "  130  ", "  143  "] {
        assert!(table.contains(code), "{table}");
    }
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
    assert!(readme.contains(table.trim_end()), "the README has another table than this:\n{table}");
}

/// Words of Rust, serde, clap and toml that no message may contain.
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
    "recognized subcommand",
    "unexpected argument '",
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
fn error_messages_use_the_words_of_the_user() {
    let sandbox = Sandbox::new();
    let plan = include_str!("example.toml");
    let mut file = 0;
    let mut changed = |verb: &str, text: &str| {
        file += 1;
        let name = format!("it-{file}.toml");
        sandbox.file(&name, text);
        (format!("{verb} {name}"), name)
    };
    // Command lines with the expected messages.
    let lines = [
        ("sweep --shard -1/4", "--shard `-1/4`: write I/N, such as 1/4: part I, from 1 to N, of N parts"),
        ("sweep --shard 5/4", "--shard `5/4`: write I/N, such as 1/4: part I, from 1 to N, of N parts"),
        ("sweep --shard", "a value is missing: --shard <I/N>"),
        (
            "sweep --for 99999999999h",
            "--for `99999999999h`: too long: a duration is at most 18446744073.709551615s, which is 584 years",
        ),
        ("sweep --for 0.5ns", "--for `0.5ns`: too fine: the smallest unit is 1ns"),
        ("sweep --for 5", "--for `5`: write a number and its unit, such as 2.5s, 150ms, 80us or 7ns"),
        ("sweep --for -1s", "--for `-1s`: write a number and its unit, such as 2.5s, 150ms, 80us or 7ns"),
        (
            "sweep --jobs 99999999999999999999",
            "--jobs `99999999999999999999`: write a whole number from 1 up",
        ),
        ("sweep --out", "a value is missing: --out <DIR>"),
        ("sweep --json=yes", "--json does not take `yes`"),
        ("sweep --seeds 1 --seeds 2", "--seeds <A..B> is given twice"),
        ("sweep --sheds 1", "there is no option `--sheds` here; did you mean `--seeds`?"),
        ("swep", "there is no command `swep`; did you mean `sweep`?"),
        ("sweep 5", "unexpected argument `5`"),
        ("--json sweep", "the command `sweep` must come before --json"),
        ("shrink", "missing: FILE or --seed <N> or --survey"),
        ("shrink --seed 1 --survey", "--seed <N> and --survey cannot be used together"),
        ("shrink --seed 1 --runs -1", "--runs `-1`: write a whole number from 0 to 18446744073709551615"),
        (
            "shrink --seed 1 --runs 99999999999999999999",
            "--runs `99999999999999999999`: write a whole number from 0 to 18446744073709551615",
        ),
        ("shrink --seed 1 --runs 1e3", "--runs `1e3`: write a whole number from 0 to 18446744073709551615"),
        ("add-case", "missing: --name <NAME> and FILE or --seed <N>"),
        ("add-case --name x", "missing: FILE or --seed <N>"),
        ("run", "missing: --seed <N> or --plan <FILE>"),
        ("run --seed -1", "--seed `-1`: a seed is a whole number from 0 to 18446744073709551615"),
        ("run --seed 1 --bug -1", "there is no bug `-1`; the command `list` names them all"),
        ("plan", "missing: --seed <N>"),
        ("replay", "missing: FILE"),
        ("merge", "missing: DIR..."),
        ("check", "`harness check` needs a subcommand: history or facts"),
        ("check history --bytes 1GB x", "--bytes `1GB`: write a whole number from 0 to 18446744073709551615"),
        (
            "check history --steps 99999999999999999999 x",
            "--steps `99999999999999999999`: write a whole number from 0 to 18446744073709551615",
        ),
    ];
    let mut table: Vec<(String, String)> =
        lines.map(|(line, message)| (line.to_owned(), format!("harness: {message}"))).into();
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
            "9:13: `99999999999h`: too long: a duration is at most 18446744073.709551615s, which is 584 years",
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
            "3:9: `nodes`: `five` is not a value, expected a number, a text in quotes, or `true` or `false`",
        ),
    ];
    for (from, to, message) in plans {
        assert!(plan.contains(from), "the example has no {from:?}:\n{plan}");
        let (line, name) = changed("run --plan", &plan.replacen(from, to, 1));
        table.push((line, format!("harness: {name}:{message}")));
    }
    let cases = [
        ("plan = 5\n", "1:8: `plan`: expected a table of fields, not `5`"),
        ("plan = [1]\n", "1:8: `plan`: expected a table of fields, not a list"),
        ("nodes = 5\nplan = \"a plan\"\n", "2:8: `plan`: expected a table of fields, not the text `a plan`"),
        (&deep, "1:85: lists and tables are nested too deeply here"),
        (&keys, "1:1: lists and tables are nested too deeply here"),
    ];
    for (text, message) in cases {
        for verb in ["run --plan", "replay", "shrink"] {
            let (line, name) = changed(verb, text);
            table.push((line, format!("harness: {name}:{message}")));
        }
    }
    let failed: Vec<String> = (table.iter())
        .filter_map(|(line, expected)| {
            let message = sandbox.rejection(line);
            let leaks: Vec<&&str> = INTERNALS.iter().filter(|word| message.contains(**word)).collect();
            (message != *expected || !leaks.is_empty())
                .then(|| format!("$ {line}\nmessage:  {message}\nexpected: {expected}\nleaks: {leaks:?}"))
        })
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

/// A text with control characters that move the cursor, set colours, reverse the line and start a new one.
const CONTROL_CHARACTERS: &str = "a\u{1b}[31mb\u{202e}c\u{200b}d\ne\u{9b}2Jf\u{7f}";

#[cfg(unix)]
#[test]
fn control_characters_from_outside_are_escaped() {
    let sandbox = Sandbox::new();
    let name = format!("{CONTROL_CHARACTERS}.toml");
    sandbox.file(&name, &sandbox.plan(5));
    sandbox.file(
        &format!("{CONTROL_CHARACTERS}.bad"),
        &format!("\"{}\" = 1\nnodes = \"{}\"\n", "x\\u001b[2J", "y\\u202e".repeat(300)),
    );
    sandbox.file(&format!("{CONTROL_CHARACTERS}.jsonl"), &STALE.replace("k3", "k\\u001b[2J\\u202e\\u0007"));
    sandbox.file(
        &format!("{CONTROL_CHARACTERS}.edn"),
        &format!("{{:process 0, :type :invoke, :f :write, :key \"{CONTROL_CHARACTERS}\", :value 1}}\n"),
    );
    fs::create_dir_all(sandbox.path().join("regressions/cases")).unwrap();
    assert!(sandbox.run("add-case --seed 5 --name five").status.success());
    let case = sandbox.text("regressions/cases/five.toml");
    let end = case.find("\nexpect").unwrap();
    sandbox
        .file("description.toml", &format!("description = \"x\\u001b[31m\\u202e\\u009b2J\"{}", &case[end..]));
    let folder = sandbox.path().join(CONTROL_CHARACTERS);
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("ledger.jsonl"), format!("{CONTROL_CHARACTERS}\n{CONTROL_CHARACTERS}\n")).unwrap();
    let lines: [&[&str]; 14] = [
        &["run", "--plan", &name],
        &["run", "--plan", &format!("{CONTROL_CHARACTERS}.bad")],
        &["run", "--plan", CONTROL_CHARACTERS],
        &["run", "--seed", CONTROL_CHARACTERS],
        &["run", "--seed", "1", "--bug", CONTROL_CHARACTERS],
        &["sweep", CONTROL_CHARACTERS],
        &["sweep", "--disable", CONTROL_CHARACTERS],
        &["sweep", "--seeds", "2", "--out", CONTROL_CHARACTERS],
        &[CONTROL_CHARACTERS],
        &["replay", "description.toml"],
        &["merge", CONTROL_CHARACTERS],
        &["check", "history", &format!("{CONTROL_CHARACTERS}.jsonl"), &format!("{CONTROL_CHARACTERS}.edn")],
        &["check", "facts", &format!("{CONTROL_CHARACTERS}.jsonl")],
        &["add-case", &name, "--name", "nasty"],
    ];
    for words in lines {
        let mut command = sandbox.command("");
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
fn long_values_are_shortened() {
    let sandbox = Sandbox::new();
    let long = "x".repeat(30_000);
    sandbox.file("long.jsonl", &STALE.replace("k3", &long));
    sandbox.file("long.toml", &format!("version = \"{long}\""));
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
        let output = sandbox.command("").args(words).output().unwrap();
        let message = String::from_utf8([output.stderr, output.stdout].concat()).unwrap();
        // A name in a history is shortened in its middle.
        let is_cut = message.contains(" more characters)") || message.contains("xxx ... xxx");
        assert!(is_cut && message.lines().all(|line| line.len() < 1_500), "{message}");
    }
}

#[cfg(unix)]
#[test]
fn environment_variables_that_are_not_utf_8_are_rejected() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let sandbox = Sandbox::new();
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
        let mut command = sandbox.command("sweep --seeds 2");
        // Sets only the pair to which the variable belongs.
        command.envs(whole.iter().filter(|(index, _)| index[..4] == name[..4]).copied());
        command.env(name, OsStr::from_bytes(b"1\xff"));
        let message = sandbox.rejection_of(command, name);
        assert_eq!(message, format!("harness: {name} is `1\u{fffd}`, which is not in UTF-8"));
    }
    let mut command = sandbox.command("run --seed 1");
    command.env("RUST_LOG", OsStr::from_bytes(b"\xff"));
    assert_eq!(
        sandbox.rejection_of(command, "RUST_LOG"),
        "harness: RUST_LOG is `\u{fffd}`, which is not in UTF-8"
    );
}

#[test]
fn a_case_that_expects_an_unknown_name_is_rejected() {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path().join("regressions/cases")).unwrap();
    assert!(sandbox.run("add-case --seed 5 --name five").status.success());
    let case = sandbox.text("regressions/cases/five.toml");
    let passed = "expect = \"passed\"";
    assert!(case.contains(passed) && case.contains("milestones = ["), "{case}");
    let messages = [
        case.replacen(passed, "expect = { still-there = \"linearizabilty\" }", 1),
        case.replacen(passed, "expect = { caught = \"zzz\" }", 1),
        case.replacen("milestones = [", "milestones = [\"log-trunctaed\", ", 1),
        case.replacen(passed, "expect = 5", 1),
        case.replacen(passed, "expect = \"caught\"", 1),
    ]
    .map(|text| {
        sandbox.file("case.toml", &text);
        let message = sandbox.rejection("replay case.toml");
        message.rsplit_once(": ").map(|(_, sentence)| sentence.to_owned()).unwrap()
    });
    let expected = [
        "there is no property `linearizabilty`; did you mean `linearizability`?",
        "there is no property `zzz`; the command `list` names them all",
        "there is no milestone `log-trunctaed`; did you mean `log-truncated`?",
        "expected a name in quotes, not `5`",
        "expected a name with a value, such as { NAME = \"...\" }, not a name without a value",
    ];
    assert_eq!(messages, expected);
}

#[test]
fn impossible_numbers_in_a_ledger_are_reported_as_damage() {
    let sandbox = Sandbox::new();
    assert_eq!(
        sandbox.run("sweep --seeds 4 --bug match-from-sent-index --no-shrink --out whole").status.code(),
        Some(1)
    );
    let whole = sandbox.text("whole/ledger.jsonl");
    let parsed: Vec<Value> =
        whole.lines().map(|line| serde_json::from_str(line.rsplit_once('\t').unwrap().0).unwrap()).collect();
    // Replaces each number of the batch by the largest u64, a negative number, and one that is too large.
    let mut pointers = Vec::new();
    numbers(&parsed[1], String::new(), &mut pointers);
    assert!(pointers.len() > 30, "{pointers:?}");
    for (at, pointer) in pointers.iter().enumerate() {
        // A sample of the many counts is enough.
        if at > 40 && !at.is_multiple_of(7) {
            continue;
        }
        for number in [Value::from(u64::MAX), Value::from(-1), Value::from(1e300)] {
            let mut batch = parsed[1].clone();
            *batch.pointer_mut(pointer).unwrap() = number;
            let lines: String = [&parsed[0], &batch].into_iter().map(with_checksum).collect();
            fs::create_dir_all(sandbox.path().join("forged")).unwrap();
            sandbox.file("forged/ledger.jsonl", &lines);
            let output = sandbox.run("merge --json forged");
            let message = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!([Some(1), Some(2)].contains(&output.status.code()), "{pointer}: {message}");
            assert!(!message.contains("panic") && !message.contains("u64"), "{pointer}: {message}");
            object(&output);
        }
    }
}

/// A line of a ledger with a valid checksum.
fn with_checksum(entry: &Value) -> String {
    let text = entry.to_string();
    format!("{text}\t{:08x}\n", crc32c::crc32c(text.as_bytes()))
}

/// Collects the JSON pointers of all numbers.
fn numbers(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Number(_) => found.push(at),
        Value::Array(values) => {
            values
                .iter()
                .enumerate()
                .for_each(|(index, value)| numbers(value, format!("{at}/{index}"), found));
        }
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| numbers(value, format!("{at}/{name}"), found));
        }
        _ => {}
    }
}
