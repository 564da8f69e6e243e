//! Signals: the first one ends a command with its summary, a second one at once.

use super::exit::SIGNAL_BASE;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// Set by the first signal.
pub(super) static STOP_REQUESTED: AtomicBool = AtomicBool::new(false);
/// Number of the first signal.
static FIRST_SIGNAL: AtomicU8 = AtomicU8::new(0);

/// Whether a signal was received.
pub(super) fn is_stop_requested() -> bool {
    STOP_REQUESTED.load(Ordering::Relaxed)
}

/// The exit code of a command: `code`, or that of the signal that ended it.
pub(super) fn exit_code_after(code: u8) -> u8 {
    match FIRST_SIGNAL.load(Ordering::Relaxed) {
        0 => code,
        signal => SIGNAL_BASE + signal,
    }
}

/// Handles SIGINT and SIGTERM from now on. Not SIGHUP: under `nohup` a sweep continues without its terminal.
#[cfg(unix)]
pub(super) fn install_handlers(message: &'static str) -> Result<(), String> {
    use super::output::{exit_now, print_message};
    use crate::plan::file::block_writes;
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;
    let signals = Signals::new([SIGINT, SIGTERM]);
    let handler = signals.and_then(|mut signals| {
        std::thread::Builder::new().name("signals".into()).spawn(move || {
            for signal in signals.forever() {
                if is_stop_requested() {
                    // Wait only for a file that is being written.
                    let _no_write = block_writes();
                    exit_now(exit_code_after(0), "a second signal ended it at once");
                }
                FIRST_SIGNAL.store(u8::try_from(signal).unwrap_or_default(), Ordering::Relaxed);
                STOP_REQUESTED.store(true, Ordering::Relaxed);
                print_message(message);
            }
        })
    });
    handler.map(drop).map_err(|error| format!("signals cannot be handled: {error}"))
}

/// Without Unix signals the system ends the process.
#[cfg(not(unix))]
pub(super) fn install_handlers(_: &'static str) -> Result<(), String> {
    Ok(())
}
