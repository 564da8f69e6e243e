//! What becomes of disks.

use super::Frame;
use crate::plan::episode::EpisodeBuilder;
use crate::plan::faults::{BitRot, Crash, Damage, FullDisk, PowerLoss, SlowDisk, StalledDisk, Wipe};
use crate::plan::operator::replace_server;
use crate::plan::{Fault, FaultKind, SimDuration, Target, Trigger};

/// Adds damage to disks, rarely: in large groups sometimes to two of them at about the same time. The world leaves out
/// what would leave no quorum of undamaged disks.
pub(super) fn add_bit_rot(episode: &mut EpisodeBuilder, frame: &Frame) {
    let at = frame.time_percent(episode, 20, 80);
    let several = episode.nodes >= 4 && episode.rng.chance_percent(50);
    for node in episode.distinct_nodes(if several { 2 } else { 1 }) {
        let how = episode.rng.pick(&Damage::ALL);
        let at = SimDuration(at.0 + episode.rng.millis(0, 1_500).0);
        episode.add_fault(at, BitRot { node, how, within_quorum: true });
        // The damage shows when the server restarts.
        let kind = Crash { node, lasts: episode.rng.millis(100, 1_000) };
        episode.add_fault(SimDuration(at.0 + 1_000_000), kind);
    }
}

/// Adds full disks: of one server or of half of them, sometimes with a loss of power before there is room again.
pub(super) fn add_full_disks(episode: &mut EpisodeBuilder, frame: &Frame) {
    let at = frame.time_percent(episode, 5, 88);
    let mut nodes = vec![episode.pick_target()];
    if episode.rng.chance_percent(25) {
        nodes = episode.distinct_nodes(episode.nodes / 2);
    }
    for node in nodes {
        let (room, lasts) = (episode.rng.in_range(0, 2_000), episode.rng.millis(300, 3_000));
        episode.add_fault(at, FullDisk { node, room, lasts });
        if episode.rng.chance_percent(30) {
            let soon = SimDuration(at.0 + lasts.0 * 9 / 10);
            let lasts = episode.downtime();
            episode.add_fault(soon, PowerLoss { nodes: vec![node], lasts });
        }
    }
}

/// Adds a disk that is slow in bursts, or stalled for longer than several leaderships last.
pub(super) fn add_bursts(episode: &mut EpisodeBuilder, frame: &Frame) {
    let mut at = frame.time_percent(episode, 5, 80);
    let node = episode.pick_target();
    // The leader of each moment is another server.
    let fixed = if matches!(node, Target::Node(_)) { node } else { episode.any_node() };
    if episode.rng.chance_percent(50) {
        for _ in 0..episode.rng.in_range(4, 10) {
            let lasts = episode.rng.millis(15, 250);
            episode.add_fault(at, StalledDisk { node: fixed, lasts });
            at = SimDuration(at.0 + lasts.0 + episode.rng.millis(2, 150).0);
        }
        return;
    }
    let lasts = episode.rng.millis(2_500, 6_000);
    episode.add_fault(at, StalledDisk { node: fixed, lasts });
    for _ in 0..episode.rng.in_range(2, 3) {
        at = SimDuration(at.0 + episode.random_timeout_percent(100, 220).0);
        let lasts = episode.downtime();
        episode.add_fault(at, Crash { node: Target::Leader, lasts });
    }
}

/// Adds a wipe, rarely and not together with bit rot: see [`Wipe`]. Mostly the operator then replaces the
/// server's old identity in the membership by its new one.
pub(super) fn add_wipe(episode: &mut EpisodeBuilder, frame: &Frame) {
    let is_bit_rot = |fault: &Fault| matches!(fault.kind, FaultKind::BitRot(_));
    if episode.faults.iter().any(is_bit_rot) {
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
