//! Snapshots (7): a server discards the log up to one, and followers that need discarded entries get the
//! snapshot, in chunks.
//!
//! Nothing moves backwards. A snapshot within this server's commit index is only acknowledged. If its last
//! entry is in the log, it only advances the commit index, and the log stays, because later entries may have
//! been acknowledged. Any other snapshot replaces the log and the application's state by one write, so that a
//! power loss leaves the old state or the new one.

use crate::bug::Bug;
use crate::ids::{Index, LogId, ReplicaKey, Timestamp};
use crate::io::Effect;
use crate::membership::Configuration;
use crate::message::{Message, MessageContext};
use crate::progress::ProgressState;
use crate::raft::{IncomingSnapshot, Raft, Rewrite};
use crate::response::Rejection;
use crate::role::Role;
use crate::saves::Promise;
use crate::snapshot::{Snapshot, SnapshotChunk};
use bytes::Bytes;
use std::sync::Arc;

impl Raft {
    /// Takes the application's state after `index`, and discards the log up to `keep`.
    pub(crate) fn compact(
        &mut self,
        now: Timestamp,
        index: Index,
        data: Bytes,
        keep: Index,
    ) -> Result<(), Rejection> {
        // A snapshot that waits to be restored counts too.
        if self.snapshot.as_ref().is_some_and(|newest| index <= newest.last.index) || index == Index(0) {
            return Err(Rejection::SnapshotOutdated);
        }
        let Some(term) = self.log.term_at(index).filter(|_| index <= self.last_applied) else {
            return Err(Rejection::SnapshotNotApplied);
        };
        let configuration = self.configuration_in_snapshot(index);
        self.snapshot = Some(Snapshot { last: LogId { index, term }, configuration, data });
        // Before the log is compacted: entries after a snapshot that is replaced here need not stay.
        (0..self.follower_count()).for_each(|position| self.switch_to_newest_snapshot(now, position));
        self.log.compact(keep.min(index).min(self.retained_for_transfers(now)));
        self.pending_rewrite = Some(Rewrite::Compacted);
        // A follower whose next entries were just compacted gets this snapshot.
        (0..self.follower_count()).for_each(|position| self.maybe_switch_to_snapshot(now, position));
        Ok(())
    }

    /// Replaces the snapshot being sent by the newest one, if no response to it has arrived or the receiver
    /// was silent for an election timeout. Otherwise it is sent to its end: if snapshots are made faster than
    /// they are sent, switching each time would never finish.
    fn switch_to_newest_snapshot(&mut self, now: Timestamp, position: usize) {
        let Role::Leader(leader) = &mut self.role else { return };
        let progress = &mut leader.progress[position];
        let silent = progress.last_contact.after(self.config.election_timeout) <= now;
        if let Some(newest) =
            self.snapshot.as_ref().filter(|newest| progress.can_replace_snapshot(newest, silent))
        {
            progress.replace_snapshot(newest.clone());
        }
    }

    /// Up to where the log may be compacted. Entries after a snapshot in transfer stay while its receiver
    /// responds: if snapshots are made faster than they are sent, it would otherwise need a newer one each
    /// time. A receiver that was silent for an election timeout is not waited for, because it may never
    /// return.
    fn retained_for_transfers(&self, now: Timestamp) -> Index {
        let Role::Leader(leader) = &self.role else { return Index(u64::MAX) };
        let needed = leader.progress.iter().filter_map(|progress| match &progress.state {
            ProgressState::Snapshot { snapshot, .. } => Some((snapshot.last.index, progress.last_contact)),
            ProgressState::Probe { .. } | ProgressState::Replicate { .. } => None,
        });
        let responding =
            needed.filter(|(_, last_contact)| last_contact.after(self.config.election_timeout) > now);
        responding.map(|(index, _)| index).min().unwrap_or(Index(u64::MAX))
    }

    /// The configuration at the end of the snapshot, not an older or newer one.
    fn configuration_in_snapshot(&self, index: Index) -> Arc<Configuration> {
        let (oldest, configuration) = (&self.log.configurations()[0].1, self.log.configuration_at(index));
        if oldest != configuration && self.bug(Bug::SnapshotConfigLostOrStale) {
            return oldest.clone();
        }
        if configuration.is_joint() && self.bug(Bug::SnapshotConfigWithoutJoint) {
            let halves = Configuration::clone(configuration);
            return Arc::new(Configuration { old_voters: Vec::new(), learners_next: Vec::new(), ..halves });
        }
        configuration.clone()
    }

    /// Sends a follower the newest snapshot if its next entries are compacted. Called whenever the log is
    /// compacted or `next_index` changes, so that no message refers to compacted entries.
    pub(crate) fn maybe_switch_to_snapshot(&mut self, now: Timestamp, position: usize) {
        let Role::Leader(leader) = &self.role else { return };
        let progress = &leader.progress[position];
        if matches!(progress.state, ProgressState::Snapshot { .. }) || !self.is_compacted(progress.next_index)
        {
            return;
        }
        let all_compacted = self.log.last().index == self.log.compacted().index;
        let skip = all_compacted && self.bug(Bug::NoSnapshotWhenAllPurged);
        let (last, snapshot) = (self.log.last().index, self.snapshot.clone());
        let snapshot = snapshot.expect("compacted entries must be in a snapshot");
        let Role::Leader(leader) = &mut self.role else { return };
        if skip {
            leader.progress[position].next_index = last.next();
            return;
        }
        leader.progress[position].become_snapshot(snapshot, now);
    }

