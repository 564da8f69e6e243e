//! The command line: bad input gives one clear message and exit code 2, and leaves no files.

#![expect(clippy::disallowed_methods, reason = "a test reads what the program prints")]

mod sandbox;

use invariants::Observed;
use invariants::formats::{self, ParseError};
use sandbox::{Running, Sandbox, object, verdict};
use serde_json::Value;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};

#[test]
fn unusable_command_lines_are_rejected_with_one_message() {
    let sandbox = Sandbox::new();
    sandbox.file("file", "");
    sandbox.file("plan.toml", include_str!("example.toml"));
    let lines = [
        "--seeds 5..5",
        "--seeds 9..3",
        "--seeds 0",
        "--seeds many",
        "--seeds 1..2..3",
        "--seeds -4..4",
        "--seed 5",
        "--jobs 0",
        "--jobs -1",
        "--for 0s",
        "--for ever",
        "--for 1e3s",
        "--out file",
        "--out file/deeper",
        "--bug no-such-bug",
        "--disable no-such-property",
        "--disable linearizabilty",
        "--disable liveness",
        "--seeds 18446744073709551616",
        "--seeds 5..",
        "swep",
        "sweep 5",
        "--json sweep",
        "run",
        "run --seed 1 --plan file",
        "run --seed x",
        "run --plan absent.toml",
        "run --plan .",
        "run --seed 1 --bug no-such-bug",
        "run --seed 1 --facts .",
        "run --seed 1 --facts same --history same",
        "run --seed 1 --facts facts --history absent/history",
        "plan",
        "plan --seed 1 --bug no-such-bug",
        "add-case --seed 1",
        "add-case --seed 1 --name Two_Words",
        "add-case --seed 1 --name ../escape",
        "add-case --seed 1 --name no-folder-here",
        "replay",
        "replay absent.toml",
        "replay file",
        "replay plan.toml",
    ];
    let messages: Vec<String> =
        lines.iter().map(|line| format!("$ {line}\n{}", sandbox.rejection(line))).collect();
    insta::assert_snapshot!(messages.join("\n\n"));
}

#[test]
fn unusable_plans_are_rejected_with_their_position() {
    let sandbox = Sandbox::new();
    let plan = include_str!("example.toml");
    let changes = [
        ("does-not-parse", "nodes = 5", "nodes = = 5"),
        ("newer", "version = 1", "version = 99\nmood = \"good\""),
        ("unknown-fault", "kind = \"power-loss\"", "kind = \"earthquake\""),
        ("unknown-node", "nodes = [4]", "nodes = [9]"),
        ("no-nodes", "nodes = 5", "nodes = 0"),
        ("unknown-field", "fault_phase = ", "fault_phsae = "),
        ("unknown-bug", "nodes = 5", "nodes = 5\nbug = \"no-such-bug\""),
        ("too-slow", "heartbeat = \"87ms\"", "heartbeat = \"87s\""),
    ];
    let mut messages = Vec::new();
    for (name, from, to) in changes {
        assert!(plan.contains(from), "the example has no {from:?}:\n{plan}");
        let file = format!("{name}.toml");
        sandbox.file(&file, &plan.replacen(from, to, 1));
        messages.push(sandbox.rejection(&format!("run --plan {file}")));
    }
    insta::assert_snapshot!(messages.join("\n"));
}

#[test]
fn a_file_of_another_kind_is_rejected() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path().join("picture.toml"), [0xff, 0xd8, 0xff]).unwrap();
    sandbox.file("empty.toml", "");
    let messages = ["run --plan picture.toml", "run --plan empty.toml"].map(|line| sandbox.rejection(line));
    insta::assert_snapshot!(messages.join("\n"));
}

#[test]
fn a_seed_always_gives_the_same_plan() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.plan(3), sandbox.plan(3));
    assert_ne!(sandbox.plan(3), sandbox.plan(4));
}

