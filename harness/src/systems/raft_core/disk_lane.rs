//! The disk lane: each save of the core as one record, in order, several syncs in flight.
//!
//! A write that replaces everything before is a new log: written beside the old one, synced, switched, synced, reported.
//! Writes that come meanwhile wait, as they do until what was recovered is durable.
//!
//! A sync that fails is the end of this lane: what it was to make durable may be lost, and no later sync would say so.
//! Nothing is written any more; a restart finds out what is there.

use super::entry::{encode, payload_digest};
use super::wal::{SyncMark, Wal, WalCheckpoint};
use crate::bugs::HostBug;
use crate::plan::Trigger;
use crate::rng::RngStream;
use crate::server::Host;
use bytes::Bytes;
use invariants::Fact;
use raft_core::{Envelope, SaveId, SaveRecord};
use rand::RngCore;
use std::collections::VecDeque;

type CoreHost<'a> = Host<'a, Envelope>;

/// The disk lane: records in order, several syncs in flight.
pub(super) struct DiskLane {
    wal: Wal,
    /// Where the identities of new files come from.
    rng: RngStream,
    max_in_flight_syncs: usize,
    syncs: Vec<LogSync>,
    next_token: u64,
    /// The newest write in the log; whether a sync that covers it was begun; the newest that was reported durable.
    last_written: SaveId,
    sync_needed: bool,
    last_reported: Option<SaveId>,
    /// The write in the new file beside the log, and what is true once that is durable in the log's place.
    pending_rewrite: Option<(SaveId, Vec<Fact>)>,
    /// Writes that wait until what was recovered or rewritten is durable.
    queued_writes: VecDeque<(SaveId, QueuedWrite)>,
    /// A sync has failed.
    failed: bool,
}

/// A sync in flight.
pub(super) struct LogSync {
    token: u64,
    /// How far the log was, and with which write, when it began.
    mark: SyncMark,
    covers: SaveId,
}

/// A write that waits.
enum QueuedWrite {
    Record(SaveRecord, bool),
    NewLog(LogRewrite),
}

/// One write that replaces everything written before.
pub(super) struct LogRewrite {
    pub(super) term: u64,
    pub(super) vote: Option<u64>,
    pub(super) checkpoint: WalCheckpoint,
    /// All entries after the base: term, kind, content.
    pub(super) entries: Vec<(u64, u8, Bytes)>,
    /// What the disk may say once it is durable.
    pub(super) truths: Vec<Fact>,
}

/// What came of a sync.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SyncOutcome {
    /// Nothing that is news.
    Unchanged,
    /// Every write up to this one is durable.
    Saved(SaveId),
    /// The disk refused; up to this write.
    Failed(SaveId),
}

impl DiskLane {
    pub(super) fn new(wal: Wal, most_syncs: usize, chance: RngStream) -> DiskLane {
        DiskLane {
            wal,
            rng: chance,
            max_in_flight_syncs: most_syncs,
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

    /// Writes one record, or keeps it back while a cut tail or the old log could still come back underneath it.
    pub(super) fn write(&mut self, host: &mut CoreHost<'_>, id: SaveId, write: &SaveRecord, cut: bool) {
        if self.failed {
            return;
        }
        if self.wal.can_append() {
            self.append(host, id, write, cut);
        } else {
            self.queued_writes.push_back((id, QueuedWrite::Record(write.clone(), cut)));
        }
    }

    /// Replaces the log, or keeps that back as well.
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

    fn append(&mut self, host: &mut CoreHost<'_>, id: SaveId, write: &SaveRecord, cut: bool) {
        let (term, vote) = (write.term.0, write.vote.map(|vote| vote.0));
        let after = cut.then_some(write.after.0);
        let entries = write.entries.iter().map(|entry| {
            let (kind, bytes) = encode(&entry.payload);
            (entry.term.0, kind, bytes)
        });
        let disk = host.disk();
        self.wal.append(disk, term, vote, after, entries);
        disk.attach(Fact::Saved { term, vote, after });
        for (index, entry) in (write.after.0 + 1..).zip(&*write.entries) {
            disk.attach(Fact::SavedEntry {
                index,
                term: entry.term.0,
                entry: payload_digest(&entry.payload),
            });
        }
        self.last_written = id;
        self.sync_needed = true;
    }

    /// The first step of replacing the log: the new one is written beside it.
    fn write_new_log(&mut self, host: &mut CoreHost<'_>, id: SaveId, rewrite: LogRewrite) {
        let LogRewrite { term, vote, checkpoint: kept, entries, truths } = rewrite;
        let hard_state = match host.bug(HostBug::CompactionRewriteLosesHardstate.info()) {
            false => (term, vote),
            true => (0, None),
        };
        let identity = self.rng.next_u64();
        self.wal.rewrite(host.disk(), identity, hard_state, &kept, entries);
        self.pending_rewrite = Some((id, truths));
        self.sync_needed = true;
        host.fire_trigger(Trigger::Rewriting);
        if host.bug(HostBug::InstallNotAtomic.info()) {
            let mark = self.wal.mark();
            self.wal.mark_durable(mark);
            self.switch_if_durable(host);
        }
    }

    /// The second step: once the new log is durable, it takes the old one's place.
    fn switch_if_durable(&mut self, host: &mut CoreHost<'_>) {
        if !self.wal.is_rewrite_durable() {
            return;
        }
        let (id, truths) = self.pending_rewrite.take().expect("a new log has a write in it");
        let disk = host.disk();
        self.wal.switch_to_new_file(disk);
        truths.into_iter().for_each(|truth| disk.attach(truth));
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

    /// A sync has ended, well or not.
    pub(super) fn end_sync(&mut self, host: &mut CoreHost<'_>, token: u64, well: bool) -> SyncOutcome {
        let place = self.syncs.iter().position(|sync| sync.token == token).expect("only what was begun ends");
        let LogSync { mark, covers, .. } = self.syncs.swap_remove(place);
        if self.failed {
            return SyncOutcome::Unchanged;
        }
        if !well && !host.bug(HostBug::PersistFailureIgnored.info()) {
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
                QueuedWrite::Record(write, cut) => self.append(host, id, &write, cut),
                QueuedWrite::NewLog(rewrite) => self.write_new_log(host, id, rewrite),
            }
        }
        self.sync_if_needed(host);
        let news = Some(covers) > self.last_reported;
        self.last_reported = self.last_reported.max(Some(covers));
        if news { SyncOutcome::Saved(covers) } else { SyncOutcome::Unchanged }
    }
}

#[cfg(test)]
mod tests;
