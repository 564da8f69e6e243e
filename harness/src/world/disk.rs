//! A disk of named files: what is written, what is durable, and what a loss of power leaves.
//!
//! A file is kept as the page cache shows it, beside the list of its writes that are not durable. A write
//! appends to a file, truncates it, renames it or removes it. Writes are numbered across all files; a sync
//! covers the bytes of all numbers up to the newest at its start, and the names that were created, changed or removed
//! before a call of [`Disk::sync_directory`] before its start. As POSIX says of `fsync`, the sync of a file does not make its
//! name durable. Several syncs may be in flight and end in any order.
//!
//! A process crash changes nothing: the page cache survives. At a loss of power each write that is not
//! durable survives or not, at random:
//!
//! - an append that survived after one that did not leaves zeros in between, or the bytes from before a
//!   truncation;
//! - a truncation that did not survive is undone: the removed bytes are back, also behind shorter new data;
//! - the last surviving write of a file may be torn, at a byte or at a sector, with or without garbage in its
//!   last sector;
//! - name changes are journaled and therefore ordered: if one is lost, all later ones are lost, and the files
//!   they replaced are back. Contents are not ordered with names: a name may survive while the bytes of its
//!   file do not. A name that is lost takes its bytes with it, synced or not.
//!
//! What is left after the loss is durable. The pending facts are dropped, since the server never learned that
//! they held: recovery states what it finds.
//!
//! A failed sync may *drop* the appended bytes that it covered, as Linux does: the page cache goes on showing them, and
//! takes them for clean. No later sync makes them durable, and a loss of power removes them. Only bytes that are
//! written again become durable ([`Disk::write_again`]).
//!
//! Synced bytes may go bad without a word: a bit, a lost write, a misdirected one, a sector (`Disk::damage_synced_bytes`).
//!
//! Not modelled: sectors that mix synced bytes with garbage at a loss of power; and a file whose creation alone is lost after
//! the directory was asked to sync and before that has ended: then the file is there, and may be empty.

use crate::plan::faults::Damage;
use crate::support::rng::RngStream;
use invariants::DiskFact;
use rand::{Rng, RngCore};
use std::collections::VecDeque;

/// A file's name.
pub type FileName = &'static str;

/// Bytes that a disk writes atomically.
pub const SECTOR: u64 = 512;

/// One node's disk.
#[derive(Clone, Default, Debug)]
pub struct Disk {
    /// In the order of their first write; there are few.
    files: Vec<(FileName, File)>,
    /// Name changes that are not durable, oldest first. Usually empty.
    name_changes: VecDeque<UnsyncedNameChange>,
    /// The number of the newest write. A loss of power takes a number, too.
    last_write: u64,
    /// All writes up to this number are durable.
    durable_write: u64,
    /// The number of the last loss of power: it cancelled the syncs of older writes.
    last_power_loss: u64,
    /// How many bytes were appended to files.
    appended: u64,
    /// Facts, each with the write that must be durable before it holds; the numbers only grow.
    pending_facts: VecDeque<(u64, DiskFact)>,
    /// Set while a crash in the middle of a step is due.
    fuse: Option<Box<Fuse>>,
}

/// Counts what a server still does to the world before it crashes in the middle of a step.
#[derive(Clone, Debug)]
struct Fuse {
    /// How many things are still carried out.
    left: u64,
    /// The disk as it was before the first thing that is not carried out. The server's code goes on to the end of its
    /// step on a disk that is thrown away.
    frozen: Option<Disk>,
}

/// What a sync makes durable: all writes up to this number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct SyncTicket(pub u64);

/// One file.
#[derive(Clone, Default, Debug)]
struct File {
    /// The contents as the page cache shows them.
    bytes: Vec<u8>,
    /// The writes that lead from the durable contents to `bytes`, oldest first.
    unsynced: VecDeque<UnsyncedWrite>,
    /// The bytes below this offset were durable before some write began that is itself durable by now. A log
    /// that notes in each record how much was durable can tell their loss from a torn tail. See
    /// [`Disk::damage_synced_bytes`].
    rot_limit: usize,
    /// How many bytes at the front are durable and unchanged in the page cache.
    durable_prefix: usize,
    /// The newest write of any file when this file as a whole became durable.
    durable_since: u64,
    /// Whether a failed sync has dropped a write: then writes become durable in any order.
    is_patchy: bool,
}

