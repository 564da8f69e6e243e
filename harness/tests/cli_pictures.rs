//! The command line: pictures of runs.

#![expect(clippy::disallowed_methods, reason = "a test reads what the program prints")]

mod sandbox;

use sandbox::{Sandbox, object};

const FAILS: &str = "run --seed 2 --bug commit-prior-term-by-count";

#[test]
fn a_run_is_printed_in_each_form() {
    let sandbox = Sandbox::new();
    let json = sandbox.run(&format!("{FAILS} --as json"));
    assert_eq!(json.status.code(), Some(1));
    let picture = object(&json);
    assert_eq!(picture["version"], 1);
    assert_eq!(picture["signature"]["property"], picture["story"]["property"]);
    let mermaid = sandbox.run(&format!("{FAILS} --as mermaid"));
    assert!(mermaid.stdout.starts_with(b"sequenceDiagram\n"), "{mermaid:?}");
    let shiviz = sandbox.run(&format!("{FAILS} --as shiviz"));
    assert!(shiviz.stdout.starts_with(b"(?<event>.*)"), "{shiviz:?}");
    let passes = sandbox.run("run --seed 1 --as json");
    assert_eq!((passes.status.code(), object(&passes)["verdict"].as_str()), (Some(0), Some("passed")));
    assert!(!object(&passes)["marks"].as_array().expect("an array").is_empty());
}

#[test]
fn an_unknown_form_is_rejected() {
    let output = Sandbox::new().run("run --seed 1 --as mermade");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("mermaid"), "{output:?}");
}

#[test]
fn a_failing_sweep_appends_to_the_summary_of_the_step() {
    let sandbox = Sandbox::new();
    sandbox.file("summary.md", "before\n");
    let sweep = "sweep --bug commit-prior-term-by-count --seeds 0..20 --jobs 2";
    let output = sandbox.command(sweep).env("GITHUB_STEP_SUMMARY", "summary.md").output().expect("it runs");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let summary = sandbox.text("summary.md");
    assert!(summary.starts_with("before\n```text\n"), "{summary}");
    assert!(summary.contains("```mermaid\nsequenceDiagram\n") && summary.contains("current-term-commit"));
    // A sweep that passes has nothing to say.
    let passes = sandbox.command("sweep --seeds 0..5").env("GITHUB_STEP_SUMMARY", "summary.md").output();
    assert_eq!(passes.expect("it runs").status.code(), Some(0));
    assert_eq!(sandbox.text("summary.md"), summary);
}

#[test]
fn a_run_is_written_as_a_page() {
    let sandbox = Sandbox::new();
    let plain = sandbox.run(FAILS);
    let output = sandbox.run(&format!("{FAILS} --html page.html"));
    assert_eq!((output.status.code(), &output.stdout), (Some(1), &plain.stdout), "it prints its page, too");
    let page = sandbox.text("page.html");
    assert!(page.starts_with("<!doctype html>") && page.contains("What made it possible"));
    // The plain page is in it.
    assert!(page.contains("expected: ") && page.contains("timeline (L leads"));
    assert!(page.len() < 3_000_000, "{}", page.len());
    assert_eq!(sandbox.run("run --seed 1 --html passes.html").status.code(), Some(0));
    assert!(sandbox.text("passes.html").contains("all properties hold"));
    assert_eq!(sandbox.names(), ["page.html", "passes.html"]);
}

#[test]
fn a_page_replaces_no_input() {
    let sandbox = Sandbox::new();
    sandbox.file("plan.toml", include_str!("example.toml"));
    let message = sandbox.rejection("run --plan plan.toml --html plan.toml");
    assert!(message.contains("are the same file"), "{message}");
    sandbox.rejection("run --seed 1 --html absent/page.html");
}

