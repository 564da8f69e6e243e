//! What the operator asks for at a bad time, and faults of the servers that this concerns.

use super::Frame;
use crate::plan::episode::EpisodeBuilder;
use crate::plan::faults::{
    Change, Crash, HeldMessages, Leave, Partition, Pause, PowerLoss, Release, StalledDisk, Transfer,
};
use crate::plan::{FaultKind, SimDuration, Target, Trigger};

fn change(voters: Vec<Target>, learners: Vec<Target>, remove: Vec<Target>) -> FaultKind {
    Change { voters, learners, remove, by_joint: false }.into()
}

/// Adds transfers that begin as soon as a joint configuration is in force, if one ever is.
pub(super) fn add_transfers_while_joint(episode: &mut EpisodeBuilder, frame: &Frame) {
    for _ in 0..episode.rng.in_range(1, 4) {
        let at = frame.time_percent(episode, 0, 80);
        let to = episode.any_node();
        episode.add_fault_on(at, Trigger::Joint, Transfer { to });
    }
}

/// Adds orders to campaign that are late: one message to the target of a transfer is held, all others pass. The transfer
/// fails, the target loses its vote or leaves, and then the order arrives.
pub(super) fn add_late_orders(episode: &mut EpisodeBuilder, frame: &Frame) {
    if episode.nodes < 2 {
        return;
    }
    for _ in 0..episode.rng.in_range(1, 2) {
        episode.at = frame.time_percent(episode, 5, 80);
        let server = episode.any_node();
        let hold = HeldMessages {
            from: Target::Leader,
            to: server,
            both_ways: false,
            shuffled: false,
            single: true,
            spread: SimDuration(0),
            until: if episode.rng.chance_percent(70) { Release::Time } else { Release::Restart },
            lasts: episode.rng.millis(1_300, 3_500),
        };
        episode.add_fault(episode.at, hold);
        episode.add_fault(episode.at, Transfer { to: server });
        // The transfer fails after an election timeout. The command is repeated, as an operator would.
        let mut span = episode.random_timeout_percent(60, 115);
        for _ in 0..3 {
            let kind = match episode.rng.in_range(1, 3) {
                1 => change(vec![], vec![], vec![server]),
                _ => change(vec![], vec![server], vec![]),
            };
            episode.add_fault(episode.after(span), kind);
            span = SimDuration(span.0 + episode.random_timeout_percent(10, 40).0);
        }
        let back = SimDuration(span.0 + episode.rng.millis(2_500, 4_500).0);
        episode.add_fault(episode.after(back), change(vec![server], vec![], vec![]));
    }
}

/// Adds transfers to a server that cannot take over, because it is cut off, paused or behind a stalled disk; also while a
/// joint configuration is in force: the transfer lasts until it fails.
pub(super) fn add_transfers_that_fail(episode: &mut EpisodeBuilder, frame: &Frame) {
    if episode.nodes < 2 {
        return;
    }
    for _ in 0..episode.rng.in_range(1, 3) {
        episode.at = frame.time_percent(episode, 5, 85);
        let server = episode.any_node();
        let lasts = episode.rng.millis(400, 2_000);
        let kind: FaultKind = match episode.rng.in_range(1, 4) {
            1 => StalledDisk { node: server, lasts }.into(),
            2 => Pause { node: server, lasts }.into(),
            _ => Partition { side: vec![server], lasts }.into(),
        };
        episode.add_fault(episode.at, kind);
        let soon = SimDuration(episode.at.0 + episode.rng.millis(20, 200).0);
        if episode.rng.chance_percent(60) {
            // Two voters at once: by a joint configuration.
            let (first, second) = (episode.any_node(), episode.any_node());
            let kind = match episode.rng.in_range(1, 3) {
                1 => change(vec![first, second], vec![], vec![]),
                2 => change(vec![first], vec![], vec![second]),
                _ => change(vec![], vec![first, second], vec![]),
            };
            episode.add_fault_on(soon, Trigger::Joint, Transfer { to: server });
            episode.add_fault(soon, kind);
        } else {
            episode.add_fault(soon, Transfer { to: server });
        }
    }
}

