//! `merge` with many parts: bounded memory, parts that are missing, damaged, foreign or there twice, and kills at any moment.
//!
//! `MERGE_PARTS=1000 cargo test --release -p harness --test merge -- --nocapture` prints the time and memory of a whole night.

#![expect(clippy::disallowed_methods, reason = "a test reads what the program prints")]
#![expect(clippy::disallowed_types, reason = "a test measures how long the program takes")]

mod sandbox;

use sandbox::{Running, Sandbox, object};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Output;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Seeds of a part, and failures among them.
const SEEDS: u64 = 4_000;
/// Signatures of the failures.
const KINDS: [&str; 4] = ["no-leader", "no-convergence", "floods", "write-unanswered"];

/// Header and batch of a real sweep.
fn template(sandbox: &Sandbox) -> Vec<Value> {
    let line = "sweep --seeds 4 --bug match-from-sent-index --no-shrink --out template";
    assert_eq!(sandbox.run(line).status.code(), Some(1));
    let text = sandbox.text("template/ledger.jsonl");
    text.lines().map(|line| serde_json::from_str(line.rsplit_once('\t').unwrap().0).unwrap()).collect()
}

/// A failure of a part. The last one of the part in the middle has the smallest plan.
fn failure(index: u64, count: u64, seed: u64, number: u64, of: u64) -> Value {
    let is_smallest = index == count / 2 && number + 1 == of;
    json!({
        "property": "liveness",
        "kind": KINDS[(number % 4) as usize],
        "roles": "cluster",
        "seed": seed,
        "plan": format!("part-{index}/seed-{seed}-match-from-sent-index.toml"),
        "message": format!(
            "no leader was elected within 40 election timeouts after healing, and the last one, n{}, led until {} ms",
            seed % 5,
            seed % 10_000
        ),
        "faults": if is_smallest { 1 } else { 2 + seed % 40 },
    })
}

/// Writes a part with so many failures, of a sweep in `count` parts.
fn write_part(sandbox: &Sandbox, template: &[Value], index: u64, count: u64, failures: u64) {
    let mut lines = template.to_vec();
    let seeds = index * SEEDS..(index + 1) * SEEDS;
    let range = |start: u64, end: u64| json!({"start": start, "end": end});
    let fill = |header: &mut Value| {
        header["seeds"] = range(seeds.start, seeds.end);
        header["all_seeds"] = range(0, count * SEEDS);
        header["shard"] = json!({"index": index, "count": count});
    };
    fill(&mut lines[0]["header"]);
    let batch = &mut lines[1]["batch"];
    fill(&mut batch["header"]);
    batch["ran"] = json!([range(seeds.start, seeds.end)]);
    batch["passed"] = (SEEDS - failures).into();
    batch["digest"] = (index + 1).into();
    batch["failures"] =
        (0..failures).map(|number| failure(index, count, seeds.start + number, number, failures)).collect();
    write_lines(&sandbox.path().join(format!("part-{index}")), &lines);
}

fn write_lines(folder: &Path, lines: &[Value]) {
    let line = |line: &Value| {
        let text = line.to_string();
        format!("{text}\t{:08x}\n", crc32c::crc32c(text.as_bytes()))
    };
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("ledger.jsonl"), lines.iter().map(line).collect::<String>()).unwrap();
}

fn folders(indexes: impl IntoIterator<Item = u64>) -> String {
    indexes.into_iter().map(|index| format!("part-{index} ")).collect()
}

/// Contents of all files of the parts.
fn contents(sandbox: &Sandbox, count: u64) -> BTreeMap<u64, u32> {
    let sum =
        |index| crc32c::crc32c(&fs::read(sandbox.path().join(format!("part-{index}/ledger.jsonl"))).unwrap());
    (0..count).map(|index| (index, sum(index))).collect()
}

/// The largest memory of a process so far, in kB.
fn peak_memory(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().trim_end_matches(" kB").parse().ok()
}

