//! The write-ahead log: what a node saves, as bytes that can be told from damaged ones.
//!
//! One save is one record, so that term, vote and entries are there together or not at all:
//!
//! | bytes | |
//! |---|---|
//! | 4 | CRC32C of all that follows, begun from [`SEED`], so that no run of zeros is a record |
//! | 4 | length of the payload |
//! | 8 | identity of the file, drawn when it is initialised: what lay there before is not ours |
//! | 8 | number of the record, from 1 |
//! | 8 | how far the file was *known durable* when this record was written |
//! | | payload: term, vote (0: none), the index to which the log is cut first ([`NO_CUT`]: none), then per entry its term, its length, its kind, its bytes |
//!
//! All numbers are little-endian. Entries are consecutive, so their indexes are implied.
//!
//! **Recovery** reads records up to the first bad one. What follows is one of two things. A torn or lost *tail* was never
//! durable, so nothing that was promised hangs on it: it is cut. *Damage* in what was durable shows by a later good
//! record that says an offset beyond the bad place was durable when it was written: then entries, a term or a vote that
//! were promised are gone, and the node must neither vote nor acknowledge.
//!
//! A tail that is cut comes back if the power fails before the cut is durable, and a shorter new record in its place
//! would then be followed by old ones that look good. So nothing is appended before a first sync after opening is
//! durable: see [`Wal::is_settled`].
//!
//! **Blind spot**: rot in the newest synced batch looks like a torn tail, because no later record speaks of it.

use crate::rng::Stream;
use crate::world::{Disk, FileName};
use bytes::Bytes;
use rand::RngCore;
use std::fmt;

/// The file that the log is in.
pub const FILE: FileName = "wal";
/// Where checksums begin.
pub const SEED: u32 = 0x5afe_106e;
/// In place of an index: the log is not cut.
pub const NO_CUT: u64 = u64::MAX;
/// Bytes before the payload.
const HEADER: usize = 32;
/// Bytes of a payload without entries.
const STATE: usize = 24;
/// Bytes before those of an entry.
const ENTRY: usize = 13;

/// The write-ahead log of one incarnation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wal {
    /// Drawn when the file was initialised.
    identity: u64,
    /// Of the newest record.
    number: u64,
    /// Where the next record will start.
    end: u64,
    /// Everything before is known to be durable.
    durable: u64,
    /// Where the file ended when it was opened, until that is durable.
    unsettled: Option<u64>,
    /// The index of the last entry.
    last: u64,
}

/// What a log held.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Recovered {
    /// The newest term.
    pub term: u64,
    /// The vote in it.
    pub vote: Option<u64>,
    /// All entries from index 1 on: term, kind, content. They share one buffer.
    pub entries: Vec<(u64, u8, Bytes)>,
    /// How many records were read.
    pub records: u64,
    /// How many bytes of a torn or lost tail were cut.
    pub cut: u64,
}

/// What was durable is damaged: the node must neither vote nor acknowledge.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damaged {
    /// Where the first bad record starts.
    pub offset: u64,
    /// How it is known that this is no torn tail.
    pub reason: String,
}

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the log is damaged at byte {}: {}", self.offset, self.reason)
    }
}

impl Wal {
    /// Opens the log, reads what it holds and cuts a torn or lost tail.
    ///
    /// Even where nothing was cut, the page cache may be ahead of the disk. The caller starts a sync, hands its end to
    /// [`Wal::durable_to`], and promises nothing and appends nothing before.
    pub fn open(disk: &mut Disk, chance: &mut Stream) -> Result<(Wal, Recovered), Damaged> {
        let file = Bytes::copy_from_slice(disk.read(FILE));
        let mut recovered = Recovered::default();
        let mut identity = None;
        let mut end = 0;
        while let Some(record) = Record::read(&file, end) {
            let continues = identity.is_none_or(|known| known == record.identity)
                && record.number == recovered.records + 1
                && recovered.take(&file, record.payload());
            if !continues {
                break;
            }
            identity = Some(record.identity);
            end = record.end();
        }
        if end < file.len() {
            if let Some(witness) = witness(&file, end, identity) {
                return Err(witness);
            }
            recovered.cut = (file.len() - end) as u64;
            disk.truncate(FILE, end as u64);
        }
        let wal = Wal {
            identity: identity.unwrap_or_else(|| chance.next_u64()),
            number: recovered.records,
            end: end as u64,
            durable: 0,
            unsettled: Some(end as u64),
            last: recovered.entries.len() as u64,
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
            self.is_settled(),
            "an append before what was recovered is durable: a cut tail could come back"
        );
        assert!(vote != Some(0), "servers are numbered from 1");
        assert!(after.is_none_or(|after| after <= self.last), "a cut to {after:?} of {} entries", self.last);
        self.number += 1;
        self.last = after.unwrap_or(self.last);
        let header = (self.identity, self.number, self.durable);
        let mut end = 0;
        let start = disk.append(FILE, |file| {
            let start = file.len();
            let mut state = [0; HEADER + STATE];
            state[HEADER..HEADER + 8].copy_from_slice(&term.to_le_bytes());
            state[HEADER + 8..HEADER + 16].copy_from_slice(&vote.unwrap_or(0).to_le_bytes());
            state[HEADER + 16..].copy_from_slice(&after.unwrap_or(NO_CUT).to_le_bytes());
            file.extend_from_slice(&state);
            for (term, kind, bytes) in entries {
                let bytes = bytes.as_ref();
                let length = u32::try_from(bytes.len()).expect("an entry is shorter than 4 GiB");
                let mut head = [0; ENTRY];
                head[..8].copy_from_slice(&term.to_le_bytes());
                head[8..12].copy_from_slice(&length.to_le_bytes());
                head[12] = kind;
                file.extend_from_slice(&head);
                file.extend_from_slice(bytes);
                self.last += 1;
            }
            seal(&mut file[start..], header);
            end = file.len() as u64;
        });
        assert_eq!(start, self.end, "somebody else has written to the log");
        self.end = end;
        end
    }

