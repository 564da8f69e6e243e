//! What a sweep has found out, on disk: so that one that is killed goes on where it was, and several add up.
//!
//! A ledger is a file that only grows, a line after each batch of seeds: what came of them in all. Each line ends with a
//! checksum of its own. The last one may be torn, by whoever killed the sweep; nothing but its batch is lost with it.

use super::summary::{Found, Summary, Tally};
use crate::outcome::{COMMIT, Counts};
use crate::plan::GENERATOR_VERSION;
use invariants::Digest;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The name of the file in a folder of results.
pub const FILE: &str = "ledger.jsonl";
/// Every how many seconds a line is written.
const EVERY: u64 = 1;

/// What a ledger says first.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Head {
    /// The version of what a seed means.
    pub generator_version: u32,
    /// The commit that the harness was built from.
    pub commit: String,
    /// Which seeds.
    pub seeds: Range<u64>,
    /// The bug that is switched on.
    pub bug: Option<String>,
    /// Properties that do not look.
    pub without: Vec<String>,
}

impl Head {
    /// The head of the ledger of this sweep.
    #[must_use]
    pub fn of(summary: &Summary) -> Head {
        Head {
            generator_version: GENERATOR_VERSION,
            commit: COMMIT.to_owned(),
            seeds: summary.settings.seeds.clone(),
            bug: summary.settings.bug.clone(),
            without: summary.settings.without.clone(),
        }
    }

    /// Whether the results of the two can be added.
    #[must_use]
    pub fn is_of_the_same_kind(&self, other: &Head) -> bool {
        (self.generator_version, &self.bug, &self.without)
            == (other.generator_version, &other.bug, &other.without)
    }
}

/// What came of a batch of seeds, each of which follows the one before.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Batch {
    first: u64,
    seeds: u64,
    seconds: f64,
    kept: u64,
    unknown: u64,
    counts: Counts,
    looked: Vec<(String, u64, u64)>,
    milestones: Vec<(String, u64, u64)>,
    faults: Vec<(String, u64, u64)>,
    failures: Vec<Found>,
    /// The digest of all seeds of the sweep up to here.
    digest: Digest,
}

/// A line of a ledger.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Entry {
    Head(Head),
    Batch(Box<Batch>),
}

/// A ledger that was read.
#[derive(Clone, Debug)]
pub struct Read {
    /// What it says first.
    pub head: Head,
    /// What it says up to the first damage, summed up: where a sweep goes on.
    pub summary: Summary,
    /// All that can be read of it, summed up.
    pub all: Summary,
    /// What is damaged: the file, the line, and what is wrong there.
    pub damage: Vec<String>,
    /// How many bytes of it can be gone on with.
    good: u64,
    /// The first seed that it tells nothing of, nor of any after it.
    next: u64,
}

/// A ledger that is being written.
pub struct Ledger {
    file: File,
    path: PathBuf,
    /// What is in it already.
    written: Summary,
}

