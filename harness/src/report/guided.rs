//! The report of a guided sweep, as text, as JSON and as a page.

use super::html::{Group, NamedText, Plot, SweepPage};
use super::{format_measurement, pluralize, with_thousands};
use crate::outcome::signature::FailureSignature;
use crate::support::program::{self, shell_quote};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// So many of the lines that were exercised least are listed.
const RAREST_LINES: usize = 10;
/// So many plans of a group are listed.
const NAMED_PLANS: usize = 3;

/// What a guided sweep did and found.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct GuidedReport {
    /// The commit of this build.
    pub commit: String,
    /// Version of the plan generator.
    pub generator_version: u32,
    /// The system.
    pub system: String,
    /// The seed of the first fresh plan. The others follow.
    pub first_seed: u64,
    /// How many plans ran.
    pub runs: u64,
    /// How many of them were fresh.
    pub fresh: u64,
    /// How many of them were changed copies of kept plans.
    pub changed: u64,
    /// How many plans got to a rare place, and were kept.
    pub kept: u64,
    /// Total events.
    pub events: u64,
    /// Elapsed real time.
    pub wall_seconds: f64,
    /// In how many runs the line of each bug was exercised.
    pub exercised: BTreeMap<&'static str, u64>,
    /// How many runs failed like each known defect, by its case.
    pub known: BTreeMap<String, u64>,
    /// New failures by signature.
    pub failures: Vec<GuidedFailure>,
    /// What could not be written, and why.
    pub not_written: Vec<String>,
}

/// The failures of one signature.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct GuidedFailure {
    /// The signature.
    pub signature: String,
    /// What happened in the first of them.
    pub message: String,
    /// Their plans, as they were found.
    pub plans: Vec<PathBuf>,
}

impl GuidedFailure {
    /// The failures with this signature.
    #[must_use]
    pub fn of((signature, (message, plans)): (FailureSignature, (String, Vec<PathBuf>))) -> GuidedFailure {
        GuidedFailure { signature: signature.to_string(), message, plans }
    }
}

/// The summary.
#[must_use]
pub fn guided_summary(report: &GuidedReport) -> String {
    let mut text = String::new();
    let mut line = |line: String| text.extend([line.as_str(), "\n"]);
    line(format!(
        "{} runs: {} fresh plans from seed {} on, {} changed ones; {} plans kept",
        with_thousands(report.runs),
        with_thousands(report.fresh),
        report.first_seed,
        with_thousands(report.changed),
        with_thousands(report.kept)
    ));
    line(format!(
        "{} events in {:.1} s; {} at {}, plans of generator {}",
        with_thousands(report.events),
        report.wall_seconds,
        report.system,
        report.commit,
        report.generator_version
    ));
    let mut rarest: Vec<_> = report.exercised.iter().map(|(name, runs)| (*runs, *name)).collect();
    rarest.sort_unstable();
    line("the lines that were exercised least, with runs:".to_owned());
    for (runs, name) in rarest.into_iter().take(RAREST_LINES) {
        line(format!("  {:>7}  {name}", with_thousands(runs)));
    }
    for (case, runs) in &report.known {
        line(format!("{} runs failed like the known defect {case}", with_thousands(*runs)));
    }
    if report.failures.is_empty() {
        line("no new failure".to_owned());
    }
    for failure in &report.failures {
        line(format!("FAILED {}: {} runs", failure.signature, with_thousands(failure.plans.len() as u64)));
        line(format!("  {}", failure.message));
        for path in failure.plans.iter().take(NAMED_PLANS) {
            line(format!("  {}", program::command(&format!("shrink {}", shell_quote(path)))));
        }
    }
    text
}

