//! The verb `check`: what others recorded, judged without a simulation.

use super::exit::{INVALID_INPUT, SUCCESS, VIOLATION};
use super::{CommandResult, arguments, print, print_json, print_message, signals};
use crate::plan::file::{self, display_path};
use crate::text::{display_line, display_value};
use invariants::formats::{self, Names, ReadOptions};
use invariants::linearizability::{KeyReport, Method, report, report_with_deadline};
use invariants::{Budget, Checker, Verdict, Violation};
use serde_json::{Value, json};
use std::fmt::Write;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// The stack of the thread that judges: as large as that of the main thread.
const STACK_BYTES: usize = 8 << 20;
/// How often a signal is looked for while a file is judged.
const SIGNAL_POLL_INTERVAL: Duration = Duration::from_millis(50);

pub(super) fn check(arguments: &arguments::CheckArgs) -> CommandResult {
    match &arguments.input {
        arguments::CheckInput::History { files, steps, bytes, seconds, failed_cas, initial, model, json } => {
            let budget = Budget { steps: *steps, bytes: *bytes };
            let most = *seconds;
            let reading = ReadOptions { failed_cas: *failed_cas, initial: initial.clone(), model: *model };
            check_each(files, *json, move |path| check_history(path, &reading, budget, most))
        }
        arguments::CheckInput::Facts { files, json } => check_each(files, *json, check_facts),
    }
}

/// What is said of a file.
struct FileReport {
    /// To a person.
    page: String,
    /// To a program.
    json: Value,
    /// Whether it is all well.
    is_success: bool,
}

/// What is said of a file, or why it cannot be judged.
type FileResult = Result<FileReport, String>;

