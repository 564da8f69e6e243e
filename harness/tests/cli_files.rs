//! What the command line reads and writes: nothing is overwritten that is read, and nothing is lost in silence.

#![cfg(unix)]

mod desk;

use desk::{Desk, Running, object};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A folder with a plan, a case, and all ways to name them.
fn furnished() -> Desk {
    let desk = Desk::new();
    desk.file("plan.toml", &desk.plan(5));
    fs::create_dir_all(desk.path().join("regressions/cases")).unwrap();
    assert!(desk.run("keep --seed 5 --name five").status.success());
    fs::copy(desk.path().join("regressions/cases/five.toml"), desk.path().join("case.toml")).unwrap();
    fs::create_dir(desk.path().join("folder")).unwrap();
    symlink("..", desk.path().join("folder/up")).unwrap();
    for name in ["plan.toml", "case.toml"] {
        symlink(name, desk.path().join(format!("link-to-{name}"))).unwrap();
        fs::hard_link(desk.path().join(name), desk.path().join(format!("other-{name}"))).unwrap();
    }
    desk
}

#[test]
fn no_output_is_an_input_or_another_output() {
    let desk = furnished();
    let names = |name: &str| {
        vec![
            name.to_owned(),
            format!("./{name}"),
            format!("folder/../{name}"),
            format!("folder/up/{name}"),
            format!("link-to-{name}"),
            format!("other-{name}"),
            desk.path().join(name).display().to_string(),
        ]
    };
    let (plan, case) = (desk.text("plan.toml"), desk.text("case.toml"));
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
        let said = desk.refusal(&line);
        assert!(said.contains(" are the same file: choose another one"), "{line}: {said}");
    }
    assert_eq!((desk.text("plan.toml"), desk.text("case.toml")), (plan, case));
    // Two files of one name in two folders are two.
    let output = desk.run("run --seed 1 --facts new --history folder/new");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn what_shrinks_on_does_not_replace_what_it_reads() {
    let desk = Desk::new();
    let bug = "--bug match-from-sent-index --runs 40";
    assert_eq!(desk.run(&format!("shrink --seed 2 {bug} --out small")).status.code(), Some(1));
    let first = "small/seed-2-match-from-sent-index.small.toml";
    let before = desk.text(first);
    let second = "small/seed-2-match-from-sent-index.small-2.toml";
    // Where the new name leads to the old file it is refused.
    symlink("seed-2-match-from-sent-index.small.toml", desk.path().join(second)).unwrap();
    let said = desk.refusal(&format!("shrink {first} --runs 40 --out small"));
    assert!(said.contains(" are the same file: "), "{said}");
    fs::remove_file(desk.path().join(second)).unwrap();
    let output = desk.run(&format!("shrink {first} --runs 40 --out small"));
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(desk.text(first), before);
    assert!(desk.path().join(second).exists());
}

#[test]
fn what_cannot_be_written_is_refused_and_not_replaced() {
    let desk = furnished();
    desk.file("kept", "kept");
    for name in ["kept", "case.toml"] {
        fs::set_permissions(desk.path().join(name), fs::Permissions::from_mode(0o444)).unwrap();
    }
    symlink("nowhere", desk.path().join("dangling")).unwrap();
    symlink("nowhere", desk.path().join("regressions/cases/six.toml")).unwrap();
    fs::create_dir_all(desk.path().join("out")).unwrap();
    symlink("nowhere", desk.path().join("out/ledger.jsonl")).unwrap();
    fs::create_dir_all(desk.path().join("read-only")).unwrap();
    desk.file("read-only/ledger.jsonl", "");
    fs::set_permissions(desk.path().join("read-only/ledger.jsonl"), fs::Permissions::from_mode(0o444))
        .unwrap();
    symlink("nowhere", desk.path().join("out/seed-2-match-from-sent-index.small.toml")).unwrap();
    let lines = [
        "run --seed 1 --facts kept",
        "run --seed 1 --history kept",
        "run --seed 1 --facts dangling",
        "run --seed 1 --history folder/",
        "run --seed 1 --history absent/",
        "replay --refresh case.toml",
        "keep --seed 6 --name six",
        "sweep --seeds 3 --out out",
        "sweep --seeds 3 --out read-only",
        "sweep --seeds 3 --out dangling",
        "shrink --seed 2 --bug match-from-sent-index --out out",
    ];
    for line in lines {
        let said = desk.refusal(line);
        assert!(said.contains("cannot be written: ") || said.contains("is there already"), "{line}: {said}");
    }
    assert_eq!(desk.text("kept"), "kept");
    assert!(!desk.path().join("nowhere").exists() && !desk.path().join("out/nowhere").exists());
}

