//! Long sweeps: what is kept of them on disk, how they go on, and how several machines share one.

use super::arguments::{self, Shard};
use super::exit::{SUCCESS, VIOLATION};
use super::{CommandResult, print, print_json, print_message};
use crate::bugs;
use crate::plan::file::{display_path, error_reason};
use crate::plan::{GENERATOR_VERSION, Plan, generate};
use crate::report::{self, SweepReport};
use crate::sweep::ledger::{self, Ledger, LedgerHeader};
use crate::sweep::{Summary, SweepSettings};
use crate::text::display_value;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::Path;

/// The bug that every worker is shown: one that hardly any plan hides.
const CANARY_BUG: &str = "match-from-sent-index";
/// With how many plans.
const CANARY_PLANS: u64 = 20;
/// How many seeds each of several machines has where nobody says how many there are.
const SEEDS_PER_SHARD: u64 = 1 << 40;

/// Plans with a bug that must be caught. Without the feature `bugs` there are none.
pub(super) fn canary_plans() -> Vec<Plan> {
    if bugs::find(CANARY_BUG).is_none() {
        return Vec::new();
    }
    (0..CANARY_PLANS).map(|seed| Plan { bug: Some(CANARY_BUG.to_owned()), ..generate(seed) }).collect()
}

/// Which of several machines this is: as it was typed, or as whoever started it says.
pub(super) fn detect_shard(arguments: &arguments::SweepArgs) -> Result<Option<Shard>, String> {
    if arguments.shard.is_some() {
        return Ok(arguments.shard);
    }
    let number = |name: &str| -> Result<Option<u64>, String> {
        let Some(value) = env_var(name)? else { return Ok(None) };
        value.parse().map(Some).map_err(|_| {
            format!("{name} is `{}`: expected a whole number from 0 to {}", display_value(&value), u64::MAX)
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
        print_message(&format!("by {index_name} and {count_name} this is number {} of {count}", index + 1));
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
pub(super) fn env_var(name: &str) -> Result<Option<String>, String> {
    let Some(value) = std::env::var_os(name).filter(|value| !value.is_empty()) else { return Ok(None) };
    let as_text = value.into_string();
    as_text.map(Some).map_err(|value| {
        format!("{name} is `{}`, which is not in UTF-8", display_value(&value.to_string_lossy()))
    })
}

/// The seeds of all machines together; of seeds without an end each has its own.
pub(super) fn all_seeds(seeds: Option<Range<u64>>, shard: Option<Shard>) -> Result<Range<u64>, String> {
    match (seeds, shard) {
        (Some(seeds), _) => Ok(seeds),
        (None, None) => Ok(0..u64::MAX),
        (None, Some(Shard { count, .. })) => {
            let end = count.checked_mul(SEEDS_PER_SHARD);
            end.map(|end| 0..end).ok_or_else(|| format!("there are not enough seeds for {count} machines"))
        }
    }
}

/// Which of these seeds are those of one of several machines.
pub(super) fn shard_seeds(seeds: &Range<u64>, shard: Option<Shard>) -> Result<Range<u64>, String> {
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
pub(super) fn open_sweep(
    arguments: &arguments::SweepArgs,
    settings: &SweepSettings,
) -> Result<(Summary, Option<Ledger>), String> {
    let fresh = Summary::new(settings);
    let kept = arguments.out.is_some()
        || arguments.time_limit.is_some()
        || arguments.resume
        || arguments.shard.is_some();
    if !kept {
        return Ok((fresh, None));
    }
    let folder = &settings.out;
    let path = folder.join(ledger::LEDGER_FILE);
    let cannot = |error| format!("{}: cannot be written: {}", display_path(&path), error_reason(&error));
    let held = ledger::lock(folder)?;
    let read = ledger::read(folder, |head| Summary::new(&settings_with_header(settings, head)));
    let read = match read {
        Err(error) if !arguments.resume => {
            return Err(format!("{error}: take it away, or choose another folder"));
        }
        read => read?,
    };
    let Some(mut read) = read else {
        if arguments.resume {
            print_message(&format!(
                "{}: nothing was noted there, so that a new sweep begins",
                display_path(&path)
            ));
        }
        let ledger = Ledger::create(held, &fresh).map_err(cannot)?;
        return Ok((fresh, Some(ledger)));
    };
    if !arguments.resume {
        let stands = format!("{} holds {} runs of {}", display_path(&path), read.summary.seeds, read.header);
        if !read.is_finished() {
            return Err(format!("{stands}, and may be gone on with: add --resume, or choose another folder"));
        }
        print_message(&format!("{stands}, all that it was for; it is replaced"));
        let ledger = Ledger::create(held, &fresh).map_err(cannot)?;
        return Ok((fresh, Some(ledger)));
    }
    report_damage(&read.damage);
    let (then, now) = (&read.header, LedgerHeader::from_summary(&fresh));
    let same_seeds = arguments.seeds.is_none() || then.seeds == now.seeds;
    if !then.is_mergeable_with(&now) || !same_seeds {
        return Err(format!("{} is about {then}, and this command about {now}", display_path(&path)));
    }
    if then.commit != now.commit {
        print_message(&format!(
            "the sweep was begun with commit {} and goes on with {}",
            then.commit, now.commit
        ));
    }
    if settings.time_limit.is_some() {
        read.summary.settings.time_limit = settings.time_limit;
    }
    let ledger = Ledger::resume(held, &read).map_err(cannot)?;
    Ok((read.summary, Some(ledger)))
}

/// Adds what several sweeps found out. What nobody ran, what cannot be read and what was run blindly is no kept promise.
pub(super) fn merge(arguments: &arguments::MergeArgs) -> CommandResult {
    let mut reads = Vec::new();
    for folder in &arguments.folders {
        let read = ledger::read(folder, |head| Summary::new(&settings_of_header(folder, head)))?;
        let nothing =
            || format!("{}: nothing was noted there", display_path(&folder.join(ledger::LEDGER_FILE)));
        let read = read.ok_or_else(nothing)?;
        report_damage(&read.damage);
        reads.push(read);
    }
    let damaged = reads.iter().any(|read| !read.damage.is_empty());
    let summary = ledger::merge(reads)?;
    if summary.generator_version != GENERATOR_VERSION {
        let version = summary.generator_version;
        print_message(&format!(
            "these are seeds of version {version}, which mean something else in this build"
        ));
    }
    if summary.commits.len() > 1 {
        print_message(&format!("these were made with different commits: {}", summary.commits.join(", ")));
    }
    match arguments.json {
        true => print_json(&SweepReport::of(&summary))?,
        false => print(&report::sweep_summary(&summary))?,
    }
    Ok(if summary.is_success() && !damaged { SUCCESS } else { VIOLATION })
}

fn report_damage(damage: &[String]) {
    damage.iter().for_each(|line| print_message(&format!("damaged: {line}; the rest is read")));
}

/// The settings of this command for the sweep that a ledger is about.
fn settings_with_header(settings: &SweepSettings, head: &LedgerHeader) -> SweepSettings {
    SweepSettings {
        seeds: head.seeds.clone(),
        all_seeds: head.shared.clone(),
        bug: head.bug.clone(),
        disabled: head.without.clone(),
        ..settings.clone()
    }
}

/// The settings of a sweep of which only the ledger is known.
fn settings_of_header(folder: &Path, head: &LedgerHeader) -> SweepSettings {
    SweepSettings {
        seeds: head.seeds.clone(),
        all_seeds: head.shared.clone(),
        jobs: NonZeroUsize::MIN,
        time_limit: None,
        out: folder.to_owned(),
        bug: head.bug.clone(),
        disabled: head.without.clone(),
        canary_plans: Vec::new(),
    }
}
