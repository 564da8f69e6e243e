//! The write-ahead log: what a node saves, as bytes that can be told from damaged ones.
//!
//! One save is one record, so that term, vote and entries are there together or not at all:
//!
//! | bytes | |
//! |---|---|
//! | 4 | CRC32C of all that follows, begun from [`CHECKSUM_SEED`], so that no run of zeros is a record |
//! | 4 | length of the payload |
//! | 8 | identity of the file, drawn when it is initialised: what lay there before is not ours |
//! | 8 | number of the record, from 1 |
//! | 8 | how far the file was *known durable* when this record was written |
//! | | payload: term, vote (0: none), the index to which the log is cut first ([`NO_TRUNCATION`]: none), then per entry its term, its length, its kind, its bytes |
//!
//! All numbers are little-endian. Entries are consecutive, so their indexes are implied.
//!
//! **Rewriting.** A snapshot takes the place of the log's beginning, all at once: a new file [`NEW_FILE`] is written beside
//! the log and synced, then it is renamed over the log, and that is synced as well. Only then is it durable, and before
//! that nothing is appended. A loss of power at any point leaves the old log or the new one, never a mix; a new file that
//! never got the log's name never was the log, and is removed when the log is opened.
//!
//! The new file has an identity of its own and begins with its **head**, a record with the number [`HEAD_NUMBER`]:
//!
//! | bytes | |
//! |---|---|
//! | 24 | term, vote, and the index of the *base*: entries begin after it, and no later record cuts below it |
//! | 24 | the base's term; index and term of the last entry in the snapshot |
//! | 12 | lengths: of the snapshot's configuration, of the base's, of the snapshot's data |
//! | | these three, and then the entries after the base, as in any record |
//!
//! In other files the first record has number 1, and so has the first after a head. All indexes are those of the whole
//! log, whatever stands in place of its beginning.
//!
//! **Recovery** reads records up to the first bad one. What follows is one of two things. A torn or lost *tail* was never
//! durable, so nothing that was promised hangs on it: it is cut. *Damage* in what was durable shows by a later good
//! record that says an offset beyond the bad place was durable when it was written: then entries, a term or a vote that
//! were promised are gone, and the node must neither vote nor acknowledge. A head was durable before its file became the
//! log, so a bad head is damage, whatever follows it.
//!
//! A tail that is cut comes back if the power fails before the cut is durable, and a shorter new record in its place
//! would then be followed by old ones that look good. So nothing is appended before a first sync after opening is
//! durable: see [`Wal::can_append`].
//!
//! **Blind spot**: rot in the newest synced batch looks like a torn tail, because no later record speaks of it. Of a head
//! without a later record this is so only where its number rots.

use crate::rng::RngStream;
use crate::world::{Disk, FileName};
use bytes::Bytes;
use invariants::LogId;
use rand::RngCore;
use std::fmt;
use std::ops::Range;

/// The file that the log is in.
pub const FILE: FileName = "wal";
/// Where a log is written that shall replace it.
pub const NEW_FILE: FileName = "wal.new";
/// In place of a record's number: this is a head.
pub const HEAD_NUMBER: u64 = 0x6465_6874_6461_6568;
/// Where checksums begin.
pub const CHECKSUM_SEED: u32 = 0x5afe_106e;
/// In place of an index: the log is not cut.
pub const NO_TRUNCATION: u64 = u64::MAX;
/// What is damaged where it is this file.
const LOG_NAME: &str = "the log";
/// Bytes before the payload.
const HEADER_BYTES: usize = 32;
/// Bytes of a payload without entries.
const STATE_BYTES: usize = 24;
/// Bytes of a head's payload between those and what has no fixed length.
const CHECKPOINT_BYTES: usize = 36;
/// Bytes before those of an entry.
const ENTRY_HEADER_BYTES: usize = 13;

/// The write-ahead log of one incarnation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wal {
    /// Drawn when the file was initialised.
    file_id: u64,
    /// Of the newest record.
    record_number: u64,
    /// Where the next record will start.
    end: u64,
    /// Everything before is known to be durable.
    durable: u64,
    /// The index after which entries begin.
    base: u64,
    /// The index of the last entry.
    last: u64,
    state: WalState,
    /// How often the stage was one that waits for a sync: one that began before says nothing about it.
    sync_stage: u64,
}

/// What a log waits for before anything may be appended.
#[derive(Clone, PartialEq, Eq, Debug)]
enum WalState {
    /// What was recovered, and the cut of what was not, is not known durable.
    Opened,
    /// Nothing.
    Ready,
    /// A new file stands beside the log, and is not known durable.
    Written(NewFile),
    /// It is: it may take the log's place.
    Synced(NewFile),
    /// It stands in the log's place, which is not known durable.
    Switched,
}

