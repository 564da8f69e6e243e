//! Messages of raft-rs, and what stands in the log as bytes.

use bytes::Bytes;
use harness::parts::LogEntry;
use invariants::{Configuration, Digest};
use raft::eraftpb::{ConfState, Entry, EntryType, Message};
use std::fmt;

/// A message between servers.
#[derive(Clone, Debug)]
pub struct RaftMessage(pub Message);

impl fmt::Display for RaftMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let m = &self.0;
        let (kind, rejected) = (m.get_msg_type(), if m.reject { ", rejected" } else { "" });
        write!(f, "{kind:?} term {}, at {}@{}, commit {}{rejected}", m.term, m.index, m.log_term, m.commit)?;
        m.entries.iter().try_for_each(|entry| write!(f, ", {}@{}", entry.index, entry.term))
    }
}

/// An entry for the log: its type as kind, and the length of the context before context and data.
pub(crate) fn encode(entry: &Entry) -> LogEntry {
    let length = u8::try_from(entry.context.len()).expect("contexts are tokens of 16 bytes");
    let content = [&[length], &*entry.context, &*entry.data].concat();
    (entry.term, entry.get_entry_type() as u8, content.into())
}

/// The entry at `index`, as [`encode`] left it.
pub(crate) fn decode(index: u64, (term, kind, bytes): &LogEntry) -> Entry {
    let kinds = [EntryType::EntryNormal, EntryType::EntryConfChange, EntryType::EntryConfChangeV2];
    let data = 1 + usize::from(bytes[0]);
    let (context, data) = (bytes.slice(1..data), bytes.slice(data..));
    let mut entry = Entry { index, term: *term, context, data, ..Entry::default() };
    entry.set_entry_type(kinds[usize::from(*kind)]);
    entry
}

/// A configuration as bytes, which depend on its members only.
pub(crate) fn to_bytes(mut state: ConfState) -> Bytes {
    let lists =
        [&mut state.voters, &mut state.voters_outgoing, &mut state.learners, &mut state.learners_next];
    lists.into_iter().for_each(|list| list.sort_unstable());
    protobuf::Message::write_to_bytes(&state).expect("a message in memory can be written").into()
}

/// A message of the library that it, or this crate, has written.
pub(crate) fn from_bytes<M: protobuf::Message>(bytes: &[u8]) -> M {
    M::parse_from_bytes(bytes).expect("the log returns the bytes that were written")
}

/// A configuration as facts state it.
pub(crate) fn fact_configuration(bytes: &[u8]) -> Configuration {
    let state: ConfState = from_bytes(bytes);
    Configuration {
        voters: state.voters,
        joint: state.voters_outgoing,
        learners: state.learners,
        digest: Some(Digest::of(bytes)),
        ..Configuration::default()
    }
}
