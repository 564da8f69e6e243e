//! The write-ahead log: records of what a node saves, in a format that shows damage.
//!
//! One save is one record, so that term, vote and entries are durable together or not at all:
//!
//! | bytes | |
//! |---|---|
//! | 4 | CRC32C of all that follows, with the initial value [`CHECKSUM_SEED`], so that no run of zeros is a record |
//! | 4 | length of the payload |
//! | 8 | id of the file, drawn when it is created: older bytes at the same place are not taken for records |
//! | 8 | number of the record, from 1 |
//! | 8 | how much of the file was *known durable* when this record was written |
//! | | payload: term, vote (0: none), the index after which the log is truncated first ([`NO_TRUNCATION`]: none), then per entry its term, its length, its kind, its bytes; at last a note of the server, if there is one, in the form of an entry of kind [`NOTE`] |
//!
//! All numbers are little-endian. Entries are consecutive, so their indexes are implied.
//!
//! **Rewriting.** A snapshot replaces the beginning of the log atomically: a new file [`NEW_FILE`] is written
//! beside the log and synced, then renamed over the log, then synced again. Only then is it durable; before
//! that, nothing is appended. Each sync after a file was created, renamed or removed covers the directory, too: the sync
//! of a file does not make its name durable. A loss of power at any point leaves the old log or the new one, never a mix. A
//! new file that was never renamed is removed when the log is opened.
//!
//! The new file has an id of its own and begins with its **head**, a record with the number [`HEAD_NUMBER`]:
//!
//! | bytes | |
//! |---|---|
//! | 24 | term, vote, and the index of the last *compacted* entry: entries begin after it, and no later record truncates below it |
//! | 24 | the term of that entry; index and term of the last entry in the snapshot |
//! | 12 | lengths: of the snapshot's configuration, of the configuration at the compacted entry, of the snapshot's data |
//! | | these three, and then the entries after the compacted one, as in any record |
//!
//! The first record after a head, or in a file without one, has number 1. All indexes count from the
//! beginning of the whole log.
//!
//! **Recovery** reads records up to the first bad one. What follows is a torn tail or damage. A *tail* that
//! was torn or lost was never durable, so no promise depends on it: it is truncated. *Damage* in durable
//! bytes shows by a later good record whose known durable offset is beyond the bad record: then promised
//! entries, a term or a vote are lost, and the node must neither vote nor acknowledge. A head is durable
//! before its file becomes the log, so a bad head is always damage.
//!
//! **Failed syncs.** The page cache may show records that an earlier incarnation failed to sync and that the disk has
//! dropped: no sync makes them durable. So recovery writes everything again that no record says was durable, and then
//! syncs.
//!
//! A truncated tail comes back if power fails before the truncation is durable; old records that look valid
//! could then follow a shorter new one. So nothing is appended until a first sync after opening is done: see
//! [`Wal::can_append`].
//!
//! **Blind spot**: bit rot in the newest synced batch looks like a torn tail, because no later record covers
//! it. For a head without a later record, this is so only if its number is hit.

use crate::server::Damaged;
use crate::support::rng::RngStream;
use crate::world::{Disk, FileName};
use bytes::Bytes;
use invariants::LogId;
use rand::RngCore;
use std::fmt;
use std::ops::Range;

/// The file of the log.
pub const FILE: FileName = "wal";
/// The file of a log that is to replace it.
pub const NEW_FILE: FileName = "wal.new";
/// The record number of a head.
pub const HEAD_NUMBER: u64 = 0x6465_6874_6461_6568;
/// The initial value of checksums.
pub const CHECKSUM_SEED: u32 = 0x5afe_106e;
/// The index in a record that does not truncate the log.
pub const NO_TRUNCATION: u64 = u64::MAX;
/// The kind that no entry has: its content is a note of the server.
pub const NOTE: u8 = 0xff;
/// The name of this file in reports of damage.
const LOG_NAME: &str = "the log";
/// Bytes of a record before its payload.
const HEADER_BYTES: usize = 32;
/// Bytes of a payload without entries.
const STATE_BYTES: usize = 24;
/// Bytes of fixed length in a head's payload after those.
const CHECKPOINT_BYTES: usize = 36;
/// Bytes of an entry before its content.
const ENTRY_HEADER_BYTES: usize = 13;

