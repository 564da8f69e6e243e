//! Long sweeps: what is kept of them on disk, how they go on, and how several machines share one.

use super::arguments::{self, Shard};
use super::exit::{BROKEN, KEPT};
use super::{Done, print, print_json, say};
use crate::bugs;
use crate::plan::file::{named, reason};
use crate::plan::{GENERATOR_VERSION, Plan, generate};
use crate::report::{self, SweepReport};
use crate::sweep::ledger::{self, Head, Ledger};
use crate::sweep::{Settings, Summary};
use crate::text::shown;
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
        let Some(value) = variable(name)? else { return Ok(None) };
        value.parse().map(Some).map_err(|_| {
            format!("{name} is `{}`: expected a whole number from 0 to {}", shown(&value), u64::MAX)
        })
    };
    // The name of the number, those that the count may have, and the lowest number.
    let said: [(&str, &[&str], u64); 3] = [
        ("SLURM_ARRAY_TASK_ID", &["SLURM_ARRAY_TASK_COUNT"], number("SLURM_ARRAY_TASK_MIN")?.unwrap_or(0)),
        ("JOB_COMPLETION_INDEX", &["JOB_COMPLETION_COUNT", "JOB_COMPLETIONS"], 0),
        ("CI_NODE_INDEX", &["CI_NODE_TOTAL"], 1),
    ];
    let mut uncounted = None;
    for (index_name, count_names, lowest) in said {
        let Some(value) = number(index_name)? else { continue };
        let counts = count_names.iter().map(|name| Ok(number(name)?.map(|count| (*name, count))));
        let counts = counts.collect::<Result<Vec<_>, String>>()?;
        let Some((count_name, count)) = counts.into_iter().flatten().next() else {
            uncounted = uncounted.or(Some((index_name, value, count_names)));
            continue;
        };
        let index = value.checked_sub(lowest).filter(|index| *index < count).ok_or_else(|| {
            format!(
                "{index_name} is {value}, which is not one of the {count} numbers from {lowest} on that \
                 {count_name} tells of; --shard I/N says it without them"
            )
        })?;
        say(&format!("by {index_name} and {count_name} this is number {} of {count}", index + 1));
        return Ok(Some(Shard { index, count }));
    }
    match uncounted {
        None => Ok(None),
        // One of many that does not know of how many would do the work of them all, as would each of the others.
        Some((name, value, counts)) => Err(format!(
            "{name} is {value}, but of how many machines this is one is not said: set {}, or type --shard I/N (1/1 if \
             it is alone)",
            counts.join(" or ")
        )),
    }
}

/// An environment variable; `None` where it is empty or not set.
pub(super) fn variable(name: &str) -> Result<Option<String>, String> {
    let Some(value) = std::env::var_os(name).filter(|value| !value.is_empty()) else { return Ok(None) };
    let as_text = value.into_string();
    as_text
        .map(Some)
        .map_err(|value| format!("{name} is `{}`, which is not in UTF-8", shown(&value.to_string_lossy())))
}

/// The seeds of all machines together; of seeds without an end each has its own.
pub(super) fn shared(seeds: Option<Range<u64>>, shard: Option<Shard>) -> Result<Range<u64>, String> {
    match (seeds, shard) {
        (Some(seeds), _) => Ok(seeds),
        (None, None) => Ok(0..u64::MAX),
        (None, Some(Shard { count, .. })) => {
            let end = count.checked_mul(SEEDS_OF_A_SHARD);
            end.map(|end| 0..end).ok_or_else(|| format!("there are not enough seeds for {count} machines"))
        }
    }
}

/// Which of these seeds are those of one of several machines.
pub(super) fn part(seeds: &Range<u64>, shard: Option<Shard>) -> Result<Range<u64>, String> {
    let Some(Shard { index, count }) = shard else { return Ok(seeds.clone()) };
    let length = u128::from(seeds.end - seeds.start);
    let place = |index: u64| seeds.start + (length * u128::from(index) / u128::from(count)) as u64;
    match place(index)..place(index + 1) {
        part if part.is_empty() => Err(format!("there are fewer seeds than the {count} machines")),
        part => Ok(part),
    }
}

