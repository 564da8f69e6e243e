//! Faults that are drawn after all episodes, each kind from a stream of its own: a new one moves no draw of the others.
//!
//! *In*: the faults of the episodes and the frame of the plan. *Out*: more faults.

mod damage;
mod leases;
mod links;
mod operator;

use super::SimDuration;
use super::episode::EpisodeBuilder;
use super::profile::Theme;
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
#[derive(Clone, Copy)]
pub(super) struct Addition {
    /// Its stream, whose first draw decides whether a plan has it.
    pub(super) stream: (&'static str, u64),
    pub(super) theme: Theme,
    /// Of how many of 100 general plans.
    pub(super) percent: u64,
    pub(super) add: fn(&mut EpisodeBuilder, &Frame),
}

const fn addition(
    stream: (&'static str, u64),
    theme: Theme,
    percent: u64,
    add: fn(&mut EpisodeBuilder, &Frame),
) -> Addition {
    Addition { stream, theme, percent, add }
}

/// All additions. A new one gets the label [`label::PLAN_ADDITION`] and the next number.
pub(super) const ADDITIONS: [Addition; 15] = [
    addition((label::PLAN_BIT_ROT, 0), Theme::Disk, 5, damage::add_bit_rot),
    addition((label::PLAN_WIPE, 0), Theme::Disk, 12, damage::add_wipe),
    addition((label::PLAN_ADDITION, 0), Theme::Network, 35, links::add_held_messages),
    addition((label::PLAN_ADDITION, 1), Theme::Operator, 25, operator::add_transfers_while_joint),
    addition((label::PLAN_ADDITION, 2), Theme::Operator, 12, operator::add_late_orders),
    addition((label::PLAN_ADDITION, 3), Theme::Operator, 15, operator::add_transfers_that_fail),
    addition((label::PLAN_ADDITION, 4), Theme::Operator, 40, operator::add_changes_to_itself),
    addition((label::PLAN_ADDITION, 5), Theme::Network, 20, links::add_topologies),
    addition((label::PLAN_ADDITION, 6), Theme::Network, 10, links::add_flapping),
    addition((label::PLAN_ADDITION, 7), Theme::Clocks, 60, leases::add_restarts_inside_lease),
    addition((label::PLAN_ADDITION, 8), Theme::Disk, 12, damage::add_flickering_power),
    addition((label::PLAN_ADDITION, 9), Theme::Operator, 35, operator::add_faults_with_aim),
    addition((label::PLAN_ADDITION, 10), Theme::Disk, 15, damage::add_full_disks),
    addition((label::PLAN_ADDITION, 11), Theme::Disk, 10, damage::add_bursts),
    addition((label::PLAN_ADDITION, 12), Theme::Operator, 20, operator::add_whole_replacements),
];
