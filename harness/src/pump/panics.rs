//! A panic of a system under test is an observation, not an accident: its words are kept, and standard error stays
//! clean.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

thread_local! {
    static SIMULATING: Cell<bool> = const { Cell::new(false) };
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Does something in which servers are stepped. If it panics, the panic's message and place are the error.
pub(super) fn catch_panic<T>(act: impl FnOnce() -> T) -> Result<T, String> {
    install_panic_hook();
    let before = SIMULATING.replace(true);
    let done = panic::catch_unwind(AssertUnwindSafe(act));
    SIMULATING.set(before);
    done.map_err(|payload| LAST_PANIC.take().unwrap_or_else(|| payload_text(payload.as_ref())))
}

/// From now on this process says nothing about panics of threads that simulate, and remembers them instead.
fn install_panic_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if SIMULATING.get() {
                LAST_PANIC.set(Some(describe_panic(info)));
            } else {
                usual(info);
            }
        }));
    });
}

fn describe_panic(info: &PanicHookInfo<'_>) -> String {
    let said = payload_text(info.payload());
    match info.location() {
        Some(place) => format!("{said} ({}:{})", place.file(), place.line()),
        None => said,
    }
}

fn payload_text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".to_owned())
}
