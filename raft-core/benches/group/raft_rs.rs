//! raft-rs with a host that does what its documentation says: `ready`, append, `advance`, `advance_apply`.
//!
//! `Ready`s are handled in the synchronous way. Its storage is its own `MemStorage`, where the entries are appended: its log
//! lives there, as raft-core's lives in the core. A leader does not send a message of its own just to say that something is
//! committed (`skip_bcast_commit`), for raft-core does not either. `BATCH` is its option to add entries to a message that is
//! not yet taken: off by default, on in TiKV; measured both ways, and compared with the faster.

use crate::group::{MOST_IN_A_MESSAGE, MOST_IN_FLIGHT, Server};
use raft::prelude::{ConfState, Config, Entry, Message, RawNode};
use raft::storage::{MemStorage, Storage};
use slog::{Discard, Logger, o};

/// One server and its host.
pub struct RaftRs<const BATCH: bool> {
    node: RawNode<MemStorage>,
    applied: usize,
}

impl<const BATCH: bool> RaftRs<BATCH> {
    fn apply(&mut self, entries: Vec<Entry>) {
        self.applied += entries.iter().filter(|entry| !entry.data.is_empty()).count();
    }
}

/// Numbers begin at 1 there.
fn send(messages: Vec<Message>, inboxes: &mut [Vec<Message>]) {
    messages.into_iter().for_each(|message| inboxes[message.to as usize - 1].push(message));
}

impl<const BATCH: bool> Server for RaftRs<BATCH> {
    type Envelope = Message;

    fn new(place: usize, size: usize) -> RaftRs<BATCH> {
        let config = Config {
            id: place as u64 + 1,
            election_tick: 10,
            heartbeat_tick: 3,
            max_size_per_msg: MOST_IN_A_MESSAGE,
            max_inflight_msgs: MOST_IN_FLIGHT,
            check_quorum: true,
            skip_bcast_commit: true,
            batch_append: BATCH,
            ..Config::default()
        };
        let voters: Vec<u64> = (1..=size as u64).collect();
        let storage = MemStorage::new_with_conf_state(ConfState::from((voters, Vec::new())));
        let node = RawNode::new(&config, storage, &Logger::root(Discard, o!())).expect("it can work");
        RaftRs { node, applied: 0 }
    }

    fn campaign(&mut self) {
        self.node.campaign().expect("it may");
    }

    fn propose(&mut self, command: Vec<u8>) {
        self.node.propose(Vec::new(), command).expect("it leads");
    }

    fn work(&mut self, inbox: &mut Vec<Message>, inboxes: &mut [Vec<Message>]) {
        inbox.drain(..).for_each(|envelope| self.node.step(envelope).expect("it fits"));
        while self.node.has_ready() {
            let store = self.node.raft.raft_log.store.clone();
            let mut ready = self.node.ready();
            send(ready.take_messages(), inboxes);
            self.apply(ready.take_committed_entries());
            if !ready.entries().is_empty() {
                store.wl().append(ready.entries()).expect("they follow the log");
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

    fn held(&self) -> u64 {
        self.node.store().last_index().expect("it is in memory")
    }
}
