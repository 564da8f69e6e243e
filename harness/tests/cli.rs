//! The command line as its users meet it: bad input gets one clear sentence and exit code 2, and nothing is left behind.

mod desk;

use desk::{Desk, Running};
use invariants::Observed;
use invariants::formats::{self, ParseError};
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};

#[test]
fn lines_that_cannot_be_used_are_refused_with_a_sentence() {
    let desk = Desk::new();
    desk.file("file", "");
    desk.file("plan.toml", include_str!("example.toml"));
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
        "--without no-such-property",
        "--without linearizabilty",
        "--without progress",
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
        "keep --seed 1",
        "keep --seed 1 --name Two_Words",
        "keep --seed 1 --name ../escape",
        "keep --seed 1 --name no-folder-here",
        "replay",
        "replay absent.toml",
        "replay file",
        "replay plan.toml",
    ];
    let said: Vec<String> = lines.iter().map(|line| format!("$ {line}\n{}", desk.refusal(line))).collect();
    insta::assert_snapshot!(said.join("\n\n"));
}

#[test]
fn plans_that_cannot_be_used_are_refused_with_their_place() {
    let desk = Desk::new();
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
    let mut said = Vec::new();
    for (name, from, to) in changes {
        assert!(plan.contains(from), "the example has no {from:?}:\n{plan}");
        let file = format!("{name}.toml");
        desk.file(&file, &plan.replacen(from, to, 1));
        said.push(desk.refusal(&format!("run --plan {file}")));
    }
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn a_file_of_another_kind_is_refused() {
    let desk = Desk::new();
    fs::write(desk.path().join("picture.toml"), [0xff, 0xd8, 0xff]).unwrap();
    desk.file("empty.toml", "");
    let said = ["run --plan picture.toml", "run --plan empty.toml"].map(|line| desk.refusal(line));
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn the_plan_of_a_seed_is_the_same_each_time() {
    let desk = Desk::new();
    assert_eq!(desk.plan(3), desk.plan(3));
    assert_ne!(desk.plan(3), desk.plan(4));
}

#[test]
fn help_is_no_error() {
    let desk = Desk::new();
    for line in ["--help", "sweep --help", "run --help", "help run", "--version", "list"] {
        let output = desk.run(line);
        assert!(output.status.success() && output.stderr.is_empty(), "{line}");
        assert!(!output.stdout.is_empty() && !output.stdout.contains(&0x1b), "{line}");
    }
}

#[test]
fn a_pipe_that_is_closed_is_no_panic() {
    let desk = Desk::new();
    for line in ["plan --seed 1", "list", "--help", "run --seed 1 --trace", "--seeds 3"] {
        let mut child = desk.command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), ""), "{line}");
    }
}

#[test]
fn a_sweep_in_json_prints_one_object_and_nothing_else() {
    let desk = Desk::new();
    let output = desk.run("sweep --seeds 0..20 --jobs 2 --json");
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
    assert_eq!(desk.names(), [""; 0], "a sweep without failures left something behind");
}

#[test]
fn a_sweep_has_the_same_digest_for_any_number_of_jobs() {
    let desk = Desk::new();
    let digest = |jobs: u64| {
        let output = desk.run(&format!("--seeds 100..130 --jobs {jobs} --json"));
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        report["digest"].clone()
    };
    assert_eq!(digest(1), digest(3));
}

#[test]
fn a_sweep_in_a_pipe_is_plain() {
    let desk = Desk::new();
    let output = desk.run("--seeds 10");
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.is_ascii() && !text.contains('\u{1b}') && text.contains("seeds 0..10@"), "{text}");
    assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    assert!(!output.stderr.contains(&0x1b));
}