/// One write that is not durable.
#[derive(Clone, Debug)]
struct UnsyncedWrite {
    number: u64,
    change: WriteKind,
    state: WriteState,
    /// The newest write that has written its bytes once more; 0 if none has.
    rewritten: u64,
}

/// How far a write has come that is kept because it, or one before it, is not durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum WriteState {
    /// The next sync makes it durable.
    Dirty,
    /// It is durable; one before it is not.
    Durable,
    /// A failed sync has dropped it.
    Dropped,
}

#[derive(Clone, Debug)]
enum WriteKind {
    /// The bytes from `at` up to the beginning of the next write; `durable_prefix` bytes of the file were
    /// durable when it began.
    Append { at: usize, durable_prefix: usize },
    /// The file was truncated to `to`. The removed bytes are kept until this is durable, because they may
    /// come back.
    Truncate { to: usize, removed: Vec<u8> },
}

/// A name change that is not durable.
#[derive(Clone, Debug)]
struct UnsyncedNameChange {
    number: u64,
    /// The first call of [`Disk::sync_directory`] after it: what covers that makes the change durable.
    covered_by: Option<u64>,
    change: NameChange,
}

#[derive(Clone, Debug)]
enum NameChange {
    /// `from` was renamed to `to`. The replaced file is kept until this is durable, because it may come back.
    Renamed { from: FileName, to: FileName, replaced: Option<File> },
    /// The file was removed.
    Removed { name: FileName, file: File },
    /// The file was created.
    Created { name: FileName },
}

