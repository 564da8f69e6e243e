//! The verb `check`: what others recorded, judged without a simulation.

use super::{BROKEN, Done, KEPT, arguments, print};
use invariants::formats::{self, Format, Recorded};
use invariants::linearizability::{Judged, Method, report};
use invariants::{Budget, Checker, Verdict, Violation};
use serde_json::json;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::Instant;

pub(super) fn check(arguments: &arguments::Check) -> Done {
    match &arguments.what {
        arguments::Recording::History { files, json } => histories(files, *json),
        arguments::Recording::Facts { file, json } => facts(file, *json),
    }
}

fn text(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Histories of clients. Nothing is said before all of them could be read.
fn histories(files: &[std::path::PathBuf], json: bool) -> Done {
    let mut read: Vec<(&Path, Format, Recorded)> = Vec::new();
    for path in files {
        let said = |misread: formats::Misread| format!("{}: {misread}", path.display());
        let (format, recorded) = formats::read_history(&text(path)?).map_err(said)?;
        read.push((path, format, recorded));
    }
    let (mut lines, mut code) = (String::new(), KEPT);
    for (path, format, recorded) in &read {
        let start = Instant::now();
        let report = report(&recorded.calls, Budget::default())
            .map_err(|malformed| format!("{}: {}", path.display(), recorded.misread(&malformed)))?;
        let seconds = start.elapsed().as_secs_f64();
        let operations = recorded.calls.len();
        let (verdict, explanation) = match &report.verdict {
            Verdict::Linearizable => ("linearizable", None),
            violation @ Verdict::Violation(_) => ("not linearizable", Some(violation.to_string())),
            unknown @ Verdict::Unknown { .. } => ("unknown", Some(unknown.to_string())),
        };
        // Whatever is not known to be linearizable shall not pass for it.
        code = if report.verdict == Verdict::Linearizable { code } else { BROKEN };
        let method = methods(&report.keys);
        let line = if json {
            json!({
                "file": path, "verdict": verdict, "seconds": seconds, "operations": operations, "method": method,
                "explanation": explanation, "format": format.to_string(), "keys": report.keys,
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
        lines += &(line + "\n");
    }
    print(&lines)?;
    Ok(code)
}

/// What told, and of which keys, as long as there are few of them.
fn methods(keys: &[Judged]) -> String {
    let told = [Method::Zones, Method::Search].map(|method| {
        let mine: Vec<u64> = keys.iter().filter(|key| key.method == method).map(|key| key.key).collect();
        match mine.len() {
            0 => None,
            1..=8 => {
                let names: Vec<String> = mine.iter().map(|key| format!("k{key}")).collect();
                Some(format!("{method} ({})", names.join(" ")))
            }
            count => Some(format!("{method} ({count} keys)")),
        }
    });
    let told: Vec<String> = told.into_iter().flatten().collect();
    if told.is_empty() { "none needed".to_owned() } else { told.join(", ") }
}

/// A stream of facts, by all properties.
fn facts(path: &Path, json: bool) -> Done {
    let text = text(path)?;
    let start = Instant::now();
    let (mut checker, mut count) = (Checker::new(), 0_u64);
    let mut violation: Option<Box<Violation>> = None;
    for fact in formats::facts::read(&text) {
        let fact = fact.map_err(|misread| format!("{}: {misread}", path.display()))?;
        count += 1;
        if violation.is_none() {
            violation = checker.observe(&fact).err();
        }
    }
    let seconds = start.elapsed().as_secs_f64();
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
    print(&page)?;
    Ok(if violation.is_some() { BROKEN } else { KEPT })
}
