//! Generates a plan from a seed by swarm testing: it draws which kinds of episodes this run has, then how severe they
//! are, then when they happen.
//!
//! Default plans are tuned to averages per seed: 6,000 to 12,000 events, at least 20 simulated seconds, 150 client
//! operations, 2 leader changes and 1 power loss; heartbeats and their responses are at most half of all events.

use super::additions::{ADDITIONS, Addition, Frame};
use super::episode::{EPISODES, Episode, EpisodeBuilder, isolated_leader_with_lease};
use super::faults::Slot;
use super::operator::{MEMBERSHIP_EPISODES, transfer_leadership};
use super::plan_rng::PlanRng;
use super::profile::PlanProfile;
use super::shapes::shape;
use super::{
    ClientConfig, CompactionConfig, DiskConfig, Fault, LivenessBounds, NetworkConfig, PermanentFault,
    PermanentFaultKind, Plan, Probability, RaftConfig, SimDuration, Target, VERSION,
};
use crate::support::rng::label;

/// The version of the generator. A run is named `seed@generator version`, because another version may give another plan
/// for the same seed.
pub const GENERATOR_VERSION: u32 = 9;

/// How many operations clients attempt in one fault phase. Fewer are called if responses are late.
const OPERATIONS_PER_RUN: (u64, u64) = (480, 760);

/// The plan of this seed.
#[must_use]
pub fn generate(seed: u64) -> Plan {
    generate_in(seed, PlanProfile::drawn(seed))
}

/// The plan of this seed in a profile.
#[must_use]
pub fn generate_in(seed: u64, profile: &PlanProfile) -> Plan {
    generate_with(seed, profile, &ADDITIONS)
}

fn generate_with(seed: u64, profile: &PlanProfile, additions: &[Addition]) -> Plan {
    let mut rng = PlanRng::new(seed, label::PLAN_CLUSTER, 0);
    let nodes = rng.pick_weighted(&[(40, 3), (8, 4), (40, 5), (4, 6), (8, 7)]);
    let fault_phase = rng.millis(18_000, 26_000);
    let mut raft = raft(&mut rng, nodes);
    let mut membership = PlanRng::new(seed, label::PLAN_MEMBERSHIP, 0);
    raft.check_quorum = membership.chance_percent(50);
    // In some runs the membership changes; in the others the initial voters stay.
    let changes = membership.chance_percent(40) || profile.changes_group();
    if changes && membership.chance_percent(75) {
        raft.initial_voters = membership.in_range(1, nodes);
    }
    raft_options(&mut PlanRng::new(seed, label::PLAN_RAFT, 0), &mut raft);
    let mut profile_rng = PlanProfile::rng(seed);
    profile.set_raft(&mut profile_rng, nodes, &mut raft);
    let permanent_fault =
        permanent_fault(&mut PlanRng::new(seed, label::PLAN_PERMANENT_FAULT, 0), nodes, &mut raft);
    let mut topologies = PlanRng::new(seed, label::PLAN_PERMANENT_FAULT, 1);
    let topology = (raft.check_quorum && !changes).then(|| permanent_topology(&mut topologies, nodes));
    let permanent_fault = permanent_fault.or(topology.flatten());
    let mut faults = faults(seed, profile, nodes, fault_phase, &raft, changes, additions);
    if let Some(drift) = raft.lease_drift {
        limit_clock_faults(drift, &mut faults);
    }
    let mut plan = Plan {
        version: VERSION,
        seed,
        nodes,
        fault_phase,
        bug: None,
        unlimited_damage: false,
        compaction: compaction(&mut PlanRng::new(seed, label::PLAN_COMPACTION, 0)),
        permanent_fault,
        system: Default::default(),
        network: network(&mut PlanRng::new(seed, label::PLAN_NETWORK, 0)),
        disk: disk(&mut PlanRng::new(seed, label::PLAN_DISK, 0)),
        clients: clients(
            &mut PlanRng::new(seed, label::PLAN_CLIENTS, 0),
            &mut PlanRng::new(seed, label::PLAN_SESSIONS, 0),
            fault_phase,
        ),
        bounds: liveness_bounds(permanent_fault),
        clock_limit: SimDuration(0),
        raft,
        faults,
    };
    plan.clients.load = load(&mut PlanRng::new(seed, label::PLAN_LOAD, 0));
    shape(&mut plan);
    profile.finish(&mut profile_rng, &mut plan);
    plan
}

