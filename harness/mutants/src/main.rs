//! Random mistakes in the core, each swept: what the harness lets pass.
//!
//! The catalogue of bugs holds mistakes that somebody made. This set holds mistakes that nobody chose: one token of
//! `raft-core` is changed, such as `<` to `<=`, or one statement is left out. A sample of them is compiled into one
//! program, each behind a switch that an environment variable sets, so that one build serves all ([`workspace`]). Each is
//! swept until a seed fails ([`sweep`]). What survives is either no mistake (it changes costs, or nothing), or it shows
//! what the worlds or the properties of the harness lack.
//!
//! ```text
//! cargo run --release -p harness-mutants -- --sample 200 --seeds 0..2000
//! ```
//!
//! It takes about an hour on two cores, and is no part of `cargo test`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for the command line")]

mod mutation;
mod sweep;
mod workspace;

use clap::Parser;
use mutation::Mutation;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use sweep::{Outcome, sweep};
use workspace::Workspace;

/// Changes one token of `raft-core` at random, many times, and sweeps each change.
///
/// Prints a line for each mutation: its number, place and change, and the first seed that fails with the property that
/// it breaks, or that it survives.
#[derive(Parser)]
#[command(name = "harness-mutants")]
struct Arguments {
    /// How many mutations
    #[arg(long, default_value_t = 200)]
    sample: usize,
    /// Draws the sample
    #[arg(long, default_value_t = 1)]
    draw: u64,
    /// Seeds A to B-1 for each
    #[arg(long, default_value = "0..2000", value_parser = seeds)]
    seeds: Range<u64>,
    /// Only the mutation of this number; may be given several times
    #[arg(long)]
    only: Vec<usize>,
    /// The repository
    #[arg(long, default_value = ".")]
    from: PathBuf,
    /// The folder of the copy that is built
    #[arg(long, default_value = "target/mutants")]
    folder: PathBuf,
    /// Only list the sample; `--sample 0` lists all mutations
    #[arg(long)]
    list: bool,
}

#[expect(clippy::disallowed_methods, reason = "takes an argument apart")]
fn seeds(text: &str) -> Result<Range<u64>, String> {
    let range = text.split_once("..").and_then(|(a, b)| Some(a.parse().ok()?..b.parse().ok()?));
    range.filter(|range| !range.is_empty()).ok_or_else(|| "expected A..B, such as 0..2000".to_owned())
}

fn main() -> ExitCode {
    match measure(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("harness-mutants: {error}");
            ExitCode::from(2)
        }
    }
}

fn measure(arguments: &Arguments) -> Result<(), String> {
    let folder = &arguments.folder;
    let copied = Workspace::copy(&arguments.from, folder);
    let workspace =
        copied.map_err(|error| format!("cannot copy the workspace to {}: {error}", folder.display()))?;
    let mut all = workspace.mutations()?;
    println!("{} mutations of one token", all.len());
    if arguments.list && arguments.sample == 0 {
        all.iter().for_each(|mutation| println!("{mutation}"));
        return Ok(());
    }
    all.shuffle(&mut rand_xoshiro::Xoshiro256PlusPlus::seed_from_u64(arguments.draw));
    let (sample, refused) = compiling(&workspace, all, arguments.sample)?;
    println!("{} in the sample, beside {refused} that do not compile", sample.len());
    if arguments.list {
        sample.iter().for_each(|(number, mutation)| println!("{number:>4} {mutation}"));
        return Ok(());
    }
    let program = workspace.build()?;
    sweep_all(arguments, &sample, &program)
}

/// The first `count` mutations with which the core compiles, by number, and how many others were drawn.
fn compiling(
    workspace: &Workspace,
    drawn: Vec<Mutation>,
    count: usize,
) -> Result<(BTreeMap<usize, Mutation>, usize), String> {
    let mut drawn = drawn.into_iter();
    let mut sample: BTreeMap<usize, Mutation> = BTreeMap::new();
    let (mut next, mut refused) = (1, 0);
    loop {
        while let Some(mutation) = drawn.by_ref().take(usize::from(sample.len() < count)).next() {
            sample.insert(next, mutation);
            next += 1;
        }
        workspace.write(&sample).map_err(|error| format!("cannot write the core: {error}"))?;
        let removed = workspace.refused()?;
        if removed.is_empty() {
            return Ok((sample, refused));
        }
        refused += removed.len();
        sample.retain(|number, _| !removed.contains(number));
    }
}

fn sweep_all(
    arguments: &Arguments,
    sample: &BTreeMap<usize, Mutation>,
    program: &Path,
) -> Result<(), String> {
    let out = arguments.folder.join("failures");
    let swept = |number| sweep(program, number, arguments.seeds.clone(), &out);
    // What the core itself fails would be held against the mutations.
    if arguments.only.is_empty() && swept(None)? != Outcome::Survived {
        return Err("a seed fails without a mutation".to_owned());
    }
    let (mut swept_count, mut survivors) = (0, Vec::new());
    for (number, mutation) in sample {
        if !arguments.only.is_empty() && !arguments.only.contains(number) {
            continue;
        }
        let text = match swept(Some(*number))? {
            Outcome::Caught { seed, property } => format!("{property}, seed {seed}"),
            Outcome::Ended(how) => format!("the sweep ended: {how}"),
            Outcome::Survived => {
                survivors.push(number);
                "SURVIVED".to_owned()
            }
        };
        swept_count += 1;
        println!("{number:>4} {mutation}: {text}");
    }
    println!("{} of {swept_count} caught; these survived:", swept_count - survivors.len());
    survivors.iter().for_each(|number| println!("{number:>4} {}", sample[number]));
    Ok(())
}
