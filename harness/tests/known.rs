//! Known defects as a baseline of sweeps, and features left out of their plans.

#![expect(clippy::disallowed_methods, reason = "a test reads what the program prints")]

mod sandbox;

use harness::findings::case::Case;
use sandbox::{Sandbox, object};
use serde_json::Value;
use std::fs;
use std::process::Output;

/// A bug that many plans expose, in several ways.
const BUG: &str = "--bug retry-applied-twice";

/// A sandbox whose cases know each group of failures of the bug in seeds 0..40, except for the last group.
/// Returns the report of the sweep, and the number of seeds in the last group.
fn sandbox_with_known_defects() -> (Sandbox, Value, u64) {
    let sandbox = Sandbox::new();
    let report = object(&sandbox.run(&format!("sweep --seeds 40 {BUG} --no-shrink --json")));
    let groups = report["groups"].as_array().unwrap();
    assert!(groups.len() >= 2, "{report}");
    fs::create_dir_all(sandbox.path().join("regressions/cases")).unwrap();
    for (number, group) in groups[..groups.len() - 1].iter().enumerate() {
        keep(&sandbox, group, &format!("group-{number}"));
    }
    let unknown = groups[groups.len() - 1]["count"].as_u64().unwrap();
    (sandbox, report, unknown)
}

