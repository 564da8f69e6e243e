//! Hand-made plans, and small test servers that trace what happens to them.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use harness::outcome::{Options, Recording, RunRecord, TraceEvent};
use harness::plan::faults::{
    BitRot, Change, ClockJump, ClockRate, Crash, Damage, DegradedNetwork, DiskError, FullDisk, HeldMessages,
    Leave, MidStepCrash, OneWayPartition, Partition, Pause, PowerLoss, Release, Shape, SlowDisk, StalledDisk,
    Topology, Transfer, WallJump, Wipe,
};
use harness::plan::{self, Fault, FaultKind, Plan, Probability, SimDuration, Target, Trigger};
use harness::server::{Arrival, Damaged, Host, LocalTime, OperatorResponse, Server};
use harness::systems::run::run_with;
use harness::workload::{ClientResponse, Reply, Request, RequestBody};
use invariants::{Action, Content, Operation, Response, ServerFact};
use std::collections::BTreeMap;
use std::fmt;

/// A plan without faults and clients: messages take 10 ms, syncs 5 ms.
pub(crate) fn plan_without_faults(nodes: u64, fault_phase: SimDuration) -> Plan {
    let none = SimDuration(0);
    Plan {
        system: Default::default(),
        version: plan::VERSION,
        seed: 1,
        nodes,
        fault_phase,
        bug: None,
        compaction: None,
        permanent_fault: None,
        unlimited_damage: false,
        clock_limit: SimDuration(0),
        raft: plan::RaftConfig {
            election_timeout: SimDuration::millis(100),
            election_timeout_spread: SimDuration::millis(100),
            heartbeat: SimDuration::millis(30),
            pre_vote: true,
            batch: 16,
            window: 4,
            max_in_flight_syncs: 4,
            ..plan::RaftConfig::default()
        },
        network: plan::NetworkConfig {
            delay: SimDuration::millis(10),
            delay_spread: none,
            tail: Probability(0),
            tail_spread: none,
            loss: Probability(0),
            duplication: Probability(0),
            reordering: Probability(0),
        },
        disk: plan::DiskConfig {
            sync: SimDuration::millis(5),
            sync_spread: none,
            tail: Probability(0),
            tail_spread: none,
        },
        clients: plan::ClientConfig {
            count: 0,
            in_flight: 3,
            think_time: SimDuration::millis(50),
            timeout: SimDuration::millis(300),
            attempts: 3,
            keys: 6,
            reads: Probability(300_000),
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
        bounds: plan::LivenessBounds { leader: 10, write: 10, convergence: 20, events: 1_000_000 },
        faults: Vec::new(),
    }
}

/// A plan with faults of nearly every kind.
pub(crate) fn plan_with_faults(seed: u64) -> Plan {
    fn fault(at: u64, on: Option<Trigger>, kind: impl Into<FaultKind>) -> Fault {
        Fault { at: SimDuration::millis(at), on, kind: kind.into() }
    }

    let (node, lasts) = (Target::Node, SimDuration::millis);
    let faults = vec![
        fault(300, None, Crash { node: node(2), lasts: lasts(200) }),
        fault(400, Some(Trigger::Unsynced), PowerLoss { nodes: vec![Target::TriggerNode], lasts: lasts(90) }),
        fault(500, None, Pause { node: node(3), lasts: lasts(400) }),
        fault(600, None, ClockRate { node: node(1), drift: 300_000, lasts: lasts(700) }),
        fault(700, None, ClockJump { node: node(3), by: lasts(500) }),
        fault(800, None, Partition { side: vec![Target::Leader], lasts: lasts(300) }),
        fault(900, None, OneWayPartition { from: node(2), to: node(1), lasts: lasts(300) }),
        fault(1_000, None, StalledDisk { node: Target::Leader, lasts: lasts(300) }),
        fault(1_100, None, SlowDisk { node: Target::LongestLog, factor: 9, lasts: lasts(500) }),
        fault(1_200, None, PowerLoss { nodes: vec![], lasts: lasts(300) }),
        fault(1_800, Some(Trigger::Elected), Pause { node: Target::TriggerNode, lasts: lasts(50) }),
        fault(1_900, None, Crash { node: Target::Leader, lasts: lasts(10_000) }),
        fault(
            1_300,
            None,
            DegradedNetwork {
                loss: Probability(100_000),
                duplication: Probability(200_000),
                reordering: Probability(300_000),
                delay: lasts(100),
                lasts: lasts(900),
            },
        ),
        fault(1_500, None, WallJump { node: node(1), by: -5_000 }),
        fault(1_600, None, BitRot { node: Target::Follower, how: Damage::Sector, within_quorum: true }),
        fault(350, None, Transfer { to: node(3) }),
        fault(
            360,
            None,
            Change {
                voters: vec![node(2)],
                learners: vec![],
                remove: vec![Target::Follower],
                by_joint: true,
            },
        ),
        fault(370, None, Leave {}),
        fault(550, None, DiskError { node: node(1), drops: false, once: false, lasts: lasts(120) }),
        fault(
            2_200,
            None,
            MidStepCrash { node: Target::Leader, effects: 3, power_loss: true, lasts: lasts(80) },
        ),
        fault(
            2_250,
            None,
            HeldMessages {
                from: node(1),
                to: node(2),
                both_ways: true,
                shuffled: true,
                single: false,
                spread: lasts(40),
                until: Release::TwoElections,
                lasts: lasts(300),
            },
        ),
        fault(2_280, None, Topology { shape: Shape::Chain, center: node(3), lasts: lasts(150) }),
        fault(2_290, None, FullDisk { node: Target::SlowestDisk, room: 100, lasts: lasts(60) }),
        fault(2_300, None, Wipe { node: node(2), lasts: lasts(100) }),
    ];
    let mut plan = plan_without_faults(3, lasts(3_000));
    plan.seed = seed;
    plan.network.delay = SimDuration::micros(500);
    plan.network.delay_spread = lasts(4);
    plan.network.tail = Probability(20_000);
    plan.network.tail_spread = lasts(80);
    plan.network.loss = Probability(5_000);
    plan.disk.sync_spread = lasts(3);
    plan.disk.tail = Probability(50_000);
    plan.disk.tail_spread = lasts(40);
    plan.clients.count = 3;
    plan.faults = faults;
    plan
}

/// A fault at this time, without a trigger.
pub(crate) fn fault(at: SimDuration, kind: impl Into<FaultKind>) -> Fault {
    Fault { at, on: None, kind: kind.into() }
}

/// Runs a plan with trace and history and without checks, because test servers keep no promises.
pub(crate) fn run_traced<S: Server>(plan: &Plan) -> RunRecord {
    run_with::<S>(plan, &Options { record: Recording::PAGE, ..Options::unchecked() })
}

/// The trace lines that servers wrote themselves (`say ...`), each with its time in milliseconds.
pub(crate) fn said_lines(record: &RunRecord) -> Vec<String> {
    let said = record.trace.iter().filter_map(|line| match &line.event {
        TraceEvent::Note(text) => Some((line, text.strip_prefix("say ")?)),
        _ => None,
    });
    said.map(|(line, text)| format!("{} n{} {text}", line.at / 1_000_000, line.node)).collect()
}

/// A simple server: node 1 always leads and replies to what it has written and synced; all servers send
/// greetings to all others.
pub(crate) struct SimpleServer {
    node: u64,
    nodes: u64,
    term: u64,
    due: LocalTime,
    index: u64,
    open: BTreeMap<u64, (u64, Request)>,
    registers: BTreeMap<u64, Content>,
    lists: BTreeMap<u64, Vec<u64>>,
}

/// A greeting with a number.
#[derive(Clone, Debug)]
pub(crate) struct Hello(pub u64);

impl fmt::Display for Hello {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hello {}", self.0)
    }
}

