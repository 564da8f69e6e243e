//! A drain for `slog`.

use super::{LogLevel, is_recorded, push};
use slog::{Drain, KV, Key, Level, Never, OwnedKVList, Record, Serializer};
use std::fmt::{Arguments, Write};

/// Passes records of `slog` to the trace of the run: `slog::Logger::root(SlogDrain, slog::o!())`.
#[derive(Clone, Copy, Debug)]
pub struct SlogDrain;

impl Drain for SlogDrain {
    type Ok = ();
    type Err = Never;

    fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<(), Never> {
        if !is_recorded() {
            return Ok(());
        }
        let level = match record.level() {
            Level::Critical | Level::Error => LogLevel::Error,
            Level::Warning => LogLevel::Warn,
            Level::Info => LogLevel::Info,
            Level::Debug => LogLevel::Debug,
            Level::Trace => LogLevel::Trace,
        };
        let mut text = Text(record.msg().to_string());
        // A value that cannot be written is left out.
        _ = record.kv().serialize(record, &mut text);
        _ = values.serialize(record, &mut text);
        push(level, record.module(), &text.0);
        Ok(())
    }

    fn is_enabled(&self, _: Level) -> bool {
        is_recorded()
    }
}

/// A message with its values.
struct Text(String);

impl Serializer for Text {
    fn emit_arguments(&mut self, key: Key, value: &Arguments<'_>) -> slog::Result {
        write!(self.0, " {key}={value}").map_err(|_| slog::Error::Other)
    }
}