#[cfg(unix)]
#[test]
fn a_sweep_that_is_interrupted_sums_up_what_was_done() {
    let desk = Desk::new();
    for signal in ["INT", "TERM"] {
        let mut running = Running::start(desk.command(&format!("--for 1h --json --out {signal}")));
        running.wait_until_it_hears();
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
fn a_run_writes_what_was_observed_as_json_lines() {
    let desk = Desk::new();
    let output = desk.run("run --seed 1 --trace --facts facts.jsonl --history history.jsonl");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(desk.names(), ["facts.jsonl", "history.jsonl"]);
    let facts = fs::read_to_string(desk.path().join("facts.jsonl")).unwrap();
    for line in facts.lines() {
        let fact: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(fact["at"].is_u64() && fact["fact"].is_string(), "{line}");
    }
    let facts: Result<Vec<Observed>, ParseError> = formats::facts::read(&facts).collect();
    assert!(facts.is_ok_and(|facts| !facts.is_empty()));
    let history = fs::read_to_string(desk.path().join("history.jsonl")).unwrap();
    assert!(formats::histories::read(&history).is_ok_and(|history| !history.is_empty()));
}

#[test]
fn a_sweep_with_a_bug_exits_1_and_keeps_what_fails() {
    let desk = Desk::new();
    let line = "sweep --bug commit-prior-term-by-count --seeds 30 --out found/here";
    let output = desk.run(&format!("{line} --json"));
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let failures = report["failures"].as_array().unwrap();
    assert!(!failures.is_empty());
    for failure in failures {
        let path = failure["plan"].as_str().expect("a plan was written");
        assert_eq!(desk.run(&format!("replay {path}")).status.code(), Some(0), "{path} does not replay");
        let again = desk.run(&format!("run --plan {path}"));
        let page = String::from_utf8(again.stdout).unwrap();
        assert_eq!(again.status.code(), Some(1), "{page}");
        assert!(page.contains(failure["sentence"].as_str().unwrap()), "{page}");
    }
    let kept = fs::read_dir(desk.path().join("found/here")).unwrap().count();
    // The plans, what the first of each group was shrunk to, and the ledger.
    assert!(kept > failures.len() + 1, "nothing was shrunk, or nothing noted");

    let output = desk.run(line);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    let seed = &failures[0]["seed"];
    assert!(text.contains(&format!("run --seed {seed} --bug commit-prior-term-by-count --trace")), "{text}");
    assert!(text.contains("current-term-commit: broken by "), "{text}");
}

#[test]
fn a_bug_tried_out_does_not_replace_what_was_found_in_earnest() {
    let desk = Desk::new();
    fs::create_dir(desk.path().join("failures")).unwrap();
    for seed in 0..30 {
        desk.file(&format!("failures/seed-{seed}.toml"), "found in earnest");
    }
    assert_eq!(desk.run("--bug commit-prior-term-by-count --seeds 30").status.code(), Some(1));
    for seed in 0..30 {
        let path = desk.path().join(format!("failures/seed-{seed}.toml"));
        assert_eq!(fs::read_to_string(path).unwrap(), "found in earnest");
    }
}

#[test]
fn a_sweep_that_lasted_its_time_was_not_cut_short() {
    let desk = Desk::new();
    let output = desk.run("--for 300ms --json");
    assert_eq!(output.status.code(), Some(0));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["cut_short"] == false && report["seeds"].as_u64() > Some(0), "{report}");
}

#[test]
fn the_last_seeds_of_all_and_more_jobs_than_seeds_are_no_trouble() {
    let desk = Desk::new();
    let output = desk.run("--seeds 18446744073709551612..18446744073709551615 --jobs 1000000 --json");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["seeds"], &report["kept"]), (&3.into(), &3.into()));
}

#[test]
fn what_was_typed_cannot_move_the_cursor() {
    let desk = Desk::new();
    let output = desk.command("--bug").arg("\u{1b}[31mred\nalert").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(said, "harness: there is no bug `\\u{1b}[31mred\\nalert`; `harness list` names them all\n");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_device_is_said_to_be_full() {
    let desk = Desk::new();
    for line in ["plan --seed 1", "list", "run --seed 1", "--seeds 2", "--seeds 2 --json"] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = desk.command(line).stdout(full).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{line}: {said}");
        assert_eq!(said, "harness: standard output cannot be written: no space left on device\n", "{line}");
    }
    let output = desk.run("run --seed 1 --facts /dev/full");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(desk.names(), [""; 0]);
}

#[test]
fn a_plan_in_a_file_runs_as_its_seed_does() {
    let desk = Desk::new();
    desk.file("plan.toml", &desk.plan(5));
    let digest = |line: &str| {
        let text = String::from_utf8(desk.run(line).stdout).unwrap();
        text.lines().find(|line| line.starts_with("digest ")).expect("a digest").to_owned()
    };
    assert_eq!(digest("run --plan plan.toml"), digest("run --seed 5"));
}

