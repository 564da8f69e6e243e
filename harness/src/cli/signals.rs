//! Signals: the first one ends a command with its summary, a second one ends it at once.

use super::exit::SIGNAL;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// Set by the first signal.
pub(super) static STOP: AtomicBool = AtomicBool::new(false);
/// Its number.
static FIRST: AtomicU8 = AtomicU8::new(0);

/// Whether a signal asked for the end.
pub(super) fn is_set() -> bool {
    STOP.load(Ordering::Relaxed)
}

/// The exit code of a command that came to this one, or to its end by a signal.
pub(super) fn code(code: u8) -> u8 {
    match FIRST.load(Ordering::Relaxed) {
        0 => code,
        signal => SIGNAL + signal,
    }
}

/// From now on SIGINT and SIGTERM are heard. SIGHUP is not: under `nohup` a sweep outlives its terminal.
#[cfg(unix)]
pub(super) fn listen(said: &'static str) -> Result<(), String> {
    use super::output::{end_at_once, say};
    use crate::plan::file::no_more_writing;
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;
    let signals = Signals::new([SIGINT, SIGTERM]);
    let heard = signals.and_then(|mut signals| {
        std::thread::Builder::new().name("signals".into()).spawn(move || {
            for signal in signals.forever() {
                if is_set() {
                    // At once, but for a file that is half written.
                    let _nothing_is_written = no_more_writing();
                    end_at_once(code(0), "a second signal ended it at once");
                }
                FIRST.store(u8::try_from(signal).unwrap_or_default(), Ordering::Relaxed);
                STOP.store(true, Ordering::Relaxed);
                say(said);
            }
        })
    });
    heard.map(drop).map_err(|error| format!("signals cannot be heard: {error}"))
}

/// Without Unix signals the system ends the process.
#[cfg(not(unix))]
pub(super) fn listen(_: &'static str) -> Result<(), String> {
    Ok(())
}
