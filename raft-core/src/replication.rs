//! Log replication (5.3) and commitment (5.3, 5.4.2).

use crate::answer::{Rejection, Response};
use crate::bug::Bug;
use crate::ids::{Index, LogId, NodeId, ReplicaKey, RequestId, Term, Timestamp};
use crate::io::Effect;
use crate::log::{ENTRY_COST, Entries, Entry, Payload};
use crate::membership::Configuration;
use crate::message::{Message, MessageContext};
use crate::progress::{FlightLimits, Progress, ProgressState};
use crate::raft::{Leader, PendingReads, Raft, Role, push_in_place};
use crate::saves::Promise;
use crate::snapshot::SnapshotChunk;
use bytes::Bytes;
use std::borrow::Cow;
use std::collections::VecDeque;

impl Raft {
    /// Leads from now on, and says so with an entry of its own term: only through one can it commit what it
    /// inherited (5.4.2).
    pub(crate) fn become_leader(&mut self, now: Timestamp) {
        let last = self.log.last().index;
        self.leader = Some(self.replica());
        self.role = Role::Leader(Leader {
            progress: Vec::new(),
            quorum_due: now.after(self.config.election_timeout),
            transfer: None,
            heartbeat_due: now.after(self.config.heartbeat_interval),
            proposals: VecDeque::new(),
            reads: PendingReads::default(),
            timeout_now_sent: false,
            uncommitted_bytes: 0,
        });
        self.append(Payload::Noop);
        self.sync_progress(now, last);
        self.replicate_to_all();
    }

    pub(crate) fn propose(
        &mut self,
        now: Timestamp,
        request: RequestId,
        command: Bytes,
        effects: &mut Vec<Effect>,
    ) {
        if !self.is_leader() {
            return self.forward_proposal(now, request, command, effects);
        }
        match self.append_command(command) {
            Ok(at) => {
                let Role::Leader(leader) = &mut self.role else { return };
                leader.proposals.push_back((at.index, request));
            }
            Err(why) => effects.push(Effect::Respond { request, response: Response::Rejected(why) }),
        }
    }

    /// A leader appends a command, unless it may not take any now.
    pub(crate) fn append_command(&mut self, command: Bytes) -> Result<LogId, Rejection> {
        if self.is_transferring() {
            return Err(Rejection::TransferInProgress);
        }
        if self.has_too_many_requests() {
            return Err(Rejection::TooManyRequests);
        }
        let (most, cost) = (self.config.max_uncommitted_bytes, ENTRY_COST + command.len() as u64);
        let Role::Leader(leader) = &mut self.role else { return Err(Rejection::TooMuchUncommitted) };
        if leader.uncommitted_bytes > 0 && leader.uncommitted_bytes.saturating_add(cost) > most {
            return Err(Rejection::TooMuchUncommitted);
        }
        leader.uncommitted_bytes += cost;
        let index = self.append(Payload::Command(command));
        self.replicate_to_all();
        Ok(LogId { index, term: self.term })
    }

    /// Adds an entry of the current term to the own log. A leader only ever appends (5.3).
    pub(crate) fn append(&mut self, payload: Payload) -> Index {
        let last = self.log.last().index;
        self.unsaved_after.get_or_insert(last);
        self.log.append(Entry { term: self.term, payload });
        last.next()
    }

    /// Every follower is sent what it lacks, at the end of this step: all that was appended until then goes together.
    pub(crate) fn replicate_to_all(&mut self) {
        (0..self.follower_count()).for_each(|place| self.replicate(place));
    }

    /// One follower is sent what it lacks, at the end of this step.
    pub(crate) fn replicate(&mut self, place: usize) {
        let Role::Leader(leader) = &mut self.role else { return };
        leader.progress[place].pending_send = true;
    }

