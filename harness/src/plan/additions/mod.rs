//! Faults that are drawn after all episodes, each kind from a stream of its own: a new one moves no draw of the others.
//!
//! *In*: the faults of the episodes and the frame of the plan. *Out*: more faults.

mod damage;
mod leases;
mod links;
mod operator;

use super::SimDuration;
use super::episode::EpisodeBuilder;
use crate::support::rng::label;

/// What additions know of their plan beside its faults.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    pub(super) fault_phase: SimDuration,
    pub(super) initial_voters: u64,
    pub(super) has_leases: bool,
}

impl Frame {
    /// A time of the fault phase, between these percentages of it.
    fn time_percent(&self, episode: &mut EpisodeBuilder, least: u64, most: u64) -> SimDuration {
        SimDuration(self.fault_phase.0 / 100 * episode.rng.in_range(least, most))
    }
}

/// Adds faults of one kind to a plan.
pub(super) type Addition = fn(&mut EpisodeBuilder, &Frame);

/// All additions, each with its stream. A new one gets the label [`label::PLAN_ADDITION`] and the next number.
pub(super) const ADDITIONS: [((&str, u64), Addition); 12] = [
    ((label::PLAN_BIT_ROT, 0), damage::add_bit_rot),
    ((label::PLAN_WIPE, 0), damage::add_wipe),
    ((label::PLAN_ADDITION, 0), links::add_held_messages),
    ((label::PLAN_ADDITION, 1), operator::add_transfers_while_joint),
    ((label::PLAN_ADDITION, 2), operator::add_late_orders),
    ((label::PLAN_ADDITION, 3), operator::add_transfers_that_fail),
    ((label::PLAN_ADDITION, 4), operator::add_changes_to_itself),
    ((label::PLAN_ADDITION, 5), links::add_topologies),
    ((label::PLAN_ADDITION, 6), links::add_flapping),
    ((label::PLAN_ADDITION, 7), leases::add_restarts_inside_lease),
    ((label::PLAN_ADDITION, 8), damage::add_flickering_power),
    ((label::PLAN_ADDITION, 9), operator::add_faults_with_aim),
];
