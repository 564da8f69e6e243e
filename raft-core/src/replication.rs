//! Log replication (5.3) and commitment (5.3, 5.4.2).

use crate::bug::Bug;
use crate::ids::{Index, LogId, NodeId, ReplicaKey, RequestId, Term, Timestamp};
use crate::io::Effect;
use crate::log::{ENTRY_COST, Entries, Entry, Payload};
use crate::membership::Configuration;
use crate::message::{Envelope, Message, MessageContext};
use crate::progress::{FlightLimits, Progress, ProgressState};
use crate::raft::{Raft, push_in_place};
use crate::response::{Rejection, Response};
use crate::role::{Leader, PendingReads, Role};
use crate::saves::Promise;
use crate::snapshot::SnapshotChunk;
use bytes::Bytes;
use std::collections::VecDeque;

impl Raft {
    /// Becomes leader, and appends an entry of its own term: only through one can it commit entries of
    /// earlier terms (5.4.2).
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

    /// Appends a command to the leader's log, unless a limit or a transfer forbids it.
    pub(crate) fn append_command(&mut self, command: Bytes) -> Result<LogId, Rejection> {
        if self.is_transferring() {
            return Err(Rejection::TransferInProgress);
        }
        if self.has_too_many_requests() {
            return Err(Rejection::TooManyRequests);
        }
        let (limit, cost) = (self.config.max_uncommitted_bytes, ENTRY_COST + command.len() as u64);
        let Role::Leader(leader) = &mut self.role else { return Err(Rejection::TooMuchUncommitted) };
        if leader.uncommitted_bytes > 0 && leader.uncommitted_bytes.saturating_add(cost) > limit {
            return Err(Rejection::TooMuchUncommitted);
        }
        leader.uncommitted_bytes += cost;
        let index = self.append(Payload::Command(command));
        self.replicate_to_all();
        Ok(LogId { index, term: self.term })
    }

    /// Appends an entry of the current term. A leader only appends to its own log (5.3).
    pub(crate) fn append(&mut self, payload: Payload) -> Index {
        let last = self.log.last().index;
        self.unsaved_after.get_or_insert(last);
        self.log.append(Entry { term: self.term, payload });
        last.next()
    }

    /// Schedules entries for every follower. They are sent at the end of the step, so all that the step
    /// appends goes together.
    pub(crate) fn replicate_to_all(&mut self) {
        (0..self.follower_count()).for_each(|position| self.replicate(position));
    }

    /// Schedules entries for one follower, at the end of the step.
    pub(crate) fn replicate(&mut self, position: usize) {
        let Role::Leader(leader) = &mut self.role else { return };
        leader.progress[position].pending_send = true;
    }

    /// Sends the scheduled entries. A server that has stepped down sends nothing.
    pub(crate) fn send_pending(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        for position in 0..self.follower_count() {
            let Role::Leader(leader) = &mut self.role else { return };
            if std::mem::take(&mut leader.progress[position].pending_send) {
                self.send_entries(now, position, effects);
            }
        }
    }

    /// The number of replicas that get the log from this leader.
    pub(crate) fn follower_count(&self) -> usize {
        if let Role::Leader(leader) = &self.role { leader.progress.len() } else { 0 }
    }

    /// The position of a replica in `Leader::progress`. `None` for another directory ID of the same server.
    pub(crate) fn follower_position(&self, replica: ReplicaKey) -> Option<usize> {
        let Role::Leader(leader) = &self.role else { return None };
        leader.progress.iter().position(|progress| {
            progress.replica == replica
                || (progress.replica.id == replica.id && self.bug(Bug::PeerIdentityUnchecked))
        })
    }

    /// Adapts the progress list to the configuration in force: new members are probed at `last`, removed
    /// ones are dropped, and the others keep their progress.
    pub(crate) fn sync_progress(&mut self, now: Timestamp, last: Index) {
        let configuration = self.configuration();
        let mut members: Vec<ReplicaKey> =
            configuration.members().into_iter().map(|node| configuration.replica(node)).collect();
        members.retain(|replica| replica.id != self.config.id);
        let active = self.config.bug;
        let Role::Leader(leader) = &mut self.role else { return };
        // What a removed replica has acknowledged is void: if the server returns with another directory ID,
        // its disk was emptied since.
        let removes = leader.progress.iter().any(|progress| !members.contains(&progress.replica));
        if removes && Bug::StaleAckAfterReversion.is_on(active) {
            for progress in &mut leader.progress {
                let returned = members.iter().find(|replica| replica.id == progress.replica.id);
                progress.replica = returned.copied().unwrap_or(progress.replica);
            }
        } else if removes && !Bug::RemovedFollowerKept.is_on(active) {
            leader.progress.retain(|progress| members.contains(&progress.replica));
        }
        for replica in members {
            if leader.progress.iter().all(|progress| progress.replica != replica) {
                leader.progress.push(Progress::new(replica, last, now));
            }
        }
    }

