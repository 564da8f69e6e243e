//! The command `check`: checks recorded histories and facts without a simulation.

#![expect(
    clippy::disallowed_types,
    reason = "a user may limit a check by time, and is told how long it took"
)]

use super::exit::{INVALID_INPUT, SUCCESS, VIOLATION};
use super::paths::Paths;
use super::{CommandResult, arguments, print, print_json, print_message, signals};
use crate::plan::file::{self, display_path};
use crate::report::html::run_html;
use crate::report::picture::{Picture, facts_picture, history_picture};
use crate::support::text::{display_line, display_value};
use invariants::formats::{self, ReadOptions};
use invariants::linearizability::{KeyReport, Method, Names, report, report_with_deadline};
use invariants::{Budget, Checker, Verdict, Violation};
use serde_json::{Value, json};
use std::fmt::Write;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Stack of the checking thread: as large as that of the main thread.
const STACK_BYTES: usize = 8 << 20;
/// How often signals are polled while a file is checked.
const SIGNAL_POLL_INTERVAL: Duration = Duration::from_millis(50);

pub(super) fn check(arguments: &arguments::CheckArgs) -> CommandResult {
    match &arguments.input {
        arguments::CheckInput::History {
            files,
            steps,
            bytes,
            seconds,
            failed_cas,
            initial,
            model,
            html,
            json,
        } => {
            let html = html_output(html.as_deref(), files)?;
            let budget = Budget { steps: *steps, bytes: *bytes };
            let time_limit = *seconds;
            let reading = ReadOptions { failed_cas: *failed_cas, initial: initial.clone(), model: *model };
            check_each(files, *json, move |path| {
                check_history(path, &reading, budget, time_limit, html.as_deref())
            })
        }
        arguments::CheckInput::Facts { files, html, json } => {
            let html = html_output(html.as_deref(), files)?;
            check_each(files, *json, move |path| check_facts(path, html.as_deref()))
        }
    }
}

/// The file for the page, if there is to be one: it must be no input, and there must be one input.
fn html_output(html: Option<&Path>, files: &[PathBuf]) -> Result<Option<PathBuf>, String> {
    let Some(html) = html else { return Ok(None) };
    if files.len() != 1 {
        return Err("--html draws one file: give one FILE".into());
    }
    let mut paths = Paths::default();
    files.iter().for_each(|file| paths.add_input("the input", file));
    paths.add_output("--html", html)?;
    Ok(Some(html.to_owned()))
}

/// Writes a page for browsers.
fn write_page(html: &Path, picture: &Picture, plain: &str) -> Result<(), String> {
    file::write_text(html, &run_html(picture, plain)).map_err(|error| error.to_string())
}

/// The result for one file.
struct FileReport {
    /// For people.
    page: String,
    /// For programs.
    json: Value,
    /// Whether the file passed.
    is_success: bool,
}

/// The result for a file, or why it cannot be checked.
type FileResult = Result<FileReport, String>;

