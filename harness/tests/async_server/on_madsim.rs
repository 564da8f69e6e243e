//! The tests of servers that are made of tasks.

use super::common::{Hello, fault, plan_with_faults, plan_without_faults};
use harness::engine::pump::tasks::{NodeHandle, TaskInput, TaskServer, Tasks};
use harness::outcome::{Engine, NO_PANIC, Options, Outcome, Recording, RunRecord, TraceEvent, Verdict};
use harness::plan::faults::{ClockRate, Crash, Pause};
use harness::plan::{Plan, SimDuration, Target};
use harness::server::OperatorResponse;
use harness::systems::run::run_with;
use harness::workload::{ClientResponse, Reply, RequestBody};
use harness::world::Disk;
use invariants::{Action, Content, Response, ServerFact};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::process::Command;
use std::rc::Rc;

/// Tasks for messages, timer and disk. Node 1 leads and replies to what it has synced; all servers send
/// greetings to all others, with the number of greetings received so far.
struct TaskTestServer;

impl Tasks for TaskTestServer {
    type Message = Hello;

    fn start(node: NodeHandle<Hello>, disk: &Disk) {
        let received = Rc::new(Cell::new(disk.read("heard").len() as u64));
        if node.node() == 1 {
            node.record_fact(ServerFact::Leads { term: disk.read("boots").len() as u64 + 1 });
        }
        node.append("boots", vec![1]);

        let (handle, counter) = (node.clone(), received.clone());
        node.spawn(async move {
            let mut index = 0;
            loop {
                match handle.receive().await {
                    TaskInput::Operator { request, .. } => {
                        handle.respond_to_operator(
                            request,
                            OperatorResponse::Rejected("not supported".to_owned()),
                        );
                    }
                    TaskInput::Message { .. } => {
                        counter.set(counter.get() + 1);
                        let writer = handle.clone();
                        handle.spawn(async move {
                            writer.append("heard", vec![1]);
                            // An unsynced count may be lost at the next restart.
                            _ = writer.sync().await;
                        });
                    }
                    TaskInput::Request { client, request } if handle.node() != 1 => {
                        handle.reply(
                            client,
                            Reply { id: request.id, response: ClientResponse::NotLeader(Some(1)) },
                        );
                    }
                    TaskInput::Request { client, request } => {
                        index += 1;
                        let (index, responder) = (index, handle.clone());
                        // Several requests wait for the disk concurrently.
                        handle.spawn(async move {
                            responder.append("log", vec![index as u8]);
                            if responder.sync().await.is_err() {
                                return;
                            }
                            let RequestBody::Operation(operation) = request.body else { return };
                            let response = match operation.action {
                                Action::Get => Response::Holds(Content::INITIAL),
                                Action::List => Response::List(vec![]),
                                _ => Response::Done,
                            };
                            let response = match operation.action.is_read() {
                                true => ClientResponse::Read { applied: index, response },
                                false => ClientResponse::Written { index, response },
                            };
                            responder.reply(client, Reply { id: request.id, response });
                        });
                    }
                }
            }
        });

        let handle = node.clone();
        node.spawn(async move {
            let mut due = handle.now();
            loop {
                due += 30_000_000;
                handle.sleep_until(due).await;
                for to in (1..=handle.nodes()).filter(|to| *to != handle.node()) {
                    handle.send(to, Hello(received.get()));
                }
            }
        });
    }

    fn is_heartbeat(_: &Hello) -> bool {
        true
    }
}

fn run(plan: &Plan) -> RunRecord {
    let options = Options { engine: Engine::Strict, record: Recording::PAGE, ..Options::unchecked() };
    run_with::<TaskServer<TaskTestServer>>(plan, &options)
}

fn outcome(seed: u64) -> Outcome {
    run(&plan_with_faults(seed)).outcome
}

