//! The ledger: results of a sweep on disk, from which it can be resumed, and merged with others.
//!
//! A ledger is an append-only file with a line for each batch of seeds. Each line has the settings of its sweep and a
//! checksum, so that a damaged line does not affect the others. If the sweep is killed, the last line may be torn:
//! only its batch is lost.

use super::seeds::Seeds;
use super::summary::{FailureRecord, Summary, Tally};
use crate::outcome::{COMMIT, Counts};
use crate::plan::FaultKind;
use crate::plan::file::{self, display_path, error_reason};
use crate::support::text::escape;
use invariants::{Digest, current_milestone_name, current_property_name};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Name of the file in its folder.
pub const LEDGER_FILE: &str = "ledger.jsonl";
/// Name of the copy of a damaged ledger when its sweep is resumed.
const DAMAGED_LEDGER_FILE: &str = "ledger.damaged";
/// Upper bound for the duration of a sweep: a hundred years.
const MAX_SECONDS: f64 = 3.2e9;
/// Seconds between two lines.
const WRITE_INTERVAL_SECONDS: u64 = 1;

/// The settings of the sweep that a line belongs to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LedgerHeader {
    /// Version of the plan generator.
    pub generator_version: u32,
    /// The commit the harness was built from.
    pub commit: String,
    /// The seeds of this machine.
    pub seeds: Range<u64>,
    /// The seeds of all machines together.
    #[serde(alias = "shared")]
    pub all_seeds: Range<u64>,
    /// Time limit: with one, the sweep is not expected to run all seeds.
    #[serde(alias = "lasts")]
    pub time_limit: Option<Duration>,
    /// The bug switched on.
    pub bug: Option<String>,
    /// Properties not checked.
    #[serde(alias = "without")]
    pub disabled: Vec<String>,
}

impl LedgerHeader {
    /// The header for a sweep with this summary.
    #[must_use]
    pub fn from_summary(summary: &Summary) -> LedgerHeader {
        let settings = &summary.settings;
        LedgerHeader {
            generator_version: summary.generator_version,
            commit: COMMIT.to_owned(),
            seeds: settings.seeds.clone(),
            all_seeds: settings.all_seeds.clone(),
            time_limit: settings.time_limit,
            bug: settings.bug.clone(),
            disabled: settings.disabled.clone(),
        }
    }

    /// Whether the results of the two can be added.
    #[must_use]
    pub fn is_mergeable_with(&self, other: &LedgerHeader) -> bool {
        (self.generator_version, &self.bug, &self.disabled)
            == (other.generator_version, &other.bug, &other.disabled)
    }

    /// Whether the two describe one sweep. It may have been resumed with another time limit or commit.
    fn is_same_sweep(&self, other: &LedgerHeader) -> bool {
        self.is_mergeable_with(other) && (&self.seeds, &self.all_seeds) == (&other.seeds, &other.all_seeds)
    }
}

impl fmt::Display for LedgerHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seeds {}@{}", Seeds::from(self.seeds.clone()), self.generator_version)?;
        match &self.bug {
            Some(bug) => write!(f, " with the bug {}", escape(bug))?,
            None => write!(f, " without a bug")?,
        }
        match self.disabled.as_slice() {
            [] => Ok(()),
            disabled => write!(f, ", {} disabled", escape(&disabled.join(", "))),
        }
    }
}

/// The results of some seeds.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Batch {
    #[serde(alias = "head")]
    header: LedgerHeader,
    ran: Seeds,
    seconds: f64,
    #[serde(alias = "kept")]
    passed: u64,
    unknown: u64,
    counts: Counts,
    #[serde(alias = "looked")]
    checks: Vec<(String, u64, u64)>,
    milestones: Vec<(String, u64, u64)>,
    faults: Vec<(String, u64, u64)>,
    failures: Vec<FailureRecord>,
    /// Workers started for this batch that missed the canary.
    #[serde(alias = "blind")]
    canaries_missed: u64,
    digest: Digest,
}

/// A line of a ledger.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LedgerEntry {
    #[serde(alias = "head")]
    Header(LedgerHeader),
    Batch(Box<Batch>),
}

