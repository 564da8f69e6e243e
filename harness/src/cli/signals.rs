//! Signals: the first one ends a command with its summary, a second one at once. A sweep ends within five seconds of
//! SIGTERM, because job schedulers kill it soon after: what it has found is on disk, and the rest is run by `--resume`.

#![expect(clippy::disallowed_types, reason = "a scheduler kills a process after some time")]

use super::exit::SIGNAL_BASE;
use super::output::exit_now;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::{Duration, Instant};

/// How long the seeds in progress may take after SIGTERM. Some time of the five seconds is left for the ledger.
const GRACE: Duration = Duration::from_millis(3_500);
/// After this time the process ends even if it waits for something else than a seed.
const MAX_GRACE: Duration = Duration::from_millis(4_500);

/// Set by the first signal.
pub(super) static STOP_REQUESTED: AtomicBool = AtomicBool::new(false);
/// Number of the first signal.
static FIRST_SIGNAL: AtomicU8 = AtomicU8::new(0);

/// Whether the command must end within [`MAX_GRACE`].
static IS_LIMITED: AtomicBool = AtomicBool::new(false);
/// When SIGTERM was received.
static TERMINATED: OnceLock<Instant> = OnceLock::new();

/// From now on SIGTERM limits the time of this command.
pub(super) fn limit_grace() {
    IS_LIMITED.store(true, Ordering::Relaxed);
}

/// Whether the seeds in progress have had their time after SIGTERM.
pub(super) fn is_grace_over() -> bool {
    IS_LIMITED.load(Ordering::Relaxed) && TERMINATED.get().is_some_and(|since| since.elapsed() >= GRACE)
}

/// Ends the process, whose seeds in progress do not end.
pub(super) fn exit_after_grace() -> ! {
    exit_now(exit_code_after(0), "some seeds did not end in time after SIGTERM: continue with --resume")
}

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
    use super::output::print_message;
    use crate::plan::file::block_writes;
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;
    let signals = Signals::new([SIGINT, SIGTERM]);
    let handler = signals.and_then(|mut signals| {
        std::thread::Builder::new().name("signals".into()).spawn(move || {
            for signal in signals.forever() {
                // A scheduler sends SIGTERM to every process of a job, and a script passes it on: the time is limited already.
                if signal == SIGTERM && TERMINATED.get().is_some() && IS_LIMITED.load(Ordering::Relaxed) {
                    continue;
                }
                if is_stop_requested() {
                    // Wait only for a file that is being written.
                    let _no_write = block_writes();
                    exit_now(exit_code_after(0), "a second signal ended it at once");
                }
                FIRST_SIGNAL.store(u8::try_from(signal).unwrap_or_default(), Ordering::Relaxed);
                STOP_REQUESTED.store(true, Ordering::Relaxed);
                print_message(message);
                if signal == SIGTERM && TERMINATED.set(Instant::now()).is_ok() {
                    end_later();
                }
            }
        })
    });
    handler.map(drop).map_err(|error| format!("signals cannot be handled: {error}"))
}

/// Ends this process when the longest grace is over.
#[cfg(unix)]
fn end_later() {
    let thread = std::thread::Builder::new().name("grace".into()).spawn(|| {
        std::thread::sleep(MAX_GRACE);
        if IS_LIMITED.load(Ordering::Relaxed) {
            let _no_write = crate::plan::file::block_writes();
            exit_after_grace();
        }
    });
    // Without it the process ends as soon as it can.
    drop(thread);
}

/// Without Unix signals the system ends the process.
#[cfg(not(unix))]
pub(super) fn install_handlers(_: &'static str) -> Result<(), String> {
    Ok(())
}
