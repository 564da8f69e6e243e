//! The ledger: results of a sweep on disk, from which it can be resumed, and merged with others.
//!
//! A ledger is a small file that is replaced atomically: a header for each commit that ran seeds, then one batch with
//! the seeds so far and their sums. Former versions appended a batch per second, so a reader adds up all batches. Each
//! line has the settings of its sweep and a checksum: a damaged line does not affect the others.

mod stored;

use super::lock::{FolderLock, LockError, LockTiming};
use super::parts::{AskedSeeds, MergedParts, Shards};
use super::seeds::Seeds;
use super::summary::Summary;
use super::{Shard, SweepSettings};
use crate::outcome::COMMIT;
use crate::plan::file::{self, display_path, error_reason};
use crate::support::text::escape;
use crate::systems::{BUILT_IN, SystemInfo};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use stored::ReadBatch;

/// Name of the file in its folder.
pub const LEDGER_FILE: &str = "ledger.jsonl";
/// Name of the lock in its folder, while a sweep writes it.
pub const LOCK_FILE: &str = "ledger.lock";
/// Name of the copy of a damaged ledger when its sweep is resumed.
const DAMAGED_LEDGER_FILE: &str = "ledger.damaged";
/// Upper bound for the duration of a sweep: a hundred years.
const MAX_DURATION: Duration = Duration::from_secs(3_200_000_000);
/// The least time between two writes.
const WRITE_INTERVAL: Duration = Duration::from_secs(1);
/// The least time between two writes, as a multiple of what the last one took: the list of failures has no bound, and a
/// sweep must not spend its time writing it again.
const INTERVAL_PER_WRITE: u32 = 20;

/// The settings of the sweep that a line belongs to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LedgerHeader {
    /// Version of the plan generator.
    pub generator_version: u32,
    /// The commit that ran the last seeds.
    pub commit: String,
    /// The system.
    #[serde(default = "built_in_system")]
    pub system: String,
    /// The settings, except those of the machine.
    #[serde(flatten)]
    pub settings: SweepSettings,
    /// After a merge: the parts. Such a ledger is not resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<MergedParts>,
}

impl LedgerHeader {
    /// The header for a sweep with this summary.
    #[must_use]
    pub fn from_summary(summary: &Summary) -> LedgerHeader {
        LedgerHeader {
            generator_version: summary.generator_version,
            commit: summary.commits.last().map_or(COMMIT, String::as_str).to_owned(),
            system: summary.settings.system.full_name(),
            settings: summary.settings.clone(),
            merged: summary.merged.clone(),
        }
    }

    /// Whether the results of the two can be added.
    #[must_use]
    pub fn is_mergeable_with(&self, other: &LedgerHeader) -> bool {
        let key = |header: &LedgerHeader| {
            let LedgerHeader { system, generator_version, settings, .. } = header;
            let SweepSettings { bug, disabled, left_out, .. } = settings.clone();
            (system.clone(), *generator_version, bug, disabled, left_out)
        };
        key(self) == key(other)
    }

    /// Whether the two describe one sweep. It may have been resumed with another time limit or commit.
    #[must_use]
    pub fn is_same_sweep(&self, other: &LedgerHeader) -> bool {
        let seeds =
            |header: &LedgerHeader| (header.settings.seeds.clone(), header.settings.all_seeds.clone());
        self.is_mergeable_with(other) && seeds(self) == seeds(other)
    }
}

impl fmt::Display for LedgerHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SweepSettings { seeds, bug, disabled, left_out, .. } = &self.settings;
        if self.system != BUILT_IN.name {
            write!(f, "{}, ", escape(&self.system))?;
        }
        write!(f, "seeds {}@{}", Seeds::from(seeds.clone()), self.generator_version)?;
        if let Some(window) = &self.settings.window {
            write!(f, " of the window {}", escape(&window.name))?;
        }
        match bug {
            Some(bug) => write!(f, " with the bug {}", escape(bug))?,
            None => write!(f, " without a bug")?,
        }
        match disabled.as_slice() {
            [] => {}
            disabled => write!(f, ", {} disabled", escape(&disabled.join(", ")))?,
        }
        match left_out.as_slice() {
            [] => Ok(()),
            left_out => write!(f, ", plans without {}", escape(&left_out.join(", "))),
        }
    }
}

/// The results of some seeds, as they are written.
#[derive(Serialize)]
struct Batch {
    header: LedgerHeader,
    #[serde(flatten)]
    sums: Summary,
}

/// A line of a ledger, as it is written.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum LedgerEntry {
    Header(Box<LedgerHeader>),
    Batch(Box<Batch>),
}

/// The end of a line with this text.
fn checksum(text: &[u8]) -> String {
    format!("\t{:08x}\n", crc32c::crc32c(text))
}