#[test]
fn help_and_version_succeed() {
    let sandbox = Sandbox::new();
    for line in ["--help", "sweep --help", "run --help", "help run", "--version", "list"] {
        let output = sandbox.run(line);
        assert!(output.status.success() && output.stderr.is_empty(), "{line}");
        assert!(!output.stdout.is_empty() && !output.stdout.contains(&0x1b), "{line}");
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let sandbox = Sandbox::new();
    for line in ["plan --seed 1", "list", "--help", "run --seed 1 --trace", "--seeds 3"] {
        let mut child = sandbox.command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut message = String::new();
        child.stderr.take().unwrap().read_to_string(&mut message).unwrap();
        assert_eq!((child.wait().unwrap().code(), message.as_str()), (Some(0), ""), "{line}");
    }
}

#[test]
fn a_sweep_in_json_prints_one_object_and_nothing_else() {
    let sandbox = Sandbox::new();
    let output = sandbox.run("sweep --seeds 0..20 --jobs 2 --json");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["seeds"], 20);
    for number in ["events", "simulated_seconds", "wall_seconds", "checked_events_per_second_per_core"] {
        assert!(report[number].as_f64().is_some_and(|number| number > 0.0), "{number}");
    }
    for list in ["properties", "milestones", "faults", "failures"] {
        assert!(report[list].is_array(), "{list}");
    }
    assert!(report["unknown"].is_u64() && report["digest"].is_string());
    assert_eq!(sandbox.names(), [""; 0], "a sweep without failures left something behind");
}

#[test]
fn a_sweep_has_the_same_digest_for_any_number_of_jobs() {
    let sandbox = Sandbox::new();
    let digest = |jobs: u64| {
        let output = sandbox.run(&format!("--seeds 100..130 --jobs {jobs} --json"));
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        report["digest"].clone()
    };
    assert_eq!(digest(1), digest(3));
}

#[test]
fn a_sweep_in_a_pipe_prints_plain_ascii() {
    let sandbox = Sandbox::new();
    let output = sandbox.run("--seeds 10");
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.is_ascii() && !text.contains('\u{1b}') && text.contains("seeds 0..10@"), "{text}");
    assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    assert!(!output.stderr.contains(&0x1b));
}

#[cfg(unix)]
#[test]
fn an_interrupted_sweep_reports_what_was_done() {
    let sandbox = Sandbox::new();
    for signal in ["INT", "TERM"] {
        let mut running = Running::start(sandbox.command(&format!("--for 1h --json --out {signal}")));
        running.wait_for_signal_handlers();
        std::thread::sleep(std::time::Duration::from_millis(500));
        running.signal(signal);
        let output = running.output();
        let code = if signal == "INT" { 130 } else { 143 };
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(report["cut_short"] == true && report["seeds"].as_u64() > Some(0), "{report}");
    }
}

#[test]
fn a_run_writes_facts_and_history_as_json_lines() {
    let sandbox = Sandbox::new();
    let output = sandbox.run("run --seed 1 --trace --facts facts.jsonl --history history.jsonl");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(sandbox.names(), ["facts.jsonl", "history.jsonl"]);
    let facts = fs::read_to_string(sandbox.path().join("facts.jsonl")).unwrap();
    for line in facts.lines() {
        let fact: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(fact["at"].is_u64() && fact["fact"].is_string(), "{line}");
    }
    let facts: Result<Vec<Observed>, ParseError> = formats::facts::read(&facts).collect();
    assert!(facts.is_ok_and(|facts| !facts.is_empty()));
    let history = fs::read_to_string(sandbox.path().join("history.jsonl")).unwrap();
    assert!(formats::histories::read(&history).is_ok_and(|history| !history.is_empty()));
}

#[test]
fn a_sweep_with_a_bug_exits_1_and_writes_the_failing_plans() {
    let sandbox = Sandbox::new();
    let line = "sweep --bug commit-prior-term-by-count --seeds 30 --out found/here";
    let output = sandbox.run(&format!("{line} --json"));
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let failures = report["failures"].as_array().unwrap();
    assert!(!failures.is_empty());
    for failure in failures {
        let path = failure["plan"].as_str().expect("a plan was written");
        assert_eq!(sandbox.run(&format!("replay {path}")).status.code(), Some(0), "{path} does not replay");
        let again = sandbox.run(&format!("run --plan {path}"));
        let page = String::from_utf8(again.stdout).unwrap();
        assert_eq!(again.status.code(), Some(1), "{page}");
        assert!(page.contains(failure["message"].as_str().unwrap()), "{page}");
    }
    let kept = fs::read_dir(sandbox.path().join("found/here")).unwrap().count();
    // The failing plans, the shrunk plan of the first of each group, and the ledger.
    assert!(kept > failures.len() + 1, "shrunk plans or the ledger are missing");

    let output = sandbox.run(line);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    let seed = &failures[0]["seed"];
    assert!(text.contains(&format!("run --seed {seed} --bug commit-prior-term-by-count --trace")), "{text}");
    assert!(text.contains("current-term-commit: violated by "), "{text}");
}

