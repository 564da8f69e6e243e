//! Runs that hang, and runs that end their process, do not end a sweep.
//!
//! With the variable `ENDLESS` this binary is the command line of such a system; otherwise it runs the tests.

#![expect(clippy::disallowed_methods, reason = "a test reads what the program prints")]

#[path = "../../examples/primary/server.rs"]
#[expect(unreachable_pub, reason = "it is the library of a package in the documentation")]
mod primary;
#[path = "../sandbox/mod.rs"]
mod sandbox;
mod server;

use libtest_mimic::{Arguments, Trial};
use sandbox::{Running, Sandbox, object};
use serde_json::Value;
use server::{EndlessSystem, Mistake, mistake};
use std::process::{Command, ExitCode, Output};

fn main() -> ExitCode {
    match std::env::var("ENDLESS").as_deref() {
        Ok("hangs") => harness::cli::main_for::<EndlessSystem<true, false>>(),
        Ok("aborts") => harness::cli::main_for::<EndlessSystem<false, true>>(),
        Ok(_) => harness::cli::main_for::<EndlessSystem<false, false>>(),
        Err(_) => {
            let trial = |name, test: fn()| {
                Trial::test(name, move || {
                    test();
                    Ok(())
                })
            };
            let trials = vec![
                trial("a_run_that_hangs_does_not_end_a_sweep", a_run_that_hangs_does_not_end_a_sweep),
                trial("many_runs_that_hang_do_not_end_a_sweep", many_runs_that_hang_do_not_end_a_sweep),
                trial("a_run_that_aborts_is_named_by_resume", a_run_that_aborts_is_named_by_resume),
                trial("an_interrupted_sweep_is_no_abort", an_interrupted_sweep_is_no_abort),
                trial("sigterm_ends_a_sweep_in_time", sigterm_ends_a_sweep_in_time),
            ];
            libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
        }
    }
}

fn command(sandbox: &Sandbox, mistakes: &str, line: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(line.split_whitespace()).env("ENDLESS", mistakes).env_remove("CARGO");
    sandbox.in_sandbox(command)
}

fn run(sandbox: &Sandbox, mistakes: &str, line: &str) -> Output {
    command(sandbox, mistakes, line).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The seeds of a report that violated a property.
fn seeds_that_violated(report: &Value, property: &str) -> Vec<u64> {
    let failures = report["failures"].as_array().unwrap().iter();
    let of_property = failures.filter(|failure| failure["signature"]["property"] == property);
    of_property.map(|failure| failure["seed"].as_u64().unwrap()).collect()
}

/// The case that a sweep has stored is shown, kept and replayed, and not shrunk.
fn assert_case_works(sandbox: &Sandbox, mistakes: &str, seed: u64, property: &str, cause: &str) {
    let stored = format!("night/seed-{seed}.toml");
    // It is expected to pass, because it has to be mended.
    let output = run(sandbox, mistakes, &format!("replay {stored} --hang-after 1s"));
    let page = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{page}{}", stderr(&output));
    assert!(page.contains(&format!("{property} violated")) && page.contains(cause), "{page}");
    assert!(page.contains("CHANGED: expected: all properties hold"), "{page}");

    let output = run(sandbox, mistakes, &format!("shrink {stored}"));
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("cannot be shrunk, because its runs have no end"),
        "{}",
        stderr(&output)
    );

    std::fs::create_dir_all(sandbox.path().join("regressions/cases")).unwrap();
    let name = format!("seed-{seed}-kept");
    let output = run(sandbox, mistakes, &format!("add-case {stored} --name {name} --hang-after 1s"));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let kept = format!("regressions/cases/{name}.toml");
    let known = format!("expect = {{ open-defect = \"{property}\" }}");
    sandbox.file(&kept, &sandbox.text(&kept).replace("expect = \"passed\"", &known));
    let output = run(sandbox, mistakes, &format!("replay {kept} --hang-after 1s"));
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    // Without the mistake the case has changed.
    let output = run(sandbox, "no", &format!("replay {kept} --hang-after 1s"));
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    assert!(stdout(&output).contains("CHANGED: "), "{}", stdout(&output));
}

fn a_run_that_hangs_does_not_end_a_sweep() {
    let sandbox = Sandbox::new();
    let line = "sweep --seeds 20 --hang-after 1s --jobs 3 --no-shrink --out night";
    let output = run(&sandbox, "hangs", &format!("{line} --json"));
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let report = object(&output);
    assert_eq!((&report["seeds"], &report["cut_short"]), (&20.into(), &false.into()));
    assert_eq!(seeds_that_violated(&report, "no-hang"), [3, 13]);
    let failure = &report["failures"].as_array().unwrap()[0];
    assert_eq!(failure["signature"]["kind"], "hangs");
    assert!(failure["message"].as_str().unwrap().contains("n1 does not return"), "{failure}");
    assert!(!sandbox.path().join("night/in-flight.txt").exists());
    assert_case_works(&sandbox, "hangs", 13, "no-hang", "n1 does not return: no event for 1s of real time");

    // Ledgers with such failures can be merged.
    let output = run(&sandbox, "hangs", "merge night --json");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(seeds_that_violated(&object(&output), "no-hang"), [3, 13]);
    let page = stdout(&run(&sandbox, "hangs", "merge night"));
    assert!(page.contains("no-hang: violated by 2 seeds"), "{page}");
    assert!(page.contains("RUST_LOG=info "), "{page}");
    let list = stdout(&run(&sandbox, "hangs", "list"));
    assert!(list.contains("no-hang ") && list.contains("no-abort "), "{list}");

    // Alone, it hangs as well.
    let output = run(&sandbox, "hangs", "run --seed 3 --hang-after 1s");
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("no-hang violated"), "{}", stdout(&output));
}

