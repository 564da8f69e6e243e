//! What the program prints, for people, narrow terminals and pipes.

#![expect(clippy::disallowed_methods, reason = "a test reads what the program prints")]

use harness_compare::measure::{Gap, Measures, Quiet, measure};
use harness_compare::table::{Row, render};
use harness_compare::{report, systems};
use std::process::{Command, Output, Stdio};

fn measures(factor: u64, bytes: Option<f64>) -> Measures {
    let gap = |number, at, kind| Gap { number, at, kind, longest: 100_000_000 * number * factor };
    Measures {
        broken: (factor == 2).then(|| "linearizability".to_owned()),
        called: 100 * factor,
        writes: 40 * factor,
        reads: 50 * factor,
        leader_changes: bytes.map(|_| factor),
        server_changes: factor,
        gaps: vec![gap(1, 1_500_000_000, "crash"), gap(2, 4_000_000_000, "power-loss")],
        write_latency: Some(9_000_000 * factor),
        read_latency: (factor == 1).then_some(4_500_000),
        messages_per_write: Some(2.5 * factor as f64),
        bytes_per_write: bytes,
        quiet: Quiet {
            idle_messages_per_second: 40.0,
            messages_per_write: Some(4.0),
            messages_per_read: Some(2.0 * factor as f64),
            reads_per_round: Some(2.0 / factor as f64),
        },
    }
}

#[test]
fn one_seed_shows_each_fault() {
    let rows = report::rows(&[[measures(1, Some(812.0)), measures(2, None)]]);
    insta::assert_snapshot!(render(["raft-core", "omnipaxos"], &rows, 100));
}

#[test]
fn a_narrow_terminal_shows_values_below_each_other() {
    let rows = report::rows(&[[measures(1, Some(812.0)), measures(2, None)]]);
    let text = render(["raft-core", "omnipaxos"], &rows, 40);
    assert!(text.lines().all(|line| line.chars().count() <= 40), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn several_seeds_show_medians_by_kind_of_fault() {
    let pair = |factor| [measures(factor, Some(800.0)), measures(2, None)];
    let rows = report::rows(&[pair(1), pair(3), pair(1)]);
    insta::assert_snapshot!(render(["left", "right"], &rows, 100));
}

#[test]
fn a_command_is_never_wrapped() {
    let command = "cargo run --release -p harness -- run --plan compare/seed-1.toml";
    let text = render(["a", "b"], &[Row::Command(command.to_owned())], 20);
    assert_eq!(text, format!("  {command}\n"));
}

/// All figures come from runs, so they change only with the systems.
#[test]
fn a_seed_has_the_same_figures_everywhere() {
    let pair = ["raft-core", "omnipaxos"].map(|name| systems::find(name).expect("it is in the list"));
    let plan = systems::common_plan(3, [&pair[0], &pair[1]]);
    let measured = [measure(&pair[0], &plan), measure(&pair[1], &plan)];
    insta::assert_snapshot!(render(["raft-core", "omnipaxos"], &report::rows(&[measured]), 100));
}

#[test]
fn a_plan_is_common_to_both_whatever_their_order() {
    for left in systems::ALL {
        for right in systems::ALL {
            for seed in 0..50 {
                let plan = systems::common_plan(seed, [left, right]);
                assert_eq!(plan, systems::common_plan(seed, [right, left]), "seed {seed}");
                assert_eq!(
                    (left.check_plan(&plan), right.check_plan(&plan)),
                    (Ok(()), Ok(())),
                    "seed {seed}"
                );
            }
        }
    }
}

fn raft_compare(arguments: &[&str]) -> Output {
    let program =
        Command::new(env!("CARGO_BIN_EXE_raft-compare")).args(arguments).stdin(Stdio::null()).output();
    program.expect("the program must start")
}

#[test]
fn the_program_prints_what_to_type_and_writes_the_plan() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = folder.path().join("plans");
    let out = out.to_str().expect("a name that is text");
    let output = raft_compare(&["--seed", "2", "--out", out, "raft-core", "omnipaxos"]);
    let text = String::from_utf8(output.stdout).expect("the output is text");
    assert!(output.status.success(), "{text}");
    let commands: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("  cargo run ")).collect();
    assert_eq!(commands.len(), 2, "{text}");
    for name in ["raft-core", "omnipaxos"] {
        let system = systems::find(name).expect("it is in the list");
        let plan = harness::plan::file::read(&folder.path().join("plans/seed-2.toml")).expect("the plan");
        assert_eq!(system.check_plan(&plan), Ok(()));
    }
}

#[test]
fn an_unknown_system_is_an_error_with_suggestions() {
    let output = raft_compare(&["raft-core", "omnipaxo"]);
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(String::from_utf8_lossy(&output.stderr), @"raft-compare: there is no system `omnipaxo`; there is omnipaxos");
}