    /// Sends the next chunks of a snapshot, within the flight limits.
    pub(crate) fn send_chunks(&mut self, now: Timestamp, position: usize, effects: &mut Vec<Effect>) {
        self.switch_to_newest_snapshot(now, position);
        let (max_bytes, context) = (self.config.max_chunk_bytes, self.context(now));
        let window = (max_bytes as u64).saturating_mul(self.config.max_in_flight_messages as u64);
        loop {
            let Role::Leader(leader) = &mut self.role else { return };
            let progress = &mut leader.progress[position];
            let ProgressState::Snapshot { snapshot, received, sent, .. } = &mut progress.state else {
                return;
            };
            let size = snapshot.data.len() as u64;
            // An empty state is sent as one empty chunk.
            let nothing_sent = *sent == 0 && size == 0 && progress.last_sent != now;
            if (*sent >= size && !nothing_sent) || *sent - *received >= window {
                return;
            }
            let chunk = SnapshotChunk::of(snapshot, *sent, max_bytes);
            *sent += chunk.data.len() as u64;
            progress.last_sent = now;
            let to = progress.replica;
            effects.push(
                self.envelope(
                    to,
                    Message::InstallSnapshot { term: self.term, chunk: Box::new(chunk), context },
                ),
            );
        }
    }

    pub(crate) fn on_install_snapshot(
        &mut self,
        now: Timestamp,
        from: ReplicaKey,
        chunk: SnapshotChunk,
        context: MessageContext,
        effects: &mut Vec<Effect>,
    ) {
        if !self.on_leader_contact(now, from, effects) {
            return;
        }
        let last = chunk.last;
        if last.index <= self.commit_index && !self.bug(Bug::InstallRegressesState) {
            // All of that is committed here, so the leader has it too (5.4). A snapshot being received may be
            // newer: keep it.
            self.incoming.take_if(|incoming| incoming.last.index <= self.commit_index);
            return self.acknowledge(from, self.commit_index, context, effects);
        }
        let end = chunk.offset + chunk.data.len() as u64;
        let configuration = chunk.configuration.clone();
        match self.assemble_chunk(chunk) {
            Ok(data) => {
                self.install(Snapshot { last, configuration, data });
                self.acknowledge(from, last.index, context, effects);
            }
            Err(received) => {
                let message =
                    Message::InstallSnapshotResponse { term: self.term, last, received, end, context };
                self.send_when_durable(Promise::Send(from, message), effects);
            }
        }
    }

    fn acknowledge(
        &mut self,
        to: ReplicaKey,
        match_index: Index,
        context: MessageContext,
        effects: &mut Vec<Effect>,
    ) {
        let message = Message::AppendEntriesResponse { term: self.term, match_index, context };
        self.send_when_durable(Promise::Send(to, message), effects);
    }

    /// Adds a chunk. Returns the whole snapshot once it is complete; before that, how many bytes have arrived
    /// without a gap.
    fn assemble_chunk(&mut self, chunk: SnapshotChunk) -> Result<Bytes, u64> {
        if chunk.offset == 0 && chunk.data.len() as u64 == chunk.size {
            self.incoming = None;
            return Ok(chunk.data);
        }
        // A late chunk of an older snapshot must not discard the chunks of a newer one.
        if self.incoming.as_ref().is_some_and(|incoming| incoming.last.index > chunk.last.index) {
            return Err(0);
        }
        if self.incoming.as_ref().is_none_or(|incoming| incoming.last != chunk.last) {
            self.incoming = Some(IncomingSnapshot { last: chunk.last, data: Vec::new() });
        }
        let incoming = self.incoming.as_mut().expect("a snapshot must be in progress");
        if chunk.offset == incoming.data.len() as u64 {
            incoming.data.extend_from_slice(&chunk.data);
        }
        if (incoming.data.len() as u64) < chunk.size {
            return Err(incoming.data.len() as u64);
        }
        let complete = self.incoming.take().expect("a snapshot must be in progress");
        Ok(complete.data.into())
    }

    /// Installs a complete snapshot.
    fn install(&mut self, snapshot: Snapshot) {
        let last = snapshot.last;
        // If its last entry is in the log, so are all entries before it, and later entries may count at the
        // leader: only the commit index is new (figure 13, step 6).
        if self.log.contains(last) && !self.bug(Bug::InstallDropsAckedSuffix) {
            self.commit_index = self.commit_index.max(last.index);
            return;
        }
        // Committed entries are in the snapshot; other durable entries here say nothing about the new log.
        self.saves.truncate(self.commit_index);
        self.unsaved_after = None;
        // The entry of its own configuration is gone with the log.
        let mut configuration = snapshot.configuration.clone();
        if configuration != *self.configuration() && self.bug(Bug::InstallKeepsConfiguration) {
            configuration = self.configuration().clone();
        }
        self.log.reset_to_snapshot(last, configuration);
        self.commit_index = last.index;
        self.snapshot = Some(snapshot);
        self.restore_pending = true;
        self.pending_rewrite = Some(Rewrite::Installed);
    }

    #[expect(clippy::too_many_arguments, reason = "they are the message's fields")]
    pub(crate) fn on_install_response(
        &mut self,
        now: Timestamp,
        from: ReplicaKey,
        last: LogId,
        received: u64,
        end: u64,
        context: MessageContext,
        effects: &mut Vec<Effect>,
    ) {
        let Some(position) = self.follower_position(from) else { return };
        // A lost chunk is sent again, as often as needed.
        let end = if received < end && self.bug(Bug::SnapshotTransferNeverRetried) { received } else { end };
        let confirmed = self.confirmed_context(context, now);
        let Role::Leader(leader) = &mut self.role else { return };
        let progress = &mut leader.progress[position];
        progress.on_confirmed(confirmed, now);
        progress.on_chunk_received(last, received, end, context.sent_at, now);
        self.send_entries(now, position, effects);
        self.confirm_reads(now, effects);
    }
}
