//! After the storm: everything heals, and progress is asked, one condition after the other.
//!
//! Whether it is asked follows from what the world knows: who lives, whose disk is sound, and which configurations may be in
//! force by what operators asked for and were answered. No claim of a server about its group takes anything away from it.

use super::Cluster;
use crate::outcome::{Actor, Evidence, EvidenceKind, Failure, LIVENESS};
use crate::plan::{PermanentFaultKind, Probability, SimDuration};
use crate::server::Server;
use crate::workload::client::Probe;
use crate::world::{Event, UnansweredRequest};
use invariants::{Fact, Member, Node, Time};

/// For how many of the largest election timeouts nothing is asked at the end of a run.
const QUIET_TIMEOUTS: u64 = 6;
/// How often the lead may change hands in that time: messages are lost even where nothing is wrong.
const MAX_QUIET_LEADER_CHANGES: u64 = 2;

/// Nothing is asked for longer than until this time: no sum of a time and a span of a plan overflows.
const LATEST_DEADLINE: Time = Time::MAX / 2;

/// What is asked at present.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// Only safety.
    Faults,
    /// That a write is answered, whoever leads by then: a leader whose disk hangs notices it with the first one.
    DiskProbe,
    /// A leader.
    Leader,
    /// That a read is answered, though nothing is written.
    FirstRead,
    /// That a fresh write is answered.
    Write,
    /// That a fresh read is answered.
    Read,
    /// That everybody has what the leader has.
    Convergence,
    /// That nothing happens where nothing is asked and nothing is wrong: the lead had changed hands so often before.
    Quiet(u64),
}

impl<S: Server> Cluster<S> {
    /// So much has happened that nobody can call it progress.
    #[cold]
    pub(super) fn fail_too_many_events(&mut self) {
        let (events, seconds) = (self.max_events, self.world.now() / 1_000_000_000);
        let sentence = format!("{events} events after {seconds} simulated seconds: the system never rests");
        self.world.observer.fail(Failure::new(LIVENESS, sentence));
        self.world.interrupt_pending = true;
    }

    /// So much is in flight at once that nothing could ever carry it.
    #[cold]
    pub(super) fn fail_too_many_queued(&mut self) {
        let sentence = format!(
            "{} things are in flight at once after {} of simulated time: the system sends more than arrives",
            self.world.queue.len(),
            SimDuration(self.world.now())
        );
        self.world.observer.fail(Failure::new(LIVENESS, sentence));
        self.world.interrupt_pending = true;
    }

    /// The storm is over.
    pub(super) fn begin_healed_phase(&mut self) {
        if self.fault_phase_only {
            return self.finish();
        }
        self.world.trace(0, || "the storm is over, everything heals".to_owned());
        self.heal();
        self.apply_permanent_fault();
        self.clients.stop_calling();
        let bounds = self.world.plan().bounds.clone();
        if self.world.plan().permanent_fault.is_some_and(|held| held.kind == PermanentFaultKind::StalledDisk) {
            self.clients.start_probe(&mut self.world, Probe::DiskProbe);
            return self.enter_phase(Phase::DiskProbe, bounds.leader + bounds.write);
        }
        self.enter_phase(Phase::Leader, bounds.leader);
    }

