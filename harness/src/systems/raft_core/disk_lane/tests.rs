//! The lane alone on a disk: what it reports and when, and what a loss of power leaves at each of these times.

use super::*;
use crate::outcome::Options;
use crate::plan;
use crate::rng::stream;
use crate::systems::raft_core::wal::RecoveredLog;
use crate::world::{SyncInFlight, World};
use invariants::LogId;

/// A lane in a world of its own.
struct Desk {
    world: World<Envelope>,
    lane: DiskLane,
}

impl Desk {
    /// With term 3 and two entries in a log that is durable.
    fn new(seed: u64, bug: Option<HostBug>) -> Desk {
        let mut plan = plan::generate(0);
        plan.seed = seed;
        plan.bug = bug.map(|bug| bug.info().name.to_owned());
        let options = Options { unchecked: true, facts: true, ..Options::default() };
        let mut world = World::new(&plan, &options);
        let mut chance = stream(seed, "lane", [0; 2]);
        let (wal, _) = Wal::open(world.disk(1), &mut chance).unwrap();
        let lane = DiskLane::new(wal, 2, chance);
        let mut desk = Desk { world, lane };
        desk.lane.begin_sync(&mut Host::new(&mut desk.world, 1));
        assert_eq!(desk.end_sync(true), SyncOutcome::Saved(SaveId(0)));
        let mark = {
            let entries = [(3, 1, b"x"), (3, 1, b"y")];
            desk.lane.wal.append(desk.world.disk(1), 3, Some(2), None, entries);
            desk.lane.wal.mark()
        };
        let ticket = desk.world.disk(1).begin_sync();
        desk.world.end_sync(1, ticket);
        desk.lane.wal.mark_durable(mark);
        desk
    }

    /// Replaces the log by a snapshot of its first entry, which stands for write `id`.
    fn rewrite(&mut self, id: u64) {
        let kept = WalCheckpoint {
            last: LogId { index: 1, term: 3 },
            configuration: b"group".as_slice().into(),
            data: id.to_le_bytes().to_vec().into(),
            base: LogId { index: 1, term: 3 },
            base_configuration: b"group".as_slice().into(),
        };
        let entries = vec![(3, 1, b"y".as_slice().into())];
        let truths = vec![Fact::Saved { term: 4, vote: None, after: Some(id) }];
        let rewrite = LogRewrite { term: 4, vote: None, checkpoint: kept, entries, truths };
        let mut host = Host::new(&mut self.world, 1);
        self.lane.rewrite(&mut host, SaveId(id), rewrite);
        self.lane.sync_if_needed(&mut host);
    }

    /// The oldest sync ends.
    fn end_sync(&mut self, well: bool) -> SyncOutcome {
        let SyncInFlight { token, ticket, .. } = self.world.node_state_mut(1).syncs_in_flight.remove(0);
        if well {
            self.world.end_sync(1, ticket);
        }
        let mut host = Host::new(&mut self.world, 1);
        self.lane.end_sync(&mut host, token, well)
    }

    fn syncs(&self) -> usize {
        self.world.node_state(1).syncs_in_flight.len()
    }

    /// What a restart after a loss of power finds; `None`: damage.
    fn lose_power(&mut self, seed: u64) -> Option<RecoveredLog> {
        let mut chance = stream(seed, "loss", [0; 2]);
        self.world.disk(1).lose_power(&mut chance);
        Wal::open(self.world.disk(1), &mut chance).ok().map(|(_, recovered)| recovered)
    }

    /// What the disk has said, by the number of the write.
    fn stated(&self) -> Vec<Option<u64>> {
        let facts = self.world.observer.recorded_facts.as_ref().unwrap();
        let after = |fact: &Fact| if let Fact::Saved { after, .. } = fact { *after } else { None };
        facts.iter().map(|observed| after(&observed.fact)).collect()
    }
}

fn is_old(found: &RecoveredLog) -> bool {
    (found.term, found.vote, found.checkpoint.is_none(), found.entries.len()) == (3, Some(2), true, 2)
}

fn is_new(found: &RecoveredLog, id: u64) -> bool {
    let data = found.checkpoint.as_ref().map(|kept| kept.data.to_vec());
    (found.term, found.vote, data, found.entries.len()) == (4, None, Some(id.to_le_bytes().to_vec()), 1)
}

