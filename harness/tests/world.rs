//! The faults of the world, observed by small servers that trace what reaches them.

#![expect(clippy::disallowed_methods, reason = "a test reads what its servers and clients print")]

mod common;

use common::{Hello, fault, plan_without_faults, run_traced, said_lines};
use harness::outcome::{Engine, NO_PANIC, Options, RunRecord, TraceEvent, Verdict};
use harness::plan::faults::{
    Change, ClockJump, ClockRate, Crash, DiskError, FullDisk, OneWayPartition, Pause, PowerLoss, StalledDisk,
    Wipe,
};
use harness::plan::{Plan, Probability, SimDuration, Target, generate};
use harness::server::{Arrival, Damaged, Host, LocalTime, Server};
use harness::systems::run::{run, run_with};
use invariants::ServerFact;
use std::collections::BTreeMap;
use std::process::Command;

/// Traces what arrives. Node 1 sends node 2 a greeting every 20 ms.
struct TracingServer {
    node: u64,
    count: u64,
    due: Option<LocalTime>,
}

impl Server for TracingServer {
    type Message = Hello;

    fn boot(host: &mut Host<'_, Hello>) -> Result<TracingServer, Damaged> {
        host.trace(|| "say boots".to_owned());
        let due = (host.node() == 1).then(|| host.now() + 20_000_000);
        Ok(TracingServer { node: host.node(), count: 0, due })
    }

    fn step(&mut self, host: &mut Host<'_, Hello>, arrival: Arrival<Hello>) {
        match arrival {
            Arrival::Timer if self.node == 1 => {
                self.count += 1;
                host.send(2, Hello(self.count));
                self.due = Some(host.now() + 20_000_000);
            }
            Arrival::Message { from, message } => host.trace(|| format!("say {message} from n{from}")),
            _ => {}
        }
    }

    fn deadline(&self) -> Option<LocalTime> {
        self.due
    }

    fn is_heartbeat(_: &Hello) -> bool {
        true
    }
}

#[test]
fn messages_in_flight_survive_partitions_and_restarts() {
    let mut plan = plan_without_faults(2, SimDuration::millis(100));
    plan.network.delay = SimDuration::millis(50);
    let (from, to) = (Target::Node(1), Target::Node(2));
    plan.faults = vec![
        // Greetings are sent at 20, 40, 60 and 80. The first two arrive, the second one after the restart.
        fault(SimDuration::millis(50), OneWayPartition { from, to, lasts: SimDuration::millis(25) }),
        fault(SimDuration::millis(75), Crash { node: to, lasts: SimDuration::millis(10) }),
    ];
    plan.bounds.leader = 1;
    let lines = said_lines(&run_traced::<TracingServer>(&plan));
    assert_eq!(
        lines[..5],
        ["0 n1 boots", "0 n2 boots", "70 n2 Hello 1 from n1", "85 n2 boots", "90 n2 Hello 2 from n1"]
    );
    assert_eq!(lines[5], "130 n2 Hello 4 from n1", "only the message sent during the partition is lost");
}

#[test]
fn a_pause_delays_all_events_and_keeps_their_order() {
    let mut plan = plan_without_faults(2, SimDuration::millis(100));
    let pause = |node| Pause { node, lasts: SimDuration::millis(55) };
    plan.faults = vec![
        fault(SimDuration::millis(25), pause(Target::Node(2))),
        // A pause of the sender delays its timer, which fires once.
        fault(SimDuration::millis(85), pause(Target::Node(1))),
    ];
    plan.fault_phase = SimDuration::millis(200);
    plan.bounds.leader = 0;
    let record = run_traced::<TracingServer>(&plan);
    // What waited for the end of the pause was caused by the event that sent it, not by the end.
    let timers = record.trace.iter().filter(|line| matches!(line.event, TraceEvent::Timer));
    let timers: BTreeMap<u64, u64> = timers.map(|line| (line.step, line.at / 1_000_000)).collect();
    let delivered = record.trace.iter().filter(|line| matches!(line.event, TraceEvent::Message { .. }));
    let sent_at: Vec<u64> = delivered.take(4).map(|line| timers[&line.cause]).collect();
    assert_eq!(sent_at, [20, 40, 60, 80]);
    assert_eq!(
        said_lines(&record),
        [
            "0 n1 boots",
            "0 n2 boots",
            "80 n2 Hello 1 from n1",
            "80 n2 Hello 2 from n1",
            "80 n2 Hello 3 from n1",
            "90 n2 Hello 4 from n1",
            "150 n2 Hello 5 from n1",
            "170 n2 Hello 6 from n1",
            "190 n2 Hello 7 from n1",
        ]
    );
}