/// The write-ahead log of one incarnation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wal {
    /// Drawn when the file was created.
    file_id: u64,
    /// The number of the newest record.
    record_number: u64,
    /// The offset of the next record.
    end: u64,
    /// Everything before this offset is known to be durable.
    durable: u64,
    /// The index of the last compacted entry.
    compacted: u64,
    /// The index of the last entry.
    last: u64,
    state: WalState,
    /// How often the log began to wait for a sync: a sync that started before says nothing about it.
    sync_stage: u64,
}

/// What the log waits for before the next append.
#[derive(Clone, PartialEq, Eq, Debug)]
enum WalState {
    /// Opened: the recovered records and the truncation of the tail are not known to be durable.
    Opened,
    /// Ready for appends.
    Ready,
    /// A new file was written beside the log and is not known to be durable.
    Written(NewFile),
    /// The new file is durable and can replace the log.
    Synced(NewFile),
    /// The new file has replaced the log, but the rename is not known to be durable.
    Switched,
}

/// A file that is to replace the log.
#[derive(Clone, PartialEq, Eq, Debug)]
struct NewFile {
    file_id: u64,
    end: u64,
    compacted: u64,
    last: u64,
}

/// The extent of the log when a sync started.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SyncMark {
    sync_stage: u64,
    end: u64,
}

/// What replaces the beginning of the log.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct WalCheckpoint {
    /// The last entry in the snapshot.
    pub last: LogId,
    /// The configuration at that entry.
    pub configuration: Bytes,
    /// The state of the application at that entry.
    pub data: Bytes,
    /// The last compacted entry: the log begins after it. Not beyond the snapshot.
    pub compacted: LogId,
    /// The configuration at the last compacted entry.
    pub compacted_configuration: Bytes,
}

/// The contents of a log.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct RecoveredLog {
    /// The current term.
    pub term: u64,
    /// The vote in that term.
    pub vote: Option<u64>,
    /// What replaces the compacted entries, if any are.
    pub checkpoint: Option<WalCheckpoint>,
    /// All entries after the compacted ones: term, kind, content. They share one buffer.
    pub entries: Vec<(u64, u8, Bytes)>,
    /// The newest note of the server; empty if there is none.
    pub note: Bytes,
    /// How many records were read, not counting a head.
    pub records: u64,
    /// Up to which offset the records say that the file is durable. The rest may have been dropped by a failed sync:
    /// the caller must write it again.
    pub known_durable: u64,
    /// How many bytes of a torn or lost tail were truncated.
    pub truncated_bytes: u64,
}

/// Durable bytes are damaged: the node must neither vote nor acknowledge.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DamagedFile {
    /// What is damaged.
    pub what: &'static str,
    /// The offset of the first bad record.
    pub offset: u64,
    /// Why this is no torn tail.
    pub reason: String,
}

impl From<DamagedFile> for Damaged {
    fn from(damaged: DamagedFile) -> Damaged {
        Damaged(damaged.to_string())
    }
}

impl fmt::Display for DamagedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is damaged at byte {}: {}", self.what, self.offset, self.reason)
    }
}

impl Wal {
    /// Opens the log, reads it and truncates a torn or lost tail.
    ///
    /// The page cache may be ahead of the disk even if nothing was truncated. The caller must write again what
    /// follows [`RecoveredLog::known_durable`], start a sync and pass its end to [`Wal::mark_durable`], and must neither promise nor append anything before.
    pub fn open(disk: &mut Disk, rng: &mut RngStream) -> Result<(Wal, RecoveredLog), DamagedFile> {
        Wal::open_with(disk, rng, RecordHeader::read)
    }

    /// The same without checksums: for a bug.
    pub(super) fn open_unverified(
        disk: &mut Disk,
        rng: &mut RngStream,
    ) -> Result<(Wal, RecoveredLog), DamagedFile> {
        Wal::open_with(disk, rng, RecordHeader::parse)
    }