impl SimpleServer {
    fn execute(&mut self, Operation { key, action }: Operation) -> Response {
        let register = self.registers.entry(key).or_insert(Content::INITIAL);
        match action {
            Action::Get => return Response::Holds(*register),
            Action::List => return Response::List(self.lists.entry(key).or_default().clone()),
            Action::Put(value) => *register = Content::Present(value),
            Action::Delete(number) => *register = Content::Absent(number),
            Action::CompareAndSet { expect, value } if *register == expect => {
                *register = Content::Present(value);
            }
            Action::CompareAndSet { .. } => return Response::Mismatch(Some(*register)),
            Action::Append(element) => self.lists.entry(key).or_default().push(element),
            Action::Replace(element) => *self.lists.entry(key).or_default() = vec![element],
            action => panic!("{action:?} is of neither a register nor a list"),
        }
        Response::Done
    }
}

impl Server for SimpleServer {
    type Message = Hello;

    fn boot(host: &mut Host<'_, Hello>) -> Result<SimpleServer, Damaged> {
        host.disk().append("boots", |bytes| bytes.push(1));
        host.disk().sync_directory();
        host.sync(0);
        let (node, nodes, now) = (host.node(), host.plan().nodes, host.now());
        let term = host.disk().read("boots").len() as u64;
        if node == 1 {
            host.record_fact(ServerFact::Leads { term });
        }
        let due = now + 20_000_000;
        let (open, registers, lists) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Ok(SimpleServer { node, nodes, term, due, index: 0, open, registers, lists })
    }

    fn step(&mut self, host: &mut Host<'_, Hello>, arrival: Arrival<Hello>) {
        match arrival {
            Arrival::Timer => {
                for to in (1..=self.nodes).filter(|to| *to != self.node) {
                    host.send(to, Hello(self.term));
                }
                self.due = host.now() + 20_000_000;
            }
            Arrival::Message { .. } | Arrival::SyncFailed(_) => {}
            Arrival::Operator { request, .. } => {
                host.respond_to_operator(request, &OperatorResponse::rejected("not supported"));
            }
            Arrival::Request { client, request } if self.node != 1 => {
                host.reply(client, Reply { id: request.id, response: ClientResponse::NotLeader(Some(1)) });
            }
            Arrival::Request { client, request } => {
                self.index += 1;
                host.disk().append("log", |bytes| bytes.extend(request.id.sequence.to_le_bytes()));
                host.disk().sync_directory();
                self.open.insert(self.index, (client, request));
                host.sync(self.index);
            }
            Arrival::Synced(token) => {
                if let Some((client, request)) = self.open.remove(&token) {
                    let response = match request.body {
                        // Tokens restart with every boot, and session ids must be unique.
                        RequestBody::RegisterSession => {
                            ClientResponse::SessionRegistered { session: self.term << 32 | token }
                        }
                        RequestBody::Operation(operation) => {
                            let response = self.execute(operation);
                            match operation.action.is_read() {
                                true => ClientResponse::Read { applied: token, response },
                                false => ClientResponse::Written { index: token, response },
                            }
                        }
                    };
                    host.reply(client, Reply { id: request.id, response });
                }
            }
        }
    }

    fn deadline(&self) -> Option<LocalTime> {
        Some(self.due)
    }

    fn is_heartbeat(_: &Hello) -> bool {
        true
    }
}
