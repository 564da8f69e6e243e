use super::{
    DEFAULT_WIDTH, Page, PlanSource, SweepReport, bench_table, case_report, case_report_without_bug,
    continue_shrink_command, run_page, sweep_summary, trace_line, with_thousands,
};
use crate::findings::case::{Case, Expectation, ShrunkFrom};
use crate::outcome::signature::{FailureSignature, Roles};
use crate::outcome::{
    COMMIT, Counts, Exercised, Failure, FailureCause, LINEARIZABILITY, Options, Outcome, Rejection,
    RunRecord, TraceEvent, TraceLine, Verdict, WITNESS,
};
use crate::plan::{Plan, generate};
use crate::sweep::{FailureRecord, Seeds, Summary, SweepSettings, Tally};
use crate::systems::BUILT_IN;
use crate::systems::bench::BenchResults;
use invariants::linearizability::{self, Line};
use invariants::{
    Action, Budget, Call, Conflict, Content, Digest, Fact, Observed, Operation, RequestId, Response,
    Violation,
};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

const MESSAGE: &str = "n1 and n3 both lead term 4";

fn summary_of(failures: u64) -> Summary {
    let settings = SweepSettings {
        system: BUILT_IN,
        seeds: 0..2_000,
        all_seeds: 0..2_000,
        jobs: NonZeroUsize::MIN,
        time_limit: None,
        out: "failures".into(),
        bug: None,
        disabled: vec!["read-safety".into()],
        canary_plans: vec![],
        ..SweepSettings::default()
    };
    let failure = |seed| FailureRecord {
        signature: FailureSignature {
            property: "election-safety".into(),
            kind: "two-leaders".into(),
            location: None,
            roles: Roles::TwoServers,
        },
        seed,
        plan: Some(format!("failures/seed-{seed}.toml").into()),
        message: MESSAGE.into(),
        faults: None,
        shrunk: None,
    };
    Summary {
        seeds: 2_000,
        ran: Seeds::from(0..2_000),
        counts: counts(2_000),
        checks: vec![
            Tally { name: "election-safety".into(), count: 12_345, seeds: 2_000 },
            Tally { name: "exactly-once".into(), count: 0, seeds: 0 },
        ],
        milestones: vec![Tally { name: "log-truncated".into(), count: 4_321, seeds: 1_234 }],
        faults: vec![Tally { name: "crash".into(), count: 9_876, seeds: 1_900 }],
        passed: 2_000 - failures,
        failures: (0..failures).map(failure).collect(),
        digest: Digest(0xfeed),
        elapsed: Duration::from_millis(25_500),
        ..Summary::new(&settings)
    }
}

fn counts(times: u64) -> Counts {
    Counts {
        events: 8_000 * times,
        heartbeats: 2_500 * times,
        simulated: 22_123_456_789 * times,
        operations: 240 * times,
        unknown_operations: 3 * times,
        leader_changes: 4 * times,
        power_losses: 2 * times,
        facts: 9_000 * times,
    }
}

fn failed_outcome() -> Outcome {
    let leads = |node, step| Observed { at: 3_141_592_653, step, node, fact: Fact::Leads { term: 4 } };
    let facts = Violation {
        property: "election-safety",
        conflict: Conflict::TwoLeaders { node: 3, term: 4, leader: 1 },
        first: Some(leads(1, 1_200)),
        second: leads(3, 1_234),
    };
    Outcome {
        verdict: Verdict::Failed(Box::new(Failure::new(
            "election-safety",
            FailureCause::Facts(Box::new(facts)),
        ))),
        counts: counts(1),
        checks: vec![],
        milestones: vec![],
        faults: vec![],
        exercised: Exercised::default(),
        digest: Digest(0xfeed),
    }
}

/// A report with the commit replaced by a fixed one.
fn with_fixed_commit(report: &str) -> String {
    report.replace(&format!("commit {COMMIT}"), "commit 0123456789ab")
}

fn paragraph(line: &str, width: usize) -> String {
    let mut page = Page { text: String::new(), width };
    page.paragraph(line);
    page.text
}

#[test]
fn text_beyond_ascii_is_wrapped_between_its_words() {
    let words = "ä".repeat(40);
    let line = format!("  {words} {words} ende");
    assert_eq!(paragraph(&line, 60), format!("  {words}\n      {words} ende\n"));
    let word = format!("ä{}", "b".repeat(80));
    assert_eq!(paragraph(&word, 60), word.clone() + "\n");
}