/// A ledger as read from disk.
#[derive(Clone, Debug)]
pub struct LedgerContents {
    /// Its folder.
    pub folder: PathBuf,
    /// The header of its last readable line.
    pub header: LedgerHeader,
    /// The sum of all readable lines.
    pub summary: Summary,
    /// Damaged lines: file, line number, reason.
    pub damage: Vec<String>,
    /// Byte ranges of the readable lines.
    valid_lines: Vec<Range<usize>>,
}

impl LedgerContents {
    /// Whether all seeds were run and all lines are readable. Always false with a time limit.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.damage.is_empty() && self.header.time_limit.is_none() && self.remaining().is_empty()
    }

    fn remaining(&self) -> Seeds {
        Seeds::from(self.header.seeds.clone()).difference(&self.summary.ran)
    }
}

/// Exclusive access to a ledger.
pub struct LedgerLock {
    file: File,
    path: PathBuf,
}

/// A ledger being written.
pub struct Ledger {
    lock: LedgerLock,
    /// The sums already in the file.
    written: Summary,
    /// Elapsed time at the last attempt to write.
    last_attempt: Duration,
}

/// Locks the ledger in a folder. Creates folder and file if needed.
///
/// # Errors
///
/// If another sweep has the lock, or the file cannot be written.
pub fn lock(folder: &Path) -> Result<LedgerLock, String> {
    let path = folder.join(LEDGER_FILE);
    let opened = fs::create_dir_all(folder)
        .and_then(|()| file::check_file_writable(&path))
        .and_then(|()| OpenOptions::new().read(true).append(true).create(true).open(&path));
    let file = opened
        .map_err(|error| format!("{}: cannot be written: {}", display_path(&path), error_reason(&error)))?;
    // The operating system releases the lock when the process ends, even if it is killed.
    match file.try_lock() {
        Ok(()) => Ok(LedgerLock { file, path }),
        Err(TryLockError::WouldBlock) => Err(format!(
            "another sweep is writing {}: wait until it ends, or choose another folder",
            display_path(&path)
        )),
        // A file system without locks does not prevent a sweep.
        Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {
            Ok(LedgerLock { file, path })
        }
        Err(TryLockError::Error(error)) => {
            Err(format!("{}: cannot be locked: {}", display_path(&path), error_reason(&error)))
        }
    }
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
    /// Starts an empty ledger. Previous contents are deleted.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn create(mut lock: LedgerLock, summary: &Summary) -> io::Result<Ledger> {
        lock.file.set_len(0)?;
        write(&mut lock.file, &LedgerEntry::Header(LedgerHeader::from_summary(summary)))?;
        Ok(Ledger { lock, written: summary.clone(), last_attempt: summary.elapsed })
    }

    /// Continues a ledger. A damaged one is copied, and its readable lines are kept; the seeds of the other lines are
    /// run again.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn resume(lock: LedgerLock, read: &LedgerContents) -> io::Result<Ledger> {
        let (written, last_attempt) = (read.summary.clone(), read.summary.elapsed);
        let end = read.valid_lines.last().map_or(0, |last| last.end);
        if read.damage.is_empty() {
            // Remove a torn last line.
            lock.file.set_len(end as u64)?;
            return Ok(Ledger { lock, written, last_attempt });
        }
        let bytes = fs::read(&lock.path)?;
        fs::copy(&lock.path, damaged_ledger_path(&read.folder))?;
        let readable: Vec<u8> =
            read.valid_lines.iter().flat_map(|line| &bytes[line.clone()]).copied().collect();
        let text = String::from_utf8(readable).map_err(io::Error::other)?;
        file::write_text(&lock.path, &text).map_err(io::Error::other)?;
        let lock = self::lock(&read.folder).map_err(io::Error::other)?;
        Ok(Ledger { lock, written, last_attempt })
    }

    /// Appends the results since the last line, if the interval has passed or `now` is set. After an error they are
    /// part of the next attempt.
    ///
    /// # Errors
    ///
    /// If it cannot be written, or was removed or replaced.
    pub fn write_progress(&mut self, summary: &Summary, now: bool) -> io::Result<()> {
        let is_due =
            summary.elapsed.as_secs() >= self.last_attempt.as_secs().saturating_add(WRITE_INTERVAL_SECONDS);
        if !(now || is_due) {
            return Ok(());
        }
        self.last_attempt = summary.elapsed;
        self.lock.check_in_place()?;
        if (summary.seeds, summary.canaries_missed) == (self.written.seeds, self.written.canaries_missed) {
            return Ok(());
        }
        let end = self.lock.file.metadata()?.len();
        let entry = LedgerEntry::Batch(Box::new(batch_since(&self.written, summary)));
        if let Err(error) = write(&mut self.lock.file, &entry) {
            // Remove the partial line. If that fails too, the line is damaged and only its batch is lost.
            drop(self.lock.file.set_len(end));
            return Err(error);
        }
        self.written = summary.clone();
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

/// Reads the ledger in a folder. Damaged lines are reported and skipped. `None`: the ledger is missing or empty.
///
/// # Errors
///
/// If no line can be read.
pub fn read(
    folder: &Path,
    empty: impl Fn(&LedgerHeader) -> Summary,
) -> Result<Option<LedgerContents>, String> {
    let path = folder.join(LEDGER_FILE);
    if path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        return Ok(None);
    }
    let bytes = file::read_bytes(&path)
        .map_err(|reason| format!("{}: cannot be read: {reason}", display_path(&path)))?;
    let mut damage = Vec::new();
    let mut contents: Option<LedgerContents> = None;
    let mut end = 0;
    for (number, line) in (1..).zip(bytes.split_inclusive(|byte| *byte == b'\n')) {
        let range = end..end + line.len();
        end = range.end;
        if end == bytes.len() && !line.ends_with(b"\n") {
            // A torn last line.
            break;
        }
        let result = parse(line).and_then(|entry| {
            let header = match &entry {
                LedgerEntry::Header(header) => header,
                LedgerEntry::Batch(batch) => &batch.header,
            };
            let read = contents.get_or_insert_with(|| LedgerContents {
                folder: folder.to_owned(),
                header: header.clone(),
                summary: Summary {
                    generator_version: header.generator_version,
                    commits: Vec::new(),
                    ..empty(header)
                },
                damage: Vec::new(),
                valid_lines: Vec::new(),
            });
            read.add_line(&entry, header, range)
        });
        damage.extend(result.err().map(|error| format!("{}:{number}: {error}", display_path(&path))));
    }
    match contents {
        Some(mut read) => {
            read.summary.failures.sort_by_key(|failure| failure.seed);
            Ok(Some(LedgerContents { damage, ..read }))
        }
        None if damage.is_empty() => Ok(None),
        None => Err(format!("{}, and no other line can be read", damage[0])),
    }
}

