//! A server made of madsim tasks lives in the same world: it is crashed, paused, skewed, and stays reproducible.

mod common;

use common::{Hello, calm, fault, rough};
use harness::outcome::{NO_PANIC, Options, Outcome, RunRecord, Verdict};
use harness::plan::{FaultKind, Plan, SimDuration, Target};
use harness::pump::tasks::{NodeHandle, TaskInput, TaskServer, Tasks};
use harness::run::run_with;
use harness::server::OperatorResponse;
use harness::workload::{ClientResponse, Reply, RequestBody};
use harness::world::Disk;
use invariants::{Action, Content, Fact, Response};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::process::Command;
use std::rc::Rc;

/// A mailbox, a ticker and a disk, a task each. Node 1 leads and answers what it has synced; everybody greets everybody
/// with the number of greetings heard so far.
struct Toy;

impl Tasks for Toy {
    type Message = Hello;

    fn start(seat: NodeHandle<Hello>, disk: &Disk) {
        let heard = Rc::new(Cell::new(disk.read("heard").len() as u64));
        if seat.node() == 1 {
            seat.record_fact(Fact::Leads { term: disk.read("boots").len() as u64 + 1 });
        }
        seat.append("boots", vec![1]);

        let (mine, hears) = (seat.clone(), heard.clone());
        seat.spawn(async move {
            let mut index = 0;
            loop {
                match mine.receive().await {
                    TaskInput::Operator { request, .. } => {
                        mine.respond_to_operator(request, OperatorResponse::Rejected("it cannot".to_owned()));
                    }
                    TaskInput::Message { .. } => {
                        hears.set(hears.get() + 1);
                        let writing = mine.clone();
                        mine.spawn(async move {
                            writing.append("heard", vec![1]);
                            // What is not saved is heard again after the restart, or not.
                            _ = writing.sync().await;
                        });
                    }
                    TaskInput::Request { client, request } if mine.node() != 1 => {
                        mine.reply(
                            client,
                            Reply { id: request.id, response: ClientResponse::NotLeader(Some(1)) },
                        );
                    }
                    TaskInput::Request { client, request } => {
                        index += 1;
                        let (index, answering) = (index, mine.clone());
                        // Several requests wait for the disk side by side.
                        mine.spawn(async move {
                            answering.append("log", vec![index as u8]);
                            if answering.sync().await.is_err() {
                                return;
                            }
                            let RequestBody::Operation(operation) = request.body else { return };
                            let response = match operation.action {
                                Action::Get => Response::Holds(Content::INITIAL),
                                Action::List => Response::List(vec![]),
                                _ => Response::Done,
                            };
                            let answer = match operation.action.is_read() {
                                true => ClientResponse::Read { applied: index, response },
                                false => ClientResponse::Written { index, response },
                            };
                            answering.reply(client, Reply { id: request.id, response: answer });
                        });
                    }
                }
            }
        });

        let mine = seat.clone();
        seat.spawn(async move {
            let mut due = mine.now();
            loop {
                due += 30_000_000;
                mine.sleep_until(due).await;
                for to in (1..=mine.nodes()).filter(|to| *to != mine.node()) {
                    mine.send(to, Hello(heard.get()));
                }
            }
        });
    }

    fn is_heartbeat(_: &Hello) -> bool {
        true
    }
}

fn run(plan: &Plan) -> RunRecord {
    let options = Options { unchecked: true, strict: true, trace: true, history: true, ..Options::default() };
    run_with::<TaskServer<Toy>>(plan, &options)
}

fn outcome(seed: u64) -> Outcome {
    run(&rough(seed)).outcome
}

#[test]
fn it_survives_what_others_survive() {
    let mut quiet: BTreeSet<&str> = BTreeSet::new();
    for seed in 0..10 {
        let outcome = outcome(seed);
        assert_eq!(outcome.verdict, Verdict::Passed, "seed {seed}");
        let counts = outcome.counts;
        assert!(counts.events > 1_000 && counts.operations > 50, "{counts:?}");
        assert!(counts.unknown_operations < counts.operations, "{counts:?}");
        let still = outcome.faults.iter().filter(|(_, count)| *count == 0).map(|(name, _)| *name);
        quiet = if seed == 0 { still.collect() } else { still.filter(|name| quiet.contains(name)).collect() };
    }
    assert!(quiet.is_empty(), "{quiet:?} never struck");
}