impl LedgerEntry {
    /// The entry as a line with its checksum.
    fn to_line(&self) -> io::Result<String> {
        let text = serde_json::to_string(self)?;
        let sum = checksum(text.as_bytes());
        Ok(text + &sum)
    }
}

/// A ledger as read from disk.
#[derive(Clone, Debug)]
pub struct LedgerContents {
    /// Its folder.
    pub folder: PathBuf,
    /// The header of its last readable line.
    pub header: LedgerHeader,
    /// The sum of all readable lines. Its settings lack those of a machine: jobs and canary plans.
    pub summary: Summary,
    /// Damaged lines: file, line number, reason.
    pub damage: Vec<String>,
}

/// Exclusive access to a ledger.
pub struct LedgerLock {
    lock: FolderLock,
    path: PathBuf,
}

/// A ledger being written.
pub struct Ledger {
    lock: LedgerLock,
    /// The elapsed time from which on it is written again.
    next_write: Duration,
}

/// Locks the ledger in a folder, which is created if needed. `wait` is called with a message if another machine may be
/// writing it and has to be observed.
///
/// # Errors
///
/// If another sweep has the lock, or the file cannot be written.
pub fn lock(folder: &Path, wait: &mut dyn FnMut(&str)) -> Result<LedgerLock, String> {
    let path = folder.join(LEDGER_FILE);
    let cannot =
        |error: io::Error| format!("{}: cannot be written: {}", display_path(&path), error_reason(&error));
    fs::create_dir_all(folder).and_then(|()| file::check_file_writable(&path)).map_err(cannot)?;
    match FolderLock::take(&folder.join(LOCK_FILE), LockTiming::USUAL, wait) {
        Ok(lock) => Ok(LedgerLock { lock, path }),
        Err(LockError::File(error)) => Err(cannot(error)),
        Err(LockError::Held(by)) => Err(format!(
            "another sweep is writing {}: {by}; wait until it ends, or choose another folder",
            display_path(&path)
        )),
    }
}

impl LedgerLock {
    /// Fails if the lock was removed or replaced: another process may be writing.
    fn check(&self) -> io::Result<()> {
        match self.lock.is_held()? {
            true => Ok(()),
            false => Err(io::Error::other("it was removed or replaced during the sweep")),
        }
    }
}

impl Ledger {
    /// Replaces the contents by these results.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn create(lock: LedgerLock, summary: &Summary) -> io::Result<Ledger> {
        let mut ledger = Ledger { lock, next_write: Duration::ZERO };
        ledger.write_progress(summary, true)?;
        Ok(ledger)
    }

    /// Continues a ledger with its readable lines. A damaged one is copied first; the seeds of its other lines are run
    /// again.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn resume(lock: LedgerLock, read: &LedgerContents) -> io::Result<Ledger> {
        if !read.damage.is_empty() {
            fs::copy(&lock.path, damaged_ledger_path(&read.folder))?;
        }
        Ledger::create(lock, &read.summary)
    }

    /// Writes the results, if the interval has passed or `now` is set. After an error the former ones stay.
    ///
    /// # Errors
    ///
    /// If it cannot be written, or was removed or replaced.
    pub fn write_progress(&mut self, summary: &Summary, now: bool) -> io::Result<()> {
        if !now && summary.elapsed < self.next_write {
            return Ok(());
        }
        let began = Instant::now();
        let written = self.replace(summary);
        let interval = WRITE_INTERVAL.max(began.elapsed().saturating_mul(INTERVAL_PER_WRITE));
        self.next_write = summary.elapsed.saturating_add(interval);
        written
    }

    fn replace(&self, summary: &Summary) -> io::Result<()> {
        self.lock.check()?;
        let header = LedgerHeader::from_summary(summary);
        let of_commit = |commit: &String| LedgerHeader { commit: commit.clone(), ..header.clone() };
        let mut entries: Vec<_> =
            summary.commits.iter().map(|commit| LedgerEntry::Header(Box::new(of_commit(commit)))).collect();
        if (summary.seeds, summary.canaries_missed) != (0, 0) {
            entries.push(LedgerEntry::Batch(Box::new(Batch { header, sums: summary.clone() })));
        }
        let lines = entries.iter().map(LedgerEntry::to_line).collect::<io::Result<String>>()?;
        file::replace(&self.lock.path, &lines)
    }

    /// Whether its lock was removed or replaced: what this process writes is lost.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lock.lock.is_held().is_ok_and(|is_held| !is_held)
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.lock.path
    }
}

/// An unused file name for the copy of a damaged ledger.
fn damaged_ledger_path(folder: &Path) -> PathBuf {
    let names = std::iter::once(DAMAGED_LEDGER_FILE.to_owned())
        .chain((2..).map(|number| format!("{DAMAGED_LEDGER_FILE}-{number}")));
    let mut paths = names.map(|name| folder.join(name));
    paths.find(|path| path.symlink_metadata().is_err()).expect("some number is unused")
}

