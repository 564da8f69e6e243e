//! Commands and options. Former names stay valid as hidden aliases.

use crate::outcome::Engine;
use crate::plan::{Feature, Plan, SimDuration};
use crate::report::picture::PictureForm;
use crate::support::suggest;
use crate::sweep::{Shard, Window};
use clap::{ArgGroup, Args, Parser, Subcommand};
use invariants::Budget;
use invariants::formats::FailedCas;
use invariants::linearizability::Object;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

/// The default limit of runs for shrinking.
pub(super) const SHRINK_RUNS: u64 = 20_000;

/// Deterministic simulation testing for Raft
#[derive(Parser, Debug)]
#[command(name = "harness", version, args_conflicts_with_subcommands = true)]
pub(super) struct Cli {
    /// The command; without one, `sweep`.
    #[command(subcommand)]
    pub(super) command: Option<CliCommand>,
    /// Sweep the system in another way, which `list` describes
    #[arg(long, value_name = "NAME", global = true, hide_short_help = true, allow_negative_numbers = true)]
    pub(super) profile: Option<String>,
    #[command(flatten)]
    pub(super) sweep: SweepArgs,
}

#[derive(Subcommand, Debug)]
pub(super) enum CliCommand {
    /// Run many seeds and print a summary
    Sweep(SweepArgs),
    /// Run one plan and print its verdict
    Run(RunArgs),
    /// Print the plan of a seed
    Plan(PlanArgs),
    /// Store a plan as a case, with a description to fill in
    #[command(alias = "keep")]
    AddCase(AddCaseArgs),
    /// Run a stored case and check its expectation
    Replay(ReplayArgs),
    /// Add the results of several sweeps
    Merge(MergeArgs),
    /// Shrink a failing plan
    Shrink(ShrinkArgs),
    /// Check recorded histories or facts
    Check(CheckArgs),
    /// Run seeds in several ways, and compare
    Determinism(DeterminismArgs),
    /// Measure how soon each bug of the catalogue is caught, and by what
    Bugs(BugsArgs),
    /// Measure how many seeds reach each milestone and exercise each line, for `harness/floors.toml`
    Floors(FloorsArgs),
    /// Explore every interleaving of a small cluster: all orders of messages, saves, timers and crashes
    #[cfg(feature = "explore")]
    Explore(ExploreArgs),
    /// List all bugs, faults, properties and milestones
    List,
    /// Measure the speed of the harness
    Bench(BenchArgs),
}

#[derive(Args, Debug)]
pub(super) struct SweepArgs {
    /// Seeds A to B-1, or the first N [default: 0..2000]
    #[arg(long, value_name = "A..B", value_parser = parse_seeds, allow_hyphen_values = true)]
    pub(super) seeds: Option<Range<u64>>,
    /// A billion seeds of their own for a day, a run number or any other name; `--seeds` counts from its first one
    #[arg(long, value_name = "NAME", value_parser = Window::named, allow_negative_numbers = true)]
    pub(super) window: Option<Window>,
    /// Number of concurrent runs [default: one per core]
    #[arg(long, value_name = "N", value_parser = parse_jobs, allow_hyphen_values = true)]
    pub(super) jobs: Option<NonZeroUsize>,
    /// Time limit, such as 8h: no new run starts after it
    #[arg(long = "for", value_name = "TIME", value_parser = parse_time, allow_hyphen_values = true)]
    pub(super) time_limit: Option<SimDuration>,
    /// Folder for failing plans; if given, also for the ledger of results [default: failures]
    #[arg(long, value_name = "DIR", allow_negative_numbers = true)]
    pub(super) out: Option<PathBuf>,
    /// Continue the unfinished sweep in the folder `--out`
    #[arg(long)]
    pub(super) resume: bool,
    /// Run part I of N (1 to N) of the seeds, one part per machine
    #[arg(long, value_name = "I/N", value_parser = parse_shard, allow_hyphen_values = true)]
    pub(super) shard: Option<Shard>,
    /// Print only one JSON object on standard output
    #[arg(long)]
    pub(super) json: bool,
    /// Make half of the plans by changing those that got to rare places. The number of seeds is the number of runs
    #[arg(long, conflicts_with_all = ["resume", "shard", "avoid", "window", "corpus"])]
    pub(super) guided: bool,
    /// Write the summary to this file, too, as a page for browsers
    #[arg(long, value_name = "FILE", allow_negative_numbers = true)]
    pub(super) html: Option<PathBuf>,
    /// Do not shrink failures
    #[arg(long, alias = "as-found")]
    pub(super) no_shrink: bool,
    /// Folder of cases: failures like a defect in them that is still there are counted apart [default: the system's
    /// cases]
    #[arg(long, value_name = "DIR", allow_negative_numbers = true)]
    pub(super) known: Option<PathBuf>,
    /// Folder of plans that `merge --corpus` has collected, to replay before the seeds
    #[arg(long, value_name = "DIR", allow_negative_numbers = true)]
    pub(super) corpus: Option<PathBuf>,
    /// Leave out of the plans a feature without which this case does not fail; may be given several times
    #[arg(long, value_name = "CASE", allow_negative_numbers = true)]
    pub(super) avoid: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) hang: HangArgs,
    #[command(flatten)]
    pub(super) overrides: OverrideArgs,
}

