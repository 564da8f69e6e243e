//! What a sweep has found out, on disk: so that one that is killed goes on where it was, and several add up.
//!
//! A ledger is a file that only grows, a line after each batch of seeds: what came of them in all. Each line says for
//! itself which sweep it belongs to and ends with a checksum of its own, so that a line that is damaged takes no other
//! with it. The last one may be torn, by whoever killed the sweep; nothing but its batch is lost with it.

use super::seeds::Seeds;
use super::summary::{FailureRecord, Summary, Tally};
use crate::outcome::{COMMIT, Counts};
use crate::plan::file::{self, display_path, error_reason};
use crate::text::escape;
use invariants::{Digest, current_milestone_name, current_property_name};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The name of the file in a folder of results.
pub const LEDGER_FILE: &str = "ledger.jsonl";
/// The name that a damaged one is kept under once the sweep goes on without its damage.
const DAMAGED_LEDGER_FILE: &str = "ledger.damaged";
/// No sweep takes longer: a hundred years.
const MAX_SECONDS: f64 = 3.2e9;
/// Every how many seconds a line is written.
const WRITE_INTERVAL_SECONDS: u64 = 1;

/// Which sweep a line belongs to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LedgerHeader {
    /// The version of what a seed means.
    pub generator_version: u32,
    /// The commit that the harness was built from.
    pub commit: String,
    /// Which seeds.
    pub seeds: Range<u64>,
    /// Which seeds all machines have together, where several share them.
    pub shared: Range<u64>,
    /// For how long, where that is bounded: then nobody expects all of the seeds.
    pub lasts: Option<Duration>,
    /// The bug that is switched on.
    pub bug: Option<String>,
    /// Properties that do not look.
    pub without: Vec<String>,
}

impl LedgerHeader {
    /// The head of the ledger of this sweep.
    #[must_use]
    pub fn from_summary(summary: &Summary) -> LedgerHeader {
        let settings = &summary.settings;
        LedgerHeader {
            generator_version: summary.generator_version,
            commit: COMMIT.to_owned(),
            seeds: settings.seeds.clone(),
            shared: settings.all_seeds.clone(),
            lasts: settings.time_limit,
            bug: settings.bug.clone(),
            without: settings.disabled.clone(),
        }
    }

    /// Whether the results of the two can be added.
    #[must_use]
    pub fn is_mergeable_with(&self, other: &LedgerHeader) -> bool {
        (self.generator_version, &self.bug, &self.without)
            == (other.generator_version, &other.bug, &other.without)
    }

    /// Whether the two are about the same sweep, which may have gone on for longer and with another commit.
    fn is_same_sweep(&self, other: &LedgerHeader) -> bool {
        self.is_mergeable_with(other) && (&self.seeds, &self.shared) == (&other.seeds, &other.shared)
    }
}

impl fmt::Display for LedgerHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seeds {}@{}", Seeds::from(self.seeds.clone()), self.generator_version)?;
        match &self.bug {
            Some(bug) => write!(f, " with the bug {}", escape(bug))?,
            None => write!(f, " without a bug")?,
        }
        match self.without.as_slice() {
            [] => Ok(()),
            without => write!(f, ", {} not looking", escape(&without.join(", "))),
        }
    }
}

/// What came of some seeds.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Batch {
    head: LedgerHeader,
    ran: Seeds,
    seconds: f64,
    kept: u64,
    unknown: u64,
    counts: Counts,
    looked: Vec<(String, u64, u64)>,
    milestones: Vec<(String, u64, u64)>,
    faults: Vec<(String, u64, u64)>,
    failures: Vec<FailureRecord>,
    /// Workers that began meanwhile and did not see the canary.
    blind: u64,
    digest: Digest,
}

/// A line of a ledger.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LedgerEntry {
    Head(LedgerHeader),
    Batch(Box<Batch>),
}

/// A ledger that was read.
#[derive(Clone, Debug)]
pub struct LedgerContents {
    /// The folder that it is in.
    pub folder: PathBuf,
    /// Which sweep it is about, as its newest line says.
    pub header: LedgerHeader,
    /// All that can be read of it, summed up.
    pub summary: Summary,
    /// What is damaged: the file, the line, and what is wrong there.
    pub damage: Vec<String>,
    /// The lines that can be read, by their bytes.
    valid_lines: Vec<Range<usize>>,
}

