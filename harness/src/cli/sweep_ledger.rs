//! The ledger of a sweep: started, resumed, or left alone.

use super::{arguments, print_message, signals};
use crate::findings::child::check_in_child;
use crate::outcome::Options;
use crate::plan::file::{display_path, error_reason};
use crate::sweep::ledger::{self, Ledger, LedgerHeader};
use crate::sweep::{self, Summary, SweepSettings, in_flight};

/// What a sweep starts from.
pub(super) struct OpenedSweep {
    /// The results so far.
    pub(super) summary: Summary,
    /// Where the results are written.
    pub(super) ledger: Option<Ledger>,
    /// Whether it goes on with a sweep that was interrupted.
    pub(super) is_resumed: bool,
}

/// Opens the ledger of a sweep. A sweep with `--out`, `--for`, `--resume` or `--shard`, or under a job scheduler, has a
/// ledger. A finished ledger is replaced; an unfinished one must be resumed or left alone. A scheduler runs an index
/// again that was interrupted: then the same sweep is resumed without `--resume`.
pub(super) fn open_sweep(
    arguments: &arguments::SweepArgs,
    settings: &SweepSettings,
    is_scheduled: bool,
) -> Result<OpenedSweep, String> {
    let mut fresh = Summary::new(settings);
    let has_ledger = arguments.out.is_some()
        || arguments.time_limit.is_some()
        || arguments.resume
        || arguments.shard.is_some()
        || is_scheduled;
    if !has_ledger {
        return Ok(OpenedSweep { summary: fresh, ledger: None, is_resumed: false });
    }
    fresh.settings.records_in_flight = true;
    let folder = &settings.out;
    let path = folder.join(ledger::LEDGER_FILE);
    let cannot = |error| format!("{}: cannot be written: {}", display_path(&path), error_reason(&error));
    let lock = ledger::lock(folder, &mut |message| print_message(message))?;
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
        let ledger = Some(Ledger::create(lock, &fresh).map_err(cannot)?);
        return Ok(OpenedSweep { summary: fresh, ledger, is_resumed: arguments.resume });
    };
    if read.header.merged.is_some() {
        return Err(format!("{} is the result of a merge: choose another folder", display_path(&path)));
    }
    let requested = LedgerHeader::from_summary(&fresh);
    let is_retry = is_scheduled && read.header.is_same_sweep(&requested);
    if !arguments.resume && !is_retry {
        let contents =
            format!("{} holds {} runs of {}", display_path(&path), read.summary.seeds, read.header);
        if !read.is_finished() {
            return Err(format!("{contents} and is unfinished: add --resume, or choose another folder"));
        }
        print_message(&format!("{contents} and is finished; it is replaced"));
        let ledger = Some(Ledger::create(lock, &fresh).map_err(cannot)?);
        return Ok(OpenedSweep { summary: fresh, ledger, is_resumed: arguments.resume });
    }
    report_damage(&read.damage);
    if !arguments.resume {
        let (path, seeds) = (display_path(&path), read.summary.seeds);
        print_message(&format!("{path}: this part was begun before and has {seeds} runs; it goes on"));
    }
    let stored = &read.header;
    let is_named = arguments.seeds.is_some() || arguments.window.is_some();
    let same_seeds = !is_named || stored.settings.seeds == requested.settings.seeds;
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
    let SweepSettings { seeds, all_seeds, shard, window, .. } = read.summary.settings;
    read.summary.settings = SweepSettings { seeds, all_seeds, shard, window, time_limit, ..settings.clone() };
    let ledger = Ledger::resume(lock, &read).map_err(cannot)?;
    read.summary.settings.records_in_flight = true;
    Ok(OpenedSweep { summary: read.summary, ledger: Some(ledger), is_resumed: true })
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
fn report_damage(damage: &[String]) {
    damage.iter().for_each(|line| print_message(&format!("damaged: {line}; the other lines are used")));
}
