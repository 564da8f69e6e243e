//! All parsers of this crate survive randomly mutated inputs: histories of each format and facts.

#![expect(clippy::disallowed_methods, reason = "a test sorts its samples by the names of their files")]

mod fuzz;

use flate2::Compression;
use flate2::write::GzEncoder;
use fuzz::mutate::TestRng;
use fuzz::{Kind, Sample, survives, unchanged};
use invariants::formats::{self, FailedCas, ReadOptions, read_history_with};
use invariants::linearizability::{Budget, Object, report};
use invariants::{Checker, PROPERTIES};
use std::fs;
use std::io::Write;
use std::path::Path;

#[test]
fn readers_survive_mutated_inputs() {
    survives("readers_survive_mutated_inputs", &samples(), 10_000);
}

#[test]
#[ignore = "takes minutes: `cargo test --release -p invariants --test readers -- --ignored --nocapture`"]
fn readers_survive_half_a_million_mutated_inputs() {
    survives("readers_survive_half_a_million_mutated_inputs", &samples(), 500_000);
}

/// Enough for small histories; long searches are not tested here.
const BUDGET: Budget = Budget { steps: 2_000, bytes: 1 << 20 };

/// Parses and checks a history and formats the result; most of them with default options.
fn history(bytes: &[u8], number: u64) -> bool {
    let models = [Object::Register, Object::List, Object::Set, Object::Counter, Object::Queue, Object::Mutex]
        .map(Some);
    let options = match number % 8 {
        0 => ReadOptions { failed_cas: FailedCas::Mismatch, initial: Some("0".to_owned()), model: None },
        1 => ReadOptions { model: models[(number / 8) as usize % models.len()], ..ReadOptions::default() },
        _ => ReadOptions::default(),
    };
    let read = formats::decode_text(bytes.to_vec()).and_then(|text| read_history_with(&text, &options));
    let parsed = match read {
        Ok((_, parsed)) => parsed,
        Err(error) => return error.to_string().is_empty(),
    };
    match report(&parsed.calls, BUDGET) {
        Ok(report) => !parsed.describe(&report.verdict).is_empty(),
        Err(malformed) => parsed.parse_error(&malformed).to_string().is_empty(),
    }
}

/// Parses facts and checks them with all properties, with each alone, or with all but one: a violation ends
/// the check.
fn facts(bytes: &[u8], number: u64) -> bool {
    let Ok(text) = formats::decode_text(bytes.to_vec()) else { return false };
    let (others, selected) = (PROPERTIES.len() as u64, (number / 3 % PROPERTIES.len() as u64) as usize);
    let is_disabled = |index: usize| match number % 3 {
        0 => false,
        1 => index != selected,
        _ => index == selected && others > 1,
    };
    let disabled: Vec<&str> = PROPERTIES
        .iter()
        .enumerate()
        .filter(|(index, _)| is_disabled(*index))
        .map(|(_, property)| property.name)
        .collect();
    let mut checker = Checker::with_disabled(&disabled).expect("these are names of properties");
    let mut violation = None;
    for fact in formats::facts::read(&text) {
        match fact {
            Err(error) => return error.to_string().is_empty(),
            Ok(fact) if violation.is_none() => violation = checker.observe(&fact).err(),
            Ok(_) => {}
        }
    }
    let outcome = violation.map(|violation| (violation.to_string(), serde_json::to_string(&violation)));
    checker.checks().count() > 0 && outcome.is_none_or(|(_, json)| json.is_ok())
}

/// A kind of history.
const fn histories(name: &'static str, extension: &'static str) -> Kind {
    Kind { name, extension, command: "check history", finish: unchanged, read: history }
}

static CALLS: Kind = histories("our histories", "jsonl");
static KVSIM: Kind = histories("kvsim", "jsonl");
static LOG: Kind = histories("Jepsen logs", "log");
static MAPS: Kind = histories("Jepsen maps", "edn");
static JSON: Kind = histories("Jepsen JSON", "json");
static COLUMNS: Kind = histories("Jepsen columns", "txt");
static CSV: Kind = histories("CSV", "csv");
static COMPRESSED: Kind = Kind { finish: compressed, ..histories("gzip", "gz") };
static FACTS: Kind =
    Kind { name: "facts", extension: "jsonl", command: "check facts", finish: unchanged, read: facts };

/// Compresses, and damages the result in half of all cases.
fn compressed(bytes: Vec<u8>, rng: &mut TestRng) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&bytes).expect("a Vec accepts every write");
    let mut bytes = encoder.finish().expect("a Vec accepts every write");
    let at = rng.below(bytes.len() as u64) as usize;
    match rng.below(6) {
        0 => bytes.truncate(at),
        1 => bytes[at] ^= 1 << rng.below(8),
        2 => bytes.extend_from_within(at..),
        _ => {}
    }
    bytes
}

