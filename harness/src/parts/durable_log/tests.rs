//! The log alone: what it reports and when, and what a loss of power leaves at each point.

use super::*;
use crate::outcome::{Options, Recording};
use crate::plan;
use crate::support::rng::stream;
use crate::world::{SyncInFlight, World};
use invariants::Fact;

/// A log on a disk of its own.
struct Fixture {
    world: World<u64>,
    log: DurableLog,
}

impl Fixture {
    /// Starts with a durable log of term 3 with two entries.
    fn new(seed: u64, bug: Option<LogBug>) -> Fixture {
        Fixture::with_bug(seed, bug.map(|bug| bug.info().name))
    }

    fn with_bug(seed: u64, bug: Option<&str>) -> Fixture {
        let mut plan = plan::generate(0);
        plan.seed = seed;
        plan.raft.max_in_flight_syncs = 2;
        plan.bug = bug.map(str::to_owned);
        let options =
            Options { record: Recording { facts: true, ..Recording::default() }, ..Options::unchecked() };
        let mut world = World::new(&plan, &options, crate::plan::Supports::ALL, invariants::Contract::PAPER);
        let rng = stream(seed, "lane", [0; 2]);
        let (log, _) = DurableLog::open(&mut Host::new(&mut world, 1), rng).unwrap();
        let mut fixture = Fixture { world, log };
        fixture.log.begin_sync(&mut Host::new(&mut fixture.world, 1));
        assert_eq!(fixture.end_sync(true), SyncOutcome::Saved(0));
        let mark = {
            let entries = [(3, 1, b"x"), (3, 1, b"y")];
            fixture.log.wal.append(fixture.world.disk(1), 3, Some(2), None, entries);
            fixture.world.disk(1).sync_directory();
            fixture.log.wal.mark()
        };
        let ticket = fixture.world.disk(1).begin_sync();
        fixture.world.end_sync(1, ticket);
        fixture.log.wal.mark_durable(mark);
        fixture.log.last_index = 2;
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
        let rewrite =
            Rewrite { term: 3 + id, vote: None, checkpoint, entries, note: Bytes::from_static(b"new") };
        let mut host = Host::new(&mut self.world, 1);
        self.log.rewrite(&mut host, id, rewrite);
        self.log.sync_if_needed(&mut host);
    }

