//! A mutation fuzz of readers: stored inputs, changed at random, must be read or refused, but never end the reader.
//!
//! [`survives`] starts this test binary once more for each core, as a child process with at most 1 GiB of address space.
//! The child reads one input after the other and writes the number of the current one to a file; so the parent knows which
//! input panicked, ran out of memory or stack, or took more than ten seconds. It goes on behind each such input, writes
//! them to the target folder and names them.
//!
//! An input follows from its number and the samples alone. `FUZZ_FIRST` and `FUZZ_COUNT` choose a range.

#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(clippy::disallowed_methods, reason = "what is tried here is that no input takes long")]

pub mod mutate;

use mutate::{Chance, mutate};
use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What a process may use, in KiB.
const MOST_MEMORY: u64 = 1 << 20;
/// How long one input may take.
const MOST_TIME: Duration = Duration::from_secs(10);
/// After so many failures of one child the rest is not run.
const MOST_FAILURES: usize = 20;
/// In the environment of a child: the range of its inputs and the file for its results.
const WORK: &str = "FUZZ_WORK";
const RESULTS: &str = "FUZZ_RESULTS";

/// One reader.
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// The ending of its files.
    pub extension: &'static str,
    /// What to type before the name of such a file.
    pub command: &'static str,
    /// What is done to an input after it was changed: a new checksum, compression.
    pub finish: fn(Vec<u8>, &mut Chance) -> Vec<u8>,
    /// Reads it, and does with it what is done with such a file. Returns whether it was accepted.
    pub read: fn(&[u8], u64) -> bool,
}

/// An input is left as it is.
pub fn unfinished(bytes: Vec<u8>, _: &mut Chance) -> Vec<u8> {
    bytes
}

/// A valid input of a reader, or one that it refuses.
pub struct Sample {
    pub kind: &'static Kind,
    pub bytes: Vec<u8>,
}

/// The input of this number, and its reader.
pub fn input(samples: &[Sample], number: u64) -> (&'static Kind, Vec<u8>) {
    let mut chance = Chance::new(number);
    // Each reader gets as many inputs as the others, however many samples it has.
    let mut kinds: Vec<&'static Kind> = samples.iter().map(|sample| sample.kind).collect();
    kinds.sort_by_key(|kind| kind.name);
    kinds.dedup_by_key(|kind| kind.name);
    let kind = kinds[chance.below(kinds.len() as u64) as usize];
    let mine: Vec<&Sample> = samples.iter().filter(|sample| sample.kind.name == kind.name).collect();
    let mut pick = |samples: &[&Sample]| chance.below(samples.len() as u64) as usize;
    let (sample, donor) = (mine[pick(&mine)], mine[pick(&mine)]);
    let bytes = mutate(&sample.bytes, &donor.bytes, &mut chance);
    (kind, (kind.finish)(bytes, &mut chance))
}

/// What a child found out.
#[derive(Default)]
struct Results {
    /// How many inputs of each reader were accepted and refused.
    read: BTreeMap<String, (u64, u64)>,
    /// The slowest input.
    slowest: (Duration, u64),
    /// The largest peak of memory, in KiB.
    peak: u64,
    /// By number: how each input failed.
    failures: BTreeMap<u64, String>,
}