#[test]
fn twice_the_same_on_a_fresh_thread_and_on_a_used_one() {
    for seed in 0..10 {
        let here = outcome(seed);
        assert_eq!(outcome(seed), here, "seed {seed} on a used thread");
        let fresh = std::thread::spawn(move || outcome(seed)).join().unwrap();
        assert_eq!(fresh, here, "seed {seed} on a fresh thread");
    }
}

#[test]
fn the_same_in_two_processes() {
    let digests = || -> Vec<String> {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "prints_digests", "--nocapture", "--ignored"])
            .output()
            .unwrap();
        let text = String::from_utf8(child.stdout).unwrap();
        text.lines().filter(|line| line.starts_with("digest")).map(str::to_owned).collect()
    };
    let first = digests();
    assert_eq!(first.len(), 5);
    assert_eq!(first, digests());
}

#[test]
#[ignore = "run by another test, in a process of its own"]
fn prints_digests() {
    println!();
    (0..5).for_each(|seed| println!("digest of {seed}: {:?}", outcome(seed).digest));
}

/// When greetings of node 1 arrived at node 2, in milliseconds.
fn greetings(plan: &Plan) -> Vec<u64> {
    let record = run(plan);
    let lines = record.trace.iter().filter(|line| line.text.starts_with("n1 -> n2  Hello"));
    lines.map(|line| line.at / 1_000_000).collect()
}

#[test]
fn its_sleep_is_on_its_own_clock() {
    let mut plan = calm(2, SimDuration::millis(150));
    plan.bounds.leader = 1;
    assert_eq!(greetings(&plan)[..4], [40, 70, 100, 130]);
    let (node, lasts) = (Target::Node(1), SimDuration::millis(1_000));
    plan.faults = vec![fault(SimDuration::millis(0), FaultKind::ClockRate { node, drift: 500_000, lasts })];
    assert_eq!(greetings(&plan)[..4], [30, 50, 70, 90], "one and a half times as fast");
}

#[test]
fn it_stands_still_while_it_is_paused() {
    let mut plan = calm(2, SimDuration::millis(200));
    let (node, lasts) = (Target::Node(1), SimDuration::millis(75));
    plan.faults = vec![fault(SimDuration::millis(50), FaultKind::Pause { node, lasts })];
    assert_eq!(
        greetings(&plan)[..5],
        [40, 135, 135, 135, 160],
        "and then makes up for what it has slept through"
    );
}

#[test]
fn the_dead_do_nothing() {
    let mut plan = calm(2, SimDuration::millis(200));
    let (node, lasts) = (Target::Node(1), SimDuration::millis(65));
    plan.faults = vec![fault(SimDuration::millis(50), FaultKind::Crash { node, lasts })];
    assert_eq!(greetings(&plan)[..3], [40, 155, 185]);
}

/// A task of it panics.
struct Fragile;

impl Tasks for Fragile {
    type Message = Hello;

    fn start(seat: NodeHandle<Hello>, _: &Disk) {
        let mine = seat.clone();
        seat.spawn(async move {
            mine.sleep_until(mine.now() + 50_000_000).await;
            assert_ne!(mine.node(), 2, "node 2 breaks");
        });
    }

    fn is_heartbeat(_: &Hello) -> bool {
        false
    }
}

#[test]
fn a_panic_in_a_task_is_a_verdict() {
    let options = Options { unchecked: true, strict: true, ..Options::default() };
    let record = run_with::<TaskServer<Fragile>>(&calm(3, SimDuration::millis(500)), &options);
    let Verdict::Failed(failure) = record.outcome.verdict else { panic!("{:?}", record.outcome.verdict) };
    assert_eq!(failure.property, NO_PANIC);
    assert!(failure.sentence.contains("node 2 breaks"), "{}", failure.sentence);
    assert!(failure.sentence.contains("async_server.rs"), "{}", failure.sentence);
}
