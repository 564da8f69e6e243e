//! A run as a Perfetto trace: tracks of servers and clients with roles, events, operations, syncs, and messages as flows.
//!
//! The messages are the part of Perfetto's TrackEvent format that is written here; field numbers are those of
//! `protos/perfetto/trace`.

use super::{Arrow, LaneId, Picture};
use prost::Message;
use std::collections::BTreeMap;

/// A trace.
#[derive(Clone, PartialEq, Message)]
pub struct Trace {
    /// Its packets.
    #[prost(message, repeated, tag = "1")]
    pub packet: Vec<TracePacket>,
}

/// A packet: the description of a track, or an event on one.
#[derive(Clone, PartialEq, Message)]
pub struct TracePacket {
    /// Nanoseconds.
    #[prost(uint64, optional, tag = "8")]
    pub timestamp: Option<u64>,
    /// The writer.
    #[prost(uint32, optional, tag = "10")]
    pub trusted_packet_sequence_id: Option<u32>,
    /// An event.
    #[prost(message, optional, tag = "11")]
    pub track_event: Option<TrackEvent>,
    /// A track.
    #[prost(message, optional, tag = "60")]
    pub track_descriptor: Option<TrackDescriptor>,
}

/// A track.
#[derive(Clone, PartialEq, Message)]
pub struct TrackDescriptor {
    /// Its number.
    #[prost(uint64, optional, tag = "1")]
    pub uuid: Option<u64>,
    /// Its name.
    #[prost(string, optional, tag = "2")]
    pub name: Option<String>,
    /// The track that it is below.
    #[prost(uint64, optional, tag = "5")]
    pub parent_uuid: Option<u64>,
    /// Set if its events are values.
    #[prost(message, optional, tag = "8")]
    pub counter: Option<CounterDescriptor>,
}

/// How values are shown: as they are.
#[derive(Clone, PartialEq, Message)]
pub struct CounterDescriptor {}

/// An event.
#[derive(Clone, PartialEq, Message)]
pub struct TrackEvent {
    /// What it says beside its name.
    #[prost(message, repeated, tag = "4")]
    pub debug_annotations: Vec<DebugAnnotation>,
    /// One of [`EventType`].
    #[prost(enumeration = "EventType", optional, tag = "9")]
    pub r#type: Option<i32>,
    /// Its track.
    #[prost(uint64, optional, tag = "11")]
    pub track_uuid: Option<u64>,
    /// Its kind.
    #[prost(string, repeated, tag = "22")]
    pub categories: Vec<String>,
    /// Its name.
    #[prost(string, optional, tag = "23")]
    pub name: Option<String>,
    /// The value of a counter.
    #[prost(int64, optional, tag = "30")]
    pub counter_value: Option<i64>,
    /// Messages that go on.
    #[prost(fixed64, repeated, packed = "false", tag = "47")]
    pub flow_ids: Vec<u64>,
    /// Messages that end.
    #[prost(fixed64, repeated, packed = "false", tag = "48")]
    pub terminating_flow_ids: Vec<u64>,
}

/// A named text.
#[derive(Clone, PartialEq, Message)]
pub struct DebugAnnotation {
    /// The text.
    #[prost(string, optional, tag = "6")]
    pub string_value: Option<String>,
    /// The name.
    #[prost(string, optional, tag = "10")]
    pub name: Option<String>,
}

/// The kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum EventType {
    /// None.
    Unspecified = 0,
    /// Something begins.
    SliceBegin = 1,
    /// What began last ends.
    SliceEnd = 2,
    /// Something happens at once.
    Instant = 3,
    /// A value changes.
    Counter = 4,
}

/// The bytes of the trace.
#[must_use]
pub fn perfetto(picture: &Picture) -> Vec<u8> {
    let mut writer = Writer::default();
    let faults = writer.track("faults", None);
    for (number, band) in picture.bands.iter().enumerate() {
        // Faults overlap: each has its own track.
        let track = writer.track(&format!("{}. {}", number + 1, band.text), Some(faults));
        writer.slice(track, (band.from, band.to.max(band.from + 1)), &band.text, "fault");
    }
    for lane in &picture.lanes {
        writer.lane(picture, lane.id);
    }
    picture.arrows.iter().enumerate().for_each(|(number, arrow)| writer.arrow(number as u64 + 1, arrow));
    // Readers expect the packets of a writer in order of time, descriptions first.
    writer.packets.sort_by_key(|packet| packet.timestamp);
    Trace { packet: writer.packets }.encode_to_vec()
}

#[derive(Default)]
struct Writer {
    packets: Vec<TracePacket>,
    tracks: u64,
    /// Where messages are sent and arrive.
    messages: BTreeMap<LaneId, u64>,
}

impl Writer {
    fn track(&mut self, name: &str, parent: Option<u64>) -> u64 {
        self.describe(name, parent, None)
    }

