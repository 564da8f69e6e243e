//! Adds the results of many sweeps, one part at a time: memory does not grow with the number of parts or failures.
//!
//! Parts that cannot be added are named and left out: those of another sweep, and of two parts with a common seed the one
//! with fewer seeds. The sum is itself a part, which can be added to others.

use super::Shard;
use super::ledger::{self, LedgerContents, LedgerHeader};
use super::parts::{MergedParts, hull};
use super::seeds::Seeds;
use super::summary::Summary;
use crate::plan::file::display_path;
use crate::systems::SystemInfo;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::thread;

/// Failures of each group that are listed; the others are counted.
pub const MAX_LISTED: usize = 200;
/// Failures are limited while parts are added if there are more than these.
const MIN_LENGTH_TO_LIMIT: usize = 4_096;
/// Parts named for each problem that many have.
const MAX_NAMED: usize = 8;

/// The sum of parts, and what is wrong with them.
#[derive(Clone, Debug)]
pub struct Merged {
    /// The sum.
    pub summary: Summary,
    /// Number of parts in it.
    pub parts: u64,
    /// What is wrong, a sentence each.
    pub problems: Vec<Problem>,
}

/// What is wrong with a part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Problem {
    /// A part is not there.
    Missing(String),
    /// A line of a ledger cannot be read. The others are used.
    Damaged(String),
    /// Parts were run by several commits.
    Commits(String),
    /// A part cannot be read, or belongs to another sweep: it is left out.
    Foreign(String),
    /// The seeds of a part are also in another one: it is left out.
    Duplicate(String),
}

impl Problem {
    /// Whether a part was left out.
    #[must_use]
    pub fn is_left_out(&self) -> bool {
        matches!(self, Problem::Foreign(_) | Problem::Duplicate(_))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Missing(text) => write!(f, "MISSING: {text}"),
            Problem::Damaged(text) => write!(f, "DAMAGED: {text}; the other lines are used"),
            Problem::Commits(text) => write!(f, "COMMITS: {text}"),
            Problem::Foreign(text) => write!(f, "NOT MERGED: {text}"),
            Problem::Duplicate(text) => write!(f, "NOT MERGED, DUPLICATE: {text}"),
        }
    }
}

/// Adds the ledgers in these folders.
///
/// # Errors
///
/// If there is not a single part. The message says why.
pub fn merge(folders: &[PathBuf], system: &SystemInfo) -> Result<Merged, String> {
    let mut left_out = BTreeSet::new();
    loop {
        let mut merge = Merge { left_out, ..Merge::default() };
        let jobs = thread::available_parallelism().map_or(1, usize::from);
        let mut position = 0;
        for folders in folders.chunks(jobs) {
            let reads: Vec<_> = thread::scope(|scope| {
                let threads: Vec<_> = folders
                    .iter()
                    .map(|folder| scope.spawn(move || ledger::read_listing(folder, system, MAX_LISTED)))
                    .collect();
                threads.into_iter().map(|thread| thread.join().expect("reading does not panic")).collect()
            });
            for (folder, read) in folders.iter().zip(reads) {
                let path = folder.join(ledger::LEDGER_FILE);
                let no_results = || format!("{}: there are no results", display_path(&path));
                match read.and_then(|read| read.ok_or_else(no_results)) {
                    Ok(read) => merge.add(position, read),
                    Err(message) => merge.problems.push(Problem::Foreign(message)),
                }
                position += 1;
            }
        }
        // A part that was added before a larger one with the same seeds cannot be taken out of the sums.
        match merge.worse_duplicates() {
            None => return merge.finish(),
            Some(worse) => left_out = worse,
        }
    }
}

/// The parts so far.
#[derive(Default)]
pub(super) struct Merge {
    /// Sums of parts that can be added, by their sweep, in the order of the first part of each.
    sums: Vec<Sum>,
    /// Positions of parts that are left out because a part with more seeds has some of theirs.
    left_out: BTreeSet<usize>,
    postponed: Vec<(LedgerHeader, AddedPart)>,
    problems: Vec<Problem>,
}

/// The parts of one sweep.
struct Sum {
    header: LedgerHeader,
    summary: Summary,
    parts: Vec<AddedPart>,
    merged: MergedParts,
    /// Failures that were listed after the last time that they were limited.
    limited_to: usize,
    /// Parts that have seeds of another part.
    duplicates: Vec<AddedPart>,
}

