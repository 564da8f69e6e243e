//! Benchmarks, measured in one process so that they can be compared.

#![expect(clippy::disallowed_types, reason = "a bench reads the clock")]

use crate::engine::cluster::Cluster;
use crate::engine::{StepwiseRun, run_to_end};
use crate::outcome::{Engine, Options};
use crate::parts::wal::Wal;
use crate::plan::faults::{ClockRate, OneWayPartition, Partition};
use crate::plan::{self, Fault, FaultKind, Plan, Probability, SimDuration, Target};
use crate::server::{Arrival, Damaged, Host, LocalTime, Server};
use crate::support::rng;
use crate::systems::raft_core::RaftServer;
use crate::systems::{BUILT_IN, SystemInfo};
use invariants::ServerState;
use rand::Rng;
use serde::Serialize;
use std::time::Instant;

/// The results of `harness bench`.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct BenchResults {
    /// Messages per second through the pump and the world, between servers that only relay them.
    pub pump_events_per_second: f64,
    /// Events per second of seeds 0..200, with the state of the cluster rebuilt from facts but no property checked.
    pub unchecked_events_per_second: f64,
    /// The same with every property checked after every event.
    pub checked_events_per_second: f64,
    /// Events per second of checked runs, relative to the bare pump.
    pub checked_to_pump: f64,
    /// The same relative to unchecked runs.
    pub checked_to_unchecked: f64,
    /// The cost of an event at 200,000 entries per server, relative to 2,000.
    pub cost_ratio_long_log: f64,
    /// The cost of a restart per recovered entry, in nanoseconds.
    pub nanoseconds_per_recovered_entry: f64,
    /// The same plans on another system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other: Option<OtherSystem>,
}

/// How fast another system runs the plans of the same seeds, measured in turn with the built-in one.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct OtherSystem {
    /// Its name.
    pub name: &'static str,
    /// Events per second with no property checked.
    pub unchecked_events_per_second: f64,
    /// The same with every property that can look at it.
    pub checked_events_per_second: f64,
    /// Events per second of checked runs, relative to those of the built-in system.
    pub checked_to_built_in: f64,
}

/// The seeds of the timed runs.
const BENCH_SEEDS: std::ops::Range<u64> = 0..200;
/// How often each figure is measured. The best one counts: other load on the machine only adds time.
const ROUNDS: usize = 5;

/// Measures all figures in turn, so that their ratios hold even if the speed of the machine drifts. A system that is not
/// the built-in one is measured beside it.
#[must_use]
pub fn measure(system: &SystemInfo) -> BenchResults {
    let (all, none) = (Options::default(), Options::unchecked());
    let other = (system.name != BUILT_IN.name).then_some(system);
    let _ = (measure_bare_pump(Engine::default(), 200_000), generated_runs(&BUILT_IN, &all));
    let (mut pump, mut unchecked, mut checked) = (0.0_f64, 0.0_f64, 0.0_f64);
    let (mut other_unchecked, mut other_checked) = (0.0_f64, 0.0_f64);
    for _ in 0..ROUNDS {
        pump = pump.max(measure_bare_pump(Engine::default(), 2_000_000));
        unchecked = unchecked.max(generated_runs(&BUILT_IN, &none));
        checked = checked.max(generated_runs(&BUILT_IN, &all));
        if let Some(other) = other {
            other_unchecked = other_unchecked.max(generated_runs(other, &none));
            other_checked = other_checked.max(generated_runs(other, &all));
        }
    }
    let other = other.map(|system| OtherSystem {
        name: system.name,
        unchecked_events_per_second: other_unchecked,
        checked_events_per_second: other_checked,
        checked_to_built_in: other_checked / checked,
    });
    BenchResults {
        pump_events_per_second: pump,
        unchecked_events_per_second: unchecked,
        checked_events_per_second: checked,
        checked_to_pump: checked / pump,
        checked_to_unchecked: checked / unchecked,
        cost_ratio_long_log: long_log_cost_ratio(),
        nanoseconds_per_recovered_entry: recovery_cost(),
        other,
    }
}

/// Events per second of generated plans.
fn generated_runs(system: &SystemInfo, options: &Options) -> f64 {
    let plans: Vec<Plan> = BENCH_SEEDS.map(|seed| system.plan(seed, None)).collect();
    let start = Instant::now();
    let events: u64 = plans.iter().map(|plan| system.run(plan, options).outcome.counts.events).sum();
    events as f64 / start.elapsed().as_secs_f64()
}

