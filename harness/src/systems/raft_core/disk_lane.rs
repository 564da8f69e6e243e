//! The disk lane: each save of the core as one record, in order, several syncs in flight.
//!
//! A write that replaces everything before is a new log: written beside the old one, synced, switched, synced, reported.
//! Writes that come meanwhile wait, as they do until what was recovered is durable.
//!
//! A sync that fails is the end of this lane: what it was to make durable may be lost, and no later sync would say so.
//! Nothing is written any more; a restart finds out what is there.

use super::entry::{digest, encode};
use super::wal::{Kept, Mark, Wal};
use crate::bugs::HostBug;
use crate::plan::Moment;
use crate::rng::Stream;
use crate::server::Host;
use bytes::Bytes;
use invariants::Fact;
use raft_core::{Letter, SaveId, Write};
use rand::RngCore;
use std::collections::VecDeque;

type CoreHost<'a> = Host<'a, Letter>;

/// The disk lane: records in order, several syncs in flight.
pub(super) struct DiskLane {
    wal: Wal,
    /// Where the identities of new files come from.
    chance: Stream,
    most_syncs: usize,
    syncs: Vec<Sync>,
    next_token: u64,
    /// The newest write in the log; whether a sync that covers it was begun; the newest that was reported durable.
    written: SaveId,
    behind: bool,
    reported: Option<SaveId>,
    /// The write in the new file beside the log, and what is true once that is durable in the log's place.
    rewriting: Option<(SaveId, Vec<Fact>)>,
    /// Writes that wait until what was recovered or rewritten is durable.
    waiting: VecDeque<(SaveId, Waiting)>,
    /// A sync has failed.
    failed: bool,
}

/// A sync in flight.
pub(super) struct Sync {
    token: u64,
    /// How far the log was, and with which write, when it began.
    mark: Mark,
    covers: SaveId,
}

/// A write that waits.
enum Waiting {
    Record(Write, bool),
    NewLog(Rewrite),
}

/// One write that replaces everything written before.
pub(super) struct Rewrite {
    pub(super) term: u64,
    pub(super) vote: Option<u64>,
    pub(super) kept: Kept,
    /// All entries after the base: term, kind, content.
    pub(super) entries: Vec<(u64, u8, Bytes)>,
    /// What the disk may say once it is durable.
    pub(super) truths: Vec<Fact>,
}

/// What came of a sync.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ended {
    /// Nothing that is news.
    Nothing,
    /// Every write up to this one is durable.
    Saved(SaveId),
    /// The disk refused; up to this write.
    Failed(SaveId),
}

impl DiskLane {
    pub(super) fn new(wal: Wal, most_syncs: usize, chance: Stream) -> DiskLane {
        DiskLane {
            wal,
            chance,
            most_syncs,
            syncs: Vec::new(),
            next_token: 0,
            written: SaveId(0),
            behind: false,
            reported: None,
            rewriting: None,
            waiting: VecDeque::new(),
            failed: false,
        }
    }

    /// Writes one record, or keeps it back while a cut tail or the old log could still come back underneath it.
    pub(super) fn write(&mut self, host: &mut CoreHost<'_>, id: SaveId, write: &Write, cut: bool) {
        if self.failed {
            return;
        }
        if self.wal.is_settled() {
            self.append(host, id, write, cut);
        } else {
            self.waiting.push_back((id, Waiting::Record(write.clone(), cut)));
        }
    }

    /// Replaces the log, or keeps that back as well.
    pub(super) fn rewrite(&mut self, host: &mut CoreHost<'_>, id: SaveId, rewrite: Rewrite) {
        if self.failed {
            return;
        }
        if self.wal.is_settled() {
            self.write_new(host, id, rewrite);
        } else {
            self.waiting.push_back((id, Waiting::NewLog(rewrite)));
        }
    }

    fn append(&mut self, host: &mut CoreHost<'_>, id: SaveId, write: &Write, cut: bool) {
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
            disk.attach(Fact::SavedEntry { index, term: entry.term.0, entry: digest(&entry.payload) });
        }
        self.written = id;
        self.behind = true;
    }

    /// The first step of replacing the log: the new one is written beside it.
    fn write_new(&mut self, host: &mut CoreHost<'_>, id: SaveId, rewrite: Rewrite) {
        let Rewrite { term, vote, kept, entries, truths } = rewrite;
        let hard_state = match host.bug(HostBug::CompactionRewriteLosesHardstate.info()) {
            false => (term, vote),
            true => (0, None),
        };
        let identity = self.chance.next_u64();
        self.wal.rewrite(host.disk(), identity, hard_state, &kept, entries);
        self.rewriting = Some((id, truths));
        self.behind = true;
        host.moment(Moment::Rewriting);
        if host.bug(HostBug::InstallNotAtomic.info()) {
            let mark = self.wal.mark();
            self.wal.durable_to(mark);
            self.switch_if_synced(host);
        }
    }

    /// The second step: once the new log is durable, it takes the old one's place.
    fn switch_if_synced(&mut self, host: &mut CoreHost<'_>) {
        if !self.wal.is_rewritten() {
            return;
        }
        let (id, truths) = self.rewriting.take().expect("a new log has a write in it");
        let disk = host.disk();
        self.wal.switch(disk);
        truths.into_iter().for_each(|truth| disk.attach(truth));
        self.written = id;
        self.behind = true;
    }

    pub(super) fn sync_if_behind(&mut self, host: &mut CoreHost<'_>) {
        if self.behind && self.syncs.len() < self.most_syncs {
            self.begin_sync(host);
        }
    }

    pub(super) fn begin_sync(&mut self, host: &mut CoreHost<'_>) {
        self.behind = false;
        self.syncs.push(Sync { token: self.next_token, mark: self.wal.mark(), covers: self.written });
        host.sync(self.next_token);
        self.next_token += 1;
    }

    /// A sync has ended, well or not.
    pub(super) fn end_sync(&mut self, host: &mut CoreHost<'_>, token: u64, well: bool) -> Ended {
        let place = self.syncs.iter().position(|sync| sync.token == token).expect("only what was begun ends");
        let Sync { mark, covers, .. } = self.syncs.swap_remove(place);
        if self.failed {
            return Ended::Nothing;
        }
        if !well && !host.bug(HostBug::PersistFailureIgnored.info()) {
            self.failed = true;
            self.behind = false;
            self.waiting.clear();
            return Ended::Failed(covers);
        }
        self.wal.durable_to(mark);
        self.switch_if_synced(host);
        while self.wal.is_settled()
            && let Some((id, waiting)) = self.waiting.pop_front()
        {
            match waiting {
                Waiting::Record(write, cut) => self.append(host, id, &write, cut),
                Waiting::NewLog(rewrite) => self.write_new(host, id, rewrite),
            }
        }
        self.sync_if_behind(host);
        let news = Some(covers) > self.reported;
        self.reported = self.reported.max(Some(covers));
        if news { Ended::Saved(covers) } else { Ended::Nothing }
    }
}

#[cfg(test)]
mod tests;
