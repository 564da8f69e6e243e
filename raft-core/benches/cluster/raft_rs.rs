//! raft-rs with a host that follows its documentation: `ready`, append, `advance`, `advance_apply`.
//!
//! `Ready`s are handled synchronously. The log is in raft-rs's own `MemStorage`, as raft-core's is in the
//! core. A leader sends no message just to report a commit (`skip_bcast_commit`), because raft-core does not
//! either. `BATCH` is its option to add entries to a message that is not yet taken: off by default, on in
//! TiKV. Both are measured, and the faster one is compared.

use crate::cluster::{MAX_IN_FLIGHT, MAX_MESSAGE_BYTES, Server};
use raft::prelude::{ConfState, Config, Entry, Message, RawNode};
use raft::storage::{MemStorage, Storage};
use slog::{Discard, Logger, o};

/// One server and its host.
pub(crate) struct RaftRs<const BATCH: bool> {
    node: RawNode<MemStorage>,
    applied: usize,
}

impl<const BATCH: bool> RaftRs<BATCH> {
    fn apply(&mut self, entries: Vec<Entry>) {
        self.applied += entries.iter().filter(|entry| !entry.data.is_empty()).count();
    }
}

/// raft-rs numbers servers from 1.
fn send(messages: Vec<Message>, inboxes: &mut [Vec<Message>]) {
    messages.into_iter().for_each(|message| inboxes[message.to as usize - 1].push(message));
}

impl<const BATCH: bool> Server for RaftRs<BATCH> {
    type Envelope = Message;

    fn new(position: usize, size: usize) -> RaftRs<BATCH> {
        let config = Config {
            id: position as u64 + 1,
            election_tick: 10,
            heartbeat_tick: 3,
            max_size_per_msg: MAX_MESSAGE_BYTES,
            max_inflight_msgs: MAX_IN_FLIGHT,
            check_quorum: true,
            skip_bcast_commit: true,
            batch_append: BATCH,
            ..Config::default()
        };
        let voters: Vec<u64> = (1..=size as u64).collect();
        let storage = MemStorage::new_with_conf_state(ConfState::from((voters, Vec::new())));
        let node =
            RawNode::new(&config, storage, &Logger::root(Discard, o!())).expect("the settings must be valid");
        RaftRs { node, applied: 0 }
    }

    fn campaign(&mut self) {
        self.node.campaign().expect("the first server must be able to campaign");
    }

    fn propose(&mut self, command: Vec<u8>) {
        self.node.propose(Vec::new(), command).expect("the first server must be the leader");
    }

    fn take_turn(&mut self, inbox: &mut Vec<Message>, inboxes: &mut [Vec<Message>]) {
        inbox.drain(..).for_each(|envelope| self.node.step(envelope).expect("every message must be valid"));
        while self.node.has_ready() {
            let store = self.node.raft.raft_log.store.clone();
            let mut ready = self.node.ready();
            send(ready.take_messages(), inboxes);
            self.apply(ready.take_committed_entries());
            if !ready.entries().is_empty() {
                store.wl().append(ready.entries()).expect("the entries must follow the log");
            }
            if let Some(state) = ready.hs() {
                store.wl().set_hardstate(state.clone());
            }
            send(ready.take_persisted_messages(), inboxes);
            let mut light = self.node.advance(ready);
            if let Some(commit) = light.commit_index() {
                store.wl().mut_hard_state().set_commit(commit);
            }
            send(light.take_messages(), inboxes);
            self.apply(light.take_committed_entries());
            self.node.advance_apply();
        }
    }

    fn applied(&self) -> usize {
        self.applied
    }

    fn last_index(&self) -> u64 {
        self.node.store().last_index().expect("the memory storage must not fail")
    }
}
