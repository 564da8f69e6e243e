//! Messages, requests and replies from sender to receiver, and disk writes from start to end.

use super::source::Source;
use super::{Arrow, Band, Fate, LaneId, Sync};
use crate::outcome::{MessageFate, TraceEvent, TraceLine};
use crate::report::timeline::DescribedEvent;
use crate::support::text::display_value;
use invariants::{RequestId, Time};
use std::collections::{BTreeMap, BTreeSet};

/// The arrows of the drawn part.
pub(super) fn arrows(source: &Source<'_>, bands: &[Band]) -> Vec<Arrow> {
    let times = Times::of(source);
    let called: BTreeMap<RequestId, Time> =
        source.record.history.iter().map(|call| (call.id, call.called)).collect();
    let duplicated = messages_with(source, MessageFate::Duplicated);
    let held = messages_with(source, MessageFate::Held);
    let network = source.plan.map(|plan| &plan.network);
    let usual = network.map_or(Time::MAX, |network| network.delay.0.saturating_add(network.delay_spread.0));
    // When the newest of the messages that arrived on a link was sent.
    let mut newest: BTreeMap<(LaneId, LaneId), Time> = BTreeMap::new();
    let in_slice = messages_of_slice(source);
    let mut arrows = Vec::new();
    for event in source.events {
        for line in &event.event.lines {
            let Some(Sent { from, to, text, fate, request }) = sent(line) else { continue };
            let sent = match fate {
                Fate::Delivered => times.at(line.cause).max(request.and_then(|id| called.get(&id)).copied()),
                _ => Some(line.at),
            };
            let sent = sent.unwrap_or(line.at).min(line.at);
            let key = (line.cause, from, to, text.as_str());
            let link = newest.entry((from, to)).or_default();
            let fate = match fate {
                Fate::Delivered if held.contains(&key) || waits_for_receiver(bands, to, line.at) => {
                    Fate::Held
                }
                Fate::Delivered if duplicated.contains(&key) => Fate::Duplicated,
                Fate::Delivered if line.at - sent > usual || sent < *link => Fate::Late,
                // These are drawn where they arrive.
                Fate::Duplicated | Fate::Held => continue,
                fate => fate,
            };
            *link = sent.max(*link);
            let has_arrived = !matches!(fate, Fate::Lost | Fate::NoReceiver);
            arrows.push(Arrow {
                from,
                to,
                sent,
                at: has_arrived.then_some(line.at),
                cause: if has_arrived { line.cause } else { line.step },
                step: line.step,
                in_slice: has_arrived && in_slice.contains(&line.step),
                text: display_value(&text),
                fate,
            });
        }
    }
    arrows
}

/// The events in which messages arrive that lead to an event of the slice.
fn messages_of_slice(source: &Source<'_>) -> BTreeSet<u64> {
    let in_slice =
        source.events.iter().filter(|event| event.is_clash || event.in_past && event.effect.is_some());
    in_slice.filter_map(|event| source.message_behind(event)).map(|message| message.step).collect()
}

/// Disk writes of the drawn part.
pub(super) fn syncs(source: &Source<'_>) -> Vec<Sync> {
    let times = Times::of(source);
    let mut syncs = Vec::new();
    for line in source.events.iter().flat_map(|event: &DescribedEvent<'_>| &event.event.lines) {
        if let TraceEvent::Sync { succeeded, .. } = line.event {
            syncs.push(Sync {
                lane: LaneId::Server(line.node),
                from: times.at(line.cause).unwrap_or(line.at).min(line.at),
                to: line.at,
                step: line.step,
                failed: !succeeded,
            });
        }
    }
    syncs
}

/// When each event happened.
struct Times(Vec<(u64, Time)>);

impl Times {
    fn of(source: &Source<'_>) -> Times {
        let events = source.before.iter().chain(source.events);
        Times(events.map(|event| (event.step, event.event.at)).collect())
    }

    /// When an event happened. Some events of clients are not recorded: then, the time of the last one before it that
    /// is.
    fn at(&self, step: u64) -> Option<Time> {
        let until = self.0.partition_point(|(other, _)| *other <= step);
        until.checked_sub(1).map(|at| self.0[at].1)
    }
}

/// What a line sends or receives.
struct Sent {
    from: LaneId,
    to: LaneId,
    text: String,
    fate: Fate,
    request: Option<RequestId>,
}

fn sent(line: &TraceLine) -> Option<Sent> {
    match &line.event {
        TraceEvent::Message { from, to, message, fate } => Some(Sent {
            from: LaneId::Server(*from),
            to: LaneId::Server(*to),
            text: message.clone(),
            fate: match fate {
                MessageFate::Delivered => Fate::Delivered,
                MessageFate::Lost => Fate::Lost,
                MessageFate::Duplicated => Fate::Duplicated,
                MessageFate::Held => Fate::Held,
                MessageFate::NoReceiver => Fate::NoReceiver,
            },
            request: None,
        }),
        TraceEvent::Request { client, to, id, body } => Some(Sent {
            from: LaneId::Client(*client),
            to: LaneId::Server(*to),
            text: format!("{id} {body}"),
            fate: Fate::Delivered,
            request: Some(*id),
        }),
        TraceEvent::Reply { from, client, id, response } => Some(Sent {
            from: LaneId::Server(*from),
            to: LaneId::Client(*client),
            text: format!("{id} {response}"),
            fate: Fate::Delivered,
            request: None,
        }),
        _ => None,
    }
}

/// The messages that the network duplicates, or holds: the event in which each was sent, the link, and the text.
fn messages_with<'a>(source: &Source<'a>, wanted: MessageFate) -> BTreeSet<(u64, LaneId, LaneId, &'a str)> {
    let lines = source.before.iter().chain(source.events).flat_map(|event| &event.event.lines);
    let messages = lines.filter_map(|line| match &line.event {
        TraceEvent::Message { from, to, message, fate } if *fate == wanted => {
            Some((line.step, LaneId::Server(*from), LaneId::Server(*to), message.as_str()))
        }
        _ => None,
    });
    messages.collect()
}

/// Whether a pause of the receiver ends at this moment: what arrived in it is handled now.
fn waits_for_receiver(bands: &[Band], to: LaneId, at: Time) -> bool {
    bands.iter().any(|band| band.kind == "pause" && band.to == at && !band.open && band.lanes.contains(&to))
}