#[test]
fn a_seed_that_is_kept_can_be_replayed() {
    let desk = Desk::new();
    fs::create_dir_all(desk.path().join("regressions/cases")).unwrap();
    let kept = desk.run("keep --seed 5 --name five");
    assert_eq!(kept.status.code(), Some(0), "{}", String::from_utf8_lossy(&kept.stderr));
    let replayed = desk.run("replay regressions/cases/five.toml");
    assert_eq!(replayed.status.code(), Some(0));
    assert!(String::from_utf8(replayed.stdout).unwrap().ends_with("as expected: all promises kept\n"));
    let again = desk.refusal("keep --seed 6 --name five");
    assert_eq!(again, "harness: regressions/cases/five.toml is there already: choose another name");
}

/// What clients of a store saw: one read is stale.
const STALE: &str = r#"{"process":1,"op":"write","key":"k3","value":5,"call":0,"return":10,"outcome":"ok"}
{"process":2,"op":"write","key":"k3","value":6,"call":20,"return":30,"outcome":"ok"}
{"process":1,"op":"read","key":"k3","result":5,"call":40,"return":50,"outcome":"ok"}
"#;

/// The same register in Jepsen's log, and all is well.
const LOG: &str = "INFO  jepsen.util - 0\t:invoke\t:write\t5\nINFO  jepsen.util - 1\t:invoke\t:read\tnil
INFO  jepsen.util - 0\t:info\t:write\t:timed-out\nINFO  jepsen.util - 1\t:ok\t:read\t5\n";

#[test]
fn recorded_histories_are_judged() {
    let desk = Desk::new();
    desk.file("stale.jsonl", STALE);
    desk.file("good.log", LOG);
    let output = desk.run("check history good.log stale.jsonl");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    let timeless: Vec<&str> = said.lines().filter(|line| !line.starts_with("  time ")).collect();
    insta::assert_snapshot!(timeless.join("\n"));
    assert_eq!(desk.run("check history good.log").status.code(), Some(0));

    let output = desk.run("check history --json good.log stale.jsonl");
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let lines = report["files"].as_array().unwrap();
    assert_eq!(lines.len(), 2);
    let told = |line: &serde_json::Value, field: &str| line[field].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        (told(&lines[0], "verdict"), told(&lines[1], "file")),
        ("linearizable".into(), "stale.jsonl".into())
    );
    assert_eq!(told(&lines[1], "verdict"), "not linearizable");
    assert!(
        told(&lines[1], "explanation").contains("fits") || told(&lines[1], "explanation").contains("older")
    );
    assert_eq!((&lines[1]["operations"], told(&lines[1], "method")), (&3.into(), "zones (k3)".into()));
    assert!(lines[0]["explanation"].is_null() && lines[0]["seconds"].is_f64());
}

#[test]
fn recorded_facts_are_judged() {
    let desk = Desk::new();
    let leads = |step: u64, node: u64| {
        format!("{{\"at\":{step},\"step\":{step},\"node\":{node},\"fact\":\"leads\",\"term\":7}}\n")
    };
    desk.file("good.jsonl", &leads(1, 1));
    desk.file("bad.jsonl", &(leads(1, 1) + &leads(2, 3)));
    assert_eq!(desk.run("check facts good.jsonl").status.code(), Some(0));
    let output = desk.run("check facts bad.jsonl");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("election-safety: n3 leads term 7 although n1 already leads it"), "{said}");
    let output = desk.run("check facts --json bad.jsonl");
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let said = &said["files"][0];
    assert_eq!((&said["verdict"], &said["facts"]), (&"broken".into(), &2.into()));
}

