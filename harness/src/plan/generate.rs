//! A plan from a seed, swarm-wise: first which kinds of episodes exist in this run at all, then how hard, then when.
//!
//! Default plans are tuned to averages per seed: 6,000 to 12,000 events, at least 20 simulated seconds, 150 client
//! operations, 2 leader changes and 1 power loss; heartbeats and their answers are at most half of all events.

use super::episode::{EPISODES, Episode, EpisodeBuilder};
use super::operator::{MEMBERSHIP_EPISODES, replace_server, transfer_leadership};
use super::plan_rng::PlanRng;
use super::{
    ClientConfig, CompactionConfig, DiskConfig, Fault, FaultKind, LivenessBounds, NetworkConfig,
    PermanentFault, PermanentFaultKind, Plan, Probability, RaftConfig, SimDuration, Target, VERSION,
};

/// The version of what a seed means. A run is named `seed@generator version`: with the next version the same seed may
/// give another plan.
pub const GENERATOR_VERSION: u32 = 4;

/// How much is asked of a cluster in one storm; what is not answered in time keeps some of it from being called.
const OPERATIONS_PER_RUN: (u64, u64) = (480, 760);

/// The plan of this seed.
#[must_use]
pub fn generate(seed: u64) -> Plan {
    let mut dice = PlanRng::new(seed, "plan cluster", 0);
    let nodes = dice.pick_weighted(&[(40, 3), (8, 4), (40, 5), (4, 6), (8, 7)]);
    let storm = dice.millis(18_000, 26_000);
    let mut raft = raft(&mut dice, nodes);
    let mut group = PlanRng::new(seed, "plan group", 0);
    raft.check_quorum = group.chance_percent(50);
    // In some runs the group itself changes; in the others its founders are all there ever is.
    let changes = group.chance_percent(40);
    if changes && group.chance_percent(75) {
        raft.founders = group.in_range(1, nodes);
    }
    raft_options(&mut PlanRng::new(seed, "plan raft", 0), &mut raft);
    let held = permanent_fault(&mut PlanRng::new(seed, "plan held", 0), nodes, &mut raft);
    let mut faults = faults(seed, nodes, storm, &raft, changes);
    if let Some(drift) = raft.lease_drift {
        limit_clock_faults(drift, &mut faults);
    }
    Plan {
        version: VERSION,
        seed,
        nodes,
        storm,
        bug: None,
        compaction: compaction(&mut PlanRng::new(seed, "plan compaction", 0)),
        held,
        network: network(&mut PlanRng::new(seed, "plan network", 0)),
        disk: disk(&mut PlanRng::new(seed, "plan disk", 0)),
        clients: clients(
            &mut PlanRng::new(seed, "plan clients", 0),
            &mut PlanRng::new(seed, "plan sessions", 0),
            storm,
        ),
        bounds: liveness_bounds(held),
        raft,
        faults,
    }
}

fn raft(dice: &mut PlanRng, nodes: u64) -> RaftConfig {
    let election_timeout = dice.millis(300, 600);
    let spread = dice.in_range(80, 120);
    // A large cluster speaks more often anyway: heartbeats shall not be all that happens in it.
    let heartbeat = if nodes > 5 { dice.millis(90, 120) } else { dice.millis(60, 120) };
    RaftConfig {
        election_timeout,
        election_timeout_spread: SimDuration::micros(election_timeout.0 / 1_000 * spread / 100),
        heartbeat,
        pre_vote: dice.chance_percent(50),
        // Entry by entry, an old term's entries can reach a majority before the leader's own first one (figure 8).
        batch: match dice.in_range(1, 4) {
            1 => 1,
            2 => dice.in_range(2, 8),
            _ => dice.in_range(9, 64),
        },
        window: if dice.chance_percent(15) { 1 } else { dice.in_range(2, 16) },
        syncs: dice.in_range(1, 3),
        ..RaftConfig::default()
    }
}

