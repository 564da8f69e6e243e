//! All parsers of this crate survive randomly mutated inputs: plans, cases and ledgers. Accepted inputs are
//! used: plans are shortened and run, ledgers are merged and reported.

#[path = "../../invariants/tests/fuzz/mod.rs"]
mod fuzz;

use fuzz::mutate::TestRng;
use fuzz::{Kind, Sample, survives, unchanged};
use harness::findings::case::Case;
use harness::outcome::{NO_PANIC, Options, Verdict};
use harness::plan::{self, Plan, SimDuration, file, generate, mutated_plan};
use harness::report::{SweepReport, sweep_summary};
use harness::sweep::ledger::{self, Ledger};
use harness::sweep::merge::{Problem, merge};
use harness::sweep::{Summary, SweepSettings, sweep};
use harness::systems::BUILT_IN;
use harness::systems::run::run;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

#[test]
fn readers_survive_mutated_inputs() {
    survives("readers_survive_mutated_inputs", &samples(), 10_000);
}

#[test]
#[ignore = "takes minutes: `cargo test --release -p harness --test readers -- --ignored --nocapture`"]
fn readers_survive_half_a_million_mutated_inputs() {
    survives("readers_survive_half_a_million_mutated_inputs", &samples(), 500_000);
}

/// One of this many accepted plans is run.
const RUN_ONE_OF: u64 = 16;

/// An accepted plan must be valid, survive writing and reading, and run without a harness panic.
fn check_accepted_plan(plan: &Plan, number: u64) {
    assert_eq!(plan.check(), Ok(()), "a parsed plan must be valid");
    assert_eq!(
        file::from_text(&file::to_text(plan)).as_ref(),
        Ok(plan),
        "a written plan must be read back unchanged"
    );
    if !number.is_multiple_of(RUN_ONE_OF) {
        return;
    }
    // A plan that this system cannot run is refused before it runs, by the check that every command makes.
    if let Err(error) = BUILT_IN.check_plan(plan) {
        assert!(!error.reason.is_empty());
        return;
    }
    let mut short = plan.clone();
    short.fault_phase = short.fault_phase.min(SimDuration::millis(1_500));
    short.bounds.events = short.bounds.events.min(4_000);
    let fault_phase = short.fault_phase;
    short.faults.retain(|fault| fault.at < fault_phase);
    let verdict = run(&short, &Options::default()).outcome.verdict;
    // A badly configured cluster may lack liveness, but a server may panic only with a bug switched on.
    if let (Verdict::Failed(failure), None) = (verdict, &plan.bug) {
        assert_ne!(failure.property, NO_PANIC, "{}", failure.cause);
    }
}

fn plan(bytes: &[u8], number: u64) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    match file::from_text(text) {
        Ok(plan) => check_accepted_plan(&plan, number),
        Err(error) => return error.to_string().is_empty(),
    }
    true
}

fn case(bytes: &[u8], number: u64) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    match Case::from_text(text) {
        Ok(case) => {
            assert_eq!(
                Case::from_text(&case.to_text()).as_ref(),
                Ok(&case),
                "a written plan must be read back unchanged"
            );
            check_accepted_plan(&case.plan, number);
        }
        Err(error) => return error.to_string().is_empty(),
    }
    true
}

/// Reads a ledger, merges it with itself and alone, and reports the sum.
fn ledger(bytes: &[u8], _: u64) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join(ledger::LEDGER_FILE), bytes).expect("a file");
    let read = match ledger::read(folder.path(), &BUILT_IN) {
        Ok(Some(read)) => read,
        Ok(None) => return false,
        Err(error) => return error.is_empty(),
    };
    let accepted = read.damage.is_empty();
    let folders = [folder.path().to_owned(), folder.path().to_owned()];
    let twice = merge(&folders, &BUILT_IN).expect("it was read before");
    assert!(twice.problems.iter().any(Problem::is_left_out) || read.summary.ran.is_empty());
    let sum = merge(&folders[..1], &BUILT_IN).expect("it was read before").summary;
    assert_eq!((sum.seeds, sum.digest), (twice.summary.seeds, twice.summary.digest));
    assert!(!sweep_summary(&sum).is_empty());
    assert!(serde_json::to_string(&SweepReport::of(&sum)).is_ok());
    accepted
}

/// Gives most inputs correct checksums, so that more than the checksum is tested.
fn with_checksums(bytes: Vec<u8>, rng: &mut TestRng) -> Vec<u8> {
    if rng.below(8) == 0 {
        return bytes;
    }
    let line = |line: &[u8]| {
        let ended = line.ends_with(b"\n");
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let text = line.rsplitn(2, |byte| *byte == b'\t').last().unwrap_or(line);
        let sum = format!("\t{:08x}", crc32c::crc32c(text));
        [text, sum.as_bytes(), if ended { b"\n" } else { b"" }].concat()
    };
    bytes.split_inclusive(|byte| *byte == b'\n').flat_map(line).collect()
}

static PLAN: Kind =
    Kind { name: "plans", extension: "toml", command: "run --plan", finish: unchanged, read: plan };
static CASE: Kind =
    Kind { name: "cases", extension: "toml", command: "replay", finish: unchanged, read: case };
static LEDGER: Kind = Kind {
    name: "ledgers",
    extension: "jsonl",
    command: "merge FOLDER, where its ledger.jsonl is",
    finish: with_checksums,
    read: ledger,
};

/// The ledger of a sweep over six seeds of which one fails.
fn written_ledger() -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let settings =
        SweepSettings { seeds: 0..6, all_seeds: 0..6, out: folder.path().into(), ..SweepSettings::default() };
    let lock = ledger::lock(folder.path(), &mut |_| {}).expect("the ledger must not be locked");
    let mut ledger = Ledger::create(lock, &Summary::new(&settings)).expect("the ledger must be writable");
    let short = |plan: &Plan, options: &Options| {
        let faults =
            plan.faults.iter().filter(|fault| fault.at < SimDuration::millis(400)).cloned().collect();
        let bounds =
            plan::LivenessBounds { events: if plan.seed == 4 { 50 } else { 100_000 }, ..plan.bounds.clone() };
        run(&Plan { fault_phase: SimDuration::millis(400), faults, bounds, ..plan.clone() }, options)
    };
    static NEVER: AtomicBool = AtomicBool::new(false);
    sweep(&settings, Arc::new(short), &NEVER, &mut |sum| {
        ledger.write_progress(sum, true).expect("the ledger must be writable");
    });
    fs::read(ledger.path()).expect("the ledger must be readable")
}

fn samples() -> Vec<Sample> {
    let mut samples = Vec::new();
    let text = |kind, text: String| Sample { kind, bytes: text.into_bytes() };
    samples.extend((0..12).map(|seed| text(&PLAN, file::to_text(&generate(seed)))));
    samples.extend((0..12).map(|number| text(&PLAN, file::to_text(&mutated_plan(number)))));
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(harness::findings::case::CASES_DIR);
    let mut paths: Vec<_> = fs::read_dir(cases)
        .expect("the stored cases")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    paths.sort();
    samples.extend(paths.iter().map(|path| text(&CASE, fs::read_to_string(path).expect("a stored case"))));
    samples.push(Sample { kind: &LEDGER, bytes: written_ledger() });
    let former = include_bytes!("../src/sweep/ledger/former_ledger.jsonl");
    samples.push(Sample { kind: &LEDGER, bytes: former.to_vec() });
    samples
}
