//! Messages of the library in one line each, for the timeline.

use crate::entry::{Command, Image};
use omnipaxos::ballot_leader_election::Ballot;
use omnipaxos::messages::Message;
use omnipaxos::messages::ballot_leader_election::HeartbeatMsg;
use omnipaxos::messages::sequence_paxos::PaxosMsg;
use omnipaxos::storage::SnapshotType;
use omnipaxos::util::{LogSync, SequenceNumber};
use std::fmt;

/// A message as one line.
#[derive(Debug)]
pub struct Line<'a, const SNAPSHOTS: bool>(pub &'a Message<Command<SNAPSHOTS>>);

/// A ballot: its number and its server.
struct Short(Ballot);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.n{}", self.0.n, self.0.pid)
    }
}

struct Sequence(SequenceNumber);

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0.session, self.0.counter)
    }
}

struct Sync<'a, const SNAPSHOTS: bool>(&'a LogSync<Command<SNAPSHOTS>>);

impl<const SNAPSHOTS: bool> fmt::Display for Sync<'_, SNAPSHOTS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.decided_snapshot {
            None => {}
            Some(SnapshotType::Delta(Image::Commands(commands))) => {
                write!(f, "delta of {} entries, ", commands.len())?;
            }
            Some(SnapshotType::Delta(_)) => f.write_str("delta, ")?,
            Some(SnapshotType::Complete(_)) => f.write_str("snapshot, ")?,
        }
        write!(f, "log from {} with {} entries", self.0.sync_idx, self.0.suffix.len())
    }
}

impl<const SNAPSHOTS: bool> fmt::Display for Line<'_, SNAPSHOTS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = match self.0 {
            Message::BLE(message) => {
                return match &message.msg {
                    HeartbeatMsg::Request(request) => write!(f, "heartbeat {}", request.round),
                    HeartbeatMsg::Reply(reply) => write!(
                        f,
                        "heartbeat reply {}: ballot {}, leader {}, {}",
                        reply.round,
                        Short(reply.ballot),
                        Short(reply.leader),
                        if reply.happy { "happy" } else { "unhappy" }
                    ),
                };
            }
            Message::SequencePaxos(message) => &message.msg,
        };
        match message {
            PaxosMsg::PrepareReq(request) => write!(f, "PrepareReq {}", Short(request.n)),
            PaxosMsg::Prepare(prepare) => write!(
                f,
                "Prepare {}: accepted {} in {}, decided {}",
                Short(prepare.n),
                prepare.accepted_idx,
                Short(prepare.n_accepted),
                prepare.decided_idx
            ),
            PaxosMsg::Promise(promise) => {
                write!(
                    f,
                    "Promise {}: accepted {} in {}, decided {}",
                    Short(promise.n),
                    promise.accepted_idx,
                    Short(promise.n_accepted),
                    promise.decided_idx
                )?;
                match &promise.log_sync {
                    Some(sync) => write!(f, "; {}", Sync(sync)),
                    None => Ok(()),
                }
            }
            PaxosMsg::AcceptSync(sync) => write!(
                f,
                "AcceptSync {} {}: decided {}; {}",
                Short(sync.n),
                Sequence(sync.seq_num),
                sync.decided_idx,
                Sync(&sync.log_sync)
            ),
            PaxosMsg::AcceptDecide(accept) => write!(
                f,
                "AcceptDecide {} {}: {} entries, decided {}",
                Short(accept.n),
                Sequence(accept.seq_num),
                accept.entries.len(),
                accept.decided_idx
            ),
            PaxosMsg::Accepted(accepted) => {
                write!(f, "Accepted {}: {}", Short(accepted.n), accepted.accepted_idx)
            }
            PaxosMsg::NotAccepted(rejected) => write!(f, "NotAccepted {}", Short(rejected.n)),
            PaxosMsg::Decide(decide) => {
                write!(f, "Decide {} {}: {}", Short(decide.n), Sequence(decide.seq_num), decide.decided_idx)
            }
            PaxosMsg::ProposalForward(entries) => write!(f, "forwards {} entries", entries.len()),
            PaxosMsg::Compaction(compaction) => write!(f, "{compaction:?}"),
            PaxosMsg::AcceptStopSign(_) => f.write_str("AcceptStopSign"),
            PaxosMsg::ForwardStopSign(_) => f.write_str("forwards a stop sign"),
        }
    }
}
