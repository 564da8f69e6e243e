//! The verb that makes plans smaller: `shrink`.

use super::{Done, KEPT, arguments, print, say};
use crate::shrink::Settings;
use crate::survey;
use std::num::NonZeroUsize;
use std::sync::atomic::AtomicBool;
use std::thread;

static STOP: AtomicBool = AtomicBool::new(false);

pub(super) fn shrink(arguments: &arguments::Shrink) -> Done {
    let jobs = arguments.jobs.unwrap_or_else(|| thread::available_parallelism().unwrap_or(NonZeroUsize::MIN));
    let settings = Settings { jobs, runs: arguments.runs };
    let wanted = |bug: &str| arguments.bug.as_deref().is_none_or(|wanted| wanted == bug);
    survey::survey(&wanted, &settings, &STOP, &mut |row| {
        let line = format!(
            "{:34} {:5} f {:3}->{} o {:4}->{} runs {} {:.1}s done {} same {} {}",
            row.bug,
            row.seed,
            row.before.faults,
            row.after.faults,
            row.before.operations,
            row.after.operations,
            row.runs,
            row.took.as_secs_f64(),
            row.done,
            row.same,
            row.shape
        );
        say(&line);
        if std::env::var_os("SHOW").is_some() {
            drop(print(&crate::plan::file::to_text(&row.plan)));
        }
    });
    Ok(KEPT)
}