    fn open_with(
        disk: &mut Disk,
        rng: &mut RngStream,
        read: fn(&[u8], usize) -> Option<RecordHeader>,
    ) -> Result<(Wal, RecoveredLog), DamagedFile> {
        if disk.contains(NEW_FILE) {
            disk.remove(NEW_FILE);
        }
        // An earlier incarnation may have ended between a change of names and its sync.
        disk.sync_directory();
        let file = Bytes::copy_from_slice(disk.read(FILE));
        let mut recovered = RecoveredLog::default();
        let mut file_id = None;
        let mut end = 0;
        while let Some(record) = read(&file, end) {
            let continues = file_id.is_none_or(|file_id| file_id == record.file_id)
                && match record.number {
                    HEAD_NUMBER => end == 0 && recovered.apply_head(&file, record.payload()),
                    number => {
                        number == recovered.records + 1 && recovered.apply_record(&file, record.payload())
                    }
                };
            if !continues {
                break;
            }
            file_id = Some(record.file_id);
            end = record.end();
            recovered.known_durable = record.durable.max(recovered.known_durable);
        }
        if end < file.len() {
            if let Some(damage) = find_damage(&file, end, file_id) {
                return Err(damage);
            }
            if end == 0 && file.len() >= HEADER_BYTES && read_u64(&file, 16) == HEAD_NUMBER {
                let reason = "its head was durable before it became the log".to_owned();
                return Err(DamagedFile { what: LOG_NAME, offset: 0, reason });
            }
            recovered.truncated_bytes = (file.len() - end) as u64;
            disk.truncate(FILE, end as u64);
        }
        let wal = Wal {
            file_id: file_id.unwrap_or_else(|| rng.next_u64()),
            record_number: recovered.records,
            end: end as u64,
            durable: 0,
            compacted: recovered.compacted(),
            last: recovered.last(),
            state: WalState::Opened,
            sync_stage: 0,
        };
        Ok((wal, recovered))
    }

    /// Appends one record: truncates the log after `after`, if given, then adds `entries`: term, kind,
    /// content. Returns the end of the record: it is durable once [`Wal::durable`] reaches that. The first
    /// record creates the file: after it the caller calls [`Disk::sync_directory`] before the sync. Panics unless [`Wal::can_append`], or
    /// if `after` is out of range.
    pub fn append<B: AsRef<[u8]>>(
        &mut self,
        disk: &mut Disk,
        term: u64,
        vote: Option<u64>,
        after: Option<u64>,
        entries: impl IntoIterator<Item = (u64, u8, B)>,
    ) -> u64 {
        assert!(
            self.can_append(),
            "append only once the recovered or rewritten log is durable: otherwise a truncated tail or the old log could come back"
        );
        if let Some(after) = after {
            let (compacted, last) = (self.compacted, self.last);
            assert!(
                (compacted..=last).contains(&after),
                "cannot truncate after {after}: it must be from {compacted} to {last}"
            );
        }
        self.record_number += 1;
        self.last = after.unwrap_or(self.last);
        let header = (self.file_id, self.record_number, self.durable);
        let mut end = 0;
        let start = disk.append(FILE, |file| {
            let start = file.len();
            begin_record(file, term, vote, after.unwrap_or(NO_TRUNCATION));
            self.last += push_entries(file, entries);
            finish_record(&mut file[start..], header);
            end = file.len() as u64;
        });
        assert_eq!(start, self.end, "only this log may write to its file");
        self.end = end;
        end
    }