#[test]
fn a_clock_that_runs_fast_or_jumps_fires_timers_early() {
    let mut plan = plan_without_faults(2, SimDuration::millis(110));
    let (node, lasts) = (Target::Node(1), SimDuration::millis(40));
    plan.faults = vec![
        fault(SimDuration::millis(20), ClockRate { node, drift: 500_000, lasts }),
        fault(SimDuration::millis(70), ClockJump { node, by: SimDuration::millis(15) }),
    ];
    plan.bounds.leader = 0;
    let lines = said_lines(&run_traced::<TracingServer>(&plan));
    // Sent at 20; then 1.5 times as fast at 33.3, 46.6 and 60; then at 70, because the clock jumps past 80;
    // then at 90.
    let at: Vec<&str> = lines[2..].iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(at, ["30", "43", "56", "70", "80", "100"]);
}

/// Writes two bytes at its first boot and syncs only the first; traces at each boot what it finds.
struct Writer;

impl Server for Writer {
    type Message = Hello;

    fn boot(host: &mut Host<'_, Hello>) -> Result<Writer, Damaged> {
        let found = host.disk().read("file").to_vec();
        host.trace(|| format!("say finds {found:?}"));
        if found.is_empty() {
            host.disk().append("file", |bytes| bytes.push(1));
            host.disk().sync_directory();
            host.sync(1);
            host.disk().append("file", |bytes| bytes.push(2));
        }
        Ok(Writer)
    }

    fn step(&mut self, host: &mut Host<'_, Hello>, arrival: Arrival<Hello>) {
        host.trace(|| format!("say {arrival:?}"));
    }
}

#[test]
fn a_crash_keeps_the_page_cache() {
    let mut plan = plan_without_faults(1, SimDuration::millis(50));
    let (node, lasts) = (Target::Node(1), SimDuration::millis(10));
    plan.faults = vec![fault(SimDuration::millis(2), Crash { node, lasts })];
    plan.bounds.leader = 0;
    let lines = said_lines(&run_traced::<Writer>(&plan));
    assert_eq!(lines, ["0 n1 finds []", "12 n1 finds [1, 2]"], "a crashed server gets no sync completions");
}

#[test]
fn a_power_loss_drops_only_unsynced_bytes() {
    let mut lost = 0;
    for seed in 0..20 {
        let mut plan = plan_without_faults(1, SimDuration::millis(50));
        plan.seed = seed;
        let lasts = SimDuration::millis(10);
        plan.faults = vec![fault(SimDuration::millis(8), PowerLoss { nodes: vec![], lasts })];
        plan.bounds.leader = 0;
        let record = run_traced::<Writer>(&plan);
        let lines = said_lines(&record);
        assert_eq!(lines[..2], ["0 n1 finds []", "5 n1 Synced(1)"]);
        assert!(lines[2].starts_with("18 n1 finds [1"), "synced bytes must survive: {lines:?}");
        lost += u64::from(lines[2] == "18 n1 finds [1]");
        assert_eq!(record.outcome.counts.power_losses, 1);
    }
    assert!(lost > 0, "twenty power losses must lose something");
}