#[test]
fn a_sweep_with_a_bug_does_not_replace_failures_found_without_one() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path().join("failures")).unwrap();
    for seed in 0..30 {
        sandbox.file(&format!("failures/seed-{seed}.toml"), "found without a bug");
    }
    assert_eq!(sandbox.run("--bug commit-prior-term-by-count --seeds 30").status.code(), Some(1));
    for seed in 0..30 {
        let path = sandbox.path().join(format!("failures/seed-{seed}.toml"));
        assert_eq!(fs::read_to_string(path).unwrap(), "found without a bug");
    }
}

#[test]
fn a_sweep_that_ran_its_full_time_is_not_cut_short() {
    let sandbox = Sandbox::new();
    let output = sandbox.run("--for 300ms --json");
    assert_eq!(output.status.code(), Some(0));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["cut_short"] == false && report["seeds"].as_u64() > Some(0), "{report}");
}

#[test]
fn the_largest_seeds_and_more_jobs_than_seeds_work() {
    let sandbox = Sandbox::new();
    let output = sandbox.run("--seeds 18446744073709551612..18446744073709551615 --jobs 1000000 --json");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["seeds"], &report["passed"]), (&3.into(), &3.into()));
}

#[test]
fn control_characters_in_arguments_are_escaped() {
    let sandbox = Sandbox::new();
    let output = sandbox.command("--bug").arg("\u{1b}[31mred\nalert").output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        message,
        "harness: there is no bug `\\u{1b}[31mred\\nalert`; the command `list` names them all\n"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_device_is_reported() {
    let sandbox = Sandbox::new();
    for line in ["plan --seed 1", "list", "run --seed 1", "--seeds 2", "--seeds 2 --json"] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = sandbox.command(line).stdout(full).output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{line}: {message}");
        assert_eq!(
            message, "harness: standard output cannot be written: no space left on device\n",
            "{line}"
        );
    }
    let output = sandbox.run("run --seed 1 --facts /dev/full");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(sandbox.names(), [""; 0]);
}

#[test]
fn a_plan_from_a_file_runs_like_its_seed() {
    let sandbox = Sandbox::new();
    sandbox.file("plan.toml", &sandbox.plan(5));
    let digest = |line: &str| {
        let text = String::from_utf8(sandbox.run(line).stdout).unwrap();
        text.lines().find(|line| line.starts_with("digest ")).expect("a digest").to_owned()
    };
    assert_eq!(digest("run --plan plan.toml"), digest("run --seed 5"));
}

#[test]
fn a_kept_seed_can_be_replayed() {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path().join("regressions/cases")).unwrap();
    let kept = sandbox.run("add-case --seed 5 --name five");
    assert_eq!(kept.status.code(), Some(0), "{}", String::from_utf8_lossy(&kept.stderr));
    let replayed = sandbox.run("replay regressions/cases/five.toml");
    assert_eq!(replayed.status.code(), Some(0));
    assert!(String::from_utf8(replayed.stdout).unwrap().ends_with("as expected: all properties hold\n"));
    let again = sandbox.rejection("add-case --seed 6 --name five");
    assert_eq!(again, "harness: regressions/cases/five.toml already exists: choose another name");
}

/// A history with one stale read.
const STALE: &str = r#"{"process":1,"op":"write","key":"k3","value":5,"call":0,"return":10,"outcome":"ok"}
{"process":2,"op":"write","key":"k3","value":6,"call":20,"return":30,"outcome":"ok"}
{"process":1,"op":"read","key":"k3","result":5,"call":40,"return":50,"outcome":"ok"}
"#;

/// A linearizable history of the same register as a Jepsen log.
const LOG: &str = "INFO  jepsen.util - 0\t:invoke\t:write\t5\nINFO  jepsen.util - 1\t:invoke\t:read\tnil
INFO  jepsen.util - 0\t:info\t:write\t:timed-out\nINFO  jepsen.util - 1\t:ok\t:read\t5\n";