    fn describe(&mut self, name: &str, parent_uuid: Option<u64>, counter: Option<CounterDescriptor>) -> u64 {
        self.tracks += 1;
        let (uuid, name) = (Some(self.tracks), Some(name.to_owned()));
        let track_descriptor = Some(TrackDescriptor { uuid, name, parent_uuid, counter });
        self.packets.push(TracePacket { track_descriptor, ..self.packet(None) });
        self.tracks
    }

    fn packet(&self, timestamp: Option<u64>) -> TracePacket {
        TracePacket { timestamp, trusted_packet_sequence_id: Some(1), ..TracePacket::default() }
    }

    fn event(&mut self, track: u64, at: u64, kind: EventType, event: TrackEvent) {
        let event = TrackEvent { r#type: Some(kind.into()), track_uuid: Some(track), ..event };
        self.packets.push(TracePacket { track_event: Some(event), ..self.packet(Some(at)) });
    }

    fn slice(&mut self, track: u64, (from, to): (u64, u64), name: &str, category: &str) {
        self.event(track, from, EventType::SliceBegin, named(name, category));
        self.event(track, to, EventType::SliceEnd, TrackEvent::default());
    }

    /// The tracks of a server or client.
    fn lane(&mut self, picture: &Picture, id: LaneId) {
        let track = self.track(&id.to_string(), None);
        let events = self.track("events", Some(track));
        let messages = self.track("messages", Some(track));
        self.messages.insert(id, messages);
        for mark in picture.marks.iter().filter(|mark| mark.lanes.contains(&id)) {
            let category = if mark.in_clash {
                "clash"
            } else if mark.in_slice {
                "slice"
            } else {
                "event"
            };
            let mut event = named(&mark.text, category);
            event.debug_annotations.extend(mark.trigger.iter().map(|trigger| annotation("trigger", trigger)));
            event.debug_annotations.push(annotation("event", &mark.step.to_string()));
            self.event(events, mark.at, EventType::Instant, event);
        }
        match id {
            LaneId::Server(_) => self.server(picture, id, track),
            LaneId::Client(_) => self.client(picture, id, track),
        }
    }

    fn server(&mut self, picture: &Picture, id: LaneId, parent: u64) {
        let states: Vec<_> = picture.states.iter().filter(|state| state.lane == id).collect();
        let roles = self.track("role", Some(parent));
        let ends = states.iter().skip(1).map(|state| state.at).chain([picture.to]);
        for (state, end) in states.iter().zip(ends).filter(|(state, end)| state.at < *end) {
            let term = state.term.map_or_else(String::new, |term| format!(", term {term}"));
            self.slice(roles, (state.at, end), &format!("{}{term}", state.role), "role");
        }
        for (name, value) in [("commit index", 0), ("last index on disk", 1)] {
            let counter = self.describe(name, Some(parent), Some(CounterDescriptor {}));
            for state in &states {
                let value = [state.commit, state.durable][value];
                let counter_value = Some(i64::try_from(value).unwrap_or(i64::MAX));
                let event = TrackEvent { counter_value, ..TrackEvent::default() };
                self.event(counter, state.at, EventType::Counter, event);
            }
        }
        for sync in picture.syncs.iter().filter(|sync| sync.lane == id) {
            // Syncs overlap.
            let track = self.track("sync", Some(parent));
            let name = if sync.failed { "sync fails" } else { "sync" };
            self.slice(track, (sync.from, sync.to), name, "disk");
        }
    }

    fn client(&mut self, picture: &Picture, id: LaneId, parent: u64) {
        for operation in picture.operations.iter().filter(|operation| operation.lane == id) {
            let track = self.track(&operation.id, Some(parent));
            let name = format!("{}: {}", operation.text, operation.result);
            let end = operation.returned.unwrap_or(picture.to).max(operation.called);
            self.slice(track, (operation.called, end), &name, "operation");
        }
    }

    /// A message: an instant where it is sent and one where it arrives, joined by a flow.
    fn arrow(&mut self, flow: u64, arrow: &Arrow) {
        let (Some(&from), Some(&to)) = (self.messages.get(&arrow.from), self.messages.get(&arrow.to)) else {
            return;
        };
        let fate = if arrow.at.is_some() { "message" } else { "lost" };
        let sent = named(&format!("to {}: {}", arrow.to, arrow.text), fate);
        self.event(from, arrow.sent, EventType::Instant, TrackEvent { flow_ids: vec![flow], ..sent });
        if let Some(at) = arrow.at {
            let arrives = named(&format!("from {}: {}", arrow.from, arrow.text), "message");
            let arrives = TrackEvent { terminating_flow_ids: vec![flow], ..arrives };
            self.event(to, at, EventType::Instant, arrives);
        }
    }
}

fn named(name: &str, category: &str) -> TrackEvent {
    TrackEvent { name: Some(name.to_owned()), categories: vec![category.to_owned()], ..TrackEvent::default() }
}

fn annotation(name: &str, value: &str) -> DebugAnnotation {
    DebugAnnotation { name: Some(name.to_owned()), string_value: Some(value.to_owned()) }
}
