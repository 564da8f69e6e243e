//! Episodes: a few faults that belong together, each written because some kind of bug needs just that.

use super::plan_rng::PlanRng;
use super::{Fault, FaultKind, Probability, SimDuration, Target, Trigger};

/// Writes an episode's faults and says when it is over; what only colours the background is over at once.
pub(super) type Episode = fn(&mut EpisodeBuilder) -> SimDuration;

/// All episodes, each with how often it comes where it exists.
pub(super) const EPISODES: [(u64, Episode); 24] = [
    (6, crash),
    (4, crash_on_trigger),
    (6, power_loss),
    (3, power_loss_of_majority),
    (6, power_loss_on_trigger),
    (4, pause),
    (5, one_way_partitions),
    (4, partition),
    (6, partitioned_leader_with_uncommitted_tail),
    (4, brief_leader_isolation),
    (4, power_loss_after_vote),
    (4, delayed_votes),
    (4, rapid_leader_changes),
    (4, duplicated_messages),
    (3, degraded_network),
    (3, slow_disks),
    (4, stalled_disk),
    (5, clock_drift),
    (9, clock_jumps),
    (3, repeated_restarts),
    (4, repeated_power_loss),
    (4, disk_error),
    (6, isolated_leader_with_lease),
    (1, candidate_during_lease),
];

/// Where an episode writes its faults.
pub(super) struct EpisodeBuilder<'a> {
    /// The episode's own chance.
    pub(super) rng: PlanRng,
    /// How many servers there are.
    pub(super) nodes: u64,
    /// The largest election timeout.
    pub(super) timeout: SimDuration,
    /// When the episode begins.
    pub(super) at: SimDuration,
    /// What breaks.
    pub(super) faults: &'a mut Vec<Fault>,
}

impl EpisodeBuilder<'_> {
    /// So long after the episode began.
    pub(super) fn after(&self, span: SimDuration) -> SimDuration {
        SimDuration(self.at.0 + span.0)
    }

    pub(super) fn add_fault(&mut self, at: SimDuration, kind: FaultKind) {
        self.faults.push(Fault { at, on: None, kind });
    }

    pub(super) fn add_fault_on(&mut self, at: SimDuration, moment: Trigger, kind: FaultKind) {
        self.faults.push(Fault { at, on: Some(moment), kind });
    }

    pub(super) fn any_node(&mut self) -> Target {
        Target::Node(self.rng.in_range(1, self.nodes))
    }

    /// Somebody, and the leader more often than anybody else.
    pub(super) fn pick_target(&mut self) -> Target {
        let any = self.any_node();
        self.rng.pick_weighted(&[
            (5, Target::Leader),
            (2, Target::Follower),
            (1, Target::LongestLog),
            (4, any),
        ])
    }

    /// So many different servers.
    pub(super) fn distinct_nodes(&mut self, count: u64) -> Vec<Target> {
        let mut left: Vec<u64> = (1..=self.nodes).collect();
        let mut chosen: Vec<u64> =
            (0..count).map(|_| left.remove(self.rng.in_range(0, left.len() as u64 - 1) as usize)).collect();
        chosen.sort_unstable();
        chosen.into_iter().map(Target::Node).collect()
    }

    /// A stop: often shorter than an election takes, sometimes much longer.
    pub(super) fn downtime(&mut self) -> SimDuration {
        if self.rng.chance_percent(60) { self.rng.millis(20, 400) } else { self.rng.millis(500, 3_000) }
    }

    /// So many percent of the largest election timeout, in whole milliseconds.
    pub(super) fn random_timeout_percent(&mut self, least: u64, most: u64) -> SimDuration {
        SimDuration::millis(self.timeout.0 / 1_000_000 * self.rng.in_range(least, most) / 100)
    }
}

impl EpisodeBuilder<'_> {
    /// So many percent of the largest election timeout.
    pub(super) fn timeout_percent(&self, percent: u64) -> SimDuration {
        SimDuration(self.timeout.0 / 100 * percent)
    }
}

fn crash(scene: &mut EpisodeBuilder) -> SimDuration {
    let (node, lasts) = (scene.pick_target(), scene.downtime());
    scene.add_fault(scene.at, FaultKind::Crash { node, lasts });
    scene.after(lasts)
}

fn crash_on_trigger(scene: &mut EpisodeBuilder) -> SimDuration {
    let moment = scene.rng.pick(&Trigger::ALL);
    let lasts = scene.downtime();
    scene.add_fault_on(scene.at, moment, FaultKind::Crash { node: Target::TriggerNode, lasts });
    scene.after(lasts)
}