impl LedgerContents {
    /// Whether nothing is left to be done: all its seeds were run, and all of it can be read. Of a sweep that ends by time
    /// nobody can say so.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.damage.is_empty() && self.header.lasts.is_none() && self.remaining().is_empty()
    }

    fn remaining(&self) -> Seeds {
        Seeds::from(self.header.seeds.clone()).difference(&self.summary.ran)
    }
}

/// A ledger that nobody else writes while this lives.
pub struct LedgerLock {
    file: File,
    path: PathBuf,
}

/// A ledger that is being written.
pub struct Ledger {
    lock: LedgerLock,
    /// What is in it already.
    written: Summary,
    /// How long the sweep had taken when it was last tried to write.
    last_attempt: Duration,
}

/// Takes hold of the ledger in a folder, which is made where there is none.
///
/// # Errors
///
/// Another sweep writes it, or it cannot be written.
pub fn lock(folder: &Path) -> Result<LedgerLock, String> {
    let path = folder.join(LEDGER_FILE);
    let opened = fs::create_dir_all(folder)
        .and_then(|()| file::check_file_writable(&path))
        .and_then(|()| OpenOptions::new().read(true).append(true).create(true).open(&path));
    let file = opened
        .map_err(|error| format!("{}: cannot be written: {}", display_path(&path), error_reason(&error)))?;
    // The system lets go of it when its holder ends, however that ends: nobody needs to tidy up after a sweep that was
    // killed.
    match file.try_lock() {
        Ok(()) => Ok(LedgerLock { file, path }),
        Err(TryLockError::WouldBlock) => Err(format!(
            "another sweep is writing {}: wait for its end, or choose another folder",
            display_path(&path)
        )),
        // A file system without locks is no reason not to sweep.
        Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {
            Ok(LedgerLock { file, path })
        }
        Err(TryLockError::Error(error)) => {
            Err(format!("{}: cannot be locked: {}", display_path(&path), error_reason(&error)))
        }
    }
}

impl LedgerLock {
    /// Refuses to write what nobody will find: a file that was removed, or that another one has taken the place of.
    fn check_in_place(&self) -> io::Result<()> {
        let gone = || io::Error::other("it was removed or replaced during the sweep");
        let there = self.path.metadata().map_err(|_| gone())?;
        let is_same =
            file::file_id(&self.path, &there)? == file::file_id(&self.path, &self.file.metadata()?)?;
        if is_same { Ok(()) } else { Err(gone()) }
    }
}

impl Ledger {
    /// Begins a ledger; what was in it is gone.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn create(mut held: LedgerLock, summary: &Summary) -> io::Result<Ledger> {
        held.file.set_len(0)?;
        write(&mut held.file, &LedgerEntry::Head(LedgerHeader::from_summary(summary)))?;
        Ok(Ledger { lock: held, written: summary.clone(), last_attempt: summary.elapsed })
    }

    /// Goes on with a ledger. One that is damaged is kept as it was beside the one that goes on with all that could be
    /// read: what is left to be run is what nobody can read any more.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn resume(held: LedgerLock, read: &LedgerContents) -> io::Result<Ledger> {
        let (written, tried) = (read.summary.clone(), read.summary.elapsed);
        let end = read.valid_lines.last().map_or(0, |last| last.end);
        if read.damage.is_empty() {
            // But for the line during whose end the sweep was killed.
            held.file.set_len(end as u64)?;
            return Ok(Ledger { lock: held, written, last_attempt: tried });
        }
        let bytes = fs::read(&held.path)?;
        fs::copy(&held.path, damaged_ledger_path(&read.folder))?;
        let good: Vec<u8> = read.valid_lines.iter().flat_map(|line| &bytes[line.clone()]).copied().collect();
        let text = String::from_utf8(good).map_err(io::Error::other)?;
        file::write_text(&held.path, &text).map_err(io::Error::other)?;
        let held = lock(&read.folder).map_err(io::Error::other)?;
        Ok(Ledger { lock: held, written, last_attempt: tried })
    }

    /// Writes what is new, from time to time or `now`. What could not be written is new the next time, too.
    ///
    /// # Errors
    ///
    /// It cannot be written, or is no longer where it was.
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
            // Half a line would spoil the next one. If it stays it is damage like any other.
            drop(self.lock.file.set_len(end));
            return Err(error);
        }
        self.written = summary.clone();
        Ok(())
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.lock.path
    }
}