/// The plan without these features.
pub(super) fn reduce(plan: Plan, left_out: &[Feature]) -> Plan {
    left_out.iter().fold(plan, |plan, feature| feature.remove_from(plan))
}

/// Deviations from the plan of the seed.
#[derive(Args, Debug)]
pub(super) struct OverrideArgs {
    /// Switch on a bug
    #[arg(long, value_name = "NAME", allow_negative_numbers = true)]
    pub(super) bug: Option<String>,
    /// Disable this property; may be given several times
    #[arg(long, value_name = "PROPERTY", alias = "without", allow_negative_numbers = true)]
    pub(super) disable: Vec<String>,
    /// Leave a feature out of the plan of a seed, such as `leases` or `power-loss`; may be given several times
    #[arg(long, value_name = "FEATURE", value_parser = parse_feature, allow_negative_numbers = true)]
    pub(super) leave_out: Vec<Feature>,
}

#[derive(Args, Debug)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) source: PlanSourceArgs,
    /// Print the run in this form instead of the page: json, mermaid, shiviz or, in a build with the feature `perfetto`,
    /// perfetto
    #[arg(long = "as", value_name = "FORM", value_parser = parse_form, allow_negative_numbers = true)]
    pub(super) form: Option<PictureForm>,
    /// Write the run to this file, too, as a page for browsers
    #[arg(long, value_name = "FILE", allow_negative_numbers = true)]
    pub(super) html: Option<PathBuf>,
    #[command(flatten)]
    pub(super) recording: RecordingArgs,
    #[command(flatten)]
    pub(super) overrides: OverrideArgs,
}

/// The source of a plan.
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

/// When a run hangs.
#[derive(Args, Debug)]
pub(super) struct HangArgs {
    /// How long a run may be without an event, in real time; then it breaks `no-hang`
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "60s", allow_hyphen_values = true)]
    hang_after: SimDuration,
}

impl HangArgs {
    pub(super) fn after(&self) -> Duration {
        Duration::from_nanos(self.hang_after.0)
    }
}

/// What to record of a run.
#[derive(Args, Debug)]
pub(super) struct RecordingArgs {
    /// Print the trace, a line per event
    #[arg(long)]
    pub(super) trace: bool,
    /// What runs the cluster: plain, a loop; fast, nodes of madsim; strict, nodes of madsim whose executor runs between
    /// any two events. All have the same digest [default: fast, or plain without madsim]
    #[arg(long, value_name = "NAME", value_parser = parse_engine, allow_negative_numbers = true)]
    pub(super) engine: Option<Engine>,
    /// A former name of `--engine strict`
    #[arg(long, hide = true, conflicts_with = "engine")]
    pub(super) strict: bool,
    /// Write the facts to this file, as JSON lines
    #[arg(long, value_name = "FILE", allow_negative_numbers = true)]
    pub(super) facts: Option<PathBuf>,
    /// Write the clients' history to this file, as JSON lines
    #[arg(long, value_name = "FILE", allow_negative_numbers = true)]
    pub(super) history: Option<PathBuf>,
    #[command(flatten)]
    pub(super) hang: HangArgs,
}

