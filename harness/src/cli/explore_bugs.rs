//! The command `explore --bugs`: which bugs of the core a list of scopes shows.
//!
//! Each bug is explored scope by scope, until one violates a property. What is left is *exhausted* if all scopes are complete:
//! they cannot show the bug. It is *cut* if the budget ended one of them.

use super::exit::SUCCESS;
use super::explore::{check_system, explored, read_list};
use super::signals::{self, STOP_REQUESTED};
use super::{CommandResult, arguments, print, print_json, print_message};
use crate::explore::list::ListedScope;
use crate::explore::{Ended, Found, Scope};
use crate::outcome::COMMIT;
use crate::report::with_thousands;
use crate::systems::SystemInfo;
use raft_core::Bug;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::atomic::Ordering;

/// What the scopes show of one bug.
struct Finding {
    bug: Bug,
    shown: Option<Shown>,
    /// The scopes before it that are complete, and those that are not.
    complete: Vec<Scope>,
    cut: Vec<Scope>,
    /// Of all scopes.
    seconds: f64,
}

/// The scope that violates a property.
struct Shown {
    scope: Scope,
    property: String,
    steps: usize,
    states: usize,
}

pub(super) fn explore_bugs(
    system: &SystemInfo,
    path: &Path,
    arguments: &arguments::ExploreArgs,
) -> CommandResult {
    check_system(system)?;
    let list = read_list(path)?;
    signals::install_handlers("ending with the bugs so far; a second signal ends at once")?;
    let mut findings = Vec::new();
    for bug in Bug::ALL {
        let finding = find(*bug, &list.explore, arguments)?;
        if STOP_REQUESTED.load(Ordering::Relaxed) {
            break;
        }
        print_message(&format!("{}/{} {}", findings.len() + 1, Bug::ALL.len(), line(&finding)));
        findings.push(finding);
    }
    match arguments.json {
        true => {
            print_json(&json!({"commit": COMMIT, "bugs": findings.iter().map(as_json).collect::<Vec<_>>()}))?
        }
        false => print(&as_text(&findings, list.explore.len()))?,
    }
    Ok(signals::exit_code_after(SUCCESS))
}

/// Explores the scopes with a bug until one shows it.
fn find(bug: Bug, scopes: &[ListedScope], arguments: &arguments::ExploreArgs) -> Result<Finding, String> {
    let mut finding = Finding { bug, shown: None, complete: Vec::new(), cut: Vec::new(), seconds: 0.0 };
    for listed in scopes {
        let (explored, seconds) = explored(listed.scope, Some(bug), listed.liveness, arguments)?;
        finding.seconds += seconds;
        match explored.ended {
            Ended::Complete => finding.complete.push(listed.scope),
            Ended::Incomplete { .. } => finding.cut.push(listed.scope),
            Ended::Violation(found) => {
                let Found { property, trace, .. } = *found;
                let (scope, steps, states) = (listed.scope, trace.len(), explored.states);
                finding.shown = Some(Shown { scope, property, steps, states });
                break;
            }
        }
        if STOP_REQUESTED.load(Ordering::Relaxed) {
            break;
        }
    }
    Ok(finding)
}

fn line(finding: &Finding) -> String {
    let info = finding.bug.info();
    let about = match &finding.shown {
        Some(Shown { scope, property, steps, states }) => {
            let (states, seconds) = (with_thousands(*states as u64), finding.seconds);
            format!("{property:<24} {steps:>2} steps {states:>9} states {seconds:>6.1} s: {scope}")
        }
        None if finding.cut.is_empty() => format!("exhausted, {:.1} s", finding.seconds),
        None => {
            let cut: Vec<String> = finding.cut.iter().map(Scope::to_string).collect();
            format!("cut, {:.1} s: {}", finding.seconds, cut.join("; "))
        }
    };
    format!("{:<4} {:<36} {about}", info.id, info.name)
}

fn as_text(findings: &[Finding], scopes: usize) -> String {
    let shown = findings.iter().filter(|finding| finding.shown.is_some()).count();
    let cut = findings.iter().filter(|finding| finding.shown.is_none() && !finding.cut.is_empty()).count();
    let mut text: String = findings.iter().map(|finding| line(finding) + "\n").collect();
    text += &format!(
        "{} bugs in {scopes} scopes: {shown} shown, {} exhausted, {cut} cut\n",
        findings.len(),
        findings.len() - shown - cut
    );
    text
}

fn as_json(finding: &Finding) -> Value {
    let result = match &finding.shown {
        Some(Shown { scope, property, steps, states }) => json!({
            "result": "shown", "scope": scope, "property": property, "steps": steps, "states": states,
        }),
        None if finding.cut.is_empty() => json!({"result": "exhausted"}),
        None => json!({"result": "cut"}),
    };
    let info = finding.bug.info();
    json!({
        "id": info.id, "bug": info.name, "ended": result, "complete": finding.complete, "cut": finding.cut,
        "seconds": finding.seconds,
    })
}
