//! The verbs that run many plans: `sweep` and `bench`.

use super::smaller::{self, Groups};
use super::{BROKEN, Done, KEPT, arguments, known, overnight, print, say};
use crate::plan::file::{no_more_writing, reason};
use crate::report::{self, Progress, SweepReport};
use crate::sweep::{self, Settings};
use crate::{bench, run};
use serde::Serialize;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// The folder for failing plans where nothing else is said.
const FAILURES: &str = "failures";
/// How many seeds are swept where nothing else is said.
const SEEDS: u64 = 2_000;

/// Set by the first Ctrl-C or SIGTERM.
pub(super) static STOP: AtomicBool = AtomicBool::new(false);

pub(super) fn sweep(arguments: &arguments::Sweep) -> Done {
    known::bug(arguments.changes.bug.as_deref())?;
    let without = known::options_without(&arguments.changes.without)?.without;
    let out = arguments.out.clone().unwrap_or_else(|| FAILURES.into());
    writable(&out)?;
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
    listen_for_signals("finishing the seeds that are under way; once more to end at once")?;

    let mut progress = Progress::new(&settings);
    let mut lost = None;
    let summary = sweep::resume(before, &run::run, &STOP, &mut |summary| {
        progress.show(summary);
        let noted = ledger.as_mut().map_or(Ok(()), |ledger| ledger.note(summary, false));
        lost = lost.take().or(noted.err());
    });
    progress.finish();
    let noted = ledger.as_mut().map_or(Ok(()), |ledger| ledger.note(&summary, true));
    if let (Some(error), Some(ledger)) = (lost.or(noted.err()), &ledger) {
        say(&format!("{}: not all could be written: {}", ledger.path().display(), reason(&error)));
    }

    let small = match arguments.as_found {
        true => Groups::default(),
        false => smaller::smallest_of_each_group(&summary),
    };
    match arguments.json {
        true => print_json(&SweepReport::of(&summary))?,
        false => print(&(report::summary(&summary) + &small.text))?,
    }
    small.left.iter().for_each(|line| say(&format!("not as small as it gets: {line}")));
    Ok(if summary.is_well() { KEPT } else { BROKEN })
}

pub(super) fn bench(arguments: &arguments::Bench) -> Done {
    let figures = bench::measure();
    match arguments.json {
        true => print_json(&figures)?,
        false => print(&report::figures(&figures))?,
    }
    Ok(KEPT)
}

pub(super) fn print_json(report: &impl Serialize) -> Result<(), String> {
    let text =
        serde_json::to_string(report).map_err(|error| format!("the report cannot be written: {error}"))?;
    print(&(text + "\n"))
}

/// The first signal ends the sweep with its summary, a second one ends it at once.
pub(super) fn listen_for_signals(said: &'static str) -> Result<(), String> {
    ctrlc::set_handler(move || {
        if STOP.swap(true, Ordering::Relaxed) {
            // At once, but for a failing plan that is half written.
            let _nothing_is_written = no_more_writing();
            process::exit(130);
        }
        say(said);
    })
    .map_err(|error| format!("signals cannot be heard: {error}"))
}

/// Refuses a folder that no failing plan could be written to. It is not made: most sweeps need none.
pub(super) fn writable(folder: &Path) -> Result<(), String> {
    let is_there = |folder: &&Path| folder.as_os_str().is_empty() || folder.symlink_metadata().is_ok();
    let nearest = folder.ancestors().find(is_there).unwrap_or(Path::new("."));
    let nearest = if nearest.as_os_str().is_empty() { Path::new(".") } else { nearest };
    let tried = match nearest.metadata() {
        Ok(metadata) if !metadata.is_dir() => Err(io::Error::from(io::ErrorKind::NotADirectory)),
        // On a full disk a file can be made, but nothing written into it.
        Ok(_) => tempfile::tempfile_in(nearest).and_then(|mut file| file.write_all(&[0; 4_096])),
        Err(error) => Err(error),
    };
    tried.map_err(|error| {
        format!("the folder `{}` for failing plans cannot be written: {}", folder.display(), reason(&error))
    })
}