#[test]
fn a_stalled_disk_completes_its_syncs_when_the_stall_ends() {
    let mut plan = plan_without_faults(1, SimDuration::millis(50));
    let (node, lasts) = (Target::Node(1), SimDuration::millis(20));
    plan.faults = vec![fault(SimDuration::millis(1), StalledDisk { node, lasts })];
    plan.bounds.leader = 0;
    assert_eq!(said_lines(&run_traced::<Writer>(&plan)), ["0 n1 finds []", "21 n1 Synced(1)"]);
}

#[test]
fn a_failed_sync_is_reported_and_the_server_restarts_when_the_disk_works_again() {
    let mut plan = plan_without_faults(1, SimDuration::millis(50));
    let (node, lasts) = (Target::Node(1), SimDuration::millis(20));
    plan.faults = vec![fault(SimDuration::millis(1), DiskError { node, drops: false, once: false, lasts })];
    plan.bounds.leader = 0;
    assert_eq!(
        said_lines(&run_traced::<Writer>(&plan)),
        ["0 n1 finds []", "5 n1 SyncFailed(1)", "21 n1 finds [1, 2]"],
        "the page cache must survive"
    );
    // Also if the fault phase ends before the fault does.
    plan.fault_phase = SimDuration::millis(10);
    assert_eq!(said_lines(&run_traced::<Writer>(&plan)).last().unwrap(), "10 n1 finds [1, 2]");
    // Without a sync during the fault nothing happens.
    plan.faults = vec![fault(SimDuration::millis(6), DiskError { node, drops: false, once: false, lasts })];
    assert_eq!(said_lines(&run_traced::<Writer>(&plan)), ["0 n1 finds []", "5 n1 Synced(1)"]);
}

/// Appends ten bytes every ten milliseconds and syncs them, until a sync fails; traces at each boot how many it finds.
struct Appender {
    due: Option<LocalTime>,
}

impl Server for Appender {
    type Message = Hello;

    fn boot(host: &mut Host<'_, Hello>) -> Result<Appender, Damaged> {
        let found = host.disk().read("file").len();
        host.trace(|| format!("say finds {found}"));
        Ok(Appender { due: (found == 0).then(|| host.now() + 10_000_000) })
    }

    fn step(&mut self, host: &mut Host<'_, Hello>, arrival: Arrival<Hello>) {
        match arrival {
            Arrival::Timer => {
                host.disk().append("file", |bytes| bytes.extend([7; 10]));
                host.disk().sync_directory();
                host.sync(1);
                self.due = Some(host.now() + 10_000_000);
            }
            Arrival::SyncFailed(_) => self.due = None,
            _ => {}
        }
        host.trace(|| format!("say {arrival:?}"));
    }

    fn deadline(&self) -> Option<LocalTime> {
        self.due
    }
}

#[test]
fn a_full_disk_takes_what_it_has_room_for_and_works_again_when_there_is_room() {
    let mut plan = plan_without_faults(1, SimDuration::millis(80));
    let (node, lasts) = (Target::Node(1), SimDuration::millis(30));
    plan.faults = vec![fault(SimDuration::millis(1), FullDisk { node, room: 10, lasts })];
    plan.bounds.leader = 0;
    assert_eq!(
        said_lines(&run_traced::<Appender>(&plan)),
        [
            "0 n1 finds 0",
            "10 n1 Timer",
            "15 n1 Synced(1)",
            "20 n1 Timer",
            "25 n1 SyncFailed(1)",
            "31 n1 finds 20",
        ],
    );
    // What there was no room for is gone once the page cache is.
    plan.faults
        .push(fault(SimDuration::millis(40), PowerLoss { nodes: vec![], lasts: SimDuration::millis(1) }));
    assert_eq!(said_lines(&run_traced::<Appender>(&plan)).last().unwrap(), "41 n1 finds 10");
    // With room for all nothing happens.
    plan.faults = vec![fault(SimDuration::millis(1), FullDisk { node, room: 30, lasts })];
    assert!(said_lines(&run_traced::<Appender>(&plan)).iter().all(|line| !line.contains("SyncFailed")));
}

