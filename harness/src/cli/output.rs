//! Standard output and standard error, and the single JSON object of a command with `--json`.

use crate::plan::file::error_reason;
use crate::support::text::{display_line, escape_lines};
use serde::Serialize;
use serde_json::json;
use std::io::{self, Write};
use std::process;
use std::sync::{Mutex, PoisonError};

/// Whether the JSON object is still to be printed.
static JSON_PENDING: Mutex<bool> = Mutex::new(false);

/// Declares that the command must print one JSON object, whatever happens.
pub(super) fn expect_json() {
    *JSON_PENDING.lock().unwrap_or_else(PoisonError::into_inner) = true;
}

/// Prints to standard output. A closed pipe is no error.
pub(super) fn print(text: &str) -> Result<(), String> {
    write(escape_lines(text).as_bytes())
}

/// Prints what programs read, as it is.
pub(super) fn print_raw(bytes: &[u8]) -> Result<(), String> {
    write(bytes)
}

/// Prints the JSON object of a command.
pub(super) fn print_json(report: &impl Serialize) -> Result<(), String> {
    let text =
        serde_json::to_string(report).map_err(|error| format!("the report cannot be written: {error}"))?;
    let mut is_due = JSON_PENDING.lock().unwrap_or_else(PoisonError::into_inner);
    *is_due = false;
    write((text + "\n").as_bytes())
}

/// Reports on standard error why a command failed, and as the JSON object if one is due.
pub(super) fn report_error(message: &str) {
    print_message(message);
    let mut is_due = JSON_PENDING.lock().unwrap_or_else(PoisonError::into_inner);
    if std::mem::take(&mut *is_due) {
        // If standard output cannot be written, standard error has the message.
        drop(write(format!("{}\n", json!({"error": message})).as_bytes()));
    }
}

/// Ends the process. A due JSON object is printed first, unless another thread is printing it.
pub(super) fn exit_now(code: u8, message: &str) -> ! {
    if let Ok(mut is_due) = JSON_PENDING.try_lock()
        && std::mem::take(&mut *is_due)
    {
        drop(write(format!("{}\n", json!({"error": message})).as_bytes()));
    }
    process::exit(code.into());
}

/// Prints a message to standard error. A closed standard error is ignored.
pub(super) fn print_message(message: &str) {
    drop(writeln!(io::stderr(), "harness: {}", display_line(message)));
}

fn write(bytes: &[u8]) -> Result<(), String> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("standard output cannot be written: {}", error_reason(&error)))
        }
        _ => Ok(()),
    }
}