/// Adds joint configurations of a group with itself, above all where the group is one server: both halves are the same.
pub(super) fn add_changes_to_itself(episode: &mut EpisodeBuilder, frame: &Frame) {
    let is_single = frame.initial_voters == 1;
    if !is_single && !episode.rng.chance_percent(10) {
        return;
    }
    for _ in 0..episode.rng.in_range(1, 2) {
        episode.at =
            frame.time_percent(episode, if is_single { 1 } else { 5 }, if is_single { 12 } else { 90 });
        let kind = Change { voters: vec![Target::Leader], learners: vec![], remove: vec![], by_joint: true };
        for _ in 0..2 {
            episode.add_fault(episode.at, kind.clone());
            episode.at = SimDuration(episode.at.0 + episode.random_timeout_percent(30, 150).0);
        }
        for _ in 0..3 {
            episode.add_fault(episode.at, Leave {});
            episode.at = SimDuration(episode.at.0 + episode.random_timeout_percent(50, 100).0);
        }
    }
}

/// Adds faults of the servers that a change or a transfer concerns, while it goes on.
pub(super) fn add_faults_with_aim(episode: &mut EpisodeBuilder, frame: &Frame) {
    for _ in 0..episode.rng.in_range(1, 4) {
        let at = frame.time_percent(episode, 2, 92);
        let (trigger, target) = episode.rng.pick(&[
            (None, Target::NextLeader),
            (None, Target::SlowestDisk),
            (None, Target::RemovedServer),
            (None, Target::Learners),
            (Some(Trigger::Joint), Target::NewestConfiguration),
            (Some(Trigger::Promoted), Target::NewestConfiguration),
            (Some(Trigger::Promoted), Target::NextLeader),
            (Some(Trigger::ToldToCampaign), Target::TransferTarget),
            (Some(Trigger::FirstAppend), Target::NextLeader),
            (Some(Trigger::Committed), Target::SlowestDisk),
        ]);
        let lasts = episode.downtime();
        let kind: FaultKind = match episode.rng.in_range(1, 6) {
            1 => Crash { node: target, lasts }.into(),
            2 => Pause { node: target, lasts }.into(),
            3 => StalledDisk { node: target, lasts }.into(),
            4 => PowerLoss { nodes: vec![target], lasts }.into(),
            5 => {
                // Both learners and a leader that they cannot help.
                let side = vec![target, Target::Leader];
                Partition { side, lasts: episode.random_timeout_percent(80, 400) }.into()
            }
            _ => Partition { side: vec![target], lasts: episode.random_timeout_percent(80, 400) }.into(),
        };
        match trigger {
            Some(trigger) => episode.add_fault_on(at, trigger, kind),
            None => episode.add_fault(at, kind),
        }
    }
}

/// Adds whole replacements: one half of the servers becomes the group, and later the other half again, each time by one
/// joint configuration. Learners and groups of even size come with it.
pub(super) fn add_whole_replacements(episode: &mut EpisodeBuilder, frame: &Frame) {
    if episode.nodes < 2 || frame.initial_voters == episode.nodes {
        return;
    }
    let split = frame.initial_voters;
    let old: Vec<Target> = (1..=split).map(Target::Node).collect();
    let new: Vec<Target> = (split + 1..=episode.nodes).map(Target::Node).collect();
    let mut at = frame.time_percent(episode, 3, 50);
    for (voters, remove) in [(&new, &old), (&old, &new)] {
        if episode.rng.chance_percent(50) {
            episode.add_fault(at, change(vec![], voters.clone(), vec![]));
            at = SimDuration(at.0 + episode.random_timeout_percent(50, 200).0);
            if episode.rng.chance_percent(40) {
                let side = vec![Target::Leader, Target::Learners];
                let lasts = episode.random_timeout_percent(100, 300);
                episode.add_fault(at, Partition { side, lasts });
            }
        }
        // Repeated, as an operator would: the server that is asked may not lead.
        for _ in 0..2 {
            episode.add_fault(at, change(voters.clone(), vec![], remove.clone()));
            at = SimDuration(at.0 + episode.random_timeout_percent(50, 250).0);
        }
        at = SimDuration(at.0 + episode.rng.millis(500, 5_000).0);
    }
}
