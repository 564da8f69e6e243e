//! The page of a violation that an exploration found: the same clash and timeline as of any failure.

use super::page::{add_clash, add_timeline};
use super::timeline::timeline;
use super::{Page, pluralize};
use crate::explore::{Found, Scope};
use crate::outcome::{Failure, FailureCause, MessageFate, Outcome, RunRecord, TraceEvent, TraceLine};

/// Nanoseconds between two steps, as in the facts.
const STEP_TIME: u64 = 1_000_000;

/// The page, at most `width` columns wide.
#[must_use]
pub fn exploration_page(scope: &Scope, bug: Option<&str>, found: &Found, width: usize) -> String {
    let mut page = Page { text: String::new(), width };
    let bug = bug.map_or(String::new(), |bug| format!(", bug {bug}"));
    page.verbatim(&format!("{scope}{bug}: {} violated", found.property));
    match &found.violation {
        Some(violation) => {
            let failure = Failure {
                property: found.property.clone(),
                cause: FailureCause::Facts(violation.clone()),
                evidence: Vec::new(),
            };
            let record = record_of(found, failure.clone());
            let timeline = timeline(scope.servers as u64, &record, width);
            add_clash(&mut page, &failure, timeline.as_ref());
            if let Some(timeline) = &timeline {
                add_timeline(&mut page, timeline);
            }
        }
        None => page.paragraph(&format!("  observed: {}", found.sentence)),
    }
    page.blank();
    page.paragraph(&format!(
        "the shortest trace, {}, one millisecond each:",
        pluralize(found.trace.len() as u64, "step", "steps")
    ));
    for (number, step) in (1..).zip(&found.trace) {
        page.paragraph(&format!("  {number:>3}  {step}"));
    }
    page.text
}

/// The violation as the record of a run.
fn record_of(found: &Found, failure: Failure) -> RunRecord {
    let mut record = RunRecord::from(Outcome::without_end(failure));
    record.trace = (1..)
        .zip(&found.trace)
        .map(|(step, taken)| {
            let (text, to) = (taken.text.clone(), taken.server);
            let event = match taken.from {
                Some(from) => TraceEvent::Message { from, to, message: text, fate: MessageFate::Delivered },
                None => TraceEvent::Note(text),
            };
            TraceLine { at: step * STEP_TIME, step, cause: taken.cause, node: to, event }
        })
        .collect();
    record.facts = found.facts.clone();
    record
}
