use super::{
    DEFAULT_WIDTH, PlanSource, SweepReport, bench_table, case_report, case_report_without_bug,
    continue_shrink_command, fold, run_page, sweep_summary, trace_line, with_thousands,
};
use crate::bench::BenchResults;
use crate::case::{Case, Expectation, ShrunkFrom};
use crate::outcome::{
    COMMIT, Counts, Failure, Options, Outcome, Rejection, RunRecord, TraceLine, Verdict, WITNESS,
};
use crate::plan::{Plan, generate};
use crate::sweep::{FailureRecord, Seeds, Summary, SweepSettings, Tally};
use invariants::{Action, Call, Digest, Fact, Observed, Operation, RequestId, Response, Violation};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

const SENTENCE: &str = "n1 and n3 both lead term 4";

fn swept(failures: u64) -> Summary {
    let settings = SweepSettings {
        seeds: 0..2_000,
        all_seeds: 0..2_000,
        jobs: NonZeroUsize::MIN,
        time_limit: None,
        out: "failures".into(),
        bug: None,
        disabled: vec!["read-safety".into()],
        canary_plans: vec![],
    };
    let found = |seed| FailureRecord {
        property: "election-safety".into(),
        clash: "leads and leads".into(),
        seed,
        plan: Some(format!("failures/seed-{seed}.toml").into()),
        sentence: SENTENCE.into(),
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
        failures: (0..failures).map(found).collect(),
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

fn failed() -> Outcome {
    let leads = |node, step| Observed { at: 3_141_592_653, step, node, fact: Fact::Leads { term: 4 } };
    let facts = Violation {
        property: "election-safety",
        sentence: SENTENCE.into(),
        first: Some(leads(1, 1_200)),
        second: leads(3, 1_234),
    };
    Outcome {
        verdict: Verdict::Failed(Box::new(Failure {
            property: "election-safety".into(),
            sentence: SENTENCE.into(),
            facts: Some(Box::new(facts)),
            evidence: vec![],
        })),
        counts: counts(1),
        checks: vec![],
        milestones: vec![],
        faults: vec![],
        digest: Digest(0xfeed),
    }
}

/// A report as it is at every commit.
fn anywhere(report: &str) -> String {
    report.replace(&format!("commit {COMMIT}"), "commit 0123456789ab")
}

#[test]
fn a_sweep_as_a_person_reads_it() {
    for failures in [0, 1, 7] {
        let text = anywhere(&sweep_summary(&swept(failures)));
        assert!(text.is_ascii() && text.lines().all(|line| line.len() <= 80), "{text}");
        insta::assert_snapshot!(format!("sweep_with_{failures}_failures"), text);
    }
}

#[test]
fn plans_that_could_not_be_written_are_not_said_to_be_kept() {
    let mut swept = swept(7);
    swept.failures.iter_mut().skip(4).for_each(|found| found.plan = None);
    let text = sweep_summary(&swept);
    assert!(text.contains("    its plan could not be written; the seed says all of it\n"), "{text}");
    assert!(text.contains("  and 2 more in failures, but for 2 plans not written\n"), "{text}");
}

#[test]
fn what_nobody_ran_is_not_said_to_be_kept() {
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
        ..swept(0)
    });
    let last: Vec<&str> = text.lines().rev().take(5).collect();
    let last: Vec<&str> = last.into_iter().rev().collect();
    insta::assert_snapshot!(last.join("\n"));
}