/// How often the long run is repeated.
const LONG_RUNS: usize = 5;

/// The cost of an event with long logs, relative to short ones, in a checked run with message loss,
/// partitions and clock drift. Measured in windows of the same number of events.
///
/// Repetitions of a plan do the same work. So each stretch counts with its best time in any repetition: this
/// removes other load on the machine, but not the work of the run itself, such as growing an array.
fn long_log_cost_ratio() -> f64 {
    let runs: Vec<_> = (0..LONG_RUNS).map(|_| long_run()).collect();
    let cost = |window: usize| {
        let stretches = runs[0][window].len();
        let best = |stretch: usize| runs.iter().map(|run| run[window][stretch]).min();
        (0..stretches).filter_map(best).sum::<std::time::Duration>().as_secs_f64() / stretches as f64
    };
    cost(1) / cost(0)
}

/// The times of each stretch, in the window around a short log and in that around a long one.
fn long_run() -> [Vec<std::time::Duration>; 2] {
    const WINDOW: usize = 200_000 / STRETCH as usize;
    const SHORT: u64 = 2_000;
    const LONG: u64 = 200_000;
    const STRETCH: u64 = 4_000;
    let plan = long_plan();
    // Inside madsim all clocks show simulated time, so the run is interrupted to read a real one.
    let mut running =
        StepwiseRun::new(Cluster::<RaftServer>::new(&plan, &Options::default()), Engine::default());
    let (mut events, [mut short, mut long]) = (0, [const { Vec::new() }; 2]);
    while long.len() < WINDOW {
        let last_index = |cluster: &Cluster<RaftServer>| {
            let servers = (1..=plan.nodes).filter_map(|node| cluster.world.server_state(node));
            servers.map(ServerState::last_index).max().unwrap_or(0)
        };
        let entries = running.inspect(last_index);
        events += STRETCH;
        let start = Instant::now();
        if !running.run_until(events) {
            break;
        }
        // The log passes `SHORT` within the first window; the second window begins half a window before
        // `LONG`.
        if entries > 0 && (entries < SHORT || short.len() < WINDOW) {
            short.push(start.elapsed());
        } else if entries >= LONG - LONG / 20 {
            long.push(start.elapsed());
        }
    }
    let cluster = running.finish();
    assert!(
        !cluster.has_failed(),
        "the long run must not break a property: {:?}",
        cluster.world.observer.failure
    );
    assert!(long.len() == WINDOW, "the long run must reach a log of {LONG} entries; give it more time");
    [short, long]
}

/// Many clients, and no fault that restarts a server.
fn long_plan() -> Plan {
    let mut plan = plan::generate(0);
    plan.nodes = 5;
    plan.fault_phase = SimDuration::millis(600_000);
    // No snapshots: they cost as much as the state is large, and that grows with the log.
    (plan.compaction, plan.permanent_fault) = (None, None);
    plan.raft = plan::RaftConfig {
        election_timeout: SimDuration::millis(500),
        election_timeout_spread: SimDuration::millis(500),
        heartbeat: SimDuration::millis(100),
        pre_vote: true,
        check_quorum: true,
        batch: 64,
        window: 16,
        max_in_flight_syncs: plan.raft.max_in_flight_syncs,
        ..plan::RaftConfig::default()
    };
    plan.network.loss = Probability(10_000);
    plan.clients = plan::ClientConfig {
        count: 8,
        in_flight: 32,
        think_time: SimDuration::millis(2),
        timeout: SimDuration::millis(1_000),
        attempts: 6,
        keys: 64,
        reads: Probability(100_000),
        session: SimDuration(0),
        random_target: Probability(0),
        command_bytes: 0,
        command_bytes_spread: 0,
        load: 0,
        calls: None,
        registers_only: false,
        without_deletes: false,
        without_compare_and_set: false,
    };
    plan.bounds.events = u64::MAX;
    plan.faults.clear();
    for second in 0..590 {
        let at = SimDuration::millis(second * 1_000 + 500);
        let (one, other) = (1 + second % 5, 1 + (second + 2) % 5);
        let lasts = SimDuration::millis(400);
        let kind = match second % 3 {
            0 => FaultKind::OneWayPartition(OneWayPartition {
                from: Target::Node(one),
                to: Target::Node(other),
                lasts,
            }),
            1 => FaultKind::Partition(Partition { side: vec![Target::Node(one)], lasts }),
            _ => {
                let drift = if second % 2 == 0 { 100_000 } else { -100_000 };
                FaultKind::ClockRate(ClockRate {
                    node: Target::Node(one),
                    drift,
                    lasts: SimDuration::millis(3_000),
                })
            }
        };
        plan.faults.push(Fault { at, on: None, kind });
    }
    plan
}

