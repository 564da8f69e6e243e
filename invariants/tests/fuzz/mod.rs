//! Mutation fuzzing of parsers: randomly mutated inputs must be accepted or rejected, never end the process.
//!
//! [`survives`] starts this test binary again, once per core, as a child process with at most 1 GiB of
//! address space. The child parses one input after the other and writes the number of the current one to a
//! file, so the parent knows which input panicked, exhausted memory or stack, or took more than ten seconds.
//! The parent writes each such input to the target folder, reports it, and continues with the next one.
//!
//! An input depends only on its number and the samples. `FUZZ_FIRST` and `FUZZ_COUNT` choose a range.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![expect(clippy::disallowed_types, reason = "measures how long an input takes")]
#![expect(clippy::disallowed_methods, reason = "reads what the processes that it starts write")]

pub(crate) mod mutate;

use mutate::{TestRng, mutate};
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

/// Most address space of a child, in KiB.
const MAX_MEMORY_KIB: u64 = 1 << 20;
/// Longest time for one input.
const MAX_TIME: Duration = Duration::from_secs(10);
/// A child stops after this many failures.
const MAX_FAILURES: usize = 20;
/// In the environment of a child: the range of its inputs and the file for its results.
const WORK: &str = "FUZZ_WORK";
const RESULTS: &str = "FUZZ_RESULTS";

/// A parser under test.
pub(crate) struct Kind {
    pub name: &'static str,
    /// The extension of its files.
    pub extension: &'static str,
    /// The command that reads such a file.
    pub command: &'static str,
    /// Applied to an input after the mutation: a new checksum, compression.
    pub finish: fn(Vec<u8>, &mut TestRng) -> Vec<u8>,
    /// Parses and processes an input. Returns whether it was accepted.
    pub read: fn(&[u8], u64) -> bool,
}

/// A [`Kind::finish`] that changes nothing.
pub(crate) fn unchanged(bytes: Vec<u8>, _: &mut TestRng) -> Vec<u8> {
    bytes
}

/// An input to mutate, valid or not.
pub(crate) struct Sample {
    pub kind: &'static Kind,
    pub bytes: Vec<u8>,
}

/// The input of this number, and its parser.
pub(crate) fn input(samples: &[Sample], number: u64) -> (&'static Kind, Vec<u8>) {
    let mut rng = TestRng::new(number);
    // Each parser gets equally many inputs, however many samples it has.
    let mut kinds: Vec<&'static Kind> = samples.iter().map(|sample| sample.kind).collect();
    kinds.sort_by_key(|kind| kind.name);
    kinds.dedup_by_key(|kind| kind.name);
    let kind = kinds[rng.below(kinds.len() as u64) as usize];
    let mine: Vec<&Sample> = samples.iter().filter(|sample| sample.kind.name == kind.name).collect();
    let mut pick = |samples: &[&Sample]| rng.below(samples.len() as u64) as usize;
    let (sample, donor) = (mine[pick(&mine)], mine[pick(&mine)]);
    let bytes = mutate(&sample.bytes, &donor.bytes, &mut rng);
    (kind, (kind.finish)(bytes, &mut rng))
}

/// The results of a child.
#[derive(Default)]
struct Results {
    /// How many inputs of each parser were accepted and rejected.
    read: BTreeMap<String, (u64, u64)>,
    /// The slowest input.
    slowest: (Duration, u64),
    /// The peak memory, in KiB.
    peak: u64,
    /// How each failed input failed, by number.
    failures: BTreeMap<u64, String>,
}

