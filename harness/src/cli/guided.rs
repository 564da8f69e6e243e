//! The command `sweep --guided`.

#![expect(clippy::disallowed_types, reason = "a sweep may be limited by time, and measures its speed")]

use super::exit::{INVALID_INPUT, SUCCESS, VIOLATION};
use super::paths::Paths;
use super::shard::DEFAULT_SEEDS;
use super::signals::{self, STOP_REQUESTED};
use super::sweep::{DEFAULT_OUT, known_defects};
use super::{CommandResult, arguments, catalog, paths, print, print_json, print_message};
use crate::findings::guard::run_watched;
use crate::findings::guided::{self, Guide, GuidedPlan};
use crate::findings::investigate::{Finding, investigate};
use crate::findings::known::KnownDefect;
use crate::findings::reproducer::RunFn;
use crate::outcome::signature::FailureSignature;
use crate::outcome::{COMMIT, Options, Outcome, Verdict};
use crate::plan::file;
use crate::plan::{GENERATOR_VERSION, Plan};
use crate::report::{self, GuidedReport};
use crate::systems::SystemInfo;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

/// A line of progress after so many runs.
const PROGRESS_EVERY: u64 = 500;

/// What a guided sweep has found so far.
struct Findings<'a> {
    system: &'a SystemInfo,
    out: &'a Path,
    known: Vec<KnownDefect>,
    /// How many runs failed like each known defect, by its case.
    known_runs: BTreeMap<String, u64>,
    /// The failures of each signature: message and written plans.
    groups: BTreeMap<FailureSignature, (String, Vec<PathBuf>)>,
    write_errors: Vec<String>,
}

pub(super) fn guided_sweep(system: &SystemInfo, arguments: &arguments::SweepArgs) -> CommandResult {
    let bug = arguments.overrides.bug.as_deref();
    catalog::check_bug(system, bug)?;
    if system.catalogues.is_empty() || !cfg!(feature = "bugs") {
        return Err(format!(
            "{} does not count which lines are exercised in this build, so nothing can guide a sweep of it",
            system.name
        ));
    }
    let options = catalog::options_with_disabled(&arguments.overrides.disable)?;
    let out = arguments.out.clone().unwrap_or_else(|| DEFAULT_OUT.into());
    paths::check_output_folder(&out)?;
    if let Some(html) = &arguments.html {
        Paths::default().add_output("--html", html)?;
    }
    paths::remove_temporary_files(&out);
    let limit = arguments.time_limit.map(|limit| Duration::from_nanos(limit.0));
    let seeds = arguments.seeds.clone().unwrap_or(match limit {
        Some(_) => 0..u64::MAX,
        None => 0..DEFAULT_SEEDS,
    });
    let jobs = arguments.jobs.unwrap_or_else(|| thread::available_parallelism().unwrap_or(NonZeroUsize::MIN));
    signals::install_handlers("ending after the runs in progress; a second signal ends at once")?;
    let mut findings = Findings {
        system,
        out: &out,
        known: known_defects(system, arguments.known.as_deref(), bug)?,
        known_runs: BTreeMap::new(),
        groups: BTreeMap::new(),
        write_errors: Vec::new(),
    };
    let began = Instant::now();
    let stops =
        || STOP_REQUESTED.load(Ordering::Relaxed) || limit.is_some_and(|limit| began.elapsed() >= limit);
    let hang_after = arguments.hang.after();
    let run = |plan: &Plan, options: &Options| run_watched(system, plan, options, hang_after);
    let mut guide = Guide::new(system, bug, seeds.start);
    let (mut runs, mut fresh, mut events) = (0_u64, 0_u64, 0_u64);
    let watch = &mut |plan: &GuidedPlan, outcome: &Outcome, guide: &Guide| {
        runs += 1;
        fresh += u64::from(plan.seed.is_some());
        events += outcome.counts.events;
        if matches!(outcome.verdict, Verdict::Failed(_)) {
            findings.add(plan, outcome, &options, &run);
        }
        if runs.is_multiple_of(PROGRESS_EVERY) {
            let failing: usize = findings.groups.values().map(|(_, plans)| plans.len()).sum();
            print_message(&format!("{runs} runs, {} plans kept, {failing} new failures", guide.kept()));
        }
        true
    };
    guided::sweep(&mut guide, seeds.end - seeds.start, &options, jobs, &run, &stops, watch);
    let mut report = GuidedReport {
        commit: COMMIT.to_owned(),
        generator_version: GENERATOR_VERSION,
        system: system.full_name(),
        first_seed: seeds.start,
        runs,
        fresh,
        changed: runs - fresh,
        kept: guide.kept() as u64,
        events,
        wall_seconds: began.elapsed().as_secs_f64(),
        exercised: guide.exercised(),
        known: findings.known_runs,
        failures: findings.groups.into_iter().map(report::GuidedFailure::of).collect(),
        not_written: findings.write_errors,
    };
    if let Some(html) = &arguments.html {
        let written = file::write_text(html, &report::guided_html(&report));
        report.not_written.extend(written.err().map(|error| error.to_string()));
    }
    match arguments.json {
        true => print_json(&report)?,
        false => print(&report::guided_summary(&report))?,
    }
    report.not_written.iter().for_each(|line| print_message(&format!("not written: {line}")));
    Ok(signals::exit_code_after(match (report.failures.is_empty(), report.not_written.is_empty()) {
        (_, false) => INVALID_INPUT,
        (false, true) => VIOLATION,
        (true, true) => SUCCESS,
    }))
}

impl Findings<'_> {
    /// Confirms a failure by further runs, and writes its plan unless the defect is known.
    fn add(&mut self, plan: &GuidedPlan, outcome: &Outcome, options: &Options, run: &RunFn<'_>) {
        let found = investigate(&plan.plan, options, run).ok();
        let Some(finding) = found.or_else(|| Finding::of(&plan.plan, outcome, options)) else { return };
        let signature = finding.signature();
        let known = self.known.iter().find(|known| known.signature == signature);
        if let Some(known) = known {
            *self.known_runs.entry(known.case.clone()).or_default() += 1;
            return;
        }
        let (_, plans) =
            self.groups.entry(signature).or_insert_with(|| (finding.failure.cause.to_string(), Vec::new()));
        let bug = plan.plan.bug.as_ref().map(|bug| format!("-{bug}")).unwrap_or_default();
        let path = self.out.join(format!("guided-{}{bug}.toml", plan.number));
        let origin = match plan.seed {
            Some(seed) => format!("Found by a guided sweep as seed {seed}@{GENERATOR_VERSION}"),
            None => format!("Found by a guided sweep as run {}, a changed plan", plan.number),
        };
        let written = std::fs::create_dir_all(self.out).map_err(|error| error.to_string()).and_then(|()| {
            finding.to_case(&origin, self.system).write(&path).map_err(|error| error.to_string())
        });
        match written {
            Ok(()) => plans.push(path),
            Err(message) => self.write_errors.push(format!("the plan of run {}: {message}", plan.number)),
        }
    }
}
