//! Catches panics of the system under test: a panic is an observation. Keeps its message and prints nothing.

use crate::outcome::PanicReport;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

thread_local! {
    static SIMULATING: Cell<bool> = const { Cell::new(false) };
    static LAST_PANIC: RefCell<Option<PanicReport>> = const { RefCell::new(None) };
}

/// Runs code that steps servers. If it panics, the error is the message and location of the panic.
pub(super) fn catch_panic<T>(code: impl FnOnce() -> T) -> Result<T, PanicReport> {
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
    let location = || info.location().map(|location| format!("{}:{}", location.file(), location.line()));
    PanicReport { location: report.location.or_else(location), ..report }
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
