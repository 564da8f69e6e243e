//! Episodes: a few faults that belong together, each written because some kind of bug needs just that.

use super::dice::Dice;
use super::{Chance, Duration, Fault, FaultKind, Moment, Target};

/// Writes an episode's faults and says when it is over; what only colours the background is over at once.
pub(super) type Episode = fn(&mut Scene) -> Duration;

/// All episodes, each with how often it comes where it exists.
pub(super) const EPISODES: [(u64, Episode); 24] = [
    (6, crash),
    (4, crash_at_a_moment),
    (6, power_loss),
    (3, power_loss_of_many),
    (6, power_loss_at_a_moment),
    (4, pause),
    (5, cuts),
    (4, split),
    (6, deposed_leader_with_a_tail),
    (4, leader_out_of_touch),
    (4, forgotten_votes),
    (4, late_votes),
    (4, short_leaderships),
    (4, doubled_messages),
    (3, bad_weather),
    (3, slow_disks),
    (4, stalled_disk),
    (5, drifting_clocks),
    (9, jumping_clocks),
    (3, restless_server),
    (4, flickering_power),
    (4, disk_error),
    (6, lease_outlived),
    (1, rival_beside_a_lease),
];

/// Where an episode writes its faults.
pub(super) struct Scene<'a> {
    /// The episode's own chance.
    pub(super) dice: Dice,
    /// How many servers there are.
    pub(super) nodes: u64,
    /// The largest election timeout.
    pub(super) timeout: Duration,
    /// When the episode begins.
    pub(super) at: Duration,
    /// What breaks.
    pub(super) faults: &'a mut Vec<Fault>,
}

impl Scene<'_> {
    /// So long after the episode began.
    pub(super) fn after(&self, span: Duration) -> Duration {
        Duration(self.at.0 + span.0)
    }

    pub(super) fn strike(&mut self, at: Duration, kind: FaultKind) {
        self.faults.push(Fault { at, on: None, kind });
    }

    pub(super) fn strike_on(&mut self, at: Duration, moment: Moment, kind: FaultKind) {
        self.faults.push(Fault { at, on: Some(moment), kind });
    }

    pub(super) fn any(&mut self) -> Target {
        Target::Node(self.dice.between(1, self.nodes))
    }

    /// Somebody, and the leader more often than anybody else.
    pub(super) fn somebody(&mut self) -> Target {
        let any = self.any();
        self.dice.weighted(&[(5, Target::Leader), (2, Target::Follower), (1, Target::Newest), (4, any)])
    }

    /// So many different servers.
    pub(super) fn some(&mut self, count: u64) -> Vec<Target> {
        let mut left: Vec<u64> = (1..=self.nodes).collect();
        let mut chosen: Vec<u64> =
            (0..count).map(|_| left.remove(self.dice.between(0, left.len() as u64 - 1) as usize)).collect();
        chosen.sort_unstable();
        chosen.into_iter().map(Target::Node).collect()
    }

    /// A stop: often shorter than an election takes, sometimes much longer.
    pub(super) fn downtime(&mut self) -> Duration {
        if self.dice.percent(60) { self.dice.millis(20, 400) } else { self.dice.millis(500, 3_000) }
    }

    /// So many percent of the largest election timeout, in whole milliseconds.
    pub(super) fn timeouts(&mut self, least: u64, most: u64) -> Duration {
        Duration::millis(self.timeout.0 / 1_000_000 * self.dice.between(least, most) / 100)
    }
}

impl Scene<'_> {
    /// So many percent of the largest election timeout.
    pub(super) fn timeouts_of(&self, percent: u64) -> Duration {
        Duration(self.timeout.0 / 100 * percent)
    }
}

fn crash(scene: &mut Scene) -> Duration {
    let (node, lasts) = (scene.somebody(), scene.downtime());
    scene.strike(scene.at, FaultKind::Crash { node, lasts });
    scene.after(lasts)
}

fn crash_at_a_moment(scene: &mut Scene) -> Duration {
    let moment = scene.dice.pick(&Moment::ALL);
    let lasts = scene.downtime();
    scene.strike_on(scene.at, moment, FaultKind::Crash { node: Target::There, lasts });
    scene.after(lasts)
}

