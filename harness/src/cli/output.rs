//! What goes to standard output and standard error, and the one JSON object of a command with `--json`.

use crate::plan::file::error_reason;
use crate::text::{display_line, escape_lines};
use serde::Serialize;
use serde_json::json;
use std::io::{self, Write};
use std::process;
use std::sync::{Mutex, PoisonError};

/// Whether a JSON object is still to be printed.
static JSON_PENDING: Mutex<bool> = Mutex::new(false);

/// From now on one JSON object is due, whatever becomes of the command.
pub(super) fn expect_json() {
    *JSON_PENDING.lock().unwrap_or_else(PoisonError::into_inner) = true;
}

/// Prints a text to standard output. Whoever has read enough may go: a pipe that is closed is no error.
pub(super) fn print(text: &str) -> Result<(), String> {
    write(&escape_lines(text))
}

/// Prints the JSON object of a command.
pub(super) fn print_json(report: &impl Serialize) -> Result<(), String> {
    let text =
        serde_json::to_string(report).map_err(|error| format!("the report cannot be written: {error}"))?;
    let mut is_due = JSON_PENDING.lock().unwrap_or_else(PoisonError::into_inner);
    *is_due = false;
    write(&(text + "\n"))
}

/// Says why a command was not carried out, on standard error and, where an object is due, as this object.
pub(super) fn report_error(sentence: &str) {
    print_message(sentence);
    let mut is_due = JSON_PENDING.lock().unwrap_or_else(PoisonError::into_inner);
    if std::mem::take(&mut *is_due) {
        // Where standard output is what cannot be written, standard error has said so.
        drop(write(&format!("{}\n", json!({"error": sentence}))));
    }
}

/// Ends the process now. An object that is due is printed first, unless another thread is printing it.
pub(super) fn exit_now(code: u8, sentence: &str) -> ! {
    if let Ok(mut is_due) = JSON_PENDING.try_lock()
        && std::mem::take(&mut *is_due)
    {
        drop(write(&format!("{}\n", json!({"error": sentence}))));
    }
    process::exit(code.into());
}

/// Says a sentence on standard error. Whoever closed that does not want to hear it.
pub(super) fn print_message(sentence: &str) {
    drop(writeln!(io::stderr(), "harness: {}", display_line(sentence)));
}

fn write(text: &str) -> Result<(), String> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("standard output cannot be written: {}", error_reason(&error)))
        }
        _ => Ok(()),
    }
}
