//! Runs a plan in a child process, to find out whether its run ends its process (stack overflow, `abort`).
//!
//! The child is this executable again, with a folder in the environment variable [`VARIABLE`]: the request is in it, and
//! the child leaves there how the run ended. Code that starts runs of a system calls [`serve`] first, which in a child runs
//! the plan and ends the process:
//!
//! - a command line (`cli::main_for`): the child has no arguments;
//! - a test (`testing`): the child runs the same test again, by its name, which is the name of its thread. A thread without
//!   a name belongs to another test harness, such as `libtest-mimic`: then the child has the arguments of its parent.

use crate::findings::guard;
use crate::outcome::{
    Failure, FailureCause, NO_ABORT, NO_HANG, Options, Outcome, ProcessExit, RunPosition, RunRecord, Verdict,
};
use crate::plan::{Plan, SimDuration, file};
use crate::support::program;
use crate::systems::SystemInfo;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// The environment variable of a child process.
pub const VARIABLE: &str = "HARNESS_CHILD";

/// Names in the folder of a child.
const REQUEST: &str = "request.json";
const STARTED: &str = "started";
const END: &str = "end.json";
const STDERR: &str = "stderr";
/// Bytes at the end of standard error that a report shows.
const MAX_MESSAGE: usize = 400;

/// What a child runs.
#[derive(Serialize, Deserialize)]
struct Request {
    system: String,
    plan: String,
    disabled: Vec<String>,
    hang_after: Duration,
}

/// How its run ended.
#[derive(Serialize, Deserialize)]
enum RunEnd {
    /// With an outcome, or a panic of the harness.
    Ended,
    /// It hangs.
    Hangs { event: u64, at: u64, node: Option<u64>, after: Duration },
}

/// Runs a plan in a child process. Returns its failure if the run hangs there or ends the process; `None`: it ends, so it can
/// be repeated in this process.
///
/// # Errors
///
/// The child could not be started, did not run the plan, or was ended from outside.
pub fn check_in_child(
    system: &SystemInfo,
    plan: &Plan,
    options: &Options,
    hang_after: Duration,
) -> Result<Option<Failure>, String> {
    let cannot = |error: io::Error| format!("the run in a child process cannot be started: {error}");
    let folder = tempfile::tempdir().map_err(cannot)?;
    let request = Request {
        system: system.full_name(),
        plan: file::to_text(plan),
        disabled: options.disabled.clone(),
        hang_after,
    };
    let text = serde_json::to_vec(&request).map_err(|error| cannot(error.into()))?;
    fs::write(folder.path().join(REQUEST), text).map_err(cannot)?;
    let stderr = File::create(folder.path().join(STDERR)).map_err(cannot)?;
    let status = Command::new(std::env::current_exe().map_err(cannot)?)
        .args(child_arguments())
        .env(VARIABLE, folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr)
        .status()
        .map_err(cannot)?;
    if let Ok(text) = fs::read(folder.path().join(END)) {
        let end = serde_json::from_slice(&text).map_err(|error| cannot(error.into()))?;
        return Ok(match end {
            RunEnd::Ended => None,
            RunEnd::Hangs { event, at, node, after } => {
                let position = RunPosition { event, at: SimDuration(at), node, searching: false };
                Some(Failure::new(NO_HANG, FailureCause::Hangs { position, after }))
            }
        });
    }
    let message = last_lines(&folder.path().join(STDERR));
    if !folder.path().join(STARTED).exists() {
        return Err(format!(
            "the child process ended ({status}) before it ran the plan: it must reach the same call of `harness` as this \
             process; {message}"
        ));
    }
    match exit_of(status) {
        Some(exit) => Ok(Some(Failure::new(NO_ABORT, FailureCause::Aborts { exit, message }))),
        None => Err(format!("the run in a child process was ended from outside ({status})")),
    }
}

/// Runs a plan, first in a child process. The record of a run that hangs or aborts there is only its failure.
///
/// # Errors
///
/// See [`check_in_child`].
pub fn run_in_child_first(
    system: &SystemInfo,
    plan: &Plan,
    options: &Options,
    hang_after: Duration,
) -> Result<RunRecord, String> {
    match check_in_child(system, plan, options, hang_after)? {
        Some(failure) => Ok(Outcome::without_end(failure).into()),
        None => Ok(guard::run_watched(system, plan, options, hang_after)),
    }
}

/// In a child process: runs its plan and ends the process, if the plan is for this system. Returns whether this is a child,
/// for another system: then nothing else should be run.
#[must_use]
pub fn serve(system: &SystemInfo) -> bool {
    let Some(folder) = std::env::var_os(VARIABLE) else { return false };
    let folder = Path::new(&folder);
    let request = fs::read(folder.join(REQUEST)).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let Some(request): Option<Request> = request else { return true };
    let Ok(plan) = file::from_text(&request.plan) else { return true };
    let Some(system) = system.named(&request.system) else { return true };
    // Several threads of a test harness may come here: the first one runs the plan and ends the process.
    static FIRST: Mutex<()> = Mutex::new(());
    let _first = FIRST.lock().unwrap_or_else(PoisonError::into_inner);
    let is_served = fs::write(folder.join(STARTED), []).is_ok() && {
        let end = serde_json::to_vec(&run_to_end(&system, &plan, &request));
        end.is_ok_and(|text| fs::write(folder.join(END), text).is_ok())
    };
    std::process::exit(i32::from(!is_served))
}

fn run_to_end(system: &SystemInfo, plan: &Plan, request: &Request) -> RunEnd {
    let options = Options { disabled: request.disabled.clone(), ..Options::default() };
    let run = || guard::run_watched(system, plan, &options, request.hang_after);
    // A panic of the harness is no abort: the parent sees it when it repeats the run.
    match catch_unwind(AssertUnwindSafe(run)).map(|record| record.outcome.verdict) {
        Ok(Verdict::Failed(failure)) => match failure.cause {
            FailureCause::Hangs { position, after } => {
                let RunPosition { event, at, node, .. } = position;
                RunEnd::Hangs { event, at: at.0, node, after }
            }
            _ => RunEnd::Ended,
        },
        _ => RunEnd::Ended,
    }
}

/// What makes a child of this process reach [`serve`].
fn child_arguments() -> Vec<OsString> {
    if program::is_command_line() {
        return Vec::new();
    }
    match thread::current().name() {
        Some(name) if name != "main" => {
            ["--exact", name, "--include-ignored", "--nocapture"].map(OsString::from).to_vec()
        }
        _ => std::env::args_os().skip(1).collect(),
    }
}

/// How a process ended by itself; `None` if it was told to end.
fn exit_of(status: ExitStatus) -> Option<ProcessExit> {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        // SIGHUP, SIGINT, SIGQUIT and SIGTERM come from a terminal or an operator.
        return (![1, 2, 3, 15].contains(&signal)).then_some(ProcessExit::Signal(signal));
    }
    status.code().map(ProcessExit::Code)
}

/// The end of a text, on one line.
#[expect(clippy::disallowed_methods, reason = "the text comes from the child process")]
fn last_lines(path: &Path) -> String {
    let text = fs::read(path).unwrap_or_default();
    let end = &text[text.len().saturating_sub(MAX_MESSAGE)..];
    String::from_utf8_lossy(end).split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}