/// Asserts that all parsers survive `usual` inputs. `test` is the name of the calling test, which the
/// children run too.
pub(crate) fn survives(test: &str, samples: &[Sample], usual: u64) {
    if let (Ok(work), Ok(results)) = (std::env::var(WORK), std::env::var(RESULTS)) {
        return child(samples, &range(&work), Path::new(&results));
    }
    let (first, count) = (number("FUZZ_FIRST").unwrap_or(0), number("FUZZ_COUNT").unwrap_or(usual));
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get() as u64).min(count.max(1));
    let part = |core: u64| first + count * core / cores..first + count * (core + 1) / cores;
    let start_time = Instant::now();
    let found: Vec<Results> = thread::scope(|scope| {
        let started: Vec<_> = (0..cores).map(|core| scope.spawn(move || parent(test, part(core)))).collect();
        started.into_iter().map(|part| part.join().expect("the parent thread must not panic")).collect()
    });
    let mut sum = Results::default();
    for part in found {
        for (name, (accepted, rejected)) in part.read {
            let both = sum.read.entry(name).or_default();
            *both = (both.0 + accepted, both.1 + rejected);
        }
        sum.slowest = sum.slowest.max(part.slowest);
        sum.peak = sum.peak.max(part.peak);
        sum.failures.extend(part.failures);
    }
    println!("inputs {first}..{} in {:.1} s", first + count, start_time.elapsed().as_secs_f64());
    for (name, (accepted, rejected)) in &sum.read {
        println!("  {name:<16} {accepted:>8} accepted {rejected:>8} rejected");
    }
    let (slowest, number) = sum.slowest;
    println!(
        "  slowest: input {number} with {} ms; peak of memory {} MiB",
        slowest.as_millis(),
        sum.peak >> 10
    );
    let report = report(test, samples, &sum.failures);
    assert!(sum.failures.is_empty(), "{} of {count} inputs ended their parser\n{report}", sum.failures.len());
    // Inputs that are all rejected, or all accepted, test little.
    for (name, (accepted, rejected)) in &sum.read {
        let all = accepted + rejected;
        assert!(
            all < 500 || (*accepted > all / 50 && *rejected > all / 50),
            "{name}: {accepted} of {all} accepted"
        );
    }
}

