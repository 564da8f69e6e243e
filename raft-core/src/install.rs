//! Snapshots (7): the log before one goes, and followers that lack what is gone get the snapshot itself, in parts.
//!
//! Whatever happens, nothing moves backwards: a snapshot of what this server knows to be committed already is only
//! acknowledged; one whose last entry stands in the log says that everything up to there is committed, and the log stays
//! as it is, for what follows may have been acknowledged; any other takes the place of the log and of the application's
//! state, by one write, so that after a loss of power there is the old state or the new one.

use crate::answer::Refusal;
use crate::bug::Bug;
use crate::ids::{Index, Instant, LogId, Peer};
use crate::io::Effect;
use crate::membership::Configuration;
use crate::message::{Message, Stamp};
use crate::progress::Pace;
use crate::raft::{Incoming, Raft, Role};
use crate::saves::Promise;
use crate::snapshot::{Part, Snapshot};
use bytes::Bytes;
use std::sync::Arc;

impl Raft {
    /// The application hands over its state after `index`.
    pub(crate) fn compact(
        &mut self,
        now: Instant,
        index: Index,
        data: Bytes,
        keep: Index,
    ) -> Result<(), Refusal> {
        // The state that waits to be restored is newer as well.
        if self.snapshot.as_ref().is_some_and(|newest| index <= newest.last.index) || index == Index(0) {
            return Err(Refusal::SnapshotOutdated);
        }
        let Some(term) = self.log.term_at(index).filter(|_| index <= self.applied) else {
            return Err(Refusal::SnapshotNotApplied);
        };
        let configuration = self.configuration_in_snapshot(index);
        self.snapshot = Some(Snapshot { last: LogId { index, term }, configuration, data });
        // First, for what follows a snapshot that is replaced need not stay.
        (0..self.followers()).for_each(|place| self.switch_to_newest_snapshot(now, place));
        self.log.compact(keep.min(index).min(self.needed_after_transfers(now)));
        self.rewrites = Some(false);
        // Whoever lacks what is gone now gets this snapshot, and nothing is sent any more that would follow what is gone.
        (0..self.followers()).for_each(|place| self.fall_back_on_snapshot(now, place));
        Ok(())
    }

    /// A snapshot that is being sent is brought to its end while its receiver answers: where snapshots are made faster than
    /// they are sent, going over to the newest each time would never end. Where nothing of it is known to have come, or
    /// the receiver has been silent for an election timeout, the newest one takes its place, and the old one is let go.
    fn switch_to_newest_snapshot(&mut self, now: Instant, place: usize) {
        let Role::Leader(leader) = &mut self.role else { return };
        let progress = &mut leader.progress[place];
        let silent = progress.heard.after(self.config.election_timeout) <= now;
        if let Some(newest) = self.snapshot.as_ref().filter(|newest| progress.may_switch_to(newest, silent)) {
            progress.switch_to(newest.clone());
        }
    }

