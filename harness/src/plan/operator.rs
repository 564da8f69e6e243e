//! Episodes of whoever runs the group: changes of who belongs to it, and of who leads it.

use super::dice::Dice;
use super::episode::{Episode, Scene};
use super::{Duration, Fault, FaultKind, Moment, Target};

/// All of them, each with how often it comes where it exists.
pub(super) const CHANGES: [(u64, Episode); 7] = [
    (6, grow),
    (4, shrink),
    (4, leader_leaves),
    (6, swap),
    (4, joint_until_told),
    (4, changes_at_once),
    (3, change_in_a_split),
];

fn change(voters: Vec<Target>, learners: Vec<Target>, remove: Vec<Target>) -> FaultKind {
    FaultKind::Change { voters, learners, remove, by_joint: false }
}

/// Leadership shall pass on; sometimes whoever shall have it, or has it, is gone in that very moment.
pub(super) fn transfer(scene: &mut Scene) -> Duration {
    let mut at = scene.at;
    for _ in 0..scene.dice.between(1, 3) {
        let to = scene.any();
        scene.strike(at, FaultKind::Transfer { to });
        if scene.dice.percent(25) {
            let node = if scene.dice.percent(50) { to } else { Target::Leader };
            let (soon, lasts) = (scene.dice.millis(1, 60), scene.downtime());
            scene.strike(Duration(at.0 + soon.0), FaultKind::Crash { node, lasts });
        }
        at = Duration(at.0 + scene.timeouts(50, 150).0);
    }
    at
}

/// A server that has lost its disk is replaced by its new life: the old one is removed, the new one listens and then
/// votes. Each is asked for more than once, for who leads may change meanwhile.
pub(super) fn replace(dice: &mut Dice, node: u64, at: Duration, faults: &mut Vec<Fault>) {
    let target = vec![Target::Node(node)];
    let steps = [
        change(vec![], vec![], target.clone()),
        change(vec![], target.clone(), vec![]),
        change(target, vec![], vec![]),
    ];
    let mut at = at;
    for kind in steps {
        for _ in 0..2 {
            at = Duration(at.0 + dice.millis(200, 1_200).0);
            faults.push(Fault { at, on: None, kind: kind.clone() });
        }
    }
}

/// Somebody listens first, and votes when it has caught up, or at once.
fn grow(scene: &mut Scene) -> Duration {
    let newcomer = scene.any();
    let mut at = scene.at;
    if scene.dice.percent(60) {
        scene.strike(at, change(vec![], vec![newcomer], vec![]));
        at = Duration(at.0 + scene.timeouts(30, 250).0);
    }
    scene.strike(at, change(vec![newcomer], vec![], vec![]));
    at
}

fn shrink(scene: &mut Scene) -> Duration {
    let leaver = scene.any();
    let kind = if scene.dice.percent(30) {
        change(vec![], vec![leaver], vec![])
    } else {
        change(vec![], vec![], vec![leaver])
    };
    scene.strike(scene.at, kind);
    scene.at
}

/// The leader takes itself out of the group, and may fall while it does.
fn leader_leaves(scene: &mut Scene) -> Duration {
    let newcomer = scene.any();
    let voters = if scene.dice.percent(60) { vec![newcomer] } else { vec![] };
    scene.strike(scene.at, change(voters, vec![], vec![Target::Leader]));
    let back = scene.timeouts(100, 300);
    if scene.dice.percent(30) {
        let (soon, lasts) = (scene.dice.millis(1, 40), scene.downtime());
        scene.strike(scene.after(soon), FaultKind::Crash { node: Target::Leader, lasts });
    }
    // Whoever is out may come back.
    if scene.dice.percent(50) {
        let node = scene.any();
        scene.strike(scene.after(back), change(vec![node], vec![], vec![]));
    }
    scene.after(back)
}

/// Several voters come and go at once, by way of a joint phase that ends by itself, unless its leader falls first.
fn swap(scene: &mut Scene) -> Duration {
    let (come, go) = (scene.dice.between(1, 3).min(scene.nodes), scene.dice.between(0, 2).min(scene.nodes));
    let (voters, remove) = (scene.some(come), scene.some(go));
    scene.strike(scene.at, change(voters, vec![], remove));
    if scene.dice.percent(50) {
        let (soon, lasts) = (scene.dice.millis(1, 80), scene.downtime());
        let kind = match scene.dice.between(1, 3) {
            1 => FaultKind::Crash { node: Target::Leader, lasts },
            2 => FaultKind::PowerLoss { nodes: vec![Target::Leader], lasts },
            _ => FaultKind::Split { side: vec![Target::Leader], lasts },
        };
        scene.strike(scene.after(soon), kind);
    }
    scene.after(scene.timeouts_of(150))
}

/// A joint phase that lasts: both halves must go on agreeing to everything, whatever else happens meanwhile.
fn joint_until_told(scene: &mut Scene) -> Duration {
    let come = scene.dice.between(1, 3).min(scene.nodes);
    let voters = scene.some(come);
    let go = scene.dice.between(0, 2).min(scene.nodes);
    let remove = scene.some(go);
    scene.strike(scene.at, FaultKind::Change { voters, learners: vec![], remove, by_joint: true });
    let lasts = scene.timeouts(100, 500);
    if scene.dice.percent(60) {
        let count = scene.dice.between(1, (scene.nodes / 2).max(1));
        let side = scene.some(count);
        scene.strike(scene.after(Duration::millis(50)), FaultKind::Split { side, lasts });
    }
    // Asked several times: who is asked may not lead, or may not be ready.
    for tries in 1..=3 {
        scene.strike(Duration(scene.at.0 + lasts.0 + tries * scene.timeout.0), FaultKind::Leave);
    }
    scene.after(lasts)
}

/// One change after the other, without waiting for any of them: all but one at a time must be refused.
fn changes_at_once(scene: &mut Scene) -> Duration {
    let mut at = scene.at;
    for _ in 0..scene.dice.between(3, 6) {
        let node = scene.any();
        let kind = match scene.dice.between(1, 3) {
            1 => change(vec![node], vec![], vec![]),
            2 => change(vec![], vec![node], vec![]),
            _ => change(vec![], vec![], vec![node]),
        };
        match scene.dice.percent(40) {
            true => scene.strike_on(at, Moment::Elected, kind),
            false => scene.strike(at, kind),
        }
        at = Duration(at.0 + scene.dice.millis(0, 25).0);
    }
    at
}

/// Two leaders, each with a change of its own: the one that is cut off, and the one that is elected meanwhile.
fn change_in_a_split(scene: &mut Scene) -> Duration {
    let lasts = scene.timeouts(200, 500);
    let side =
        if scene.dice.percent(60) { vec![Target::Leader] } else { vec![Target::Leader, Target::Follower] };
    scene.strike(scene.at, FaultKind::Split { side, lasts });
    let (one, other) = (scene.any(), scene.any());
    scene.strike(scene.after(Duration::millis(5)), change(vec![], vec![], vec![one]));
    scene.strike_on(scene.after(Duration::millis(10)), Moment::Elected, change(vec![other], vec![], vec![]));
    scene.after(lasts)
}
