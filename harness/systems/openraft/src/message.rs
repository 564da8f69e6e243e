//! The types of openraft's log and messages.

use crate::runtime::Runtime;
use harness::workload::ClientResponse;
use invariants::{Configuration, Digest};
use openraft::alias::{EntryOf, LeaderIdOf, LogIdOf, SnapshotMetaOf, StoredMembershipOf, VoteOf};
use openraft::impls::EmptyNode;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{EntryPayload, Membership};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt::{self, Display};

openraft::declare_raft_types!(
    /// The types of this system. Terms have several leaders, as is openraft's default.
    pub Types:
        D = Command,
        R = Executed,
        Node = EmptyNode,
        AsyncRuntime = Runtime,
);

pub(crate) type Entry = EntryOf<Types>;
pub(crate) type LeaderId = LeaderIdOf<Types>;
pub(crate) type LogId = LogIdOf<Types>;
pub(crate) type Vote = VoteOf<Types>;
pub(crate) type SnapshotMeta = SnapshotMetaOf<Types>;
pub(crate) type StoredMembership = StoredMembershipOf<Types>;

/// A command of the application, encoded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Command(pub Vec<u8>);

/// What the application did with a command: its response to the client, if any.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Executed(pub Option<ClientResponse>);

impl Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// As hexadecimal digits.
impl Serialize for Command {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&Hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Command, D::Error> {
        let text = String::deserialize(from)?;
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(byte).collect();
        bytes.map(Command).ok_or_else(|| serde::de::Error::custom("not hexadecimal"))
    }
}

struct Hex<'a>(&'a [u8]);

impl Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// openraft demands it of a response, but responses stay in the server.
impl Serialize for Executed {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("responses are not stored"))
    }
}

impl<'de> Deserialize<'de> for Executed {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Executed, D::Error> {
        Err(serde::de::Error::custom("responses are not stored"))
    }
}

/// A leader as the number that facts call its term. By default openraft orders leaders by term and then by node, and a
/// term has several: so term 3 of n2 is 302. 1 is the leader of the first configuration, which has none.
pub(crate) fn fold(leader: &LeaderId) -> u64 {
    (leader.term * LEADERS_PER_TERM + leader.node_id).max(1)
}

/// Node numbers are smaller.
const LEADERS_PER_TERM: u64 = 100;

/// The id of an entry, for facts. openraft counts from 0, facts from 1.
pub(crate) fn fact_log_id(id: &LogId) -> invariants::LogId {
    invariants::LogId { index: id.index + 1, term: fold(&id.leader_id) }
}

/// A configuration, for facts.
pub(crate) fn fact_configuration(membership: &Membership<u64, EmptyNode>) -> Configuration {
    let mut halves = membership.get_joint_config().iter().map(|half| half.iter().copied().collect());
    Configuration {
        voters: halves.next().unwrap_or_default(),
        joint: halves.next().unwrap_or_default(),
        further: halves.collect(),
        learners: membership.learner_ids().collect(),
        digest: None,
    }
}

/// The content of an entry, for facts.
pub(crate) fn content_digest(entry: &Entry) -> Digest {
    match &entry.payload {
        EntryPayload::Blank => Digest::EMPTY,
        EntryPayload::Normal(command) => Digest::of(&command.0).then(1),
        EntryPayload::Membership(membership) => Digest::of(membership.to_string().as_bytes()).then(2),
    }
}

/// A message between servers: a call, or the answer to one.
#[derive(Clone, Debug)]
pub struct Message {
    /// The number of the call, unlike that of any other.
    pub call: u64,
    pub body: Body,
}

/// What a message says.
#[derive(Clone, Debug)]
pub enum Body {
    Append(Box<AppendEntriesRequest<Types>>),
    Appended(AppendEntriesResponse<Types>),
    Vote(VoteRequest<Types>),
    PreVote(VoteRequest<Types>),
    Voted(VoteResponse<Types>),
    Snapshot { vote: Vote, meta: Box<SnapshotMeta>, image: Vec<u8> },
    Installed(SnapshotResponse<Types>),
    Transfer(TransferLeaderRequest<Types>),
    Transferred(TransferLeaderResponse<Types>),
}

impl Body {
    /// Whether it answers a call.
    pub fn is_answer(&self) -> bool {
        matches!(self, Body::Appended(_) | Body::Voted(_) | Body::Installed(_) | Body::Transferred(_))
    }
}

impl Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.body {
            Body::Append(request) => write!(f, "append {request}"),
            Body::Appended(response) => write!(f, "appended {response}"),
            Body::Vote(request) => write!(f, "vote {request}"),
            Body::PreVote(request) => write!(f, "pre-vote {request}"),
            Body::Voted(response) => write!(f, "voted {response}"),
            Body::Snapshot { vote, meta, image } => {
                write!(f, "snapshot {meta} of {} bytes by {vote}", image.len())
            }
            Body::Installed(response) => write!(f, "installed {response:?}"),
            Body::Transfer(request) => write!(f, "transfer {request}"),
            Body::Transferred(response) => write!(f, "transferred {response:?}"),
        }
    }
}
