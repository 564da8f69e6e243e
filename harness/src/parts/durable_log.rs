//! A durable log: each save is one record, in order, with several syncs in flight.
//!
//! *In*: saves, numbered upwards by the caller: term and vote with the entries after some index ([`Save`]), or all of the
//! log anew beside a snapshot ([`Rewrite`]). *Out*: bytes on the disk, the facts of the disk, and up to which save all is
//! durable ([`SyncOutcome`]).
//!
//! A rewrite is a new log file: written beside the old one, synced, renamed, synced, reported. Later saves wait
//! meanwhile, as they do until the recovered log is durable. So memory may be ahead of the file by any number of saves.
//!
//! After a failed sync the log writes nothing more: what the sync covered may be lost, and no later sync would report
//! that. A restart reads what the page cache shows, and writes again what it does not know to be durable.
//!
//! A server uses it like this:
//!
//! 1. at boot [`DurableLog::open`], then it states [`RecoveredLog::started`], then [`DurableLog::start`];
//! 2. in each step any number of [`DurableLog::save`] and [`DurableLog::rewrite`], then one [`DurableLog::flush`];
//! 3. at [`Arrival::Synced`](crate::server::Arrival::Synced) and
//!    [`Arrival::SyncFailed`](crate::server::Arrival::SyncFailed) [`DurableLog::end_sync`].
//!
//! Messages that promise what is in a save wait in a [`HeldUntilSaved`].

use super::bugs::{HostLie, LogBug};
use super::wal::{DamagedFile, FILE, NOTE, RecoveredLog, SyncMark, Wal, WalCheckpoint};
use crate::plan::Trigger;
use crate::server::Host;
use crate::support::rng::RngStream;
use bytes::Bytes;
use invariants::{Digest, DiskFact, LogId, ServerFact};
use rand::RngCore;
use std::collections::VecDeque;
use std::fmt::Display;

/// The content of an entry as facts state it.
#[must_use]
pub fn entry_digest(kind: u8, bytes: &[u8]) -> Digest {
    Digest::of(bytes).then(u64::from(kind))
}

/// A durable log of one incarnation.
pub struct DurableLog {
    wal: Wal,
    /// Draws the ids of new files.
    rng: RngStream,
    max_in_flight_syncs: usize,
    syncs: Vec<LogSync>,
    next_token: u64,
    /// The newest save in the file; whether it needs a new sync; the newest save that was reported durable.
    last_written: u64,
    sync_needed: bool,
    last_reported: Option<u64>,
    /// The index of the last entry, waiting saves included.
    last_index: u64,
    /// The term in the newest record: for a bug.
    recorded_term: u64,
    /// The save in the new file beside the log, and the facts that hold once it is durable in place of the log.
    pending_rewrite: Option<(u64, [DiskFact; 2])>,
    /// Saves that wait until the recovered or rewritten log is durable.
    queued_writes: VecDeque<(u64, QueuedWrite)>,
    /// Whether a sync has failed.
    failed: bool,
}

/// A save: one record with term, vote, entries and a note.
#[derive(Clone, Debug)]
pub struct Save<'a, I> {
    /// The current term.
    pub term: u64,
    /// The vote in that term.
    pub vote: Option<u64>,
    /// The index after which the entries follow; what the log has after it is truncated.
    pub after: u64,
    /// Term, kind and content of each entry. It is walked more than once.
    pub entries: I,
    /// What the server wants to find beside them at its next start, such as its commit index. Empty: the note before
    /// stays.
    pub note: &'a [u8],
}

/// A save that replaces the whole log.
#[derive(Clone, Debug)]
pub struct Rewrite {
    /// The current term.
    pub term: u64,
    /// The vote in that term.
    pub vote: Option<u64>,
    /// The snapshot, and what it replaces.
    pub checkpoint: WalCheckpoint,
    /// All entries after the compacted ones: term, kind, content.
    pub entries: Vec<(u64, u8, Bytes)>,
    /// The note, as in a [`Save`]; the one before does not stay.
    pub note: Bytes,
}

