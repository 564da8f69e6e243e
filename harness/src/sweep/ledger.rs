//! The ledger: results of a sweep on disk, from which it can be resumed, and merged with others.
//!
//! A ledger is a small file that is replaced atomically: a header for each commit that ran seeds, then one batch with
//! the seeds so far and their sums. Former versions appended a batch per second, so a reader adds up all batches. Each
//! line has the settings of its sweep and a checksum: a damaged line does not affect the others.

use super::SweepSettings;
use super::seeds::Seeds;
use super::summary::{Summary, Tally};
use crate::outcome::COMMIT;
use crate::plan::FaultKind;
use crate::plan::file::{self, display_path, error_reason};
use crate::support::text::escape;
use crate::systems::{BUILT_IN, SystemInfo};
use invariants::{current_milestone_name, current_property_name};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Name of the file in its folder.
pub const LEDGER_FILE: &str = "ledger.jsonl";
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
    fn is_same_sweep(&self, other: &LedgerHeader) -> bool {
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

/// The results of some seeds.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Batch {
    #[serde(alias = "head")]
    header: LedgerHeader,
    #[serde(flatten)]
    sums: Summary,
}

/// A line of a ledger.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LedgerEntry {
    #[serde(alias = "head")]
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

    fn from_line(line: &[u8]) -> Result<Batch, String> {
        let (text, sum) = line
            .split_last_chunk::<10>()
            .filter(|(_, sum)| sum[0] == b'\t')
            .ok_or("the line has no checksum")?;
        if sum != checksum(text).as_bytes() {
            return Err("the line does not match its checksum".into());
        }
        let entry = serde_json::from_slice(text)
            .map_err(|error| format!("the line is not a ledger entry: error in column {}", error.column()))?;
        let mut batch = match entry {
            LedgerEntry::Header(header) => Batch { header: *header, sums: Summary::default() },
            LedgerEntry::Batch(batch) => *batch,
        };
        batch.use_current_names();
        if batch.is_plausible() { Ok(batch) } else { Err("its numbers are impossible".into()) }
    }
}

impl Batch {
    /// Replaces former names of properties, milestones and faults, so that ledgers of older versions can be added.
    fn use_current_names(&mut self) {
        let rename_all = |tallies: &mut [Tally], current_name: fn(&str) -> &str| {
            tallies.iter_mut().for_each(|tally| tally.name = current_name(&tally.name).to_owned().into());
        };
        rename_all(&mut self.sums.checks, current_property_name);
        rename_all(&mut self.sums.milestones, current_milestone_name);
        rename_all(&mut self.sums.faults, FaultKind::current_name);
        let disabled = self.header.settings.disabled.iter_mut();
        disabled.for_each(|name| *name = current_property_name(name).to_owned());
    }