/// A file that shall be the log.
#[derive(Clone, PartialEq, Eq, Debug)]
struct NewFile {
    file_id: u64,
    end: u64,
    base: u64,
    last: u64,
}

/// How far the log was when a sync began.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SyncMark {
    sync_stage: u64,
    end: u64,
}

/// What stands in place of the log's beginning.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct WalCheckpoint {
    /// The last entry in the snapshot.
    pub last: LogId,
    /// The group as it was after it.
    pub configuration: Bytes,
    /// The application's state after it.
    pub data: Bytes,
    /// Entries follow this one. It is not behind the snapshot.
    pub base: LogId,
    /// The group in force there.
    pub base_configuration: Bytes,
}

/// What a log held.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct RecoveredLog {
    /// The newest term.
    pub term: u64,
    /// The vote in it.
    pub vote: Option<u64>,
    /// What stands in place of the entries up to its base, if anything does.
    pub checkpoint: Option<WalCheckpoint>,
    /// All entries after the base, or from index 1 on: term, kind, content. They share one buffer.
    pub entries: Vec<(u64, u8, Bytes)>,
    /// How many records were read, without a head.
    pub records: u64,
    /// How many bytes of a torn or lost tail were cut.
    pub truncated_bytes: u64,
}

/// What was durable is damaged: the node must neither vote nor acknowledge.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DamagedFile {
    /// What is.
    pub what: &'static str,
    /// Where the first bad record starts.
    pub offset: u64,
    /// How it is known that this is no torn tail.
    pub reason: String,
}

impl fmt::Display for DamagedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is damaged at byte {}: {}", self.what, self.offset, self.reason)
    }
}

impl Wal {
    /// Opens the log, reads what it holds and cuts a torn or lost tail.
    ///
    /// Even where nothing was cut, the page cache may be ahead of the disk. The caller starts a sync, hands its end to
    /// [`Wal::mark_durable`], and promises nothing and appends nothing before.
    pub fn open(disk: &mut Disk, chance: &mut RngStream) -> Result<(Wal, RecoveredLog), DamagedFile> {
        if disk.contains(NEW_FILE) {
            disk.remove(NEW_FILE);
        }
        let file = Bytes::copy_from_slice(disk.read(FILE));
        let mut recovered = RecoveredLog::default();
        let mut identity = None;
        let mut end = 0;
        while let Some(record) = RecordHeader::read(&file, end) {
            let continues = identity.is_none_or(|known| known == record.file_id)
                && match record.number {
                    HEAD_NUMBER => end == 0 && recovered.apply_head(&file, record.payload()),
                    number => {
                        number == recovered.records + 1 && recovered.apply_record(&file, record.payload())
                    }
                };
            if !continues {
                break;
            }
            identity = Some(record.file_id);
            end = record.end();
        }
        if end < file.len() {
            if let Some(witness) = find_damage(&file, end, identity) {
                return Err(witness);
            }
            if end == 0 && file.len() >= HEADER_BYTES && read_u64(&file, 16) == HEAD_NUMBER {
                let reason = "its head was durable before it became the log".to_owned();
                return Err(DamagedFile { what: LOG_NAME, offset: 0, reason });
            }
            recovered.truncated_bytes = (file.len() - end) as u64;
            disk.truncate(FILE, end as u64);
        }
        let wal = Wal {
            file_id: identity.unwrap_or_else(|| chance.next_u64()),
            record_number: recovered.records,
            end: end as u64,
            durable: 0,
            base: recovered.base(),
            last: recovered.last(),
            state: WalState::Opened,
            sync_stage: 0,
        };
        Ok((wal, recovered))
    }