    /// Sends a follower its next entries, within the flight limits.
    pub(crate) fn send_entries(&mut self, now: Timestamp, position: usize, effects: &mut Vec<Effect>) {
        let last = self.log.last().index;
        let limits = FlightLimits {
            messages: self.config.max_in_flight_messages,
            bytes: self.config.max_in_flight_bytes,
        };
        loop {
            let Role::Leader(leader) = &self.role else { return };
            let progress = &leader.progress[position];
            let (next, to) = (progress.next_index, progress.replica);
            if let ProgressState::Snapshot { .. } = progress.state {
                return self.send_chunks(now, position, effects);
            }
            if next > last || !progress.may_send(limits) {
                return;
            }
            let (end, size) =
                self.log.batch(next, self.config.max_batch_entries, self.config.max_batch_bytes);
            let (term, prev_log, commit_index) = (self.term, self.prev_log_of(next), self.commit_index);
            let context = self.context(now);
            push_in_place(effects, || {
                let entries = self.log.share(next, end);
                self.envelope(to, Message::AppendEntries { term, prev_log, entries, commit_index, context })
            });
            let Role::Leader(leader) = &mut self.role else { return };
            leader.progress[position].record_sent(end, size);
            leader.progress[position].last_sent = now;
        }
    }

    /// Whether the entry before `next`, which a follower needs to check that the logs agree, is compacted and
    /// unknown.
    pub(crate) fn is_compacted(&self, next: Index) -> bool {
        let compacted = self.log.compacted().index;
        // The last compacted entry itself is known, so what follows it can be sent.
        if next == compacted && self.bug(Bug::SnapshotBoundaryOffByOne) {
            return false;
        }
        next <= compacted && !self.bug(Bug::MissingPrevTermReadsAsZero)
    }

    /// The entry before `next`.
    fn prev_log_of(&self, next: Index) -> LogId {
        let index = next.previous();
        let term = self.log.term_at(index);
        debug_assert!(
            term.is_some() || self.config.bug.is_some(),
            "the entry before `next_index` must not be compacted"
        );
        LogId { index, term: term.unwrap_or(Term(0)) }
    }

    /// The context of a message sent now.
    pub(crate) fn context(&self, now: Timestamp) -> MessageContext {
        let Role::Leader(leader) = &self.role else { return MessageContext::default() };
        MessageContext { round: leader.reads.round, sent_at: now }
    }

    /// If a heartbeat is due: sends entries or a heartbeat to every follower that was sent nothing for an
    /// interval.
    pub(crate) fn heartbeat(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if let Role::Leader(leader) = &self.role
            && leader.heartbeat_due > now
        {
            return;
        }
        // Heartbeats send the number of the round again, and responses to earlier ones may be on their way: a read
        // that began since waits for the next number.
        let active = self.config.bug;
        if let Role::Leader(Leader { reads, .. }) = &mut self.role
            && reads.awaiting_quorum.back().is_some_and(|read| read.round > reads.round)
            && Bug::ReadAckContextReused.is_on(active)
        {
            let round = reads.round;
            reads.awaiting_quorum.iter_mut().for_each(|read| read.round = read.round.min(round));
        }
        let interval = self.config.heartbeat_interval;
        let mut oldest_sent = now;
        for position in 0..self.follower_count() {
            let Role::Leader(leader) = &mut self.role else { return };
            let progress = &mut leader.progress[position];
            if progress.last_sent.after(interval) > now {
                oldest_sent = oldest_sent.min(progress.last_sent);
                continue;
            }
            if let ProgressState::Probe { waiting } = &mut progress.state {
                *waiting = false; // The probe or its response was lost or is late: retry.
            }
            self.send_entries(now, position, effects);
            let Role::Leader(leader) = &self.role else { return };
            if leader.progress[position].last_sent != now {
                self.send_heartbeat(now, position, effects);
            }
        }
        let Role::Leader(leader) = &mut self.role else { return };
        leader.heartbeat_due = oldest_sent.after(interval);
    }