#[test]
fn recordings_that_cannot_be_used_are_refused_with_their_lines() {
    let desk = Desk::new();
    let operation = |process: u64, call: u64, back: u64| {
        format!(
            "{{\"process\":{process},\"op\":\"read\",\"key\":\"k\",\"result\":null,\"call\":{call},\
             \"return\":{back},\"outcome\":\"ok\"}}\n"
        )
    };
    let event = |process: u64, kind: &str| format!("INFO  jepsen.util - {process} :{kind} :read nil\n");
    let call = "{\"session\":1,\"sequence\":1,\"key\":4,\"action\":\"get\",\"called\":10}\n";
    desk.file("two-open.jsonl", &(operation(1, 5, 20) + &operation(1, 10, 30)));
    desk.file("backwards.jsonl", &(operation(1, 15, 20) + &operation(2, 10, 30)));
    desk.file("before.jsonl", &operation(1, 15, 10));
    desk.file("two-open.log", &(event(0, "invoke") + &event(0, "invoke")));
    desk.file("no-call.log", &(event(0, "invoke") + &event(1, "ok")));
    desk.file("twice.log", &(event(0, "invoke") + &event(0, "ok") + &event(0, "ok")));
    desk.file("doubled.edn", "{:process 0, :type :invoke, :f :read, :value nil}\n{:process 0, :type :ok, :f :read, :value 5, :value 1}\n");
    desk.file("twice.jsonl", &(call.to_owned() + call));
    desk.file("poem.txt", "Shall I compare thee to a summer's day?\n");
    desk.file("half.log", "INFO  jepsen.util - 0 :invoke\n");
    desk.file("facts.jsonl", "{\"at\":1}\n");
    let fact =
        |at: u64, step: u64| format!("{{\"at\":{at},\"step\":{step},\"node\":1,\"fact\":\"crashed\"}}\n");
    desk.file("early.jsonl", &(fact(5, 1) + &fact(4, 2)));
    desk.file("steps.jsonl", &(fact(5, 2) + &fact(5, 1)));
    desk.file("blank.jsonl", "\n");
    desk.file("else.log", "INFO  jepsen.util - 0 :invoke :write 3\nINFO  jepsen.util - 0 :ok :write 4\n");
    desk.file("triple.edn", "{:process 0, :type :invoke, :f :cas, :value [:x \"hello\" 3]}\n");
    fs::write(desk.path().join("latin.log"), b"INFO  jepsen.util - 0 :invoke :write \"gr\xfc\xdfe\"\n")
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
    let said: Vec<String> = lines.iter().map(|line| format!("$ {line}\n{}", desk.refusal(line))).collect();
    insta::assert_snapshot!(said.join("\n\n"));
}

#[test]
fn a_recording_that_cannot_be_used_withholds_no_other_verdict() {
    let desk = Desk::new();
    desk.file("stale.jsonl", STALE);
    desk.file("good.log", LOG);
    desk.file("blank.log", "\n");
    let fact = |node: u64| format!("{{\"at\":1,\"step\":1,\"node\":{node},\"fact\":\"leads\",\"term\":7}}\n");
    desk.file("good.facts", &fact(1));
    desk.file("bad.facts", &(fact(1) + &fact(2)));
    let verdicts = |line: &str| {
        let output = desk.run(line);
        let said = String::from_utf8(output.stdout).unwrap();
        let verdicts: Vec<String> = said
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
        (Some(2), "bad.facts: broken, good.facts: kept".to_owned(), nothing("facts", "blank.log"))
    );
    assert_eq!(verdicts("check facts bad.facts good.facts").0, Some(1));
    let output = desk.run("check history --json blank.log good.log");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let said = &report["files"];
    assert_eq!((&said[0]["verdict"], &said[0]["file"]), (&"unusable".into(), &"blank.log".into()));
    assert_eq!((&said[1]["verdict"], output.status.code()), (&"linearizable".into(), Some(2)));
}

#[test]
fn a_history_is_searched_as_long_as_one_likes() {
    let desk = Desk::new();
    let event = |process: u64, kind: &str, value: u64| {
        format!("{{:process {process}, :type :{kind}, :f :write, :key \"x\", :value {value}}}\n")
    };
    let twice: String = (0..9).map(|at| event(0, "invoke", at % 2) + &event(0, "ok", at % 2)).collect();
    desk.file("twice.edn", &twice);
    assert_eq!(desk.run("check history twice.edn").status.code(), Some(0));
    for (limit, said_of_it) in [
        ("--steps 3", "3 steps did not suffice to judge \"x\" (--steps N allows more)"),
        ("--bytes 4", "4 bytes did not suffice to judge \"x\" (--bytes N allows more)"),
    ] {
        let output = desk.run(&format!("check history {limit} twice.edn"));
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(said.contains(&format!("unknown: {said_of_it}")), "{said}");
        assert!(said.contains("search (\"x\")"), "{said}");
    }
}