#[test]
fn a_shrunk_plan_has_its_page_beside_it() {
    let sandbox = Sandbox::new();
    let output = sandbox.run("shrink --seed 2 --bug commit-prior-term-by-count --out small --runs 200");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let name = "small/seed-2-commit-prior-term-by-count.small";
    assert!(String::from_utf8_lossy(&output.stderr).contains(&format!("{name}.html")), "{output:?}");
    let page = sandbox.text(&format!("{name}.html"));
    assert!(page.contains("shrunk from ") && page.len() < 1_000_000, "{}", page.len());
}

/// A read of a value that had been replaced.
const STALE: &str = r#"{"process":0,"type":"invoke","f":"write","value":1,"time":1,"index":0}
{"process":0,"type":"ok","f":"write","value":1,"time":2,"index":1}
{"process":0,"type":"invoke","f":"write","value":2,"time":3,"index":2}
{"process":0,"type":"ok","f":"write","value":2,"time":4,"index":3}
{"process":1,"type":"invoke","f":"read","value":null,"time":5,"index":4}
{"process":1,"type":"ok","f":"read","value":1,"time":6,"index":5}
"#;

#[test]
fn a_history_is_written_as_a_page() {
    let sandbox = Sandbox::new();
    sandbox.file("stale.jsonl", STALE);
    let output = sandbox.run("check history stale.jsonl --html page.html");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let page = sandbox.text("page.html");
    assert!(page.contains("The longest order that explains answers"), "{page}");
    assert!(page.contains("\"in_clash\":true") && page.contains("not linearizable"), "{page}");
    // Of a history in order, nothing is in a clash.
    sandbox.file("fresh.jsonl", &STALE.replace("\"read\",\"value\":1", "\"read\",\"value\":2"));
    assert_eq!(sandbox.run("check history fresh.jsonl --html fresh.html").status.code(), Some(0));
    assert!(!sandbox.text("fresh.html").contains("\"in_clash\":true"));
    let message = sandbox.rejection("check history stale.jsonl fresh.jsonl --html two.html");
    assert!(message.contains("give one FILE"), "{message}");
    sandbox.rejection("check history stale.jsonl --html stale.jsonl");
}

#[test]
fn facts_are_written_as_a_page() {
    let sandbox = Sandbox::new();
    sandbox.run(&format!("{FAILS} --facts facts.jsonl"));
    let output = sandbox.run("check facts facts.jsonl --html page.html");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let page = sandbox.text("page.html");
    assert!(page.contains("current-term-commit") && page.contains("\"in_clash\":true"), "{page}");
}

#[test]
fn a_sweep_is_written_as_a_page() {
    let sandbox = Sandbox::new();
    let sweep = "sweep --bug commit-prior-term-by-count --seeds 0..20 --out out --for 60s";
    assert_eq!(sandbox.run(&format!("{sweep} --html page.html")).status.code(), Some(1));
    let page = sandbox.text("page.html");
    assert!(page.contains("Groups of failures") && page.contains("current-term-commit"), "{page}");
    let link = "href=\"out/seed-";
    assert!(page.contains(link) && page.contains(".small.html\""), "{page}");
    assert!(page.contains("leader-elected") && page.contains("class=\"bar-of\""), "{page}");
    let merged = sandbox.run("merge out --html merged.html");
    assert_eq!(merged.status.code(), Some(1), "{merged:?}");
    assert!(sandbox.text("merged.html").contains(link));
    assert_eq!(sandbox.run("sweep --seeds 0..5 --html passes.html").status.code(), Some(0));
    assert!(!sandbox.text("passes.html").contains("Groups of failures"));
    sandbox.rejection("sweep --seeds 0..5 --html absent/page.html");
}

#[test]
fn a_guided_sweep_writes_its_page() {
    let sandbox = Sandbox::new();
    let sweep = sandbox.run("sweep --guided --seeds 0..64 --html guided.html");
    assert_eq!(sweep.status.code(), Some(0), "{sweep:?}");
    let page = sandbox.text("guided.html");
    assert!(page.contains("Guided sweep, 64 runs: no new failures") && page.contains("self-vote-after-rv"));
    sandbox.rejection("sweep --guided --seeds 0..64 --html absent/guided.html");
}
