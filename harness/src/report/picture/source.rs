//! What all parts of a picture are built from.

use crate::outcome::{Failure, MessageFate, RunRecord, TraceEvent};
use crate::plan::Plan;
use crate::report::timeline::DescribedEvent;

/// A run, and what of it is drawn.
pub(super) struct Source<'a> {
    /// The number of servers.
    pub(super) nodes: u64,
    /// What was planned; `None`: only facts are known.
    pub(super) plan: Option<&'a Plan>,
    pub(super) record: &'a RunRecord,
    pub(super) failure: Option<&'a Failure>,
    /// The events of the drawn part.
    pub(super) events: &'a [DescribedEvent<'a>],
    /// Those before it, which led to the state in which it begins.
    pub(super) before: &'a [DescribedEvent<'a>],
}

/// How far [`Source::message_behind`] looks back.
const MAX_DETOURS: usize = 4;

impl<'a> Source<'a> {
    /// The event in which the message arrives that leads to an event: this one, or one from which it follows on the same
    /// server without anything else that is drawn, as a vote follows from the sync that its request caused.
    pub(super) fn message_behind(&self, event: &'a DescribedEvent<'a>) -> Option<&'a DescribedEvent<'a>> {
        let mut behind = event;
        for _ in 0..MAX_DETOURS {
            let first = behind.event.lines.first()?;
            match first.event {
                TraceEvent::Message { fate: MessageFate::Delivered, .. }
                | TraceEvent::Request { .. }
                | TraceEvent::Reply { .. } => return Some(behind),
                TraceEvent::Sync { .. } | TraceEvent::Timer => {}
                _ => return None,
            }
            behind =
                self.event(behind.event.cause).filter(|it| it.effect.is_none() && it.step < event.step)?;
            // Another server's event is no detour.
            if behind.event.lines.first()?.node != first.node {
                return None;
            }
        }
        None
    }

    fn event(&self, step: u64) -> Option<&'a DescribedEvent<'a>> {
        let position = self.events.binary_search_by_key(&step, |event| event.step).ok()?;
        self.events.get(position)
    }

    /// When the drawn part begins and ends.
    pub(super) fn span(&self) -> (u64, u64) {
        let from = self.events.first().map_or(0, |event| event.event.at);
        let last = self
            .events
            .iter()
            .flat_map(|event| event.sides.iter().map(|side| side.at).chain([event.event.at]));
        (from, last.max().unwrap_or(from))
    }
}
