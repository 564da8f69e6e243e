//! The failure in four answers: what was promised, who broke it, when, and what made it possible.

use super::source::Source;
use super::{Arrow, Band, Fate, LaneId, Side, State, Story};
use crate::outcome::{Failure, catalog};
use crate::plan::faults::{Change, FaultData, OneWayPartition, Partition};
use crate::report::page::cause_lines;
use crate::report::pluralize;
use crate::support::text::display_line;
use invariants::Time;

/// The most faults that the answer names.
const MAX_FAULTS: usize = 8;

/// The answers.
pub(super) fn story(
    source: &Source<'_>,
    failure: &Failure,
    states: &[State],
    bands: &[Band],
    arrows: &[Arrow],
    clash: &[Side],
) -> Story {
    let promised = catalog::properties().into_iter().find(|(name, _)| *name == failure.property);
    let promised = promised.map_or_else(String::new, |(_, about)| about.to_owned());
    let last = clash.iter().map(|side| side.at).max();
    let when = match (clash, last) {
        ([], _) | (_, None) => "the run does not say".to_owned(),
        ([only], _) => format!("at {}, in event {}", format_time(only.at), only.step),
        ([first, .., _], Some(last)) if first.at == last => format!("at {}", format_time(last)),
        ([first, ..], Some(last)) => {
            format!("at {}, against what happened at {}", format_time(last), format_time(first.at))
        }
    };
    Story {
        property: failure.property.clone(),
        promised,
        observed: cause_lines(&failure.cause).iter().map(|line| display_line(&line.to_string())).collect(),
        broken_by: describe_sides(clash, states),
        when,
        made_possible_by: reasons(source, bands, arrows, (last.unwrap_or(Time::MAX), clash)),
    }
}

/// The sides of the clash: first the one that breaks the promise, which is the last, then what it contradicts.
fn describe_sides(clash: &[Side], states: &[State]) -> Vec<String> {
    let describe = |(position, side)| {
        let against = if position == 0 { "" } else { "against: " };
        format!("{against}{}", describe_side(side, states))
    };
    clash.iter().rev().enumerate().map(describe).collect()
}

/// A side of the clash with the role of its server.
fn describe_side(side: &Side, states: &[State]) -> String {
    let at = format_time(side.at);
    let text = display_line(&side.text);
    let Some(lane) = side.lane else { return format!("at {at}: {text}") };
    // A server that steps down in the event did it as what it was before.
    let state = states.iter().rev().find(|state| state.lane == lane && state.at <= side.at);
    let role = match state {
        Some(State { role: "up" | "down", .. }) | None => String::new(),
        Some(State { role, term: Some(term), .. }) => format!(" ({role}, term {term})"),
        Some(State { role, .. }) => format!(" ({role})"),
    };
    match lane {
        LaneId::Server(node) => format!("server n{node}{role} at {at}: {text}"),
        LaneId::Client(client) => format!("client c{client} at {at}: {text}"),
    }
}

/// What made it possible: the bug, and the faults that began before; without faults, what the network did.
fn reasons(
    source: &Source<'_>,
    bands: &[Band],
    arrows: &[Arrow],
    (last, clash): (Time, &[Side]),
) -> Vec<String> {
    let mut reasons = Vec::new();
    let before = bands.iter().filter(|band| band.from <= last);
    let (before, others): (Vec<&Band>, Vec<&Band>) = before.partition(|band| concerns(band, clash));
    // If none does, each may have done it.
    let (before, others) = if before.is_empty() { (others, before) } else { (before, others) };
    // The last ones are the nearest to the clash.
    let skipped = before.len().saturating_sub(MAX_FAULTS);
    if skipped > 0 {
        reasons.push(pluralize(skipped as u64, "earlier fault, and", "earlier faults, and"));
    }
    for band in &before[skipped..] {
        let number = if band.number > 0 { format!("fault {}: ", band.number) } else { String::new() };
        let until = match (band.open, band.to == band.from) {
            (true, _) => format!("from {} on", format_time(band.from)),
            (false, true) => format!("at {}", format_time(band.from)),
            (false, false) => {
                format!("from {} to {}", format_time(band.from), format_time(band.to))
            }
        };
        reasons.push(format!("{number}{}, {until}", band.text));
    }
    if !others.is_empty() {
        let texts: Vec<&str> = others.iter().map(|band| band.text.as_str()).collect();
        reasons.push(format!("of other servers before: {}", texts.join("; ")));
    }
    if reasons.is_empty() {
        let none = if source.plan.is_some() { "no fault: it needs none" } else { "the facts state no fault" };
        reasons.push(none.to_owned());
        for (fate, one, many) in [
            (Fate::Lost, "lost message", "lost messages"),
            (Fate::Duplicated, "doubled message", "doubled messages"),
            (Fate::Late, "late message", "late messages"),
        ] {
            // A lost message has no effect, so no chain of causes contains it.
            let matters = |arrow: &&Arrow| arrow.in_slice || fate == Fate::Lost;
            let before = arrows.iter().filter(|arrow| arrow.fate == fate && arrow.sent <= last);
            let count = before.filter(matters).count();
            if count > 0 {
                reasons.push(pluralize(count as u64, one, many));
            }
        }
    }
    if let Some(bug) = source.plan.and_then(|plan| plan.bug.as_ref()) {
        reasons.push(format!("the bug {bug}, which is switched on"));
    }
    reasons
}

/// Whether a fault struck a server of the clash, or the links and the configuration that all share.
fn concerns(band: &Band, clash: &[Side]) -> bool {
    band.lanes.is_empty()
        || [Partition::NAME, OneWayPartition::NAME, Change::NAME].contains(&band.kind)
        || clash.iter().filter_map(|side| side.lane).any(|lane| band.lanes.contains(&lane))
}

/// A time with the digits that the picture shows.
fn format_time(at: Time) -> String {
    format!("{}.{:06} s", at / 1_000_000_000, at / 1_000 % 1_000_000)
}
