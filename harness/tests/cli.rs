//! The command line as its users meet it: bad input gets one clear sentence and exit code 2, and nothing is left behind.

use invariants::Observed;
use invariants::formats::{self, Misread};
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// Runs the harness in an empty folder of its own.
struct Desk(TempDir);

impl Desk {
    fn new() -> Desk {
        Desk(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
        command.args(line.split_whitespace()).current_dir(self.path()).env_remove("RUST_LOG");
        command
    }

    fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    /// What is said on standard error of a line that cannot be used. It must be one line, and all that happens.
    fn refusal(&self, line: &str) -> String {
        let before = self.names();
        let output = self.run(line);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{line}: {said}");
        assert!(output.stdout.is_empty(), "{line} wrote to standard output");
        assert_eq!(said.lines().count(), 1, "{line}: {said}");
        assert_eq!(self.names(), before, "{line} left something behind");
        said.trim_end().to_owned()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The plan of a seed as the harness prints it.
    fn plan(&self, seed: u64) -> String {
        let output = self.run(&format!("plan --seed {seed}"));
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    }
}

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
        ("unknown-field", "storm = ", "strom = "),
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
        let child =
            desk.command("--for 1h --json").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(500));
        let killed = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
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
    let facts: Result<Vec<Observed>, Misread> = formats::facts::read(&facts).collect();
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
    assert_eq!(kept, failures.len(), "something else lies beside the plans");

    let output = desk.run(line);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    let seed = &failures[0]["seed"];
    assert!(text.contains(&format!("run --seed {seed} --bug commit-prior-term-by-count --trace")), "{text}");
    assert!(text.contains("own-term-commit: broken by "), "{text}");
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
    assert_eq!(said, "harness: there is no bug `?[31mred?alert`; `harness list` names them all\n");
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
