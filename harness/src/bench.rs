//! Figures: how much of the time goes where, measured in one process so that they can be compared.

use crate::cluster::Cluster;
use crate::outcome::Options;
use crate::plan::{self, Chance, Duration, Plan};
use crate::pump::{Mode, pump};
use crate::server::{Arrival, Host, LocalTime, Server};
use invariants::Node;
use rand::Rng;
use std::time::Instant;

/// What `harness bench` prints.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Figures {
    /// Messages per second through the whole of world and pump, between servers that do nothing with them.
    pub pump_events_per_second: f64,
}

/// Takes the figures.
#[must_use]
pub fn measure() -> Figures {
    // Once to warm up, then the best of three: whatever else runs on the machine only ever adds time.
    let _ = bare_pump(Mode::Fast, 200_000);
    let best = (0..3).map(|_| bare_pump(Mode::Fast, 2_000_000)).fold(0.0, f64::max);
    Figures { pump_events_per_second: best }
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