/// A name in this folder that no damaged ledger has yet.
fn damaged_ledger_path(folder: &Path) -> PathBuf {
    let names = std::iter::once(DAMAGED_LEDGER_FILE.to_owned())
        .chain((2..).map(|number| format!("{DAMAGED_LEDGER_FILE}-{number}")));
    let mut paths = names.map(|name| folder.join(name));
    paths.find(|path| path.symlink_metadata().is_err()).expect("there is always another number")
}

/// Reads the ledger in a folder. What is damaged is said, and the rest of it counts. `None`: nothing was noted.
///
/// # Errors
///
/// Not one line of it can be read.
pub fn read(
    folder: &Path,
    empty: impl Fn(&LedgerHeader) -> Summary,
) -> Result<Option<LedgerContents>, String> {
    let path = folder.join(LEDGER_FILE);
    if path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        return Ok(None);
    }
    let bytes =
        file::read_bytes(&path).map_err(|why| format!("{}: cannot be read: {why}", display_path(&path)))?;
    let mut damage = Vec::new();
    let mut known: Option<LedgerContents> = None;
    let mut end = 0;
    for (number, line) in (1..).zip(bytes.split_inclusive(|byte| *byte == b'\n')) {
        let place = end..end + line.len();
        end = place.end;
        if end == bytes.len() && !line.ends_with(b"\n") {
            // The batch during whose end the sweep was killed.
            break;
        }
        let wrong = parse(line).and_then(|entry| {
            let head = match &entry {
                LedgerEntry::Head(head) => head,
                LedgerEntry::Batch(batch) => &batch.head,
            };
            let read = known.get_or_insert_with(|| LedgerContents {
                folder: folder.to_owned(),
                header: head.clone(),
                summary: Summary {
                    generator_version: head.generator_version,
                    commits: Vec::new(),
                    ..empty(head)
                },
                damage: Vec::new(),
                valid_lines: Vec::new(),
            });
            read.add_line(&entry, head, place)
        });
        damage.extend(wrong.err().map(|wrong| format!("{}:{number}: {wrong}", display_path(&path))));
    }
    match known {
        Some(mut read) => {
            read.summary.failures.sort_by_key(|found| found.seed);
            Ok(Some(LedgerContents { damage, ..read }))
        }
        None if damage.is_empty() => Ok(None),
        None => Err(format!("{}, nor can any other line be read", damage[0])),
    }
}

impl LedgerContents {
    /// Adds what a line says, unless it cannot be true.
    fn add_line(
        &mut self,
        entry: &LedgerEntry,
        head: &LedgerHeader,
        place: Range<usize>,
    ) -> Result<(), String> {
        if !head.is_same_sweep(&self.header) {
            return Err(format!("it is about {head}, and what stands above about {}", self.header));
        }
        if !is_plausible(entry, head) {
            return Err("its numbers cannot be true".into());
        }
        if let LedgerEntry::Batch(batch) = entry {
            let twice = batch.ran.intersection(&self.summary.ran);
            if !twice.is_empty() {
                return Err(format!("seeds {twice} were told before this line"));
            }
            let foreign = batch.ran.difference(&Seeds::from(head.seeds.clone()));
            if !foreign.is_empty() {
                return Err(format!("seeds {foreign} are none of this sweep"));
            }
            add_batch(&mut self.summary, batch);
        }
        if !self.summary.commits.contains(&head.commit) {
            self.summary.commits.push(head.commit.clone());
        }
        self.summary.settings.time_limit = head.lasts;
        self.header = head.clone();
        self.valid_lines.push(place);
        Ok(())
    }
}