#[test]
fn a_new_log_is_reported_when_it_stands_durable_in_the_old_ones_place() {
    let mut desk = Desk::new(1, None);
    desk.rewrite(1);
    desk.rewrite(2);
    assert_eq!(desk.syncs(), 1, "the second waits for the first");
    assert_eq!(desk.end_sync(true), SyncOutcome::Unchanged, "it is durable and has not its name");
    assert_eq!(desk.stated(), []);
    assert_eq!(desk.end_sync(true), SyncOutcome::Saved(SaveId(1)));
    assert_eq!(desk.stated(), [Some(1)]);
    assert_eq!(desk.end_sync(true), SyncOutcome::Unchanged);
    assert_eq!(desk.end_sync(true), SyncOutcome::Saved(SaveId(2)));
    assert_eq!((desk.stated(), desk.syncs()), (vec![Some(1), Some(2)], 0));
    assert!(is_new(&desk.lose_power(1).unwrap(), 2));
}

#[test]
fn a_loss_of_power_leaves_the_old_log_or_the_new_one() {
    for (steps, may_be_old, may_be_new) in [(0, true, false), (1, true, true), (2, false, true)] {
        let (mut old, mut new) = (0, 0);
        for seed in 0..200 {
            let mut desk = Desk::new(seed, None);
            desk.rewrite(1);
            (0..steps).for_each(|_| _ = desk.end_sync(true));
            let found = desk.lose_power(seed).expect("nothing was damaged");
            assert!(is_old(&found) || is_new(&found, 1), "{found:?}");
            old += u64::from(is_old(&found));
            new += u64::from(is_new(&found, 1));
        }
        assert_eq!((old > 0, new > 0), (may_be_old, may_be_new), "after {steps} syncs");
    }
}

#[test]
fn a_failed_sync_is_the_end_and_nothing_is_true_by_it() {
    let mut desk = Desk::new(1, None);
    desk.rewrite(1);
    assert_eq!(desk.end_sync(false), SyncOutcome::Failed(SaveId(0)));
    desk.rewrite(2);
    assert_eq!((desk.syncs(), desk.stated()), (0, vec![]));
    assert!(is_old(&desk.lose_power(1).unwrap()));
}

/// Bug N06: the name survives, the bytes do not.
#[test]
#[cfg_attr(not(feature = "bugs"), ignore = "bugs are switched off")]
fn a_name_before_its_bytes_leaves_neither_log() {
    let (mut forgotten, mut whole) = (0, 0);
    for seed in 0..200 {
        let mut desk = Desk::new(seed, Some(HostBug::InstallNotAtomic));
        desk.rewrite(1);
        match desk.lose_power(seed) {
            Some(found) if is_old(&found) || is_new(&found, 1) => whole += 1,
            Some(found) => {
                assert_eq!(
                    found,
                    RecoveredLog { truncated_bytes: found.truncated_bytes, ..RecoveredLog::default() }
                );
                forgotten += 1;
            }
            None => {}
        }
        let mut desk = Desk::new(seed, Some(HostBug::InstallNotAtomic));
        desk.rewrite(1);
        assert_eq!(desk.end_sync(true), SyncOutcome::Saved(SaveId(1)), "one sync for both");
    }
    assert!(forgotten > 10 && whole > 10, "{forgotten} times forgotten, {whole} times whole");
}

/// Bug P06: all is there but term and vote.
#[test]
#[cfg_attr(not(feature = "bugs"), ignore = "bugs are switched off")]
fn a_rewriting_that_forgets_term_and_vote() {
    let mut desk = Desk::new(1, Some(HostBug::CompactionRewriteLosesHardstate));
    desk.rewrite(1);
    desk.end_sync(true);
    assert_eq!(desk.end_sync(true), SyncOutcome::Saved(SaveId(1)));
    let found = desk.lose_power(1).unwrap();
    assert_eq!((found.term, found.vote, found.entries.len()), (0, None, 1));
}

/// Bug P05: what failed is reported.
#[test]
#[cfg_attr(not(feature = "bugs"), ignore = "bugs are switched off")]
fn a_failure_that_is_ignored_is_reported_as_done() {
    let mut desk = Desk::new(1, Some(HostBug::PersistFailureIgnored));
    desk.rewrite(1);
    assert_eq!(desk.end_sync(false), SyncOutcome::Unchanged);
    assert_eq!(desk.end_sync(false), SyncOutcome::Saved(SaveId(1)));
    assert_eq!(desk.stated(), []);
}