fn power_loss(scene: &mut Scene) -> Duration {
    let (node, lasts) = (scene.somebody(), scene.downtime());
    scene.strike(scene.at, FaultKind::PowerLoss { nodes: vec![node], lasts });
    scene.after(lasts)
}

/// What a majority promised must not have been in its page cache only.
fn power_loss_of_many(scene: &mut Scene) -> Duration {
    let lasts = scene.dice.millis(20, 900);
    let majority = scene.nodes / 2 + 1;
    let nodes = if scene.dice.percent(50) { Vec::new() } else { scene.some(majority) };
    scene.strike(scene.at, FaultKind::PowerLoss { nodes, lasts });
    scene.after(lasts)
}

/// Between a write and its sync, between a vote and its answer: once or several times in a row.
fn power_loss_at_a_moment(scene: &mut Scene) -> Duration {
    let moment = scene.dice.pick(&Moment::ALL);
    let mut at = scene.at;
    for _ in 0..scene.dice.between(1, 3) {
        let lasts = scene.dice.millis(10, 500);
        scene.strike_on(at, moment, FaultKind::PowerLoss { nodes: vec![Target::There], lasts });
        at = Duration(at.0 + lasts.0 + scene.timeouts(10, 100).0);
    }
    at
}

/// A leader that stood still goes on as if it still led.
fn pause(scene: &mut Scene) -> Duration {
    let (node, lasts) = (scene.somebody(), scene.timeouts(30, 250));
    scene.strike(scene.at, FaultKind::Pause { node, lasts });
    scene.after(lasts)
}

/// Some links pass nothing, in one direction.
fn cuts(scene: &mut Scene) -> Duration {
    let lasts = scene.dice.millis(300, 3_000);
    let one = scene.dice.between(1, scene.nodes);
    let far_ends: Vec<u64> = (1..=scene.nodes).filter(|&other| other != one).collect();
    let hears = scene.dice.percent(50);
    for other in far_ends {
        if scene.dice.percent(60) {
            let (one, other) = (Target::Node(one), Target::Node(other));
            let (from, to) = if hears { (one, other) } else { (other, one) };
            scene.strike(scene.at, FaultKind::Cut { from, to, lasts });
        }
    }
    if scene.dice.percent(40) {
        scene.strike(scene.at, FaultKind::Cut { from: Target::Follower, to: Target::Leader, lasts });
    }
    scene.after(lasts)
}

fn split(scene: &mut Scene) -> Duration {
    let lasts = scene.dice.millis(500, 4_000);
    let count = scene.dice.between(1, scene.nodes / 2);
    let side = scene.some(count);
    scene.strike(scene.at, FaultKind::Split { side, lasts });
    scene.after(lasts)
}

/// A leader cut off goes on appending, alone or with a friend, while the others elect another. Sometimes that other one
/// is gone just before the split heals: then the longest log is the deposed leader's, and it must not win.
fn deposed_leader_with_a_tail(scene: &mut Scene) -> Duration {
    let lasts = scene.dice.millis(2_000, 5_000);
    let friends = scene.nodes >= 5 && scene.dice.percent(40);
    let side = if friends { vec![Target::Leader, Target::Follower] } else { vec![Target::Leader] };
    scene.strike(scene.at, FaultKind::Split { side, lasts });
    if scene.dice.percent(60) {
        let before = scene.timeouts(5, 60);
        let stops = scene.dice.millis(200, 1_500);
        let at = Duration(scene.at.0 + lasts.0 - before.0.min(lasts.0));
        let kind = match scene.dice.between(1, 3) {
            1 => FaultKind::Pause { node: Target::Leader, lasts: stops },
            2 => FaultKind::Crash { node: Target::Leader, lasts: stops },
            _ => FaultKind::PowerLoss { nodes: vec![Target::Leader], lasts: stops },
        };
        scene.strike(at, kind);
    }
    scene.after(lasts)
}