    /// Sends a heartbeat to every follower, whatever was sent before: a round for reads.
    pub(crate) fn broadcast_heartbeat(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        for position in 0..self.follower_count() {
            self.send_heartbeat(now, position, effects);
        }
    }

    /// Sends a heartbeat to one follower.
    fn send_heartbeat(&mut self, now: Timestamp, position: usize, effects: &mut Vec<Effect>) {
        let context = self.context(now);
        let Role::Leader(leader) = &mut self.role else { return };
        let progress = &mut leader.progress[position];
        progress.last_sent = now;
        let (to, next) = (progress.replica, progress.next_index);
        let message = match &progress.state {
            // If a chunk was lost, the response shows it.
            ProgressState::Snapshot { snapshot, sent, .. } => {
                let chunk = SnapshotChunk::of(snapshot, *sent, 0);
                Message::InstallSnapshot { term: self.term, chunk: Box::new(chunk), context }
            }
            // `prev_log` is the last entry sent: a follower that lacks it rejects. Its term is known, because
            // a follower whose `next_index` is compacted gets a snapshot.
            ProgressState::Probe { .. } | ProgressState::Replicate { .. } => Message::AppendEntries {
                term: self.term,
                prev_log: self.prev_log_of(next),
                entries: Entries::NONE,
                commit_index: self.commit_index,
                context,
            },
        };
        effects.push(self.envelope(to, message));
    }

    /// Rejects an `AppendEntries` of a past term, or one whose `prev_log` does not match.
    pub(crate) fn reject_append(&self, from: ReplicaKey, prev_log: LogId, effects: &mut Vec<Effect>) {
        let hint = self.log.last_at_or_below_term(prev_log.index, prev_log.term);
        let message = Message::AppendEntriesRejected { term: self.term, prev_log: prev_log.index, hint };
        effects.push(self.envelope(from, message));
    }

    /// Receiver side of `AppendEntries` (figure 2), in the current term.
    #[expect(clippy::too_many_arguments, reason = "they are the message's fields")]
    pub(crate) fn on_append(
        &mut self,
        now: Timestamp,
        from: ReplicaKey,
        prev_log: LogId,
        entries: Entries,
        commit_index: Index,
        context: MessageContext,
        effects: &mut Vec<Effect>,
    ) {
        if !self.on_leader_contact(now, from, effects) {
            return;
        }
        // Compacted entries are committed, so the leader has the same ones (5.4): skip them.
        let skip =
            (self.log.compacted().index.0.saturating_sub(prev_log.index.0) as usize).min(entries.len());
        let (prev_log, entries) = match prev_log.index < self.log.compacted().index {
            true => (self.log.compacted(), entries.slice(skip, entries.len())),
            false => (prev_log, entries),
        };
        if !self.contains(prev_log) {
            return self.reject_append(from, prev_log, effects);
        }
        let match_index = Index(prev_log.index.0 + entries.len() as u64);
        self.merge_entries(prev_log.index, entries);
        // Entries beyond `match_index` were not compared with the leader's log: they may be a stale tail
        // (5.3).
        let last = self.log.last().index;
        let mut verified = match_index;
        if commit_index.min(last) > self.commit_index.max(match_index)
            && self.bug(Bug::CommitPastVerifiedPrefix)
        {
            verified = last;
        }
        // A new leader may know a lower commit index; the follower's must not decrease (figure 2).
        let known = commit_index.min(verified);
        if known > self.commit_index || known < self.commit_index && self.bug(Bug::CommitIndexRegress) {
            self.commit_index = known;
            // Late entries have made the snapshot superfluous that was being received: no more of it comes.
            self.incoming.take_if(|incoming| incoming.last.index <= known);
        }
        // Entries that were not compared are not acknowledged, however long this log is.
        let reports_last = last > match_index && self.bug(Bug::AckReportsOwnLastIndex);
        let match_index = if reports_last { last } else { match_index };
        let message = Message::AppendEntriesResponse { term: self.term, match_index, context };
        self.send_when_durable(Promise::Send(from, message), effects);
    }

    /// Follows the leader of this term. Returns false if this server leads the term itself.
    pub(crate) fn on_leader_contact(
        &mut self,
        now: Timestamp,
        from: ReplicaKey,
        effects: &mut Vec<Effect>,
    ) -> bool {
        if self.is_leader() {
            return false; // Two leaders in one term: safety is already lost.
        }
        if self.leader != Some(from) || !matches!(self.role, Role::Follower) {
            self.become_follower(now, self.term, Some(from), effects);
        }
        self.last_contact = Some(now);
        self.reset_election_timer(now);
        true
    }

