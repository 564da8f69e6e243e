//! The command line.
//!
//! Exit codes are in `exit.rs`; `--help` prints them. If the input cannot be used, one message on standard error says
//! why and nothing is partly written. `check` with several files reports each unusable one and checks the others.

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

/// The exit code of a command, or a message that says why it was not carried out.
type CommandResult = Result<u8, String>;

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    if usage::asks_for_json(&args) {
        output::expect_json();
    }
    let result = catch_unwind(AssertUnwindSafe(|| usage::parse(args)?.map_or(Ok(SUCCESS), dispatch)));
    let code = match result {
        Ok(Ok(code)) => code,
        Ok(Err(message)) => {
            output::report_error(&message);
            signals::exit_code_after(INVALID_INPUT)
        }
        // The panic hook has printed message and location.
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
        Some(CliCommand::AddCase(arguments)) => plan_commands::add_case(&arguments),
        Some(CliCommand::Replay(arguments)) => plan_commands::replay(&arguments),
        Some(CliCommand::Merge(arguments)) => long_sweep::merge(&arguments),
        Some(CliCommand::Shrink(arguments)) => shrink_commands::shrink(&arguments),
        Some(CliCommand::Check(arguments)) => check::check(&arguments),
        Some(CliCommand::List) => catalog::list(),
        Some(CliCommand::Bench(arguments)) => sweep_commands::bench(&arguments),
    }
}