fn raft(rng: &mut PlanRng, nodes: u64) -> RaftConfig {
    let election_timeout = rng.millis(300, 600);
    let spread = rng.in_range(80, 120);
    // A large cluster sends more messages anyway; heartbeats must not dominate the events.
    let heartbeat = if nodes > 5 { rng.millis(90, 120) } else { rng.millis(60, 120) };
    RaftConfig {
        election_timeout,
        election_timeout_spread: SimDuration::micros(election_timeout.0 / 1_000 * spread / 100),
        heartbeat,
        pre_vote: rng.chance_percent(50),
        // With one entry per message, entries of an old term can reach a majority before the leader's own first entry
        // does (figure 8).
        batch: match rng.in_range(1, 4) {
            1 => 1,
            2 => rng.in_range(2, 8),
            _ => rng.in_range(9, 64),
        },
        window: if rng.chance_percent(15) { 1 } else { rng.in_range(2, 16) },
        max_in_flight_syncs: rng.in_range(1, 3),
        ..RaftConfig::default()
    }
}

/// Optional features, each enabled in some runs.
fn raft_options(rng: &mut PlanRng, raft: &mut RaftConfig) {
    if raft.check_quorum && rng.chance_percent(55) {
        // How far clock rates may differ from true time: from realistic bounds to very loose ones.
        let (least, most) = rng.pick_weighted(&[(25, (0, 10)), (35, (10, 120)), (40, (120, 350))]);
        raft.lease_drift = Some(rng.permille(least, most));
    }
    raft.forward = rng.chance_percent(40);
    // A command has about ten to forty bytes.
    let limit = |rng: &mut PlanRng, percent, least, most| {
        if rng.chance_percent(percent) { rng.in_range(least, most) } else { 0 }
    };
    raft.batch_bytes = limit(rng, 25, 20, 300);
    raft.window_bytes = limit(rng, 25, 30, 1_500);
    raft.uncommitted_bytes = limit(rng, 20, 60, 2_000);
    raft.chunk = limit(rng, 60, 40, 2_000);
    raft.requests = limit(rng, 15, 2, 30);
    raft.promotion_lag = limit(rng, 30, 1, 50);
}

/// In most runs servers take snapshots, far more often than in production, because a run has only some hundred entries.
fn compaction(rng: &mut PlanRng) -> Option<CompactionConfig> {
    if rng.chance_percent(30) {
        return None;
    }
    let mut compaction = CompactionConfig { entries: 0, bytes: 0, every: SimDuration(0), trailing: 0 };
    match rng.in_range(1, 4) {
        1 => compaction.bytes = rng.in_range(100, 4_000),
        2 => {
            compaction.every = rng.millis(500, 4_000);
            compaction.entries = rng.in_range(20, 200);
        }
        3 => compaction.entries = rng.in_range(4, 30),
        _ => compaction.entries = rng.in_range(20, 150),
    }
    if rng.chance_percent(60) {
        compaction.trailing = rng.in_range(1, 40);
    }
    Some(compaction)
}

/// In some runs one server stays faulty in the healed phase.
fn permanent_fault(rng: &mut PlanRng, nodes: u64, raft: &mut RaftConfig) -> Option<PermanentFault> {
    if !raft.check_quorum || nodes < 3 || !rng.chance_percent(25) {
        return None;
    }
    let any_node = Target::Node(rng.in_range(1, nodes));
    let node = rng.pick_weighted(&[(6, Target::Leader), (2, Target::LongestLog), (4, any_node)]);
    let kind = rng.pick_weighted(&[
        (4, PermanentFaultKind::InboundPartition),
        (3, PermanentFaultKind::OutboundPartition),
        (3, PermanentFaultKind::StalledDisk),
        (2, PermanentFaultKind::BrokenDisk),
    ]);
    let is_fast =
        kind == PermanentFaultKind::InboundPartition && raft.lease_drift.is_none() && rng.chance_percent(50);
    let drift = if is_fast { rng.in_range(100_000, 400_000) as i64 } else { 0 };
    if kind == PermanentFaultKind::InboundPartition {
        raft.pre_vote = true;
    }
    if drift > 0 {
        // With a small spread the server with the fast clock is always the first to time out, and disrupts the others
        // every time.
        let spread = rng.in_range(10, 30);
        raft.election_timeout_spread = SimDuration::micros(raft.election_timeout.0 / 100_000 * spread);
    }
    Some(PermanentFault { node, kind, drift })
}

