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
mod catalog;
mod shrink_commands;
mod long_sweep;
mod sweep_commands;
mod plan_commands;

use arguments::{Cli, CliCommand};
use exit::{INVALID_INPUT, PANICKED, SUCCESS};
use output::{print, print_json, print_message};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

/// What a command came to: its exit code, or one sentence that says why it was not carried out.
type CommandResult = Result<u8, String>;

/// Does what the command line says.
#[must_use]
pub fn main() -> ExitCode {
    let typed: Vec<_> = std::env::args_os().collect();
    if usage::asks_for_json(&typed) {
        output::expect_json();
    }
    let done = catch_unwind(AssertUnwindSafe(|| usage::parse(typed)?.map_or(Ok(SUCCESS), dispatch)));
    let code = match done {
        Ok(Ok(code)) => code,
        Ok(Err(sentence)) => {
            output::report_error(&sentence);
            signals::exit_code_after(INVALID_INPUT)
        }
        // The hook has said what and where.
        Err(_) => {
            output::report_error("the harness itself panicked: please report this");
            PANICKED
        }
    };
    ExitCode::from(code)
}

fn dispatch(cli: Cli) -> CommandResult {
    match cli.command {
        None => sweep_commands::sweep(&cli.sweep),
        Some(CliCommand::Sweep(arguments)) => sweep_commands::sweep(&arguments),
        Some(CliCommand::Run(arguments)) => plan_commands::run(&arguments),
        Some(CliCommand::Plan(arguments)) => plan_commands::plan(&arguments),
        Some(CliCommand::Keep(arguments)) => plan_commands::write_case(&arguments),
        Some(CliCommand::Replay(arguments)) => plan_commands::replay(&arguments),
        Some(CliCommand::Merge(arguments)) => long_sweep::merge(&arguments),
        Some(CliCommand::Shrink(arguments)) => shrink_commands::shrink(&arguments),
        Some(CliCommand::Check(arguments)) => check::check(&arguments),
        Some(CliCommand::List) => catalog::list(),
        Some(CliCommand::Bench(arguments)) => sweep_commands::bench(&arguments),
    }
}
