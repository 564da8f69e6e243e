//! Episodes of whoever runs the group: changes of who belongs to it, and of who leads it.

use super::episode::{Episode, EpisodeBuilder};
use super::plan_rng::PlanRng;
use super::{Fault, FaultKind, SimDuration, Target, Trigger};

/// All of them, each with how often it comes where it exists.
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
    FaultKind::Change { voters, learners, remove, by_joint: false }
}

/// Leadership shall pass on; sometimes whoever shall have it, or has it, is gone in that very moment.
pub(super) fn transfer_leadership(scene: &mut EpisodeBuilder) -> SimDuration {
    let mut at = scene.at;
    for _ in 0..scene.rng.in_range(1, 3) {
        let to = scene.any_node();
        scene.add_fault(at, FaultKind::Transfer { to });
        if scene.rng.chance_percent(25) {
            let node = if scene.rng.chance_percent(50) { to } else { Target::Leader };
            let (soon, lasts) = (scene.rng.millis(1, 60), scene.downtime());
            scene.add_fault(SimDuration(at.0 + soon.0), FaultKind::Crash { node, lasts });
        }
        at = SimDuration(at.0 + scene.random_timeout_percent(50, 150).0);
    }
    at
}

/// A server that has lost its disk is replaced by its new life: the old one is removed, the new one listens and then
/// votes. Each is asked for more than once, for who leads may change meanwhile.
pub(super) fn replace_server(dice: &mut PlanRng, node: u64, at: SimDuration, faults: &mut Vec<Fault>) {
    let target = vec![Target::Node(node)];
    let steps = [
        change_fault(vec![], vec![], target.clone()),
        change_fault(vec![], target.clone(), vec![]),
        change_fault(target, vec![], vec![]),
    ];
    let mut at = at;
    for kind in steps {
        for _ in 0..2 {
            at = SimDuration(at.0 + dice.millis(200, 1_200).0);
            faults.push(Fault { at, on: None, kind: kind.clone() });
        }
    }
}

/// Somebody listens first, and votes when it has caught up, or at once.
fn add_voter(scene: &mut EpisodeBuilder) -> SimDuration {
    let newcomer = scene.any_node();
    let mut at = scene.at;
    if scene.rng.chance_percent(60) {
        scene.add_fault(at, change_fault(vec![], vec![newcomer], vec![]));
        at = SimDuration(at.0 + scene.random_timeout_percent(30, 250).0);
    }
    scene.add_fault(at, change_fault(vec![newcomer], vec![], vec![]));
    at
}

fn remove_voter(scene: &mut EpisodeBuilder) -> SimDuration {
    let leaver = scene.any_node();
    let kind = if scene.rng.chance_percent(30) {
        change_fault(vec![], vec![leaver], vec![])
    } else {
        change_fault(vec![], vec![], vec![leaver])
    };
    scene.add_fault(scene.at, kind);
    scene.at
}

/// The leader takes itself out of the group, and may fall while it does.
fn remove_leader(scene: &mut EpisodeBuilder) -> SimDuration {
    let newcomer = scene.any_node();
    let voters = if scene.rng.chance_percent(60) { vec![newcomer] } else { vec![] };
    scene.add_fault(scene.at, change_fault(voters, vec![], vec![Target::Leader]));
    let back = scene.random_timeout_percent(100, 300);
    if scene.rng.chance_percent(30) {
        let (soon, lasts) = (scene.rng.millis(1, 40), scene.downtime());
        scene.add_fault(scene.after(soon), FaultKind::Crash { node: Target::Leader, lasts });
    }
    // Whoever is out may come back.
    if scene.rng.chance_percent(50) {
        let node = scene.any_node();
        scene.add_fault(scene.after(back), change_fault(vec![node], vec![], vec![]));
    }
    scene.after(back)
}

/// Several voters come and go at once, by way of a joint phase that ends by itself, unless its leader falls first.
fn replace_voters(scene: &mut EpisodeBuilder) -> SimDuration {
    let (come, go) = (scene.rng.in_range(1, 3).min(scene.nodes), scene.rng.in_range(0, 2).min(scene.nodes));
    let (voters, remove) = (scene.distinct_nodes(come), scene.distinct_nodes(go));
    scene.add_fault(scene.at, change_fault(voters, vec![], remove));
    if scene.rng.chance_percent(50) {
        let (soon, lasts) = (scene.rng.millis(1, 80), scene.downtime());
        let kind = match scene.rng.in_range(1, 3) {
            1 => FaultKind::Crash { node: Target::Leader, lasts },
            2 => FaultKind::PowerLoss { nodes: vec![Target::Leader], lasts },
            _ => FaultKind::Split { side: vec![Target::Leader], lasts },
        };
        scene.add_fault(scene.after(soon), kind);
    }
    scene.after(scene.timeout_percent(150))
}

/// A joint phase that lasts: both halves must go on agreeing to everything, whatever else happens meanwhile.
fn explicit_joint_phase(scene: &mut EpisodeBuilder) -> SimDuration {
    let come = scene.rng.in_range(1, 3).min(scene.nodes);
    let voters = scene.distinct_nodes(come);
    let go = scene.rng.in_range(0, 2).min(scene.nodes);
    let remove = scene.distinct_nodes(go);
    scene.add_fault(scene.at, FaultKind::Change { voters, learners: vec![], remove, by_joint: true });
    let lasts = scene.random_timeout_percent(100, 500);
    if scene.rng.chance_percent(60) {
        let count = scene.rng.in_range(1, (scene.nodes / 2).max(1));
        let side = scene.distinct_nodes(count);
        scene.add_fault(scene.after(SimDuration::millis(50)), FaultKind::Split { side, lasts });
    }
    // Asked several times: who is asked may not lead, or may not be ready.
    for tries in 1..=3 {
        scene.add_fault(SimDuration(scene.at.0 + lasts.0 + tries * scene.timeout.0), FaultKind::Leave);
    }
    scene.after(lasts)
}

/// One change after the other, without waiting for any of them: all but one at a time must be refused.
fn concurrent_changes(scene: &mut EpisodeBuilder) -> SimDuration {
    let mut at = scene.at;
    for _ in 0..scene.rng.in_range(3, 6) {
        let node = scene.any_node();
        let kind = match scene.rng.in_range(1, 3) {
            1 => change_fault(vec![node], vec![], vec![]),
            2 => change_fault(vec![], vec![node], vec![]),
            _ => change_fault(vec![], vec![], vec![node]),
        };
        match scene.rng.chance_percent(40) {
            true => scene.add_fault_on(at, Trigger::Elected, kind),
            false => scene.add_fault(at, kind),
        }
        at = SimDuration(at.0 + scene.rng.millis(0, 25).0);
    }
    at
}

/// Two leaders, each with a change of its own: the one that is cut off, and the one that is elected meanwhile.
fn change_during_partition(scene: &mut EpisodeBuilder) -> SimDuration {
    let lasts = scene.random_timeout_percent(200, 500);
    let side = if scene.rng.chance_percent(60) {
        vec![Target::Leader]
    } else {
        vec![Target::Leader, Target::Follower]
    };
    scene.add_fault(scene.at, FaultKind::Split { side, lasts });
    let (one, other) = (scene.any_node(), scene.any_node());
    scene.add_fault(scene.after(SimDuration::millis(5)), change_fault(vec![], vec![], vec![one]));
    scene.add_fault_on(
        scene.after(SimDuration::millis(10)),
        Trigger::Elected,
        change_fault(vec![other], vec![], vec![]),
    );
    scene.after(lasts)
}