    /// What follows a snapshot that is on its way to somebody stays while that one answers: where snapshots are made faster
    /// than they are sent, it would need a newer one each time, for ever. Who is silent for an election timeout is not
    /// waited for: it may never come back.
    fn needed_after_transfers(&self, now: Instant) -> Index {
        let Role::Leader(leader) = &self.role else { return Index(u64::MAX) };
        let needed = leader.progress.iter().filter_map(|progress| match &progress.pace {
            Pace::Snapshotting { snapshot, .. } => Some((snapshot.last.index, progress.heard)),
            Pace::Probing { .. } | Pace::Streaming { .. } => None,
        });
        let answering = needed.filter(|(_, heard)| heard.after(self.config.election_timeout) > now);
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
    pub(crate) fn fall_back_on_snapshot(&mut self, now: Instant, place: usize) {
        let Role::Leader(leader) = &self.role else { return };
        let progress = &leader.progress[place];
        if matches!(progress.pace, Pace::Snapshotting { .. }) || !self.is_gone(progress.next) {
            return;
        }
        let snapshot = self.snapshot.clone().expect("entries go only into a snapshot");
        let Role::Leader(leader) = &mut self.role else { return };
        leader.progress[place].needs(snapshot, now);
    }

    /// Sends the next parts of a snapshot, as far as the window allows.
    pub(crate) fn send_parts(&mut self, now: Instant, place: usize, effects: &mut Vec<Effect>) {
        self.switch_to_newest_snapshot(now, place);
        let (chunk, stamp) = (self.config.max_chunk, self.stamp(now));
        let window = (chunk as u64).saturating_mul(self.config.max_in_flight as u64);
        loop {
            let Role::Leader(leader) = &mut self.role else { return };
            let progress = &mut leader.progress[place];
            let Pace::Snapshotting { snapshot, received, sent, .. } = &mut progress.pace else { return };
            let size = snapshot.data.len() as u64;
            // An empty state is a part as well, the only one.
            let nothing_sent = *sent == 0 && size == 0 && progress.sent != now;
            if (*sent >= size && !nothing_sent) || *sent - *received >= window {
                return;
            }
            let part = Part::of(snapshot, *sent, chunk);
            *sent += part.data.len() as u64;
            progress.sent = now;
            let to = progress.peer;
            effects.push(
                self.letter(to, Message::InstallSnapshot { term: self.term, part: Box::new(part), stamp }),
            );
        }
    }

    pub(crate) fn on_install(
        &mut self,
        now: Instant,
        from: Peer,
        part: Part,
        stamp: Stamp,
        effects: &mut Vec<Effect>,
    ) {
        if !self.hear(now, from, effects) {
            return;
        }
        let last = part.last;
        if last.index <= self.commit && !self.bug(Bug::InstallRegressesState) {
            // All of that is committed here, so the leader has it too (5.4). What is gathered may be newer than this part.
            self.incoming.take_if(|incoming| incoming.last.index <= self.commit);
            return self.acknowledge(from, self.commit, stamp, effects);
        }
        let end = part.offset + part.data.len() as u64;
        let configuration = part.configuration.clone();
        match self.gather(part) {
            Ok(data) => {
                self.install(Snapshot { last, configuration, data });
                self.acknowledge(from, last.index, stamp, effects);
            }
            Err(received) => {
                let message =
                    Message::InstallSnapshotResponse { term: self.term, last, received, end, stamp };
                self.promise(Promise::Send(from, message), effects);
            }
        }
    }

    fn acknowledge(&mut self, to: Peer, matched: Index, stamp: Stamp, effects: &mut Vec<Effect>) {
        let message = Message::AppendEntriesResponse { term: self.term, matched, stamp };
        self.promise(Promise::Send(to, message), effects);
    }

    /// Puts a part where it belongs. Returns the whole once it is there; until then, how much has come without a gap.
    fn gather(&mut self, part: Part) -> Result<Bytes, u64> {
        if part.offset == 0 && part.data.len() as u64 == part.size {
            self.incoming = None;
            return Ok(part.data);
        }
        // A late part of a snapshot that was given up for a newer one must not cost what has come of that.
        if self.incoming.as_ref().is_some_and(|incoming| incoming.last.index > part.last.index) {
            return Err(0);
        }
        if self.incoming.as_ref().is_none_or(|incoming| incoming.last != part.last) {
            self.incoming = Some(Incoming { last: part.last, data: Vec::new() });
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
            self.commit = self.commit.max(last.index);
            return;
        }
        // What is committed is in the snapshot; anything else that is durable here says nothing about the new log.
        self.saves.cut(self.commit);
        self.unsaved_after = None;
        self.log.restart_after(last, snapshot.configuration.clone());
        self.commit = last.index;
        self.snapshot = Some(snapshot);
        self.restores = true;
        self.rewrites = Some(true);
    }

    #[expect(clippy::too_many_arguments, reason = "they are the message's fields")]
    pub(crate) fn on_install_response(
        &mut self,
        now: Instant,
        from: Peer,
        last: LogId,
        received: u64,
        end: u64,
        stamp: Stamp,
        effects: &mut Vec<Effect>,
    ) {
        let Some(place) = self.follower(from) else { return };
        // Whatever was lost is sent again, as often as it takes.
        let end = if self.bug(Bug::SnapshotTransferNeverRetried) { received } else { end };
        let confirmed = self.confirmed_by(stamp, now);
        let Role::Leader(leader) = &mut self.role else { return };
        let progress = &mut leader.progress[place];
        progress.confirms(confirmed, now);
        progress.received(last, received, end, stamp.sent, now);
        self.send_what_it_lacks(now, place, effects);
        self.confirm_reads(now, effects);
    }
}
