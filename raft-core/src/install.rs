//! Snapshots (7): the log before one goes, and followers that lack what is gone get the snapshot itself, in parts.
//!
//! Whatever happens, nothing moves backwards: a snapshot of what this server knows to be committed already is only
//! acknowledged; one whose last entry stands in the log says that everything up to there is committed, and the log stays
//! as it is, for what follows may have been acknowledged; any other takes the place of the log and of the application's
//! state, by one write, so that after a loss of power there is the old state or the new one.

use crate::answer::Rejection;
use crate::bug::Bug;
use crate::ids::{Index, LogId, ReplicaKey, Timestamp};
use crate::io::Effect;
use crate::membership::Configuration;
use crate::message::{Message, MessageContext};
use crate::progress::ProgressState;
use crate::raft::{IncomingSnapshot, Raft, Role};
use crate::saves::Promise;
use crate::snapshot::{Snapshot, SnapshotChunk};
use bytes::Bytes;
use std::sync::Arc;

impl Raft {
    /// The application hands over its state after `index`.
    pub(crate) fn compact(
        &mut self,
        now: Timestamp,
        index: Index,
        data: Bytes,
        keep: Index,
    ) -> Result<(), Rejection> {
        // The state that waits to be restored is newer as well.
        if self.snapshot.as_ref().is_some_and(|newest| index <= newest.last.index) || index == Index(0) {
            return Err(Rejection::SnapshotOutdated);
        }
        let Some(term) = self.log.term_at(index).filter(|_| index <= self.last_applied) else {
            return Err(Rejection::SnapshotNotApplied);
        };
        let configuration = self.configuration_in_snapshot(index);
        self.snapshot = Some(Snapshot { last: LogId { index, term }, configuration, data });
        // First, for what follows a snapshot that is replaced need not stay.
        (0..self.follower_count()).for_each(|place| self.switch_to_newest_snapshot(now, place));
        self.log.compact(keep.min(index).min(self.retained_for_transfers(now)));
        self.pending_rewrite = Some(false);
        // Whoever lacks what is gone now gets this snapshot, and nothing is sent any more that would follow what is gone.
        (0..self.follower_count()).for_each(|place| self.maybe_switch_to_snapshot(now, place));
        Ok(())
    }

    /// A snapshot that is being sent is brought to its end while its receiver answers: where snapshots are made faster than
    /// they are sent, going over to the newest each time would never end. Where nothing of it is known to have come, or
    /// the receiver has been silent for an election timeout, the newest one takes its place, and the old one is let go.
    fn switch_to_newest_snapshot(&mut self, now: Timestamp, place: usize) {
        let Role::Leader(leader) = &mut self.role else { return };
        let progress = &mut leader.progress[place];
        let silent = progress.last_contact.after(self.config.election_timeout) <= now;
        if let Some(newest) =
            self.snapshot.as_ref().filter(|newest| progress.can_replace_snapshot(newest, silent))
        {
            progress.replace_snapshot(newest.clone());
        }
    }

    /// What follows a snapshot that is on its way to somebody stays while that one answers: where snapshots are made faster
    /// than they are sent, it would need a newer one each time, for ever. Who is silent for an election timeout is not
    /// waited for: it may never come back.
    fn retained_for_transfers(&self, now: Timestamp) -> Index {
        let Role::Leader(leader) = &self.role else { return Index(u64::MAX) };
        let needed = leader.progress.iter().filter_map(|progress| match &progress.state {
            ProgressState::Snapshot { snapshot, .. } => Some((snapshot.last.index, progress.last_contact)),
            ProgressState::Probe { .. } | ProgressState::Replicate { .. } => None,
        });
        let answering =
            needed.filter(|(_, last_contact)| last_contact.after(self.config.election_timeout) > now);
        answering.map(|(index, _)| index).min().unwrap_or(Index(u64::MAX))
    }

    /// The group at the place where the snapshot ends: that of its last entry, not an older nor a newer one.
    fn configuration_in_snapshot(&self, index: Index) -> Arc<Configuration> {
        if self.bug(Bug::SnapshotConfigLostOrStale) {
            return self.log.configurations()[0].1.clone();
        }
        self.log.configuration_at(index).clone()
    }

    /// Where what a follower lacks is gone, it gets the newest snapshot. Asked whenever the log's beginning moves, or what
    /// is to be sent next: nothing is ever sent that would follow what is gone.
    pub(crate) fn maybe_switch_to_snapshot(&mut self, now: Timestamp, place: usize) {
        let Role::Leader(leader) = &self.role else { return };
        let progress = &leader.progress[place];
        if matches!(progress.state, ProgressState::Snapshot { .. }) || !self.is_compacted(progress.next_index)
        {
            return;
        }
        let snapshot = self.snapshot.clone().expect("entries go only into a snapshot");
        let Role::Leader(leader) = &mut self.role else { return };
        leader.progress[place].become_snapshot(snapshot, now);
    }

