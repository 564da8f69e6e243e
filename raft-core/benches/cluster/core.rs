//! raft-core with a host that carries out its effects as `raft_core::io` says.

use super::{MAX_IN_FLIGHT, MAX_MESSAGE_BYTES, Server};
use raft_core::{
    Config, Effect, Envelope, Input, NodeId, Payload, Raft, ReadConfirmation, Recovered, RequestId, SaveId,
    Timestamp,
};

/// One server and its host.
pub(crate) struct Core {
    raft: Raft,
    /// Inputs of its own host since its last turn.
    inputs: Vec<Input>,
    effects: Vec<Effect>,
    applied: usize,
    answered: usize,
    proposed: u64,
}

/// Replaces a message that was sent.
const SENT: Effect = Effect::ReadNow { request: RequestId(0), confirmation: ReadConfirmation::Quorum };

/// The clock stands still: only the first deadline is ever stepped.
const NOW: Timestamp = Timestamp(1_000_000_000);

impl Core {
    /// Returns the newest write, if there is one.
    fn run_effects(&mut self, inboxes: &mut [Vec<Envelope>]) -> Option<SaveId> {
        let mut saved = None;
        // Effects are handled in place; only messages move.
        for effect in &mut self.effects {
            match effect {
                Effect::Save { id, .. } => saved = Some(*id),
                Effect::Send(envelope) => {
                    let to = envelope.to.id.0 as usize;
                    let Effect::Send(envelope) = std::mem::replace(effect, SENT) else { continue };
                    inboxes[to].push(envelope);
                }
                Effect::Apply { entries, .. } => {
                    let commands =
                        entries.iter().filter(|entry| matches!(entry.payload, Payload::Command(_)));
                    self.applied += commands.count();
                }
                Effect::Respond { .. } => self.answered += 1,
                Effect::ReadConfirmed { .. } | Effect::ReadNow { .. } | Effect::Restore(_) => {}
            }
        }
        self.effects.clear();
        saved
    }
}

impl Server for Core {
    type Envelope = Envelope;

    fn new(position: usize, size: usize) -> Core {
        let id = NodeId(position as u64);
        let config = Config {
            pre_vote: false,
            max_batch_entries: usize::MAX,
            max_batch_bytes: MAX_MESSAGE_BYTES,
            max_in_flight_messages: MAX_IN_FLIGHT,
            ..Config::new(id, (0..size as u64).map(NodeId).collect())
        };
        let raft = Raft::new(config, Recovered::default(), Timestamp(0)).expect("the settings must be valid");
        let mut server =
            Core { raft, inputs: Vec::new(), effects: Vec::new(), applied: 0, answered: 0, proposed: 0 };
        server.inputs.push(Input::Saved(SaveId(0)));
        server
    }

    fn campaign(&mut self) {
        self.inputs.push(Input::Timer);
    }

    fn propose(&mut self, command: Vec<u8>) {
        let request = RequestId(self.proposed);
        self.proposed += 1;
        self.inputs.push(Input::Propose { request, command: command.into() });
    }

    fn take_turn(&mut self, inbox: &mut Vec<Envelope>, inboxes: &mut [Vec<Envelope>]) {
        if self.inputs.is_empty() && inbox.is_empty() {
            return;
        }
        let messages = inbox.drain(..).map(Input::Receive);
        if self.inputs.is_empty() {
            self.raft.step_all(NOW, messages, &mut self.effects);
        } else {
            self.raft.step_all(NOW, self.inputs.drain(..).chain(messages), &mut self.effects);
        }
        while let Some(id) = self.run_effects(inboxes) {
            self.raft.step(NOW, Input::Saved(id), &mut self.effects);
        }
    }

    fn applied(&self) -> usize {
        self.applied
    }

    fn last_index(&self) -> u64 {
        self.raft.last().index.0
    }
}