#[test]
fn many_parts_are_merged_in_bounded_memory() {
    let count: u64 = std::env::var("MERGE_PARTS").map_or(40, |count| count.parse().unwrap());
    let sandbox = Sandbox::new();
    let template = template(&sandbox);
    let failures = 3_948;
    (0..count).for_each(|index| write_part(&sandbox, &template, index, count, failures));
    let bytes = fs::metadata(sandbox.path().join("part-0/ledger.jsonl")).unwrap().len();
    assert!(bytes >= 1_000_000, "a part has {bytes} bytes");

    let mut command = sandbox.command(&format!("merge --json --out sum {}", folders(0..count)));
    let began = Instant::now();
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let process = child.id();
    let mut stdout = child.stdout.take().unwrap();
    let reader = std::thread::Builder::new().spawn(move || {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut stdout, &mut bytes).map(|_| bytes)
    });
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        peak = peak.max(peak_memory(process).unwrap_or(0));
        sleep(Duration::from_millis(2));
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("{count} parts of {bytes} bytes: {seconds:.2} s, {} MB", peak / 1_000);
    assert!(peak < 200_000, "{peak} kB");
    let report: Value = serde_json::from_slice(&reader.unwrap().join().unwrap().unwrap()).unwrap();
    assert_eq!(report["seeds"], count * SEEDS);
    assert_eq!(report["missing"], json!([]));
    assert_eq!(report["digest"], format!("{:016x}", count * (count + 1) / 2));
    let groups = report["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 4);
    assert!(groups.iter().all(|group| group["count"] == count * failures / 4));
    let smallest = groups.iter().find(|group| group["signature"]["kind"] == "write-unanswered").unwrap();
    assert_eq!(smallest["smallest"]["faults"], 1);
    assert_eq!(smallest["smallest"]["seed"], (count / 2) * SEEDS + failures - 1);
    // The sum is small, and has the same page.
    let sum = fs::metadata(sandbox.path().join("sum/ledger.jsonl")).unwrap().len();
    assert!(sum < 2 * bytes, "{sum} bytes");
    assert_eq!(comparable(&sandbox.run("merge --json sum")), comparable_report(report));
}

/// A report without what depends on the folders.
fn comparable(output: &Output) -> Value {
    comparable_report(object(output))
}

fn comparable_report(mut report: Value) -> Value {
    let fields = report.as_object_mut().unwrap();
    for name in ["problems", "jobs", "checked_events_per_second_per_core"] {
        fields.remove(name);
    }
    report
}

#[test]
fn sums_of_sums_are_the_sum() {
    let sandbox = Sandbox::new();
    let template = template(&sandbox);
    (0..6).for_each(|index| write_part(&sandbox, &template, index, 6, 300 * index));
    let all = sandbox.run(&format!("merge --json {}", folders(0..6)));
    for (one, other) in
        [("part-4 part-1 part-0", "part-2 part-3 part-5"), ("part-5", "part-0 part-1 part-2 part-3 part-4")]
    {
        for (out, parts) in [("one", one), ("other", other)] {
            let output = sandbox.run(&format!("merge --out {out} {parts}"));
            let message = String::from_utf8(output.stderr).unwrap();
            assert!(output.status.code() == Some(1) && message.contains("missing: part "), "{message}");
        }
        assert_eq!(comparable(&sandbox.run("merge --json other one")), comparable(&all));
    }
    // Missing parts are named also from a sum.
    let message = String::from_utf8(sandbox.run("merge one").stderr).unwrap();
    assert!(
        message.contains("missing: part 1 of 6 (seeds 0..4000), part 2 of 6 (seeds 4000..8000)"),
        "{message}"
    );
    // A sum is no sweep, and no sweep is replaced by a sum.
    assert!(sandbox.rejection("sweep --out one --seeds 5 --resume").contains("is the result of a merge"));
    assert!(sandbox.rejection("merge part-0 part-1 --out part-1").contains("is one of the parts"));
    assert!(sandbox.rejection("merge part-0 --out part-1").contains("has the results of a sweep"));
}