/// What a command prints, without its line breaks.
fn flat(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Keeps the first seed of a group as a case of an open defect.
fn keep(sandbox: &Sandbox, group: &Value, name: &str) {
    let seed = &group["first_seed"];
    let output = sandbox.run(&format!("add-case --seed {seed} {BUG} --name {name}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let path = format!("regressions/cases/{name}.toml");
    sandbox.file(&path, &sandbox.text(&path).replace("{ caught =", "{ open-defect ="));
}

#[test]
fn known_defects_are_counted_apart() {
    let (sandbox, before, unknown) = sandbox_with_known_defects();
    let failures = before["failures"].as_array().unwrap().len() as u64;
    fs::remove_dir_all(sandbox.path().join("failures")).unwrap();

    // One group is new: it fails the sweep, and only its plans are written.
    let line = format!("sweep --seeds 40 {BUG} --no-shrink --out night");
    let output = sandbox.run(&line);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("known defect group-0, "), "{text}");
    let known = failures - unknown;
    assert!(text.contains(&format!("{unknown} seed")) && text.contains(&format!("{known} seed")), "{text}");
    let plans = fs::read_dir(sandbox.path().join("night")).unwrap().count() as u64;
    assert_eq!(plans, unknown + 1, "the plans of new failures, and the ledger");

    // The ledger knows them, too, and a merge may know others.
    let merged = object(&sandbox.run("merge night --json"));
    assert_eq!(merged["known"][0]["case"], "group-0");
    fs::create_dir(sandbox.path().join("none")).unwrap();
    let merged = object(&sandbox.run("merge night --known none --json"));
    assert_eq!(merged["known"], Value::Null);
    let all = merged["groups"].as_array().unwrap();

    // With a case for each group, the sweep passes. One of them has no signature, so it runs first.
    keep(&sandbox, &all[all.len() - 1], "group-last");
    let path = "regressions/cases/group-0.toml";
    let kept = sandbox.text(path);
    let without: String = kept
        .lines()
        .filter(|line| !line.starts_with("signature = "))
        .map(|line| line.to_owned() + "\n")
        .collect();
    assert_ne!(kept, without);
    sandbox.file(path, &without);
    let output = sandbox.run(&format!("{line} --json"));
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let report = object(&output);
    let count = |known: &Value| known["count"].as_u64().unwrap();
    assert_eq!(report["known"].as_array().unwrap().iter().map(count).sum::<u64>(), failures);
    assert_eq!(report["digest"], before["digest"]);
    let text = flat(&sandbox.run("merge night"));
    assert!(text.contains(&format!("no new violation, {failures} seeds with known defects")), "{text}");

    // Resumed without cases, they are new again.
    let output =
        sandbox.run(&format!("sweep --seeds 40 {BUG} --no-shrink --out night --resume --known none"));
    assert_eq!(output.status.code(), Some(1));

    // A defect that does not appear is named.
    let other = kept.replacen("kind = \"", "kind = \"another-", 1);
    assert_ne!(other, kept);
    sandbox.file("none/another.toml", &other);
    let text = flat(&sandbox.run(&format!("{line} --known none")));
    assert!(text.contains("known defect another, "), "{text}");
    assert!(text.contains("did not appear in these seeds"), "{text}");

    let message = sandbox.rejection("sweep --seeds 2 --known nowhere");
    assert!(message.contains("nowhere: cannot be read"), "{message}");
}

#[test]
fn the_feature_that_causes_a_case_is_left_out() {
    let sandbox = Sandbox::new();
    let cases = concat!(env!("CARGO_MANIFEST_DIR"), "/../regressions/cases");
    let case = "lease-from-ack-arrival.toml";
    fs::copy(format!("{cases}/{case}"), sandbox.path().join(case)).unwrap();
    let bug = "--bug lease-from-ack-arrival";

    let line = format!("sweep --seeds 20 {bug} --no-shrink --out night --avoid {case}");
    let output = sandbox.run(&format!("{line} --json"));
    let message = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(
        message.contains("left out: drifting-leases (") && message.contains("nor without leases ("),
        "{message}"
    );
    assert_eq!(output.status.code(), Some(0), "{message}");
    let report = object(&output);
    assert_eq!(report["left_out"], serde_json::json!(["drifting-leases"]));
    // Its plans are those of the option that names the feature.
    let named = sandbox
        .run(&format!("sweep --seeds 20 {bug} --no-shrink --leave-out drifting-leases --out named --json"));
    assert_eq!(object(&named)["digest"], report["digest"]);
    // The ledger knows it.
    let message = sandbox.run(&format!("sweep --seeds 20 {bug} --out night --resume"));
    let message = String::from_utf8(message.stderr).unwrap();
    assert!(
        message.contains("plans without drifting-leases, and this command about seeds 0..20"),
        "{message}"
    );
    assert_eq!(sandbox.run(&format!("{line} --resume")).status.code(), Some(0));
    let merged = flat(&sandbox.run("merge night"));
    assert!(merged.contains("without drifting-leases in plans"), "{merged}");

    // Printed commands have the same plan.
    let other = "--bug match-from-sent-index";
    let output =
        sandbox.run(&format!("sweep --seeds 10 {other} --no-shrink --leave-out leases --leave-out crash"));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("--bug match-from-sent-index --leave-out crash --leave-out leases --trace"),
        "{text}"
    );
    let stored = fs::read_dir(sandbox.path().join("failures")).unwrap().next().unwrap().unwrap().path();
    let stored = Case::read(&stored, &harness::systems::BUILT_IN).unwrap().plan;
    let seed = stored.seed;
    let plan = sandbox.run(&format!("plan --seed {seed} {other} --leave-out leases --leave-out crash"));
    assert_eq!(String::from_utf8(plan.stdout).unwrap(), harness::plan::file::to_text(&stored));
    let page = sandbox.run(&format!("run --seed {seed} {other} --leave-out leases --leave-out crash")).stdout;
    let page = String::from_utf8(page).unwrap();
    assert!(
        page.contains(&format!("shrink --seed {seed} --leave-out leases --leave-out crash --bug")),
        "{page}"
    );

    let message = sandbox.rejection("sweep --seeds 2 --leave-out leasse");
    assert!(message.contains("did you mean `leases`"), "{message}");
    sandbox.file("plan.toml", &sandbox.plan(5));
    let message = sandbox.rejection("sweep --seeds 2 --avoid plan.toml");
    assert!(message.contains("it does not fail, so there is nothing to avoid"), "{message}");
}
