//! The disk lane alone: what it reports and when, and what a loss of power leaves at each point.

use super::*;
use crate::outcome::{Options, Recording};
use crate::plan;
use crate::support::rng::stream;
use crate::systems::raft_core::wal::RecoveredLog;
use crate::world::{SyncInFlight, World};
use invariants::{Fact, LogId};

/// A lane on a disk of its own.
struct Fixture {
    world: World<Envelope>,
    lane: DiskLane,
}

impl Fixture {
    /// Starts with a durable log of term 3 with two entries.
    fn new(seed: u64, bug: Option<HostBug>) -> Fixture {
        let mut plan = plan::generate(0);
        plan.seed = seed;
        plan.bug = bug.map(|bug| bug.info().name.to_owned());
        let options =
            Options { record: Recording { facts: true, ..Recording::default() }, ..Options::unchecked() };
        let mut world = World::new(&plan, &options, crate::plan::Supports::ALL, invariants::Contract::PAPER);
        let mut rng = stream(seed, "lane", [0; 2]);
        let (wal, _) = Wal::open(world.disk(1), &mut rng).unwrap();
        let lane = DiskLane::new(wal, 2, rng);
        let mut fixture = Fixture { world, lane };
        fixture.lane.begin_sync(&mut Host::new(&mut fixture.world, 1));
        assert_eq!(fixture.end_sync(true), SyncOutcome::Saved(SaveId(0)));
        let mark = {
            let entries = [(3, 1, b"x"), (3, 1, b"y")];
            fixture.lane.wal.append(fixture.world.disk(1), 3, Some(2), None, entries);
            fixture.lane.wal.mark()
        };
        let ticket = fixture.world.disk(1).begin_sync();
        fixture.world.end_sync(1, ticket);
        fixture.lane.wal.mark_durable(mark);
        fixture
    }

    /// Replaces the log by a snapshot of its first entry, as save `id`.
    fn rewrite(&mut self, id: u64) {
        let checkpoint = WalCheckpoint {
            last: LogId { index: 1, term: 3 },
            configuration: b"group".as_slice().into(),
            data: id.to_le_bytes().to_vec().into(),
            compacted: LogId { index: 1, term: 3 },
            compacted_configuration: b"group".as_slice().into(),
        };
        let entries = vec![(3, 1, b"y".as_slice().into())];
        let facts = vec![DiskFact::Saved { term: 4, vote: None, after: Some(id) }];
        let rewrite = LogRewrite { term: 4, vote: None, checkpoint, entries, facts };
        let mut host = Host::new(&mut self.world, 1);
        self.lane.rewrite(&mut host, SaveId(id), rewrite);
        self.lane.sync_if_needed(&mut host);
    }

    /// Ends the oldest sync.
    fn end_sync(&mut self, succeeded: bool) -> SyncOutcome {
        let SyncInFlight { token, ticket, .. } =
            self.world.node_state_mut(1).storage.syncs_in_flight.remove(0);
        if succeeded {
            self.world.end_sync(1, ticket);
        }
        let mut host = Host::new(&mut self.world, 1);
        self.lane.end_sync(&mut host, token, succeeded)
    }

    fn syncs(&self) -> usize {
        self.world.node_state(1).storage.syncs_in_flight.len()
    }

    /// Loses power. Returns what a restart recovers; `None`: damage.
    fn lose_power(&mut self, seed: u64) -> Option<RecoveredLog> {
        let mut rng = stream(seed, "loss", [0; 2]);
        self.world.disk(1).lose_power(&mut rng);
        Wal::open(self.world.disk(1), &mut rng).ok().map(|(_, recovered)| recovered)
    }

    /// The saves that the disk has stated, by number.
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
    let data = found.checkpoint.as_ref().map(|checkpoint| checkpoint.data.to_vec());
    (found.term, found.vote, data, found.entries.len()) == (4, None, Some(id.to_le_bytes().to_vec()), 1)
}

