//! Faults around the end of a lease.

use super::Frame;
use crate::plan::episode::EpisodeBuilder;
use crate::plan::faults::{ClockRate, Crash, OneWayPartition};
use crate::plan::{SimDuration, Target};

/// Adds candidates during a lease: a server does not hear its leader and campaigns while the leader stops to receive.
/// Voters restart meanwhile: what they have promised the leader must outlive that. Sometimes clocks run at both ends of
/// their bound.
pub(super) fn add_restarts_inside_lease(episode: &mut EpisodeBuilder, frame: &Frame) {
    if !frame.has_leases || episode.nodes < 3 {
        return;
    }
    for _ in 0..episode.rng.in_range(1, 4) {
        episode.at = frame.time_percent(episode, 3, 92);
        let candidate = episode.rng.in_range(1, episode.nodes);
        let lasts = episode.random_timeout_percent(160, 260);
        let to = Target::Node(candidate);
        episode.add_fault(episode.at, OneWayPartition { from: Target::Leader, to, lasts });
        // It campaigns about now.
        let campaign = episode.random_timeout_percent(65, 105);
        let earlier = episode.random_timeout_percent(2, 45);
        let deaf = SimDuration(episode.at.0 + campaign.0.saturating_sub(earlier.0));
        let restarts = episode.rng.chance_percent(65);
        for other in (1..=episode.nodes).filter(|other| *other != candidate) {
            let from = Target::Node(other);
            episode.add_fault(deaf, OneWayPartition { from, to: Target::Leader, lasts });
            if restarts && episode.rng.chance_percent(60) {
                let spread = episode.random_timeout_percent(0, 30);
                let at = SimDuration(deaf.0 + spread.0);
                // Mostly one that does not lead: the lease must go on.
                let down = episode.rng.millis(1, 15);
                let node = if episode.rng.chance_percent(70) { Target::Follower } else { from };
                episode.add_fault(at, Crash { node, lasts: down });
            }
        }
        if episode.rng.chance_percent(30) {
            let drift = episode.rng.in_range(50_000, 200_000) as i64;
            let both = SimDuration(lasts.0 * 2);
            for node in 1..=episode.nodes {
                episode.add_fault(episode.at, ClockRate { node: Target::Node(node), drift, lasts: both });
            }
            for _ in 0..2 {
                episode.add_fault(episode.at, ClockRate { node: Target::Leader, drift: -drift, lasts: both });
            }
        }
    }
}