/// What a group can do without, each in some runs.
fn raft_options(dice: &mut PlanRng, raft: &mut RaftConfig) {
    if raft.check_quorum && dice.chance_percent(55) {
        // How bad clocks may be: good ones, and such as nobody would count on.
        let (least, most) = dice.pick_weighted(&[(25, (0, 10)), (35, (10, 120)), (40, (120, 350))]);
        raft.lease_drift = Some(dice.permille(least, most));
    }
    raft.forward = dice.chance_percent(40);
    // A command has some ten to forty bytes.
    let limit = |dice: &mut PlanRng, often, least, most| {
        if dice.chance_percent(often) { dice.in_range(least, most) } else { 0 }
    };
    raft.batch_bytes = limit(dice, 25, 20, 300);
    raft.window_bytes = limit(dice, 25, 30, 1_500);
    raft.uncommitted_bytes = limit(dice, 20, 60, 2_000);
    raft.chunk = limit(dice, 60, 40, 2_000);
    raft.requests = limit(dice, 15, 2, 30);
    raft.promotion_lag = limit(dice, 30, 1, 50);
}

/// In most runs servers make snapshots, far more often than anybody would who had more than some hundred entries.
fn compaction(dice: &mut PlanRng) -> Option<CompactionConfig> {
    if dice.chance_percent(30) {
        return None;
    }
    let mut compaction = CompactionConfig { entries: 0, bytes: 0, every: SimDuration(0), trailing: 0 };
    match dice.in_range(1, 4) {
        1 => compaction.bytes = dice.in_range(100, 4_000),
        2 => {
            compaction.every = dice.millis(500, 4_000);
            compaction.entries = dice.in_range(20, 200);
        }
        3 => compaction.entries = dice.in_range(4, 30),
        _ => compaction.entries = dice.in_range(20, 150),
    }
    if dice.chance_percent(60) {
        compaction.trailing = dice.in_range(1, 40);
    }
    Some(compaction)
}

/// In some runs one server stays ill when all else heals.
fn permanent_fault(dice: &mut PlanRng, nodes: u64, raft: &mut RaftConfig) -> Option<PermanentFault> {
    if !raft.check_quorum || nodes < 3 || !dice.chance_percent(25) {
        return None;
    }
    let any = Target::Node(dice.in_range(1, nodes));
    let node = dice.pick_weighted(&[(6, Target::Leader), (2, Target::LongestLog), (4, any)]);
    let ailment = dice.pick_weighted(&[
        (4, PermanentFaultKind::Deaf),
        (3, PermanentFaultKind::Mute),
        (3, PermanentFaultKind::StalledDisk),
    ]);
    let fast = ailment == PermanentFaultKind::Deaf && raft.lease_drift.is_none() && dice.chance_percent(50);
    let drift = if fast { dice.in_range(100_000, 400_000) as i64 } else { 0 };
    if ailment == PermanentFaultKind::Deaf {
        raft.pre_vote = true;
    }
    if drift > 0 {
        // Whoever is first, is always first: what it does to the others it does every time.
        let spread = dice.in_range(10, 30);
        raft.election_timeout_spread = SimDuration::micros(raft.election_timeout.0 / 100_000 * spread);
    }
    Some(PermanentFault { node, ailment, drift })
}

/// How long progress may take. Where all are about equally patient, votes are often split.
pub(super) fn liveness_bounds(held: Option<PermanentFault>) -> LivenessBounds {
    let (leader, write) = if held.is_some_and(|held| held.drift != 0) { (25, 20) } else { (10, 5) };
    LivenessBounds { leader, write, convergence: 20, events: 1_000_000 }
}

/// Leases count on clocks, so in runs with leases clocks are as good as leases need.
pub(super) fn limit_clock_faults(drift: Probability, faults: &mut Vec<Fault>) {
    let most = i64::from(drift.0);
    faults.retain(|fault| !matches!(fault.kind, FaultKind::ClockJump { .. }));
    for fault in faults {
        if let FaultKind::ClockRate { drift: rate, .. } = &mut fault.kind {
            // All the way: what is right within the bound must be right at it.
            *rate = if *rate < 0 { -most } else { most };
        }
    }
}

fn network(dice: &mut PlanRng) -> NetworkConfig {
    // Each defect is wholly absent in some runs: what is always there hides what only shows without it.
    let rarely = |dice: &mut PlanRng, most| {
        if dice.chance_percent(45) { dice.permille(0, 0) } else { dice.permille(1, most) }
    };
    NetworkConfig {
        delay: dice.hundredths_of_millis(20, 300),
        delay_spread: dice.hundredths_of_millis(100, 900),
        tail: rarely(dice, 25),
        tail_spread: dice.millis(50, 400),
        loss: rarely(dice, 25),
        duplication: rarely(dice, 30),
        reordering: rarely(dice, 50),
    }
}