/// Traces its clock in milliseconds when it boots, and 30.5 seconds later.
struct Clocks(Option<LocalTime>);

impl Server for Clocks {
    type Message = Hello;

    fn boot(host: &mut Host<'_, Hello>) -> Result<Clocks, Damaged> {
        let now = host.now();
        host.trace(|| format!("say {}", now / 1_000_000));
        Ok(Clocks(Some(now + 30_500_000_000)))
    }

    fn step(&mut self, host: &mut Host<'_, Hello>, _: Arrival<Hello>) {
        let now = host.now();
        host.trace(|| format!("say {}", now / 1_000_000));
        self.0 = None;
    }

    fn deadline(&self) -> Option<LocalTime> {
        self.0
    }
}

#[test]
fn clocks_pass_the_limit_of_the_plan() {
    for limit in [0, 1 << 32, 1 << 31] {
        let mut plan = plan_without_faults(3, SimDuration::millis(31_000));
        plan.clock_limit = SimDuration(limit * 1_000_000);
        plan.bounds.leader = 0;
        let readings: Vec<u64> = said_lines(&run_traced::<Clocks>(&plan))
            .iter()
            .filter_map(|line| line.rsplit(' ').next()?.parse().ok())
            .collect();
        let passes = |node: usize| readings[node] < limit && readings[node + 3] >= limit;
        assert_eq!((0..3).all(passes), limit > 0, "limit {limit}: {readings:?}");
    }
}

#[test]
fn a_failed_sync_makes_nothing_durable() {
    let mut lost = 0;
    for seed in 0..20 {
        let mut plan = plan_without_faults(1, SimDuration::millis(50));
        plan.seed = seed;
        let (node, lasts) = (Target::Node(1), SimDuration::millis(10));
        plan.faults = vec![
            fault(SimDuration::millis(1), DiskError { node, drops: false, once: false, lasts }),
            fault(SimDuration::millis(8), PowerLoss { nodes: vec![node], lasts }),
        ];
        plan.bounds.leader = 0;
        let lines = said_lines(&run_traced::<Writer>(&plan));
        assert_eq!(lines[1], "5 n1 SyncFailed(1)");
        lost += u64::from(lines[2] == "18 n1 finds []");
    }
    assert!(lost > 0, "twenty power losses must lose something");
}

#[test]
fn a_wiped_server_starts_empty_and_at_most_one_is_wiped() {
    let mut plan = plan_without_faults(3, SimDuration::millis(90));
    let wipe = |at, node, lasts| {
        fault(SimDuration::millis(at), Wipe { node: Target::Node(node), lasts: SimDuration::millis(lasts) })
    };
    plan.faults = vec![
        fault(SimDuration::millis(8), Crash { node: Target::Node(2), lasts: SimDuration::millis(5) }),
        wipe(10, 2, 10),
        wipe(30, 3, 10),
        wipe(50, 2, 10),
    ];
    plan.bounds.leader = 0;
    let record = run_traced::<Writer>(&plan);
    let finds: Vec<String> = said_lines(&record).into_iter().filter(|line| line.contains("finds")).collect();
    assert_eq!(
        finds[3..],
        ["20 n2 finds []"],
        "n2 was down already and stays down for the longer of both times"
    );
    let injected = record.outcome.faults.iter().find(|(kind, _)| *kind == "wipe");
    assert_eq!(injected, Some(&("wipe", 1)));
}

#[test]
fn a_server_needed_for_a_majority_is_not_wiped() {
    for nodes in [1, 2] {
        let mut plan = plan_without_faults(nodes, SimDuration::millis(50));
        let (node, lasts) = (Target::Node(1), SimDuration::millis(5));
        plan.faults = vec![fault(SimDuration::millis(8), Wipe { node, lasts })];
        plan.bounds.leader = 0;
        let record = run_traced::<Writer>(&plan);
        assert_eq!(
            said_lines(&record).len() as u64,
            2 * nodes,
            "each server boots once and gets its sync completion"
        );
    }
}

