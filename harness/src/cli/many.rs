//! The verbs that run many plans: `sweep` and `bench`.

use super::exit::{BROKEN, KEPT, UNUSABLE};
use super::signals::{self, STOP};
use super::smaller::{self, Groups};
use super::{Done, arguments, known, overnight, paths, print, print_json, say};
use crate::plan::file::{named, reason};
use crate::report::{self, Progress, SweepReport};
use crate::sweep::{self, Seeds, Settings, Summary};
use crate::{bench, run};
use std::num::NonZeroUsize;
use std::thread;
use std::time::Duration;

/// The folder for failing plans where nothing else is said.
const FAILURES: &str = "failures";
/// How many seeds are swept where nothing else is said.
const SEEDS: u64 = 2_000;
/// How many seeds a sentence names.
const NAMED: usize = 8;

pub(super) fn sweep(arguments: &arguments::Sweep) -> Done {
    known::bug(arguments.changes.bug.as_deref())?;
    let without = known::options_without(&arguments.changes.without)?.without;
    let out = arguments.out.clone().unwrap_or_else(|| FAILURES.into());
    paths::folder(&out)?;
    let lasts = arguments.lasts.map(|lasts| Duration::from_nanos(lasts.0));
    let shard = overnight::shard(arguments)?;
    let asked = arguments.seeds.clone().or_else(|| lasts.is_none().then_some(0..SEEDS));
    let shared = overnight::shared(asked, shard)?;
    let settings = Settings {
        seeds: overnight::part(&shared, shard)?,
        shared,
        jobs: arguments.jobs.unwrap_or_else(|| thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)),
        lasts,
        out,
        bug: arguments.changes.bug.clone(),
        without,
        canary: overnight::canary(),
    };
    let (before, mut ledger) = overnight::begin(arguments, &settings)?;
    let settings = before.settings.clone();
    paths::tidy(&settings.out);
    let ran_before = before.ran.clone();
    signals::listen("finishing the seeds that are under way; once more to end at once")?;

    let mut progress = Progress::new(&settings);
    let mut is_told = false;
    let summary = sweep::resume(before, &run::run, &STOP, &mut |summary| {
        progress.show(summary);
        let noted = ledger.as_mut().map_or(Ok(()), |ledger| ledger.note(summary, false));
        if let (Err(error), Some(ledger), false) = (noted, &ledger, is_told) {
            let path = named(ledger.path());
            progress.say(&format!(
                "{path}: cannot be written: {}; it is tried again each second",
                reason(&error)
            ));
            is_told = true;
        }
    });
    progress.finish();
    let mut unwritten = Vec::new();
    // What could not be written before is written now, if it can be.
    let noted = ledger.as_mut().map_or(Ok(()), |ledger| ledger.note(&summary, true));
    if let (Err(error), Some(ledger)) = (noted, &ledger) {
        unwritten.push(format!("{}: not all results are in it: {}", named(ledger.path()), reason(&error)));
    }
    unwritten.extend(unwritten_plans(&summary, &ran_before));

    let small = match arguments.as_found {
        true => Groups::default(),
        false => smaller::smallest_of_each_group(&summary),
    };
    unwritten.extend(small.unwritten);
    let code = signals::code(exit_code(&summary, &unwritten));
    match arguments.json {
        true => print_json(&SweepReport { not_written: unwritten.clone(), ..SweepReport::of(&summary) })?,
        false => print(&(report::summary(&summary) + &small.text))?,
    }
    small.left.iter().for_each(|line| say(&format!("not as small as it gets: {line}")));
    unwritten.iter().for_each(|line| say(&format!("not written: {line}")));
    Ok(code)
}

/// What a sweep came to.
fn exit_code(summary: &Summary, unwritten: &[String]) -> u8 {
    if !unwritten.is_empty() {
        return UNUSABLE;
    }
    if summary.is_well() { KEPT } else { BROKEN }
}

/// The plans of failing seeds that this sweep should have written and that are not there.
fn unwritten_plans(summary: &Summary, ran_before: &Seeds) -> Option<String> {
    let found = summary.failures.iter().filter(|found| !ran_before.contains(found.seed));
    let lost = found.filter(|found| found.plan.as_ref().is_none_or(|path| !path.exists()));
    let lost: Vec<String> = lost.map(|found| found.seed.to_string()).collect();
    let more = match lost.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let why = summary.unwritten.as_deref().unwrap_or("they were removed during the sweep");
    (!lost.is_empty()).then(|| {
        let seeds = lost[..lost.len().min(NAMED)].join(", ");
        format!("the plans of the seeds {seeds}{more}: {why}; the seeds say all of it")
    })
}

pub(super) fn bench(arguments: &arguments::Bench) -> Done {
    let figures = bench::measure();
    match arguments.json {
        true => print_json(&figures)?,
        false => print(&report::figures(&figures))?,
    }
    Ok(KEPT)
}