    /// Appends one record: the log is cut to `after` first, if that is given, then `entries` follow: term, kind, content.
    /// Returns where the record ends: it is durable once [`Wal::durable`] is that far.
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
            "an append before what was recovered or rewritten is durable: a cut tail could come back, or the old log"
        );
        if let Some(after) = after {
            let (base, last) = (self.base, self.last);
            assert!((base..=last).contains(&after), "a cut to {after} of entries after {base} up to {last}");
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
        assert_eq!(start, self.end, "somebody else has written to the log");
        self.end = end;
        end
    }

    /// Writes a new file beside the log, which replaces everything before: term, vote, what is kept, and the entries
    /// after its base: term, kind, content. `identity` is drawn for it.
    ///
    /// The caller starts a sync, hands its end to [`Wal::mark_durable`] and then lets the new file take the log's place:
    /// [`Wal::switch`].
    pub fn rewrite<B: AsRef<[u8]>>(
        &mut self,
        disk: &mut Disk,
        identity: u64,
        (term, vote): (u64, Option<u64>),
        kept: &WalCheckpoint,
        entries: impl IntoIterator<Item = (u64, u8, B)>,
    ) {
        assert!(self.can_append(), "a log is rewritten before what was recovered or rewritten is durable");
        assert!(
            kept.base.index <= kept.last.index,
            "entries between {} and {} are lost",
            kept.last,
            kept.base
        );
        let mut new = NewFile { file_id: identity, end: 0, base: kept.base.index, last: kept.base.index };
        let start = disk.append(NEW_FILE, |file| {
            begin_record(file, term, vote, kept.base.index);
            for word in [kept.base.term, kept.last.index, kept.last.term] {
                file.extend_from_slice(&word.to_le_bytes());
            }
            let parts = [&kept.configuration, &kept.base_configuration, &kept.data];
            for part in parts {
                let length = u32::try_from(part.len()).expect("a snapshot is shorter than 4 GiB");
                file.extend_from_slice(&length.to_le_bytes());
            }
            parts.into_iter().for_each(|part| file.extend_from_slice(part));
            new.last += push_entries(file, entries);
            finish_record(file, (identity, HEAD_NUMBER, 0));
            new.end = file.len() as u64;
        });
        assert_eq!(start, 0, "somebody else has written a new log");
        assert!(
            kept.last.index <= new.last,
            "the snapshot ends with {}, the log with {}",
            kept.last,
            new.last
        );
        self.state = WalState::Written(new);
        self.sync_stage += 1;
    }

    /// Whether a new file is durable and waits to take the log's place.
    #[must_use]
    pub const fn is_rewrite_durable(&self) -> bool {
        matches!(self.state, WalState::Synced(_))
    }

    /// Lets the new file take the log's place. The caller starts another sync; when its end was handed to
    /// [`Wal::mark_durable`], the old log can come back no more.
    pub fn switch_to_new_file(&mut self, disk: &mut Disk) {
        let WalState::Synced(new) = &self.state else {
            panic!("a new log takes the old one's place before it is durable");
        };
        let NewFile { file_id: identity, end, base, last } = *new;
        disk.rename(NEW_FILE, FILE);
        (self.file_id, self.record_number, self.end, self.durable) = (identity, 0, end, 0);
        (self.base, self.last) = (base, last);
        self.state = WalState::Switched;
        self.sync_stage += 1;
    }

    /// A sync has ended that began at this mark. Syncs may end in any order.
    pub fn mark_durable(&mut self, mark: SyncMark) {
        assert!(mark.sync_stage <= self.sync_stage, "{mark:?} is of another log");
        if mark.sync_stage < self.sync_stage {
            // It says nothing about a new file, or about whether that has taken the log's place.
            return;
        }
        self.state = match std::mem::replace(&mut self.state, WalState::Ready) {
            WalState::Written(new) | WalState::Synced(new) => WalState::Synced(new),
            WalState::Opened | WalState::Ready | WalState::Switched => {
                assert!(mark.end <= self.end, "{mark:?}, but only {} is written", self.end);
                self.durable = self.durable.max(mark.end);
                WalState::Ready
            }
        };
    }

    /// Whether what was recovered, the cut of what was not, and a new file in the log's place are durable: before that
    /// nothing may be appended.
    #[must_use]
    pub const fn can_append(&self) -> bool {
        matches!(self.state, WalState::Ready)
    }

    /// How far the log is. Kept beside a sync that begins now, for [`Wal::mark_durable`] when it has ended.
    #[must_use]
    pub const fn mark(&self) -> SyncMark {
        SyncMark { sync_stage: self.sync_stage, end: self.end }
    }

    /// Where the log ends.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.end
    }

    /// Everything before is known to be durable.
    #[must_use]
    pub const fn durable(&self) -> u64 {
        self.durable
    }
}

impl RecoveredLog {
    /// The index after which entries begin.
    #[must_use]
    pub fn base(&self) -> u64 {
        self.checkpoint.as_ref().map_or(0, |kept| kept.base.index)
    }

    /// The index of the last entry.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.base() + self.entries.len() as u64
    }

    /// Takes what one record saved. Returns whether it fits to what was there before; if not, nothing is taken.
    fn apply_record(&mut self, file: &Bytes, payload: Range<usize>) -> bool {
        let after = read_u64(file, payload.start + 16);
        let entries = payload.start + STATE_BYTES..payload.end;
        let fits = after == NO_TRUNCATION || (self.base()..=self.last()).contains(&after);
        if !fits || !are_valid_entries(file, entries.clone()) {
            return false;
        }
        if after != NO_TRUNCATION {
            self.entries.truncate((after - self.base()) as usize);
        }
        self.read_state(file, payload.start);
        self.read_entries(file, entries);
        self.records += 1;
        true
    }

    /// The same of a head.
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
        let [configuration, base_configuration, data] = lengths.map(|length| {
            part += length;
            file.slice(part - length..part)
        });
        self.checkpoint = Some(WalCheckpoint {
            base: LogId { index: read_u64(file, at - 8), term: read_u64(file, at) },
            last: LogId { index: read_u64(file, at + 8), term: read_u64(file, at + 16) },
            configuration,
            base_configuration,
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
            self.entries.push((term, kind, file.slice(bytes)));
        }
    }
}