/// Operations of a register as in a Jepsen log.
const LOGS: [&str; 2] = [
    "INFO  jepsen.util - 0 :invoke :write 5
INFO  jepsen.util - 1 :invoke :read nil
INFO  jepsen.util - 0 :ok :write 5
INFO  jepsen.util - 1 :ok :read 5
INFO  jepsen.util - 2 :invoke :cas [5 3]
INFO  jepsen.util - 2 :fail :cas [5 3]
INFO  jepsen.util - 3 :invoke :write 4
INFO  jepsen.util - 3 :info :write :timed-out
INFO  jepsen.util - 0 :invoke :read nil
INFO  jepsen.util - 0 :fail :read :timed-out
",
    "2026-01-02 03:04:05,678{GMT} INFO [jepsen worker 0] jepsen.util: 0 :invoke :write [1 5]
2026-01-02 03:04:05,679{GMT} INFO [jepsen worker 1] jepsen.util: 1 :invoke :read [1 nil]
2026-01-02 03:04:05,680{GMT} INFO [jepsen worker 0] jepsen.util: 0 :ok :write [1 5]
2026-01-02 03:04:05,681{GMT} INFO [jepsen worker 1] jepsen.util: 1 :ok :read [1 5]
",
];

/// Operations as maps: of a register, of keys and of texts.
const MANY_MAPS: [&str; 3] = [
    "{:process 0, :type :invoke, :f :write, :value 3, :time 10, :index 0}
{:process 1, :type :invoke, :f :read, :value nil, :time 12, :index 1}
{:process 0, :type :ok, :f :write, :value 3, :time 20, :index 2}
{:process 1, :type :ok, :f :read, :value 3, :time 25, :index 3}
{:process 2, :type :invoke, :f :cas, :value [3 4], :time 30, :index 4}
{:process 2, :type :info, :f :cas, :value [3 4], :time 31, :error :timeout, :index 5}
{:process :nemesis, :type :info, :f :start, :value nil, :time 32, :index 6}
",
    "[{:process 0, :type :invoke, :f :write, :value [7 3]}
 {:process 0, :type :ok, :f :write, :value [7 3]}
 #jepsen.history.Op{:index 2, :time 5, :type :invoke, :process 1, :f :read, :value [7 nil]}
 #jepsen.history.Op{:index 3, :time 6, :type :ok, :process 1, :f :read, :value [7 3]}]
",
    "{:process 0, :type :invoke, :f :get, :key \"x\", :value nil}
{:process 1, :type :invoke, :f :append, :key \"x\", :value \"a\"}
{:process 0, :type :ok, :f :get, :key \"x\", :value \"\"}
{:process 1, :type :ok, :f :append, :key \"x\", :value \"a\"}
{:process 0, :type :invoke, :f :put, :key \"y\", :value \"b\"}
{:process 0, :type :ok, :f :put, :key \"y\", :value \"b\"}
",
];

/// The first lines of a text, to keep inputs short.
fn first_lines(text: &[u8], count: usize) -> Vec<u8> {
    text.split_inclusive(|byte| *byte == b'\n').take(count).flatten().copied().collect()
}

/// The files of a folder of these tests, sorted by path.
fn files(folder: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.sort();
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    paths
        .iter()
        .filter(|path| path.is_file())
        .map(|path| (name(path), fs::read(path).expect("a file")))
        .collect()
}

/// Facts and histories written by short runs, and small histories of each format.
fn samples() -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut add = |kind: &'static Kind, bytes: Vec<u8>| samples.push(Sample { kind, bytes });
    for (name, bytes) in files("fuzz/corpus") {
        add(if name.starts_with("facts") { &FACTS } else { &CALLS }, bytes);
    }
    for (_, bytes) in files("histories/kvsim").into_iter().step_by(7) {
        add(&KVSIM, first_lines(&bytes, 40));
    }
    LOGS.iter().for_each(|text| add(&LOG, text.as_bytes().to_vec()));
    MANY_MAPS.iter().for_each(|text| add(&MAPS, text.as_bytes().to_vec()));
    for (name, bytes) in [files("data/histories"), files("data/live")].concat() {
        let kind = match name.rsplit_once('.').map(|(_, extension)| extension) {
            Some("edn") => &MAPS,
            Some("json" | "jsonl") => &JSON,
            Some("txt") => &COLUMNS,
            Some("csv") => &CSV,
            Some("gz") => &COMPRESSED,
            _ => continue,
        };
        let text = formats::decode_text(bytes).expect("stored histories are texts");
        add(kind, first_lines(text.as_bytes(), 40));
    }
    samples
}