fn power_loss(scene: &mut EpisodeBuilder) -> SimDuration {
    let (node, lasts) = (scene.pick_target(), scene.downtime());
    scene.add_fault(scene.at, FaultKind::PowerLoss { nodes: vec![node], lasts });
    scene.after(lasts)
}

/// What a majority promised must not have been in its page cache only.
fn power_loss_of_majority(scene: &mut EpisodeBuilder) -> SimDuration {
    let lasts = scene.rng.millis(20, 900);
    let majority = scene.nodes / 2 + 1;
    let nodes = if scene.rng.chance_percent(50) { Vec::new() } else { scene.distinct_nodes(majority) };
    scene.add_fault(scene.at, FaultKind::PowerLoss { nodes, lasts });
    scene.after(lasts)
}

/// Between a write and its sync, between a vote and its answer: once or several times in a row.
fn power_loss_on_trigger(scene: &mut EpisodeBuilder) -> SimDuration {
    let moment = scene.rng.pick(&Trigger::ALL);
    let mut at = scene.at;
    for _ in 0..scene.rng.in_range(1, 3) {
        let lasts = scene.rng.millis(10, 500);
        scene.add_fault_on(at, moment, FaultKind::PowerLoss { nodes: vec![Target::TriggerNode], lasts });
        at = SimDuration(at.0 + lasts.0 + scene.random_timeout_percent(10, 100).0);
    }
    at
}

/// A leader that stood still goes on as if it still led.
fn pause(scene: &mut EpisodeBuilder) -> SimDuration {
    let (node, lasts) = (scene.pick_target(), scene.random_timeout_percent(30, 250));
    scene.add_fault(scene.at, FaultKind::Pause { node, lasts });
    scene.after(lasts)
}

/// Some links pass nothing, in one direction.
fn one_way_partitions(scene: &mut EpisodeBuilder) -> SimDuration {
    let lasts = scene.rng.millis(300, 3_000);
    let one = scene.rng.in_range(1, scene.nodes);
    let far_ends: Vec<u64> = (1..=scene.nodes).filter(|&other| other != one).collect();
    let hears = scene.rng.chance_percent(50);
    for other in far_ends {
        if scene.rng.chance_percent(60) {
            let (one, other) = (Target::Node(one), Target::Node(other));
            let (from, to) = if hears { (one, other) } else { (other, one) };
            scene.add_fault(scene.at, FaultKind::Cut { from, to, lasts });
        }
    }
    if scene.rng.chance_percent(40) {
        scene.add_fault(scene.at, FaultKind::Cut { from: Target::Follower, to: Target::Leader, lasts });
    }
    scene.after(lasts)
}

fn partition(scene: &mut EpisodeBuilder) -> SimDuration {
    let lasts = scene.rng.millis(500, 4_000);
    let count = scene.rng.in_range(1, scene.nodes / 2);
    let side = scene.distinct_nodes(count);
    scene.add_fault(scene.at, FaultKind::Split { side, lasts });
    scene.after(lasts)
}

/// A leader cut off goes on appending, alone or with a friend, while the others elect another. Sometimes that other one
/// is gone just before the split heals: then the longest log is the deposed leader's, and it must not win.
fn partitioned_leader_with_uncommitted_tail(scene: &mut EpisodeBuilder) -> SimDuration {
    let lasts = scene.rng.millis(2_000, 5_000);
    let friends = scene.nodes >= 5 && scene.rng.chance_percent(40);
    let side = if friends { vec![Target::Leader, Target::Follower] } else { vec![Target::Leader] };
    scene.add_fault(scene.at, FaultKind::Split { side, lasts });
    if scene.rng.chance_percent(60) {
        let before = scene.random_timeout_percent(5, 60);
        let stops = scene.rng.millis(200, 1_500);
        let at = SimDuration(scene.at.0 + lasts.0 - before.0.min(lasts.0));
        let kind = match scene.rng.in_range(1, 3) {
            1 => FaultKind::Pause { node: Target::Leader, lasts: stops },
            2 => FaultKind::Crash { node: Target::Leader, lasts: stops },
            _ => FaultKind::PowerLoss { nodes: vec![Target::Leader], lasts: stops },
        };
        scene.add_fault(at, kind);
    }
    scene.after(lasts)
}