#[test]
fn recorded_histories_are_checked() {
    let sandbox = Sandbox::new();
    sandbox.file("stale.jsonl", STALE);
    sandbox.file("good.log", LOG);
    let output = sandbox.run("check history good.log stale.jsonl");
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stdout).unwrap();
    let without_time: Vec<&str> = message.lines().filter(|line| !line.starts_with("  time ")).collect();
    insta::assert_snapshot!(without_time.join("\n"));
    assert_eq!(sandbox.run("check history good.log").status.code(), Some(0));

    let output = sandbox.run("check history --json good.log stale.jsonl");
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let lines = report["files"].as_array().unwrap();
    assert_eq!(lines.len(), 2);
    let string_of =
        |line: &serde_json::Value, field: &str| line[field].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        (string_of(&lines[0], "verdict"), string_of(&lines[1], "file")),
        ("linearizable".into(), "stale.jsonl".into())
    );
    assert_eq!(string_of(&lines[1], "verdict"), "not linearizable");
    assert!(
        string_of(&lines[1], "explanation").contains("fits")
            || string_of(&lines[1], "explanation").contains("older")
    );
    assert_eq!((&lines[1]["operations"], string_of(&lines[1], "method")), (&3.into(), "zones (k3)".into()));
    assert!(lines[0]["explanation"].is_null() && lines[0]["seconds"].is_f64());
}

#[test]
fn recorded_facts_are_checked() {
    let sandbox = Sandbox::new();
    let leads = |step: u64, node: u64| {
        format!("{{\"at\":{step},\"step\":{step},\"node\":{node},\"fact\":\"leads\",\"term\":7}}\n")
    };
    sandbox.file("good.jsonl", &leads(1, 1));
    sandbox.file("bad.jsonl", &(leads(1, 1) + &leads(2, 3)));
    assert_eq!(sandbox.run("check facts good.jsonl").status.code(), Some(0));
    let output = sandbox.run("check facts bad.jsonl");
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stdout).unwrap();
    assert!(message.contains("election-safety: n3 leads term 7 although n1 already leads it"), "{message}");
    let output = sandbox.run("check facts --json bad.jsonl");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let file = &report["files"][0];
    assert_eq!((&file["verdict"], &file["facts"]), (&"violated".into(), &2.into()));
}

#[test]
fn unusable_recordings_are_rejected_with_their_lines() {
    let sandbox = Sandbox::new();
    let operation = |process: u64, call: u64, back: u64| {
        format!(
            "{{\"process\":{process},\"op\":\"read\",\"key\":\"k\",\"result\":null,\"call\":{call},\
             \"return\":{back},\"outcome\":\"ok\"}}\n"
        )
    };
    let event = |process: u64, kind: &str| format!("INFO  jepsen.util - {process} :{kind} :read nil\n");
    let call = "{\"session\":1,\"sequence\":1,\"key\":4,\"action\":\"get\",\"called\":10}\n";
    sandbox.file("two-open.jsonl", &(operation(1, 5, 20) + &operation(1, 10, 30)));
    sandbox.file("backwards.jsonl", &(operation(1, 15, 20) + &operation(2, 10, 30)));
    sandbox.file("before.jsonl", &operation(1, 15, 10));
    sandbox.file("two-open.log", &(event(0, "invoke") + &event(0, "invoke")));
    sandbox.file("no-call.log", &(event(0, "invoke") + &event(1, "ok")));
    sandbox.file("twice.log", &(event(0, "invoke") + &event(0, "ok") + &event(0, "ok")));
    sandbox.file("doubled.edn", "{:process 0, :type :invoke, :f :read, :value nil}\n{:process 0, :type :ok, :f :read, :value 5, :value 1}\n");
    sandbox.file("twice.jsonl", &(call.to_owned() + call));
    sandbox.file("poem.txt", "Shall I compare thee to a summer's day?\n");
    sandbox.file("half.log", "INFO  jepsen.util - 0 :invoke\n");
    sandbox.file("facts.jsonl", "{\"at\":1}\n");
    let fact =
        |at: u64, step: u64| format!("{{\"at\":{at},\"step\":{step},\"node\":1,\"fact\":\"crashed\"}}\n");
    sandbox.file("early.jsonl", &(fact(5, 1) + &fact(4, 2)));
    sandbox.file("steps.jsonl", &(fact(5, 2) + &fact(5, 1)));
    sandbox.file("blank.jsonl", "\n");
    sandbox.file("else.log", "INFO  jepsen.util - 0 :invoke :write 3\nINFO  jepsen.util - 0 :ok :write 4\n");
    sandbox.file("triple.edn", "{:process 0, :type :invoke, :f :cas, :value [:x \"hello\" 3]}\n");
    fs::write(sandbox.path().join("latin.log"), b"INFO  jepsen.util - 0 :invoke :write \"gr\xfc\xdfe\"\n")
        .unwrap();
    let lines = [
        "check",
        "check history",
        "check history absent.jsonl",
        "check history two-open.jsonl",
        "check history backwards.jsonl",
        "check history before.jsonl",
        "check history two-open.log",
        "check history no-call.log",
        "check history twice.log",
        "check history doubled.edn",
        "check history twice.jsonl",
        "check history poem.txt",
        "check history half.log",
        "check history blank.jsonl",
        "check history else.log",
        "check history triple.edn",
        "check history latin.log",
        "check history --steps -1 half.log",
        "check facts facts.jsonl",
        "check facts early.jsonl",
        "check facts steps.jsonl",
        "check facts blank.jsonl",
    ];
    let messages: Vec<String> =
        lines.iter().map(|line| format!("$ {line}\n{}", sandbox.rejection(line))).collect();
    insta::assert_snapshot!(messages.join("\n\n"));
}