    /// Whoever is to be sent what it lacks, is. A leader that steps down owes nobody anything.
    pub(crate) fn send_pending(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        for place in 0..self.follower_count() {
            let Role::Leader(leader) = &mut self.role else { return };
            if std::mem::take(&mut leader.progress[place].pending_send) {
                self.send_entries(now, place, effects);
            }
        }
    }

    /// How many servers get the log from this one.
    pub(crate) fn follower_count(&self) -> usize {
        if let Role::Leader(leader) = &self.role { leader.progress.len() } else { 0 }
    }

    /// The place of a follower among those that get the log from this server. Another life of it has none.
    pub(crate) fn follower_position(&self, peer: ReplicaKey) -> Option<usize> {
        let Role::Leader(leader) = &self.role else { return None };
        leader.progress.iter().position(|progress| {
            progress.peer == peer || (progress.peer.id == peer.id && self.bug(Bug::PeerIdentityUnchecked))
        })
    }

    /// Gets along with the configuration in force: those who have come are taken for as far as `last`, those who are
    /// gone are forgotten, and of the others everything that is known stays.
    pub(crate) fn sync_progress(&mut self, now: Timestamp, last: Index) {
        let configuration = self.configuration();
        let mut members: Vec<ReplicaKey> =
            configuration.members().into_iter().map(|node| configuration.replica(node)).collect();
        members.retain(|peer| peer.id != self.config.id);
        let Role::Leader(leader) = &mut self.role else { return };
        leader.progress.retain(|progress| members.contains(&progress.peer));
        for peer in members {
            if leader.progress.iter().all(|progress| progress.peer != peer) {
                leader.progress.push(Progress::new(peer, last, now));
            }
        }
    }

    /// Sends one follower what it lacks, as far as its window allows.
    pub(crate) fn send_entries(&mut self, now: Timestamp, place: usize, effects: &mut Vec<Effect>) {
        let last = self.log.last().index;
        let window = FlightLimits {
            messages: self.config.max_in_flight_messages,
            bytes: self.config.max_in_flight_bytes,
        };
        loop {
            let Role::Leader(leader) = &self.role else { return };
            let progress = &leader.progress[place];
            let (next, to) = (progress.next_index, progress.peer);
            if let ProgressState::Snapshot { .. } = progress.state {
                return self.send_chunks(now, place, effects);
            }
            if next > last || !progress.may_send(window) {
                return;
            }
            let (end, size) =
                self.log.batch(next, self.config.max_batch_entries, self.config.max_batch_bytes);
            let (term, previous, commit) = (self.term, self.prev_log_of(next), self.commit_index);
            let stamp = self.context(now);
            push_in_place(effects, || {
                let entries = self.log.share(next, end);
                self.envelope(
                    to,
                    Message::AppendEntries {
                        term,
                        prev_log: previous,
                        entries,
                        commit_index: commit,
                        context: stamp,
                    },
                )
            });
            let Role::Leader(leader) = &mut self.role else { return };
            leader.progress[place].record_sent(end, size);
            leader.progress[place].last_sent = now;
        }
    }

    /// Whether the entry before `next`, by which a follower tells whether the logs agree, is not known any more.
    pub(crate) fn is_compacted(&self, next: Index) -> bool {
        let compacted = self.log.compacted().index;
        if self.bug(Bug::MissingPrevTermReadsAsZero) {
            return false;
        }
        // The base itself is known: what follows it can still be sent.
        if self.bug(Bug::SnapshotBoundaryOffByOne) { next < compacted } else { next <= compacted }
    }

    /// The entry before `next`.
    fn prev_log_of(&self, next: Index) -> LogId {
        let index = next.previous();
        let term = self.log.term_at(index);
        debug_assert!(term.is_some() || self.config.bug.is_some(), "what is gone was asked for");
        LogId { index, term: term.unwrap_or(Term(0)) }
    }

    /// What goes on every message.
    pub(crate) fn context(&self, now: Timestamp) -> MessageContext {
        let Role::Leader(leader) = &self.role else { return MessageContext::default() };
        MessageContext { round: leader.reads.round, sent_at: now }
    }

