//! A log in memory: what a Raft library reads while the disk catches up.
//!
//! *In*: what the disk had, then the same entries, snapshots and configurations that the server saves or applies. *Out*:
//! entries and terms by index, and the whole as a [`Rewrite`]. Configurations are bytes of the server's own.

use super::durable_log::Rewrite;
use super::wal::{RecoveredLog, WalCheckpoint};
use bytes::Bytes;
use invariants::LogId;
use std::ops::Range;

/// An entry: term, kind and content.
pub type LogEntry = (u64, u8, Bytes);

/// The log of a server, with its newest snapshot.
#[derive(Clone, Debug)]
pub struct MemoryLog {
    checkpoint: WalCheckpoint,
    entries: Vec<LogEntry>,
    /// Each configuration from the one at the beginning of the log on, with the index of the entry that carries it.
    configurations: Vec<(u64, Bytes)>,
}

impl MemoryLog {
    /// The log that the disk had. `initial`: the configuration of an empty log.
    #[must_use]
    pub fn recovered(log: &RecoveredLog, initial: Bytes) -> MemoryLog {
        let checkpoint = log.checkpoint.clone().unwrap_or_else(|| WalCheckpoint {
            compacted_configuration: initial,
            ..WalCheckpoint::default()
        });
        let configurations = vec![(checkpoint.compacted.index, checkpoint.compacted_configuration.clone())];
        MemoryLog { checkpoint, entries: log.entries.clone(), configurations }
    }

    /// The entry before the first.
    #[must_use]
    pub const fn base(&self) -> LogId {
        self.checkpoint.compacted
    }

    /// The index of the last entry.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.base().index + self.entries.len() as u64
    }

    /// The newest snapshot; its last entry is 0@0 if there is none.
    #[must_use]
    pub const fn snapshot(&self) -> &WalCheckpoint {
        &self.checkpoint
    }

    /// The term of the entry at `index`; `None` if the log begins after it or ends before it.
    #[must_use]
    pub fn term(&self, index: u64) -> Option<u64> {
        match index.checked_sub(self.base().index)? {
            0 => Some(self.base().term),
            after => self.entries.get(after as usize - 1).map(|entry| entry.0),
        }
    }

    /// The entries with these indexes. Panics if the log does not have them all.
    #[must_use]
    pub fn entries(&self, indexes: Range<u64>) -> &[LogEntry] {
        let offset = self.base().index + 1;
        &self.entries[(indexes.start - offset) as usize..(indexes.end - offset) as usize]
    }

    /// Puts entries in place of all after `after`.
    pub fn append(&mut self, after: u64, entries: impl IntoIterator<Item = LogEntry>) {
        self.entries.truncate((after - self.base().index) as usize);
        self.entries.extend(entries);
    }

    /// The newest configuration, and the index from which it is in force.
    #[must_use]
    pub fn configuration(&self) -> (u64, &Bytes) {
        let (index, configuration) = self.configurations.last().expect("there is always one");
        (*index, configuration)
    }

    /// A configuration is in force from this index on, later than all before.
    pub fn configure(&mut self, index: u64, configuration: Bytes) {
        self.configurations.push((index, configuration));
    }

    fn configuration_at(&self, index: u64) -> Bytes {
        let next = self.configurations.partition_point(|(from, _)| *from <= index);
        self.configurations[next - 1].1.clone()
    }

    /// A leader's snapshot replaces everything.
    pub fn install(&mut self, last: LogId, configuration: Bytes, data: Bytes) {
        self.entries.clear();
        self.configurations = vec![(last.index, configuration.clone())];
        self.checkpoint = WalCheckpoint {
            last,
            configuration: configuration.clone(),
            data,
            compacted: last,
            compacted_configuration: configuration,
        };
    }

    /// Takes a snapshot up to `index`, and drops the entries up to `keep_after`, which is not beyond that.
    pub fn compact(&mut self, index: u64, data: Bytes, keep_after: u64) {
        let keep_after = keep_after.max(self.base().index);
        let log_id = |index| LogId { index, term: self.term(index).expect("the entry is in the log") };
        let (last, compacted) = (log_id(index), log_id(keep_after));
        let (configuration, compacted_configuration) =
            (self.configuration_at(index), self.configuration_at(keep_after));
        self.entries.drain(..(keep_after - self.base().index) as usize);
        self.configurations.retain(|(from, _)| *from > keep_after);
        self.configurations.insert(0, (keep_after, compacted_configuration.clone()));
        self.checkpoint = WalCheckpoint { last, configuration, data, compacted, compacted_configuration };
    }

    /// The whole log, for the disk.
    #[must_use]
    pub fn rewrite(&self, term: u64, vote: Option<u64>, note: Bytes) -> Rewrite {
        Rewrite { term, vote, checkpoint: self.checkpoint.clone(), entries: self.entries.clone(), note }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(terms: &[u64]) -> Vec<LogEntry> {
        terms.iter().map(|term| (*term, 0, Bytes::new())).collect()
    }

    #[test]
    fn compaction_keeps_terms_and_configurations_after_its_index() {
        let mut log = MemoryLog::recovered(&RecoveredLog::default(), Bytes::from_static(b"first"));
        log.append(0, entries(&[1, 1, 2, 2]));
        log.append(3, entries(&[3, 3]));
        log.configure(2, Bytes::from_static(b"second"));
        log.configure(4, Bytes::from_static(b"third"));
        log.compact(4, Bytes::from_static(b"image"), 3);
        assert_eq!((log.base(), log.last()), (LogId { index: 3, term: 2 }, 5));
        assert_eq!([2, 3, 4, 5, 6].map(|index| log.term(index)), [None, Some(2), Some(3), Some(3), None]);
        assert_eq!(log.configuration(), (4, &Bytes::from_static(b"third")));
        let rewrite = log.rewrite(3, None, Bytes::new());
        assert_eq!(&*rewrite.checkpoint.configuration, b"third");
        assert_eq!(&*rewrite.checkpoint.compacted_configuration, b"second");
        assert_eq!((rewrite.entries.len(), log.entries(4..6).len()), (2, 2));
    }
}
