//! Runs one seed of a sweep; a failure is confirmed by further runs before it is reported.

use super::SweepSettings;
use super::failures::FailureRecord;
use super::summary::SeedResult;
use crate::findings::determinism::differs_on_a_fresh_thread;
use crate::findings::investigate::{Finding, investigate};
use crate::outcome::{Failure, Options, Outcome, RunProgress, RunRecord, Verdict};
use crate::plan::file::{display_path, error_reason};
use crate::plan::{GENERATOR_VERSION, Plan};
use std::any::Any;
use std::path::PathBuf;
use std::sync::Arc;

/// So many seeds at the beginning of a sweep are run again on a fresh thread, even if they pass.
const REPEATED_SEEDS: u64 = 10;

/// Runs a plan for a sweep, on threads that may outlive the sweep.
pub type SweepRun = Arc<dyn Fn(&Plan, &Options) -> RunRecord + Send + Sync>;

/// Runs seeds.
pub(super) struct SeedRunner {
    /// The settings of the sweep.
    pub(super) settings: SweepSettings,
    /// The function that runs a plan.
    pub(super) run: SweepRun,
}

impl SeedRunner {
    /// Runs a seed. A failure is confirmed, and its case is written, before this returns.
    pub(super) fn run_seed(&self, seed: u64, progress: Arc<RunProgress>) -> SeedResult {
        let options = Options { progress: Some(progress), ..self.options() };
        let plan = self.plan(seed);
        let finding = investigate(&plan, &options, &*self.run).or_else(|outcome| {
            let is_repeated = seed - self.settings.seeds.start < REPEATED_SEEDS;
            let differs = || differs_on_a_fresh_thread(&plan, &outcome, &options, &*self.run);
            is_repeated.then(differs).flatten().ok_or(outcome)
        });
        match finding {
            Ok(finding) => self.record(seed, finding),
            Err(outcome) => SeedResult { seed, outcome: Some(*outcome), failure: None, write_error: None },
        }
    }

    /// The result of a seed whose run panicked in the harness.
    pub(super) fn result_of_harness_panic(&self, seed: u64, payload: &(dyn Any + Send)) -> SeedResult {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message");
        self.record(seed, Finding::harness_panic(self.plan(seed), &self.options(), text))
    }

    /// The result of a seed whose run hangs or aborts.
    pub(super) fn result_without_end(&self, seed: u64, failure: Failure) -> SeedResult {
        self.record(seed, Finding::without_end(self.plan(seed), &self.options(), failure))
    }

    fn plan(&self, seed: u64) -> Plan {
        self.settings.plan(seed)
    }

    fn options(&self) -> Options {
        Options { disabled: self.settings.disabled.clone(), ..Options::default() }
    }

    /// The result of a failed seed, whose plan is written as a case.
    fn record(&self, seed: u64, finding: Finding) -> SeedResult {
        let signature = finding.signature();
        // A known defect has its case.
        let written = match self.settings.is_known(&signature) {
            true => Ok(None),
            false => self.write_case(&finding).map(Some),
        };
        let message = finding.failure.cause.to_string();
        let record = FailureRecord {
            signature,
            seed,
            message,
            plan: written.as_ref().ok().cloned().flatten(),
            faults: Some(finding.plan.faults.len() as u64),
            shrunk: None,
        };
        let verdict = Verdict::Failed(Box::new(finding.failure));
        let outcome = finding.outcome.map(|outcome| Outcome { verdict, ..outcome });
        SeedResult { seed, outcome, failure: Some(record), write_error: written.err() }
    }

    /// Writes a failing plan as a case.
    fn write_case(&self, finding: &Finding) -> Result<PathBuf, String> {
        let Plan { seed, bug, .. } = &finding.plan;
        // The bug is part of the name: a sweep with a bug does not replace a real failure.
        let bug = bug.as_ref().map(|bug| format!("-{bug}")).unwrap_or_default();
        let path = self.settings.out.join(format!("seed-{seed}{bug}.toml"));
        std::fs::create_dir_all(&self.settings.out).map_err(|error| {
            format!("{}: cannot be created: {}", display_path(&self.settings.out), error_reason(&error))
        })?;
        let case = finding
            .to_case(&format!("Found by a sweep as seed {seed}@{GENERATOR_VERSION}"), &self.settings.system);
        case.write(&path).map_err(|error| error.to_string())?;
        Ok(path)
    }
}
