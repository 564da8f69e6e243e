//! The command line: what people type, and what they are told when it cannot be done.
//!
//! Exit codes: 0 all promises kept, 1 one was broken, 2 the input cannot be used; then one sentence on standard error
//! says why, and nothing is half written. Of several recordings each that cannot be used gets its sentence, and the others
//! are judged.

mod arguments;
mod check;
mod known;
mod many;
mod one;
mod overnight;
mod smaller;

use crate::plan::file::reason;
use arguments::{Cli, Verb};
use clap::Parser;
use clap::error::ErrorKind;
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

/// All promises kept.
const KEPT: u8 = 0;
/// A promise was broken.
const BROKEN: u8 = 1;
/// The input cannot be used.
const UNUSABLE: u8 = 2;

/// What a command came to: its exit code, or one sentence that says why it was not carried out.
type Done = Result<u8, String>;

/// Does what the command line says.
#[must_use]
pub fn main() -> ExitCode {
    let done = parse(std::env::args_os()).and_then(|cli| cli.map_or(Ok(KEPT), obey));
    ExitCode::from(done.unwrap_or_else(|sentence| {
        say(&sentence);
        UNUSABLE
    }))
}

/// What was typed; `None` where it was a question that is answered already (`--help`).
fn parse(typed: impl Iterator<Item = OsString>) -> Result<Option<Cli>, String> {
    match Cli::try_parse_from(typed) {
        Ok(cli) => Ok(Some(cli)),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                print(&error.to_string())?;
                Ok(None)
            }
            _ => Err(sentence(&error.to_string())),
        },
    }
}

/// One sentence out of the paragraphs that clap writes: what is wrong, and what was perhaps meant.
fn sentence(paragraphs: &str) -> String {
    let text = paragraphs.strip_prefix("error: ").unwrap_or(paragraphs);
    let mut parts = text.split("\n\n");
    let wrong: Vec<&str> = parts.next().unwrap_or(text).lines().map(str::trim).collect();
    let tips = parts.map(str::trim).filter_map(|part| part.strip_prefix("tip: "));
    // A tip about `--` would only lead people astray: nothing here takes a value that begins with a dash.
    let tips = tips.filter(|tip| !tip.contains("'-- "));
    let tips: String = tips.flat_map(|tip| ["; ", tip.lines().next().unwrap_or(tip)]).collect();
    wrong.join(" ").trim_end().to_owned() + &tips
}

fn obey(cli: Cli) -> Done {
    match cli.verb {
        None => many::sweep(&cli.sweep),
        Some(Verb::Sweep(arguments)) => many::sweep(&arguments),
        Some(Verb::Run(arguments)) => one::run(&arguments),
        Some(Verb::Plan(arguments)) => one::plan(&arguments),
        Some(Verb::Keep(arguments)) => one::keep(&arguments),
        Some(Verb::Replay(arguments)) => one::replay(&arguments),
        Some(Verb::Merge(arguments)) => overnight::merge(&arguments),
        Some(Verb::Shrink(arguments)) => smaller::shrink(&arguments),
        Some(Verb::Check(arguments)) => check::check(&arguments),
        Some(Verb::List) => known::list(),
        Some(Verb::Bench(arguments)) => many::bench(&arguments),
    }
}

/// Prints a text to standard output. Whoever has read enough may go: a pipe that is closed is no error.
fn print(text: &str) -> Result<(), String> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("standard output cannot be written: {}", reason(&error)))
        }
        _ => Ok(()),
    }
}

/// Says a sentence on standard error. Whoever closed that does not want to hear it.
fn say(sentence: &str) {
    // What was typed is in some sentences, and must not be able to move the cursor or to begin a line.
    let visible: String = sentence.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    drop(writeln!(io::stderr(), "harness: {visible}"));
}
