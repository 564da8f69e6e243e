//! Whether healed servers carry the load of the plan: servers of the built-in system that are too slow or silent, and near
//! misses.

#![expect(clippy::disallowed_methods, reason = "a test reads what its servers print")]

mod common;

use common::plan_without_faults;
use harness::outcome::{
    Failure, FailureCause, LIVENESS, LOAD_CARRIED, LOAD_LEFT_OUT, MissedLoad, Options, Outcome, Verdict,
};
use harness::plan::{Plan, Probability, SimDuration, Supports};
use harness::server::{Arrival, Catalogue, Damaged, Host, LocalTime, Server};
use harness::systems::raft_core::RaftServer;
use harness::systems::run::run_with;
use harness::workload::{ClientResponse, Reply, Request};
use std::collections::VecDeque;
use std::marker::PhantomData;

type Message = <RaftServer as Server>::Message;

/// What a server does with a write of a client.
enum Reaction {
    /// It proposes it.
    Proposes,
    /// It proposes it when its turn comes: one each so many milliseconds.
    Queues(u64),
    /// It gives this response.
    Responds(ClientResponse),
    /// It drops it.
    Drops,
}

/// What a server does with writes.
trait Treatment: Send + 'static {
    const SUPPORTS: Supports = Supports::ALL;

    /// With a write, and how many it got before. The probes of the healed phase are among these.
    fn treat(before: u64) -> Reaction;
}

/// A server of the built-in system with this treatment of writes.
struct Treats<T> {
    raft: RaftServer,
    writes: u64,
    queue: VecDeque<(u64, Request)>,
    /// When the next one of the queue may be proposed.
    next: LocalTime,
    treatment: PhantomData<T>,
}

impl<T: Treatment> Server for Treats<T> {
    type Message = Message;
    const CATALOGUES: &'static [Catalogue] = RaftServer::CATALOGUES;
    const SUPPORTS: Supports = T::SUPPORTS;

    fn boot(host: &mut Host<'_, Message>) -> Result<Treats<T>, Damaged> {
        let (queue, treatment) = (VecDeque::new(), PhantomData);
        Ok(Treats { raft: RaftServer::boot(host)?, writes: 0, queue, next: 0, treatment })
    }

    fn step(&mut self, host: &mut Host<'_, Message>, arrival: Arrival<Message>) {
        match arrival {
            Arrival::Request { client, request } if request.read_operation().is_none() => {
                let before = self.writes;
                self.writes += 1;
                match T::treat(before) {
                    Reaction::Proposes => self.raft.step(host, Arrival::Request { client, request }),
                    Reaction::Responds(response) => host.reply(client, Reply { id: request.id, response }),
                    Reaction::Drops => {}
                    Reaction::Queues(milliseconds) => {
                        let pause = milliseconds * 1_000_000;
                        if self.queue.is_empty() {
                            self.next = self.next.max(host.now());
                        }
                        // The last one waits for as long as all before it.
                        self.queue.push_back((client, request));
                        self.propose_due(host, pause);
                    }
                }
            }
            Arrival::Timer if !self.queue.is_empty() => {
                let Reaction::Queues(milliseconds) = T::treat(self.writes) else { return };
                self.propose_due(host, milliseconds * 1_000_000);
                if self.raft.deadline().is_some_and(|deadline| deadline <= host.now()) {
                    self.raft.step(host, Arrival::Timer);
                }
            }
            arrival => self.raft.step(host, arrival),
        }
    }

    fn deadline(&self) -> Option<LocalTime> {
        let of_queue = (!self.queue.is_empty()).then_some(self.next);
        self.raft.deadline().into_iter().chain(of_queue).min()
    }

    fn is_heartbeat(message: &Message) -> bool {
        RaftServer::is_heartbeat(message)
    }
}

impl<T> Treats<T> {
    fn propose_due(&mut self, host: &mut Host<'_, Message>, pause: u64) {
        while self.next <= host.now()
            && let Some((client, request)) = self.queue.pop_front()
        {
            self.next += pause;
            self.raft.step(host, Arrival::Request { client, request });
        }
    }
}