#[derive(Args, Debug)]
pub(super) struct DeterminismArgs {
    /// Seeds A to B-1, or the first N
    #[arg(long, value_name = "A..B", value_parser = parse_seeds, default_value = "0..100", allow_hyphen_values = true)]
    pub(super) seeds: Range<u64>,
    /// Only print the digests, a line for each seed
    #[arg(long)]
    pub(super) digests: bool,
}

#[derive(Args, Debug)]
pub(super) struct FloorsArgs {
    /// Number of sweeps of 5,000 seeds each
    #[arg(long, value_name = "N", value_parser = parse_count, default_value_t = 10, allow_hyphen_values = true)]
    pub(super) sweeps: u64,
    /// Number of concurrent runs
    #[arg(long, value_name = "N", value_parser = parse_jobs, allow_hyphen_values = true)]
    pub(super) jobs: Option<NonZeroUsize>,
}

#[derive(Args, Debug)]
pub(super) struct BugsArgs {
    /// Measure only this bug; may be given several times
    #[arg(long, value_name = "NAME", allow_negative_numbers = true)]
    pub(super) bug: Vec<String>,
    /// Seeds over which each bug runs
    #[arg(long, value_name = "N", value_parser = parse_count, default_value_t = 2_000, allow_hyphen_values = true)]
    pub(super) seeds: u64,
    /// Seeds over which a bug runs that was not caught before
    #[arg(long, value_name = "N", value_parser = parse_count, default_value_t = 20_000, allow_hyphen_values = true)]
    pub(super) max_seeds: u64,
    /// Number of disjoint ranges of seeds; the table shows medians
    #[arg(long, value_name = "N", value_parser = parse_count, default_value_t = 1, allow_hyphen_values = true)]
    pub(super) ranges: u64,
    /// Count only what clients, panics and liveness show
    #[arg(long)]
    pub(super) black_box: bool,
    /// Change plans that got to rare places, see `sweep --guided`; a bug ends with the first run that fails
    #[arg(long)]
    pub(super) guided: bool,
    /// Only count, without any bug, in how many seeds each bug's line is exercised: in how many it would make a difference
    #[arg(long, conflicts_with_all = ["max_seeds", "ranges", "black_box", "guided", "out"])]
    pub(super) exercised: bool,
    /// Number of concurrent runs [default: one per core]
    #[arg(long, value_name = "N", value_parser = parse_jobs, allow_hyphen_values = true)]
    pub(super) jobs: Option<NonZeroUsize>,
    /// Folder for the results so far: a measurement that was broken off goes on there
    #[arg(long, value_name = "DIR", allow_negative_numbers = true)]
    pub(super) out: Option<PathBuf>,
    /// Print only one JSON object on standard output
    #[arg(long)]
    pub(super) json: bool,
}