#[test]
fn sweep_summary_is_80_columns_of_ascii() {
    for failures in [0, 1, 7] {
        let text = with_fixed_commit(&sweep_summary(&summary_of(failures)));
        assert!(text.is_ascii() && text.lines().all(|line| line.len() <= 80), "{text}");
        insta::assert_snapshot!(format!("sweep_with_{failures}_failures"), text);
    }
}

#[test]
fn summary_names_plans_that_could_not_be_written() {
    let mut summary = summary_of(7);
    summary.failures.iter_mut().skip(4).for_each(|failure| failure.plan = None);
    let text = sweep_summary(&summary);
    assert!(text.contains("    its plan could not be written; the seed reproduces it\n"), "{text}");
    assert!(text.contains("  and 2 more in failures, except 2 plans that could not be written\n"), "{text}");
}

#[test]
fn missing_seeds_and_missed_canaries_are_reported() {
    let ran = Seeds::from(vec![0..700, 900..1_600]);
    let missing = Seeds::from(vec![700..900, 1_600..2_000]);
    let commits = vec!["0123456789ab".into(), "ba9876543210".into()];
    let text = sweep_summary(&Summary {
        seeds: 1_400,
        ran,
        missing,
        cut_short: true,
        commits,
        canaries_missed: 2,
        ..summary_of(0)
    });
    let last: Vec<&str> = text.lines().rev().take(5).collect();
    let last: Vec<&str> = last.into_iter().rev().collect();
    insta::assert_snapshot!(last.join("\n"));
}

