//! The healed phase: all faults end, and liveness is checked, one condition after the other.
//!
//! Whether a condition is required follows from what the environment knows: which servers run, which disks
//! are intact, and which configurations may be in force by the operator's commands and the responses. No
//! claim of a server about its configuration reduces it.

use super::Cluster;
use crate::outcome::{
    Actor, Condition, Evidence, EvidenceKind, Failure, FailureCause, LIVENESS, Lag, Progress, TraceEvent,
};
use crate::plan::{LivenessBounds, PermanentFaultKind, Probability, SimDuration};
use crate::server::Server;
use crate::workload::client::Probe;
use crate::world::{Event, UnansweredRequest};
use invariants::{Member, Node, ServerState, TakesEffect, Time, WorldFact};

/// Length of the quiet time at the end of a run, in largest election timeouts.
const QUIET_TIMEOUTS: u64 = 6;
/// The most leader changes in that time: messages are lost even without faults.
pub(super) const MAX_QUIET_LEADER_CHANGES: u64 = 2;

/// No deadline is later than this: the sum of a time and a duration of a plan cannot overflow.
const LATEST_DEADLINE: Time = Time::MAX / 2;

/// The liveness condition that is checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// None: only safety is checked.
    Faults,
    /// A write is answered, by any leader: a leader with a stalled disk notices that at its first write.
    DiskProbe,
    /// There is a leader.
    Leader,
    /// A read is answered, although nothing is written.
    FirstRead,
    /// A fresh write is answered.
    Write,
    /// A fresh read is answered.
    Read,
    /// All servers have what the leader has.
    Convergence,
    /// Writes arrive at half of the plan's capacity, and are answered.
    Load,
    /// All servers have what the leader has, after the load.
    Settled,
    /// The operator gets what it asks for.
    Operation,
    /// All servers have what the leader has, after the operator has got something.
    Agreement,
    /// Nothing happens while no request is made and no fault is active; holds the number of leader changes
    /// before.
    Quiet(u64),
}

/// What a phase requires.
struct Requirement {
    condition: Condition,
    /// The request that is made when it begins.
    probe: Option<Probe>,
    /// Within how many largest election timeouts it must hold.
    timeouts: fn(&LivenessBounds) -> u64,
    /// Whether that time began with the phase before.
    shares_deadline: bool,
}

impl Phase {
    /// What each phase requires: nothing in the fault phase.
    const fn requirement(self) -> Option<Requirement> {
        let (condition, probe, timeouts, shares_deadline): (_, _, fn(&LivenessBounds) -> u64, _) = match self
        {
            Phase::Faults => return None,
            Phase::DiskProbe => {
                (Condition::DiskProbe, Some(Probe::DiskProbe), |bounds| bounds.leader + bounds.write, false)
            }
            Phase::Leader => (Condition::Leader, None, |bounds| bounds.leader, false),
            Phase::FirstRead => (Condition::FirstRead, Some(Probe::FirstRead), |bounds| bounds.write, false),
            Phase::Write => (Condition::Write, Some(Probe::Write), |bounds| bounds.write, true),
            Phase::Read => (Condition::Read, Some(Probe::Read), |bounds| bounds.write, true),
            Phase::Convergence => (Condition::Convergence, None, |bounds| bounds.convergence, false),
            Phase::Load => (Condition::Load, None, |bounds| bounds.write, false),
            Phase::Settled => (Condition::Settled, None, |bounds| bounds.convergence, false),
            Phase::Operation => (Condition::Operation, None, |bounds| bounds.leader + bounds.write, false),
            Phase::Agreement => (Condition::Agreement, None, |bounds| bounds.convergence, false),
            Phase::Quiet(_) => (Condition::Quiet, None, |_| QUIET_TIMEOUTS, false),
        };
        Some(Requirement { condition, probe, timeouts, shares_deadline })
    }
}

impl<S: Server> Cluster<S> {
    /// Fails the run: too many events to call it progress.
    #[cold]
    pub(super) fn fail_too_many_events(&mut self) {
        let (events, seconds) = (self.max_events, self.world.now() / 1_000_000_000);
        self.fail_liveness(FailureCause::NeverRests { events, seconds }, []);
    }

    /// Fails the run: too many events are queued.
    #[cold]
    pub(super) fn fail_too_many_queued(&mut self) {
        let (events, at) = (self.world.queue.len() as u64, SimDuration(self.world.now()));
        self.fail_liveness(FailureCause::Floods { events, at }, []);
    }