#[test]
fn what_was_never_tried_is_not_said_to_be_kept() {
    let verdict = |swept: &Summary| {
        let text = sweep_summary(swept);
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
        let (_, last) = text.split_once("\nseeds 0..2000@4: ").unwrap();
        let (verdict, _) = last.split_once("\ndigest").unwrap();
        verdict.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let mut swept = swept(0);
    assert_eq!(verdict(&swept), "no promise broken, but exactly-once never looked");
    swept.checks.remove(1);
    assert_eq!(verdict(&swept), "all promises kept");
    for name in ["leader-elected", "write-acknowledged", "read-answered"] {
        swept.milestones.push(Tally { name: name.into(), count: 0, seeds: 0 });
    }
    assert_eq!(verdict(&swept), "no promise broken, and no leader, no write and no read was ever seen");
    swept.milestones[1].count = 1;
    swept.milestones[3].count = 1;
    assert_eq!(verdict(&swept), "no promise broken, and no write was ever seen");
}

#[test]
fn each_group_of_failures_has_its_count_and_its_seeds() {
    let mut swept = swept(7);
    swept.failures.iter_mut().skip(5).for_each(|found| found.clash = "leads".into());
    swept.failures[3].property = "log-matching".into();
    let text = sweep_summary(&swept);
    let begin = text.find("election-safety: broken").unwrap();
    insta::assert_snapshot!(anywhere(&text[begin..]));
    let groups = serde_json::to_value(SweepReport::of(&swept)).unwrap()["groups"].clone();
    let told: Vec<String> = groups.as_array().unwrap().iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn a_sweep_as_a_program_reads_it() {
    // The rates depend on how many cores there are only where there are more jobs than one.
    let report = SweepReport {
        commit: "0123456789ab".into(),
        commits: vec!["0123456789ab".into()],
        ..SweepReport::of(&swept(1))
    };
    insta::assert_snapshot!(serde_json::to_string_pretty(&report).unwrap());
}

#[test]
fn a_failed_run_as_a_person_reads_it() {
    let plan = Plan { nodes: 5, ..generate(7) };
    let page = run_page(
        &plan,
        PlanSource::Seed,
        &RunRecord::from(failed()),
        None,
        &Options::default(),
        DEFAULT_WIDTH,
    );
    insta::assert_snapshot!(anywhere(&page));
}

#[test]
fn a_case_that_does_something_else_is_news() {
    let expect = Expectation::Caught("election-safety".into());
    let mut case = Case::new("Two led.\n".into(), expect, &failed(), generate(7));
    assert_eq!(case_report(&case, &failed()), "Two led.\n\nas expected: `election-safety` catches the bug\n");
    case.expect = Expectation::Passed;
    assert_eq!(case_report(&case, &failed()), "Two led.\n\nNEWS: expected was: all promises kept\n");
}

#[test]
fn a_case_that_fails_without_its_bug_is_news_too() {
    let told = |verdict| case_report_without_bug("leader-local-read", &verdict);
    assert_eq!(told(Verdict::Passed), "as expected without leader-local-read: all promises kept\n");
    assert_eq!(
        told(failed().verdict),
        "NEWS: expected was without leader-local-read: all promises kept; but election-safety: n1 and n3 both lead \
         term 4\n"
    );
}

#[test]
fn the_line_to_type_has_all_that_was_typed() {
    let line = |path: &str, bug, without: &[&str]| {
        let without = without.iter().map(|name| (*name).to_owned()).collect();
        let origin = PlanSource::File { path: Path::new(path), bug };
        let options = Options { disabled: without, ..Options::default() };
        let page = run_page(&generate(7), origin, &RunRecord::from(failed()), None, &options, DEFAULT_WIDTH);
        page.lines()
            .find(|line| line.ends_with("--trace"))
            .unwrap()
            .trim_start_matches("  cargo run --release -- ")
            .to_owned()
    };
    assert_eq!(line("a.toml", None, &[]), "run --plan a.toml --trace");
    assert_eq!(
        line("Anna's plan.toml", Some("leader-local-read"), &["read-safety"]),
        r"run --plan 'Anna'\''s plan.toml' --bug leader-local-read --without read-safety --trace"
    );
}

#[test]
fn the_columns_of_a_timeline_are_fixed() {
    let line =
        |at, step, node, text: &str| trace_line(&TraceLine { at, step, cause: 0, node, text: text.into() });
    let lines =
        [line(7, 1, 0, "split n1"), line(12_345_678_901, 123_456, 12, "follower(n1) => candidate, term 2")];
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn figures_as_a_person_reads_them() {
    let measured = BenchResults {
        pump_events_per_second: 6_543_210.9,
        unchecked_events_per_second: 1_500_000.0,
        checked_events_per_second: 1_200_000.0,
        checked_to_pump: 0.183,
        checked_to_unchecked: 0.8,
        cost_ratio_long_log: 1.1,
        nanoseconds_per_recovered_entry: 99.5,
    };
    insta::assert_snapshot!(bench_table(&measured));
}

#[test]
fn numbers_are_grouped() {
    assert_eq!([0, 999, 1_000, 1_234_567].map(with_thousands), ["0", "999", "1,000", "1,234,567"]);
}

/// What a page says of its plan and of how it was shrunk, in the line with this word.
fn said(plan: &Plan, shrunk: Option<ShrunkFrom>, word: &str) -> String {
    let page = run_page(
        plan,
        PlanSource::Seed,
        &RunRecord::from(failed()),
        shrunk,
        &Options::default(),
        DEFAULT_WIDTH,
    );
    page.lines().find(|line| line.contains(word)).unwrap_or_else(|| panic!("{page}")).trim().to_owned()
}

#[test]
fn a_page_says_only_what_is_true_of_its_clients() {
    let calling = |calls: &[&[u64]]| {
        let mut plan = generate(7);
        plan.clients.count = calls.len() as u64;
        plan.clients.calls = Some(calls.iter().map(|calls| calls.to_vec()).collect());
        said(&plan, None, "client")
    };
    assert_eq!(calling(&[&[]]), "1 client that calls nothing");
    assert_eq!(calling(&[&[], &[]]), "2 clients that call nothing");
    let some = calling(&[&[3], &[], &[1, 2]]);
    assert!(some.ends_with(", of whom call only c1 at its turn 3, c3 at its turns 1 2"), "{some}");
    let some = calling(&[&[1, 2, 3, 4, 8, 10, 11]]);
    assert!(some.ends_with(", of whom call only c1 at its turns 1..4 8 10 11"), "{some}");
}

#[test]
fn what_grew_is_not_said_to_be_shrunk() {
    let plan = Plan { faults: vec![], ..generate(7) };
    let shrunk =
        |operations| said(&plan, Some(ShrunkFrom { faults: 9, operations, runs: 10 }), "shrunk from");
    assert_eq!(shrunk(300), "shrunk from 9 faults and 300 operations to 0 and 240, in 10 runs");
    assert_eq!(
        shrunk(33),
        "shrunk from 9 faults to 0, in 10 runs; clients call 240 operations until it fails, and called 33"
    );
}

#[test]
fn what_goes_on_shrinking_can_be_typed() {
    let on = |path: &str| continue_shrink_command(Path::new(path), &Options::default());
    assert_eq!(on("failures/a.small.toml"), "cargo run --release -- shrink failures/a.small.toml");
    assert_eq!(on("here/a.small.toml"), "cargo run --release -- shrink here/a.small.toml --out here");
}

#[test]
fn what_clients_asked_begins_with_what_the_clash_is_about() {
    // Twenty calls in turn to two keys, one a second; the clash names the third.
    let call = |number: u64| Call {
        id: RequestId { session: 1, sequence: number },
        operation: Operation { key: number % 2, action: Action::Put(number) },
        called: number * 1_000_000_000,
        returned: (number != 3).then_some((number * 1_000_000_000 + 500_000_000, Response::Done)),
    };
    let mut record = RunRecord::from(failed());
    record.history = (1..=20).map(call).collect();
    let refusal = Rejection { at: 3_250_000_000, node: 2, is_final: true };
    record.rejections = BTreeMap::from([(call(3).id, refusal)]);
    let sentence = "s1#3 has its effect at 15 although each copy of it was refused".to_owned();
    record.outcome.verdict = Verdict::Failed(Box::new(Failure::new(WITNESS, sentence)));
    let page = run_page(&generate(7), PlanSource::Seed, &record, None, &Options::default(), DEFAULT_WIDTH);
    let (_, asked) = page.split_once("what clients asked:\n").unwrap();
    let (asked, _) = asked.split_once("\n\n").unwrap();
    insta::assert_snapshot!(asked);
}

#[test]
fn a_page_is_as_wide_as_its_terminal() {
    for width in [60, 80, DEFAULT_WIDTH] {
        let page = run_page(
            &generate(7),
            PlanSource::Seed,
            &RunRecord::from(failed()),
            None,
            &Options::default(),
            width,
        );
        let is_free = |line: &&str| !line.starts_with("  cargo run");
        let widest = page.lines().skip(1).filter(is_free).map(str::len).max();
        assert!(widest <= Some(width), "{widest:?} of {width}:\n{page}");
    }
    assert_eq!(fold("  one two three four\n", 12), "  one two\n      three\n      four\n");
    let picture = "  s1    A-----|           B----->\n";
    assert_eq!(fold(picture, 12), picture);
}
