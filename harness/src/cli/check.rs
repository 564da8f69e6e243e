//! The verb `check`: what others recorded, judged without a simulation.

use super::{BROKEN, Done, KEPT, UNUSABLE, arguments, print, say};
use crate::plan::file::reason;
use invariants::formats::{self, Names};
use invariants::linearizability::{Judged, Method, report, report_within};
use invariants::{Budget, Checker, Verdict, Violation};
use serde_json::json;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub(super) fn check(arguments: &arguments::Check) -> Done {
    match &arguments.what {
        arguments::Recording::History { files, steps, bytes, seconds, json } => {
            let budget = Budget { steps: *steps, bytes: *bytes };
            each(files, *json, |path| history(path, budget, *seconds, *json))
        }
        arguments::Recording::Facts { files, json } => each(files, *json, |path| facts(path, *json)),
    }
}

/// What is said of a file, and whether it is all well; or why it cannot be judged.
type Judgement = Result<(String, bool), String>;

/// Judges one file after the other. One that cannot be used withholds no verdict on the others.
fn each(files: &[PathBuf], json: bool, judge: impl Fn(&Path) -> Judgement) -> Done {
    let mut code = KEPT;
    for path in files {
        match judge(path) {
            Ok((page, is_well)) => {
                print(&page)?;
                code = code.max(if is_well { KEPT } else { BROKEN });
            }
            Err(sentence) => {
                if json {
                    print(&format!(
                        "{}\n",
                        json!({"file": path, "verdict": "unusable", "explanation": sentence})
                    ))?;
                }
                say(&format!("{}: {sentence}", path.display()));
                code = UNUSABLE;
            }
        }
    }
    Ok(code)
}

fn text(path: &Path) -> Result<String, String> {
    let bytes = fs::read(path).map_err(|error| format!("it cannot be read: {}", reason(&error)))?;
    formats::text(bytes).map_err(|misread| misread.to_string())
}

/// A history of clients.
fn history(path: &Path, budget: Budget, most: Option<Duration>, json: bool) -> Judgement {
    let (format, recorded) = formats::read_history(&text(path)?).map_err(|misread| misread.to_string())?;
    let start = Instant::now();
    let report = match most {
        Some(most) => report_within(&recorded.calls, budget, most),
        None => report(&recorded.calls, budget),
    };
    let seconds = start.elapsed().as_secs_f64();
    let report = report.map_err(|malformed| recorded.misread(&malformed).to_string())?;
    let operations = recorded.calls.len();
    let verdict = match &report.verdict {
        Verdict::Linearizable => "linearizable",
        Verdict::Violation(_) => "not linearizable",
        Verdict::Unknown { .. } => "unknown",
    };
    // Whatever is not known to be linearizable shall not pass for it.
    let is_well = report.verdict == Verdict::Linearizable;
    let explanation = (!is_well).then(|| recorded.told(&report.verdict));
    let method = methods(&report.keys, &recorded.names);
    let page = if json {
        let keys = report.keys.iter().map(|&Judged { key, operations, method }| {
            json!({"key": key, "name": recorded.names.key(key), "operations": operations, "method": method})
        });
        json!({
            "file": path, "verdict": verdict, "seconds": seconds, "operations": operations, "method": method,
            "explanation": explanation, "format": format.to_string(), "keys": keys.collect::<Vec<_>>(),
        })
        .to_string()
    } else {
        let time = seconds * 1_000.0;
        let mut page = format!("{}: {verdict}\n  format      {format}\n", path.display());
        write!(page, "  operations  {operations}\n  method      {method}\n  time        {time:.2} ms")
            .expect("a string takes all");
        for line in explanation.iter().flat_map(|explanation| explanation.lines()) {
            write!(page, "\n{}", format!("  {line}").trim_end()).expect("a string takes all");
        }
        page
    };
    Ok((page + "\n", is_well))
}

/// What told, and of which keys, as long as there are few of them.
fn methods(keys: &[Judged], names: &Names) -> String {
    let told = [Method::Zones, Method::Search].map(|method| {
        let mine: Vec<u64> = keys.iter().filter(|key| key.method == method).map(|key| key.key).collect();
        match mine.len() {
            0 => None,
            1..=8 => {
                let names: Vec<String> = mine.iter().map(|&key| names.key(key)).collect();
                Some(format!("{method} ({})", names.join(" ")))
            }
            count => Some(format!("{method} ({count} keys)")),
        }
    });
    let told: Vec<String> = told.into_iter().flatten().collect();
    if told.is_empty() { "none needed".to_owned() } else { told.join(", ") }
}

/// A stream of facts, by all properties.
fn facts(path: &Path, json: bool) -> Judgement {
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
    let page = if json {
        let looked: serde_json::Map<String, serde_json::Value> =
            looked.into_iter().map(|(name, times)| (name.to_owned(), times.into())).collect();
        json!({
            "file": path, "verdict": verdict, "seconds": seconds, "facts": count, "looked": looked,
            "violation": violation,
        })
        .to_string()
            + "\n"
    } else {
        let mut page = format!("{}: {verdict}\n", path.display());
        let time = seconds * 1_000.0;
        write!(page, "  facts       {count}\n  time        {time:.2} ms\n").expect("a string takes all");
        if let Some(violation) = &violation {
            writeln!(page, "  {violation}").expect("a string takes all");
            for fact in violation.first.iter().chain([&violation.second]) {
                let fact = serde_json::to_string(fact).expect("facts have text keys");
                writeln!(page, "    {fact}").expect("a string takes all");
            }
        }
        for (name, times) in looked {
            let times = if times == 0 { "never looked".to_owned() } else { format!("looked {times} times") };
            writeln!(page, "  {name:<32} {times}").expect("a string takes all");
        }
        page
    };
    Ok((page, violation.is_none()))
}