/// Asks that all readers survive so many inputs. `test` is the name of the calling test, which calls this in the children
/// as well.
pub fn survives(test: &str, samples: &[Sample], usual: u64) {
    if let (Ok(work), Ok(results)) = (std::env::var(WORK), std::env::var(RESULTS)) {
        return child(samples, &range(&work), Path::new(&results));
    }
    let (first, count) = (number("FUZZ_FIRST").unwrap_or(0), number("FUZZ_COUNT").unwrap_or(usual));
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get() as u64).min(count.max(1));
    let part = |core: u64| first + count * core / cores..first + count * (core + 1) / cores;
    let began = Instant::now();
    let found: Vec<Results> = thread::scope(|scope| {
        let started: Vec<_> = (0..cores).map(|core| scope.spawn(move || parent(test, part(core)))).collect();
        started.into_iter().map(|part| part.join().expect("the parent of a part does not panic")).collect()
    });
    let mut sum = Results::default();
    for part in found {
        for (name, (accepted, refused)) in part.read {
            let both = sum.read.entry(name).or_default();
            *both = (both.0 + accepted, both.1 + refused);
        }
        sum.slowest = sum.slowest.max(part.slowest);
        sum.peak = sum.peak.max(part.peak);
        sum.failures.extend(part.failures);
    }
    println!("inputs {first}..{} in {:.1} s", first + count, began.elapsed().as_secs_f64());
    for (name, (accepted, refused)) in &sum.read {
        println!("  {name:<16} {accepted:>8} accepted {refused:>8} refused");
    }
    let (slowest, number) = sum.slowest;
    println!(
        "  slowest: input {number} with {} ms; peak of memory {} MiB",
        slowest.as_millis(),
        sum.peak >> 10
    );
    let told = told(test, samples, &sum.failures);
    assert!(sum.failures.is_empty(), "{} of {count} inputs end their reader\n{told}", sum.failures.len());
    // Inputs that are all refused, or all accepted, would show nothing.
    for (name, (accepted, refused)) in &sum.read {
        let all = accepted + refused;
        assert!(
            all < 500 || (*accepted > all / 50 && *refused > all / 50),
            "{name}: {accepted} of {all} accepted"
        );
    }
}

/// Writes the inputs that failed, and says how they did and what to type; each cause once, and how many more had it.
fn told(test: &str, samples: &[Sample], failures: &BTreeMap<u64, String>) -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(env!("CARGO_PKG_NAME")).join(test);
    let mut causes: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (&number, how) in failures {
        let (kind, bytes) = input(samples, number);
        fs::create_dir_all(&folder).expect("the target folder can be written");
        fs::write(path(&folder, kind, number), bytes).expect("the target folder can be written");
        // Messages that differ in numbers only are one cause.
        let cause = how.chars().filter(|c| !c.is_ascii_digit()).take(160).collect();
        causes.entry(cause).or_default().push(number);
    }
    let mut text = String::new();
    for numbers in causes.values() {
        let number = numbers[0];
        let (kind, path) = (input(samples, number).0, path(&folder, input(samples, number).0, number));
        let _ = writeln!(
            text,
            "{} times, as input {number} ({}): {}\n  cargo run --release -- {} {}",
            numbers.len(),
            kind.name,
            failures[&number],
            kind.command,
            path.display()
        );
    }
    text
}

fn path(folder: &Path, kind: &Kind, number: u64) -> PathBuf {
    folder.join(format!("{number}.{}", kind.extension))
}

/// The number in an environment variable.
fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable} must be a number, not {value:?}")))
}

fn range(text: &str) -> Range<u64> {
    let (first, last) = text.split_once("..").expect("a range");
    first.parse().expect("a number")..last.parse().expect("a number")
}

/// Has a range of inputs read by children, one after the other: a new one after each that ended.
fn parent(test: &str, mut left: Range<u64>) -> Results {
    let folder = tempfile::tempdir().expect("a folder for what the children find out");
    let (results, said) = (folder.path().join("results"), folder.path().join("said"));
    let mut sum = Results::default();
    while !left.is_empty() && sum.failures.len() < MOST_FAILURES {
        for file in [&results, &progress(&results)] {
            let _ = fs::remove_file(file);
        }
        let mut child = start(test, &left, &results, &said);
        let how = watch(&mut child, &progress(&results));
        let reached = reached(&progress(&results)).unwrap_or(left.start);
        add(&mut sum, &results);
        if fs::read_to_string(&results).is_ok_and(|text| text.ends_with("done\n")) {
            break;
        }
        let said = fs::read(&said).unwrap_or_default();
        let said = String::from_utf8_lossy(&said[said.len().saturating_sub(400)..]).into_owned();
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        sum.failures.insert(reached, format!("{how}: {said}"));
        left.start = reached + 1;
    }
    sum
}

/// Where a child says which input it reads.
fn progress(results: &Path) -> PathBuf {
    results.with_extension("progress")
}

fn reached(progress: &Path) -> Option<u64> {
    let bytes: [u8; 8] = fs::read(progress).ok()?.try_into().ok()?;
    Some(u64::from_le_bytes(bytes))
}