/// In some runs only some links work in the healed phase, and so many servers have an expected core. Only where the group
/// does not change: how much of it is in the core would depend on when a change is asked for.
fn permanent_topology(rng: &mut PlanRng, nodes: u64) -> Option<PermanentFault> {
    use PermanentFaultKind::{Bridge, Chain, LoneLink, Ring};
    if nodes < 3 || !rng.chance_percent(20) {
        return None;
    }
    let kind = match nodes {
        3 => Chain,
        4 | 5 => rng.pick(&[Bridge, Bridge, Ring, LoneLink]),
        _ => rng.pick(&[Bridge, LoneLink]),
    };
    let any_node = Target::Node(rng.in_range(1, nodes));
    let node = rng.pick_weighted(&[(2, Target::Leader), (1, Target::LongestLog), (3, any_node)]);
    Some(PermanentFault { node, kind, drift: 0 })
}

/// Liveness bounds. With nearly equal election timeouts votes are often split.
pub(super) fn liveness_bounds(permanent_fault: Option<PermanentFault>) -> LivenessBounds {
    let (leader, write) = match permanent_fault {
        // Few servers can win, and the others ask for votes, too.
        Some(fault) if fault.drift != 0 || fault.kind.shape().is_some() => (25, 20),
        _ => (10, 5),
    };
    LivenessBounds { leader, write, convergence: 20, events: 1_000_000 }
}

/// Leases depend on clocks: with leases, clock faults stay within the lease bound.
pub(super) fn limit_clock_faults(drift: Probability, faults: &mut Vec<Fault>) {
    let most = i64::from(drift.0);
    faults.retain_mut(|fault| !fault.kind.slots().iter().any(|(_, slot)| matches!(slot, Slot::ClockJump(_))));
    for (_, slot) in faults.iter_mut().flat_map(|fault| fault.kind.slots()) {
        if let Slot::ClockRate(rate) = slot {
            // The rate is set to the bound itself, where leases are closest to failing.
            *rate = if *rate < 0 { -most } else { most };
        }
    }
}

fn network(rng: &mut PlanRng) -> NetworkConfig {
    // Each network defect is absent in some runs: if it were always present, it would hide bugs that only show without
    // it.
    let probability = |rng: &mut PlanRng, most| {
        if rng.chance_percent(45) { rng.permille(0, 0) } else { rng.permille(1, most) }
    };
    NetworkConfig {
        delay: rng.hundredths_of_millis(20, 300),
        delay_spread: rng.hundredths_of_millis(100, 900),
        tail: probability(rng, 25),
        tail_spread: rng.millis(50, 400),
        loss: probability(rng, 25),
        duplication: probability(rng, 30),
        reordering: probability(rng, 50),
    }
}

fn disk(rng: &mut PlanRng) -> DiskConfig {
    DiskConfig {
        sync: rng.hundredths_of_millis(50, 200),
        sync_spread: rng.hundredths_of_millis(50, 600),
        tail: if rng.chance_percent(40) { rng.permille(0, 0) } else { rng.permille(1, 30) },
        tail_spread: rng.millis(10, 300),
    }
}

