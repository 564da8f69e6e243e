//! What may be typed. The names of verbs and options stay.

use crate::plan::SimDuration;
use clap::{ArgGroup, Args, Parser, Subcommand};
use invariants::Budget;
use invariants::formats::FailedCas;
use invariants::linearizability::Object;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::PathBuf;

/// How many runs shrinking may take where nothing else is said.
pub(super) const SHRINK_RUNS: u64 = 20_000;

/// A whole Raft cluster in one thread, from one number: broken, watched, replayed.
#[derive(Parser, Debug)]
#[command(name = "harness", version, args_conflicts_with_subcommands = true)]
pub(super) struct Cli {
    /// What to do; by default a sweep.
    #[command(subcommand)]
    pub(super) command: Option<CliCommand>,
    #[command(flatten)]
    pub(super) sweep: SweepArgs,
}

#[derive(Subcommand, Debug)]
pub(super) enum CliCommand {
    /// Run many seeds and sum up
    Sweep(SweepArgs),
    /// Run one plan and say what came of it
    Run(RunArgs),
    /// Print the plan of a seed
    Plan(PlanArgs),
    /// Store a plan as a case, with a story to fill in
    Keep(KeepArgs),
    /// Run a stored case and say whether it did what is expected of it
    Replay(ReplayArgs),
    /// Add what several sweeps found out
    Merge(MergeArgs),
    /// Make a failing plan smaller
    Shrink(ShrinkArgs),
    /// Judge what was recorded elsewhere
    Check(CheckArgs),
    /// Name all bugs, faults, properties and milestones
    List,
    /// Measure how fast it is
    Bench(BenchArgs),
}

#[derive(Args, Debug)]
pub(super) struct SweepArgs {
    /// Which seeds: from A up to and without B, or the first N [default: 0..2000]
    #[arg(long, value_name = "A..B", value_parser = parse_seeds, allow_hyphen_values = true)]
    pub(super) seeds: Option<Range<u64>>,
    /// How many runs at once [default: one per core]
    #[arg(long, value_name = "N", value_parser = parse_jobs, allow_hyphen_values = true)]
    pub(super) jobs: Option<NonZeroUsize>,
    /// For how long, such as 8h: seeds go up until then
    #[arg(long = "for", value_name = "TIME", value_parser = parse_time, allow_hyphen_values = true)]
    pub(super) time_limit: Option<SimDuration>,
    /// The folder for failing plans, and where it is named for what was found out [default: failures]
    #[arg(long, value_name = "DIR", allow_negative_numbers = true)]
    pub(super) out: Option<PathBuf>,
    /// Go on with the sweep in the folder `--out`, which is refused to a new one until its seeds are all done
    #[arg(long)]
    pub(super) resume: bool,
    /// Of N machines this is number I, from 1 on: sweep its part of the seeds
    #[arg(long, value_name = "I/N", value_parser = parse_shard, allow_hyphen_values = true)]
    pub(super) shard: Option<Shard>,
    /// Print one JSON object on standard output and nothing else there
    #[arg(long)]
    pub(super) json: bool,
    /// Leave what is found as large as it is
    #[arg(long)]
    pub(super) as_found: bool,
    #[command(flatten)]
    pub(super) overrides: OverrideArgs,
}

/// What is otherwise than in the plan of the seed.
#[derive(Args, Debug)]
pub(super) struct OverrideArgs {
    /// Switch a bug on
    #[arg(long, value_name = "NAME", allow_negative_numbers = true)]
    pub(super) bug: Option<String>,
    /// Do not let this property look; may be given several times
    #[arg(long, value_name = "PROPERTY", allow_negative_numbers = true)]
    pub(super) without: Vec<String>,
}

#[derive(Args, Debug)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) source: PlanSourceArgs,
    #[command(flatten)]
    pub(super) recording: RecordingArgs,
    #[command(flatten)]
    pub(super) overrides: OverrideArgs,
}

/// Where a plan comes from.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(super) struct PlanSourceArgs {
    /// The plan of this seed
    #[arg(long, value_name = "N", value_parser = parse_seed, allow_hyphen_values = true)]
    pub(super) seed: Option<u64>,
    /// The plan in this file, alone or in a case
    #[arg(long, value_name = "FILE", allow_negative_numbers = true)]
    pub(super) plan: Option<PathBuf>,
}