/// The result of a sync.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum SyncOutcome {
    /// Nothing new is durable.
    Unchanged,
    /// All saves up to this one are durable.
    Saved(u64),
    /// The sync failed; it covered the saves up to this one. The server must stop.
    Failed(u64),
}

/// A sync in flight.
struct LogSync {
    token: u64,
    /// The state of the log when it began, and the newest save that it covers.
    mark: SyncMark,
    covers: u64,
}

/// A save that waits.
enum QueuedWrite {
    Record(OwnedSave, bool),
    NewLog(Rewrite),
}

struct OwnedSave {
    term: u64,
    vote: Option<u64>,
    after: u64,
    entries: Vec<(u64, u8, Bytes)>,
    note: Bytes,
}

impl DurableLog {
    /// Opens the log and reads it. `rng` draws the ids of files: a copy of the node's stream.
    ///
    /// # Errors
    /// Durable bytes are damaged: the server must stop, with [`Host::fail_stop`].
    pub fn open<M: Clone + Display>(
        host: &mut Host<'_, M>,
        mut rng: RngStream,
    ) -> Result<(DurableLog, RecoveredLog), DamagedFile> {
        let bug = host.plan().enabled_bug(LogBug::named);
        let opened = match Wal::open(host.disk(), &mut rng) {
            // Promises were lost with these bytes: other servers must not rely on what is left.
            Err(damage) if LogBug::ChecksumFailureTreatedAsTornTail.is_on(bug) => {
                host.disk().truncate(FILE, damage.offset);
                Wal::open(host.disk(), &mut rng)
            }
            // What is left is not what was written.
            Err(_) if LogBug::ChecksumNotVerified.is_on(bug) => Wal::open_unverified(host.disk(), &mut rng),
            opened => opened,
        };
        let (mut wal, mut recovered) = opened?;
        let length = host.disk().read(FILE).len() as u64;
        if length > recovered.known_durable && !LogBug::DroppedWritesTrusted.is_on(bug) {
            host.disk().write_again(FILE, recovered.known_durable);
        }
        // A log that keeps entries from before its snapshot says where it begins.
        if let Some(checkpoint) = &mut recovered.checkpoint
            && checkpoint.compacted != checkpoint.last
            && LogBug::StaleSegmentAfterSnapshot.is_on(bug)
        {
            checkpoint.compacted = checkpoint.last;
            checkpoint.compacted_configuration = checkpoint.configuration.clone();
            wal.renumber(&recovered);
        }
        let log = DurableLog {
            wal,
            rng,
            max_in_flight_syncs: host.plan().raft.max_in_flight_syncs as usize,
            syncs: Vec::new(),
            next_token: 0,
            last_written: 0,
            sync_needed: false,
            last_reported: None,
            last_index: recovered.last(),
            recorded_term: recovered.term,
            pending_rewrite: None,
            queued_writes: VecDeque::new(),
            failed: false,
        };
        Ok((log, recovered))
    }

    /// Begins the sync after which what was recovered is durable again; it also covers other files that were written
    /// before. Call it once, at boot. Its end is reported as save 0.
    pub fn start<M: Clone + Display>(&mut self, host: &mut Host<'_, M>) {
        host.disk().attach(DiskFact::SavedRecovered);
        self.begin_sync(host);
        // A truncated tail could come back behind what is appended before this sync ends.
        if !self.wal.can_append() && asks(host, LogBug::TornTailResurrected) {
            self.wal.mark_durable(self.wal.mark());
        }
    }

    /// The index of the last entry, whether it is durable or not.
    #[must_use]
    pub const fn last_index(&self) -> u64 {
        self.last_index
    }