#[test]
fn parts_that_cannot_be_added_are_named_and_the_others_are_added() {
    let sandbox = Sandbox::new();
    let template = template(&sandbox);
    (0..8).for_each(|index| write_part(&sandbox, &template, index, 8, 10));
    let edit = |index: u64, folder: &str, change: &dyn Fn(&mut Value)| {
        let text = sandbox.text(&format!("part-{index}/ledger.jsonl"));
        let mut lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line.rsplit_once('\t').unwrap().0).unwrap())
            .collect();
        change(&mut lines[0]["header"]);
        change(&mut lines[1]["batch"]);
        change(&mut lines[1]["batch"]["header"]);
        write_lines(&sandbox.path().join(folder), &lines);
    };
    // Part 5 was begun twice: the folder that is named first has fewer seeds.
    edit(5, "part-5-begun", &|value| {
        if !value["ran"].is_null() {
            value["ran"] = json!([{"start": 20_000, "end": 20_020}]);
            value["passed"] = 10.into();
        }
    });
    edit(6, "part-6", &|value| {
        if !value["commit"].is_null() {
            value["commit"] = "0123456789ab".into();
        }
    });
    edit(7, "part-7", &|value| {
        if !value["generator_version"].is_null() {
            value["generator_version"] = 2.into();
        }
    });
    fs::remove_dir_all(sandbox.path().join("part-3")).unwrap();
    fs::create_dir(sandbox.path().join("part-3")).unwrap();
    let damaged = sandbox.text("part-2/ledger.jsonl").replacen("\"passed\":", "\"passed\":1", 1);
    sandbox.file("part-2/ledger.jsonl", &damaged);

    let parts = "part-0 part-1 part-2 part-3 part-4 part-5-begun part-5 part-6 part-7";
    let output = sandbox.run(&format!("merge {parts}"));
    let page = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(2), "{page}");
    let problems: Vec<&str> = page.lines().take_while(|line| !line.is_empty()).collect();
    // Not wrapped, because the names of commits have several lengths.
    let problems = problems.join("\n").replace("\n    ", " ");
    let generator = template[0]["header"]["generator_version"].to_string();
    let commit = template[0]["header"]["commit"].as_str().unwrap();
    let problems = problems.replace(&format!("@{generator}"), "@THIS").replace(commit, "THIS");
    insta::assert_snapshot!(problems);
    let report = object(&sandbox.run(&format!("merge --json {parts}")));
    assert_eq!(report["seeds"], 5 * SEEDS);
    assert_eq!(report["groups"][0]["count"].as_u64(), Some(10));
    // Digests 1, 2, 5, 6 and 7.
    assert_eq!(report["digest"], format!("{:016x}", 21));
}

#[test]
fn failures_that_the_baseline_has_are_not_new() {
    let sandbox = Sandbox::new();
    let template = template(&sandbox);
    write_part(&sandbox, &template, 0, 2, 3);
    write_part(&sandbox, &template, 1, 2, 4);
    sandbox.run("merge --out last part-0");
    let page = String::from_utf8(sandbox.run("merge --baseline last part-1").stdout).unwrap();
    let new = page.find("NEW, not in last:").unwrap();
    let old = page.find("As in last:").unwrap();
    let at = |kind: &str| page.find(&format!("by: {kind}")).or_else(|| page.find(kind)).unwrap();
    assert!(new < old && at("seed 4003") < old && at("seed 4000") > old, "{page}");
    let report = object(&sandbox.run("merge --json --baseline last part-1"));
    let groups = report["groups"].as_array().unwrap();
    let is_new = |kind: &str| {
        groups.iter().find(|group| group["signature"]["kind"] == kind).unwrap()["is_new"].clone()
    };
    assert_eq!((is_new("write-unanswered"), is_new("no-leader")), (true.into(), false.into()));
    let page = String::from_utf8(sandbox.run("merge --baseline part-1 part-0").stdout).unwrap();
    assert!(page.contains("NEW: nothing that is not in part-1\n"), "{page}");
    assert!(
        sandbox
            .rejection("merge part-0 --baseline nowhere")
            .contains("there are no results and no known defects")
    );
}

