//! Episodes: a few related faults, each written to expose a certain kind of bug.

use super::faults::{
    ClockJump, ClockRate, Crash, DegradedNetwork, DiskError, MidStepCrash, OneWayPartition, Partition, Pause,
    PowerLoss, SlowDisk, StalledDisk, WallJump,
};
use super::plan_rng::PlanRng;
use super::{Fault, FaultKind, Probability, SimDuration, Target, Trigger};

/// Adds an episode's faults and returns its end. An episode that only sets background conditions ends at its start.
pub(super) type Episode = fn(&mut EpisodeBuilder) -> SimDuration;

/// All episodes, each with its weight.
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

/// Collects the faults of one episode.
pub(super) struct EpisodeBuilder<'a> {
    /// The episode's own random stream.
    pub(super) rng: PlanRng,
    /// The number of servers.
    pub(super) nodes: u64,
    /// The longest election timeout.
    pub(super) timeout: SimDuration,
    /// The start of the episode.
    pub(super) at: SimDuration,
    /// All faults of the plan.
    pub(super) faults: &'a mut Vec<Fault>,
}

impl EpisodeBuilder<'_> {
    /// The time `span` after the start.
    pub(super) fn after(&self, span: SimDuration) -> SimDuration {
        SimDuration(self.at.0 + span.0)
    }

    pub(super) fn add_fault(&mut self, at: SimDuration, kind: impl Into<FaultKind>) {
        self.faults.push(Fault { at, on: None, kind: kind.into() });
    }

    pub(super) fn add_fault_on(&mut self, at: SimDuration, trigger: Trigger, kind: impl Into<FaultKind>) {
        self.faults.push(Fault { at, on: Some(trigger), kind: kind.into() });
    }

    pub(super) fn any_node(&mut self) -> Target {
        Target::Node(self.rng.in_range(1, self.nodes))
    }

    /// A target, most often the leader.
    pub(super) fn pick_target(&mut self) -> Target {
        let any = self.any_node();
        self.rng.pick_weighted(&[
            (5, Target::Leader),
            (2, Target::Follower),
            (1, Target::LongestLog),
            (2, Target::NextLeader),
            (1, Target::SlowestDisk),
            (4, any),
        ])
    }

    /// `count` different servers.
    pub(super) fn distinct_nodes(&mut self, count: u64) -> Vec<Target> {
        let mut left: Vec<u64> = (1..=self.nodes).collect();
        let mut chosen: Vec<u64> =
            (0..count).map(|_| left.remove(self.rng.in_range(0, left.len() as u64 - 1) as usize)).collect();
        chosen.sort_unstable();
        chosen.into_iter().map(Target::Node).collect()
    }

    /// A downtime: often shorter than an election, sometimes much longer.
    pub(super) fn downtime(&mut self) -> SimDuration {
        if self.rng.chance_percent(60) { self.rng.millis(20, 400) } else { self.rng.millis(500, 3_000) }
    }

    /// A crash in the middle of a step, mostly of the next one or the one after.
    fn mid_step_crash(&mut self, node: Target, power_loss: bool, lasts: SimDuration) -> FaultKind {
        let most = self.rng.pick(&[1, 3, 3, 8, 20]);
        let effects = self.rng.in_range(0, most);
        FaultKind::MidStepCrash(MidStepCrash { node, effects, power_loss, lasts })
    }

    /// Between `least` and `most` percent of the longest election timeout, in whole milliseconds.
    pub(super) fn random_timeout_percent(&mut self, least: u64, most: u64) -> SimDuration {
        SimDuration::millis(self.timeout.0 / 1_000_000 * self.rng.in_range(least, most) / 100)
    }
}

impl EpisodeBuilder<'_> {
    /// `percent` of the longest election timeout.
    pub(super) fn timeout_percent(&self, percent: u64) -> SimDuration {
        SimDuration(self.timeout.0 / 100 * percent)
    }
}