#[test]
fn an_unusable_file_does_not_suppress_other_verdicts() {
    let sandbox = Sandbox::new();
    sandbox.file("stale.jsonl", STALE);
    sandbox.file("good.log", LOG);
    sandbox.file("blank.log", "\n");
    let fact = |node: u64| format!("{{\"at\":1,\"step\":1,\"node\":{node},\"fact\":\"leads\",\"term\":7}}\n");
    sandbox.file("good.facts", &fact(1));
    sandbox.file("bad.facts", &(fact(1) + &fact(2)));
    let verdicts = |line: &str| {
        let output = sandbox.run(line);
        let message = String::from_utf8(output.stdout).unwrap();
        let verdicts: Vec<String> = message
            .lines()
            .filter(|line| !line.starts_with(' ') && !line.is_empty())
            .map(str::to_owned)
            .collect();
        (output.status.code(), verdicts.join(", "), String::from_utf8(output.stderr).unwrap())
    };
    let nothing =
        |kind: &str, file: &str| format!("harness: {file}: expected {kind}: nothing was recorded in it\n");
    assert_eq!(
        verdicts("check history good.log blank.log stale.jsonl"),
        (
            Some(2),
            "good.log: linearizable, stale.jsonl: not linearizable".to_owned(),
            nothing("a history", "blank.log")
        )
    );
    assert_eq!(
        verdicts("check facts bad.facts blank.log good.facts"),
        (Some(2), "bad.facts: violated, good.facts: passed".to_owned(), nothing("facts", "blank.log"))
    );
    assert_eq!(verdicts("check facts bad.facts good.facts").0, Some(1));
    let output = sandbox.run("check history --json blank.log good.log");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let files = &report["files"];
    assert_eq!((&files[0]["verdict"], &files[0]["file"]), (&"unusable".into(), &"blank.log".into()));
    assert_eq!((&files[1]["verdict"], output.status.code()), (&"linearizable".into(), Some(2)));
}

#[test]
fn the_search_stops_at_the_given_limits() {
    let sandbox = Sandbox::new();
    let event = |process: u64, kind: &str, value: u64| {
        format!("{{:process {process}, :type :{kind}, :f :write, :key \"x\", :value {value}}}\n")
    };
    let twice: String = (0..9).map(|at| event(0, "invoke", at % 2) + &event(0, "ok", at % 2)).collect();
    sandbox.file("twice.edn", &twice);
    assert_eq!(sandbox.run("check history twice.edn").status.code(), Some(0));
    for (limit, expected) in [
        ("--steps 3", "3 steps did not suffice to judge \"x\" (--steps N allows more)"),
        ("--bytes 4", "4 bytes did not suffice to judge \"x\" (--bytes N allows more)"),
    ] {
        let output = sandbox.run(&format!("check history {limit} twice.edn"));
        let message = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(message.contains(&format!("unknown: {expected}")), "{message}");
        assert!(message.contains("search (\"x\")"), "{message}");
    }
}

/// The JSON report of a sweep without the fields that depend on the clock.
fn totals(output: &Output) -> serde_json::Value {
    let mut report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let object = report.as_object_mut().unwrap();
    object.retain(|key, _| !key.contains("second") && !["cut_short", "pace"].contains(&key.as_str()));
    report
}

