//! Snapshots and compacted logs (7), message by message.
//!
//! Chunks have 4 bytes; the state of three commands has 11.

use crate::table::Table;
use raft_core::status::{ProgressStatus, RoleStatus};
use raft_core::{
    ConfChange, ConfChangeOp, Effect, Index, LogId, Message, MessageContext, NodeId, Rejection, RequestId,
    Response, SnapshotChunk, Term,
};
use std::collections::VecDeque;

fn with_small_chunks(initial_voters: u64, nodes: u64) -> Table {
    Table::with_initial_voters(initial_voters, nodes, |config| config.max_chunk_bytes = 4)
}

/// n1 has committed three commands with n2 and compacted its whole log; n3 has none of them.
fn lagging() -> Table {
    let mut t = with_small_chunks(3, 3);
    t.quietly(|t| {
        t.elect(1);
        lag_behind(t);
    });
    t
}

fn lag_behind(t: &mut Table) {
    t.cut(3);
    commit(t, &["a=1", "b=2", "c=3"]);
    t.compact(1, 0);
    t.heal();
}

/// n1 commits some commands, and all servers that it reaches know.
fn commit(t: &mut Table, commands: &[&str]) {
    commands.iter().for_each(|command| t.propose(1, command));
    t.deliver_all();
    t.heartbeat(1);
    t.deliver_all();
}

/// n1 learns that n3 lacks compacted entries, and sends the first chunks.
fn start_transfer(t: &mut Table) {
    t.heartbeat(1);
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.deliver(1, 3);
    t.deliver(3, 1);
}

