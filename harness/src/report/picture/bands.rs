//! Faults, from begin to end.

use super::source::Source;
use super::{Band, LaneId};
use crate::outcome::TraceEvent;
use crate::plan::{FaultKind, PermanentFault, Target};
use crate::report::timeline::DescribedEvent;

/// A fault as the plan describes it, with the servers that a role such as `leader` meant.
fn describe(kind: &FaultKind, lanes: &[LaneId]) -> String {
    let has_roles = kind.targets().iter().any(|(_, target)| !matches!(target, Target::Node(_)));
    match lanes {
        [] => kind.to_string(),
        _ if !has_roles => kind.to_string(),
        lanes => {
            let lanes: Vec<String> = lanes.iter().map(LaneId::to_string).collect();
            format!("{kind} ({})", lanes.join(", "))
        }
    }
}

/// The faults that are active in the drawn part.
pub(super) fn bands(source: &Source<'_>) -> Vec<Band> {
    let (from, to) = source.span();
    let mut bands: Vec<Band> = Vec::new();
    let lines =
        source.before.iter().chain(source.events).flat_map(|event: &DescribedEvent<'_>| &event.event.lines);
    for line in lines {
        match &line.event {
            TraceEvent::FaultBegins { number, kind, targets } => {
                let planned = source.plan.zip(number.checked_sub(1));
                let planned = planned.and_then(|(plan, at)| plan.faults.get(at as usize));
                let lasts = planned.is_some_and(|fault| fault.kind.lasts().is_some());
                let mut lanes: Vec<LaneId> = targets.iter().copied().map(LaneId::Server).collect();
                lanes.sort_unstable();
                lanes.dedup();
                bands.push(Band {
                    number: *number,
                    kind,
                    text: planned.map_or_else(|| (*kind).to_owned(), |fault| describe(&fault.kind, &lanes)),
                    lanes,
                    from: line.at,
                    to: if lasts { to.max(line.at) } else { line.at },
                    open: lasts,
                });
            }
            TraceEvent::FaultEnds { number: Some(number), .. } => {
                if let Some(band) = bands.iter_mut().rev().find(|band| band.number == *number && band.open) {
                    (band.to, band.open) = (line.at, false);
                }
            }
            TraceEvent::PermanentFault { node, kind } => bands.push(Band {
                number: 0,
                kind: kind.name(),
                text: PermanentFault { node: Target::Node(*node), kind: *kind, drift: 0 }.to_string(),
                lanes: vec![LaneId::Server(*node)],
                from: line.at,
                to: to.max(line.at),
                open: true,
            }),
            _ => {}
        }
    }
    bands.retain(|band| band.to >= from);
    bands.iter_mut().for_each(|band| band.from = band.from.max(from));
    bands
}
