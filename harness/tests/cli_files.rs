//! Files that the command line reads and writes: no input is overwritten, and no lost output goes unreported.

#![expect(clippy::disallowed_methods, reason = "a test reads what the program prints")]
#![cfg(unix)]

mod sandbox;

use sandbox::{Running, Sandbox, object};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A sandbox with a plan, a case, and links to them.
fn sandbox_with_files() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.file("plan.toml", &sandbox.plan(5));
    fs::create_dir_all(sandbox.path().join("regressions/cases")).unwrap();
    assert!(sandbox.run("add-case --seed 5 --name five").status.success());
    fs::copy(sandbox.path().join("regressions/cases/five.toml"), sandbox.path().join("case.toml")).unwrap();
    fs::create_dir(sandbox.path().join("folder")).unwrap();
    symlink("..", sandbox.path().join("folder/up")).unwrap();
    for name in ["plan.toml", "case.toml"] {
        symlink(name, sandbox.path().join(format!("link-to-{name}"))).unwrap();
        fs::hard_link(sandbox.path().join(name), sandbox.path().join(format!("other-{name}"))).unwrap();
    }
    sandbox
}

#[test]
fn no_output_is_an_input_or_another_output() {
    let sandbox = sandbox_with_files();
    let names = |name: &str| {
        vec![
            name.to_owned(),
            format!("./{name}"),
            format!("folder/../{name}"),
            format!("folder/up/{name}"),
            format!("link-to-{name}"),
            format!("other-{name}"),
            sandbox.path().join(name).display().to_string(),
        ]
    };
    let (plan, case) = (sandbox.text("plan.toml"), sandbox.text("case.toml"));
    let mut lines = Vec::new();
    for option in ["--facts", "--history"] {
        lines.extend(names("plan.toml").iter().map(|name| format!("run --plan plan.toml {option} {name}")));
        lines.extend(names("case.toml").iter().map(|name| format!("run --plan case.toml {option} {name}")));
        lines.extend(names("case.toml").iter().map(|name| format!("replay case.toml {option} {name}")));
        lines.extend(
            names("case.toml").iter().map(|name| format!("replay --refresh case.toml {option} {name}")),
        );
    }
    let both = ["new", "./new", "folder/../new", "folder/up/new"];
    lines.extend(both.map(|name| format!("run --seed 1 --facts new --history {name}")));
    lines.extend(both.map(|name| format!("replay case.toml --facts {name} --history new")));
    for line in lines {
        let message = sandbox.rejection(&line);
        assert!(message.contains(" are the same file: choose another one"), "{line}: {message}");
    }
    assert_eq!((sandbox.text("plan.toml"), sandbox.text("case.toml")), (plan, case));
    // The same name in two folders is two files.
    let output = sandbox.run("run --seed 1 --facts new --history folder/new");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn shrinking_further_does_not_replace_its_input() {
    let sandbox = Sandbox::new();
    let bug = "--bug match-from-sent-index --runs 40";
    assert_eq!(sandbox.run(&format!("shrink --seed 2 {bug} --out small")).status.code(), Some(1));
    let first = "small/seed-2-match-from-sent-index.small.toml";
    let before = sandbox.text(first);
    let second = "small/seed-2-match-from-sent-index.small-2.toml";
    // An output name that links to the input is rejected.
    symlink("seed-2-match-from-sent-index.small.toml", sandbox.path().join(second)).unwrap();
    let message = sandbox.rejection(&format!("shrink {first} --runs 40 --out small"));
    assert!(message.contains(" are the same file: "), "{message}");
    fs::remove_file(sandbox.path().join(second)).unwrap();
    let output = sandbox.run(&format!("shrink {first} --runs 40 --out small"));
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(sandbox.text(first), before);
    assert!(sandbox.path().join(second).exists());
}

#[test]
fn an_unwritable_output_is_rejected_and_not_replaced() {
    let sandbox = sandbox_with_files();
    sandbox.file("kept", "kept");
    for name in ["kept", "case.toml"] {
        fs::set_permissions(sandbox.path().join(name), fs::Permissions::from_mode(0o444)).unwrap();
    }
    symlink("nowhere", sandbox.path().join("dangling")).unwrap();
    symlink("nowhere", sandbox.path().join("regressions/cases/six.toml")).unwrap();
    fs::create_dir_all(sandbox.path().join("out")).unwrap();
    symlink("nowhere", sandbox.path().join("out/ledger.jsonl")).unwrap();
    fs::create_dir_all(sandbox.path().join("read-only")).unwrap();
    sandbox.file("read-only/ledger.jsonl", "");
    fs::set_permissions(sandbox.path().join("read-only/ledger.jsonl"), fs::Permissions::from_mode(0o444))
        .unwrap();
    symlink("nowhere", sandbox.path().join("out/seed-2-match-from-sent-index.small.toml")).unwrap();
    let lines = [
        "run --seed 1 --facts kept",
        "run --seed 1 --history kept",
        "run --seed 1 --facts dangling",
        "run --seed 1 --history folder/",
        "run --seed 1 --history absent/",
        "replay --refresh case.toml",
        "add-case --seed 6 --name six",
        "sweep --seeds 3 --out out",
        "sweep --seeds 3 --out read-only",
        "sweep --seeds 3 --out dangling",
        "shrink --seed 2 --bug match-from-sent-index --out out",
    ];
    for line in lines {
        let message = sandbox.rejection(line);
        assert!(
            message.contains("cannot be written: ") || message.contains("already exists"),
            "{line}: {message}"
        );
    }
    assert_eq!(sandbox.text("kept"), "kept");
    assert!(!sandbox.path().join("nowhere").exists() && !sandbox.path().join("out/nowhere").exists());
}

#[test]
fn only_regular_files_are_read() {
    let sandbox = Sandbox::new();
    let pipe = |name: &str| {
        assert!(Command::new("mkfifo").arg(sandbox.path().join(name)).status().unwrap().success());
    };
    pipe("pipe");
    fs::create_dir(sandbox.path().join("ledgers")).unwrap();
    pipe("ledgers/ledger.jsonl");
    fs::create_dir(sandbox.path().join("devices")).unwrap();
    symlink("/dev/zero", sandbox.path().join("devices/ledger.jsonl")).unwrap();
    let mut lines = Vec::new();
    for name in ["pipe", "/dev/zero"] {
        for verb in ["run --plan", "replay", "shrink", "check history", "check facts"] {
            lines.push(format!("{verb} {name}"));
        }
    }
    for folder in ["ledgers", "devices"] {
        lines.push(format!("merge {folder}"));
        lines.push(format!("sweep --seeds 2 --out {folder}"));
        lines.push(format!("sweep --seeds 2 --resume --out {folder}"));
    }
    for line in lines {
        let mut running = Running::start(sandbox.command(&line));
        assert!(running.ends_within(Duration::from_secs(30)), "{line} hangs");
        let output = running.output();
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{line}: {message}");
        assert!(message.contains("only regular files are read"), "{line}: {message}");
    }
}

#[test]
fn an_output_folder_that_is_not_named_in_utf_8_is_rejected() {
    let sandbox = Sandbox::new();
    for line in ["sweep --seeds 2 --out", "shrink --seed 1 --out"] {
        let mut command = sandbox.command(line);
        command.arg(OsStr::from_bytes(b"night\xff"));
        let message = sandbox.rejection_of(command, line);
        assert!(message.ends_with("has a name that is not UTF-8: choose another one"), "{message}");
    }
}

/// Starts a sweep and waits until its ledger has results.
fn start_sweep(sandbox: &Sandbox, line: &str, folder: &str) -> Running {
    let mut running = Running::start(sandbox.command(line));
    let ledger = sandbox.path().join(folder).join("ledger.jsonl");
    running.wait_until(|| fs::read_to_string(&ledger).map_or(0, |text| text.lines().count()) >= 2);
    running
}

#[test]
fn removing_the_output_folder_during_a_sweep_is_an_error() {
    let sandbox = Sandbox::new();
    let running = start_sweep(&sandbox, "sweep --for 4s --json --out gone", "gone");
    fs::remove_dir_all(sandbox.path().join("gone")).unwrap();
    let output = running.output();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{message}");
    let lost = "gone/ledger.jsonl: not all results were written: it was removed or replaced during the sweep";
    assert!(message.contains(&format!("harness: not written: {lost}\n")), "{message}");
    assert_eq!(object(&output)["not_written"][0], lost);
}

#[test]
fn plans_removed_during_a_sweep_are_reported() {
    let sandbox = Sandbox::new();
    let line = "sweep --seeds 0..1000000 --bug match-from-sent-index --no-shrink --jobs 1";
    let mut running = Running::start(sandbox.command(line));
    let failures = sandbox.path().join("failures");
    running.wait_until(|| fs::read_dir(&failures).map_or(0, Iterator::count) >= 3);
    // Retry: the sweep may be writing the next plan.
    while fs::remove_dir_all(&failures).is_err() && failures.exists() {}
    running.signal("TERM");
    let output = running.output();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("harness: not written: the plans of the seeds 0"), "{message}");
    assert_eq!(output.status.code(), Some(143));
}

