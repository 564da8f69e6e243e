//! Signals: the first one ends a command with its summary, a second one ends it at once.

use super::exit::SIGNAL_BASE;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// Set by the first signal.
pub(super) static STOP_REQUESTED: AtomicBool = AtomicBool::new(false);
/// Its number.
static FIRST_SIGNAL: AtomicU8 = AtomicU8::new(0);

/// Whether a signal asked for the end.
pub(super) fn is_stop_requested() -> bool {
    STOP_REQUESTED.load(Ordering::Relaxed)
}

/// The exit code of a command that came to this one, or to its end by a signal.
pub(super) fn exit_code_after(code: u8) -> u8 {
    match FIRST_SIGNAL.load(Ordering::Relaxed) {
        0 => code,
        signal => SIGNAL_BASE + signal,
    }
}

/// From now on SIGINT and SIGTERM are heard. SIGHUP is not: under `nohup` a sweep outlives its terminal.
#[cfg(unix)]
pub(super) fn install_handlers(said: &'static str) -> Result<(), String> {
    use super::output::{exit_now, print_message};
    use crate::plan::file::block_writes;
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;
    let signals = Signals::new([SIGINT, SIGTERM]);
    let heard = signals.and_then(|mut signals| {
        std::thread::Builder::new().name("signals".into()).spawn(move || {
            for signal in signals.forever() {
                if is_stop_requested() {
                    // At once, but for a file that is half written.
                    let _nothing_is_written = block_writes();
                    exit_now(exit_code_after(0), "a second signal ended it at once");
                }
                FIRST_SIGNAL.store(u8::try_from(signal).unwrap_or_default(), Ordering::Relaxed);
                STOP_REQUESTED.store(true, Ordering::Relaxed);
                print_message(said);
            }
        })
    });
    heard.map(drop).map_err(|error| format!("signals cannot be heard: {error}"))
}

/// Without Unix signals the system ends the process.
#[cfg(not(unix))]
pub(super) fn install_handlers(_: &'static str) -> Result<(), String> {
    Ok(())
}