    /// Speaks to every follower that has heard nothing for a heartbeat interval, if it is time to look for them.
    pub(crate) fn heartbeat(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if let Role::Leader(leader) = &self.role
            && leader.heartbeat_due > now
        {
            return;
        }
        let interval = self.config.heartbeat_interval;
        let mut oldest = now;
        for place in 0..self.follower_count() {
            let Role::Leader(leader) = &mut self.role else { return };
            let progress = &mut leader.progress[place];
            if progress.last_sent.after(interval) > now {
                oldest = oldest.min(progress.last_sent);
                continue;
            }
            if let ProgressState::Probe { waiting } = &mut progress.state {
                *waiting = false; // The probe or its answer is lost, or late: again.
            }
            self.send_entries(now, place, effects);
            let Role::Leader(leader) = &self.role else { return };
            if leader.progress[place].last_sent != now {
                self.send_heartbeat(now, place, effects);
            }
        }
        let Role::Leader(leader) = &mut self.role else { return };
        leader.heartbeat_due = oldest.after(interval);
    }

    /// Says "I lead" to all others, whatever was sent before: for reads.
    pub(crate) fn broadcast_heartbeat(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        for place in 0..self.follower_count() {
            self.send_heartbeat(now, place, effects);
        }
    }

    /// Says "I lead".
    fn send_heartbeat(&mut self, now: Timestamp, place: usize, effects: &mut Vec<Effect>) {
        let stamp = self.context(now);
        let Role::Leader(leader) = &mut self.role else { return };
        let progress = &mut leader.progress[place];
        progress.last_sent = now;
        let (to, next) = (progress.peer, progress.next_index);
        let message = match &progress.state {
            // Where a part is missing the follower says so, and that is how the leader learns.
            ProgressState::Snapshot { snapshot, sent, .. } => {
                let part = SnapshotChunk::of(snapshot, *sent, 0);
                Message::InstallSnapshot { term: self.term, chunk: Box::new(part), context: stamp }
            }
            // After what was sent last: a follower that lost it refuses. That is known: what is gone is not sent after.
            ProgressState::Probe { .. } | ProgressState::Replicate { .. } => Message::AppendEntries {
                term: self.term,
                prev_log: self.prev_log_of(next),
                entries: Entries::NONE,
                commit_index: self.commit_index,
                context: stamp,
            },
        };
        effects.push(self.envelope(to, message));
    }

    /// An `AppendEntries` of a past term, or one that does not fit.
    pub(crate) fn reject_append(&self, from: ReplicaKey, previous: LogId, effects: &mut Vec<Effect>) {
        let hint = self.log.last_at_or_below_term(previous.index, previous.term);
        let message = Message::AppendEntriesRejected { term: self.term, prev_log: previous.index, hint };
        effects.push(self.envelope(from, message));
    }

    /// The receiver's part of `AppendEntries` (figure 2), in the current term.
    #[expect(clippy::too_many_arguments, reason = "they are the message's fields")]
    pub(crate) fn on_append(
        &mut self,
        now: Timestamp,
        from: ReplicaKey,
        previous: LogId,
        entries: Entries,
        commit: Index,
        stamp: MessageContext,
        effects: &mut Vec<Effect>,
    ) {
        if !self.on_leader_contact(now, from, effects) {
            return;
        }
        // What was compacted away is committed, so the leader has it as well (5.4): the message begins at the base.
        let gone =
            (self.log.compacted().index.0.saturating_sub(previous.index.0) as usize).min(entries.len());
        let (previous, entries) = match previous.index < self.log.compacted().index {
            true => (self.log.compacted(), entries.slice(gone, entries.len())),
            false => (previous, entries),
        };
        if !self.contains(previous) {
            return self.reject_append(from, previous, effects);
        }
        let match_index = Index(previous.index.0 + entries.len() as u64);
        self.merge_entries(previous.index, entries);
        // Beyond `match_index` nothing was compared with the leader's log: what stands there may be a stale tail (5.3).
        let verified =
            if self.bug(Bug::CommitPastVerifiedPrefix) { self.log.last().index } else { match_index };
        // A new leader may know less than this server does: what is committed stays so (figure 2).
        let known = if self.bug(Bug::CommitIndexRegress) { Index(0) } else { self.commit_index };
        self.commit_index = known.max(commit.min(verified));
        // What was not compared is not acknowledged, however long the own log is.
        let match_index =
            if self.bug(Bug::AckReportsOwnLastIndex) { self.log.last().index } else { match_index };
        let message = Message::AppendEntriesResponse { term: self.term, match_index, context: stamp };
        self.send_when_durable(Promise::Send(from, message), effects);
    }