/// Writes the failed inputs to files. Returns each cause once, with its count and a command that repeats it.
fn report(test: &str, samples: &[Sample], failures: &BTreeMap<u64, String>) -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(env!("CARGO_PKG_NAME")).join(test);
    let mut causes: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (&number, how) in failures {
        let (kind, bytes) = input(samples, number);
        fs::create_dir_all(&folder).expect("the target folder must be writable");
        fs::write(path(&folder, kind, number), bytes).expect("the target folder must be writable");
        // Messages that differ only in numbers are one cause.
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

/// Lets children parse a range of inputs, one child after the other: a new one after each failure.
fn parent(test: &str, mut left: Range<u64>) -> Results {
    let folder = tempfile::tempdir().expect("a folder for the results of the children");
    let (results, stderr) = (folder.path().join("results"), folder.path().join("stderr"));
    let mut sum = Results::default();
    while !left.is_empty() && sum.failures.len() < MAX_FAILURES {
        for file in [&results, &progress(&results)] {
            let _ = fs::remove_file(file);
        }
        let mut child = start(test, &left, &results, &stderr);
        let how = watch(&mut child, &progress(&results));
        let reached = reached(&progress(&results)).unwrap_or(left.start);
        add(&mut sum, &results);
        if fs::read_to_string(&results).is_ok_and(|text| text.ends_with("done\n")) {
            break;
        }
        let stderr = fs::read(&stderr).unwrap_or_default();
        let stderr = String::from_utf8_lossy(&stderr[stderr.len().saturating_sub(400)..]).into_owned();
        let stderr = stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        sum.failures.insert(reached, format!("{how}: {stderr}"));
        left.start = reached + 1;
    }
    sum
}

/// The file with the number of the current input of a child.
fn progress(results: &Path) -> PathBuf {
    results.with_extension("progress")
}

fn reached(progress: &Path) -> Option<u64> {
    let bytes: [u8; 8] = fs::read(progress).ok()?.try_into().ok()?;
    Some(u64::from_le_bytes(bytes))
}

/// Starts this binary with this test only and a memory limit.
fn start(test: &str, work: &Range<u64>, results: &Path, stderr: &Path) -> Child {
    let binary = std::env::current_exe().expect("the path of the test binary must be known");
    let stderr = File::create(stderr).expect("the file for standard error must be writable");
    Command::new("sh")
        .args(["-c", &format!("ulimit -v {MAX_MEMORY_KIB} && exec \"$0\" \"$@\"")])
        .arg(binary)
        .args(["--exact", test, "--include-ignored", "--nocapture", "--test-threads=1"])
        .env(WORK, format!("{}..{}", work.start, work.end))
        .env(RESULTS, results)
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn()
        .expect("the test binary must start as a child")
}

/// Waits until a child exits, or kills it if one input takes too long. Returns how it ended.
fn watch(child: &mut Child, progress: &Path) -> String {
    let (mut last, mut since) = (None, Instant::now());
    loop {
        if let Some(status) = child.try_wait().expect("waiting for the child must work") {
            return format!("it ended the process ({status})");
        }
        let now = reached(progress);
        if now != last {
            (last, since) = (now, Instant::now());
        }
        if since.elapsed() > MAX_TIME {
            child.kill().expect("killing the child must work");
            child.wait().expect("waiting for the child must work");
            return format!("it took more than {} s", MAX_TIME.as_secs());
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Adds the results of a child, a line each: `read NAME ACCEPTED REJECTED`, `slowest MICROSECONDS NUMBER`,
/// `peak KIB`, `failed NUMBER MESSAGE`.
fn add(sum: &mut Results, results: &Path) {
    let text = fs::read_to_string(results).unwrap_or_default();
    for line in text.lines() {
        let fields: Vec<&str> = line.splitn(4, ' ').collect();
        let number = |field: usize| fields[field].parse::<u64>().expect("a number");
        match fields[0] {
            "read" => {
                let both = sum.read.entry(fields[1].replace('_', " ")).or_default();
                *both = (both.0 + number(2), both.1 + number(3));
            }
            "slowest" => sum.slowest = sum.slowest.max((Duration::from_micros(number(1)), number(2))),
            "peak" => sum.peak = sum.peak.max(number(1)),
            "failed" => {
                sum.failures.insert(number(1), fields[2..].join(" "));
            }
            _ => {}
        }
    }
}

/// Parses the inputs of a range. Records panics; any other end of the process is recorded by the parent.
fn child(samples: &[Sample], work: &Range<u64>, results: &Path) {
    let mut progress = File::create(progress(results)).expect("the parent created the folder");
    let mut results = File::create(results).expect("the parent created the folder");
    std::panic::set_hook(Box::new(|panic| {
        // The payload does not contain the location.
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        PANIC_LOCATION.with(|last| last.replace(location));
    }));
    let mut found = Results::default();
    for number in work.clone() {
        progress.seek(SeekFrom::Start(0)).expect("the progress file must be seekable");
        progress.write_all(&number.to_le_bytes()).expect("the progress file must be writable");
        let (kind, bytes) = input(samples, number);
        let start_time = Instant::now();
        let read = catch_unwind(AssertUnwindSafe(|| (kind.read)(&bytes, number)));
        found.slowest = found.slowest.max((start_time.elapsed(), number));
        let both = found.read.entry(kind.name.replace(' ', "_")).or_default();
        match read {
            Ok(true) => both.0 += 1,
            Ok(false) => both.1 += 1,
            Err(payload) => {
                let location = PANIC_LOCATION.with(|last| last.take());
                let message = format!("it panicked at {location}: {}", message(&*payload)).replace('\n', " ");
                let _ = writeln!(results, "failed {number} {message}");
                found.failures.insert(number, message);
                if found.failures.len() >= MAX_FAILURES {
                    break;
                }
            }
        }
    }
    drop(std::panic::take_hook());
    for (name, (accepted, rejected)) in &found.read {
        let _ = writeln!(results, "read {name} {accepted} {rejected}");
    }
    let _ = writeln!(results, "slowest {} {}", found.slowest.0.as_micros(), found.slowest.1);
    let _ = writeln!(results, "peak {}\ndone", peak());
}

thread_local! {
    /// The location of the last panic.
    static PANIC_LOCATION: std::cell::RefCell<String> = const { std::cell::RefCell::new(String::new()) };
}

fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

/// The peak memory of this process in KiB; 0 if the system does not report it.
fn peak() -> u64 {
    let mut text = String::new();
    let _ = File::open("/proc/self/status").and_then(|mut file| file.read_to_string(&mut text));
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0)
}
