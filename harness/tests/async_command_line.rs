//! The command line of a system made of tasks. This program is it, if a variable says so; else it tests it.

#![expect(clippy::disallowed_methods, reason = "a test reads what the program prints")]

#[cfg(engine_madsim)]
#[path = "async_server/primary.rs"]
mod primary;

use libtest_mimic::{Arguments, Failed, Trial};
use std::process::{Command, ExitCode, Output};

const IS_COMMAND_LINE: &str = "TASK_PRIMARY_COMMAND_LINE";

fn main() -> ExitCode {
    #[cfg(engine_madsim)]
    if std::env::var_os(IS_COMMAND_LINE).is_some() {
        return harness::cli::main_for::<primary::TaskPrimary>();
    }
    let needs_madsim = cfg!(not(engine_madsim));
    let trials = [
        ("sweeps_and_runs", sweeps_and_runs as fn() -> Result<(), Failed>),
        ("keeps_and_replays_a_shrunk_failure", keeps_and_replays_a_shrunk_failure),
        ("refuses_another_engine", refuses_another_engine),
    ];
    let trials = trials.map(|(name, test)| Trial::test(name, test).with_ignored_flag(needs_madsim));
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit_code()
}

/// Runs a command in a folder.
fn run(folder: &tempfile::TempDir, line: &str) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(line.split_whitespace()).current_dir(folder).env(IS_COMMAND_LINE, "1");
    command.output().unwrap()
}

/// Its standard output, if it ends with this exit code.
fn expect(output: &Output, code: i32) -> Result<String, Failed> {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    match output.status.code() == Some(code) {
        true => Ok(out.into_owned()),
        false => Err(format!("{:?}\n{out}\n{err}", output.status).into()),
    }
}

fn sweeps_and_runs() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let swept = expect(&run(&folder, "sweep --seeds 60"), 0)?;
    assert!(swept.contains("60 seeds") || swept.contains("60"), "{swept}");
    let (first, second) = (run(&folder, "run --seed 3 --trace"), run(&folder, "run --seed 3 --trace"));
    assert!(expect(&first, 0)?.contains("boot"), "{}", String::from_utf8_lossy(&first.stdout));
    assert_eq!(first.stdout, second.stdout);
    expect(&run(&folder, "plan --seed 3"), 0)?;
    let listed = expect(&run(&folder, "list"), 0)?;
    assert!(listed.contains("answers-before-sync"), "{listed}");
    Ok(())
}

fn keeps_and_replays_a_shrunk_failure() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    expect(&run(&folder, "sweep --seeds 60 --bug answers-before-sync --out found"), 1)?;
    let files = std::fs::read_dir(folder.path().join("found"))?;
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let small = names.filter(|name| name.ends_with(".small.toml")).min().expect("a shrunk plan");
    expect(&run(&folder, "shrink --seed 3 --bug no-such-bug"), 2)?;
    std::fs::create_dir_all(folder.path().join("regressions/cases"))?;
    expect(&run(&folder, &format!("add-case found/{small} --name kept")), 0)?;
    expect(&run(&folder, "replay regressions/cases/kept.toml"), 0)?;
    Ok(())
}

fn refuses_another_engine() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    expect(&run(&folder, "run --seed 3 --engine strict"), 0)?;
    let refused = run(&folder, "run --seed 3 --engine plain");
    expect(&refused, 2)?;
    let message = String::from_utf8_lossy(&refused.stderr);
    assert!(message.contains("task-primary is made of tasks"), "{message}");
    Ok(())
}