    /// A sync has ended that began when the log ended at `offset`. Syncs may end in any order.
    pub fn durable_to(&mut self, offset: u64) {
        assert!(offset <= self.end, "durable to {offset}, but only {} is written", self.end);
        self.durable = self.durable.max(offset);
        if self.unsettled.is_some_and(|end| end <= offset) {
            self.unsettled = None;
        }
    }

    /// Whether what was recovered, and the cut of what was not, is durable: before that nothing may be appended.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        self.unsettled.is_none()
    }

    /// Where the log ends. Kept beside a sync that begins now, for [`Wal::durable_to`] when it has ended.
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

impl Recovered {
    /// Takes what one record saved. Returns whether it fits to what was there before; if not, nothing is taken.
    fn take(&mut self, file: &Bytes, payload: std::ops::Range<usize>) -> bool {
        let after = word(file, payload.start + 16);
        if after != NO_CUT && after > self.entries.len() as u64 {
            return false;
        }
        let mut at = payload.start + STATE;
        while at < payload.end {
            if payload.end - at < ENTRY || payload.end - at - ENTRY < half(file, at + 8) as usize {
                return false;
            }
            at += ENTRY + half(file, at + 8) as usize;
        }
        if after != NO_CUT {
            self.entries.truncate(after as usize);
        }
        at = payload.start + STATE;
        while at < payload.end {
            let bytes = at + ENTRY..at + ENTRY + half(file, at + 8) as usize;
            let (term, kind) = (word(file, at), file[at + 12]);
            at = bytes.end;
            self.entries.push((term, kind, file.slice(bytes)));
        }
        self.term = word(file, payload.start);
        self.vote = Some(word(file, payload.start + 8)).filter(|vote| *vote != 0);
        self.records += 1;
        true
    }
}

/// A record whose checksum is right.
struct Record {
    start: usize,
    length: usize,
    identity: u64,
    number: u64,
    durable: u64,
}

impl Record {
    /// The record that starts at `start`, if there is a good one.
    fn read(file: &[u8], start: usize) -> Option<Record> {
        let rest = &file[start..];
        if rest.len() < HEADER + STATE {
            return None;
        }
        let length = half(rest, 4) as usize;
        if !(STATE..=rest.len() - HEADER).contains(&length) {
            return None;
        }
        if crc32c::crc32c_append(SEED, &rest[4..HEADER + length]) != half(rest, 0) {
            return None;
        }
        Some(Record {
            start,
            length,
            identity: word(rest, 8),
            number: word(rest, 16),
            durable: word(rest, 24),
        })
    }

    fn payload(&self) -> std::ops::Range<usize> {
        self.start + HEADER..self.end()
    }

    fn end(&self) -> usize {
        self.start + HEADER + self.length
    }
}

/// Looks behind the bad record at `bad` for a good one of this file that says it was durable.
///
/// The length of a bad record is not to be trusted, so a good one may start at any byte. What does not claim anything of
/// interest is passed over before a checksum is computed.
fn witness(file: &[u8], bad: usize, identity: Option<u64>) -> Option<Damaged> {
    let last = file.len().checked_sub(HEADER + STATE)?;
    let speaks = |start: usize| {
        identity.is_none_or(|identity| word(file, start + 8) == identity)
            && (bad as u64 + 1..=start as u64).contains(&word(file, start + 24))
    };
    let record =
        (bad + 1..=last).filter(|start| speaks(*start)).find_map(|start| Record::read(file, start))?;
    let reason = format!(
        "record {} at byte {} says that everything before byte {} was durable",
        record.number, record.start, record.durable
    );
    Some(Damaged { offset: bad as u64, reason })
}

/// Fills in the header of a record whose payload is written.
fn seal(record: &mut [u8], (identity, number, durable): (u64, u64, u64)) {
    let length = u32::try_from(record.len() - HEADER).expect("a record is shorter than 4 GiB");
    record[4..8].copy_from_slice(&length.to_le_bytes());
    record[8..16].copy_from_slice(&identity.to_le_bytes());
    record[16..24].copy_from_slice(&number.to_le_bytes());
    record[24..32].copy_from_slice(&durable.to_le_bytes());
    let checksum = crc32c::crc32c_append(SEED, &record[4..]);
    record[..4].copy_from_slice(&checksum.to_le_bytes());
}

/// The eight bytes at `at`.
fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// The four bytes at `at`.
fn half(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

#[cfg(test)]
mod tests;