/// What is kept of a run.
#[derive(Args, Debug)]
pub(super) struct RecordingArgs {
    /// Print the timeline, a line per event
    #[arg(long)]
    pub(super) trace: bool,
    /// Let madsim's executor run between any two events: slower, and with the same digest
    #[arg(long)]
    pub(super) strict: bool,
    /// Write the facts to this file, as JSON lines
    #[arg(long, value_name = "FILE", allow_negative_numbers = true)]
    pub(super) facts: Option<PathBuf>,
    /// Write the clients' history to this file, as JSON lines
    #[arg(long, value_name = "FILE", allow_negative_numbers = true)]
    pub(super) history: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(super) struct PlanArgs {
    /// The seed
    #[arg(long, value_name = "N", value_parser = parse_seed, allow_hyphen_values = true)]
    pub(super) seed: u64,
    /// Switch a bug on
    #[arg(long, value_name = "NAME", allow_negative_numbers = true)]
    pub(super) bug: Option<String>,
}

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("kept").required(true))]
pub(super) struct KeepArgs {
    /// A plan, alone or in a case
    #[arg(value_name = "FILE", group = "kept")]
    pub(super) file: Option<PathBuf>,
    /// The plan of this seed
    #[arg(long, value_name = "N", value_parser = parse_seed, allow_hyphen_values = true, group = "kept")]
    pub(super) seed: Option<u64>,
    /// The name of the case: small letters, digits and dashes
    #[arg(long, value_name = "NAME", value_parser = parse_case_name, allow_negative_numbers = true)]
    pub(super) name: String,
    /// Switch a bug on, which shall stay caught
    #[arg(long, value_name = "NAME", allow_negative_numbers = true)]
    pub(super) bug: Option<String>,
}

#[derive(Args, Debug)]
pub(super) struct ReplayArgs {
    /// The case
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Where it no longer does what is expected, write it back with a seed that does, if there is one near
    #[arg(long)]
    pub(super) refresh: bool,
    #[command(flatten)]
    pub(super) recording: RecordingArgs,
}

#[derive(Args, Debug)]
pub(super) struct MergeArgs {
    /// The folders of the sweeps
    #[arg(value_name = "DIR", required = true)]
    pub(super) folders: Vec<PathBuf>,
    /// Print one JSON object on standard output and nothing else there
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("shrunk").required(true))]
pub(super) struct ShrinkArgs {
    /// A plan that fails, alone or in a case
    #[arg(value_name = "FILE", group = "shrunk")]
    pub(super) file: Option<PathBuf>,
    /// The plan of this seed
    #[arg(long, value_name = "N", value_parser = parse_seed, allow_hyphen_values = true, group = "shrunk")]
    pub(super) seed: Option<u64>,
    /// Shrink five failing seeds of each bug and print a table of it
    #[arg(long, group = "shrunk")]
    pub(super) survey: bool,
    /// How many runs at once [default: one per core]
    #[arg(long, value_name = "N", value_parser = parse_jobs, allow_hyphen_values = true)]
    pub(super) jobs: Option<NonZeroUsize>,
    /// The most runs; where they are used up, the smallest plan so far is kept
    #[arg(long, value_name = "N", value_parser = parse_count, default_value_t = SHRINK_RUNS, allow_hyphen_values = true)]
    pub(super) runs: u64,
    /// The folder for the smaller plan
    #[arg(long, value_name = "DIR", default_value = "failures", allow_negative_numbers = true)]
    pub(super) out: PathBuf,
    #[command(flatten)]
    pub(super) overrides: OverrideArgs,
}

#[derive(Args, Debug)]
#[command(disable_help_subcommand = true, arg_required_else_help = false)]
pub(super) struct CheckArgs {
    #[command(subcommand)]
    pub(super) input: CheckInput,
}