    /// Whether the numbers are possible: ordered ranges, a bounded duration, seeds of this sweep, and no more verdicts
    /// than seeds. Sums that would overflow saturate.
    fn is_plausible(&self) -> bool {
        let Batch { header: LedgerHeader { settings, .. }, sums } = self;
        let in_order = |seeds: &Range<u64>| seeds.start <= seeds.end;
        let verdicts = [sums.passed, sums.unknown, sums.failures.len() as u64];
        let verdicts = verdicts.iter().try_fold(0, |sum: u64, count| sum.checked_add(*count));
        in_order(&settings.seeds)
            && in_order(&settings.all_seeds)
            && sums.elapsed < MAX_DURATION
            && sums.ran.difference(&Seeds::from(settings.seeds.clone())).is_empty()
            && verdicts.is_some_and(|sum| sum <= sums.ran.count())
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
    file: File,
    path: PathBuf,
}

/// A ledger being written.
pub struct Ledger {
    lock: LedgerLock,
    /// The elapsed time from which on it is written again.
    next_write: Duration,
}

/// Locks the ledger in a folder. Creates folder and file if needed.
///
/// # Errors
///
/// If another sweep has the lock, or the file cannot be written.
pub fn lock(folder: &Path) -> Result<LedgerLock, String> {
    let path = folder.join(LEDGER_FILE);
    let cannot = |verb, error: io::Error| {
        format!("{}: cannot be {verb}: {}", display_path(&path), error_reason(&error))
    };
    let opened = fs::create_dir_all(folder)
        .and_then(|()| file::check_file_writable(&path))
        .and_then(|()| OpenOptions::new().read(true).append(true).create(true).open(&path));
    let file = opened.map_err(|error| cannot("written", error))?;
    // The operating system releases the lock when the process ends, even if it is killed.
    let is_locked = match file.try_lock() {
        Ok(()) => true,
        Err(TryLockError::WouldBlock) => false,
        // A file system without locks does not prevent a sweep.
        Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => true,
        Err(TryLockError::Error(error)) => return Err(cannot("locked", error)),
    };
    let lock = LedgerLock { file, path };
    // If the file was replaced before it was locked here, another sweep has locked the new one.
    if is_locked && lock.check_in_place().is_ok() {
        return Ok(lock);
    }
    let path = display_path(&lock.path);
    Err(format!("another sweep is writing {path}: wait until it ends, or choose another folder"))
}

impl LedgerLock {
    /// Fails if the file was removed or replaced: nobody would find what is written.
    fn check_in_place(&self) -> io::Result<()> {
        let moved = || io::Error::other("it was removed or replaced during the sweep");
        let at_path = self.path.metadata().map_err(|_| moved())?;
        let is_same =
            file::file_id(&self.path, &at_path)? == file::file_id(&self.path, &self.file.metadata()?)?;
        if is_same { Ok(()) } else { Err(moved()) }
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

    /// Replaces the file. The new one is locked before it gets its name.
    fn replace(&mut self, summary: &Summary) -> io::Result<()> {
        self.lock.check_in_place()?;
        let header = LedgerHeader::from_summary(summary);
        let of_commit = |commit: &String| LedgerHeader { commit: commit.clone(), ..header.clone() };
        let mut entries: Vec<_> =
            summary.commits.iter().map(|commit| LedgerEntry::Header(Box::new(of_commit(commit)))).collect();
        if (summary.seeds, summary.canaries_missed) != (0, 0) {
            entries.push(LedgerEntry::Batch(Box::new(Batch { header, sums: summary.clone() })));
        }
        let lines = entries.iter().map(LedgerEntry::to_line).collect::<io::Result<String>>()?;
        self.lock.file = file::replace_locked(&self.lock.path, &lines)?;
        Ok(())
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
        let added = LedgerEntry::from_line(line)
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
            Ok(Some(LedgerContents { damage, ..read }))
        }
        None if damage.is_empty() => Ok(None),
        None => Err(format!("{}, and no other line can be read", damage[0])),
    }
}

/// The contents before this line, the first.
fn empty_contents(folder: &Path, Batch { header, .. }: &Batch) -> LedgerContents {
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

    /// Adds a line, unless it contradicts the others.
    fn add(&mut self, Batch { header, mut sums }: Batch) -> Result<(), String> {
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

/// Adds the results of several sweeps, in the order of their seeds.
///
/// # Errors
///
/// If their settings differ, or two of them ran the same seed.
pub fn merge(mut reads: Vec<LedgerContents>) -> Result<Summary, String> {
    reads.sort_by_key(|read| read.header.settings.seeds.start);
    for (number, read) in reads.iter().enumerate() {
        for other in &reads[..number] {
            let (folder, before) = (display_path(&read.folder), display_path(&other.folder));
            if !read.header.is_mergeable_with(&other.header) {
                let (header, other) = (&read.header, &other.header);
                return Err(format!(
                    "{folder} cannot be merged with {before}: it is about {header}, and the other about {other}"
                ));
            }
            let twice = read.summary.ran.intersection(&other.summary.ran);
            if !twice.is_empty() {
                return Err(format!("the seeds {twice} were swept twice: in {before} and in {folder}"));
            }
        }
    }
    let missing = missing_seeds(&reads);
    let mut reads = reads.into_iter();
    let first = reads.next().ok_or("there are no results to merge")?;
    let mut sum = Summary { cut_short: first.ended_early(), ..first.summary };
    for read in reads {
        sum.cut_short |= read.ended_early();
        for defect in read.header.settings.known {
            if !sum.settings.known.contains(&defect) {
                sum.settings.known.push(defect);
            }
        }
        let (seeds, more) = (&mut sum.settings.seeds, &read.header.settings.seeds);
        *seeds = seeds.start.min(more.start)..seeds.end.max(more.end);
        sum.add(read.summary);
    }
    sum.failures.sort_by_key(|failure| failure.seed);
    sum.cut_short |= !missing.is_empty();
    Ok(Summary { missing, ..sum })
}

/// Seeds of the sweep that were not run. With a time limit, the seeds of a machine after the last one it ran are not
/// missing.
fn missing_seeds(reads: &[LedgerContents]) -> Seeds {
    let mut ran = Seeds::default();
    reads.iter().for_each(|read| ran.insert_all(&read.summary.ran));
    let ranges = reads.iter().map(|read| &read.header.settings.all_seeds);
    let all = ranges.cloned().reduce(|all, more| all.start.min(more.start)..all.end.max(more.end));
    let mut missing = Seeds::from(all.unwrap_or(0..0)).difference(&ran);
    let settings = reads.iter().map(|read| &read.header.settings);
    for SweepSettings { seeds, .. } in settings.filter(|settings| settings.time_limit.is_some()) {
        let last = ran.intersection(&Seeds::from(seeds.clone())).end().unwrap_or(seeds.start);
        missing = missing.difference(&Seeds::from(last..seeds.end));
    }
    missing
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test damages ledgers and reads messages about them")]
mod tests;