/// Each keeps a thread, so the sweep goes on in new processes.
fn many_runs_that_hang_do_not_end_a_sweep() {
    let sandbox = Sandbox::new();
    let line = "sweep --seeds 40 --hang-after 1s --jobs 1 --no-shrink --out night --json";
    let output = run(&sandbox, "hangs", line);
    let report = object(&output);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(report["seeds"], 40);
    assert_eq!(seeds_that_violated(&report, "no-hang"), [3, 13, 23, 33]);
    assert_eq!(
        stderr(&output).matches("the sweep goes on in a new process").count(),
        4,
        "{}",
        stderr(&output)
    );
}

#[cfg(unix)]
fn a_run_that_aborts_is_named_by_resume() {
    use std::os::unix::process::ExitStatusExt;
    let sandbox = Sandbox::new();
    let line = "sweep --seeds 30 --jobs 2 --no-shrink --out night --json";
    let mut deaths = 0;
    let report = loop {
        let resume = if deaths == 0 { "" } else { " --resume" };
        let output = run(&sandbox, "aborts", &format!("{line}{resume}"));
        if deaths > 0 {
            assert!(stderr(&output).contains("the sweep before did not end"), "{}", stderr(&output));
        }
        match output.status.signal() {
            // SIGABRT, also by a stack overflow.
            Some(6) => deaths += 1,
            Some(other) => panic!("signal {other}: {}", stderr(&output)),
            None => break object(&output),
        }
        assert!(deaths <= 6, "it must not end by the same seed twice: {}", stderr(&output));
    };
    let expected = (0..30).filter(|seed| matches!(mistake(*seed), Some(Mistake::Overflow | Mistake::Abort)));
    assert_eq!(seeds_that_violated(&report, "no-abort"), expected.collect::<Vec<_>>());
    assert!(deaths >= 3 && report["seeds"] == 30, "{deaths} deaths, {report}");
    assert_case_works(&sandbox, "aborts", 6, "no-abort", "has overflowed its stack");
    assert_case_works(&sandbox, "aborts", 8, "no-abort", "by signal 6 (SIGABRT)");
    let page = stdout(&run(&sandbox, "aborts", "merge night"));
    assert!(page.contains("no-abort: violated by 6 seeds"), "{page}");
}

#[cfg(not(unix))]
fn a_run_that_aborts_is_named_by_resume() {}

#[cfg(unix)]
fn an_interrupted_sweep_is_no_abort() {
    let sandbox = Sandbox::new();
    let line = "sweep --seeds 0..1000000 --jobs 2 --no-shrink --out night";
    let mut running = Running::start(command(&sandbox, "no", line));
    let in_flight = sandbox.path().join("night/in-flight.txt");
    let has_seeds =
        |text: String| text.lines().filter(|line| line.trim().parse::<u64>().is_ok()).count() == 2;
    running.wait_until(|| std::fs::read_to_string(&in_flight).is_ok_and(has_seeds));
    running.signal("KILL");
    drop(running.output());
    assert!(in_flight.exists());
    // None of the seeds in flight was to blame: they run again, and the next interruption leaves no file.
    let mut running = Running::start(command(&sandbox, "no", &format!("{line} --resume --json")));
    running.wait_for_signal_handlers();
    running.wait_until(|| sandbox.text("night/ledger.jsonl").lines().count() >= 2);
    running.signal("INT");
    let output = running.output();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(stderr(&output).contains("the sweep before did not end"), "{}", stderr(&output));
    let report = object(&output);
    assert!(seeds_that_violated(&report, "no-abort").is_empty(), "{report}");
    assert!(!in_flight.exists());
}

#[cfg(not(unix))]
fn an_interrupted_sweep_is_no_abort() {}

/// A job scheduler kills a process some seconds after SIGTERM, also if a run hangs.
#[cfg(unix)]
fn sigterm_ends_a_sweep_in_time() {
    let sandbox = Sandbox::new();
    let line = "sweep --seeds 20 --jobs 1 --no-shrink --out night --json";
    let mut running = Running::start(command(&sandbox, "hangs", line));
    let in_flight = sandbox.path().join("night/in-flight.txt");
    running.wait_until(|| std::fs::read_to_string(&in_flight).is_ok_and(|text| text.trim() == "3"));
    running.signal("TERM");
    assert!(running.ends_within(std::time::Duration::from_secs(5)), "it did not end within 5 s");
    let output = running.output();
    assert_eq!(output.status.code(), Some(143), "{}", stderr(&output));
    assert!(object(&output)["error"].as_str().unwrap().contains("continue with --resume"));
    assert!(!sandbox.path().join("night/ledger.lock").exists());
    let output = run(&sandbox, "hangs", "merge night --json");
    assert_eq!(object(&output)["seeds"], 3, "{}", stderr(&output));

    let output = run(&sandbox, "hangs", &format!("{line} --hang-after 1s --resume"));
    let report = object(&output);
    assert_eq!((&report["seeds"], output.status.code()), (&20.into(), Some(1)), "{}", stderr(&output));
    assert_eq!(seeds_that_violated(&report, "no-hang"), [3, 13]);
}

#[cfg(not(unix))]
fn sigterm_ends_a_sweep_in_time() {}