/// Just long enough for another leader: whoever asks the old one to read must not be told what was true before.
fn brief_leader_isolation(scene: &mut EpisodeBuilder) -> SimDuration {
    let lasts = scene.random_timeout_percent(90, 250);
    let kind = match scene.rng.in_range(1, 3) {
        1 => FaultKind::Pause { node: Target::Leader, lasts },
        _ => FaultKind::Split { side: vec![Target::Leader], lasts },
    };
    if scene.rng.chance_percent(35) {
        let kind = FaultKind::Split { side: vec![Target::TriggerNode], lasts };
        scene.add_fault_on(scene.at, Trigger::Elected, kind);
        scene.add_fault(scene.at, FaultKind::Crash { node: Target::Leader, lasts: SimDuration::millis(50) });
    } else {
        scene.add_fault(scene.at, kind);
    }
    scene.after(lasts)
}

/// An election in which voters lose their power between the vote and its answer and are back within the same term,
/// while a rival's request is still on its way.
fn power_loss_after_vote(scene: &mut EpisodeBuilder) -> SimDuration {
    let lasts = scene.random_timeout_percent(200, 350);
    let weather = FaultKind::Weather {
        loss: scene.rng.permille(0, 50),
        duplication: scene.rng.permille(0, 300),
        reordering: scene.rng.permille(200, 600),
        delay: scene.random_timeout_percent(20, 100),
        lasts,
    };
    scene.add_fault(scene.at, weather);
    for node in scene.distinct_nodes(scene.nodes / 2) {
        let factor = scene.rng.in_range(2, 20);
        scene.add_fault(scene.at, FaultKind::SlowDisk { node, factor, lasts });
    }
    // One after another: all that wait for a moment at the same time would strike the same server.
    let mut at = scene.at;
    for _ in 0..scene.rng.in_range(1, 3) {
        let down = scene.rng.millis(5, 80);
        scene.add_fault_on(
            at,
            Trigger::Voting,
            FaultKind::PowerLoss { nodes: vec![Target::TriggerNode], lasts: down },
        );
        at = SimDuration(at.0 + scene.random_timeout_percent(5, 80).0);
    }
    let down = scene.random_timeout_percent(100, 200);
    scene.add_fault(scene.at, FaultKind::Crash { node: Target::Leader, lasts: down });
    scene.after(lasts)
}

/// Votes and requests of one election arrive in a later one.
fn delayed_votes(scene: &mut EpisodeBuilder) -> SimDuration {
    let lasts = scene.random_timeout_percent(300, 500);
    let weather = FaultKind::Weather {
        loss: scene.rng.permille(0, 80),
        duplication: scene.rng.permille(50, 250),
        reordering: scene.rng.permille(150, 450),
        delay: scene.random_timeout_percent(80, 300),
        lasts,
    };
    scene.add_fault(scene.at, weather);
    let mut at = scene.at;
    for _ in 0..scene.rng.in_range(2, 3) {
        let stops = scene.random_timeout_percent(40, 150);
        let kind = match scene.rng.in_range(1, 3) {
            1 => FaultKind::Pause { node: Target::Leader, lasts: stops },
            2 => FaultKind::Crash { node: Target::Leader, lasts: stops },
            _ => FaultKind::Split { side: vec![Target::Leader], lasts: stops },
        };
        scene.add_fault(at, kind);
        at = SimDuration(at.0 + scene.random_timeout_percent(80, 160).0);
    }
    scene.after(lasts)
}

/// Leader after leader falls before it has told a majority, and comes back: figure 8 of the paper.
fn rapid_leader_changes(scene: &mut EpisodeBuilder) -> SimDuration {
    let count = scene.rng.in_range(3, 5);
    let mut at = scene.at;
    for _ in 0..count {
        let stops = scene.random_timeout_percent(40, 180);
        match scene.rng.in_range(1, 5) {
            1 => scene.add_fault_on(
                at,
                Trigger::Elected,
                FaultKind::Split { side: vec![Target::TriggerNode], lasts: stops },
            ),
            2 => scene.add_fault_on(
                at,
                Trigger::Elected,
                FaultKind::Crash { node: Target::TriggerNode, lasts: stops },
            ),
            3 => scene.add_fault(
                at,
                FaultKind::Split { side: vec![Target::Leader, Target::Follower], lasts: stops },
            ),
            4 => scene.add_fault(at, FaultKind::PowerLoss { nodes: vec![Target::Leader], lasts: stops }),
            _ => scene.add_fault(at, FaultKind::Crash { node: Target::Leader, lasts: stops }),
        }
        at = SimDuration(at.0 + scene.random_timeout_percent(60, 120).0);
    }
    at
}