/// Declares treatments.
macro_rules! treatments {
    ($($(#[doc = $about:literal])+ $name:ident $($supports:expr)? => $treat:expr;)+) => {
        $(
            $(#[doc = $about])+
            enum $name {}

            impl Treatment for $name {
                $(const SUPPORTS: Supports = $supports;)?

                fn treat(before: u64) -> Reaction {
                    let treat: fn(u64) -> Reaction = $treat;
                    treat(before)
                }
            }
        )+
    };
}

/// Before the load there is one write of the probing client.
const PROBES: u64 = 1;

treatments! {
    /// A correct server.
    Correct => |_| Reaction::Proposes;
    /// It proposes a write each 10 ms: a fifth of what arrives.
    IsSlow => |_| Reaction::Queues(10);
    /// It proposes a write each 3 ms: two thirds of what arrives.
    IsRatherSlow => |_| Reaction::Queues(3);
    /// It is busy with each second write.
    IsOftenBusy => |before| match before % 2 {
        1 => Reaction::Responds(ClientResponse::Busy),
        _ => Reaction::Proposes,
    };
    /// After the first writes of the load it is busy for ever.
    StaysBusy => |before| match before {
        0..60 => Reaction::Proposes,
        _ => Reaction::Responds(ClientResponse::Busy),
    };
    /// It drops one write of the load each time that it arrives.
    DropsTheLast => |before| if before < 70 { Reaction::Proposes } else { Reaction::Drops };
    /// It drops one write, which is called again.
    DropsOne => |before| if before == 30 { Reaction::Drops } else { Reaction::Proposes };
    /// The same where a write is called once.
    DropsOneForGood Supports { sessions: false, ..Supports::ALL } => |before| match before {
        30 => Reaction::Drops,
        _ => Reaction::Proposes,
    };
    /// It does not know how one write has ended.
    Wonders Supports { sessions: false, ..Supports::ALL } => |before| match before {
        30 => Reaction::Responds(ClientResponse::Unknown),
        _ => Reaction::Proposes,
    };
    /// It does not know how any write of the load has ended.
    KnowsNothing Supports { sessions: false, ..Supports::ALL } => |before| match before {
        0..PROBES => Reaction::Proposes,
        _ => Reaction::Responds(ClientResponse::Unknown),
    };
    /// A black box that carries the load.
    BlackBox Supports { facts: false, ..Supports::ALL } => |_| Reaction::Proposes;
    /// A black box that answers all but one write.
    SilentBlackBox Supports { facts: false, ..Supports::ALL } => |before| match before {
        0..70 => Reaction::Proposes,
        _ => Reaction::Drops,
    };
}

/// Three servers; a round trip and a sync take 25 ms, and 24 commands are in flight: one arrives every 2.08 ms.
fn plan() -> Plan {
    let mut plan = plan_without_faults(3, SimDuration::millis(400));
    (plan.raft.batch, plan.raft.window) = (4, 6);
    plan.clients.load = 72;
    plan
}

fn outcome<T: Treatment>(plan: &Plan) -> Outcome {
    run_with::<Treats<T>>(plan, &Options::default()).outcome
}

fn count(outcome: &Outcome, milestone: &str) -> u64 {
    outcome.milestones.iter().find(|(name, _)| *name == milestone).map_or(0, |(_, count)| *count)
}

#[track_caller]
fn assert_carried<T: Treatment>(plan: &Plan) {
    let outcome = outcome::<T>(plan);
    assert!(matches!(outcome.verdict, Verdict::Passed), "{:?}", outcome.verdict);
    assert_eq!(count(&outcome, LOAD_CARRIED), 1);
}

#[track_caller]
fn failure<T: Treatment>(plan: &Plan) -> (MissedLoad, String) {
    let Verdict::Failed(failure) = outcome::<T>(plan).verdict else { panic!("the load must be missed") };
    let Failure { property, cause, .. } = *failure;
    assert_eq!(property, LIVENESS, "{cause}");
    let FailureCause::Load { missed, .. } = cause else { panic!("{cause}") };
    (missed, cause.to_string())
}

#[test]
fn correct_servers_carry_the_load() {
    assert_carried::<Correct>(&plan());
    assert_carried::<BlackBox>(&plan());
    let expiring = SimDuration::millis(300);
    let mut plan = plan();
    for forward in [false, true] {
        (plan.raft.forward, plan.clients.session) = (forward, expiring);
        assert_carried::<Correct>(&plan);
    }
}

#[test]
fn correct_servers_carry_a_load_that_limits_lower() {
    let limits: [fn(&mut Plan); 4] = [
        |plan| plan.raft.requests = 6,
        |plan| plan.raft.window_bytes = 300,
        |plan| plan.raft.batch_bytes = 50,
        |plan| plan.raft.uncommitted_bytes = 700,
    ];
    let mut carried = 0;
    for limit in limits {
        for (batch, window) in [(1, 16), (8, 1), (64, 16)] {
            let mut plan = plan();
            (plan.raft.batch, plan.raft.window, plan.clients.load) = (batch, window, 200);
            limit(&mut plan);
            if plan.load().is_some() {
                assert_carried::<Correct>(&plan);
                carried += 1;
            }
        }
    }
    // One command per batch, and one batch in flight, is too little.
    assert_eq!(carried, 11);
}

#[test]
fn servers_that_answer_less_than_half_of_the_load_in_time_are_too_slow() {
    let (missed, message) = failure::<IsSlow>(&plan());
    assert_eq!(missed, MissedLoad::TooSlow);
    let end = "one every 2.083333ms: that is half of what 24 commands in flight per 25ms carry; leadership changed 0 times";
    assert!(
        message.starts_with("only 21 of 72 writes are answered 249.999976ms after the first"),
        "{message}"
    );
    assert!(message.ends_with(end), "{message}");
}

#[test]
fn servers_may_be_slower_than_half_of_their_capacity_for_a_while() {
    assert_carried::<IsRatherSlow>(&plan());
}

#[test]
fn a_write_may_be_rejected_if_it_succeeds_later() {
    assert_carried::<IsOftenBusy>(&plan());
}

#[test]
fn each_write_must_be_answered() {
    let (missed, message) = failure::<StaysBusy>(&plan());
    assert_eq!(missed, MissedLoad::NotAnswered);
    assert!(message.starts_with("13 of 72 writes are not answered 2.2"), "{message}");
    assert_eq!(failure::<DropsTheLast>(&plan()).0, MissedLoad::NotAnswered);
    assert_eq!(failure::<SilentBlackBox>(&plan()).0, MissedLoad::NotAnswered);
}

#[test]
fn a_write_that_got_lost_may_be_called_again() {
    assert_carried::<DropsOne>(&plan());
}

#[test]
fn where_a_write_is_called_once_it_must_be_answered_though_the_outcome_may_be_unknown() {
    assert_eq!(failure::<DropsOneForGood>(&plan()).0, MissedLoad::NotAnswered);
    assert_carried::<Wonders>(&plan());
    assert_eq!(failure::<KnowsNothing>(&plan()).0, MissedLoad::TooSlow);
}

#[test]
fn a_load_that_the_plan_cannot_ask_for_is_left_out_and_counted() {
    let counts = |change: fn(&mut Plan)| {
        let mut plan = plan();
        change(&mut plan);
        let outcome = outcome::<Correct>(&plan);
        [LOAD_CARRIED, LOAD_LEFT_OUT].map(|name| count(&outcome, name))
    };
    assert_eq!(counts(|plan| plan.network.loss = Probability(1)), [0, 1]);
    assert_eq!(counts(|plan| (plan.raft.batch, plan.raft.window) = (1, 3)), [0, 1]);
    assert_eq!(counts(|plan| plan.clients.load = 0), [0, 0]);
}

#[test]
fn a_leader_that_probes_for_ever_is_too_slow() {
    let mut plan = plan();
    plan.bug = Some("probing-never-ends".to_owned());
    (plan.raft.batch, plan.raft.window) = (1, 16);
    assert_eq!(failure::<Correct>(&plan).0, MissedLoad::TooSlow);
    plan.clients.load = 0;
    assert!(matches!(outcome::<Correct>(&plan).verdict, Verdict::Passed));
}
