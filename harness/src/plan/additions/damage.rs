//! What becomes of disks.

use super::Frame;
use crate::plan::episode::EpisodeBuilder;
use crate::plan::faults::{BitRot, Crash, PowerLoss, SlowDisk, Wipe};
use crate::plan::operator::replace_server;
use crate::plan::{Fault, FaultKind, SimDuration, Target, Trigger};

/// Adds bit rot, rarely and to at most one server per run: Raft guarantees nothing if a majority forgets what it
/// persisted.
pub(super) fn add_bit_rot(episode: &mut EpisodeBuilder, frame: &Frame) {
    if !episode.rng.chance_percent(3) {
        return;
    }
    let node = episode.any_node();
    let at = frame.time_percent(episode, 20, 80);
    episode.add_fault(at, BitRot { node });
    // The flipped bit shows when the server restarts.
    let kind = Crash { node, lasts: episode.rng.millis(100, 1_000) };
    episode.add_fault(SimDuration(at.0 + 1_000_000), kind);
}

/// Adds a wipe, rarely and not together with bit rot: see [`Wipe`]. Mostly the operator then replaces the
/// server's old identity in the membership by its new one.
pub(super) fn add_wipe(episode: &mut EpisodeBuilder, frame: &Frame) {
    let is_bit_rot = |fault: &Fault| matches!(fault.kind, FaultKind::BitRot(_));
    if episode.faults.iter().any(is_bit_rot) || !episode.rng.chance_percent(12) {
        return;
    }
    let node = episode.rng.in_range(1, episode.nodes);
    let (at, lasts) = (frame.time_percent(episode, 10, 70), episode.rng.millis(50, 1_500));
    episode.add_fault(at, Wipe { node: Target::Node(node), lasts });
    if episode.rng.chance_percent(70) {
        replace_server(&mut episode.rng, node, SimDuration(at.0 + lasts.0), episode.faults);
    }
}

/// Adds power that flickers: a server with a slow disk loses it again each time it has read its log, before what it read
/// is synced.
pub(super) fn add_flickering_power(episode: &mut EpisodeBuilder, frame: &Frame) {
    if !episode.rng.chance_percent(12) {
        return;
    }
    let at = frame.time_percent(episode, 5, 85);
    let node = episode.pick_target();
    let (factor, lasts) = (episode.rng.in_range(4, 40), episode.rng.millis(800, 2_500));
    episode.add_fault(at, SlowDisk { node, factor, lasts });
    let first = episode.rng.millis(5, 300);
    let off = episode.rng.millis(1, 20);
    episode.add_fault(SimDuration(at.0 + first.0), PowerLoss { nodes: vec![node], lasts: off });
    for _ in 0..episode.rng.in_range(1, 5) {
        let off = episode.rng.millis(1, 20);
        let nodes = vec![Target::TriggerNode];
        episode.add_fault_on(
            SimDuration(at.0 + first.0),
            Trigger::Recovered,
            PowerLoss { nodes, lasts: off },
        );
    }
}