impl Disk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Disk {
        Disk::default()
    }

    /// The contents of a file as the page cache shows them; empty if there is no such file.
    #[must_use]
    pub fn read(&self, file: FileName) -> &[u8] {
        self.files.iter().find(|(name, _)| *name == file).map_or(&[], |(_, file)| &file.bytes)
    }

    /// Appends what `write` pushes to a file, as one write. Returns its offset.
    ///
    /// A file that is not there is created; its name is durable only after [`Disk::sync_directory`] and a sync.
    ///
    /// `write` gets the file's own buffer, so that nothing is copied. It must not change what is there.
    /// Panics if the buffer gets shorter.
    pub fn append(&mut self, file: FileName, write: impl FnOnce(&mut Vec<u8>)) -> u64 {
        self.take_effect();
        self.last_write += 1;
        let number = self.last_write;
        let file = self.file_mut(file);
        let at = file.bytes.len();
        let durable_prefix = file.durable_prefix;
        write(&mut file.bytes);
        assert!(file.bytes.len() >= at, "an append must not shorten the file");
        file.push_write(number, WriteKind::Append { at, durable_prefix });
        let appended = (file.bytes.len() - at) as u64;
        self.appended += appended;
        at as u64
    }

    /// Truncates a file to `length` bytes, as one write. Panics if it is shorter.
    pub fn truncate(&mut self, file: FileName, length: u64) {
        self.take_effect();
        self.last_write += 1;
        let number = self.last_write;
        let file = self.file_mut(file);
        assert!(
            length <= file.bytes.len() as u64,
            "cannot truncate a file of {} bytes to {length}",
            file.bytes.len()
        );
        let to = length as usize;
        let removed = file.bytes.split_off(to);
        file.durable_prefix = file.durable_prefix.min(to);
        // The removed bytes may include the record that guarded the rest.
        file.rot_limit = 0;
        file.push_write(number, WriteKind::Truncate { to, removed });
    }

    /// Writes the bytes of a file from `from` on once more, as reads show them, as one write. Bytes that were read may
    /// have been dropped by a failed sync, of this incarnation or an earlier one: then a sync alone does not make them
    /// durable. No effect beyond the end of the file.
    pub fn write_again(&mut self, file: FileName, from: u64) {
        self.take_effect();
        self.last_write += 1;
        let number = self.last_write;
        let Some((_, file)) = self.files.iter_mut().find(|(name, _)| *name == file) else { return };
        let mut end = file.bytes.len();
        for write in file.unsynced.iter_mut().rev() {
            match write.change {
                WriteKind::Append { at, .. } => {
                    match write.state {
                        _ if end as u64 <= from => {}
                        WriteState::Dropped => (write.number, write.state) = (number, WriteState::Dirty),
                        WriteState::Dirty => write.rewritten = number,
                        WriteState::Durable => {}
                    }
                    end = at;
                }
                WriteKind::Truncate { to, ref removed } => end = to + removed.len(),
            }
        }
    }

    /// Whether a file of this name exists, as the page cache shows it.
    #[must_use]
    pub fn contains(&self, file: FileName) -> bool {
        self.files.iter().any(|(name, _)| *name == file)
    }

    /// How many bytes were appended so far, to any file.
    pub(crate) const fn appended_bytes(&self) -> u64 {
        self.appended
    }

    /// Renames a file, as one write. A file that had the name `to` is gone once this is durable, whether or
    /// not the contents of the renamed file are. Panics if there is no file `from`.
    pub fn rename(&mut self, from: FileName, to: FileName) {
        assert!(from != to, "cannot rename {from} to its own name");
        self.take_effect();
        self.last_write += 1;
        let file = self.take_file(from);
        let replaced = match self.files.iter_mut().find(|(name, _)| *name == to) {
            Some((_, replaced)) => Some(std::mem::replace(replaced, file)),
            None => {
                self.files.push((to, file));
                None
            }
        };
        self.push_name_change(NameChange::Renamed { from, to, replaced });
    }

    /// Removes a file, as one write. Panics if there is none of this name.
    pub fn remove(&mut self, name: FileName) {
        self.take_effect();
        self.last_write += 1;
        let file = self.take_file(name);
        self.push_name_change(NameChange::Removed { name, file });
    }

    /// Asks for the names of all files to be synced: the next sync that begins makes durable that files were created,
    /// renamed and removed up to now. Without it a loss of power may undo these changes whatever else was synced, as POSIX
    /// says of `fsync`: a file that was created is then gone, with its synced bytes. Nothing that the server does to its disk by
    /// this call alone can be seen, so that a crash in the middle of a step never separates it from the change before it.
    pub fn sync_directory(&mut self) {
        self.last_write += 1;
        for change in self.name_changes.iter_mut().rev() {
            if change.covered_by.is_some() {
                break;
            }
            change.covered_by = Some(self.last_write);
        }
    }

    /// States a fact once everything that is written by now is durable, with the names of the files. A server can lie about the bytes: the next
    /// `Started` is then held against what this states.
    pub fn attach(&mut self, fact: DiskFact) {
        self.pending_facts.push_back((self.last_write, fact));
    }

    /// After this many more things that the server does to the world, nothing is carried out any more, until
    /// [`Disk::end_fuse`].
    pub(crate) fn set_fuse(&mut self, effects: u64) {
        self.fuse = Some(Box::new(Fuse { left: effects, frozen: None }));
    }

    /// Counts one thing that the server does to the world. Returns whether it is carried out.
    #[inline]
    pub(crate) fn take_effect(&mut self) -> bool {
        self.fuse.is_none() || self.burn_fuse()
    }

    #[cold]
    fn burn_fuse(&mut self) -> bool {
        let Some(mut fuse) = self.fuse.take() else { return true };
        let is_carried_out = fuse.frozen.is_none() && fuse.left > 0;
        if is_carried_out {
            fuse.left -= 1;
        } else if fuse.frozen.is_none() {
            fuse.frozen = Some(self.clone());
        }
        self.fuse = Some(fuse);
        is_carried_out
    }

    /// Whether nothing is carried out any more.
    #[must_use]
    pub(crate) fn is_cut(&self) -> bool {
        self.fuse.as_ref().is_some_and(|fuse| fuse.frozen.is_some())
    }

    /// Removes the fuse. If it has burned down, the disk is again what it was at that moment.
    pub(crate) fn end_fuse(&mut self) {
        if let Some(frozen) = self.fuse.take().and_then(|fuse| fuse.frozen) {
            *self = frozen;
        }
    }

    /// Starts a sync of everything that is written by now.
    #[must_use]
    pub(crate) fn begin_sync(&mut self) -> SyncTicket {
        SyncTicket(self.last_write)
    }

    /// Completes a sync: passes each fact that has become durable to `emit`, in order.
    ///
    /// Syncs end in any order: one that ends after a newer one has nothing to do.
    pub(crate) fn end_sync(&mut self, ticket: SyncTicket, mut emit: impl FnMut(DiskFact)) {
        assert!(ticket.0 <= self.last_write, "{ticket:?} is not the ticket of a sync of this disk");
        if ticket.0 < self.last_power_loss {
            return;
        }
        self.durable_write = self.durable_write.max(ticket.0);
        let mut newest_continued = 0;
        for (_, file) in &mut self.files {
            newest_continued = newest_continued.max(file.mark_durable(self.durable_write, self.last_write));
        }
        // A later durable append to one file lets a server know that another file, finished before, was
        // durable.
        for (_, file) in &mut self.files {
            if file.unsynced.is_empty() && file.durable_since < newest_continued {
                file.rot_limit = file.durable_prefix;
            }
        }
        let is_durable =
            |change: &UnsyncedNameChange| change.covered_by.is_some_and(|by| by <= self.durable_write);
        while self.name_changes.front().is_some_and(is_durable) {
            self.name_changes.pop_front();
        }
        let unsynced_name = self.name_changes.front().map(|change| change.number);
        let lacking = self.first_dropped().into_iter().chain(unsynced_name).min();
        let covered = lacking.map_or(self.durable_write, |number| self.durable_write.min(number - 1));
        while self.pending_facts.front().is_some_and(|(number, _)| *number <= covered) {
            let (_, fact) = self.pending_facts.pop_front().expect("the queue is not empty");
            emit(fact);
        }
    }

    /// A sync fails, and what it covered is dropped: reads still show it, and no later sync makes it durable. What was written
    /// once more since the sync began is not dropped: it waits for a later sync.
    pub(crate) fn drop_writes(&mut self, ticket: SyncTicket) {
        if ticket.0 < self.last_power_loss {
            return;
        }
        for (_, file) in &mut self.files {
            let covered = file.unsynced.iter_mut().filter(|write| write.number <= ticket.0);
            for write in covered.filter(|write| write.state == WriteState::Dirty) {
                // The length of a file is in the journal, like its name.
                if matches!(write.change, WriteKind::Append { .. }) {
                    file.is_patchy = true;
                    match write.rewritten > ticket.0 {
                        true => write.number = write.rewritten,
                        false => write.state = WriteState::Dropped,
                    }
                }
            }
        }
    }

    /// The oldest write that a failed sync has dropped: no fact after it holds, as after a name that is not durable.
    fn first_dropped(&self) -> Option<u64> {
        // A file that was replaced or removed may come back.
        let former = self.name_changes.iter().filter_map(|change| match &change.change {
            NameChange::Renamed { replaced, .. } => replaced.as_ref(),
            NameChange::Removed { file, .. } => Some(file),
            NameChange::Created { .. } => None,
        });
        let patchy = self.files.iter().map(|(_, file)| file).chain(former).filter(|file| file.is_patchy);
        let dropped = patchy.flat_map(|file| &file.unsynced);
        dropped.filter(|write| write.state == WriteState::Dropped).map(|write| write.number).min()
    }

    /// Loses power: each unsynced write survives or not, and the last survivor of a file may be torn. Pending
    /// facts are dropped; recovery states what it finds. Syncs in flight are cancelled: [`Disk::end_sync`]
    /// ignores their tickets.
    pub(crate) fn lose_power(&mut self, rng: &mut RngStream) {
        // One survival rate for all writes, so that losing all or none also happens when there are many.
        let survival = rng.gen_range(0..=4_u32);
        self.lose_name_changes(survival, rng);
        for (_, file) in &mut self.files {
            file.lose_power(survival, rng);
        }
        self.drop_pending_syncs();
        for (_, file) in &mut self.files {
            file.durable_since = self.last_write;
        }
    }

    /// Damages what is synced, and says nothing. Returns whether there was something to damage.
    ///
    /// Only where the loss can be noticed, with equal probability for each such file, however short: in bytes
    /// that were durable before a later write began that is durable by now, to the same file or appended to
    /// another non-empty one. No log can tell rot in its newest synced batch from a torn tail. Assumes that a
    /// server learns of the end of a sync before it writes again. With `anywhere`, in all durable bytes.
    pub(crate) fn damage_synced_bytes(&mut self, how: Damage, anywhere: bool, rng: &mut RngStream) -> bool {
        let limit_of = |file: &File| if anywhere { file.durable_prefix } else { file.rot_limit };
        let guarded = || self.files.iter().enumerate().filter(|(_, (_, file))| limit_of(file) > 0);
        let count = guarded().count();
        if count == 0 {
            return false;
        }
        let Some((index, _)) = guarded().nth(rng.gen_range(0..count)) else { return false };
        let file = &mut self.files[index].1;
        let limit = limit_of(file);
        let bit = rng.gen_range(0..limit as u64 * 8);
        let at = (bit / 8) as usize;
        let start = at - at % SECTOR as usize;
        let hit = start..limit.min(start + SECTOR as usize);
        let before = file.bytes[hit.clone()].to_vec();
        match how {
            Damage::Bit => file.bytes[at] ^= 1 << (bit % 8),
            Damage::LostWrite => file.bytes[hit.clone()].fill(0),
            Damage::Sector => rng.fill_bytes(&mut file.bytes[hit.clone()]),
            Damage::MisdirectedWrite => {
                let from = rng.gen_range(0..limit as u64) as usize;
                let elsewhere: Vec<u8> =
                    (0..before.len()).map(|place| file.bytes[(from + place) % limit]).collect();
                file.bytes[hit.clone()].copy_from_slice(&elsewhere);
            }
        }
        file.bytes[hit] != before
    }

    /// Whether any write is not durable.
    #[must_use]
    pub fn has_unsynced(&self) -> bool {
        !self.name_changes.is_empty() || self.files.iter().any(|(_, file)| !file.unsynced.is_empty())
    }

    /// Removes all files.
    pub(crate) fn wipe(&mut self) {
        self.files.clear();
        self.drop_pending_syncs();
    }

    fn file_mut(&mut self, name: FileName) -> &mut File {
        let index = self.files.iter().position(|(other, _)| *other == name).unwrap_or_else(|| {
            self.push_name_change(NameChange::Created { name });
            self.files.push((name, File::default()));
            self.files.len() - 1
        });
        &mut self.files[index].1
    }

    /// Takes the file of this name out of the list. Panics if there is none.
    fn take_file(&mut self, name: FileName) -> File {
        let index = self.files.iter().position(|(other, _)| *other == name);
        self.files.remove(index.unwrap_or_else(|| panic!("there is no file {name}"))).1
    }

    fn push_name_change(&mut self, change: NameChange) {
        self.name_changes.push_back(UnsyncedNameChange { number: self.last_write, covered_by: None, change });
    }

    /// Undoes the lost name changes, from the newest back.
    fn lose_name_changes(&mut self, survival: u32, rng: &mut RngStream) {
        let survives = |change: &&UnsyncedNameChange| {
            // Once the directory was asked to sync, a creation is lost only together with an earlier change.
            let is_asked = change.covered_by.is_some();
            is_asked && matches!(change.change, NameChange::Created { .. }) || rng.gen_ratio(survival, 4)
        };
        let survivors = self.name_changes.iter().take_while(survives).count();
        for UnsyncedNameChange { change, .. } in self.name_changes.split_off(survivors).into_iter().rev() {
            match change {
                NameChange::Renamed { from, to, replaced } => {
                    let file = self.take_file(to);
                    self.files.push((from, file));
                    if let Some(replaced) = replaced {
                        self.restore_file(to, replaced);
                    }
                }
                NameChange::Removed { name, file } => self.restore_file(name, file),
                NameChange::Created { name } => drop(self.take_file(name)),
            }
        }
    }

    /// Brings a file back, with what was synced meanwhile.
    fn restore_file(&mut self, name: FileName, mut file: File) {
        file.mark_durable(self.durable_write, self.last_write);
        self.files.push((name, file));
    }

    /// Everything present is durable, nothing is in flight, and no older sync ever ends.
    fn drop_pending_syncs(&mut self) {
        self.pending_facts.clear();
        self.name_changes.clear();
        self.last_write += 1;
        self.last_power_loss = self.last_write;
        self.durable_write = self.last_write;
    }
}

