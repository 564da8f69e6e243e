//! The tests of servers that are made of tasks.

use super::common::{Hello, fault, plan_with_faults, plan_without_faults, said_lines};
use super::primary::TaskPrimary;
use harness::engine::pump::tasks::{Elapsed, NodeHandle, TaskInput, TaskServer, Tasks};
use harness::findings::case::{Case, Expectation};
use harness::findings::investigate::investigate;
use harness::findings::shrink::ShrinkSettings;
use harness::outcome::{
    Engine, LEASE_READ, LINEARIZABILITY, NO_PANIC, Options, Outcome, Recording, RunRecord, TraceEvent,
    Verdict,
};
use harness::plan::faults::{ClockRate, Crash, Pause};
use harness::plan::{Fault, Plan, SimDuration, Target, Trigger};
use harness::server::OperatorResponse;
use harness::systems::SystemInfo;
use harness::systems::run::run_with;
use harness::testing;
use harness::workload::{ClientResponse, Reply, RequestBody};
use harness::world::FileName;
use invariants::{Action, Content, Response, ServerFact};
use rand::RngCore;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::process::Command;
use std::rc::Rc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Tasks for messages, timer and disk. Node 1 leads and replies to what it has synced; all servers send
/// greetings to all others, with the number of greetings received so far.
struct TaskTestServer;

impl Tasks for TaskTestServer {
    type Message = Hello;

