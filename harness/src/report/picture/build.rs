//! Puts a picture together from the events of a run.

use super::arrows::{arrows, syncs};
use super::bands::bands;
use super::clients::{clients_of_sessions, operations};
use super::logs::logs;
use super::marks::marks;
use super::source::Source;
use super::states::states;
use super::story::story;
use super::{Lane, LaneId, NextCommand, Picture};
use crate::findings::case::ShrunkFrom;
use crate::findings::investigate::ShrunkFinding;
use crate::outcome::signature::FailureSignature;
use crate::outcome::{Counts, Exercised, Failure, FailureCause, Options, Outcome, RunRecord, Verdict};
use crate::plan::{Plan, file};
use crate::report::page::{PlanSource, next_steps, page_title, shrink_summary};
use crate::report::timeline::{DescribedEvent, describe_events, has_exact_events};
use crate::report::with_thousands;
use crate::systems::SystemInfo;
use invariants::{Digest, Observed, Violation};
use std::collections::BTreeSet;

/// How large a picture may become.
#[derive(Clone, Copy, Debug)]
pub struct PictureLimits {
    /// The most events drawn.
    pub events: usize,
    /// The most bytes of its JSON form.
    pub bytes: usize,
}

impl PictureLimits {
    /// For a run that was shrunk.
    pub const SHRUNK: PictureLimits = PictureLimits { events: 20_000, bytes: 850_000 };
    /// For any other run.
    pub const WHOLE: PictureLimits = PictureLimits { events: 20_000, bytes: 2_700_000 };
}

/// The picture of a run that was recorded as [`Recording::PAGE`](crate::outcome::Recording::PAGE) says. A run that is
/// larger than the limits allow is drawn up to the clash, or up to its end, from as early on as fits.
#[must_use]
pub fn picture(
    (system, plan): (&str, &Plan),
    origin: PlanSource<'_>,
    record: &RunRecord,
    shrunk: Option<ShrunkFrom>,
    options: &Options,
    limits: PictureLimits,
) -> Picture {
    let failure = failure_of(record);
    let events = describe_events(plan.nodes, record);
    let commands = failure.map_or_else(Vec::new, |failure| {
        let has_end = FailureSignature::of(failure).has_outcome();
        let steps = next_steps(plan, origin, (has_end, shrunk.is_some()), options);
        let command =
            |(purpose, command): (&str, String)| NextCommand { purpose: purpose.to_owned(), command };
        steps.into_iter().map(command).collect()
    });
    let head = Picture {
        title: page_title(plan, origin, record),
        system: system.to_owned(),
        verdict: verdict_name(&record.outcome.verdict),
        signature: failure.map(FailureSignature::of),
        plan: file::to_text(plan),
        shrunk: shrunk.map(|shrunk| shrink_summary(plan, record.outcome.counts.operations, shrunk)),
        commands,
        ..Picture::empty()
    };
    draw_within(limits, head, (plan.nodes, Some(plan)), record, &events)
}

/// The picture of recorded facts. `title`: their file and verdict.
#[must_use]
pub fn facts_picture(title: &str, facts: Vec<Observed>, violation: Option<&Violation>) -> Picture {
    let verdict = match violation {
        Some(violation) => Verdict::Failed(Box::new(Failure::new(
            violation.property,
            FailureCause::Facts(Box::new(violation.clone())),
        ))),
        None => Verdict::Passed,
    };
    let of_servers = facts.iter().filter(|fact| fact.fact.is_about_server()).map(|fact| fact.node);
    let nodes = of_servers.max().unwrap_or_default();
    let outcome = Outcome {
        verdict,
        counts: Counts::default(),
        checks: Vec::new(),
        milestones: Vec::new(),
        faults: Vec::new(),
        exercised: Exercised::default(),
        digest: Digest::EMPTY,
    };
    let record = RunRecord { facts, ..RunRecord::from(outcome) };
    let head = Picture {
        title: title.to_owned(),
        system: "recorded facts".to_owned(),
        verdict: verdict_name(&record.outcome.verdict),
        signature: failure_of(&record).map(FailureSignature::of),
        ..Picture::empty()
    };
    let events = describe_events(nodes, &record);
    draw_within(PictureLimits::WHOLE, head, (nodes, None), &record, &events)
}