pub(super) fn a_task_server_survives_all_faults() {
    let mut never_injected: BTreeSet<&str> = BTreeSet::new();
    for seed in 0..10 {
        let outcome = outcome(seed);
        assert_eq!(outcome.verdict, Verdict::Passed, "seed {seed}");
        let counts = outcome.counts;
        assert!(counts.events > 1_000 && counts.operations > 50, "{counts:?}");
        assert!(counts.unknown_operations < counts.operations, "{counts:?}");
        let missing = outcome.faults.iter().filter(|(_, count)| *count == 0).map(|(name, _)| *name);
        never_injected = if seed == 0 {
            missing.collect()
        } else {
            missing.filter(|name| never_injected.contains(name)).collect()
        };
    }
    assert!(never_injected.is_empty(), "{never_injected:?} were never injected");
}

pub(super) fn a_fresh_and_a_used_thread_give_the_same_outcome() {
    for seed in 0..10 {
        let here = outcome(seed);
        assert_eq!(outcome(seed), here, "seed {seed} on a used thread");
        let fresh = std::thread::spawn(move || outcome(seed)).join().unwrap();
        assert_eq!(fresh, here, "seed {seed} on a fresh thread");
    }
}

pub(super) fn two_processes_give_the_same_digests() {
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

pub(super) fn prints_digests() {
    println!();
    (0..5).for_each(|seed| println!("digest of {seed}: {:?}", outcome(seed).digest));
}

/// The times at which greetings of node 1 arrived at node 2, in milliseconds.
fn greetings(plan: &Plan) -> Vec<u64> {
    let record = run(plan);
    let lines = record.trace.iter().filter(|line| {
        matches!(&line.event, TraceEvent::Message { from: 1, to: 2, message, .. } if message.starts_with("Hello"))
    });
    lines.map(|line| line.at / 1_000_000).collect()
}

pub(super) fn tasks_sleep_by_the_clock_of_their_node() {
    let mut plan = plan_without_faults(2, SimDuration::millis(150));
    plan.bounds.leader = 1;
    assert_eq!(greetings(&plan)[..4], [40, 70, 100, 130]);
    let (node, lasts) = (Target::Node(1), SimDuration::millis(1_000));
    plan.faults = vec![fault(SimDuration::millis(0), ClockRate { node, drift: 500_000, lasts })];
    assert_eq!(greetings(&plan)[..4], [30, 50, 70, 90], "one and a half times as fast");
}

pub(super) fn a_paused_task_server_stands_still() {
    let mut plan = plan_without_faults(2, SimDuration::millis(200));
    let (node, lasts) = (Target::Node(1), SimDuration::millis(75));
    plan.faults = vec![fault(SimDuration::millis(50), Pause { node, lasts })];
    assert_eq!(greetings(&plan)[..5], [40, 135, 135, 135, 160], "missed ticks are caught up after the pause");
}

pub(super) fn a_crashed_task_server_does_nothing() {
    let mut plan = plan_without_faults(2, SimDuration::millis(200));
    let (node, lasts) = (Target::Node(1), SimDuration::millis(65));
    plan.faults = vec![fault(SimDuration::millis(50), Crash { node, lasts })];
    assert_eq!(greetings(&plan)[..3], [40, 155, 185]);
}

/// A server of which one task panics on node 2.
struct PanickingTasks;

impl Tasks for PanickingTasks {
    type Message = Hello;

    fn start(node: NodeHandle<Hello>, _: &Disk) {
        let handle = node.clone();
        node.spawn(async move {
            handle.sleep_until(handle.now() + 50_000_000).await;
            assert_ne!(handle.node(), 2, "node 2 breaks");
        });
    }

    fn is_heartbeat(_: &Hello) -> bool {
        false
    }
}

pub(super) fn a_panic_in_a_task_is_a_violation() {
    let options = Options { engine: Engine::Strict, ..Options::unchecked() };
    let record =
        run_with::<TaskServer<PanickingTasks>>(&plan_without_faults(3, SimDuration::millis(500)), &options);
    let Verdict::Failed(failure) = record.outcome.verdict else { panic!("{:?}", record.outcome.verdict) };
    assert_eq!(failure.property, NO_PANIC);
    assert!(failure.cause.to_string().contains("node 2 breaks"), "{}", failure.cause);
    assert!(failure.cause.to_string().contains("on_madsim.rs"), "{}", failure.cause);
}
