//! A logger for `log`.

use super::{LogLevel, is_recorded, push};
use log::{Level, LevelFilter, Log, Metadata, Record, set_logger, set_max_level};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Runs that record.
static RECORDING: Mutex<usize> = Mutex::new(0);
/// Whether this logger is that of the program.
static IS_SET: OnceLock<bool> = OnceLock::new();

struct Bridge;

impl Log for Bridge {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        is_recorded()
    }

    fn log(&self, record: &Record<'_>) {
        if !is_recorded() {
            return;
        }
        let level = match record.level() {
            Level::Error => LogLevel::Error,
            Level::Warn => LogLevel::Warn,
            Level::Info => LogLevel::Info,
            Level::Debug => LogLevel::Debug,
            Level::Trace => LogLevel::Trace,
        };
        push(level, record.target(), &record.args().to_string());
    }

    fn flush(&self) {}
}

/// A run starts to record.
pub(super) fn start() {
    count(|runs| runs + 1);
}

/// A run ends.
pub(super) fn stop() {
    count(|runs| runs - 1);
}

fn count(change: fn(usize) -> usize) {
    let mut runs = RECORDING.lock().unwrap_or_else(PoisonError::into_inner);
    *runs = change(*runs);
    if *IS_SET.get_or_init(|| set_logger(&Bridge).is_ok()) {
        set_max_level(if *runs > 0 { LevelFilter::Trace } else { LevelFilter::Off });
    }
}