/// Messages arrive twice and late while entries stream; then whoever had most of them may be gone.
fn duplicated_messages(scene: &mut EpisodeBuilder) -> SimDuration {
    let lasts = scene.rng.millis(1_500, 5_000);
    let weather = FaultKind::Weather {
        loss: scene.rng.permille(0, 50),
        duplication: scene.rng.permille(100, 400),
        reordering: scene.rng.permille(50, 300),
        delay: scene.rng.millis(5, 400),
        lasts,
    };
    scene.add_fault(scene.at, weather);
    if scene.rng.chance_percent(50) {
        let at = scene.after(SimDuration::millis(lasts.0 / 1_000_000 * 3 / 4));
        let kind = FaultKind::Crash { node: Target::Leader, lasts: scene.downtime() };
        scene.add_fault(at, kind);
    }
    scene.after(lasts)
}

fn degraded_network(scene: &mut EpisodeBuilder) -> SimDuration {
    let lasts = scene.rng.millis(800, 3_500);
    let weather = FaultKind::Weather {
        loss: scene.rng.permille(50, 250),
        duplication: scene.rng.permille(0, 100),
        reordering: scene.rng.permille(0, 200),
        delay: scene.rng.millis(10, 2_500),
        lasts,
    };
    scene.add_fault(scene.at, weather);
    scene.after(lasts)
}

/// Some disks become slow, or all of them: what is written and not synced becomes much.
fn slow_disks(scene: &mut EpisodeBuilder) -> SimDuration {
    let lasts = scene.rng.millis(1_000, 4_000);
    let count = scene.rng.in_range(1, scene.nodes);
    let factor = scene.rng.in_range(3, 40);
    for node in scene.distinct_nodes(count) {
        scene.add_fault(scene.at, FaultKind::SlowDisk { node, factor, lasts });
    }
    if scene.rng.chance_percent(40) {
        let at = scene.after(SimDuration::millis(lasts.0 / 2_000_000));
        let kind = FaultKind::PowerLoss { nodes: vec![scene.pick_target()], lasts: scene.downtime() };
        scene.add_fault_on(at, Trigger::Unsynced, kind);
    }
    scene.after(SimDuration::millis(lasts.0 / 2_000_000))
}

/// A disk answers nothing for a while; sometimes the power goes before it ever does.
fn stalled_disk(scene: &mut EpisodeBuilder) -> SimDuration {
    let (node, lasts) = (scene.pick_target(), scene.rng.millis(100, 2_000));
    scene.add_fault(scene.at, FaultKind::StalledDisk { node, lasts });
    if scene.rng.chance_percent(50) {
        let at = scene.after(SimDuration::millis(lasts.0 / 1_000_000 * 9 / 10));
        let kind = FaultKind::PowerLoss { nodes: vec![node], lasts: scene.downtime() };
        scene.add_fault(at, kind);
    }
    scene.after(lasts)
}

/// A disk refuses to save for a while, and sometimes the power goes before anybody looks: what was not saved must not
/// have been promised. Sometimes several refuse at once.
fn disk_error(scene: &mut EpisodeBuilder) -> SimDuration {
    let lasts = scene.rng.millis(50, 1_500);
    let mut struck = vec![scene.pick_target()];
    if scene.rng.chance_percent(20) {
        struck = scene.distinct_nodes(scene.nodes / 2);
    }
    for node in struck {
        scene.add_fault(scene.at, FaultKind::DiskError { node, lasts });
        if scene.rng.chance_percent(40) {
            let at = scene.after(SimDuration::millis(lasts.0 / 1_000_000 * 9 / 10));
            let kind = FaultKind::PowerLoss { nodes: vec![node], lasts: scene.downtime() };
            scene.add_fault(at, kind);
        }
    }
    scene.after(lasts)
}