#[test]
fn a_killed_sweep_resumes_to_the_same_totals() {
    let sandbox = Sandbox::new();
    let sweep = "sweep --seeds 0..1000 --bug match-from-sent-index --no-shrink --json --out";
    let mut child = sandbox
        .command(&format!("{sweep} killed"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Wait until the ledger has its first results.
    let ledger = sandbox.path().join("killed/ledger.jsonl");
    while fs::read_to_string(&ledger).map_or(0, |text| text.lines().count()) < 2 {
        assert!(child.try_wait().unwrap().is_none() || ledger.exists(), "the sweep ended without a ledger");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    // A ledger has one writer, and an unfinished sweep is not overwritten.
    let message = sandbox.rejection(&format!("{sweep} killed"));
    assert!(message.starts_with("harness: another sweep is writing killed/ledger.jsonl: "), "{message}");
    child.kill().unwrap();
    child.wait().unwrap();
    let before = fs::read(&ledger).unwrap();
    let message = sandbox.rejection(&format!("{sweep} killed"));
    assert!(message.starts_with("harness: killed/ledger.jsonl holds "), "{message}");
    assert!(message.ends_with("is unfinished: add --resume, or choose another folder"), "{message}");
    assert_eq!(fs::read(&ledger).unwrap(), before);
    let merged = sandbox.run("merge killed");
    let text = String::from_utf8(merged.stdout).unwrap();
    assert_eq!(merged.status.code(), Some(1), "{text}");
    assert!(text.contains("\nMISSING: seeds ") && text.contains("..1000 were not run"), "{text}");
    let resumed = sandbox.run(&format!("{sweep} killed --resume"));
    let undisturbed = sandbox.run(&format!("{sweep} whole"));
    let comparable = |output: &Output| {
        let mut totals = totals(output);
        // Only the folder of the plans differs.
        totals.as_object_mut().unwrap().remove("failures").unwrap().as_array().unwrap().len().to_string()
            + &totals.to_string()
    };
    assert_eq!(comparable(&resumed), comparable(&undisturbed));
    let merged = sandbox.run("merge --json whole");
    assert_eq!(totals(&merged)["digest"], totals(&undisturbed)["digest"]);
    assert_eq!(totals(&merged)["events"], totals(&undisturbed)["events"]);
}

#[test]
fn the_shards_of_a_sweep_cover_its_seeds() {
    let sandbox = Sandbox::new();
    let swept = |line: &str| totals(&sandbox.run(&format!("sweep --seeds 0..21 --json {line}")));
    let seeds = |report: &serde_json::Value| {
        let first = report["first_seed"].as_u64().unwrap();
        first..first + report["seeds"].as_u64().unwrap()
    };
    let parts =
        ["1/2", "2/2"].map(|shard| seeds(&swept(&format!("--shard {shard} --out part-{}", &shard[..1]))));
    assert_eq!(parts, [0..10, 10..21]);
    let merged: serde_json::Value =
        serde_json::from_slice(&sandbox.run("merge --json part-1 part-2").stdout).unwrap();
    let whole = swept("");
    assert_eq!((&merged["seeds"], &merged["events"]), (&21.into(), &whole["events"]));
    assert_eq!((&merged["digest"], &merged["ran"]), (&whole["digest"], &whole["ran"]));

    let output = sandbox
        .command("sweep --seeds 0..21 --json")
        .env("CI_NODE_INDEX", "2")
        .env("CI_NODE_TOTAL", "2")
        .output()
        .unwrap();
    assert_eq!(seeds(&totals(&output)), 10..21);
}

/// Changes a ledger as if another version of the harness had written it, with valid checksums.
fn forge(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "no {from} in {text}");
    let lines = text.lines().map(|line| {
        let line = line.rsplit_once('\t').unwrap().0.replace(from, to);
        format!("{line}\t{:08x}\n", crc32c::crc32c(line.as_bytes()))
    });
    fs::write(path, lines.collect::<String>()).unwrap();
}

/// What a merge says of parts that it leaves out, on standard error and on its page. The others are added.
fn merged_without(sandbox: &Sandbox, line: &str) -> String {
    let output = sandbox.run(line);
    let page = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{line}: {page}");
    let problems: String =
        page.lines().take_while(|line| !line.is_empty()).map(|line| format!("{line}\n")).collect();
    assert!(problems.starts_with("NOT MERGED"), "{line}: {page}");
    let verdict = verdict(&output);
    let seeds = verdict.split(':').next().unwrap();
    format!("$ {line}\n{}{problems}{seeds}", String::from_utf8_lossy(&output.stderr))
}

#[test]
fn seeds_that_were_not_run_are_reported_as_missing() {
    let sandbox = Sandbox::new();
    for shard in ["1/3", "2/3", "3/3"] {
        let part = sandbox.run(&format!("sweep --seeds 0..20 --shard {shard} --out part-{}", &shard[..1]));
        assert_eq!(part.status.code(), Some(0));
    }
    let merge = |folders: &str, code| {
        let output = sandbox.run(&format!("merge {folders}"));
        assert_eq!(output.status.code(), Some(code), "{folders}");
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        let missing = text.lines().find(|line| line.starts_with("MISSING")).unwrap_or_default();
        format!("$ merge {folders}\n{missing}\n{}", verdict(&output))
    };
    let messages = [
        merge("part-1 part-3", 1),
        merge("part-1 part-2", 1),
        merge("part-3", 1),
        merge("part-2 part-3 part-1", 0),
    ];
    insta::assert_snapshot!(messages.join("\n\n"));
    let messages =
        ["merge part-1 part-2 part-1", "merge part-1 nowhere"].map(|line| merged_without(&sandbox, line));
    insta::assert_snapshot!(messages.join("\n"));
}

#[test]
fn ledgers_of_different_sweeps_are_not_merged_silently() {
    let sandbox = Sandbox::new();
    for (part, seeds) in [("one", "0..4"), ("two", "4..8"), ("bug", "4..8 --bug commit-prior-term-by-count")]
    {
        sandbox.run(&format!("sweep --no-shrink --seeds {seeds} --out {part}"));
    }
    let two = sandbox.path().join("two/ledger.jsonl");
    let commit = fs::read_to_string(&two).unwrap();
    let commit = commit.split("\"commit\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    forge(&two, &format!("\"commit\":\"{commit}\""), "\"commit\":\"0123456789ab\"");
    let mixed = sandbox.run("merge one two");
    let message = String::from_utf8(mixed.stderr).unwrap();
    let text = String::from_utf8(mixed.stdout).unwrap();
    assert_eq!(mixed.status.code(), Some(0), "{text}");
    let both = format!("{commit}, 0123456789ab");
    let parts = format!("{commit} (one); 0123456789ab (two)");
    assert_eq!(message, format!("harness: the results come from different commits: {parts}\n"));
    assert!(text.ends_with(&format!(", commits {both}\n")), "{text}");

    let mut messages = vec![merged_without(&sandbox, "merge one bug")];
    let version = fs::read_to_string(&two).unwrap();
    let version =
        version.split("\"generator_version\":").nth(1).unwrap().split(',').next().unwrap().to_owned();
    forge(&two, &format!("\"generator_version\":{version}"), "\"generator_version\":2");
    messages.push(merged_without(&sandbox, "merge one two"));
    messages.push(sandbox.rejection("sweep --out two --resume"));
    messages.push(sandbox.rejection("sweep --out one --seeds 0..5 --resume"));
    messages.push(sandbox.rejection("sweep --out one --disable read-safety --resume"));
    insta::assert_snapshot!(messages.join("\n").replace(&format!("@{version}"), "@THIS"));
    // The result of another version is labelled with that version.
    let output = sandbox.run("merge two");
    assert!(verdict(&output).starts_with("seeds 4..8@2: "), "{}", verdict(&output));
}

#[test]
fn a_missed_canary_stays_reported() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.run("sweep --seeds 0..4 --out here").status.code(), Some(0));
    forge(&sandbox.path().join("here/ledger.jsonl"), "\"canaries_missed\":0", "\"canaries_missed\":1");
    for line in ["merge here", "sweep --out here --resume"] {
        let output = sandbox.run(line);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.code() == Some(1) && text.contains("\nCANARY MISSED: "), "{line}: {text}");
    }
}