    /// Writes one record as save `id`, greater than all before. States what it means for the log: that it was truncated,
    /// and which entries were appended. After each of these `appended` gets its index. Waits while a truncated tail or
    /// the old log could come back beneath it.
    pub fn save<M, I, B>(
        &mut self,
        host: &mut Host<'_, M>,
        id: u64,
        save: Save<'_, I>,
        mut appended: impl FnMut(&mut Host<'_, M>, u64),
    ) where
        M: Clone + Display,
        I: Iterator<Item = (u64, u8, B)> + Clone,
        B: AsRef<[u8]>,
    {
        let truncates = save.after < self.last_index;
        if truncates {
            host.record_fact(ServerFact::Truncated { after: save.after });
        }
        self.last_index = save.after;
        for (term, kind, bytes) in save.entries.clone() {
            self.last_index += 1;
            let entry = entry_digest(kind, bytes.as_ref());
            host.record_fact(ServerFact::Appended { index: self.last_index, term, entry });
            appended(host, self.last_index);
        }
        if self.failed {
            return;
        }
        if self.wal.can_append() {
            self.append(host, id, save, truncates);
        } else {
            let Save { term, vote, after, entries, note } = save;
            let entries = entries
                .map(|(term, kind, bytes)| (term, kind, Bytes::copy_from_slice(bytes.as_ref())))
                .collect();
            let save = OwnedSave { term, vote, after, entries, note: Bytes::copy_from_slice(note) };
            self.queued_writes.push_back((id, QueuedWrite::Record(save, truncates)));
        }
    }

    /// Replaces the log as save `id`, greater than all before, or waits like [`DurableLog::save`]. The facts about the
    /// snapshot itself are the caller's.
    pub fn rewrite<M: Clone + Display>(&mut self, host: &mut Host<'_, M>, id: u64, rewrite: Rewrite) {
        self.last_index = rewrite.checkpoint.compacted.index + rewrite.entries.len() as u64;
        if self.failed {
            return;
        }
        if self.wal.can_append() {
            self.write_new_log(host, id, rewrite);
        } else {
            self.queued_writes.push_back((id, QueuedWrite::NewLog(rewrite)));
        }
    }

    fn append<M, I, B>(&mut self, host: &mut Host<'_, M>, id: u64, save: Save<'_, I>, truncates: bool)
    where
        M: Clone + Display,
        I: Iterator<Item = (u64, u8, B)> + Clone,
        B: AsRef<[u8]>,
    {
        let Save { term, vote, after, entries, note } = save;
        let vote = vote.filter(|_| !tells(host, HostLie::ForgetsVote));
        let cut = truncates.then_some(after);
        let creates_file = self.wal.end() == 0 && !host.disk().contains(FILE);
        // One record holds term and vote: with an older term the vote would be another promise.
        let before = std::mem::replace(&mut self.recorded_term, term);
        if vote.is_some() && before < term && asks(host, LogBug::VoteInTwoWrites) {
            let nothing = std::iter::empty::<(u64, u8, Bytes)>();
            self.wal.append(host.disk(), before, vote, None, nothing);
        }
        let disk = host.disk();
        let content = entries.clone().map(|(term, kind, bytes)| (term, kind, Content::Entry(bytes)));
        let note = (!note.is_empty()).then_some((0, NOTE, Content::Note(note)));
        self.wal.append(disk, term, vote, cut, content.chain(note));
        // Until the directory is synced, a power loss takes the file with all that is synced in it.
        if creates_file && !asks(host, LogBug::NewLogDirectoryNotSynced) {
            host.disk().sync_directory();
        }
        let disk = host.disk();
        disk.attach(DiskFact::Saved { term, vote, after: cut });
        for (index, (term, kind, bytes)) in (after + 1..).zip(entries) {
            disk.attach(DiskFact::SavedEntry { index, term, entry: entry_digest(kind, bytes.as_ref()) });
        }
        self.last_written = id;
        self.sync_needed = true;
    }

    /// The first step of replacing the log: writes the new one beside it.
    fn write_new_log<M: Clone + Display>(&mut self, host: &mut Host<'_, M>, id: u64, rewrite: Rewrite) {
        let Rewrite { term, vote, checkpoint, mut entries, note } = rewrite;
        if !note.is_empty() {
            entries.push((0, NOTE, note));
        }
        let vote = vote.filter(|_| !tells(host, HostLie::ForgetsVote));
        let facts = [
            DiskFact::Saved { term, vote, after: None },
            DiskFact::SavedSnapshot { base: checkpoint.compacted, last: checkpoint.last },
        ];
        let mut hard_state = (term, vote);
        if hard_state != (0, None) && asks(host, LogBug::CompactionRewriteLosesHardstate) {
            hard_state = (0, None);
        }
        let file_id = self.rng.next_u64();
        self.recorded_term = term;
        self.wal.rewrite(host.disk(), file_id, hard_state, &checkpoint, entries);
        self.pending_rewrite = Some((id, facts));
        self.sync_needed = true;
        host.fire_trigger(Trigger::Rewriting);
        if asks(host, LogBug::InstallNotAtomic) {
            let mark = self.wal.mark();
            self.wal.mark_durable(mark);
            self.switch_if_durable(host);
        }
    }

    /// The second step: once the new log is durable, renames it over the old one.
    fn switch_if_durable<M: Clone + Display>(&mut self, host: &mut Host<'_, M>) {
        if !self.wal.is_rewrite_durable() {
            return;
        }
        let (id, facts) = self.pending_rewrite.take().expect("a new log must belong to a save");
        // Between the two there is no log.
        if host.disk().contains(FILE) && asks(host, LogBug::LogRemovedBeforeRename) {
            host.disk().remove(FILE);
        }
        let disk = host.disk();
        self.wal.switch_to_new_file(disk);
        facts.into_iter().for_each(|fact| disk.attach(fact));
        self.last_written = id;
        self.sync_needed = true;
        host.fire_trigger(Trigger::Renamed);
    }

    /// Ends a step: begins a sync of what was written, unless as many as the plan allows are in flight. Then the end of
    /// one of these begins the next.
    ///
    /// Only a log that lies reports saves here. A server that offers [`HostLie`] treats them like those of
    /// [`DurableLog::end_sync`].
    pub fn flush<M: Clone + Display>(&mut self, host: &mut Host<'_, M>) -> SyncOutcome {
        self.sync_if_needed(host);
        if Some(self.last_written) > self.last_reported && tells(host, HostLie::AnswersBeforeSync) {
            return self.report(self.last_written);
        }
        SyncOutcome::Unchanged
    }

    fn sync_if_needed<M: Clone + Display>(&mut self, host: &mut Host<'_, M>) {
        if self.sync_needed && self.syncs.len() < self.max_in_flight_syncs {
            self.begin_sync(host);
        }
    }

    fn begin_sync<M: Clone + Display>(&mut self, host: &mut Host<'_, M>) {
        self.sync_needed = false;
        self.syncs.push(LogSync { token: self.next_token, mark: self.wal.mark(), covers: self.last_written });
        host.sync(self.next_token);
        self.next_token += 1;
    }

    /// Completes the sync with this token.
    pub fn end_sync<M: Clone + Display>(
        &mut self,
        host: &mut Host<'_, M>,
        token: u64,
        succeeded: bool,
    ) -> SyncOutcome {
        let index = self
            .syncs
            .iter()
            .position(|sync| sync.token == token)
            .expect("a sync must have been started before it ends");
        let LogSync { mut mark, mut covers, .. } = self.syncs.swap_remove(index);
        if self.failed {
            return SyncOutcome::Unchanged;
        }
        // The disk may have dropped what the failed sync covered: no later one makes it durable.
        if !succeeded && asks(host, LogBug::FsyncRetried) {
            self.sync_needed = true;
            self.sync_if_needed(host);
            return SyncOutcome::Unchanged;
        }
        let written = (self.wal.mark(), self.last_written);
        // What was written since it began may still be lost.
        if (mark, covers) != written && asks(host, LogBug::IoCompletionsOutOfOrder) {
            (mark, covers) = written;
        }
        // It began before the log was replaced, and says nothing about the new file.
        if !self.wal.is_of_this_file(mark) && asks(host, LogBug::AppendCompletionAba) {
            mark = self.wal.mark();
        }
        if !succeeded && !asks(host, LogBug::PersistFailureIgnored) {
            self.failed = true;
            self.sync_needed = false;
            self.queued_writes.clear();
            return SyncOutcome::Failed(covers);
        }
        self.wal.mark_durable(mark);
        let switches = self.wal.is_rewrite_durable();
        self.switch_if_durable(host);
        // Until a sync covers the new name, a power loss brings the old file back.
        if switches && asks(host, LogBug::DirectoryNotSynced) {
            self.wal.mark_durable(self.wal.mark());
            covers = self.last_written;
        }
        while self.wal.can_append()
            && let Some((id, waiting)) = self.queued_writes.pop_front()
        {
            match waiting {
                QueuedWrite::Record(OwnedSave { term, vote, after, entries, note }, truncates) => {
                    let entries = entries.iter().map(|(term, kind, bytes)| (*term, *kind, bytes));
                    self.append(host, id, Save { term, vote, after, entries, note: &note }, truncates);
                }
                QueuedWrite::NewLog(rewrite) => self.write_new_log(host, id, rewrite),
            }
        }
        self.sync_if_needed(host);
        self.report(covers)
    }

    /// Reports saves as durable, each once.
    fn report(&mut self, covers: u64) -> SyncOutcome {
        let is_new = Some(covers) > self.last_reported;
        self.last_reported = self.last_reported.max(Some(covers));
        if is_new { SyncOutcome::Saved(covers) } else { SyncOutcome::Unchanged }
    }
}

/// What a record holds: an entry or the note.
enum Content<'a, B> {
    Entry(B),
    Note(&'a [u8]),
}

impl<B: AsRef<[u8]>> AsRef<[u8]> for Content<'_, B> {
    fn as_ref(&self) -> &[u8] {
        match self {
            Content::Entry(bytes) => bytes.as_ref(),
            Content::Note(bytes) => bytes,
        }
    }
}

