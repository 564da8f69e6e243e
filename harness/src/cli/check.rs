//! The verb `check`: what others recorded, judged without a simulation.

use super::exit::{BROKEN, KEPT, UNUSABLE};
use super::{Done, arguments, print, print_json, say, signals};
use crate::plan::file::{self, named};
use crate::text::{shown, shown_line};
use invariants::formats::{self, Names, ReadOptions};
use invariants::linearizability::{KeyReport, Method, report, report_within};
use invariants::{Budget, Checker, Verdict, Violation};
use serde_json::{Value, json};
use std::fmt::Write;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// The stack of the thread that judges: as large as that of the main thread.
const STACK: usize = 8 << 20;
/// How often a signal is looked for while a file is judged.
const BEAT: Duration = Duration::from_millis(50);

pub(super) fn check(arguments: &arguments::Check) -> Done {
    match &arguments.what {
        arguments::Recording::History { files, steps, bytes, seconds, failed_cas, initial, model, json } => {
            let budget = Budget { steps: *steps, bytes: *bytes };
            let most = *seconds;
            let reading = ReadOptions { failed_cas: *failed_cas, initial: initial.clone(), model: *model };
            each(files, *json, move |path| history(path, &reading, budget, most))
        }
        arguments::Recording::Facts { files, json } => each(files, *json, facts),
    }
}

/// What is said of a file.
struct Report {
    /// To a person.
    page: String,
    /// To a program.
    json: Value,
    /// Whether it is all well.
    is_well: bool,
}

/// What is said of a file, or why it cannot be judged.
type Judgement = Result<Report, String>;