/// The system of ledgers that name none.
fn built_in_system() -> String {
    BUILT_IN.name.to_owned()
}

/// Reads the ledger of a system in a folder. Damaged lines are reported and skipped. `None`: the ledger is missing or empty.
///
/// # Errors
///
/// If no line can be read, or the ledger is about another system.
pub fn read(folder: &Path, system: &SystemInfo) -> Result<Option<LedgerContents>, String> {
    read_listing(folder, system, usize::MAX)
}

/// The same, with at most `max_listed` failures of each group; the others are counted.
pub(super) fn read_listing(
    folder: &Path,
    system: &SystemInfo,
    max_listed: usize,
) -> Result<Option<LedgerContents>, String> {
    let path = folder.join(LEDGER_FILE);
    if path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        return Ok(None);
    }
    let bytes = file::read_bytes(&path)
        .map_err(|reason| format!("{}: cannot be read: {reason}", display_path(&path)))?;
    let mut damage = Vec::new();
    let mut contents: Option<LedgerContents> = None;
    // A last line without a line break is torn: a former version was killed while appending it.
    let lines = bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
    for (number, line) in (1..).zip(lines) {
        let added = ReadBatch::from_line(line, max_listed)
            .and_then(|batch| contents.get_or_insert_with(|| empty_contents(folder, &batch)).add(batch));
        damage.extend(added.err().map(|error| format!("{}:{number}: {error}", display_path(&path))));
    }
    match contents {
        Some(read) if read.header.system != system.full_name() => Err(format!(
            "{} has results of {}, and this program runs {}",
            display_path(&path),
            escape(&read.header.system),
            system.full_name()
        )),
        Some(mut read) => {
            read.summary.settings.system = *system;
            read.summary.failures.sort_by_key(|failure| failure.seed);
            // The folder may have another name than when it was written, or be on another machine. A merged result has some
            // of the plans only.
            let is_merged = read.header.merged.is_some();
            for failure in &mut read.summary.failures {
                failure.move_files(|path| !is_merged || path.exists(), folder);
            }
            Ok(Some(LedgerContents { damage, ..read }))
        }
        None if damage.is_empty() => Ok(None),
        None => Err(format!("{}, and no other line can be read", damage[0])),
    }
}

/// The contents before this line, the first.
fn empty_contents(folder: &Path, ReadBatch { header, .. }: &ReadBatch) -> LedgerContents {
    let settings = SweepSettings { out: folder.to_owned(), ..header.settings.clone() };
    let summary = Summary { settings, generator_version: header.generator_version, ..Summary::default() };
    LedgerContents { folder: folder.to_owned(), header: header.clone(), summary, damage: Vec::new() }
}

impl LedgerContents {
    /// Whether all seeds were run and all lines are readable. Always false with a time limit.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.damage.is_empty() && self.header.settings.time_limit.is_none() && self.remaining().is_empty()
    }

    fn remaining(&self) -> Seeds {
        Seeds::from(self.header.settings.seeds.clone()).difference(&self.summary.ran)
    }

    /// Whether the sweep stopped before its time limit with seeds left.
    fn ended_early(&self) -> bool {
        let is_short = |limit| self.summary.elapsed < limit;
        self.header.settings.time_limit.is_some_and(is_short) && !self.remaining().is_empty()
    }

    /// What a merged ledger would say of this part.
    pub(super) fn as_merged(&self) -> MergedParts {
        let SweepSettings { seeds, all_seeds, time_limit, shard, window, .. } = &self.header.settings;
        let window = window.as_ref().map(|window| window.name.clone());
        self.header.merged.clone().unwrap_or_else(|| MergedParts {
            parts: 1,
            asked: vec![AskedSeeds { window, seeds: all_seeds.clone() }],
            limited: time_limit.iter().map(|_| seeds.clone()).collect(),
            ended_early: self.ended_early(),
            shards: shard.map(|Shard { index, count }| Shards {
                indexes: Seeds::from(index..index.saturating_add(1)),
                count,
            }),
        })
    }

    /// Adds a line, unless it contradicts the others.
    fn add(&mut self, ReadBatch { header, mut sums }: ReadBatch) -> Result<(), String> {
        if !header.is_same_sweep(&self.header) {
            return Err(format!("it is about {header}, but the lines above are about {}", self.header));
        }
        let twice = sums.ran.intersection(&self.summary.ran);
        if !twice.is_empty() {
            return Err(format!("seeds {twice} are also in an earlier line"));
        }
        sums.commits.push(header.commit.clone());
        self.summary.add(sums);
        self.summary.settings.time_limit = header.settings.time_limit;
        self.header = header;
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "a test damages ledgers and reads messages about them")]
#[cfg(test)]
mod tests;