    /// Sends the next parts of a snapshot, as far as the window allows.
    pub(crate) fn send_chunks(&mut self, now: Timestamp, place: usize, effects: &mut Vec<Effect>) {
        self.switch_to_newest_snapshot(now, place);
        let (chunk, stamp) = (self.config.max_chunk_bytes, self.context(now));
        let window = (chunk as u64).saturating_mul(self.config.max_in_flight_messages as u64);
        loop {
            let Role::Leader(leader) = &mut self.role else { return };
            let progress = &mut leader.progress[place];
            let ProgressState::Snapshot { snapshot, received, sent, .. } = &mut progress.state else {
                return;
            };
            let size = snapshot.data.len() as u64;
            // An empty state is a part as well, the only one.
            let nothing_sent = *sent == 0 && size == 0 && progress.last_sent != now;
            if (*sent >= size && !nothing_sent) || *sent - *received >= window {
                return;
            }
            let part = SnapshotChunk::of(snapshot, *sent, chunk);
            *sent += part.data.len() as u64;
            progress.last_sent = now;
            let to = progress.peer;
            effects.push(self.envelope(
                to,
                Message::InstallSnapshot { term: self.term, chunk: Box::new(part), context: stamp },
            ));
        }
    }

    pub(crate) fn on_install_snapshot(
        &mut self,
        now: Timestamp,
        from: ReplicaKey,
        part: SnapshotChunk,
        stamp: MessageContext,
        effects: &mut Vec<Effect>,
    ) {
        if !self.on_leader_contact(now, from, effects) {
            return;
        }
        let last = part.last;
        if last.index <= self.commit_index && !self.bug(Bug::InstallRegressesState) {
            // All of that is committed here, so the leader has it too (5.4). What is gathered may be newer than this part.
            self.incoming.take_if(|incoming| incoming.last.index <= self.commit_index);
            return self.acknowledge(from, self.commit_index, stamp, effects);
        }
        let end = part.offset + part.data.len() as u64;
        let configuration = part.configuration.clone();
        match self.assemble_chunk(part) {
            Ok(data) => {
                self.install(Snapshot { last, configuration, data });
                self.acknowledge(from, last.index, stamp, effects);
            }
            Err(received) => {
                let message =
                    Message::InstallSnapshotResponse { term: self.term, last, received, end, context: stamp };
                self.send_when_durable(Promise::Send(from, message), effects);
            }
        }
    }

    fn acknowledge(
        &mut self,
        to: ReplicaKey,
        match_index: Index,
        stamp: MessageContext,
        effects: &mut Vec<Effect>,
    ) {
        let message = Message::AppendEntriesResponse { term: self.term, match_index, context: stamp };
        self.send_when_durable(Promise::Send(to, message), effects);
    }

    /// Puts a part where it belongs. Returns the whole once it is there; until then, how much has come without a gap.
    fn assemble_chunk(&mut self, part: SnapshotChunk) -> Result<Bytes, u64> {
        if part.offset == 0 && part.data.len() as u64 == part.size {
            self.incoming = None;
            return Ok(part.data);
        }
        // A late part of a snapshot that was given up for a newer one must not cost what has come of that.
        if self.incoming.as_ref().is_some_and(|incoming| incoming.last.index > part.last.index) {
            return Err(0);
        }
        if self.incoming.as_ref().is_none_or(|incoming| incoming.last != part.last) {
            self.incoming = Some(IncomingSnapshot { last: part.last, data: Vec::new() });
        }
        let incoming = self.incoming.as_mut().expect("just made");
        if part.offset == incoming.data.len() as u64 {
            incoming.data.extend_from_slice(&part.data);
        }
        if (incoming.data.len() as u64) < part.size {
            return Err(incoming.data.len() as u64);
        }
        let whole = self.incoming.take().expect("just looked at");
        Ok(whole.data.into())
    }

    /// The whole snapshot has come.
    fn install(&mut self, snapshot: Snapshot) {
        let last = snapshot.last;
        // With its last entry in the log, the log has everything before it, and what follows may count at the leader:
        // all that is new is how much of it is committed (figure 13, step 6).
        if self.log.contains(last) && !self.bug(Bug::InstallDropsAckedSuffix) {
            self.commit_index = self.commit_index.max(last.index);
            return;
        }
        // What is committed is in the snapshot; anything else that is durable here says nothing about the new log.
        self.saves.truncate(self.commit_index);
        self.unsaved_after = None;
        self.log.reset_to_snapshot(last, snapshot.configuration.clone());
        self.commit_index = last.index;
        self.snapshot = Some(snapshot);
        self.restore_pending = true;
        self.pending_rewrite = Some(true);
    }

    #[expect(clippy::too_many_arguments, reason = "they are the message's fields")]
    pub(crate) fn on_install_response(
        &mut self,
        now: Timestamp,
        from: ReplicaKey,
        last: LogId,
        received: u64,
        end: u64,
        stamp: MessageContext,
        effects: &mut Vec<Effect>,
    ) {
        let Some(place) = self.follower_position(from) else { return };
        // Whatever was lost is sent again, as often as it takes.
        let end = if self.bug(Bug::SnapshotTransferNeverRetried) { received } else { end };
        let confirmed = self.confirmed_context(stamp, now);
        let Role::Leader(leader) = &mut self.role else { return };
        let progress = &mut leader.progress[place];
        progress.on_confirmed(confirmed, now);
        progress.on_chunk_received(last, received, end, stamp.sent_at, now);
        self.send_entries(now, place, effects);
        self.confirm_reads(now, effects);
    }
}
