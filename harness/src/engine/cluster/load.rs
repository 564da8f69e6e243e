//! The load of the healed phase: writes that arrive at half of the plan's capacity, whether or not earlier ones are
//! answered, and whether servers keep up.
//!
//! *Source*: liveness under load is what a group is for; etcd, TiKV and sofa-jraft have each had replication that was right
//! and fell to one message per heartbeat. *Facts needed*: `Leads`, to excuse what leader changes interrupt.
//!
//! The plan says how much arrives and for how long ([`Plan::load`](crate::plan::Plan::load)). A little after the last
//! arrival, at least half of the calls must be completed: then the rate of answers is at least half of that of arrivals. Up
//! to as many leader changes as are let go in the quiet time excuse it. All calls must be answered within the bound for a
//! write, and that for a leader more for each such leader change; a call may be rejected before it succeeds. Syncs that
//! take longer than ordinary ones add what they take longer.
//!
//! *Blind spots*: plans that lose messages, or in which hardly any command is in flight: the load is left out there and
//! counted as such. A group that is slower than half of its capacity by less than half. Servers that state no facts are only
//! asked to answer.

use super::Cluster;
use super::phases::{MAX_QUIET_LEADER_CHANGES, Phase};
use crate::outcome::{Condition, FailureCause, LOAD_CARRIED, LOAD_LEFT_OUT, MissedLoad};
use crate::plan::{Load, SimDuration};
use crate::server::Server;
use invariants::Time;

/// The load of a run, once it was due.
#[derive(Default)]
pub(super) struct LoadPhase {
    /// Whether it has begun, or was left out.
    is_settled: bool,
    load: Option<Load>,
    /// How many leader changes there were when it began.
    changes_before: u64,
    /// How much longer syncs had taken than ordinary ones when it began, without what was left of those in flight.
    slow_before: Time,
    /// Whether the rate was measured.
    is_measured: bool,
}

impl<S: Server> Cluster<S> {
    /// Whether there is a load to carry; asked once.
    pub(super) fn has_load(&mut self) -> bool {
        if self.load.is_settled || !self.can_progress() {
            return false;
        }
        let load = self.world.plan().load();
        let changes_before = self.world.observer.counts.leader_changes;
        // A slow sync that is in flight holds the load up for the rest of its time.
        let healthy = (1..=self.world.plan().nodes).filter(|node| self.is_healthy(*node));
        let left = healthy.map(|node| self.world.slow_time_left(node)).fold(0, Time::saturating_add);
        let slow_before = self.world.slow_sync_time.saturating_sub(left);
        self.load = LoadPhase { is_settled: true, load, changes_before, slow_before, is_measured: false };
        if load.is_none() && self.world.plan().clients.load > 0 {
            self.world.count_milestone(LOAD_LEFT_OUT);
        }
        load.is_some()
    }

    /// Begins the load.
    pub(super) fn begin_load(&mut self) {
        let Some(load) = self.load.load else { return };
        self.phase = Phase::Load;
        self.phase_entered = (self.world.now(), self.world.step());
        let leader = self.participating_leader();
        let timeout = self.largest_timeout().max(1);
        self.clients.start_load(&mut self.world, load, leader, timeout);
        self.set_deadline(self.load_measured_at(&load));
    }

    /// Whether all calls of the load have ended, with or without an answer.
    pub(super) fn load_has_ended(&self) -> bool {
        self.load.load.is_none_or(|load| self.clients.load_progress().has_ended(load.calls))
    }

    /// All calls have ended: goes on, unless too few were completed or some never answered.
    pub(super) fn end_load(&mut self) {
        let Some(load) = self.load.load else { return };
        let missed = self.is_too_slow(&load).then_some(MissedLoad::TooSlow);
        let is_silent = self.clients.load_progress().unanswered > 0 && !self.is_excused();
        match missed.or(is_silent.then_some(MissedLoad::NotAnswered)) {
            Some(missed) if self.may_require_progress() => self.fail_load(&load, missed),
            Some(_) => self.finish(),
            None => {
                self.world.count_milestone(LOAD_CARRIED);
                self.settle();
            }
        }
    }