/// Judges one file after the other. One that cannot be used withholds no verdict on the others; those that a signal comes
/// before stay unknown.
fn each(files: &[PathBuf], json: bool, judge: impl Fn(&Path) -> Judgement + Send + 'static) -> Done {
    if files.iter().filter(|path| is_standard_input(path)).count() > 1 {
        return Err("standard input can be read once: name - a single time".into());
    }
    signals::listen("ending without the files that are not judged; once more to end at once")?;
    let (results, arrivals) = channel();
    // A thread of its own, which a signal leaves behind in the middle of a file.
    let all = files.to_vec();
    let judging = thread::Builder::new().stack_size(STACK).spawn(move || {
        all.iter().take_while(|path| results.send(judge(path)).is_ok()).count();
    });
    let judging = judging.map_err(|error| format!("there is no thread to judge with: {error}"))?;
    let (mut code, mut reports) = (KEPT, Vec::new());
    for path in files {
        let judgement = loop {
            let wait = if signals::is_set() { Duration::ZERO } else { BEAT };
            match arrivals.recv_timeout(wait) {
                Ok(judgement) => break Some(judgement),
                Err(RecvTimeoutError::Timeout) if signals::is_set() => break None,
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
                say(&format!("{}: {sentence}", called(path)));
                code = UNUSABLE;
                let (page, is_well) = (String::new(), true);
                let verdict =
                    json!({"file": path.to_string_lossy(), "verdict": "unusable", "explanation": sentence});
                Report { page, json: verdict, is_well }
            }
            None => {
                code = signals::code(code);
                let sentence = "a signal came before it was judged";
                let page = format!("{}: unknown\n  {sentence}\n", called(path));
                let verdict =
                    json!({"file": path.to_string_lossy(), "verdict": "unknown", "explanation": sentence});
                Report { page, json: verdict, is_well: true }
            }
        };
        if !report.is_well {
            code = code.max(BROKEN);
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

fn text(path: &Path) -> Result<String, String> {
    let cannot = |why| format!("it cannot be read: {why}");
    let bytes = if is_standard_input(path) {
        let mut bytes = Vec::new();
        // One byte more than is allowed tells that there is more.
        let mut input = io::stdin().lock().take(formats::MAX_BYTES as u64 + 1);
        input.read_to_end(&mut bytes).map_err(|error| cannot(file::reason(&error)))?;
        bytes
    } else {
        let is_larger = path.metadata().is_ok_and(|file| file.len() > formats::MAX_BYTES as u64);
        if is_larger {
            return Err(formats::too_large().to_string());
        }
        file::read_bytes(path).map_err(cannot)?
    };
    formats::text(bytes).map_err(|misread| misread.to_string())
}

/// Whether a file is named by the sign for standard input.
fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// How a file is called in a sentence.
fn called(path: &Path) -> String {
    if is_standard_input(path) { "standard input".into() } else { named(path) }
}

/// A history of clients.
fn history(path: &Path, reading: &ReadOptions, budget: Budget, most: Option<Duration>) -> Judgement {
    // The text is gone before the check needs memory.
    let read = formats::read_history_as(&text(path)?, reading);
    let (format, recorded) = read.map_err(|misread| misread.to_string())?;
    let start = Instant::now();
    let report = match most {
        Some(most) => report_within(&recorded.calls, budget, most),
        None => report(&recorded.calls, budget),
    };
    let seconds = start.elapsed().as_secs_f64();
    let report = report.map_err(|malformed| recorded.misread(&malformed).to_string())?;
    let operations = recorded.operations();
    let verdict = match &report.verdict {
        Verdict::Linearizable => "linearizable",
        Verdict::Violation(_) => "not linearizable",
        Verdict::Unknown { .. } => "unknown",
    };
    // Whatever is not known to be linearizable shall not pass for it.
    let is_well = report.verdict == Verdict::Linearizable;
    let explanation = (!is_well).then(|| recorded.told(&report.verdict));
    let method = methods(&report.keys, &recorded.names);
    let keys = report.keys.iter().map(|&KeyReport { key, operations, method }| {
        let operations = operations - usize::from(recorded.has_initial());
        json!({"key": key, "name": recorded.names.key(key), "operations": operations, "method": method})
    });
    let json = json!({
        "file": path.to_string_lossy(), "verdict": verdict, "seconds": seconds, "operations": operations, "method": method,
        "explanation": explanation, "format": format.to_string(), "keys": keys.collect::<Vec<_>>(),
    });
    let time = seconds * 1_000.0;
    let mut page = format!("{}: {verdict}\n  format      {format}\n", called(path));
    write!(page, "  operations  {operations}\n  method      {method}\n  time        {time:.2} ms\n")
        .expect("a string takes all");
    for line in explanation.iter().flat_map(|explanation| explanation.lines()) {
        writeln!(page, "{}", format!("  {}", shown_line(line)).trim_end()).expect("a string takes all");
    }
    Ok(Report { page, json, is_well })
}

/// What told, and of which keys, as long as there are few of them.
fn methods(keys: &[KeyReport], names: &Names) -> String {
    let told = [Method::Zones, Method::Search].map(|method| {
        let mine: Vec<u64> = keys.iter().filter(|key| key.method == method).map(|key| key.key).collect();
        match mine.len() {
            0 => None,
            1..=8 => {
                let names: Vec<String> = mine.iter().map(|&key| shown(&names.key(key))).collect();
                Some(format!("{method} ({})", names.join(" ")))
            }
            count => Some(format!("{method} ({count} keys)")),
        }
    });
    let told: Vec<String> = told.into_iter().flatten().collect();
    if told.is_empty() { "none needed".to_owned() } else { told.join(", ") }
}

/// A stream of facts, by all properties.
fn facts(path: &Path) -> Judgement {
    let text = text(path)?;
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
    let looked: Vec<(&str, u64)> = checker.looked().collect();
    let verdict = if violation.is_some() { "broken" } else { "kept" };
    let by_name: serde_json::Map<String, Value> =
        looked.iter().map(|&(name, times)| (name.to_owned(), times.into())).collect();
    let json = json!({
        "file": path.to_string_lossy(), "verdict": verdict, "seconds": seconds, "facts": count, "looked": by_name,
        "violation": violation,
    });
    let mut page = format!("{}: {verdict}\n", called(path));
    let time = seconds * 1_000.0;
    write!(page, "  facts       {count}\n  time        {time:.2} ms\n").expect("a string takes all");
    if let Some(violation) = &violation {
        writeln!(page, "  {}", shown_line(&violation.to_string())).expect("a string takes all");
        for fact in violation.first.iter().chain([&violation.second]) {
            let fact = serde_json::to_string(fact).expect("facts have text keys");
            writeln!(page, "    {}", shown_line(&fact)).expect("a string takes all");
        }
    }
    for (name, times) in looked {
        let times = if times == 0 { "never looked".to_owned() } else { format!("looked {times} times") };
        writeln!(page, "  {name:<32} {times}").expect("a string takes all");
    }
    Ok(Report { page, json, is_well: violation.is_none() })
}