/// Fail-stops when a sync fails and does nothing else; with `LEADS` node 1 claims to lead and never responds.
struct PassiveServer<const LEADS: bool>;

impl<const LEADS: bool> Server for PassiveServer<LEADS> {
    type Message = Hello;

    fn boot(host: &mut Host<'_, Hello>) -> Result<Self, Damaged> {
        host.disk().append("file", |bytes| bytes.push(1));
        host.disk().sync_directory();
        host.sync(1);
        if LEADS && host.node() == 1 {
            host.record_fact(ServerFact::Leads { term: 1 });
        }
        Ok(PassiveServer)
    }

    fn step(&mut self, host: &mut Host<'_, Hello>, arrival: Arrival<Hello>) {
        if let Arrival::SyncFailed(_) = arrival {
            host.fail_stop("its disk fails");
        }
    }
}

#[test]
fn a_wiped_server_counts_again_once_it_may_have_been_added_again() {
    let mut plan = plan_without_faults(3, SimDuration::millis(50));
    let (node, lasts) = (Target::Node(2), SimDuration::millis(5));
    let change = |voters: &[Target], remove: &[Target]| Change {
        voters: voters.to_vec(),
        learners: vec![],
        remove: remove.to_vec(),
        by_joint: false,
    };
    plan.faults = vec![
        fault(SimDuration::millis(8), Wipe { node, lasts }),
        fault(SimDuration::millis(20), change(&[Target::Node(1), Target::Node(3)], &[])),
        fault(SimDuration::millis(25), change(&[], &[node])),
        fault(SimDuration::millis(30), change(&[node], &[])),
    ];
    let record = run_traced::<PassiveServer<true>>(&plan);
    let rejoined: Vec<(u64, u64)> = (record.trace.iter())
        .filter(|line| line.event == TraceEvent::Readmitted)
        .map(|line| (line.at / 1_000_000, line.node))
        .collect();
    assert_eq!(rejoined, [(30, 2)], "only the wiped server, and once");

    plan.faults = vec![fault(
        SimDuration::millis(1),
        DiskError { node, drops: false, once: false, lasts: SimDuration::millis(20) },
    )];
    let failure = |record: RunRecord| match record.outcome.verdict {
        Verdict::Failed(failure) => failure,
        verdict => panic!("{verdict:?}"),
    };
    // Passive servers have no leader: that is the violation, not the fail-stop of one of them.
    let failure = failure(run_traced::<PassiveServer<false>>(&plan));
    assert!(failure.cause.to_string().contains("there is no leader"), "{}", failure.cause);
    // The evidence: when the wait began and when the deadline was missed.
    let waited = failure.evidence.array_windows().next().map(|[started, missed]| missed.at - started.at);
    assert!(failure.evidence.len() == 2 && waited > Some(0), "{:?}", failure.evidence);
}

/// A generated plan with a disk error every half second, some of them followed by a power loss of the same
/// node.
fn plan_with_disk_errors(seed: u64) -> Plan {
    let mut plan = generate(seed);
    for number in 1..plan.fault_phase.0 / 500_000_000 {
        let node = Target::Node((number * 7 + seed) % plan.nodes + 1);
        let at = SimDuration(number * 500_000_000);
        let lasts = SimDuration::millis(20 + number * 37 % 400);
        plan.faults.push(fault(at, DiskError { node, drops: false, once: false, lasts }));
        if number % 3 == 0 {
            let at = SimDuration(at.0 + lasts.0 - 10_000_000);
            plan.faults.push(fault(at, PowerLoss { nodes: vec![node], lasts: SimDuration::millis(50) }));
        }
    }
    plan.faults.retain(|fault| fault.at < plan.fault_phase);
    plan
}

