//! Long sweeps: their ledger, resuming them, and sharing one between machines.

use super::arguments::{self, Shard};
use super::exit::{SUCCESS, VIOLATION};
use super::{CommandResult, print, print_json, print_message};
use crate::plan::bugs;
use crate::plan::file::{display_path, error_reason};
use crate::plan::{GENERATOR_VERSION, Plan, generate};
use crate::report::{self, SweepReport};
use crate::support::text::display_value;
use crate::sweep::ledger::{self, Ledger, LedgerHeader};
use crate::sweep::{Summary, SweepSettings};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::Path;

/// The bug of the canary plans: nearly every plan exposes it.
const CANARY_BUG: &str = "match-from-sent-index";
/// Number of canary plans.
const CANARY_PLANS: u64 = 20;
/// Seeds per machine if `--seeds` is not given.
const SEEDS_PER_SHARD: u64 = 1 << 40;

/// The canary plans. None without the feature `bugs`.
pub(super) fn canary_plans() -> Vec<Plan> {
    if bugs::find(CANARY_BUG).is_none() {
        return Vec::new();
    }
    (0..CANARY_PLANS).map(|seed| Plan { bug: Some(CANARY_BUG.to_owned()), ..generate(seed) }).collect()
}

/// The part of this machine: from `--shard`, or from the environment variables of a job scheduler.
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
    // Variable with the index, variables with the count, lowest index.
    let sources: [(&str, &[&str], u64); 3] = [
        ("SLURM_ARRAY_TASK_ID", &["SLURM_ARRAY_TASK_COUNT"], number("SLURM_ARRAY_TASK_MIN")?.unwrap_or(0)),
        ("JOB_COMPLETION_INDEX", &["JOB_COMPLETION_COUNT", "JOB_COMPLETIONS"], 0),
        ("CI_NODE_INDEX", &["CI_NODE_TOTAL"], 1),
    ];
    let mut uncounted = None;
    for (index_name, count_names, lowest) in sources {
        let Some(value) = number(index_name)? else { continue };
        let counts = count_names.iter().map(|name| Ok(number(name)?.map(|count| (*name, count))));
        let counts = counts.collect::<Result<Vec<_>, String>>()?;
        let Some((count_name, count)) = counts.into_iter().flatten().next() else {
            uncounted = uncounted.or(Some((index_name, value, count_names)));
            continue;
        };
        let index = value.checked_sub(lowest).filter(|index| *index < count).ok_or_else(|| {
            format!(
                "{index_name} is {value}, but must be one of the {count} numbers from {lowest} on \
                 ({count_name}); --shard I/N overrides both"
            )
        })?;
        print_message(&format!("{index_name} and {count_name}: this is part {} of {count}", index + 1));
        return Ok(Some(Shard { index, count }));
    }
    match uncounted {
        None => Ok(None),
        // Without the count every machine would run all seeds.
        Some((name, value, counts)) => Err(format!(
            "{name} is {value}, but the number of machines is not given: set {}, or use --shard I/N (1/1 if \
             there is one)",
            counts.join(" or ")
        )),
    }
}

/// An environment variable; `None` if it is not set or empty.
pub(super) fn env_var(name: &str) -> Result<Option<String>, String> {
    let Some(value) = std::env::var_os(name).filter(|value| !value.is_empty()) else { return Ok(None) };
    let as_text = value.into_string();
    as_text.map(Some).map_err(|value| {
        format!("{name} is `{}`, which is not in UTF-8", display_value(&value.to_string_lossy()))
    })
}

/// The seeds of all machines. Without `--seeds` each machine gets a fixed number.
pub(super) fn all_seeds(seeds: Option<Range<u64>>, shard: Option<Shard>) -> Result<Range<u64>, String> {
    match (seeds, shard) {
        (Some(seeds), _) => Ok(seeds),
        (None, None) => Ok(0..u64::MAX),
        (None, Some(Shard { count, .. })) => {
            let end = count.checked_mul(SEEDS_PER_SHARD);
            end.map(|end| 0..end).ok_or_else(|| format!("there are too few seeds for {count} machines"))
        }
    }
}

/// The seeds of one machine.
pub(super) fn shard_seeds(seeds: &Range<u64>, shard: Option<Shard>) -> Result<Range<u64>, String> {
    let Some(Shard { index, count }) = shard else { return Ok(seeds.clone()) };
    let length = u128::from(seeds.end - seeds.start);
    let place = |index: u64| seeds.start + (length * u128::from(index) / u128::from(count)) as u64;
    match place(index)..place(index + 1) {
        part if part.is_empty() => Err(format!("there are fewer seeds than the {count} machines")),
        part => Ok(part),
    }
}