#[test]
fn rewrite_is_reported_once_its_rename_is_durable() {
    let mut fixture = Fixture::new(1, None);
    fixture.rewrite(1);
    fixture.rewrite(2);
    assert_eq!(fixture.syncs(), 1, "the second rewrite must wait for the first");
    assert_eq!(fixture.end_sync(true), SyncOutcome::Unchanged, "it is durable, but not renamed");
    assert_eq!(fixture.stated(), []);
    assert_eq!(fixture.end_sync(true), SyncOutcome::Saved(SaveId(1)));
    assert_eq!(fixture.stated(), [Some(1)]);
    assert_eq!(fixture.end_sync(true), SyncOutcome::Unchanged);
    assert_eq!(fixture.end_sync(true), SyncOutcome::Saved(SaveId(2)));
    assert_eq!((fixture.stated(), fixture.syncs()), (vec![Some(1), Some(2)], 0));
    assert!(is_new(&fixture.lose_power(1).unwrap(), 2));
}

#[test]
fn loss_of_power_leaves_the_old_log_or_the_new_one() {
    for (steps, may_be_old, may_be_new) in [(0, true, false), (1, true, true), (2, false, true)] {
        let (mut old, mut new) = (0, 0);
        for seed in 0..200 {
            let mut fixture = Fixture::new(seed, None);
            fixture.rewrite(1);
            (0..steps).for_each(|_| _ = fixture.end_sync(true));
            let found = fixture.lose_power(seed).expect("a loss of power must not look like damage");
            assert!(is_old(&found) || is_new(&found, 1), "{found:?}");
            old += u64::from(is_old(&found));
            new += u64::from(is_new(&found, 1));
        }
        assert_eq!((old > 0, new > 0), (may_be_old, may_be_new), "after {steps} syncs");
    }
}

#[test]
fn failed_sync_stops_the_lane_and_states_nothing() {
    let mut fixture = Fixture::new(1, None);
    fixture.rewrite(1);
    assert_eq!(fixture.end_sync(false), SyncOutcome::Failed(SaveId(0)));
    fixture.rewrite(2);
    assert_eq!((fixture.syncs(), fixture.stated()), (0, vec![]));
    assert!(is_old(&fixture.lose_power(1).unwrap()));
}

/// Bug N06: the rename survives, the contents do not.
#[test]
#[cfg_attr(not(feature = "bugs"), ignore = "bugs are switched off")]
fn rename_before_sync_can_lose_both_logs() {
    let (mut lost, mut complete) = (0, 0);
    for seed in 0..200 {
        let mut fixture = Fixture::new(seed, Some(HostBug::InstallNotAtomic));
        fixture.rewrite(1);
        match fixture.lose_power(seed) {
            Some(found) if is_old(&found) || is_new(&found, 1) => complete += 1,
            Some(found) => {
                assert_eq!(
                    found,
                    RecoveredLog { truncated_bytes: found.truncated_bytes, ..RecoveredLog::default() }
                );
                lost += 1;
            }
            None => {}
        }
        let mut fixture = Fixture::new(seed, Some(HostBug::InstallNotAtomic));
        fixture.rewrite(1);
        assert_eq!(
            fixture.end_sync(true),
            SyncOutcome::Saved(SaveId(1)),
            "one sync covers contents and rename"
        );
    }
    assert!(lost > 10 && complete > 10, "{lost} logs lost, {complete} logs complete");
}

/// Bug P06: the rewrite loses term and vote.
#[test]
#[cfg_attr(not(feature = "bugs"), ignore = "bugs are switched off")]
fn buggy_rewrite_loses_term_and_vote() {
    let mut fixture = Fixture::new(1, Some(HostBug::CompactionRewriteLosesHardstate));
    fixture.rewrite(1);
    fixture.end_sync(true);
    assert_eq!(fixture.end_sync(true), SyncOutcome::Saved(SaveId(1)));
    let found = fixture.lose_power(1).unwrap();
    assert_eq!((found.term, found.vote, found.entries.len()), (0, None, 1));
}

/// Bug P05: a failed sync is reported as successful.
#[test]
#[cfg_attr(not(feature = "bugs"), ignore = "bugs are switched off")]
fn ignored_sync_failure_is_reported_as_saved() {
    let mut fixture = Fixture::new(1, Some(HostBug::PersistFailureIgnored));
    fixture.rewrite(1);
    assert_eq!(fixture.end_sync(false), SyncOutcome::Unchanged);
    assert_eq!(fixture.end_sync(false), SyncOutcome::Saved(SaveId(1)));
    assert_eq!(fixture.stated(), []);
}