#[test]
fn only_regular_files_are_read() {
    let desk = Desk::new();
    let pipe = |name: &str| {
        assert!(Command::new("mkfifo").arg(desk.path().join(name)).status().unwrap().success());
    };
    pipe("pipe");
    fs::create_dir(desk.path().join("ledgers")).unwrap();
    pipe("ledgers/ledger.jsonl");
    fs::create_dir(desk.path().join("devices")).unwrap();
    symlink("/dev/zero", desk.path().join("devices/ledger.jsonl")).unwrap();
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
        let mut running = Running::start(desk.command(&line));
        assert!(running.ends_within(Duration::from_secs(30)), "{line} hangs");
        let output = running.output();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{line}: {said}");
        assert!(said.contains("only regular files are read"), "{line}: {said}");
    }
}

#[test]
fn a_folder_that_is_not_named_in_utf_8_is_refused_at_the_start() {
    let desk = Desk::new();
    for line in ["sweep --seeds 2 --out", "shrink --seed 1 --out"] {
        let mut command = desk.command(line);
        command.arg(OsStr::from_bytes(b"night\xff"));
        let said = desk.refused(command, line);
        assert!(said.ends_with("is not named in UTF-8: choose another one"), "{said}");
    }
}

/// A sweep over many seeds, as soon as some of it stands in its ledger.
fn begun(desk: &Desk, line: &str, folder: &str) -> Running {
    let mut running = Running::start(desk.command(line));
    let ledger = desk.path().join(folder).join("ledger.jsonl");
    running.wait_until(|| fs::read_to_string(&ledger).map_or(0, |text| text.lines().count()) >= 2);
    running
}

#[test]
fn an_output_folder_that_is_removed_during_a_sweep_is_no_success() {
    let desk = Desk::new();
    let running = begun(&desk, "sweep --for 4s --json --out gone", "gone");
    fs::remove_dir_all(desk.path().join("gone")).unwrap();
    let output = running.output();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    let lost = "gone/ledger.jsonl: not all results are in it: it was removed or replaced during the sweep";
    assert!(said.contains(&format!("harness: not written: {lost}\n")), "{said}");
    assert_eq!(object(&output)["not_written"][0], lost);
}

#[test]
fn plans_that_are_removed_during_a_sweep_are_missed() {
    let desk = Desk::new();
    let line = "sweep --seeds 0..1000000 --bug match-from-sent-index --as-found --jobs 1";
    let mut running = Running::start(desk.command(line));
    let failures = desk.path().join("failures");
    running.wait_until(|| fs::read_dir(&failures).map_or(0, Iterator::count) >= 3);
    // The sweep may be writing the next plan.
    while fs::remove_dir_all(&failures).is_err() && failures.exists() {}
    running.signal("TERM");
    let output = running.output();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("harness: not written: the plans of the seeds 0"), "{said}");
    assert_eq!(output.status.code(), Some(143));
}

