//! Which servers a target means: servers state facts, a fault strikes a target, and who restarts shows who it was.

#![expect(clippy::disallowed_methods, reason = "a test reads what its servers print")]

mod common;

use common::{Hello, fault, plan_without_faults, run_traced, said_lines};
use harness::plan::faults::{Crash, OneWayPartition, PowerLoss, Shape, SlowDisk, Topology, Transfer};
use harness::plan::{Fault, SimDuration, Target};
use harness::server::{Arrival, Damaged, Host, LocalTime, OperatorResponse, Server};
use invariants::{Configuration, Digest, LogId, ServerFact};

/// Six servers: n1 leads n2 and n3; n4 and n5 are learners, of which n5 does not know it; n6 was removed. The log of n2
/// is shorter than that of n3. All are greeted by n1.
struct StatingServer {
    node: u64,
    due: LocalTime,
}

fn configuration(voters: &[u64], learners: &[u64]) -> Box<Configuration> {
    let (voters, learners) = (voters.to_vec(), learners.to_vec());
    Box::new(Configuration { voters, joint: vec![], further: vec![], learners, digest: None })
}

impl Server for StatingServer {
    type Message = Hello;

    fn boot(host: &mut Host<'_, Hello>) -> Result<StatingServer, Damaged> {
        host.trace(|| "say boots".to_owned());
        let node = host.node();
        let nothing = LogId { index: 0, term: 0 };
        host.record_fact(ServerFact::Started {
            term: 1,
            vote: None,
            base: nothing,
            last: nothing,
            digest: Digest::EMPTY,
        });
        for index in 1..=(if node == 2 { 1 } else { 2 }) {
            host.record_fact(ServerFact::Appended { index, term: 1, entry: Digest(index) });
        }
        let newest = configuration(&[1, 2, 3], &[4, 5]);
        let older = configuration(&[1, 2, 3, 4, 5, 6], &[]);
        let configuration = if node >= 5 { older } else { newest };
        host.record_fact(ServerFact::Configured { index: 1, configuration });
        if node == 1 {
            host.record_fact(ServerFact::Leads { term: 1 });
        }
        // The timer of n6 is due first, but n6 could not win.
        Ok(StatingServer { node, due: host.now() + if node == 6 { 30_000_000 } else { 40_000_000 } })
    }

    fn step(&mut self, host: &mut Host<'_, Hello>, arrival: Arrival<Hello>) {
        match arrival {
            Arrival::Timer => {
                self.due = host.now() + 40_000_000;
                (1..=6).filter(|to| *to != self.node).for_each(|to| host.send(to, Hello(0)));
            }
            Arrival::Operator { request, .. } => {
                host.respond_to_operator(request, &OperatorResponse::Unknown);
            }
            Arrival::Message { from, .. } => host.trace(|| format!("say hears n{from}")),
            _ => {}
        }
    }

    fn deadline(&self) -> Option<LocalTime> {
        Some(self.due)
    }

    fn is_heartbeat(_: &Hello) -> bool {
        true
    }
}

fn lines(faults: Vec<Fault>) -> Vec<String> {
    let mut plan = plan_without_faults(6, SimDuration::millis(100));
    plan.faults = faults;
    plan.bounds.leader = 0;
    said_lines(&run_traced::<StatingServer>(&plan))
}

/// Who restarts.
fn restarted(faults: Vec<Fault>) -> Vec<u64> {
    let again = lines(faults).into_iter().skip(6);
    let nodes = again.filter_map(|line| {
        let (_, rest) = line.split_once(" n")?;
        rest.strip_suffix(" boots")?.parse().ok()
    });
    nodes.collect()
}

const SOON: SimDuration = SimDuration::millis(10);
const LASTS: SimDuration = SimDuration::millis(5);

fn crash(node: Target) -> Fault {
    fault(SOON, Crash { node, lasts: LASTS })
}

fn power_loss(target: Target) -> Fault {
    fault(SOON, PowerLoss { nodes: vec![target], lasts: LASTS })
}

#[test]
fn each_target_means_the_servers_that_its_facts_name() {
    for (target, expected) in [
        (Target::Leader, vec![1]),
        (Target::Follower, vec![2]),
        // Of those that may win, n2 has the shorter log; n6 is no member.
        (Target::NextLeader, vec![3]),
        (Target::TransferTarget, vec![]),
        (Target::RemovedServer, vec![6]),
        (Target::Learners, vec![4, 5]),
        // n5 and n6 know only the older one.
        (Target::NewestConfiguration, vec![1, 2, 3, 4]),
    ] {
        assert_eq!(restarted(vec![power_loss(target)]), expected, "{target} in a list");
        let one: Vec<u64> = expected.into_iter().take(1).collect();
        assert_eq!(restarted(vec![crash(target)]), one, "{target} alone");
    }
}

#[test]
fn the_slowest_disk_is_the_one_that_was_slowed_down() {
    let lasts = SimDuration::millis(50);
    let slow =
        |node| fault(SimDuration::millis(1), SlowDisk { node: Target::Node(node), factor: node, lasts });
    assert_eq!(restarted(vec![slow(2), slow(4), slow(3), crash(Target::SlowestDisk)]), [4]);
}

#[test]
fn the_transfer_target_is_the_newest_one() {
    let transfer = |at, node| fault(SimDuration::millis(at), Transfer { to: Target::Node(node) });
    assert_eq!(restarted(vec![transfer(1, 2), transfer(2, 4), crash(Target::TransferTarget)]), [4]);
}

#[test]
fn a_topology_leaves_only_its_links() {
    let hears = |faults: Vec<Fault>, from: u64| -> Vec<u64> {
        let suffix = format!("hears n{from}");
        // The topology ends with the fault phase.
        let in_fault_phase = |line: &String| {
            line.split_once(' ').is_some_and(|(at, _)| at.parse::<u64>().is_ok_and(|at| at < 100))
        };
        let lines = lines(faults).into_iter().filter(|line| line.ends_with(&suffix)).filter(in_fault_phase);
        let mut nodes: Vec<u64> =
            lines.filter_map(|line| line.split_once(" n")?.1.split_once(' ')?.0.parse().ok()).collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    };
    let lasts = SimDuration::millis(100);
    let chain = || vec![fault(LASTS, Topology { shape: Shape::Chain, center: Target::Node(3), lasts })];
    assert_eq!(hears(chain(), 3), [4], "the chain begins here");
    assert_eq!(hears(chain(), 6), [1, 5], "and goes on at n1");
    assert_eq!(hears(chain(), 2), [1], "and ends here");
    assert_eq!(hears(vec![], 3), [1, 2, 4, 5, 6]);
    // A fault between the same servers adds to it.
    let (from, to) = (Target::Node(6), Target::Node(1));
    let both = [chain(), vec![fault(LASTS, OneWayPartition { from, to, lasts })]].concat();
    assert_eq!(hears(both, 6), [5]);
}