/// A leader with a slow clock is alone for a while, and answers to it may be late: what it was promised must not be
/// counted for longer than the voters count it.
fn isolated_leader_with_lease(scene: &mut EpisodeBuilder) -> SimDuration {
    let nodes = scene.nodes;
    let mut at = scene.at;
    for _ in 0..scene.rng.in_range(1, 3) {
        let alone = scene.random_timeout_percent(150, 300);
        if scene.rng.chance_percent(60) {
            // Everybody is fast, but for the leader, which is slow by as much.
            let drift = scene.rng.in_range(50_000, 200_000) as i64;
            let lasts = SimDuration(alone.0 * 2);
            let mut strike = |node, drift| scene.add_fault(at, FaultKind::ClockRate { node, drift, lasts });
            (1..=nodes).for_each(|node| strike(Target::Node(node), drift));
            (0..2).for_each(|_| strike(Target::Leader, -drift));
        }
        if scene.rng.chance_percent(60) {
            let (reordering, delay) = (
                Probability(scene.rng.in_range(200_000, 800_000) as u32),
                scene.random_timeout_percent(20, 150),
            );
            let (loss, duplication) = (Probability(0), Probability(0));
            scene.add_fault(at, FaultKind::Weather { loss, duplication, reordering, delay, lasts: delay });
        }
        let cut = SimDuration(at.0 + scene.random_timeout_percent(10, 60).0);
        scene.add_fault(cut, FaultKind::Split { side: vec![Target::Leader], lasts: alone });
        at = SimDuration(cut.0 + alone.0 + scene.random_timeout_percent(100, 200).0);
    }
    at
}

/// A server hears its leader no more and campaigns; about then the leader hears nobody: it must not be deposed while it
/// counts on those who hear it.
fn candidate_during_lease(scene: &mut EpisodeBuilder) -> SimDuration {
    let (rival, lasts) = (scene.any_node(), scene.random_timeout_percent(150, 300));
    scene.add_fault(scene.at, FaultKind::Cut { from: Target::Leader, to: rival, lasts });
    let span = scene.random_timeout_percent(35, 100);
    let deaf = scene.after(span);
    for other in 1..=scene.nodes {
        let from = Target::Node(other);
        scene.add_fault(deaf, FaultKind::Cut { from, to: Target::Leader, lasts });
    }
    SimDuration(deaf.0 + lasts.0)
}

/// Background: it only shows in what else happens.
fn clock_drift(scene: &mut EpisodeBuilder) -> SimDuration {
    let count = scene.rng.in_range(1, scene.nodes);
    for node in scene.distinct_nodes(count) {
        let most = if scene.rng.chance_percent(10) { 450_000 } else { 200_000 };
        let drift = scene.rng.in_range(0, 2 * most) as i64 - most as i64;
        let lasts = scene.rng.millis(2_000, 10_000);
        scene.add_fault(scene.at, FaultKind::ClockRate { node, drift, lasts });
    }
    scene.at
}

/// Background, but for a monotonic clock that jumps over an election timeout.
fn clock_jumps(scene: &mut EpisodeBuilder) -> SimDuration {
    if scene.rng.chance_percent(60) {
        let (node, by) = (scene.pick_target(), scene.random_timeout_percent(5, 250));
        scene.add_fault(scene.at, FaultKind::ClockJump { node, by });
    }
    if scene.rng.chance_percent(60) {
        let node = scene.pick_target();
        let by = scene.rng.in_range(1, 100_000_000) as i64 * scene.rng.pick(&[-1, 1]);
        scene.add_fault(scene.at, FaultKind::WallJump { node, by });
    }
    scene.at
}

/// One server that never stays up for long, with its power or without.
fn repeated_restarts(scene: &mut EpisodeBuilder) -> SimDuration {
    let node = scene.any_node();
    let mut at = scene.at;
    for _ in 0..scene.rng.in_range(2, 5) {
        let lasts = scene.rng.millis(10, 300);
        let kind = if scene.rng.chance_percent(60) {
            FaultKind::PowerLoss { nodes: vec![node], lasts }
        } else {
            FaultKind::Crash { node, lasts }
        };
        scene.add_fault(at, kind);
        at = SimDuration(at.0 + lasts.0 + scene.rng.millis(100, 700).0);
    }
    at
}

/// The power of a server with a slow disk goes, comes back for less than a sync takes, and goes again: what recovery found,
/// or cut, is not durable yet, and several records are on their way.
fn repeated_power_loss(scene: &mut EpisodeBuilder) -> SimDuration {
    let node = scene.any_node();
    let lasts = scene.rng.millis(1_000, 2_000);
    let factor = scene.rng.in_range(5, 40);
    scene.add_fault(scene.at, FaultKind::SlowDisk { node, factor, lasts });
    let mut at = SimDuration(scene.at.0 + scene.rng.millis(5, 200).0);
    for _ in 0..scene.rng.in_range(2, 6) {
        let lasts = scene.rng.millis(1, 10);
        scene.add_fault(at, FaultKind::PowerLoss { nodes: vec![node], lasts });
        at = SimDuration(at.0 + lasts.0 + scene.rng.millis(1, 80).0);
    }
    at
}
