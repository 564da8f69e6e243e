//! Known leaks of nondeterminism, each planted in a toy server: on the plain engine the comparison names the first event that
//! differs; on madsim it does, or the leak is replaced by something that depends on the seed only.

#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "they are what is to be found")]

mod common;

use common::{Hello, plan_without_faults};
use harness::findings::determinism::{Variation, find_difference};
use harness::outcome::{Difference, Engine, NO_PANIC, Options, RunRecord, Verdict};
use harness::plan::{Plan, SimDuration};
use harness::server::{Arrival, Damaged, Host, LocalTime, Server};
use harness::systems::run::run_with;
use invariants::ServerFact;
use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// When the leak first shows: from the third event of the server on.
const QUIET_STEPS: u64 = 2;

/// A leak of something that does not depend on the seed.
trait Leak: Send + 'static {
    fn number() -> u64;
}

/// States a number that leaks, every 10 ms.
struct Leaky<L> {
    due: LocalTime,
    steps: u64,
    leak: std::marker::PhantomData<L>,
}

impl<L: Leak> Server for Leaky<L> {
    type Message = Hello;

    fn boot(host: &mut Host<'_, Hello>) -> Result<Leaky<L>, Damaged> {
        Ok(Leaky { due: host.now(), steps: 0, leak: std::marker::PhantomData })
    }

    fn step(&mut self, host: &mut Host<'_, Hello>, _: Arrival<Hello>) {
        self.due = host.now() + 10_000_000;
        self.steps += 1;
        let index = if self.steps > QUIET_STEPS { L::number() } else { 0 };
        host.record_fact(ServerFact::Committed { index });
    }

    fn deadline(&self) -> Option<LocalTime> {
        Some(self.due)
    }
}

fn plan() -> Plan {
    let mut plan = plan_without_faults(1, SimDuration::millis(100));
    plan.clients.calls = Some(vec![vec![]; plan.clients.count as usize]);
    plan
}

fn options(engine: Engine) -> Options {
    Options { engine, fault_phase_only: true, ..Options::unchecked() }
}

/// Where two runs of a server with a leak differ, on this engine.
fn found_on<L: Leak>(engine: Engine) -> Option<(Variation, Difference)> {
    let (plan, options) = (plan(), options(engine));
    let run = |plan: &Plan, options: &Options| -> RunRecord { run_with::<Leaky<L>>(plan, options) };
    // A thread on which everything was used before.
    run(&plan, &options);
    find_difference(&plan, &options, &[], &run)
}

/// The event at which the leak shows.
#[track_caller]
fn assert_is_found<L: Leak>(engine: Engine) {
    let Some((variation, Difference::Event(event))) = found_on::<L>(engine) else {
        panic!("{engine:?}: {:?}", found_on::<L>(engine))
    };
    assert_eq!(variation, Variation::FreshThread);
    // Two readings of a coarse source may be equal by chance.
    assert!((QUIET_STEPS + 1..=QUIET_STEPS + 3).contains(&event), "{engine:?}: {event}");
}

struct MapOrder;

impl Leak for MapOrder {
    fn number() -> u64 {
        let map: HashMap<u64, ()> = (0..64).map(|key| (key, ())).collect();
        map.into_keys().fold(0, |order: u64, key| order.wrapping_mul(31).wrapping_add(key))
    }
}

struct ThreadGenerator;

impl Leak for ThreadGenerator {
    fn number() -> u64 {
        rand::random()
    }
}

struct FastGenerator;

impl Leak for FastGenerator {
    fn number() -> u64 {
        fastrand::u64(..)
    }
}

struct WallClock;

impl Leak for WallClock {
    fn number() -> u64 {
        std::thread::yield_now();
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64
    }
}

struct Clock;

impl Leak for Clock {
    fn number() -> u64 {
        let begin = Instant::now();
        std::hint::black_box((0..10_000_u64).fold(0, |sum, number| std::hint::black_box(sum ^ number)));
        begin.elapsed().as_nanos() as u64
    }
}

struct Address;

impl Leak for Address {
    fn number() -> u64 {
        // Kept, so that no later allocation has the same place.
        Box::leak(Box::new(7_u64)) as *const u64 as u64
    }
}

/// A number from another thread, which may or may not have arrived.
struct Thread;

impl Leak for Thread {
    fn number() -> u64 {
        let thread = std::thread::spawn(|| std::thread::current().id());
        let id = format!("{:?}", thread.join().unwrap());
        id.bytes().fold(0, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)))
    }
}

/// Which of two ready branches is taken.
struct UnbiasedSelect;

impl Leak for UnbiasedSelect {
    fn number() -> u64 {
        let one = async {
            (0..64).fold(0_u64, |sum, _| {
                let both = async {
                    tokio::select! {
                        () = async {} => 0,
                        () = async {} => 1,
                    }
                };
                let Poll::Ready(taken) = pin!(both).poll(&mut Context::from_waker(Waker::noop())) else {
                    unreachable!("both branches are ready")
                };
                sum << 1 | taken
            })
        };
        let Poll::Ready(number) = pin!(one).poll(&mut Context::from_waker(Waker::noop())) else {
            unreachable!("nothing is awaited")
        };
        number
    }
}

#[test]
fn every_leak_is_found_on_the_plain_engine() {
    assert_is_found::<MapOrder>(Engine::Plain);
    assert_is_found::<ThreadGenerator>(Engine::Plain);
    assert_is_found::<FastGenerator>(Engine::Plain);
    assert_is_found::<WallClock>(Engine::Plain);
    assert_is_found::<Clock>(Engine::Plain);
    assert_is_found::<Address>(Engine::Plain);
    assert_is_found::<Thread>(Engine::Plain);
    assert_is_found::<UnbiasedSelect>(Engine::Plain);
}

/// madsim replaces the clocks by simulated time, which is the same in every run.
#[test]
#[cfg_attr(not(engine_madsim), ignore = "compares runs on madsim, which needs --cfg madsim")]
fn every_leak_but_clocks_is_found_on_madsim() {
    for engine in [Engine::Fast, Engine::Strict] {
        assert_is_found::<MapOrder>(engine);
        assert_is_found::<ThreadGenerator>(engine);
        assert_is_found::<FastGenerator>(engine);
        assert_is_found::<Address>(engine);
        assert_is_found::<UnbiasedSelect>(engine);
        assert_eq!((found_on::<WallClock>(engine), found_on::<Clock>(engine)), (None, None));
    }
}

/// madsim refuses to start a thread, which panics in the server.
#[test]
#[cfg_attr(not(engine_madsim), ignore = "a run on madsim, which needs --cfg madsim")]
fn a_thread_is_refused_on_madsim() {
    for engine in [Engine::Fast, Engine::Strict] {
        let verdict = run_with::<Leaky<Thread>>(&plan(), &options(engine)).outcome.verdict;
        let Verdict::Failed(failure) = verdict else { panic!("{verdict:?}") };
        assert_eq!(failure.property, NO_PANIC);
        assert!(failure.cause.to_string().contains("thread"), "{}", failure.cause);
    }
}

#[test]
fn a_server_without_a_leak_differs_nowhere() {
    struct Nothing;

    impl Leak for Nothing {
        fn number() -> u64 {
            7
        }
    }
    for (_, engine) in Engine::ALL.into_iter().filter(|(_, engine)| engine.is_available()) {
        assert_eq!(found_on::<Nothing>(engine), None, "{engine:?}");
    }
}