fn crash(episode: &mut EpisodeBuilder) -> SimDuration {
    let (node, lasts) = (episode.pick_target(), episode.downtime());
    episode.add_fault(episode.at, Crash { node, lasts });
    episode.after(lasts)
}

fn crash_on_trigger(episode: &mut EpisodeBuilder) -> SimDuration {
    let trigger = episode.rng.pick(&Trigger::ALL);
    let lasts = episode.downtime();
    let kind = if episode.rng.chance_percent(40) {
        episode.mid_step_crash(Target::TriggerNode, false, lasts)
    } else {
        FaultKind::Crash(Crash { node: Target::TriggerNode, lasts })
    };
    episode.add_fault_on(episode.at, trigger, kind);
    episode.after(lasts)
}

fn power_loss(episode: &mut EpisodeBuilder) -> SimDuration {
    let (node, lasts) = (episode.pick_target(), episode.downtime());
    episode.add_fault(episode.at, PowerLoss { nodes: vec![node], lasts });
    episode.after(lasts)
}

/// A majority loses power: what it acknowledged must not have been in page caches only.
fn power_loss_of_majority(episode: &mut EpisodeBuilder) -> SimDuration {
    let lasts = episode.rng.millis(20, 900);
    let majority = episode.nodes / 2 + 1;
    let nodes = if episode.rng.chance_percent(50) { Vec::new() } else { episode.distinct_nodes(majority) };
    episode.add_fault(episode.at, PowerLoss { nodes, lasts });
    episode.after(lasts)
}

/// Power loss at a trigger (between a write and its sync, a vote and its response, ...), once or several times in a
/// row.
fn power_loss_on_trigger(episode: &mut EpisodeBuilder) -> SimDuration {
    let trigger = episode.rng.pick(&Trigger::ALL);
    let mut at = episode.at;
    for _ in 0..episode.rng.in_range(1, 3) {
        let lasts = episode.rng.millis(10, 500);
        let kind = if episode.rng.chance_percent(35) {
            episode.mid_step_crash(Target::TriggerNode, true, lasts)
        } else {
            FaultKind::PowerLoss(PowerLoss { nodes: vec![Target::TriggerNode], lasts })
        };
        episode.add_fault_on(at, trigger, kind);
        at = SimDuration(at.0 + lasts.0 + episode.random_timeout_percent(10, 100).0);
    }
    at
}

/// A paused leader continues as if it still led.
fn pause(episode: &mut EpisodeBuilder) -> SimDuration {
    let (node, lasts) = (episode.pick_target(), episode.random_timeout_percent(30, 250));
    episode.add_fault(episode.at, Pause { node, lasts });
    episode.after(lasts)
}

/// Some links to or from one server are blocked in one direction.
fn one_way_partitions(episode: &mut EpisodeBuilder) -> SimDuration {
    let lasts = episode.rng.millis(300, 3_000);
    let server = episode.rng.in_range(1, episode.nodes);
    let others: Vec<u64> = (1..=episode.nodes).filter(|&other| other != server).collect();
    let is_outbound = episode.rng.chance_percent(50);
    for other in others {
        if episode.rng.chance_percent(60) {
            let (server, other) = (Target::Node(server), Target::Node(other));
            let (from, to) = if is_outbound { (server, other) } else { (other, server) };
            episode.add_fault(episode.at, OneWayPartition { from, to, lasts });
        }
    }
    if episode.rng.chance_percent(40) {
        episode.add_fault(episode.at, OneWayPartition { from: Target::Follower, to: Target::Leader, lasts });
    }
    episode.after(lasts)
}

fn partition(episode: &mut EpisodeBuilder) -> SimDuration {
    let lasts = episode.rng.millis(500, 4_000);
    let count = episode.rng.in_range(1, episode.nodes / 2);
    let side = episode.distinct_nodes(count);
    episode.add_fault(episode.at, Partition { side, lasts });
    episode.after(lasts)
}