#[cfg(feature = "explore")]
#[derive(Args, Debug)]
pub(super) struct ExploreArgs {
    /// Number of servers
    #[arg(long, value_name = "N", default_value_t = 3, allow_hyphen_values = true)]
    pub(super) servers: usize,
    /// How many of them, the first ones, are voters at the start [default: all]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(super) voters: Option<usize>,
    /// The highest term
    #[arg(long, value_name = "N", default_value_t = 2, allow_hyphen_values = true)]
    pub(super) terms: u64,
    /// How many election timers fire in all; 15: no limit
    #[arg(long, value_name = "N", default_value_t = 15, allow_hyphen_values = true)]
    pub(super) timers: u32,
    /// How many commands clients propose
    #[arg(long, value_name = "N", default_value_t = 0, allow_hyphen_values = true)]
    pub(super) proposals: u32,
    /// How many servers lose power, with any of the writes that are not durable
    #[arg(long, value_name = "N", default_value_t = 0, allow_hyphen_values = true)]
    pub(super) crashes: u32,
    /// How many membership changes are requested
    #[arg(long, value_name = "N", default_value_t = 0, allow_hyphen_values = true)]
    pub(super) changes: u32,
    /// How many reads are requested
    #[arg(long, value_name = "N", default_value_t = 0, allow_hyphen_values = true)]
    pub(super) reads: u32,
    /// How many leadership transfers are requested
    #[arg(long, value_name = "N", default_value_t = 0, allow_hyphen_values = true)]
    pub(super) transfers: u32,
    /// How many snapshots are taken
    #[arg(long, value_name = "N", default_value_t = 0, allow_hyphen_values = true)]
    pub(super) snapshots: u32,
    /// How many writes fail or hang
    #[arg(long, value_name = "N", default_value_t = 0, allow_hyphen_values = true)]
    pub(super) disks: u32,
    /// Leaders send heartbeats
    #[arg(long)]
    pub(super) heartbeats: bool,
    /// Every write is durable at once
    #[arg(long)]
    pub(super) instant_saves: bool,
    /// Servers ask before they campaign
    #[arg(long)]
    pub(super) pre_vote: bool,
    /// Leaders check their quorum, and voters that hear from a leader vote for no other
    #[arg(long)]
    pub(super) check_quorum: bool,
    /// The most entries of a message
    #[arg(long, value_name = "N", default_value_t = 64, allow_hyphen_values = true)]
    pub(super) batch: usize,
    /// Count states that differ by the numbers of servers one by one
    #[arg(long)]
    pub(super) no_symmetry: bool,
    /// Keep messages that change nothing in the network
    #[arg(long)]
    pub(super) keep_dead: bool,
    /// Also check that a leader can be elected and commit from every state
    #[arg(long)]
    pub(super) liveness: bool,
    /// Switch on a bug
    #[arg(long, value_name = "NAME", allow_negative_numbers = true)]
    pub(super) bug: Option<String>,
    /// Write a violation to this file, as a case to replay
    #[arg(long, value_name = "FILE", allow_negative_numbers = true)]
    pub(super) out: Option<PathBuf>,
    /// Replay the trace in this file instead; all else is as the file says
    #[arg(long, value_name = "FILE", allow_negative_numbers = true)]
    pub(super) replay: Option<PathBuf>,
    /// Explore the scopes that this file lists instead, and compare their numbers of states with those in it
    #[arg(long, value_name = "FILE", allow_negative_numbers = true, conflicts_with_all = ["replay", "out", "bug"])]
    pub(super) scopes: Option<PathBuf>,
    /// Say of each bug which of the scopes shows it, instead
    #[arg(long, requires = "scopes")]
    pub(super) bugs: bool,
    /// The most states; then the search is not complete
    #[arg(long, value_name = "N", default_value_t = 100_000_000, allow_hyphen_values = true)]
    pub(super) max_states: usize,
    /// The most memory for these states, in MiB; then the search is not complete
    #[arg(long, value_name = "MIB", default_value_t = 6 << 10, allow_hyphen_values = true)]
    pub(super) max_memory: usize,
    /// Print only one JSON object on standard output
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Args, Debug)]
pub(super) struct PlanArgs {
    /// The seed
    #[arg(long, value_name = "N", value_parser = parse_seed, allow_hyphen_values = true)]
    pub(super) seed: u64,
    /// Switch on a bug
    #[arg(long, value_name = "NAME", allow_negative_numbers = true)]
    pub(super) bug: Option<String>,
    /// Leave a feature out of the plan, such as `leases` or `power-loss`; may be given several times
    #[arg(long, value_name = "FEATURE", value_parser = parse_feature, allow_negative_numbers = true)]
    pub(super) leave_out: Vec<Feature>,
}

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("case_source").required(true))]
pub(super) struct AddCaseArgs {
    /// A plan, alone or in a case
    #[arg(value_name = "FILE", group = "case_source")]
    pub(super) file: Option<PathBuf>,
    /// The plan of this seed
    #[arg(long, value_name = "N", value_parser = parse_seed, allow_hyphen_values = true, group = "case_source")]
    pub(super) seed: Option<u64>,
    /// Name of the case: lower-case letters, digits and dashes
    #[arg(long, value_name = "NAME", value_parser = parse_case_name, allow_negative_numbers = true)]
    pub(super) name: String,
    /// Switch on a bug that the case must catch
    #[arg(long, value_name = "NAME", allow_negative_numbers = true)]
    pub(super) bug: Option<String>,
    /// Leave a feature out of the plan, such as `leases` or `power-loss`; may be given several times
    #[arg(long, value_name = "FEATURE", value_parser = parse_feature, allow_negative_numbers = true)]
    pub(super) leave_out: Vec<Feature>,
    #[command(flatten)]
    pub(super) hang: HangArgs,
}

