//! The ledger of a sweep: started, resumed, or left alone.

use super::{arguments, print_message, signals};
use crate::findings::child::check_in_child;
use crate::outcome::Options;
use crate::plan::file::{display_path, error_reason};
use crate::sweep::ledger::{self, Ledger, LedgerHeader};
use crate::sweep::{self, Summary, SweepSettings, in_flight};

/// The summary a sweep starts from, and its ledger. A sweep with `--out`, `--for`, `--resume` or `--shard` has a
/// ledger. A finished ledger is replaced; an unfinished one must be resumed or left alone.
pub(super) fn open_sweep(
    arguments: &arguments::SweepArgs,
    settings: &SweepSettings,
) -> Result<(Summary, Option<Ledger>), String> {
    let mut fresh = Summary::new(settings);
    let has_ledger = arguments.out.is_some()
        || arguments.time_limit.is_some()
        || arguments.resume
        || arguments.shard.is_some();
    if !has_ledger {
        return Ok((fresh, None));
    }
    fresh.settings.records_in_flight = true;
    let folder = &settings.out;
    let path = folder.join(ledger::LEDGER_FILE);
    let cannot = |error| format!("{}: cannot be written: {}", display_path(&path), error_reason(&error));
    let lock = ledger::lock(folder)?;
    let read = match ledger::read(folder, &settings.system) {
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
    let same_seeds = arguments.seeds.is_none() || stored.settings.seeds == requested.settings.seeds;
    if !stored.is_mergeable_with(&requested) || !same_seeds {
        return Err(format!("{} is about {stored}, and this command about {requested}", display_path(&path)));
    }
    if stored.commit != requested.commit {
        print_message(&format!(
            "the sweep was started with commit {} and is resumed with {}",
            stored.commit, requested.commit
        ));
    }
    let time_limit = settings.time_limit.or(stored.settings.time_limit);
    let SweepSettings { seeds, all_seeds, .. } = read.summary.settings;
    read.summary.settings = SweepSettings { seeds, all_seeds, time_limit, ..settings.clone() };
    let ledger = Ledger::resume(lock, &read).map_err(cannot)?;
    read.summary.settings.records_in_flight = true;
    Ok((read.summary, Some(ledger)))
}

/// Finds out which of the seeds in flight ended the process of the sweep before, and adds them as failures. The others run
/// again.
pub(super) fn add_seeds_without_end(summary: &mut Summary) -> Result<(), String> {
    let settings = summary.settings.clone();
    let SweepSettings { system, out, disabled, hang_after, .. } = settings.clone();
    let seeds = in_flight::read(&out)?.difference(&summary.ran);
    if seeds.is_empty() {
        return Ok(());
    }
    print_message(&format!(
        "the sweep before did not end; each seed in flight runs in a process of its own first: {seeds}"
    ));
    let options = Options { disabled, ..Options::default() };
    for seed in seeds.ranges().cloned().flatten() {
        if signals::is_stop_requested() {
            return Ok(());
        }
        let plan = settings.plan(seed);
        match check_in_child(&system, &plan, &options, hang_after) {
            Ok(None) => {}
            Ok(Some(failure)) => {
                print_message(&format!("seed {seed} violated {}: {}", failure.property, failure.cause));
                sweep::add_failure_without_end(summary, seed, failure);
            }
            Err(_) if signals::is_stop_requested() => return Ok(()),
            Err(message) => return Err(message),
        }
    }
    Ok(())
}

/// Reports lines of a ledger that cannot be used.
pub(super) fn report_damage(damage: &[String]) {
    damage.iter().for_each(|line| print_message(&format!("damaged: {line}; the other lines are used")));
}
