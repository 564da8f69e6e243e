//! The disk lane: each save of the core as one record, in order, several syncs in flight.

use super::entry::{digest, encode};
use super::wal::Wal;
use crate::server::Host;
use invariants::Fact;
use raft_core::{Letter, SaveId, Write};
use std::collections::VecDeque;

type CoreHost<'a> = Host<'a, Letter>;

/// The disk lane: records in order, several syncs in flight.
pub(super) struct DiskLane {
    wal: Wal,
    most_syncs: usize,
    syncs: Vec<Sync>,
    next_token: u64,
    /// The newest write in the log; whether a sync that covers it was begun; the newest that was reported durable.
    written: SaveId,
    behind: bool,
    reported: Option<SaveId>,
    /// Writes that wait until what was recovered is durable again.
    waiting: VecDeque<(SaveId, Write, bool)>,
}

/// A sync in flight.
pub(super) struct Sync {
    token: u64,
    /// Where the log ended, and with which write, when it began.
    end: u64,
    covers: SaveId,
}

impl DiskLane {
    pub(super) fn new(wal: Wal, most_syncs: usize) -> DiskLane {
        DiskLane {
            wal,
            most_syncs,
            syncs: Vec::with_capacity(most_syncs),
            next_token: 0,
            written: SaveId(0),
            behind: false,
            reported: None,
            waiting: VecDeque::new(),
        }
    }

    /// Writes one record, or keeps it back while a cut tail could still come back underneath it.
    pub(super) fn write(&mut self, host: &mut CoreHost<'_>, id: SaveId, write: &Write, cut: bool) {
        if self.wal.is_settled() {
            self.append(host, id, write, cut);
        } else {
            self.waiting.push_back((id, write.clone(), cut));
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

    pub(super) fn sync_if_behind(&mut self, host: &mut CoreHost<'_>) {
        if self.behind && self.syncs.len() < self.most_syncs {
            self.begin_sync(host);
        }
    }

    pub(super) fn begin_sync(&mut self, host: &mut CoreHost<'_>) {
        self.behind = false;
        self.syncs.push(Sync { token: self.next_token, end: self.wal.end(), covers: self.written });
        host.sync(self.next_token);
        self.next_token += 1;
    }

    /// A sync has ended. Returns the newest write that is durable, if that is news.
    pub(super) fn end_sync(&mut self, host: &mut CoreHost<'_>, token: u64) -> Option<SaveId> {
        let place = self.syncs.iter().position(|sync| sync.token == token).expect("only what was begun ends");
        let Sync { end, covers, .. } = self.syncs.swap_remove(place);
        self.wal.durable_to(end);
        while self.wal.is_settled()
            && let Some((id, write, cut)) = self.waiting.pop_front()
        {
            self.append(host, id, &write, cut);
        }
        self.sync_if_behind(host);
        let news = Some(covers) > self.reported;
        self.reported = self.reported.max(Some(covers));
        news.then_some(covers)
    }
}
