//! The ledger of a sweep: started, resumed, or left alone.

use super::{arguments, print_message};
use crate::plan::file::{display_path, error_reason};
use crate::sweep::ledger::{self, Ledger, LedgerHeader};
use crate::sweep::{Summary, SweepSettings};

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
    let SweepSettings { jobs, out, canary_plans, .. } = settings.clone();
    let time_limit = settings.time_limit.or(stored.settings.time_limit);
    read.summary.settings = SweepSettings { jobs, out, canary_plans, time_limit, ..read.summary.settings };
    let ledger = Ledger::resume(lock, &read).map_err(cannot)?;
    Ok((read.summary, Some(ledger)))
}

/// Reports lines of a ledger that cannot be used.
pub(super) fn report_damage(damage: &[String]) {
    damage.iter().for_each(|line| print_message(&format!("damaged: {line}; the other lines are used")));
}