/// Just long enough for another leader: whoever asks the old one to read must not be told what was true before.
fn leader_out_of_touch(scene: &mut Scene) -> Duration {
    let lasts = scene.timeouts(90, 250);
    let kind = match scene.dice.between(1, 3) {
        1 => FaultKind::Pause { node: Target::Leader, lasts },
        _ => FaultKind::Split { side: vec![Target::Leader], lasts },
    };
    if scene.dice.percent(35) {
        let kind = FaultKind::Split { side: vec![Target::There], lasts };
        scene.strike_on(scene.at, Moment::Elected, kind);
        scene.strike(scene.at, FaultKind::Crash { node: Target::Leader, lasts: Duration::millis(50) });
    } else {
        scene.strike(scene.at, kind);
    }
    scene.after(lasts)
}

/// An election in which voters lose their power between the vote and its answer and are back within the same term,
/// while a rival's request is still on its way.
fn forgotten_votes(scene: &mut Scene) -> Duration {
    let lasts = scene.timeouts(200, 350);
    let weather = FaultKind::Weather {
        loss: scene.dice.permille(0, 50),
        duplication: scene.dice.permille(0, 300),
        reordering: scene.dice.permille(200, 600),
        delay: scene.timeouts(20, 100),
        lasts,
    };
    scene.strike(scene.at, weather);
    for node in scene.some(scene.nodes / 2) {
        let factor = scene.dice.between(2, 20);
        scene.strike(scene.at, FaultKind::SlowDisk { node, factor, lasts });
    }
    // One after another: all that wait for a moment at the same time would strike the same server.
    let mut at = scene.at;
    for _ in 0..scene.dice.between(1, 3) {
        let down = scene.dice.millis(5, 80);
        scene.strike_on(at, Moment::Voting, FaultKind::PowerLoss { nodes: vec![Target::There], lasts: down });
        at = Duration(at.0 + scene.timeouts(5, 80).0);
    }
    let down = scene.timeouts(100, 200);
    scene.strike(scene.at, FaultKind::Crash { node: Target::Leader, lasts: down });
    scene.after(lasts)
}

/// Votes and requests of one election arrive in a later one.
fn late_votes(scene: &mut Scene) -> Duration {
    let lasts = scene.timeouts(300, 500);
    let weather = FaultKind::Weather {
        loss: scene.dice.permille(0, 80),
        duplication: scene.dice.permille(50, 250),
        reordering: scene.dice.permille(150, 450),
        delay: scene.timeouts(80, 300),
        lasts,
    };
    scene.strike(scene.at, weather);
    let mut at = scene.at;
    for _ in 0..scene.dice.between(2, 3) {
        let stops = scene.timeouts(40, 150);
        let kind = match scene.dice.between(1, 3) {
            1 => FaultKind::Pause { node: Target::Leader, lasts: stops },
            2 => FaultKind::Crash { node: Target::Leader, lasts: stops },
            _ => FaultKind::Split { side: vec![Target::Leader], lasts: stops },
        };
        scene.strike(at, kind);
        at = Duration(at.0 + scene.timeouts(80, 160).0);
    }
    scene.after(lasts)
}

/// Leader after leader falls before it has told a majority, and comes back: figure 8 of the paper.
fn short_leaderships(scene: &mut Scene) -> Duration {
    let count = scene.dice.between(3, 5);
    let mut at = scene.at;
    for _ in 0..count {
        let stops = scene.timeouts(40, 180);
        match scene.dice.between(1, 5) {
            1 => scene.strike_on(
                at,
                Moment::Elected,
                FaultKind::Split { side: vec![Target::There], lasts: stops },
            ),
            2 => scene.strike_on(at, Moment::Elected, FaultKind::Crash { node: Target::There, lasts: stops }),
            3 => scene
                .strike(at, FaultKind::Split { side: vec![Target::Leader, Target::Follower], lasts: stops }),
            4 => scene.strike(at, FaultKind::PowerLoss { nodes: vec![Target::Leader], lasts: stops }),
            _ => scene.strike(at, FaultKind::Crash { node: Target::Leader, lasts: stops }),
        }
        at = Duration(at.0 + scene.timeouts(60, 120).0);
    }
    at
}