#[test]
fn only_a_finished_sweep_may_be_overwritten() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.run("sweep --for 300ms --out night").status.code(), Some(0));
    let message = sandbox.rejection("sweep --for 300ms --out night");
    assert!(
        message.contains(" runs of seeds from 0 on@") && message.contains("add --resume, or choose"),
        "{message}"
    );
    // Its time is over, so that resuming adds nothing and reports the same.
    let resumed = sandbox.run("sweep --out night --resume");
    assert_eq!(verdict(&resumed), verdict(&sandbox.run("merge night")));

    let whole = sandbox.run("sweep --seeds 0..3 --out ci --resume");
    let message = String::from_utf8(whole.stderr).unwrap();
    assert!(
        message.contains("ci/ledger.jsonl: there are no results to resume, so a new sweep starts\n"),
        "{message}"
    );
    let next = sandbox.run("sweep --seeds 0..2 --out ci");
    assert_eq!(next.status.code(), Some(0));
    assert!(verdict(&sandbox.run("merge ci")).starts_with("seeds 0..2@"));
    // A ledger without a readable line may belong to another sweep.
    sandbox.file("ci/ledger.jsonl", "ink\nink\n");
    let messages = ["sweep --seeds 0..2 --out ci", "sweep --seeds 0..2 --out ci --resume", "merge ci"]
        .map(|line| sandbox.rejection(line));
    insta::assert_snapshot!(messages.join("\n"));
}

