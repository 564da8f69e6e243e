//! Entries as bytes, as digests and as facts.

use bytes::Buf;
use invariants::{Configuration, Digest, ServerFact};
use raft_core::{DirectoryId, Entry, Index, NodeId, Payload};
use std::borrow::Cow;
use std::sync::Arc;

/// Kinds of entries in the log file.
const NOOP: u8 = 0;
const COMMAND: u8 = 1;
const CONFIGURATION: u8 = 2;

/// The kind and content of an entry for the log file.
pub(super) fn encode(payload: &Payload) -> (u8, Cow<'_, [u8]>) {
    match payload {
        Payload::Noop => (NOOP, Cow::Borrowed(&[])),
        Payload::Command(command) => (COMMAND, Cow::Borrowed(command)),
        Payload::Configuration(configuration) => {
            (CONFIGURATION, Cow::Owned(encode_configuration(configuration)))
        }
    }
}

/// The configuration as bytes: its lists, each after its length, then the directory ids up to the end.
pub(super) fn encode_configuration(configuration: &raft_core::Configuration) -> Vec<u8> {
    let raft_core::Configuration { voters, old_voters, learners, learners_next, auto_leave, directory_ids } =
        configuration;
    let mut bytes = vec![u8::from(*auto_leave)];
    for nodes in [voters, old_voters, learners, learners_next] {
        bytes.extend((nodes.len() as u32).to_le_bytes());
        nodes.iter().for_each(|node| bytes.extend(node.0.to_le_bytes()));
    }
    for (node, directory_id) in directory_ids {
        bytes.extend(node.0.to_le_bytes());
        bytes.extend(directory_id.0.to_le_bytes());
    }
    bytes
}

pub(super) fn decode_configuration(mut bytes: &[u8]) -> raft_core::Configuration {
    let auto_leave = bytes.get_u8() != 0;
    let mut nodes = || (0..bytes.get_u32_le()).map(|_| NodeId(bytes.get_u64_le())).collect();
    let [voters, old_voters, learners, learners_next] = [nodes(), nodes(), nodes(), nodes()];
    let mut directory_ids = Vec::new();
    while bytes.has_remaining() {
        directory_ids.push((NodeId(bytes.get_u64_le()), DirectoryId(bytes.get_u64_le())));
    }
    raft_core::Configuration { voters, old_voters, learners, learners_next, auto_leave, directory_ids }
}

pub(super) fn payload_digest(payload: &Payload) -> Digest {
    let (kind, bytes) = encode(payload);
    Digest::of(&bytes).then(u64::from(kind))
}

pub(super) fn decode_entry((term, kind, bytes): (u64, u8, bytes::Bytes)) -> Entry {
    let payload = match kind {
        COMMAND => Payload::Command(bytes),
        CONFIGURATION => Payload::Configuration(Arc::new(decode_configuration(&bytes))),
        _ => Payload::Noop,
    };
    Entry { term: raft_core::Term(term), payload }
}

/// A configuration as facts state it.
pub(super) fn fact_configuration(configuration: &raft_core::Configuration) -> Configuration {
    let numbers = |nodes: &[NodeId]| nodes.iter().map(|node| node.0).collect();
    Configuration {
        voters: numbers(&configuration.voters),
        joint: numbers(&configuration.old_voters),
        further: Vec::new(),
        learners: numbers(&configuration.learners),
        digest: Some(Digest::of(&encode_configuration(configuration))),
    }
}

pub(super) fn configured_fact(index: Index, configuration: &raft_core::Configuration) -> ServerFact {
    ServerFact::Configured { index: index.0, configuration: Box::new(fact_configuration(configuration)) }
}