/// What was recorded.
#[derive(Subcommand, Debug)]
pub(super) enum CheckInput {
    /// Histories of clients: are they linearizable? In our JSON lines, kvsim's, Jepsen's (EDN, JSON, history.txt, log),
    /// Porcupine's or CSV, plain or gzipped; the content tells
    History {
        /// The histories; `-` is standard input
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        /// The most steps of the whole check: the search of every key, and the explanation
        #[arg(long, value_name = "N", value_parser = parse_count, default_value_t = Budget::default().steps, allow_hyphen_values = true)]
        steps: u64,
        /// The most bytes that a search may remember
        #[arg(long, value_name = "N", value_parser = parse_count, default_value_t = Budget::default().bytes, allow_hyphen_values = true)]
        bytes: u64,
        /// The most seconds of the check of a file; what is not judged by then is unknown
        #[arg(long, value_name = "S", value_parser = parse_seconds, allow_hyphen_values = true)]
        seconds: Option<std::time::Duration>,
        /// What a failed compare-and-set proves where failure is one word, as in Jepsen: `dropped`, that it did not
        /// happen, or `mismatch`, that it found another value as well
        #[arg(long, value_name = "MEANING", value_parser = parse_failed_cas, default_value = "dropped", allow_negative_numbers = true)]
        failed_cas: FailedCas,
        /// What each register or counter holds first, as the file would write it [default: nothing, or 0]
        #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
        initial: Option<String>,
        /// What the keys are: register, list, set, counter, queue or mutex [default: as the operations suggest]
        #[arg(long, value_name = "NAME", value_parser = parse_model, allow_negative_numbers = true)]
        model: Option<Object>,
        /// Print one JSON object on standard output and nothing else there: `files` has one for each
        #[arg(long)]
        json: bool,
    },
    /// Facts of servers, as JSON lines: do they keep all properties?
    Facts {
        /// The facts; `-` is standard input
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        /// Print one JSON object on standard output and nothing else there: `files` has one for each
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args, Debug)]
pub(super) struct BenchArgs {
    /// Print one JSON object on standard output and nothing else there
    #[arg(long)]
    pub(super) json: bool,
}

/// One of several machines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Shard {
    /// Which, from 0 on.
    pub(super) index: u64,
    /// Of how many.
    pub(super) count: u64,
}

pub(super) fn parse_shard(text: &str) -> Result<Shard, String> {
    let number = |text: &str| text.parse::<u64>().ok();
    let parts = text.split_once('/').and_then(|(index, count)| Some((number(index)?, number(count)?)));
    match parts {
        Some((index, count)) if (1..=count).contains(&index) => Ok(Shard { index: index - 1, count }),
        _ => Err("write I/N, such as 1/4: number I, from 1 to N, of N machines".into()),
    }
}

fn parse_seeds(text: &str) -> Result<Range<u64>, String> {
    let number = |text: &str| {
        text.parse::<u64>().map_err(|_| format!("write A..B or N, in whole numbers from 0 to {}", u64::MAX))
    };
    let range = match text.split_once("..") {
        Some((start, end)) => number(start)?..number(end)?,
        None => 0..number(text)?,
    };
    match range.start.cmp(&range.end) {
        std::cmp::Ordering::Less => Ok(range),
        std::cmp::Ordering::Equal => Err("the range is empty: B itself is not in A..B".into()),
        std::cmp::Ordering::Greater => Err("the range is reversed: write the smaller number first".into()),
    }
}

fn parse_seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("a seed is a whole number from 0 to {}", u64::MAX))
}

/// A count of things; the number is the option's.
pub(super) fn parse_count(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("write a whole number from 0 to {}", u64::MAX))
}

fn parse_jobs(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| "a sweep needs a whole number of jobs, at least 1".into())
}

fn parse_time(text: &str) -> Result<SimDuration, String> {
    match text.parse()? {
        SimDuration(0) => Err("a sweep needs more time than none".into()),
        time => Ok(time),
    }
}

fn parse_failed_cas(text: &str) -> Result<FailedCas, String> {
    match text {
        "dropped" => Ok(FailedCas::Dropped),
        "mismatch" => Ok(FailedCas::Mismatch),
        _ => Err("write dropped or mismatch".into()),
    }
}

fn parse_model(text: &str) -> Result<Object, String> {
    let all = [Object::Register, Object::List, Object::Set, Object::Counter, Object::Queue, Object::Mutex];
    let known = all.into_iter().find(|object| object.to_string() == text);
    known.ok_or_else(|| "write register, list, set, counter, queue or mutex".into())
}

fn parse_seconds(text: &str) -> Result<std::time::Duration, String> {
    let seconds = text.parse().ok().filter(|&seconds: &f64| seconds > 0.0);
    seconds
        .and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "write a number of seconds above 0, such as 2.5".into())
}

fn parse_case_name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    match !text.is_empty() && text.chars().all(fits) && !text.starts_with('-') {
        true => Ok(text.to_owned()),
        false => Err("a case is named by small letters, digits and dashes".into()),
    }
}