    /// Writes a new file beside the log, to replace it: term, vote, checkpoint, and the entries after it:
    /// term, kind, content. Its id is `file_id`.
    ///
    /// The caller starts a sync, passes its end to [`Wal::mark_durable`], and then calls
    /// [`Wal::switch_to_new_file`]. Panics unless [`Wal::can_append`].
    pub fn rewrite<B: AsRef<[u8]>>(
        &mut self,
        disk: &mut Disk,
        file_id: u64,
        (term, vote): (u64, Option<u64>),
        checkpoint: &WalCheckpoint,
        entries: impl IntoIterator<Item = (u64, u8, B)>,
    ) {
        assert!(self.can_append(), "rewrite only once the recovered or rewritten log is durable");
        assert!(
            checkpoint.compacted.index <= checkpoint.last.index,
            "the log begins after {}, so the entries between {} and there are lost",
            checkpoint.compacted,
            checkpoint.last
        );
        let mut new = NewFile {
            file_id,
            end: 0,
            compacted: checkpoint.compacted.index,
            last: checkpoint.compacted.index,
        };
        let start = disk.append(NEW_FILE, |file| {
            begin_record(file, term, vote, checkpoint.compacted.index);
            for word in [checkpoint.compacted.term, checkpoint.last.index, checkpoint.last.term] {
                file.extend_from_slice(&word.to_le_bytes());
            }
            let parts = [&checkpoint.configuration, &checkpoint.compacted_configuration, &checkpoint.data];
            for part in parts {
                let length = u32::try_from(part.len()).expect("a snapshot must be shorter than 4 GiB");
                file.extend_from_slice(&length.to_le_bytes());
            }
            parts.into_iter().for_each(|part| file.extend_from_slice(part));
            new.last += push_entries(file, entries);
            finish_record(file, (file_id, HEAD_NUMBER, 0));
            new.end = file.len() as u64;
        });
        assert_eq!(start, 0, "the new file must be empty");
        disk.sync_directory();
        assert!(
            checkpoint.last.index <= new.last,
            "the snapshot ends at {}, beyond the end of the log at {}",
            checkpoint.last,
            new.last
        );
        self.state = WalState::Written(new);
        self.sync_stage += 1;
    }

    /// Whether a new file is durable and can replace the log.
    #[must_use]
    pub const fn is_rewrite_durable(&self) -> bool {
        matches!(self.state, WalState::Synced(_))
    }

    /// Renames the new file over the log. The caller starts another sync; once its end was passed to
    /// [`Wal::mark_durable`], the old log cannot come back. Panics unless [`Wal::is_rewrite_durable`].
    pub fn switch_to_new_file(&mut self, disk: &mut Disk) {
        let WalState::Synced(new) = &self.state else {
            panic!("a new file must be durable before it replaces the log");
        };
        let NewFile { file_id, end, compacted, last } = *new;
        disk.rename(NEW_FILE, FILE);
        disk.sync_directory();
        (self.file_id, self.record_number, self.end, self.durable) = (file_id, 0, end, 0);
        (self.compacted, self.last) = (compacted, last);
        self.state = WalState::Switched;
        self.sync_stage += 1;
    }

    /// Whether no new file was written, and no file renamed, since this mark.
    #[must_use]
    pub const fn is_of_this_file(&self, mark: SyncMark) -> bool {
        mark.sync_stage == self.sync_stage
    }

    /// The sync that started at this mark is done. Syncs may end in any order.
    pub fn mark_durable(&mut self, mark: SyncMark) {
        assert!(mark.sync_stage <= self.sync_stage, "{mark:?} is not a mark of this log");
        if !self.is_of_this_file(mark) {
            // It says nothing about a new file, or about its rename.
            return;
        }
        self.state = match std::mem::replace(&mut self.state, WalState::Ready) {
            WalState::Written(new) | WalState::Synced(new) => WalState::Synced(new),
            WalState::Opened | WalState::Ready | WalState::Switched => {
                assert!(mark.end <= self.end, "{mark:?} is beyond the end of the log at {}", self.end);
                self.durable = self.durable.max(mark.end);
                WalState::Ready
            }
        };
    }

    /// Takes the indexes of a log that was read in another way: for a bug.
    pub(super) fn renumber(&mut self, recovered: &RecoveredLog) {
        (self.compacted, self.last) = (recovered.compacted(), recovered.last());
    }

    /// Whether the recovered records, the truncation of the tail, and a renamed new file are durable: nothing
    /// may be appended before.
    #[must_use]
    pub const fn can_append(&self) -> bool {
        matches!(self.state, WalState::Ready)
    }

    /// The extent of the log, for [`Wal::mark_durable`] when a sync that starts now is done.
    #[must_use]
    pub const fn mark(&self) -> SyncMark {
        SyncMark { sync_stage: self.sync_stage, end: self.end }
    }

