//! A panic of a system under test is an observation, not an accident: its words are kept, and standard error stays
//! clean.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

thread_local! {
    static SIMULATING: Cell<bool> = const { Cell::new(false) };
    static SAID: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Does something in which servers are stepped. If it panics, the panic's message and place are the error.
pub(super) fn catching<T>(act: impl FnOnce() -> T) -> Result<T, String> {
    listen();
    let before = SIMULATING.replace(true);
    let done = panic::catch_unwind(AssertUnwindSafe(act));
    SIMULATING.set(before);
    done.map_err(|payload| SAID.take().unwrap_or_else(|| words(payload.as_ref())))
}

/// From now on this process says nothing about panics of threads that simulate, and remembers them instead.
fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if SIMULATING.get() {
                SAID.set(Some(describe(info)));
            } else {
                usual(info);
            }
        }));
    });
}

fn describe(info: &PanicHookInfo<'_>) -> String {
    let said = words(info.payload());
    match info.location() {
        Some(place) => format!("{said} ({}:{})", place.file(), place.line()),
        None => said,
    }
}

fn words(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".to_owned())
}