/// A part that was looked at.
struct AddedPart {
    position: usize,
    folder: PathBuf,
    ran: Seeds,
    digest: invariants::Digest,
    commits: Vec<String>,
}

impl Merge {
    /// Adds a part, unless it belongs to another sweep or has seeds that are there already.
    pub(super) fn add(&mut self, position: usize, read: LedgerContents) {
        self.problems.extend(read.damage.iter().cloned().map(Problem::Damaged));
        let part = AddedPart {
            position,
            folder: read.folder.clone(),
            ran: read.summary.ran.clone(),
            digest: read.summary.digest,
            commits: read.summary.commits.clone(),
        };
        if self.left_out.contains(&position) {
            return self.postponed.push((read.header, part));
        }
        let same = self.sums.iter_mut().find(|sum| sum.header.is_mergeable_with(&read.header));
        let Some(sum) = same else { return self.sums.push(Sum::new(part, read)) };
        let is_twice = !sum.summary.ran.intersection(&part.ran).is_empty();
        match is_twice {
            true => sum.duplicates.push(part),
            false => sum.add(part, read),
        }
    }

    /// The parts to leave out, if one of them was added: each has fewer seeds than a part that was not.
    fn worse_duplicates(&self) -> Option<BTreeSet<usize>> {
        let mut worse = self.left_out.clone();
        for sum in &self.sums {
            for part in sum.duplicates.iter().filter(|part| !self.left_out.contains(&part.position)) {
                let common: Vec<&AddedPart> =
                    sum.parts.iter().filter(|other| !other.ran.intersection(&part.ran).is_empty()).collect();
                if common.iter().all(|other| other.ran.count() < part.ran.count()) {
                    worse.extend(common.iter().map(|other| other.position));
                }
            }
        }
        (worse != self.left_out).then_some(worse)
    }

    /// The sum, and what is wrong.
    pub(super) fn finish(mut self) -> Result<Merged, String> {
        let Some(most) = self.sums.iter().map(|sum| sum.parts.len()).max() else {
            let reasons: Vec<String> = self.problems.iter().map(Problem::reason).collect();
            return Err(if reasons.is_empty() {
                "there are no results to merge".into()
            } else {
                reasons.join("; ")
            });
        };
        let main = self.sums.iter().position(|sum| sum.parts.len() == most).expect("one has the most parts");
        let mut main = self.sums.remove(main);
        for (header, part) in self.postponed {
            let mut sums = std::iter::once(&mut main).chain(&mut self.sums);
            if let Some(sum) = sums.find(|sum| sum.header.is_mergeable_with(&header)) {
                sum.duplicates.push(part);
            }
        }
        let mut problems = main.duplicate_problems();
        for sum in &self.sums {
            for part in sum.parts.iter().chain(&sum.duplicates) {
                problems.push(Problem::Foreign(format!(
                    "{} cannot be merged with {}: it is about {}, and the other about {}",
                    display_path(&part.folder),
                    display_path(&main.parts[0].folder),
                    sum.header,
                    main.header
                )));
            }
        }
        problems.extend(self.problems);
        main.set_missing();
        problems.extend(main.missing_problem());
        problems.extend(main.commits_problem());
        let Sum { mut summary, parts, merged, .. } = main;
        summary.failures.sort_by_key(|failure| failure.seed);
        summary.limit_listed(MAX_LISTED);
        summary.merged = Some(merged);
        Ok(Merged { summary, parts: parts.len() as u64, problems })
    }
}

impl Problem {
    /// The sentence for standard error.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Problem::Damaged(text) => format!("damaged: {text}; the other lines are used"),
            Problem::Missing(text) => format!("missing: {text}"),
            Problem::Foreign(text) | Problem::Duplicate(text) => format!("not merged: {text}"),
            Problem::Commits(text) => text.clone(),
        }
    }

    /// The sentence without its title.
    pub(super) fn reason(&self) -> String {
        let (Problem::Missing(text)
        | Problem::Damaged(text)
        | Problem::Commits(text)
        | Problem::Foreign(text)
        | Problem::Duplicate(text)) = self;
        text.clone()
    }
}

impl Sum {
    fn new(part: AddedPart, read: LedgerContents) -> Sum {
        let settings = read.summary.settings.clone();
        let summary =
            Summary { settings, generator_version: read.summary.generator_version, ..Summary::default() };
        let header = read.header.clone();
        let mut sum = Sum {
            header,
            summary,
            parts: Vec::new(),
            merged: MergedParts::default(),
            limited_to: 0,
            duplicates: Vec::new(),
        };
        sum.add(part, read);
        sum
    }