    /// Ends the fault phase.
    pub(super) fn begin_healed_phase(&mut self) {
        if self.fault_phase_only {
            return self.finish();
        }
        self.world.trace(0, || TraceEvent::HealedPhaseBegins);
        self.heal();
        self.apply_permanent_fault();
        self.clients.stop_calling();
        let kind = self.world.plan().permanent_fault.map(|fault| fault.kind);
        let is_stalled =
            matches!(kind, Some(PermanentFaultKind::StalledDisk | PermanentFaultKind::BrokenDisk));
        // Without facts nobody knows who leads: then a write must be answered by anyone.
        let begins_with_write = is_stalled || !S::SUPPORTS.facts;
        self.enter_phase(if begins_with_write { Phase::DiskProbe } else { Phase::Leader }, 0);
    }

    /// States for each server that can take part that its links and its disk work: one largest election timeout after the
    /// faults, when what was in flight or held has arrived. Not where links lose or reorder messages: then a repair may take
    /// long.
    fn record_healed_when_due(&mut self) {
        let due = self.world.plan().fault_phase.0.saturating_add(self.largest_timeout());
        let network = &self.world.plan().network;
        let works =
            (network.loss, network.reordering) == (Probability(0), Probability(0)) && self.topology.is_none();
        if self.world.now() < due || !works || !S::SUPPORTS.sent_entries {
            return;
        }
        self.world.is_healed = true;
        let works: Vec<Node> = self.participants().collect();
        works.into_iter().for_each(|node| self.world.record_fact(node, WorldFact::Healed));
    }

    /// A server has started in the healed phase, and its disk is intact.
    pub(super) fn record_healed_start(&mut self, node: Node) {
        if self.world.is_healed && self.is_healthy(node) {
            self.world.record_fact(node, WorldFact::Healed);
        }
    }

    /// Moves to the next condition once the current one holds.
    pub(super) fn check_liveness(&mut self) {
        if !self.pending_controls.is_empty() {
            return;
        }
        if !self.world.is_healed {
            self.record_healed_when_due();
        }
        let holds = match self.phase {
            Phase::Faults => false,
            Phase::Quiet(_) => return self.sample_bookkeeping(),
            Phase::DiskProbe | Phase::FirstRead | Phase::Write | Phase::Read => {
                self.clients.probe_is_answered()
            }
            Phase::Leader => self.participating_leader().is_some(),
            Phase::Convergence | Phase::Settled | Phase::Agreement => self.first_difference().is_none(),
            Phase::Load => self.load_has_ended(),
            Phase::Operation => self.carry_out(),
        };
        if !holds {
            return;
        }
        match self.phase {
            Phase::Faults | Phase::Quiet(_) => {}
            Phase::DiskProbe if !S::SUPPORTS.facts => self.enter_phase(Phase::FirstRead, 0),
            Phase::DiskProbe => self.enter_phase(Phase::Leader, 0),
            Phase::Leader => {
                self.leader_found_at = self.world.now();
                self.enter_phase(Phase::FirstRead, 0);
            }
            Phase::FirstRead => self.enter_phase(Phase::Write, 0),
            Phase::Write => self.enter_phase(Phase::Read, 0),
            // Convergence and leadership show in facts only.
            Phase::Read if !S::SUPPORTS.facts => {
                if self.has_load() {
                    self.begin_load();
                } else {
                    self.finish();
                }
            }
            Phase::Load => self.end_load(),
            Phase::Read => {
                let is_faulty = self.permanently_faulty.is_some() || self.topology.is_some();
                let is_next = is_faulty && !self.leader_crashed;
                match self.participating_leader().filter(|_| is_next) {
                    Some(leader) => {
                        self.leader_crashed = true;
                        self.crash_leader(leader, self.largest_timeout());
                        self.enter_phase(Phase::Leader, 1);
                    }
                    None if self.states_progress() => self.enter_phase(Phase::Convergence, 0),
                    None => self.end_convergence(),
                }
            }
            // New members must catch up before the next command, too.
            Phase::Operation => self.enter_phase(Phase::Agreement, 0),
            Phase::Convergence | Phase::Settled | Phase::Agreement => self.end_convergence(),
        }
    }

    /// The load has been carried: all servers must agree again, where facts show that.
    pub(super) fn settle(&mut self) {
        if !S::SUPPORTS.facts {
            self.finish();
        } else if self.states_progress() {
            self.enter_phase(Phase::Settled, 0);
        } else {
            self.end_convergence();
        }
    }

