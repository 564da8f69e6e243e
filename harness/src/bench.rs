//! Figures: how much of the time goes where, measured in one process so that they can be compared.

use crate::cluster::Cluster;
use crate::outcome::Options;
use crate::plan::{self, Chance, Duration, Fault, FaultKind, Plan, Target};
use crate::pump::{Mode, Running, pump};
use crate::run::run;
use crate::server::{Arrival, Host, LocalTime, Server};
use crate::systems::raft_core;
use invariants::Node;
use rand::Rng;
use serde::Serialize;
use std::time::Instant;

/// What `harness bench` prints.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Figures {
    /// Messages per second through the whole of world and pump, between servers that do nothing with them.
    pub pump_events_per_second: f64,
    /// Events per second of default runs, seeds 0..200, with nothing checked.
    pub unchecked_events_per_second: f64,
    /// Events per second of the same runs with everything checked.
    pub checked_events_per_second: f64,
    /// Checked by bare pump.
    pub checked_to_pump: f64,
    /// Checked by unchecked.
    pub checked_to_unchecked: f64,
    /// What a checked event costs where logs have 200,000 entries, by what it costs where they have 2,000.
    pub cost_ratio_long_log: f64,
    /// What a restart costs for each entry that it recovers, in nanoseconds.
    pub nanoseconds_per_recovered_entry: f64,
}

/// Takes the figures.
#[must_use]
pub fn measure() -> Figures {
    // Once to warm up, then the best of three: whatever else runs on the machine only ever adds time.
    let _ = bare_pump(Mode::Fast, 200_000);
    let best = |measure: &dyn Fn() -> f64| (0..3).map(|_| measure()).fold(0.0, f64::max);
    let pump = best(&|| bare_pump(Mode::Fast, 2_000_000));
    let unchecked = best(&|| default_runs(true));
    let checked = best(&|| default_runs(false));
    let (ratio, recovered) = long_log();
    Figures {
        pump_events_per_second: pump,
        unchecked_events_per_second: unchecked,
        checked_events_per_second: checked,
        checked_to_pump: checked / pump,
        checked_to_unchecked: checked / unchecked,
        cost_ratio_long_log: ratio,
        nanoseconds_per_recovered_entry: recovered,
    }
}

/// Events per second of default runs.
fn default_runs(unchecked: bool) -> f64 {
    let options = Options { unchecked, ..Options::default() };
    let plans: Vec<Plan> = (0..200).map(plan::generate).collect();
    let start = Instant::now();
    let events: u64 = plans.iter().map(|plan| run(plan, &options).outcome.counts.events).sum();
    events as f64 / start.elapsed().as_secs_f64()
}

/// What a checked event costs around 200,000 entries per node by what it costs around 2,000; and, of a restart there,
/// what each entry costs in nanoseconds.
fn long_log() -> (f64, f64) {
    let mut running =
        Running::new(Cluster::<raft_core::Node>::new(&long_plan(), &Options::default()), Mode::Fast);
    let short = window(&mut running, 2_000);
    let long = window(&mut running, 200_000);
    let failure = running.look(|cluster| cluster.world.observer.failure.clone());
    assert_eq!(failure, None, "a run that is measured keeps its promises");
    let mut cluster = running.end();
    let entries = cluster.world.standing(1).last as f64;
    let start = Instant::now();
    cluster.boot(1);
    (long / short, start.elapsed().as_nanos() as f64 / entries)
}

/// Seconds for 200,000 events around the place where logs have so many entries.
fn window(running: &mut Running<raft_core::Node>, entries: u64) -> f64 {
    let longest = |running: &Running<raft_core::Node>| {
        running.look(|cluster| (1..=5).map(|node| cluster.world.standing(node).last).max().unwrap_or(0))
    };
    let mut events = running.look(Cluster::events);
    // The window shall lie around the place, so it begins somewhat before; where logs are short that is at once.
    while longest(running) + 5_000 < entries {
        events += 10_000;
        assert!(running.go(events), "the storm of a measured run does not end");
    }
    let start = Instant::now();
    assert!(running.go(events + 200_000), "the storm of a measured run does not end");
    start.elapsed().as_secs_f64()
}