impl File {
    fn push_write(&mut self, number: u64, change: WriteKind) {
        self.unsynced.push_back(UnsyncedWrite { number, change, state: WriteState::Dirty, rewritten: 0 });
    }

    /// Marks all writes up to `durable` as durable; `newest` is the newest write of any file. Returns the
    /// newest of these that appended to a file with a durable prefix, or 0.
    fn mark_durable(&mut self, durable: u64, newest: u64) -> u64 {
        let (before, mut newest_continued) = (self.unsynced.len(), 0);
        if self.is_patchy {
            for write in self.unsynced.iter_mut().filter(|write| write.number <= durable) {
                if write.state == WriteState::Dirty {
                    write.state = WriteState::Durable;
                }
            }
        }
        let is_durable = |write: &UnsyncedWrite| match write.state {
            WriteState::Dirty => write.number <= durable,
            WriteState::Durable => true,
            WriteState::Dropped => false,
        };
        while self.unsynced.front().is_some_and(is_durable) {
            let write = self.unsynced.pop_front().expect("the queue is not empty");
            self.rot_limit = match write.change {
                WriteKind::Append { durable_prefix, .. } => self.rot_limit.max(durable_prefix),
                WriteKind::Truncate { .. } => 0,
            };
            if let WriteKind::Append { durable_prefix: 1.., .. } = write.change {
                newest_continued = write.number;
            }
        }
        if self.unsynced.len() == before {
            return 0;
        }
        self.durable_since = newest;
        self.durable_prefix = self.bytes.len();
        for write in &self.unsynced {
            match write.change {
                WriteKind::Append { at, .. } => self.durable_prefix = self.durable_prefix.min(at),
                WriteKind::Truncate { to, .. } => {
                    self.durable_prefix = self.durable_prefix.min(to);
                    self.rot_limit = 0;
                }
            }
        }
        newest_continued
    }

