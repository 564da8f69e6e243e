//! Steps an explored server, executes its effects, and states the facts, in the order in which a server in a sweep does
//! (`node.rs`).

use super::entry::{configured_fact, fact_configuration, payload_digest};
use super::explored_disk::started_fact;
use super::explored_server::{CoreServer, change, make_due_now, request, start_now, step_now};
use super::node::{fact_log_id, read_confirmed};
use crate::explore::Limit;
use bytes::Bytes;
use invariants::{Digest, Fact};
use raft_core::canonical::Due;
use raft_core::{
    Checkpoint, ConfChangeOp, Config, Effect, Envelope, Index, Input, LogId, Message, Payload, Raft, ReadKey,
    Recovered, RequestId, Response, SaveRecord, Snapshot,
};

/// The sessions of the requests in facts.
const WRITES: u64 = 1;
const READS: u64 = 2;

/// One step of one server.
pub(super) struct FactWriter<'a> {
    pub(super) server: &'a mut CoreServer,
    pub(super) facts: Vec<Fact>,
    pub(super) sent: Vec<Envelope>,
    effects: Vec<Effect>,
    /// Whether the history keeps what clients know.
    with_reads: bool,
}

/// What was stated about term, role and commit index.
#[derive(Clone, Copy)]
struct Stated {
    term: u64,
    leads: bool,
    committed: u64,
    last: LogId,
}

impl Stated {
    fn of(raft: &Raft) -> Stated {
        Stated {
            term: raft.term().0,
            leads: raft.is_leader(),
            committed: raft.commit_index().0,
            last: raft.last(),
        }
    }
}