/// Five nodes that lose messages, are cut off and skewed, and are never restarted, with clients that write a lot.
fn long_plan() -> Plan {
    let mut plan = bare_plan(Duration::millis(10_000_000));
    plan.raft = plan::generate(0).raft;
    plan.network.delay_spread = Duration::millis(2);
    plan.network.loss = Chance(5_000);
    plan.network.reordering = Chance(0);
    plan.disk.sync = Duration::micros(200);
    plan.clients = plan::Clients {
        count: 8,
        in_flight: 16,
        pause: Duration::millis(4),
        patience: Duration::millis(1_000),
        attempts: 20,
        keys: 64,
        reads: Chance(100_000),
    };
    for round in 0..1_000 {
        let at = Duration::millis(1_000 + 5_000 * round);
        let node = Target::Node(1 + round % 5);
        let lasts = Duration::millis(400);
        let cut = FaultKind::Cut { from: node, to: Target::Node(1 + (round + 1) % 5), lasts };
        let drift = FaultKind::ClockRate { node, drift: 20_000, lasts: Duration::millis(4_000) };
        plan.faults.extend([cut, drift].map(|kind| Fault { at, on: None, kind }));
    }
    plan
}

/// Events per second of the bare pump: 5 nodes, 20 messages in flight, each on its way for 1 to 10 ms.
#[must_use]
pub fn bare_pump(mode: Mode, events: u64) -> f64 {
    // Twenty messages that take 5.5 ms each.
    let plan = bare_plan(Duration(events * 275_000));
    let options = Options { unchecked: true, ..Options::default() };
    let cluster = Cluster::<Juggler>::new(&plan, &options);
    let start = Instant::now();
    let cluster = pump(cluster, mode);
    cluster.world.observer.counts.events as f64 / start.elapsed().as_secs_f64()
}

/// Nothing ever breaks, and nobody asks for anything.
fn bare_plan(storm: Duration) -> Plan {
    let none = Duration(0);
    Plan {
        version: plan::VERSION,
        seed: 1,
        nodes: 5,
        storm,
        bug: None,
        raft: plan::Raft {
            election_timeout: none,
            election_timeout_spread: none,
            heartbeat: none,
            pre_vote: false,
            batch: 1,
            window: 1,
            syncs: 1,
        },
        network: plan::Network {
            delay: Duration::millis(1),
            delay_spread: Duration::millis(9),
            tail: Chance(0),
            tail_spread: none,
            loss: Chance(0),
            duplication: Chance(0),
            reordering: Chance::CERTAIN,
        },
        disk: plan::Disk { sync: none, sync_spread: none, tail: Chance(0), tail_spread: none },
        clients: plan::Clients {
            count: 0,
            in_flight: 1,
            pause: none,
            patience: none,
            attempts: 1,
            keys: 1,
            reads: Chance(0),
        },
        bounds: plan::Bounds { leader: 0, write: 0, convergence: 0 },
        faults: Vec::new(),
    }
}

/// A server that throws on whatever it catches.
struct Juggler;

impl Juggler {
    fn throw(host: &mut Host<'_, u64>, ball: u64) {
        let other: Node = host.rng().gen_range(1..5);
        let to = if other >= host.node() { other + 1 } else { other };
        host.send(to, ball);
    }
}

impl Server for Juggler {
    type Message = u64;

    fn boot(host: &mut Host<'_, u64>) -> Juggler {
        for ball in 0..4 {
            Juggler::throw(host, ball);
        }
        Juggler
    }

    fn step(&mut self, host: &mut Host<'_, u64>, arrival: Arrival<u64>) {
        if let Arrival::Message { message, .. } = arrival {
            Juggler::throw(host, message);
        }
    }

    fn deadline(&self) -> Option<LocalTime> {
        None
    }

    fn is_heartbeat(_: &u64) -> bool {
        false
    }
}