#[test]
fn verdict_names_what_was_never_checked_or_reached() {
    let verdict = |summary: &Summary| {
        let text = sweep_summary(summary);
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
        let (_, last) =
            text.split_once(&format!("\nseeds 0..2000@{}: ", crate::plan::GENERATOR_VERSION)).unwrap();
        let (verdict, _) = last.split_once("\ndigest").unwrap();
        verdict.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let mut summary = summary_of(0);
    assert_eq!(verdict(&summary), "no violation, but no checks of exactly-once");
    summary.checks.remove(1);
    assert_eq!(verdict(&summary), "all properties hold");
    for name in ["leader-elected", "write-acknowledged", "read-answered"] {
        summary.milestones.push(Tally { name: name.into(), count: 0, seeds: 0 });
    }
    assert_eq!(verdict(&summary), "no violation, and no leader, no write and no read was ever seen");
    summary.milestones[1].count = 1;
    summary.milestones[3].count = 1;
    assert_eq!(verdict(&summary), "no violation, and no write was ever seen");
}

#[test]
fn failures_are_grouped_by_property_and_clash() {
    let mut summary = summary_of(7);
    summary
        .failures
        .iter_mut()
        .skip(5)
        .for_each(|failure| failure.signature.kind = "leads-term-again".into());
    summary.failures[3].signature.property = "log-matching".into();
    let text = sweep_summary(&summary);
    let begin = text.find("election-safety: violated").unwrap();
    insta::assert_snapshot!(with_fixed_commit(&text[begin..]));
    let groups = serde_json::to_value(SweepReport::of(&summary)).unwrap()["groups"].clone();
    let lines: Vec<String> = groups.as_array().unwrap().iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn sweep_report_has_its_json_keys() {
    // With one job the rates do not depend on the number of cores.
    let report = SweepReport {
        commit: "0123456789ab".into(),
        commits: vec!["0123456789ab".into()],
        ..SweepReport::of(&summary_of(1))
    };
    insta::assert_snapshot!(serde_json::to_string_pretty(&report).unwrap());
}

#[test]
fn page_of_a_failed_run() {
    let plan = Plan { nodes: 5, ..generate(7) };
    let page = run_page(
        &plan,
        PlanSource::Seed,
        &RunRecord::from(failed_outcome()),
        None,
        &Options::default(),
        DEFAULT_WIDTH,
    );
    insta::assert_snapshot!(with_fixed_commit(&page));
}

#[test]
fn unmet_expectation_of_a_case_is_reported() {
    let expect = Expectation::Caught("election-safety".into());
    let mut case = Case::new("Two led.\n".into(), expect, &failed_outcome(), generate(7));
    assert_eq!(
        case_report(&case, &failed_outcome(), &BUILT_IN),
        format!("Two led.\n\nas expected: {}\n", case.expect)
    );
    case.expect = Expectation::Passed;
    assert_eq!(
        case_report(&case, &failed_outcome(), &BUILT_IN),
        format!("Two led.\n\nCHANGED: expected: {}\n", Expectation::Passed)
    );
}

#[test]
fn failure_of_a_case_without_its_bug_is_reported() {
    let report = |verdict| case_report_without_bug("leader-local-read", &verdict);
    assert_eq!(report(Verdict::Passed), "as expected without leader-local-read: all properties hold\n");
    assert_eq!(
        report(failed_outcome().verdict),
        "CHANGED: expected without leader-local-read: all properties hold; observed: election-safety: n3 leads term 4 \
         although n1 already leads it\n"
    );
}

#[test]
fn printed_command_repeats_all_options() {
    let line = |path: &str, bug, disabled: &[&str]| {
        let disabled = disabled.iter().map(|name| (*name).to_owned()).collect();
        let origin = PlanSource::File { path: Path::new(path), bug };
        let options = Options { disabled, ..Options::default() };
        let page =
            run_page(&generate(7), origin, &RunRecord::from(failed_outcome()), None, &options, DEFAULT_WIDTH);
        page.lines()
            .find(|line| line.ends_with("--trace"))
            .unwrap()
            .trim_start_matches("  cargo run --release -- ")
            .to_owned()
    };
    assert_eq!(line("a.toml", None, &[]), "run --plan a.toml --trace");
    assert_eq!(
        line("Anna's plan.toml", Some("leader-local-read"), &["read-safety"]),
        r"run --plan 'Anna'\''s plan.toml' --bug leader-local-read --disable read-safety --trace"
    );
}

#[test]
fn trace_lines_have_fixed_columns() {
    let line = |at, step, node, event| trace_line(&TraceLine { at, step, cause: 0, node, event });
    let lines = [
        line(7, 1, 0, TraceEvent::FaultBegins { number: 3, kind: "partition", targets: vec![1, 2] }),
        line(12_345_678_901, 123_456, 12, TraceEvent::Note("follower(n1) => candidate, term 2".to_owned())),
    ];
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn bench_table_shows_all_figures() {
    let results = BenchResults {
        pump_events_per_second: 6_543_210.9,
        unchecked_events_per_second: 1_500_000.0,
        checked_events_per_second: 1_200_000.0,
        checked_to_pump: 0.183,
        checked_to_unchecked: 0.8,
        cost_ratio_long_log: 1.1,
        nanoseconds_per_recovered_entry: 99.5,
        other: None,
    };
    insta::assert_snapshot!(bench_table(&results));
}

#[test]
fn numbers_have_thousands_separators() {
    assert_eq!([0, 999, 1_000, 1_234_567].map(with_thousands), ["0", "999", "1,000", "1,234,567"]);
}

/// The line of the page that contains `word`.
fn page_line(plan: &Plan, shrunk: Option<ShrunkFrom>, word: &str) -> String {
    let page = run_page(
        plan,
        PlanSource::Seed,
        &RunRecord::from(failed_outcome()),
        shrunk,
        &Options::default(),
        DEFAULT_WIDTH,
    );
    page.lines().find(|line| line.contains(word)).unwrap_or_else(|| panic!("{page}")).trim().to_owned()
}

#[test]
fn page_describes_clients_and_their_calls() {
    let calling = |calls: &[&[u64]]| {
        let mut plan = generate(7);
        plan.clients.count = calls.len() as u64;
        plan.clients.calls = Some(calls.iter().map(|calls| calls.to_vec()).collect());
        page_line(&plan, None, "client")
    };
    assert_eq!(calling(&[&[]]), "1 client that makes no calls");
    assert_eq!(calling(&[&[], &[]]), "2 clients that make no calls");
    let some = calling(&[&[3], &[], &[1, 2]]);
    assert!(some.ends_with("; calls: c1 at turn 3, c3 at turns 1 2"), "{some}");
    let some = calling(&[&[1, 2, 3, 4, 8, 10, 11]]);
    assert!(some.ends_with("; calls: c1 at turns 1..4 8 10 11"), "{some}");
}

#[test]
fn page_tells_when_operations_grew_while_shrinking() {
    let plan = Plan { faults: vec![], ..generate(7) };
    let shrunk =
        |operations| page_line(&plan, Some(ShrunkFrom { faults: 9, operations, runs: 10 }), "shrunk from");
    assert_eq!(shrunk(300), "shrunk from 9 faults and 300 operations to 0 and 240, in 10 runs");
    assert_eq!(
        shrunk(33),
        "shrunk from 9 faults to 0, in 10 runs; 240 operations until it fails, 33 operations before"
    );
}

#[test]
fn continue_shrink_command_keeps_the_folder() {
    let command = |path: &str| continue_shrink_command(Path::new(path), &Options::default());
    assert_eq!(command("failures/a.small.toml"), "cargo run --release -- shrink failures/a.small.toml");
    assert_eq!(command("here/a.small.toml"), "cargo run --release -- shrink here/a.small.toml --out here");
}

#[test]
fn client_operations_are_those_of_the_clash_and_their_neighbours() {
    // Twenty calls to two keys in turn, one per second. The cause names the third.
    let call = |number: u64| Call {
        id: RequestId { session: 1, sequence: number },
        operation: Operation { key: number % 2, action: Action::Put(number) },
        called: number * 1_000_000_000,
        returned: (number != 3).then_some((number * 1_000_000_000 + 500_000_000, Response::Done)),
    };
    let mut record = RunRecord::from(failed_outcome());
    record.history = (1..=20).map(call).collect();
    let rejection = Rejection { at: 3_250_000_000, node: 2, is_final: true };
    record.rejections = BTreeMap::from([(call(3).id, rejection)]);
    let cause = FailureCause::RejectedTakesEffect { id: call(3).id, index: 15 };
    record.outcome.verdict = Verdict::Failed(Box::new(Failure::new(WITNESS, cause)));
    let page = run_page(&generate(7), PlanSource::Seed, &record, None, &Options::default(), DEFAULT_WIDTH);
    let (_, operations) = page.split_once("client operations:\n").unwrap();
    let (operations, _) = operations.split_once("\n\n").unwrap();
    insta::assert_snapshot!(operations);
}

#[test]
fn page_is_wrapped_to_the_width() {
    for width in [60, 80, DEFAULT_WIDTH] {
        let page = run_page(
            &generate(7),
            PlanSource::Seed,
            &RunRecord::from(failed_outcome()),
            None,
            &Options::default(),
            width,
        );
        let is_wrapped = |line: &&str| !line.starts_with("  cargo run");
        let widest = page.lines().skip(1).filter(is_wrapped).map(str::len).max();
        assert!(widest <= Some(width), "{widest:?} of {width}:\n{page}");
    }
    assert_eq!(paragraph("  one two three four", 12), "  one two\n      three\n      four\n");
}

#[test]
fn a_diagram_stays_whole() {
    let call = |sequence, action, response| Call {
        id: RequestId { session: 1, sequence },
        operation: Operation { key: 3, action },
        called: sequence * 10,
        returned: Some((sequence * 10 + 5, response)),
    };
    let old = Response::Holds(Content::Present(1));
    let history = [
        call(1, Action::Put(1), Response::Done),
        call(2, Action::Put(2), Response::Done),
        call(3, Action::Get, old),
    ];
    let linearizability::Verdict::Violation(explanation) =
        linearizability::check(&history, Budget::default()).unwrap()
    else {
        panic!("the read is not stale")
    };
    let diagram = explanation.lines().into_iter().filter(|line| matches!(line, Line::Diagram(_)));
    let diagram: Vec<String> = diagram.map(|row| format!("    {row}\n")).collect();
    let mut record = RunRecord::from(failed_outcome());
    let failure = Failure::new(LINEARIZABILITY, FailureCause::History(explanation));
    record.outcome.verdict = Verdict::Failed(Box::new(failure));
    let page = run_page(&generate(7), PlanSource::Seed, &record, None, &Options::default(), 24);
    assert!(!diagram.is_empty() && diagram.iter().all(|row| row.len() > 25), "{diagram:?}");
    assert!(diagram.iter().all(|row| page.contains(row)), "{diagram:?}\n{page}");
}