fn disk(dice: &mut PlanRng) -> DiskConfig {
    DiskConfig {
        sync: dice.hundredths_of_millis(50, 200),
        sync_spread: dice.hundredths_of_millis(50, 600),
        tail: if dice.chance_percent(40) { dice.permille(0, 0) } else { dice.permille(1, 30) },
        tail_spread: dice.millis(10, 300),
    }
}

fn clients(dice: &mut PlanRng, sessions: &mut PlanRng, storm: SimDuration) -> ClientConfig {
    let count = dice.in_range(2, 5);
    let operations = dice.in_range(OPERATIONS_PER_RUN.0, OPERATIONS_PER_RUN.1);
    ClientConfig {
        count,
        in_flight: dice.in_range(1, 4),
        pause: SimDuration::micros(storm.0 / 1_000 * count / operations),
        // Who is impatient soon finds another leader, if there is one.
        patience: if sessions.chance_percent(35) {
            sessions.millis(50, 250)
        } else {
            dice.millis(300, 1_000)
        },
        attempts: dice.in_range(2, 6),
        keys: dice.in_range(4, 12),
        reads: dice.permille(200, 550),
        // Sessions end in some runs, so soon that some do while they are used.
        session: if sessions.chance_percent(40) { sessions.millis(700, 8_000) } else { SimDuration(0) },
        anywhere: if sessions.chance_percent(45) { sessions.permille(20, 500) } else { Probability(0) },
        calls: None,
    }
}

/// What breaks: episodes one after another, with room between them in which a leader is found and clients are served.
fn faults(seed: u64, nodes: u64, storm: SimDuration, raft: &RaftConfig, changes: bool) -> Vec<Fault> {
    let mut swarm = PlanRng::new(seed, "plan swarm", 0);
    let mut episodes = choose_episodes(&mut swarm);
    let mut operator = PlanRng::new(seed, "plan operator", 0);
    if operator.chance_percent(35) {
        episodes.push((operator.in_range(2, 12), transfer_leadership));
    }
    if changes {
        let kept =
            MEMBERSHIP_EPISODES.into_iter().filter(|_| operator.chance_percent(60)).collect::<Vec<_>>();
        let kept = if kept.is_empty() { MEMBERSHIP_EPISODES.to_vec() } else { kept };
        episodes.extend(kept.into_iter().map(|(weight, episode)| (weight * 3, episode)));
    }
    // How rough this run is: the pause after each episode, in milliseconds.
    let (least, most) = swarm.pick_weighted(&[(25, (1_000, 3_000)), (50, (400, 1_600)), (25, (50, 700))]);
    let timeout = SimDuration(raft.election_timeout.0 + raft.election_timeout_spread.0);

    let mut faults = Vec::new();
    // Some runs break before there was ever a leader.
    let mut now = if swarm.chance_percent(15) { SimDuration(0) } else { swarm.millis(300, 2_000) };
    for number in 0.. {
        if now >= storm {
            break;
        }
        let mut scene = EpisodeBuilder {
            rng: PlanRng::new(seed, "plan episode", number),
            nodes,
            timeout,
            at: now,
            faults: &mut faults,
        };
        let episode = scene.rng.pick_weighted(&episodes);
        let ends = episode(&mut scene);
        let pause = scene.rng.millis(least, most);
        now = SimDuration(ends.0 + pause.0);
    }
    faults.retain(|fault| fault.at < storm);
    add_bit_rot(&mut PlanRng::new(seed, "plan rot", 0), nodes, storm, &mut faults);
    add_wipe(&mut PlanRng::new(seed, "plan wipe", 0), nodes, storm, &mut faults);
    faults.retain(|fault| fault.at < storm);
    faults.sort_by_key(|fault| fault.at);
    faults
}