    /// All servers agree, or no fact shows whether they do.
    fn end_convergence(&mut self) {
        match self.find_unanswered() {
            Some((cause, evidence)) => self.fail_liveness(cause, evidence),
            None if self.has_load() => self.begin_load(),
            // Commands would be asked for servers that the leader does not reach.
            None if self.topology.is_none()
                && self.is_protected()
                && self.can_progress()
                && self.has_operations() =>
            {
                self.enter_phase(Phase::Operation, 0);
            }
            None => {
                let mut quiet = self.record_quiet();
                // A server outside the group is not told when what it waits for has ended.
                let leader = self.participating_leader();
                let members: Vec<Node> =
                    leader.into_iter().flat_map(|leader| self.group_members(leader)).collect();
                quiet.retain(|node| members.contains(node));
                self.begin_samples(quiet, QUIET_TIMEOUTS.saturating_mul(self.largest_timeout()));
                self.enter_phase(Phase::Quiet(self.world.observer.counts.leader_changes), 0);
            }
        }
    }

    /// Whether servers state what they commit and apply: a write has just been answered, so one would have.
    fn states_progress(&self) -> bool {
        let any =
            |has: fn(&Progress) -> bool| (1..=self.world.plan().nodes).any(|node| has(&self.progress(node)));
        any(|progress| progress.committed > 0) && any(|progress| progress.applied > 0)
    }

    /// The deadline of a condition has passed without it: fails the run, unless too few servers take part for
    /// liveness to be required.
    pub(super) fn on_liveness_deadline(&mut self, stage: u32) {
        if stage != self.deadline_number {
            return;
        }
        if !self.may_require_progress() {
            return self.finish();
        }
        let Some(Requirement { condition, timeouts, .. }) = self.phase.requirement() else { return };
        let cause = match self.phase {
            Phase::Quiet(before) => match self.world.observer.counts.leader_changes - before {
                0..=MAX_QUIET_LEADER_CHANGES => {
                    self.record_kept();
                    return self.finish();
                }
                changes => FailureCause::Unstable { changes },
            },
            Phase::Load => return self.on_load_deadline(),
            Phase::Operation => self.operation_failure(timeouts(&self.world.plan().bounds)),
            _ => {
                let converges =
                    matches!(condition, Condition::Convergence | Condition::Settled | Condition::Agreement);
                let lag = if converges { self.first_difference() } else { None };
                let timeouts = timeouts(&self.world.plan().bounds);
                FailureCause::MissedDeadline { condition, timeouts, lag }
            }
        };
        let evidence = self.liveness_evidence(condition);
        self.fail_liveness(cause, evidence);
    }

    /// Evidence for a missed deadline: when the condition was first required, and that it does not hold.
    pub(super) fn liveness_evidence(&self, condition: Condition) -> [Evidence; 2] {
        let evidence = |(at, step), kind| Evidence {
            at,
            step,
            actor: Actor::All,
            request: self.clients.open_probe_request().filter(|_| !self.clients.probe_is_answered()),
            kind,
        };
        [
            evidence(self.phase_entered, EvidenceKind::ConditionBegins(condition)),
            evidence((self.world.now(), self.world.step()), EvidenceKind::ConditionMissed(condition)),
        ]
    }

    pub(super) fn fail_liveness(
        &mut self,
        cause: FailureCause,
        evidence: impl IntoIterator<Item = Evidence>,
    ) {
        self.world.observer.fail(Failure::new(LIVENESS, cause).with_evidence(evidence));
        self.world.interrupt_pending = true;
    }

    /// A request that was never answered. A running server that has what the leader has knows the fate of
    /// every request that reached it before there was that leader.
    fn find_unanswered(&self) -> Option<(FailureCause, [Evidence; 2])> {
        // A server that forwards requests may wait an election timeout for the response.
        let forward = self.world.plan().raft.forward;
        let waits = if forward { 2 * self.largest_timeout() } else { 0 };
        let since = self.leader_found_at.min(self.world.now().saturating_sub(waits));
        self.group_members(self.participating_leader()?).find_map(|node| {
            let unanswered = &self.world.node_state(node).unanswered;
            let open = unanswered.iter().find(|open| open.at < since)?;
            let UnansweredRequest { at, step, client, id } = open;
            let seconds = at / 1_000_000_000;
            let cause = FailureCause::NeverAnswers { node, client: *client, id: *id, seconds };
            let evidence =
                |at, step, kind| Evidence { at, step, actor: Actor::Server(node), request: Some(*id), kind };
            let arrival = evidence(*at, *step, EvidenceKind::Arrival(*id, *client));
            let silence = evidence(self.world.now(), self.world.step(), EvidenceKind::Silence(*id));
            Some((cause, [arrival, silence]))
        })
    }