    /// The offset of the end of the log.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.end
    }

    /// Everything before this offset is known to be durable.
    #[must_use]
    pub const fn durable(&self) -> u64 {
        self.durable
    }
}

impl RecoveredLog {
    /// The index of the last compacted entry, or 0.
    #[must_use]
    pub fn compacted(&self) -> u64 {
        self.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.compacted.index)
    }

    /// The index of the last entry.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.compacted() + self.entries.len() as u64
    }

    /// Applies one record. Returns false, with no change, if it does not fit.
    fn apply_record(&mut self, file: &Bytes, payload: Range<usize>) -> bool {
        let after = read_u64(file, payload.start + 16);
        let entries = payload.start + STATE_BYTES..payload.end;
        let fits = after == NO_TRUNCATION || (self.compacted()..=self.last()).contains(&after);
        if !fits || !are_valid_entries(file, entries.clone()) {
            return false;
        }
        if after != NO_TRUNCATION {
            self.entries.truncate((after - self.compacted()) as usize);
        }
        self.read_state(file, payload.start);
        self.read_entries(file, entries);
        self.records += 1;
        true
    }

    /// Applies a head, in the same way.
    fn apply_head(&mut self, file: &Bytes, payload: Range<usize>) -> bool {
        if payload.len() < STATE_BYTES + CHECKPOINT_BYTES {
            return false;
        }
        let at = payload.start + STATE_BYTES;
        let lengths = [at + 24, at + 28, at + 32].map(|at| read_u32(file, at) as usize);
        let parts = at + CHECKPOINT_BYTES;
        let entries = parts + lengths.iter().sum::<usize>()..payload.end;
        if entries.start > entries.end || !are_valid_entries(file, entries.clone()) {
            return false;
        }
        let mut part = parts;
        let [configuration, compacted_configuration, data] = lengths.map(|length| {
            part += length;
            file.slice(part - length..part)
        });
        self.checkpoint = Some(WalCheckpoint {
            compacted: LogId { index: read_u64(file, at - 8), term: read_u64(file, at) },
            last: LogId { index: read_u64(file, at + 8), term: read_u64(file, at + 16) },
            configuration,
            compacted_configuration,
            data,
        });
        self.read_state(file, payload.start);
        self.read_entries(file, entries);
        true
    }

    fn read_state(&mut self, file: &Bytes, at: usize) {
        self.term = read_u64(file, at);
        self.vote = Some(read_u64(file, at + 8)).filter(|vote| *vote != 0);
    }

    fn read_entries(&mut self, file: &Bytes, range: Range<usize>) {
        let mut at = range.start;
        while at < range.end {
            let bytes = at + ENTRY_HEADER_BYTES..at + ENTRY_HEADER_BYTES + read_u32(file, at + 8) as usize;
            let (term, kind) = (read_u64(file, at), file[at + 12]);
            at = bytes.end;
            match kind {
                NOTE => self.note = file.slice(bytes),
                _ => self.entries.push((term, kind, file.slice(bytes))),
            }
        }
    }
}

/// Whether these bytes are whole entries.
fn are_valid_entries(file: &[u8], range: Range<usize>) -> bool {
    let mut at = range.start;
    while at < range.end {
        if range.end - at < ENTRY_HEADER_BYTES
            || range.end - at - ENTRY_HEADER_BYTES < read_u32(file, at + 8) as usize
        {
            return false;
        }
        at += ENTRY_HEADER_BYTES + read_u32(file, at + 8) as usize;
    }
    true
}

/// A record with a valid checksum.
struct RecordHeader {
    start: usize,
    length: usize,
    file_id: u64,
    number: u64,
    durable: u64,
}

impl RecordHeader {
    /// The record at `start`, if it is valid.
    fn read(file: &[u8], start: usize) -> Option<RecordHeader> {
        let record = RecordHeader::parse(file, start)?;
        let checksum = crc32c::crc32c_append(CHECKSUM_SEED, &file[start + 4..record.end()]);
        (checksum == read_u32(file, start)).then_some(record)
    }