#[derive(Args, Debug)]
pub(super) struct ReplayArgs {
    /// The case
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// If the expectation is not met, search a seed that meets it and rewrite the case
    #[arg(long)]
    pub(super) refresh: bool,
    #[command(flatten)]
    pub(super) recording: RecordingArgs,
}

#[derive(Args, Debug)]
pub(super) struct MergeArgs {
    /// Folders of the sweeps
    #[arg(value_name = "DIR", required = true)]
    pub(super) folders: Vec<PathBuf>,
    /// Write the summary to this file, too, as a page for browsers
    #[arg(long, value_name = "FILE", allow_negative_numbers = true)]
    pub(super) html: Option<PathBuf>,
    /// Folder for the sum: a part that can be merged again, with the smallest plan of each group of failures
    #[arg(long, value_name = "DIR", allow_negative_numbers = true)]
    pub(super) out: Option<PathBuf>,
    /// Folder in which to collect plans for the next night: the smallest of each group of failures, and those that reached
    /// a milestone with fewer than 5 seeds
    #[arg(long, value_name = "DIR", allow_negative_numbers = true)]
    pub(super) corpus: Option<PathBuf>,
    /// Folder of an earlier result or of cases: failures unlike those in it are shown first, as new
    #[arg(long, value_name = "DIR", allow_negative_numbers = true)]
    pub(super) baseline: Option<PathBuf>,
    /// Folder of cases with known defects, instead of those of the sweeps
    #[arg(long, value_name = "DIR", allow_negative_numbers = true)]
    pub(super) known: Option<PathBuf>,
    /// Print only one JSON object on standard output
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("shrunk").required(true))]
pub(super) struct ShrinkArgs {
    /// A failing plan, alone or in a case
    #[arg(value_name = "FILE", group = "shrunk")]
    pub(super) file: Option<PathBuf>,
    /// The plan of this seed
    #[arg(long, value_name = "N", value_parser = parse_seed, allow_hyphen_values = true, group = "shrunk")]
    pub(super) seed: Option<u64>,
    /// Shrink five failing seeds of each bug and print a table
    #[arg(long, group = "shrunk")]
    pub(super) survey: bool,
    /// Number of concurrent runs [default: one per core]
    #[arg(long, value_name = "N", value_parser = parse_jobs, allow_hyphen_values = true)]
    pub(super) jobs: Option<NonZeroUsize>,
    /// The most runs; after them, the smallest plan so far is written
    #[arg(long, value_name = "N", value_parser = parse_count, default_value_t = SHRINK_RUNS, allow_hyphen_values = true)]
    pub(super) runs: u64,
    /// Folder for the shrunk plan
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

/// What to check.
#[derive(Subcommand, Debug)]
pub(super) enum CheckInput {
    /// Check client histories for linearizability: JSON lines, kvsim, Jepsen (EDN, JSON, history.txt, log), Porcupine
    /// or CSV, plain or gzipped; the format is detected
    History {
        /// The histories; `-` is standard input
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        /// The most steps of a check: the search of every key, and the explanation
        #[arg(long, value_name = "N", value_parser = parse_count, default_value_t = Budget::default().steps, allow_hyphen_values = true)]
        steps: u64,
        /// The most bytes of memory for a search
        #[arg(long, value_name = "N", value_parser = parse_count, default_value_t = Budget::default().bytes, allow_hyphen_values = true)]
        bytes: u64,
        /// The most seconds per file; what is undecided then is unknown
        #[arg(long, value_name = "S", value_parser = parse_seconds, allow_hyphen_values = true)]
        seconds: Option<Duration>,
        /// What a failed compare-and-set means in formats with one word for failure, such as Jepsen's: `dropped`, it
        /// did not happen; `mismatch`, it did not happen because it found another value
        #[arg(long, value_name = "MEANING", value_parser = parse_failed_cas, default_value = "dropped", allow_negative_numbers = true)]
        failed_cas: FailedCas,
        /// Initial value of each register or counter, as the file would write it [default: nothing, or 0]
        #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
        initial: Option<String>,
        /// Type of the keys: register, list, set, counter, queue or mutex [default: inferred from the operations]
        #[arg(long, value_name = "NAME", value_parser = parse_model, allow_negative_numbers = true)]
        model: Option<Object>,
        /// Write the history and its contradiction to this file as a page for browsers; for one FILE only
        #[arg(long, value_name = "FILE", allow_negative_numbers = true)]
        html: Option<PathBuf>,
        /// Print only one JSON object on standard output; `files` has an entry per file
        #[arg(long)]
        json: bool,
    },
    /// Check facts of servers, as JSON lines, against all properties
    Facts {
        /// The facts; `-` is standard input
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        /// Write the facts and their contradiction to this file as a page for browsers; for one FILE only
        #[arg(long, value_name = "FILE", allow_negative_numbers = true)]
        html: Option<PathBuf>,
        /// Print only one JSON object on standard output; `files` has an entry per file
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args, Debug)]
pub(super) struct BenchArgs {
    /// Print only one JSON object on standard output
    #[arg(long)]
    pub(super) json: bool,
}

#[expect(clippy::disallowed_methods, reason = "the text comes from the command line")]
pub(super) fn parse_shard(text: &str) -> Result<Shard, String> {
    let number = |text: &str| text.parse::<u64>().ok();
    let parts = text.split_once('/').and_then(|(index, count)| Some((number(index)?, number(count)?)));
    match parts {
        Some((index, count)) if (1..=count).contains(&index) => Ok(Shard { index: index - 1, count }),
        _ => Err("write I/N, such as 1/4: part I, from 1 to N, of N parts".into()),
    }
}

#[expect(clippy::disallowed_methods, reason = "the text comes from the command line")]
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

/// Parses a count.
pub(super) fn parse_count(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("write a whole number from 0 to {}", u64::MAX))
}