#[test]
fn trailing_entries_serve_a_follower_slightly_behind() {
    let mut t = with_small_chunks(3, 3);
    t.quietly(|t| {
        t.elect(1);
        commit(t, &["a=1", "b=2"]);
        t.cut(3);
        commit(t, &["c=3"]);
    });
    t.describe(
        "n1's snapshot covers everything up to 4. It keeps the last entry, which is all that n3 lacks.",
    );
    t.compact(1, 1);
    t.show();
    t.describe("So n3 needs no snapshot.");
    t.heal();
    t.heartbeat(1);
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.deliver(1, 3);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn follower_that_lacks_compacted_entries_gets_snapshot_chunks() {
    let mut t = lagging();
    t.describe(
        "A heartbeat shows how short n3's log is. What it lacks is compacted, so it gets the snapshot.",
    );
    t.show();
    t.heartbeat(1);
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.describe(
        "The last chunk completes it. One write replaces n3's log, and only when it is durable n3 acknowledges.",
    );
    t.slow_disk(3);
    t.deliver(1, 3);
    t.deliver(1, 3);
    t.deliver(1, 3);
    t.sync(3);
    t.describe("After that n3 gets entries from the log.");
    t.propose(1, "d=4");
    t.quietly(|t| t.fast_disk(3));
    t.deliver(3, 1);
    t.deliver(3, 1);
    t.deliver(3, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn lost_chunk_is_sent_again() {
    let mut t = lagging();
    t.quietly(start_transfer);
    t.describe("Three chunks are in flight to n3, and the second one is lost.");
    t.deliver(1, 3);
    t.lose(1, 3);
    t.pause(1, 10);
    t.describe("n3's response to the third chunk shows the gap, and n1 goes back.");
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.deliver(3, 1);
    t.deliver(1, 3);
    t.deliver(1, 3);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn heartbeat_shows_loss_of_all_chunks() {
    let mut t = lagging();
    t.quietly(start_transfer);
    t.describe("No chunk arrives.");
    t.lose_all();
    t.describe("A heartbeat is a chunk without bytes, after all that was sent. The response says that n3 has none of them.");
    t.heartbeat(1);
    t.deliver(1, 3);
    t.deliver(3, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn reordered_chunks_are_assembled_in_order() {
    let mut t = lagging();
    t.quietly(start_transfer);
    t.pause(1, 10);
    t.describe("The last chunk arrives first. n3 cannot use it without the ones before.");
    t.deliver_newest(1, 3);
    t.describe("The others arrive, before n1 learns of any gap.");
    t.deliver(1, 3);
    t.deliver(1, 3);
    t.describe(
        "n1 sends all chunks again, since the first response reported none. The next responses correct that.",
    );
    t.deliver(3, 1);
    t.deliver(3, 1);
    t.deliver(3, 1);
    t.describe("Duplicate chunks change nothing.");
    t.deliver(1, 3);
    t.deliver(1, 3);
    t.deliver(1, 3);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn restart_during_transfer_starts_it_again() {
    let mut t = lagging();
    t.quietly(start_transfer);
    t.describe("n3 has two of three chunks, in memory.");
    t.deliver(1, 3);
    t.deliver(1, 3);
    t.quietly(|t| {
        t.deliver(3, 1);
        t.deliver(3, 1);
        t.pause(1, 10);
    });
    t.power_loss(3);
    t.restart(3);
    t.describe("The response to the third chunk shows n1 that it must start again.");
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.quietly(Table::deliver_all);
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn transfer_ends_with_its_leader() {
    let mut t = lagging();
    t.quietly(start_transfer);
    t.describe("n3 has two of three chunks when n2, whose log is complete, becomes leader.");
    t.deliver(1, 3);
    t.deliver(1, 3);
    t.quietly(|t| {
        t.hold(1, 3);
        t.elect(2);
    });
    t.describe("The last chunk is too late: n3 is in a new term, and has everything from n2's log.");
    t.show();
    t.deliver(1, 3);
    t.deliver_all();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn chunks_of_two_leaders_are_never_combined() {
    let mut t = lagging();
    t.quietly(|t| {
        t.compact(2, 0);
        start_transfer(t);
    });
    t.describe("n3 has two of three chunks from n1.");
    t.deliver(1, 3);
    t.deliver(1, 3);
    t.quietly(|t| {
        t.lose_all();
        t.time_out(2);
        t.deliver(2, 1);
        t.deliver(1, 2);
    });
    t.describe("n2 leads. Its snapshot ends where n1's did, but its bytes may differ: n3 starts again.");
    t.deliver(2, 3);
    t.deliver(2, 3);
    t.deliver(3, 2);
    t.deliver(3, 2);
    t.deliver(2, 3);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn chunks_survive_a_silence() {
    let mut t = Table::with(3, |config| (config.max_chunk_bytes, config.pre_vote) = (4, true));
    t.quietly(|t| {
        t.elect(1);
        lag_behind(t);
        start_transfer(t);
    });
    t.describe("n3 has two of three chunks, and then has no contact for so long that it requests pre-votes.");
    t.deliver(1, 3);
    t.deliver(1, 3);
    t.time_out(3);
    t.describe("Its leader and the snapshot are unchanged: the last chunk completes it.");
    t.deliver(1, 3);
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn late_chunk_of_older_snapshot_keeps_newer_chunks() {
    let mut t = lagging();
    t.quietly(|t| {
        start_transfer(t);
        t.deliver_all();
        t.cut(3);
        commit(t, &["d=4"]);
        t.compact(1, 0);
        t.heal();
        start_transfer(t);
    });
    t.describe("n3 has installed a snapshot up to 4, and has two of four chunks of the next one.");
    t.deliver(1, 3);
    t.deliver(1, 3);
    t.describe(
        "A chunk of the first one arrives again. It is acknowledged, and the chunks of the next one stay.",
    );
    let chunk = SnapshotChunk {
        last: LogId { index: Index(4), term: Term(1) },
        configuration: t.raft(1).configuration().clone(),
        size: 11,
        offset: 0,
        data: "a=1 ".into(),
    };
    t.inject(
        1,
        3,
        Message::InstallSnapshot {
            term: Term(1),
            chunk: Box::new(chunk),
            context: MessageContext::default(),
        },
    );
    t.deliver_newest(1, 3);
    t.deliver(1, 3);
    t.deliver(1, 3);
    t.show();
    insta::assert_snapshot!(t.transcript());
}

/// n3 has the first chunk of a snapshot when n1 makes a newer one.
fn make_newer_snapshot(t: &mut Table, first: impl FnOnce(&mut Table)) {
    t.deliver(1, 3);
    t.propose(1, "d=4");
    t.quietly(|t| {
        t.deliver(1, 2);
        t.deliver(2, 1);
        t.deliver(3, 1);
        first(t);
    });
    t.compact(1, 0);
}

/// n3 gets the other chunks.
fn finish_transfer(t: &mut Table) {
    t.deliver(1, 3);
    t.deliver(1, 3);
    t.quietly(|t| t.deliver(3, 1));
    t.deliver(3, 1);
    t.quietly(Table::deliver_all);
    t.show();
}

#[test]
fn entries_after_snapshot_in_transfer_are_kept_while_receiver_responds() {
    let mut t = lagging();
    t.quietly(start_transfer);
    t.describe("n3 has acknowledged the first chunk when n1 makes a newer snapshot. n1 keeps the entries after the old one.");
    make_newer_snapshot(&mut t, |_| {});
    t.describe("So n3 needs no newer snapshot, however fast they are made: it continues with entries.");
    finish_transfer(&mut t);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn after_a_silence_newest_snapshot_replaces_transfer() {
    let mut t = lagging();
    t.quietly(start_transfer);
    t.describe("n3 has the first chunk, and is silent for an election timeout: n1 keeps no entries for it.");
    make_newer_snapshot(&mut t, |t| t.elapse(300_000_000));
    t.describe("n1 sends the newer snapshot instead, and n3 installs only that one.");
    t.lose_all();
    t.heartbeat(1);
    t.quietly(Table::deliver_all);
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn returning_follower_installs_only_newest_snapshot() {
    let mut t = Table::of(3);
    t.quietly(|t| t.elect(1));
    t.describe("n3 is cut off. n1 and n2 continue, and n1 makes one snapshot after the other.");
    t.cut(3);
    t.quietly(|t| {
        commit(t, &["a=1", "b=2", "c=3"]);
        t.compact(1, 0);
    });
    let old = t.raft(1).snapshot().expect("n1 has just made a snapshot").data.clone();
    t.quietly(|t| {
        for round in 0..20 {
            commit(t, &[&format!("d={round}")]);
            t.compact(1, 0);
        }
    });
    t.show();
    assert!(old.is_unique(), "n1 must not hold its first snapshot any more");
    t.describe("n3 is back: it installs only the newest snapshot.");
    t.heal();
    t.heartbeat(1);
    t.deliver_all();
    t.show();
    let installs = t.transcript().lines().filter(|line| line.starts_with("n3  replaces its log"));
    assert_eq!(installs.collect::<Vec<_>>(), ["n3  replaces its log up to 24@1"]);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn silent_transfer_releases_snapshot_after_election_timeout() {
    let mut t = lagging();
    t.quietly(|t| {
        start_transfer(t);
        t.deliver(1, 3);
        t.deliver(3, 1);
        t.cut(3);
        t.lose_all();
    });
    let last_contact = t.server(1).now;
    let old = t.raft(1).snapshot().expect("n1 has just made a snapshot").data.clone();
    t.quietly(|t| {
        commit(t, &["d=4"]);
        t.compact(1, 0);
    });
    assert!(!old.is_unique(), "n3 has a chunk of the old snapshot and may respond, so n1 must hold it");
    let silent_for = |t: &Table| t.server(1).now - last_contact;
    t.quietly(|t| t.wait(1, (299_000_000 - silent_for(t)) / 1_000_000));
    assert!(!old.is_unique(), "n1 must hold the old snapshot for a whole election timeout");
    t.quietly(|t| t.wait(1, 101));
    assert!(old.is_unique(), "n1 must release the old snapshot without a newer one");
}

#[test]
fn frequent_snapshots_do_not_starve_a_follower() {
    /// The delay of n3's responses in milliseconds.
    const DELAY: usize = 3;
    for chunk in [4, 1 << 10] {
        let mut t = Table::with(3, |config| config.max_chunk_bytes = chunk);
        t.quietly(|t| {
            t.elect(1);
            commit(t, &[&"large".repeat(100)]);
            lag_behind(t);
            t.hold(3, 1);
            t.heartbeat(1);
            t.deliver_all();
            t.deliver_all();
        });
        // Each millisecond n1 makes one more snapshot.
        let responses =
            |t: &Table| t.messages.iter().filter(|envelope| envelope.from.id == NodeId(3)).count();
        let mut left_after: VecDeque<usize> = VecDeque::from([0; DELAY]);
        for round in 0..100 {
            t.quietly(|t| {
                t.propose(1, &format!("e={round}"));
                t.deliver_all();
                t.compact(1, 0);
                t.deliver_all();
                left_after.push_back(responses(t));
                let older = left_after.pop_front().expect("one count per millisecond of delay");
                (0..older.min(responses(t))).for_each(|_| t.deliver(3, 1));
                left_after.iter_mut().for_each(|count| *count = count.saturating_sub(older));
                t.elapse(1_000_000);
                if t.raft(1).deadline().is_some_and(|due| due.0 <= t.server(1).now) {
                    t.fire(1);
                }
            });
        }
        let RoleStatus::Leader(leader) = t.raft(1).status().role else { panic!("n1 leads") };
        let n3 = leader.followers.iter().find(|follower| follower.replica.id == NodeId(3)).expect("a member");
        assert!(matches!(n3.state, ProgressStatus::Replicate { .. }), "chunks of {chunk}: {n3:?}");
        assert!(n3.match_index.0 + 10 > t.raft(1).last().index.0, "chunks of {chunk}: {n3:?}");
    }
}

/// n1's snapshot up to 4 and the entries up to 5 are in flight to n3, in another order than they were sent.
fn with_late_entries() -> Table {
    let mut t = Table::of(3);
    t.quietly(|t| {
        t.elect(1);
        t.hold(1, 3);
        ["a=1", "b=2", "c=3", "d=4"].iter().for_each(|command| t.propose(1, command));
        (0..4).for_each(|_| t.deliver(1, 2));
        (0..3).for_each(|_| t.deliver(2, 1));
        t.copy_state(1);
        t.deliver(2, 1);
        t.compact(1, 0);
        t.heartbeat(1);
        t.deliver_newest(1, 3);
        t.deliver(3, 1);
    });
    t
}

#[test]
fn entries_beyond_installed_snapshot_are_kept() {
    let mut t = with_late_entries();
    t.describe("Late entries reach n3 before the snapshot that was to replace them. It acknowledges 5@1.");
    (0..4).for_each(|_| t.deliver(1, 3));
    t.describe("The snapshot shows that everything up to 4 is committed. 5@1 stays: n1 may count it.");
    t.deliver(1, 3);
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn snapshot_of_committed_entries_is_only_acknowledged() {
    let mut t = with_late_entries();
    t.quietly(|t| {
        t.deliver_newest(1, 3);
        t.deliver_all();
        t.release(1, 3);
        t.heartbeat(1);
        t.deliver_all();
    });
    t.describe("n3 has installed the snapshot, and more entries by now. The same snapshot arrives again.");
    t.show();
    let configuration = t.raft(1).configuration().clone();
    let snapshot = t.raft(1).snapshot().expect("n1 has just made a snapshot").clone();
    t.quietly(|t| {
        let message = raft_core::Message::InstallSnapshot {
            term: t.raft(1).term(),
            chunk: Box::new(raft_core::SnapshotChunk {
                configuration,
                ..raft_core::SnapshotChunk::of(&snapshot, 0, usize::MAX)
            }),
            context: raft_core::MessageContext::default(),
        };
        t.inject(1, 3, message);
    });
    t.deliver(1, 3);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn compaction_older_than_snapshot_is_rejected() {
    let mut t = with_small_chunks(3, 3);
    t.quietly(|t| {
        t.elect(1);
        commit(t, &["a=1"]);
        t.cut(3);
        commit(t, &["b=2"]);
        t.compact(1, 0);
        t.heal();
    });
    t.describe("n3 has copied its state when a newer snapshot arrives from n1.");
    t.copy_state(3);
    start_transfer(&mut t);
    t.deliver(1, 3);
    t.deliver(1, 3);
    t.describe("The copy is outdated. The installed snapshot stays.");
    t.compact(3, 0);
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn snapshot_replaces_conflicting_entries() {
    let mut t = with_small_chunks(3, 3);
    t.quietly(|t| {
        t.elect(3);
        t.cut(3);
        t.propose(3, "old=1");
        t.propose(3, "old=2");
        t.elect(1);
        commit(t, &["a=1", "b=2", "c=3"]);
        t.compact(1, 1);
        t.heal();
    });
    t.describe("n3 has led, and has two entries that no other server has. Two clients wait for them.");
    t.show();
    t.describe("As soon as n3 follows, its clients learn that the result is unknown. The snapshot replaces its whole log.");
    t.heartbeat(1);
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.deliver_all();
    t.show();
    insta::assert_snapshot!(t.transcript());
}

/// n3 has received all but the last chunk, and its disk is slow.
fn installing() -> Table {
    let mut t = lagging();
    t.quietly(|t| {
        t.slow_disk(3);
        t.hold(3, 1);
        start_transfer(t);
        t.deliver(1, 3);
        t.deliver(1, 3);
    });
    t
}

#[test]
fn power_loss_before_install_is_durable_keeps_old_log() {
    let mut t = installing();
    t.describe(
        "The last chunk arrives, and the write waits. n3 has acknowledged nothing, and applied nothing.",
    );
    t.deliver(1, 3);
    t.power_loss(3);
    t.restart(3);
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn power_loss_after_install_is_durable_keeps_snapshot() {
    let mut t = installing();
    t.describe("The last chunk arrives, and the write becomes durable, but n3 gets no completion.");
    t.deliver(1, 3);
    t.quietly(|t| t.power_loss_keeping(3, 9));
    t.restart(3);
    t.describe(
        "The application gets its state back when the recovered state is durable again, and not before.",
    );
    t.sync(3);
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn power_loss_before_compaction_is_durable_keeps_log() {
    let mut t = with_small_chunks(1, 1);
    t.quietly(|t| {
        t.elect(1);
        t.propose(1, "a=1");
        t.propose(1, "b=2");
    });
    t.slow_disk(1);
    t.describe("The write of the snapshot waits, and so does an entry after it.");
    t.compact(1, 0);
    t.propose(1, "c=3");
    t.power_loss(1);
    t.restart(1);
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn restart_recovers_snapshot_and_later_entries() {
    let mut t = with_small_chunks(3, 3);
    t.quietly(|t| {
        t.elect(1);
        commit(t, &["a=1", "b=2", "c=3"]);
        t.compact(2, 1);
        commit(t, &["d=4"]);
    });
    t.describe(
        "n2 has a snapshot up to 4, and entries 4@1 and 5@1. It restarts with a slow disk: nothing is applied yet.",
    );
    t.slow_disk(2);
    t.crash(2);
    t.restart(2);
    t.show();
    t.describe("The snapshot is restored first, then later entries are applied. n2 must learn again that 5@1 is committed.");
    t.sync(2);
    t.heartbeat(1);
    t.deliver(1, 2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn snapshot_carries_the_configuration() {
    let mut t = with_small_chunks(3, 5);
    t.quietly(|t| {
        t.elect(1);
        commit(t, &["a=1", "b=2"]);
        t.cut(3);
    });
    t.describe("While n3 is cut off the configuration becomes joint, explicitly: n4 replaces n2, which becomes a learner as n5 does.");
    let steps = vec![
        ConfChangeOp::AddVoter(NodeId(4)),
        ConfChangeOp::AddLearner(NodeId(5)),
        ConfChangeOp::AddLearner(NodeId(2)),
    ];
    t.change(1, ConfChange::ExplicitJoint(steps));
    t.quietly(|t| {
        t.deliver_all();
        commit(t, &["c=3"]);
        t.compact(1, 0);
        t.heal();
    });
    t.describe("n3 uses that configuration once it has installed n1's snapshot.");
    t.heartbeat(1);
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.deliver(1, 3);
    t.deliver(1, 3);
    t.deliver(1, 3);
    t.describe("And after a restart as well.");
    t.crash(3);
    t.restart(3);
    let (here, there) = (t.raft(3).configuration(), t.raft(1).configuration());
    assert_eq!(here, there);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn snapshot_has_configuration_of_its_last_entry() {
    let mut t = with_small_chunks(3, 4);
    t.quietly(|t| {
        t.elect(1);
        commit(t, &["a=1"]);
        t.copy_state(1);
        t.change(1, ConfChange::Auto(vec![ConfChangeOp::AddLearner(NodeId(4))]));
        t.deliver_all();
        t.cut(2);
        t.cut(3);
        t.change(1, ConfChange::Auto(vec![ConfChangeOp::AddVoter(NodeId(4))]));
    });
    t.describe("n1 compacts with a state from before two changes. The second one is not committed.");
    t.show();
    t.compact(1, 0);
    let snapshot = t.raft(1).snapshot().expect("n1 has just made a snapshot");
    assert!(snapshot.configuration.learners.is_empty());
    t.describe("The next snapshot has the first change, but not the second one.");
    t.compact(1, 0);
    let snapshot = t.raft(1).snapshot().expect("n1 has just made a snapshot");
    assert_eq!(
        (&snapshot.configuration.learners[..], snapshot.configuration.voters.len()),
        (&[NodeId(4)][..], 3)
    );
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn learner_that_installs_a_snapshot_stays_a_learner() {
    let mut t = with_small_chunks(3, 4);
    t.quietly(|t| {
        t.elect(1);
        commit(t, &["a=1", "b=2", "c=3"]);
        t.compact(1, 0);
    });
    t.describe("n4 becomes a learner. All that it lacks is compacted.");
    t.change(1, ConfChange::Auto(vec![ConfChangeOp::AddLearner(NodeId(4))]));
    t.quietly(|t| {
        t.deliver_all();
        t.heartbeat(1);
        t.deliver_all();
    });
    t.show();
    t.describe("It does not campaign. As a voter it may.");
    t.time_out(4);
    t.change(1, ConfChange::Auto(vec![ConfChangeOp::AddVoter(NodeId(4))]));
    t.quietly(Table::deliver_all);
    t.time_out(4);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn leader_with_fully_compacted_log_replicates() {
    let mut t = with_small_chunks(3, 3);
    t.quietly(|t| {
        t.elect(1);
        commit(t, &["a=1", "b=2", "c=3"]);
    });
    t.describe("n1's whole log is compacted. Its heartbeats follow the compacted entry.");
    t.compact(1, 0);
    t.heartbeat(1);
    t.deliver_all();
    t.describe("So does the next entry.");
    t.propose(1, "d=4");
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.describe("And n3, whose log is compacted up to 4 like n1's, wins an election.");
    t.quietly(|t| {
        t.deliver_all();
        t.compact(3, 0);
        t.elect(3);
    });
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn heartbeats_and_reads_continue_during_snapshot_transfer() {
    let mut t = lagging();
    t.quietly(|t| {
        start_transfer(t);
        t.lose_all();
        t.crash(2);
    });
    t.describe(
        "n2 is down, and n3 has none of the snapshot yet. Its responses still confirm n1's leadership.",
    );
    t.read(1, "r1");
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.describe("A new entry waits until n3 has the snapshot before it.");
    t.propose(1, "d=4");
    t.quietly(Table::deliver_all);
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn full_window_does_not_block_a_snapshot() {
    let mut t = Table::with(3, |config| config.max_in_flight_messages = 2);
    t.quietly(|t| {
        t.elect(1);
        t.cut(3);
        commit(t, &["a=1", "b=2", "c=3"]);
    });
    t.describe("Two messages to n3 are lost, and its window is full. n1 has not sent it 4@1.");
    t.show();
    t.compact(1, 0);
    t.heal();
    t.describe("The entries after the two are compacted, so n3 needs the snapshot whatever it responds.");
    t.heartbeat(1);
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn compaction_that_is_outdated_or_not_applied_is_rejected() {
    let mut t = lagging();
    t.describe("A state that is not applied yet, or not newer than the snapshot, is rejected.");
    let (before, now) = (t.raft(1).clone(), raft_core::Timestamp(t.server(1).now));
    let (old, new) = (Rejection::SnapshotOutdated, Rejection::SnapshotNotApplied);
    for (index, why) in [(0, old), (3, old), (4, old), (5, new), (9, new), (u64::MAX, new)] {
        let (mut after, mut effects) = (before.clone(), Vec::new());
        let request = RequestId(7);
        let (index, data) = (Index(index), b"nonsense".to_vec().into());
        after.step(now, raft_core::Input::Compact { request, index, data, keep: index }, &mut effects);
        let rejected = Effect::Respond { request, response: Response::Rejected(why) };
        assert_eq!((effects, &after), (vec![rejected], &before), "a state up to {index}");
    }
}

#[test]
fn every_compaction_gets_its_response_at_once() {
    let mut t = with_small_chunks(1, 1);
    t.quietly(|t| {
        t.elect(1);
        t.propose(1, "a=1");
    });
    let now = raft_core::Timestamp(t.server(1).now);
    let compact = |index: u64, keep: u64| {
        let (index, keep) = (Index(index), Index(keep));
        raft_core::Input::Compact { request: RequestId(7), index, data: "a=1".into(), keep }
    };
    let respond = |response| Effect::Respond { request: RequestId(7), response };
    for (index, keep, compacted) in [(2, 2, 2), (2, 1, 1), (2, 0, 0), (1, 9, 1), (2, u64::MAX, 2)] {
        let (mut raft, mut effects) = (t.raft(1).clone(), Vec::new());
        raft.step(now, compact(index, keep), &mut effects);
        assert_eq!(effects[0], respond(Response::Compacted));
        assert!(matches!(&effects[1..], [Effect::Save { record: write, .. }] if write.checkpoint.is_some()));
        assert_eq!(raft.log().compacted().index, Index(compacted), "up to {index}, keep {keep}");
        effects.clear();
        raft.step(now, compact(index, keep), &mut effects);
        assert_eq!(effects, [respond(Response::Rejected(Rejection::SnapshotOutdated))]);
    }
    let (mut raft, mut effects) = (t.raft(1).clone(), Vec::new());
    raft.step(now, raft_core::Input::SaveFailed, &mut effects);
    effects.clear();
    raft.step(now, compact(2, 2), &mut effects);
    assert_eq!(effects, [respond(Response::Rejected(Rejection::Halted))]);
}