/// What a sweep in JSON says that does not depend on the clock.
fn totals(output: &Output) -> serde_json::Value {
    let mut report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let object = report.as_object_mut().unwrap();
    object.retain(|key, _| !key.contains("second") && key != "cut_short");
    report
}

#[test]
fn a_sweep_that_is_killed_goes_on_to_the_same_totals() {
    let desk = Desk::new();
    let sweep = "sweep --seeds 0..1000 --bug match-from-sent-index --as-found --json --out";
    let mut child =
        desk.command(&format!("{sweep} killed")).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // As soon as some of it is written down.
    let ledger = desk.path().join("killed/ledger.jsonl");
    while fs::read_to_string(&ledger).map_or(0, |text| text.lines().count()) < 2 {
        assert!(child.try_wait().unwrap().is_none() || ledger.exists(), "it ended without a ledger");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    // One ledger has one writer, and other people's work is not begun anew.
    let said = desk.refusal(&format!("{sweep} killed"));
    assert!(said.starts_with("harness: another sweep is writing killed/ledger.jsonl: "), "{said}");
    child.kill().unwrap();
    child.wait().unwrap();
    let before = fs::read(&ledger).unwrap();
    let said = desk.refusal(&format!("{sweep} killed"));
    assert!(said.starts_with("harness: killed/ledger.jsonl holds "), "{said}");
    assert!(said.ends_with("may be gone on with: add --resume, or choose another folder"), "{said}");
    assert_eq!(fs::read(&ledger).unwrap(), before);
    let merged = desk.run("merge killed");
    let text = String::from_utf8(merged.stdout).unwrap();
    assert_eq!(merged.status.code(), Some(1), "{text}");
    assert!(text.contains("\nMISSING: seeds ") && text.contains("..1000: nobody ran them"), "{text}");
    let resumed = desk.run(&format!("{sweep} killed --resume"));
    let undisturbed = desk.run(&format!("{sweep} whole"));
    let said = |output: &Output| {
        let mut totals = totals(output);
        // Only the folder of the plans is another.
        totals.as_object_mut().unwrap().remove("failures").unwrap().as_array().unwrap().len().to_string()
            + &totals.to_string()
    };
    assert_eq!(said(&resumed), said(&undisturbed));
    let merged = desk.run("merge --json whole");
    assert_eq!(totals(&merged)["digest"], totals(&undisturbed)["digest"]);
    assert_eq!(totals(&merged)["events"], totals(&undisturbed)["events"]);
}

#[test]
fn the_shards_of_a_sweep_are_its_seeds() {
    let desk = Desk::new();
    let swept = |line: &str| totals(&desk.run(&format!("sweep --seeds 0..21 --json {line}")));
    let seeds = |report: &serde_json::Value| {
        let first = report["first_seed"].as_u64().unwrap();
        first..first + report["seeds"].as_u64().unwrap()
    };
    let parts =
        ["1/2", "2/2"].map(|shard| seeds(&swept(&format!("--shard {shard} --out part-{}", &shard[..1]))));
    assert_eq!(parts, [0..10, 10..21]);
    let merged: serde_json::Value =
        serde_json::from_slice(&desk.run("merge --json part-1 part-2").stdout).unwrap();
    let whole = swept("");
    assert_eq!((&merged["seeds"], &merged["events"]), (&21.into(), &whole["events"]));
    assert_eq!((&merged["digest"], &merged["ran"]), (&whole["digest"], &whole["ran"]));

    let output = desk
        .command("sweep --seeds 0..21 --json")
        .env("CI_NODE_INDEX", "2")
        .env("CI_NODE_TOTAL", "2")
        .output()
        .unwrap();
    assert_eq!(seeds(&totals(&output)), 10..21);
}

/// Changes a ledger as if another harness had written it: each line keeps a checksum that fits.
fn forge(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "no {from} in {text}");
    let lines = text.lines().map(|line| {
        let line = line.rsplit_once('\t').unwrap().0.replace(from, to);
        format!("{line}\t{:08x}\n", crc32c::crc32c(line.as_bytes()))
    });
    fs::write(path, lines.collect::<String>()).unwrap();
}

