//! `raft-compare --seed N SYSTEM SYSTEM`: two systems on the same plan, side by side.

use clap::Parser;
use harness::plan::file;
use harness::systems::SystemInfo;
use harness_compare::measure::{Measures, measure};
use harness_compare::table::{Row, render};
use harness_compare::{report, systems};
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

/// The width where there is no terminal.
const DEFAULT_WIDTH: usize = 100;

/// Runs two systems on the same plan and shows them side by side.
///
/// The plan is that of the seed, without whatever one of the two does not support.
#[derive(Parser)]
#[command(name = "raft-compare")]
struct Arguments {
    /// The first system: raft-core, raft-rs, omnipaxos
    left: String,
    /// The second system
    right: String,
    /// The seed of the plan; with --seeds the first
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds: shows medians
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// Folder for the plan
    #[arg(long, default_value = "compare")]
    out: PathBuf,
}

fn main() -> ExitCode {
    match compare(&Arguments::parse()) {
        Ok(text) => match io::stdout().write_all(text.as_bytes()) {
            // Who reads only the first lines has read enough.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => fail(&error.to_string()),
            _ => ExitCode::SUCCESS,
        },
        Err(error) => fail(&error),
    }
}

fn fail(error: &str) -> ExitCode {
    eprintln!("raft-compare: {error}");
    ExitCode::from(2)
}

fn compare(arguments: &Arguments) -> Result<String, String> {
    let systems = [systems::find(&arguments.left)?, systems::find(&arguments.right)?];
    let names = systems.map(|system| system.name);
    let mut rows = vec![Row::Note(sentence(arguments, &systems))];
    rows.extend(report::rows(&measure_all(arguments, &systems)));
    rows.extend(commands(arguments, &systems)?);
    let width =
        console::Term::stdout().size_checked().map_or(DEFAULT_WIDTH, |(_, columns)| usize::from(columns));
    Ok(render(names, &rows, width))
}

fn sentence(Arguments { seed, seeds, .. }: &Arguments, [left, right]: &[SystemInfo; 2]) -> String {
    let names = format!("{} and {}", left.name, right.name);
    match seeds {
        1 => {
            let plan = systems::common_plan(*seed, [left, right]);
            format!(
                "{names} on the plan of seed {seed}: {} servers, {} faults",
                plan.nodes,
                plan.faults.len()
            )
        }
        _ => format!("{names} on the plans of seeds {seed}..{}", seed + seeds),
    }
}

/// Measures all seeds, each on a core.
fn measure_all(
    Arguments { seed, seeds, .. }: &Arguments,
    [left, right]: &[SystemInfo; 2],
) -> Vec<[Measures; 2]> {
    let cores = thread::available_parallelism().map_or(1, usize::from) as u64;
    let mut measured: Vec<(u64, [Measures; 2])> = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores)
            .map(|worker| {
                scope.spawn(move || {
                    let own = (*seed..seed + seeds).filter(move |seed| seed % cores == worker);
                    let measured = own.map(|seed| {
                        let plan = systems::common_plan(seed, [left, right]);
                        (seed, [measure(left, &plan), measure(right, &plan)])
                    });
                    measured.collect::<Vec<_>>()
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no measurement panics")).collect()
    });
    measured.sort_by_key(|(seed, _)| *seed);
    measured.into_iter().map(|(_, pair)| pair).collect()
}

/// What to type to repeat the runs, for which the plan is written.
fn commands(arguments: &Arguments, [left, right]: &[SystemInfo; 2]) -> Result<Vec<Row>, String> {
    let Arguments { seed, seeds, out, .. } = arguments;
    let mut rows = vec![Row::Note(String::new()), Row::Note("to repeat:".to_owned())];
    if *seeds > 1 {
        let itself =
            format!("cargo run --release -p harness-compare -- --seed {seed} {} {}", left.name, right.name);
        rows.push(Row::Command(itself));
        return Ok(rows);
    }
    let path = out.join(format!("seed-{seed}.toml"));
    fs::create_dir_all(out).map_err(|error| format!("{}: cannot be created: {error}", out.display()))?;
    file::write(&path, &systems::common_plan(*seed, [left, right])).map_err(|error| error.to_string())?;
    let path = harness::support::program::shell_quote(&path);
    rows.extend([left, right].map(|system| Row::Command(systems::command(system, &path))));
    Ok(rows)
}