#[test]
fn the_built_in_system_survives_disk_errors() {
    for seed in 0..30 {
        let outcome = run(&plan_with_disk_errors(seed), &Options::default()).outcome;
        assert_eq!(outcome.verdict, Verdict::Passed, "seed {seed}");
        let injected = outcome.faults.iter().find(|(kind, _)| *kind == "disk-error").unwrap();
        assert!(injected.1 > 20, "{injected:?}");
    }
}

/// Bug P05.
#[test]
#[cfg_attr(not(feature = "bugs"), ignore = "bugs are switched off")]
fn a_host_that_ignores_sync_errors_is_caught() {
    let caught = (0..5).find_map(|seed| {
        let mut plan = plan_with_disk_errors(seed);
        plan.bug = Some("persist-failure-ignored".to_owned());
        match run(&plan, &Options::default()).outcome.verdict {
            Verdict::Failed(failure) => Some(failure.property),
            _ => None,
        }
    });
    assert_eq!(caught.as_deref(), Some("persist-before-reply"));
}

/// Postpones its deadline whenever a message arrives.
struct PostponingServer {
    due: LocalTime,
}

impl Server for PostponingServer {
    type Message = Hello;

    fn boot(host: &mut Host<'_, Hello>) -> Result<PostponingServer, Damaged> {
        if host.node() == 1 {
            host.send(2, Hello(0));
        }
        Ok(PostponingServer { due: host.now() + 100_000_000 })
    }

    fn step(&mut self, host: &mut Host<'_, Hello>, arrival: Arrival<Hello>) {
        if let Arrival::Message { from, .. } = arrival {
            host.send(from, Hello(0));
        } else {
            host.trace(|| "say wakes".to_owned());
        }
        self.due = host.now() + 100_000_000;
    }

    fn deadline(&self) -> Option<LocalTime> {
        Some(self.due)
    }

    fn is_heartbeat(_: &Hello) -> bool {
        true
    }
}

#[test]
fn a_postponed_timer_is_no_event() {
    let mut plan = plan_without_faults(2, SimDuration::millis(1_005));
    plan.bounds.leader = 0;
    let record = run_traced::<PostponingServer>(&plan);
    assert_eq!(said_lines(&record), [""; 0], "a message every 20 ms postpones both timers");
    assert_eq!(record.outcome.counts.events, 100, "one every 10 ms");
    assert_eq!(record.outcome.counts.heartbeats, 200, "each message and its possible reply");
}

#[test]
fn links_keep_order_unless_reordering_is_on() {
    let mut plan = plan_without_faults(2, SimDuration::millis(4_000));
    plan.network.delay_spread = SimDuration::millis(200);
    plan.bounds.leader = 0;
    let order = |plan: &_| -> Vec<u64> {
        let number = |line: &String| line.split("Hello ").nth(1)?.split(' ').next()?.parse().ok();
        said_lines(&run_traced::<TracingServer>(plan)).iter().filter_map(number).collect()
    };
    let in_order = order(&plan);
    assert!(in_order.len() > 150 && in_order.is_sorted());
    plan.network.reordering = Probability::CERTAIN;
    assert!(!order(&plan).is_sorted());
    plan.network.duplication = Probability::CERTAIN;
    assert!(order(&plan).len() > 2 * in_order.len() - 10);
    plan.network.loss = Probability::CERTAIN;
    assert!(order(&plan).is_empty());
}

/// Panics at the third greeting.
struct PanickingServer(TracingServer);

impl Server for PanickingServer {
    type Message = Hello;

    fn boot(host: &mut Host<'_, Hello>) -> Result<PanickingServer, Damaged> {
        Ok(PanickingServer(TracingServer::boot(host)?))
    }

    fn step(&mut self, host: &mut Host<'_, Hello>, arrival: Arrival<Hello>) {
        if let Arrival::Message { message: Hello(number), .. } = &arrival {
            assert!(*number < 3, "greeting {number} is one too many");
        }
        self.0.step(host, arrival);
    }