    /// The rate is to be measured, or the calls should all be answered. Both are later if leadership changed or syncs were
    /// slow meanwhile.
    pub(super) fn on_load_deadline(&mut self) {
        let Some(load) = self.load.load else { return };
        let now = self.world.now();
        if !self.load.is_measured {
            let due = self.load_measured_at(&load);
            if now < due {
                return self.set_deadline(due);
            }
            self.load.is_measured = true;
            if self.is_too_slow(&load) {
                return self.fail_load(&load, MissedLoad::TooSlow);
            }
        }
        let due = self.load_answered_by(&load);
        if now < due {
            return self.set_deadline(due);
        }
        self.fail_load(&load, MissedLoad::NotAnswered);
    }

    /// When the rate of answers is measured.
    fn load_measured_at(&self, load: &Load) -> Time {
        let slower = self.world.slow_sync_time - self.load.slow_before;
        let arriving = load.calls.saturating_mul(load.interval.0);
        let times = [arriving, load.allowance.0, slower];
        times.into_iter().fold(self.phase_entered.0, Time::saturating_add)
    }

    /// When the last call must be answered.
    fn load_answered_by(&self, load: &Load) -> Time {
        let bounds = &self.world.plan().bounds;
        let changes = self.load_leader_changes().min(MAX_QUIET_LEADER_CHANGES);
        let timeouts = bounds.write.saturating_add(changes.saturating_mul(bounds.leader));
        self.load_measured_at(load).saturating_add(timeouts.saturating_mul(self.largest_timeout()))
    }

    fn load_leader_changes(&self) -> u64 {
        self.world.observer.counts.leader_changes - self.load.changes_before
    }

    /// Whether leadership has changed, but not more often than is let go. Without facts it may always have.
    fn is_excused(&self) -> bool {
        !S::SUPPORTS.facts || (1..=MAX_QUIET_LEADER_CHANGES).contains(&self.load_leader_changes())
    }

    /// Whether less than half of what arrived is completed, and no leader change excuses that.
    fn is_too_slow(&self, load: &Load) -> bool {
        let completed = self.clients.load_progress().completed;
        completed < load.calls.div_ceil(2) && !self.is_excused()
    }

    fn fail_load(&mut self, load: &Load, missed: MissedLoad) {
        let (began, _) = self.phase_entered;
        let cause = FailureCause::Load {
            missed,
            calls: load.calls,
            interval: load.interval,
            capacity: load.capacity,
            completed: self.clients.load_progress().completed,
            began: SimDuration(began),
            lasted: SimDuration(self.world.now() - began),
            leader_changes: self.load_leader_changes(),
        };
        let evidence = self.liveness_evidence(Condition::Load);
        self.fail_liveness(cause, evidence);
    }
}

#[cfg(test)]
mod tests {
    use crate::outcome::Options;
    use crate::plan::{Plan, Probability, SimDuration, Supports, generate};
    use crate::world::World;
    use invariants::Contract;

    /// raft-rs, seed 86940@9: the sync that held the load up had begun before it.
    #[test]
    fn a_slow_sync_in_flight_is_slow_for_the_rest_of_its_time() {
        let left = |tail: Probability| {
            let mut plan = Plan { nodes: 3, faults: Vec::new(), ..generate(1) };
            (plan.disk.tail, plan.disk.tail_spread) = (tail, SimDuration::millis(1_000_000));
            let mut world =
                World::<String>::new(&plan, &Options::default(), Supports::NOTHING, Contract::PAPER);
            world.sync(1, 0);
            assert_eq!(world.slow_time_left(2), 0, "it has no sync in flight");
            (world.slow_time_left(1), world.slow_sync_time)
        };
        let (left_of_slow, slow) = left(Probability(1_000_000));
        assert!(0 < left_of_slow && left_of_slow <= slow, "{left_of_slow} of {slow}");
        assert_eq!(left(Probability(0)), (0, 0), "an ordinary one");
    }
}
