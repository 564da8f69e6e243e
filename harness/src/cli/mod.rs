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
mod determinism;
mod environment;
mod catalog;
mod recording;
mod run;
mod plan;
mod add_case;
mod replay;
mod check;
mod shrink;
mod shrink_groups;
mod scheduler;
mod shard;
mod sweep_ledger;
mod sweep;
mod guided;
mod merge;
mod bench;
mod bugs;
mod floors;
#[cfg(feature = "explore")]
mod explore;
#[cfg(feature = "explore")]
mod explore_bugs;

use crate::findings::child;
use crate::support::program;
use crate::systems::{BUILT_IN, System, SystemInfo};
use arguments::{Cli, CliCommand};
use exit::{INVALID_INPUT, PANICKED, SUCCESS};
use output::{print, print_json, print_message, print_raw};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

/// The exit code of a command, or a message that says why it was not carried out.
type CommandResult = Result<u8, String>;

/// Runs the command line of this process, for the built-in system.
#[must_use]
pub fn main() -> ExitCode {
    run_command_line(&BUILT_IN)
}

/// Runs the command line of this process, for a system: all commands, on this system.
#[must_use]
pub fn main_for<S: System>() -> ExitCode {
    run_command_line(&SystemInfo::of::<S>())
}

fn run_command_line(system: &SystemInfo) -> ExitCode {
    program::set_from_environment(system.cargo_arguments);
    if child::serve(system) {
        print_message(&format!("{} is set for another system: unset it", child::VARIABLE));
        return ExitCode::from(INVALID_INPUT);
    }
    let args: Vec<_> = std::env::args_os().collect();
    if usage::asks_for_json(&args) {
        output::expect_json();
    }
    let result = catch_unwind(AssertUnwindSafe(|| {
        usage::parse(args)?.map_or(Ok(SUCCESS), |cli| dispatch(&cli, system))
    }));
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

fn sweep_or_guided(system: &SystemInfo, arguments: &arguments::SweepArgs) -> CommandResult {
    if arguments.guided { guided::guided_sweep(system, arguments) } else { sweep::sweep(system, arguments) }
}

fn dispatch(cli: &Cli, system: &SystemInfo) -> CommandResult {
    let in_profile;
    let system = match &cli.profile {
        Some(name) => {
            in_profile = system.with_profile(name)?;
            program::set_profile(name);
            &in_profile
        }
        None => system,
    };
    match &cli.command {
        None => sweep_or_guided(system, &cli.sweep),
        Some(CliCommand::Sweep(arguments)) => sweep_or_guided(system, arguments),
        Some(CliCommand::Run(arguments)) => run::run(system, arguments),
        Some(CliCommand::Plan(arguments)) => plan::plan(system, arguments),
        Some(CliCommand::AddCase(arguments)) => add_case::add_case(system, arguments),
        Some(CliCommand::Replay(arguments)) => replay::replay(system, arguments),
        Some(CliCommand::Merge(arguments)) => merge::merge(system, arguments),
        Some(CliCommand::Shrink(arguments)) => shrink::shrink(system, arguments),
        Some(CliCommand::Check(arguments)) => check::check(arguments),
        Some(CliCommand::Determinism(arguments)) => determinism::determinism(system, arguments),
        Some(CliCommand::Bugs(arguments)) => bugs::bugs(system, arguments),
        Some(CliCommand::Floors(arguments)) => floors::floors(arguments),
        #[cfg(feature = "explore")]
        Some(CliCommand::Explore(arguments)) => match &arguments.scopes {
            Some(path) if arguments.bugs => explore_bugs::explore_bugs(system, path, arguments),
            _ => explore::explore_scope(system, arguments),
        },
        Some(CliCommand::List) => catalog::list(system),
        Some(CliCommand::Bench(arguments)) => bench::bench(system, arguments),
    }
}