    /// Looks whether what is asked has come true, and then asks for the next.
    pub(super) fn check_liveness(&mut self) {
        if !self.pending_controls.is_empty() {
            return;
        }
        let bounds = &self.world.plan().bounds;
        match self.phase {
            Phase::Faults => {}
            Phase::DiskProbe => {
                if self.clients.probe_is_answered() {
                    self.enter_phase(Phase::Leader, bounds.leader);
                }
            }
            Phase::Leader => {
                if self.participating_leader().is_some() {
                    self.leader_found_at = self.world.now();
                    let write = bounds.write;
                    self.clients.start_probe(&mut self.world, Probe::FirstRead);
                    self.enter_phase(Phase::FirstRead, write);
                }
            }
            Phase::FirstRead => {
                if self.clients.probe_is_answered() {
                    self.clients.start_probe(&mut self.world, Probe::Write);
                    self.phase = Phase::Write;
                }
            }
            Phase::Write => {
                if self.clients.probe_is_answered() {
                    // One bound for both: no new one begins.
                    self.clients.start_probe(&mut self.world, Probe::Read);
                    self.phase = Phase::Read;
                }
            }
            Phase::Read => {
                if self.clients.probe_is_answered() {
                    let (leader, convergence) = (bounds.leader, bounds.convergence);
                    match self
                        .participating_leader()
                        .filter(|_| self.permanently_faulty.is_some() && !self.leader_crashed)
                    {
                        Some(falls) => {
                            self.leader_crashed = true;
                            self.crash_leader(falls, self.largest_timeout());
                            self.enter_phase(Phase::Leader, leader + 1);
                        }
                        None => self.enter_phase(Phase::Convergence, convergence),
                    }
                }
            }
            Phase::Convergence => {
                if self.first_difference().is_none() {
                    match self.find_unanswered() {
                        Some((sentence, sides)) => self.fail_liveness(sentence, sides),
                        None => {
                            self.record_quiet();
                            self.enter_phase(
                                Phase::Quiet(self.world.observer.counts.leader_changes),
                                QUIET_TIMEOUTS,
                            );
                        }
                    }
                }
            }
            Phase::Quiet(_) => {}
        }
    }

    /// A bound has passed. If what it was for has not come true, that is a broken promise, unless too few take part for
    /// anything to be promised.
    pub(super) fn on_liveness_deadline(&mut self, stage: u32) {
        if stage != self.deadline_number {
            return;
        }
        if !self.can_progress() || self.may_be_disrupted() {
            return self.finish();
        }
        let sentence = match self.phase {
            Phase::Faults => unreachable!("the storm has no bound"),
            Phase::Quiet(before) => match self.world.observer.counts.leader_changes - before {
                0..=MAX_QUIET_LEADER_CHANGES => return self.finish(),
                changes => format!(
                    "all was healed and nothing was asked, and the lead changed hands {changes} times"
                ),
            },
            Phase::DiskProbe => {
                format!("{} all was healed, a fresh write is not answered", self.deadline_text())
            }
            Phase::FirstRead => {
                format!("{} there was a leader, a read is not answered", self.deadline_text())
            }
            Phase::Leader => format!("{} all was healed, there is no leader", self.deadline_text()),
            Phase::Write => {
                format!("{} there was a leader, a fresh write is not answered", self.deadline_text())
            }
            Phase::Read => {
                format!("{} there was a leader, a fresh read is not answered", self.deadline_text())
            }
            Phase::Convergence => {
                let differing = self.first_difference().unwrap_or_else(|| "they differ".to_owned());
                format!("{} a fresh write and read were answered, {differing}", self.deadline_text())
            }
        };
        let sides = self.liveness_evidence();
        self.fail_liveness(sentence, sides);
    }

    /// From when on something was asked, and that it has not come true.
    fn liveness_evidence(&self) -> [Evidence; 2] {
        let (since, missing) = match self.phase {
            Phase::Faults => unreachable!("the storm asks nothing"),
            Phase::DiskProbe => ("all is healed, and a fresh write is called", "it is not answered"),
            Phase::Leader => ("all is healed, and a leader is asked for", "there is none"),
            Phase::FirstRead => ("there is a leader, and a read is called", "it is not answered"),
            Phase::Write => ("there is a leader, and fresh calls are made", "the write is not answered"),
            Phase::Read => ("there is a leader, and fresh calls are made", "the read is not answered"),
            Phase::Convergence => ("a fresh write and read are answered", "not all have what the leader has"),
            Phase::Quiet(_) => ("all have the same, and nothing more is asked", "there was no rest"),
        };
        let side = |(at, step), words: &str| Evidence {
            at,
            step,
            actor: Actor::All,
            request: self.clients.open_probe_request().filter(|_| !self.clients.probe_is_answered()),
            kind: EvidenceKind::Text(words.to_owned(), None),
        };
        [side(self.phase_entered, since), side((self.world.now(), self.world.step()), missing)]
    }

    fn fail_liveness(&mut self, sentence: String, sides: impl IntoIterator<Item = Evidence>) {
        self.world.observer.fail(Failure::new(LIVENESS, sentence).with_evidence(sides));
        self.world.interrupt_pending = true;
    }