    fn add(&mut self, part: AddedPart, read: LedgerContents) {
        let of_part = read.as_merged();
        let is_first = self.parts.is_empty();
        let (sum, more) = (&mut self.summary.settings, read.header.settings);
        for defect in more.known {
            if !sum.known.contains(&defect) {
                sum.known.push(defect);
            }
        }
        sum.seeds = hull(&sum.seeds, &more.seeds);
        sum.all_seeds = hull(&sum.all_seeds, &more.all_seeds);
        sum.time_limit = None;
        if sum.window != more.window {
            sum.window = None;
        }
        self.merged.add(of_part, is_first);
        self.summary.add(read.summary);
        if self.summary.failures.len() > MIN_LENGTH_TO_LIMIT.max(2 * self.limited_to) {
            self.summary.limit_listed(MAX_LISTED);
            self.limited_to = self.summary.failures.len();
        }
        self.parts.push(part);
    }

    /// Finds the seeds that were not run. With a time limit, the seeds of a machine after the last one it ran are not missing.
    fn set_missing(&mut self) {
        let ran = &self.summary.ran;
        let asked: Vec<Range<u64>> = self.merged.asked.iter().map(|asked| asked.seeds.clone()).collect();
        let mut missing = Seeds::from(asked).difference(ran);
        for seeds in &self.merged.limited {
            let last = ran.intersection(&Seeds::from(seeds.clone())).end().unwrap_or(seeds.start);
            missing = missing.difference(&Seeds::from(last..seeds.end));
        }
        self.summary.cut_short = self.merged.ended_early || !missing.is_empty();
        self.summary.missing = missing;
    }

    /// Names the shards that are not there.
    fn missing_problem(&self) -> Option<Problem> {
        let shards = self.merged.shards.as_ref()?;
        let absent = Seeds::from(0..shards.count).difference(&shards.indexes);
        let [asked] = self.merged.asked.as_slice() else { return None };
        let first: Vec<u64> = absent.ranges().cloned().flatten().take(MAX_NAMED).collect();
        let name = |index: &u64| {
            let shard = Shard { index: *index, count: shards.count };
            let seeds = shard.seeds(&asked.seeds);
            format!("part {shard} (seeds {}..{})", seeds.start, seeds.end)
        };
        let names: Vec<String> = first.iter().map(name).collect();
        let more = match absent.count() - first.len() as u64 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        (!names.is_empty()).then(|| Problem::Missing(names.join(", ") + &more))
    }

    /// Names the parts of each commit, if there are several.
    fn commits_problem(&self) -> Option<Problem> {
        let commits = &self.summary.commits;
        let describe = |commit: &String| {
            let parts = self.parts.iter().filter(|part| part.commits.contains(commit));
            let folders: Vec<String> = parts.map(|part| display_path(&part.folder)).collect();
            match folders.len() {
                0..=MAX_NAMED => format!("{commit} ({})", folders.join(", ")),
                many => format!("{commit} ({many} parts)"),
            }
        };
        let text = || commits.iter().map(describe).collect::<Vec<_>>().join("; ");
        (commits.len() > 1)
            .then(|| Problem::Commits(format!("the results come from different commits: {}", text())))
    }

    fn duplicate_problems(&self) -> Vec<Problem> {
        let mut duplicates: Vec<&AddedPart> = self.duplicates.iter().collect();
        duplicates.sort_by_key(|part| part.position);
        duplicates.into_iter().map(|part| self.duplicate_problem(part)).collect()
    }

    fn duplicate_problem(&self, part: &AddedPart) -> Problem {
        let is_twice = |other: &&AddedPart| !other.ran.intersection(&part.ran).is_empty();
        let folder = display_path(&part.folder);
        let Some(other) = self.parts.iter().find(is_twice) else {
            return Problem::Duplicate(format!("{folder} has seeds of another part that is left out"));
        };
        let differs = match (other.ran == part.ran, other.digest == part.digest) {
            (true, false) => "; their digests differ: not the same runs",
            _ => "",
        };
        let before = display_path(&other.folder);
        Problem::Duplicate(format!(
            "the seeds {} were swept twice: in {before} and in {folder}{differs}",
            other.ran.intersection(&part.ran)
        ))
    }
}