impl LedgerContents {
    /// Adds a line, unless it contradicts the others.
    fn add_line(
        &mut self,
        entry: &LedgerEntry,
        header: &LedgerHeader,
        range: Range<usize>,
    ) -> Result<(), String> {
        if !header.is_same_sweep(&self.header) {
            return Err(format!("it is about {header}, but the lines above are about {}", self.header));
        }
        if !is_plausible(entry, header) {
            return Err("its numbers are impossible".into());
        }
        if let LedgerEntry::Batch(batch) = entry {
            let twice = batch.ran.intersection(&self.summary.ran);
            if !twice.is_empty() {
                return Err(format!("seeds {twice} are also in an earlier line"));
            }
            let foreign = batch.ran.difference(&Seeds::from(header.seeds.clone()));
            if !foreign.is_empty() {
                return Err(format!("seeds {foreign} do not belong to this sweep"));
            }
            add_batch(&mut self.summary, batch);
        }
        if !self.summary.commits.contains(&header.commit) {
            self.summary.commits.push(header.commit.clone());
        }
        self.summary.settings.time_limit = header.time_limit;
        self.header = header.clone();
        self.valid_lines.push(range);
        Ok(())
    }
}

/// Whether the numbers are possible: ordered ranges, a bounded duration, and no more verdicts than seeds. Sums that
/// would overflow saturate.
fn is_plausible(entry: &LedgerEntry, header: &LedgerHeader) -> bool {
    let in_order = |seeds: &Range<u64>| seeds.start <= seeds.end;
    if !in_order(&header.seeds) || !in_order(&header.all_seeds) {
        return false;
    }
    let LedgerEntry::Batch(batch) = entry else { return true };
    let verdicts = [batch.passed, batch.unknown, batch.failures.len() as u64];
    let verdicts = verdicts.iter().try_fold(0, |sum: u64, count| sum.checked_add(*count));
    (0.0..MAX_SECONDS).contains(&batch.seconds) && verdicts.is_some_and(|sum| sum <= batch.ran.count())
}