    /// Who never answered: a server that lives and has what the leader has knows what became of everything that reached
    /// it before there was that leader.
    fn find_unanswered(&self) -> Option<(String, [Evidence; 2])> {
        // Whoever passes things on may wait an election timeout for an answer.
        let forward = self.world.plan().raft.forward;
        let waits = if forward { 2 * self.largest_timeout() } else { 0 };
        let since = self.leader_found_at.min(self.world.now().saturating_sub(waits));
        self.group_members(self.participating_leader()?).find_map(|node| {
            let owed = &self.world.node_state(node).unanswered;
            let UnansweredRequest { at, step, client, id } = owed.iter().find(|owed| owed.at < since)?;
            let seconds = at / 1_000_000_000;
            let sentence =
                format!("n{node} never answers c{client} on {id}, which reached it after {seconds} seconds");
            let side = |at, step, words| Evidence {
                at,
                step,
                actor: Actor::Server(node),
                request: Some(*id),
                kind: EvidenceKind::Text(words, None),
            };
            let reached = side(*at, *step, format!("is reached by {id} of c{client}"));
            let silent = side(self.world.now(), self.world.step(), format!("has not answered {id}"));
            Some((sentence, [reached, silent]))
        })
    }

    /// Whether a server that may have been removed may depose leaders for ever: one that has not heard of it goes on
    /// campaigning, and only pre-vote or check-quorum protects the group from that (thesis 4.2.3).
    fn may_be_disrupted(&self) -> bool {
        let raft = &self.world.plan().raft;
        let newest = || self.participants().max_by_key(|node| self.world.node_status(*node).commit_index);
        let removed = |of: Node| {
            let group: Vec<Node> = self.group_members(of).collect();
            self.participants().any(|node| !group.contains(&node) && self.world.was_member(node))
        };
        !raft.pre_vote
            && !raft.check_quorum
            && self.participating_leader().or_else(newest).is_some_and(removed)
    }

    /// States for everybody who takes part that nothing is wrong any more: it hears all others, and the group its leader.
    /// Where messages are lost or take long it may not, and without a quorum nobody leads for long; where neither pre-vote
    /// nor check-quorum is on, hearing a leader protects nobody (thesis 4.2.3). Of who stays ill nothing is said.
    fn record_quiet(&mut self) {
        let (raft, network) = (&self.world.plan().raft, &self.world.plan().network);
        let hears_leader = (network.loss, network.tail) == (Probability(0), Probability(0));
        if !(raft.pre_vote || raft.check_quorum) || !hears_leader || !self.can_progress() {
            return;
        }
        let quiet: Vec<Node> = self.participants().collect();
        quiet.into_iter().for_each(|node| self.world.record_fact(node, Fact::Quiet));
    }

    /// Asks for the next condition, within so many of the largest election timeouts and the time that missing entries
    /// need.
    fn enter_phase(&mut self, phase: Phase, timeouts: u64) {
        self.phase = phase;
        self.phase_entered = (self.world.now(), self.world.step());
        // A leader is found without any entry that is missing.
        let missing = if phase == Phase::Leader { 0 } else { self.catch_up_time() };
        let allowed = timeouts.saturating_mul(self.largest_timeout()).saturating_add(missing);
        let bound = self.world.now().saturating_add(allowed).min(LATEST_DEADLINE);
        self.deadline_number += 1;
        self.world.queue.push(bound, Event::LivenessDeadline { stage: self.deadline_number });
    }

    fn finish(&mut self) {
        self.finished = true;
        self.world.interrupt_pending = true;
    }