/// Whether numbers can be what a sweep counted: seeds in their order, no century, and no more verdicts than seeds. Sums
/// that are too large to be added stay at the largest number.
fn is_plausible(entry: &LedgerEntry, head: &LedgerHeader) -> bool {
    let in_order = |seeds: &Range<u64>| seeds.start <= seeds.end;
    if !in_order(&head.seeds) || !in_order(&head.shared) {
        return false;
    }
    let LedgerEntry::Batch(batch) = entry else { return true };
    let verdicts = [batch.kept, batch.unknown, batch.failures.len() as u64];
    let verdicts = verdicts.iter().try_fold(0, |sum: u64, count| sum.checked_add(*count));
    (0.0..MAX_SECONDS).contains(&batch.seconds) && verdicts.is_some_and(|sum| sum <= batch.ran.count())
}

fn write(file: &mut File, entry: &LedgerEntry) -> io::Result<()> {
    let text = serde_json::to_string(entry)?;
    // In one piece, so that it is there or is not; and the sum tells a piece that is torn.
    file.write_all(format!("{text}\t{:08x}\n", crc32c::crc32c(text.as_bytes())).as_bytes())?;
    file.sync_data()
}

fn parse(line: &[u8]) -> Result<LedgerEntry, String> {
    let text = std::str::from_utf8(line).map_err(|_| "this is no text".to_owned())?;
    let (text, sum) = text.trim_end_matches('\n').rsplit_once('\t').ok_or("the line has no checksum")?;
    if format!("{:08x}", crc32c::crc32c(text.as_bytes())) != sum {
        return Err("the line does not match its checksum".into());
    }
    let mut entry = serde_json::from_str(text)
        .map_err(|error| format!("the line is no entry of a ledger, from column {} on", error.column()))?;
    use_current_names(&mut entry);
    Ok(entry)
}

/// Replaces former names of properties and milestones, so that ledgers of older versions can be added.
fn use_current_names(entry: &mut LedgerEntry) {
    let rename = |name: &mut String, current_name: fn(&str) -> &str| *name = current_name(name).to_owned();
    let head = match entry {
        LedgerEntry::Head(head) => head,
        LedgerEntry::Batch(batch) => {
            batch.looked.iter_mut().for_each(|(name, ..)| rename(name, current_property_name));
            batch.milestones.iter_mut().for_each(|(name, ..)| rename(name, current_milestone_name));
            batch.failures.iter_mut().for_each(|found| rename(&mut found.property, current_property_name));
            &mut batch.head
        }
    };
    head.without.iter_mut().for_each(|name| rename(name, current_property_name));
}

/// What came after `before` up to `now`.
fn batch_since(before: &Summary, now: &Summary) -> Batch {
    let rest = |before: &[Tally], now: &[Tally]| {
        now.iter()
            .map(|tally| {
                let had = before.iter().find(|other| other.name == tally.name);
                let had = had.map_or((0, 0), |had| (had.count, had.seeds));
                (tally.name.to_string(), tally.count - had.0, tally.seeds - had.1)
            })
            .collect()
    };
    let ran = now.ran.difference(&before.ran);
    let is_new = |found: &&FailureRecord| ran.contains(found.seed);
    Batch {
        head: LedgerHeader::from_summary(now),
        seconds: (now.elapsed.saturating_sub(before.elapsed)).as_secs_f64(),
        kept: now.passed - before.passed,
        unknown: now.unknown - before.unknown,
        counts: now.counts.since(&before.counts),
        looked: rest(&before.checks, &now.checks),
        milestones: rest(&before.milestones, &now.milestones),
        faults: rest(&before.faults, &now.faults),
        failures: now.failures.iter().filter(is_new).cloned().collect(),
        blind: now.canaries_missed - before.canaries_missed,
        digest: Digest(now.digest.0.wrapping_sub(before.digest.0)),
        ran,
    }
}

