//! Windows, and parts that a job scheduler gives to its machines.

#![expect(clippy::disallowed_methods, reason = "a test reads what the program prints")]

mod sandbox;

use sandbox::{Sandbox, object, verdict};

#[test]
fn a_machine_index_needs_the_number_of_machines() {
    let sandbox = Sandbox::new();
    let message_with = |variables: &[(&str, &str)]| {
        let mut command = sandbox.command("sweep --seeds 0..4");
        let output = command.envs(variables.iter().copied()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{variables:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let messages = [
        message_with(&[("JOB_COMPLETION_INDEX", "3")]),
        message_with(&[("SLURM_ARRAY_TASK_ID", "3")]),
        message_with(&[("CI_NODE_INDEX", "3")]),
        message_with(&[("CI_NODE_INDEX", "0"), ("CI_NODE_TOTAL", "4")]),
        message_with(&[("JOB_COMPLETION_INDEX", "4"), ("JOB_COMPLETIONS", "4")]),
        message_with(&[("JOB_COMPLETION_INDEX", "four"), ("JOB_COMPLETIONS", "4")]),
    ];
    insta::assert_snapshot!(messages.concat());
    let contradictions = [
        message_with(&[
            ("JOB_COMPLETION_INDEX", "0"),
            ("JOB_COMPLETION_COUNT", "4"),
            ("JOB_COMPLETIONS", "5"),
        ]),
        message_with(&[
            ("JOB_COMPLETION_INDEX", "0"),
            ("JOB_COMPLETION_COUNT", "4"),
            ("BUILDKITE_PARALLEL_JOB", "1"),
            ("BUILDKITE_PARALLEL_JOB_COUNT", "4"),
        ]),
        message_with(&[("AWS_BATCH_JOB_ARRAY_INDEX", "2"), ("AWS_BATCH_JOB_ARRAY_SIZE", "2")]),
        message_with(&slurm("25", "10", "50", "10", "5")),
        message_with(&slurm("60", "10", "50", "10", "5")),
        message_with(&slurm("0", "10", "50", "10", "5")),
        // --array=1,3,7
        message_with(&slurm("3", "1", "7", "1", "3")),
        message_with(&slurm("3", "1", "7", "0", "3")),
    ];
    insta::assert_snapshot!("contradictions", contradictions.concat());
    // An explicit --shard wins, and so does a complete pair of variables.
    let typed =
        sandbox.command("sweep --seeds 0..4 --shard 1/1").env("JOB_COMPLETION_INDEX", "3").output().unwrap();
    assert!(verdict(&typed).starts_with("seeds 0..4@"));
    let whole = [("JOB_COMPLETION_INDEX", "3"), ("CI_NODE_INDEX", "1"), ("CI_NODE_TOTAL", "2")];
    let whole = sandbox.command("sweep --seeds 0..4").envs(whole).output().unwrap();
    assert!(verdict(&whole).starts_with("seeds 0..2@"));
}

/// The variables of a Slurm array.
fn slurm<'a>(
    index: &'a str,
    min: &'a str,
    max: &'a str,
    step: &'a str,
    count: &'a str,
) -> [(&'a str, &'a str); 5] {
    [
        ("SLURM_ARRAY_TASK_ID", index),
        ("SLURM_ARRAY_TASK_MIN", min),
        ("SLURM_ARRAY_TASK_MAX", max),
        ("SLURM_ARRAY_TASK_STEP", step),
        ("SLURM_ARRAY_TASK_COUNT", count),
    ]
}

#[test]
fn each_scheduler_gives_its_machines_their_parts() {
    let sandbox = Sandbox::new();
    let swept = |variables: &[(&str, &str)]| {
        let mut command = sandbox.command("sweep --seeds 0..20 --no-shrink");
        verdict(&command.envs(variables.iter().copied()).output().unwrap())
    };
    let third_of_five = [
        // --array=0-4, --array=7-11, --array=10-50:10 and --array=10-54:10
        slurm("2", "0", "4", "1", "5").to_vec(),
        slurm("9", "7", "11", "1", "5").to_vec(),
        slurm("30", "10", "50", "10", "5").to_vec(),
        slurm("30", "10", "50", "10", "5").to_vec(),
        vec![("JOB_COMPLETION_INDEX", "2"), ("JOB_COMPLETION_COUNT", "5"), ("JOB_COMPLETIONS", "5")],
        vec![("AWS_BATCH_JOB_ARRAY_INDEX", "2"), ("AWS_BATCH_JOB_ARRAY_SIZE", "5")],
        vec![("CI_NODE_INDEX", "3"), ("CI_NODE_TOTAL", "5")],
        vec![("BUILDKITE_PARALLEL_JOB", "2"), ("BUILDKITE_PARALLEL_JOB_COUNT", "5")],
        // Two that agree.
        vec![
            ("CI_NODE_INDEX", "3"),
            ("CI_NODE_TOTAL", "5"),
            ("AWS_BATCH_JOB_ARRAY_INDEX", "2"),
            ("AWS_BATCH_JOB_ARRAY_SIZE", "5"),
        ],
    ];
    for variables in third_of_five {
        assert!(swept(&variables).starts_with("seeds 8..12@"), "{variables:?}: {}", swept(&variables));
    }
    // GitLab sets the number of jobs also where there is no index.
    assert!(swept(&[("CI_NODE_TOTAL", "1")]).starts_with("seeds 0..20@"));
}

#[test]
fn an_index_that_a_scheduler_runs_again_goes_on() {
    let sandbox = Sandbox::new();
    let index = |line: &str| {
        let mut command = sandbox.command(line);
        let output = command.env("CI_NODE_INDEX", "1").env("CI_NODE_TOTAL", "2").output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned(), verdict(&output))
    };
    let sweep = "sweep --for 300ms --jobs 1 --out part";
    let (code, _, first) = index(sweep);
    assert_eq!(code, Some(0));
    // Its time is over: going on adds nothing. Without a scheduler the ledger is refused.
    let (code, message, again) = index(sweep);
    assert!(code == Some(0) && message.contains("this part was begun before and has "), "{message}");
    assert_eq!(again, first);
    assert!(sandbox.rejection(sweep).contains("add --resume, or choose"));
    // Another sweep in the folder is another sweep.
    let (code, message, _) = index(&format!("{sweep} --window 7"));
    assert!(code == Some(2) && message.contains("is unfinished: add --resume, or choose"), "{message}");
    // A part that is finished is not run again, and without `--out` there is a ledger, too.
    for runs in [None, Some("has 3 runs; it goes on")] {
        let (code, message, verdict) = index("sweep --seeds 0..6");
        assert_eq!(code, Some(0), "{message}");
        assert!(
            runs.is_none_or(|runs| message.contains(runs)) && verdict.starts_with("seeds 0..3@"),
            "{message}"
        );
    }
    // The next night in the same folder.
    let (code, message, verdict) = index("sweep --seeds 6..12");
    assert!(code == Some(0) && message.contains("is finished; it is replaced"), "{message}");
    assert!(verdict.starts_with("seeds 6..9@"), "{verdict}");
}

#[test]
fn a_window_has_the_same_seeds_in_each_summary() {
    let sandbox = Sandbox::new();
    let window = "window 2026-11-30: seeds 20261130000000000..20261131000000000";
    let check = |line: &str, seeds: &str| {
        let output = sandbox.run(line);
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        assert_eq!(output.status.code(), Some(0), "{text}");
        assert!(text.lines().any(|line| line == window), "{line}: {text}");
        assert!(verdict(&output).starts_with(&format!("seeds {seeds}@")), "{line}: {text}");
    };
    let sweep = "sweep --window 2026-11-30 --seeds 5..11";
    check(&format!("{sweep} --shard 1/2 --out a"), "20261130000000005..20261130000000008");
    check(&format!("{sweep} --shard 2/2 --out b"), "20261130000000008..20261130000000011");
    check("merge a b", "20261130000000005..20261130000000011");
    check("sweep --resume --out a", "20261130000000005..20261130000000008");
    let report = object(&sandbox.run("merge --json a b"));
    assert_eq!(report["window"]["name"], "2026-11-30");
    assert_eq!(report["window"]["start"], 20_261_130_000_000_000_u64);
    // A night with a time limit begins at the first seed of its part.
    let output = sandbox.run("sweep --window 2026-11-30 --for 1ms --shard 3/4 --jobs 1 --out c");
    let verdict = verdict(&output);
    assert!(verdict.starts_with("seeds 20261130500000000..2026113050000000"), "{verdict}");
    let message = sandbox.rejection("sweep --window 2026-11-29 --resume --out a");
    assert!(
        message.contains("of the window 2026-11-30") && message.contains("of the window 2026-11-29"),
        "{message}"
    );
    let message = sandbox.rejection("sweep --window 4711 --seeds 0..1000000001");
    assert!(message.contains("a window has 1000000000 seeds"), "{message}");
    let message = sandbox.rejection("sweep --window 2026-02-30");
    assert!(message.contains("there is no such day"), "{message}");
}