#[cfg(unix)]
#[test]
fn a_stopped_sweep_names_what_it_did_not_shrink() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command("sweep --seeds 0..1000000 --bug match-from-sent-index --out stopped");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let ledger = sandbox.path().join("stopped/ledger.jsonl");
    while !fs::read_to_string(&ledger).is_ok_and(|text| text.contains("\"property\"")) {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(143), "{message}");
    let lines = || message.lines().filter(|line| line.contains("not minimal, continue with: cargo run "));
    let line = lines().find(|line| line.contains("-- shrink --seed ")).expect(&message);
    assert!(line.ends_with(" --bug match-from-sent-index --out stopped"), "{line}");
}

#[test]
fn a_failing_seed_can_be_shrunk_replayed_and_kept() {
    let sandbox = Sandbox::new();
    let output = sandbox.run("shrink --seed 2 --bug match-from-sent-index --out small");
    let page = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{page}");
    assert!(page.contains("leader-counts violated") && page.contains("\nshrunk from "), "{page}");
    let small = "small/seed-2-match-from-sent-index.small.toml";
    let output = sandbox.run(&format!("replay {small}"));
    let replayed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && replayed.contains("\nas expected: "), "{replayed}");
    // The same plan must pass without the bug.
    assert!(
        replayed.ends_with("as expected without match-from-sent-index: all properties hold\n"),
        "{replayed}"
    );
    // Both commands print the same page of the shrunk plan.
    assert!(replayed.starts_with(&page), "{page}\n{replayed}");
    fs::create_dir_all(sandbox.path().join("regressions/cases")).unwrap();
    assert!(sandbox.run(&format!("add-case {small} --name it")).status.success());
    assert!(sandbox.run("replay regressions/cases/it.toml").status.success());
    let message = sandbox.rejection("shrink --seed 1");
    assert_eq!(message, "harness: seed-1 violates no property: there is nothing to shrink");
}

#[test]
fn a_measurement_of_bugs_goes_on_where_it_was() {
    let sandbox = Sandbox::new();
    let measure = |ranges: u64| {
        let line = format!(
            "bugs --bug commit-index-regress --bug torn-tail-resurrected --seeds 6 --max-seeds 8 --ranges {ranges} --out kept --json"
        );
        let output = sandbox.run(&line);
        assert_eq!(output.status.code(), Some(0));
        let measured = String::from_utf8_lossy(&output.stderr).lines().count();
        (object(&output), measured)
    };
    let (first, measured) = measure(1);
    assert_eq!(measured, 2, "a line for each bug");
    let row = |report: &Value, name: &str| {
        report["bugs"].as_array().unwrap().iter().find(|row| row["name"] == name).unwrap().clone()
    };
    let caught = row(&first, "commit-index-regress");
    assert_eq!((&caught["caught"], &caught["fired"]), (&true.into(), &"committed-immutable".into()));
    assert!(caught["cpu_seconds"].is_number());
    let missed = row(&first, "torn-tail-resurrected");
    assert_eq!((&missed["caught"], &missed["seeds"]), (&false.into(), &8.into()));
    assert_eq!(measure(1), (first, 0), "everything is known");
    let (both, measured) = measure(2);
    assert_eq!((measured, &row(&both, "commit-index-regress")["ranges"]), (2, &2.into()));
    let other = sandbox.rejection("bugs --bug commit-index-regress --seeds 6 --max-seeds 9 --out kept");
    assert!(other.contains("kept/bugs.jsonl holds another measurement"), "{other}");
}