    /// Whether the log has this entry, and so all entries before it.
    fn contains(&self, prev_log: LogId) -> bool {
        self.log.contains(prev_log) || prev_log.term == Term(0) && self.bug(Bug::MissingPrevTermReadsAsZero)
    }

    /// Whether a message holds another entry at an index that is committed here: stepping it panics. No leader sends one
    /// (5.4.3), unless servers have forgotten what they promised. A host that reckons with that drops such a message.
    #[must_use]
    pub fn contradicts_committed(&self, envelope: &Envelope) -> bool {
        let Message::AppendEntries { term, prev_log, entries, .. } = &envelope.message else { return false };
        // Messages of past terms are ignored, and entries that do not follow this log are rejected.
        let is_merged = *term >= self.term
            && (prev_log.index < self.log.compacted().index || self.log.contains(*prev_log));
        let committed = self.commit_index.0.saturating_sub(prev_log.index.0) as usize;
        is_merged
            && (0..committed.min(entries.len())).any(|position| {
                let known = self.log.term_at(Index(prev_log.index.0 + 1 + position as u64));
                entries.get(position).is_some_and(|entry| known.is_some_and(|known| known != entry.term))
            })
    }

    /// Merges entries into the log after `prev_log`, which matches.
    fn merge_entries(&mut self, prev_log: Index, entries: Entries) {
        let index = |position: usize| Index(prev_log.0 + 1 + position as u64);
        let mut skip = 0;
        // Entries that match stay. Only a conflict truncates (5.3): a late message must not remove entries
        // that a newer one has brought and this server has acknowledged.
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
        // Entries that match are not written again: a power loss in between could take them.
        if skip > 0 && self.bug(Bug::TruncateThenAppendWindow) {
            self.unsaved_after = Some(self.unsaved_after.map_or(prev_log, |unsaved| unsaved.min(prev_log)));
        }
        let end = index(entries.len()).previous();
        if self.log.last().index > end && self.bug(Bug::TruncateOnMatchingAe) {
            self.truncate(end);
        }
        if skip < entries.len() {
            let after = self.log.last().index;
            self.unsaved_after = Some(self.unsaved_after.map_or(after, |unsaved| unsaved.min(after)));
            self.log.append_rest(entries, skip);
        }
    }

    pub(crate) fn truncate(&mut self, index: Index) {
        self.log.truncate(index);
        self.saves.truncate(index);
        self.unsaved_after = Some(self.unsaved_after.map_or(index, |unsaved| unsaved.min(index)));
    }

    pub(crate) fn on_append_response(
        &mut self,
        now: Timestamp,
        from: ReplicaKey,
        match_index: Index,
        context: MessageContext,
        effects: &mut Vec<Effect>,
    ) {
        let Some(position) = self.follower_position(from) else { return };
        let context = self.confirmed_context(context, now);
        let (compacted, active) = (self.log.compacted().index, self.config.bug);
        let Role::Leader(leader) = &mut self.role else { return };
        let progress = &mut leader.progress[position];
        // Count what the follower reports, not what was sent: that may be lost.
        let sent = progress.next_index.previous();
        let counts_sent = sent > match_index && Bug::MatchFromSentIndex.is_on(active);
        let match_index = if counts_sent { sent } else { match_index };
        let was_probing = matches!(progress.state, ProgressState::Probe { .. });
        progress.on_accepted(match_index, compacted);
        if was_probing && Bug::ProbingNeverEnds.is_on(active) {
            progress.state = ProgressState::Probe { waiting: false };
        }
        progress.on_confirmed(context, now);
        self.maybe_switch_to_snapshot(now, position);
        // A match within the committed prefix cannot advance the commit index.
        if match_index > self.commit_index {
            self.advance_commit(now, effects);
        }
        self.confirm_reads(now, effects);
        // A commit may have changed the configuration, or ended this leadership.
        if let Some(position) = self.follower_position(from) {
            self.replicate(position);
        }
        self.maybe_send_timeout_now(from, effects);
    }

    /// What a response with this context confirms, as of the time the request was sent. The arrival of the
    /// response does not count, because the voter's promise began before it.
    pub(crate) fn confirmed_context(&self, context: MessageContext, now: Timestamp) -> MessageContext {
        if context.sent_at < now && self.bug(Bug::LeaseFromAckArrival) {
            return MessageContext { sent_at: now, ..context };
        }
        context
    }

