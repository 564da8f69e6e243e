//! Messages of raft-rs, and its protocol buffers as bytes.

use invariants::{Configuration, Digest, LogId};
use raft::eraftpb::{ConfState, Entry, EntryType, Message, MessageType};
use std::fmt;

/// A message between servers.
#[derive(Clone, Debug)]
pub struct RaftMessage(pub Message);

impl fmt::Display for RaftMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let m = &self.0;
        write!(f, "{:?} term {}", m.get_msg_type(), m.term)?;
        match m.get_msg_type() {
            MessageType::MsgAppend => {
                write!(f, ", after {}@{}, commit {}", m.index, m.log_term, m.commit)?;
                m.entries.iter().try_for_each(|entry| write!(f, ", {}@{}", entry.index, entry.term))
            }
            MessageType::MsgSnapshot => {
                let metadata = m.get_snapshot().get_metadata();
                write!(f, ", up to {}@{}", metadata.index, metadata.term)
            }
            MessageType::MsgAppendResponse if m.reject => {
                write!(f, ", rejects {}, try {}@{}", m.index, m.reject_hint, m.log_term)
            }
            MessageType::MsgAppendResponse | MessageType::MsgReadIndexResp => {
                write!(f, ", index {}", m.index)
            }
            MessageType::MsgRequestVote | MessageType::MsgRequestPreVote => {
                write!(f, ", log up to {}@{}", m.index, m.log_term)
            }
            MessageType::MsgRequestVoteResponse | MessageType::MsgRequestPreVoteResponse => {
                f.write_str(if m.reject { ", rejected" } else { ", granted" })
            }
            MessageType::MsgHeartbeat => write!(f, ", commit {}", m.commit),
            _ => Ok(()),
        }
    }
}

/// Kind and content of an entry for the log: the type, and the length of the context before context and data.
pub(crate) fn encode(entry: &Entry) -> (u64, u8, Vec<u8>) {
    let length = u8::try_from(entry.context.len()).expect("contexts are tokens of 16 bytes");
    (entry.term, entry.get_entry_type() as u8, [&[length], &*entry.context, &*entry.data].concat())
}

/// The entry at `index`, as [`encode`] left it.
pub(crate) fn decode(index: u64, (term, kind, bytes): &(u64, u8, bytes::Bytes)) -> Entry {
    let kinds = [EntryType::EntryNormal, EntryType::EntryConfChange, EntryType::EntryConfChangeV2];
    let data = 1 + usize::from(bytes[0]);
    let mut entry = Entry { index, term: *term, ..Entry::default() };
    entry.set_entry_type(kinds[usize::from(*kind)]);
    entry.set_context(bytes.slice(1..data));
    entry.set_data(bytes.slice(data..));
    entry
}

/// The bytes of a message of the library. They depend on its contents only.
pub(crate) fn to_bytes(message: &impl protobuf::Message) -> Vec<u8> {
    message.write_to_bytes().expect("a message in memory can be written")
}

/// A message of the library from bytes that [`to_bytes`] made, or that the library itself put into an entry.
pub(crate) fn from_bytes<M: protobuf::Message>(bytes: &[u8]) -> M {
    M::parse_from_bytes(bytes).expect("the log returns the bytes that were written")
}

/// A configuration with its lists in order, as facts and digests need it.
pub(crate) fn sorted(mut state: ConfState) -> ConfState {
    let lists =
        [&mut state.voters, &mut state.voters_outgoing, &mut state.learners, &mut state.learners_next];
    lists.into_iter().for_each(|list| list.sort_unstable());
    state
}

/// A configuration as facts state it.
pub(crate) fn fact_configuration(state: &ConfState) -> Configuration {
    Configuration {
        voters: state.voters.clone(),
        joint: state.voters_outgoing.clone(),
        learners: state.learners.clone(),
        digest: Some(Digest::of(&to_bytes(state))),
        ..Configuration::default()
    }
}

/// The last entry of a snapshot.
pub(crate) fn last_of(snapshot: &raft::eraftpb::Snapshot) -> LogId {
    LogId { index: snapshot.get_metadata().index, term: snapshot.get_metadata().term }
}