    /// How long it may take until everybody has what the leader has: a write, or a read that waits for the leader's own
    /// first entry, may need the one that lacks most. The leader of now may be deposed at once, by a candidate that was on
    /// its way: so what is missing is measured by the longest log, whoever has it. Where only one message is in flight,
    /// each batch takes a way there and back and a sync, and sometimes a heartbeat more because it was lost.
    fn catch_up_time(&self) -> u64 {
        let members: Vec<Node> = match self.participating_leader() {
            Some(leader) => self.group_members(leader).collect(),
            None => self.participants().collect(),
        };
        // What somebody has for certain is what it knows to be committed. After a restart it has forgotten that, and its
        // log counts: else every server that was just restarted would seem to lack everything.
        let has = |node: Node| {
            let standing = self.world.node_status(node);
            if standing.commit_index == 0 { standing.last_index } else { standing.commit_index }
        };
        let least = members.iter().map(|node| has(*node)).min().unwrap_or(0);
        let most = members.iter().map(|node| self.world.node_status(*node).last_index).max().unwrap_or(0);
        let plan = self.world.plan();
        // A command has up to forty bytes.
        let fit = match plan.raft.batch_bytes {
            0 => plan.raft.batch,
            bytes => plan.raft.batch.min(bytes / 40).max(1),
        };
        let batches = (most.saturating_sub(least) / fit).saturating_add(1);
        let (network, disk) = (&plan.network, &plan.disk);
        let way = network.delay.0 + network.delay_spread.0;
        batches.saturating_mul(2 * way + disk.sync.0 + disk.sync_spread.0 + plan.raft.heartbeat.0 / 4)
    }

    fn largest_timeout(&self) -> u64 {
        let raft = &self.world.plan().raft;
        raft.election_timeout.0 + raft.election_timeout_spread.0
    }

    /// Whether those who take part are a quorum of every configuration that may be in force: without one, nothing is asked.
    /// That follows from what operators asked for and were answered, and from no claim about the group.
    fn can_progress(&self) -> bool {
        let well = |member: Member| self.is_healthy(member.node) && self.world.member(member.node) == member;
        self.world.possible_configurations().all_have_quorum(well)
    }

    /// Whether a server lives here that can take part, and that nothing ails.
    fn is_healthy(&self, node: Node) -> bool {
        self.permanently_faulty != Some(node) && self.world.node_state(node).is_participating()
    }

    /// Who lives and has not refused to take part.
    fn participants(&self) -> impl Iterator<Item = Node> {
        (1..=self.world.plan().nodes).filter(|node| self.is_healthy(*node))
    }

    /// Who leads in the highest term.
    fn participating_leader(&self) -> Option<Node> {
        let leads = |node: &Node| self.world.node_status(*node).leading_term;
        self.participants().filter(|node| leads(node).is_some()).max_by_key(leads)
    }

    /// Who takes part and belongs to the group: to every configuration that may be in force, or to one of them and to the
    /// group as this server has it. So what a server says of its group adds to what is asked, and takes nothing away.
    fn group_members(&self, of: Node) -> impl Iterator<Item = Node> {
        let possible = self.world.possible_configurations();
        let claimed = self.world.node_state(of).configuration();
        self.participants().filter(move |node| {
            let member = self.world.member(*node);
            possible.all_contain(member)
                || possible.any_contains(member) && claimed.is_some_and(|group| group.has(*node))
        })
    }

    /// The first way in which somebody has not what the leader has.
    fn first_difference(&self) -> Option<String> {
        let Some(leader) = self.participating_leader() else {
            return Some("there is no leader any more".to_owned());
        };
        let has = self.world.node_status(leader);
        if has.commit_index != has.last_index || has.applied_index != has.last_index {
            let (last, committed, applied) = (has.last_index, has.commit_index, has.applied_index);
            return Some(format!(
                "the leader n{leader} has a log up to {last}, committed {committed}, applied {applied}"
            ));
        }
        let differs = |node: &Node| {
            let other = self.world.node_status(*node);
            (other.last_index, other.commit_index, other.applied_index)
                != (has.last_index, has.commit_index, has.applied_index)
        };
        self.group_members(leader).find(differs).map(|node| {
            let other = self.world.node_status(node);
            format!(
                "n{node} has a log up to {}, committed {}, applied {}, and the leader n{leader} {}",
                other.last_index, other.commit_index, other.applied_index, has.last_index
            )
        })
    }

    fn deadline_text(&self) -> String {
        let bounds = &self.world.plan().bounds;
        let timeouts = match self.phase {
            Phase::Faults | Phase::Leader => bounds.leader,
            Phase::DiskProbe => bounds.leader + bounds.write,
            Phase::FirstRead | Phase::Write | Phase::Read => bounds.write,
            Phase::Quiet(_) => QUIET_TIMEOUTS,
            Phase::Convergence => bounds.convergence,
        };
        format!("{timeouts} largest election timeouts after")
    }
}