    /// Each write survives with a probability of `survival` out of 4.
    fn lose_power(&mut self, survival: u32, rng: &mut RngStream) {
        let mut writes = self.undo_unsynced();
        writes.retain(|(state, ..)| match state {
            WriteState::Dirty => rng.gen_ratio(survival, 4),
            WriteState::Durable => true,
            WriteState::Dropped => false,
        });
        if let Some((WriteState::Dirty, at, Some(bytes))) = writes.last_mut() {
            tear(*at, bytes, rng);
        }
        self.is_patchy = false;
        for (_, at, bytes) in writes {
            match bytes {
                None => self.bytes.resize(at, 0),
                Some(bytes) => {
                    let end = at + bytes.len();
                    if self.bytes.len() < end {
                        self.bytes.resize(end, 0);
                    }
                    self.bytes[at..end].copy_from_slice(&bytes);
                }
            }
        }
        // Recovery may still cut a surviving record because an earlier one is lost: so it guards nothing new.
        self.durable_prefix = self.bytes.len();
    }

    /// Goes back to the durable contents. Returns the writes, oldest first: their offsets and bytes; none for
    /// a truncation.
    fn undo_unsynced(&mut self) -> Vec<(WriteState, usize, Option<Vec<u8>>)> {
        let mut writes = Vec::with_capacity(self.unsynced.len());
        while let Some(write) = self.unsynced.pop_back() {
            writes.push(match write.change {
                WriteKind::Append { at, .. } => (write.state, at, Some(self.bytes.split_off(at))),
                WriteKind::Truncate { to, removed } => {
                    assert_eq!(self.bytes.len(), to, "a truncation must end where the writes after it begin");
                    self.bytes.extend_from_slice(&removed);
                    (write.state, to, None)
                }
            });
        }
        writes.reverse();
        writes
    }
}

/// Shortens an append at offset `at` to what reached the disk: all of it, the bytes before some byte or
/// sector, or whole sectors with garbage in the last.
fn tear(at: usize, bytes: &mut Vec<u8>, rng: &mut RngStream) {
    let kind = rng.gen_range(0..4_u32);
    if bytes.is_empty() || kind == 0 {
        return;
    }
    let cut = at as u64 + rng.gen_range(0..bytes.len() as u64);
    let sector = (cut - cut % SECTOR).max(at as u64);
    match kind {
        1 => bytes.truncate(cut as usize - at),
        2 => bytes.truncate(sector as usize - at),
        _ => {
            bytes.truncate((sector + SECTOR - sector % SECTOR) as usize - at);
            rng.fill_bytes(&mut bytes[sector as usize - at..]);
        }
    }
}

#[cfg(test)]
mod tests;