    /// The record at `start`, if it is whole, whatever its checksum says.
    fn parse(file: &[u8], start: usize) -> Option<RecordHeader> {
        let rest = &file[start..];
        if rest.len() < HEADER_BYTES + STATE_BYTES {
            return None;
        }
        let length = read_u32(rest, 4) as usize;
        if !(STATE_BYTES..=rest.len() - HEADER_BYTES).contains(&length) {
            return None;
        }
        Some(RecordHeader {
            start,
            length,
            file_id: read_u64(rest, 8),
            number: read_u64(rest, 16),
            durable: read_u64(rest, 24),
        })
    }

    fn payload(&self) -> Range<usize> {
        self.start + HEADER_BYTES..self.end()
    }

    fn end(&self) -> usize {
        self.start + HEADER_BYTES + self.length
    }
}

/// Searches the bytes after the bad record at `bad` for a valid record of this file that says the bad one was
/// durable.
///
/// The length of a bad record cannot be trusted, so a record may start at any byte. Computes a checksum only
/// where the file id and the durable offset fit. O(length of the rest) otherwise.
fn find_damage(file: &[u8], bad: usize, file_id: Option<u64>) -> Option<DamagedFile> {
    let last = file.len().checked_sub(HEADER_BYTES + STATE_BYTES)?;
    let may_prove_damage = |start: usize| {
        file_id.is_none_or(|file_id| read_u64(file, start + 8) == file_id)
            && (bad as u64 + 1..=start as u64).contains(&read_u64(file, start + 24))
    };
    let record = (bad + 1..=last)
        .filter(|start| may_prove_damage(*start))
        .find_map(|start| RecordHeader::read(file, start))?;
    let reason = format!(
        "record {} at byte {} says that everything before byte {} was durable",
        record.number, record.start, record.durable
    );
    Some(DamagedFile { what: LOG_NAME, offset: bad as u64, reason })
}

/// Begins a record: reserves its header, and writes the fields that every payload has.
fn begin_record(file: &mut Vec<u8>, term: u64, vote: Option<u64>, after: u64) {
    assert!(vote != Some(0), "servers are numbered from 1, so 0 is no vote");
    let mut state = [0; HEADER_BYTES + STATE_BYTES];
    state[HEADER_BYTES..HEADER_BYTES + 8].copy_from_slice(&term.to_le_bytes());
    state[HEADER_BYTES + 8..HEADER_BYTES + 16].copy_from_slice(&vote.unwrap_or(0).to_le_bytes());
    state[HEADER_BYTES + 16..].copy_from_slice(&after.to_le_bytes());
    file.extend_from_slice(&state);
}

/// Writes entries: term, kind, content. Returns their number, without notes.
fn push_entries<B: AsRef<[u8]>>(file: &mut Vec<u8>, entries: impl IntoIterator<Item = (u64, u8, B)>) -> u64 {
    let mut count = 0;
    for (term, kind, bytes) in entries {
        let bytes = bytes.as_ref();
        let length = u32::try_from(bytes.len()).expect("an entry must be shorter than 4 GiB");
        let mut head = [0; ENTRY_HEADER_BYTES];
        head[..8].copy_from_slice(&term.to_le_bytes());
        head[8..12].copy_from_slice(&length.to_le_bytes());
        head[12] = kind;
        file.extend_from_slice(&head);
        file.extend_from_slice(bytes);
        count += u64::from(kind != NOTE);
    }
    count
}

/// Fills in the header of a record whose payload is complete.
fn finish_record(record: &mut [u8], (file_id, number, durable): (u64, u64, u64)) {
    let length = u32::try_from(record.len() - HEADER_BYTES).expect("a record must be shorter than 4 GiB");
    record[4..8].copy_from_slice(&length.to_le_bytes());
    record[8..16].copy_from_slice(&file_id.to_le_bytes());
    record[16..24].copy_from_slice(&number.to_le_bytes());
    record[24..32].copy_from_slice(&durable.to_le_bytes());
    let checksum = crc32c::crc32c_append(CHECKSUM_SEED, &record[4..]);
    record[..4].copy_from_slice(&checksum.to_le_bytes());
}

/// The eight bytes at `at`.
fn read_u64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("a slice of eight bytes"))
}

/// The four bytes at `at`.
fn read_u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("a slice of four bytes"))
}

#[cfg(test)]
mod tests;
