//! The disk lane: writes each save of the core as one record, in order, with several syncs in flight.
//!
//! A save that replaces everything before is a new log file: written beside the old one, synced, renamed,
//! synced, reported. Later saves wait meanwhile, as they do until the recovered log is durable.
//!
//! After a failed sync this lane writes nothing more: what the sync covered may be lost, and no later sync
//! would report that. A restart reads what is on the disk.

use super::bugs::HostBug;
use super::entry::{encode, payload_digest};
use super::wal::{SyncMark, Wal, WalCheckpoint};
use crate::plan::Trigger;
use crate::server::Host;
use crate::support::rng::RngStream;
use bytes::Bytes;
use invariants::DiskFact;
use raft_core::{Envelope, SaveId, SaveRecord};
use rand::RngCore;
use std::collections::VecDeque;

type CoreHost<'a> = Host<'a, Envelope>;

/// The disk lane: records in order, several syncs in flight.
pub(super) struct DiskLane {
    wal: Wal,
    /// Draws the ids of new files.
    rng: RngStream,
    max_in_flight_syncs: usize,
    syncs: Vec<LogSync>,
    next_token: u64,
    /// The newest save in the log; whether it needs a new sync; the newest save that was reported durable.
    last_written: SaveId,
    sync_needed: bool,
    last_reported: Option<SaveId>,
    /// The save in the new file beside the log, and the facts that hold once it is durable in place of the
    /// log.
    pending_rewrite: Option<(SaveId, Vec<DiskFact>)>,
    /// Saves that wait until the recovered or rewritten log is durable.
    queued_writes: VecDeque<(SaveId, QueuedWrite)>,
    /// Whether a sync has failed.
    failed: bool,
}

/// A sync in flight.
pub(super) struct LogSync {
    token: u64,
    /// The state of the log when it began, and the newest save that it covers.
    mark: SyncMark,
    covers: SaveId,
}

/// A save that waits.
enum QueuedWrite {
    Record(SaveRecord, bool),
    NewLog(LogRewrite),
}

/// A save that replaces everything before.
pub(super) struct LogRewrite {
    pub(super) term: u64,
    pub(super) vote: Option<u64>,
    pub(super) checkpoint: WalCheckpoint,
    /// All entries after the compacted prefix: term, kind, content.
    pub(super) entries: Vec<(u64, u8, Bytes)>,
    /// The facts that hold once it is durable.
    pub(super) facts: Vec<DiskFact>,
}

/// The result of a sync.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SyncOutcome {
    /// Nothing new is durable.
    Unchanged,
    /// All saves up to this one are durable.
    Saved(SaveId),
    /// The sync failed; it covered the saves up to this one.
    Failed(SaveId),
}

impl DiskLane {
    pub(super) fn new(wal: Wal, max_in_flight_syncs: usize, rng: RngStream) -> DiskLane {
        DiskLane {
            wal,
            rng,
            max_in_flight_syncs,
            syncs: Vec::new(),
            next_token: 0,
            last_written: SaveId(0),
            sync_needed: false,
            last_reported: None,
            pending_rewrite: None,
            queued_writes: VecDeque::new(),
            failed: false,
        }
    }

    /// Writes one record. Queues it while a truncated tail or the old log could come back beneath it.
    pub(super) fn write(&mut self, host: &mut CoreHost<'_>, id: SaveId, save: &SaveRecord, truncates: bool) {
        if self.failed {
            return;
        }
        if self.wal.can_append() {
            self.append(host, id, save, truncates);
        } else {
            self.queued_writes.push_back((id, QueuedWrite::Record(save.clone(), truncates)));
        }
    }

    /// Replaces the log, or queues that.
    pub(super) fn rewrite(&mut self, host: &mut CoreHost<'_>, id: SaveId, rewrite: LogRewrite) {
        if self.failed {
            return;
        }
        if self.wal.can_append() {
            self.write_new_log(host, id, rewrite);
        } else {
            self.queued_writes.push_back((id, QueuedWrite::NewLog(rewrite)));
        }
    }