/// An isolated leader, alone or with one follower, keeps appending while the others elect another leader. Sometimes the
/// new leader crashes just before the partition heals: the deposed leader then has the longest log and must not win.
fn partitioned_leader_with_uncommitted_tail(episode: &mut EpisodeBuilder) -> SimDuration {
    let lasts = episode.rng.millis(2_000, 5_000);
    let has_follower = episode.nodes >= 5 && episode.rng.chance_percent(40);
    let side = if has_follower { vec![Target::Leader, Target::Follower] } else { vec![Target::Leader] };
    episode.add_fault(episode.at, Partition { side, lasts });
    if episode.rng.chance_percent(60) {
        let before = episode.random_timeout_percent(5, 60);
        let downtime = episode.rng.millis(200, 1_500);
        let at = SimDuration(episode.at.0 + lasts.0 - before.0.min(lasts.0));
        let kind = match episode.rng.in_range(1, 3) {
            1 => FaultKind::Pause(Pause { node: Target::Leader, lasts: downtime }),
            2 => FaultKind::Crash(Crash { node: Target::Leader, lasts: downtime }),
            _ => FaultKind::PowerLoss(PowerLoss { nodes: vec![Target::Leader], lasts: downtime }),
        };
        episode.add_fault(at, kind);
    }
    episode.after(lasts)
}

/// An isolation just long enough to elect another leader: reads at the old leader must not return stale data.
fn brief_leader_isolation(episode: &mut EpisodeBuilder) -> SimDuration {
    let lasts = episode.random_timeout_percent(90, 250);
    let kind = match episode.rng.in_range(1, 3) {
        1 => FaultKind::Pause(Pause { node: Target::Leader, lasts }),
        _ => FaultKind::Partition(Partition { side: vec![Target::Leader], lasts }),
    };
    if episode.rng.chance_percent(35) {
        let kind = FaultKind::Partition(Partition { side: vec![Target::TriggerNode], lasts });
        episode.add_fault_on(episode.at, Trigger::Elected, kind);
        episode.add_fault(episode.at, Crash { node: Target::Leader, lasts: SimDuration::millis(50) });
    } else {
        episode.add_fault(episode.at, kind);
    }
    episode.after(lasts)
}

/// An election in which voters lose power between the vote and its response, and are back in the same term while
/// another candidate's request is still in flight.
fn power_loss_after_vote(episode: &mut EpisodeBuilder) -> SimDuration {
    let lasts = episode.random_timeout_percent(200, 350);
    let degraded = FaultKind::DegradedNetwork(DegradedNetwork {
        loss: episode.rng.permille(0, 50),
        duplication: episode.rng.permille(0, 300),
        reordering: episode.rng.permille(200, 600),
        delay: episode.random_timeout_percent(20, 100),
        lasts,
    });
    episode.add_fault(episode.at, degraded);
    for node in episode.distinct_nodes(episode.nodes / 2) {
        let factor = episode.rng.in_range(2, 20);
        episode.add_fault(episode.at, SlowDisk { node, factor, lasts });
    }
    // One after another: faults that wait for the same trigger at the same time would all hit the same server.
    let mut at = episode.at;
    for _ in 0..episode.rng.in_range(1, 3) {
        let downtime = episode.rng.millis(5, 80);
        episode.add_fault_on(
            at,
            Trigger::Voting,
            PowerLoss { nodes: vec![Target::TriggerNode], lasts: downtime },
        );
        at = SimDuration(at.0 + episode.random_timeout_percent(5, 80).0);
    }
    let downtime = episode.random_timeout_percent(100, 200);
    episode.add_fault(episode.at, Crash { node: Target::Leader, lasts: downtime });
    episode.after(lasts)
}