/// Checks one file after the other. An unusable file does not prevent the checks of the others; files not checked
/// before a signal are unknown.
fn check_each(
    files: &[PathBuf],
    json: bool,
    check: impl Fn(&Path) -> FileResult + Send + 'static,
) -> CommandResult {
    if files.iter().filter(|path| is_standard_input(path)).count() > 1 {
        return Err("standard input can be read only once: give - a single time".into());
    }
    signals::install_handlers("ending without the remaining files; a second signal ends at once")?;
    let (results, arrivals) = channel();
    // A separate thread: after a signal it is abandoned in the middle of a file.
    let all = files.to_vec();
    let checking = thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
        all.iter().take_while(|path| results.send(check(path)).is_ok()).count();
    });
    let checking = checking.map_err(|error| format!("the checking thread cannot be started: {error}"))?;
    let (mut code, mut reports) = (SUCCESS, Vec::new());
    for path in files {
        let result = loop {
            let wait = if signals::is_stop_requested() { Duration::ZERO } else { SIGNAL_POLL_INTERVAL };
            match arrivals.recv_timeout(wait) {
                Ok(result) => break Some(result),
                Err(RecvTimeoutError::Timeout) if signals::is_stop_requested() => break None,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => match checking.join() {
                    Err(panic) => std::panic::resume_unwind(panic),
                    Ok(()) => unreachable!("the thread ends only after the receiver is dropped"),
                },
            }
        };
        let report = match result {
            Some(Ok(report)) => report,
            Some(Err(message)) => {
                print_message(&format!("{}: {message}", display_name(path)));
                code = INVALID_INPUT;
                let verdict =
                    json!({"file": path.to_string_lossy(), "verdict": "unusable", "explanation": message});
                FileReport { page: String::new(), json: verdict, is_success: true }
            }
            None => {
                code = signals::exit_code_after(code);
                let message = "a signal came before it was checked";
                let page = format!("{}: unknown\n  {message}\n", display_name(path));
                let verdict =
                    json!({"file": path.to_string_lossy(), "verdict": "unknown", "explanation": message});
                FileReport { page, json: verdict, is_success: true }
            }
        };
        if !report.is_success {
            code = code.max(VIOLATION);
        }
        match json {
            true => reports.push(report.json),
            false => print(&report.page)?,
        }
    }
    if json {
        print_json(&json!({"files": reports}))?;
    }
    Ok(code)
}

fn read_input(path: &Path) -> Result<String, String> {
    let cannot = |reason| format!("it cannot be read: {reason}");
    let bytes = if is_standard_input(path) {
        let mut bytes = Vec::new();
        // One byte above the limit shows that the input is too large.
        let mut input = io::stdin().lock().take(formats::MAX_BYTES as u64 + 1);
        input.read_to_end(&mut bytes).map_err(|error| cannot(file::error_reason(&error)))?;
        bytes
    } else {
        let is_larger = path.metadata().is_ok_and(|file| file.len() > formats::MAX_BYTES as u64);
        if is_larger {
            return Err(formats::too_large_error().to_string());
        }
        file::read_bytes(path).map_err(cannot)?
    };
    formats::decode_text(bytes).map_err(|error| error.to_string())
}

/// Whether the path stands for standard input.
fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The file's name in messages.
fn display_name(path: &Path) -> String {
    if is_standard_input(path) { "standard input".into() } else { display_path(path) }
}

/// Checks a history of clients.
fn check_history(
    path: &Path,
    reading: &ReadOptions,
    budget: Budget,
    time_limit: Option<Duration>,
    html: Option<&Path>,
) -> FileResult {
    // The text is dropped before the check allocates.
    let read = formats::read_history_with(&read_input(path)?, reading);
    let (format, history) = read.map_err(|error| error.to_string())?;
    let start = Instant::now();
    let report = match time_limit {
        Some(limit) => report_with_deadline(&history.calls, budget, limit),
        None => report(&history.calls, budget),
    };
    let seconds = start.elapsed().as_secs_f64();
    let report = report.map_err(|malformed| history.parse_error(&malformed).to_string())?;
    let operations = history.operations();
    let verdict = match &report.verdict {
        Verdict::Linearizable => "linearizable",
        Verdict::Violation(_) => "not linearizable",
        Verdict::Unknown { .. } => "unknown",
    };
    // Unknown is not success.
    let is_success = report.verdict == Verdict::Linearizable;
    let explanation = (!is_success).then(|| history.describe_lines(&report.verdict));
    let method = list_methods(&report.keys, &history.names);
    let keys = report.keys.iter().map(|&KeyReport { key, operations, method }| {
        let operations = operations - usize::from(history.has_initial());
        json!({"key": key, "name": history.names.key(key).to_string(), "operations": operations, "method": method})
    });
    let json = json!({
        "file": path.to_string_lossy(), "verdict": verdict, "seconds": seconds, "operations": operations, "method": method,
        "explanation": explanation.as_ref().map(|_| history.describe(&report.verdict)), "format": format.to_string(), "keys": keys.collect::<Vec<_>>(),
    });
    let time = seconds * 1_000.0;
    let mut page = format!("{}: {verdict}\n  format      {format}\n", display_name(path));
    write!(page, "  operations  {operations}\n  method      {method}\n  time        {time:.2} ms\n")
        .expect("writing to a String cannot fail");
    for line in explanation.iter().flatten() {
        writeln!(page, "{}", format!("  {}", display_line(&line.to_string())).trim_end())
            .expect("writing to a String cannot fail");
    }
    if let Some(html) = html {
        let title = format!("{}: {verdict}", display_name(path));
        let lines = explanation.into_iter().flatten().map(|line| line.to_string()).collect();
        write_page(html, &history_picture(&title, &history, &report, lines, budget), &page)?;
    }
    Ok(FileReport { page, json, is_success })
}