fn clients(rng: &mut PlanRng, sessions: &mut PlanRng, fault_phase: SimDuration) -> ClientConfig {
    let count = rng.in_range(2, 5);
    let operations = rng.in_range(OPERATIONS_PER_RUN.0, OPERATIONS_PER_RUN.1);
    ClientConfig {
        count,
        in_flight: rng.in_range(1, 4),
        think_time: SimDuration::micros(fault_phase.0 / 1_000 * count / operations),
        // With a short timeout clients soon find another leader.
        timeout: if sessions.chance_percent(35) { sessions.millis(50, 250) } else { rng.millis(300, 1_000) },
        attempts: rng.in_range(2, 6),
        keys: rng.in_range(4, 12),
        reads: rng.permille(200, 550),
        // In some runs sessions expire, and so early that some expire in use.
        session: if sessions.chance_percent(40) { sessions.millis(700, 8_000) } else { SimDuration(0) },
        random_target: if sessions.chance_percent(45) { sessions.permille(20, 500) } else { Probability(0) },
        command_bytes: 0,
        command_bytes_spread: 0,
        load: 0,
        calls: None,
        registers_only: false,
        without_deletes: false,
        without_compare_and_set: false,
    }
}

/// The most calls of the load in the healed phase: mostly few, since each costs about ten events.
fn load(rng: &mut PlanRng) -> u64 {
    if rng.chance_percent(85) { rng.in_range(30, 90) } else { rng.in_range(200, 400) }
}

/// Episodes one after another, with pauses in which a leader is elected and clients are served.
fn faults(
    seed: u64,
    profile: &PlanProfile,
    nodes: u64,
    fault_phase: SimDuration,
    raft: &RaftConfig,
    changes: bool,
    additions: &[Addition],
) -> Vec<Fault> {
    let mut swarm = PlanRng::new(seed, label::PLAN_SWARM, 0);
    let mut episodes = choose_episodes(&mut swarm);
    // Where there are leases, faults aim at them.
    if raft.lease_drift.is_some() && swarm.chance_percent(60) {
        episodes.push((12, isolated_leader_with_lease));
    }
    let mut operator = PlanRng::new(seed, label::PLAN_OPERATOR, 0);
    if operator.chance_percent(35) {
        episodes.push((operator.in_range(2, 12), transfer_leadership));
    }
    if changes {
        let chosen =
            MEMBERSHIP_EPISODES.into_iter().filter(|_| operator.chance_percent(60)).collect::<Vec<_>>();
        let chosen = if chosen.is_empty() { MEMBERSHIP_EPISODES.to_vec() } else { chosen };
        episodes.extend(chosen.into_iter().map(|(weight, episode)| (weight * 3, episode)));
    }
    // How severe this run is: the pause after each episode, in milliseconds.
    let (least, most) = swarm.pick_weighted(&[(25, (1_000, 3_000)), (50, (400, 1_600)), (25, (50, 700))]);
    let timeout = SimDuration(raft.election_timeout.0 + raft.election_timeout_spread.0);

    let mut faults = Vec::new();
    // In some runs faults begin before there is a leader.
    let mut now = if swarm.chance_percent(15) { SimDuration(0) } else { swarm.millis(300, 2_000) };
    for number in 0.. {
        if now >= fault_phase {
            break;
        }
        let mut builder = EpisodeBuilder {
            rng: PlanRng::new(seed, label::PLAN_EPISODE, number),
            nodes,
            timeout,
            at: now,
            faults: &mut faults,
        };
        let episode = builder.rng.pick_weighted(&episodes);
        let end = episode(&mut builder);
        let pause = builder.rng.millis(least, most);
        now = SimDuration(end.0 + pause.0);
    }
    faults.retain(|fault| fault.at < fault_phase);
    let initial_voters = if raft.initial_voters == 0 { nodes } else { raft.initial_voters };
    let frame = Frame { fault_phase, initial_voters, has_leases: raft.lease_drift.is_some() };
    for Addition { stream: (label, number), theme, percent, add } in additions {
        let mut rng = PlanRng::new(seed, label, *number);
        if rng.chance_percent(profile.percent(*theme, *percent)) {
            add(&mut EpisodeBuilder { rng, nodes, timeout, at: SimDuration(0), faults: &mut faults }, &frame);
        }
    }
    faults.retain(|fault| fault.at < fault_phase);
    faults.sort_by_key(|fault| fault.at);
    faults
}

