//! A disk of named files: what is written, what is synced, and what a loss of power leaves.
//!
//! A file is kept as the page cache shows it, next to the list of writes that are not durable yet. A write is an append
//! or a cut of a file, or a change of names: a file is renamed or removed. Writes are numbered over all of them, and a
//! sync covers all numbers up to the one that was the newest when it began. Several syncs may be in flight and end in
//! any order.
//!
//! A crash of the process does nothing here: the page cache survives. A loss of power lets each write that is not
//! durable survive or not, by chance:
//!
//! - an append that survived beyond one that did not leaves zeros in between, or what was there before a cut;
//! - a cut that did not survive is undone: what it had removed is there again, also behind shorter new data;
//! - the last survivor of a file may be torn, at a byte or at a sector, with or without garbage in its last sector;
//! - names are kept in a journal, so that they change in order: where one change is lost, all after it are lost, and what
//!   a rename had replaced is there again. What a file holds is another matter: its name may survive and its bytes not.
//!
//! What is there afterwards is durable: it was on the platter. It states no truths, since nobody was told: recovery
//! states anew what it finds.
//!
//! Not modelled: sectors that mix what was synced with garbage; files whose creation is lost, unless a change of names
//! before it is; and writes that a failed sync has dropped: the next sync that ends well covers them.

use crate::rng::RngStream;
use invariants::Fact;
use rand::{Rng, RngCore};
use std::collections::VecDeque;

/// A file's name.
pub type FileName = &'static str;

/// What a disk writes at once or not at all.
pub const SECTOR: u64 = 512;

/// One node's disk.
#[derive(Clone, Default, Debug)]
pub struct Disk {
    /// In the order in which they were first written; there are few.
    files: Vec<(FileName, File)>,
    /// Changes of names that are not durable, oldest first. Mostly there are none.
    name_changes: VecDeque<UnsyncedNameChange>,
    /// The number of the newest write. A loss of power takes a number as well.
    last_write: u64,
    /// Every write up to this number is durable.
    durable_write: u64,
    /// The number of the last loss of power: syncs of older writes ended with it.
    last_power_loss: u64,
    /// Truths with the write that they wait for; both only grow.
    truths: VecDeque<(u64, Fact)>,
}

/// What a sync that was started will have made durable when it ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct SyncTicket(pub u64);

/// One file.
#[derive(Clone, Default, Debug)]
struct File {
    /// As the page cache shows it.
    bytes: Vec<u8>,
    /// What led from the durable file to `bytes`, oldest first.
    unsynced: VecDeque<UnsyncedWrite>,
    /// Bytes below were durable before a write that is durable by now was begun: a log that notes in each record how
    /// far it was durable can tell their loss from a torn tail. See [`Disk::rot`].
    rot_limit: usize,
    /// How much at the front is durable, and as the page cache shows it.
    durable_prefix: usize,
    /// The newest write of any file when the whole file was first seen to be durable as it is.
    durable_since: u64,
}

/// One write that is not durable.
#[derive(Clone, Debug)]
struct UnsyncedWrite {
    number: u64,
    change: WriteKind,
}

#[derive(Clone, Debug)]
enum WriteKind {
    /// The bytes from `at` on, up to the next write's beginning, of a file of which `guards` bytes were durable.
    Append { at: usize, durable_prefix: usize },
    /// The file was cut to `to`. What was removed stays here until the cut is durable, for it may come back.
    Truncate { to: usize, removed: Vec<u8> },
}

/// One change of names that is not durable.
#[derive(Clone, Debug)]
struct UnsyncedNameChange {
    number: u64,
    change: NameChange,
}

#[derive(Clone, Debug)]
enum NameChange {
    /// The file `from` is called `to` now. What was called so before stays here, for it may come back.
    Renamed { from: FileName, to: FileName, replaced: Option<File> },
    /// The file is called nothing any more.
    Removed { name: FileName, file: File },
    /// A file was begun after another change, which its name may rest on.
    Created { name: FileName },
}