/// Votes and vote requests of one election arrive in a later one.
fn delayed_votes(episode: &mut EpisodeBuilder) -> SimDuration {
    let lasts = episode.random_timeout_percent(300, 500);
    let degraded = FaultKind::DegradedNetwork(DegradedNetwork {
        loss: episode.rng.permille(0, 80),
        duplication: episode.rng.permille(50, 250),
        reordering: episode.rng.permille(150, 450),
        delay: episode.random_timeout_percent(80, 300),
        lasts,
    });
    episode.add_fault(episode.at, degraded);
    let mut at = episode.at;
    for _ in 0..episode.rng.in_range(2, 3) {
        let downtime = episode.random_timeout_percent(40, 150);
        let kind = match episode.rng.in_range(1, 3) {
            1 => FaultKind::Pause(Pause { node: Target::Leader, lasts: downtime }),
            2 => FaultKind::Crash(Crash { node: Target::Leader, lasts: downtime }),
            _ => FaultKind::Partition(Partition { side: vec![Target::Leader], lasts: downtime }),
        };
        episode.add_fault(at, kind);
        at = SimDuration(at.0 + episode.random_timeout_percent(80, 160).0);
    }
    episode.after(lasts)
}

/// One leader after another crashes before its entries reach a majority, and comes back (figure 8 of the paper).
fn rapid_leader_changes(episode: &mut EpisodeBuilder) -> SimDuration {
    let count = episode.rng.in_range(3, 5);
    let mut at = episode.at;
    for _ in 0..count {
        let downtime = episode.random_timeout_percent(40, 180);
        match episode.rng.in_range(1, 5) {
            1 => episode.add_fault_on(
                at,
                Trigger::Elected,
                Partition { side: vec![Target::TriggerNode], lasts: downtime },
            ),
            2 => episode.add_fault_on(
                at,
                Trigger::Elected,
                Crash { node: Target::TriggerNode, lasts: downtime },
            ),
            3 => episode
                .add_fault(at, Partition { side: vec![Target::Leader, Target::Follower], lasts: downtime }),
            4 => episode.add_fault(at, PowerLoss { nodes: vec![Target::Leader], lasts: downtime }),
            _ => episode.add_fault(at, Crash { node: Target::Leader, lasts: downtime }),
        }
        at = SimDuration(at.0 + episode.random_timeout_percent(60, 120).0);
    }
    at
}

/// Messages are duplicated and delayed during replication; then the leader may crash.
fn duplicated_messages(episode: &mut EpisodeBuilder) -> SimDuration {
    let lasts = episode.rng.millis(1_500, 5_000);
    let degraded = FaultKind::DegradedNetwork(DegradedNetwork {
        loss: episode.rng.permille(0, 50),
        duplication: episode.rng.permille(100, 400),
        reordering: episode.rng.permille(50, 300),
        delay: episode.rng.millis(5, 400),
        lasts,
    });
    episode.add_fault(episode.at, degraded);
    if episode.rng.chance_percent(50) {
        let at = episode.after(SimDuration::millis(lasts.0 / 1_000_000 * 3 / 4));
        let kind = FaultKind::Crash(Crash { node: Target::Leader, lasts: episode.downtime() });
        episode.add_fault(at, kind);
    }
    episode.after(lasts)
}

fn degraded_network(episode: &mut EpisodeBuilder) -> SimDuration {
    let lasts = episode.rng.millis(800, 3_500);
    let degraded = FaultKind::DegradedNetwork(DegradedNetwork {
        loss: episode.rng.permille(50, 250),
        duplication: episode.rng.permille(0, 100),
        reordering: episode.rng.permille(0, 200),
        delay: episode.rng.millis(10, 2_500),
        lasts,
    });
    episode.add_fault(episode.at, degraded);
    episode.after(lasts)
}