/// The summary a sweep starts from, and its ledger. A sweep with `--out`, `--for`, `--resume` or `--shard` has a
/// ledger. A finished ledger is replaced; an unfinished one must be resumed or left alone.
pub(super) fn open_sweep(
    arguments: &arguments::SweepArgs,
    settings: &SweepSettings,
) -> Result<(Summary, Option<Ledger>), String> {
    let fresh = Summary::new(settings);
    let has_ledger = arguments.out.is_some()
        || arguments.time_limit.is_some()
        || arguments.resume
        || arguments.shard.is_some();
    if !has_ledger {
        return Ok((fresh, None));
    }
    let folder = &settings.out;
    let path = folder.join(ledger::LEDGER_FILE);
    let cannot = |error| format!("{}: cannot be written: {}", display_path(&path), error_reason(&error));
    let lock = ledger::lock(folder)?;
    let read = ledger::read(folder, |header| Summary::new(&settings_with_header(settings, header)));
    let read = match read {
        Err(error) if !arguments.resume => {
            return Err(format!("{error}: remove the ledger, or choose another folder"));
        }
        read => read?,
    };
    let Some(mut read) = read else {
        if arguments.resume {
            print_message(&format!(
                "{}: there are no results to resume, so a new sweep starts",
                display_path(&path)
            ));
        }
        let ledger = Ledger::create(lock, &fresh).map_err(cannot)?;
        return Ok((fresh, Some(ledger)));
    };
    if !arguments.resume {
        let contents =
            format!("{} holds {} runs of {}", display_path(&path), read.summary.seeds, read.header);
        if !read.is_finished() {
            return Err(format!("{contents} and is unfinished: add --resume, or choose another folder"));
        }
        print_message(&format!("{contents} and is finished; it is replaced"));
        let ledger = Ledger::create(lock, &fresh).map_err(cannot)?;
        return Ok((fresh, Some(ledger)));
    }
    report_damage(&read.damage);
    let (stored, requested) = (&read.header, LedgerHeader::from_summary(&fresh));
    let same_seeds = arguments.seeds.is_none() || stored.seeds == requested.seeds;
    if !stored.is_mergeable_with(&requested) || !same_seeds {
        return Err(format!("{} is about {stored}, and this command about {requested}", display_path(&path)));
    }
    if stored.commit != requested.commit {
        print_message(&format!(
            "the sweep was started with commit {} and is resumed with {}",
            stored.commit, requested.commit
        ));
    }
    if settings.time_limit.is_some() {
        read.summary.settings.time_limit = settings.time_limit;
    }
    let ledger = Ledger::resume(lock, &read).map_err(cannot)?;
    Ok((read.summary, Some(ledger)))
}

/// Adds the results of several sweeps. Missing seeds, unreadable lines and missed canaries are failures.
pub(super) fn merge(arguments: &arguments::MergeArgs) -> CommandResult {
    let mut reads = Vec::new();
    for folder in &arguments.folders {
        let read = ledger::read(folder, |header| Summary::new(&settings_of_header(folder, header)))?;
        let no_results =
            || format!("{}: there are no results", display_path(&folder.join(ledger::LEDGER_FILE)));
        let read = read.ok_or_else(no_results)?;
        report_damage(&read.damage);
        reads.push(read);
    }
    let damaged = reads.iter().any(|read| !read.damage.is_empty());
    let summary = ledger::merge(reads)?;
    if summary.generator_version != GENERATOR_VERSION {
        let version = summary.generator_version;
        print_message(&format!(
            "these seeds belong to generator version {version} and have other plans in this build"
        ));
    }
    if summary.commits.len() > 1 {
        print_message(&format!("the results come from different commits: {}", summary.commits.join(", ")));
    }
    match arguments.json {
        true => print_json(&SweepReport::of(&summary))?,
        false => print(&report::sweep_summary(&summary))?,
    }
    Ok(if summary.is_success() && !damaged { SUCCESS } else { VIOLATION })
}

fn report_damage(damage: &[String]) {
    damage.iter().for_each(|line| print_message(&format!("damaged: {line}; the other lines are used")));
}

/// The settings of this command, for the sweep of a ledger.
fn settings_with_header(settings: &SweepSettings, header: &LedgerHeader) -> SweepSettings {
    SweepSettings {
        seeds: header.seeds.clone(),
        all_seeds: header.all_seeds.clone(),
        bug: header.bug.clone(),
        disabled: header.disabled.clone(),
        ..settings.clone()
    }
}

/// The settings of a sweep of which only the ledger is known.
fn settings_of_header(folder: &Path, header: &LedgerHeader) -> SweepSettings {
    SweepSettings {
        seeds: header.seeds.clone(),
        all_seeds: header.all_seeds.clone(),
        jobs: NonZeroUsize::MIN,
        time_limit: None,
        out: folder.to_owned(),
        bug: header.bug.clone(),
        disabled: header.disabled.clone(),
        canary_plans: Vec::new(),
    }
}