fn write(file: &mut File, entry: &LedgerEntry) -> io::Result<()> {
    let text = serde_json::to_string(entry)?;
    // One write call per line; the checksum detects a torn one.
    file.write_all(format!("{text}\t{:08x}\n", crc32c::crc32c(text.as_bytes())).as_bytes())?;
    file.sync_data()
}

fn parse(line: &[u8]) -> Result<LedgerEntry, String> {
    let text = std::str::from_utf8(line).map_err(|_| "it is not UTF-8 text".to_owned())?;
    let (text, sum) = text.trim_end_matches('\n').rsplit_once('\t').ok_or("the line has no checksum")?;
    if format!("{:08x}", crc32c::crc32c(text.as_bytes())) != sum {
        return Err("the line does not match its checksum".into());
    }
    let mut entry = serde_json::from_str(text)
        .map_err(|error| format!("the line is not a ledger entry: error in column {}", error.column()))?;
    use_current_names(&mut entry);
    Ok(entry)
}

/// Replaces former names of properties, milestones and faults, so that ledgers of older versions can be added.
fn use_current_names(entry: &mut LedgerEntry) {
    let rename = |name: &mut String, current_name: fn(&str) -> &str| *name = current_name(name).to_owned();
    let header = match entry {
        LedgerEntry::Header(header) => header,
        LedgerEntry::Batch(batch) => {
            batch.checks.iter_mut().for_each(|(name, ..)| rename(name, current_property_name));
            batch.milestones.iter_mut().for_each(|(name, ..)| rename(name, current_milestone_name));
            batch.faults.iter_mut().for_each(|(name, ..)| rename(name, FaultKind::current_name));
            batch
                .failures
                .iter_mut()
                .for_each(|failure| rename(&mut failure.signature.property, current_property_name));
            &mut batch.header
        }
    };
    header.disabled.iter_mut().for_each(|name| rename(name, current_property_name));
}

/// The difference between two sums.
fn batch_since(before: &Summary, now: &Summary) -> Batch {
    let tallies_since = |before: &[Tally], now: &[Tally]| {
        now.iter()
            .map(|tally| {
                let earlier = before.iter().find(|other| other.name == tally.name);
                let earlier = earlier.map_or((0, 0), |earlier| (earlier.count, earlier.seeds));
                (tally.name.to_string(), tally.count - earlier.0, tally.seeds - earlier.1)
            })
            .collect()
    };
    let ran = now.ran.difference(&before.ran);
    let is_new = |failure: &&FailureRecord| ran.contains(failure.seed);
    Batch {
        header: LedgerHeader::from_summary(now),
        seconds: (now.elapsed.saturating_sub(before.elapsed)).as_secs_f64(),
        passed: now.passed - before.passed,
        unknown: now.unknown - before.unknown,
        counts: now.counts.since(&before.counts),
        checks: tallies_since(&before.checks, &now.checks),
        milestones: tallies_since(&before.milestones, &now.milestones),
        faults: tallies_since(&before.faults, &now.faults),
        failures: now.failures.iter().filter(is_new).cloned().collect(),
        canaries_missed: now.canaries_missed - before.canaries_missed,
        digest: Digest(now.digest.0.wrapping_sub(before.digest.0)),
        ran,
    }
}

/// Adds a batch to a sum.
fn add_batch(summary: &mut Summary, batch: &Batch) {
    summary.seeds += batch.ran.count();
    summary.ran.insert_all(&batch.ran);
    let seconds = Duration::try_from_secs_f64(batch.seconds).unwrap_or_default();
    summary.elapsed = summary.elapsed.saturating_add(seconds);
    summary.passed += batch.passed;
    summary.unknown += batch.unknown;
    summary.counts.add(&batch.counts);
    add_tallies(&mut summary.checks, &batch.checks);
    add_tallies(&mut summary.milestones, &batch.milestones);
    add_tallies(&mut summary.faults, &batch.faults);
    summary.failures.extend(batch.failures.iter().cloned());
    summary.canaries_missed = summary.canaries_missed.saturating_add(batch.canaries_missed);
    summary.add_digest(batch.digest);
}