/// Some or all disks are slow, so that many writes are unsynced at the same time.
fn slow_disks(episode: &mut EpisodeBuilder) -> SimDuration {
    let lasts = episode.rng.millis(1_000, 4_000);
    let count = episode.rng.in_range(1, episode.nodes);
    let factor = episode.rng.in_range(3, 40);
    for node in episode.distinct_nodes(count) {
        episode.add_fault(episode.at, SlowDisk { node, factor, lasts });
    }
    if episode.rng.chance_percent(40) {
        let at = episode.after(SimDuration::millis(lasts.0 / 2_000_000));
        let kind =
            FaultKind::PowerLoss(PowerLoss { nodes: vec![episode.pick_target()], lasts: episode.downtime() });
        episode.add_fault_on(at, Trigger::Unsynced, kind);
    }
    episode.after(SimDuration::millis(lasts.0 / 2_000_000))
}

/// A disk completes no sync for a while; sometimes its server loses power before it does.
fn stalled_disk(episode: &mut EpisodeBuilder) -> SimDuration {
    let (node, lasts) = (episode.pick_target(), episode.rng.millis(100, 2_000));
    episode.add_fault(episode.at, StalledDisk { node, lasts });
    if episode.rng.chance_percent(50) {
        let at = episode.after(SimDuration::millis(lasts.0 / 1_000_000 * 9 / 10));
        let kind = FaultKind::PowerLoss(PowerLoss { nodes: vec![node], lasts: episode.downtime() });
        episode.add_fault(at, kind);
    }
    episode.after(lasts)
}

/// Syncs of a disk fail for a while, and sometimes the server then loses power: what was not saved must not have been
/// acknowledged. Sometimes several disks fail at once.
fn disk_error(episode: &mut EpisodeBuilder) -> SimDuration {
    let lasts = episode.rng.millis(50, 1_500);
    let mut nodes = vec![episode.pick_target()];
    if episode.rng.chance_percent(20) {
        nodes = episode.distinct_nodes(episode.nodes / 2);
    }
    // Mostly as Linux does it.
    let (drops, once) = (episode.rng.chance_percent(60), episode.rng.chance_percent(40));
    for node in nodes {
        episode.add_fault(episode.at, DiskError { node, drops, once, lasts });
        if episode.rng.chance_percent(40) {
            let at = episode.after(SimDuration::millis(lasts.0 / 1_000_000 * 9 / 10));
            let kind = FaultKind::PowerLoss(PowerLoss { nodes: vec![node], lasts: episode.downtime() });
            episode.add_fault(at, kind);
        }
    }
    episode.after(lasts)
}

/// A leader with a slow clock is isolated, and responses to it may be late: its lease must not last longer than the
/// voters' own promise.
pub(super) fn isolated_leader_with_lease(episode: &mut EpisodeBuilder) -> SimDuration {
    let nodes = episode.nodes;
    let mut at = episode.at;
    for _ in 0..episode.rng.in_range(1, 3) {
        let isolation = episode.random_timeout_percent(150, 300);
        if episode.rng.chance_percent(60) {
            // All clocks are fast; the leader's is slow by as much.
            let drift = episode.rng.in_range(50_000, 200_000) as i64;
            let lasts = SimDuration(isolation.0 * 2);
            let mut set_drift = |node, drift| episode.add_fault(at, ClockRate { node, drift, lasts });
            (1..=nodes).for_each(|node| set_drift(Target::Node(node), drift));
            (0..2).for_each(|_| set_drift(Target::Leader, -drift));
        }
        if episode.rng.chance_percent(60) {
            let (reordering, delay) = (
                Probability(episode.rng.in_range(200_000, 800_000) as u32),
                episode.random_timeout_percent(20, 150),
            );
            let (loss, duplication) = (Probability(0), Probability(0));
            episode.add_fault(at, DegradedNetwork { loss, duplication, reordering, delay, lasts: delay });
        }
        let isolated = SimDuration(at.0 + episode.random_timeout_percent(10, 60).0);
        episode.add_fault(isolated, Partition { side: vec![Target::Leader], lasts: isolation });
        at = SimDuration(isolated.0 + isolation.0 + episode.random_timeout_percent(100, 200).0);
    }
    at
}

