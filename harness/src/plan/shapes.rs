//! Shapes: settings that belong together and that independent draws hardly ever bring together. Each is drawn for some
//! plans, from a stream of its own, after all else.

use super::plan_rng::PlanRng;
use super::{CompactionConfig, LivenessBounds, Plan, Probability, SimDuration};
use crate::support::rng::label;

/// Changes the settings of a plan, if it draws this shape.
type ShapePlan = fn(&mut PlanRng, &mut Plan);

/// All shapes; a new one is added at the end, because its place is the number of its stream.
const SHAPES: [ShapePlan; 6] = [
    tight_leases,
    clocks_near_a_limit,
    small_snapshot_parts,
    commands_around_the_batch_limit,
    few_keys,
    commands_of_one_size_or_many,
];

/// Draws all shapes.
pub(super) fn shape(plan: &mut Plan) {
    for (number, shape) in (0..).zip(SHAPES) {
        shape(&mut PlanRng::new(plan.seed, label::PLAN_SHAPE, number), plan);
    }
}

/// Bounds for plans in which elections or repairs take longer.
fn widen(bounds: &mut LivenessBounds) {
    bounds.leader = bounds.leader.max(25);
    bounds.write = bounds.write.max(30);
    bounds.convergence = bounds.convergence.max(60);
}

/// Candidates that time out nearly together, leases, and hardly anything but reads, many at servers that were deposed: a
/// new leader is there while the lease of the old one nearly ends, and its log is as long as that of all others.
fn tight_leases(rng: &mut PlanRng, plan: &mut Plan) {
    if plan.raft.lease_drift.is_none() || !rng.chance_percent(40) {
        return;
    }
    plan.raft.election_timeout_spread =
        SimDuration::micros(plan.raft.election_timeout.0 / 100_000 * rng.in_range(15, 40));
    plan.raft.forward = false;
    plan.clients.reads = rng.permille(900, 995);
    plan.clients.random_target = rng.permille(200, 600);
    widen(&mut plan.bounds);
}

/// Monotonic clocks that pass a limit during the run: the end of 31 or 32 bits of milliseconds or of microseconds. Linux
/// starts its jiffies five minutes before they wrap around for the same reason (`INITIAL_JIFFIES`).
fn clocks_near_a_limit(rng: &mut PlanRng, plan: &mut Plan) {
    if rng.chance_percent(15) {
        let (bits, unit) = (rng.pick(&[31, 32]), rng.pick(&[1_000, 1_000_000]));
        plan.clock_limit = SimDuration((1 << bits) * unit);
    }
}

/// Snapshots of many small parts over slow links: a transfer takes so long that the snapshot, the leader or the
/// configuration changes meanwhile.
fn small_snapshot_parts(rng: &mut PlanRng, plan: &mut Plan) {
    if !rng.chance_percent(10) {
        return;
    }
    let CompactionConfig { entries, trailing, .. } = plan.compaction.get_or_insert(CompactionConfig {
        entries: 0,
        bytes: 0,
        every: SimDuration(0),
        trailing: 0,
    });
    (*entries, *trailing) = (rng.in_range(5, 40), rng.in_range(0, 10));
    plan.raft.chunk = rng.in_range(20, 80);
    plan.network.delay = rng.millis(5, 20);
    plan.clients.keys = rng.in_range(12, 30);
    widen(&mut plan.bounds);
}

/// Limits in bytes that are about as large as one command, or as few: the first command of a batch decides.
fn commands_around_the_batch_limit(rng: &mut PlanRng, plan: &mut Plan) {
    if rng.chance_percent(12) {
        plan.raft.batch_bytes = rng.in_range(8, 90);
        plan.raft.window_bytes = if rng.chance_percent(50) { rng.in_range(16, 200) } else { 0 };
        plan.raft.batch = rng.in_range(2, 64);
    }
}

/// Two keys for all clients, each with several requests in flight: most commands depend on the one before.
fn few_keys(rng: &mut PlanRng, plan: &mut Plan) {
    if rng.chance_percent(12) {
        plan.clients.keys = rng.in_range(2, 3);
        plan.clients.in_flight = rng.in_range(3, 8);
        plan.clients.reads = Probability(plan.clients.reads.0.min(400_000));
    }
}

/// Commands of one fixed size, so that batches and windows are filled to the byte or miss that by one byte; or of mixed sizes
/// around these limits, so that a batch ends with a small command because a large one does not fit.
fn commands_of_one_size_or_many(rng: &mut PlanRng, plan: &mut Plan) {
    if !rng.chance_percent(15) {
        return;
    }
    let size = rng.in_range(45, 120);
    let limit = |rng: &mut PlanRng, most| size * rng.in_range(1, most) + 1 - rng.in_range(0, 2);
    plan.raft.batch_bytes = limit(rng, 5);
    plan.raft.window_bytes = if rng.chance_percent(50) { limit(rng, 12) } else { 0 };
    plan.raft.batch = rng.in_range(2, 64);
    (plan.clients.command_bytes, plan.clients.command_bytes_spread) = match rng.chance_percent(50) {
        true => (size, 0),
        false => (rng.in_range(1, size), rng.in_range(1, 2 * size)),
    };
}

#[cfg(test)]
mod tests {
    use super::{SHAPES, shape};
    use crate::plan::plan_rng::PlanRng;
    use crate::plan::{Plan, generate};

    #[test]
    fn each_shape_changes_some_plans_and_leaves_most_as_they_are() {
        for (number, shape) in SHAPES.into_iter().enumerate() {
            let changed = (0..1_000).filter(|&seed| {
                let plan = generate(seed);
                let mut shaped = plan.clone();
                shape(&mut PlanRng::new(seed, "test", 0), &mut shaped);
                assert_eq!(shaped.check(), Ok(()), "shape {number}, seed {seed}");
                shaped != plan
            });
            let changed = changed.count();
            assert!((40..250).contains(&changed), "shape {number} changes {changed} of 1,000 plans");
        }
    }

    #[test]
    fn shapes_leave_the_faults_as_they_are() {
        for seed in 0..100 {
            let plan = generate(seed);
            let mut shaped = plan.clone();
            shape(&mut shaped);
            assert_eq!(Plan { faults: plan.faults.clone(), ..shaped.clone() }, shaped, "seed {seed}");
        }
    }
}