impl Ledger {
    /// Begins a ledger in this folder; one that was there is gone.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn begin(folder: &Path, summary: &Summary) -> io::Result<Ledger> {
        fs::create_dir_all(folder)?;
        let path = folder.join(FILE);
        let mut file = File::create(&path)?;
        write(&mut file, &Entry::Head(Head::of(summary)))?;
        Ok(Ledger { file, path, written: summary.clone() })
    }

    /// Goes on with the ledger in this folder, after its last whole line.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn go_on(folder: &Path, read: &Read) -> io::Result<Ledger> {
        let path = folder.join(FILE);
        let file = OpenOptions::new().write(true).open(&path)?;
        file.set_len(read.good)?;
        drop(file);
        let file = OpenOptions::new().append(true).open(&path)?;
        Ok(Ledger { file, path, written: read.summary.clone() })
    }

    /// Writes what is new, from time to time or `now`.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn note(&mut self, summary: &Summary, now: bool) -> io::Result<()> {
        let is_due = summary.took.as_secs() >= self.written.took.as_secs() + EVERY;
        if summary.seeds == self.written.seeds || !(now || is_due) {
            return Ok(());
        }
        write(&mut self.file, &Entry::Batch(Box::new(between(&self.written, summary))))?;
        self.written = summary.clone();
        Ok(())
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Reads the ledger in a folder. What is damaged is said, and the rest of it counts.
///
/// # Errors
///
/// There is none, or it does not even say what it is about.
pub fn read(folder: &Path, empty: impl Fn(&Head) -> Summary) -> Result<Read, String> {
    let path = folder.join(FILE);
    let bytes = fs::read(&path).map_err(|error| format!("{}: cannot be read: {error}", path.display()))?;
    let mut damage = Vec::new();
    let mut known: Option<(Head, Summary, Summary)> = None;
    let (mut good, mut at, mut next) = (0, 0, 0);
    for (number, line) in (1..).zip(bytes.split_inclusive(|byte| *byte == b'\n')) {
        at += line.len() as u64;
        let wrong = match (parse(line), &mut known) {
            (Ok(Entry::Head(head)), None) => {
                let summary = empty(&head);
                next = head.seeds.start;
                known = Some((head, summary.clone(), summary));
                None
            }
            (Ok(Entry::Head(_)), Some(_)) => Some("it begins anew in the middle".to_owned()),
            (Ok(Entry::Batch(batch)), Some((_, summary, all))) => {
                let (first, missing) = (batch.first, next);
                if first < next {
                    Some(format!("seeds {first}..{next} were told before this line"))
                } else {
                    next = first + batch.seeds;
                    if damage.is_empty() && first == missing {
                        add(summary, &batch);
                    }
                    add(all, &batch);
                    (first > missing)
                        .then(|| format!("seeds {missing}..{first} are missing before this line"))
                }
            }
            (Ok(Entry::Batch(_)), None) => Some("it does not begin with what it is about".to_owned()),
            (Err(_), _) if at == bytes.len() as u64 && !line.ends_with(b"\n") => {
                // The batch during whose end the sweep was killed.
                continue;
            }
            (Err(wrong), _) => Some(wrong),
        };
        match wrong {
            None if damage.is_empty() => good = at,
            None => {}
            Some(wrong) => damage.push(format!("{}:{number}: {wrong}", path.display())),
        }
    }
    match known {
        Some((head, summary, all)) => Ok(Read { head, summary, all, damage, good, next }),
        None => Err(format!("{}:1: it does not begin with what it is about", path.display())),
    }
}

fn write(file: &mut File, entry: &Entry) -> io::Result<()> {
    let text = serde_json::to_string(entry)?;
    // In one piece, so that it is there or is not; and the sum tells a piece that is torn.
    file.write_all(format!("{text}\t{:08x}\n", crc32c::crc32c(text.as_bytes())).as_bytes())?;
    file.sync_data()
}

fn parse(line: &[u8]) -> Result<Entry, String> {
    let text = std::str::from_utf8(line).map_err(|_| "this is no text".to_owned())?;
    let (text, sum) = text.trim_end_matches('\n').rsplit_once('\t').ok_or("the line has no checksum")?;
    if format!("{:08x}", crc32c::crc32c(text.as_bytes())) != sum {
        return Err("the line does not match its checksum".into());
    }
    serde_json::from_str(text).map_err(|error| format!("the line cannot be understood: {error}"))
}

/// What came after `before` up to `now`.
fn between(before: &Summary, now: &Summary) -> Batch {
    let rest = |before: &[Tally], now: &[Tally]| {
        now.iter()
            .map(|tally| {
                let had = before.iter().find(|other| other.name == tally.name);
                let had = had.map_or((0, 0), |had| (had.count, had.seeds));
                (tally.name.to_string(), tally.count - had.0, tally.seeds - had.1)
            })
            .collect()
    };
    Batch {
        first: now.settings.seeds.start + before.seeds,
        seeds: now.seeds - before.seeds,
        seconds: (now.took.saturating_sub(before.took)).as_secs_f64(),
        kept: now.kept - before.kept,
        unknown: now.unknown - before.unknown,
        counts: now.counts.without(&before.counts),
        looked: rest(&before.looked, &now.looked),
        milestones: rest(&before.milestones, &now.milestones),
        faults: rest(&before.faults, &now.faults),
        failures: now.failures[before.failures.len()..].to_vec(),
        digest: now.digest,
    }
}

/// Adds a batch to what there is.
fn add(summary: &mut Summary, batch: &Batch) {
    summary.seeds += batch.seeds;
    summary.took += std::time::Duration::try_from_secs_f64(batch.seconds).unwrap_or_default();
    summary.kept += batch.kept;
    summary.unknown += batch.unknown;
    summary.counts.add(&batch.counts);
    add_tallies(&mut summary.looked, &batch.looked);
    add_tallies(&mut summary.milestones, &batch.milestones);
    add_tallies(&mut summary.faults, &batch.faults);
    summary.failures.extend(batch.failures.iter().cloned());
    summary.digest = batch.digest;
}