/// Whether these bytes are entries and nothing else.
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

/// A record whose checksum is right.
struct RecordHeader {
    start: usize,
    length: usize,
    file_id: u64,
    number: u64,
    durable: u64,
}

impl RecordHeader {
    /// The record that starts at `start`, if there is a good one.
    fn read(file: &[u8], start: usize) -> Option<RecordHeader> {
        let rest = &file[start..];
        if rest.len() < HEADER_BYTES + STATE_BYTES {
            return None;
        }
        let length = read_u32(rest, 4) as usize;
        if !(STATE_BYTES..=rest.len() - HEADER_BYTES).contains(&length) {
            return None;
        }
        if crc32c::crc32c_append(CHECKSUM_SEED, &rest[4..HEADER_BYTES + length]) != read_u32(rest, 0) {
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

/// Looks behind the bad record at `bad` for a good one of this file that says it was durable.
///
/// The length of a bad record is not to be trusted, so a good one may start at any byte. What does not claim anything of
/// interest is passed over before a checksum is computed.
fn find_damage(file: &[u8], bad: usize, identity: Option<u64>) -> Option<DamagedFile> {
    let last = file.len().checked_sub(HEADER_BYTES + STATE_BYTES)?;
    let speaks = |start: usize| {
        identity.is_none_or(|identity| read_u64(file, start + 8) == identity)
            && (bad as u64 + 1..=start as u64).contains(&read_u64(file, start + 24))
    };
    let record =
        (bad + 1..=last).filter(|start| speaks(*start)).find_map(|start| RecordHeader::read(file, start))?;
    let reason = format!(
        "record {} at byte {} says that everything before byte {} was durable",
        record.number, record.start, record.durable
    );
    Some(DamagedFile { what: LOG_NAME, offset: bad as u64, reason })
}

/// Begins a record: room for its header, and what every payload begins with.
fn begin_record(file: &mut Vec<u8>, term: u64, vote: Option<u64>, after: u64) {
    assert!(vote != Some(0), "servers are numbered from 1");
    let mut state = [0; HEADER_BYTES + STATE_BYTES];
    state[HEADER_BYTES..HEADER_BYTES + 8].copy_from_slice(&term.to_le_bytes());
    state[HEADER_BYTES + 8..HEADER_BYTES + 16].copy_from_slice(&vote.unwrap_or(0).to_le_bytes());
    state[HEADER_BYTES + 16..].copy_from_slice(&after.to_le_bytes());
    file.extend_from_slice(&state);
}

/// Goes on with entries: term, kind, content. Returns how many there were.
fn push_entries<B: AsRef<[u8]>>(file: &mut Vec<u8>, entries: impl IntoIterator<Item = (u64, u8, B)>) -> u64 {
    let mut count = 0;
    for (term, kind, bytes) in entries {
        let bytes = bytes.as_ref();
        let length = u32::try_from(bytes.len()).expect("an entry is shorter than 4 GiB");
        let mut head = [0; ENTRY_HEADER_BYTES];
        head[..8].copy_from_slice(&term.to_le_bytes());
        head[8..12].copy_from_slice(&length.to_le_bytes());
        head[12] = kind;
        file.extend_from_slice(&head);
        file.extend_from_slice(bytes);
        count += 1;
    }
    count
}

/// Fills in the header of a record whose payload is written.
fn finish_record(record: &mut [u8], (identity, number, durable): (u64, u64, u64)) {
    let length = u32::try_from(record.len() - HEADER_BYTES).expect("a record is shorter than 4 GiB");
    record[4..8].copy_from_slice(&length.to_le_bytes());
    record[8..16].copy_from_slice(&identity.to_le_bytes());
    record[16..24].copy_from_slice(&number.to_le_bytes());
    record[24..32].copy_from_slice(&durable.to_le_bytes());
    let checksum = crc32c::crc32c_append(CHECKSUM_SEED, &record[4..]);
    record[..4].copy_from_slice(&checksum.to_le_bytes());
}

/// The eight bytes at `at`.
fn read_u64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// The four bytes at `at`.
fn read_u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

#[cfg(test)]
mod tests;
