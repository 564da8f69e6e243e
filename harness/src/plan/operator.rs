//! Episodes of the operator: leadership transfers and membership changes.

use super::episode::{Episode, EpisodeBuilder};
use super::faults::{Change, Crash, Leave, Partition, PowerLoss, Transfer};
use super::plan_rng::PlanRng;
use super::{Fault, FaultKind, SimDuration, Target, Trigger};

/// All membership episodes, each with its weight.
pub(super) const MEMBERSHIP_EPISODES: [(u64, Episode); 7] = [
    (6, add_voter),
    (4, remove_voter),
    (4, remove_leader),
    (6, replace_voters),
    (4, explicit_joint_phase),
    (4, concurrent_changes),
    (3, change_during_partition),
];

fn change_fault(voters: Vec<Target>, learners: Vec<Target>, remove: Vec<Target>) -> FaultKind {
    FaultKind::Change(Change { voters, learners, remove, by_joint: false })
}

/// Leadership transfers; sometimes the target or the leader crashes shortly after.
pub(super) fn transfer_leadership(episode: &mut EpisodeBuilder) -> SimDuration {
    let mut at = episode.at;
    for _ in 0..episode.rng.in_range(1, 3) {
        let to = episode.any_node();
        episode.add_fault(at, Transfer { to });
        if episode.rng.chance_percent(25) {
            let node = if episode.rng.chance_percent(50) { to } else { Target::Leader };
            let (soon, lasts) = (episode.rng.millis(1, 60), episode.downtime());
            episode.add_fault(SimDuration(at.0 + soon.0), Crash { node, lasts });
        }
        at = SimDuration(at.0 + episode.random_timeout_percent(50, 150).0);
    }
    at
}

/// Replaces a wiped server by its new identity: the old one is removed, the new one becomes a learner, then a voter.
/// Each command is sent twice, because the leader may change meanwhile.
pub(super) fn replace_server(rng: &mut PlanRng, node: u64, at: SimDuration, faults: &mut Vec<Fault>) {
    let target = vec![Target::Node(node)];
    let steps = [
        change_fault(vec![], vec![], target.clone()),
        change_fault(vec![], target.clone(), vec![]),
        change_fault(target, vec![], vec![]),
    ];
    let mut at = at;
    for kind in steps {
        for _ in 0..2 {
            at = SimDuration(at.0 + rng.millis(200, 1_200).0);
            faults.push(Fault { at, on: None, kind: kind.clone() });
        }
    }
}

/// A server becomes a learner first and then a voter, or a voter at once.
fn add_voter(episode: &mut EpisodeBuilder) -> SimDuration {
    let newcomer = episode.any_node();
    let mut at = episode.at;
    if episode.rng.chance_percent(60) {
        episode.add_fault(at, change_fault(vec![], vec![newcomer], vec![]));
        at = SimDuration(at.0 + episode.random_timeout_percent(30, 250).0);
    }
    episode.add_fault(at, change_fault(vec![newcomer], vec![], vec![]));
    at
}

fn remove_voter(episode: &mut EpisodeBuilder) -> SimDuration {
    let node = episode.any_node();
    let kind = if episode.rng.chance_percent(30) {
        change_fault(vec![], vec![node], vec![])
    } else {
        change_fault(vec![], vec![], vec![node])
    };
    episode.add_fault(episode.at, kind);
    episode.at
}

/// The leader is removed, and may crash meanwhile.
fn remove_leader(episode: &mut EpisodeBuilder) -> SimDuration {
    let newcomer = episode.any_node();
    let voters = if episode.rng.chance_percent(60) { vec![newcomer] } else { vec![] };
    episode.add_fault(episode.at, change_fault(voters, vec![], vec![Target::Leader]));
    let delay = episode.random_timeout_percent(100, 300);
    if episode.rng.chance_percent(30) {
        let (soon, lasts) = (episode.rng.millis(1, 40), episode.downtime());
        episode.add_fault(episode.after(soon), Crash { node: Target::Leader, lasts });
    }
    // A removed server may come back.
    if episode.rng.chance_percent(50) {
        let node = episode.any_node();
        episode.add_fault(episode.after(delay), change_fault(vec![node], vec![], vec![]));
    }
    episode.after(delay)
}