#[test]
fn the_next_night_replays_what_a_night_has_collected() {
    let sandbox = Sandbox::new();
    let bug = "--bug commit-prior-term-by-count --no-shrink";
    for part in 1..=2 {
        sandbox.run(&format!("sweep --seeds 0..60 {bug} --shard {part}/2 --out night-{part}"));
    }
    let merged = sandbox.run("merge --json --corpus corpus --out sum night-1 night-2");
    let merged_object = object(&merged);
    let rare: Vec<&str> =
        merged_object["rare"].as_array().unwrap().iter().map(|rare| rare["name"].as_str().unwrap()).collect();
    let names = fs::read_dir(sandbox.path().join("corpus")).unwrap().map(|entry| entry.unwrap().file_name());
    let names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    let count = |prefix: &str| names.iter().filter(|name| name.starts_with(prefix)).count();
    assert!(count("failure-") > 0 && count("rare-milestone-") > 0 && count("rare-line-") > 0, "{names:?}");
    for name in rare {
        let plans =
            count(&format!("rare-milestone-{name}-seed-")) + count(&format!("rare-line-{name}-seed-"));
        assert!(plans > 0, "{name} has no plan in {names:?}");
    }
    assert_eq!(count("failure-"), object(&merged)["groups"].as_array().unwrap().len());

    // Seeds that pass: only the corpus fails.
    let mut replayed = 0;
    for part in 1..=2 {
        let line = format!(
            "sweep --seeds 1000..1002 {bug} --corpus corpus --shard {part}/2 --out next-{part} --json"
        );
        let output = sandbox.run(&line);
        let report = object(&output);
        assert_eq!(output.status.code(), Some(1), "{report}");
        replayed += report["corpus"].as_array().unwrap().len();
        let again = object(&sandbox.run(&format!("{line} --resume")));
        assert_eq!(again["corpus"], report["corpus"]);
    }
    assert_eq!(replayed, names.len());
    let page = String::from_utf8(sandbox.run("merge next-1 next-2").stdout).unwrap();
    assert!(page.contains(&format!("corpus: {} plans replayed, ", names.len())), "{page}");
    assert!(page.contains(" replay corpus/failure-"), "{page}");
    // Plans with a bug say nothing about a sweep without it.
    let page = String::from_utf8(sandbox.run("sweep --seeds 2 --corpus corpus").stdout).unwrap();
    assert!(!page.contains("corpus:"), "{page}");
    assert!(sandbox.rejection("sweep --seeds 2 --corpus nowhere").contains("nowhere: cannot be read"));
}

/// Twenty kills, spread over the time of a merge.
#[cfg(unix)]
#[test]
fn a_merge_that_is_killed_loses_nothing_and_leaves_nothing_half_written() {
    let sandbox = Sandbox::new();
    let template = template(&sandbox);
    let count = 12;
    (0..count).for_each(|index| write_part(&sandbox, &template, index, count, 3_000));
    let before = contents(&sandbox, count);
    let line = format!("merge --json --out sum {}", folders(0..count));
    let began = Instant::now();
    let whole = comparable(&sandbox.run(&line));
    let duration = began.elapsed();
    let sum = fs::read(sandbox.path().join("sum/ledger.jsonl")).unwrap();
    fs::remove_dir_all(sandbox.path().join("sum")).unwrap();
    let (mut random, mut absent, mut killed) = (19_u64, 0, 0);
    for _ in 0..20 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut running = Running::start(sandbox.command(&line));
        let end = Instant::now() + duration.mul_f64((random >> 33) as f64 / f64::from(1_u32 << 31) * 1.1);
        while Instant::now() < end && !running.ends_within(Duration::ZERO) {}
        if !running.ends_within(Duration::ZERO) {
            running.signal("KILL");
            killed += 1;
        }
        drop(running.output());
        assert_eq!(contents(&sandbox, count), before, "a part was changed");
        match fs::read(sandbox.path().join("sum/ledger.jsonl")) {
            Ok(text) => assert!(text == sum, "half a sum, or another one"),
            Err(_) => absent += 1,
        }
    }
    assert!(killed >= 10 && absent > 0, "{killed} killed, {absent} without a sum");
    // The next merge cleans up.
    assert_eq!(comparable(&sandbox.run(&line)), whole);
    let names = fs::read_dir(sandbox.path().join("sum")).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    // A process that died while it took the lock of another one that had died leaves a claim on that lock.
    names.retain(|name| !name.starts_with("ledger.lock."));
    assert_eq!(names, ["ledger.jsonl"]);
}
