//! The command line: what people type, and what they are told when it cannot be done.
//!
//! Exit codes: the table in `exit.rs`, which `--help` prints. Where the input cannot be used, one sentence on standard
//! error says why, and nothing is half written. Of several recordings each that cannot be used gets its sentence, and the
//! others are judged.

mod exit;
mod output;
mod signals;
mod paths;
mod arguments;
mod usage;
mod check;
mod known;
mod smaller;
mod overnight;
mod many;
mod one;

use arguments::{Cli, Verb};
use exit::{KEPT, PANICKED, UNUSABLE};
use output::{print, print_json, say};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

/// What a command came to: its exit code, or one sentence that says why it was not carried out.
type Done = Result<u8, String>;

/// Does what the command line says.
#[must_use]
pub fn main() -> ExitCode {
    let typed: Vec<_> = std::env::args_os().collect();
    if usage::asks_for_json(&typed) {
        output::expect_json();
    }
    let done = catch_unwind(AssertUnwindSafe(|| usage::parse(typed)?.map_or(Ok(KEPT), obey)));
    let code = match done {
        Ok(Ok(code)) => code,
        Ok(Err(sentence)) => {
            output::refuse(&sentence);
            signals::code(UNUSABLE)
        }
        // The hook has said what and where.
        Err(_) => {
            output::refuse("the harness itself panicked: please report this");
            PANICKED
        }
    };
    ExitCode::from(code)
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
