//! The picture of a run, as data: what `report.json` holds, and what the HTML page, Mermaid, ShiViz and Perfetto files
//! are written from.
//!
//! It is built from the same typed events as the timeline of the plain page; no text is parsed. Times are nanoseconds
//! of simulated time. Lanes are named `n1` (a server) and `c1` (a client). `docs/pictures.md` says
//! how they are read, and `docs/report.schema.json` describes the JSON form.

mod source;
mod states;
mod bands;
mod arrows;
mod marks;
mod clients;
mod logs;
mod story;
mod build;
mod history;
mod mermaid;
mod shiviz;
#[cfg(feature = "perfetto")]
pub mod perfetto;
mod step_summary;

pub use super::lane::LaneId;
pub use build::{PictureLimits, facts_picture, picture, shrunk_picture};
pub use history::history_picture;
pub use mermaid::mermaid;
#[cfg(feature = "perfetto")]
pub use perfetto::perfetto;
pub use shiviz::{SHIVIZ_EXPRESSION, shiviz};
pub use step_summary::append_step_summary;

use crate::outcome::COMMIT;
use crate::outcome::signature::FailureSignature;
use crate::plan::GENERATOR_VERSION;
use invariants::{Index, Term, Time};
use serde::Serialize;

/// Version of the JSON form. It rises when a field changes its meaning or disappears.
pub const PICTURE_VERSION: u32 = 1;

/// A form of a picture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PictureForm {
    /// The value itself.
    Json,
    /// A sequence diagram of the causal slice.
    Mermaid,
    /// A log with vector clocks.
    Shiviz,
    /// A trace for Perfetto, in its binary format.
    #[cfg(feature = "perfetto")]
    Perfetto,
}

impl PictureForm {
    /// All forms of this build, with their names.
    pub const ALL: &[(&str, PictureForm)] = &[
        ("json", PictureForm::Json),
        ("mermaid", PictureForm::Mermaid),
        ("shiviz", PictureForm::Shiviz),
        #[cfg(feature = "perfetto")]
        ("perfetto", PictureForm::Perfetto),
    ];

    /// A picture in this form.
    #[must_use]
    pub fn write(self, picture: &Picture) -> Vec<u8> {
        match self {
            PictureForm::Json => (picture.to_json() + "\n").into_bytes(),
            PictureForm::Mermaid => mermaid(picture).into_bytes(),
            PictureForm::Shiviz => shiviz(picture).into_bytes(),
            #[cfg(feature = "perfetto")]
            PictureForm::Perfetto => perfetto(picture),
        }
    }
}

impl Picture {
    /// A picture of nothing.
    pub(in crate::report) fn empty() -> Picture {
        Picture {
            version: PICTURE_VERSION,
            title: String::new(),
            system: String::new(),
            generator_version: GENERATOR_VERSION,
            commit: COMMIT.to_owned(),
            verdict: "passed",
            signature: None,
            story: None,
            plan: String::new(),
            shrunk: None,
            window: None,
            from: 0,
            to: 0,
            lanes: Vec::new(),
            states: Vec::new(),
            marks: Vec::new(),
            arrows: Vec::new(),
            syncs: Vec::new(),
            bands: Vec::new(),
            clash: Vec::new(),
            operations: Vec::new(),
            explained_order: Vec::new(),
            forced_order: Vec::new(),
            logs: Vec::new(),
            commands: Vec::new(),
        }
    }

    /// The JSON form.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("all keys of a picture are strings")
    }
}

/// A run as it is drawn.
#[derive(Clone, Debug, Serialize)]
pub struct Picture {
    /// [`PICTURE_VERSION`].
    pub version: u32,
    /// The first line of the plain page.
    pub title: String,
    /// The system under test.
    pub system: String,
    /// Version of the plan generator.
    pub generator_version: u32,
    /// The commit of this build.
    pub commit: String,
    /// How the run ended: `passed`, `failed` or `unknown`.
    pub verdict: &'static str,
    /// The group that the failure belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<FailureSignature>,
    /// The failure in four answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub story: Option<Story>,
    /// The plan, as TOML.
    pub plan: String,
    /// How far it was shrunk, as a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shrunk: Option<String>,
    /// Why the picture does not show the whole run, as a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<String>,
    /// When the drawn part begins.
    pub from: Time,
    /// When it ends.
    pub to: Time,
    /// Servers, then clients.
    pub lanes: Vec<Lane>,
    /// What each server is, from a time on.
    pub states: Vec<State>,
    /// Events that change something, in order. Other parts name them by their position here.
    pub marks: Vec<Mark>,
    /// Messages, requests and replies.
    pub arrows: Vec<Arrow>,
    /// Disk writes, from the start of the sync to its end.
    pub syncs: Vec<Sync>,
    /// Faults.
    pub bands: Vec<Band>,
    /// The facts or events that contradict each other.
    pub clash: Vec<Side>,
    /// Client operations.
    pub operations: Vec<ClientOperation>,
    /// Operations, by their position among them, in the longest order that explains answers: all before the
    /// contradiction.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub explained_order: Vec<usize>,
    /// Precedences among operations that together have no order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub forced_order: Vec<Precedence>,
    /// What each server's log holds at the end of the drawn part.
    pub logs: Vec<ServerLog>,
    /// What to type next.
    pub commands: Vec<NextCommand>,
}

/// The failure in four answers.
#[derive(Clone, Debug, Serialize)]
pub struct Story {
    /// The property.
    pub property: String,
    /// What it promises.
    pub promised: String,
    /// What happened instead, line by line.
    pub observed: Vec<String>,
    /// Who broke it, a line for each side of the clash.
    pub broken_by: Vec<String>,
    /// When.
    pub when: String,
    /// The faults and the bug that made it possible.
    pub made_possible_by: Vec<String>,
}

