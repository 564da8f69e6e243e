//! The logs of servers: what the system under test logs through `tracing`, `log` or `slog`, for the trace.
//!
//! While a run records its trace, the code of a server runs with a subscriber of its own (`enter`), on its thread only.
//! The engine says which server it is, and the world takes the lines with `take` and adds the simulated time. Otherwise
//! nothing is set, and logging costs what it costs without a logger.
//!
//! `log` and `slog` are features of this crate. A program that has set its own logger for `log` keeps it.

#[cfg(feature = "log")]
mod log_bridge;
#[cfg(feature = "slog")]
mod slog_bridge;

#[cfg(feature = "slog")]
pub use slog_bridge::SlogDrain;

use std::cell::{Cell, RefCell};
use std::fmt::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use tracing::dispatcher::{self, DefaultGuard, Dispatch};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// A line of a server's log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogLine {
    /// The server.
    pub node: u64,
    /// How serious it is.
    pub level: LogLevel,
    /// Where it comes from, usually a module.
    pub target: String,
    /// The message and its fields, on one line.
    pub text: String,
}

/// How serious a line is, the most serious first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum LogLevel {
    /// An error.
    Error,
    /// A warning.
    Warn,
    /// A usual message.
    Info,
    /// For debugging.
    Debug,
    /// For debugging, in every detail.
    Trace,
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            LogLevel::Error => "ERROR",
            LogLevel::Warn => "WARN",
            LogLevel::Info => "INFO",
            LogLevel::Debug => "DEBUG",
            LogLevel::Trace => "TRACE",
        };
        write!(f, "logs {level} {}: {}", self.target, self.text)
    }
}

thread_local! {
    /// The subscriber of the run on this thread.
    static RUN: RefCell<Option<Dispatch>> = const { RefCell::new(None) };
    /// The server whose code runs; 0: none.
    static NODE: Cell<u64> = const { Cell::new(0) };
    /// The lines since the last [`take`].
    static LINES: RefCell<Vec<LogLine>> = const { RefCell::new(Vec::new()) };
}

/// Records logs on this thread until it is dropped.
#[derive(Debug)]
pub(crate) struct LogRecording(());

impl LogRecording {
    /// Starts to record.
    pub(crate) fn start() -> LogRecording {
        let previous = dispatcher::get_default(Clone::clone);
        RUN.set(Some(Dispatch::new(Collector { previous, spans: AtomicU64::new(0) })));
        LINES.take();
        #[cfg(feature = "log")]
        log_bridge::start();
        LogRecording(())
    }
}

impl Drop for LogRecording {
    fn drop(&mut self) {
        RUN.take();
        // So that logging costs nothing again.
        tracing::callsite::rebuild_interest_cache();
        #[cfg(feature = "log")]
        log_bridge::stop();
    }
}

/// The code of a server runs until this is dropped.
pub(crate) struct Entered {
    outer: u64,
    _default: Option<DefaultGuard>,
}

/// The code of a server begins. If nothing is recorded on this thread, its logs go where they would go otherwise.
pub(crate) fn enter(node: u64) -> Entered {
    let default = RUN.with_borrow(|run| run.as_ref().map(dispatcher::set_default));
    let entered = if default.is_some() { node } else { 0 };
    Entered { outer: NODE.replace(entered), _default: default }
}

impl Drop for Entered {
    fn drop(&mut self) {
        NODE.set(self.outer);
    }
}

/// The lines since the last call.
pub(crate) fn take() -> Vec<LogLine> {
    LINES.take()
}

/// Whether a line would be recorded.
#[cfg(any(feature = "log", feature = "slog"))]
fn is_recorded() -> bool {
    NODE.get() > 0
}

/// Adds a line of the server whose code runs.
fn push(level: LogLevel, target: &str, text: &str) {
    let on_one_line = |c: char| if c == '\n' { ' ' } else { c };
    let text = text.trim_end().chars().map(on_one_line).collect();
    let line = LogLine { node: NODE.get(), level, target: target.to_owned(), text };
    LINES.with_borrow_mut(|lines| lines.push(line));
}

/// Takes the events of `tracing`. Spans are not recorded.
struct Collector {
    previous: Dispatch,
    spans: AtomicU64,
}

impl Subscriber for Collector {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        // For those who follow the run as it goes on.
        if self.previous.enabled(metadata) {
            self.previous.event(event);
        }
        // The world itself, while a server calls it.
        if metadata.target() == "harness" {
            return;
        }
        let level = match *metadata.level() {
            Level::ERROR => LogLevel::Error,
            Level::WARN => LogLevel::Warn,
            Level::INFO => LogLevel::Info,
            Level::DEBUG => LogLevel::Debug,
            Level::TRACE => LogLevel::Trace,
        };
        let mut fields = Fields::default();
        event.record(&mut fields);
        push(level, metadata.target(), &(fields.message + &fields.others));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The fields of an event as text.
#[derive(Default)]
struct Fields {
    message: String,
    others: String,
}

impl Fields {
    fn add(&mut self, name: &str, value: fmt::Arguments<'_>) {
        let written = match name {
            "message" => write!(self.message, "{value}"),
            name => write!(self.others, " {name}={value}"),
        };
        written.expect("writing to a String cannot fail");
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field.name(), format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field.name(), format_args!("{value:?}"));
    }
}