/// Whether the plan enables this bug; see [`LogBug::is_on`].
fn asks<M: Clone + Display>(host: &Host<'_, M>, bug: LogBug) -> bool {
    bug.is_on(host.plan().enabled_bug(LogBug::named))
}

/// Whether the plan enables this lie; see [`HostLie::is_on`].
fn tells<M: Clone + Display>(host: &Host<'_, M>, lie: HostLie) -> bool {
    lie.is_on(host.plan().enabled_bug(HostLie::named))
}

impl RecoveredLog {
    /// What an incarnation that recovered this states first.
    #[must_use]
    pub fn started(&self) -> ServerFact {
        let base = self.checkpoint.as_ref().map_or(LogId::default(), |checkpoint| checkpoint.compacted);
        let term = self.entries.last().map_or(base.term, |(term, _, _)| *term);
        let digest = self.entries.iter().fold(Digest::EMPTY, |log, (term, kind, bytes)| {
            log.then_entry(*term, entry_digest(*kind, bytes))
        });
        let last = LogId { index: self.last(), term };
        ServerFact::Started { term: self.term, vote: self.vote, base, last, digest }
    }
}

/// What may leave only once a save is durable: messages, usually.
#[derive(Clone, Debug)]
pub struct HeldUntilSaved<T> {
    held: VecDeque<(u64, T)>,
}

impl<T> Default for HeldUntilSaved<T> {
    fn default() -> HeldUntilSaved<T> {
        HeldUntilSaved { held: VecDeque::new() }
    }
}

impl<T> HeldUntilSaved<T> {
    /// Holds this until save `id` is durable.
    pub fn hold(&mut self, id: u64, item: T) {
        self.held.push_back((id, item));
    }

    /// How much is held.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.held.len() as u64
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// What may leave now that all saves up to `saved` are durable, in the order in which it was held. A host that lies
    /// ([`HostLie::SendsBeforeSaving`]) lets all leave.
    pub fn release<M: Clone + Display>(&mut self, host: &Host<'_, M>, saved: u64) -> Vec<T> {
        let mut count = self.held.iter().take_while(|(id, _)| *id <= saved).count();
        if count < self.held.len() && tells(host, HostLie::SendsBeforeSaving) {
            count = self.held.len();
        }
        self.held.drain(..count).map(|(_, item)| item).collect()
    }
}

#[cfg(test)]
mod tests;