    fn deadline(&self) -> Option<LocalTime> {
        self.0.deadline()
    }

    fn is_heartbeat(message: &Hello) -> bool {
        TracingServer::is_heartbeat(message)
    }
}

#[test]
#[should_panic(expected = "`leader-local-read`, which this system does not have")]
fn a_plan_with_a_bug_of_another_system_is_refused() {
    let plan = plan_without_faults(1, SimDuration::millis(500));
    let plan = Plan { bug: Some("leader-local-read".into()), ..plan };
    let _ = run_with::<common::SimpleServer>(&plan, &Options::default());
}

#[test]
fn a_panic_is_a_violation() {
    for (_, engine) in Engine::ALL.into_iter().filter(|(_, engine)| engine.is_available()) {
        let options = Options { engine, ..Options::unchecked() };
        let record = run_with::<PanickingServer>(&plan_without_faults(2, SimDuration::millis(500)), &options);
        let Verdict::Failed(failure) = record.outcome.verdict else { panic!("{:?}", record.outcome.verdict) };
        assert_eq!(failure.property, NO_PANIC);
        let sentence = "n2 panics at 70ms of simulated time: greeting 3 is one too many";
        assert!(failure.cause.to_string().starts_with(sentence), "{}", failure.cause);
        assert!(failure.cause.to_string().contains("world.rs"), "{}", failure.cause);
        assert_eq!(record.outcome.counts.simulated, 70_000_000);
    }
}

#[test]
fn a_panic_writes_nothing_to_standard_error() {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_panic_is_a_violation", "--nocapture"])
        .output()
        .unwrap();
    assert!(child.status.success());
    assert_eq!(String::from_utf8_lossy(&child.stderr), "");
}

#[test]
fn a_thousand_runs_do_not_leak_memory() {
    // The tests beside it need memory, too: so it runs in a process of its own.
    if std::env::var_os("ALONE").is_none() {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_thousand_runs_do_not_leak_memory"])
            .env("ALONE", "1")
            .output()
            .unwrap();
        return assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    }
    let pages = || -> u64 {
        let memory = std::fs::read_to_string("/proc/self/statm").unwrap();
        memory.split(' ').nth(1).unwrap().parse().unwrap()
    };
    let runs = || {
        for seed in 0..500 {
            let mut plan = common::plan_with_faults(seed);
            plan.fault_phase = SimDuration::millis(700);
            let engine = if seed % 4 == 0 && Engine::Strict.is_available() {
                Engine::Strict
            } else {
                Engine::default()
            };
            let options = Options { engine, ..Options::unchecked() };
            let _ = run_with::<common::SimpleServer>(&plan, &options);
        }
    };
    runs();
    let before = pages();
    runs();
    let grown = pages().saturating_sub(before) * 4;
    assert!(grown < 4_000, "500 more runs took {grown} KiB more");
}

#[test]
#[expect(clippy::disallowed_types, reason = "a test measures real time")]
fn the_time_of_a_run_is_linear_in_its_simulated_time() {
    let plan = |minutes: u64| {
        let mut plan = Plan { fault_phase: SimDuration::millis(minutes * 60_000), ..generate(1) };
        plan.bounds.events = 100_000_000;
        plan
    };
    let run = |plan: &Plan| assert_eq!(run(plan, &Options::default()).outcome.verdict, Verdict::Passed);
    let (short, long) = (plan(6), plan(60));
    // Both sides take equally long, so that other load disturbs both: the best of many short runs would be
    // disturbed less than any long one.
    let ratio = || {
        let start = std::time::Instant::now();
        (0..10).for_each(|_| run(&short));
        let middle = start.elapsed();
        run(&long);
        (start.elapsed() - middle).as_secs_f64() / middle.as_secs_f64()
    };
    let best = (0..10).map(|_| ratio()).find(|&ratio| ratio < 1.5);
    assert!(best.is_some(), "a run takes {:.2} times as long as ten of a tenth of its time", ratio());
}
