//! The command `bugs`: how soon each bug is caught.
//!
//! With `--out` the results so far stand in a file, a line for each bug and range, after a line with the settings. The file
//! is replaced as a whole after each result, so a measurement that was broken off goes on where it was.

use super::exit::SUCCESS;
use super::signals::{self, STOP_REQUESTED};
use super::{CommandResult, arguments, catalog, paths, print, print_json, print_message};
use crate::findings::bug_rates::{self, BugRun, RateSettings};
use crate::findings::exercised;
use crate::outcome::COMMIT;
use crate::plan::GENERATOR_VERSION;
use crate::plan::file::{self, display_path, error_reason};
use crate::report::{self, BugReport, ExercisedReport};
use crate::server::BugInfo;
use crate::systems::SystemInfo;
use serde::{Deserialize, Serialize};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// The file with the results so far.
const RESULTS_FILE: &str = "bugs.jsonl";

/// What the results in a file are of.
#[derive(PartialEq, Serialize, Deserialize)]
struct Header {
    commit: String,
    generator_version: u32,
    system: String,
    #[serde(flatten)]
    settings: RateSettings,
}

/// The results so far.
struct Results {
    path: Option<PathBuf>,
    header: Header,
    runs: Vec<BugRun>,
}

pub(super) fn bugs(system: &SystemInfo, arguments: &arguments::BugsArgs) -> CommandResult {
    arguments.bug.iter().try_for_each(|name| catalog::check_bug(system, Some(name)))?;
    let settings = RateSettings {
        seeds: arguments.seeds,
        max_seeds: arguments.max_seeds.max(arguments.seeds),
        black_box: arguments.black_box,
        guided: arguments.guided,
    };
    let is_wanted =
        |bug: &&BugInfo| arguments.bug.is_empty() || arguments.bug.iter().any(|name| name == bug.name);
    let bugs: Vec<_> = system.bugs().into_iter().filter(|bug| is_wanted(bug)).collect();
    if bugs.is_empty() {
        return Err(format!("{} has no bugs that can be switched on in this build", system.name));
    }
    let jobs = arguments.jobs.unwrap_or_else(|| thread::available_parallelism().unwrap_or(NonZeroUsize::MIN));
    signals::install_handlers("ending with the results so far; a second signal ends at once")?;
    let exercised = exercised::measure(system, 0..settings.seeds, jobs, &STOP_REQUESTED)?;
    if arguments.exercised {
        let report = ExercisedReport::new(system, &bugs, exercised.unwrap_or_default());
        match arguments.json {
            true => print_json(&report)?,
            false => print(&report::exercised_table(&report))?,
        }
        return Ok(signals::exit_code_after(SUCCESS));
    }
    let mut results = Results::open(system, settings, arguments.out.as_deref())?;
    // All bugs of a range before the next one: a measurement that is broken off has whole ranges.
    let all = (0..arguments.ranges).flat_map(|range| bugs.iter().map(move |bug| (*bug, range)));
    let wanted: Vec<_> = all.filter(|(bug, range)| !results.has(bug.name, *range)).collect();
    let (mut done, all) = (0, wanted.len());
    bug_rates::measure_all(system, &wanted, &settings, jobs, cpu_time, &STOP_REQUESTED, &mut |run| {
        done += 1;
        print_message(&format!("{done}/{all} {}", progress_line(&run)));
        results.add(run)
    })?;
    let wanted = |run: &BugRun| run.range < arguments.ranges && bugs.iter().any(|bug| bug.name == run.bug);
    results.runs.retain(wanted);
    let report = BugReport::new(system, &settings, &bugs, &results.runs, exercised.as_ref());
    match arguments.json {
        true => print_json(&report)?,
        false => print(&report::bug_table(&report))?,
    }
    Ok(signals::exit_code_after(SUCCESS))
}

fn progress_line(run: &BugRun) -> String {
    let BugRun { bug, range, seeds, seeds_to_catch, fired, .. } = run;
    match seeds_to_catch {
        Some(needed) => {
            let properties: Vec<&str> = fired.keys().map(String::as_str).collect();
            format!("{bug}, range {range}: caught after {needed} seeds, by {}", properties.join(", "))
        }
        None => format!("{bug}, range {range}: not caught in {seeds} seeds"),
    }
}

impl Results {
    /// No results, or those in the folder, which must be of the same measurement.
    fn open(system: &SystemInfo, settings: RateSettings, folder: Option<&Path>) -> Result<Results, String> {
        let header = Header {
            commit: COMMIT.to_owned(),
            generator_version: GENERATOR_VERSION,
            system: system.full_name(),
            settings,
        };
        let mut results = Results { path: None, header, runs: Vec::new() };
        let Some(folder) = folder else { return Ok(results) };
        paths::check_output_folder(folder)?;
        std::fs::create_dir_all(folder).map_err(|error| {
            format!("{}: cannot be created: {}", display_path(folder), error_reason(&error))
        })?;
        let path = folder.join(RESULTS_FILE);
        if path.exists() {
            results.read(&path)?;
        }
        results.path = Some(path);
        Ok(results)
    }

    fn read(&mut self, path: &Path) -> Result<(), String> {
        let bytes = file::read_bytes(path)?;
        let mut lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let header: Option<Header> = lines.next().and_then(|line| serde_json::from_slice(line).ok());
        if header.as_ref() != Some(&self.header) {
            return Err(format!(
                "{} holds another measurement: of another commit, system, or numbers of seeds; choose another folder",
                display_path(path)
            ));
        }
        let runs: Result<Vec<BugRun>, _> = lines.map(serde_json::from_slice).collect();
        self.runs = runs.map_err(|error| format!("{}: a line is damaged: {error}", display_path(path)))?;
        Ok(())
    }

    fn has(&self, bug: &str, range: u64) -> bool {
        self.runs.iter().any(|run| run.bug == bug && run.range == range)
    }

    fn add(&mut self, run: BugRun) -> Result<(), String> {
        self.runs.push(run);
        let Some(path) = &self.path else { return Ok(()) };
        let cannot = |error: serde_json::Error| format!("{}: cannot be written: {error}", display_path(path));
        let mut text = serde_json::to_string(&self.header).map_err(cannot)? + "\n";
        for run in &self.runs {
            text += &serde_json::to_string(run).map_err(cannot)?;
            text += "\n";
        }
        file::write_text(path, &text).map_err(|error| error.to_string())
    }
}

/// CPU time of this thread: other work on the machine does not count.
#[cfg(unix)]
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or_default(), time.tv_nsec.try_into().unwrap_or_default())
}

/// Without such a clock, the time that passes.
#[cfg(not(unix))]
#[expect(clippy::disallowed_types, reason = "it measures how long runs take")]
fn cpu_time() -> Duration {
    use std::sync::LazyLock;
    use std::time::Instant;
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}