    pub(crate) fn on_append_rejected(
        &mut self,
        now: Timestamp,
        from: ReplicaKey,
        prev_log: Index,
        hint: LogId,
    ) {
        let Some(position) = self.follower_position(from) else { return };
        // Up to the hint, the follower's terms are at most the hint's. So this log's last entry up to the
        // hint with at most that term is the last at which the two can agree.
        let agree = self.log.last_at_or_below_term(hint.index, hint.term).index;
        let active = self.config.bug;
        let Role::Leader(leader) = &mut self.role else { return };
        let progress = &mut leader.progress[position];
        progress.last_contact = now;
        if !progress.is_current(prev_log) {
            if Bug::StaleConflictRewinds.is_on(active) {
                progress.rewind(agree);
            }
        } else if !Bug::ConflictCatchUpLivelock.is_on(active) {
            progress.on_rejected(prev_log, agree);
            if progress.next_index != hint.index.next() && Bug::RejectFloorLivelock.is_on(active) {
                progress.retry_at(hint.index);
            }
            self.maybe_switch_to_snapshot(now, position);
            self.replicate(position);
        }
    }

    /// Commits the entries that are durable on a majority (5.3): of each half while joint, voters only (6).
    pub(crate) fn advance_commit(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let Role::Leader(leader) = &self.role else { return };
        // Its own entry counts once it is durable: a power loss could erase it (thesis 10.2.1).
        let counted = self.quorum_index(leader, self.configuration(), self.saves.durable_index());
        let index = self.index_counted_by_bugs(leader, counted.max(self.commit_index));
        if index == self.commit_index {
            return;
        }
        // A later leader may still overwrite an entry of an earlier term, even if a majority has it. It
        // cannot overwrite an entry of this term, which commits all entries before it (5.4.2, figure 8).
        if self.log.term_at(index) == Some(self.term) || self.bug(Bug::CommitPriorTermByCount) {
            self.release_uncommitted_bytes(index);
            self.commit_index = index;
            self.on_commit_advanced(now, effects);
        }
    }

    /// Committed entries no longer count against the limit on uncommitted bytes.
    fn release_uncommitted_bytes(&mut self, index: Index) {
        let all_committed = index == self.log.last().index;
        let Role::Leader(leader) = &mut self.role else { return };
        if all_committed {
            leader.uncommitted_bytes = 0;
        } else if leader.uncommitted_bytes > 0 {
            // Inherited entries were not counted when this leadership began.
            let inherited = self.log.last_at_or_below_term(index, Term(self.term.0 - 1)).index;
            let first = self.commit_index.max(self.log.compacted().index).max(inherited).next();
            leader.uncommitted_bytes = leader.uncommitted_bytes.saturating_sub(self.log.cost(first, index));
        }
    }

    /// The highest index that a quorum of a configuration holds, if this leader itself holds `own`; 0 without a
    /// voter.
    fn quorum_index(&self, leader: &Leader, configuration: &Configuration, own: Index) -> Index {
        let match_index = |node: NodeId| {
            if node == self.config.id {
                return own;
            }
            let follower = leader.progress.iter().find(|progress| progress.replica.id == node);
            follower.map_or(Index(0), |progress| progress.match_index)
        };
        configuration.quorum_value(match_index).unwrap_or(Index(0))
    }

    /// The index to commit, with a bug that counts more than `counted`.
    fn index_counted_by_bugs(&self, leader: &Leader, counted: Index) -> Index {
        if !cfg!(feature = "bugs") {
            return counted;
        }
        let (configuration, durable, last) =
            (self.configuration(), self.saves.durable_index(), self.log.last().index);
        if durable < last {
            let index = self.quorum_index(leader, configuration, last);
            if index > counted
                && (self.bug(Bug::ApplyBeforeLocalDurable) || self.bug(Bug::CommitOnInmemoryIndex))
            {
                return index;
            }
        }
        let by_group = |nodes: Vec<NodeId>| self.quorum_index(leader, &Configuration::of(nodes), durable);
        if configuration.is_joint() {
            let by_new = by_group(configuration.voters.clone());
            if by_new > counted && self.bug(Bug::JointCommitOneSide) {
                return by_new;
            }
            let by_old = by_group(configuration.old_voters.clone());
            if by_old > counted && self.bug(Bug::JointCommitOldHalf) {
                return by_old;
            }
        }
        if !configuration.learners.is_empty() {
            let by_members = by_group(configuration.members());
            if by_members > counted && self.bug(Bug::LearnerCountedInQuorum) {
                return by_members;
            }
        }
        counted
    }
}
