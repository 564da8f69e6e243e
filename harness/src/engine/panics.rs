//! Catches panics of the system under test: a panic is an observation. Keeps its message and prints nothing.

use crate::outcome::PanicReport;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::ffi::OsStr;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::path::{Path, PathBuf};
use std::sync::Once;

thread_local! {
    static SIMULATING: Cell<bool> = const { Cell::new(false) };
    static LAST_PANIC: RefCell<Option<PanicReport>> = const { RefCell::new(None) };
}

/// Runs code that steps servers. If it panics, the error is the message and location of the panic.
pub(crate) fn catch_panic<T>(code: impl FnOnce() -> T) -> Result<T, PanicReport> {
    install_panic_hook();
    let was_simulating = SIMULATING.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(code));
    SIMULATING.set(was_simulating);
    result.map_err(|payload| LAST_PANIC.take().unwrap_or_else(|| report_of_payload(payload.as_ref())))
}

/// Installs a hook, once per process, that records panics of simulating threads instead of printing them.
fn install_panic_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if SIMULATING.get() {
                LAST_PANIC.set(Some(describe_panic(info)));
            } else {
                previous(info);
            }
        }));
    });
}

fn describe_panic(info: &PanicHookInfo<'_>) -> PanicReport {
    let report = report_of_payload(info.payload());
    let location = || {
        let location = info.location()?;
        let file = without_folder_of_dependencies(Path::new(location.file()));
        Some(format!("{}:{}", file.display(), location.line()))
    };
    PanicReport { location: report.location.or_else(location), ..report }
}

/// The file of a dependency without the folder in which cargo keeps it on this machine: signatures and cases have it.
fn without_folder_of_dependencies(file: &Path) -> PathBuf {
    let parts: Vec<&OsStr> = file.iter().collect();
    // `registry/src/INDEX/NAME-VERSION/..` and `git/checkouts/NAME-HASH/REVISION/..`.
    let starts = parts.windows(2).position(|pair| pair == ["registry", "src"]).map(|position| position + 3);
    let of_git =
        || parts.windows(2).position(|pair| pair == ["git", "checkouts"]).map(|position| position + 2);
    starts.or_else(of_git).and_then(|start| parts.get(start..)).unwrap_or(&parts).iter().collect()
}

/// The report of a panic without its location; whole, if the panic of a task is raised again.
fn report_of_payload(payload: &(dyn Any + Send)) -> PanicReport {
    if let Some(report) = payload.downcast_ref::<PanicReport>() {
        return report.clone();
    }
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let message = text
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned());
    PanicReport { message, location: None }
}

#[cfg(test)]
mod tests {
    use super::without_folder_of_dependencies;
    use std::path::Path;

    #[test]
    fn a_location_does_not_depend_on_the_machine() {
        for (file, expected) in [
            ("/home/a/.cargo/registry/src/index-1949cf/raft-0.7.0/src/raft.rs", "raft-0.7.0/src/raft.rs"),
            ("/home/a/.cargo/git/checkouts/raft-5f/0a1b2c/src/raft.rs", "raft-5f/0a1b2c/src/raft.rs"),
            ("raft-core/src/raft.rs", "raft-core/src/raft.rs"),
            ("/rustc/0123/library/core/src/option.rs", "/rustc/0123/library/core/src/option.rs"),
        ] {
            assert_eq!(without_folder_of_dependencies(Path::new(file)), Path::new(expected));
        }
    }
}