    /// Hears the leader of this term. Returns whether there is any sense in that.
    pub(crate) fn on_leader_contact(
        &mut self,
        now: Timestamp,
        from: ReplicaKey,
        effects: &mut Vec<Effect>,
    ) -> bool {
        if self.is_leader() {
            return false; // Two leaders in one term: nothing that this one could do would mend that.
        }
        if self.leader != Some(from) || !matches!(self.role, Role::Follower) {
            self.become_follower(now, self.term, Some(from), effects);
        }
        self.last_contact = Some(now);
        self.reset_election_timer(now);
        true
    }

    /// Whether the log has this entry, and so everything before it.
    fn contains(&self, previous: LogId) -> bool {
        if self.bug(Bug::MissingPrevTermReadsAsZero) && previous.term == Term(0) {
            return true;
        }
        self.log.contains(previous)
    }

    /// Takes entries over into the log after `previous`, which matches.
    fn merge_entries(&mut self, previous: Index, entries: Entries) {
        let index = |place: usize| Index(previous.0 + 1 + place as u64);
        let mut skip = 0;
        // What stands already is left alone. Only a conflict cuts (5.3): a late message must not take back what a
        // newer one has brought and this server has acknowledged.
        while let Some(entry) = entries.get(skip) {
            match self.log.term_at(index(skip)) {
                Some(term) if term == entry.term || self.bug(Bug::NoTruncateOnConflict) => skip += 1,
                Some(_) => {
                    self.truncate(index(skip).previous());
                    break;
                }
                None => break,
            }
        }
        let end = index(entries.len()).previous();
        if self.bug(Bug::TruncateOnMatchingAe) && self.log.last().index > end {
            self.truncate(end);
        }
        if skip < entries.len() {
            let after = self.log.last().index;
            self.unsaved_after = Some(self.unsaved_after.map_or(after, |unsaved| unsaved.min(after)));
            self.log.append_rest(entries, skip);
        }
    }

    fn truncate(&mut self, index: Index) {
        self.log.truncate(index);
        self.saves.truncate(index);
        self.unsaved_after = Some(self.unsaved_after.map_or(index, |unsaved| unsaved.min(index)));
    }

    pub(crate) fn on_append_response(
        &mut self,
        now: Timestamp,
        from: ReplicaKey,
        match_index: Index,
        stamp: MessageContext,
        effects: &mut Vec<Effect>,
    ) {
        let Some(place) = self.follower_position(from) else { return };
        let sent_all = self.bug(Bug::MatchFromSentIndex);
        let stamp = self.confirmed_context(stamp, now);
        let compacted = self.log.compacted().index;
        let Role::Leader(leader) = &mut self.role else { return };
        let progress = &mut leader.progress[place];
        // What the follower says it has, not what it was sent: that may be lost.
        let match_index =
            if sent_all { progress.next_index.previous().max(match_index) } else { match_index };
        progress.on_accepted(match_index, compacted);
        progress.on_confirmed(stamp, now);
        self.maybe_switch_to_snapshot(now, place);
        // Whoever has only what is committed anyway commits nothing.
        if match_index > self.commit_index {
            self.advance_commit(now, effects);
        }
        self.confirm_reads(now, effects);
        // A commit may have changed the group, or ended this leadership.
        if let Some(place) = self.follower_position(from) {
            self.replicate(place);
        }
        self.maybe_send_timeout_now(from, effects);
    }