/// Where a sweep begins, and what it writes down: a sweep with a folder of its own, with a time, or one of several
/// machines keeps a ledger. One that is finished makes room for the next; any other is somebody's work.
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
    let path = folder.join(ledger::FILE);
    let cannot = |error| format!("{}: cannot be written: {}", named(&path), reason(&error));
    let held = ledger::hold(folder)?;
    let read = ledger::read(folder, |head| Summary::new(&with_head(settings, head)));
    let read = match read {
        Err(error) if !arguments.resume => {
            return Err(format!("{error}: take it away, or choose another folder"));
        }
        read => read?,
    };
    let Some(mut read) = read else {
        if arguments.resume {
            say(&format!("{}: nothing was noted there, so that a new sweep begins", named(&path)));
        }
        let ledger = Ledger::begin(held, &fresh).map_err(cannot)?;
        return Ok((fresh, Some(ledger)));
    };
    if !arguments.resume {
        let stands = format!("{} holds {} runs of {}", named(&path), read.summary.seeds, read.head);
        if !read.is_finished() {
            return Err(format!("{stands}, and may be gone on with: add --resume, or choose another folder"));
        }
        say(&format!("{stands}, all that it was for; it is replaced"));
        let ledger = Ledger::begin(held, &fresh).map_err(cannot)?;
        return Ok((fresh, Some(ledger)));
    }
    tell_damage(&read.damage);
    let (then, now) = (&read.head, Head::of(&fresh));
    let same_seeds = arguments.seeds.is_none() || then.seeds == now.seeds;
    if !then.is_of_the_same_kind(&now) || !same_seeds {
        return Err(format!("{} is about {then}, and this command about {now}", named(&path)));
    }
    if then.commit != now.commit {
        say(&format!("the sweep was begun with commit {} and goes on with {}", then.commit, now.commit));
    }
    if settings.lasts.is_some() {
        read.summary.settings.lasts = settings.lasts;
    }
    let ledger = Ledger::go_on(held, &read).map_err(cannot)?;
    Ok((read.summary, Some(ledger)))
}

/// Adds what several sweeps found out. What nobody ran, what cannot be read and what was run blindly is no kept promise.
pub(super) fn merge(arguments: &arguments::Merge) -> Done {
    let mut reads = Vec::new();
    for folder in &arguments.folders {
        let read = ledger::read(folder, |head| Summary::new(&of_head(folder, head)))?;
        let nothing = || format!("{}: nothing was noted there", named(&folder.join(ledger::FILE)));
        let read = read.ok_or_else(nothing)?;
        tell_damage(&read.damage);
        reads.push(read);
    }
    let damaged = reads.iter().any(|read| !read.damage.is_empty());
    let summary = ledger::merged(reads)?;
    if summary.generator_version != GENERATOR_VERSION {
        let version = summary.generator_version;
        say(&format!("these are seeds of version {version}, which mean something else in this build"));
    }
    if summary.commits.len() > 1 {
        say(&format!("these were made with different commits: {}", summary.commits.join(", ")));
    }
    match arguments.json {
        true => print_json(&SweepReport::of(&summary))?,
        false => print(&report::summary(&summary))?,
    }
    Ok(if summary.is_well() && !damaged { KEPT } else { BROKEN })
}

fn tell_damage(damage: &[String]) {
    damage.iter().for_each(|line| say(&format!("damaged: {line}; the rest is read")));
}

/// The settings of this command for the sweep that a ledger is about.
fn with_head(settings: &Settings, head: &Head) -> Settings {
    Settings {
        seeds: head.seeds.clone(),
        shared: head.shared.clone(),
        bug: head.bug.clone(),
        without: head.without.clone(),
        ..settings.clone()
    }
}

/// The settings of a sweep of which only the ledger is known.
fn of_head(folder: &Path, head: &Head) -> Settings {
    Settings {
        seeds: head.seeds.clone(),
        shared: head.shared.clone(),
        jobs: NonZeroUsize::MIN,
        lasts: None,
        out: folder.to_owned(),
        bug: head.bug.clone(),
        without: head.without.clone(),
        canary: Vec::new(),
    }
}