/// Nanoseconds per entry that a restart recovers: to read and verify the log, and to state its contents.
fn recovery_cost() -> f64 {
    const ENTRIES: u64 = 200_000;
    let mut plan = bare_plan(SimDuration::millis(1));
    plan.raft = long_plan().raft;
    let measure_once = || {
        let options = Options::unchecked();
        let mut cluster = Cluster::<RaftServer>::new(&plan, &options);
        let mut rng = rng::stream(1, rng::label::BENCH, [0, 0]);
        let disk = cluster.world.disk(1);
        let (mut wal, _) = Wal::open(disk, &mut rng).expect("an empty disk cannot be damaged");
        wal.mark_durable(wal.mark());
        for _ in 0..ENTRIES / 4 {
            wal.append(disk, 1, Some(1), None, [(1, 1, &[7_u8; 24][..]); 4]);
        }
        disk.sync_directory();
        let ticket = disk.begin_sync();
        disk.end_sync(ticket, |_| {});
        let start = Instant::now();
        cluster.boot(1);
        start.elapsed().as_nanos() as f64 / ENTRIES as f64
    };
    (0..3).map(|_| measure_once()).fold(f64::INFINITY, f64::min)
}

/// Events per second of the bare pump: 5 nodes, 20 messages in flight, each with a delay of 1 to 10 ms.
#[must_use]
pub fn measure_bare_pump(engine: Engine, events: u64) -> f64 {
    // Twenty messages with a mean delay of 5.5 ms.
    let plan = bare_plan(SimDuration(events * 275_000));
    let options = Options::unchecked();
    let cluster = Cluster::<RelayServer>::new(&plan, &options);
    let start = Instant::now();
    let cluster = run_to_end(cluster, engine);
    cluster.world.observer.counts.events as f64 / start.elapsed().as_secs_f64()
}

/// A plan without faults and requests.
fn bare_plan(fault_phase: SimDuration) -> Plan {
    let none = SimDuration(0);
    Plan {
        system: Default::default(),
        version: plan::VERSION,
        seed: 1,
        nodes: 5,
        fault_phase,
        bug: None,
        compaction: None,
        permanent_fault: None,
        unlimited_damage: false,
        clock_limit: SimDuration(0),
        raft: plan::RaftConfig { batch: 1, window: 1, max_in_flight_syncs: 1, ..plan::RaftConfig::default() },
        network: plan::NetworkConfig {
            delay: SimDuration::millis(1),
            delay_spread: SimDuration::millis(9),
            tail: Probability(0),
            tail_spread: none,
            loss: Probability(0),
            duplication: Probability(0),
            reordering: Probability::CERTAIN,
        },
        disk: plan::DiskConfig { sync: none, sync_spread: none, tail: Probability(0), tail_spread: none },
        clients: plan::ClientConfig {
            count: 0,
            in_flight: 1,
            think_time: none,
            timeout: none,
            attempts: 1,
            keys: 1,
            reads: Probability(0),
            session: none,
            random_target: Probability(0),
            command_bytes: 0,
            command_bytes_spread: 0,
            load: 0,
            calls: None,
            registers_only: false,
            without_deletes: false,
            without_compare_and_set: false,
        },
        bounds: plan::LivenessBounds { leader: 0, write: 0, convergence: 0, events: u64::MAX },
        faults: Vec::new(),
    }
}

/// A server that relays each message to a random other server.
struct RelayServer;

impl RelayServer {
    fn relay(host: &mut Host<'_, u64>, message: u64) {
        let other: u64 = host.rng().gen_range(1..5);
        let to = if other >= host.node() { other + 1 } else { other };
        host.send(to, message);
    }
}

impl Server for RelayServer {
    type Message = u64;

    fn boot(host: &mut Host<'_, u64>) -> Result<RelayServer, Damaged> {
        for message in 0..4 {
            RelayServer::relay(host, message);
        }
        Ok(RelayServer)
    }

    fn step(&mut self, host: &mut Host<'_, u64>, arrival: Arrival<u64>) {
        if let Arrival::Message { message, .. } = arrival {
            RelayServer::relay(host, message);
        }
    }

    fn deadline(&self) -> Option<LocalTime> {
        None
    }

    fn is_heartbeat(_: &u64) -> bool {
        false
    }
}