/// What was swept, and what came of it: the line before the digest, which may be folded.
fn verdict(output: &Output) -> String {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let begin = lines.iter().rposition(|line| line.starts_with("seeds ")).unwrap_or(lines.len());
    let end = lines.iter().rposition(|line| line.starts_with("digest ")).unwrap_or(lines.len());
    let folded = lines.get(begin..end).unwrap_or_default();
    folded.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}

#[test]
fn what_nobody_ran_is_missing() {
    let desk = Desk::new();
    for shard in ["1/3", "2/3", "3/3"] {
        let part = desk.run(&format!("sweep --seeds 0..20 --shard {shard} --out part-{}", &shard[..1]));
        assert_eq!(part.status.code(), Some(0));
    }
    let merge = |folders: &str, code| {
        let output = desk.run(&format!("merge {folders}"));
        assert_eq!(output.status.code(), Some(code), "{folders}");
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        let missing = text.lines().find(|line| line.starts_with("MISSING")).unwrap_or_default();
        format!("$ merge {folders}\n{missing}\n{}", verdict(&output))
    };
    let said = [
        merge("part-1 part-3", 1),
        merge("part-1 part-2", 1),
        merge("part-3", 1),
        merge("part-2 part-3 part-1", 0),
    ];
    insta::assert_snapshot!(said.join("\n\n"));
    let said = ["merge part-1 part-2 part-1", "merge part-1 nowhere"].map(|line| desk.refusal(line));
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn what_was_swept_otherwise_is_not_added_in_silence() {
    let desk = Desk::new();
    for (part, seeds) in [("one", "0..4"), ("two", "4..8"), ("bug", "4..8 --bug commit-prior-term-by-count")]
    {
        desk.run(&format!("sweep --as-found --seeds {seeds} --out {part}"));
    }
    let two = desk.path().join("two/ledger.jsonl");
    let commit = fs::read_to_string(&two).unwrap();
    let commit = commit.split("\"commit\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    forge(&two, &format!("\"commit\":\"{commit}\""), "\"commit\":\"0123456789ab\"");
    let mixed = desk.run("merge one two");
    let said = String::from_utf8(mixed.stderr).unwrap();
    let text = String::from_utf8(mixed.stdout).unwrap();
    assert_eq!(mixed.status.code(), Some(0), "{text}");
    let both = format!("{commit}, 0123456789ab");
    assert_eq!(said, format!("harness: these were made with different commits: {both}\n"));
    assert!(text.ends_with(&format!(", commits {both}\n")), "{text}");

    let mut said = vec![desk.refusal("merge one bug")];
    let version = fs::read_to_string(&two).unwrap();
    let version =
        version.split("\"generator_version\":").nth(1).unwrap().split(',').next().unwrap().to_owned();
    forge(&two, &format!("\"generator_version\":{version}"), "\"generator_version\":2");
    said.push(desk.refusal("merge one two"));
    said.push(desk.refusal("sweep --out two --resume"));
    said.push(desk.refusal("sweep --out one --seeds 0..5 --resume"));
    said.push(desk.refusal("sweep --out one --without reads --resume"));
    insta::assert_snapshot!(said.join("\n").replace(&format!("@{version}"), "@THIS"));
    // What another version said is said as that.
    let output = desk.run("merge two");
    assert!(verdict(&output).starts_with("seeds 4..8@2: "), "{}", verdict(&output));
}

#[test]
fn a_blind_sweep_stays_blind() {
    let desk = Desk::new();
    assert_eq!(desk.run("sweep --seeds 0..4 --out here").status.code(), Some(0));
    forge(&desk.path().join("here/ledger.jsonl"), "\"blind\":0", "\"blind\":1");
    for line in ["merge here", "sweep --out here --resume"] {
        let output = desk.run(line);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.code() == Some(1) && text.contains("\nBLIND: "), "{line}: {text}");
    }
}