/// A server no longer hears its leader and campaigns; at about that time the leader stops receiving messages. It must
/// not be replaced while its lease is valid.
fn candidate_during_lease(episode: &mut EpisodeBuilder) -> SimDuration {
    let (candidate, lasts) = (episode.any_node(), episode.random_timeout_percent(150, 300));
    episode.add_fault(episode.at, OneWayPartition { from: Target::Leader, to: candidate, lasts });
    let span = episode.random_timeout_percent(35, 100);
    let blocked = episode.after(span);
    for other in 1..=episode.nodes {
        let from = Target::Node(other);
        episode.add_fault(blocked, OneWayPartition { from, to: Target::Leader, lasts });
    }
    SimDuration(blocked.0 + lasts.0)
}

/// Background: changes clock rates under the episodes that follow.
fn clock_drift(episode: &mut EpisodeBuilder) -> SimDuration {
    let count = episode.rng.in_range(1, episode.nodes);
    for node in episode.distinct_nodes(count) {
        let max_drift = if episode.rng.chance_percent(10) { 450_000 } else { 200_000 };
        let drift = episode.rng.in_range(0, 2 * max_drift) as i64 - max_drift as i64;
        let lasts = episode.rng.millis(2_000, 10_000);
        episode.add_fault(episode.at, ClockRate { node, drift, lasts });
    }
    episode.at
}

/// Background, except for a monotonic clock that jumps over an election timeout.
fn clock_jumps(episode: &mut EpisodeBuilder) -> SimDuration {
    if episode.rng.chance_percent(60) {
        let (node, by) = (episode.pick_target(), episode.random_timeout_percent(5, 250));
        episode.add_fault(episode.at, ClockJump { node, by });
    }
    if episode.rng.chance_percent(60) {
        let node = episode.pick_target();
        let by = episode.rng.in_range(1, 100_000_000) as i64 * episode.rng.pick(&[-1, 1]);
        episode.add_fault(episode.at, WallJump { node, by });
    }
    episode.at
}

/// One server restarts repeatedly, with or without power loss.
fn repeated_restarts(episode: &mut EpisodeBuilder) -> SimDuration {
    let node = episode.any_node();
    let mut at = episode.at;
    for _ in 0..episode.rng.in_range(2, 5) {
        let lasts = episode.rng.millis(10, 300);
        // It also falls into the boot of the next incarnation, then again.
        let kind = if episode.rng.chance_percent(30) {
            let power_loss = episode.rng.chance_percent(50);
            episode.mid_step_crash(node, power_loss, lasts)
        } else if episode.rng.chance_percent(60) {
            FaultKind::PowerLoss(PowerLoss { nodes: vec![node], lasts })
        } else {
            FaultKind::Crash(Crash { node, lasts })
        };
        episode.add_fault(at, kind);
        at = SimDuration(at.0 + lasts.0 + episode.rng.millis(100, 700).0);
    }
    at
}

/// A server with a slow disk loses power, is up for less than one sync, and loses power again: what recovery read or
/// truncated is not durable yet, and several records are in flight.
fn repeated_power_loss(episode: &mut EpisodeBuilder) -> SimDuration {
    let node = episode.any_node();
    let lasts = episode.rng.millis(1_000, 2_000);
    let factor = episode.rng.in_range(5, 40);
    episode.add_fault(episode.at, SlowDisk { node, factor, lasts });
    let mut at = SimDuration(episode.at.0 + episode.rng.millis(5, 200).0);
    for _ in 0..episode.rng.in_range(2, 6) {
        let lasts = episode.rng.millis(1, 10);
        episode.add_fault(at, PowerLoss { nodes: vec![node], lasts });
        at = SimDuration(at.0 + lasts.0 + episode.rng.millis(1, 80).0);
    }
    at
}