fn parse_jobs(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| "write a whole number from 1 up".into())
}

fn parse_time(text: &str) -> Result<SimDuration, String> {
    match text.parse()? {
        SimDuration(0) => Err("the time must be above zero".into()),
        time => Ok(time),
    }
}

fn parse_feature(text: &str) -> Result<Feature, String> {
    Feature::named(text)
}

fn parse_engine(text: &str) -> Result<Engine, String> {
    match Engine::ALL.into_iter().find(|(name, _)| *name == text) {
        Some((_, engine)) if engine.is_available() => Ok(engine),
        Some((_, engine)) => Err(engine.needs().into()),
        None => Err(suggest::unknown_name("engine", text, Engine::ALL.map(|(name, _)| name))),
    }
}

fn parse_form(text: &str) -> Result<PictureForm, String> {
    if text == "perfetto" && cfg!(not(feature = "perfetto")) {
        return Err("this form needs a build with `--features perfetto`".into());
    }
    let named = PictureForm::ALL.iter().find(|(name, _)| *name == text);
    named
        .map(|(_, form)| *form)
        .ok_or_else(|| suggest::unknown_name("form", text, PictureForm::ALL.iter().map(|(name, _)| *name)))
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

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|&seconds: &f64| seconds > 0.0);
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "write a number of seconds above 0, such as 2.5".into())
}

#[expect(clippy::disallowed_methods, reason = "the text comes from the command line")]
fn parse_case_name(text: &str) -> Result<String, String> {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    match !text.is_empty() && text.chars().all(is_allowed) && !text.starts_with('-') {
        true => Ok(text.to_owned()),
        false => Err("use lower-case letters, digits and dashes, not a dash first".into()),
    }
}