/// This binary again, with this test alone and with a limit of memory.
fn start(test: &str, work: &Range<u64>, results: &Path, said: &Path) -> Child {
    let binary = std::env::current_exe().expect("a test binary knows where it is");
    let said = File::create(said).expect("a file for standard error");
    Command::new("sh")
        .args(["-c", &format!("ulimit -v {MOST_MEMORY} && exec \"$0\" \"$@\"")])
        .arg(binary)
        .args(["--exact", test, "--include-ignored", "--nocapture", "--test-threads=1"])
        .env(WORK, format!("{}..{}", work.start, work.end))
        .env(RESULTS, results)
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(said)
        .spawn()
        .expect("this binary can be started again")
}

/// Waits for the end of a child, or until it stays at one input for too long. Says how it ended.
fn watch(child: &mut Child, progress: &Path) -> String {
    let (mut last, mut since) = (None, Instant::now());
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return format!("it ended the process ({status})");
        }
        let now = reached(progress);
        if now != last {
            (last, since) = (now, Instant::now());
        }
        if since.elapsed() > MOST_TIME {
            child.kill().expect("a child can be ended");
            child.wait().expect("a child that was ended can be waited for");
            return format!("it took more than {} s", MOST_TIME.as_secs());
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Adds the results of a child, a line each: `read NAME ACCEPTED REFUSED`, `slowest MICROSECONDS NUMBER`, `peak KIB`,
/// `failed NUMBER WORDS`.
fn add(sum: &mut Results, results: &Path) {
    let text = fs::read_to_string(results).unwrap_or_default();
    for line in text.lines() {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        let number = |place: usize| words[place].parse::<u64>().expect("a number");
        match words[0] {
            "read" => {
                let both = sum.read.entry(words[1].replace('_', " ")).or_default();
                *both = (both.0 + number(2), both.1 + number(3));
            }
            "slowest" => sum.slowest = sum.slowest.max((Duration::from_micros(number(1)), number(2))),
            "peak" => sum.peak = sum.peak.max(number(1)),
            "failed" => {
                sum.failures.insert(number(1), words[2..].join(" "));
            }
            _ => {}
        }
    }
}

/// Reads the inputs of a range. Panics are noted; whatever else ends this process is noted by the parent.
fn child(samples: &[Sample], work: &Range<u64>, results: &Path) {
    let mut progress = File::create(progress(results)).expect("the parent made the folder");
    let mut results = File::create(results).expect("the parent made the folder");
    std::panic::set_hook(Box::new(|panic| {
        // The place is not in the payload.
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        PLACE.with(|last| last.replace(place));
    }));
    let mut found = Results::default();
    for number in work.clone() {
        progress.seek(SeekFrom::Start(0)).expect("a file can be written again");
        progress.write_all(&number.to_le_bytes()).expect("a file can be written");
        let (kind, bytes) = input(samples, number);
        let began = Instant::now();
        let read = catch_unwind(AssertUnwindSafe(|| (kind.read)(&bytes, number)));
        found.slowest = found.slowest.max((began.elapsed(), number));
        let both = found.read.entry(kind.name.replace(' ', "_")).or_default();
        match read {
            Ok(true) => both.0 += 1,
            Ok(false) => both.1 += 1,
            Err(payload) => {
                let place = PLACE.with(|last| last.take());
                let words = format!("it panicked at {place}: {}", words(&*payload)).replace('\n', " ");
                let _ = writeln!(results, "failed {number} {words}");
                found.failures.insert(number, words);
                if found.failures.len() >= MOST_FAILURES {
                    break;
                }
            }
        }
    }
    drop(std::panic::take_hook());
    for (name, (accepted, refused)) in &found.read {
        let _ = writeln!(results, "read {name} {accepted} {refused}");
    }
    let _ = writeln!(results, "slowest {} {}", found.slowest.0.as_micros(), found.slowest.1);
    let _ = writeln!(results, "peak {}\ndone", peak());
}

thread_local! {
    /// Where the last panic was.
    static PLACE: std::cell::RefCell<String> = const { std::cell::RefCell::new(String::new()) };
}

fn words(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("it did not say why")
}

/// The peak of this process's memory in KiB; 0 where the system does not say.
fn peak() -> u64 {
    let mut text = String::new();
    let _ = File::open("/proc/self/status").and_then(|mut file| file.read_to_string(&mut text));
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0)
}