/// Adds a batch to what there is.
fn add_batch(summary: &mut Summary, batch: &Batch) {
    summary.seeds += batch.ran.count();
    summary.ran.insert_all(&batch.ran);
    let seconds = Duration::try_from_secs_f64(batch.seconds).unwrap_or_default();
    summary.elapsed = summary.elapsed.saturating_add(seconds);
    summary.passed += batch.kept;
    summary.unknown += batch.unknown;
    summary.counts.add(&batch.counts);
    add_tallies(&mut summary.checks, &batch.looked);
    add_tallies(&mut summary.milestones, &batch.milestones);
    add_tallies(&mut summary.faults, &batch.faults);
    summary.failures.extend(batch.failures.iter().cloned());
    summary.canaries_missed = summary.canaries_missed.saturating_add(batch.blind);
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

/// Adds what other sweeps found out, in the order of their seeds.
///
/// # Errors
///
/// They are about different things, or two of them about the same seed.
pub fn merge(mut reads: Vec<LedgerContents>) -> Result<Summary, String> {
    reads.sort_by_key(|read| read.header.seeds.start);
    for (place, read) in reads.iter().enumerate() {
        for other in &reads[..place] {
            let (folder, before) = (display_path(&read.folder), display_path(&other.folder));
            if !read.header.is_mergeable_with(&other.header) {
                let (head, other) = (&read.header, &other.header);
                return Err(format!(
                    "{folder} cannot be added to {before}: it is about {head}, and the other about {other}"
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
        let nothing = Summary::new(&read.summary.settings);
        add_batch(&mut sum, &batch_since(&nothing, &read.summary));
    }
    sum.failures.sort_by_key(|found| found.seed);
    sum.cut_short |= !missing.is_empty();
    Ok(Summary { missing, ..sum })
}

/// Whether a sweep that ends by time had some left.
fn ended_early(read: &LedgerContents) -> bool {
    read.header.lasts.is_some_and(|lasts| read.summary.elapsed < lasts) && !read.remaining().is_empty()
}

/// The seeds between the first and the last that nobody ran. Where a sweep ends by time, all is well behind the last seed
/// of its range that anybody ran.
fn missing_seeds(reads: &[LedgerContents]) -> Seeds {
    let mut ran = Seeds::default();
    reads.iter().for_each(|read| ran.insert_all(&read.summary.ran));
    let shared = reads.iter().map(|read| &read.header.shared);
    let all = shared.cloned().reduce(|all, more| all.start.min(more.start)..all.end.max(more.end));
    let mut missing = Seeds::from(all.unwrap_or(0..0)).difference(&ran);
    for head in reads.iter().map(|read| &read.header).filter(|head| head.lasts.is_some()) {
        let last = ran.intersection(&Seeds::from(head.seeds.clone())).end().unwrap_or(head.seeds.start);
        missing = missing.difference(&Seeds::from(last..head.seeds.end));
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::{LEDGER_FILE, Ledger, LedgerContents, LedgerHeader, lock, merge, read};
    use crate::outcome::{Counts, Failure, Options, Outcome, RunRecord, Verdict};
    use crate::plan::{Plan, generate};
    use crate::sweep::{Seeds, Summary, SweepSettings, resume, sweep};
    use invariants::Digest;
    use std::fs;
    use std::num::NonZeroUsize;
    use std::ops::Range;
    use std::path::Path;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    use std::time::Duration;

    /// One of seven seeds breaks a promise.
    fn run(plan: &Plan, _: &Options) -> RunRecord {
        let failure = || Failure::new("toast", "it fell".into());
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

    /// Sweeps with a ledger that has a line after each seed, and stops after so many.
    fn swept(from: Summary, ledger: &mut Ledger, until: u64) -> Summary {
        let stop = AtomicBool::new(false);
        let mut noted = 0;
        let summary = resume(from, &run, &stop, &mut |summary| {
            if noted < until {
                ledger.write_progress(summary, true).unwrap();
                noted = summary.seeds;
            }
            stop.store(summary.seeds >= until, Ordering::Relaxed);
        });
        Summary { elapsed: Duration::ZERO, cut_short: false, ..summary }
    }

    fn undisturbed(seeds: Range<u64>, out: &Path) -> Summary {
        let summary = sweep(&settings(seeds, out), &run, &AtomicBool::new(false), &mut |_| {});
        Summary { elapsed: Duration::ZERO, ..summary }
    }

    fn read_back(folder: &Path) -> LedgerContents {
        read(folder, |head| Summary::new(&settings(head.seeds.clone(), folder))).unwrap().unwrap()
    }

    fn begun(folder: &Path, summary: &Summary) -> Ledger {
        Ledger::create(lock(folder).unwrap(), summary).unwrap()
    }

    /// A ledger of these seeds with a line for each of them or nearly so, and its lines.
    fn ledger_of(seeds: Range<u64>, folder: &Path) -> Vec<String> {
        let fresh = Summary::new(&settings(seeds, folder));
        let mut ledger = begun(folder, &fresh);
        let summary = swept(fresh, &mut ledger, u64::MAX);
        ledger.write_progress(&summary, true).unwrap();
        let lines = fs::read_to_string(folder.join(LEDGER_FILE)).unwrap();
        let lines: Vec<String> = lines.lines().map(|line| format!("{line}\n")).collect();
        assert!(lines.len() > 5, "{} lines", lines.len());
        lines
    }

    /// A summary without what depends on the clock, as text.
    fn told(summary: &Summary) -> String {
        format!("{:?}", Summary { elapsed: Duration::ZERO, ..summary.clone() })
    }

    #[test]
    fn a_sweep_that_is_killed_and_goes_on_is_one_that_was_not() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(10..150, folder.path());
        let fresh = Summary::new(&settings);
        let mut ledger = begun(folder.path(), &fresh);
        swept(fresh, &mut ledger, 40);
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
        let resumed = swept(read.summary, &mut ledger, u64::MAX);
        ledger.write_progress(&resumed, true).unwrap();
        let whole = undisturbed(10..150, folder.path());
        assert_eq!(told(&resumed), told(&whole));
        let back = read_back(folder.path());
        assert!(back.is_finished());
        assert_eq!(told(&back.summary), told(&whole));
    }

    #[test]
    fn what_is_damaged_is_told_with_its_line_and_the_rest_counts() {
        let folder = tempfile::tempdir().unwrap();
        let mut lines = ledger_of(0..30, folder.path());
        lines[3] = lines[3].replacen("\"kept\":", "\"kept\":1", 1);
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
    fn a_first_line_that_is_damaged_takes_nothing_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut lines = ledger_of(0..30, folder.path());
        lines[0] = "\0\0\0\0\n".into();
        fs::write(folder.path().join(LEDGER_FILE), lines.concat()).unwrap();
        let read = read_back(folder.path());
        assert!(read.damage.len() == 1 && read.damage[0].contains("ledger.jsonl:1: "), "{:?}", read.damage);
        assert_eq!(told(&read.summary), told(&undisturbed(0..30, folder.path())));
    }

    #[test]
    fn a_damaged_sweep_that_goes_on_runs_only_what_was_lost_and_keeps_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let mut lines = ledger_of(0..30, folder.path());
        lines[3] = lines[3].replacen("\"kept\":", "\"kept\":1", 1);
        let damaged = lines.concat();
        fs::write(folder.path().join(LEDGER_FILE), &damaged).unwrap();

        let read = read_back(folder.path());
        let lost = read.remaining();
        assert!(lost.count() < 25, "{lost} are nearly all");
        let mut ledger = Ledger::resume(lock(folder.path()).unwrap(), &read).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("ledger.damaged")).unwrap(), damaged);
        let runs = AtomicU64::new(0);
        let counted = |plan: &Plan, options: &Options| {
            assert!(lost.contains(plan.seed), "seed {} was run before", plan.seed);
            runs.fetch_add(1, Ordering::Relaxed);
            run(plan, options)
        };
        let resumed = resume(read.summary, &counted, &AtomicBool::new(false), &mut |_| {});
        assert!(runs.into_inner() >= lost.count());
        ledger.write_progress(&resumed, true).unwrap();
        let whole = told(&undisturbed(0..30, folder.path()));
        assert_eq!(told(&resumed), whole);
        let back = read_back(folder.path());
        assert!(back.is_finished(), "{:?}", back.damage);
        assert_eq!(told(&back.summary), whole);
    }

    #[test]
    fn a_ledger_has_one_writer() {
        let folder = tempfile::tempdir().unwrap();
        let held = lock(folder.path()).unwrap();
        let refused = lock(folder.path()).err().unwrap();
        assert!(refused.starts_with("another sweep is writing "), "{refused}");
        drop(held);
        assert!(lock(folder.path()).is_ok());
    }

    #[test]
    fn who_was_blind_once_stays_so() {
        let folder = tempfile::tempdir().unwrap();
        // The only plan that shall be caught keeps its promises.
        let blind = SweepSettings { canary_plans: vec![generate(1)], ..settings(0..60, folder.path()) };
        let fresh = Summary::new(&blind);
        let mut ledger = begun(folder.path(), &fresh);
        let first = swept(fresh, &mut ledger, 5);
        ledger.write_progress(&first, true).unwrap();
        drop(ledger);
        assert_eq!(first.canaries_missed, 2);
        let read = read_back(folder.path());
        assert_eq!(merge(vec![read.clone()]).unwrap().canaries_missed, 2);
        // The session that goes on sees, for it is shown nothing.
        let mut ledger = Ledger::resume(lock(folder.path()).unwrap(), &read).unwrap();
        let resumed = swept(read.summary, &mut ledger, u64::MAX);
        ledger.write_progress(&resumed, true).unwrap();
        assert_eq!(
            (resumed.seeds, resumed.canaries_missed, read_back(folder.path()).summary.canaries_missed),
            (60, 2, 2)
        );
    }

    #[test]
    fn a_sweep_for_a_time_has_an_open_end_and_no_holes() {
        fn read(
            seeds: Range<u64>,
            shared: Range<u64>,
            ran: impl Into<Seeds>,
            lasts: Option<Duration>,
        ) -> LedgerContents {
            let folder = Path::new("somewhere");
            let settings = SweepSettings { all_seeds: shared, time_limit: lasts, ..settings(seeds, folder) };
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
        let night = Some(Duration::from_secs(8));
        let missing = |reads: &[LedgerContents]| {
            let sum = merge(reads.to_vec()).unwrap();
            (sum.missing.to_string(), sum.cut_short)
        };
        let all = 0..u64::MAX;
        assert_eq!(missing(&[read(all.clone(), all.clone(), 0..500, night)]), ("none".into(), false));
        let hole = vec![0..500, 600..700];
        assert_eq!(missing(&[read(all.clone(), all.clone(), hole, night)]), ("500..600".into(), true));
        // Killed before its time.
        let longer = Some(Duration::from_secs(10));
        assert_eq!(missing(&[read(all.clone(), all.clone(), 0..500, longer)]), ("none".into(), true));
        // Each of several machines has an open end of its own; the third of them is missing.
        let [one, two] = [0, 1_000].map(|first| first..first + 1_000);
        let parts = [one, two].map(|part| read(part.clone(), 0..3_000, part.start..part.start + 70, night));
        assert_eq!(missing(&parts), ("2000..3000".into(), true));
        // Somebody went on behind an open end, and left something out.
        let behind = read(900..1_000, 900..1_000, 900..1_000, None);
        let both = [read(all.clone(), all.clone(), 0..500, night), behind.clone()];
        assert_eq!(missing(&both), ("500..900".into(), true));
        // One that has an end is expected to reach it.
        assert_eq!(missing(&[read(0..900, 0..900, 0..500, None), behind]), ("500..900".into(), true));
        let twice = [read(all.clone(), all.clone(), 0..500, night), read(all.clone(), all, 0..20, night)];
        let refused = merge(twice.to_vec()).unwrap_err();
        assert_eq!(refused, "the seeds 0..20 were swept twice: in somewhere and in somewhere");
    }

    #[test]
    fn the_parts_of_several_machines_add_up_and_no_seed_counts_twice() {
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
        let one = undisturbed(0..80, whole.path());
        assert_eq!(
            (sum.seeds, &sum.ran, sum.passed, sum.counts, &sum.checks, sum.digest),
            (one.seeds, &one.ran, one.passed, one.counts, &one.checks, one.digest)
        );
        let seeds = |summary: &Summary| summary.failures.iter().map(|found| found.seed).collect::<Vec<_>>();
        assert_eq!(seeds(&sum), seeds(&one));
        let twice = merge([reads.clone(), reads].concat()).unwrap_err();
        assert!(twice.starts_with("the seeds 0..50 were swept twice: in "), "{twice}");
    }
}