/// A server or a client.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Lane {
    /// `n1` or `c1`.
    pub id: LaneId,
    /// `server` or `client`.
    pub kind: &'static str,
}

/// What a server is from a time on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct State {
    /// The server.
    pub lane: LaneId,
    /// From this time on.
    pub at: Time,
    /// `leader`, `candidate`, `follower`, `up` (the system states no roles) or `down`.
    pub role: &'static str,
    /// Its term, if it has stated one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub term: Option<Term>,
    /// Its commit index.
    pub commit: Index,
    /// The last index on its disk.
    pub durable: Index,
    /// The last index of its log.
    pub last: Index,
}

/// An event that changes something.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Mark {
    /// The number of the event.
    pub step: u64,
    /// When.
    pub at: Time,
    /// Who is concerned; empty: the world.
    pub lanes: Vec<LaneId>,
    /// What it changes.
    pub text: String,
    /// What triggered it, such as a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
    /// The events before it that it follows from: on the same lane, and where its message was sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<usize>,
    /// Whether the clash depends on it.
    #[serde(skip_serializing_if = "is_false")]
    pub in_slice: bool,
    /// Whether it is a side of the clash.
    #[serde(skip_serializing_if = "is_false")]
    pub in_clash: bool,
}

/// A message, a request or a reply.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Arrow {
    /// The sender.
    pub from: LaneId,
    /// The receiver.
    pub to: LaneId,
    /// When it is sent.
    pub sent: Time,
    /// When it arrives. A lost message has no arrival.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// The event in which it is sent. Some events of clients are not recorded.
    pub cause: u64,
    /// The event in which it arrives; of a lost one, that in which it is sent.
    pub step: u64,
    /// What it says.
    pub text: String,
    /// What became of it.
    #[serde(skip_serializing_if = "is_delivered")]
    pub fate: Fate,
    /// Whether the clash depends on it.
    #[serde(skip_serializing_if = "is_false")]
    pub in_slice: bool,
}

/// What became of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It arrives in its usual time.
    Delivered,
    /// The network loses it.
    Lost,
    /// There is no such receiver.
    NoReceiver,
    /// The network delivers it twice.
    Duplicated,
    /// It waits because its receiver is paused, or because the network holds it.
    Held,
    /// It takes longer than usual, or a later one overtakes it.
    Late,
}

/// A disk write from the start of its sync to the end.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Sync {
    /// The server.
    pub lane: LaneId,
    /// When the sync starts.
    pub from: Time,
    /// When it ends.
    pub to: Time,
    /// The event of its end.
    pub step: u64,
    /// Whether it failed.
    #[serde(skip_serializing_if = "is_false")]
    pub failed: bool,
}

/// A fault.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Band {
    /// Its position in the plan, from 1; 0: it is not a fault of the plan's list.
    pub number: u64,
    /// Its kind.
    pub kind: &'static str,
    /// The fault as the plan describes it.
    pub text: String,
    /// The servers that it affects; empty: all links.
    pub lanes: Vec<LaneId>,
    /// When it begins.
    pub from: Time,
    /// When it ends. One that happens at once ends when it begins.
    pub to: Time,
    /// Whether it lasts beyond the drawn part.
    #[serde(skip_serializing_if = "is_false")]
    pub open: bool,
}

/// A side of the clash.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Side {
    /// The event, by its position among the marks; `None` if it lies before the drawn part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mark: Option<usize>,
    /// When.
    pub at: Time,
    /// The number of the event.
    pub step: u64,
    /// Who; missing: no server or client in particular.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lane: Option<LaneId>,
    /// What.
    pub text: String,
}

/// An operation of a client.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ClientOperation {
    /// Its session and number: `s1#2`.
    pub id: String,
    /// The lane of its client.
    pub lane: LaneId,
    /// The key.
    pub key: String,
    /// What is asked.
    pub text: String,
    /// When it is called.
    pub called: Time,
    /// When it returns; `None`: it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub returned: Option<Time>,
    /// What the client saw.
    pub result: String,
    /// Whether the clash is about it.
    #[serde(skip_serializing_if = "is_false")]
    pub in_clash: bool,
}

/// One operation must precede another.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Precedence {
    /// The first, by its position among the operations.
    pub before: usize,
    /// The second.
    pub after: usize,
    /// Why.
    pub reason: String,
}

/// The log of a server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ServerLog {
    /// The server.
    pub lane: LaneId,
    /// As in [`State`].
    pub role: &'static str,
    /// Its term.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub term: Option<Term>,
    /// The index up to which entries are not listed.
    pub omitted: Index,
    /// The last entries, by index.
    pub entries: Vec<LogEntry>,
}

/// An entry in the log of a server, in memory or on disk.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct LogEntry {
    /// The index.
    pub index: Index,
    /// Its term in memory; `None`: it is only on disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub term: Option<Term>,
    /// Its term on disk; `None`: it is not durable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub durable: Option<Term>,
    /// Whether the server considers it committed.
    pub committed: bool,
    /// Whether the clash is about this index.
    #[serde(skip_serializing_if = "is_false")]
    pub in_clash: bool,
}

/// A command to continue with.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct NextCommand {
    /// What for.
    pub purpose: String,
    /// The command line.
    pub command: String,
}

/// For serde, which passes a reference.
fn is_false(flag: &bool) -> bool {
    !flag
}

/// For serde, which passes a reference.
fn is_delivered(fate: &Fate) -> bool {
    *fate == Fate::Delivered
}

#[cfg(test)]
pub(super) mod tests_support;
#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test reads what the program prints")]
mod tests;