/// Draws which episodes this run has, each independently, and at least five.
fn choose_episodes(rng: &mut PlanRng) -> Vec<(u64, Episode)> {
    loop {
        let mut chosen = Vec::new();
        for (weight, episode) in EPISODES {
            // The weight of each is drawn per run, so that some runs concentrate on one kind.
            let emphasis = rng.pick(&[1, 1, 2, 5]);
            if rng.chance_percent(50) {
                chosen.push((weight * emphasis, episode));
            }
        }
        if chosen.len() >= 5 {
            return chosen;
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test reads what the program prints")]
mod tests {
    use super::{ADDITIONS, Addition, generate, generate_in, generate_with};
    use crate::plan::faults::{Pause, PowerLoss};
    use crate::plan::profile::{PlanProfile, Theme};
    use crate::plan::{FaultKind, SimDuration, file};
    use crate::support::rng::label;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn plans_of_two_seeds_have_their_known_text() {
        insta::assert_snapshot!("plan_of_seed_0", file::to_text(&generate(0)));
        insta::assert_snapshot!("plan_of_seed_7", file::to_text(&generate(7)));
    }

    #[test]
    fn a_new_kind_of_fault_leaves_the_rest_of_old_plans_as_it_was() {
        // A pause so long that no other is like it stands for the new kind.
        const LASTS: SimDuration = SimDuration::millis(77_777);
        let mut additions = ADDITIONS.to_vec();
        additions.push(Addition {
            stream: (label::PLAN_ADDITION, u64::MAX),
            theme: Theme::Power,
            percent: 50,
            add: |episode, frame| {
                let at = SimDuration(episode.rng.in_range(0, frame.fault_phase.0 - 1));
                let node = episode.any_node();
                episode.add_fault(at, Pause { node, lasts: LASTS });
            },
        });
        let general = PlanProfile::named("general").unwrap();
        let mut with_it = 0;
        for seed in 0..500 {
            let mut plan = generate_with(seed, general, &additions);
            let faults = plan.faults.len();
            plan.faults.retain(|fault| fault.kind.lasts() != Some(LASTS));
            with_it += u64::from(plan.faults.len() < faults);
            assert_eq!(file::to_text(&plan), file::to_text(&generate_in(seed, general)), "seed {seed}");
        }
        assert!((150..350).contains(&with_it), "the new fault is in {with_it} of 500 plans");
    }

    #[test]
    fn every_kind_of_fault_but_bit_rot_is_common() {
        let mut seeds_with: BTreeMap<&str, u64> = BTreeMap::new();
        let (mut faults, mut power_losses) = (0, 0);
        for plan in (0..2_000).map(generate) {
            let kinds: std::collections::BTreeSet<_> =
                plan.faults.iter().map(|fault| fault.kind.name()).collect();
            kinds.into_iter().for_each(|kind| *seeds_with.entry(kind).or_default() += 1);
            faults += plan.faults.len();
            for fault in &plan.faults {
                if let FaultKind::PowerLoss(PowerLoss { nodes, .. }) = &fault.kind {
                    power_losses += if nodes.is_empty() { plan.nodes as usize } else { nodes.len() };
                }
            }
        }
        for (kind, _) in FaultKind::ALL {
            let seeds = seeds_with.get(kind).copied().unwrap_or(0);
            // Membership changes occur only in the runs that have them.
            let common = match kind {
                "bit-rot" => 20..200,
                "wipe" => 100..500,
                "full-disk" => 200..400,
                // Impossible with leases, and not in all profiles.
                "clock-jump" => 200..2_000,
                "transfer" | "leave" => 150..2_000,
                _ => 300..2_000,
            };
            assert!(common.contains(&seeds), "{kind} appears in {seeds} of 2,000 plans");
        }
        // Some episodes add a fault for each clock or each link of a server.
        assert!((30_000..80_000).contains(&faults), "{faults} faults in 2,000 plans");
        assert!(power_losses > 4_000, "{power_losses} power losses in 2,000 plans");
    }

    proptest! {
        #[test]
        fn every_generated_plan_is_valid_and_survives_a_round_trip(seed: u64) {
            let plan = generate(seed);
            prop_assert_eq!(plan.check(), Ok(()));
            prop_assert_eq!(file::from_text(&file::to_text(&plan)), Ok(plan.clone()));
            prop_assert_eq!(generate(seed), plan);
        }
    }
}