    /// Whether enough servers take part, and no removed one may depose their leader for ever.
    pub(super) fn may_require_progress(&self) -> bool {
        self.can_progress() && !self.may_be_disrupted()
    }

    /// Whether a removed server may depose leaders for ever: one that does not know of its removal keeps
    /// campaigning, and only pre-vote or check-quorum protects the group (thesis 4.2.3).
    fn may_be_disrupted(&self) -> bool {
        let raft = &self.world.plan().raft;
        let most_committed = || self.participants().max_by_key(|node| self.progress(*node).committed);
        let removed = |of: Node| {
            let group: Vec<Node> = self.group_members(of).collect();
            self.participants().any(|node| !group.contains(&node) && self.world.was_member(node))
        };
        !raft.pre_vote
            && !raft.check_quorum
            && self.participating_leader().or_else(most_committed).is_some_and(removed)
    }

    /// States for each participating server that no fault affects it: it hears all others, and members hear
    /// their leader. Not stated where messages are lost or slow or there is no quorum, since leadership may
    /// change there; nor without pre-vote and check-quorum, since a current leader then protects nothing
    /// (thesis 4.2.3). Never for a server with a permanent fault.
    fn record_quiet(&mut self) -> Vec<Node> {
        let network = &self.world.plan().network;
        let hears_leader =
            (network.loss, network.tail) == (Probability(0), Probability(0)) && self.topology.is_none();
        if !self.is_protected() || !hears_leader || !self.can_progress() {
            return Vec::new();
        }
        let quiet: Vec<Node> = self.participants().collect();
        quiet.iter().for_each(|node| self.world.record_fact(*node, WorldFact::Quiet));
        quiet
    }

    /// Whether a current leader is protected from servers outside the group.
    fn is_protected(&self) -> bool {
        let raft = &self.world.plan().raft;
        raft.pre_vote || raft.check_quorum
    }

    /// Begins a phase: makes its request and sets its deadline, some largest election timeouts (and `more`) plus the
    /// time to replicate missing entries.
    fn enter_phase(&mut self, phase: Phase, more: u64) {
        let Some(requirement) = phase.requirement() else { return };
        self.phase = phase;
        if let Some(probe) = requirement.probe {
            self.clients.start_probe(&mut self.world, probe);
        }
        if requirement.shares_deadline {
            return;
        }
        let timeouts = (requirement.timeouts)(&self.world.plan().bounds) + more;
        self.phase_entered = (self.world.now(), self.world.step());
        // Electing a leader replicates nothing.
        let missing = if phase == Phase::Leader { 0 } else { self.catch_up_time() };
        let allowed = timeouts.saturating_mul(self.largest_timeout()).saturating_add(missing);
        self.set_deadline(self.world.now().saturating_add(allowed));
    }

    /// Sets the deadline of the current phase.
    pub(super) fn set_deadline(&mut self, deadline: Time) {
        self.deadline_number += 1;
        let stage = self.deadline_number;
        self.world.queue.push(deadline.min(LATEST_DEADLINE), Event::LivenessDeadline { stage });
    }

    pub(super) fn finish(&mut self) {
        self.finished = true;
        self.world.interrupt_pending = true;
    }

    /// How long it may take until all servers have what the leader has. A write, or a read that waits for the
    /// leader's first own entry, may need the server that lags most. A candidate on its way may depose the
    /// current leader at once, so the lag is measured against the longest log of any server. With one message
    /// in flight, each batch takes a round trip and a sync, and at times a heartbeat more after a loss.
    fn catch_up_time(&self) -> u64 {
        let members: Vec<Node> = match self.participating_leader() {
            Some(leader) => self.group_members(leader).collect(),
            None => self.participants().collect(),
        };
        // An entry counts as present once its server knows that it is committed. A restarted server has lost
        // that knowledge, so its log counts: otherwise it would seem to lack everything.
        let has = |node: Node| {
            let Progress { last, committed, .. } = self.progress(node);
            if committed == 0 { last } else { committed }
        };
        let least = members.iter().map(|node| has(*node)).min().unwrap_or(0);
        let most = members.iter().map(|node| self.progress(*node).last).max().unwrap_or(0);
        let plan = self.world.plan();
        let entries_per_batch = match plan.raft.batch_bytes {
            0 => plan.raft.batch,
            bytes => plan.raft.batch.min(bytes / plan.largest_command()).max(1),
        };
        let batches = (most.saturating_sub(least) / entries_per_batch).saturating_add(1);
        let (network, disk) = (&plan.network, &plan.disk);
        let delay = network.delay.0 + network.delay_spread.0;
        batches.saturating_mul(2 * delay + disk.sync.0 + disk.sync_spread.0 + plan.raft.heartbeat.0 / 4)
    }