/// Several voters are added and removed at once, by a joint configuration that is left automatically unless the leader
/// fails first.
fn replace_voters(episode: &mut EpisodeBuilder) -> SimDuration {
    let (added, removed) =
        (episode.rng.in_range(1, 3).min(episode.nodes), episode.rng.in_range(0, 2).min(episode.nodes));
    let (voters, remove) = (episode.distinct_nodes(added), episode.distinct_nodes(removed));
    episode.add_fault(episode.at, change_fault(voters, vec![], remove));
    if episode.rng.chance_percent(50) {
        let (soon, lasts) = (episode.rng.millis(1, 80), episode.downtime());
        let kind = match episode.rng.in_range(1, 3) {
            1 => FaultKind::Crash(Crash { node: Target::Leader, lasts }),
            2 => FaultKind::PowerLoss(PowerLoss { nodes: vec![Target::Leader], lasts }),
            _ => FaultKind::Partition(Partition { side: vec![Target::Leader], lasts }),
        };
        episode.add_fault(episode.after(soon), kind);
    }
    episode.after(episode.timeout_percent(150))
}

/// A joint configuration that lasts: both majorities must agree to everything, under other faults too.
fn explicit_joint_phase(episode: &mut EpisodeBuilder) -> SimDuration {
    let added = episode.rng.in_range(1, 3).min(episode.nodes);
    let voters = episode.distinct_nodes(added);
    let removed = episode.rng.in_range(0, 2).min(episode.nodes);
    let remove = episode.distinct_nodes(removed);
    episode.add_fault(episode.at, Change { voters, learners: vec![], remove, by_joint: true });
    let lasts = episode.random_timeout_percent(100, 500);
    if episode.rng.chance_percent(60) {
        let count = episode.rng.in_range(1, (episode.nodes / 2).max(1));
        let side = episode.distinct_nodes(count);
        episode.add_fault(episode.after(SimDuration::millis(50)), Partition { side, lasts });
    }
    // Sent several times: the server that receives it may not lead, or may not be ready.
    for attempt in 1..=3 {
        episode.add_fault(SimDuration(episode.at.0 + lasts.0 + attempt * episode.timeout.0), Leave {});
    }
    episode.after(lasts)
}

/// Several changes without waiting for any of them: at most one may be in progress, the others must be rejected.
fn concurrent_changes(episode: &mut EpisodeBuilder) -> SimDuration {
    let mut at = episode.at;
    for _ in 0..episode.rng.in_range(3, 6) {
        let node = episode.any_node();
        let kind = match episode.rng.in_range(1, 3) {
            1 => change_fault(vec![node], vec![], vec![]),
            2 => change_fault(vec![], vec![node], vec![]),
            _ => change_fault(vec![], vec![], vec![node]),
        };
        match episode.rng.chance_percent(40) {
            true => episode.add_fault_on(at, Trigger::Elected, kind),
            false => episode.add_fault(at, kind),
        }
        at = SimDuration(at.0 + episode.rng.millis(0, 25).0);
    }
    at
}

/// Two leaders with one change each: the isolated one, and the one elected meanwhile.
fn change_during_partition(episode: &mut EpisodeBuilder) -> SimDuration {
    let lasts = episode.random_timeout_percent(200, 500);
    let side = if episode.rng.chance_percent(60) {
        vec![Target::Leader]
    } else {
        vec![Target::Leader, Target::Follower]
    };
    episode.add_fault(episode.at, Partition { side, lasts });
    let (first, second) = (episode.any_node(), episode.any_node());
    episode.add_fault(episode.after(SimDuration::millis(5)), change_fault(vec![], vec![], vec![first]));
    episode.add_fault_on(
        episode.after(SimDuration::millis(10)),
        Trigger::Elected,
        change_fault(vec![second], vec![], vec![]),
    );
    episode.after(lasts)
}
