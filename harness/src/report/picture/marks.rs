//! Events that change something, and the sides of the clash among them.

use super::source::Source;
use super::{LaneId, Mark, Side};
use crate::outcome::{TraceEvent, TraceLine};
use crate::report::timeline::{ClashSide, DescribedEvent};
use std::collections::BTreeMap;

/// The marks of the drawn part, and the sides of the clash.
pub(super) fn marks(source: &Source<'_>) -> (Vec<Mark>, Vec<Side>) {
    let mut builder = Builder::default();
    // Sides before the drawn part have no mark.
    for side in source.before.iter().flat_map(|event| &event.sides) {
        builder.sides.push(side_of(side, None));
    }
    source.events.iter().for_each(|event| builder.add(source, event));
    (builder.marks, builder.sides)
}

#[derive(Default)]
struct Builder {
    marks: Vec<Mark>,
    sides: Vec<Side>,
    /// The marks of each lane: event number and position.
    by_lane: BTreeMap<LaneId, Vec<(u64, usize)>>,
}

impl Builder {
    fn add<'a>(&mut self, source: &Source<'a>, event: &'a DescribedEvent<'a>) {
        let notable = event.event.lines.iter().find(|line| is_notable(&line.event));
        let text = event.effect.clone().or_else(|| notable.map(|line| line.event.to_string()));
        let mut position = None;
        if let Some(text) = text {
            let lanes = lanes(event);
            let is_fault = event.event.is_fault();
            position = Some(self.push(Mark {
                step: event.step,
                at: event.event.at,
                causes: self.causes(source, event, &lanes),
                lanes,
                text,
                trigger: event.trigger.clone(),
                in_slice: event.is_clash || is_fault || event.in_past,
                in_clash: event.is_clash,
            }));
        }
        for side in &event.sides {
            // Evidence that arose after the event and before the next one.
            let is_later = side.at != event.event.at;
            let mark = match position {
                Some(position) if !is_later => position,
                _ => self.push_side(side),
            };
            self.sides.push(side_of(side, Some(mark)));
        }
    }

    /// Adds a mark for evidence that belongs to no event.
    fn push_side(&mut self, side: &ClashSide) -> usize {
        let lanes: Vec<LaneId> = side.lane.into_iter().collect();
        let causes = lanes.iter().filter_map(|lane| self.last_before(*lane, side.step + 1)).collect();
        let (step, at, text) = (side.step, side.at, side.text.clone());
        self.push(Mark { step, at, lanes, text, trigger: None, causes, in_slice: true, in_clash: true })
    }

    fn push(&mut self, mark: Mark) -> usize {
        let position = self.marks.len();
        for lane in &mark.lanes {
            self.by_lane.entry(*lane).or_default().push((mark.step, position));
        }
        self.marks.push(mark);
        position
    }

    /// The marks that an event follows from.
    fn causes<'a>(&self, source: &Source<'a>, event: &'a DescribedEvent<'a>, lanes: &[LaneId]) -> Vec<usize> {
        let message = source.message_behind(event);
        let sent = message.and_then(|message| {
            let sender = message.event.lines.first().and_then(|line| sender(line))?;
            self.last_before(sender, message.event.cause + 1)
        });
        let mut causes: Vec<usize> =
            lanes.iter().filter_map(|lane| self.last_before(*lane, event.step)).chain(sent).collect();
        causes.sort_unstable();
        causes.dedup();
        causes
    }

    /// The last mark of a lane before an event.
    fn last_before(&self, lane: LaneId, step: u64) -> Option<usize> {
        let marks = self.by_lane.get(&lane)?;
        let earlier = marks.partition_point(|(other, _)| *other < step);
        earlier.checked_sub(1).map(|at| marks[at].1)
    }
}

/// Whether an event is drawn although it states no fact that matters.
fn is_notable(event: &TraceEvent) -> bool {
    match event {
        TraceEvent::FaultBegins { .. }
        | TraceEvent::StepCut
        | TraceEvent::FaultEnds { .. }
        | TraceEvent::HealedPhaseBegins
        | TraceEvent::PermanentFault { .. }
        | TraceEvent::LeaderCrash
        | TraceEvent::OperatorCommand(_)
        | TraceEvent::OperatorResponse(_)
        | TraceEvent::Readmitted
        | TraceEvent::FailStop(_)
        | TraceEvent::Panic(_)
        | TraceEvent::Sync { succeeded: false, .. } => true,
        TraceEvent::Boot
        | TraceEvent::Message { .. }
        | TraceEvent::Request { .. }
        | TraceEvent::Reply { .. }
        | TraceEvent::Timer
        | TraceEvent::Sync { .. }
        | TraceEvent::Note(_)
        | TraceEvent::Log(_) => false,
    }
}

/// Who is concerned by an event.
fn lanes(event: &DescribedEvent<'_>) -> Vec<LaneId> {
    let mut lanes: Vec<LaneId> = event.event.nodes().into_iter().map(LaneId::Server).collect();
    for line in &event.event.lines {
        match &line.event {
            TraceEvent::Reply { client, .. } => lanes.push(LaneId::Client(*client)),
            // What a server does in this event only it does; the band of the fault names the targets.
            TraceEvent::FaultBegins { targets, .. } if event.effect.is_none() => {
                lanes.extend(targets.iter().copied().map(LaneId::Server));
            }
            _ => {}
        }
    }
    lanes.extend(event.sides.iter().filter(|side| side.at == event.event.at).filter_map(|side| side.lane));
    // What a client states in an event of a server, such as that it begins to read, is not what the event changes.
    if lanes.is_empty() {
        lanes.extend(event.event.facts.iter().map(|fact| LaneId::Client(fact.node)));
    }
    lanes.sort_unstable();
    lanes.dedup();
    lanes
}

/// Who sent what arrives in this line.
fn sender(line: &TraceLine) -> Option<LaneId> {
    match line.event {
        TraceEvent::Message { from, .. } | TraceEvent::Reply { from, .. } => Some(LaneId::Server(from)),
        TraceEvent::Request { client, .. } => Some(LaneId::Client(client)),
        _ => None,
    }
}

fn side_of(side: &ClashSide, mark: Option<usize>) -> Side {
    Side { mark, at: side.at, step: side.step, lane: side.lane, text: side.text.clone() }
}