/// The methods used, with their keys as long as there are few.
fn list_methods(keys: &[KeyReport], names: &Names) -> String {
    let methods = [Method::Zones, Method::Search].map(|method| {
        let keys_of_method: Vec<u64> =
            keys.iter().filter(|key| key.method == method).map(|key| key.key).collect();
        match keys_of_method.len() {
            0 => None,
            1..=8 => {
                let names: Vec<String> =
                    keys_of_method.iter().map(|&key| display_value(&names.key(key).to_string())).collect();
                Some(format!("{method} ({})", names.join(" ")))
            }
            count => Some(format!("{method} ({count} keys)")),
        }
    });
    let methods: Vec<String> = methods.into_iter().flatten().collect();
    if methods.is_empty() { "none needed".to_owned() } else { methods.join(", ") }
}

/// Checks a stream of facts against all properties.
fn check_facts(path: &Path, html: Option<&Path>) -> FileResult {
    let text = read_input(path)?;
    let start = Instant::now();
    let (mut checker, mut count) = (Checker::new(), 0_u64);
    let mut drawn = Vec::new();
    let mut violation: Option<Box<Violation>> = None;
    for fact in formats::facts::read(&text) {
        let fact = fact.map_err(|error| error.to_string())?;
        count += 1;
        if violation.is_none() {
            violation = checker.observe(&fact).err();
            // What comes after the violation cannot have led to it.
            drawn.extend(html.is_some().then_some(fact));
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    if count == 0 {
        return Err("expected facts: nothing was recorded in it".to_owned());
    }
    let checks: Vec<(&str, u64)> = checker.checks().collect();
    let verdict = if violation.is_some() { "violated" } else { "passed" };
    let by_name: serde_json::Map<String, Value> =
        checks.iter().map(|&(name, times)| (name.to_owned(), times.into())).collect();
    let json = json!({
        "file": path.to_string_lossy(), "verdict": verdict, "seconds": seconds, "facts": count, "checks": by_name,
        "violation": violation,
    });
    let mut page = format!("{}: {verdict}\n", display_name(path));
    let time = seconds * 1_000.0;
    write!(page, "  facts       {count}\n  time        {time:.2} ms\n")
        .expect("writing to a String cannot fail");
    if let Some(violation) = &violation {
        writeln!(page, "  {}", display_line(&violation.to_string()))
            .expect("writing to a String cannot fail");
        for fact in violation.first.iter().chain([&violation.second]) {
            let fact = serde_json::to_string(fact).expect("a fact can be written as JSON");
            writeln!(page, "    {}", display_line(&fact)).expect("writing to a String cannot fail");
        }
    }
    for (name, times) in checks {
        let times = if times == 0 { "no checks".to_owned() } else { format!("{times} checks") };
        writeln!(page, "  {name:<32} {times}").expect("writing to a String cannot fail");
    }
    if let Some(html) = html {
        let title = format!("{}: {verdict}", display_name(path));
        write_page(html, &facts_picture(&title, drawn, violation.as_deref()), &page)?;
    }
    Ok(FileReport { page, json, is_success: violation.is_none() })
}