/// Judges one file after the other. One that cannot be used withholds no verdict on the others; those that a signal comes
/// before stay unknown.
fn check_each(
    files: &[PathBuf],
    json: bool,
    judge: impl Fn(&Path) -> FileResult + Send + 'static,
) -> CommandResult {
    if files.iter().filter(|path| is_standard_input(path)).count() > 1 {
        return Err("standard input can be read once: name - a single time".into());
    }
    signals::install_handlers("ending without the files that are not judged; once more to end at once")?;
    let (results, arrivals) = channel();
    // A thread of its own, which a signal leaves behind in the middle of a file.
    let all = files.to_vec();
    let judging = thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
        all.iter().take_while(|path| results.send(judge(path)).is_ok()).count();
    });
    let judging = judging.map_err(|error| format!("there is no thread to judge with: {error}"))?;
    let (mut code, mut reports) = (SUCCESS, Vec::new());
    for path in files {
        let judgement = loop {
            let wait = if signals::is_stop_requested() { Duration::ZERO } else { SIGNAL_POLL_INTERVAL };
            match arrivals.recv_timeout(wait) {
                Ok(judgement) => break Some(judgement),
                Err(RecvTimeoutError::Timeout) if signals::is_stop_requested() => break None,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => match judging.join() {
                    Err(panic) => std::panic::resume_unwind(panic),
                    Ok(()) => unreachable!("it ends once nobody receives"),
                },
            }
        };
        let report = match judgement {
            Some(Ok(report)) => report,
            Some(Err(sentence)) => {
                print_message(&format!("{}: {sentence}", display_name(path)));
                code = INVALID_INPUT;
                let (page, is_well) = (String::new(), true);
                let verdict =
                    json!({"file": path.to_string_lossy(), "verdict": "unusable", "explanation": sentence});
                FileReport { page, json: verdict, is_success: is_well }
            }
            None => {
                code = signals::exit_code_after(code);
                let sentence = "a signal came before it was judged";
                let page = format!("{}: unknown\n  {sentence}\n", display_name(path));
                let verdict =
                    json!({"file": path.to_string_lossy(), "verdict": "unknown", "explanation": sentence});
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
    let cannot = |why| format!("it cannot be read: {why}");
    let bytes = if is_standard_input(path) {
        let mut bytes = Vec::new();
        // One byte more than is allowed tells that there is more.
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
    formats::decode_text(bytes).map_err(|misread| misread.to_string())
}

/// Whether a file is named by the sign for standard input.
fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// How a file is called in a sentence.
fn display_name(path: &Path) -> String {
    if is_standard_input(path) { "standard input".into() } else { display_path(path) }
}

/// A history of clients.
fn check_history(path: &Path, reading: &ReadOptions, budget: Budget, most: Option<Duration>) -> FileResult {
    // The text is gone before the check needs memory.
    let read = formats::read_history_with(&read_input(path)?, reading);
    let (format, recorded) = read.map_err(|misread| misread.to_string())?;
    let start = Instant::now();
    let report = match most {
        Some(most) => report_with_deadline(&recorded.calls, budget, most),
        None => report(&recorded.calls, budget),
    };
    let seconds = start.elapsed().as_secs_f64();
    let report = report.map_err(|malformed| recorded.parse_error(&malformed).to_string())?;
    let operations = recorded.operations();
    let verdict = match &report.verdict {
        Verdict::Linearizable => "linearizable",
        Verdict::Violation(_) => "not linearizable",
        Verdict::Unknown { .. } => "unknown",
    };
    // Whatever is not known to be linearizable shall not pass for it.
    let is_well = report.verdict == Verdict::Linearizable;
    let explanation = (!is_well).then(|| recorded.describe(&report.verdict));
    let method = list_methods(&report.keys, &recorded.names);
    let keys = report.keys.iter().map(|&KeyReport { key, operations, method }| {
        let operations = operations - usize::from(recorded.has_initial());
        json!({"key": key, "name": recorded.names.key(key), "operations": operations, "method": method})
    });
    let json = json!({
        "file": path.to_string_lossy(), "verdict": verdict, "seconds": seconds, "operations": operations, "method": method,
        "explanation": explanation, "format": format.to_string(), "keys": keys.collect::<Vec<_>>(),
    });
    let time = seconds * 1_000.0;
    let mut page = format!("{}: {verdict}\n  format      {format}\n", display_name(path));
    write!(page, "  operations  {operations}\n  method      {method}\n  time        {time:.2} ms\n")
        .expect("a string takes all");
    for line in explanation.iter().flat_map(|explanation| explanation.lines()) {
        writeln!(page, "{}", format!("  {}", display_line(line)).trim_end()).expect("a string takes all");
    }
    Ok(FileReport { page, json, is_success: is_well })
}

/// What told, and of which keys, as long as there are few of them.
fn list_methods(keys: &[KeyReport], names: &Names) -> String {
    let told = [Method::Zones, Method::Search].map(|method| {
        let mine: Vec<u64> = keys.iter().filter(|key| key.method == method).map(|key| key.key).collect();
        match mine.len() {
            0 => None,
            1..=8 => {
                let names: Vec<String> = mine.iter().map(|&key| display_value(&names.key(key))).collect();
                Some(format!("{method} ({})", names.join(" ")))
            }
            count => Some(format!("{method} ({count} keys)")),
        }
    });
    let told: Vec<String> = told.into_iter().flatten().collect();
    if told.is_empty() { "none needed".to_owned() } else { told.join(", ") }
}

/// A stream of facts, by all properties.
fn check_facts(path: &Path) -> FileResult {
    let text = read_input(path)?;
    let start = Instant::now();
    let (mut checker, mut count) = (Checker::new(), 0_u64);
    let mut violation: Option<Box<Violation>> = None;
    for fact in formats::facts::read(&text) {
        let fact = fact.map_err(|misread| misread.to_string())?;
        count += 1;
        if violation.is_none() {
            violation = checker.observe(&fact).err();
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    if count == 0 {
        return Err("expected facts: nothing was recorded in it".to_owned());
    }
    let looked: Vec<(&str, u64)> = checker.checks().collect();
    let verdict = if violation.is_some() { "broken" } else { "kept" };
    let by_name: serde_json::Map<String, Value> =
        looked.iter().map(|&(name, times)| (name.to_owned(), times.into())).collect();
    let json = json!({
        "file": path.to_string_lossy(), "verdict": verdict, "seconds": seconds, "facts": count, "looked": by_name,
        "violation": violation,
    });
    let mut page = format!("{}: {verdict}\n", display_name(path));
    let time = seconds * 1_000.0;
    write!(page, "  facts       {count}\n  time        {time:.2} ms\n").expect("a string takes all");
    if let Some(violation) = &violation {
        writeln!(page, "  {}", display_line(&violation.to_string())).expect("a string takes all");
        for fact in violation.first.iter().chain([&violation.second]) {
            let fact = serde_json::to_string(fact).expect("facts have text keys");
            writeln!(page, "    {}", display_line(&fact)).expect("a string takes all");
        }
    }
    for (name, times) in looked {
        let times = if times == 0 { "never looked".to_owned() } else { format!("looked {times} times") };
        writeln!(page, "  {name:<32} {times}").expect("a string takes all");
    }
    Ok(FileReport { page, json, is_success: violation.is_none() })
}