/// Starts a command that can write no file of more than so many blocks of 512 bytes: for it, the disk is full.
fn with_full_disk(desk: &Desk, blocks: u64, line: &str) -> Command {
    let mut command = Command::new("sh");
    let limited = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    command.args(["-c", &limited, env!("CARGO_BIN_EXE_harness")]).args(line.split_whitespace());
    desk.at_home(command)
}

#[test]
fn a_disk_that_fills_up_during_a_sweep_is_no_success() {
    let desk = Desk::new();
    let output = with_full_disk(&desk, 8, "sweep --for 4s --json --out full").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("full/ledger.jsonl: not all results are in it: file too large"), "{said}");
    assert!(object(&output)["not_written"][0].as_str().is_some_and(|lost| lost.contains("ledger.jsonl")));
    // What is in it is whole: half a line was taken back.
    let merged = desk.run("merge full");
    assert!(!String::from_utf8_lossy(&merged.stderr).contains("damaged"), "{merged:?}");
}

#[test]
fn plans_that_cannot_be_written_are_missed() {
    let desk = Desk::new();
    fs::create_dir(desk.path().join("failures")).unwrap();
    for seed in 0..12 {
        let path = desk.path().join(format!("failures/seed-{seed}-match-from-sent-index.toml"));
        symlink("nowhere", path).unwrap();
    }
    let output = desk.run("sweep --seeds 12 --bug match-from-sent-index --as-found --json");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("harness: not written: the plans of the seeds "), "{said}");
    assert!(said.contains("it is a link that leads nowhere; the seeds say all of it"), "{said}");
    assert_eq!(object(&output)["not_written"].as_array().unwrap().len(), 1);
}

#[test]
fn a_smaller_plan_that_cannot_be_written_stands_on_standard_output() {
    let desk = Desk::new();
    // The folder becomes a file while a plan is shrunk, which takes far longer than to notice that it has begun.
    let line = "shrink --seed 0 --bug snapshot-transfer-never-retried --jobs 1 --out out/deeper";
    let mut running = Running::start(desk.command(line));
    running.wait_until_it_hears();
    desk.file("out", "");
    let output = running.output();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("the smaller plan stands on standard output instead"), "{said}");
    let case = String::from_utf8(output.stdout).unwrap();
    desk.file("case.toml", &case);
    assert_eq!(desk.run("replay case.toml").status.code(), Some(0));
}

#[test]
fn what_a_killed_sweep_left_half_written_is_tidied_up() {
    let desk = Desk::new();
    let sweep = "sweep --seeds 0..1000000 --as-found --out night";
    let mut running = begun(&desk, sweep, "night");
    running.signal("KILL");
    drop(running.output());
    // A file in the middle of whose writing it was killed.
    desk.file("night/.writing-stray", "half");
    let mut running = begun(&desk, &format!("{sweep} --resume"), "night");
    running.wait_until(|| !desk.path().join("night/.writing-stray").exists());
    running.signal("TERM");
    let output = running.output();
    assert_eq!(output.status.code(), Some(143), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn names_that_are_not_in_utf_8_are_judged_in_json_too() {
    let desk = Desk::new();
    let name = OsStr::from_bytes(b"gr\xfcn.jsonl");
    let call = "{\"process\":1,\"op\":\"write\",\"key\":\"k\",\"value\":5,\"call\":0,\"return\":10,\"outcome\":\"ok\"}\n";
    let fact = "{\"at\":1,\"step\":1,\"node\":1,\"fact\":\"leads\",\"term\":7}\n";
    for (verb, text, verdict) in
        [("history", call, "linearizable"), ("facts", fact, "kept"), ("history", "", "unusable")]
    {
        fs::write(desk.path().join(Path::new(name)), text).unwrap();
        let output = desk.command(&format!("check {verb} --json")).arg(name).output().unwrap();
        let report = object(&output);
        assert_eq!(
            (&report["files"][0]["file"], &report["files"][0]["verdict"]),
            (&"gr\u{fffd}n.jsonl".into(), &verdict.into())
        );
    }
}