impl Disk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Disk {
        Disk::default()
    }

    /// What a file holds, as the page cache shows it; empty where there is none.
    #[must_use]
    pub fn read(&self, file: FileName) -> &[u8] {
        self.files.iter().find(|(name, _)| *name == file).map_or(&[], |(_, file)| &file.bytes)
    }

    /// One write at the end of a file: whatever `write` pushes. Returns where it starts.
    ///
    /// `write` gets the file's own buffer, so that nothing is copied. It may touch only what it pushes.
    pub fn append(&mut self, file: FileName, write: impl FnOnce(&mut Vec<u8>)) -> u64 {
        self.last_write += 1;
        let number = self.last_write;
        let file = self.file_mut(file);
        let at = file.bytes.len();
        let guards = file.durable_prefix;
        write(&mut file.bytes);
        assert!(file.bytes.len() >= at, "an append took away what was there before");
        file.unsynced
            .push_back(UnsyncedWrite { number, change: WriteKind::Append { at, durable_prefix: guards } });
        at as u64
    }

    /// Cuts a file. One write as well.
    pub fn truncate(&mut self, file: FileName, length: u64) {
        self.last_write += 1;
        let number = self.last_write;
        let file = self.file_mut(file);
        assert!(length <= file.bytes.len() as u64, "a cut to {length} of a file of {}", file.bytes.len());
        let to = length as usize;
        let removed = file.bytes.split_off(to);
        file.durable_prefix = file.durable_prefix.min(to);
        // The record that guarded the rest may be among what was removed.
        file.rot_limit = 0;
        file.unsynced.push_back(UnsyncedWrite { number, change: WriteKind::Truncate { to, removed } });
    }

    /// Whether there is a file of this name, as the page cache shows it.
    #[must_use]
    pub fn contains(&self, file: FileName) -> bool {
        self.files.iter().any(|(name, _)| *name == file)
    }

    /// Gives a file another name. One write as well: what had that name before is gone once this is durable, whether or
    /// not what the file holds is durable.
    pub fn rename(&mut self, from: FileName, to: FileName) {
        assert!(from != to, "a file is renamed to what it is called");
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

    /// Takes a file away. One write as well.
    pub fn remove(&mut self, name: FileName) {
        self.last_write += 1;
        let file = self.take_file(name);
        self.push_name_change(NameChange::Removed { name, file });
    }

    /// Attaches a truth to all that is written by now: it is stated when that is durable.
    pub fn attach(&mut self, truth: Fact) {
        self.truths.push_back((self.last_write, truth));
    }

    /// Begins a sync: of everything written by now.
    #[must_use]
    pub(crate) fn begin_sync(&mut self) -> SyncTicket {
        SyncTicket(self.last_write)
    }

    /// A sync has ended: hands each truth that has become durable to `state`, in order.
    ///
    /// Syncs end in any order: one that ends late, after a newer one, has nothing left to do.
    pub(crate) fn end_sync(&mut self, ticket: SyncTicket, mut state: impl FnMut(Fact)) {
        assert!(ticket.0 <= self.last_write, "{ticket:?} is of a sync that was never begun");
        if ticket.0 < self.last_power_loss {
            return;
        }
        self.durable_write = self.durable_write.max(ticket.0);
        let mut newest_guard = 0;
        for (_, file) in &mut self.files {
            newest_guard = newest_guard.max(file.mark_durable(self.durable_write, self.last_write));
        }
        // A server that writes on in one file can know that another, which it has finished, is durable.
        for (_, file) in &mut self.files {
            if file.unsynced.is_empty() && file.durable_since < newest_guard {
                file.rot_limit = file.durable_prefix;
            }
        }
        while self.name_changes.front().is_some_and(|renaming| renaming.number <= self.durable_write) {
            self.name_changes.pop_front();
        }
        while self.truths.front().is_some_and(|(number, _)| *number <= self.durable_write) {
            let (_, truth) = self.truths.pop_front().expect("it was just looked at");
            state(truth);
        }
    }

    /// The power fails: any subset of the unsynced writes is gone, the last survivor may be torn; attached truths that
    /// are not durable are forgotten (recovery states anew what it finds). Syncs in flight are void: `end_sync` of
    /// older tickets does nothing.
    pub(crate) fn lose_power(&mut self, chance: &mut RngStream) {
        // How lucky all of them are together, so that "all gone" and "all there" happen with many writes, too.
        let luck = chance.gen_range(0..=4_u32);
        self.lose_name_changes(luck, chance);
        for (_, file) in &mut self.files {
            file.lose_power(luck, chance);
        }
        self.drop_pending_syncs();
        for (_, file) in &mut self.files {
            file.durable_since = self.last_write;
        }
    }

    /// One bit of what is synced flips. Returns whether there was anything.
    ///
    /// It strikes only where the loss can be noticed, and there every file alike, however short it is: bytes that were
    /// durable before a later write was begun which is durable itself by now, of the same file, or one that went on with
    /// another file. No log can tell rot in its newest synced batch from a torn tail. This takes it that a server hears of a
    /// finished sync before it writes again.
    pub(crate) fn flip_synced_bit(&mut self, chance: &mut RngStream) -> bool {
        let guarded = || self.files.iter().enumerate().filter(|(_, (_, file))| file.rot_limit > 0);
        let count = guarded().count();
        if count == 0 {
            return false;
        }
        let Some((place, _)) = guarded().nth(chance.gen_range(0..count)) else { return false };
        let file = &mut self.files[place].1;
        let bit = chance.gen_range(0..file.rot_limit as u64 * 8);
        file.bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
        true
    }

    /// Whether anything is written that is not durable.
    #[must_use]
    pub fn has_unsynced(&self) -> bool {
        !self.name_changes.is_empty() || self.files.iter().any(|(_, file)| !file.unsynced.is_empty())
    }

    /// All of it is gone.
    pub(crate) fn wipe(&mut self) {
        self.files.clear();
        self.drop_pending_syncs();
    }

    fn file_mut(&mut self, name: FileName) -> &mut File {
        let place = self.files.iter().position(|(other, _)| *other == name).unwrap_or_else(|| {
            if !self.name_changes.is_empty() {
                self.push_name_change(NameChange::Created { name });
            }
            self.files.push((name, File::default()));
            self.files.len() - 1
        });
        &mut self.files[place].1
    }

    /// Takes the file of this name out.
    fn take_file(&mut self, name: FileName) -> File {
        let place = self.files.iter().position(|(other, _)| *other == name);
        self.files.remove(place.unwrap_or_else(|| panic!("there is no file {name}"))).1
    }

    fn push_name_change(&mut self, change: NameChange) {
        self.name_changes.push_back(UnsyncedNameChange { number: self.last_write, change });
    }

    /// Of the changes of names some of the newest are lost: from the newest back, each is undone.
    fn lose_name_changes(&mut self, luck: u32, chance: &mut RngStream) {
        let survives = |renaming: &&UnsyncedNameChange| {
            // That a file was begun is lost with what was lost before it, and not by itself.
            matches!(renaming.change, NameChange::Created { .. }) || chance.gen_ratio(luck, 4)
        };
        let kept = self.name_changes.iter().take_while(survives).count();
        for UnsyncedNameChange { change, .. } in self.name_changes.split_off(kept).into_iter().rev() {
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

    /// A file that nobody saw any more is there again, with what was synced meanwhile.
    fn restore_file(&mut self, name: FileName, mut file: File) {
        file.mark_durable(self.durable_write, self.last_write);
        self.files.push((name, file));
    }

    /// What is there is durable, nothing is in flight, and no sync that was begun before ever ends.
    fn drop_pending_syncs(&mut self) {
        self.truths.clear();
        self.name_changes.clear();
        self.last_write += 1;
        self.last_power_loss = self.last_write;
        self.durable_write = self.last_write;
    }
}

impl File {
    /// Every write up to this number is durable; the newest of any file has the number `newest`. Returns the newest of these
    /// that went on with a file of which something was durable.
    fn mark_durable(&mut self, durable: u64, newest: u64) -> u64 {
        let (before, mut goes_on) = (self.unsynced.len(), 0);
        while self.unsynced.front().is_some_and(|write| write.number <= durable) {
            let write = self.unsynced.pop_front().expect("it was just looked at");
            self.rot_limit = match write.change {
                WriteKind::Append { durable_prefix: guards, .. } => self.rot_limit.max(guards),
                WriteKind::Truncate { .. } => 0,
            };
            if let WriteKind::Append { durable_prefix: 1.., .. } = write.change {
                goes_on = write.number;
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
        goes_on
    }

    /// Each write survives `luck` times out of four.
    fn lose_power(&mut self, luck: u32, chance: &mut RngStream) {
        let mut writes = self.undo_unsynced();
        writes.retain(|_| chance.gen_ratio(luck, 4));
        if let Some((at, Some(bytes))) = writes.last_mut() {
            tear(*at, bytes, chance);
        }
        for (at, bytes) in writes {
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
        // A record that survived may yet be cut by recovery, because one before it did not: it guards nothing new.
        self.durable_prefix = self.bytes.len();
    }

    /// Goes back to the durable file. Returns the writes, oldest first: where, and what; a cut has no bytes.
    fn undo_unsynced(&mut self) -> Vec<(usize, Option<Vec<u8>>)> {
        let mut writes = Vec::with_capacity(self.unsynced.len());
        while let Some(write) = self.unsynced.pop_back() {
            writes.push(match write.change {
                WriteKind::Append { at, .. } => (at, Some(self.bytes.split_off(at))),
                WriteKind::Truncate { to, removed } => {
                    assert_eq!(self.bytes.len(), to, "a cut is not where the writes after it began");
                    self.bytes.extend_from_slice(&removed);
                    (to, None)
                }
            });
        }
        writes.reverse();
        writes
    }
}

/// Of an append at `at` these bytes reached the platter: all, or those before a byte or a sector, or whole sectors and
/// then garbage.
fn tear(at: usize, bytes: &mut Vec<u8>, chance: &mut RngStream) {
    let kind = chance.gen_range(0..4_u32);
    if bytes.is_empty() || kind == 0 {
        return;
    }
    let cut = at as u64 + chance.gen_range(0..bytes.len() as u64);
    let sector = (cut - cut % SECTOR).max(at as u64);
    match kind {
        1 => bytes.truncate(cut as usize - at),
        2 => bytes.truncate(sector as usize - at),
        _ => {
            bytes.truncate((sector + SECTOR - sector % SECTOR) as usize - at);
            chance.fill_bytes(&mut bytes[sector as usize - at..]);
        }
    }
}

#[cfg(test)]
mod tests;