/// Messages arrive twice and late while entries stream; then whoever had most of them may be gone.
fn doubled_messages(scene: &mut Scene) -> Duration {
    let lasts = scene.dice.millis(1_500, 5_000);
    let weather = FaultKind::Weather {
        loss: scene.dice.permille(0, 50),
        duplication: scene.dice.permille(100, 400),
        reordering: scene.dice.permille(50, 300),
        delay: scene.dice.millis(5, 400),
        lasts,
    };
    scene.strike(scene.at, weather);
    if scene.dice.percent(50) {
        let at = scene.after(Duration::millis(lasts.0 / 1_000_000 * 3 / 4));
        let kind = FaultKind::Crash { node: Target::Leader, lasts: scene.downtime() };
        scene.strike(at, kind);
    }
    scene.after(lasts)
}

fn bad_weather(scene: &mut Scene) -> Duration {
    let lasts = scene.dice.millis(800, 3_500);
    let weather = FaultKind::Weather {
        loss: scene.dice.permille(50, 250),
        duplication: scene.dice.permille(0, 100),
        reordering: scene.dice.permille(0, 200),
        delay: scene.dice.millis(10, 2_500),
        lasts,
    };
    scene.strike(scene.at, weather);
    scene.after(lasts)
}

/// Some disks become slow, or all of them: what is written and not synced becomes much.
fn slow_disks(scene: &mut Scene) -> Duration {
    let lasts = scene.dice.millis(1_000, 4_000);
    let count = scene.dice.between(1, scene.nodes);
    let factor = scene.dice.between(3, 40);
    for node in scene.some(count) {
        scene.strike(scene.at, FaultKind::SlowDisk { node, factor, lasts });
    }
    if scene.dice.percent(40) {
        let at = scene.after(Duration::millis(lasts.0 / 2_000_000));
        let kind = FaultKind::PowerLoss { nodes: vec![scene.somebody()], lasts: scene.downtime() };
        scene.strike_on(at, Moment::Unsynced, kind);
    }
    scene.after(Duration::millis(lasts.0 / 2_000_000))
}

/// A disk answers nothing for a while; sometimes the power goes before it ever does.
fn stalled_disk(scene: &mut Scene) -> Duration {
    let (node, lasts) = (scene.somebody(), scene.dice.millis(100, 2_000));
    scene.strike(scene.at, FaultKind::StalledDisk { node, lasts });
    if scene.dice.percent(50) {
        let at = scene.after(Duration::millis(lasts.0 / 1_000_000 * 9 / 10));
        let kind = FaultKind::PowerLoss { nodes: vec![node], lasts: scene.downtime() };
        scene.strike(at, kind);
    }
    scene.after(lasts)
}

/// A disk refuses to save for a while, and sometimes the power goes before anybody looks: what was not saved must not
/// have been promised. Sometimes several refuse at once.
fn disk_error(scene: &mut Scene) -> Duration {
    let lasts = scene.dice.millis(50, 1_500);
    let mut struck = vec![scene.somebody()];
    if scene.dice.percent(20) {
        struck = scene.some(scene.nodes / 2);
    }
    for node in struck {
        scene.strike(scene.at, FaultKind::DiskError { node, lasts });
        if scene.dice.percent(40) {
            let at = scene.after(Duration::millis(lasts.0 / 1_000_000 * 9 / 10));
            let kind = FaultKind::PowerLoss { nodes: vec![node], lasts: scene.downtime() };
            scene.strike(at, kind);
        }
    }
    scene.after(lasts)
}