fn add_tallies(sums: &mut Vec<Tally>, more: &[(String, u64, u64)]) {
    for (name, count, seeds) in more {
        match sums.iter_mut().find(|sum| sum.name == *name) {
            Some(sum) => {
                sum.count = sum.count.saturating_add(*count);
                sum.seeds = sum.seeds.saturating_add(*seeds);
            }
            None => sums.push(Tally { name: name.clone().into(), count: *count, seeds: *seeds }),
        }
    }
}

/// Adds the results of several sweeps, in the order of their seeds.
///
/// # Errors
///
/// If their settings differ, or two of them ran the same seed.
pub fn merge(mut reads: Vec<LedgerContents>) -> Result<Summary, String> {
    reads.sort_by_key(|read| read.header.seeds.start);
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
    let mut sum = Summary { cut_short: ended_early(&first), ..first.summary };
    for read in reads {
        sum.cut_short |= ended_early(&read);
        let (seeds, more) = (&mut sum.settings.seeds, &read.header.seeds);
        *seeds = seeds.start.min(more.start)..seeds.end.max(more.end);
        let new = read.summary.commits.iter().filter(|commit| !sum.commits.contains(commit));
        let new: Vec<String> = new.cloned().collect();
        sum.commits.extend(new);
        let empty = Summary::new(&read.summary.settings);
        add_batch(&mut sum, &batch_since(&empty, &read.summary));
    }
    sum.failures.sort_by_key(|failure| failure.seed);
    sum.cut_short |= !missing.is_empty();
    Ok(Summary { missing, ..sum })
}

/// Whether a sweep stopped before its time limit with seeds left.
fn ended_early(read: &LedgerContents) -> bool {
    read.header.time_limit.is_some_and(|limit| read.summary.elapsed < limit) && !read.remaining().is_empty()
}