    fn append(&mut self, host: &mut CoreHost<'_>, id: SaveId, save: &SaveRecord, truncates: bool) {
        let (term, vote) = (save.term.0, save.vote.map(|vote| vote.0));
        let after = truncates.then_some(save.after.0);
        let entries = save.entries.iter().map(|entry| {
            let (kind, bytes) = encode(&entry.payload);
            (entry.term.0, kind, bytes)
        });
        let disk = host.disk();
        self.wal.append(disk, term, vote, after, entries);
        disk.attach(DiskFact::Saved { term, vote, after });
        for (index, entry) in (save.after.0 + 1..).zip(&*save.entries) {
            disk.attach(DiskFact::SavedEntry {
                index,
                term: entry.term.0,
                entry: payload_digest(&entry.payload),
            });
        }
        self.last_written = id;
        self.sync_needed = true;
    }

    /// The first step of replacing the log: writes the new one beside it.
    fn write_new_log(&mut self, host: &mut CoreHost<'_>, id: SaveId, rewrite: LogRewrite) {
        let LogRewrite { term, vote, checkpoint, entries, facts } = rewrite;
        let hard_state =
            match host.plan().enabled_bug(HostBug::named) == Some(HostBug::CompactionRewriteLosesHardstate) {
                false => (term, vote),
                true => (0, None),
            };
        let file_id = self.rng.next_u64();
        self.wal.rewrite(host.disk(), file_id, hard_state, &checkpoint, entries);
        self.pending_rewrite = Some((id, facts));
        self.sync_needed = true;
        host.fire_trigger(Trigger::Rewriting);
        if host.plan().enabled_bug(HostBug::named) == Some(HostBug::InstallNotAtomic) {
            let mark = self.wal.mark();
            self.wal.mark_durable(mark);
            self.switch_if_durable(host);
        }
    }

    /// The second step: once the new log is durable, renames it over the old one.
    fn switch_if_durable(&mut self, host: &mut CoreHost<'_>) {
        if !self.wal.is_rewrite_durable() {
            return;
        }
        let (id, facts) = self.pending_rewrite.take().expect("a new log must belong to a save");
        let disk = host.disk();
        self.wal.switch_to_new_file(disk);
        facts.into_iter().for_each(|fact| disk.attach(fact));
        self.last_written = id;
        self.sync_needed = true;
    }

    pub(super) fn sync_if_needed(&mut self, host: &mut CoreHost<'_>) {
        if self.sync_needed && self.syncs.len() < self.max_in_flight_syncs {
            self.begin_sync(host);
        }
    }

    pub(super) fn begin_sync(&mut self, host: &mut CoreHost<'_>) {
        self.sync_needed = false;
        self.syncs.push(LogSync { token: self.next_token, mark: self.wal.mark(), covers: self.last_written });
        host.sync(self.next_token);
        self.next_token += 1;
    }

    /// Completes a sync.
    pub(super) fn end_sync(&mut self, host: &mut CoreHost<'_>, token: u64, succeeded: bool) -> SyncOutcome {
        let index = self
            .syncs
            .iter()
            .position(|sync| sync.token == token)
            .expect("a sync must have been started before it ends");
        let LogSync { mark, covers, .. } = self.syncs.swap_remove(index);
        if self.failed {
            return SyncOutcome::Unchanged;
        }
        if !succeeded && host.plan().enabled_bug(HostBug::named) != Some(HostBug::PersistFailureIgnored) {
            self.failed = true;
            self.sync_needed = false;
            self.queued_writes.clear();
            return SyncOutcome::Failed(covers);
        }
        self.wal.mark_durable(mark);
        self.switch_if_durable(host);
        while self.wal.can_append()
            && let Some((id, waiting)) = self.queued_writes.pop_front()
        {
            match waiting {
                QueuedWrite::Record(save, truncates) => self.append(host, id, &save, truncates),
                QueuedWrite::NewLog(rewrite) => self.write_new_log(host, id, rewrite),
            }
        }
        self.sync_if_needed(host);
        let is_new = Some(covers) > self.last_reported;
        self.last_reported = self.last_reported.max(Some(covers));
        if is_new { SyncOutcome::Saved(covers) } else { SyncOutcome::Unchanged }
    }
}

#[cfg(test)]
mod tests;