/// The same as a page for browsers.
#[must_use]
pub fn guided_html(report: &GuidedReport) -> String {
    let failing: u64 = report.failures.iter().map(|failure| failure.plans.len() as u64).sum();
    let known: u64 = report.known.values().sum();
    let outcome = match failing {
        0 => "no new failures".to_owned(),
        failing => format!("{} failed", with_thousands(failing)),
    };
    let mut facts = vec![
        NamedText { name: "System", text: report.system.clone() },
        NamedText {
            name: "Plans",
            text: format!(
                "{} fresh from seed {} on, {} changed; {} kept",
                with_thousands(report.fresh),
                report.first_seed,
                with_thousands(report.changed),
                with_thousands(report.kept)
            ),
        },
        NamedText { name: "Events", text: with_thousands(report.events) },
        NamedText { name: "Real seconds", text: format_measurement(report.wall_seconds) },
    ];
    if known > 0 {
        let cases: Vec<_> = report.known.keys().map(String::as_str).collect();
        facts.push(NamedText {
            name: "Known defects",
            text: format!("{} runs: {}", with_thousands(known), cases.join(", ")),
        });
    }
    let describe = |failure: &GuidedFailure| {
        let plans = failure.plans.iter().take(NAMED_PLANS).map(|path| path.display().to_string());
        let plans: Vec<_> = plans.collect();
        let runs = pluralize(failure.plans.len() as u64, "run", "runs");
        Group::without_picture(
            &failure.signature,
            &failure.message,
            format!("{runs}, plans: {}", plans.join(", ")),
        )
    };
    let page = SweepPage {
        title: format!("Guided sweep, {}: {outcome}", pluralize(report.runs, "run", "runs")),
        verdict: if report.failures.is_empty() { "passed" } else { "failed" },
        facts,
        groups: report.failures.iter().map(describe).collect(),
        pace: None,
        plots: vec![Plot::of_lines(&report.exercised, report.runs)],
        commit: report.commit.clone(),
        generator_version: report.generator_version,
        digest: String::new(),
    };
    page.render()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test reads the text")]
mod tests {
    use super::*;

    fn report() -> GuidedReport {
        GuidedReport {
            commit: "abc".to_owned(),
            generator_version: 1,
            system: "toy".to_owned(),
            first_seed: 7,
            runs: 1_000,
            fresh: 520,
            changed: 480,
            kept: 33,
            events: 1_234_567,
            wall_seconds: 2.0,
            exercised: BTreeMap::from([("often", 900), ("never", 0), ("rarely", 2)]),
            known: BTreeMap::new(),
            failures: Vec::new(),
            not_written: Vec::new(),
        }
    }

    #[test]
    fn the_rarest_lines_come_first() {
        let text = guided_summary(&report());
        let position = |name: &str| text.find(name).expect("each line is listed");
        assert!(position("never") < position("rarely") && position("rarely") < position("often"), "{text}");
        assert!(text.contains("no new failure"), "{text}");
    }

    #[test]
    fn each_group_has_commands_to_shrink_its_plans() {
        let plans = (0..5).map(|number| PathBuf::from(format!("out/guided-{number}.toml"))).collect();
        let failure = GuidedFailure {
            signature: "one-vote-per-term".to_owned(),
            message: "n1 voted twice".to_owned(),
            plans,
        };
        let text = guided_summary(&GuidedReport { failures: vec![failure], ..report() });
        assert!(text.contains("FAILED one-vote-per-term: 5 runs\n  n1 voted twice\n"), "{text}");
        assert_eq!(text.matches("shrink out/guided-").count(), NAMED_PLANS, "{text}");
        assert!(!text.contains("no new failure"), "{text}");
    }

    #[test]
    fn a_page_lists_the_rarest_lines_first_and_escapes_what_failed() {
        let failure = GuidedFailure {
            signature: "liveness".to_owned(),
            message: "<b>n1</b> is no leader".to_owned(),
            plans: vec!["failures/guided-3.toml".into()],
        };
        let report = GuidedReport { failures: vec![failure], ..report() };
        let page = guided_html(&report);
        let position = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} is on the page"));
        assert!(
            position("never</th>") < position("rarely</th>")
                && position("rarely</th>") < position("often</th>")
        );
        assert!(page.contains("Guided sweep, 1,000 runs: 1 failed") && page.contains("guided-3.toml"));
        assert!(!page.contains("<b>n1") && page.contains("&lt;b&gt;n1"), "no text is markup");
    }
}
