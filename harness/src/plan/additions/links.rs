//! What becomes of messages.

use super::Frame;
use crate::plan::episode::EpisodeBuilder;
use crate::plan::faults::{
    Change, Crash, HeldMessages, OneWayPartition, Partition, Release, Shape, Topology, Transfer,
};
use crate::plan::{FaultKind, SimDuration, Target};

/// Adds links that hold their messages, while the leader is replaced, or asked to hand over, or works on.
pub(super) fn add_held_messages(episode: &mut EpisodeBuilder, frame: &Frame) {
    if episode.nodes < 2 {
        return;
    }
    for _ in 0..episode.rng.in_range(1, 3) {
        let at = frame.time_percent(episode, 5, 90);
        let receiver = episode.any_node();
        if episode.rng.chance_percent(15) {
            demote_told_server(episode, receiver, at);
            continue;
        }
        let links = [
            (Target::Leader, receiver),
            (receiver, Target::Leader),
            (Target::Leader, Target::Follower),
            (Target::Leader, Target::NextLeader),
            (Target::NextLeader, receiver),
        ];
        let (from, to) = episode.rng.pick(&links);
        let hold = HeldMessages {
            from,
            to,
            both_ways: episode.rng.chance_percent(30),
            shuffled: episode.rng.chance_percent(50),
            single: episode.rng.chance_percent(15),
            spread: if episode.rng.chance_percent(30) {
                episode.rng.millis(20, 1_500)
            } else {
                SimDuration(0)
            },
            until: episode.rng.pick(&Release::ALL),
            lasts: episode.rng.millis(200, 5_000),
        };
        episode.add_fault(at, hold);
        let soon = SimDuration(at.0 + episode.rng.millis(0, 300).0);
        match episode.rng.in_range(1, 5) {
            1 | 2 => {
                let lasts = episode.rng.millis(300, 2_500);
                episode.add_fault(soon, Partition { side: vec![Target::Leader], lasts });
            }
            3 => episode.add_fault(soon, Transfer { to }),
            _ => {}
        }
    }
}

/// A leader hands over to a server that does not hear of it; the transfer fails, and the server loses its vote. What it
/// hears first when its messages arrive, the order to campaign or the configuration, is left to chance.
fn demote_told_server(episode: &mut EpisodeBuilder, server: Target, at: SimDuration) {
    let hold = HeldMessages {
        from: Target::Leader,
        to: server,
        both_ways: false,
        shuffled: true,
        single: false,
        spread: SimDuration(0),
        until: Release::Time,
        lasts: episode.rng.millis(1_200, 3_000),
    };
    let change = |voters: Vec<Target>, learners: Vec<Target>| -> FaultKind {
        Change { voters, learners, remove: vec![], by_joint: false }.into()
    };
    // If the server has the whole log by then, it is told at once, and does not hear of it.
    episode.add_fault(at, hold);
    episode.add_fault(at, Transfer { to: server });
    // The transfer fails after an election timeout.
    let demoted = SimDuration(at.0 + episode.rng.millis(600, 1_000).0);
    let promoted = SimDuration(at.0 + episode.rng.millis(3_100, 4_000).0);
    episode.add_fault(demoted, change(vec![], vec![server]));
    episode.add_fault(promoted, change(vec![server], vec![]));
}

/// Adds times in which only some links work: see [`Topology`].
pub(super) fn add_topologies(episode: &mut EpisodeBuilder, frame: &Frame) {
    if episode.nodes < 3 {
        return;
    }
    for _ in 0..episode.rng.in_range(1, 2) {
        let at = frame.time_percent(episode, 5, 90);
        let any = episode.any_node();
        let center = episode.rng.pick_weighted(&[(3, Target::Leader), (2, Target::NextLeader), (3, any)]);
        let shape = episode.rng.pick(&Shape::ALL);
        let lasts = episode.rng.millis(500, 4_500);
        episode.add_fault(at, Topology { shape, center, lasts });
        if episode.rng.chance_percent(35) {
            let soon = SimDuration(at.0 + episode.random_timeout_percent(20, 200).0);
            let lasts = episode.downtime();
            episode.add_fault(soon, Crash { node: Target::Leader, lasts });
        }
    }
}

/// Adds links that flap: they work and do not work in turns, each time for less or more than a heartbeat or an election
/// timeout.
pub(super) fn add_flapping(episode: &mut EpisodeBuilder, frame: &Frame) {
    if episode.nodes < 2 {
        return;
    }
    let mut at = frame.time_percent(episode, 5, 85);
    let node = episode.pick_target();
    let is_one_way = episode.rng.chance_percent(50);
    let most = episode.rng.pick(&[20, 60, 130]);
    for _ in 0..episode.rng.in_range(4, 10) {
        let (down, up) = (episode.random_timeout_percent(2, most), episode.random_timeout_percent(2, most));
        let lasts = SimDuration(down.0.max(1_000_000));
        if is_one_way {
            let (from, to) = (node, if node == Target::Leader { Target::Follower } else { Target::Leader });
            episode.add_fault(at, OneWayPartition { from, to, lasts });
        } else {
            episode.add_fault(at, Partition { side: vec![node], lasts });
        }
        at = SimDuration(at.0 + down.0 + up.0);
    }
}