fn add_tallies(sums: &mut Vec<Tally>, more: &[(String, u64, u64)]) {
    for (name, count, seeds) in more {
        match sums.iter_mut().find(|sum| sum.name == *name) {
            Some(sum) => (sum.count, sum.seeds) = (sum.count + count, sum.seeds + seeds),
            None => sums.push(Tally { name: name.clone().into(), count: *count, seeds: *seeds }),
        }
    }
}

/// Adds what other sweeps found out, in the order of their seeds.
///
/// # Errors
///
/// They are about different things, or two of them about the same seed.
pub fn merged(mut reads: Vec<Read>) -> Result<Summary, String> {
    reads.sort_by_key(|read| read.head.seeds.start);
    let mut all: Option<(Head, Summary)> = None;
    let mut behind = 0;
    for Read { head, all: summary, next, .. } in reads {
        let (first, end) = (head.seeds.start, next);
        let Some((of, sum)) = &mut all else {
            behind = end;
            all = Some((head, summary));
            continue;
        };
        if !of.is_of_the_same_kind(&head) {
            return Err(format!(
                "the results from seed {first} on are of another kind of sweep: {head:?} and {of:?}"
            ));
        }
        if first < behind {
            return Err(format!("the seeds {first}..{} were swept twice", behind.min(end)));
        }
        behind = end;
        // One ledger's digest folds the seeds before it; several are folded in the order of their first seeds.
        sum.digest = sum.digest.then(first).then(summary.digest.0);
        sum.seeds += summary.seeds;
        sum.took += summary.took;
        sum.kept += summary.kept;
        sum.unknown += summary.unknown;
        sum.counts.add(&summary.counts);
        let plain = |tallies: Vec<Tally>| {
            let told = tallies.into_iter().map(|tally| (tally.name.to_string(), tally.count, tally.seeds));
            told.collect::<Vec<_>>()
        };
        add_tallies(&mut sum.looked, &plain(summary.looked));
        add_tallies(&mut sum.milestones, &plain(summary.milestones));
        add_tallies(&mut sum.faults, &plain(summary.faults));
        sum.failures.extend(summary.failures);
    }
    all.map(|(_, sum)| sum).ok_or_else(|| "there are no results to merge".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{FILE, Ledger, Read, merged, read};
    use crate::outcome::{Counts, Failure, Options, Outcome, Record, Verdict};
    use crate::plan::Plan;
    use crate::sweep::{Settings, Summary, resume, sweep};
    use invariants::Digest;
    use std::fs;
    use std::num::NonZeroUsize;
    use std::ops::Range;
    use std::path::Path;
    use std::sync::atomic::AtomicBool;
    use std::time::Duration;

    /// One of seven seeds breaks a promise.
    fn run(plan: &Plan, _: &Options) -> Record {
        let failure = || Failure::told("toast", "it fell".into());
        let verdict = match plan.seed % 7 {
            0 => Verdict::Failed(Box::new(failure())),
            _ => Verdict::Kept,
        };
        let outcome = Outcome {
            verdict,
            counts: Counts { events: plan.seed, ..Counts::default() },
            looked: vec![("toast", plan.seed % 3)],
            milestones: vec![("bread", plan.seed % 2)],
            faults: vec![],
            digest: Digest(plan.seed),
        };
        Record {
            outcome,
            timeline: vec![],
            facts: vec![],
            history: vec![],
            refusals: Default::default(),
            digests: vec![],
        }
    }

    fn settings(seeds: Range<u64>, out: &Path) -> Settings {
        let jobs = NonZeroUsize::new(2).unwrap();
        Settings { seeds, jobs, lasts: None, out: out.into(), bug: None, without: vec![], canary: vec![] }
    }

    /// Sweeps with a ledger that has a line after each seed, and stops after so many.
    fn swept(from: Summary, ledger: &mut Ledger, until: u64) -> Summary {
        let stop = AtomicBool::new(false);
        let mut noted = 0;
        let summary = resume(from, &run, &stop, &mut |summary| {
            if noted < until {
                ledger.note(summary, true).unwrap();
                noted = summary.seeds;
            }
            stop.store(summary.seeds >= until, std::sync::atomic::Ordering::Relaxed);
        });
        Summary { took: Duration::ZERO, cut_short: false, ..summary }
    }

    fn undisturbed(seeds: Range<u64>, out: &Path) -> Summary {
        let summary = sweep(&settings(seeds, out), &run, &AtomicBool::new(false), &mut |_| {});
        Summary { took: Duration::ZERO, ..summary }
    }

    fn read_back(folder: &Path) -> Read {
        read(folder, |head| Summary::new(&settings(head.seeds.clone(), folder))).unwrap()
    }

    /// A summary without what depends on the clock, as text.
    fn told(summary: &Summary) -> String {
        format!("{:?}", Summary { took: Duration::ZERO, ..summary.clone() })
    }

    #[test]
    fn a_sweep_that_is_killed_and_goes_on_is_one_that_was_not() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(10..150, folder.path());
        let fresh = Summary::new(&settings);
        let mut ledger = Ledger::begin(folder.path(), &fresh).unwrap();
        swept(fresh, &mut ledger, 40);
        drop(ledger);
        // Killed in the middle of a line.
        let path = folder.path().join(FILE);
        let mut bytes = fs::read(&path).unwrap();
        bytes.truncate(bytes.len() - 20);
        fs::write(&path, bytes).unwrap();

        let read = read_back(folder.path());
        assert_eq!(read.damage, [""; 0]);
        assert!((1..40).contains(&read.summary.seeds), "{}", read.summary.seeds);
        let mut ledger = Ledger::go_on(folder.path(), &read).unwrap();
        let resumed = swept(read.summary, &mut ledger, u64::MAX);
        ledger.note(&resumed, true).unwrap();
        let whole = undisturbed(10..150, folder.path());
        assert_eq!(told(&resumed), told(&whole));
        assert_eq!(told(&read_back(folder.path()).all), told(&whole));
    }

    #[test]
    fn what_is_damaged_is_told_with_its_line_and_the_rest_counts() {
        let folder = tempfile::tempdir().unwrap();
        let fresh = Summary::new(&settings(0..30, folder.path()));
        let mut ledger = Ledger::begin(folder.path(), &fresh).unwrap();
        swept(fresh, &mut ledger, u64::MAX);
        let path = folder.path().join(FILE);
        let lines = fs::read_to_string(&path).unwrap();
        let mut lines: Vec<String> = lines.lines().map(|line| format!("{line}\n")).collect();
        let count = lines.len();
        assert!(count > 5, "{count} lines");
        lines[3] = lines[3].replacen("\"kept\":", "\"kept\":1", 1);
        fs::write(&path, lines.concat()).unwrap();

        let read = read_back(folder.path());
        assert_eq!(read.damage.len(), 2, "{:?}", read.damage);
        assert!(
            read.damage[0].ends_with("ledger.jsonl:4: the line does not match its checksum"),
            "{:?}",
            read.damage
        );
        assert!(read.damage[1].contains("are missing before this line"), "{:?}", read.damage);
        assert!(read.summary.seeds < read.all.seeds && read.all.seeds < 30, "{:?}", read.all.seeds);
        assert_eq!(read.all.digest, undisturbed(0..30, folder.path()).digest);
    }

    #[test]
    fn the_parts_of_several_machines_add_up_and_no_seed_counts_twice() {
        let whole = tempfile::tempdir().unwrap();
        let parts: Vec<_> =
            [0..50, 50..80].into_iter().map(|seeds| (seeds, tempfile::tempdir().unwrap())).collect();
        let reads: Vec<Read> = parts
            .iter()
            .map(|(seeds, folder)| {
                let fresh = Summary::new(&settings(seeds.clone(), folder.path()));
                let mut ledger = Ledger::begin(folder.path(), &fresh).unwrap();
                let summary = swept(fresh, &mut ledger, u64::MAX);
                ledger.note(&summary, true).unwrap();
                read_back(folder.path())
            })
            .collect();
        let sum = merged(reads.clone()).unwrap();
        let one = undisturbed(0..80, whole.path());
        assert_eq!(
            (sum.seeds, sum.kept, sum.counts, &sum.looked),
            (one.seeds, one.kept, one.counts, &one.looked)
        );
        let seeds = |summary: &Summary| summary.failures.iter().map(|found| found.seed).collect::<Vec<_>>();
        assert_eq!(seeds(&sum), seeds(&one));
        let twice = merged([reads.clone(), reads].concat()).unwrap_err();
        assert_eq!(twice, "the seeds 0..50 were swept twice");
    }
}