    /// What an answer with this stamp confirms, and as of when: as of the time when it was asked for. When the answer came
    /// says nothing, for the voter's promise began before.
    pub(crate) fn confirmed_context(&self, stamp: MessageContext, now: Timestamp) -> MessageContext {
        if self.bug(Bug::LeaseFromAckArrival) { MessageContext { sent_at: now, ..stamp } } else { stamp }
    }

    pub(crate) fn on_append_rejected(
        &mut self,
        now: Timestamp,
        from: ReplicaKey,
        previous: Index,
        hint: LogId,
    ) {
        let Some(place) = self.follower_position(from) else { return };
        // Below the hint the follower has terms up to the hint's; this log's last entry with at most that term is
        // the last place where the two can agree.
        let agree = self.log.last_at_or_below_term(hint.index, hint.term).index;
        let ignored = self.bug(Bug::ConflictCatchUpLivelock);
        let Role::Leader(leader) = &mut self.role else { return };
        leader.progress[place].last_contact = now;
        if !ignored && leader.progress[place].on_rejected(previous, agree) {
            self.maybe_switch_to_snapshot(now, place);
            self.replicate(place);
        }
    }

    /// Commits what a majority has, durably (5.3): of each half while joint, and of voters only (6).
    pub(crate) fn advance_commit(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let Role::Leader(leader) = &self.role else { return };
        let has = |node: NodeId| {
            if node == self.config.id {
                return match self.bug(Bug::ApplyBeforeLocalDurable) {
                    true => self.log.last().index,
                    false => self.saves.durable_index(),
                };
            }
            let follower = leader.progress.iter().find(|progress| progress.peer.id == node);
            follower.map_or(Index(0), |progress| progress.match_index)
        };
        let group = self.commit_quorum();
        let Some(index) = group.quorum_value(has).filter(|&index| index > self.commit_index) else { return };
        // An entry of an earlier term that a majority has may still be overwritten by a leader that never saw it;
        // an entry of this term may not, and carries along what stands before it (5.4.2, figure 8).
        if self.log.term_at(index) == Some(self.term) || self.bug(Bug::CommitPriorTermByCount) {
            self.release_uncommitted_bytes(index);
            self.commit_index = index;
            self.on_commit_advanced(now, effects);
        }
    }

    /// What is committed no more counts against the limit of what is not.
    fn release_uncommitted_bytes(&mut self, index: Index) {
        let everything = index == self.log.last().index;
        let Role::Leader(leader) = &mut self.role else { return };
        if everything {
            leader.uncommitted_bytes = 0;
        } else if leader.uncommitted_bytes > 0 {
            // What it inherited it has not taken, and so has not counted.
            let inherited = self.log.last_at_or_below_term(index, Term(self.term.0 - 1)).index;
            let first = self.commit_index.max(self.log.compacted().index).max(inherited).next();
            leader.uncommitted_bytes = leader.uncommitted_bytes.saturating_sub(self.log.cost(first, index));
        }
    }

    /// Who must have an entry before it is committed: the group in force, as it is.
    fn commit_quorum(&self) -> Cow<'_, Configuration> {
        let group = self.configuration();
        if self.bug(Bug::JointCommitOneSide) {
            return Cow::Owned(Configuration::of(group.voters.iter().copied()));
        }
        if self.bug(Bug::LearnerCountedInQuorum) {
            return Cow::Owned(Configuration::of(group.members()));
        }
        Cow::Borrowed(&**group)
    }
}
