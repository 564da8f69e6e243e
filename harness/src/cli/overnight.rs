//! Long sweeps: what is kept of them on disk, how they go on, and how several machines share one.

use super::arguments::{self, Shard};
use super::many::print_json;
use super::{BROKEN, Done, KEPT, print, say};
use crate::bugs;
use crate::plan::{GENERATOR_VERSION, Plan, generate};
use crate::report::{self, SweepReport};
use crate::sweep::ledger::{self, Head, Ledger};
use crate::sweep::{Settings, Summary};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::Path;

/// The bug that every worker is shown: one that hardly any plan hides.
const CANARY: &str = "match-from-sent-index";
/// With how many plans.
const CANARIES: u64 = 20;
/// How many seeds each of several machines has where nobody says how many there are.
const SEEDS_OF_A_SHARD: u64 = 1 << 40;

/// Plans with a bug that must be caught. Without the feature `bugs` there are none.
pub(super) fn canary() -> Vec<Plan> {
    if bugs::find(CANARY).is_none() {
        return Vec::new();
    }
    (0..CANARIES).map(|seed| Plan { bug: Some(CANARY.to_owned()), ..generate(seed) }).collect()
}

/// Which of several machines this is: as it was typed, or as whoever started it says.
pub(super) fn shard(arguments: &arguments::Sweep) -> Result<Option<Shard>, String> {
    if arguments.shard.is_some() {
        return Ok(arguments.shard);
    }
    let number = |name: &str| -> Result<Option<u64>, String> {
        let Some(value) = std::env::var(name).ok().filter(|value| !value.is_empty()) else { return Ok(None) };
        value.parse().map(Some).map_err(|_| format!("{name} is `{value}`, which is no number"))
    };
    // The name of the number, that of the count, and the lowest number.
    let said = [
        ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", number("SLURM_ARRAY_TASK_MIN")?.unwrap_or(0)),
        ("JOB_COMPLETION_INDEX", "JOB_COMPLETION_COUNT", 0),
        ("JOB_COMPLETION_INDEX", "JOB_COMPLETIONS", 0),
        ("CI_NODE_INDEX", "CI_NODE_TOTAL", 1),
    ];
    for (index_name, count_name, lowest) in said {
        if let (Some(index), Some(count)) = (number(index_name)?, number(count_name)?) {
            let index = index.checked_sub(lowest).filter(|index| *index < count);
            let index = index.ok_or_else(|| format!("{index_name} is not one of {count_name} numbers"))?;
            say(&format!("by {index_name} this is number {} of {count}", index + 1));
            return Ok(Some(Shard { index, count }));
        }
    }
    Ok(None)
}

/// The seeds of one of several machines; of seeds without an end each has its own.
pub(super) fn part(seeds: Option<Range<u64>>, shard: Option<Shard>) -> Result<Range<u64>, String> {
    let Some(Shard { index, count }) = shard else { return Ok(seeds.unwrap_or(0..u64::MAX)) };
    let Some(seeds) = seeds else {
        let first = index.checked_mul(SEEDS_OF_A_SHARD);
        let range = first.and_then(|first| Some(first..first.checked_add(SEEDS_OF_A_SHARD)?));
        return range.ok_or_else(|| format!("there are not enough seeds for {count} machines"));
    };
    let length = u128::from(seeds.end - seeds.start);
    let place = |index: u64| seeds.start + (length * u128::from(index) / u128::from(count)) as u64;
    match place(index)..place(index + 1) {
        part if part.is_empty() => Err(format!("there are fewer seeds than the {count} machines")),
        part => Ok(part),
    }
}

/// Where a sweep begins, and what it writes down: a sweep with a folder of its own, with a time, or one of several
/// machines keeps a ledger.
pub(super) fn begin(
    arguments: &arguments::Sweep,
    settings: &Settings,
) -> Result<(Summary, Option<Ledger>), String> {
    let fresh = Summary::new(settings);
    let kept =
        arguments.out.is_some() || arguments.lasts.is_some() || arguments.resume || arguments.shard.is_some();
    if !kept {
        return Ok((fresh, None));
    }
    let folder = &settings.out;
    let cannot = |error| format!("{}: cannot be written: {error}", folder.join(ledger::FILE).display());
    if !arguments.resume || !folder.join(ledger::FILE).exists() {
        let ledger = Ledger::begin(folder, &fresh).map_err(cannot)?;
        return Ok((fresh, Some(ledger)));
    }
    let read = ledger::read(folder, |head| Summary::new(&with_head(settings, head)))?;
    tell_damage(&read.damage);
    let (then, now) = (&read.head, Head::of(&fresh));
    if !then.is_of_the_same_kind(&now) || (arguments.seeds.is_some() && then.seeds != now.seeds) {
        return Err(format!(
            "{} is about something else: seeds {:?}@{}, bug {:?}, without {:?}",
            folder.display(),
            then.seeds,
            then.generator_version,
            then.bug,
            then.without
        ));
    }
    if then.commit != now.commit {
        say(&format!("the sweep was begun with commit {} and goes on with {}", then.commit, now.commit));
    }
    let ledger = Ledger::go_on(folder, &read).map_err(cannot)?;
    Ok((read.summary, Some(ledger)))
}

/// Adds what several sweeps found out.
pub(super) fn merge(arguments: &arguments::Merge) -> Done {
    let mut reads = Vec::new();
    for folder in &arguments.folders {
        let read = ledger::read(folder, |head| Summary::new(&of_head(folder, head)))?;
        tell_damage(&read.damage);
        reads.push(read);
    }
    let damaged = reads.iter().any(|read| !read.damage.is_empty());
    let summary = ledger::merged(reads)?;
    match arguments.json {
        true => print_json(&SweepReport::of(&summary))?,
        false => print(&report::summary(&summary))?,
    }
    Ok(if summary.failures.is_empty() && !damaged { KEPT } else { BROKEN })
}

fn tell_damage(damage: &[String]) {
    damage.iter().for_each(|line| say(&format!("damaged: {line}; the rest is read")));
}

/// The settings of this command for the sweep that a ledger is about.
fn with_head(settings: &Settings, head: &Head) -> Settings {
    Settings {
        seeds: head.seeds.clone(),
        bug: head.bug.clone(),
        without: head.without.clone(),
        ..settings.clone()
    }
}

/// The settings of a sweep of which only the ledger is known.
fn of_head(folder: &Path, head: &Head) -> Settings {
    if head.generator_version != GENERATOR_VERSION {
        let version = head.generator_version;
        say(&format!(
            "{} is about seeds of version {version}, which mean something else today",
            folder.display()
        ));
    }
    Settings {
        seeds: head.seeds.clone(),
        jobs: NonZeroUsize::MIN,
        lasts: None,
        out: folder.to_owned(),
        bug: head.bug.clone(),
        without: head.without.clone(),
        canary: Vec::new(),
    }
}