fn failure_of(record: &RunRecord) -> Option<&Failure> {
    match &record.outcome.verdict {
        Verdict::Failed(failure) => Some(failure),
        Verdict::Passed | Verdict::Unknown(_) => None,
    }
}

/// How a run ended, in a word.
const fn verdict_name(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Unknown(_) => "unknown",
        Verdict::Failed(_) => "failed",
    }
}

/// Draws as much as the limits allow.
fn draw_within(
    limits: PictureLimits,
    head: Picture,
    (nodes, plan): (u64, Option<&Plan>),
    record: &RunRecord,
    events: &[DescribedEvent<'_>],
) -> Picture {
    let failure = failure_of(record);
    let last_step = failure.filter(|failure| has_exact_events(failure)).and_then(|_| last_clash_step(events));
    let mut drawn = events.len().min(limits.events);
    loop {
        let end = match last_step {
            Some(step) if drawn < events.len() => events.partition_point(|event| event.step <= step),
            _ => events.len(),
        };
        let begin = end.saturating_sub(drawn);
        let source =
            Source { nodes, plan, record, failure, events: &events[begin..end], before: &events[..begin] };
        let picture = draw(head.clone(), &source, events.len());
        let is_small = drawn <= 100 || picture.to_json().len() <= limits.bytes;
        if is_small {
            return picture;
        }
        drawn = (end - begin).min(drawn) / 4 * 3;
    }
}

/// The last event of the clash.
fn last_clash_step(events: &[DescribedEvent<'_>]) -> Option<u64> {
    events.iter().rev().find(|event| !event.sides.is_empty()).map(|event| event.step)
}

/// Adds what the events show.
fn draw(head: Picture, source: &Source<'_>, all_events: usize) -> Picture {
    let sessions = clients_of_sessions(source.record);
    let states = states(source);
    let bands = bands(source);
    let (marks, clash) = marks(source);
    let arrows = arrows(source, &bands);
    let (operations, forced_order) = operations(source, &sessions);
    let servers = (1..=source.nodes).map(LaneId::Server);
    let clients = operations.iter().map(|operation| operation.lane);
    let in_slice = marks.iter().filter(|mark| mark.in_slice).flat_map(|mark| mark.lanes.iter().copied());
    let ids: BTreeSet<LaneId> = servers.chain(clients).chain(in_slice).collect();
    let lane = |id: LaneId| match id {
        LaneId::Client(_) => Lane { id, kind: "client" },
        LaneId::Server(_) => Lane { id, kind: "server" },
    };
    let (from, to) = source.span();
    let shown = source.events.len();
    let window = (shown < all_events).then(|| {
        let (shown, all) = (with_thousands(shown as u64), with_thousands(all_events as u64));
        let which = if clash.is_empty() { "the last ones" } else { "those up to the clash" };
        format!("{shown} of {all} events are drawn: {which}")
    });
    Picture {
        story: source.failure.map(|failure| story(source, failure, &states, &bands, &arrows, &clash)),
        window,
        from,
        to,
        lanes: ids.into_iter().map(lane).collect(),
        syncs: syncs(source),
        logs: logs(source),
        states,
        marks,
        arrows,
        bands,
        clash,
        operations,
        forced_order,
        ..head
    }
}

/// The picture of a shrunk failure.
#[must_use]
pub fn shrunk_picture(
    system: &SystemInfo,
    smaller: &ShrunkFinding,
    origin: PlanSource<'_>,
    options: &Options,
) -> Picture {
    let (plan, shrunk) = (&smaller.result.plan, Some(smaller.shrunk));
    picture((system.name, plan), origin, &smaller.record, shrunk, options, PictureLimits::SHRUNK)
}