    async fn main(node: NodeHandle<Hello>) {
        let length = |file| node.host(|host| host.disk().read(file).len() as u64).unwrap();
        let received = Rc::new(Cell::new(length("heard")));
        if node.node() == 1 {
            node.record_fact(ServerFact::Leads { term: length("boots") + 1 });
        }
        append(&node, "boots", 1);

        let (handle, counter) = (node.clone(), received.clone());
        node.spawn(async move {
            let mut index = 0;
            loop {
                match handle.receive().await {
                    TaskInput::Operator { request, .. } => {
                        handle.respond_to_operator(request, &OperatorResponse::rejected("not supported"));
                    }
                    TaskInput::Message { .. } => {
                        counter.set(counter.get() + 1);
                        let writer = handle.clone();
                        handle.spawn(async move {
                            append(&writer, "heard", 1);
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
                            append(&responder, "log", index as u8);
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
                for to in (1..=handle.plan().nodes).filter(|to| *to != handle.node()) {
                    handle.send(to, Hello(received.get()));
                }
            }
        });
    }

    fn is_heartbeat(_: &Hello) -> bool {
        true
    }
}

fn append(node: &NodeHandle<Hello>, file: FileName, byte: u8) {
    node.host(|host| {
        host.disk().append(file, |end| end.push(byte));
        host.disk().sync_directory();
    });
}

fn run(plan: &Plan) -> RunRecord {
    let options = Options { record: Recording::PAGE, ..Options::unchecked() };
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

    async fn main(node: NodeHandle<Hello>) {
        let handle = node.clone();
        let task = node.spawn(async move {
            handle.sleep(Duration::from_millis(50)).await;
            assert_ne!(handle.node(), 2, "node 2 breaks");
        });
        _ = task.await;
    }

    fn is_heartbeat(_: &Hello) -> bool {
        false
    }
}

pub(super) fn a_panic_in_a_task_is_a_violation() {
    let plan = plan_without_faults(3, SimDuration::millis(500));
    let record = run_with::<TaskServer<PanickingTasks>>(&plan, &Options::unchecked());
    let Verdict::Failed(failure) = record.outcome.verdict else { panic!("{:?}", record.outcome.verdict) };
    assert_eq!(failure.property, NO_PANIC);
    assert!(failure.cause.to_string().contains("node 2 breaks"), "{}", failure.cause);
    assert!(failure.cause.to_string().contains("on_madsim.rs"), "{}", failure.cause);
}

/// Tasks that use every tool once, and say what came of it.
struct ToolUsers;

fn say(node: &NodeHandle<Hello>, text: &str) {
    node.host(|host| host.trace(|| format!("say {text}")));
}

/// Acts when it is dropped: after a crash without effect.
struct LastWords(NodeHandle<Hello>);

impl Drop for LastWords {
    fn drop(&mut self) {
        say(&self.0, "last words");
        self.0.send(2, Hello(99));
        append(&self.0, "words", 1);
        let task = self.0.spawn(async { panic!("a task of an ended incarnation") });
        drop(task);
        _ = NodeHandle::<Hello>::current().now();
    }
}

impl Tasks for ToolUsers {
    type Message = Hello;

    async fn main(node: NodeHandle<Hello>) {
        if node.node() != 1 {
            return;
        }
        let current = NodeHandle::<Hello>::current();
        let read = |file| node.host(|host| host.disk().read(file).to_vec()).unwrap();
        say(
            &node,
            &format!(
                "n{} of {}, has {:?}, {:?}",
                current.node(),
                node.plan().nodes,
                read("new"),
                read("words")
            ),
        );
        let (first, second) = node.host(|host| (host.rng().next_u64(), host.rng().next_u64())).unwrap();
        assert_ne!(first, second);
        let (wall, own, other) =
            node.host(|host| (host.wall_time(), host.directory_id_of(1), host.directory_id_of(2))).unwrap();
        assert!(
            wall > 0 && own != other && own == node.host(|host| host.initial_directory_id_of(1)).unwrap()
        );

        // A read sees what the task itself has written, by whatever name it has by now.
        let _last_words = LastWords(node.clone());
        append(&node, "draft", 7);
        node.host(|host| host.disk().rename("draft", "new"));
        append(&node, "trash", 8);
        node.host(|host| host.disk().remove("trash"));
        say(
            &node,
            &format!("wrote {:?}, {:?}", read("new").last(), node.host(|host| host.disk().contains("trash"))),
        );

        let sleeper = node.clone();
        let task = node.spawn(async move {
            sleeper.sleep(Duration::from_millis(10)).await;
            sleeper.node() * 5
        });
        let slow = node.timeout(Duration::from_millis(4), node.sleep(Duration::from_millis(5))).await;
        let fast = node.timeout(Duration::from_millis(4), async { 3 }).await;
        assert_eq!((slow, fast), (Err(Elapsed), Ok(3)));
        say(&node, "slept");
        assert_eq!(task.await, Ok(5));
        say(&node, "joined");

        // A sync goes on without its future.
        drop(node.sync());
        assert_eq!(node.sync().await, Ok(()));
        node.host(|host| host.count_milestone(LEASE_READ));
        say(&node, "synced");
        node.host(|host| host.fire_trigger(Trigger::Rewriting));
        std::future::pending::<()>().await;
    }

    fn is_heartbeat(_: &Hello) -> bool {
        false
    }
}

pub(super) fn tasks_have_the_tools_of_a_stepped_server() {
    let mut plan = plan_without_faults(2, SimDuration::millis(100));
    let kind = Crash { node: Target::TriggerNode, lasts: SimDuration::millis(10) }.into();
    plan.faults = vec![Fault { at: SimDuration::millis(1), on: Some(Trigger::Rewriting), kind }];
    let options = Options { record: Recording::PAGE, ..Options::unchecked() };
    let record = run_with::<TaskServer<ToolUsers>>(&plan, &options);
    assert_eq!(
        said_lines(&record),
        [
            "0 n1 n1 of 2, has [], []",
            "0 n1 wrote Some(7), Some(false)",
            "4 n1 slept",
            "10 n1 joined",
            "15 n1 synced",
            // The crash on the trigger keeps the page cache, and the dropped tasks leave no trace.
            "25 n1 n1 of 2, has [7], []",
            "25 n1 wrote Some(7), Some(false)",
            "29 n1 slept",
            "35 n1 joined",
            "40 n1 synced",
        ]
    );
    let milestone = record.outcome.milestones.iter().find(|(name, _)| *name == LEASE_READ);
    assert_eq!(milestone, Some(&(LEASE_READ, 2)));
}

/// Tasks of which one uses its handle while it uses its host.
struct Entangled;

impl Tasks for Entangled {
    type Message = Hello;

    async fn main(node: NodeHandle<Hello>) {
        node.host(|_| node.now());
    }

    fn is_heartbeat(_: &Hello) -> bool {
        false
    }
}

pub(super) fn a_handle_within_its_host_is_a_panic_and_no_deadlock() {
    let record = run_with::<TaskServer<Entangled>>(
        &plan_without_faults(1, SimDuration::millis(10)),
        &Options::unchecked(),
    );
    let Verdict::Failed(failure) = record.outcome.verdict else { panic!("{:?}", record.outcome.verdict) };
    assert!(failure.cause.to_string().contains("while it uses its host"), "{}", failure.cause);
}

pub(super) fn a_system_of_tasks_is_swept_on_the_engine_that_it_demands() {
    let system = SystemInfo::of::<TaskPrimary>();
    assert_eq!(system.engine, Some(Engine::Strict));
    assert_eq!(system.bugs().len(), 1);
    testing::sweep::<TaskPrimary>(100);
}

pub(super) fn a_bug_of_tasks_is_found_shrunk_and_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let system = SystemInfo::of::<TaskPrimary>();
    let run = |plan: &Plan, options: &Options| system.run(plan, options);
    let options = Options::default();
    let mut plans = (0..200).map(|seed| system.plan(seed, Some("answers-before-sync")));
    let finding = plans.find_map(|plan| investigate(&plan, &options, &run).ok()).expect("a failing seed");
    assert_eq!(finding.failure.property, LINEARIZABILITY);
    let settings = ShrinkSettings { jobs: NonZeroUsize::MIN, max_runs: 2_000 };
    let smaller =
        finding.shrink(&settings, &run, &AtomicBool::new(false), &mut |_| {}).expect("a smaller plan");
    let path = folder.path().join("found.toml");
    let case = Case {
        expect: Expectation::Caught(LINEARIZABILITY.to_owned()),
        ..smaller.to_case("Found by a test", &system)
    };
    case.write(&path).unwrap();
    assert_eq!(testing::replay_case(&path, &system), Ok(()));
}