    /// Ends the oldest sync.
    fn end_sync(&mut self, succeeded: bool) -> SyncOutcome {
        let SyncInFlight { token, ticket, .. } =
            self.world.node_state_mut(1).storage.syncs_in_flight.remove(0);
        if succeeded {
            self.world.end_sync(1, ticket);
        }
        let mut host = Host::new(&mut self.world, 1);
        self.log.end_sync(&mut host, token, succeeded)
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

    /// The terms of the saves that the disk has stated.
    fn stated(&self) -> Vec<u64> {
        let facts = self.world.observer.recorded_facts.as_ref().unwrap();
        let term = |fact: &Fact| if let Fact::Saved { term, .. } = fact { Some(*term) } else { None };
        facts.iter().filter_map(|observed| term(&observed.fact)).collect()
    }
}

fn is_old(found: &RecoveredLog) -> bool {
    (found.term, found.vote, found.checkpoint.is_none(), found.entries.len()) == (3, Some(2), true, 2)
}

fn is_new(found: &RecoveredLog, id: u64) -> bool {
    let data = found.checkpoint.as_ref().map(|checkpoint| checkpoint.data.to_vec());
    (found.term, found.vote, data, found.entries.len()) == (3 + id, None, Some(id.to_le_bytes().to_vec()), 1)
}

#[test]
fn rewrite_is_reported_once_its_rename_is_durable() {
    let mut fixture = Fixture::new(1, None);
    fixture.rewrite(1);
    fixture.rewrite(2);
    assert_eq!(fixture.syncs(), 1, "the second rewrite must wait for the first");
    assert_eq!(fixture.end_sync(true), SyncOutcome::Unchanged, "it is durable, but not renamed");
    assert_eq!(fixture.stated(), [0; 0]);
    assert_eq!(fixture.end_sync(true), SyncOutcome::Saved(1));
    assert_eq!(fixture.stated(), [4]);
    assert_eq!(fixture.end_sync(true), SyncOutcome::Unchanged);
    assert_eq!(fixture.end_sync(true), SyncOutcome::Saved(2));
    assert_eq!((fixture.stated(), fixture.syncs()), (vec![4, 5], 0));
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
fn failed_sync_stops_the_log_and_states_nothing() {
    let mut fixture = Fixture::new(1, None);
    fixture.rewrite(1);
    assert_eq!(fixture.end_sync(false), SyncOutcome::Failed(0));
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
        let mut fixture = Fixture::new(seed, Some(LogBug::InstallNotAtomic));
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
        let mut fixture = Fixture::new(seed, Some(LogBug::InstallNotAtomic));
        fixture.rewrite(1);
        assert_eq!(fixture.end_sync(true), SyncOutcome::Saved(1), "one sync covers contents and rename");
    }
    assert!(lost > 10 && complete > 10, "{lost} logs lost, {complete} logs complete");
}

/// Bug P06: the rewrite loses term and vote.
#[test]
#[cfg_attr(not(feature = "bugs"), ignore = "bugs are switched off")]
fn buggy_rewrite_loses_term_and_vote() {
    let mut fixture = Fixture::new(1, Some(LogBug::CompactionRewriteLosesHardstate));
    fixture.rewrite(1);
    _ = fixture.end_sync(true);
    assert_eq!(fixture.end_sync(true), SyncOutcome::Saved(1));
    let found = fixture.lose_power(1).unwrap();
    assert_eq!((found.term, found.vote, found.entries.len()), (0, None, 1));
}

/// Bug P05: a failed sync is reported as successful.
#[test]
#[cfg_attr(not(feature = "bugs"), ignore = "bugs are switched off")]
fn ignored_sync_failure_is_reported_as_saved() {
    let mut fixture = Fixture::new(1, Some(LogBug::PersistFailureIgnored));
    fixture.rewrite(1);
    assert_eq!(fixture.end_sync(false), SyncOutcome::Unchanged);
    assert_eq!(fixture.end_sync(false), SyncOutcome::Saved(1));
    assert_eq!(fixture.stated(), [0; 0]);
}

/// Saves a vote and an entry, as save 1. Returns what the end of the step reports.
fn save(fixture: &mut Fixture) -> SyncOutcome {
    let mut host = Host::new(&mut fixture.world, 1);
    let entries = [(5, 1, b"z")].into_iter();
    fixture.log.save(
        &mut host,
        1,
        Save { term: 5, vote: Some(3), after: 1, entries, note: b"note" },
        |_, index| {
            assert_eq!(index, 2);
        },
    );
    fixture.log.flush(&mut host)
}

#[test]
fn save_is_reported_at_the_end_of_its_sync_and_releases_what_is_held() {
    let mut fixture = Fixture::new(1, None);
    let mut held = HeldUntilSaved::default();
    held.hold(1, "vote");
    assert_eq!(save(&mut fixture), SyncOutcome::Unchanged);
    assert_eq!(held.release(&Host::new(&mut fixture.world, 1), 0), [""; 0]);
    assert_eq!(fixture.end_sync(true), SyncOutcome::Saved(1));
    assert_eq!((fixture.stated(), fixture.log.last_index()), (vec![5], 2));
    assert_eq!(held.release(&Host::new(&mut fixture.world, 1), 1), ["vote"]);
    let found = fixture.lose_power(1).unwrap();
    assert_eq!((found.vote, found.entries.len()), (Some(3), 2), "the second entry was replaced");
    assert_eq!(&*found.note, b"note");
    let ServerFact::Started { last, .. } = found.started() else { panic!("{:?}", found.started()) };
    assert_eq!(last, LogId { index: 2, term: 5 });
}

#[test]
#[cfg_attr(not(feature = "bugs"), ignore = "bugs are switched off")]
fn each_lie_breaks_its_promise_and_no_other() {
    for lie in HostLie::ALL {
        let mut fixture = Fixture::with_bug(1, Some(lie.info().name));
        let mut held = HeldUntilSaved::default();
        held.hold(1, "vote");
        let reported = save(&mut fixture) == SyncOutcome::Saved(1);
        let sent = !held.release(&Host::new(&mut fixture.world, 1), 0).is_empty();
        _ = fixture.end_sync(true);
        let forgotten = fixture.lose_power(1).unwrap().vote.is_none();
        let expected = match lie {
            HostLie::AnswersBeforeSync => (true, false, false),
            HostLie::SendsBeforeSaving => (false, true, false),
            HostLie::ForgetsVote => (false, false, true),
        };
        assert_eq!((reported, sent, forgotten), expected, "{lie:?}");
    }
}