impl FactWriter<'_> {
    pub(super) fn new(server: &mut CoreServer, with_reads: bool) -> FactWriter<'_> {
        FactWriter { server, facts: Vec::new(), sent: Vec::new(), effects: Vec::new(), with_reads }
    }

    /// The first start of a server.
    pub(super) fn start(&mut self) {
        self.facts.push(started_fact(&Recovered::default()));
        self.state_configurations();
    }

    fn state_configurations(&mut self) {
        for (index, configuration) in self.server.raft.log().configurations() {
            self.facts.push(configured_fact(*index, configuration).into());
        }
    }

    /// Steps the core, executes its effects, and states what follows.
    pub(super) fn step(&mut self, input: Input) {
        let before = Stated::of(&self.server.raft);
        let mut effects = std::mem::take(&mut self.effects);
        step_now(&mut self.server.raft, input, &mut effects);
        self.execute(before, &mut effects);
        self.effects = effects;
    }

    /// A timer fires. Returns whether it was set.
    pub(super) fn fire(&mut self, due: Due) -> bool {
        let is_set = make_due_now(&mut self.server.raft, due);
        if is_set {
            self.step(Input::Timer);
        }
        is_set
    }

    /// The oldest writes are durable.
    pub(super) fn complete_writes(&mut self, writes: usize) {
        let id = self.server.raft.writes_in_flight().nth(writes - 1).expect("a write in flight");
        for _ in 0..writes {
            let facts = self.server.disk.sync_one();
            self.facts.extend(facts);
        }
        self.step(Input::Saved(id));
    }

    /// All writes are durable, and those that follow from it.
    pub(super) fn complete_all_writes(&mut self) {
        while !self.server.raft.is_halted() {
            let writes = self.server.raft.writes_in_flight().len();
            if writes == 0 {
                return;
            }
            self.complete_writes(writes);
        }
    }

    /// The oldest write fails. A server that goes on all the same loses what was in flight.
    pub(super) fn fail_write(&mut self) {
        let before = self.server.disk.unsynced();
        self.step(Input::SaveFailed);
        if !self.server.raft.is_halted() {
            self.server.disk.lose_all_but(self.server.disk.unsynced() - before);
        }
    }

    /// The power is lost, and the server starts again.
    pub(super) fn crash(&mut self, config: Config, survivors: usize) {
        let recovered = self.server.disk.lose_power(survivors);
        self.facts.extend([Fact::PowerLost, Fact::Restarted, started_fact(&recovered)]);
        self.server.raft = start_now(config, recovered);
        self.server.applied = Digest::EMPTY;
        self.server.history.reads.clear();
        self.state_configurations();
        // A snapshot implies that its entries are committed.
        let index = self.server.raft.commit_index().0;
        if index > 0 {
            self.facts.push(Fact::Committed { index });
        }
    }

    pub(super) fn propose(&mut self, request: RequestId, number: u32) {
        self.step(Input::Propose { request, command: Bytes::from(vec![number as u8]) });
    }

    pub(super) fn read(&mut self, request: RequestId, number: u32, known: u32) {
        let read = invariants::RequestId { session: READS, sequence: u64::from(number) };
        self.facts.extend([Fact::ReadAsked { read }, Fact::ReadArrived { read }]);
        self.server.history.reads.push((number, known));
        let key = ReadKey(read.session, read.sequence);
        self.step(Input::Read { request, key });
    }

    pub(super) fn change(&mut self, request: RequestId, ops: Vec<ConfChangeOp>) {
        self.step(Input::ConfChange { request, change: change(ops) });
    }

    /// A snapshot of what was applied. The state is its digest.
    pub(super) fn compact(&mut self, request: RequestId) {
        let index = self.server.raft.last_applied();
        let data = Bytes::copy_from_slice(&self.server.applied.0.to_le_bytes());
        self.step(Input::Compact { request, index, data, keep: index });
    }

    fn execute(&mut self, before: Stated, effects: &mut Vec<Effect>) {
        let mut stated = before;
        self.observe(&mut stated);
        let commit_index = self.server.raft.commit_index().0;
        if self.server.raft.is_leader() {
            self.commit(&mut stated, commit_index);
        }
        let mut last = before.last.index;
        for effect in effects.iter() {
            if let Effect::Save { record, .. } = effect {
                match &record.checkpoint {
                    Some(checkpoint) => last = self.rewrite(record, checkpoint),
                    None => last = self.save(record, last),
                }
                self.server.disk.write(record.clone());
            }
        }
        self.commit(&mut stated, commit_index);
        for effect in effects.drain(..) {
            match effect {
                Effect::Save { .. } => {}
                Effect::Send(envelope) => {
                    self.promise(&envelope);
                    self.sent.push(envelope);
                }
                Effect::Restore(snapshot) => self.restore(&snapshot),
                Effect::Apply { first, entries } => self.apply(first, &entries),
                Effect::ReadNow { request, .. } => self.serve_read(request),
                Effect::ReadConfirmed { key, term, index, confirmation } => {
                    self.facts.push(read_confirmed(key, term, index, confirmation).into());
                }
                Effect::Respond { request, response } => self.respond(request, response),
            }
        }
    }

    /// States changes of term and role.
    fn observe(&mut self, stated: &mut Stated) {
        let raft = &self.server.raft;
        let (term, leads, committed) = (raft.term().0, raft.is_leader(), raft.commit_index().0);
        let before = *stated;
        if (before.term, before.leads) == (term, leads) {
            return;
        }
        if before.leads && before.term == term {
            // The leader commits its own removal and steps down: it commits as leader.
            self.commit_as(stated, committed, Some(before.term));
        }
        (stated.term, stated.leads) = (term, leads);
        if before.leads {
            self.facts.push(Fact::SteppedDown { term: before.term });
        }
        if term != before.term {
            self.facts.push(Fact::TermChanged { term });
        }
        if leads {
            // A single voter sends no vote request, but it campaigns.
            self.campaign(term);
            self.facts.push(Fact::Leads { term });
            self.server.history.led.push((term, before.last));
        }
    }

    fn commit(&mut self, stated: &mut Stated, index: u64) {
        let led = stated.leads.then_some(stated.term);
        self.commit_as(stated, index, led);
    }

    fn commit_as(&mut self, stated: &mut Stated, index: u64, led: Option<u64>) {
        if index == stated.committed {
            return;
        }
        stated.committed = index;
        self.facts.push(Fact::Committed { index });
        let term = self.server.raft.log().term_at(Index(index));
        if let (Some(led), Some(term)) = (led, term)
            && self.server.history.committed.is_none_or(|(entry, _)| entry.index.0 < index)
        {
            self.server.history.committed = Some((LogId { index: Index(index), term }, led));
        }
    }

    /// States that the server campaigns, once per term.
    fn campaign(&mut self, term: u64) {
        let own = self.server.raft.replica().id.0;
        if self.server.history.vote != Some((term, own)) {
            self.server.history.vote = Some((term, own));
            self.facts.push(Fact::Campaigned { term });
        }
    }

    /// States what a write means for the log; returns its last index.
    fn save(&mut self, record: &SaveRecord, last: Index) -> Index {
        if record.after < last {
            self.facts.push(Fact::Truncated { after: record.after.0 });
        }
        for (index, entry) in (record.after.0 + 1..).zip(&record.entries[..]) {
            let digest = payload_digest(&entry.payload);
            self.facts.push(Fact::Appended { index, term: entry.term.0, entry: digest });
            if let Payload::Configuration(configuration) = &entry.payload {
                self.facts.push(configured_fact(Index(index), configuration).into());
            }
        }
        Index(record.after.0 + record.entries.len() as u64)
    }

    fn rewrite(&mut self, record: &SaveRecord, checkpoint: &Checkpoint) -> Index {
        let Checkpoint { snapshot, installed, .. } = checkpoint;
        let last = fact_log_id(snapshot.last);
        let configuration = Box::new(fact_configuration(&snapshot.configuration));
        if *installed {
            self.facts.push(Fact::SnapshotInstalled { last, configuration });
            // What the core adopted, which a bug may have changed.
            let adopted = self.server.raft.log().configuration();
            self.facts.push(configured_fact(Index(last.index), adopted).into());
        } else {
            self.facts.push(Fact::SnapshotTaken { last, state: state_in(snapshot), configuration });
        }
        Index(record.after.0 + record.entries.len() as u64)
    }

    /// States the promise that a message makes, when it is sent.
    fn promise(&mut self, envelope: &Envelope) {
        let follows = self.server.raft.leader() == Some(envelope.to.id);
        let history = &mut self.server.history;
        match envelope.message {
            Message::RequestVote { term, .. } => self.campaign(term.0),
            Message::RequestVoteResponse { term, granted: true } => {
                let candidate = envelope.to.id.0;
                history.vote = history.vote.max(Some((term.0, candidate)));
                self.facts.push(Fact::Voted { term: term.0, candidate });
            }
            Message::AppendEntriesResponse { term, match_index, .. } => {
                let sent = Some((term.0, match_index.0));
                history.acknowledged = history.acknowledged.max(sent);
                self.facts.push(Fact::Acknowledged { term: term.0, index: match_index.0 });
            }
            Message::AppendEntriesRejected { term, .. } | Message::InstallSnapshotResponse { term, .. }
                if follows =>
            {
                self.facts.push(Fact::Answered { term: term.0 });
            }
            _ => {}
        }
    }

    fn apply(&mut self, first: Index, entries: &[raft_core::Entry]) {
        for (index, entry) in (first.0..).zip(entries) {
            let digest = payload_digest(&entry.payload);
            self.server.applied = self.server.applied.then_entry(index, digest);
            let state = self.server.applied;
            self.facts.push(Fact::Applied {
                index,
                entry: digest,
                state,
                effect: true,
                request: None,
                session: None,
            });
        }
    }

    fn restore(&mut self, snapshot: &Snapshot) {
        self.server.applied = state_in(snapshot);
        self.facts.push(Fact::Restored { index: snapshot.last.index.0, state: self.server.applied });
    }

    fn serve_read(&mut self, served: RequestId) {
        let Some(number) = (0..16).find(|number| request(Limit::Reads, *number) == served) else { return };
        self.server.history.reads.retain(|(open, _)| *open != number);
        let read = invariants::RequestId { session: READS, sequence: u64::from(number) };
        self.facts.push(Fact::ReadServed { read, applied: self.server.raft.last_applied().0 });
    }

    fn respond(&mut self, answered: RequestId, response: Response) {
        for number in 0..16 {
            if request(Limit::Reads, number) == answered {
                self.server.history.reads.retain(|(open, _)| *open != number);
            }
            if request(Limit::Proposals, number) == answered
                && let Response::Applied { index } = response
            {
                let write = invariants::RequestId { session: WRITES, sequence: u64::from(number) };
                self.facts.push(Fact::WriteAcknowledged { index: index.0, write });
                if self.with_reads {
                    self.server.history.known = self.server.history.known.max(index.0);
                }
            }
        }
    }
}

/// The state in a snapshot: its digest.
fn state_in(snapshot: &Snapshot) -> Digest {
    let bytes = snapshot.data.as_ref().try_into().expect("a snapshot in a scope is a digest");
    Digest(u64::from_le_bytes(bytes))
}