/// A command that cannot write files larger than this many blocks of 512 bytes, as on a full disk.
fn with_full_disk(sandbox: &Sandbox, blocks: u64, line: &str) -> Command {
    let mut command = Command::new("sh");
    let limited = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    command.args(["-c", &limited, env!("CARGO_BIN_EXE_harness")]).args(line.split_whitespace());
    sandbox.in_sandbox(command)
}

#[test]
fn a_full_disk_during_a_sweep_is_an_error() {
    let sandbox = Sandbox::new();
    // Failures make the ledger too large.
    let line = "sweep --for 4s --bug match-from-sent-index --no-shrink --json --out full";
    let output = with_full_disk(&sandbox, 8, line).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains("full/ledger.jsonl: not all results were written: file too large"), "{message}");
    assert!(object(&output)["not_written"][0].as_str().is_some_and(|lost| lost.contains("ledger.jsonl")));
    // The former ledger is whole: the partial one was removed.
    let merged = sandbox.run("merge full");
    assert!(!String::from_utf8_lossy(&merged.stderr).contains("damaged"), "{merged:?}");
}

#[test]
fn unwritable_plans_are_reported() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path().join("failures")).unwrap();
    for seed in 0..12 {
        let path = sandbox.path().join(format!("failures/seed-{seed}-match-from-sent-index.toml"));
        symlink("nowhere", path).unwrap();
    }
    let output = sandbox.run("sweep --seeds 12 --bug match-from-sent-index --no-shrink --json");
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains("harness: not written: the plans of the seeds "), "{message}");
    assert!(message.contains("it is a dangling link; the seeds reproduce them"), "{message}");
    assert_eq!(object(&output)["not_written"].as_array().unwrap().len(), 1);
}