/// Which episodes exist in this run: each with its own chance, and never so few that nothing happens.
fn choose_episodes(dice: &mut PlanRng) -> Vec<(u64, Episode)> {
    loop {
        let mut chosen = Vec::new();
        for (weight, episode) in EPISODES {
            // How often each one comes is drawn anew for each run: some runs are about one thing.
            let emphasis = dice.pick(&[1, 1, 2, 5]);
            if dice.chance_percent(50) {
                chosen.push((weight * emphasis, episode));
            }
        }
        if chosen.len() >= 5 {
            return chosen;
        }
    }
}

/// Rot is rare and strikes one server per run at most: Raft promises nothing where a majority forgets what it promised.
fn add_bit_rot(dice: &mut PlanRng, nodes: u64, storm: SimDuration, faults: &mut Vec<Fault>) {
    if !dice.chance_percent(3) {
        return;
    }
    let node = Target::Node(dice.in_range(1, nodes));
    let at = SimDuration(storm.0 / 100 * dice.in_range(20, 80));
    faults.push(Fault { at, on: None, kind: FaultKind::Rot { node } });
    // It shows when the server starts again.
    let kind = FaultKind::Crash { node, lasts: dice.millis(100, 1_000) };
    faults.push(Fault { at: SimDuration(at.0 + 1_000_000), on: None, kind });
}

/// A disk that is emptied is as rare, and not where another one rots: see [`FaultKind::Wipe`]. Mostly whoever runs the
/// group puts the new life of the server into the old one's place.
fn add_wipe(dice: &mut PlanRng, nodes: u64, storm: SimDuration, faults: &mut Vec<Fault>) {
    let rots = faults.iter().any(|fault| matches!(fault.kind, FaultKind::Rot { .. }));
    if rots || !dice.chance_percent(12) {
        return;
    }
    let node = dice.in_range(1, nodes);
    let (at, lasts) = (SimDuration(storm.0 / 100 * dice.in_range(10, 70)), dice.millis(50, 1_500));
    faults.push(Fault { at, on: None, kind: FaultKind::Wipe { node: Target::Node(node), lasts } });
    if dice.chance_percent(70) {
        replace_server(dice, node, SimDuration(at.0 + lasts.0), faults);
    }
}

#[cfg(test)]
mod tests {
    use super::generate;
    use crate::plan::{FaultKind, file};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn two_plans_as_a_person_reads_them() {
        insta::assert_snapshot!("plan_of_seed_0", file::to_text(&generate(0)));
        insta::assert_snapshot!("plan_of_seed_7", file::to_text(&generate(7)));
    }

    #[test]
    fn every_kind_of_fault_is_common_but_rot() {
        let mut seeds_with: BTreeMap<&str, u64> = BTreeMap::new();
        let (mut faults, mut power_losses) = (0, 0);
        for plan in (0..2_000).map(generate) {
            let kinds: std::collections::BTreeSet<_> =
                plan.faults.iter().map(|fault| fault.kind.name()).collect();
            kinds.into_iter().for_each(|kind| *seeds_with.entry(kind).or_default() += 1);
            faults += plan.faults.len();
            for fault in &plan.faults {
                if let FaultKind::PowerLoss { nodes, .. } = &fault.kind {
                    power_losses += if nodes.is_empty() { plan.nodes as usize } else { nodes.len() };
                }
            }
        }
        for (kind, _) in FaultKind::ALL {
            let seeds = seeds_with.get(kind).copied().unwrap_or(0);
            // Changes of the group are in the runs in which it changes at all.
            let common = match kind {
                "rot" => 20..200,
                "wipe" => 100..500,
                "transfer" | "leave" => 150..2_000,
                _ => 300..2_000,
            };
            assert!(common.contains(&seeds), "{kind} is in {seeds} of 2,000 plans");
        }
        // Some episodes strike every clock or every link of a server, so that a plan with them has many small faults.
        assert!((16_000..50_000).contains(&faults), "{faults} faults in 2,000 plans");
        assert!(power_losses > 4_000, "{power_losses} power losses in 2,000 plans");
    }

    proptest! {
        #[test]
        fn every_plan_can_be_run_and_is_read_back_as_it_was(seed: u64) {
            let plan = generate(seed);
            prop_assert_eq!(plan.check(), Ok(()));
            prop_assert_eq!(file::from_text(&file::to_text(&plan)), Ok(plan.clone()));
            prop_assert_eq!(generate(seed), plan);
        }
    }
}