#[test]
fn only_a_finished_sweep_makes_room_for_the_next() {
    let desk = Desk::new();
    assert_eq!(desk.run("sweep --for 300ms --out night").status.code(), Some(0));
    let said = desk.refusal("sweep --for 300ms --out night");
    assert!(said.contains(" runs of seeds from 0 on@") && said.contains("add --resume, or choose"), "{said}");
    // Its time is over, so that going on adds nothing and says the same.
    let resumed = desk.run("sweep --out night --resume");
    assert_eq!(verdict(&resumed), verdict(&desk.run("merge night")));

    let whole = desk.run("sweep --seeds 0..3 --out ci --resume");
    let said = String::from_utf8(whole.stderr).unwrap();
    assert!(
        said.contains("ci/ledger.jsonl: nothing was noted there, so that a new sweep begins\n"),
        "{said}"
    );
    let next = desk.run("sweep --seeds 0..2 --out ci");
    assert_eq!(next.status.code(), Some(0));
    assert!(verdict(&desk.run("merge ci")).starts_with("seeds 0..2@"));
    // Of what no line can be read nobody knows whose work it is.
    desk.file("ci/ledger.jsonl", "ink\nink\n");
    let said = ["sweep --seeds 0..2 --out ci", "sweep --seeds 0..2 --out ci --resume", "merge ci"]
        .map(|line| desk.refusal(line));
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn one_of_several_machines_must_know_of_how_many() {
    let desk = Desk::new();
    let said = |variables: &[(&str, &str)]| {
        let mut command = desk.command("sweep --seeds 0..4");
        let output = command.envs(variables.iter().copied()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{variables:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let said = [
        said(&[("JOB_COMPLETION_INDEX", "3")]),
        said(&[("SLURM_ARRAY_TASK_ID", "3")]),
        said(&[("CI_NODE_INDEX", "3")]),
        said(&[("CI_NODE_INDEX", "0"), ("CI_NODE_TOTAL", "4")]),
        said(&[("JOB_COMPLETION_INDEX", "4"), ("JOB_COMPLETIONS", "4")]),
        said(&[("JOB_COMPLETION_INDEX", "four"), ("JOB_COMPLETIONS", "4")]),
    ];
    insta::assert_snapshot!(said.concat());
    // Whoever says it in so many words is believed, and so is the pair that is whole.
    let typed =
        desk.command("sweep --seeds 0..4 --shard 1/1").env("JOB_COMPLETION_INDEX", "3").output().unwrap();
    assert!(verdict(&typed).starts_with("seeds 0..4@"));
    let whole = [("JOB_COMPLETION_INDEX", "3"), ("CI_NODE_INDEX", "1"), ("CI_NODE_TOTAL", "2")];
    let whole = desk.command("sweep --seeds 0..4").envs(whole).output().unwrap();
    assert!(verdict(&whole).starts_with("seeds 0..2@"));
}

#[cfg(unix)]
#[test]
fn a_sweep_that_is_told_to_stop_says_what_it_did_not_shrink() {
    let desk = Desk::new();
    let mut command = desk.command("sweep --seeds 0..1000000 --bug match-from-sent-index --out stopped");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let ledger = desk.path().join("stopped/ledger.jsonl");
    while !fs::read_to_string(&ledger).is_ok_and(|text| text.contains("\"property\"")) {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(143), "{said}");
    let line = "not as small as it gets: cargo run --release -- shrink --seed ";
    let line = said.lines().find(|said| said.contains(line)).expect(&said);
    assert!(line.ends_with(" --bug match-from-sent-index --out stopped"), "{line}");
}

#[test]
fn a_failing_seed_is_shrunk_and_can_be_replayed_and_kept() {
    let desk = Desk::new();
    let output = desk.run("shrink --seed 2 --bug match-from-sent-index --out small");
    let page = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{page}");
    assert!(page.contains("committed-on-quorum broken") && page.contains("\nshrunk from "), "{page}");
    let small = "small/seed-2-match-from-sent-index.small.toml";
    let output = desk.run(&format!("replay {small}"));
    let replayed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && replayed.contains("\nas expected: "), "{replayed}");
    // The other half: what catches the bug is silent without it.
    assert!(
        replayed.ends_with("as expected without match-from-sent-index: all promises kept\n"),
        "{replayed}"
    );
    // The page of the shrunk plan is the same, whoever shows it.
    assert!(replayed.starts_with(&page), "{page}\n{replayed}");
    fs::create_dir_all(desk.path().join("regressions/cases")).unwrap();
    assert!(desk.run(&format!("keep {small} --name it")).status.success());
    assert!(desk.run("replay regressions/cases/it.toml").status.success());
    let said = desk.refusal("shrink --seed 1");
    assert_eq!(said, "harness: seed-1 breaks no promise: there is nothing to make smaller");
}