/// A leader with a slow clock is alone for a while, and answers to it may be late: what it was promised must not be
/// counted for longer than the voters count it.
fn lease_outlived(scene: &mut Scene) -> Duration {
    let nodes = scene.nodes;
    let mut at = scene.at;
    for _ in 0..scene.dice.between(1, 3) {
        let alone = scene.timeouts(150, 300);
        if scene.dice.percent(60) {
            // Everybody is fast, but for the leader, which is slow by as much.
            let drift = scene.dice.between(50_000, 200_000) as i64;
            let lasts = Duration(alone.0 * 2);
            let mut strike = |node, drift| scene.strike(at, FaultKind::ClockRate { node, drift, lasts });
            (1..=nodes).for_each(|node| strike(Target::Node(node), drift));
            (0..2).for_each(|_| strike(Target::Leader, -drift));
        }
        if scene.dice.percent(60) {
            let (reordering, delay) =
                (Chance(scene.dice.between(200_000, 800_000) as u32), scene.timeouts(20, 150));
            let (loss, duplication) = (Chance(0), Chance(0));
            scene.strike(at, FaultKind::Weather { loss, duplication, reordering, delay, lasts: delay });
        }
        let cut = Duration(at.0 + scene.timeouts(10, 60).0);
        scene.strike(cut, FaultKind::Split { side: vec![Target::Leader], lasts: alone });
        at = Duration(cut.0 + alone.0 + scene.timeouts(100, 200).0);
    }
    at
}

/// A server hears its leader no more and campaigns; about then the leader hears nobody: it must not be deposed while it
/// counts on those who hear it.
fn rival_beside_a_lease(scene: &mut Scene) -> Duration {
    let (rival, lasts) = (scene.any(), scene.timeouts(150, 300));
    scene.strike(scene.at, FaultKind::Cut { from: Target::Leader, to: rival, lasts });
    let span = scene.timeouts(35, 100);
    let deaf = scene.after(span);
    for other in 1..=scene.nodes {
        let from = Target::Node(other);
        scene.strike(deaf, FaultKind::Cut { from, to: Target::Leader, lasts });
    }
    Duration(deaf.0 + lasts.0)
}

/// Background: it only shows in what else happens.
fn drifting_clocks(scene: &mut Scene) -> Duration {
    let count = scene.dice.between(1, scene.nodes);
    for node in scene.some(count) {
        let most = if scene.dice.percent(10) { 450_000 } else { 200_000 };
        let drift = scene.dice.between(0, 2 * most) as i64 - most as i64;
        let lasts = scene.dice.millis(2_000, 10_000);
        scene.strike(scene.at, FaultKind::ClockRate { node, drift, lasts });
    }
    scene.at
}

/// Background, but for a monotonic clock that jumps over an election timeout.
fn jumping_clocks(scene: &mut Scene) -> Duration {
    if scene.dice.percent(60) {
        let (node, by) = (scene.somebody(), scene.timeouts(5, 250));
        scene.strike(scene.at, FaultKind::ClockJump { node, by });
    }
    if scene.dice.percent(60) {
        let node = scene.somebody();
        let by = scene.dice.between(1, 100_000_000) as i64 * scene.dice.pick(&[-1, 1]);
        scene.strike(scene.at, FaultKind::WallJump { node, by });
    }
    scene.at
}

/// One server that never stays up for long, with its power or without.
fn restless_server(scene: &mut Scene) -> Duration {
    let node = scene.any();
    let mut at = scene.at;
    for _ in 0..scene.dice.between(2, 5) {
        let lasts = scene.dice.millis(10, 300);
        let kind = if scene.dice.percent(60) {
            FaultKind::PowerLoss { nodes: vec![node], lasts }
        } else {
            FaultKind::Crash { node, lasts }
        };
        scene.strike(at, kind);
        at = Duration(at.0 + lasts.0 + scene.dice.millis(100, 700).0);
    }
    at
}

/// The power of a server with a slow disk goes, comes back for less than a sync takes, and goes again: what recovery found,
/// or cut, is not durable yet, and several records are on their way.
fn flickering_power(scene: &mut Scene) -> Duration {
    let node = scene.any();
    let lasts = scene.dice.millis(1_000, 2_000);
    let factor = scene.dice.between(5, 40);
    scene.strike(scene.at, FaultKind::SlowDisk { node, factor, lasts });
    let mut at = Duration(scene.at.0 + scene.dice.millis(5, 200).0);
    for _ in 0..scene.dice.between(2, 6) {
        let lasts = scene.dice.millis(1, 10);
        scene.strike(at, FaultKind::PowerLoss { nodes: vec![node], lasts });
        at = Duration(at.0 + lasts.0 + scene.dice.millis(1, 80).0);
    }
    at
}