/// Seeds of the sweep that were not run. With a time limit, the seeds of a machine after the last one it ran are not
/// missing.
fn missing_seeds(reads: &[LedgerContents]) -> Seeds {
    let mut ran = Seeds::default();
    reads.iter().for_each(|read| ran.insert_all(&read.summary.ran));
    let ranges = reads.iter().map(|read| &read.header.all_seeds);
    let all = ranges.cloned().reduce(|all, more| all.start.min(more.start)..all.end.max(more.end));
    let mut missing = Seeds::from(all.unwrap_or(0..0)).difference(&ran);
    for header in reads.iter().map(|read| &read.header).filter(|header| header.time_limit.is_some()) {
        let last = ran.intersection(&Seeds::from(header.seeds.clone())).end().unwrap_or(header.seeds.start);
        missing = missing.difference(&Seeds::from(last..header.seeds.end));
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::{LEDGER_FILE, Ledger, LedgerContents, LedgerHeader, lock, merge, read};
    use crate::outcome::{Counts, Failure, FailureCause, Options, Outcome, RunRecord, Verdict};
    use crate::plan::{Plan, generate};
    use crate::sweep::{Seeds, Summary, SweepSettings, Tally, resume, sweep};
    use invariants::Digest;
    use std::fs;
    use std::num::NonZeroUsize;
    use std::ops::Range;
    use std::path::Path;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    use std::time::Duration;

    /// A run that fails for one of seven seeds.
    fn run(plan: &Plan, _: &Options) -> RunRecord {
        let failure = || Failure::new("toast", FailureCause::Unstable { changes: 3 });
        let verdict = match plan.seed % 7 {
            0 => Verdict::Failed(Box::new(failure())),
            _ => Verdict::Passed,
        };
        let outcome = Outcome {
            verdict,
            counts: Counts { events: plan.seed, ..Counts::default() },
            checks: vec![("toast", plan.seed % 3)],
            milestones: vec![("bread", plan.seed % 2)],
            faults: vec![],
            digest: Digest(plan.seed),
        };
        outcome.into()
    }

    fn settings(seeds: Range<u64>, out: &Path) -> SweepSettings {
        let jobs = NonZeroUsize::new(2).unwrap();
        SweepSettings {
            system: crate::systems::BUILT_IN,
            all_seeds: seeds.clone(),
            seeds,
            jobs,
            time_limit: None,
            out: out.into(),
            bug: None,
            disabled: vec![],
            canary_plans: vec![],
        }
    }

    /// Sweeps, writes a line after each seed, and stops after `until` seeds.
    fn run_until(from: Summary, ledger: &mut Ledger, until: u64) -> Summary {
        let stop = AtomicBool::new(false);
        let mut written = 0;
        let summary = resume(from, &run, &stop, &mut |summary| {
            if written < until {
                ledger.write_progress(summary, true).unwrap();
                written = summary.seeds;
            }
            stop.store(summary.seeds >= until, Ordering::Relaxed);
        });
        Summary { elapsed: Duration::ZERO, cut_short: false, ..summary }
    }

    fn uninterrupted(seeds: Range<u64>, out: &Path) -> Summary {
        let summary = sweep(&settings(seeds, out), &run, &AtomicBool::new(false), &mut |_| {});
        Summary { elapsed: Duration::ZERO, ..summary }
    }

    fn read_back(folder: &Path) -> LedgerContents {
        read(folder, |head| Summary::new(&settings(head.seeds.clone(), folder))).unwrap().unwrap()
    }

    fn new_ledger(folder: &Path, summary: &Summary) -> Ledger {
        Ledger::create(lock(folder).unwrap(), summary).unwrap()
    }

    /// The lines of a ledger of these seeds, about one line per seed.
    fn ledger_of(seeds: Range<u64>, folder: &Path) -> Vec<String> {
        let fresh = Summary::new(&settings(seeds, folder));
        let mut ledger = new_ledger(folder, &fresh);
        let summary = run_until(fresh, &mut ledger, u64::MAX);
        ledger.write_progress(&summary, true).unwrap();
        let lines = fs::read_to_string(folder.join(LEDGER_FILE)).unwrap();
        let lines: Vec<String> = lines.lines().map(|line| format!("{line}\n")).collect();
        assert!(lines.len() > 5, "{} lines", lines.len());
        lines
    }

    /// A summary as text, without the elapsed time.
    fn without_time(summary: &Summary) -> String {
        format!("{:?}", Summary { elapsed: Duration::ZERO, ..summary.clone() })
    }

    #[test]
    fn killed_and_resumed_sweep_equals_an_uninterrupted_one() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(10..150, folder.path());
        let fresh = Summary::new(&settings);
        let mut ledger = new_ledger(folder.path(), &fresh);
        run_until(fresh, &mut ledger, 40);
        drop(ledger);
        // Killed in the middle of a line.
        let path = folder.path().join(LEDGER_FILE);
        let mut bytes = fs::read(&path).unwrap();
        bytes.truncate(bytes.len() - 20);
        fs::write(&path, bytes).unwrap();

        let read = read_back(folder.path());
        assert_eq!(read.damage, [""; 0]);
        assert!((1..40).contains(&read.summary.seeds), "{}", read.summary.seeds);
        let mut ledger = Ledger::resume(lock(folder.path()).unwrap(), &read).unwrap();
        let resumed = run_until(read.summary, &mut ledger, u64::MAX);
        ledger.write_progress(&resumed, true).unwrap();
        let whole = uninterrupted(10..150, folder.path());
        assert_eq!(without_time(&resumed), without_time(&whole));
        let back = read_back(folder.path());
        assert!(back.is_finished());
        assert_eq!(without_time(&back.summary), without_time(&whole));
    }

    #[test]
    fn damaged_line_is_reported_and_the_others_count() {
        let folder = tempfile::tempdir().unwrap();
        let mut lines = ledger_of(0..30, folder.path());
        lines[3] = lines[3].replacen("\"passed\":", "\"passed\":1", 1);
        fs::write(folder.path().join(LEDGER_FILE), lines.concat()).unwrap();

        let read = read_back(folder.path());
        assert_eq!(read.damage.len(), 1, "{:?}", read.damage);
        assert!(
            read.damage[0].ends_with("ledger.jsonl:4: the line does not match its checksum"),
            "{:?}",
            read.damage
        );
        assert!(!read.is_finished());
        let lost = read.remaining();
        assert_eq!(read.summary.seeds + lost.count(), 30);
        let sum = merge(vec![read]).unwrap();
        assert_eq!(sum.missing, lost);
        assert!(sum.cut_short);
    }

    #[test]
    fn damaged_first_line_does_not_affect_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let mut lines = ledger_of(0..30, folder.path());
        lines[0] = "\0\0\0\0\n".into();
        fs::write(folder.path().join(LEDGER_FILE), lines.concat()).unwrap();
        let read = read_back(folder.path());
        assert!(read.damage.len() == 1 && read.damage[0].contains("ledger.jsonl:1: "), "{:?}", read.damage);
        assert_eq!(without_time(&read.summary), without_time(&uninterrupted(0..30, folder.path())));
    }

    #[test]
    fn resumed_damaged_sweep_runs_only_lost_seeds_and_copies_the_ledger() {
        let folder = tempfile::tempdir().unwrap();
        let mut lines = ledger_of(0..30, folder.path());
        lines[3] = lines[3].replacen("\"passed\":", "\"passed\":1", 1);
        let damaged = lines.concat();
        fs::write(folder.path().join(LEDGER_FILE), &damaged).unwrap();

        let read = read_back(folder.path());
        let lost = read.remaining();
        assert!(lost.count() < 25, "too many seeds are lost for this test: {lost}");
        let mut ledger = Ledger::resume(lock(folder.path()).unwrap(), &read).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("ledger.damaged")).unwrap(), damaged);
        let runs = AtomicU64::new(0);
        let counted = |plan: &Plan, options: &Options| {
            assert!(lost.contains(plan.seed), "seed {} was already run", plan.seed);
            runs.fetch_add(1, Ordering::Relaxed);
            run(plan, options)
        };
        let resumed = resume(read.summary, &counted, &AtomicBool::new(false), &mut |_| {});
        assert!(runs.into_inner() >= lost.count());
        ledger.write_progress(&resumed, true).unwrap();
        let whole = without_time(&uninterrupted(0..30, folder.path()));
        assert_eq!(without_time(&resumed), whole);
        let back = read_back(folder.path());
        assert!(back.is_finished(), "{:?}", back.damage);
        assert_eq!(without_time(&back.summary), whole);
    }

    /// Written before keys and properties were renamed.
    #[test]
    fn former_ledger_is_read_and_merged() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(LEDGER_FILE), include_str!("former_ledger.jsonl")).unwrap();
        let read = read_back(folder.path());
        assert_eq!(read.damage, [""; 0]);
        assert_eq!(
            (read.header.all_seeds.clone(), read.header.time_limit),
            (0..4, Some(Duration::from_secs(8)))
        );
        assert_eq!(read.header.disabled, ["read-safety"]);
        let sum = &read.summary;
        assert_eq!((sum.seeds, sum.passed, sum.canaries_missed), (2, 1, 2));
        let tallies = |tallies: &[Tally]| {
            tallies.iter().map(|tally| (tally.name.to_string(), tally.count)).collect::<Vec<_>>()
        };
        assert_eq!(
            tallies(&sum.checks),
            [("election-safety".to_owned(), 11), ("persist-before-reply".to_owned(), 2_786)]
        );
        assert_eq!(
            tallies(&sum.milestones),
            [("leader-elected".to_owned(), 13), ("split-vote".to_owned(), 4)]
        );
        assert_eq!(tallies(&sum.faults), [("crash".to_owned(), 5), ("partition".to_owned(), 3)]);
        let failure = &sum.failures[0];
        assert_eq!(
            (failure.signature.property.as_str(), failure.message.as_str()),
            ("liveness", "there is no leader")
        );
        assert_eq!(merge(vec![read.clone()]).unwrap().digest, sum.digest);
    }

    #[test]
    fn a_ledger_has_one_writer() {
        let folder = tempfile::tempdir().unwrap();
        let guard = lock(folder.path()).unwrap();
        let refused = lock(folder.path()).err().unwrap();
        assert!(refused.starts_with("another sweep is writing "), "{refused}");
        drop(guard);
        assert!(lock(folder.path()).is_ok());
    }

    #[test]
    fn missed_canaries_are_remembered_after_resume() {
        let folder = tempfile::tempdir().unwrap();
        // The only canary plan does not fail.
        let settings = SweepSettings { canary_plans: vec![generate(1)], ..settings(0..60, folder.path()) };
        let fresh = Summary::new(&settings);
        let mut ledger = new_ledger(folder.path(), &fresh);
        let first = run_until(fresh, &mut ledger, 5);
        ledger.write_progress(&first, true).unwrap();
        drop(ledger);
        assert_eq!(first.canaries_missed, 2);
        let read = read_back(folder.path());
        assert_eq!(merge(vec![read.clone()]).unwrap().canaries_missed, 2);
        // The resumed session has no canary plans.
        let mut ledger = Ledger::resume(lock(folder.path()).unwrap(), &read).unwrap();
        let resumed = run_until(read.summary, &mut ledger, u64::MAX);
        ledger.write_progress(&resumed, true).unwrap();
        assert_eq!(
            (resumed.seeds, resumed.canaries_missed, read_back(folder.path()).summary.canaries_missed),
            (60, 2, 2)
        );
    }

    #[test]
    fn sweep_with_a_time_limit_misses_only_gaps() {
        fn read(
            seeds: Range<u64>,
            all_seeds: Range<u64>,
            ran: impl Into<Seeds>,
            time_limit: Option<Duration>,
        ) -> LedgerContents {
            let folder = Path::new("somewhere");
            let settings = SweepSettings { all_seeds, time_limit, ..settings(seeds, folder) };
            let summary =
                Summary { ran: ran.into(), elapsed: Duration::from_secs(9), ..Summary::new(&settings) };
            LedgerContents {
                folder: folder.into(),
                header: LedgerHeader::from_summary(&summary),
                summary,
                damage: vec![],
                valid_lines: vec![],
            }
        }
        let limit = Some(Duration::from_secs(8));
        let missing = |reads: &[LedgerContents]| {
            let sum = merge(reads.to_vec()).unwrap();
            (sum.missing.to_string(), sum.cut_short)
        };
        let all = 0..u64::MAX;
        assert_eq!(missing(&[read(all.clone(), all.clone(), 0..500, limit)]), ("none".into(), false));
        let gap = vec![0..500, 600..700];
        assert_eq!(missing(&[read(all.clone(), all.clone(), gap, limit)]), ("500..600".into(), true));
        // Killed before its time limit.
        let longer = Some(Duration::from_secs(10));
        assert_eq!(missing(&[read(all.clone(), all.clone(), 0..500, longer)]), ("none".into(), true));
        // Each of three machines has a time limit; the third one is missing.
        let [one, two] = [0, 1_000].map(|first| first..first + 1_000);
        let parts = [one, two].map(|part| read(part.clone(), 0..3_000, part.start..part.start + 70, limit));
        assert_eq!(missing(&parts), ("2000..3000".into(), true));
        // Another sweep ran later seeds and left a gap.
        let later = read(900..1_000, 900..1_000, 900..1_000, None);
        let both = [read(all.clone(), all.clone(), 0..500, limit), later.clone()];
        assert_eq!(missing(&both), ("500..900".into(), true));
        // A sweep without a time limit must run all its seeds.
        assert_eq!(missing(&[read(0..900, 0..900, 0..500, None), later]), ("500..900".into(), true));
        let twice = [read(all.clone(), all.clone(), 0..500, limit), read(all.clone(), all, 0..20, limit)];
        let refused = merge(twice.to_vec()).unwrap_err();
        assert_eq!(refused, "the seeds 0..20 were swept twice: in somewhere and in somewhere");
    }

    #[test]
    fn parts_of_several_machines_merge_and_no_seed_counts_twice() {
        let whole = tempfile::tempdir().unwrap();
        let parts: Vec<_> =
            [0..50, 50..80].into_iter().map(|seeds| (seeds, tempfile::tempdir().unwrap())).collect();
        let reads: Vec<LedgerContents> = parts
            .iter()
            .map(|(seeds, folder)| {
                ledger_of(seeds.clone(), folder.path());
                read_back(folder.path())
            })
            .collect();
        let sum = merge(reads.clone()).unwrap();
        let one = uninterrupted(0..80, whole.path());
        assert_eq!(
            (sum.seeds, &sum.ran, sum.passed, sum.counts, &sum.checks, sum.digest),
            (one.seeds, &one.ran, one.passed, one.counts, &one.checks, one.digest)
        );
        let seeds =
            |summary: &Summary| summary.failures.iter().map(|failure| failure.seed).collect::<Vec<_>>();
        assert_eq!(seeds(&sum), seeds(&one));
        let twice = merge([reads.clone(), reads].concat()).unwrap_err();
        assert!(twice.starts_with("the seeds 0..50 were swept twice: in "), "{twice}");
    }
}