    pub(super) fn largest_timeout(&self) -> u64 {
        let raft = &self.world.plan().raft;
        raft.election_timeout.0 + raft.election_timeout_spread.0
    }

    /// Whether the healthy servers are a quorum of every configuration that may be in force; without one, no
    /// liveness is required. Depends on operator commands and responses only, on no claim about the
    /// configuration; except where a configuration takes effect when it is applied.
    pub(super) fn can_progress(&self) -> bool {
        let is_healthy =
            |member: Member| self.is_healthy(member.node) && self.world.member(member.node) == member;
        self.world.possible_configurations().all_have_quorum(is_healthy)
            && (S::CONTRACT.configurations == TakesEffect::Appended || self.all_have_quorum_in_force())
    }

    /// Whether the healthy servers are a quorum of the configuration that each healthy member has in force. A member that
    /// has an entry with a newer one, and does not know that it is committed, asks the members of the old one for votes.
    fn all_have_quorum_in_force(&self) -> bool {
        let possible = self.world.possible_configurations();
        let members = self.participants().filter(|node| possible.any_contains(self.world.member(*node)));
        members
            .filter_map(|node| self.world.server_state(node)?.configuration())
            .all(|in_force| in_force.voters.is_empty() || in_force.is_quorum(|node| self.is_healthy(node)))
    }

    /// Whether a server without a permanent fault runs here and can take part.
    pub(super) fn is_healthy(&self, node: Node) -> bool {
        self.runs_without_fault(node) && self.topology.is_none_or(|topology| self.is_in_core(topology, node))
    }

    pub(super) fn runs_without_fault(&self, node: Node) -> bool {
        self.permanently_faulty != Some(node) && self.world.node_state(node).is_participating()
    }

    /// The healthy servers.
    pub(super) fn participants(&self) -> impl Iterator<Item = Node> {
        (1..=self.world.plan().nodes).filter(|node| self.is_healthy(*node))
    }

    /// The leader of the highest term that is healthy, or that a topology leaves a majority.
    pub(super) fn participating_leader(&self) -> Option<Node> {
        let leads = |node: &Node| self.world.leading_term(*node);
        let may_lead = |node: &Node| self.is_healthy(*node) || self.reaches_its_majority(*node);
        (1..=self.world.plan().nodes).filter(|node| leads(node).is_some() && may_lead(node)).max_by_key(leads)
    }

    /// Healthy members: servers in every configuration that may be in force, or in one of them and in the
    /// configuration that `of` claims. So a claim only adds to what is required. It does not say which disk of a server it
    /// means: where an earlier one may be the member, it adds nothing. Of a topology that does not heal, only those that
    /// `of` reaches.
    fn group_members(&self, of: Node) -> impl Iterator<Item = Node> {
        let possible = self.world.possible_configurations();
        let claimed = self.world.server_state(of).and_then(ServerState::configuration);
        let is_ambiguous = |Member { node, disk_generation }| {
            (0..disk_generation)
                .any(|disk_generation| possible.any_contains(Member { node, disk_generation }))
        };
        let reaches = move |node| self.topology.is_none_or(|topology| topology.connects(of, node));
        self.participants().filter(move |node| reaches(*node)).filter(move |node| {
            let member = self.world.member(*node);
            possible.all_contain(member)
                || possible.any_contains(member)
                    && !is_ambiguous(member)
                    && claimed.is_some_and(|group| group.has(*node))
        })
    }

    /// What a server has by its own facts: nothing before it has stated that it runs.
    fn progress(&self, node: Node) -> Progress {
        let progress = |server: &ServerState| Progress {
            last: server.last_index(),
            committed: server.commit_index,
            applied: server.applied_index.unwrap_or(0),
        };
        self.world.server_state(node).map(progress).unwrap_or_default()
    }

    /// The first difference of a member's state from the leader's.
    fn first_difference(&self) -> Option<Lag> {
        let Some(leader) = self.participating_leader() else { return Some(Lag::NoLeader) };
        let has = self.progress(leader);
        if has.committed != has.last || has.applied != has.last {
            return Some(Lag::Leader { node: leader, progress: has });
        }
        self.group_members(leader).find(|node| self.progress(*node) != has).map(|node| Lag::Member {
            node,
            progress: self.progress(node),
            leader,
            leader_last: has.last,
        })
    }
}