#[test]
fn an_unwritable_shrunk_plan_is_printed_to_standard_output() {
    let sandbox = Sandbox::new();
    // The folder is replaced by a file during shrinking, which takes much longer than its start.
    let line = "shrink --seed 51 --bug snapshot-transfer-never-retried --jobs 1 --out out/deeper";
    let mut running = Running::start(sandbox.command(line));
    running.wait_for_signal_handlers();
    sandbox.file("out", "");
    let output = running.output();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains("the shrunk plan is printed to standard output instead"), "{message}");
    let case = String::from_utf8(output.stdout).unwrap();
    sandbox.file("case.toml", &case);
    assert_eq!(sandbox.run("replay case.toml").status.code(), Some(0));
}

#[test]
fn temporary_files_of_a_killed_sweep_are_removed() {
    let sandbox = Sandbox::new();
    let sweep = "sweep --seeds 0..1000000 --no-shrink --out night";
    let mut running = start_sweep(&sandbox, sweep, "night");
    running.signal("KILL");
    drop(running.output());
    // A temporary file, as if the sweep was killed while writing it.
    sandbox.file("night/.writing-stray", "half");
    let mut running = start_sweep(&sandbox, &format!("{sweep} --resume"), "night");
    running.wait_until(|| !sandbox.path().join("night/.writing-stray").exists());
    running.signal("TERM");
    let output = running.output();
    assert_eq!(output.status.code(), Some(143), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn files_with_names_that_are_not_utf_8_are_reported_in_json() {
    let sandbox = Sandbox::new();
    let name = OsStr::from_bytes(b"gr\xfcn.jsonl");
    let call = "{\"process\":1,\"op\":\"write\",\"key\":\"k\",\"value\":5,\"call\":0,\"return\":10,\"outcome\":\"ok\"}\n";
    let fact = "{\"at\":1,\"step\":1,\"node\":1,\"fact\":\"leads\",\"term\":7}\n";
    for (verb, text, verdict) in
        [("history", call, "linearizable"), ("facts", fact, "passed"), ("history", "", "unusable")]
    {
        fs::write(sandbox.path().join(Path::new(name)), text).unwrap();
        let output = sandbox.command(&format!("check {verb} --json")).arg(name).output().unwrap();
        let report = object(&output);
        assert_eq!(
            (&report["files"][0]["file"], &report["files"][0]["verdict"]),
            (&"gr\u{fffd}n.jsonl".into(), &verdict.into())
        );
    }
}
